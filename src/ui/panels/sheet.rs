//! A panel's text: a title, lines that may scroll, and keys that never scroll away.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use unicode_width::UnicodeWidthStr;

use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;

/// - Shape: `lines` are as wide as [`Sheet::new`] was told, or narrower.
#[derive(Debug, Clone)]
pub struct Sheet<'a> {
    pub title: Line<'a>,
    pub lines: Vec<Line<'a>>,
    /// What can be pressed here, at the bottom.
    pub keys: Vec<Line<'a>>,
    /// The line that must stay in sight, for panels with a selection.
    pub selected: Option<usize>,
    width: usize,
}

/// Where the value of a labelled line begins.
pub(super) const LABEL: usize = 13;

impl<'a> Sheet<'a> {
    pub fn new(title: Line<'a>, width: usize) -> Self {
        Self { title, lines: Vec::new(), keys: Vec::new(), selected: None, width }
    }

    pub fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| line.width() > 0) {
            self.lines.push(Line::default());
        }
    }

    pub fn push(&mut self, line: Line<'a>) {
        self.lines.push(text::fit(line, self.width));
    }

    /// Text that may take several rows.
    pub fn text(&mut self, paint: &Paint<'a>, words: &str, role: Role) {
        for part in words.lines() {
            let rows = text::wrap(part, self.width, usize::MAX);
            self.lines.extend(rows.into_iter().map(|row| paint.line(row, role)));
        }
    }

    /// `label   value`, the value under itself when it needs several rows.
    pub fn fact(&mut self, paint: &Paint<'a>, label: &str, value: &str, role: Role) {
        self.hanging(paint, paint.line(format!("{label:<LABEL$}"), Role::Dim), value, role);
    }

    /// `label   one   two`: parts that are broken within only when one of them is too long for a row.
    pub fn facts(&mut self, paint: &Paint<'a>, label: &str, parts: &[String], role: Role) {
        const GAP: &str = "   ";
        let room = self.width.saturating_sub(LABEL.min(self.width / 2));
        let mut label = label;
        let mut row = String::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let is_first = row.is_empty();
            if !is_first && row.width() + GAP.len() + part.width() > room {
                self.fact(paint, std::mem::take(&mut label), &std::mem::take(&mut row), role);
            } else if !is_first {
                row.push_str(GAP);
            }
            row.push_str(part);
        }
        if !row.is_empty() {
            self.fact(paint, label, &row, role);
        }
    }

    /// A head on the first row, and `value` beside it, wrapped under itself.
    pub fn hanging(&mut self, paint: &Paint<'a>, head: Line<'a>, value: &str, role: Role) {
        let indent = head.width().min(self.width / 2);
        let mut head = Some(text::fit(head, indent));
        for row in text::wrap(value, self.width.saturating_sub(indent), usize::MAX) {
            let mut line = head.take().unwrap_or_else(|| Line::from(" ".repeat(indent)));
            line.spans.push(paint.span(row, role));
            self.lines.push(line);
        }
    }

    /// The keys in as many rows as they need, none of them cut.
    pub fn keys(&mut self, hints: impl IntoIterator<Item = Line<'a>>) {
        const GAP: &str = "   ";
        let mut row = Line::default();
        for hint in hints {
            let wide = hint.width();
            if wide == 0 {
                continue;
            }
            if row.width() > 0 && row.width() + GAP.len() + wide > self.width {
                self.keys.push(std::mem::take(&mut row));
            }
            if row.width() > 0 {
                row.spans.push(Span::raw(GAP));
            }
            row.spans.extend(text::fit(hint, self.width).spans);
        }
        if row.width() > 0 {
            self.keys.push(row);
        }
    }

    /// Rows that all of it needs, borders included.
    pub fn height(&self) -> usize {
        self.lines.len() + self.keys.len() + usize::from(!self.keys.is_empty()) + 2
    }

    /// Draws the text from line `scroll` on.
    ///
    /// - Shape: gives the highest `scroll` that still shows something new.
    pub fn draw(&self, paint: &Paint, buffer: &mut Buffer, area: Rect, scroll: u16) -> u16 {
        let rows = usize::from(area.height);
        // Some keys stay even where there is no room for all: the last line of the screen has them too.
        let fits = self.lines.len() + self.keys.len() <= rows;
        let n_keys = if fits { self.keys.len() } else { self.keys.len().min(1) }.min(rows);
        let gap = usize::from(n_keys > 0 && rows > n_keys + self.lines.len());
        let body = rows - n_keys - gap;
        let end = self.lines.len().saturating_sub(body);
        let mut from = usize::from(scroll).min(end);
        if let Some(selected) = self.selected {
            from = from.clamp(
                (selected + 1).saturating_sub(body),
                selected.min(end).max((selected + 1).saturating_sub(body)),
            );
        }
        for (row, line) in self.lines.iter().skip(from).take(body).enumerate() {
            text::put(buffer, area, row, line);
        }
        if from < end && body > 0 {
            let more = paint.line(format!(" ↓ {} more", end - from), Role::Accent);
            let more = text::ends(Line::default(), more, usize::from(area.width), 0);
            if let Some(row) = text::row_of(area, body - 1) {
                let wide = u16::try_from(more.width()).unwrap_or(u16::MAX);
                if wide <= row.width {
                    let hint = more.spans.last().cloned().map(Line::from).unwrap_or_default();
                    let x = row.right().saturating_sub(u16::try_from(hint.width()).unwrap_or(0));
                    buffer.set_line(x, row.y, &hint, row.right() - x);
                }
            }
        }
        for (row, line) in self.keys.iter().take(n_keys).enumerate() {
            text::put(buffer, area, body + gap + row, line);
        }
        u16::try_from(end).unwrap_or(u16::MAX)
    }
}
