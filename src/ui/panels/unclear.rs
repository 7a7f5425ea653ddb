//! Blocks that may be commands or not: on the start panel, and in a panel of their own on the way.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::app::model::{FieldKind, StartForm};
use crate::release::summary;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::signs::Sign;
use crate::ui::theme::Role;
use crate::workflow::{BlockClass, BlockPrint, Command, Meaning, Settling};

/// What the one key does.
pub const TURN: &str = "commands, text, or a question again";

/// Lines of the selected block that the start panel shows.
const LINES: usize = 6;

/// The unclear blocks of the document, each with what was said of it.
pub fn fields<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, form: &StartForm) {
    let mut is_first = true;
    for (index, field) in form.fields.iter().enumerate() {
        let FieldKind::Block(block) = &field.kind else { continue };
        let Some((command, settling)) = known(paint, block) else { continue };
        if std::mem::take(&mut is_first) {
            sheet.blank();
            sheet.text(
                paint,
                "may be commands or text; none runs unless you say that it is commands:",
                Role::Dim,
            );
        }
        let is_selected = index == form.selected;
        if is_selected {
            sheet.selected = Some(sheet.lines.len());
        }
        let (sign, role) = look(settling);
        let head = Line::from_iter([
            paint.span(if is_selected { "▶ " } else { "  " }, Role::Focus),
            paint.span(format!("{} ", paint.sign(sign)), role),
        ]);
        let words = format!("{}  {}: {}", place(paint, command), first(command), standing(settling));
        sheet.hanging(paint, head, &words, if is_selected { Role::Title } else { role });
        if is_selected {
            commands(paint, sheet, settling, LINES);
        }
    }
}

/// The panel of one block.
pub fn sheet<'a>(paint: &Paint<'a>, block: &BlockPrint, width: usize) -> Sheet<'a> {
    let mut title = paint.line("Unclear", Role::Title);
    let Some((command, settling)) = known(paint, block) else { return Sheet::new(title, width) };
    title.spans.push(paint.span(format!(" ── {}, commands or text", place(paint, command)), Role::Text));
    let mut sheet = Sheet::new(title, width);
    let (_, role) = look(settling);
    sheet.fact(paint, "it is", &standing(settling), role);
    sheet.blank();
    if command.class != BlockClass::Runnable {
        sheet.push(paint.line("    as it stands in the document", Role::Dim));
        lines(paint, &mut sheet, &command.text, usize::MAX);
        sheet.blank();
    }
    commands(paint, &mut sheet, settling, usize::MAX);
    sheet.blank();
    sheet.text(
        paint,
        "What you say is kept for this content, on this machine: an edited block is a question again.",
        Role::Dim,
    );
    sheet.keys([paint.hint(Action::Accept, TURN), paint.hint(Action::Close, "back")]);
    sheet
}

fn known<'a>(paint: &Paint<'a>, block: &BlockPrint) -> Option<(&'a Command, &'a Settling)> {
    let command = paint.model.release.workflow().settling(block)?;
    Some((command, command.settling.as_ref()?))
}

fn look(settling: &Settling) -> (Sign, Role) {
    match settling.ruling.as_ref().map(|ruling| ruling.meaning) {
        None => (Sign::Unknown, Role::Warning),
        Some(Meaning::Commands) => (Sign::Command, Role::Accent),
        Some(Meaning::Text) => (Sign::Note, Role::Dim),
    }
}

fn standing(settling: &Settling) -> String {
    match &settling.ruling {
        None => "a question, so it is not run, and a check asks whether it was done".to_owned(),
        Some(ruling) => ruling.to_string(),
    }
}

/// `line 34`, with its file where that is not the release's own document.
fn place(paint: &Paint<'_>, command: &Command) -> String {
    let workflow = paint.model.release.workflow();
    let holds = |step: &&crate::workflow::Step| step.commands.iter().any(|known| known.id == command.id);
    let called = workflow.steps.iter().find(holds).and_then(|step| step.called.as_ref());
    match called {
        Some(called) => format!("{}:{}", format::clean(&called.file), command.place.line),
        None => format!("line {}", command.place.line),
    }
}

fn first(command: &Command) -> String {
    format!("“{}”", format::clean(&summary::first_line(&command.text)))
}

/// What would run, line by line: prompts and what programs printed left out.
fn commands<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, settling: &Settling, most: usize) {
    sheet.push(paint.line("    as commands it would run", Role::Dim));
    lines(paint, sheet, &settling.commands, most);
}

fn lines<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, text: &str, most: usize) {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    for line in lines.iter().take(most) {
        sheet.hanging(paint, Line::from("      "), &format::clean(line), Role::Text);
    }
    if let Some(more) = lines.len().checked_sub(most).filter(|more| *more > 0) {
        sheet.push(paint.line(format!("      and {more} more"), Role::Dim));
    }
}
