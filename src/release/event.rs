//! What happened: the only input of the state machine, and what the journal keeps.
//!
//! The shapes here are the shapes on disk; `journal` pins them with a snapshot of every variant, so
//! a renamed field is noticed before it reaches somebody's history.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::lock::LockStanding;
use super::pin::{Finding, Pin};
pub use super::policy::ByPolicy;
use super::rollback::ArmingState;
use super::route::RoutePin;
pub use crate::watch::Verdict;
pub use crate::watch::rollout::Blocker;
use crate::watch::rollout::RolloutState;
pub use crate::watch::rollout::argo::Order;
use crate::watch::{Moment, TargetRef};
use crate::workflow::{
    BlockPrint, CalledFiles, CheckId, CommandId, CriterionId, Edition, Meaning, RoleName, Settled, StepId,
};

/// Something that happened, when, and through whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Moment,
    /// The person behind it; `None` when the world reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Operator>,
    #[serde(flatten)]
    pub fact: Fact,
}

/// A person at the keyboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub name: String,
    /// The machine they sit at.
    pub host: String,
    /// Who the cluster says they are, when it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// A release by its id: `20261122-140207-release-v1.3.0`, sortable and fit for a folder name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(pub String);

impl std::fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reading that was on screen when somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// `rollout`, `error rate`.
    pub what: String,
    /// `3 of 4 updated, 3 ready`.
    pub value: String,
    /// Units: seconds between the reading and the decision.
    pub age_s: u64,
    /// Whether it was too old to stand for the present.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// Where the practice world of a rehearsed release is kept, so that a resume finds it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PracticeWorld {
    pub directory: String,
    pub scenario: String,
    pub speed: f64,
}

/// Addresses that were given for this release. One that holds a password is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SignalSources {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

impl SignalSources {
    /// Leaves out an address with credentials in it: a journal holds no secrets.
    pub fn new(prometheus: Option<String>, health: Option<String>) -> Self {
        let bare = |url: &String| !url.split('/').nth(2).is_some_and(|authority| authority.contains('@'));
        Self { prometheus: prometheus.filter(bare), health: health.filter(bare) }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// All that can happen to a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    // ── the release as a whole
    /// The first event of every journal.
    Opened {
        id: ReleaseId,
        file: String,
        sha256: String,
        title: String,
        targets: Vec<TargetRef>,
        #[serde(default)]
        context: Option<String>,
        /// Where commands run.
        directory: String,
        #[serde(default)]
        practice: Option<PracticeWorld>,
        /// Where signals come from, so that a resume finds them again.
        #[serde(default, skip_serializing_if = "SignalSources::is_empty")]
        signals: SignalSources,
        /// What the document calls, text and all: it may lie elsewhere tomorrow, or not at all. A
        /// journal without it is of a gonogo that placed no calls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        called: Option<CalledFiles>,
        /// What people said, on earlier days, of its unclear blocks.
        #[serde(default, skip_serializing_if = "Settled::is_empty")]
        settled: Settled,
    },
    /// Parameters and roster are settled; from here on the checklist is live.
    Begun {
        params: BTreeMap<String, String>,
        roster: BTreeMap<RoleName, String>,
    },
    /// A process took the release up again after another one ended, well or badly.
    Reopened,
    /// A person lets the release go on with the document as it lies on disk now. The new text is kept
    /// here, as that of the start is kept beside the journal.
    Reloaded {
        #[serde(flatten)]
        edition: Box<Edition>,
    },
    /// A person says what an unclear block is; without a meaning it is a question again.
    Settled {
        block: BlockPrint,
        #[serde(default, rename = "is", skip_serializing_if = "Option::is_none")]
        meaning: Option<Meaning>,
    },
    /// A process let go of the release, which stays open.
    Left {
        why: String,
    },
    Held {
        reason: String,
    },
    Released,
    Aborted {
        reason: String,
    },
    Completed,
    Noted {
        text: String,
    },
    RoleStaffed {
        role: RoleName,
        person: String,
    },
    /// Another person sits at the keyboard: `by` of this event and of those that follow.
    KeyboardTaken {
        from: String,
    },

    // ── checks, polls, soaks
    Confirmed {
        check: CheckId,
        evidence: Vec<Evidence>,
        /// Who confirms, where several people have to and another one sits at the keyboard.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<String>,
        /// What they typed beside it, where the document asks for that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        typed: Option<String>,
    },
    CheckReopened {
        check: CheckId,
    },
    NoGo {
        check: CheckId,
        reason: String,
        evidence: Vec<Evidence>,
    },
    NotApplicable {
        item: ItemId,
        reason: String,
    },
    Skipped {
        item: ItemId,
        reason: String,
    },
    Overridden {
        check: CheckId,
        reason: String,
        evidence: Vec<Evidence>,
    },
    /// What a bound probe says; only changes are told.
    Sensed {
        check: CheckId,
        pass: bool,
        value: String,
    },
    Voted {
        step: StepId,
        role: RoleName,
        vote: Vote,
        #[serde(default)]
        reason: Option<String>,
        evidence: Vec<Evidence>,
    },
    RoleNotApplicable {
        step: StepId,
        role: RoleName,
        reason: String,
    },
    SoakShortened {
        step: StepId,
        role: RoleName,
        reason: String,
    },

    // ── commands
    /// The operator said "run": durable before the process exists.
    CommandStarted(Run),
    /// The process exists.
    CommandSpawned {
        command: CommandId,
        attempt: u32,
        pid: u32,
        /// The kernel's own start time of the process, to recognise it after a crash.
        #[serde(default)]
        start_time: Option<u64>,
    },
    /// What a command that succeeded has printed, for the variable of its [`RunTerms::capture`].
    OutputCaptured {
        command: CommandId,
        attempt: u32,
        captured: Captured,
    },
    CommandEnded {
        command: CommandId,
        attempt: u32,
        exit: Exit,
        /// Units: milliseconds of wall time.
        took_ms: u64,
    },
    /// The operator asked a running command to stop.
    CommandStopped {
        command: CommandId,
        attempt: u32,
    },
    /// A person says how a command ended whose end was not seen.
    DoubtSettled {
        command: CommandId,
        attempt: u32,
        succeeded: bool,
        note: String,
    },
    /// "Nothing to run" was chosen.
    NothingToRun {
        command: CommandId,
        choice: usize,
    },

    // ── the world, told only when it changes
    Pinned {
        pins: Vec<Pin>,
        /// What steers their traffic and capacity.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        routes: Vec<RoutePin>,
    },
    Armed {
        findings: Vec<Finding>,
    },
    /// Whether the way back would work, as the screen says it: silence changes that, too.
    ArmingChanged {
        state: ArmingState,
    },
    BaselinePinned {
        /// Finite numbers: JSON has no other, and a `null` on disk is left out again.
        #[serde(deserialize_with = "finite_values")]
        values: BTreeMap<String, f64>,
    },
    RolloutChanged(RolloutSeen),
    CriterionRead {
        criterion: CriterionId,
        verdict: Verdict,
        /// The reading and its limit: `3.1 % > 1 % for 3 of 3 readings`.
        why: String,
        /// World time of the first reading that counts toward a fail.
        #[serde(default)]
        since: Option<jiff::Timestamp>,
    },
    /// A person says that a criterion which no metric can see is met, or is met no longer.
    CriterionDeclared {
        criterion: CriterionId,
        met: bool,
        reason: String,
    },
    /// A person decides to go on although this criterion says otherwise.
    CriterionOverridden {
        criterion: CriterionId,
        reason: String,
    },
    HealthChanged {
        healthy: bool,
        summary: String,
    },
    /// A delay that the release asked for is over.
    Woke {
        timer: Timer,
    },

    // ── the way back
    RollbackFired {
        #[serde(default)]
        reason: Option<String>,
        /// What the panel showed as running now, by target: the patch goes out only if that is still so.
        shown: Vec<Shown>,
        evidence: Vec<Evidence>,
        /// None when a person pressed the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<ByPolicy>,
    },
    /// Words for a rollback that already runs.
    RollbackReason {
        reason: String,
    },
    /// A queued rollback is withdrawn before the API server ever got it.
    RollbackCancelled,
    /// The operator wants this pod gone, which holds the way back: named on the screen before.
    BlockerDeleted {
        target: TargetRef,
        blocker: Blocker,
    },
    /// The operator sends the traffic back before the good side is what it was: named on the screen before.
    TrafficFirst {
        target: TargetRef,
    },
    RollbackStepEnded {
        step: usize,
        attempt: u32,
        result: StepResult,
    },

    // ── the policy
    /// A person lets this release roll back by itself when this criterion reads fail.
    PolicyAccepted {
        criterion: CriterionId,
    },
    PolicyWithdrawn {
        criterion: CriterionId,
    },
    /// The seconds of a policy begin to run.
    CountdownStarted {
        criterion: CriterionId,
        /// Units: seconds of wall time.
        seconds: u64,
    },
    /// A person stopped it: nothing fires by itself any more in this release.
    CountdownStopped,
    /// It could not be seen what would be rolled back: the breach is proposed, and no more.
    PolicyHeldBack {
        criterion: CriterionId,
        why: String,
    },

    // ── the lock
    /// How this release stands to the lock of its workloads.
    LockChanged {
        standing: LockStanding,
    },
    /// A person takes the lock from the holder that they were shown.
    LockTakenOver {
        /// The release that holds it; none for a holder that is no release of gonogo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ReleaseId>,
        reason: String,
    },
    /// A person gives the lock back before the release is over, or after a rollback.
    LockGiven {
        reason: String,
    },

    // ── Argo Rollouts
    /// The operator said so: durable before anything is sent.
    RolloutOrdered(RolloutOrdered),
    RolloutOrderEnded {
        attempt: u32,
        result: StepResult,
    },
}

/// What is asked of an Argo Rollout, and what the panel showed of it: the order goes out only if
/// that is still so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutOrdered {
    pub target: TargetRef,
    pub order: Order,
    /// Orders of one release are numbered from 1.
    pub attempt: u32,
    pub uid: String,
    /// Index of the canary step that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

/// A metrics server may answer NaN, which JSON writes as `null`: it must not spoil the journal.
fn finite_values<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let values = BTreeMap::<String, Option<f64>>::deserialize(from)?;
    Ok(values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// What the rollback panel showed of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub target: TargetRef,
    pub uid: String,
    pub template_print: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum StepResult {
    /// The change is in. Units: milliseconds from the request to the answer.
    Accepted {
        took_ms: u64,
    },
    /// The target was already as pinned; nothing was sent.
    AlreadyThere,
    Failed(Failure),
}

/// An outside failure as the release sees it: the kind drives retries, the words never do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    pub summary: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    Unreachable,
    TimedOut,
    /// The other side knows us and says no.
    Refused,
    /// The other side does not accept what we sent.
    Rejected,
    /// It is no longer what was shown: a person has to look again.
    Changed,
    /// What it waits for is not so yet: asked again.
    NotYet,
}

/// A check, or a command: what may be skipped or not apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemId {
    Check(CheckId),
    Command(CommandId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vote {
    Go,
    NoGo,
    /// Is not GO.
    Abstain,
}

/// The exact thing that is about to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub command: CommandId,
    /// From 1; a new attempt is a new record.
    pub attempt: u32,
    pub text: String,
    /// The alternative that was chosen, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<usize>,
    /// Whether the operator changed the text before running it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// Program and flags that read the text: `["bash", "-e"]`.
    pub shell: Vec<String>,
    pub directory: String,
    /// Names of what is set in its environment by us; values are not recorded.
    pub env: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "RunTerms::is_empty")]
    pub terms: Box<RunTerms>,
}

/// Variables that keep programs from asking where nobody could answer: set without a terminal only.
pub const SET_WITHOUT_TERMINAL: [&str; 5] =
    ["GIT_PAGER", "PAGER", "GIT_TERMINAL_PROMPT", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR"];

/// What annotations of the document ask of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunTerms {
    /// Set in its environment by the document, or by what earlier commands printed, below parameters: no
    /// secret, since it stands there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// It is stopped after that long. Units: seconds of wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
    /// Between TERM and KILL. Units: seconds of wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_s: Option<u64>,
    /// The word that the operator typed before it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<String>,
    /// The file that is its standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The variable that its output is kept for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// It has a terminal of its own, and the operator's keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
}

impl RunTerms {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What became of an output that is kept as a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Captured {
    /// Text without control characters but tabs and newlines, none of them at its end.
    Value(String),
    /// Why it is no value.
    NotKept(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// It never ran, and why.
    NotStarted(String),
}

impl Exit {
    pub fn succeeded(&self) -> bool {
        *self == Exit::Code(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
            Exit::NotStarted(why) => write!(f, "not started: {why}"),
        }
    }
}

/// A rollout's state at the moment it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutSeen {
    pub target: TargetRef,
    /// The judgement's word: `progressing`, `complete`, …
    pub state: RolloutState,
    /// The deciding fact: `available 3 < 4`.
    pub why: String,
    #[serde(default)]
    pub revision: Option<u64>,
    pub template_print: String,
    /// How many pods its spec asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// The image of the target's container.
    #[serde(default)]
    pub image: String,
    /// The pod that holds it until somebody deletes that pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocker: Option<Blocker>,
}

/// What a delay was for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timer {
    /// The shortest watching time of a step is over.
    SoakEarliest(StepId),
    /// A rollback step is tried again.
    RollbackRetry { step: usize, attempt: u32 },
    /// The countdown of a policy is over.
    Countdown { n: u32 },
    /// A command that failed runs again.
    CommandAgain { command: CommandId, attempt: u32 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_not_kept_in_the_journal() {
        let told = |url: &str| SignalSources::new(Some(url.to_owned()), None).prometheus;
        assert_eq!(told("http://prom:9090/a@b"), Some("http://prom:9090/a@b".to_owned()));
        assert_eq!(told("https://ana:secret@prom/"), None);
    }
}
