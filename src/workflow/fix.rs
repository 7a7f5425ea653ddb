//! What `gonogo lint --fix` writes: only where one answer is safe, never in prose or in a command.

use std::ops::Range;

use super::model::{Code, Place, Workflow};

/// A text with its fixes, and what they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    pub text: String,
    /// In the order of the document.
    pub fixes: Vec<(Code, Place)>,
}

/// Corrects what has one safe answer.
///
/// - Shape: every byte outside the fixes stays; what is fixed once needs no second time.
pub fn fixed(workflow: &Workflow) -> Fixed {
    let text = &workflow.text;
    let lines: Vec<Range<usize>> = line_ranges(text);
    let mut edits: Vec<(Range<usize>, String, Code, Place)> = Vec::new();
    for found in workflow.diagnostics.iter().filter(|found| found.code.is_fixable()) {
        for place in std::iter::once(&found.place).chain(&found.related) {
            let Some(line) = place.line.checked_sub(1).and_then(|line| lines.get(line)) else { continue };
            let row = &text[line.clone()];
            let column = place.column.saturating_sub(1);
            let offset = row.char_indices().nth(column).map_or(row.len(), |(offset, _)| offset);
            let edit = match found.code {
                Code::TickedInFile => tick(row, offset),
                Code::AnnotationSyntax => name(row, offset),
                Code::AnnotationDoubleDash => {
                    let next = lines.get(place.line).map_or("", |next| &text[next.clone()]);
                    own_line(row, offset, next, line_end(text, line.end))
                }
                _ => None,
            };
            if let Some((range, with)) = edit {
                edits.push((line.start + range.start..line.start + range.end, with, found.code, *place));
            }
        }
    }
    edits.sort_by_key(|(range, ..)| (range.start, range.end));
    let mut fixed = Fixed { text: String::with_capacity(text.len()), fixes: Vec::new() };
    let mut at = 0;
    for (range, with, code, place) in edits {
        // Two fixes of one place: the second run of the tool sees what the first left.
        if range.start < at {
            continue;
        }
        fixed.text.push_str(&text[at..range.start]);
        fixed.text.push_str(&with);
        fixed.fixes.push((code, place));
        at = range.end;
    }
    fixed.text.push_str(&text[at..]);
    fixed
}

fn line_ranges(text: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    let of_line = |line: &str| {
        let start = at;
        at += line.len();
        start..start + line.trim_end_matches(['\n', '\r']).len()
    };
    text.split_inclusive('\n').map(of_line).collect()
}

fn line_end(text: &str, at: usize) -> &'static str {
    if text[at..].starts_with("\r\n") { "\r\n" } else { "\n" }
}

/// The box in front of the words of a ticked item.
fn tick(row: &str, offset: usize) -> Option<(Range<usize>, String)> {
    let (marker, _) = marker(row)?;
    let ticked = row[marker..].starts_with("[x]") || row[marker..].starts_with("[X]");
    // The place is the item's words, or the box itself.
    (ticked && marker <= offset).then(|| (marker + 1..marker + 2, " ".to_owned()))
}

/// Where the text of a list item begins, and the columns before it.
fn marker(row: &str) -> Option<(usize, usize)> {
    let quote = row.len() - row.trim_start_matches([' ', '\t', '>']).len();
    let rest = &row[quote..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let sign = rest[digits..].chars().next()?;
    let is_marker = if digits > 0 { matches!(sign, '.' | ')') } else { matches!(sign, '-' | '*' | '+') };
    if !is_marker {
        return None;
    }
    let after = quote + digits + 1;
    let blank = row[after..].len() - row[after..].trim_start_matches(' ').len();
    (1..=4).contains(&blank).then_some((after + blank, after + blank))
}

/// The first word of an annotation as it has to be.
fn name(row: &str, offset: usize) -> Option<(Range<usize>, String)> {
    const NAME: &str = "gonogo";
    let word = row.get(offset..offset + NAME.len())?;
    // Another problem of the comment than its name has no single answer.
    if !word.eq_ignore_ascii_case(NAME) || !row[..offset].trim_end().ends_with("<!--") {
        return None;
    }
    let end = offset + NAME.len();
    let colon = usize::from(row[end..].starts_with(':'));
    (word != NAME || colon == 0).then(|| (offset..end + colon, format!("{NAME}:")))
}

/// A comment behind the words of an item, on a line of its own below it.
fn own_line(row: &str, offset: usize, next: &str, line_end: &str) -> Option<(Range<usize>, String)> {
    let (_, columns) = marker(row)?;
    // Words that go on below would be cut off from their item.
    if !next.trim().is_empty() && marker(next).is_none() {
        return None;
    }
    // Tabs and quotes before the item would have to be told apart; a person does that.
    if row[..columns].contains(['\t', '>']) || !row[offset..].trim_end().ends_with("-->") {
        return None;
    }
    let words = row[..offset].trim_end().len();
    (words > columns).then(|| (words..offset, format!("{line_end}{}", " ".repeat(columns))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::workflow::{Source, read};

    fn linted(text: &str) -> Workflow {
        read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false })
    }

    fn once(text: &str) -> String {
        fixed(&linted(text)).text
    }

    const HEAD: &str = "# T\n\n## Steps\n\n### A\n\n";

    #[test]
    fn a_ticked_box_is_opened_and_its_words_stay() {
        let text = format!("{HEAD}- [x] a [x] b\n1. [X] c\r\n   * [x] d\n> - [x] e\n\n`- [x] f`\n");
        let after = once(&text);
        assert_eq!(after, format!("{HEAD}- [ ] a [x] b\n1. [ ] c\r\n   * [ ] d\n> - [ ] e\n\n`- [x] f`\n"));
    }

    #[test]
    fn a_comment_with_two_dashes_gets_a_line_of_its_own_and_means_the_same() {
        let text =
            format!("{HEAD}- [ ] a <!-- gonogo: id=a--b killer -->\r\n12. [ ] c <!-- gonogo: id=c--d -->\n");
        let after = once(&text);
        assert_eq!(
            after,
            format!(
                "{HEAD}- [ ] a\r\n  <!-- gonogo: id=a--b killer -->\r\n12. [ ] c\n    <!-- gonogo: id=c--d -->\n"
            )
        );
        let ids = |text: &str| linted(text).checks().map(|check| check.id.0.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&after), ids(&text));
        assert!(linted(&after).annotations.iter().any(|applied| applied.text == "killer"));
    }

    #[test]
    fn the_name_of_an_annotation_is_corrected_and_its_other_problems_are_not() {
        let text = format!(
            "{HEAD}- [ ] a <!-- Gonogo: killer -->\n- [ ] b <!-- gonogo killer -->\n- [ ] c <!-- gonogo: max=\"1 -->\n"
        );
        let after = once(&text);
        assert_eq!(after, text.replace("Gonogo:", "gonogo:").replace("gonogo killer", "gonogo: killer"));
        assert_eq!(linted(&after).annotations.len(), 2);
    }

    proptest! {
        #[test]
        fn a_second_time_changes_nothing_and_prose_never_changes(
            text in "(# T\n|## Steps\n|- \\[x\\] |[0-9]\\. |> |  |\n|\r\n|é word |<!-- gonogo: id=a--b -->|<!-- Gonogo optional -->|```\n|\t){0,40}"
        ) {
            let text = format!("{HEAD}{text}");
            let after = once(&text);
            prop_assert_eq!(&once(&after), &after);
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace() && !matches!(c, 'x' | 'X' | ':' | 'G' | 'g')).collect::<String>();
            prop_assert_eq!(bare(&after), bare(&text));
        }
    }
}
