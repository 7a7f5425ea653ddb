//! Rows of text that fit: elided, wrapped and joined by the width that a terminal gives them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Cuts `text` to `width` columns; a cut shows as `…`.
pub fn elide(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used > room {
            break;
        }
        kept.push_str(grapheme);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Cuts a line to `width` columns; a cut shows as `…` in the style of what it cuts.
pub fn fit<'a>(line: Line<'a>, width: usize) -> Line<'a> {
    if line.width() <= width {
        return line;
    }
    let mut kept = Line::default().style(line.style);
    let mut room = width;
    for span in line.spans {
        let wide = span.width();
        if wide < room {
            room -= wide;
            kept.spans.push(span);
            continue;
        }
        // This span is cut even if it would fill the row exactly, for something follows it.
        let cut = if wide == room { elide_by_one(&span.content, room) } else { elide(&span.content, room) };
        kept.spans.push(Span::styled(cut, span.style));
        break;
    }
    kept
}

fn elide_by_one(text: &str, width: usize) -> String {
    let mut longer = text.to_owned();
    longer.push('x');
    elide(&longer, width)
}

/// One row with `left` at its start and `right` at its end.
///
/// - Shape: exactly `width` columns when `right` is shown; `left` is cut first, and `right` is left
///   out once `left` would keep fewer than `keep` columns.
pub fn ends<'a>(left: Line<'a>, right: Line<'a>, width: usize, keep: usize) -> Line<'a> {
    let wide = right.width();
    if wide == 0 {
        return fit(left, width);
    }
    let least = left.width().min(keep);
    if wide + 1 + least > width {
        return fit(left, width);
    }
    let mut row = fit(left, width - wide - 1);
    let gap = width - wide - row.width();
    row.spans.push(Span::raw(" ".repeat(gap)));
    row.spans.extend(right.spans);
    row
}

/// As many of `parts` as fit into `width`, in their order, none of them cut.
pub fn joined<'a>(parts: impl IntoIterator<Item = Line<'a>>, separator: &'a str, width: usize) -> Line<'a> {
    let mut row = Line::default();
    let mut used = 0;
    for part in parts {
        let gap = if row.spans.is_empty() { 0 } else { separator.width() };
        let wide = part.width();
        if wide == 0 {
            continue;
        }
        if used + gap + wide > width {
            break;
        }
        if gap > 0 {
            row.spans.push(Span::raw(separator));
        }
        row.spans.extend(part.spans);
        used += gap + wide;
    }
    row
}

/// Breaks `text` at spaces into rows of `width` columns, a longer word anywhere.
///
/// - Shape: at most `most` rows, the last one elided when there is more; never empty.
pub fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut row = String::new();
    let width = width.max(1);
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let gap = usize::from(!row.is_empty());
        if row.width() + gap + word.width() <= width {
            if gap > 0 {
                row.push(' ');
            }
            row.push_str(word);
            continue;
        }
        if rows.len() + 1 == most {
            let rest: Vec<&str> = std::iter::once(word).chain(words).collect();
            let rest = rest.join(" ");
            let whole = if row.is_empty() { rest } else { format!("{row} {rest}") };
            rows.push(elide(&whole, width));
            return rows;
        }
        if word.width() <= width {
            rows.push(std::mem::take(&mut row));
            row.push_str(word);
            continue;
        }
        if !row.is_empty() {
            rows.push(std::mem::take(&mut row));
        }
        for grapheme in word.graphemes(true) {
            // Some characters are made of several columns that cannot be parted.
            let grapheme = if grapheme.width() > width { "…" } else { grapheme };
            if row.width() + grapheme.width() > width && !row.is_empty() {
                rows.push(std::mem::take(&mut row));
            }
            row.push_str(grapheme);
        }
    }
    rows.push(row);
    if rows.len() > most.max(1) {
        // A word longer than several rows overran the bound.
        rows.truncate(most.max(1));
        if let Some(last) = rows.last_mut() {
            *last = elide_by_one(last, width);
        }
    }
    rows
}

/// Writes a line into one row of `area`, counted from its top; outside of it nothing happens.
pub fn put(buffer: &mut Buffer, area: Rect, row: usize, line: &Line) {
    let Some(area) = row_of(area, row) else { return };
    buffer.set_line(area.x, area.y, line, area.width);
}

/// Lays a style over one row of `area`, text and gap alike.
pub fn tint(buffer: &mut Buffer, area: Rect, row: usize, style: Style) {
    if let Some(area) = row_of(area, row) {
        buffer.set_style(area, style);
    }
}

pub fn row_of(area: Rect, row: usize) -> Option<Rect> {
    let row = u16::try_from(row).ok().filter(|row| *row < area.height)?;
    (area.width > 0).then(|| Rect { y: area.y + row, height: 1, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_is_shown_and_wide_characters_count_double() {
        assert_eq!(elide("Déploiement", 20), "Déploiement");
        assert_eq!(elide("Déploiement lancé", 12), "Déploiement…");
        assert_eq!(elide("漢字漢字", 5), "漢字…");
        assert_eq!(elide("漢字漢字", 4), "漢…");
        assert_eq!(elide("abc", 0), "");
    }

    #[test]
    fn the_right_end_stays_while_the_left_gives_way() {
        let row = |width| ends(Line::from("a long left side"), Line::from("5/5"), width, 6).to_string();
        assert_eq!(row(24), "a long left side     5/5");
        assert_eq!(row(14), "a long le… 5/5");
        assert_eq!(row(9), "a long l…", "too narrow for both");
    }

    #[test]
    fn parts_are_shown_whole_or_not_at_all() {
        let parts = || ["one", "two", "three"].map(Line::from);
        assert_eq!(joined(parts(), " · ", 9).to_string(), "one · two");
        assert_eq!(joined(parts(), " · ", 8).to_string(), "one");
        assert_eq!(joined(parts(), " · ", 40).to_string(), "one · two · three");
    }

    #[test]
    fn long_text_wraps_at_spaces_and_long_words_anywhere() {
        assert_eq!(
            wrap("kubectl set image deployment/app", 14, 9),
            ["kubectl set", "image", "deployment/app"]
        );
        assert_eq!(wrap("abcdefgh", 3, 9), ["abc", "def", "gh"]);
        assert_eq!(wrap("one two three four", 8, 2), ["one two", "three f…"]);
        assert_eq!(wrap("", 5, 2), [""]);
        assert_eq!(wrap("A𑌿𑖰", 2, 9), ["…"], "one character, three columns");
    }

    proptest! {
        #[test]
        fn no_text_ever_gets_wider_than_it_may(text in "\\PC{0,60}", width in 0_usize..30, most in 1_usize..5) {
            prop_assert!(elide(&text, width).width() <= width);
            prop_assert!(fit(Line::from(vec![Span::raw(text.clone()), Span::raw("tail")]), width).width() <= width);
            let rows = wrap(&text, width.max(2), most);
            prop_assert!(!rows.is_empty() && rows.len() <= most);
            for row in rows {
                prop_assert!(row.width() <= width.max(2), "{row:?}");
            }
        }
    }
}
