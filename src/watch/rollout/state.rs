//! The words of the judgement: the states, and what a verdict carries.

use std::cmp::Reverse;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Trouble;
use super::counts::Counts;

/// What we conclude about a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// Deleted, or deleted and made anew under the same name.
    Gone,
    /// Kubernetes has not looked at the change yet: nothing else it says can be trusted.
    Unobserved,
    /// The template is neither the pinned one nor ours: somebody else deployed.
    Superseded,
    /// It goes on when a person acts; all clocks stand still.
    Paused,
    Failed,
    /// No progress, or a pod that will not come up by itself: advice, not a verdict.
    Stuck,
    Progressing,
    /// All pods are up, and have not yet held long enough.
    Settling,
    Complete,
    /// The facts do not suffice; never taken for good or bad.
    Unknown,
}

impl RolloutState {
    pub const ALL: [RolloutState; 10] = [
        Self::Gone,
        Self::Unobserved,
        Self::Superseded,
        Self::Paused,
        Self::Failed,
        Self::Stuck,
        Self::Progressing,
        Self::Settling,
        Self::Complete,
        Self::Unknown,
    ];

    /// The word on the screen; gone and superseded appear as failures with their own reason.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unobserved => "WAITING",
            Self::Gone | Self::Superseded | Self::Failed => "FAILED",
            Self::Paused => "PAUSED",
            Self::Stuck => "STUCK",
            Self::Progressing => "PROGRESSING",
            Self::Settling => "SETTLING",
            Self::Complete => "COMPLETE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Unobserved => "unobserved",
            Self::Superseded => "superseded",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Progressing => "progressing",
            Self::Settling => "settling",
            Self::Complete => "complete",
            Self::Unknown => "unknown",
        }
    }

    pub fn is_failure(self) -> bool {
        matches!(self, Self::Gone | Self::Superseded | Self::Failed)
    }

    /// How much it needs a person; the higher, the more.
    pub fn urgency(self) -> u8 {
        match self {
            Self::Gone | Self::Superseded | Self::Failed => 6,
            Self::Unknown => 5,
            Self::Stuck => 4,
            Self::Paused => 3,
            Self::Unobserved | Self::Progressing => 2,
            Self::Settling => 1,
            Self::Complete => 0,
        }
    }
}

/// A pod of another revision than the wanted one that will not become ready, and that its controller
/// does not replace before it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    pub pod: String,
    pub uid: String,
    /// Name of the revision that it was made from.
    pub revision: String,
}

/// The conclusion, and everything a screen says beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutVerdict {
    pub state: RolloutState,
    /// The fact that decided, in words: `available 3 < 4`.
    pub field: String,
    /// The same fact by its stable name, for programs and for comparing worlds: a field of the
    /// object (`status.updatedReplicas`), of a pod (`containerStatuses.waiting.reason`), a condition
    /// with what was read of it (`Progressing.reason`), or a rule of our own (`settle`, `timeout`).
    pub decider: &'static str,
    /// The pod most in need of a look, if any; also given while the rollout still progresses.
    pub trouble: Option<Trouble>,
    /// The pod that holds the rollout until somebody deletes it; nothing else gets it going again.
    pub blocker: Option<Blocker>,
    /// Complete, but a person should know this.
    pub warning: Option<String>,
    /// Whether the template is the one that the release put there (or only watches).
    pub ours: bool,
    pub counts: Counts,
    pub revision: Option<u64>,
    /// When this state began, in world time.
    pub since: Timestamp,
    /// When the verdict may change without a new fact: judge again then.
    pub wake_at: Option<Timestamp>,
    /// Paused, and until when: this pause ends by itself. `None`: it waits for a person.
    pub resumes_at: Option<Timestamp>,
}

impl RolloutVerdict {
    /// The verdict while nothing is known, such as before the first facts arrive.
    pub fn unknown(why: impl Into<String>, now: Timestamp) -> Self {
        Self {
            state: RolloutState::Unknown,
            field: why.into(),
            decider: "object",
            trouble: None,
            blocker: None,
            warning: None,
            ours: false,
            counts: Counts::default(),
            revision: None,
            since: now,
            wake_at: None,
            resumes_at: None,
        }
    }

    /// The reason in Kubernetes' own words, such as `CrashLoopBackOff`, where one was given.
    pub fn reason(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| trouble.reason.as_str())
    }
}

/// Several targets in one line: `3 targets: 1 complete, 1 progressing, 1 failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    pub total: usize,
    /// Targets of which no facts have arrived.
    pub unread: usize,
    /// How many are in each state; none is zero. From complete to failed.
    pub counts: Vec<(RolloutState, usize)>,
}

impl Aggregate {
    /// Counts the states of targets; `None` for one that was not read yet.
    pub fn of(states: impl IntoIterator<Item = Option<RolloutState>>) -> Self {
        let mut aggregate = Self { total: 0, unread: 0, counts: Vec::new() };
        for state in states {
            aggregate.total += 1;
            let Some(state) = state else {
                aggregate.unread += 1;
                continue;
            };
            match aggregate.counts.iter_mut().find(|(known, _)| *known == state) {
                Some((_, n)) => *n += 1,
                None => aggregate.counts.push((state, 1)),
            }
        }
        // The same order whatever the order of the targets, so that the eye finds each at its place.
        let place = |state: RolloutState| RolloutState::ALL.iter().position(|known| *known == state);
        aggregate.counts.sort_by_key(|(state, _)| (state.urgency(), Reverse(place(*state))));
        aggregate
    }

    /// The state that most needs a person; `None` while nothing was read.
    ///
    /// - Shape: a failure outranks everything; a target that was not read makes anything short of
    ///   that unknown, because it may be in any state.
    pub fn worst(&self) -> Option<RolloutState> {
        let (worst, _) = *self.counts.last()?;
        let hides = self.unread > 0 && worst.urgency() < RolloutState::Unknown.urgency();
        Some(if hides { RolloutState::Unknown } else { worst })
    }

    pub fn count(&self, state: RolloutState) -> usize {
        self.counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, n)| *n)
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.total == 1 { "target" } else { "targets" };
        write!(f, "{} {noun}: ", self.total)?;
        let mut parts: Vec<String> =
            self.counts.iter().map(|(state, n)| format!("{n} {}", state.name())).collect();
        if self.unread > 0 {
            parts.push(format!("{} not read yet", self.unread));
        }
        f.write_str(&if parts.is_empty() { "none".to_owned() } else { parts.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::RolloutState as S;
    use super::*;

    #[test]
    fn several_targets_are_counted_in_one_line() {
        let states = [S::Failed, S::Complete, S::Progressing, S::Complete];
        let all = Aggregate::of(states.map(Some));
        assert_eq!(all.to_string(), "4 targets: 2 complete, 1 progressing, 1 failed");
        assert_eq!((all.worst(), all.count(S::Complete), all.count(S::Stuck)), (Some(S::Failed), 2, 0));
        let turned = Aggregate::of(states.into_iter().rev().map(Some));
        assert_eq!(turned, all, "the order of the targets says nothing about their states");
    }

    #[test]
    fn a_target_that_was_not_read_is_never_taken_for_a_good_one() {
        let some = Aggregate::of([Some(S::Complete), None]);
        assert_eq!(some.to_string(), "2 targets: 1 complete, 1 not read yet");
        assert_eq!(some.worst(), Some(S::Unknown));
        assert_eq!(Aggregate::of([Some(S::Failed), None]).worst(), Some(S::Failed));
        assert_eq!(Aggregate::of([None]).worst(), None);
        assert_eq!(Aggregate::of([]).to_string(), "0 targets: none");
    }
}
