//! Packing a run: what only people know comes from a TOML file, the rest is measured.

use super::SurrogateRun;
use crate::config::SurrogateConfig;
use crate::error::SurrogateError;
use crate::manifest::{Declaration, Described, Manifest, violations};
use crate::pack::{PackOptions, Package, pack};
use crate::shared::SharedSurrogate;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use tagwerk_data::Part;
use tagwerk_stats::SurrogateEvaluation;

/// What is packed beside the surrogate.
pub struct Surroundings<'a> {
    /// What people say of it.
    pub declaration: &'a Declaration,
    /// Its evaluation on the test jets.
    pub evaluation: &'a SurrogateEvaluation,
    /// The evaluation as a page.
    pub report: &'a str,
    /// Text of the license.
    pub license: &'a str,
    /// Sizes, tolerances, seed.
    pub options: PackOptions,
}

impl SurrogateRun {
    /// Packs a surrogate of this run into the file `path`, with test jets for the golden test and the claims.
    ///
    /// # Errors
    /// As [`pack`]; the file is then not there, or as it was.
    pub fn pack(
        &self,
        shared: &SharedSurrogate,
        around: &Surroundings<'_>,
        path: &Path,
    ) -> Result<Manifest, SurrogateError> {
        let train = self.table(Part::Train)?;
        let signal = train.labels().iter().filter(|&&label| label == 1.0).count();
        let package = Package {
            model: shared,
            declaration: around.declaration,
            domain: &self.domain()?,
            validation: &self.score_table(Part::Test)?,
            signal_share: signal as f64 / train.len() as f64,
            evaluation: around.evaluation,
            report: around.report,
            license: around.license,
            options: around.options,
        };
        pack(&package, path)
    }
}

/// Fields that the packer measures, which a declaration need not have, and what stands there until then.
fn measured(value: &mut Value) {
    let fill = |section: &mut Value, key: &str, with: Value| {
        if let Value::Object(map) = section {
            map.entry(key).or_insert(with);
        }
    };
    fill(&mut value["training_data"], "rows", json!(0));
    fill(&mut value["labels"], "training_priors", json!({"0": 0.5, "1": 0.5}));
    if let Some(points) = value["classifier"]["working_points"].as_array_mut() {
        for point in points {
            fill(point, "signal_efficiency", json!(0.0));
            fill(point, "background_efficiency", json!(0.0));
        }
    }
}

/// Reads a declaration: the manifest's items that only people know, as TOML. `place` is what errors call it.
///
/// # Errors
/// A text that is no TOML; every item that is missing, empty or unknown, by its name and with what it is to say.
pub fn read_declaration(text: &str, place: &Path) -> Result<Declaration, SurrogateError> {
    let failed = |reason: String| SurrogateError::Artifact {
        path: place.to_owned(),
        reason,
    };
    let table: toml::Table = toml::from_str(text).map_err(|e| failed(e.to_string().trim_end().to_owned()))?;
    let mut value = serde_json::to_value(&table).map_err(|e| failed(e.to_string()))?;
    // Sections that are there as something else than a table are told by the check, not filled.
    for section in ["training_data", "labels", "classifier"] {
        if value.get(section).is_none() {
            continue;
        }
        if !value[section].is_object() {
            return Err(failed(format!("{section} is no table")));
        }
    }
    if ["training_data", "labels", "classifier"]
        .iter()
        .all(|section| value.get(section).is_some())
    {
        measured(&mut value);
    }
    let wrong = violations(&value, &Declaration::schema());
    if !wrong.is_empty() {
        return Err(failed(format!("{} items: {}", wrong.len(), wrong.join("; "))));
    }
    serde_json::from_value(value).map_err(|e| failed(e.to_string()))
}

/// The declaration of surrogates of the sample inside the program, for a run on it with the sample's own columns; `None`
/// for any other run.
///
/// # Errors
/// A condition that the sample does not have.
pub fn sample_declaration(config: &SurrogateConfig) -> Result<Option<Declaration>, SurrogateError> {
    const TEXT: &str = include_str!("../../../../configs/surrogate-top-declaration.toml");
    if !config.data.all_files().is_empty() {
        return Ok(None);
    }
    let mut declaration = read_declaration(TEXT, Path::new("declaration of the sample"))?;
    let all = std::mem::take(&mut declaration.inputs);
    for name in &config.data.conditions {
        let input = all.iter().find(|input| input.name == *name);
        declaration
            .inputs
            .push(input.cloned().ok_or_else(|| SurrogateError::Table {
                file: "declaration of the sample".to_owned(),
                reason: format!("it has no input `{name}`"),
            })?);
    }
    Ok(Some(declaration))
}

/// A declaration to be filled in, as TOML with a comment on every item: for a surrogate with these inputs. Every `TODO`
/// must be replaced before it is accepted.
pub fn declaration_template(inputs: &[String]) -> String {
    let mut out = String::from(
        "# What only people know of a surrogate. Every TODO must be replaced; what does not apply is said in words.\n",
    );
    let schema = Declaration::schema();
    section(&mut out, "", &schema, inputs);
    out
}

/// Whether the packer measures a field.
fn is_measured(place: &str) -> bool {
    matches!(
        place,
        "training_data.rows"
            | "labels.training_priors"
            | "classifier.working_points.signal_efficiency"
            | "classifier.working_points.background_efficiency"
    )
}

/// Writes a section: its plain fields first, as TOML wants it, then its tables.
fn section(out: &mut String, place: &str, schema: &Value, inputs: &[String]) {
    let empty = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&empty);
    // In the order of the struct, which the list of required fields keeps.
    let order: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let inside = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place}.{name}"),
    };
    let is_table = |schema: &Value| {
        schema["type"] == "object" || (schema["type"] == "array" && schema["items"]["type"] == "object")
    };
    // Writing to a string cannot fail.
    for name in order
        .iter()
        .filter(|name| !is_table(&fields[**name]) && !is_measured(&inside(name)))
    {
        let field = &fields[*name];
        let _ = writeln!(out, "# {}", field["description"].as_str().unwrap_or_default());
        let todo = match field["type"].as_str() {
            Some("array") => "[\"TODO\"]",
            Some("number" | "integer") => "0.0",
            Some("boolean") => "false",
            _ => "\"TODO\"",
        };
        let _ = writeln!(out, "{name} = {todo}");
    }
    for name in order
        .iter()
        .filter(|name| is_table(&fields[**name]) && !is_measured(&inside(name)))
    {
        let (field, path) = (&fields[*name], inside(name));
        let _ = writeln!(out, "\n# {}", field["description"].as_str().unwrap_or_default());
        if field["type"] == "array" {
            let count = if *name == "inputs" { inputs.len() } else { 1 };
            for at in 0..count {
                let _ = writeln!(out, "[[{path}]]");
                let from = out.len();
                section(out, &path, &field["items"], inputs);
                if *name == "inputs" {
                    let filled = out[from..].replacen("name = \"TODO\"", &format!("name = {:?}", inputs[at]), 1);
                    out.truncate(from);
                    out.push_str(&filled);
                }
            }
        } else if field["properties"].is_object() {
            let _ = writeln!(out, "[{path}]");
            section(out, &path, field, inputs);
        } else {
            let _ = writeln!(out, "[{path}]\n0 = \"TODO\"\n1 = \"TODO\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::declaration;

    fn place() -> &'static Path {
        Path::new("d.toml")
    }

    /// Protects the promise that measured facts need not be written by hand, and that others are asked for by name.
    #[test]
    fn what_is_measured_may_be_left_out_and_what_is_missing_is_named() {
        let mut table: toml::Table = toml::from_str(&toml::to_string(&declaration()).unwrap()).unwrap();
        table["training_data"].as_table_mut().unwrap().remove("rows");
        table["labels"].as_table_mut().unwrap().remove("training_priors");
        for point in table["classifier"]["working_points"].as_array_mut().unwrap() {
            point.as_table_mut().unwrap().remove("signal_efficiency");
        }
        let text = toml::to_string(&table).unwrap();
        assert_eq!(
            read_declaration(&text, place()).unwrap().identity,
            declaration().identity
        );
        table["identity"].as_table_mut().unwrap().remove("contact");
        table["limits"]["known_failures"] = toml::Value::Array(Vec::new());
        let error = read_declaration(&toml::to_string(&table).unwrap(), place())
            .unwrap_err()
            .to_string();
        for word in [
            "d.toml",
            "2 items",
            "identity.contact is missing (Whom to ask",
            "limits.known_failures has no entry",
        ] {
            assert!(error.contains(word), "{word}: {error}");
        }
        table.remove("limits");
        let error = read_declaration(&toml::to_string(&table).unwrap(), place())
            .unwrap_err()
            .to_string();
        assert!(error.contains("limits is missing"), "{error}");
        assert!(read_declaration("identity = 3", place()).is_err());
        assert!(read_declaration("labels = 3\n[training_data]\n[classifier]", place()).is_err());
    }

    #[test]
    fn the_declaration_of_the_sample_is_complete_for_both_sets_of_conditions() {
        for text in [
            include_str!("../../../../configs/surrogate-top.toml"),
            include_str!("../../../../configs/surrogate-top11.toml"),
        ] {
            let config = SurrogateConfig::from_toml(text, place()).unwrap();
            let declaration = sample_declaration(&config).unwrap().unwrap();
            let names: Vec<&String> = declaration.inputs.iter().map(|input| &input.name).collect();
            assert!(names.iter().copied().eq(&config.data.conditions));
        }
        let mut other = SurrogateConfig::default();
        other.data.files.push("mine.csv".into());
        assert!(sample_declaration(&other).unwrap().is_none());
    }

    #[test]
    fn the_template_asks_for_everything_and_is_refused_as_it_is() {
        let inputs = ["label".to_owned(), "jet_pt".to_owned()];
        let template = declaration_template(&inputs);
        let error = read_declaration(&template, place()).unwrap_err().to_string();
        assert!(error.contains("identity.name says \"TODO\""), "{error}");
        assert!(
            !error.contains("is missing") && !error.contains("not a field"),
            "{error}"
        );
        let filled = template.replace("TODO", "said in words");
        let declaration = read_declaration(&filled, place()).unwrap();
        assert_eq!(
            declaration.inputs.iter().map(|i| &i.name).collect::<Vec<_>>(),
            ["label", "jet_pt"]
        );
    }
}
