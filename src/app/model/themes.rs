//! The themes that one may switch to, by name: how they look is the screen's business.

use super::Model;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThemeChoices {
    /// Each name, and what is wrong with the theme of that name.
    pub known: Vec<(String, Option<String>)>,
    pub shown: String,
    /// The settings file that keeps a choice.
    pub kept_in: String,
    /// `NO_COLOR` is set: only the theme without colours is there.
    pub no_color: bool,
}

impl ThemeChoices {
    /// What keeps a theme for the next time.
    pub fn how_to_keep(&self, name: &str) -> String {
        format!("`theme: {name}` in {} keeps it", self.kept_in)
    }
}

impl Model {
    /// The name behind `theme ` in a palette's text, if that is what was typed.
    pub fn theme_typed(text: &str) -> Option<&str> {
        let name = text.trim_start().strip_prefix("theme ")?.trim();
        (!name.is_empty()).then_some(name)
    }
}
