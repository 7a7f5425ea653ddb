//! gonogo's own log, from the process-wide buffer: the one thing on the screen that is not in the
//! model.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;
use tui_logger::{TuiLoggerLevelOutput, TuiLoggerWidget};

use crate::ui::paint::Paint;
use crate::ui::theme::Role;

pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect) {
    TuiLoggerWidget::default()
        .style(paint.style(Role::Text))
        .style_error(paint.style(Role::LogError))
        .style_warn(paint.style(Role::LogWarn))
        .style_info(paint.style(Role::Text))
        .style_debug(paint.style(Role::Dim))
        .style_trace(paint.style(Role::Dim))
        .output_level(Some(TuiLoggerLevelOutput::Abbreviated))
        .output_timestamp(Some("%H:%M:%S".to_owned()))
        .output_file(false)
        .output_line(false)
        .render(area, buffer);
}
