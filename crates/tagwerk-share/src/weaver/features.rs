//! Which features weights read, and how weaver prepares them.
//!
//! weaver writes what it did to its inputs as `preprocess.json` beside each exported model. For each group of inputs it
//! has `var_names`, `var_length` (constituents kept) and `var_infos`: a value becomes (x - `median`) * `norm_factor`,
//! cut to [`lower_bound`, `upper_bound`]. Inputs that are taken as they are have the bounds -1e32 and 1e32.

use crate::error::{Result, ShareError, io};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use tagwerk_physics::{PARTICLE_FEATURES, PARTICLE_STANDARDIZATION, ParticleFeatures, Standardization};

/// Largest preprocessing file.
const MOST_BYTES: u64 = 1 << 20;

/// Bounds from here on cut nothing.
const UNBOUND: f64 = 1e31;

/// Names of weaver's data configurations for the columns of [`PARTICLE_FEATURES`], in their order.
const SPELLINGS: [&[&str]; PARTICLE_FEATURES.len()] = [
    &["part_pt_log", "part_logpt", "log_pt"],
    &["part_e_log", "part_loge", "log_e"],
    &["part_deta", "part_etarel", "delta_eta"],
    &["part_dphi", "part_phirel", "delta_phi"],
    &["part_logptrel", "log_pt_rel"],
    &["part_logerel", "log_e_rel"],
    &["part_deltaR", "part_dR", "delta_r"],
    &["part_charge"],
    &["part_isChargedHadron"],
    &["part_isNeutralHadron"],
    &["part_isPhoton"],
    &["part_isElectron"],
    &["part_isMuon"],
    // Impact parameters as their tanh; `part_d0val` itself is no feature of the published weights.
    &["part_d0"],
    &["part_d0err"],
    &["part_dz"],
    &["part_dzerr"],
];

/// Features of the published weights with 17 of them, in order; those with 13 lack the impact parameters, those with 7
/// everything but kinematics.
const PUBLISHED: [&str; 17] = [
    "part_pt_log",
    "part_e_log",
    "part_logptrel",
    "part_logerel",
    "part_deltaR",
    "part_charge",
    "part_isChargedHadron",
    "part_isNeutralHadron",
    "part_isPhoton",
    "part_isElectron",
    "part_isMuon",
    "part_d0",
    "part_d0err",
    "part_dz",
    "part_dzerr",
    "part_deta",
    "part_dphi",
];

/// Classes of the published weights for ten classes (JetClass, arXiv:2202.03772), in order.
const JET_CLASS: [&str; 10] = [
    "label_QCD",
    "label_Hbb",
    "label_Hcc",
    "label_Hgg",
    "label_H4q",
    "label_Hqql",
    "label_Zqq",
    "label_Wqq",
    "label_Tbqq",
    "label_Tbl",
];

/// Features, their standardization, and the names of the classes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Preprocess {
    /// SHA-256 of the file; absent for what weaver publishes.
    pub(crate) sha256: Option<String>,
    /// Names of the features, in the order of the network.
    pub(crate) features: Vec<String>,
    /// Standardization of each of them, `None` for those taken as they are.
    scaling: Vec<Option<Standardization>>,
    /// Leading constituents kept.
    pub(crate) max_constituents: usize,
    /// Names of the classes, where known.
    pub(crate) classes: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Group {
    var_names: Vec<String>,
    var_length: usize,
    var_infos: BTreeMap<String, Info>,
}

#[derive(Deserialize, PartialEq)]
struct Info {
    median: f64,
    norm_factor: f64,
    lower_bound: f64,
    upper_bound: f64,
}

impl Info {
    /// `None` for a value that is taken as it is.
    fn scaling(&self) -> Option<Standardization> {
        let unbound = self.lower_bound <= -UNBOUND && self.upper_bound >= UNBOUND;
        let plain = self.median == 0.0 && self.norm_factor == 1.0 && unbound;
        (!plain).then_some(Standardization {
            shift: self.median as f32,
            scale: self.norm_factor as f32,
            low: self.lower_bound as f32,
            high: self.upper_bound as f32,
        })
    }
}

impl Preprocess {
    /// What weaver publishes for weights on so many features with so many outputs: 128 constituents, (x - a) b of the
    /// Particle Transformer's constants. For another number of features their names are not known.
    pub(crate) fn published(features: usize, classes: usize) -> Self {
        let known = ParticleFeatures::of_count(features).map_or(0, ParticleFeatures::count);
        let read = |name: &&str| column(name).is_some_and(|c| c < known);
        let names: Vec<&str> = PUBLISHED.into_iter().filter(read).collect();
        Self {
            sha256: None,
            scaling: names
                .iter()
                .map(|name| column(name).and_then(|c| PARTICLE_STANDARDIZATION[c]))
                .collect(),
            features: names.into_iter().map(str::to_owned).collect(),
            max_constituents: 128,
            classes: (classes == JET_CLASS.len()).then(|| JET_CLASS.map(str::to_owned).to_vec()),
        }
    }

    /// Reads a preprocessing file.
    ///
    /// # Errors
    /// [`ShareError::Preprocess`] with the key.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let fault = |reason: String| ShareError::Preprocess {
            path: path.to_owned(),
            reason,
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(io(path, "open"))?;
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(io(path, "read"))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(fault(format!(
                "more than {MOST_BYTES} bytes, which no preprocess.json has"
            )));
        }
        Self::parse(&bytes).map_err(fault)
    }

    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let all: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes).map_err(|e| {
            format!("not the JSON that weaver writes beside an exported model (a data configuration in YAML is not read): {e}")
        })?;
        let group = |key: &str| -> std::result::Result<Group, String> {
            let value = all.get(key).ok_or_else(|| format!("there is no {key}"))?;
            Group::deserialize(value).map_err(|e| format!("{key}: {e}"))
        };
        let mut keys = all.keys().filter(|key| key.ends_with("_features"));
        let key = match (keys.next(), keys.next()) {
            (Some(key), None) => key,
            (None, _) => return Err("there is no group of inputs that ends in _features".to_owned()),
            _ => return Err("there are several groups of inputs that end in _features; one is needed".to_owned()),
        };
        let features = group(key)?;
        if features.var_length == 0 {
            return Err(format!("{key}: var_length = 0; allowed: at least 1"));
        }
        let info = |group: &Group, name: &str| -> std::result::Result<Option<Standardization>, String> {
            let info = group
                .var_infos
                .get(name)
                .ok_or_else(|| format!("{key}: no var_infos of {name:?}"))?;
            let scaling = info.scaling();
            match scaling.as_ref().is_none_or(Standardization::is_sound) {
                true => Ok(scaling),
                false => Err(format!(
                    "{key}: the numbers of {name:?} are not finite or its bounds are not in order"
                )),
            }
        };
        let scaling = features
            .var_names
            .iter()
            .map(|name| info(&features, name))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        // The points of the first graph are two of the features, prepared in the same way.
        let points_key = key.replace("_features", "_points");
        let points = group(&points_key)?;
        let places: Vec<Option<usize>> = points.var_names.iter().map(|name| column(name)).collect();
        if places != [Some(2), Some(3)] {
            let names = points.var_names.join(", ");
            return Err(format!(
                "{points_key}: {names:?}; allowed: the two relative angles, part_deta and part_dphi"
            ));
        }
        for name in &points.var_names {
            let at = features
                .var_names
                .iter()
                .position(|other| column(other) == column(name));
            if at.is_some_and(|at| info(&points, name).ok() != Some(scaling[at])) {
                return Err(format!(
                    "{points_key}: {name} is prepared otherwise than among the features"
                ));
            }
        }
        let classes = match all.get("output_names") {
            None => None,
            Some(names) => Some(Vec::<String>::deserialize(names).map_err(|e| format!("output_names: {e}"))?),
        };
        Ok(Self {
            sha256: Some(tagwerk_data::sha256(bytes)),
            scaling,
            max_constituents: features.var_length,
            features: features.var_names,
            classes,
        })
    }

    /// The set of features that these are, and the place of each of its columns among them; what is wrong, in words, if
    /// they are no such set.
    pub(crate) fn order(&self) -> std::result::Result<(ParticleFeatures, Vec<usize>), String> {
        if self.features.is_empty() {
            return Err("this number is none of them".to_owned());
        }
        let unknown = self.features.iter().filter(|name| column(name).is_none());
        let unknown: Vec<&str> = unknown.map(String::as_str).collect();
        if !unknown.is_empty() {
            return Err(format!("{} are none of them", unknown.join(", ")));
        }
        let count = self.features.len();
        let set =
            ParticleFeatures::of_count(count).ok_or_else(|| format!("{count} features are none of these sets"))?;
        let place = |c: usize| {
            let at = self.features.iter().position(|name| column(name) == Some(c));
            at.ok_or_else(|| format!("of the {count} of {}, {} is missing", set.name(), SPELLINGS[c][0]))
        };
        let order = (0..count).map(place).collect::<std::result::Result<_, _>>()?;
        Ok((set, order))
    }

    /// Standardization by Tagwerk's names of the columns.
    pub(crate) fn standardization(&self) -> BTreeMap<String, Standardization> {
        let named = self.features.iter().zip(&self.scaling).filter_map(|(name, scaling)| {
            let c = column(name)?;
            // What is not told is as published here, so that a column taken as it is has to be told where that is not.
            let told = match (scaling, PARTICLE_STANDARDIZATION[c]) {
                (None, Some(_)) if PARTICLE_FEATURES[c].ends_with("_err") => Some(AS_IT_IS),
                (scaling, _) => *scaling,
            };
            Some((PARTICLE_FEATURES[c].to_owned(), told?))
        });
        named.collect()
    }
}

/// Changes nothing.
const AS_IT_IS: Standardization = Standardization {
    shift: 0.0,
    scale: 1.0,
    low: -UNBOUND as f32,
    high: UNBOUND as f32,
};

/// The column that weaver calls by this name.
fn column(name: &str) -> Option<usize> {
    SPELLINGS.iter().position(|spellings| spellings.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn infos(names: &[&str]) -> Value {
        let info = |name: &&str| match column(name).and_then(|c| PARTICLE_STANDARDIZATION[c]) {
            Some(s) => json!({"median": s.shift, "norm_factor": s.scale, "replace_inf_value": 0,
                              "lower_bound": -5, "upper_bound": 5, "pad": 0}),
            None => json!({"median": 0, "norm_factor": 1, "replace_inf_value": 0,
                           "lower_bound": -1e32, "upper_bound": 1e32, "pad": 0}),
        };
        let infos: serde_json::Map<String, Value> = names.iter().map(|n| ((*n).to_owned(), info(n))).collect();
        json!({"var_names": names, "var_length": 128, "var_infos": infos})
    }

    fn file() -> Value {
        let kin: Vec<String> = Preprocess::published(7, 2).features;
        let names: Vec<&str> = kin.iter().map(String::as_str).collect();
        json!({
            "output_names": ["jet_isTop", "jet_isQCD"],
            "input_names": ["pf_points", "pf_features", "pf_mask"],
            "pf_points": infos(&["part_deta", "part_dphi"]),
            "pf_features": infos(&names),
            "pf_mask": infos(&["part_mask"]),
        })
    }

    fn parse(file: &Value) -> std::result::Result<Preprocess, String> {
        Preprocess::parse(file.to_string().as_bytes())
    }

    #[test]
    fn the_file_of_the_published_configuration_says_what_is_assumed_without_one() {
        let (read, assumed) = (parse(&file()).unwrap(), Preprocess::published(7, 2));
        assert_eq!((&read.features, &read.scaling), (&assumed.features, &assumed.scaling));
        assert_eq!(read.max_constituents, assumed.max_constituents);
        assert_eq!(read.classes.unwrap(), ["jet_isTop", "jet_isQCD"]);
        // log pt, log E, the angles, relative pt and energy, distance: places in weaver's order.
        assert_eq!(assumed.order().unwrap().1, [0, 1, 5, 6, 2, 3, 4]);
        assert_eq!(assumed.standardization().len(), 5);
    }

    #[test]
    fn the_published_sets_are_ours_in_another_order() {
        for (set, standardized) in [
            (ParticleFeatures::Kin, 5),
            (ParticleFeatures::KinPid, 5),
            (ParticleFeatures::Full, 7),
        ] {
            let published = Preprocess::published(set.count(), 10);
            let (found, mut order) = published.order().unwrap();
            assert_eq!((found, published.standardization().len()), (set, standardized));
            for (c, &at) in order.iter().enumerate() {
                assert_eq!(
                    published.scaling[at], PARTICLE_STANDARDIZATION[c],
                    "{}",
                    PARTICLE_FEATURES[c]
                );
            }
            order.sort_unstable();
            assert!(order.into_iter().eq(0..set.count()));
        }
        assert_eq!(Preprocess::published(17, 10).classes.unwrap()[8], "label_Tbqq");
        // Angles stand last in weaver's order, third and fourth here.
        assert_eq!(Preprocess::published(13, 10).order().unwrap().1[2..4], [11, 12]);
    }

    #[test]
    fn features_that_are_no_set_say_which_one_is_wrong() {
        let changed = |count: usize, change: fn(&mut Vec<String>)| {
            let mut preprocess = Preprocess::published(count, 2);
            change(&mut preprocess.features);
            preprocess.order().unwrap_err()
        };
        assert!(changed(17, |names| names[11] = "part_d0val".into()).contains("part_d0val"));
        assert!(changed(13, |names| names[10] = "part_d0err".into()).contains("part_isMuon"));
        assert!(changed(13, |names| names[10] = "part_charge".into()).contains("part_isMuon"));
        assert!(changed(13, |names| drop(names.pop())).contains("12 features"));
    }

    #[test]
    fn an_error_that_is_taken_as_it_is_is_not_cut_as_published() {
        let mut plain = Preprocess::published(17, 2);
        plain.scaling[12] = None;
        assert_eq!(plain.features[12], "part_d0err");
        let told = plain.standardization();
        assert_eq!((told["d0_err"], told["dz_err"].high), (AS_IT_IS, 1.0));
        assert!(AS_IT_IS.is_sound());
    }

    #[test]
    fn what_a_file_has_wrong_is_named_by_its_key() {
        let changed = |path: &[&str], value: Value| {
            let mut file = file();
            let mut at = &mut file;
            for key in path {
                at = &mut at[*key];
            }
            *at = value;
            parse(&file).unwrap_err()
        };
        for (path, value, words) in [
            (&["pf_features"][..], json!(3), "pf_features"),
            (&["pf_features", "var_length"], json!(0), "var_length"),
            (&["pf_features", "var_infos", "part_pt_log"], Value::Null, "pf_features"),
            (
                &["pf_features", "var_infos", "part_pt_log", "lower_bound"],
                json!(6),
                "part_pt_log",
            ),
            (
                &["pf_features", "var_infos", "part_pt_log", "median"],
                json!(1e300),
                "part_pt_log",
            ),
            (&["pf_features", "var_names"], json!(["part_x"]), "part_x"),
            (
                &["pf_points", "var_names"],
                json!(["part_pt_log", "part_dphi"]),
                "pf_points",
            ),
            (
                &["pf_points", "var_infos", "part_deta", "median"],
                json!(0.1),
                "part_deta",
            ),
            (&["more_features"], json!({}), "several"),
            (&["output_names"], json!([1]), "output_names"),
        ] {
            let error = changed(path, value);
            assert!(error.contains(words), "{words} in {error}");
        }
        assert!(
            Preprocess::parse(b"preprocess:\n  method: manual")
                .unwrap_err()
                .contains("YAML")
        );
    }
}
