//! What an operator types to search or to filter.

use regex::{Regex, RegexBuilder};

/// A pattern as people type it: no capital letter means "either case".
#[derive(Debug, Clone)]
pub struct Pattern {
    pub regex: Regex,
    pub is_inverse: bool,
}

impl Pattern {
    /// Reads what is searched for.
    ///
    /// - Errors: what is wrong, in a few words, such as "unclosed group".
    pub fn search(text: &str) -> Result<Self, String> {
        Self::read(text, false)
    }

    /// Reads which lines are shown; a leading `!` means those that do not match.
    ///
    /// - Errors: as [`Pattern::search`].
    pub fn filter(text: &str) -> Result<Self, String> {
        text.strip_prefix('!').map_or_else(|| Self::read(text, false), |text| Self::read(text, true))
    }

    fn read(text: &str, is_inverse: bool) -> Result<Self, String> {
        let any_case = !text.chars().any(char::is_uppercase);
        match RegexBuilder::new(text).case_insensitive(any_case).build() {
            Ok(regex) => Ok(Self { regex, is_inverse }),
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or("cannot be read").trim();
                Err(why.strip_prefix("error: ").unwrap_or(why).to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_letter_asks_for_capitals() {
        assert!(Pattern::search("error").unwrap().regex.is_match("ERROR"));
        assert!(!Pattern::search("Error").unwrap().regex.is_match("ERROR"));
    }

    #[test]
    fn a_leading_mark_turns_it_round() {
        let pattern = Pattern::filter("!health").unwrap();
        assert!(pattern.is_inverse && pattern.regex.as_str() == "health");
        assert_eq!(Pattern::search("!health").unwrap().regex.as_str(), "!health");
    }

    #[test]
    fn what_is_wrong_fits_on_a_line() {
        assert_eq!(Pattern::search("a(").unwrap_err(), "unclosed group");
    }
}
