//! JSON schema of the manifest, and the check of a manifest against it in sentences.
//!
//! The schema uses few keywords (type, properties, required, additionalProperties, items, minItems, minProperties,
//! minLength), all of which any validator knows. Here also a text of blanks, or of a placeholder, counts as empty.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A type that has a JSON schema.
pub trait Described {
    /// Its schema.
    fn schema() -> Value;
}

impl Described for String {
    fn schema() -> Value {
        json!({"type": "string", "minLength": 1})
    }
}

impl Described for f64 {
    fn schema() -> Value {
        json!({"type": "number"})
    }
}

impl Described for u64 {
    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0})
    }
}

impl Described for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl<T: Described> Described for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "minItems": 1, "items": T::schema()})
    }
}

impl<T: Described> Described for BTreeMap<String, T> {
    fn schema() -> Value {
        json!({"type": "object", "minProperties": 1, "additionalProperties": T::schema()})
    }
}

/// Schema of a struct: every field is required, no other is allowed.
pub(super) fn object(title: &str, fields: &[(&str, &str, Value)]) -> Value {
    let mut properties = Map::new();
    for (name, doc, schema) in fields {
        let mut schema = schema.clone();
        if let Value::Object(map) = &mut schema {
            // A section keeps its own title.
            map.entry("description").or_insert_with(|| Value::from(doc.trim()));
        }
        properties.insert((*name).to_owned(), schema);
    }
    let required: Vec<&str> = fields.iter().map(|field| field.0).collect();
    json!({
        "type": "object",
        "description": title.trim(),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Texts that stand where something should be said.
const PLACEHOLDERS: [&str; 8] = ["todo", "tbd", "fixme", "?", "-", "n/a", "none yet", "xxx"];

/// Everything in which `value` differs from `schema`, one sentence each, with the place as `section.field[index]`.
/// Empty for a valid value.
pub fn violations(value: &Value, schema: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check("", value, schema, &mut out);
    out
}

fn check(place: &str, value: &Value, schema: &Value, out: &mut Vec<String>) {
    let here = if place.is_empty() { "the manifest" } else { place };
    let wanted = schema["type"].as_str().unwrap_or_default();
    match (wanted, value) {
        ("object", Value::Object(map)) => {
            let fields = schema["properties"].as_object();
            for name in schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if !map.contains_key(name) {
                    let about = schema["properties"][name]["description"].as_str().unwrap_or_default();
                    out.push(format!("{} is missing ({about})", inside(place, name)));
                }
            }
            if map.is_empty() && schema["minProperties"].as_u64().is_some_and(|n| n > 0) {
                out.push(format!("{here} has no entry"));
            }
            for (name, value) in map {
                match (
                    fields.and_then(|fields| fields.get(name)),
                    &schema["additionalProperties"],
                ) {
                    (Some(schema), _) => check(&inside(place, name), value, schema, out),
                    (None, schema @ Value::Object(_)) => check(&inside(place, name), value, schema, out),
                    (None, _) => out.push(format!("{} is not a field of this format", inside(place, name))),
                }
            }
        }
        ("array", Value::Array(items)) => {
            if items.is_empty() {
                out.push(format!("{here} has no entry"));
            }
            for (i, item) in items.iter().enumerate() {
                check(&format!("{place}[{i}]"), item, &schema["items"], out);
            }
        }
        ("string", Value::String(text)) => {
            let bare = text.trim().trim_end_matches('.').to_lowercase();
            if bare.is_empty() {
                out.push(format!("{here} is empty"));
            } else if PLACEHOLDERS.contains(&bare.as_str()) {
                out.push(format!(
                    "{here} says {text:?}: say it, or say in words why there is nothing to say"
                ));
            }
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {}
        ("integer", Value::Number(number)) if number.is_u64() => {}
        (wanted, found) => {
            let kind = match found {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) => "an array",
                Value::Object(_) => "an object",
            };
            out.push(format!("{here} is {kind}, the format has {wanted} there"));
        }
    }
}

fn inside(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Manifest, WorkingPoint, schema_text};
    use super::*;

    #[test]
    fn faults_are_told_by_place() {
        let schema = WorkingPoint::schema();
        let told = |value: Value| violations(&value, &schema);
        let good = json!({"name": "tight", "logit": 1.5, "signal_efficiency": 0.5, "background_efficiency": 1e-3});
        assert!(told(good.clone()).is_empty());
        let changed = |key: &str, value: Value| {
            let mut bad = good.clone();
            bad[key] = value;
            told(bad)
        };
        assert_eq!(changed("name", json!("  ")), ["name is empty"]);
        assert_eq!(
            changed("name", json!("TBD.")),
            ["name says \"TBD.\": say it, or say in words why there is nothing to say"]
        );
        assert_eq!(
            changed("logit", json!(null)),
            ["logit is null, the format has number there"]
        );
        assert_eq!(changed("extra", json!(1)), ["extra is not a field of this format"]);
        let missing = told(json!({"name": "x", "signal_efficiency": 1, "background_efficiency": 1}));
        assert_eq!(
            missing,
            ["logit is missing (A jet passes when the logit of its score lies above.)"]
        );
        assert_eq!(
            violations(&json!([]), &Vec::<f64>::schema()),
            ["the manifest has no entry"]
        );
        assert_eq!(
            violations(&json!([1, "x"]), &Vec::<f64>::schema()),
            ["[1] is a string, the format has number there"]
        );
    }

    #[test]
    fn the_schema_names_all_seventeen_items() {
        let schema = Manifest::schema();
        let text = schema.to_string();
        for item in 1..=17 {
            assert!(
                text.contains(&format!("Item {item}: ")) || text.contains(&format!("Item {item}.")),
                "{item}"
            );
            assert!(text.contains(&format!("Item {item}")), "{item}");
        }
        let read: Value = serde_json::from_str(&schema_text()).unwrap();
        assert_eq!(
            read["properties"]["identity"]["required"],
            schema["properties"]["identity"]["required"]
        );
        assert_eq!(read["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}
