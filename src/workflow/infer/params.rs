//! The version that a document repeats as a literal becomes the parameter `VERSION`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Reader, programs};
use crate::workflow::frontmatter::At;
use crate::workflow::frontmatter::params::Declared;
use crate::workflow::markdown::SourceMap;
use crate::workflow::model::{Code as Rule, Offer, Param, ParamKind};
use crate::workflow::placeholders;
use crate::workflow::secrets::is_secret_name;
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
                for found in VARIABLE.captures_iter(raw) {
                    let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { continue };
                    let is_declared = self.front.params.iter().any(|param| param.value.0 == name.as_str());
                    if is_declared || may_be_given(name.as_str()) {
                        let offset = map.source(word.range.start + whole.start());
                        self.reads.entry(name.as_str().to_owned()).or_default().push(offset);
                    }
                }
                if let Some((name, _)) = raw.split_once('=').filter(|(name, _)| may_be_given(name)) {
                    self.set.insert(name.to_owned());
                }
            }
            for simple in &statement.commands {
                let mut words = simple.words.iter().map(|word| &text[word.range.clone()]);
                if words.next() == Some("read") {
                    self.set.extend(words.filter(|name| may_be_given(name)).map(str::to_owned));
                }
            }
        }
        let runs = script.statements().next().is_some();
        for placeholder in placeholders::find(text) {
            let offset = map.source(placeholder.range.start);
            let text = text[placeholder.range].to_owned();
            self.placeholders.push(Found { name: placeholder.name, text, offset, runs });
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
        let mut params = self.placeholder_params();
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
        let version = params.iter().position(|param| param.name == VERSION);
        // Beside `<version>` a version that nothing tags or deploys is an example in the prose.
        let chosen = chosen.filter(|text| {
            version.is_none() || counts.get(text.as_str()).is_some_and(|(releases, _)| *releases)
        });
        let mut has_literal = false;
        if let Some(default) = chosen {
            let mut offsets: Vec<usize> = self
                .literals
                .iter()
                .filter(|literal| literal.text == default)
                .map(|literal| literal.offset)
                .collect();
            offsets.sort_unstable();
            self.literal_spans = offsets.iter().map(|&offset| offset..offset + default.len()).collect();
            let places = offsets.iter().map(|&offset| self.places.at(offset));
            if let Some(param) = version.and_then(|index| params.get_mut(index)) {
                param.default = default;
                param.occurrences.extend(places);
                param.occurrences.sort();
            } else {
                let occurrences = places.collect();
                params.insert(0, Param { default, occurrences, ..self.param(VERSION) });
            }
            has_literal = true;
        }
        for (name, mut offsets) in std::mem::take(&mut self.reads) {
            // Beside a literal the document has its version already; a secret it cannot have.
            if self.set.contains(&name) || has_literal && !is_secret_name(&name) {
                continue;
            }
            offsets.sort_unstable();
            let places = offsets.iter().map(|&offset| self.places.at(offset));
            match params.iter_mut().find(|param| param.name == name) {
                Some(param) => {
                    param.occurrences.extend(places);
                    param.occurrences.sort();
                }
                None => {
                    let occurrences = places.collect();
                    params.push(Param { occurrences, ..self.param(&name) });
                }
            }
        }
        self.declared_params(&mut params);
        for param in params.iter_mut().filter(|param| !param.declared) {
            param.kind = ParamKind::told_by(&param.name, &param.default);
        }
        for param in params.iter().filter(|param| !param.is_asked()) {
            if let Some(place) = param.occurrences.first() {
                self.findings.note_at(Rule::SecretInText, *place, param.name.clone());
            }
        }
        // The version is what an operator looks for first.
        params.sort_by_key(|param| param.name != VERSION);
        params
    }

    /// What the head says of parameters; one that nothing reads is asked for all the same, since a
    /// script may read it.
    fn declared_params(&mut self, params: &mut Vec<Param>) {
        let of_head = std::mem::take(&mut self.front.params);
        let order: Vec<String> = of_head.iter().map(|param| param.value.0.clone()).collect();
        for At { value: (name, declared), .. } in of_head {
            let at = params.iter().position(|param| param.name == name).unwrap_or(params.len());
            if at == params.len() {
                params.push(self.param(&name));
            }
            let Some(param) = params.get_mut(at) else { continue };
            let Declared { kind, preset, about } = declared;
            *param = Param { kind, preset, about, declared: true, ..param.clone() };
        }
        let place = |param: &Param| order.iter().position(|name| *name == param.name).unwrap_or(usize::MAX);
        params.sort_by_key(place);
    }

    /// One parameter for all placeholders of one name, in the order of the document.
    fn placeholder_params(&mut self) -> Vec<Param> {
        let mut found = std::mem::take(&mut self.placeholders);
        found.sort_by_key(|found| found.offset);
        // Words alone ask for a version only; any other mark in them may be prose.
        let asked: HashSet<String> = found
            .iter()
            .filter(|found| found.runs || found.name == VERSION)
            .map(|found| found.name.clone())
            .collect();
        let mut params: Vec<Param> = Vec::new();
        let mut index: HashMap<String, usize> = HashMap::new();
        for found in found.into_iter().filter(|found| asked.contains(&found.name)) {
            let at = *index.entry(found.name.clone()).or_insert(params.len());
            if at == params.len() {
                params.push(self.param(&found.name));
            }
            let Some(param) = params.get_mut(at) else { continue };
            param.occurrences.push(self.places.at(found.offset));
            if param.placeholders.len() < MAX_SPELLINGS && !param.placeholders.contains(&found.text) {
                param.placeholders.push(found.text);
            }
        }
        params.sort_by_key(|param| param.name != VERSION);
        params
    }

    fn param(&self, name: &str) -> Param {
        let is_version = name == VERSION || name.ends_with("_VERSION") && !is_of_the_past(name);
        let offer = match name {
            placeholders::DATE => Some(Offer::Today),
            _ if is_version || matches!(name, "TAG" | "RELEASE") => Some(Offer::NextSemver),
            _ => None,
        };
        Param { name: name.to_owned(), offer, ..Param::default() }
    }
}

/// Spellings of one placeholder that a plan names.
const MAX_SPELLINGS: usize = 8;

static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{?([A-Z][A-Z0-9_]*)").expect("the pattern is a constant and the tests use it")
});

/// Whether a text reads this variable from its environment.
pub(in crate::workflow) fn reads(text: &str, name: &str) -> bool {
    VARIABLE.captures_iter(text).filter_map(|found| found.get(1)).any(|found| found.as_str() == name)
}

/// Whether a variable that nothing sets is a value of the release: the operator's own environment has
/// many others, and asking for these would help nobody.
fn may_be_given(name: &str) -> bool {
    matches!(name, "VERSION" | "TAG" | "RELEASE")
        || name.ends_with("_VERSION")
        || name.ends_with("_TAG")
        || is_secret_name(name)
}

fn is_of_the_past(name: &str) -> bool {
    ["OLD_", "PREVIOUS_", "PREV_", "LAST_"].iter().any(|prefix| name.starts_with(prefix))
}

/// A placeholder in something that runs or is confirmed.
#[derive(Debug)]
pub(super) struct Found {
    name: String,
    text: String,
    offset: usize,
    /// It stands in a command.
    runs: bool,
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
