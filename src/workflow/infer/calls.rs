//! Lines that call another workflow: `→ **workflow**: rollback VERSION=v1.1.0`.

use std::ops::Range;

use super::Reader;
use super::commands::Numbering;
use super::steps::is_workflow;
use crate::workflow::calls::Call;
use crate::workflow::markdown::{Block, Inline, List};
use crate::workflow::model::{Code as Rule, Command};
use crate::workflow::vocabulary;

const ARROWS: &[&str] = &["→", "➜", "➡", "->", "=>"];

/// Words between the name and what is passed.
const WITH: &[&str] = &["with", "avec", "mit", "con", "com"];

/// What such a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallLine {
    pub(super) name: String,
    pub(super) with: Vec<(String, String)>,
    pub(super) condition: Option<String>,
}

impl CallLine {
    /// - Shape: `None` for a line without an arrow, and for one that points at something else.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (before, rest) = at_arrow(text.trim())?;
        let (what, rest) = rest.split_once(':')?;
        if !is_workflow(&vocabulary::fold(what.trim())) {
            return None;
        }
        let mut words = rest.split([' ', ',', '\u{a0}']).map(bare).filter(|word| !word.is_empty()).peekable();
        let name = words.next()?.trim_end_matches(['.', ';', '!']).to_owned();
        let mut with = Vec::new();
        while let Some(word) = words.peek() {
            match word.split_once('=') {
                Some((key, value)) if is_name(key) => {
                    with.push((key.to_owned(), unquoted(value).to_owned()));
                }
                _ if WITH.contains(&vocabulary::fold(word).as_str()) => {}
                _ => break,
            }
            words.next();
        }
        let after = words.collect::<Vec<_>>().join(" ");
        let depends = [before.trim(), after.as_str()].into_iter().find(|words| is_condition(words));
        let condition = depends.map(|words| words.trim_matches(['(', ')', ':', ' ', ';', '.']).to_owned());
        if condition.is_none() && !after.is_empty() && !after.starts_with('(') {
            // Words that say something else may change what is meant: then no name is guessed.
            return Some(Self { name: rest.trim().to_owned(), with: Vec::new(), condition: None });
        }
        Some(Self { name, with, condition })
    }
}

fn at_arrow(text: &str) -> Option<(&str, &str)> {
    let found = ARROWS.iter().filter_map(|arrow| Some((text.find(arrow)?, arrow.len())));
    let (at, length) = found.min()?;
    Some((text.get(..at)?, text.get(at + length..)?.trim_start()))
}

fn bare(word: &str) -> &str {
    word.trim_matches(['`', '*', ' '])
}

fn unquoted(value: &str) -> &str {
    let value = value.trim_end_matches(['.', ';', ')']);
    let quoted = |mark: char| value.strip_prefix(mark).and_then(|value| value.strip_suffix(mark));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

fn is_name(key: &str) -> bool {
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether words say when something is done, and with that: not always.
pub(super) fn is_condition(words: &str) -> bool {
    vocabulary::is_optional(words) || vocabulary::is_conditional(words)
}

/// Whether a block calls a workflow, which is work like a command.
pub(super) fn is_call(block: &Block) -> bool {
    let calls = |inline: &Inline| CallLine::of(&inline.text).is_some();
    match block {
        Block::Paragraph(inline) => calls(inline),
        Block::List(list) => list.items.iter().any(|item| item.blocks.iter().any(is_call)),
        Block::Quote(blocks) => blocks.iter().any(is_call),
        _ => false,
    }
}

impl Reader<'_> {
    /// The line as a call, and as the pointer that stands for it in a step.
    pub(super) fn call_line(
        &mut self,
        inline: &Inline,
        line: CallLine,
        condition: Option<String>,
        ids: &mut Numbering,
    ) -> (Call, Command) {
        let pointer = self.pointer(inline, "workflow", &line.name, ids);
        let call = self.call(&line.name, inline.span.clone());
        let condition = line.condition.or(condition);
        (Call { command: Some(pointer.id.clone()), with: line.with, condition, ..call }, pointer)
    }

    /// Notes that another workflow is called for, and whether it lies next to this one.
    pub(super) fn call(&mut self, name: &str, span: Range<usize>) -> Call {
        let files = super::sibling_files(self.file, name);
        let known = self.siblings_found.get(name).copied();
        let found = known.unwrap_or_else(|| files.iter().any(|file| (self.siblings)(file)));
        let call = Call {
            workflow: name.to_owned(),
            found,
            place: self.places.at(span.start),
            end_column: self.places.end_column(&span),
            command: None,
            with: Vec::new(),
            condition: None,
            answer: None,
        };
        if known.is_none() {
            self.siblings_found.insert(name.to_owned(), found);
            self.calls.push(call.clone());
        }
        if !found {
            self.findings.note(Rule::WorkflowNotFound, span, name.to_owned());
        }
        call
    }
}

/// The lines of a list that call a workflow, each with what it depends on.
pub(super) fn of_list(list: &List) -> Vec<(&Inline, CallLine, Option<String>)> {
    let mut found = Vec::new();
    for item in &list.items {
        let mut before: Option<&Inline> = None;
        for block in &item.blocks {
            let Block::Paragraph(inline) = block else { continue };
            if let Some(line) = CallLine::of(&inline.text) {
                let condition = before.map(|inline| inline.text.trim()).filter(|words| is_condition(words));
                found.push((inline, line, condition.map(str::to_owned)));
            }
            before = Some(inline);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, with: &[(&str, &str)], condition: Option<&str>) -> Option<CallLine> {
        let with = with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Some(CallLine { name: name.to_owned(), with, condition: condition.map(str::to_owned) })
    }

    #[test]
    fn a_line_names_a_workflow_what_it_passes_and_when() {
        for (text, expected) in [
            ("→ workflow: rollback", call("rollback", &[], None)),
            (
                "-> Workflow : rollback VERSION=v1.1.0, with TAG=\"a\".",
                call("rollback", &[("VERSION", "v1.1.0"), ("TAG", "a")], None),
            ),
            (
                "If the smoke tests fail → workflow: rollback",
                call("rollback", &[], Some("If the smoke tests fail")),
            ),
            (
                "→ workflow : rollback si les tests échouent",
                call("rollback", &[], Some("si les tests échouent")),
            ),
            ("→ skill: git", None),
            ("the workflow: rollback", None),
        ] {
            assert_eq!(CallLine::of(text), expected, "{text}");
        }
    }

    #[test]
    fn words_that_say_something_else_guess_no_name() {
        let told = CallLine::of("→ workflow: deploy to staging first");
        assert_eq!(told, call("deploy to staging first", &[], None));
        assert_eq!(CallLine::of("→ workflow: deploy (see below)"), call("deploy", &[], None));
    }
}
