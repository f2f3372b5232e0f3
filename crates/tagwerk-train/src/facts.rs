//! What a run was begun with, as named values that can be compared: `training.seed` = `3`.

use crate::error::{Result, TrainError};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Values by name, each as JSON text. Tables are taken apart (`settings.phi`), lists are not.
pub(crate) type Facts = BTreeMap<String, String>;

/// Stands for a value that one side has and the other has not.
const ABSENT: &str = "absent";

/// The facts of anything that serializes, under a name; `place` is what an error calls it.
///
/// # Errors
/// A value that JSON has no word for.
pub(crate) fn facts(name: &str, value: &impl Serialize, place: &Path) -> Result<Facts> {
    let value = serde_json::to_value(value).map_err(|e| TrainError::Parse {
        path: place.to_owned(),
        reason: e.to_string(),
    })?;
    let mut all = Facts::new();
    take_apart(name, &value, &mut all);
    Ok(all)
}

fn take_apart(name: &str, value: &Value, all: &mut Facts) {
    match value {
        // An empty table says as much as none.
        Value::Object(table) => {
            for (key, value) in table {
                let dot = if name.is_empty() { "" } else { "." };
                take_apart(&format!("{name}{dot}{key}"), value, all);
            }
        }
        // A setting that is not set is left out of TOML and null in JSON.
        Value::Null => {}
        other => {
            all.insert(name.to_owned(), other.to_string());
        }
    }
}

/// Refuses what `now` has otherwise than `was`: an error that names each difference, with the values of the first.
pub(crate) fn same(path: &Path, was: &Facts, now: &Facts) -> Result<()> {
    let of = |facts: &Facts, name: &str| facts.get(name).cloned().unwrap_or_else(|| ABSENT.to_owned());
    let mut names: Vec<&String> = was.keys().chain(now.keys()).collect();
    // Causes before effects: another tagger explains its other settings, and settings explain the numbers that follow
    // from them.
    names.sort_by_key(|name| (name.starts_with("number of"), name.matches('.').count(), *name));
    names.dedup();
    names.retain(|name| was.get(*name) != now.get(*name));
    let Some((first, others)) = names.split_first() else {
        return Ok(());
    };
    Err(TrainError::Changed {
        path: path.to_owned(),
        what: (*first).clone(),
        found: of(was, first),
        expected: of(now, first),
        others: others.iter().map(|name| (*name).clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: Value) -> Facts {
        facts("", &value, Path::new("x")).unwrap()
    }

    #[test]
    fn a_difference_is_named_by_its_key_and_the_shallow_one_first() {
        let was = of(json!({"settings": {"phi": [10, 20], "f": [5]}, "tagger": "efn", "data": {"limit": null}}));
        assert_eq!(was["settings.phi"], "[10,20]");
        let now = of(json!({"settings": {"phi": [10, 30], "f": [5], "g": 1}, "tagger": "pfn", "number of jets": 3}));
        let error = same(Path::new("run"), &was, &now).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "run was begun with tagger = \"efn\", now it is \"pfn\" (also changed: settings.g, settings.phi, number of jets)"
            ),
            "{error}"
        );
        same(Path::new("run"), &was, &was.clone()).unwrap();
    }

    #[test]
    fn a_setting_that_is_new_or_gone_is_a_difference() {
        let (none, some) = (of(json!({})), of(json!({"clip": 1.0})));
        for (was, now) in [(&none, &some), (&some, &none)] {
            let error = same(Path::new("run"), was, now).unwrap_err().to_string();
            assert!(error.contains("clip = ") && error.contains("absent"), "{error}");
        }
    }
}
