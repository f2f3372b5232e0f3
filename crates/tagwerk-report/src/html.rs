//! One self-contained page: no script, no external font, picture or style, so that it can be mailed, archived and
//! printed.

use tagwerk_stats::LandscapeResult;

use crate::advice::advice_lines;
use crate::comparison::{comparison_lines, summary};
use crate::escape::html;
use crate::figure::Figure;
use crate::input::ReportInput;
use crate::number::{duration, grouped};
use crate::table::{HEADINGS, footnotes, rows};

/// Style sheet of the page: light and dark by the reader's preference, and print.
const STYLE: &str = include_str!("html/style.css");

/// The page. `figures` are embedded in the order given.
pub fn page(input: &ReportInput, figures: &[Figure]) -> String {
    let mut sections: Vec<Section> = vec![("table", "Taggers", table(&input.landscape))];
    let advice = advice_lines(&input.landscape);
    if !advice.is_empty() {
        sections.push(("advice", "Advice", list(&advice)));
    }
    sections.extend(figure_sections(figures));
    sections.push(("trainings", "Trainings", trainings(&input.landscape)));
    sections.extend(origin_sections(&input.provenance, &input.commands));
    document(&input.title, &summary(&input.landscape), &sections)
}

/// Anchor, heading and body.
pub(crate) type Section<'a> = (&'a str, &'a str, String);

/// A section a figure.
pub(crate) fn figure_sections(figures: &[Figure]) -> impl Iterator<Item = Section<'_>> {
    (figures.iter()).map(|figure| (figure.anchor(), figure.title.as_str(), embedded(figure)))
}

/// Where the result comes from, and how it is made again; a section that would be empty is left out.
pub(crate) fn origin_sections(provenance: &[(String, String)], commands: &[String]) -> Vec<Section<'static>> {
    let mut sections = Vec::new();
    if !provenance.is_empty() {
        sections.push(("provenance", "Configuration and provenance", facts(provenance)));
    }
    if !commands.is_empty() {
        sections.push(("reproduce", "How to reproduce", reproduce(commands)));
    }
    sections
}

/// A wide table: caption and rows are HTML, headings words.
pub(crate) fn wide_table(caption: &str, headings: &[&str], rows: &str) -> String {
    let mut out = format!("<div class=\"wide\"><table>\n<caption>{caption}</caption>\n<thead><tr>");
    for heading in headings {
        out.push_str(&format!("<th scope=\"col\">{heading}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    out.push_str(rows);
    out.push_str("</tbody>\n</table></div>\n");
    out
}

/// A page of sections under a title and a sentence.
pub(crate) fn document(title: &str, summary: &str, sections: &[Section]) -> String {
    let title = html(title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p class=\"summary\">{}</p>\n<nav aria-label=\"Sections\"><ul>\n",
        html(summary)
    );
    for (id, heading, _) in sections {
        out.push_str(&format!("<li><a href=\"#{id}\">{}</a></li>\n", html(heading)));
    }
    out.push_str("</ul></nav>\n</header>\n<main>\n");
    for (id, heading, body) in sections {
        out.push_str(&format!(
            "<section id=\"{id}\">\n<h2>{}</h2>\n{body}</section>\n",
            html(heading)
        ));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Commands as they are typed.
fn reproduce(commands: &[String]) -> String {
    let commands: Vec<String> = commands.iter().map(|c| html(c)).collect();
    format!("<pre><code>{}</code></pre>\n", commands.join("\n"))
}

fn embedded(figure: &Figure) -> String {
    format!(
        "<figure>\n{}<figcaption>{} Numbers: figures/{}.csv.</figcaption>\n</figure>\n",
        figure.svg,
        html(&figure.caption),
        html(&figure.name)
    )
}

fn table(landscape: &LandscapeResult) -> String {
    let mut body = String::new();
    for row in rows(landscape) {
        let (class, name) = match &row.name {
            Some(name) => ("measured", html(name)),
            None => ("published", "published".to_owned()),
        };
        body.push_str(&format!("<tr class=\"{class}\"><th scope=\"row\">{name}</th>"));
        for (i, cell) in row.cells.iter().enumerate() {
            // The first two in compact form, so that the table fits a page of paper.
            let text = if i < 2 {
                cell.compact("–")
            } else {
                cell.joined(" ± ", "–")
            };
            body.push_str(&format!("<td>{}</td>", html(&text)));
        }
        body.push_str(&format!("<td>{}</td></tr>\n", row.parameters));
    }
    let caption = format!(
        "Measured on {}; published numbers underneath where there are any. Errors: ± trainings ± test sample; \
         (trainings)(test sample) in units of the last digit.",
        html(&landscape.dataset)
    );
    let mut out = wide_table(&caption, &HEADINGS, &body);
    if let Some((heading, lines)) = comparison_lines(landscape).split_first() {
        out.push_str(&format!("<p>{}</p>\n{}", html(heading), list(lines)));
    }
    out.push_str(&list(&footnotes(landscape)));
    out
}

pub(crate) fn list(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: Vec<String> = lines.iter().map(|l| format!("<li>{}</li>", html(l))).collect();
    format!("<ul class=\"notes\">\n{}\n</ul>\n", items.join("\n"))
}

/// Every training, so that the spread can be judged.
fn trainings(landscape: &LandscapeResult) -> String {
    let mut body = String::new();
    for tagger in &landscape.taggers {
        for (i, t) in tagger.trainings.iter().enumerate() {
            let rejection = |value: Option<f64>, error: Option<f64>| match value {
                Some(v) => {
                    let (text, errors) =
                        crate::number::rounded(v, error.as_slice(), crate::number::decimals_of_rejection(v));
                    errors.first().map_or(text.clone(), |e| format!("{text} ± {e}"))
                }
                None => "–".to_owned(),
            };
            let (auc, auc_errors) = crate::number::rounded(t.auc, t.auc_error.as_slice(), 4);
            let auc = auc_errors.first().map_or(auc.clone(), |e| format!("{auc} ± {e}"));
            let mut remarks: Vec<String> = Vec::new();
            if tagger.median_training == i && tagger.trainings.len() > 1 {
                remarks.push("median AUC".to_owned());
            }
            if !tagger.rejection_single.trainings.contains(&i) {
                remarks.push("removed as outlier".to_owned());
            }
            remarks.extend(t.notes.iter().cloned());
            body.push_str(&format!(
                "<tr class=\"measured\"><th scope=\"row\">{}</th><td>{}</td><td>{auc}</td><td>{:.4}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"reason\">{}</td></tr>\n",
                html(&tagger.name),
                t.seed,
                t.accuracy,
                rejection(t.rejection_30, t.rejection_30_error),
                rejection(t.rejection_50, t.rejection_50_error),
                grouped(t.epochs as u64),
                duration(t.seconds),
                t.scoring
                    .and_then(|s| s.microseconds_a_jet())
                    .map_or("–".to_owned(), |each| format!("{each:.1}")),
                html(&remarks.join("; ")),
            ));
        }
    }
    let headings = [
        "tagger",
        "seed",
        "AUC",
        "accuracy",
        "R(0.3)",
        "R(0.5)",
        "epochs",
        "time",
        "scoring, µs a jet",
        "remarks",
    ];
    let caption = "Every training; R(e) is the background rejection at signal efficiency e, ± test sample.";
    wide_table(caption, &headings, &body)
}

fn facts(facts: &[(String, String)]) -> String {
    let mut out = String::from("<div class=\"wide\"><table class=\"facts\">\n<tbody>\n");
    for (what, value) in facts {
        out.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
            html(what),
            html(value)
        ));
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}
