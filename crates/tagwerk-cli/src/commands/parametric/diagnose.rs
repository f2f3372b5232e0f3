//! `tagwerk parametric diagnose RUN`.

use super::{axis, write_lines};
use crate::failure::Failure;
use crate::format;
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_parametric::{Diagnosis, DiagnosisOptions, diagnose};
use tagwerk_report::{LineWords, MassLine, MassPoint};

const EXAMPLES: &str = "\
On the test events of a finished run:
  - the AUC when all features are taken away: what the network reads off the mass alone
  - the AUC of each mass's signal when the network is told another mass
  - how smoothly the score of an event changes with the mass it is told, and whether it has kinks at the masses of the training
  - what each feature is worth, mass by mass (AUC lost when it is exchanged between events)
  - what a cut does to the background's spectrum of a feature (Jensen-Shannon divergence, in bits)
  - reliability of the score, with and without calibration; distributions of the score
  - the significance of the best cut with a background that is not known exactly

Examples:
  tagwerk parametric diagnose runs/affine --figures figures --json diagnosis.json
  tagwerk parametric diagnose runs/affine --column f26 --signal 50 --background 2000 --background-error 0.2";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk parametric train`
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Feature whose background spectrum is looked at behind cuts [default: the last one, m_WWbb of HEPMASS]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Test events of background, and of the signal of each mass, at most [default: 5000]
    #[arg(long, value_name = "N")]
    events: Option<usize>,
    /// Signal events expected before the cut [default: 100]
    #[arg(long, value_name = "S")]
    signal: Option<f64>,
    /// Background events expected before the cut [default: 10000]
    #[arg(long, value_name = "B")]
    background: Option<f64>,
    /// Error of the background, over the background [default: 0.1]
    #[arg(long, value_name = "SHARE")]
    background_error: Option<f64>,
    /// Folder for figures
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

/// JSON of a diagnosis.
#[derive(Serialize)]
struct Told<'a> {
    run: String,
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
}

/// Looks.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let usual = DiagnosisOptions::default();
    let options = DiagnosisOptions {
        column: typed.column.clone(),
        events: typed.events.unwrap_or(usual.events),
        signal: typed.signal.unwrap_or(usual.signal),
        background: typed.background.unwrap_or(usual.background),
        background_error: typed.background_error.unwrap_or(usual.background_error),
        seed: session.seed.unwrap_or(usual.seed),
        ..usual
    };
    let diagnosis = diagnose(&typed.run, &options, &session.context()?)?;
    let axis = axis(&tagwerk_parametric::description(&typed.run)?.parameters);
    let mut text = told(&diagnosis, &axis);
    if let Some(folder) = &typed.figures {
        draw(folder, &diagnosis, &axis)?;
        text.push_str(&format!("\nfigures: {}\n", folder.display()));
    }
    let told = Told {
        run: typed.run.to_string_lossy().into_owned(),
        diagnosis: &diagnosis,
    };
    session.output.result(&text, &told)
}

fn named(point: &[f32]) -> String {
    point.iter().map(f32::to_string).collect::<Vec<_>>().join(", ")
}

fn table(rows: &[Vec<String>]) -> String {
    let right: Vec<bool> = (0..rows[0].len()).map(|i| i > 0).collect();
    format::columns(rows, &right)
}

/// The diagnosis in tables.
fn told(diagnosis: &Diagnosis, axis: &str) -> String {
    let removed = &diagnosis.features_removed;
    let mut text = format!(
        "without the features AUC {:.4}, with them {:.4} (all masses mixed): mass reliance {:.2} %\n\n",
        removed.auc_without, removed.auc, removed.reliance_percent
    );
    let mut rows = vec![vec!["AUC of the signal of".to_owned()]];
    for wrong in &diagnosis.wrong_mass {
        rows[0].push(format!("told {}", named(&wrong.point)));
        let cells = wrong.auc.iter().map(|auc| format!("{auc:.4}"));
        rows.push(std::iter::once(named(&wrong.point)).chain(cells).collect());
    }
    text.push_str(&format!("{}\n", table(&rows)));
    if let Some(smooth) = &diagnosis.smoothness {
        let mean = smooth.step.iter().sum::<f64>() / smooth.step.len().max(1) as f64;
        let width = smooth.grid.get(1).zip(smooth.grid.first()).map_or(0.0, |(a, b)| a - b);
        let kinks = smooth
            .bend_at_trained
            .map_or_else(|| "nothing to compare".to_owned(), |ratio| format!("{ratio:.2}"));
        text.push_str(&format!(
            "a score changes by {mean:.4} in a step of {width} ({axis}); bend at masses trained on over that between (1 is smooth): {kinks}\n\n"
        ));
    }
    let mut rows = vec![vec![
        "AUC lost without".to_owned(),
        "mean".to_owned(),
        "error".to_owned(),
    ]];
    rows[0].extend(diagnosis.wrong_mass.iter().map(|wrong| named(&wrong.point)));
    for feature in diagnosis.importance.iter().take(10) {
        let mut row = vec![
            feature.feature.clone(),
            format!("{:.4}", feature.mean),
            format!("{:.4}", feature.error),
        ];
        row.extend(feature.loss.iter().map(|loss| format!("{loss:.4}")));
        rows.push(row);
    }
    text.push_str(&format!("{}\n", table(&rows)));
    let sculpting = &diagnosis.sculpting;
    let head = [
        "told",
        "background kept",
        "signal kept",
        "divergence [bit]",
        "of chance",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for cut in &sculpting.cuts {
        rows.push(vec![
            named(&cut.point),
            format!("{:.3}", cut.background_efficiency),
            format!("{:.3}", cut.signal_efficiency),
            format!("{:.4}", cut.divergence),
            format!("{:.4} ± {:.4}", cut.of_chance[0], cut.of_chance[1]),
        ]);
    }
    text.push_str(&format!(
        "background spectrum of {} behind cuts\n{}\n",
        sculpting.column,
        table(&rows)
    ));
    let options = &diagnosis.options;
    let head = [
        "mass",
        "ECE",
        "slope",
        "offset",
        "ECE calibrated",
        "cut",
        "significance",
        "s/sqrt(s+b)",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let cell = |value: Option<f64>, digits: usize| value.map_or_else(String::new, |v| format!("{v:.digits$}"));
    for mass in &diagnosis.masses {
        let calibration = mass.calibration.as_ref();
        let discovery = mass.discovery.as_ref();
        rows.push(vec![
            named(&mass.point),
            format!("{:.4}", mass.reliability.expected_calibration_error),
            cell(calibration.map(|c| c.slope), 3),
            cell(calibration.map(|c| c.offset), 3),
            cell(calibration.map(|c| c.reliability.expected_calibration_error), 4),
            cell(discovery.map(|d| d.cut), 2),
            discovery.map_or_else(String::new, |d| {
                let error = d.significance_error.map_or_else(String::new, |e| format!(" ± {e:.3}"));
                let edge = if d.at_edge { " (highest cut tried)" } else { "" };
                format!("{}{error}{edge}", cell(d.significance, 3))
            }),
            cell(discovery.and_then(|d| d.signal_over_root_all), 3),
        ]);
    }
    text.push_str(&format!(
        "{}significance of {} signal on {} background events, known to {:.0} %\n",
        table(&rows),
        options.signal,
        options.background,
        100.0 * options.background_error
    ));
    text
}

fn line(name: String, points: impl IntoIterator<Item = (f64, f64, Option<f64>)>) -> MassLine {
    MassLine {
        name,
        points: points
            .into_iter()
            .map(|(mass, value, error)| MassPoint { mass, value, error })
            .collect(),
    }
}

/// Middles of equal bins on [0, 1].
fn middles(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| (i as f64 + 0.5) / count as f64)
}

fn words<'a>(title: &'a str, x: &'a str, y: &'a str, column: &'a str, of: &'a str) -> LineWords<'a> {
    LineWords {
        title,
        x,
        y,
        column,
        of,
    }
}

fn draw(folder: &Path, diagnosis: &Diagnosis, axis: &str) -> Result<(), Failure> {
    let told_axis = format!("told: {axis}");
    let told: Vec<MassLine> = diagnosis
        .wrong_mass
        .iter()
        .filter(|wrong| wrong.point.len() == 1)
        .map(|wrong| {
            let points = wrong
                .told
                .iter()
                .zip(&wrong.auc)
                .map(|(told, &auc)| (f64::from(told[0]), auc, None));
            line(format!("signal of {}", named(&wrong.point)), points)
        })
        .collect();
    let wrong = words("AUC when told another mass", &told_axis, "AUC (ROC)", "told", "signal");
    write_lines(folder, "wrong-mass", &wrong, &told)?;
    if let Some(smooth) = &diagnosis.smoothness {
        let along = |values: &[f64]| -> Vec<(f64, f64, Option<f64>)> {
            smooth.grid.iter().zip(values).map(|(&m, &v)| (m, v, None)).collect()
        };
        let mut lines: Vec<MassLine> = smooth
            .points
            .iter()
            .zip(&smooth.signal)
            .map(|(point, values)| line(format!("signal of {point}"), along(values)))
            .collect();
        lines.push(line("background".to_owned(), along(&smooth.background)));
        let title = "Mean score against the mass told";
        write_lines(
            folder,
            "score-against-mass",
            &words(title, &told_axis, "mean score", "told", "events"),
            &lines,
        )?;
        let bend: Vec<_> = smooth.grid[1..]
            .iter()
            .zip(&smooth.bend)
            .map(|(&m, &v)| (m, v, None))
            .collect();
        let title = "Bend of the score against the mass told";
        let bends = words(title, &told_axis, "mean |second difference|", "told", "events");
        write_lines(folder, "bend", &bends, &[line("all events".to_owned(), bend)])?;
    }
    let sculpting = &diagnosis.sculpting;
    let centers: Vec<f64> = sculpting.edges.windows(2).map(|w| (w[0] + w[1]) / 2.0).collect();
    let shares = |values: &[f64]| -> Vec<(f64, f64, Option<f64>)> {
        centers.iter().zip(values).map(|(&x, &v)| (x, v, None)).collect()
    };
    for wrong in &diagnosis.wrong_mass {
        let mut lines = vec![line("no cut".to_owned(), shares(&sculpting.before))];
        for cut in sculpting.cuts.iter().filter(|cut| cut.point == wrong.point) {
            let name = format!("{:.1} % kept", 100.0 * cut.background_efficiency);
            lines.push(line(name, shares(&cut.spectrum)));
        }
        let file = format!("spectrum-{}", named(&wrong.point).replace(", ", "_"));
        let title = format!("Background behind cuts at {}", named(&wrong.point));
        let spectra = words(&title, &sculpting.column, "share of events", "value", "cut");
        write_lines(folder, &file, &spectra, &lines)?;
    }
    for mass in &diagnosis.masses {
        let bins = |reliability: &tagwerk_parametric::Reliability| -> Vec<(f64, f64, Option<f64>)> {
            reliability
                .bins
                .iter()
                .map(|bin| (bin.predicted, bin.observed, bin.error))
                .collect()
        };
        let mut lines = vec![
            line("exact".to_owned(), [(0.0, 0.0, None), (1.0, 1.0, None)]),
            line("score".to_owned(), bins(&mass.reliability)),
        ];
        if let Some(calibration) = &mass.calibration {
            lines.push(line("calibrated".to_owned(), bins(&calibration.reliability)));
        }
        let (point, file) = (named(&mass.point), named(&mass.point).replace(", ", "_"));
        let title = format!("Reliability at {point}");
        let reliable = words(&title, "score", "share of signal", "score", "score");
        write_lines(folder, &format!("reliability-{file}"), &reliable, &lines)?;
        let lines = [("signal", &mass.signal), ("background", &mass.background)].map(|(name, values)| {
            let points = middles(values.len()).zip(values).map(|(x, &v)| (x, v, None));
            line(name.to_owned(), points)
        });
        let title = format!("Scores at {point}");
        let scores = words(&title, "score", "share of events", "score", "class");
        write_lines(folder, &format!("scores-{file}"), &scores, &lines)?;
    }
    Ok(())
}
