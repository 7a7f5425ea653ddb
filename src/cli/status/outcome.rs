//! What a rollout's state comes to for whoever started the program: the exit code, and whether
//! waiting goes on.

use crate::watch::rollout::RolloutState;

/// The end of `gonogo status`, best first; of several targets the worst decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Complete,
    /// Unobserved, progressing or settling.
    Unfinished,
    /// A person has to go on with it.
    Paused,
    Stuck,
    /// Failed, gone or superseded.
    Failed,
    /// Not known, or no longer: nothing may be concluded, not even a failure.
    Unknown,
}

impl Outcome {
    pub fn of(state: RolloutState, stale: bool) -> Self {
        use RolloutState as State;
        match state {
            _ if stale => Self::Unknown,
            State::Unknown => Self::Unknown,
            State::Complete => Self::Complete,
            State::Gone | State::Superseded | State::Failed => Self::Failed,
            State::Stuck => Self::Stuck,
            State::Paused => Self::Paused,
            State::Unobserved | State::Progressing | State::Settling => Self::Unfinished,
        }
    }

    pub fn exit_code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 3,
            Self::Stuck => 4,
            Self::Unfinished => 5,
            Self::Paused => 6,
            Self::Unknown => 7,
        }
    }
}

/// What all targets come to together.
///
/// - Shape: unknown for no target at all.
pub(super) fn worst(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    outcomes.max().unwrap_or(Outcome::Unknown)
}

/// Whether waiting can change nothing for the better: every target is up, or one has failed or
/// waits for a person. Stuck is advice, so it is waited on, and so is a pause that ends by itself.
///
/// While one target is unknown no other decides: the answer would be "unknown" all the same.
///
/// - `resumes`: whether the target goes on by itself.
pub(super) fn is_decided(targets: impl Iterator<Item = (Outcome, bool)> + Clone) -> bool {
    let ends = |(outcome, resumes): (Outcome, bool)| match outcome {
        Outcome::Failed => true,
        Outcome::Paused => !resumes,
        _ => false,
    };
    match worst(targets.clone().map(|(outcome, _)| outcome)) {
        Outcome::Unknown => false,
        Outcome::Complete => true,
        _ => targets.into_iter().any(ends),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [(RolloutState, u8); 10] = [
        (RolloutState::Complete, 0),
        (RolloutState::Failed, 3),
        (RolloutState::Gone, 3),
        (RolloutState::Superseded, 3),
        (RolloutState::Stuck, 4),
        (RolloutState::Unobserved, 5),
        (RolloutState::Progressing, 5),
        (RolloutState::Settling, 5),
        (RolloutState::Paused, 6),
        (RolloutState::Unknown, 7),
    ];

    #[test]
    fn every_state_has_its_exit_code_and_stale_wins_over_all() {
        for (state, code) in STATES {
            assert_eq!(Outcome::of(state, false).exit_code(), code, "{state:?}");
            assert_eq!(Outcome::of(state, true).exit_code(), 7, "{state:?} and stale");
        }
    }

    #[test]
    fn of_several_targets_the_worst_decides_and_unknown_wins() {
        use Outcome as O;
        let worst_of = |outcomes: &[O]| worst(outcomes.iter().copied()).exit_code();
        assert_eq!(worst_of(&[O::Complete, O::Complete]), 0);
        assert_eq!(worst_of(&[O::Complete, O::Unfinished]), 5);
        assert_eq!(worst_of(&[O::Unfinished, O::Paused]), 6);
        assert_eq!(worst_of(&[O::Paused, O::Stuck]), 4);
        assert_eq!(worst_of(&[O::Stuck, O::Failed]), 3);
        assert_eq!(worst_of(&[O::Failed, O::Unknown]), 7);
        assert_eq!(worst_of(&[]), 7);
    }

    #[test]
    fn waiting_ends_early_on_complete_failed_and_paused_only() {
        for (state, code) in STATES {
            let decided = is_decided([(Outcome::of(state, false), false)].into_iter());
            assert_eq!(decided, [0, 3, 6].contains(&code), "{state:?}");
            assert!(!is_decided([(Outcome::of(state, true), false)].into_iter()), "{state:?} and stale");
        }
    }

    #[test]
    fn one_failed_target_ends_the_wait_for_all_unless_another_is_unknown() {
        use Outcome as O;
        let decided = |outcomes: &[O]| is_decided(outcomes.iter().map(|outcome| (*outcome, false)));
        assert!(decided(&[O::Failed, O::Unfinished]));
        assert!(decided(&[O::Paused, O::Stuck]));
        assert!(!decided(&[O::Complete, O::Unfinished]));
        assert!(!decided(&[O::Complete, O::Stuck]));
        assert!(!decided(&[O::Failed, O::Unknown]));
    }

    #[test]
    fn a_pause_that_ends_by_itself_is_waited_for() {
        assert!(!is_decided([(Outcome::Paused, true)].into_iter()));
        assert!(is_decided([(Outcome::Paused, true), (Outcome::Paused, false)].into_iter()));
    }
}
