//! Values that a release needs and that nothing may write down.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Shorter ones would be found in every second line of output. Units: characters.
pub const SHORTEST: usize = 6;

/// Longer ones are files, not words that somebody types. Units: bytes.
pub const LONGEST: usize = 4 * 1024;

/// What stands where one was printed.
const MASK: &str = "•••••";

/// Secret values by the names of their variables. They are in the memory of this process and in the
/// environment of what it starts; no journal, log, screen or report has them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    pub fn insert(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// For the environment of a command, and nothing else.
    pub fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// The variable whose value stands in a text, as it is or as JSON writes it.
    pub fn found_in(&self, text: &str) -> Option<&str> {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let stands = |value: &str| text.contains(value) || text.contains(&quoted(value));
        self.0.iter().find(|(_, value)| stands(value)).map(|(name, _)| name.as_str())
    }

    /// The text with every value hidden.
    pub fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for value in self.longest_first() {
            if text.contains(value) {
                text = Cow::Owned(text.replace(value, MASK));
            }
        }
        text
    }

    /// How many bytes at the end may be the beginning of a value whose rest is still to come.
    pub fn unfinished(&self, bytes: &[u8]) -> usize {
        let begun = |value: &String| {
            let most = bytes.len().min(value.len().saturating_sub(1));
            (1..=most).rev().find(|n| bytes.ends_with(&value.as_bytes()[..*n])).unwrap_or(0)
        };
        self.0.values().map(begun).max().unwrap_or(0)
    }

    /// One secret may be the beginning of another.
    fn longest_first(&self) -> Vec<&String> {
        let mut values: Vec<&String> = self.0.values().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values
    }
}

/// Whether a variable of this name holds something that nobody else may read.
pub fn is_secret_name(name: &str) -> bool {
    const WORDS: &[&str] =
        &["SECRET", "TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "APIKEY"];
    let name = name.to_ascii_uppercase();
    name.split('_').any(|word| WORDS.contains(&word)) || name.ends_with("_KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        for (n, value) in values.iter().enumerate() {
            secrets.insert(&format!("TOKEN_{n}"), value);
        }
        secrets
    }

    #[test]
    fn a_value_is_hidden_wherever_it_stands_and_never_by_half() {
        let secrets = secrets(&["hunter2", "hunter2-longer"]);
        assert_eq!(secrets.masked("a hunter2-longer b hunter2"), "a ••••• b •••••");
        assert!(matches!(secrets.masked("nothing here"), Cow::Borrowed(_)));
        assert!(!format!("{secrets:?}").contains("hunter"));
    }

    #[test]
    fn it_is_found_as_json_writes_it_too() {
        let secrets = secrets(&[r#"a"b\cdef"#]);
        assert_eq!(secrets.found_in(r#"{"text":"x a\"b\\cdef"}"#), Some("TOKEN_0"));
        assert_eq!(secrets.found_in("x"), None);
    }

    #[test]
    fn the_beginning_of_a_value_waits_for_its_rest() {
        let secrets = secrets(&["hunter2", "t2x"]);
        assert_eq!(secrets.unfinished(b"say hunt"), 4);
        assert_eq!(secrets.unfinished(b"say hunter2"), 0, "t2x does not begin here: {secrets:?}");
        assert_eq!(secrets.unfinished(b"say t2"), 2);
        assert_eq!(secrets.unfinished(b""), 0);
    }

    #[test]
    fn names_tell_secrets() {
        for name in ["GITHUB_TOKEN", "SLACK_SECRET", "db_password", "AWS_ACCESS_KEY", "MY_CREDENTIALS"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["VERSION", "KEYBOARD", "TOKENIZER", "MONKEY", "KEY_COUNT"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
