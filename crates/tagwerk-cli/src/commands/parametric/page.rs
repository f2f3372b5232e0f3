//! The page of a parametric classifier: its numbers mass by mass, in every form, and its figures against mass.

use super::axis;
use crate::failure::Failure;
use crate::report_input::{origin, typed_command};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_parametric::{CutFrom, PointEvaluation, RepeatedEvaluation, SeedSpread, StudyConfig, StudyEvaluation};
use tagwerk_report::{Entry, Figure, LineWords, MassLine, MassPoint, Sheet, SheetTable, line_figure, write_sheet};
use tagwerk_train::RunFolder;

/// The numbers of an evaluation; `repeats` is the number of trainings behind it, `parameters` are the names.
pub(super) fn masses_table(evaluation: &StudyEvaluation, parameters: &[String], repeats: usize) -> SheetTable {
    let mut rows = Vec::new();
    for mass in &evaluation.masses {
        let mut notes = Vec::new();
        if mass.out_of_range {
            notes.push("outside the masses trained on");
        } else if !mass.trained {
            notes.push("not trained on");
        }
        match mass.cut_from {
            CutFrom::Validation => {}
            CutFrom::Interpolated => notes.push("cut between those of its neighbors"),
            CutFrom::Nearest => notes.push("cut of the nearest mass"),
            CutFrom::Serving => notes.push("cut of the network that serves it"),
            CutFrom::Test => notes.push("cut chosen on the test itself"),
        }
        let name = match &mass.point {
            Some(point) => point.iter().map(f32::to_string).collect::<Vec<_>>().join(", "),
            None => mass.mass.to_string(),
        };
        rows.push(vec![
            Entry::Text(name),
            Entry::with_error(mass.auc_roc, mass.auc_roc_error, 6),
            Entry::with_error(mass.auc_pr, mass.auc_pr_error, 6),
            Entry::with_error(mass.significance_ratio, mass.significance_ratio_error, 6),
            Entry::number(mass.best_cut, 2),
            Entry::Text(notes.join(", ")),
        ]);
    }
    let mean = &evaluation.mean;
    rows.push(vec![
        Entry::text("mean"),
        Entry::with_error(mean.auc_roc, mean.auc_roc_error, 6),
        Entry::with_error(mean.auc_pr, mean.auc_pr_error, 6),
        Entry::with_error(mean.significance_ratio, mean.significance_ratio_error, 6),
        Entry::number(mean.best_cut, 2),
        Entry::text(""),
    ]);
    let errors = match repeats {
        1 => "± finite test sample".to_owned(),
        n => format!("mean of {n} trainings, ± test sample and trainings together"),
    };
    let parameter = match parameters {
        [] => "mass".to_owned(),
        names => names.join(", "),
    };
    SheetTable {
        name: "masses",
        title: "Mass by mass".to_owned(),
        caption: format!(
            "Signal of each {parameter} against all background, which is given it too; {errors}. The significance ratio is s / \
             sqrt(s + b) behind the cut over that of a perfect classifier, as much background as signal before the cut."
        ),
        headings: [
            &parameter,
            "AUC (ROC)",
            "AUC (PR)",
            "significance ratio",
            "cut",
            "remarks",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes: Vec::new(),
    }
}

/// A quantity against the first parameter: one line for each value of the others.
fn lines(
    evaluation: &StudyEvaluation,
    parameters: &[String],
    what: fn(&PointEvaluation) -> (f64, Option<f64>),
) -> Vec<MassLine> {
    let mut lines: Vec<MassLine> = Vec::new();
    for mass in &evaluation.masses {
        let others = mass.point.iter().flat_map(|point| point.iter().zip(parameters).skip(1));
        let others: Vec<String> = others.map(|(value, name)| format!("{name} = {value}")).collect();
        let name = match others.is_empty() {
            true => "this network".to_owned(),
            false => others.join(", "),
        };
        let (value, error) = what(mass);
        let point = MassPoint {
            mass: mass.mass,
            value,
            error,
        };
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(MassLine {
                name,
                points: vec![point],
            }),
        }
    }
    lines
}

/// What a figure shows of a point.
type Quantity = (&'static str, &'static str, fn(&PointEvaluation) -> (f64, Option<f64>));

const QUANTITIES: [Quantity; 4] = [
    ("auc-roc", "AUC (ROC)", |m| (m.auc_roc, m.auc_roc_error)),
    ("auc-pr", "AUC (precision-recall)", |m| (m.auc_pr, m.auc_pr_error)),
    ("significance-ratio", "Significance ratio", |m| {
        (m.significance_ratio, m.significance_ratio_error)
    }),
    ("best-cut", "Best cut", |m| (m.best_cut, None)),
];

/// The figures of an evaluation against the first of the parameters.
fn figures(evaluation: &StudyEvaluation, parameters: &[String]) -> Result<Vec<Figure>, Failure> {
    let parameter = parameters.first().map_or("mass", String::as_str);
    let mut figures = Vec::new();
    for (name, quantity, what) in QUANTITIES {
        let words = LineWords {
            title: &format!("{quantity} against {parameter}"),
            x: &axis(parameters),
            y: quantity,
            column: parameter,
            of: "network",
        };
        figures.extend(line_figure(name, &words, &lines(evaluation, parameters, what))?);
    }
    Ok(figures)
}

/// Of what a page is.
pub(super) struct About<'a> {
    /// The trainings behind it; the first says where all come from.
    pub(super) runs: &'a [PathBuf],
    /// Names of the parameters.
    pub(super) parameters: &'a [String],
    /// What must be known before the numbers are believed.
    pub(super) warnings: Vec<String>,
    /// Of runs that are trainings of one configuration, of which the numbers are the means.
    pub(super) repeats: Option<&'a RepeatedEvaluation>,
}

impl About<'_> {
    /// Trainings behind each number.
    pub(super) fn trainings(&self) -> usize {
        self.repeats.map_or(1, |repeats| repeats.seeds.len())
    }

    /// The runs, then configuration and origin of the first.
    fn provenance(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut facts = Vec::new();
        if self.runs.len() > 1 {
            let runs: Vec<String> = self.runs.iter().map(|run| run.display().to_string()).collect();
            facts.push((
                "runs".to_owned(),
                format!("{}; what follows is of the first", runs.join(", ")),
            ));
        }
        if let Some(repeats) = self.repeats {
            let seeds: Vec<String> = repeats.seeds.iter().map(u64::to_string).collect();
            facts.push(("seeds".to_owned(), seeds.join(", ")));
        }
        if let Some(run) = self.runs.first() {
            facts.extend(provenance(run)?);
        }
        Ok(facts)
    }
}

/// Standard deviations over the seeds, under the headings of the table of the means.
fn spread_table(repeats: &RepeatedEvaluation, means: &SheetTable) -> SheetTable {
    let row = |(spread, names): (&SeedSpread, &Vec<Entry>)| {
        let mut row = names[..1].to_vec();
        row.extend([spread.auc_roc, spread.auc_pr, spread.significance_ratio].map(|v| Entry::number(v, 5)));
        row.push(Entry::number(spread.best_cut, 3));
        row
    };
    SheetTable {
        name: "spread",
        title: "Spread over the seeds".to_owned(),
        caption: format!(
            "Standard deviation over {} trainings: what another training would give.",
            repeats.seeds.len()
        ),
        headings: means.headings[..5].to_vec(),
        rows: repeats.spread.iter().zip(&means.rows).map(row).collect(),
        notes: Vec::new(),
    }
}

/// Writes the page of an evaluation into `folder`, with `told` as its numbers; returns its path.
pub(super) fn write_page(
    folder: &Path,
    evaluation: &StudyEvaluation,
    about: About<'_>,
    told: &impl Serialize,
) -> Result<PathBuf, Failure> {
    let mut tables = vec![masses_table(evaluation, about.parameters, about.trainings())];
    tables.extend(about.repeats.map(|repeats| spread_table(repeats, &tables[0])));
    let mean = &evaluation.mean;
    let error = mean
        .auc_roc_error
        .map_or_else(String::new, |error| format!(" ± {error:.4}"));
    let sheet = Sheet {
        title: "One classifier for all masses".to_owned(),
        summary: format!(
            "Area under the ROC curve, mean over {} points: {:.4}{error}.",
            evaluation.masses.len(),
            mean.auc_roc
        ),
        warnings: about.warnings.clone(),
        tables,
        figures: figures(evaluation, about.parameters)?,
        provenance: about.provenance()?,
        commands: vec![typed_command()],
        json: Some(("evaluation.json".to_owned(), serde_json::to_string_pretty(told)? + "\n")),
    };
    Ok(write_sheet(&sheet, folder)?)
}

/// Configuration and origin of a run: a line each table of the configuration, then the program and the data.
pub(super) fn provenance(run: &Path) -> Result<Vec<(String, String)>, Failure> {
    let folder = RunFolder::open(run)?;
    let mut facts = settings(&folder.config()?)?;
    facts.extend(folder.provenance()?.iter().flat_map(origin));
    Ok(facts)
}

/// The tables of a configuration, a line each.
fn settings(config: &StudyConfig) -> Result<Vec<(String, String)>, Failure> {
    let table = toml::Table::try_from(config).map_err(|e| Failure::new(format!("configuration: {e}")))?;
    Ok(table
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(values: &[f32], auc_roc: f64) -> PointEvaluation {
        PointEvaluation {
            mass: f64::from(values[0]),
            point: (values.len() > 1).then(|| values.to_vec()),
            auc_roc,
            auc_roc_error: None,
            auc_pr: 0.5,
            auc_pr_error: None,
            significance_ratio: 0.5,
            significance_ratio_error: None,
            significance_ratio_best: 0.5,
            best_cut: 0.5,
            cut_from: CutFrom::Validation,
            out_of_range: false,
            trained: true,
            n_signal: 1,
            n_background: 1,
        }
    }

    #[test]
    fn points_that_differ_in_another_parameter_are_no_line() {
        let evaluation = |masses: Vec<PointEvaluation>| StudyEvaluation {
            masses,
            mean: tagwerk_parametric::MeanEvaluation {
                auc_roc: 0.5,
                auc_roc_error: None,
                auc_pr: 0.5,
                auc_pr_error: None,
                significance_ratio: 0.5,
                significance_ratio_error: None,
                best_cut: 0.5,
            },
            parameters: 1,
        };
        let names = ["mX".to_owned(), "mY".to_owned()];
        let two = evaluation(vec![
            point(&[500.0, 100.0], 0.7),
            point(&[500.0, 200.0], 0.6),
            point(&[600.0, 100.0], 0.8),
        ]);
        let found = lines(&two, &names, |m| (m.auc_roc, None));
        let told: Vec<(&str, Vec<f64>)> = found
            .iter()
            .map(|line| (line.name.as_str(), line.points.iter().map(|p| p.value).collect()))
            .collect();
        assert_eq!(told, [("mY = 100", vec![0.7, 0.8]), ("mY = 200", vec![0.6])]);
        assert_eq!(axis(&names), "mX");
        let one = evaluation(vec![point(&[500.0], 0.7), point(&[600.0], 0.8)]);
        assert_eq!(lines(&one, &names[..1], |m| (m.auc_roc, None)).len(), 1);
        assert_eq!(axis(&["mass".to_owned()]), "mass [GeV]");
    }
}
