//! The table of a regression in text, Markdown, LaTeX and CSV.

use crate::escape;
use crate::number::{grouped, rounded};
use crate::table::{Cell, aligned, csv_line, csv_number, csv_optional, number, wrap};
use tagwerk_stats::{RegressionColumn, RegressionRow, RegressionTable};

/// Column headings; the unit stands in the footnotes.
pub(super) const HEADINGS: [&str; 6] = [
    "algorithm",
    "resolution",
    "bias",
    "MSE",
    "resolution of the mean",
    "parameters",
];

/// One line: the name, four numbers, the parameters.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) cells: [Cell; 4],
    pub(super) parameters: String,
}

pub(super) fn lines(table: &RegressionTable) -> Vec<Line> {
    table.taggers.iter().map(line).collect()
}

fn line(row: &RegressionRow) -> Line {
    let cell = |column: &RegressionColumn| number(column.value, column.spread, column.test_error, 3);
    Line {
        name: row.name.clone(),
        cells: [
            cell(&row.resolution),
            cell(&row.bias),
            cell(&row.mse),
            row.ensemble.as_ref().map_or(Cell::Empty, |ensemble| {
                number(ensemble.resolution, None, ensemble.resolution_error, 3)
            }),
        ],
        parameters: row.parameters.map(grouped).unwrap_or_default(),
    }
}

/// What a reader must know to use the table.
pub(super) fn notes(table: &RegressionTable) -> Vec<String> {
    let unit = if table.unit.is_empty() {
        String::new()
    } else {
        format!(" in {}", table.unit)
    };
    let mut notes = vec![
        format!(
            "Data set {}, {} test events; target {}{unit}, mean {:.4}, standard deviation {:.4}: the resolution of who always says the \
             mean.",
            table.dataset,
            grouped(table.test_rows as u64),
            table.target,
            table.target_mean,
            table.target_spread
        ),
        "Bias is the mean of prediction - target, resolution its population standard deviation, MSE the mean of its square, all of the \
         training of median resolution."
            .to_owned(),
        "First error: population standard deviation over trainings: what another training would give. Second error: finite test sample, \
         from the moments of the residuals: what other events would give, mostly common to all rows."
            .to_owned(),
    ];
    if table.taggers.iter().any(|row| row.ensemble.is_some()) {
        notes.push("Resolution of the mean: of the mean prediction of all trainings of a row; its error is that of the test sample.".to_owned());
    }
    notes
}

/// Differences to the best row: a heading, then one line a row. Empty when there is nothing to compare.
pub(super) fn comparisons(table: &RegressionTable) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &table.taggers {
        let Some(comparison) = &row.comparison else { continue };
        if lines.is_empty() {
            lines.push(format!(
                "Resolution minus that of {} on the same events (trainings of median resolution; test-sample error):",
                comparison.best
            ));
        }
        let difference = &comparison.resolution;
        let (text, errors) = rounded(difference.difference, difference.error.as_slice(), 3);
        let told = match (errors.first(), difference.error) {
            (Some(error), Some(sigma)) if sigma > 0.0 => {
                let z = difference.difference / sigma;
                let close = if z.abs() < 2.0 { ": not distinguishable" } else { "" };
                format!("+{text} ± {error} ({z:.1} sigma{close})")
            }
            _ => format!("+{text}"),
        };
        lines.push(format!("{}: {told}", row.name));
    }
    lines
}

/// Aligned columns, differences to the best row, footnotes.
pub fn regression_text(table: &RegressionTable) -> String {
    let mut rows: Vec<Vec<String>> = vec![HEADINGS.map(str::to_owned).to_vec()];
    for line in lines(table) {
        let cells = line.cells.iter().map(|cell| cell.joined(" ± ", "-"));
        let name = std::iter::once(escape::plain(&line.name));
        rows.push(
            name.chain(cells)
                .chain(std::iter::once(line.parameters.clone()))
                .collect(),
        );
    }
    let mut out = aligned(&rows, 1);
    let comparisons = comparisons(table);
    if !comparisons.is_empty() {
        out.push('\n');
    }
    for line in comparisons {
        out.push_str(&escape::plain(&line));
        out.push('\n');
    }
    out.push('\n');
    for note in notes(table) {
        out.push_str(&wrap(&escape::plain(&note)));
    }
    out
}

/// A pipe table with full errors, then comparisons and footnotes as lists.
pub fn regression_markdown(table: &RegressionTable) -> String {
    let mut out = format!(
        "| {} |\n|:---|{}\n",
        HEADINGS.join(" | "),
        "---:|".repeat(HEADINGS.len() - 1)
    );
    for line in lines(table) {
        let cells: Vec<String> = line.cells.iter().map(|cell| cell.joined(" ± ", "–")).collect();
        let name = escape::markdown(&line.name);
        out.push_str(&format!(
            "| **{name}** | {} | {} |\n",
            cells.join(" | "),
            line.parameters
        ));
    }
    for lines in [comparisons(table), notes(table)] {
        if !lines.is_empty() {
            out.push('\n');
        }
        for line in lines {
            out.push_str(&format!("- {}\n", escape::markdown(&line)));
        }
    }
    out
}

/// A `table` float for the `booktabs` package; the footnotes are its caption.
pub fn regression_latex(table: &RegressionTable) -> String {
    let mut out = String::from(
        "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}.\n\\begin{table}\n  \\centering\n  \\begin{tabular}{lrrrrr}\n    \
         \\toprule\n",
    );
    out.push_str(&format!("    {} \\\\\n    \\midrule\n", HEADINGS.join(" & ")));
    for line in lines(table) {
        let cell = |cell: &Cell| match cell {
            Cell::Empty => "--".to_owned(),
            other => format!("${}$", other.joined(" \\pm ", "\\mbox{--}")),
        };
        let cells: Vec<String> = line.cells.iter().map(cell).collect();
        let name = escape::latex(&line.name);
        out.push_str(&format!(
            "    {name} & {} & {} \\\\\n",
            cells.join(" & "),
            line.parameters
        ));
    }
    let notes: Vec<String> = notes(table).iter().map(|note| escape::latex(note)).collect();
    out.push_str(&format!(
        "    \\bottomrule\n  \\end{{tabular}}\n  \\caption{{{}}}\n\\end{{table}}\n",
        notes.join(" ")
    ));
    out
}

/// One line a row, every number unrounded, absent numbers empty.
pub fn regression_csv(table: &RegressionTable) -> String {
    let mut header: Vec<String> = ["algorithm", "parameters", "trainings"].map(str::to_owned).to_vec();
    for column in ["resolution", "bias", "mse"] {
        header.extend(["", "_spread", "_test_error"].map(|end| format!("{column}{end}")));
    }
    header.extend(
        [
            "ensemble_resolution",
            "ensemble_resolution_test_error",
            "best",
            "difference",
            "difference_error",
        ]
        .map(str::to_owned),
    );
    let mut out = csv_line(&header);
    for row in &table.taggers {
        let mut fields = vec![
            escape::csv(&row.name),
            row.parameters.map(|p| p.to_string()).unwrap_or_default(),
            row.trainings.len().to_string(),
        ];
        for column in [&row.resolution, &row.bias, &row.mse] {
            fields.extend([
                csv_number(column.value),
                csv_optional(column.spread),
                csv_optional(column.test_error),
            ]);
        }
        let (ensemble, comparison) = (row.ensemble.as_ref(), row.comparison.as_ref());
        fields.extend([
            csv_optional(ensemble.map(|e| e.resolution)),
            csv_optional(ensemble.and_then(|e| e.resolution_error)),
            comparison.map(|c| escape::csv(&c.best)).unwrap_or_default(),
            csv_optional(comparison.map(|c| c.resolution.difference)),
            csv_optional(comparison.and_then(|c| c.resolution.error)),
        ]);
        out.push_str(&csv_line(&fields));
    }
    out
}

/// One line a training.
pub fn regression_trainings_csv(table: &RegressionTable) -> String {
    let header = [
        "algorithm",
        "seed",
        "resolution",
        "resolution_error",
        "bias",
        "bias_error",
        "mse",
        "mse_error",
        "epochs",
        "seconds",
        "median_resolution",
    ];
    let mut out = csv_line(&header.map(str::to_owned));
    for row in &table.taggers {
        for (i, training) in row.trainings.iter().enumerate() {
            let e = &training.evaluation;
            out.push_str(&csv_line(&[
                escape::csv(&row.name),
                training.seed.to_string(),
                csv_number(e.resolution),
                csv_optional(e.resolution_error),
                csv_number(e.bias),
                csv_optional(e.bias_error),
                csv_number(e.mse),
                csv_optional(e.mse_error),
                training.epochs.to_string(),
                csv_number(training.seconds),
                u8::from(row.median_training == i).to_string(),
            ]));
        }
    }
    out
}
