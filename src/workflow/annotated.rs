//! What annotations add to a workflow: terms of a step, a command or a check beside its prose.

use super::model::{CheckId, CommandId, CriterionKind, Place, RoleName};

/// One key of an annotation that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub place: Place,
    /// Where the caret ends, exclusive; on the same line as `place`.
    pub end_column: usize,
    /// As it stands in the document: `soak=1h..2h`.
    pub text: String,
    /// The line of what it is about: a heading, an item, the first line of a block.
    pub about: Place,
    /// What it takes from a gate, in words; a reader of the rendered page cannot see it.
    pub weakens: Option<String>,
    /// What held without it, when it says something else than the prose.
    pub instead_of: Option<String>,
}

/// Something that another item can wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    Check(CheckId),
    Command(CommandId),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepTerms {
    pub roles: Vec<RoleName>,
    /// The only role that may end the soak early.
    pub released_by: Option<RoleName>,
    /// What an annotation took from its gates, in words.
    pub weakened: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckTerms {
    pub roles: Vec<RoleName>,
    /// Always applies.
    pub killer: bool,
    /// Closed, or succeeded, before this one may be answered.
    pub after: Vec<Before>,
    pub gate: Option<CheckGate>,
    /// Why only an override with a reason closes it: its gate cannot be read, or not be kept.
    pub hold: Option<String>,
    pub weakened: Vec<String>,
}

/// What answers a check in place of a person.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckGate {
    /// Exit 0 passes, anything else does not.
    Command(CommandId),
    Metric(MetricGate),
    Rollout(RolloutGate),
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricGate {
    /// Each is met when it must not be; never [`CriterionKind::Declared`].
    pub limits: Vec<CriterionKind>,
    /// For how long every reading must pass. Units: seconds on the release clock.
    pub for_s: u64,
}

/// A rollout that must be complete and of this release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutGate {
    pub kind: super::model::Kind,
    pub name: String,
    pub namespace: Option<String>,
    pub context: Option<String>,
    /// More restarts than this of any of its pods do not pass.
    pub max_restarts: Option<u32>,
    /// Longer than this since the last command of its step is said to be late. Units: seconds on
    /// the release clock.
    pub timeout_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommandTerms {
    pub roles: Vec<RoleName>,
    pub after: Vec<Before>,
    /// Units: seconds of wall time.
    pub timeout_s: Option<u64>,
    /// Between TERM and KILL. Units: seconds of wall time.
    pub grace_s: Option<u64>,
    /// Below the release's own directory; never absolute, never out of it.
    pub directory: Option<String>,
    /// In the order of the document.
    pub env: Vec<(String, String)>,
    /// A word to type before it runs.
    pub confirm: Option<Word>,
    pub risk: Option<Risk>,
    /// The alternative that is offered first.
    pub choose: Option<usize>,
    pub weakened: Vec<String>,
}

/// Which word is typed before a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    Context,
    Namespace,
    /// The name of the first target.
    Target,
    Param(String),
}

impl Word {
    /// As the operator is asked for it.
    pub fn label(&self) -> &str {
        match self {
            Word::Context => "context",
            Word::Namespace => "namespace",
            Word::Target => "target",
            Word::Param(name) => name,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    Read,
    Local,
    Prod,
    Irreversible,
}

impl Risk {
    pub fn as_str(self) -> &'static str {
        match self {
            Risk::Read => "read",
            Risk::Local => "local",
            Risk::Prod => "prod",
            Risk::Irreversible => "irreversible",
        }
    }
}
