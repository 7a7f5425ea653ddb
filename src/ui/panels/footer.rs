//! The last line: the keys that work here and now, the answer to the last key, or a text being typed.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::app::action::Action;
use crate::app::model::{FieldKind, Flash, Panel, Prompt, Purpose};
use crate::release::Phase;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::logs::Pattern;

/// - Shape: the cursor's place while text is typed.
pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    if let Some(prompt) = &paint.model.view.prompt {
        return prompt_line(paint, buffer, area, prompt);
    }
    let width = usize::from(area.width);
    let line = match &paint.model.view.flash {
        Some(flash) => answer(paint, flash),
        None => keys(paint, width),
    };
    text::put(buffer, area, 0, &text::fit(line, width));
    None
}

fn answer<'a>(paint: &Paint<'a>, flash: &'a Flash) -> Line<'a> {
    let (sign, role) = if flash.is_refusal { (" ✘ ", Role::Warning) } else { (" ✔ ", Role::Info) };
    Line::from_iter([paint.span(sign, role), paint.span(format::clean(&flash.text), role)])
}

fn keys<'a>(paint: &Paint<'a>, width: usize) -> Line<'a> {
    let separator = if width >= 110 { "   " } else { "  " };
    let offers = paint.model.offers();
    let is_held = paint.model.state().phase == Phase::Held;
    let is_counting = paint.model.state().policy.countdown.is_some();
    let label = |action: Action| match action {
        Action::Hold if is_counting => "stop the countdown",
        Action::Hold if is_held => "go on",
        other => other.label(),
    };
    let hint = |action: &Action| paint.hint(*action, label(*action));
    // The way to all other keys is kept even when it is the last that would fit.
    let help = hint(&Action::Help);
    let others = offers.iter().filter(|action| **action != Action::Help).map(hint);
    let reserved = if help.width() > 0 { help.width() + separator.len() } else { 0 };
    let room = width.saturating_sub(reserved + 1);
    let mut line = Line::from(" ");
    let shown = text::joined(others, separator, room);
    let is_empty = shown.spans.is_empty();
    line.spans.extend(shown.spans);
    if offers.contains(&Action::Help)
        && line.width() + reserved <= width + usize::from(is_empty) * separator.len()
    {
        if !is_empty {
            line.spans.push(Span::raw(separator));
        }
        line.spans.extend(help.spans);
    }
    line
}

fn prompt_line(paint: &Paint, buffer: &mut Buffer, area: Rect, prompt: &Prompt) -> Option<Position> {
    let width = usize::from(area.width);
    let title = title(paint, &prompt.purpose);
    let title = text::elide(&title, width / 2);
    let mut line = Line::from_iter([paint.span(format!(" {title} "), Role::Accent), Span::raw(" ")]);
    let start = line.width().min(width);
    // One column for the cursor behind the last character.
    let room = width.saturating_sub(start + 1);
    let scrolled = prompt.input.visual_scroll(room);
    let hidden;
    let value = match hides(paint, &prompt.purpose) {
        true => {
            hidden = "•".repeat(unicode_width::UnicodeWidthStr::width(prompt.input.value()));
            hidden.as_str()
        }
        false => prompt.input.value(),
    };
    let value = skip_columns(value, scrolled);
    line.spans.push(paint.span(format::clean(value).into_owned(), Role::Text));
    let hint = match wrong(prompt) {
        Some(why) => paint.line(format!("not a pattern: {why}"), Role::Warning),
        None => paint.line(hint(paint, prompt), Role::Dim),
    };
    let used = line.width();
    if used + hint.width() + 3 <= width {
        line = text::ends(line, hint, width, used);
    }
    text::put(buffer, area, 0, &text::fit(line, width));
    let column = start + prompt.input.visual_cursor().saturating_sub(scrolled);
    let column = u16::try_from(column).ok().filter(|column| *column < area.width)?;
    (area.height > 0).then_some(Position { x: area.x + column, y: area.y })
}

/// Whether what is typed is a secret.
fn hides(paint: &Paint, purpose: &Purpose) -> bool {
    match (purpose, &paint.model.view.panel) {
        (Purpose::Secret(_), _) => true,
        (Purpose::Field(index), Some(Panel::Start(form))) => {
            form.fields.get(*index).is_some_and(|field| matches!(field.kind, FieldKind::Secret(_)))
        }
        _ => false,
    }
}

fn skip_columns(text: &str, columns: usize) -> &str {
    use unicode_width::UnicodeWidthChar;
    let mut seen = 0;
    for (at, c) in text.char_indices() {
        if seen >= columns {
            return &text[at..];
        }
        seen += c.width().unwrap_or(0);
    }
    if columns == 0 { text } else { "" }
}

/// Why what stands in the field so far could not be searched for.
fn wrong(prompt: &Prompt) -> Option<String> {
    let text = prompt.input.value();
    match prompt.purpose {
        Purpose::Search => Pattern::search(text).err(),
        Purpose::Filter => Pattern::filter(text).err(),
        _ => None,
    }
}

fn hint(paint: &Paint, prompt: &Prompt) -> String {
    let enter = if paint.model.settings.ascii { "enter" } else { "⏎" };
    let rollback = "ctrl-r rollback";
    match prompt.purpose {
        Purpose::Search | Purpose::Filter | Purpose::Palette => format!("{enter} takes it   Esc back"),
        _ => format!("{enter} takes it   Esc back, nothing is done   {rollback}"),
    }
}

fn title(paint: &Paint, purpose: &Purpose) -> String {
    let workflow = paint.model.release.workflow();
    let check = |id| workflow.check(id).map_or(String::new(), |check| format!(" “{}”", check.text));
    match purpose {
        Purpose::NoGoCheck(id) => format!("NO-GO{}: why?", text::elide(&check(id), 32)),
        Purpose::Skip(_) => "skip: why?".to_owned(),
        Purpose::NotApplicable(_) => "not applicable: why?".to_owned(),
        Purpose::Override(id) => format!("override{}: why?", text::elide(&check(id), 32)),
        Purpose::NoGoPoll { role, .. } => format!("NO-GO of {role}: why?"),
        Purpose::Abstain { role, .. } => format!("{role} abstains (is not GO): why?"),
        Purpose::RoleNotApplicable { role, .. } => format!("{role} is not asked: why?"),
        Purpose::Staff(role) => format!("who answers for {role}?"),
        Purpose::Secret(name) => format!("{name}, which is never written down"),
        Purpose::Keyboard => "who is at the keyboard now?".to_owned(),
        Purpose::Approve(check) => {
            let text = workflow.check(check).map_or("", |check| check.text.as_str());
            format!("who confirms “{}”?", text::elide(text, 28))
        }
        Purpose::Typed { check, .. } => {
            let asked = workflow.check(check).and_then(|check| check.annotated.typed);
            format!("{}?", asked.map_or("what was seen", crate::workflow::Typed::as_str))
        }
        Purpose::Declare { criterion, met } => {
            let text = workflow.criterion(criterion).map_or("", |criterion| criterion.text.as_str());
            let what = if *met { "declare a breach" } else { "withdraw" };
            format!("{what} “{}”: what was seen?", text::elide(text, 28))
        }
        Purpose::OverrideCriterion(_) => "go on although it is met: why?".to_owned(),
        Purpose::ShortenSoak { role, .. } => format!("end the soak early, as {role}: why?"),
        Purpose::TakeLock { .. } => "take the lock over: why?".to_owned(),
        Purpose::GiveLock => "give the lock back: why?".to_owned(),
        Purpose::Hold => "HOLD: what for?".to_owned(),
        Purpose::Note => "note".to_owned(),
        Purpose::RollbackReason => "reason of the rollback".to_owned(),
        Purpose::Abort => "abort the release: why?".to_owned(),
        Purpose::EditCommand => "command".to_owned(),
        Purpose::TypeToRun(panel) => {
            let word =
                workflow.command(&panel.command).and_then(|command| command.annotated.confirm.as_ref());
            format!("type the {} to run this", word.map_or("word", |word| word.label()))
        }
        Purpose::Field(_) => "value".to_owned(),
        Purpose::Doubt { succeeded: true, .. } => "it succeeded: how do you know?".to_owned(),
        Purpose::Doubt { succeeded: false, .. } => "it failed: how do you know?".to_owned(),
        Purpose::Search => "search".to_owned(),
        Purpose::Filter => "only lines with (! without)".to_owned(),
        Purpose::Palette => "command".to_owned(),
    }
}
