//! The table in LaTeX, for the `booktabs` package.

use tagwerk_stats::LandscapeResult;

use super::{Cell, footnotes, rows};
use crate::escape::latex;

/// A `table*` float with one measured and one published line a tagger; the footnotes are its caption.
pub fn table_latex(landscape: &LandscapeResult) -> String {
    let mut out = String::from(
        "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}.\n\
         \\begin{table*}\n  \\centering\n  \\begin{tabular}{lrrrrrrr}\n    \\toprule\n    \
         & AUC & accuracy & \\multicolumn{3}{c}{$1/\\varepsilon_B$ at $\\varepsilon_S=0.3$} & \
         $1/\\varepsilon_B$ at $\\varepsilon_S=0.5$ & parameters \\\\\n    \\cmidrule(lr){4-6}\n    \
         & & & single & mean & median & single & \\\\\n    \\midrule\n",
    );
    for (number, row) in rows(landscape).iter().enumerate() {
        if number > 0 && !row.is_published() {
            out.push_str("    \\addlinespace\n");
        }
        let name = row.name.as_deref().map_or("\\quad published".to_owned(), latex);
        let cells: Vec<String> = row.cells.iter().map(cell).collect();
        out.push_str(&format!(
            "    {name} & {} & {} \\\\\n",
            cells.join(" & "),
            row.parameters
        ));
    }
    out.push_str("    \\bottomrule\n  \\end{tabular}\n  \\caption{");
    let notes: Vec<String> = footnotes(landscape)
        .iter()
        .map(|note| latex(note).replace("+-", "$\\pm$"))
        .collect();
    out.push_str(&notes.join(" "));
    out.push_str("}\n\\end{table*}\n");
    out
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "--".to_owned(),
        other => format!(
            "${}$",
            other.joined(" \\pm ", "\\text{--}").replace("\\text{--}", "\\mbox{--}")
        ),
    }
}
