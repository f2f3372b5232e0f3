//! Tables of a surrogate's evaluation, for the terminal and the page alike.

use crate::number::{grouped, rounded};
use tagwerk_stats::{Passing, Proportion, SampleMean, SurrogateEvaluation};

/// One table.
pub(super) struct Table {
    pub(super) anchor: &'static str,
    pub(super) title: &'static str,
    pub(super) caption: String,
    pub(super) headings: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) notes: Vec<String>,
}

/// One sentence on the whole.
pub(super) fn summary(classifier: &str, e: &SurrogateEvaluation) -> String {
    let furthest = |key: &String, share: &f64| key.parse::<f64>().map_or(0.0, |level| (share - level).abs());
    let worst = e
        .coverage
        .iter()
        .map(|(key, share)| furthest(key, share))
        .fold(0.0, f64::max);
    format!(
        "The surrogate of {classifier}, {}, covers {} jets to within {:.1} % of its levels; KS of the PIT {:.4}; AUC \
         {:.4} against the classifier's {:.4}.",
        match e.members {
            1 => "of one member".to_owned(),
            n => format!("of {n} members"),
        },
        grouped(e.rows as u64),
        100.0 * worst,
        e.pit_ks,
        e.auc.surrogate,
        e.auc.classifier
    )
}

pub(super) fn tables(e: &SurrogateEvaluation) -> Vec<Table> {
    let mut out = vec![coverage(e), scores(e), efficiencies(e)];
    out.extend(ignorance(e));
    out
}

fn share(p: &Proportion) -> String {
    // Half the interval: it is nearly even away from 0 and 1.
    let error = (p.high - p.low) / 2.0;
    let (value, errors) = rounded(p.value, &[error], 3);
    errors
        .first()
        .map_or(value.clone(), |error| format!("{value} ± {error}"))
}

fn with_error(value: f64, error: Option<f64>, decimals: usize) -> String {
    let (value, errors) = rounded(value, error.as_slice(), decimals);
    errors
        .first()
        .map_or(value.clone(), |error| format!("{value} ± {error}"))
}

fn coverage(e: &SurrogateEvaluation) -> Table {
    let levels: Vec<&String> = e.coverage_detail.keys().collect();
    let mut rows = Vec::new();
    let mut row = |name: String, of: &std::collections::BTreeMap<String, Proportion>| {
        let cells = levels.iter().map(|level| of.get(*level).map_or("-".to_owned(), share));
        rows.push(std::iter::once(name).chain(cells).collect());
    };
    row("all jets".to_owned(), &e.coverage_detail);
    for (class, of) in &e.coverage_by_class {
        row(if class == "1" { "signal" } else { "background" }.to_owned(), of);
    }
    for (variable, bins) in &e.coverage_in_bins {
        for bin in bins {
            row(
                format!("{variable} {} to {}", Short(bin.low), Short(bin.high)),
                &bin.coverage,
            );
        }
    }
    if let Some(conformal) = &e.conformal {
        row("half of the jets".to_owned(), &conformal.before);
        row("the same, recalibrated on the other half".to_owned(), &conformal.after);
    }
    Table {
        anchor: "coverage-table",
        title: "Coverage",
        caption: "Share of jets inside the central interval of each level; ± binomial (Wilson, 68 %).".to_owned(),
        headings: std::iter::once("jets".to_owned())
            .chain(levels.iter().map(|l| (*l).clone()))
            .collect(),
        rows,
        notes: vec![format!(
            "Probability of a KS distance of {:.4} or more when the prediction is right: {:.3}; of the rank histogram: \
             {:.3}.",
            e.pit_ks, e.pit.ks_p_value, e.ranks.chi2_p_value
        )],
    }
}

/// A number with up to four significant digits, as in the name of a bin.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let decimals = (3.0 - self.0.abs().max(1e-3).log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{:.decimals$}", self.0);
        let bare = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        f.write_str(bare)
    }
}

fn scores(e: &SurrogateEvaluation) -> Table {
    let mean = |m: &SampleMean| with_error(m.value, m.error, 4);
    let row = |name: &str, value: String, meaning: &str| vec![name.to_owned(), value, meaning.to_owned()];
    let detail = &e.auc_detail;
    let rows = vec![
        row(
            "AUC, classifier",
            with_error(e.auc.classifier, detail.classifier.error, 4),
            "± test sample",
        ),
        row(
            "AUC, surrogate",
            with_error(e.auc.surrogate, detail.deviation, 4),
            "mean ± deviation of members",
        ),
        row(
            "difference",
            with_error(detail.difference, detail.test_error, 4),
            "surrogate - classifier ± test sample of one drawn score a jet",
        ),
        row(
            "JS distance, accuracy",
            with_error(e.js_distance, e.js_detail.accuracy.spread, 3),
            "± largest deviation of a member",
        ),
        row(
            "JS distance, signal logits",
            with_error(e.js_detail.logits_signal.value, e.js_detail.logits_signal.spread, 3),
            "marginal distribution",
        ),
        row(
            "JS distance, background logits",
            with_error(
                e.js_detail.logits_background.value,
                e.js_detail.logits_background.spread,
                3,
            ),
            "marginal distribution",
        ),
        row("CRPS of the score", mean(&e.crps), "smaller is better"),
        row("CRPS of the logit", mean(&e.crps_logit), "smaller is better"),
        row("NLL of the logit", mean(&e.nll.nll), "smaller is better"),
        row(
            "largest deviation of calibration",
            format!("{:.4}", e.calibration.largest_deviation),
            "one-sided curve from the diagonal",
        ),
    ];
    let mut notes = Vec::new();
    if e.nll.impossible_rows > 0 {
        notes.push(format!(
            "{} jets have a density of 0; they are left out of the mean, which is infinite with them.",
            e.nll.impossible_rows
        ));
    }
    Table {
        anchor: "scores-table",
        title: "Scores",
        caption: format!(
            "On {} jets; CRPS on {} with {} draws each.",
            grouped(e.rows as u64),
            grouped(e.drawn_rows as u64),
            e.draws
        ),
        headings: ["number", "value", "what the error is"].map(str::to_owned).to_vec(),
        rows,
        notes,
    }
}

fn efficiencies(e: &SurrogateEvaluation) -> Table {
    let predicted = |p: &Passing| format!("{:.4} ({:.4} to {:.4})", p.surrogate, p.low, p.high);
    let rows = (e.efficiencies.iter())
        .map(|point| {
            vec![
                format!("{}", point.working_point),
                format!("{:.3}", point.cut),
                share(&point.signal.classifier),
                predicted(&point.signal),
                share(&point.background.classifier),
                predicted(&point.background),
            ]
        })
        .collect();
    Table {
        anchor: "efficiency-table",
        title: "Efficiencies at working points",
        caption: "Share of jets whose logit lies above the cut: counted on the classifier's scores (± binomial), and \
                  predicted by the surrogate (smallest to largest member)."
            .to_owned(),
        headings: [
            "working point",
            "cut on the logit",
            "signal, classifier",
            "signal, surrogate",
            "background, classifier",
            "background, surrogate",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes: Vec::new(),
    }
}

/// Epistemic spread and detection of jets outside the domain.
fn ignorance(e: &SurrogateEvaluation) -> Vec<Table> {
    let mut out = Vec::new();
    let measures = [
        ("largest - smallest member", e.epistemic.range),
        ("standard deviation", e.epistemic.deviation),
        ("84 % - 16 % quantile", e.epistemic.quantile_range),
        ("histogram", e.epistemic.histogram),
    ];
    let rows: Vec<Vec<String>> = measures
        .into_iter()
        .filter_map(|(name, over)| Some((name, over?)))
        .map(|(name, over)| {
            let numbers = [over.mean, over.q10, over.median, over.q90].map(|v| format!("{v:.4}"));
            std::iter::once(name.to_owned()).chain(numbers).collect()
        })
        .collect();
    out.push(Table {
        anchor: "epistemic-table",
        title: "Epistemic spread",
        caption: format!(
            "Disagreement of members about the score at equal noise, over {} jets.",
            grouped(e.epistemic.rows as u64)
        ),
        headings: ["measure", "mean", "10 % of jets", "median", "90 % of jets"]
            .map(str::to_owned)
            .to_vec(),
        rows,
        notes: e.epistemic.reason.iter().cloned().collect(),
    });
    if let Some(ood) = &e.ood {
        let mut rows = Vec::new();
        for (kind, scores) in &ood.detection {
            for (name, found) in scores {
                let mut row = vec![
                    kind.clone(),
                    name.clone(),
                    with_error(found.auc.auc, found.auc.error.filter(|error| *error > 0.0), 4),
                ];
                let at = found.flagged.iter().find(|f| f.quantile >= 0.99);
                row.extend(at.map_or(["-".to_owned(), "-".to_owned()], |f| {
                    [share(&f.inside), share(&f.outside)]
                }));
                rows.push(row);
            }
        }
        out.push(Table {
            anchor: "detection-table",
            title: "Detection of jets outside the domain",
            caption: "Area under the ROC curve of each score between jets of the domain and the kind named (1/2: no \
                      difference is seen), and shares flagged at the threshold that 99 % of the domain stays below."
                .to_owned(),
            headings: ["kind of jets", "score", "AUC", "false alarms", "caught"]
                .map(str::to_owned)
                .to_vec(),
            rows,
            notes: Vec::new(),
        });
    }
    out
}

/// All tables as text for a terminal.
pub fn surrogate_text(evaluation: &SurrogateEvaluation) -> String {
    let mut out = String::new();
    for table in tables(evaluation) {
        if table.rows.is_empty() && table.notes.is_empty() {
            continue;
        }
        out.push_str(&format!("{}\n{}\n\n", table.title, table.caption));
        let lines: Vec<&Vec<String>> = std::iter::once(&table.headings).chain(&table.rows).collect();
        let widths: Vec<usize> = (0..table.headings.len())
            .map(|c| {
                lines
                    .iter()
                    .filter_map(|line| line.get(c))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for line in lines {
            let mut text = String::from(" ");
            for (cell, width) in line.iter().zip(&widths) {
                text.push_str(&format!(" {}{}  ", cell, " ".repeat(width - cell.chars().count())));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        for note in &table.notes {
            out.push_str(&format!("\n  {note}\n"));
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
