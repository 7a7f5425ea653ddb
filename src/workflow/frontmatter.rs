//! The YAML head of a document. The only file that names the YAML crate.
//!
//! Keys that we do not know are none of our business; a key of ours with a strange value costs that
//! key alone; a head that is no YAML is reported with its place and read again key by key.

mod nginx;
pub(super) mod params;

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::infer::duration;
use super::nginx::NginxSite;
use params::Declared;

/// A value with its place in the document.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// What the head says, as far as it could be understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Frontmatter {
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) calls: Vec<At<String>>,
    pub(super) roles: Vec<At<String>>,
    pub(super) targets: Vec<At<String>>,
    /// By name, in the order of the head.
    pub(super) params: Vec<At<(String, Declared)>>,
    pub(super) nginx: Option<NginxSite>,
    pub(super) irreversible: Vec<At<String>>,
    pub(super) auto: Vec<At<String>>,
    /// The place of `rollback:` and its countdown, once the key stands there at all.
    pub(super) policy: Option<At<Option<u64>>>,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) span: Range<usize>,
    pub(super) kind: ProblemKind,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    Broken,
    Value,
}

/// The head of `text` if it has one, and where the body begins.
pub(super) fn read(text: &str) -> (Frontmatter, usize) {
    // An editor's byte order mark is no part of the document.
    let from = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let Some(after_fence) = fence_line(&text[from..], &["---"]) else {
        return (Frontmatter::default(), from);
    };
    let yaml_start = from + after_fence;
    let mut at = yaml_start;
    while at < text.len() {
        let rest = &text[at..];
        if let Some(length) = fence_line(rest, &["---", "..."]) {
            return (read_yaml(&text[yaml_start..at], yaml_start), at + length);
        }
        at += line_length(rest);
    }
    // No end: a thematic break on the first line is legitimate, a head that forgot its end is not.
    let mut front = Frontmatter::default();
    let first = text[yaml_start..].lines().next().unwrap_or_default();
    if key_of(first).is_some() {
        front.problems.push(Problem {
            span: from..from + 3,
            kind: ProblemKind::Broken,
            message: "the YAML head never ends: no `---` line follows it".into(),
        });
        let end = yaml_start + text[yaml_start..].find("\n\n").unwrap_or(text.len() - yaml_start);
        front = Frontmatter { problems: front.problems, ..salvage(&text[yaml_start..end], yaml_start) };
        return (front, end);
    }
    (front, from)
}

/// The length of the first line, its end included, when it is one of the given fences.
fn fence_line(text: &str, fences: &[&str]) -> Option<usize> {
    let length = line_length(text);
    let line = text[..length].trim_end();
    fences.contains(&line).then_some(length)
}

fn line_length(text: &str) -> usize {
    memchr::memchr(b'\n', text.as_bytes()).map_or(text.len(), |newline| newline + 1)
}

fn read_yaml(yaml: &str, base: usize) -> Frontmatter {
    match parse(yaml, base) {
        Ok(Node::Map(entries)) => understand(entries),
        Ok(Node::Null) => Frontmatter::default(),
        Ok(_) => Frontmatter {
            problems: vec![Problem {
                span: base..base + yaml.trim_end().len(),
                kind: ProblemKind::Broken,
                message: "the YAML head is no list of `key: value` lines".into(),
            }],
            ..Frontmatter::default()
        },
        Err(problem) => {
            let mut front = salvage(yaml, base);
            front.problems.insert(0, problem);
            front
        }
    }
}

/// Reads every top-level key on its own, so that one broken line costs one key.
fn salvage(yaml: &str, base: usize) -> Frontmatter {
    let mut entries: Vec<(At<String>, At<Node>)> = Vec::new();
    let mut chunk_start = None;
    let mut at = 0;
    let mut read_chunk = |range: Range<usize>| {
        if let Ok(Node::Map(found)) = parse(&yaml[range.clone()], base + range.start) {
            for (key, value) in found {
                entries.retain(|(known, _)| known.value != key.value);
                entries.push((key, value));
            }
        }
    };
    while at < yaml.len() {
        let length = line_length(&yaml[at..]);
        if key_of(&yaml[at..at + length]).is_some()
            && let Some(start) = chunk_start.replace(at)
        {
            read_chunk(start..at);
        }
        at += length;
    }
    if let Some(start) = chunk_start {
        read_chunk(start..yaml.len());
    }
    understand(entries)
}

/// The key of a line such as `roles: [a]`, when it is not indented.
fn key_of(line: &str) -> Option<&str> {
    let (key, rest) = line.split_once(':')?;
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    (plain && (rest.is_empty() || rest.starts_with(char::is_whitespace))).then_some(key)
}

/// YAML without its types: what we need are words, lists of words and maps.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Null,
    Word(String),
    List(Vec<At<Node>>),
    Map(Vec<(At<String>, At<Node>)>),
}

fn parse(yaml: &str, base: usize) -> Result<Node, Problem> {
    let raw: Raw = serde_yaml::from_str(yaml).map_err(|error| {
        let at = error.location().map_or(0, |location| {
            location
                .span()
                .byte_offset()
                .and_then(|offset| usize::try_from(offset).ok())
                .unwrap_or_else(|| offset_of_line(yaml, location.line()))
        });
        let at = floor_boundary(yaml, at.min(yaml.trim_end().len()));
        let length = yaml[at..].chars().next().map_or(0, char::len_utf8);
        let error = error.without_snippet().to_string();
        // The crate appends its own place, which counts from the head; ours counts from the file.
        let message =
            error.split(" at line ").next().unwrap_or(&error).trim_start_matches("error: ").to_owned();
        let message = message.lines().next().unwrap_or_default().trim_end_matches(':').to_owned();
        Problem { span: base + at..base + at + length, kind: ProblemKind::Broken, message }
    })?;
    Ok(resolve(raw, 0..yaml.len(), yaml, base))
}

fn offset_of_line(yaml: &str, line: u64) -> usize {
    let n_lines = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    yaml.split_inclusive('\n').take(n_lines).map(str::len).sum()
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The node as the YAML crate hands it out; numbers and booleans keep no text of their own.
#[derive(Debug)]
enum Raw {
    Null,
    /// A number or boolean: its text stands in the document.
    Bare,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNode;
        impl<'de> Visitor<'de> for AnyNode {
            type Value = Raw;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
                Ok(Raw::Bare)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
                Ok(Raw::Bare)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
                Ok(Raw::Bare)
            }
            fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
                Ok(Raw::Bare)
            }
            fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
                Ok(Raw::Bare)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
                Ok(Raw::Bare)
            }
            fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(AnyNode)
    }
}

fn resolve(raw: Raw, span: Range<usize>, yaml: &str, base: usize) -> Node {
    match raw {
        Raw::Null => Node::Null,
        Raw::Bare => Node::Word(yaml.get(span).unwrap_or_default().trim().to_owned()),
        Raw::Text(text) => Node::Word(text),
        Raw::List(items) => Node::List(items.into_iter().map(|item| resolve_at(item, yaml, base)).collect()),
        Raw::Map(entries) => Node::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let span = span_of(&key, yaml);
                    let key = At { value: key.value, span: base + span.start..base + span.end };
                    (key, resolve_at(value, yaml, base))
                })
                .collect(),
        ),
    }
}

fn resolve_at(node: Spanned<Raw>, yaml: &str, base: usize) -> At<Node> {
    let span = span_of(&node, yaml);
    At { value: resolve(node.value, span.clone(), yaml, base), span: base + span.start..base + span.end }
}

fn span_of<T>(node: &Spanned<T>, yaml: &str) -> Range<usize> {
    let span = node.referenced.span();
    let to_usize = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let start = to_usize(span.byte_offset()).unwrap_or_else(|| offset_of_line(yaml, node.referenced.line()));
    let start = floor_boundary(yaml, start);
    let end = floor_boundary(yaml, start.saturating_add(to_usize(span.byte_len()).unwrap_or(0)));
    start..end.max(start)
}

/// The keys of ours, for "did you mean".
const KEYS: &[&str] = &[
    "name",
    "title",
    "description",
    "calls",
    "roles",
    "params",
    "targets",
    "nginx",
    "irreversible",
    "rollback",
];

fn understand(entries: Vec<(At<String>, At<Node>)>) -> Frontmatter {
    let mut front = Frontmatter::default();
    for (key, node) in entries {
        match key.value.as_str() {
            "name" => front.name = front.word(node, "name"),
            "title" => front.title = front.word(node, "title"),
            "description" => front.description = front.word(node, "description"),
            // What a template of GitHub calls it.
            "about" => {
                let about = front.word(node, "about");
                front.description = front.description.take().or(about);
            }
            "calls" => front.calls = front.list(node, "calls"),
            "roles" => front.roles = front.list(node, "roles"),
            "targets" => front.targets = front.list(node, "targets"),
            "params" => front.params(node),
            "nginx" => front.nginx(key.span, node),
            "irreversible" => front.irreversible = front.list(node, "irreversible"),
            "rollback" => front.rollback(key.span, node),
            other => {
                let close = KEYS.iter().find(|known| strsim::levenshtein(known, other) == 1);
                if let Some(known) = close {
                    front
                        .problem(key.span, format!("`{other}` is no key of gonogo; did you mean `{known}`?"));
                }
            }
        }
    }
    front
}

impl Frontmatter {
    fn problem(&mut self, span: Range<usize>, message: String) {
        self.problems.push(Problem { span, kind: ProblemKind::Value, message });
    }

    fn word(&mut self, node: At<Node>, key: &str) -> Option<String> {
        match node.value {
            Node::Word(word) => {
                Some(word.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|w| !w.is_empty())
            }
            Node::Null => None,
            Node::List(_) | Node::Map(_) => {
                self.problem(node.span, format!("`{key}` takes one line of text"));
                None
            }
        }
    }

    /// A list of words; a single word is a list of one.
    fn list(&mut self, node: At<Node>, key: &str) -> Vec<At<String>> {
        let nodes = match node.value {
            Node::List(nodes) => nodes,
            Node::Word(_) => vec![node],
            Node::Null => Vec::new(),
            Node::Map(_) => {
                self.problem(node.span, format!("`{key}` takes a list: `{key}: [one, two]`"));
                Vec::new()
            }
        };
        let mut list = Vec::new();
        for node in nodes {
            match node.value {
                Node::Word(word) if !word.trim().is_empty() => {
                    list.push(At { value: word.trim().to_owned(), span: node.span });
                }
                _ => self.problem(node.span, format!("an entry of `{key}` is no word")),
            }
        }
        list
    }

    fn rollback(&mut self, key_span: Range<usize>, node: At<Node>) {
        let Node::Map(entries) = node.value else {
            self.problem(node.span, "`rollback` takes `{auto: [criterion, …], countdown: 30s}`".into());
            return;
        };
        let mut countdown = None;
        for (key, node) in entries {
            match key.value.as_str() {
                "auto" => self.auto = self.list(node, "auto"),
                "countdown" => {
                    let span = node.span.clone();
                    let Some(word) = self.word(node, "countdown") else { continue };
                    countdown = duration::exactly(&word);
                    if countdown.is_none() {
                        self.problem(span, format!("countdown `{word}` is not a duration; write 30s or 2m"));
                    }
                }
                other => self
                    .problem(key.span, format!("`rollback` has no key `{other}`; it knows auto, countdown")),
            }
        }
        self.policy = Some(At { value: countdown, span: key_span });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[At<String>]) -> Vec<&str> {
        list.iter().map(|entry| entry.value.as_str()).collect()
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "---\nname: release\ncalls: [rollback]\nroles:\n  - tech-lead\n  - qa\n---\n# A\n";
        let (front, body) = read(text);
        assert_eq!(front.name.as_deref(), Some("release"));
        assert_eq!(&text[front.calls[0].span.clone()], "rollback");
        assert_eq!(&text[front.roles[1].span.clone()], "qa");
        assert_eq!(&text[body..], "# A\n");
        assert_eq!(front.problems, []);
    }

    #[test]
    fn numbers_and_booleans_stay_the_words_they_are() {
        let (front, _) = read("---\nname: 1.10\nroles: [no, 007, on-call]\n---\n");
        assert_eq!(front.name.as_deref(), Some("1.10"));
        assert_eq!(values(&front.roles), ["no", "007", "on-call"]);
    }

    #[test]
    fn unknown_keys_are_left_alone_and_near_misses_are_named() {
        let (front, _) = read("---\ntriggers: [a]\nowner: {team: x}\nrole: [a]\n---\n");
        assert_eq!(front.problems.len(), 1);
        assert!(front.problems[0].message.contains("did you mean `roles`"), "{front:?}");
    }

    #[test]
    fn a_broken_line_is_located_and_costs_only_itself() {
        let text = "---\nname: release\ndescription: \"never closed\nroles: [ops, lead]\n---\n# A\n";
        let (front, body) = read(text);
        assert_eq!(front.problems[0].kind, ProblemKind::Broken);
        assert_eq!(front.name.as_deref(), Some("release"));
        assert_eq!(values(&front.roles), ["ops", "lead"]);
        assert_eq!(&text[body..], "# A\n");
    }

    #[test]
    fn a_strange_value_costs_its_key() {
        let (front, _) =
            read("---\nroles: {a: b}\nname: [x]\nrollback: {auto: [latence], countdown: soon}\n---\n");
        assert_eq!(front.problems.len(), 3);
        assert_eq!(values(&front.auto), ["latence"]);
        assert_eq!(front.policy.map(|policy| policy.value), Some(None));
    }

    #[test]
    fn a_head_without_an_end_is_told_and_a_plain_rule_is_not() {
        let (front, body) = read("---\nname: x\n\n# A\n");
        assert_eq!(front.problems.len(), 1);
        assert_eq!((front.name.as_deref(), body), (Some("x"), 11));
        let (front, body) = read("---\n\n# A\n");
        assert_eq!((front.problems.len(), body), (0, 0));
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
        let text = "\u{feff}---\r\nname: x\r\nroles: [a, b]\r\n---\r\n# A\r\n";
        let (front, body) = read(text);
        assert_eq!(front.name.as_deref(), Some("x"));
        assert_eq!(&text[front.roles[1].span.clone()], "b");
        assert!(text[body..].starts_with("# A"));
    }
}
