//! The themes that one may switch between: the built-in ones and a user's own.

use super::{BUILT_IN, Depth, Theme, ThemeError, built_in_names};

/// Every theme by the name that it is asked for, and why one cannot be had.
///
/// - Shape: read once at the start, so that a switch waits for no disk; never empty.
#[derive(Debug, Clone)]
pub struct Themes {
    known: Vec<(String, Result<Theme, String>)>,
    fallback: Theme,
}

impl Themes {
    /// The built-in themes; with `NO_COLOR` only the one without colours.
    pub fn built_in(no_color: bool, depth: Depth) -> Themes {
        let names = BUILT_IN.iter().map(|(name, _)| *name);
        let known = names
            .filter(|name| !no_color || *name == "monochrome")
            .filter_map(|name| Some((name.to_owned(), Ok(Theme::built_in(name).ok()?.with_depth(depth)))));
        Themes { known: known.collect(), fallback: Theme::default_for(no_color, depth) }
    }

    /// Adds a theme of the user's own, which wins over a built-in one of its name. One that cannot be
    /// read stays in the list with its errors, to be told to whoever asks for it.
    pub fn add(&mut self, name: &str, read: Result<Theme, String>, depth: Depth) {
        let read = read.map(|theme| theme.with_depth(depth));
        match self.known.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = read,
            None => self.known.push((name.to_owned(), read)),
        }
    }

    /// Each name, and what is wrong with the theme of that name.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.known.iter().map(|(name, read)| (name.as_str(), read.as_ref().err().map(String::as_str)))
    }

    /// The theme to draw with: the one of that name, else the default.
    pub fn named(&self, name: &str) -> &Theme {
        self.find(name).and_then(|read| read.as_ref().ok()).unwrap_or(&self.fallback)
    }

    /// Looks a name up that a person wrote.
    ///
    /// - Errors: there is no such theme, with those that there are; or what is wrong in its file.
    pub fn check(&self, name: &str) -> Result<(), String> {
        match self.find(name) {
            Some(Ok(_)) => Ok(()),
            Some(Err(why)) => Err(why.clone()),
            None => {
                let own =
                    self.known.iter().filter(|(name, _)| !BUILT_IN.iter().any(|(known, _)| known == name));
                let own: Vec<String> = own.map(|(name, _)| format!("`{name}`")).collect();
                let known = [built_in_names()].into_iter().chain(own).collect::<Vec<_>>().join(", ");
                Err(ThemeError::NoSuchTheme { name: name.to_owned(), known }.to_string())
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Result<Theme, String>> {
        self.known.iter().find(|(known, _)| known == name).map(|(_, read)| read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Role;

    fn own(text: &str) -> Result<Theme, String> {
        Theme::read("mine.yaml", text).map_err(|errors| errors[0].to_string())
    }

    #[test]
    fn a_theme_of_ones_own_stands_beside_the_built_in_ones_and_wins_by_name() {
        let mut themes = Themes::built_in(false, Depth::True);
        themes.add("mine", own("name: mine\nextends: light\nroles:\n  ok: \"#0000ff\"\n"), Depth::True);
        themes.add("dark", own("name: dark\nextends: high-contrast\nroles: {}\n"), Depth::True);
        let names: Vec<&str> = themes.names().map(|(name, _)| name).collect();
        assert_eq!(names, ["dark", "light", "high-contrast", "monochrome", "mine"]);
        let light = Theme::built_in("light").unwrap();
        assert_eq!(themes.named("mine").style(Role::Text), light.style(Role::Text));
        assert_ne!(themes.named("mine").style(Role::Ok), light.style(Role::Ok));
        let strong = Theme::built_in("high-contrast").unwrap();
        assert_eq!(themes.named("dark").style(Role::Bad), strong.style(Role::Bad));
    }

    #[test]
    fn a_broken_theme_is_told_with_its_line_and_never_drawn_with() {
        let mut themes = Themes::built_in(false, Depth::True);
        themes.add("mine", own("name: mine\nextends: dark\nroles:\n  ok: grene\n"), Depth::True);
        let why = themes.check("mine").unwrap_err();
        assert!(why.starts_with("mine.yaml:4:7: in `ok`") && why.contains("did you mean `green`"), "{why}");
        assert_eq!(themes.named("mine"), &Theme::default_for(false, Depth::True));
        let why = themes.check("mien").unwrap_err();
        assert!(why.contains("there is no theme `mien`") && why.contains("`mine`"), "{why}");
    }

    #[test]
    fn without_colours_there_is_one_theme_whatever_is_asked_for() {
        let themes = Themes::built_in(true, Depth::True);
        assert_eq!(themes.names().map(|(name, _)| name).collect::<Vec<_>>(), ["monochrome"]);
        assert_eq!(themes.named("light").name, "monochrome");
    }
}
