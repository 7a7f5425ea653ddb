//! Switching the theme, for as long as the process lives: only a person's own file keeps it.

use super::{Ask, flash};
use crate::app::model::{Model, Panel};

/// Opens the list with the theme that is shown selected.
pub(super) fn open(model: &mut Model) -> Vec<Ask> {
    let themes = &model.view.themes;
    let selected = themes.known.iter().position(|(name, _)| *name == themes.shown).unwrap_or(0);
    model.view.panel_scroll = 0;
    model.view.panel = Some(Panel::Themes { selected });
    Vec::new()
}

pub(super) fn choose(model: &mut Model, selected: usize) -> Vec<Ask> {
    if let Some((name, _)) = model.view.themes.known.get(selected).cloned() {
        switch(model, &name);
    }
    Vec::new()
}

/// Switches to the theme of that name, or says why not.
pub(super) fn switch(model: &mut Model, name: &str) {
    let themes = &mut model.view.themes;
    let found = themes.known.iter().find(|(known, _)| known == name);
    let refused = match found {
        Some((_, None)) => {
            themes.shown = name.to_owned();
            let words = format!("theme {name}, for now; {}", themes.how_to_keep(name));
            flash(model, words, false);
            return;
        }
        Some((_, Some(why))) => why.clone(),
        None if themes.no_color => "NO_COLOR is set: only monochrome is there".to_owned(),
        None => {
            let known: Vec<&str> = themes.known.iter().map(|(name, _)| name.as_str()).collect();
            format!("there is no theme `{name}`; there are {}", known.join(", "))
        }
    };
    flash(model, refused, true);
}

#[cfg(test)]
mod tests {
    use crate::app::model::Panel;
    use crate::app::model::fixture::Script;

    fn script() -> Script {
        let mut script = Script::begun();
        let themes = &mut script.model.view.themes;
        let broken = Some("mine.yaml:4:7: in `ok`: no".to_owned());
        themes.known =
            vec![("dark".to_owned(), None), ("light".to_owned(), None), ("mine".to_owned(), broken)];
        themes.shown = "dark".to_owned();
        themes.kept_in = "~/.config/gonogo/config.yaml".to_owned();
        script
    }

    fn said(script: &Script) -> &str {
        script.model.view.flash.as_ref().map_or("", |flash| flash.text.as_str())
    }

    #[test]
    fn the_palette_switches_by_name_at_once_and_says_how_to_keep_it() {
        let mut script = script();
        script.key(":");
        script.type_text("theme light");
        script.key("enter");
        assert_eq!(script.model.view.themes.shown, "light");
        assert_eq!(
            said(&script),
            "theme light, for now; `theme: light` in ~/.config/gonogo/config.yaml keeps it"
        );
        assert_eq!(script.model.view.panel, None);
    }

    #[test]
    fn a_theme_that_is_broken_or_unknown_changes_nothing_and_says_why() {
        let mut script = script();
        script.key(":");
        script.type_text("theme mine");
        script.key("enter");
        assert_eq!(said(&script), "mine.yaml:4:7: in `ok`: no");
        script.key(":");
        script.type_text("theme solarized");
        script.key("enter");
        assert_eq!(said(&script), "there is no theme `solarized`; there are dark, light, mine");
        assert_eq!(script.model.view.themes.shown, "dark");
    }

    #[test]
    fn without_a_name_the_themes_are_listed_to_choose_from() {
        let mut script = script();
        script.key(":");
        script.type_text("theme");
        script.key("enter");
        assert_eq!(script.model.view.panel, Some(Panel::Themes { selected: 0 }));
        script.key("down");
        script.key("enter");
        assert_eq!(script.model.view.themes.shown, "light");
        script.key("q");
        assert_eq!(script.model.view.panel, None);
    }
}
