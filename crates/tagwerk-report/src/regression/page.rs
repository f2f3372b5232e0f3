//! The page of a regression.

use super::RegressionReportInput;
use super::table::{HEADINGS, comparisons, lines, notes};
use crate::escape::html;
use crate::figure::Figure;
use crate::html::{document, embedded, facts, figure_id, list, reproduce};
use crate::number::{duration, grouped, rounded};
use tagwerk_stats::RegressionTable;

/// The page. `figures` are embedded in the order given.
pub(super) fn page(input: &RegressionReportInput, figures: &[Figure]) -> String {
    let mut sections: Vec<(&str, &str, String)> = vec![("table", "Algorithms", table(&input.table))];
    for figure in figures {
        sections.push((figure_id(figure), &figure.title, embedded(figure)));
    }
    sections.push(("trainings", "Trainings", trainings(&input.table)));
    if !input.provenance.is_empty() {
        sections.push(("provenance", "Configuration and provenance", facts(&input.provenance)));
    }
    if !input.commands.is_empty() {
        sections.push(("reproduce", "How to reproduce", reproduce(&input.commands)));
    }
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
    let mut out = format!(
        "<div class=\"wide\"><table>\n<caption>Measured on {}. Errors: ± trainings ± test sample.</caption>\n<thead><tr>",
        html(&table.dataset)
    );
    for heading in HEADINGS {
        out.push_str(&format!("<th scope=\"col\">{heading}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for line in lines(table) {
        out.push_str(&format!(
            "<tr class=\"measured\"><th scope=\"row\">{}</th>",
            html(&line.name)
        ));
        for cell in &line.cells {
            out.push_str(&format!("<td>{}</td>", html(&cell.joined(" ± ", "–"))));
        }
        out.push_str(&format!("<td>{}</td></tr>\n", line.parameters));
    }
    out.push_str("</tbody>\n</table></div>\n");
    if let Some((heading, lines)) = comparisons(table).split_first() {
        out.push_str(&format!("<p>{}</p>\n{}", html(heading), list(lines)));
    }
    out.push_str(&list(&notes(table)));
    out
}

/// Every training, so that the spread can be judged.
fn trainings(table: &RegressionTable) -> String {
    let mut out =
        String::from("<div class=\"wide\"><table>\n<caption>Every training, ± test sample.</caption>\n<thead><tr>");
    for heading in [
        "algorithm",
        "seed",
        "resolution",
        "bias",
        "MSE",
        "epochs",
        "time",
        "remarks",
    ] {
        out.push_str(&format!("<th scope=\"col\">{heading}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.taggers {
        for (i, training) in row.trainings.iter().enumerate() {
            let e = &training.evaluation;
            let cell = |value: f64, error: Option<f64>| {
                let (text, errors) = rounded(value, error.as_slice(), 3);
                errors.first().map_or(text.clone(), |error| format!("{text} ± {error}"))
            };
            let median = row.median_training == i && row.trainings.len() > 1;
            out.push_str(&format!(
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
    out.push_str("</tbody>\n</table></div>\n");
    out
}
