//! Diagnostics for people: the offending line with a caret, and the way out.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::model::{Diagnostic, Place, Severity, Workflow};

/// Characters shown around the caret of a line that is too long to be handed to the renderer.
const WIDTH: usize = 80;

/// Bytes up to which a line is handed over whole; the renderer cuts it to the terminal itself.
const MAX_LINE: usize = 4_096;

/// Further places named one by one; a longer list helps nobody.
const MAX_RELATED: usize = 8;

/// What `gonogo lint` prints: every diagnostic, then how many there are of which kind.
///
/// - Shape: ends in a newline; ANSI colours only when `coloured`.
pub fn lint_text(workflow: &Workflow, coloured: bool) -> String {
    let renderer = if coloured { Renderer::styled() } else { Renderer::plain() }.term_width(100);
    let lines: Vec<&str> = workflow.text.split('\n').collect();
    let mut report = String::new();
    for found in &workflow.diagnostics {
        let line = lines.get(found.place.line - 1).copied().unwrap_or_default();
        report.push_str(&rendered(found, line, &workflow.file, &renderer));
        report.push_str("\n\n");
    }
    let count = |severity| workflow.diagnostics.iter().filter(|found| found.severity == severity).count();
    let counted = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let _ = writeln!(
        report,
        "{}: {}, {}, {}",
        visible(&workflow.file),
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
        counted(count(Severity::Info), "remark"),
    );
    report
}

fn rendered(found: &Diagnostic, line: &str, file: &str, renderer: &Renderer) -> String {
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let whole = line.len() <= MAX_LINE;
    let (shown, caret) = window(line, found, if whole { usize::MAX } else { WIDTH });
    let message = visible(&found.message);
    let file = visible(file);
    let title = level.primary_title(message).id(found.code.as_str());
    let source =
        Snippet::source(shown).line_start(found.place.line).annotation(AnnotationKind::Primary.span(caret));
    let mut group = if whole {
        title.element(source.path(file.as_str()))
    } else {
        // The renderer would count the column in the part that is shown.
        let origin = Origin::path(file.as_str()).line(found.place.line).char_column(found.place.column);
        title.element(origin).element(source)
    };
    if let Some(places) = further(&found.related) {
        group = group.element(Level::NOTE.message(places));
    }
    let group = group.element(Level::HELP.message(visible(&found.help)));
    renderer.render(&[group])
}

/// The part of a line around its caret, and the caret's byte range in it.
fn window(line: &str, found: &Diagnostic, width: usize) -> (String, std::ops::Range<usize>) {
    let line = line.trim_end_matches('\r');
    let from = found.place.column.saturating_sub(1);
    let first = if line.chars().nth(width).is_none() { 0 } else { from.saturating_sub(width / 2) };
    let mut shown = String::new();
    let mut caret = None;
    let mut end = None;
    if first > 0 {
        shown.push('…');
    }
    for (n, c) in line.chars().enumerate().skip(first).take(width) {
        if n == from {
            caret = Some(shown.len());
        }
        if n + 1 == found.end_column {
            end = Some(shown.len());
        }
        shown.push(one_visible(c));
    }
    let caret = caret.unwrap_or(shown.len());
    let end = end.unwrap_or(shown.len());
    (shown, caret..end.max(caret))
}

fn further(related: &[Place]) -> Option<String> {
    let named: Vec<String> =
        related.iter().take(MAX_RELATED).map(|place| format!("{}:{}", place.line, place.column)).collect();
    let more = related.len().saturating_sub(MAX_RELATED);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("also at {}{tail}", named.join(", ")))
}

/// The text with nothing in it that a terminal would obey.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(one_visible).collect()
}

fn one_visible(c: char) -> char {
    let obeyed = c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match c {
        '\t' => ' ',
        _ if obeyed => '\u{fffd}',
        _ => c,
    }
}
