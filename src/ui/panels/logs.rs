//! The lower part of pane 2: the pods' log lines, as many as are visible and no more.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::app::model::Pane;
use crate::ui::Scrolls;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::LogSource;
use crate::watch::logs::json::{self, JsonLine};
use crate::watch::logs::{Level, Row, Stream, StreamState, clean};

/// A wrapped line may not push all others off the screen.
const WRAPPED_ROWS: usize = 6;

/// The separator line with what is true of all streams, and the lines below it.
pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect, scrolls: &mut Scrolls) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let width = usize::from(area.width);
    separator(paint, buffer, area);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    scrolls.log_rows = body.height;
    let store = &paint.model.observed.logs;
    if store.n_lines() == 0 {
        text::put(buffer, body, 0, &text::fit(paint.line(nothing_yet(paint), Role::Dim), width));
        return;
    }
    let pane = &paint.model.view.log;
    let height = usize::from(body.height);
    let rows: Vec<Row> = pane.view.rows(store, height).collect();
    let mut lines: Vec<Line> = Vec::with_capacity(height);
    for row in &rows {
        lines.extend(row_lines(paint, row, width));
    }
    // Wrapping makes more lines than rows: the newest ones stay while following, the first ones else.
    let skip = if pane.view.is_following() { lines.len().saturating_sub(height) } else { 0 };
    for (y, line) in lines.iter().skip(skip).take(height).enumerate() {
        text::put(buffer, body, y, line);
    }
}

fn nothing_yet(paint: &Paint) -> &'static str {
    if paint.model.targets().is_empty() {
        "no target, no logs"
    } else if paint.model.observed.logs.streams().is_empty() {
        "no pod is followed yet"
    } else {
        "the followed pods have written nothing yet"
    }
}

fn separator(paint: &Paint, buffer: &mut Buffer, area: Rect) {
    let model = paint.model;
    let store = &model.observed.logs;
    let pane = &model.view.log;
    let width = usize::from(area.width);
    let long = width >= 60;
    let mut parts: Vec<Line> = Vec::new();
    let silence = model.cluster_silence();
    if let Some((since, _)) = silence {
        let words = format!("silent since {}", paint.wall(since.wall));
        parts.push(paint.line(words, Role::Stale));
    } else if long {
        let live = store.streams().iter().filter(|stream| stream.state == StreamState::Live).count();
        parts.push(paint.line(format!("{live} streams"), Role::Text));
    }
    if pane.view.is_following() {
        parts.push(paint.line("follow", Role::Info));
    } else {
        let new = pane.view.n_new(store);
        parts.push(paint.line(format!("STANDING, {} new below", format::count(new as u64)), Role::Warning));
    }
    if let Some(selection) = pane.selection {
        let (first, last) = selection.range();
        let n_marked = pane.view.between(store, first, last).len() as u64;
        parts.push(paint.line(format!("{} marked", format::count(n_marked)), Role::Accent));
    }
    // What is missing comes before what is merely fast: it must be in sight on a narrow pane too.
    let lost = store.n_lost();
    let lost_words = format!("{} lost", format::count(lost));
    if lost > 0 {
        parts.push(paint.line(lost_words.clone(), Role::Warning));
    }
    if store.n_unfollowed() > 0 {
        let text = format!("{} not followed", format::count(store.n_unfollowed()));
        parts.push(paint.line(text, Role::Warning));
    }
    if store.n_dropped() > 0 {
        parts.push(paint.line(format!("{} let go", format::count(store.n_dropped())), Role::Dim));
    }
    if silence.is_none() {
        let unit = if long { " lines/s" } else { "/s" };
        parts.push(paint.line(format!("{}{unit}", format::count(store.rate(model.now.wall))), Role::Text));
    }
    if lost == 0 {
        parts.push(paint.line(lost_words, Role::Text));
    }
    if let Some(filter) = &pane.filter {
        parts.push(paint.line(format!("only “{filter}”"), Role::Accent));
    }
    if let Some(search) = &pane.search {
        parts.push(paint.line(format!("/{search}"), Role::Accent));
    }
    let mut line = paint.line("── logs  ", Role::Dim);
    let room = width.saturating_sub(line.width() + 1);
    line.spans.extend(text::joined(parts, " · ", room).spans);
    line.spans.push(Span::raw(" "));
    let rest = width.saturating_sub(line.width());
    let keys = if width >= 90 && model.view.focus != Pane::Rollout { " / search  & filter " } else { "" };
    let dashes = rest.saturating_sub(keys.width());
    line.spans.push(paint.span("─".repeat(dashes), Role::Dim));
    if dashes > 0 {
        line.spans.push(paint.span(keys, Role::Dim));
    }
    text::put(buffer, area, 0, &text::fit(line, width));
}

/// One stored line as the rows it takes on the screen.
fn row_lines<'a>(paint: &Paint<'a>, row: &Row, width: usize) -> Vec<Line<'a>> {
    let pane = &paint.model.view.log;
    let mut head = Line::default();
    let is_marked = pane.selection.is_some_and(|selection| selection.contains(row.number));
    if pane.selection.is_some() {
        // The colour of what is marked may not be there at all.
        head.spans.push(paint.span(if is_marked { "┃" } else { " " }, Role::Accent));
    }
    if let Some(at) = row.at {
        let full = format::wall_millis(at, &paint.model.settings.zone);
        // Between minutes and milliseconds the hour is what one knows anyway.
        let shown =
            if pane.timestamps || width >= 60 { full } else { full.get(6..).unwrap_or_default().to_owned() };
        head.spans.push(paint.span(shown, Role::Dim));
        head.spans.push(Span::raw(" "));
    }
    if let Some(stream) = row.source.and_then(|id| paint.model.observed.logs.stream(id)) {
        head.spans
            .push(paint.span(format!("{} ", name(paint, stream)), Role::Pod((stream.nth_pod % 8) as u8)));
    }
    let role = match (row.mark.is_some(), row.level) {
        (true, _) => Role::Accent,
        (_, Some(Level::Error)) => Role::LogError,
        (_, Some(Level::Warn)) => Role::LogWarn,
        _ => Role::Text,
    };
    // An error is told by a sign too, since its own words may not say so.
    let sign = match (row.mark.is_some(), row.level) {
        (true, _) => "── ",
        _ if row.continues => "┆ ",
        (_, Some(Level::Error)) => "✘ ",
        (_, Some(Level::Warn)) => "▲ ",
        _ => "",
    };
    head.spans.push(paint.span(sign, role));
    let indent = head.width().min(width / 2);
    let room = width.saturating_sub(head.width());
    let (words, n_message) = words_of(row, pane.raw_json);
    let n_skipped = words.len() - skip_columns(&words, usize::from(pane.column)).len();
    let (words, n_message) = (&words[n_skipped..], n_message.saturating_sub(n_skipped));
    let is_match = pane.match_at == Some(row.number);
    let mut lines: Vec<Line> = if pane.wrap && room > 0 {
        let rows = text::wrap(words, room, WRAPPED_ROWS);
        rows.into_iter()
            .enumerate()
            .map(|(index, words)| {
                let mut line =
                    if index == 0 { std::mem::take(&mut head) } else { Line::from(" ".repeat(indent)) };
                mark_matches(paint, &mut line, &words, role);
                line
            })
            .collect()
    } else {
        let (message, rest) = words.split_at(n_message.min(words.len()));
        mark_matches(paint, &mut head, message, role);
        mark_matches(paint, &mut head, rest, Role::Dim);
        vec![head]
    };
    for line in &mut lines {
        if is_match || is_marked {
            let style = paint.style(Role::Selection);
            for span in &mut line.spans {
                span.style = span.style.patch(style);
            }
            line.style = style;
        }
        *line = text::fit(std::mem::take(line), width);
    }
    lines
}

/// The pod by the part of its name that tells it from its siblings, and the container where the pod
/// has more than one that speaks.
fn name(paint: &Paint, stream: &Stream) -> String {
    let LogSource { pod, container, .. } = &*stream.source;
    let has_kin = paint.model.observed.logs.streams().iter().any(|other| {
        other.nth_pod == stream.nth_pod && other.source.container != *container && other.source.pod == *pod
    });
    let pod = format::pod(pod);
    if has_kin { format!("{pod}/{container}") } else { pod.to_owned() }
}

/// What a line says, and how many bytes of that are its message: the rest of a line of JSON stands
/// behind it.
fn words_of<'r>(row: &'r Row, raw_json: bool) -> (Cow<'r, str>, usize) {
    let json = if raw_json || row.mark.is_some() { None } else { json::read(&row.text) };
    match json {
        None => (Cow::Borrowed(row.text.as_ref()), row.text.len()),
        Some(JsonLine { level, message, rest }) => {
            // The sign tells the level of what is bad; other levels are told by their word.
            let level = match (row.level, level) {
                (Some(Level::Error | Level::Warn), _) | (_, None) => String::new(),
                (_, Some(level)) => format!("{level} "),
            };
            // What was escaped within JSON may act on a terminal once it is read.
            let message = clean(&format!("{level}{message}")).into_owned();
            let n_message = message.len();
            let words = if rest.is_empty() { message } else { format!("{message}  {}", clean(&rest)) };
            (Cow::Owned(words), n_message)
        }
    }
}

/// Adds the words to the line, matches of the search in the selection role.
fn mark_matches<'a>(paint: &Paint<'a>, line: &mut Line<'a>, words: &str, role: Role) {
    let Some(search) = &paint.model.view.log.search else {
        line.spans.push(paint.span(words.to_owned(), role));
        return;
    };
    let mut at = 0;
    for found in search.find_iter(words).filter(|found| !found.is_empty()).take(20) {
        line.spans.push(paint.span(words[at..found.start()].to_owned(), role));
        line.spans.push(paint.span(found.as_str().to_owned(), Role::Selection));
        at = found.end();
    }
    line.spans.push(paint.span(words[at..].to_owned(), role));
}

fn skip_columns(words: &str, columns: usize) -> &str {
    if columns == 0 {
        return words;
    }
    let mut seen = 0;
    for (at, grapheme) in words.grapheme_indices(true) {
        if seen >= columns {
            return &words[at..];
        }
        seen += grapheme.width();
    }
    ""
}
