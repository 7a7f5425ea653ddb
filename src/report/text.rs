//! Text that Markdown shows as it was meant, and times and lengths as people read them.

use jiff::{SignedDuration, Timestamp};

/// Somebody's words on one line, with nothing in them that Markdown, GitHub or HTML would take for
/// its own; fits a table's cell.
pub(super) fn words(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in one_line(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Text in the type of code, on one line; fits a table's cell.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    // A pipe ends a cell even inside code, unless it is escaped; outside a table the escape would
    // show, so code with pipes stands in tables and blocks only.
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// Text as a block, exactly as it is.
pub(super) fn block(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}\n")
}

/// A table; nothing at all without rows.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", " --- |".repeat(head.len()));
    let rows = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    format!("{}{rule}{}\n", line(head), rows.collect::<String>())
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// `14:02:07`, with the day when it is another one than `day`. Units: UTC.
pub(super) fn time(at: Timestamp, day: Timestamp) -> String {
    let same_day = at.strftime("%F").to_string() == day.strftime("%F").to_string();
    at.strftime(if same_day { "%T" } else { "%F %T" }).to_string()
}

/// `1h 02m 03s`, `2m 05s`, `7s`.
pub(super) fn length(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let (h, m, s) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{s}s"),
        (0, _) => format!("{m}m {s:02}s"),
        _ => format!("{h}h {m:02}m {s:02}s"),
    }
}

/// `80 ms`, `1.2 s`, `2m 05s`.
pub(super) fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => length(SignedDuration::from_secs(i64::try_from(ms / 1_000).unwrap_or(i64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_words_become_markup() {
        let text = "a | b\n<script> `x` *y* [l](u) & # \u{1b}[31m";
        let shown = "a \\| b &lt;script&gt; \\`x\\` \\*y\\* \\[l\\](u) &amp; \\# \\[31m";
        assert_eq!(words(text), shown);
    }

    #[test]
    fn code_keeps_its_backticks_and_pipes() {
        assert_eq!(code("a | b"), "`a \\| b`");
        assert_eq!(code("`x``"), "``` `x`` ```");
        assert_eq!(code(""), "");
        assert_eq!(block("bash", "echo '```'"), "````bash\necho '```'\n````\n");
    }

    #[test]
    fn lengths_read_like_a_clock() {
        let told = [0, 7, 125, 3_723].map(|s| length(SignedDuration::from_secs(s)));
        assert_eq!(told, ["0s", "7s", "2m 05s", "1h 02m 03s"]);
        assert_eq!([80, 1_250, 125_000].map(millis), ["80 ms", "1.2 s", "2m 05s"]);
    }

    #[test]
    fn another_day_is_told() {
        let day: Timestamp = "2026-11-22T14:02:07Z".parse().unwrap();
        assert_eq!(time(day, day), "14:02:07");
        assert_eq!(time(day + SignedDuration::from_hours(12), day), "2026-11-23 02:02:07");
    }
}
