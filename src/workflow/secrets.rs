//! Values that a release needs and that nothing may write down.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Shorter ones would be found in every second line of output. Units: characters.
pub const SHORTEST: usize = 6;

/// Longer ones are files, not words that somebody types. Units: bytes.
pub const LONGEST: usize = 4 * 1024;

/// What stands where one was printed.
const MASK: &str = "•••••";

/// Secret values by the names of their variables. They are in the memory of this process and in the
/// environment of what it starts; no journal, log, screen or report has them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<String, Secret>);

#[derive(Clone, PartialEq, Eq)]
struct Secret {
    value: String,
    /// The value as base64 writes it, alone or with the line end that `echo` puts behind it: as
    /// `kubectl get secret -o yaml` and `base64` print it.
    encoded: Vec<String>,
}

impl Secret {
    fn new(value: &str) -> Self {
        let line = format!("{value}\n");
        // A short value is refused before it comes here; of one that is not, too much would be hidden.
        let texts = if value.chars().count() < SHORTEST { Vec::new() } else { vec![value, &line] };
        let alphabets = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
        let of = |text: &str| alphabets.map(|alphabet| alphabet.encode(text));
        let mut encoded: Vec<String> = texts.into_iter().flat_map(of).collect();
        encoded.sort();
        encoded.dedup();
        Self { value: value.to_owned(), encoded }
    }

    /// All texts that give the value away.
    fn forms(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.value).chain(&self.encoded).map(String::as_str)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    pub fn insert(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), Secret::new(value));
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// For the environment of a command, and nothing else.
    pub fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().map(|(name, secret)| (name, &secret.value))
    }

    /// The variable whose value stands in a text, as it is, in base64, or as JSON writes it.
    pub fn found_in(&self, text: &str) -> Option<&str> {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let stands = |form: &str| text.contains(form) || text.contains(&quoted(form));
        self.0.iter().find(|(_, secret)| secret.forms().any(stands)).map(|(name, _)| name.as_str())
    }

    /// The text with every value hidden.
    pub fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for form in self.longest_first() {
            if text.contains(form) {
                text = Cow::Owned(text.replace(form, MASK));
            }
        }
        text
    }

    /// Where values stand in a text. Units: byte ranges.
    pub fn places_in(&self, text: &str) -> Vec<Range<usize>> {
        let of = |form| text.match_indices(form).map(|(at, found)| at..at + found.len());
        self.forms().flat_map(of).collect()
    }

    /// How many bytes at the end may be the beginning of a value whose rest is still to come.
    pub fn unfinished(&self, bytes: &[u8]) -> usize {
        let begun = |form: &str| {
            let most = bytes.len().min(form.len().saturating_sub(1));
            (1..=most).rev().find(|n| bytes.ends_with(&form.as_bytes()[..*n])).unwrap_or(0)
        };
        self.forms().map(begun).max().unwrap_or(0)
    }

    fn forms(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(Secret::forms)
    }

    /// One secret may be the beginning of another.
    fn longest_first(&self) -> Vec<&str> {
        let mut forms: Vec<&str> = self.forms().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms
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
    fn a_value_is_hidden_in_base64_too() {
        // One of each length that pads differently, and characters on which the alphabets differ.
        for value in ["hunter2", "hunter22", "hunter222", "a?b>c~d\u{ff}\u{fe}"] {
            let secrets = secrets(&[value]);
            for text in [value.to_owned(), format!("{value}\n")] {
                for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    let line = format!("  token: {encoded}");
                    assert_eq!(secrets.masked(&line), "  token: •••••", "{value}");
                    assert_eq!(secrets.found_in(&line), Some("TOKEN_0"));
                    assert!(secrets.places_in(&line).iter().any(|place| place.end == line.len()));
                }
            }
        }
        let short = secrets(&["abc"]);
        assert_eq!(short.masked("YWJj"), "YWJj", "too short to be hidden in what is no secret");
    }

    #[test]
    fn the_beginning_of_an_encoded_value_waits_for_its_rest() {
        let secrets = secrets(&["hunter2-and-more"]);
        let encoded = STANDARD.encode("hunter2-and-more");
        for at in 1..encoded.len() {
            assert!(secrets.unfinished(&encoded.as_bytes()[..at]) >= at, "{at}");
        }
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
