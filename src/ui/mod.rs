//! What it looks like: the model as a frame. Nothing here changes the release or asks the world.

pub mod format;
mod paint;
mod panels;
mod signs;
pub mod svg;
pub mod theme;
mod widgets;

#[cfg(test)]
mod picture;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use crate::app::model::{Model, Pane, Panel};
use crate::release::Current;
use crate::workflow::CommandId;
use paint::Paint;
use panels::Sheet;
use theme::{Role, Theme};
use widgets::text;

/// Below this width the panes become tabs.
const TABS_BELOW: u16 = 80;
/// Rows under which a pane of the right side shows nothing useful.
const LEAST_PANE: u16 = 4;

/// Positions of lists, kept from frame to frame: they depend on the size of the screen, so the model
/// cannot hold them.
#[derive(Debug, Default)]
pub struct Scrolls {
    /// First visible line of the checklist.
    pub checklist: usize,
    /// Rows of log that this frame had room for; zero when no log was in sight.
    pub log_rows: u16,
    /// Whether any text of the open panel was shown: on a screen too small for it, it was not.
    pub panel_painted: bool,
    /// The first line of the open panel that is shown: what `panel_scroll` came to on this screen.
    pub panel_at: u16,
    /// The highest `panel_scroll` that shows something new.
    pub panel_end: u16,
    /// Columns and rows of the pane that shows a command's terminal, if this frame has one.
    pub terminal: Option<(u16, u16)>,
    cursor: Option<Position>,
    /// The output that was shown last: one that was at its end stays there while lines come in.
    output: Option<(CommandId, u32)>,
}

/// Draws the whole screen.
///
/// - Shape: whatever the size, from 1×1 up; a line whose fact is missing is left out.
/// - Cost: what is visible, not what is stored.
pub fn draw(frame: &mut Frame, model: &Model, scrolls: &mut Scrolls, theme: &Theme) {
    let area = frame.area();
    let cursor = render(frame.buffer_mut(), area, model, scrolls, theme);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// Draws into a buffer; gives the place of the cursor while text is typed.
pub fn render(
    buffer: &mut Buffer,
    area: Rect,
    model: &Model,
    scrolls: &mut Scrolls,
    theme: &Theme,
) -> Option<Position> {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return None;
    }
    scrolls.log_rows = 0;
    scrolls.panel_painted = false;
    (scrolls.terminal, scrolls.cursor) = (None, None);
    if model.view.panel.is_none() {
        (scrolls.panel_at, scrolls.panel_end, scrolls.output) = (0, 0, None);
    }
    let paint = Paint { model, theme };
    let screen = Screen::of(&paint, area);
    buffer.set_style(area, paint.style(Role::Text));
    panels::status::draw(&paint, buffer, screen.status);
    for (row, line) in screen.banners.iter().enumerate() {
        text::put(buffer, screen.banner_area, row, line);
    }
    body(&paint, buffer, screen.body, scrolls);
    panels::rollback_line::draw(&paint, buffer, screen.rollback);
    let cursor = panels::footer::draw(&paint, buffer, screen.footer).or(scrolls.cursor);
    if model.settings.ascii {
        signs::flatten(buffer);
    }
    cursor
}

/// The rows of the screen, from the top.
struct Screen<'a> {
    status: Rect,
    banner_area: Rect,
    banners: Vec<Line<'a>>,
    body: Rect,
    rollback: Rect,
    footer: Rect,
}

impl<'a> Screen<'a> {
    /// What does not fit gives way in this order: banners, keys, the body, the rollback line; a text
    /// being typed is shown before all else.
    fn of(paint: &Paint<'a>, area: Rect) -> Self {
        let typing = paint.model.view.prompt.is_some();
        let height = area.height;
        let n_status = u16::from(height >= 2 || !typing);
        // Without a release there is no way back to speak of.
        let is_released = paint.model.watching().is_none();
        let n_rollback = u16::from(is_released && height >= 2 + u16::from(typing));
        let n_footer = u16::from(height >= 5 || typing);
        let mut banners = panels::banner::lines(paint, usize::from(area.width));
        let most = match height {
            0..8 => 0,
            8..14 => 1,
            _ => 2,
        };
        banners.truncate(most);
        let n_banners = u16::try_from(banners.len()).unwrap_or(0);
        let taken = n_status + n_rollback + n_footer + n_banners;
        let n_body = height.saturating_sub(taken);
        let row = |y: u16, rows: u16| Rect { y: area.y + y, height: rows, ..area }.intersection(area);
        Screen {
            status: row(0, n_status),
            banner_area: row(n_status, n_banners),
            banners,
            body: row(n_status + n_banners, n_body),
            rollback: row(n_status + n_banners + n_body, n_rollback),
            footer: row(n_status + n_banners + n_body + n_rollback, n_footer),
        }
    }
}

fn body(paint: &Paint, buffer: &mut Buffer, area: Rect, scrolls: &mut Scrolls) {
    if area.is_empty() {
        return;
    }
    if area.width < TABS_BELOW {
        narrow(paint, buffer, area, scrolls);
    } else {
        wide(paint, buffer, area, scrolls);
    }
}

// ── from 80 columns: the checklist on the left, the rest on the right

fn wide(paint: &Paint, buffer: &mut Buffer, area: Rect, scrolls: &mut Scrolls) {
    let view = &paint.model.view;
    if paint.model.watching().is_some() {
        return right_side(paint, buffer, area, scrolls);
    }
    let zoomed = view.zoom && view.focus == Pane::Checklist && view.panel.is_none();
    let left = if zoomed { area.width / 5 * 3 } else { 32 + (area.width - 80) * 16 / 70 };
    let left = left.min(area.width - 20);
    let (left, right) =
        (Rect { width: left, ..area }, Rect { x: area.x + left, width: area.width - left, ..area });
    let title = checklist_title(paint);
    let inner = pane(paint, buffer, left, Pane::Checklist, title);
    panels::checklist::draw(paint, buffer, inner, &mut scrolls.checklist);
    right_side(paint, buffer, right, scrolls);
}

/// Rollout, logs and signals, or the panel that covers them.
fn right_side(paint: &Paint, buffer: &mut Buffer, area: Rect, scrolls: &mut Scrolls) {
    let view = &paint.model.view;
    let below = match &view.panel {
        Some(panel) => draw_panel(paint, buffer, area, panel, scrolls),
        None => area,
    };
    if view.panel.is_some() {
        if below.height > 0 {
            let which = if view.focus == Pane::Signals { Pane::Signals } else { Pane::Rollout };
            right_pane(paint, buffer, below, which, scrolls);
        }
        return;
    }
    let one_only = below.height < 2 * LEAST_PANE + 2;
    match view.focus {
        Pane::Signals if view.zoom || one_only => right_pane(paint, buffer, below, Pane::Signals, scrolls),
        Pane::Rollout if view.zoom => right_pane(paint, buffer, below, Pane::Rollout, scrolls),
        _ if one_only => right_pane(paint, buffer, below, Pane::Rollout, scrolls),
        _ => {
            let inner = usize::from(below.width.saturating_sub(2));
            let wanted = u16::try_from(panels::signals::height(paint, inner) + 2).unwrap_or(u16::MAX);
            // Where nothing is measured one line says so, and a release keeps room for its criteria.
            let least = if paint.model.watching().is_some() { LEAST_PANE - 1 } else { LEAST_PANE + 1 };
            let lower = wanted.min(below.height * 9 / 20).max(least);
            let upper = below.height - lower;
            right_pane(paint, buffer, Rect { height: upper, ..below }, Pane::Rollout, scrolls);
            let lower = Rect { y: below.y + upper, height: lower, ..below };
            right_pane(paint, buffer, lower, Pane::Signals, scrolls);
        }
    }
}

fn right_pane(paint: &Paint, buffer: &mut Buffer, area: Rect, which: Pane, scrolls: &mut Scrolls) {
    let long = area.width >= 70;
    match which {
        Pane::Signals => {
            let inner = pane(paint, buffer, area, which, panels::signals::title(paint, long));
            panels::signals::draw(paint, buffer, inner);
        }
        _ => {
            let inner = pane(paint, buffer, area, which, panels::rollout::title(paint, long));
            rollout_and_logs(paint, buffer, inner, scrolls);
        }
    }
}

fn rollout_and_logs(paint: &Paint, buffer: &mut Buffer, area: Rect, scrolls: &mut Scrolls) {
    // The logs keep at least a few rows, unless there is hardly any room at all.
    let most = if area.height > 8 { area.height - 4 } else { area.height };
    let used = panels::rollout::draw(paint, buffer, Rect { height: most, ..area });
    let logs = Rect { y: area.y + used, height: area.height - used, ..area };
    panels::logs::draw(paint, buffer, logs, scrolls);
}

fn checklist_title<'a>(paint: &Paint<'a>) -> Line<'a> {
    let mut line = paint.line("Checklist", Role::Title);
    // Which kind of list it is right now: read and then do, or confirm what was done.
    let kind = match paint.model.release.current() {
        _ if paint.model.state().begun_at.is_none() || paint.model.state().phase.is_over() => "",
        Current::Command(_) => " READ-DO",
        Current::Check(_) => " DO-CONFIRM",
        Current::Poll(_) | Current::Soak(_) | Current::Finish => "",
    };
    line.spans.push(paint.span(kind, Role::Accent));
    line.spans.push(paint.span(format!(" ── {}", paint.model.release.workflow().title), Role::Text));
    line
}

/// A frame with its number and title; the focused one has a thick border.
fn pane(paint: &Paint, buffer: &mut Buffer, area: Rect, which: Pane, title: Line) -> Rect {
    let number = match which {
        Pane::Checklist => "1",
        Pane::Rollout => "2",
        Pane::Signals => "3",
    };
    let focused = paint.model.view.focus == which && paint.model.view.panel.is_none();
    let mut head = Line::from_iter([paint.span(format!(" {number} "), Role::Accent)]);
    head.spans.extend(title.spans);
    framed(paint, buffer, area, focused, head)
}

fn framed(paint: &Paint, buffer: &mut Buffer, area: Rect, focused: bool, title: Line) -> Rect {
    if area.width < 3 || area.height < 3 {
        return area;
    }
    let mut title = text::fit(title, usize::from(area.width).saturating_sub(3));
    title.spans.push(Span::raw(" "));
    let (kind, role) =
        if focused { (BorderType::Thick, Role::Focus) } else { (BorderType::Plain, Role::Dim) };
    let block = Block::bordered().border_type(kind).border_style(paint.style(role)).title(title);
    block.render(area, buffer);
    inside(area)
}

/// What a frame leaves for text: the border off, and a margin where there is room for one.
fn inside(area: Rect) -> Rect {
    let margin = if area.width >= 30 { 2 } else { 1 };
    Rect {
        x: area.x + margin,
        y: area.y + 1,
        width: area.width.saturating_sub(2 * margin),
        height: area.height.saturating_sub(2),
    }
}

// ── below 80 columns: tabs, without borders

fn narrow(paint: &Paint, buffer: &mut Buffer, area: Rect, scrolls: &mut Scrolls) {
    let view = &paint.model.view;
    let width = usize::from(area.width);
    let is_released = paint.model.watching().is_none();
    if let Some(panel) = &view.panel {
        let panel_area = if area.height > 3 && is_released {
            text::put(buffer, area, 0, &panels::checklist::current_line(paint, width));
            Rect { y: area.y + 1, height: area.height - 1, ..area }
        } else {
            area
        };
        let rest = draw_panel(paint, buffer, panel_area, panel, scrolls);
        if rest.height > 0 {
            rollout_and_logs(paint, buffer, rest, scrolls);
        }
        return;
    }
    if area.height == 1 && is_released {
        text::put(buffer, area, 0, &panels::checklist::current_line(paint, width));
        return;
    }
    text::put(buffer, area, 0, &text::fit(tabs(paint), width));
    let mut rest = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if view.focus != Pane::Checklist && is_released {
        text::put(buffer, rest, 0, &panels::checklist::current_line(paint, width));
        rest = Rect { y: rest.y + 1, height: rest.height - 1, ..rest };
    }
    match view.focus {
        Pane::Checklist => panels::checklist::draw(paint, buffer, rest, &mut scrolls.checklist),
        Pane::Rollout => rollout_and_logs(paint, buffer, rest, scrolls),
        Pane::Signals => panels::signals::draw(paint, buffer, rest),
    }
}

/// `[1 Checklist]  2 Rollout •  3 Signals`: brackets around the one in sight, a dot for news.
fn tabs<'a>(paint: &Paint<'a>) -> Line<'a> {
    let view = &paint.model.view;
    let panes =
        [(Pane::Checklist, "1 Checklist"), (Pane::Rollout, "2 Rollout"), (Pane::Signals, "3 Signals")];
    let mut line = Line::default();
    for (pane, name) in panes {
        if pane == Pane::Checklist && paint.model.watching().is_some() {
            continue;
        }
        let has_focus = view.focus == pane;
        let role = if has_focus { Role::Focus } else { Role::Dim };
        let words = if has_focus { format!("[{name}]") } else { format!(" {name} ") };
        line.spans.push(paint.span(words, role));
        if view.news.contains(&pane) && !has_focus {
            line.spans.push(paint.span("• ", Role::Accent));
        } else {
            line.spans.push(Span::raw(" "));
        }
    }
    line
}

// ── panels

/// Draws the open panel at the top of `area`; gives what it left free below.
fn draw_panel(paint: &Paint, buffer: &mut Buffer, area: Rect, panel: &Panel, scrolls: &mut Scrolls) -> Rect {
    // A border would take two of the few rows there are.
    let has_border = area.width >= 20 && area.height >= 9;
    let width = usize::from(if has_border { inside(area).width } else { area.width });
    let view = &paint.model.view;
    let scroll = view.panel_scroll;
    let frame = |buffer: &mut Buffer, height: u16, title: Line| {
        // What would be too low for a pane below belongs to the panel.
        let rest = area.height.saturating_sub(height);
        let height = if rest < LEAST_PANE + 2 { area.height } else { height };
        let outer = Rect { height, ..area };
        Clear.render(outer, buffer);
        buffer.set_style(outer, paint.style(Role::Text));
        let mut head = Line::from(" ");
        head.spans.extend(title.spans);
        let inner = if has_border {
            framed(paint, buffer, outer, true, head)
        } else {
            text::put(buffer, outer, 0, &text::fit(head, usize::from(outer.width)));
            let title = 1.min(outer.height);
            Rect { y: outer.y + title, height: outer.height - title, ..outer }
        };
        let rest = Rect { y: outer.bottom(), height: area.height - outer.height, ..area };
        (inner, rest)
    };
    scrolls.panel_painted = area.height > 1;
    match panel {
        Panel::Output { command, attempt } => {
            // Half of the side shows what the command does to the cluster, unless the operator zooms.
            let half = if view.zoom || area.height < 20 { area.height } else { area.height / 2 };
            let (inner, rest) = frame(buffer, half, panels::output::title(paint, command, *attempt));
            let shown = (command.clone(), *attempt);
            let follows = scrolls.output.as_ref() != Some(&shown) || scroll >= scrolls.panel_end;
            let from = if follows { u16::MAX } else { scroll };
            scrolls.panel_end = panels::output::draw(paint, buffer, inner, command, *attempt, from);
            scrolls.panel_at = from.min(scrolls.panel_end);
            scrolls.output = Some(shown);
            rest
        }
        Panel::Terminal { command, attempt } => {
            let (inner, rest) = frame(buffer, area.height, panels::terminal::title(paint, command, *attempt));
            let drawn = panels::terminal::draw(paint, buffer, inner, command, *attempt);
            (scrolls.terminal, scrolls.cursor) = (Some(drawn.size), drawn.cursor);
            (scrolls.panel_at, scrolls.panel_end) = (0, 0);
            rest
        }
        Panel::OwnLog => {
            let (inner, rest) = frame(buffer, area.height, paint.line("gonogo's own log", Role::Title));
            panels::own_log::draw(paint, buffer, inner);
            (scrolls.panel_at, scrolls.panel_end) = (0, 0);
            rest
        }
        panel => {
            let sheet = sheet(paint, panel, width);
            let wanted = u16::try_from(sheet.height()).unwrap_or(u16::MAX);
            let (inner, rest) = frame(buffer, wanted.max(3), sheet.title.clone());
            scrolls.panel_end = sheet.draw(paint, buffer, inner, scroll);
            scrolls.panel_at = scroll.min(scrolls.panel_end);
            rest
        }
    }
}

fn sheet<'a>(paint: &Paint<'a>, panel: &'a Panel, width: usize) -> Sheet<'a> {
    match panel {
        Panel::Start(form) => panels::start::sheet(paint, form, width),
        Panel::Unclear(block) => panels::unclear::sheet(paint, block, width),
        Panel::Run(panel) => panels::run::sheet(paint, panel, width),
        Panel::Doubt { command, attempt } => panels::doubt::sheet(paint, command, *attempt, width),
        Panel::Rollback { diff } => panels::rollback::sheet(paint, *diff, width),
        Panel::Order { target, order } => panels::order::sheet(paint, target, *order, width),
        Panel::RollbackCommands { selected } => panels::lists::rollback_commands(paint, *selected, width),
        Panel::Poll(step) => panels::poll::sheet(paint, step, width),
        Panel::Criteria { selected, overriding } => {
            panels::lists::criteria(paint, *selected, *overriding, width)
        }
        Panel::Reload(edited) => panels::reload::sheet(paint, edited, width),
        Panel::Lock => panels::lock::sheet(paint, width),
        Panel::Finish => panels::closing::finish(paint, width),
        Panel::Report { text } => panels::report::sheet(paint, text, width),
        Panel::Policy { selected } => panels::policy::sheet(paint, *selected, width),
        Panel::People { selected } => panels::lists::people(paint, *selected, width),
        Panel::Workloads { selected, marked } => panels::lists::workloads(paint, *selected, marked, width),
        Panel::Palette { selected } => panels::lists::palette(paint, *selected, width),
        Panel::Themes { selected } => panels::themes::sheet(paint, *selected, width),
        Panel::Known(of) => panels::known::sheet(paint, of, width),
        Panel::Escalation { selected } => panels::escalation::sheet(paint, *selected, width),
        Panel::Help => panels::help::sheet(paint, width),
        Panel::Quit => panels::closing::quit(paint, width),
        Panel::Text { title, text } => panels::closing::text(paint, title, text, width),
        Panel::Output { .. } | Panel::Terminal { .. } | Panel::OwnLog => Sheet::new(Line::default(), width),
    }
}
