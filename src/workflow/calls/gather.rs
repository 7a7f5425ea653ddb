//! Everything that a document calls, asked for once.

use std::collections::BTreeSet;

use super::super::model::{Language, Workflow};
use super::super::{Source, read};
use super::{Call, CallAnswer, CalledFiles, CalledFrom};

/// As many files as one release calls; what calls more is no workflow that a person can follow.
const MOST_FILES: usize = 64;

/// What they may have together: they are kept in the journal. Units: bytes.
const LARGEST: usize = 2 << 20;

/// Where workflows are looked for by name.
pub trait Shelf {
    /// Every file of that name, the nearest first, as seen from the file that asks; from the release's
    /// own document when that is `None`.
    fn find(&self, by: Option<&str>, name: &str, language: Language) -> Vec<(String, CalledFrom)>;

    /// The text of a file that [`Shelf::find`] named; `None` when it cannot be read.
    fn text(&self, file: &str) -> Option<String>;
}

/// Asks for everything that a document calls, and for what those call in turn.
///
/// - Shape: a text for every file that may be placed; a call that nothing answers has no answer.
/// - Cost: each file is read once, 64 of them and two megabytes at most.
pub fn gather(workflow: &Workflow, shelf: &dyn Shelf) -> CalledFiles {
    let mut files = CalledFiles::default();
    let mut open = ask(None, workflow, &mut files, shelf);
    let mut n_bytes = 0;
    while let Some(file) = open.pop() {
        if files.texts.contains_key(&file) || files.texts.len() >= MOST_FILES {
            continue;
        }
        let Some(text) = shelf.text(&file).filter(|text| n_bytes + text.len() <= LARGEST) else { continue };
        n_bytes += text.len();
        let called = read(Source { file: &file, bytes: text.as_bytes(), siblings: &|_| false });
        files.texts.insert(file.clone(), text);
        open.extend(ask(Some(&file), &called, &mut files, shelf));
    }
    files
}

/// - Shape: the files whose words are placed, or may be.
fn ask(by: Option<&str>, workflow: &Workflow, files: &mut CalledFiles, shelf: &dyn Shelf) -> Vec<String> {
    let placed: BTreeSet<&str> = in_steps(workflow).map(|call| call.workflow.as_str()).collect();
    let mut wanted = Vec::new();
    for call in &workflow.calls {
        let found = shelf.find(by, &call.workflow, workflow.language);
        let mut found = found.into_iter();
        let Some((file, from)) = found.next() else { continue };
        if placed.contains(call.workflow.as_str()) {
            wanted.push(file.clone());
        }
        // That gonogo brings one along as well is nothing to be told of.
        let others = found.filter(|(_, from)| *from != CalledFrom::BuiltIn).map(|(file, _)| file).collect();
        let (by, name) = (by.map(str::to_owned), call.workflow.clone());
        files.answers.push(CallAnswer { by, name, file, from, others });
    }
    wanted
}

/// The calls that stand in steps and always hold.
pub(super) fn in_steps(workflow: &Workflow) -> impl Iterator<Item = &Call> {
    workflow.steps.iter().flat_map(|step| &step.calls).filter(|call| call.condition.is_none())
}
