//! The terminal of a command: its screen as its own, and beneath it how the keys are taken back.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::output;
use crate::app::action::Action;
use crate::release::CommandState;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::TerminalScreen;
use crate::workflow::CommandId;

/// Where a command's screen was drawn, and its cursor.
pub struct Drawn {
    /// Columns and rows that there are for it.
    pub size: (u16, u16),
    pub cursor: Option<Position>,
}

pub fn title<'a>(paint: &Paint<'a>, id: &CommandId, attempt: u32) -> Line<'a> {
    let mut line = output::title(paint, id, attempt);
    if let Some(first) = line.spans.first_mut() {
        *first = paint.span("Terminal ── ", Role::Title);
    }
    line
}

/// Draws the state above, the way out beneath, and the screen between them.
pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect, id: &CommandId, attempt: u32) -> Drawn {
    let width = usize::from(area.width);
    let height = usize::from(area.height);
    let is_running = paint.model.state().command(id) == CommandState::Running;
    let n_state = usize::from(height >= 6);
    // The way out is the last thing to go.
    let n_keys = usize::from(height >= 2);
    if n_state > 0 {
        text::put(buffer, area, 0, &output::state(paint, id, attempt, width));
    }
    if n_keys > 0 {
        let label = if is_running { "takes your keys back, it goes on" } else { "leaves, it has ended" };
        let mut line = paint.hint(Action::LeaveTerminal, label);
        let others = paint.line("   every other key goes to the command", Role::Dim);
        if is_running && line.width() + others.width() <= width {
            line.spans.extend(others.spans);
        }
        text::put(buffer, area, height - 1, &text::fit(line, width));
    }
    let rows = height - n_state - n_keys;
    let inner = Rect {
        y: area.y + u16::try_from(n_state).unwrap_or(0),
        height: u16::try_from(rows).unwrap_or(0),
        ..area
    };
    let size = (inner.width.max(1), inner.height.max(1));
    let Some(screen) = paint.model.view.terminal(id, attempt) else { return Drawn { size, cursor: None } };
    // Until the command follows a smaller pane, the rows with its cursor are those to see.
    let bottom = screen.cursor.map_or(screen.rows.len(), |(_, row)| usize::from(row) + 1);
    let above = bottom.saturating_sub(rows);
    rows_of(paint, buffer, inner, screen, above);
    let cursor = screen.cursor.filter(|_| is_running).and_then(|(column, row)| {
        let row = u16::try_from(usize::from(row).checked_sub(above)?).ok()?;
        let at = Position { x: inner.x + column, y: inner.y + row };
        inner.contains(at).then_some(at)
    });
    Drawn { size, cursor }
}

fn rows_of(paint: &Paint, buffer: &mut Buffer, area: Rect, screen: &TerminalScreen, above: usize) {
    for (y, row) in (area.y..area.bottom()).zip(screen.rows.iter().skip(above)) {
        for run in row.iter().filter(|run| run.at < area.width) {
            let room = usize::from(area.width - run.at);
            buffer.set_stringn(area.x + run.at, y, &run.text, room, paint.theme.of_terminal(run.look));
        }
    }
}
