//! The report, read on the screen: its Markdown without the marks.

use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use super::sheet::{LABEL, Sheet};
use crate::app::action::Action;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;

/// Before what belongs to the line above it.
const UNDER: &str = "    ";

/// - `markdown`: as [`crate::report::markdown`] writes it.
pub fn sheet<'a>(paint: &Paint<'a>, markdown: &str, width: usize) -> Sheet<'a> {
    let mut sheet = Sheet::new(paint.line("Report", Role::Title), width);
    let mut lines = markdown.lines().peekable();
    let mut fence = None;
    while let Some(line) = lines.next() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if line.len() == ticks && ticks >= open => fence = None,
            Some(_) => sheet.hanging(paint, Line::from(UNDER), &format::clean(line), Role::Text),
            None if ticks >= 3 => fence = Some(ticks),
            None if line.starts_with('|') => {
                let is_head = lines.next_if(|next| next.starts_with("| ---")).is_some();
                row(&mut sheet, paint, &cells(line), is_head);
            }
            None => prose(&mut sheet, paint, line),
        }
    }
    sheet.keys([
        paint.hint(Action::Down, "down"),
        paint.hint(Action::PageDown, "a page down"),
        paint.hint(Action::Close, "close"),
    ]);
    sheet
}

fn prose<'a>(sheet: &mut Sheet<'a>, paint: &Paint<'a>, line: &str) {
    let (head, words, role) = if let Some(quoted) = line.strip_prefix("> ") {
        ("", quoted, Role::Dim)
    } else if line.starts_with('#') {
        ("", line.trim_start_matches('#').trim_start(), Role::Title)
    } else if let Some(item) = line.strip_prefix("- ") {
        ("- ", item, Role::Text)
    } else {
        ("", if line == "---" { "" } else { line }, Role::Text)
    };
    match words.is_empty() {
        true => sheet.blank(),
        false => sheet.hanging(paint, Line::from(head), &format::clean(&plain(words)), role),
    }
}

/// A pair stands as label and value; any other row as its first cell with the others under it.
fn row<'a>(sheet: &mut Sheet<'a>, paint: &Paint<'a>, cells: &[String], is_head: bool) {
    match cells {
        _ if is_head => {
            let names: Vec<&str> = cells.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            sheet.text(paint, &names.join(" · "), Role::Dim);
        }
        [label, value] if label.width() < LABEL => sheet.fact(paint, label, value, Role::Text),
        [first, others @ ..] => {
            sheet.text(paint, first, Role::Text);
            let others: Vec<&str> =
                others.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
            sheet.hanging(paint, Line::from(UNDER), &others.join(" · "), Role::Dim);
        }
        [] => {}
    }
}

/// A pipe within a cell is escaped, and so never stands between two spaces.
fn cells(row: &str) -> Vec<String> {
    let row = row.strip_prefix("| ").unwrap_or(row);
    let row = row.strip_suffix(" |").unwrap_or(row);
    row.split(" | ").map(|cell| format::clean(plain(cell.trim()).as_str()).to_string()).collect()
}

/// Words as they were before they were made safe for Markdown.
fn plain(words: &str) -> String {
    let mut plain = String::with_capacity(words.len());
    let mut rest = words;
    let mut code = None;
    while let Some(c) = rest.chars().next() {
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        let (said, taken) = match code {
            Some(open) if ticks == open => {
                code = None;
                ("", ticks)
            }
            Some(_) if rest.starts_with("\\|") => ("|", 2),
            Some(_) => (&rest[..c.len_utf8()], c.len_utf8()),
            None if ticks > 0 => {
                code = Some(ticks);
                ("", ticks)
            }
            None if rest.starts_with("**") => ("", 2),
            None if rest.starts_with("&lt;") => ("<", 4),
            None if rest.starts_with("&gt;") => (">", 4),
            None if rest.starts_with("&amp;") => ("&", 5),
            None if c == '\\' && rest.len() > 1 => {
                let next = rest[1..].chars().next().map_or(0, char::len_utf8);
                (&rest[1..1 + next], 1 + next)
            }
            None => (&rest[..c.len_utf8()], c.len_utf8()),
        };
        plain.push_str(said);
        rest = &rest[taken..];
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_somebody_said_them() {
        for (written, said) in [
            ("**completed**", "completed"),
            ("`VERSION` = `v1.3.0`", "VERSION = v1.3.0"),
            ("Error rate &gt; 1% \\| \\*not\\* a\\_b &amp; c \\\\ d", "Error rate > 1% | *not* a_b & c \\ d"),
            ("`a \\| b \\d **`", "a | b \\d **"),
            ("``a ` b``", "a ` b"),
            ("é\\", "é\\"),
        ] {
            assert_eq!(plain(written), said);
        }
    }

    #[test]
    fn a_row_has_the_cells_that_it_was_written_with() {
        assert_eq!(cells("| a | `b \\| c` |  | d |"), ["a", "b | c", "", "d"]);
        assert_eq!(cells("|  |  |"), ["", ""]);
    }
}
