//! A release workflow as plain data: what the Markdown file says, and where it says it.
//!
//! Everything here is decided by reading the document alone. What happens to it during a release
//! is the business of `release`; nothing in this file changes once it was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use super::annotated::*;
pub use super::calls::{Bound, Call, CallAnswer, Called, CalledFiles, CalledFrom};
use super::infer::{ANYONE, programs};
use super::interpreter::Interpreter;
use super::nginx::NginxSite;
pub use super::param_kind::ParamKind;
use super::settled::{Settled, Settling};

/// A place in the document, for people: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

id!(
    /// A step by its accent-free slug, such as `creer-le-tag`; unique in its workflow.
    StepId
);
id!(
    /// A command by slug path: `creer-le-tag/command-1`, `rollback/command-1`.
    CommandId
);
id!(
    /// A check by slug path: `preparation/changelog-prepare`; outputs are `outputs/…`.
    CheckId
);
id!(
    /// A gate by slug: `pre-requis`.
    GateId
);
id!(
    /// A rollback criterion by slug: `taux-d-erreur`.
    CriterionId
);
id!(
    /// A role as the document writes it: `tech-lead`.
    RoleName
);

/// One Markdown file, understood.
///
/// - Shape: gates come before all steps; steps are in document order.
/// - Source: read by `workflow::read`, never written back.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// The path as the operator gave it.
    pub file: String,
    /// Lower-case hexadecimal SHA-256 of the file's bytes.
    pub sha256: String,
    /// The whole document: snapshots, carets and the operator's own reading need it.
    pub text: String,
    pub name: String,
    pub description: Option<String>,
    pub title: String,
    pub language: Language,
    pub goal: Option<String>,
    pub roles: Vec<Role>,
    /// Each name once, wherever it is called.
    pub calls: Vec<Call>,
    /// What was found for its calls; `None` as long as nobody asked.
    pub called: Option<Arc<CalledFiles>>,
    /// What people said of unclear blocks, by which this was read.
    pub settled: Settled,
    pub params: Vec<Param>,
    /// In release order; a rollback goes through them in reverse.
    pub targets: Vec<Target>,
    /// The nginx that sends everybody to one of two copies (`nginx:`).
    pub nginx: Option<NginxSite>,
    /// What no rollback brings back, in the document's words (`irreversible:`).
    pub irreversible: Vec<String>,
    pub gates: Vec<Gate>,
    pub steps: Vec<Step>,
    /// Postconditions, confirmed at the end; some can be sensed.
    pub outputs: Vec<Check>,
    pub rollback: RollbackSection,
    pub errors: Vec<KnownError>,
    pub escalation: Vec<Escalation>,
    /// What its annotations say, in document order.
    pub annotations: Vec<Applied>,
    /// Its query blocks, by the metric that they answer.
    pub queries: BTreeMap<Metric, Query>,
    /// Ordered by severity, then rule, then line; one per rule, further places inside.
    pub diagnostics: Vec<Diagnostic>,
}

impl Workflow {
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| &step.id == id)
    }

    /// Whom a release asks or may call, each once, and whether somebody must answer for them: the roles
    /// of the head, those that a poll or a check asks besides, then those that are only to be called.
    ///
    /// - Shape: somebody answers in any case; where a document asks for nobody, whoever operates it.
    pub fn people(&self) -> Vec<(RoleName, bool)> {
        let declared = self.roles.iter().filter(|role| role.declared).map(|role| &role.name);
        let polled = self.steps.iter().filter_map(|step| step.poll.as_ref()).flat_map(|poll| &poll.roles);
        let signing = self.checks().filter(|check| check.annotated.sign_off.is_some());
        let signing = signing.flat_map(|check| &check.annotated.roles);
        let mut answering: Vec<RoleName> = declared.chain(polled).chain(signing).cloned().collect();
        if answering.is_empty() {
            answering.push(RoleName(ANYONE.to_owned()));
        }
        let called = self.roles.iter().map(|role| (role.name.clone(), false));
        let mut people: Vec<(RoleName, bool)> = Vec::new();
        for (role, answers) in answering.into_iter().map(|role| (role, true)).chain(called) {
            if !people.iter().any(|(known, _)| *known == role) {
                people.push((role, answers));
            }
        }
        people
    }

    /// Every command, in document order: those of the steps, then those of the rollback section.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.steps.iter().flat_map(|step| &step.commands).chain(&self.rollback.commands)
    }

    pub fn command(&self, id: &CommandId) -> Option<&Command> {
        self.commands().find(|command| &command.id == id)
    }

    /// Every check of gates, steps and outputs, in the order a person meets them.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        let gates = self.gates.iter().flat_map(|gate| &gate.checks);
        let steps = self.steps.iter().flat_map(Step::checks);
        gates.chain(steps).chain(&self.outputs)
    }

    pub fn check(&self, id: &CheckId) -> Option<&Check> {
        self.checks().find(|check| &check.id == id)
    }

    /// What its checks are bound to, each once.
    pub fn probes(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        for probe in self.checks().filter_map(|check| check.probe) {
            if !probes.contains(&probe) {
                probes.push(probe);
            }
        }
        probes
    }

    pub fn criterion(&self, id: &CriterionId) -> Option<&Criterion> {
        self.rollback.criteria.iter().find(|criterion| &criterion.id == id)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "fr")]
    French,
    #[serde(rename = "en")]
    English,
    #[serde(rename = "de")]
    German,
    #[serde(rename = "es")]
    Spanish,
    #[serde(rename = "pt")]
    Portuguese,
}

impl Language {
    /// In the order in which they are offered.
    pub const ALL: [Language; 5] =
        [Language::English, Language::French, Language::German, Language::Spanish, Language::Portuguese];

    /// As in file names and on the command line: `fr`.
    pub fn code(self) -> &'static str {
        match self {
            Language::French => "fr",
            Language::English => "en",
            Language::German => "de",
            Language::Spanish => "es",
            Language::Portuguese => "pt",
        }
    }

    pub fn of_code(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code() == code)
    }

    /// Its English name.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::French => "French",
            Language::English => "English",
            Language::German => "German",
            Language::Spanish => "Spanish",
            Language::Portuguese => "Portuguese",
        }
    }
}

/// A role of the frontmatter's roster or of the escalation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub name: RoleName,
    /// Whether the frontmatter's `roles:` names it; polls ask declared roles only.
    pub declared: bool,
}

/// A value that the document repeats as a literal and a release supplies anew.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Param {
    pub name: String,
    pub kind: ParamKind,
    /// Whether the head names it; the kind of any other one is only told by its name.
    pub declared: bool,
    /// Offered to begin with, where the head has one.
    pub preset: Option<String>,
    /// What it is for, in the author's words.
    pub about: Option<String>,
    /// The literal as it stands in the document: an example, not a value to run with.
    pub default: String,
    /// What stands for the value beside the literal: `<version>`, `X.Y.Z`.
    pub placeholders: Vec<String>,
    /// A value worth offering, which only the caller can know.
    pub offer: Option<Offer>,
    pub occurrences: Vec<Place>,
    /// Whether a called workflow writes its value into its text.
    pub written_below: bool,
}

/// A value that a caller with a clock and a repository can offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offer {
    /// Today's date, as `2026-11-22`; each place writes it in its own way.
    Today,
    /// The version after the newest tag.
    NextSemver,
}

/// The kinds of workload a release can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Rollout,
}

impl Kind {
    /// As kubectl writes it: `deployment`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Deployment => "deployment",
            Kind::StatefulSet => "statefulset",
            Kind::DaemonSet => "daemonset",
            Kind::Rollout => "rollout",
        }
    }
}

/// A workload as the document names it; what it leaves out comes from flags, config or kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    pub kind: Kind,
    pub name: String,
    pub namespace: Option<String>,
    pub context: Option<String>,
    pub container: Option<String>,
}

/// A document-level group of checks that must close before anything runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    pub id: GateId,
    pub title: String,
    pub place: Place,
    pub checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub id: StepId,
    /// The number in the heading, if it has one.
    pub number: Option<u32>,
    /// The heading without its number.
    pub title: String,
    pub place: Place,
    /// The prose before the first command or check, on one line.
    pub caption: Option<String>,
    pub commands: Vec<Command>,
    pub groups: Vec<Group>,
    /// Commands and groups as the document orders them.
    pub order: Vec<Item>,
    /// A go/no-go poll that closes the step.
    pub poll: Option<Poll>,
    pub soak: Option<Soak>,
    /// Whether the step acts on production, or comes after one that does.
    pub production: bool,
    /// Whether the release waits for it; a communication step may end "pending".
    pub gating: bool,
    /// The lines of it that call another workflow and stand for themselves; see [`Step::called`].
    pub calls: Vec<Call>,
    /// The called workflow that it belongs to; `None` for a step of the document itself.
    pub called: Option<Arc<Called>>,
    pub annotated: StepTerms,
}

impl Step {
    /// Its title with its number, and under which calls it stands: `↳ rollback · 2 Return`.
    pub fn heading(&self) -> String {
        let number = self.number.map(|number| format!("{number} ")).unwrap_or_default();
        match &self.called {
            None => format!("{number}{}", self.title),
            Some(called) => {
                let inside = "  ".repeat(called.depth.saturating_sub(1));
                format!("{inside}↳ {} · {number}{}", called.name, self.title)
            }
        }
    }

    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.groups.iter().flat_map(|group| &group.checks)
    }
}

/// An index into a step's `commands` or `groups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    Command(usize),
    Group(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// In the frontmatter's order.
    pub roles: Vec<RoleName>,
}

/// A minimum watching time. Units: seconds on the release clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soak {
    pub min_s: u64,
    pub max_s: u64,
}

/// Checks that stand together; a titled one may carry a timebox.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub title: Option<String>,
    pub place: Place,
    /// A countdown that passes and fails nothing. Units: seconds on the release clock.
    pub timebox_s: Option<u64>,
    pub checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub id: CheckId,
    pub place: Place,
    pub text: String,
    /// May be answered "not applicable".
    pub optional: bool,
    /// Who is named for it in its words: `@ana`, `QA`.
    pub owners: Vec<String>,
    /// What answers it by itself, if anything does.
    pub probe: Option<Probe>,
    /// What belongs beside it while a person decides; empty when the prose gives no hint.
    pub evidence: Vec<EvidenceKind>,
    pub annotated: CheckTerms,
}

impl Check {
    /// Whether something else than a person answers it.
    pub fn is_sensed(&self) -> bool {
        self.probe.is_some() || self.annotated.gate.is_some()
    }
}

/// Something gonogo can sense and that settles a check without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Every target's rollout is complete and carries the released version.
    RolloutComplete,
    /// The release's tag exists on the remote.
    TagPushed,
}

/// A reading worth seeing beside a manual check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// The rollout's state and counts.
    Rollout,
    /// Health endpoint with its sub-checks.
    Health,
    ErrorRate,
    Latency,
    RequestRate,
    Restarts,
    /// Error lines of the followed pods.
    Logs,
    /// All rollback criteria at once.
    Criteria,
    /// The last command of the same step: exit code and age.
    Command,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    pub id: CommandId,
    /// The first line of the code, not of its fence.
    pub place: Place,
    /// The fence's first word, lower case; empty when it has none.
    pub language: String,
    /// A leading comment or the sentence before the block.
    pub caption: Option<String>,
    pub kind: CommandKind,
    /// What the block is, whatever its label says.
    pub class: BlockClass,
    /// There for a block of which a person says whether it runs.
    pub settling: Option<Settling>,
    /// The block as it stands in the document, without its fence, prompts and answers, ending in a
    /// newline; before it the lines that carry what an earlier block has set.
    pub text: String,
    /// What the document says to mind before running it.
    pub warnings: Vec<String>,
    /// At least two for [`CommandKind::Choice`], else empty.
    pub choices: Vec<Choice>,
    pub annotated: CommandTerms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandKind {
    /// Runs as a whole when the operator says so.
    Run,
    /// Exclusive alternatives: nothing runs until one is chosen.
    Choice,
    /// Follows something without end; feeds a pane and is never awaited.
    Stream,
    /// A command in the words of a check: runs when asked for, and nothing waits for it.
    Offer,
    /// Comments only: shown, nothing to run.
    Note,
    /// Not a shell block, or a pointer to something outside: shown, never run.
    Reference,
}

impl Command {
    /// The programs that it starts, of all its alternatives, as far as its text names them, and the shell
    /// that the document names for it.
    pub fn programs(&self) -> Vec<String> {
        let shell = self.annotated.shell.as_ref();
        let mut programs: Vec<String> = shell.map(|shell| shell.program().to_owned()).into_iter().collect();
        // A language of another kind is not read here.
        if shell.is_none_or(Interpreter::stops_at_failure) {
            let texts = self.choices.iter().filter_map(|choice| choice.text.as_deref());
            programs.extend(programs::started(&self.text));
            programs.extend(texts.flat_map(programs::started));
        }
        programs.sort();
        programs.dedup();
        programs
    }
}

/// What a block is to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockClass {
    Runnable,
    /// What a program printed.
    Output,
    /// For people: an announcement, release notes.
    Message,
    /// A file or a query: YAML, JSON, a diff.
    Data,
    /// A whole program, to be kept in a file and called.
    Script,
    /// No block: a line that points at a skill or a workflow.
    Pointer,
    /// May be commands or not: shown, and never run by gonogo.
    Unsure,
    /// The same, and a person said that it is something to read.
    SaidText,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub label: String,
    /// `None` when the alternative means "nothing to run".
    pub text: Option<String>,
    /// A warning to read before choosing it, such as a second deploy; empty when there is none.
    pub warning: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct RollbackSection {
    /// Whether the document has such a section at all.
    pub present: bool,
    pub calls: Vec<Call>,
    pub commands: Vec<Command>,
    pub criteria: Vec<Criterion>,
    pub policy: Option<Policy>,
}

/// `rollback: {auto: […], countdown: 30s}` of the frontmatter: proposed, in force only once a
/// person accepted it for this release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub auto: Vec<CriterionId>,
    pub countdown_s: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    pub id: CriterionId,
    pub place: Place,
    pub text: String,
    pub kind: CriterionKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CriterionKind {
    /// Breached when the metric is beyond `value`, in `unit` (`%`, `ms`, or empty).
    Threshold { metric: Metric, operator: Operator, value: f64, unit: String },
    /// Breached when the metric is beyond `factor` times its baseline from before the change.
    Ratio { metric: Metric, operator: Operator, factor: f64 },
    /// Only a person can say so.
    Declared,
}

impl CriterionKind {
    /// What is read for it; nothing where a person says so.
    pub fn metric(&self) -> Option<Metric> {
        match self {
            CriterionKind::Threshold { metric, .. } | CriterionKind::Ratio { metric, .. } => Some(*metric),
            CriterionKind::Declared => None,
        }
    }
}

/// The four series gonogo knows how to ask for; their expressions are configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    ErrorRate,
    LatencyP95,
    RequestRate,
    Restarts,
}

impl Metric {
    pub fn words(self) -> &'static str {
        match self {
            Metric::ErrorRate => "error rate",
            Metric::LatencyP95 => "latency p95",
            Metric::RequestRate => "request rate",
            Metric::Restarts => "restarts",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    #[serde(rename = ">")]
    Above,
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "<")]
    Below,
    #[serde(rename = "<=")]
    AtMost,
}

/// A row of the error table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownError {
    pub place: Place,
    pub error: String,
    pub cause: String,
    pub solution: String,
    /// Sections or workflows that the solution points at, such as `rollback`.
    pub links: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    pub place: Place,
    pub trigger: String,
    pub roles: Vec<RoleName>,
    /// What the line asks for beside calling somebody: `rollback`, `communication`.
    pub actions: Vec<String>,
    /// All that the line says of whom and how: a channel or a number stands there, too.
    pub answer: String,
    /// For how long there was trouble before it is its turn, where the line says so. Units: seconds.
    pub after_s: Option<u64>,
}

/// What a reader of the document should know before running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    pub place: Place,
    /// Where the caret ends, exclusive; on the same line as `place`.
    pub end_column: usize,
    pub message: String,
    /// The way out.
    pub help: String,
    pub related: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Info,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// The rules, in the order in which a report lists them. The first ten codes are permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    TagMessageLosesComments,
    ChoiceNeeded,
    PushBesideTag,
    LiteralVersion,
    WorkflowNotFound,
    RoleUndeclared,
    ReferenceNotRun,
    Stream,
    RatioWithoutPercentile,
    NoAutomaticCheck,
    /// The YAML head cannot be read.
    FrontmatterBroken,
    /// A frontmatter key of ours has a value that we do not understand.
    FrontmatterValue,
    /// The text looks like UTF-8 that was decoded as something else.
    Mojibake,
    /// No step was found, so there is nothing to walk through.
    NoSteps,
    /// More checks stand together than a person reads with care.
    LongChecklist,
    /// A box is already ticked in the file; state lives in the journal.
    TickedInFile,
    /// A fence is never closed.
    UnclosedFence,
    /// The bytes are no UTF-8.
    NotUtf8,
    /// A quote, heredoc or compound command of a block is never closed.
    ShellUnclosed,
    /// A character that shows something else than what runs.
    HiddenCharacter,
    /// A command rolls back by itself when something in it fails.
    RollbackInsideCommand,
    /// Boxes stand where no step leads.
    UnclassifiedTasks,
    /// A watching time whose unit is misspelt.
    DurationUnknown,
    /// A criterion with a number on something that gonogo does not measure.
    CriterionNotMeasured,
    /// A secret that the document would have written into a command or a check.
    SecretInText,
    /// An annotation that cannot be read.
    AnnotationSyntax,
    /// A gate of an annotation that cannot be read or kept: it became a manual hold.
    AnnotationHeld,
    /// `--` in a comment behind other words: GitHub shows such a comment as text.
    AnnotationDoubleDash,
    /// A key of an annotation that gonogo does not know.
    AnnotationKey,
    /// A value of an annotation that its key does not take.
    AnnotationValue,
    /// An annotation with nothing near it that could carry its keys.
    AnnotationMisplaced,
    /// A key that gonogo does not keep here, because something stricter holds.
    AnnotationNotHonoured,
    /// An annotation that takes something from a gate, unseen by whoever reads the rendered page.
    AnnotationWeakens,
    /// A call that is held instead of followed: a circle, too deep, or not to be understood.
    CallRefused,
    /// A called workflow acts on something that the caller does not name as its target.
    CallTarget,
    /// A called workflow has errors of its own.
    CalledErrors,
    /// Two files answer one call: the nearer is taken.
    CallShadowed,
    /// A section of a called workflow that the caller's own takes the place of.
    CallLeftOut,
}

impl Code {
    /// As a report and the JSON plan write it: `tag-message-loses-comments`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::TagMessageLosesComments => "tag-message-loses-comments",
            Code::ChoiceNeeded => "choice-needed",
            Code::PushBesideTag => "push-beside-tag",
            Code::LiteralVersion => "literal-version",
            Code::WorkflowNotFound => "workflow-not-found",
            Code::RoleUndeclared => "role-undeclared",
            Code::ReferenceNotRun => "reference-not-run",
            Code::Stream => "stream",
            Code::RatioWithoutPercentile => "ratio-without-percentile",
            Code::NoAutomaticCheck => "no-automatic-check",
            Code::FrontmatterBroken => "frontmatter-broken",
            Code::FrontmatterValue => "frontmatter-value",
            Code::Mojibake => "mojibake",
            Code::NoSteps => "no-steps",
            Code::LongChecklist => "long-checklist",
            Code::TickedInFile => "ticked-in-file",
            Code::UnclosedFence => "unclosed-fence",
            Code::NotUtf8 => "not-utf8",
            Code::ShellUnclosed => "shell-unclosed",
            Code::HiddenCharacter => "hidden-character",
            Code::RollbackInsideCommand => "rollback-inside-command",
            Code::UnclassifiedTasks => "unclassified-tasks",
            Code::DurationUnknown => "duration-unknown",
            Code::CriterionNotMeasured => "criterion-not-measured",
            Code::SecretInText => "secret-in-text",
            Code::AnnotationSyntax => "annotation-syntax",
            Code::AnnotationHeld => "annotation-held",
            Code::AnnotationDoubleDash => "annotation-double-dash",
            Code::AnnotationKey => "annotation-key",
            Code::AnnotationValue => "annotation-value",
            Code::AnnotationMisplaced => "annotation-misplaced",
            Code::AnnotationNotHonoured => "annotation-not-honoured",
            Code::AnnotationWeakens => "annotation-weakens",
            Code::CallRefused => "call-refused",
            Code::CallTarget => "call-target",
            Code::CalledErrors => "called-errors",
            Code::CallShadowed => "call-shadowed",
            Code::CallLeftOut => "call-left-out",
        }
    }
}
