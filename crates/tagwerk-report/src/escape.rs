//! Making any text safe in each output format. Names, titles and commands come from users and files.

/// Text inside HTML and XML, attributes included. Control characters, which XML forbids, become U+FFFD.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c => out.push(printable(c)),
        }
    }
    out
}

/// Text in a LaTeX paragraph or table cell.
pub(crate) fn latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\textbackslash{}"),
            '~' => out.push_str(r"\textasciitilde{}"),
            '^' => out.push_str(r"\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str(r"\textless{}"),
            '>' => out.push_str(r"\textgreater{}"),
            '|' => out.push_str(r"\textbar{}"),
            '"' => out.push_str(r"\textquotedbl{}"),
            '±' => out.push_str(r"$\pm$"),
            '\n' | '\r' | '\t' => out.push(' '),
            c => out.push(printable(c)),
        }
    }
    out
}

/// Text in a cell of a Markdown table: one line, no markup.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c => out.push(printable(c)),
        }
    }
    out
}

/// Text on a terminal line: no line break and no escape sequence gets through.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if matches!(c, '\n' | '\r' | '\t') {
                ' '
            } else {
                printable(c)
            }
        })
        .collect()
}

/// A CSV field (RFC 4180): quoted when it must be.
pub(crate) fn csv(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A file stem from a name: letters, digits, `-` and `_` stay, everything else becomes `-`.
pub(crate) fn file_stem(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect()
}

fn printable(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latex_specials_are_printed_not_executed() {
        assert_eq!(
            latex(r"a_b&c%d$e#f{g}~h^i\j"),
            r"a\_b\&c\%d\$e\#f\{g\}\textasciitilde{}h\textasciicircum{}i\textbackslash{}j"
        );
    }

    #[test]
    fn html_and_markdown_and_terminal_stay_text() {
        assert_eq!(html("<script>\"'&\u{1b}"), "&lt;script&gt;&quot;&#39;&amp;\u{fffd}");
        assert_eq!(markdown("a|b_c\n<d>"), r"a\|b\_c &lt;d&gt;");
        assert_eq!(plain("a\u{1b}[31m\nb"), "a\u{fffd}[31m b");
    }

    #[test]
    fn csv_fields_are_quoted_when_needed() {
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv("plain"), "plain");
    }

    #[test]
    fn file_stems_cannot_leave_the_folder() {
        assert_eq!(file_stem("../a b/c"), "---a-b-c");
    }
}
