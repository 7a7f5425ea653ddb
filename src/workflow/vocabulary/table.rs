//! The phrases of every language, read from the `.words` files beside this one.
//!
//! A document may mix languages (a French release with English headings is common), so every
//! language's phrases count for every document.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::text::words;

/// The files, with the code of their language. A new language is a new file and a row here.
pub(super) const FILES: &[(&str, &str)] = &[
    ("en", include_str!("en.words")),
    ("fr", include_str!("fr.words")),
    ("de", include_str!("de.words")),
    ("es", include_str!("es.words")),
    ("pt", include_str!("pt.words")),
];

/// How much of a text a phrase must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// It begins where a word begins: `surveill` is in `Surveiller`.
    Stem,
    /// It begins and ends where words do.
    Words,
    /// The text is nothing else: the phrase is too common to mean anything inside another.
    Whole,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    /// As [`words`] gives it.
    pub(super) words: String,
    pub(super) cover: Cover,
}

/// The phrases of one entry, sorted, so that a text is looked up word by word and not phrase by
/// phrase: there are hundreds of phrases and few words in a line.
#[derive(Debug, Default)]
pub(super) struct Entry {
    phrases: Vec<Phrase>,
}

impl Entry {
    pub(super) fn phrases(&self) -> &[Phrase] {
        &self.phrases
    }

    /// Whether a phrase stands anywhere in a text that went through [`words`].
    pub(super) fn is_in(&self, text: &str) -> bool {
        let mut at = 0;
        loop {
            if self.begins(&text[at..], at == 0).is_some() {
                return true;
            }
            match text[at..].find(' ') {
                Some(space) => at += space + 1,
                None => return false,
            }
        }
    }

    /// The longest phrase that a text starts with.
    pub(super) fn starts(&self, text: &str) -> Option<&Phrase> {
        self.begins(text, true)
    }

    /// Whether one of its phrases stands in the text as whole words.
    pub(super) fn is_word_of(&self, text: &str) -> bool {
        text.split(' ').any(|word| self.phrases.iter().any(|phrase| phrase.words == word))
    }

    fn begins(&self, rest: &str, at_start: bool) -> Option<&Phrase> {
        let first = rest.as_bytes().first()?;
        let from = self.phrases.partition_point(|phrase| phrase.words.as_bytes().first() < Some(first));
        let same =
            self.phrases[from..].iter().take_while(|phrase| phrase.words.as_bytes().first() == Some(first));
        same.filter(|phrase| {
            rest.strip_prefix(phrase.words.as_str()).is_some_and(|after| match phrase.cover {
                Cover::Stem => true,
                Cover::Words => after.is_empty() || after.starts_with(' '),
                Cover::Whole => at_start && after.is_empty(),
            })
        })
        .max_by_key(|phrase| phrase.words.len())
    }
}

/// The phrases of an entry, of all languages; an entry that no file has is empty.
pub(super) fn entry(name: &str) -> &'static Entry {
    static ENTRIES: LazyLock<HashMap<String, Entry>> = LazyLock::new(|| {
        let mut entries: HashMap<String, Entry> = HashMap::new();
        for (_, file) in FILES {
            for (name, phrases) in read(file) {
                entries.entry(name.to_owned()).or_default().phrases.extend(phrases);
            }
        }
        for entry in entries.values_mut() {
            entry.phrases.sort_by(|a, b| a.words.cmp(&b.words));
            entry.phrases.dedup();
        }
        entries
    });
    static NONE: Entry = Entry { phrases: Vec::new() };
    ENTRIES.get(name).unwrap_or(&NONE)
}

/// The entries of one file: `[name]`, then a phrase a line; `#` begins a comment.
pub(super) fn read(file: &str) -> Vec<(&str, Vec<Phrase>)> {
    let mut entries: Vec<(&str, Vec<Phrase>)> = Vec::new();
    for line in file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            entries.push((name, Vec::new()));
        } else if let Some((_, phrases)) = entries.last_mut() {
            let cover = match line.as_bytes().first() {
                Some(b'=') => Cover::Whole,
                Some(b'"') => Cover::Words,
                _ => Cover::Stem,
            };
            phrases.push(Phrase { words: words(line), cover });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_entry() {
        let names = |file: &'static str| {
            let mut names: Vec<&str> = read(file).into_iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names
        };
        let english = names(FILES[0].1);
        assert!(english.len() > 50, "only {} entries: are these the tables?", english.len());
        for (language, file) in FILES {
            assert_eq!(names(file), english, "{language}");
        }
    }

    #[test]
    fn no_entry_is_empty_and_no_phrase_is_lost_to_the_format() {
        for (language, file) in FILES {
            for (name, phrases) in read(file) {
                assert!(!phrases.is_empty(), "{language}: [{name}] has no phrase");
                let empty = phrases.iter().find(|phrase| phrase.words.is_empty());
                assert_eq!(empty, None, "{language}: [{name}]");
            }
        }
    }

    #[test]
    fn every_entry_that_is_asked_for_is_there() {
        let asked =
            include_str!("mod.rs").split("entry(\"").skip(1).filter_map(|rest| rest.split('"').next());
        for name in asked {
            assert!(!entry(name).phrases().is_empty(), "[{name}]");
        }
    }

    #[test]
    fn a_phrase_covers_as_much_as_its_mark_says() {
        assert!(entry("watching").is_in("ensuite surveiller"));
        assert!(!entry("watching").is_in("swatch"), "a phrase begins where a word begins");
        assert!(entry("communication").is_in("tell people") && !entry("communication").is_in("telle etape"));
        assert!(entry("heading escalation").starts("support").is_some());
        assert!(entry("heading escalation").starts("support the launch").is_none());
    }
}
