//! Whom to call: the document's levels, how they are reached, and whose time has come.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::app::model::{Due, Level};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;

pub fn sheet<'a>(paint: &Paint<'a>, selected: usize, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let title =
        [("Escalation", Role::Title), (" ── gonogo calls nobody: you do, and note it here", Role::Text)];
    let mut sheet = Sheet::new(paint.spans(title), width);
    match model.in_trouble() {
        Some(trouble) => {
            let lasted = format::span(paint.world_since(trouble.since));
            let words = format!(
                "for {lasted}, since {} · {}",
                paint.wall(trouble.since),
                format::clean(&trouble.what)
            );
            sheet.fact(paint, "in trouble", &words, Role::Warning);
        }
        None => sheet.fact(paint, "in trouble", "nothing is open: no clock runs", Role::Dim),
    }
    sheet.blank();
    for (index, level) in model.escalation().into_iter().enumerate() {
        let is_selected = index == selected;
        if is_selected {
            sheet.selected = Some(sheet.lines.len());
        }
        let pointer = paint.span(if is_selected { "▶ " } else { "  " }, Role::Focus);
        let number = paint.span(format!("{}  ", index + 1), Role::Dim);
        let role = if is_selected { Role::Title } else { Role::Text };
        let trigger = paint.span(format::clean(&level.line.trigger).into_owned(), role);
        let (word, due_role) = due(&level);
        let left = Line::from_iter([pointer, number, trigger]);
        sheet.push(text::ends(left, paint.line(word, due_role), width, width / 2));
        whom(paint, &mut sheet, &level);
    }
    sheet.keys([
        paint.hint(Action::Choose, "note that it was called"),
        paint.hint(Action::RollbackPanel, "rollback"),
        paint.hint(Action::Close, "back"),
    ]);
    sheet
}

fn whom<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, level: &Level<'a>) {
    let line = level.line;
    sheet.hanging(paint, Line::from("     → "), &format::clean(&line.answer), Role::Accent);
    let roster = &paint.model.state().roster;
    let people = line.roles.iter().filter_map(|role| Some(format!("{role} is {}", roster.get(role)?)));
    let people = people.collect::<Vec<_>>().join(", ");
    if !people.is_empty() {
        sheet.hanging(paint, Line::from("       "), &format::clean(&people), Role::Text);
    }
    sheet.hanging(
        paint,
        Line::from("     "),
        &format!("line {} of the document", line.place.line),
        Role::Dim,
    );
    for (at, by, words) in &level.called {
        let how = if words.is_empty() { String::new() } else { format!(": {}", format::clean(words)) };
        let words = format!("called {} by {by}{how}", paint.wall(*at));
        sheet.hanging(paint, paint.line("     ✔ ", Role::Ok), &words, Role::Text);
    }
}

fn due(level: &Level) -> (String, Role) {
    match level.due {
        Due::Unsaid => ("when it applies, you say".to_owned(), Role::Dim),
        Due::Quiet => (format!("after {}", format::planned(level.line.after_s.unwrap_or(0))), Role::Dim),
        Due::In(left) => (format!("due in {}", format::span(left)), Role::Info),
        Due::Now(late) if level.is_current && level.called.is_empty() => {
            (format!("▲ DUE NOW, for {}", format::span(late)), Role::Bad)
        }
        Due::Now(late) => (format!("was due {} ago", format::span(late)), Role::Warning),
    }
}
