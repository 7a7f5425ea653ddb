//! One state of a document with everything that it calls, and how two of them differ.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calls::CalledFiles;
use super::model::Workflow;
use super::settled::Settled;
use super::{Source, placed, read_settled};

/// A document as it lies on disk, or lay there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Edition {
    pub text: String,
    #[serde(default)]
    pub called: CalledFiles,
}

impl Edition {
    /// What it means; `file` is the name of the document, `settled` what people said of its blocks.
    pub fn workflow(&self, file: &str, settled: &Settled) -> Workflow {
        let source = Source { file, bytes: self.text.as_bytes(), siblings: &|_| false };
        let plain = read_settled(source, settled);
        placed(plain, &Arc::new(self.called.clone()))
    }

    /// Whether a workflow was read from just this. One whose calls nobody looked for is compared by its
    /// own text alone.
    pub fn is_of(&self, workflow: &Workflow) -> bool {
        self.text == workflow.text && workflow.called.as_ref().is_none_or(|called| **called == self.called)
    }

    /// Units: bytes.
    pub fn size(&self) -> usize {
        self.text.len() + self.called.texts.values().map(String::len).sum::<usize>()
    }
}

impl Workflow {
    pub fn edition(&self) -> Edition {
        let called = self.called.as_deref().cloned().unwrap_or_default();
        Edition { text: self.text.clone(), called }
    }

    /// How another edition differs from what this was read from: file by file, its own first.
    pub fn differences(&self, other: &Edition) -> Vec<(String, Vec<LineChange>)> {
        let mut found = vec![(self.file.clone(), line_changes(&self.text, &other.text))];
        let own = self.called.as_deref().cloned().unwrap_or_default();
        let names = own.texts.keys().chain(other.called.texts.keys());
        let mut names: Vec<&String> = names.collect();
        names.sort();
        names.dedup();
        for name in names {
            let text = |files: &CalledFiles| files.texts.get(name).cloned().unwrap_or_default();
            found.push((name.clone(), line_changes(&text(&own), &text(&other.called))));
        }
        found.retain(|(_, changes)| !changes.is_empty());
        found
    }
}

/// A line that is only in one of two texts, with its number there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineChange {
    Gone(usize, String),
    New(usize, String),
}

/// Above this many lines on a side the middle is told as replaced: the comparison is quadratic.
const COMPARED: usize = 600;

/// The lines by which two texts differ, in their order.
pub fn line_changes(before: &str, after: &str) -> Vec<LineChange> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(&new).take_while(same).count();
    let room = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(room).take_while(same).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let gone = |at: usize| LineChange::Gone(head + at + 1, old.get(at).map_or("", |line| line).to_owned());
    let come = |at: usize| LineChange::New(head + at + 1, new.get(at).map_or("", |line| line).to_owned());
    let mut changes = Vec::new();
    let (mut i, mut j) = (0, 0);
    if old.len() <= COMPARED && new.len() <= COMPARED {
        let common = common_lengths(old, new);
        let at = |i: usize, j: usize| common.get(i * (new.len() + 1) + j).copied().unwrap_or(0);
        while i < old.len() && j < new.len() {
            if old.get(i) == new.get(j) {
                (i, j) = (i + 1, j + 1);
            } else if at(i + 1, j) >= at(i, j + 1) {
                changes.push(gone(i));
                i += 1;
            } else {
                changes.push(come(j));
                j += 1;
            }
        }
    }
    changes.extend((i..old.len()).map(gone));
    changes.extend((j..new.len()).map(come));
    changes
}

/// How many lines the rests from `i` and `j` have in common, in order, by `i * (new + 1) + j`.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<u32> {
    let width = new.len() + 1;
    let mut lengths = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let of = |i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or(0);
            let length =
                if old.get(i) == new.get(j) { of(i + 1, j + 1) + 1 } else { of(i + 1, j).max(of(i, j + 1)) };
            if let Some(slot) = lengths.get_mut(i * width + j) {
                *slot = length;
            }
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_in_the_middle_is_told_with_its_numbers() {
        let found = line_changes("a\nb\nc\n", "a\nB\nx\nc\n");
        let expected =
            [LineChange::Gone(2, "b".into()), LineChange::New(2, "B".into()), LineChange::New(3, "x".into())];
        assert_eq!(found, expected);
        assert_eq!(line_changes("a\n", "a\n"), []);
    }

    proptest! {
        #[test]
        fn the_changes_make_one_text_of_the_other(old in "[abc\n]{0,60}", new in "[abc\n]{0,60}") {
            let changes = line_changes(&old, &new);
            let gone: Vec<usize> = changes.iter().filter_map(|change| match change {
                LineChange::Gone(at, _) => Some(*at),
                LineChange::New(..) => None,
            }).collect();
            let mut kept = old.lines().enumerate().filter(|(at, _)| !gone.contains(&(at + 1))).map(|(_, line)| line);
            let mut made = Vec::new();
            for (at, line) in new.lines().enumerate() {
                let come = changes.iter().any(|change| matches!(change, LineChange::New(n, _) if *n == at + 1));
                made.push(if come { line } else { kept.next().unwrap_or("?") });
            }
            prop_assert_eq!(made, new.lines().collect::<Vec<_>>());
            prop_assert_eq!(kept.next(), None);
        }
    }
}
