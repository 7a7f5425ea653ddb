//! What an author writes where a value belongs: `<version>`, `vX.Y.Z`, `{{version}}`, `YYYY-MM-DD`,
//! `NEW_TAG`. To a shell most of these mean something else, so no text runs while one stands in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::infer::params::VERSION;
use super::vocabulary;

pub(in crate::workflow) const DATE: &str = "DATE";

/// A placeholder in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workflow) struct Placeholder {
    pub(in crate::workflow) range: Range<usize>,
    /// The parameter it stands for.
    pub(in crate::workflow) name: String,
    form: Form,
}

/// How the value of the parameter is written in this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    AsGiven,
    /// `vX.Y.Z`: with its `v`, whether it was typed or not.
    WithV,
    /// `X.Y.Z`: without.
    WithoutV,
    /// A date with this between its parts.
    Date(&'static str),
}

impl Placeholder {
    pub(in crate::workflow) fn written(&self, value: &str) -> String {
        let bare = || {
            let rest = value.strip_prefix('v').unwrap_or(value);
            if rest.starts_with(|c: char| c.is_ascii_digit()) { rest } else { value }
        };
        match self.form {
            Form::AsGiven => value.to_owned(),
            Form::WithV if value.starts_with(|c: char| c.is_ascii_digit()) => format!("v{value}"),
            Form::WithV => value.to_owned(),
            Form::WithoutV => bare().to_owned(),
            Form::Date(between) => value.replace('-', between),
        }
    }
}

/// Tags that a here-document may hold; a placeholder has more to say.
const HTML: &[&str] = &[
    "a", "b", "body", "br", "code", "dd", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "head", "hr",
    "html", "i", "img", "li", "ol", "p", "pre", "span", "strong", "summary", "table", "tbody", "td", "th",
    "thead", "tr", "ul",
];

/// Names that programs read: a value for them would change more than the line it is meant for.
const RESERVED: &[&str] = &[
    "CDPATH",
    "EDITOR",
    "ENV",
    "HOME",
    "HOSTNAME",
    "IFS",
    "KUBECONFIG",
    "LANG",
    "LOGNAME",
    "MAIL",
    "OLDPWD",
    "PAGER",
    "PATH",
    "PS1",
    "PWD",
    "SHELL",
    "SHLVL",
    "TERM",
    "TMPDIR",
    "TZ",
    "UID",
    "USER",
];

/// Every placeholder of a text, in order.
pub(in crate::workflow) fn find(text: &str) -> impl Iterator<Item = Placeholder> {
    static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"\{\{\s*(?<braces>[A-Za-z_][\w -]{0,40}?)\s*\}\}",
            r"|<(?<angle>[A-Za-z](?:[\w .:-]{0,40}\w)?)>",
            r"|\b(?<v>v?)(?:X\.Y\.Z|x\.y\.z|X\.Y|MAJOR\.MINOR\.PATCH)(?:-(?:alpha|beta|rc)\.?[NnXx])?\b",
            r"|\b(?:YYYY|AAAA|JJJJ)(?<sep>[-./_]?)MM[-./_]?(?:DD|JJ|TT)\b",
            r"|\b(?<bare>(?:NEW|NEXT|OLD|PREVIOUS|PREV|LAST|YOUR|MY)_[A-Z][A-Z0-9_]{0,40}|your[-_][a-z][a-z0-9_-]{0,40})\b",
        ))
        .expect("the pattern is a constant and the tests use it")
    });
    PLACEHOLDER.captures_iter(text).filter_map(move |found| {
        let whole = found.get(0)?;
        let before = text[..whole.start()].chars().next_back();
        let after = text[whole.end()..].chars().next();
        if let Some(words) = found.name("braces").map(|inside| inside.as_str()) {
            // Template engines have words of their own, and `${{ … }}` is GitHub's.
            let theirs = before == Some('$') || matches!(words, "end" | "else" | "range" | "printf");
            return (!theirs).then(|| named(words, whole.range()));
        }
        if let Some(words) = found.name("angle").map(|inside| inside.as_str()) {
            let is_tag = HTML.contains(&words.to_ascii_lowercase().as_str());
            let included = text[..whole.start()].trim_end().ends_with("#include");
            // `<<EOF>` and `a<b>` open no placeholder, nor does an address such as `<ana:x>`.
            let part = matches!(before, Some('<' | '$')) || words.contains(':') && words.contains('.');
            return (!is_tag && !included && !part).then(|| named(words, whole.range()));
        }
        if let Some(separator) = found.name("sep") {
            let between = match separator.as_str() {
                "-" => "-",
                "." => ".",
                "/" => "/",
                "_" => "_",
                _ => "",
            };
            return Some(Placeholder { range: whole.range(), name: DATE.into(), form: Form::Date(between) });
        }
        if let Some(words) = found.name("bare").map(|inside| inside.as_str()) {
            // `$NEW_TAG` is a variable, and `NEW_TAG=…` sets one.
            let variable = matches!(before, Some('$' | '{' | '_' | '-' | '.')) || after == Some('=');
            let read = text[..whole.start()].ends_with("export ");
            return (!variable && !read).then(|| named(words, whole.range()));
        }
        let part = matches!(before, Some('$' | '_' | '.'));
        let form = if found.name("v").is_some_and(|v| !v.is_empty()) { Form::WithV } else { Form::WithoutV };
        (!part).then(|| Placeholder { range: whole.range(), name: VERSION.into(), form })
    })
}

/// The parameter that the words between the marks mean: five spellings of one thing are one.
fn named(inside: &str, range: Range<usize>) -> Placeholder {
    const AROUND: &[&str] = &[
        "the", "a", "your", "my", "new", "next", "release", "target", "number", "numero", "de", "la", "le",
        "du", "neue", "nueva", "nova", "nouvelle", "semver",
    ];
    let words = vocabulary::words(inside);
    let all: Vec<&str> = words.split(' ').collect();
    let core: Vec<&str> = all.iter().copied().filter(|word| !AROUND.contains(word)).collect();
    let as_version = matches!(words.as_str(), "x y z" | "vx y z" | "major minor patch" | "semver");
    let (name, form) = if as_version {
        let form = if words == "vx y z" { Form::WithV } else { Form::WithoutV };
        (VERSION.to_owned(), form)
    } else if matches!(core.as_slice(), [word] if vocabulary::names_a_version(word)) {
        (VERSION.to_owned(), Form::AsGiven)
    } else if words == "yyyy mm dd" || matches!(core.as_slice(), [word] if vocabulary::names_a_date(word)) {
        (DATE.to_owned(), Form::Date("-"))
    } else {
        let kept = if core.is_empty() { all } else { core };
        let mut name = kept.join("_").to_uppercase();
        let tool = ["LD_", "BASH", "GIT_", "KUBE", "DOCKER_", "AWS_", "DYLD_", "LC_", "SSH_"];
        if RESERVED.contains(&name.as_str()) || tool.iter().any(|prefix| name.starts_with(prefix)) {
            name.push_str("_VALUE");
        }
        (name, Form::AsGiven)
    };
    Placeholder { range, name, form }
}

/// The first placeholder of a text, as it stands there.
///
/// - Shape: `None` when the text can run as it is.
pub fn unresolved(text: &str) -> Option<&str> {
    find(text).next().map(|placeholder| &text[placeholder.range])
}

/// The text with the placeholders replaced that have a value.
pub(in crate::workflow) fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for placeholder in find(text) {
        if let Some(value) = values.get(&placeholder.name) {
            result.push_str(&text[at..placeholder.range.start]);
            result.push_str(&placeholder.written(value));
            at = placeholder.range.end;
        }
    }
    result.push_str(&text[at..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, String)> {
        find(text).map(|found| (text[found.range.clone()].to_owned(), found.name)).collect()
    }

    #[test]
    fn every_habit_is_a_placeholder_and_five_spellings_are_one() {
        for (text, name) in [
            ("git tag <version>", "VERSION"),
            ("git tag <new version>", "VERSION"),
            ("git tag vX.Y.Z", "VERSION"),
            ("git tag release-X.Y.Z", "VERSION"),
            ("npm version {{ version }}", "VERSION"),
            ("git tag NEW_VERSION", "VERSION"),
            ("npm version <numéro de version>", "VERSION"),
            ("git tag <x.y.z>", "VERSION"),
            ("git tag NEW_TAG", "TAG"),
            ("git tag <tag>", "TAG"),
            ("git tag release-YYYY-MM-DD", "DATE"),
            ("git tag YYYYMMDD", "DATE"),
            ("ssh your_account@host", "ACCOUNT"),
            ("cd <path>", "PATH_VALUE"),
            ("git revert OLD_TAG", "OLD_TAG"),
        ] {
            let found = names(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].1, name, "{text}");
        }
    }

    #[test]
    fn what_a_shell_or_a_template_means_is_left_alone() {
        for text in [
            "sort < in.txt > out.txt",
            "cat <<EOF >file",
            "cmd <in >out",
            "docker ps --format '{{.Names}}' {{end}}",
            "echo ${{ github }}",
            "echo $NEW_TAG ${NEW_TAG}",
            "NEW_TAG=v1",
            "echo '<p>hello</p>'",
            "diff <(a) <(b)",
            "git log v1.2.0..HEAD",
        ] {
            assert_eq!(names(text), [], "{text}");
        }
    }

    #[test]
    fn a_value_is_written_as_its_place_asks() {
        let values = BTreeMap::from([
            ("VERSION".to_owned(), "v1.3.0".to_owned()),
            ("DATE".into(), "2026-11-22".into()),
        ]);
        assert_eq!(
            filled("<version> vX.Y.Z X.Y.Z YYYY.MM.DD YYYYMMDD <who>", &values),
            "v1.3.0 v1.3.0 1.3.0 2026.11.22 20261122 <who>"
        );
        let bare = BTreeMap::from([("VERSION".to_owned(), "1.3.0".to_owned())]);
        assert_eq!(filled("<version> vX.Y.Z X.Y.Z", &bare), "1.3.0 v1.3.0 1.3.0");
        assert_eq!(unresolved("git tag v1 <who>"), Some("<who>"));
        assert_eq!(unresolved("git tag v1"), None);
    }
}
