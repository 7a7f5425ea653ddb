//! Workflows that a document calls: who answers a call, and the called steps in the caller's place.
//!
//! [`gather`] asks a [`Shelf`] once for everything that a document calls, [`placed`] puts it in place
//! from those answers alone: a journal keeps them, so that its release is the same one on any machine
//! and on any later day.

mod bound;
mod gather;
mod part;
mod place;
#[cfg(test)]
mod tests;
mod under;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use bound::Bound;
pub use gather::{Shelf, gather};
pub use place::placed;

use super::annotated::Applied;
use super::model::{CommandId, Param, Place, Step, Workflow};

/// A call within a call within a call: deeper than this nobody knows where they are.
pub const DEEPEST: usize = 8;

/// A document that names another workflow to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub workflow: String,
    /// Whether a file of that name answers, next to the document or further up its search path.
    pub found: bool,
    pub place: Place,
    /// Where the caret ends, exclusive; on the same line as `place`.
    pub end_column: usize,
    /// The line of a step that stands for it; `None` in the head and in the rollback section.
    pub command: Option<CommandId>,
    /// What the line passes: `VERSION=v1.1.0`, in its order.
    pub with: Vec<(String, String)>,
    /// When it is called, if not always: `if the smoke tests fail`.
    pub condition: Option<String>,
    /// Who answers it, once that was asked.
    pub answer: Option<CallAnswer>,
}

impl Call {
    /// What answers it and what does not, for plan and panel.
    pub fn answer_words(&self) -> String {
        match &self.answer {
            Some(answer) => answer.to_string(),
            None if self.found => "found beside this file".to_owned(),
            None => "? not found beside this file".to_owned(),
        }
    }
}

/// From where a workflow comes that is asked for by its name; the nearer first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalledFrom {
    /// Next to the document that names it.
    Beside,
    /// `workflows/` of the repository.
    Repository,
    /// `$XDG_CONFIG_HOME/gonogo/workflows`.
    User,
    /// The library that gonogo brings along.
    BuiltIn,
}

impl CalledFrom {
    /// As machines read it.
    pub fn as_str(self) -> &'static str {
        match self {
            CalledFrom::Beside => "beside",
            CalledFrom::Repository => "repository",
            CalledFrom::User => "user",
            CalledFrom::BuiltIn => "built-in",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            CalledFrom::Beside => "beside this file",
            CalledFrom::Repository => "in the repository's workflows",
            CalledFrom::User => "among your own workflows",
            CalledFrom::BuiltIn => "built in",
        }
    }
}

/// Which file answers a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAnswer {
    /// The file that asks; the release's own document when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub name: String,
    pub file: String,
    pub from: CalledFrom,
    /// Files of the same name that are further away and not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

impl fmt::Display for CallAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            CalledFrom::BuiltIn => write!(f, "the built-in one, offered beside the document's own words"),
            from => write!(f, "{}  found {}", self.file, from.words()),
        }
    }
}

/// Everything that a document calls, as it was found when the release started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CalledFiles {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CallAnswer>,
    /// The texts of those that are placed, by file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, String>,
}

impl CalledFiles {
    pub(super) fn answer(&self, by: Option<&str>, name: &str) -> Option<&CallAnswer> {
        self.answers.iter().find(|answer| answer.by.as_deref() == by && answer.name == name)
    }
}

/// A workflow that stands in its caller's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// What the ids of its steps begin with: `deploy/rollback`.
    pub path: String,
    /// As the line calls it.
    pub name: String,
    pub file: String,
    pub from: CalledFrom,
    /// Of the line that calls, in its own file.
    pub place: Place,
    /// 1 for what the release's own document calls.
    pub depth: usize,
    pub title: String,
    /// The whole document, for carets and substitutions.
    pub text: Arc<str>,
    pub params: Vec<Param>,
    /// Where the value of each of its parameters comes from.
    pub bound: BTreeMap<String, Bound>,
    pub annotations: Vec<Applied>,
}

impl Called {
    /// `rollback  (ops/rollback.md, VERSION=v1.1.0)`.
    pub fn words(&self) -> String {
        let given = self.bound.iter().filter(|(name, bound)| **bound != Bound::Of((*name).clone()));
        let given: String = given.map(|(name, bound)| format!(", {name}={bound}")).collect();
        format!("{}  ({}, {}{given})", self.name, self.file, self.from.words())
    }
}

impl Workflow {
    /// The workflows that stand in its steps, in their order.
    pub fn called_workflows(&self) -> Vec<&Called> {
        let mut known: Vec<&Called> = Vec::new();
        for called in self.steps.iter().filter_map(|step| step.called.as_deref()) {
            if !known.iter().any(|other| other.path == called.path) {
                known.push(called);
            }
        }
        known
    }

    /// The steps that are written in the document itself, each heading once.
    pub fn own_steps(&self) -> Vec<&Step> {
        let mut own: Vec<&Step> = Vec::new();
        for step in self.steps.iter().filter(|step| step.called.is_none()) {
            if own.last().is_none_or(|last| last.place != step.place) {
                own.push(step);
            }
        }
        own
    }

    /// The file that a step is written in.
    pub fn file_of<'w>(&'w self, step: &'w Step) -> &'w str {
        step.called.as_ref().map_or(self.file.as_str(), |called| called.file.as_str())
    }

    /// What annotations took from gates, in the document and in what it calls, with the file of the latter.
    pub fn weakened(&self) -> Vec<(Option<&str>, &Applied)> {
        let own = self.annotations.iter().map(|applied| (None, applied));
        let called = self.called_workflows();
        let called = called
            .into_iter()
            .flat_map(|it| it.annotations.iter().map(|known| (Some(it.file.as_str()), known)));
        own.chain(called).filter(|(_, applied)| applied.weakens.is_some()).collect()
    }
}
