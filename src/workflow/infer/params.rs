//! The version that a document repeats as a literal becomes the parameter `VERSION`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Reader, programs};
use crate::workflow::markdown::SourceMap;
use crate::workflow::model::Param;
use crate::workflow::shell::Script;

pub(in crate::workflow) const VERSION: &str = "VERSION";

/// Every version literal of a text: `v1.2.0`, `1.2.0`, `v1.2.0-rc.1`, not the middle of an address.
pub(in crate::workflow) fn literals(text: &str) -> impl Iterator<Item = Range<usize>> {
    // Only known words make a pre-release, so that `v1.2.0-linux.tar.gz` names v1.2.0.
    static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"v?[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}(?:-(?:alpha|beta|rc|pre|dev|preview|snapshot|next)[0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*)?";
        Regex::new(pattern).expect("the pattern is a constant and the tests use it")
    });
    LITERAL.find_iter(text).map(|found| found.range()).filter(|range| {
        let before = text[..range.start].chars().next_back();
        let mut after = text[range.end..].chars();
        let (next, second) = (after.next(), after.next());
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let goes_on = next.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '+')
            || (next == Some('.') && second.is_some_and(|c| c.is_ascii_digit()));
        starts && !goes_on
    })
}

/// A version literal in something that runs or is confirmed.
#[derive(Debug)]
pub(super) struct Literal {
    text: String,
    offset: usize,
    /// It stands in a command that tags or deploys, so that a single occurrence is enough.
    releases: bool,
}

impl Reader<'_> {
    pub(super) fn note_literals(&mut self, text: &str, map: &SourceMap, script: &Script) {
        let mut releasing: Vec<Range<usize>> = Vec::new();
        for statement in script.statements() {
            let deploys = statement.commands.iter().any(|simple| {
                programs::tagging(simple, text).is_some()
                    || programs::workloads(simple).iter().any(|named| named.changes)
            });
            if deploys {
                releasing.push(statement.range.clone());
            }
            for word in statement.commands.iter().flat_map(|simple| &simple.words) {
                let raw = &text[word.range.clone()];
                for name in ["$VERSION", "${VERSION"] {
                    for (at, _) in raw.match_indices(name) {
                        let ends = !raw[at + name.len()..]
                            .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                        if ends {
                            self.version_reads.push(map.source(word.range.start + at));
                        }
                    }
                }
                self.version_is_set |= raw.starts_with("VERSION=");
            }
        }
        let mut releasing = releasing.iter().peekable();
        for range in literals(text) {
            while releasing.next_if(|statement| statement.end <= range.start).is_some() {}
            let releases = releasing.peek().is_some_and(|statement| statement.start <= range.start);
            let offset = map.source(range.start);
            self.literals.push(Literal { text: text[range].to_owned(), offset, releases });
        }
    }

    /// The parameter, from all literals of the document.
    pub(super) fn params(&mut self) -> Vec<Param> {
        let mut counts: BTreeMap<&str, (bool, usize)> = BTreeMap::new();
        for literal in &self.literals {
            let (releases, n) = counts.entry(&literal.text).or_default();
            *releases |= literal.releases;
            *n += 1;
        }
        let chosen = counts
            .iter()
            .filter(|(_, (releases, n))| *releases || *n > 1)
            // Of two equally frequent ones the higher version is the one to be released.
            .max_by_key(|(text, (releases, n))| (*releases, *n, *text))
            .map(|(text, _)| (*text).to_owned());
        if let Some(default) = chosen {
            let mut offsets: Vec<usize> = self
                .literals
                .iter()
                .filter(|literal| literal.text == default)
                .map(|literal| literal.offset)
                .collect();
            offsets.sort_unstable();
            self.literal_spans = offsets.iter().map(|&offset| offset..offset + default.len()).collect();
            let occurrences = offsets.iter().map(|&offset| self.places.at(offset)).collect();
            return vec![Param { name: VERSION.into(), default, occurrences }];
        }
        if self.version_reads.is_empty() || self.version_is_set {
            return Vec::new();
        }
        self.version_reads.sort_unstable();
        let occurrences = self.version_reads.iter().map(|&offset| self.places.at(offset)).collect();
        vec![Param { name: VERSION.into(), default: String::new(), occurrences }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        literals(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn versions_are_found_and_addresses_are_not() {
        assert_eq!(found("app=myapp:v1.2.0 and v1.2.0-rc.1, 1.2.3."), ["v1.2.0", "v1.2.0-rc.1", "1.2.3"]);
        assert_eq!(found("app-v1.2.0-linux.tar.gz v1.2.0.tar.gz"), ["v1.2.0", "v1.2.0"]);
        assert_eq!(found("10.0.0.1 127.0.0.1:80 xv1.2.0 v1.2.0_1 1.2.3.4.5"), [""; 0]);
    }
}
