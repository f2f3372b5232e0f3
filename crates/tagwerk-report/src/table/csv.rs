//! The table as CSV: one line a tagger (or a training), every number unrounded, absent numbers empty.

use tagwerk_stats::{LandscapeResult, Published, PublishedValue, RejectionColumn};

use crate::escape::csv;

/// One line a tagger.
pub fn table_csv(landscape: &LandscapeResult) -> String {
    let mut header: Vec<String> = ["tagger", "parameters", "trainings", "ensembles", "ensemble_members"]
        .map(str::to_owned)
        .to_vec();
    for share in ["auc", "accuracy"] {
        header.extend([
            share.to_owned(),
            format!("{share}_spread"),
            format!("{share}_test_error"),
        ]);
    }
    for column in ["rejection_single", "rejection_mean", "rejection_median", "rejection_50"] {
        header.push(column.to_owned());
        header.extend(["spread", "test_error", "lower_limit", "trainings_used"].map(|k| format!("{column}_{k}")));
    }
    header.extend(["published_auc".to_owned(), "published_accuracy".to_owned()]);
    for column in ["rejection_single", "rejection_mean", "rejection_median", "rejection_50"] {
        header.extend([format!("published_{column}"), format!("published_{column}_spread")]);
    }
    header.extend(
        [
            "published_parameters",
            "published_source",
            "best",
            "auc_difference",
            "auc_difference_error",
        ]
        .map(str::to_owned),
    );
    header.extend(["rejection_difference", "rejection_difference_error"].map(str::to_owned));
    let mut out = csv_line(&header);

    for tagger in &landscape.taggers {
        let mut fields = vec![
            csv(&tagger.name),
            tagger.parameters.map(|p| p.to_string()).unwrap_or_default(),
            tagger.trainings.len().to_string(),
            tagger.ensemble_rule.subsets.to_string(),
            tagger.ensemble_rule.members.to_string(),
        ];
        fields.extend([
            tagger.auc.to_string(),
            csv_optional(tagger.auc_spread),
            csv_optional(tagger.auc_error),
        ]);
        fields.extend([
            tagger.accuracy.to_string(),
            csv_optional(tagger.accuracy_spread),
            csv_optional(tagger.accuracy_error),
        ]);
        for column in [
            &tagger.rejection_single,
            &tagger.rejection_mean,
            &tagger.rejection_median,
            &tagger.rejection_50,
        ] {
            fields.extend(rejection(column));
        }
        let published = tagger.published.clone().unwrap_or(Published::NONE);
        fields.extend([csv_optional(published.auc), csv_optional(published.accuracy)]);
        for value in [
            published.rejection_single,
            published.rejection_mean,
            published.rejection_median,
            published.rejection_50,
        ] {
            fields.extend(published_value(value));
        }
        fields.push(published.parameters.map(|p| p.to_string()).unwrap_or_default());
        fields.push(csv(&published.source));
        let comparison = tagger.comparison.as_ref();
        let difference = comparison.and_then(|c| c.rejection_30.as_ref()).map(|r| &r.difference);
        fields.extend([
            comparison.map(|c| csv(&c.best)).unwrap_or_default(),
            csv_optional(comparison.map(|c| c.auc.difference)),
            csv_optional(comparison.and_then(|c| c.auc.error)),
            csv_optional(difference.and_then(|d| d.value)),
            csv_optional(difference.and_then(|d| d.error)),
        ]);
        out.push_str(&csv_line(&fields));
    }
    out
}

/// One line a training.
pub fn trainings_csv(landscape: &LandscapeResult) -> String {
    let mut out = csv_line(
        &[
            "tagger",
            "seed",
            "auc",
            "auc_error",
            "accuracy",
            "rejection_30",
            "rejection_30_error",
            "rejection_50",
            "rejection_50_error",
            "epochs",
            "seconds",
            "threads",
            "scoring_microseconds_a_jet",
            "scoring_threads",
            "kept",
            "median_auc",
        ]
        .map(str::to_owned),
    );
    for tagger in &landscape.taggers {
        for (i, training) in tagger.trainings.iter().enumerate() {
            out.push_str(&csv_line(&[
                csv(&tagger.name),
                training.seed.to_string(),
                training.auc.to_string(),
                csv_optional(training.auc_error),
                training.accuracy.to_string(),
                csv_optional(training.rejection_30),
                csv_optional(training.rejection_30_error),
                csv_optional(training.rejection_50),
                csv_optional(training.rejection_50_error),
                training.epochs.to_string(),
                training.seconds.to_string(),
                training.threads.map(|n| n.to_string()).unwrap_or_default(),
                csv_optional(training.scoring.and_then(|s| s.microseconds_a_jet())),
                training.scoring.map(|s| s.threads.to_string()).unwrap_or_default(),
                u8::from(tagger.rejection_single.trainings.contains(&i)).to_string(),
                u8::from(tagger.median_training == i).to_string(),
            ]));
        }
    }
    out
}

fn rejection(column: &RejectionColumn) -> [String; 5] {
    let used: Vec<String> = column.trainings.iter().map(usize::to_string).collect();
    [
        csv_optional(column.value),
        csv_optional(column.spread),
        csv_optional(column.test_error),
        csv_optional(column.lower_limit),
        used.join(" "),
    ]
}

fn published_value(value: Option<PublishedValue>) -> [String; 2] {
    [
        csv_optional(value.map(|v| v.value)),
        csv_optional(value.and_then(|v| v.spread)),
    ]
}

/// [`csv_number`], or nothing where there is none.
pub(crate) fn csv_optional(value: Option<f64>) -> String {
    value.map(csv_number).unwrap_or_default()
}

/// The shortest decimal that reads back as the same number; nothing for what is no number.
pub(crate) fn csv_number(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        String::new()
    }
}

/// A line of fields that are escaped already.
pub(crate) fn csv_line(fields: &[String]) -> String {
    format!("{}\n", fields.join(","))
}
