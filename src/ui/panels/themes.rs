//! The themes, to switch between.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;

pub fn sheet<'a>(paint: &Paint<'a>, selected: usize, width: usize) -> Sheet<'a> {
    let themes = &paint.model.view.themes;
    let title = [("Themes", Role::Title), (" ── switched at once, for as long as gonogo runs", Role::Text)];
    let mut sheet = Sheet::new(paint.spans(title), width);
    for (index, (name, problem)) in themes.known.iter().enumerate() {
        let is_selected = index == selected;
        if is_selected {
            sheet.selected = Some(sheet.lines.len());
        }
        let pointer = paint.span(if is_selected { "▶ " } else { "  " }, Role::Focus);
        let name_role = if is_selected { Role::Title } else { Role::Text };
        let (word, role) = match problem {
            Some(_) => ("cannot be read", Role::Bad),
            None if *name == themes.shown => ("in use", Role::Info),
            None => ("", Role::Dim),
        };
        let left = Line::from_iter([pointer, paint.span(name.as_str(), name_role)]);
        sheet.push(text::ends(left, paint.line(word, role), width, 20));
        if let Some(problem) = problem {
            sheet.hanging(paint, Line::from("    "), &format::clean(problem), Role::Dim);
        }
    }
    if themes.no_color {
        sheet.text(paint, "NO_COLOR is set, so there are no others", Role::Dim);
    }
    sheet.blank();
    if let Some((name, _)) = themes.known.get(selected) {
        sheet.text(paint, &themes.how_to_keep(name), Role::Dim);
    }
    sheet.keys([paint.hint(Action::Choose, "switch to it"), paint.hint(Action::Close, "back")]);
    sheet
}
