//! The page of a regression.

use super::RegressionReportInput;
use super::table::{HEADINGS, comparisons, lines, notes};
use crate::escape::html;
use crate::figure::Figure;
use crate::html::{Section, document, figure_sections, list, origin_sections, wide_table};
use crate::number::{duration, grouped, rounded};
use tagwerk_stats::RegressionTable;

/// The page. `figures` are embedded in the order given.
pub(super) fn page(input: &RegressionReportInput, figures: &[Figure]) -> String {
    let mut sections: Vec<Section> = vec![("table", "Algorithms", table(&input.table))];
    sections.extend(figure_sections(figures));
    sections.push(("trainings", "Trainings", trainings(&input.table)));
    sections.extend(origin_sections(&input.provenance, &input.commands));
    document(&input.title, &summary(&input.table), &sections)
}

/// One sentence on the whole table.
fn summary(table: &RegressionTable) -> String {
    let best = table
        .taggers
        .iter()
        .min_by(|a, b| a.resolution.value.total_cmp(&b.resolution.value));
    let Some(best) = best else {
        return format!("No algorithm was evaluated on {}.", table.dataset);
    };
    let (value, errors) = rounded(best.resolution.value, best.resolution.test_error.as_slice(), 3);
    let error = errors
        .first()
        .map_or_else(String::new, |error| format!(" ± {error} (test sample)"));
    let (unit, target) = (&table.unit, &table.target);
    format!(
        "Of {} on {}, {} predicts {target} best: with a resolution of {value}{error} {unit}.",
        match table.taggers.len() {
            1 => "1 algorithm".to_owned(),
            n => format!("{n} algorithms"),
        },
        table.dataset,
        best.name
    )
}

fn table(table: &RegressionTable) -> String {
    let mut body = String::new();
    for line in lines(table) {
        body.push_str(&format!(
            "<tr class=\"measured\"><th scope=\"row\">{}</th>",
            html(&line.name)
        ));
        for cell in &line.cells {
            body.push_str(&format!("<td>{}</td>", html(&cell.joined(" ± ", "–"))));
        }
        body.push_str(&format!("<td>{}</td></tr>\n", line.parameters));
    }
    let caption = format!(
        "Measured on {}. Errors: ± trainings ± test sample.",
        html(&table.dataset)
    );
    let mut out = wide_table(&caption, &HEADINGS, &body);
    if let Some((heading, lines)) = comparisons(table).split_first() {
        out.push_str(&format!("<p>{}</p>\n{}", html(heading), list(lines)));
    }
    out.push_str(&list(&notes(table)));
    out
}

/// Every training, so that the spread can be judged.
fn trainings(table: &RegressionTable) -> String {
    const HEADINGS: [&str; 8] = [
        "algorithm",
        "seed",
        "resolution",
        "bias",
        "MSE",
        "epochs",
        "time",
        "remarks",
    ];
    let mut body = String::new();
    for row in &table.taggers {
        for (i, training) in row.trainings.iter().enumerate() {
            let e = &training.evaluation;
            let cell = |value: f64, error: Option<f64>| {
                let (text, errors) = rounded(value, error.as_slice(), 3);
                errors.first().map_or(text.clone(), |error| format!("{text} ± {error}"))
            };
            let median = row.median_training == i && row.trainings.len() > 1;
            body.push_str(&format!(
                "<tr class=\"measured\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td \
                 class=\"reason\">{}</td></tr>\n",
                html(&row.name),
                training.seed,
                cell(e.resolution, e.resolution_error),
                cell(e.bias, e.bias_error),
                cell(e.mse, e.mse_error),
                grouped(training.epochs as u64),
                duration(training.seconds),
                if median { "median resolution" } else { "" },
            ));
        }
    }
    wide_table("Every training, ± test sample.", &HEADINGS, &body)
}
