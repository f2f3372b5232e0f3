//! What a reader must know to use the table.

use tagwerk_stats::LandscapeResult;

use crate::number::grouped;

/// Sentences under the table: data set, rows, trainings, ensembles, the meaning of each error, whether the published
/// lines may be compared, and what must be known of single rows.
pub fn footnotes(landscape: &LandscapeResult) -> Vec<String> {
    let mut notes = Vec::new();
    let weighted = if landscape.weighted { ", weighted" } else { "" };
    notes.push(format!(
        "Data set {}, {} test {} ({} signal, {} background{weighted}).",
        landscape.dataset,
        grouped(landscape.test_rows as u64),
        landscape.counted,
        grouped(landscape.n_signal as u64),
        grouped(landscape.n_background as u64),
    ));
    notes.push(
        "R(e) is the background rejection, 1 / background efficiency, at a signal efficiency e; AUC and accuracy (cut at 0.5) are \
         those of the training of median AUC."
            .to_owned(),
    );
    let rows = &landscape.counted;
    notes.push(format!(
        "First error: population standard deviation over trainings (single) or over ensembles (mean, median ens.): what another \
         training would give. Second error: finite test sample (R sqrt(R/N) for rejections, N background {rows}; DeLong for the AUC; \
         binomial for the accuracy): what other {rows} would give, common to all taggers. In 0.9837(2)(3) both are in units of the \
         last digit."
    ));
    notes.push(trainings(landscape));
    if landscape
        .taggers
        .iter()
        .any(|t| t.published.as_ref().is_some_and(|p| !p.is_none()))
    {
        notes.push(if landscape.published_test_set {
            "Published: as printed, on the published test set, which is the one used here; its error is the spread over trainings."
                .to_owned()
        } else {
            "Published: as printed, on the published test set, with the spread over trainings as error. The data set here is another \
             one: published and measured numbers are not directly comparable."
                .to_owned()
        });
    }
    if landscape.taggers.iter().any(|t| {
        [
            &t.rejection_single,
            &t.rejection_mean,
            &t.rejection_median,
            &t.rejection_50,
        ]
        .iter()
        .any(|c| c.lower_limit.is_some())
    }) {
        notes.push(
            "> marks a 95 % lower limit: the test sample has too little background at that working point.".to_owned(),
        );
    }
    notes.extend(landscape.taggers.iter().flat_map(|tagger| tagger.notes.iter().cloned()));
    notes
}

/// Number of trainings and ensembles: one sentence when all taggers share them, one clause a tagger otherwise.
fn trainings(landscape: &LandscapeResult) -> String {
    let describe = |i: usize| {
        let tagger = &landscape.taggers[i];
        let n = tagger.trainings.len();
        let plural = if n == 1 { "training" } else { "trainings" };
        format!("{n} {plural}, {}", tagger.ensemble_rule)
    };
    let all: Vec<String> = (0..landscape.taggers.len()).map(describe).collect();
    let mut note = match all.first() {
        None => return "No tagger.".to_owned(),
        Some(first) if all.iter().all(|d| d == first) => format!("Every tagger: {first}."),
        Some(_) => {
            let named: Vec<String> = landscape
                .taggers
                .iter()
                .zip(&all)
                .map(|(t, d)| format!("{}: {d}", t.name))
                .collect();
            format!("{}.", named.join("; "))
        }
    };
    if landscape.taggers.iter().any(|t| t.outlier_cut) {
        note.push_str(
            " Single: median and spread after the outlier cut (mean +- 3 standard deviations of the values between the 16.67 % and \
             83.33 % percentiles)",
        );
        let cut: Vec<String> = landscape
            .taggers
            .iter()
            .filter(|t| t.rejection_single.trainings.len() < t.trainings.len())
            .map(|t| {
                format!(
                    "{} {} of {}",
                    t.name,
                    t.rejection_single.trainings.len(),
                    t.trainings.len()
                )
            })
            .collect();
        if cut.is_empty() {
            note.push_str(", which removed no training.");
        } else {
            note.push_str(&format!("; kept: {}.", cut.join(", ")));
        }
    } else if landscape.taggers.iter().any(|t| t.trainings.len() > 1) {
        note.push_str(" Single: median and spread over all trainings (an outlier cut needs 5).");
    }
    note
}
