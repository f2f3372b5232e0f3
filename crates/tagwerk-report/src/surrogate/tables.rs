//! Tables of a surrogate's evaluation, for the terminal and the page alike.

use crate::number::grouped;
use crate::sheet::{Entry, SheetTable};
use tagwerk_stats::{Passing, Proportion, SampleMean, SurrogateEvaluation};

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

/// All tables that have something to say.
pub(super) fn tables(e: &SurrogateEvaluation) -> Vec<SheetTable> {
    let mut out = vec![coverage(e), scores(e), efficiencies(e)];
    out.extend(ignorance(e));
    out.retain(|table| !(table.rows.is_empty() && table.notes.is_empty()));
    out
}

fn share(p: &Proportion) -> Entry {
    // Half the interval: it is nearly even away from 0 and 1.
    Entry::with_error(p.value, Some((p.high - p.low) / 2.0), 3)
}

fn coverage(e: &SurrogateEvaluation) -> SheetTable {
    let levels: Vec<&String> = e.coverage_detail.keys().collect();
    let mut rows = Vec::new();
    let mut row = |name: String, of: &std::collections::BTreeMap<String, Proportion>| {
        let cells = levels.iter().map(|level| of.get(*level).map_or(Entry::Absent, share));
        rows.push(std::iter::once(Entry::Text(name)).chain(cells).collect());
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
    SheetTable {
        name: "coverage-table",
        title: "Coverage".to_owned(),
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

fn scores(e: &SurrogateEvaluation) -> SheetTable {
    let mean = |m: &SampleMean| Entry::with_error(m.value, m.error, 4);
    let row = |name: &str, value: Entry, meaning: &str| vec![Entry::text(name), value, Entry::text(meaning)];
    let detail = &e.auc_detail;
    let rows = vec![
        row(
            "AUC, classifier",
            Entry::with_error(e.auc.classifier, detail.classifier.error, 4),
            "± test sample",
        ),
        row(
            "AUC, surrogate",
            Entry::with_error(e.auc.surrogate, detail.deviation, 4),
            "mean ± deviation of members",
        ),
        row(
            "difference",
            Entry::with_error(detail.difference, detail.test_error, 4),
            "surrogate - classifier ± test sample, the same jets; one drawn score each",
        ),
        row(
            "JS distance, accuracy",
            Entry::with_error(e.js_distance, e.js_detail.accuracy.spread, 3),
            "± largest deviation of a member",
        ),
        row(
            "JS distance, signal logits",
            Entry::with_error(e.js_detail.logits_signal.value, e.js_detail.logits_signal.spread, 3),
            "marginal distribution",
        ),
        row(
            "JS distance, background logits",
            Entry::with_error(
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
            Entry::number(e.calibration.largest_deviation, 4),
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
    SheetTable {
        name: "scores-table",
        title: "Scores".to_owned(),
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

/// A share that may be tiny: four digits, or three that count.
fn significant(value: f64) -> Entry {
    let decimals = match value > 0.0 {
        true => (2.0 - value.log10().floor()).clamp(4.0, 12.0) as usize,
        false => 4,
    };
    Entry::number(value, decimals)
}

fn efficiencies(e: &SurrogateEvaluation) -> SheetTable {
    let predicted = |p: &Passing| [p.surrogate, p.low, p.high].map(significant);
    let rows = (e.efficiencies.iter())
        .map(|point| {
            let mut row = vec![
                Entry::text(point.working_point.to_string()),
                Entry::number(point.cut, 3),
                share(&point.signal.classifier),
            ];
            row.extend(predicted(&point.signal));
            row.push(share(&point.background.classifier));
            row.extend(predicted(&point.background));
            row
        })
        .collect();
    SheetTable {
        name: "efficiency-table",
        title: "Efficiencies at working points".to_owned(),
        caption: "Share of jets whose logit lies above the cut: counted on the classifier's scores (± binomial), and \
                  predicted by the surrogate (low, high: smallest and largest member)."
            .to_owned(),
        headings: [
            "working point",
            "cut on the logit",
            "signal, classifier",
            "signal, surrogate",
            "signal, low",
            "signal, high",
            "background, classifier",
            "background, surrogate",
            "background, low",
            "background, high",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
        notes: Vec::new(),
    }
}

/// Epistemic spread and detection of jets outside the domain.
fn ignorance(e: &SurrogateEvaluation) -> Vec<SheetTable> {
    let mut out = Vec::new();
    let measures = [
        ("largest - smallest member", e.epistemic.range),
        ("standard deviation", e.epistemic.deviation),
        ("84 % - 16 % quantile", e.epistemic.quantile_range),
        ("histogram", e.epistemic.histogram),
    ];
    let rows: Vec<Vec<Entry>> = measures
        .into_iter()
        .filter_map(|(name, over)| Some((name, over?)))
        .map(|(name, over)| {
            let numbers = [over.mean, over.q10, over.median, over.q90].map(|v| Entry::number(v, 4));
            std::iter::once(Entry::text(name)).chain(numbers).collect()
        })
        .collect();
    out.push(SheetTable {
        name: "epistemic-table",
        title: "Epistemic spread".to_owned(),
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
                    Entry::text(kind),
                    Entry::text(name),
                    Entry::with_error(found.auc.auc, found.auc.error.filter(|error| *error > 0.0), 4),
                ];
                let at = found.flagged.iter().find(|f| f.quantile >= 0.99);
                row.extend(at.map_or([Entry::Absent, Entry::Absent], |f| {
                    [share(&f.inside), share(&f.outside)]
                }));
                rows.push(row);
            }
        }
        out.push(SheetTable {
            name: "detection-table",
            title: "Detection of jets outside the domain".to_owned(),
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
    let texts: Vec<String> = tables(evaluation).iter().map(SheetTable::text).collect();
    texts.join("\n")
}
