//! The output of one attempt: both streams as they came, stderr marked, the newest line in sight.

use jiff::SignedDuration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::known;
use crate::app::action::Action;
use crate::release::{Captured, CommandState, summary};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::workflow::CommandId;

pub fn title<'a>(paint: &Paint<'a>, id: &CommandId, attempt: u32) -> Line<'a> {
    let known = paint.model.state().attempt(id, attempt);
    let words = known.map_or_else(|| id.to_string(), |known| summary::first_line(&known.run.text));
    let mut line = paint.line("Output ── ", Role::Title);
    line.spans.push(paint.span(words, Role::Text));
    line
}

/// Draws from line `scroll` on; at the end, or with a scroll beyond it, the newest line is followed.
///
/// - Shape: gives the highest scroll that still shows something new.
pub fn draw(
    paint: &Paint,
    buffer: &mut Buffer,
    area: Rect,
    id: &CommandId,
    attempt: u32,
    scroll: u16,
) -> u16 {
    let width = usize::from(area.width);
    let height = usize::from(area.height);
    if height == 0 {
        return 0;
    }
    text::put(buffer, area, 0, &text::fit(state(paint, id, attempt, width), width));
    let has_terminal = paint.model.view.terminal(id, attempt).is_some();
    let mut hints: Vec<Line> = Vec::new();
    hints.extend(has_terminal.then(|| paint.hint(Action::Terminal, "back into its terminal")));
    let is_running = paint.model.state().command(id) == CommandState::Running;
    let stop = if is_running { "stop" } else { "do not run it again" };
    hints.extend([paint.hint(Action::StopCommand, stop), paint.hint(Action::Close, "close, it goes on")]);
    let keys = text::joined(hints, "   ", width);
    let known = known::beside(
        paint,
        &paint.model.known_of_command(id, attempt),
        width,
        if height > 10 { 3 } else { 2 },
    );
    // What it says itself keeps most of the room.
    let n_known = if height > 5 { known.len() } else { known.len().min(height / 4) };
    for (row, line) in known.iter().take(n_known).enumerate() {
        text::put(buffer, area, 1 + row, line);
    }
    let goes_on = is_running || paint.model.release.again(id).is_some();
    let n_keys = usize::from(goes_on && height > 3);
    if n_keys > 0 {
        text::put(buffer, area, height - 1, &keys);
    }
    let Some(output) = paint.model.output(id, attempt) else {
        if height > 1 + n_known {
            text::put(buffer, area, 1 + n_known, &paint.line("nothing was written yet", Role::Dim));
        }
        return 0;
    };
    let top = 1 + n_known + usize::from(output.cut > 0);
    if output.cut > 0 && height > 1 {
        let words = format!(
            "… {} lines are not shown here; the file beside the journal has them",
            format::count(output.cut)
        );
        text::put(buffer, area, 1 + n_known, &text::fit(paint.line(words, Role::Dim), width));
    }
    let room = height.saturating_sub(top + n_keys);
    let end = output.lines.len().saturating_sub(room);
    let from = usize::from(scroll).min(end);
    for (row, line) in output.lines.iter().skip(from).take(room).enumerate() {
        let (sign, role) = if line.is_stderr { ("! ", Role::LogWarn) } else { ("  ", Role::Text) };
        let line = Line::from_iter([paint.span(sign, role), paint.span(format::clean(&line.text), role)]);
        text::put(buffer, area, top + row, &text::fit(line, width));
    }
    u16::try_from(end).unwrap_or(u16::MAX)
}

/// `attempt 2 of 4 in 3s`, as long as it is on its way.
pub fn again(paint: &Paint, id: &CommandId) -> Option<String> {
    let again = paint.model.release.again(id)?;
    let left = again.at.duration_since(paint.model.now.wall);
    // A second that has begun is still to come.
    let left = SignedDuration::from_secs(left.as_secs() + i64::from(left.subsec_nanos() > 0));
    Some(format!("attempt {} of {} in {}", again.nth, again.of, format::span(left)))
}

pub fn state<'a>(paint: &Paint<'a>, id: &CommandId, attempt: u32, width: usize) -> Line<'a> {
    let Some(known) = paint.model.state().attempt(id, attempt) else { return Line::default() };
    let (word, role) = match &known.end {
        None if known.stop_asked => {
            (format!("STOPPING  {}", format::clock(paint.since(known.started))), Role::Warning)
        }
        None => (format!("RUNNING  {}", format::clock(paint.since(known.started))), Role::Info),
        Some((_, None)) => ("IN DOUBT".to_owned(), Role::Warning),
        Some((_, Some(exit))) => {
            let took = known.took_ms.map(|millis| format!("  {}", format::took(millis))).unwrap_or_default();
            let again = again(paint, id).map(|words| format!("   {words}")).unwrap_or_default();
            (format!("{exit}{took}{again}"), if exit.succeeded() { Role::Ok } else { Role::Bad })
        }
    };
    let captured = match (&known.captured, known.run.terms.capture.as_deref()) {
        (Some(Captured::Value(value)), Some(name)) => {
            Some((format!("{name}={}", format::clean(value)), Role::Text))
        }
        (Some(Captured::NotKept(why)), Some(name)) => {
            Some((format!("{name} is not set: {why}"), Role::Warning))
        }
        _ => None,
    };
    let captured = captured.map(|(words, role)| paint.span(format!("   {words}"), role));
    let who = known.by.as_ref().map_or("gonogo", |by| by.name.as_str());
    let left = Line::from_iter([
        paint.span(word, role),
        Span::raw("   "),
        paint.span(format!("{} {who}", paint.wall(known.started.wall)), Role::Dim),
    ]);
    let left = Line::from_iter(left.spans.into_iter().chain(captured));
    let pid = known.pid.map(|pid| format!("pid {pid}")).unwrap_or_default();
    text::ends(left, paint.line(format!("attempt {attempt}  {pid}"), Role::Dim), width, 12)
}
