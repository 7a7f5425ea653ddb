//! The lower part of pane 2: the pods' log lines, as many as are visible and no more.

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
use crate::watch::logs::{Level, Row, StreamState};

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
    if silence.is_none() {
        let unit = if long { " lines/s" } else { "/s" };
        parts.push(paint.line(format!("{}{unit}", format::count(store.rate(model.now.wall))), Role::Text));
    }
    let lost = store.n_lost();
    let lost_role = if lost > 0 { Role::Warning } else { Role::Text };
    parts.push(paint.line(format!("{} lost", format::count(lost)), lost_role));
    if let Some(filter) = &pane.filter {
        parts.push(paint.line(format!("only “{filter}”"), Role::Accent));
    }
    if let Some(search) = &pane.search {
        parts.push(paint.line(format!("/{search}"), Role::Accent));
    }
    if store.n_dropped() > 0 {
        parts.push(paint.line(format!("{} older let go", format::count(store.n_dropped())), Role::Dim));
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
    if let Some(at) = row.at {
        let full = format::wall_millis(at, &paint.model.settings.zone);
        // Between minutes and milliseconds the hour is what one knows anyway.
        let shown =
            if pane.timestamps || width >= 60 { full } else { full.get(6..).unwrap_or_default().to_owned() };
        head.spans.push(paint.span(shown, Role::Dim));
        head.spans.push(Span::raw(" "));
    }
    let source = row.source.and_then(|id| paint.model.observed.logs.stream(id));
    if let Some(stream) = source {
        let pod = &stream.source.pod;
        head.spans.push(paint.span(format!("{} ", format::pod(pod)), pod_role(pod)));
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
        (_, Some(Level::Error)) => "✘ ",
        (_, Some(Level::Warn)) => "▲ ",
        _ => "",
    };
    let is_match = pane.match_at == Some(row.number);
    head.spans.push(paint.span(sign, role));
    let indent = head.width().min(width / 2);
    let room = width.saturating_sub(head.width());
    let words = skip_columns(&row.text, usize::from(pane.column));
    let rows =
        if pane.wrap && room > 0 { text::wrap(words, room, WRAPPED_ROWS) } else { vec![words.to_owned()] };
    let mut lines = Vec::with_capacity(rows.len());
    for (index, words) in rows.into_iter().enumerate() {
        let mut line = if index == 0 { std::mem::take(&mut head) } else { Line::from(" ".repeat(indent)) };
        mark_matches(paint, &mut line, words, role);
        if is_match {
            line = line.style(paint.style(Role::Selection));
            for span in &mut line.spans {
                span.style = span.style.patch(paint.style(Role::Selection));
            }
        }
        lines.push(text::fit(line, width));
    }
    lines
}

/// Adds the words to the line, matches of the search in the selection role.
fn mark_matches<'a>(paint: &Paint<'a>, line: &mut Line<'a>, words: String, role: Role) {
    let Some(search) = &paint.model.view.log.search else {
        line.spans.push(paint.span(words, role));
        return;
    };
    let mut at = 0;
    for found in search.find_iter(&words).filter(|found| !found.is_empty()).take(20) {
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

/// A pod keeps its colour for life, and its containers share it.
fn pod_role(pod: &str) -> Role {
    let sum = pod.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Role::Pod((sum % 8) as u8)
}
