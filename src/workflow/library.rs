//! The workflows that gonogo brings along, each in English and in French.

use super::Language;

/// A document of the built-in library, as it lies in `workflows/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// As `calls:` and the command line name it: `blue-green-nginx`.
    pub name: &'static str,
    pub language: Language,
    /// Its file name: `release.md`, `release.en.md`.
    pub file: &'static str,
    pub text: &'static str,
}

macro_rules! library {
    ($($name:literal),* $(,)?) => {
        &[$(
            Shipped {
                name: $name,
                language: Language::English,
                file: concat!($name, ".en.md"),
                text: include_str!(concat!("../../workflows/", $name, ".en.md")),
            },
            Shipped {
                name: $name,
                language: Language::French,
                file: concat!($name, ".md"),
                text: include_str!(concat!("../../workflows/", $name, ".md")),
            },
        )*]
    };
}

/// Every document of the library; both languages of one workflow stand together.
pub const LIBRARY: &[Shipped] = library![
    "release",
    "rolling-update",
    "recreate",
    "blue-green",
    "blue-green-nginx",
    "canary-istio",
    "feature-flag",
    "deploy-script",
    "hotfix",
    "rollback",
    "production-checklist",
    "incident-communication",
];

/// The document of that name, in English where the language has none of its own.
pub fn shipped(name: &str, language: Language) -> Option<&'static Shipped> {
    let of = |language| LIBRARY.iter().find(|it| it.name == name && it.language == language);
    of(language).or_else(|| of(Language::English))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, read};

    #[test]
    fn every_document_is_what_its_row_says() {
        for it in LIBRARY {
            let workflow = read(Source { file: it.file, bytes: it.text.as_bytes(), siblings: &|_| true });
            assert_eq!((workflow.name.as_str(), workflow.language), (it.name, it.language), "{}", it.file);
        }
    }

    #[test]
    fn a_language_without_a_document_of_its_own_gets_the_english_one() {
        assert_eq!(shipped("release", Language::French).map(|it| it.file), Some("release.md"));
        assert_eq!(shipped("release", Language::German).map(|it| it.file), Some("release.en.md"));
        assert_eq!(shipped("no-such-workflow", Language::English), None);
    }
}
