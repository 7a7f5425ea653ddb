//! How long a readiness probe may fail before that means anything.

use jiff::{SignedDuration, Timestamp};

use crate::watch::facts::{ContainerFacts, ContainerState, ProbeFacts};

/// The time from a container's start within which failures of its readiness probe are ordinary,
/// after kubedog's rule.
///
/// - Shape: zero for a probe that gives up at its first failure: nothing is to be ignored then.
/// - `startup`: how long its startup probe took, which counts toward the initial delay.
pub fn ignore_window(readiness: &ProbeFacts, startup: SignedDuration) -> SignedDuration {
    if readiness.failure_threshold <= 1 {
        return SignedDuration::ZERO;
    }
    let ms = |seconds: u32| i64::from(seconds) * 1000;
    let startup_ms = i64::try_from(startup.as_millis()).unwrap_or(i64::MAX).max(0);
    let delay = (ms(readiness.initial_delay_s).saturating_sub(startup_ms)).max(0);
    let rounds = i64::from(readiness.failure_threshold) + i64::from(readiness.success_threshold) - 3;
    let window = delay
        .saturating_add(2 * ms(readiness.timeout_s))
        .saturating_add(rounds.saturating_mul(ms(readiness.period_s)))
        .saturating_add(ms(readiness.period_s) / 2);
    SignedDuration::from_millis(window.max(0))
}

/// When a container that runs and is not ready stops being merely young.
///
/// - Shape: `None` for one that has no readiness probe or has not started: always ignored.
/// - `seen`: when we first saw it started, which bounds how long its startup took.
/// - `has_failed`: whether a failure of the probe was reported; without one, the first answer is
///   waited for.
pub(super) fn overdue_at(container: &ContainerFacts, seen: Timestamp, has_failed: bool) -> Option<Timestamp> {
    let readiness = container.readiness.as_ref()?;
    let ContainerState::Running { since } = &container.state else { return None };
    if !container.started || container.ready {
        return None;
    }
    let since = since.unwrap_or(seen);
    // We may have come long after it started; then it started no later than its probe allows.
    let startup = container.startup.as_ref().map_or(SignedDuration::ZERO, |probe| {
        let allowed = SignedDuration::from_secs(
            i64::from(probe.initial_delay_s)
                + i64::from(probe.failure_threshold) * i64::from(probe.period_s)
                + i64::from(probe.timeout_s),
        );
        seen.duration_since(since).clamp(SignedDuration::ZERO, allowed)
    });
    let mut window = ignore_window(readiness, startup);
    if !has_failed {
        let delay = SignedDuration::from_secs(readiness.initial_delay_s.into()) - startup;
        let round = SignedDuration::from_secs(i64::from(readiness.period_s) + i64::from(readiness.timeout_s));
        window = window.max(delay.max(SignedDuration::ZERO) + round);
    }
    since.checked_add(startup).and_then(|at| at.checked_add(window)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::fixture::container;

    fn probe(initial_delay_s: u32, failure_threshold: u32) -> ProbeFacts {
        ProbeFacts {
            initial_delay_s,
            timeout_s: 1,
            period_s: 10,
            failure_threshold,
            success_threshold: 1,
            what: "GET :8080/health".into(),
        }
    }

    fn s(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + s(1_000_000 + seconds)
    }

    fn running(readiness: ProbeFacts, startup: Option<ProbeFacts>) -> ContainerFacts {
        ContainerFacts {
            ready: false,
            state: ContainerState::Running { since: Some(at(0)) },
            readiness: Some(readiness),
            startup,
            ..container("app")
        }
    }

    #[test]
    fn the_window_holds_the_delay_and_the_failures_that_the_probe_allows() {
        assert_eq!(ignore_window(&probe(0, 3), s(0)), s(17));
        assert_eq!(ignore_window(&probe(30, 3), s(0)), s(47));
        assert_eq!(ignore_window(&probe(0, 2), s(0)), s(7));
        let odd = ProbeFacts { period_s: 5, success_threshold: 2, ..probe(0, 3) };
        assert_eq!(ignore_window(&odd, s(0)), SignedDuration::from_millis(14_500));
    }

    #[test]
    fn a_probe_that_gives_up_at_once_is_never_ignored() {
        assert_eq!(ignore_window(&probe(300, 1), s(0)), s(0));
    }

    #[test]
    fn the_time_of_the_startup_probe_is_credited_against_the_initial_delay() {
        assert_eq!(ignore_window(&probe(30, 3), s(20)), s(27));
        assert_eq!(ignore_window(&probe(30, 3), s(90)), s(17));
    }

    #[test]
    fn a_window_is_never_negative_and_never_overflows() {
        let tiny = ProbeFacts { success_threshold: 0, timeout_s: 0, ..probe(0, 2) };
        assert_eq!(ignore_window(&tiny, s(0)), s(0));
        let huge = ProbeFacts {
            initial_delay_s: u32::MAX,
            timeout_s: u32::MAX,
            period_s: u32::MAX,
            failure_threshold: u32::MAX,
            success_threshold: u32::MAX,
            what: String::new(),
        };
        assert!(ignore_window(&huge, s(0)) > s(0));
        assert_eq!(overdue_at(&running(huge, None), at(0), true), None, "later than any clock shows");
    }

    #[test]
    fn a_container_that_has_not_started_or_has_no_probe_is_always_ignored() {
        let unstarted = ContainerFacts { started: false, ..running(probe(0, 3), None) };
        assert_eq!(overdue_at(&unstarted, at(900), true), None);
        let unprobed = ContainerFacts { readiness: None, ..running(probe(0, 3), None) };
        assert_eq!(overdue_at(&unprobed, at(900), true), None);
    }

    #[test]
    fn the_window_runs_from_the_moment_the_startup_probe_passed() {
        assert_eq!(overdue_at(&running(probe(0, 3), None), at(500), true), Some(at(17)));
        let slow = running(probe(0, 3), Some(probe(0, 30)));
        assert_eq!(overdue_at(&slow, at(60), true), Some(at(77)));
        assert_eq!(overdue_at(&slow, at(9_000), true), Some(at(301 + 17)), "no later than the probe allows");
    }

    #[test]
    fn a_probe_that_has_not_answered_yet_has_not_failed() {
        let strict = running(probe(5, 1), None);
        assert_eq!(overdue_at(&strict, at(0), true), Some(at(0)));
        assert_eq!(overdue_at(&strict, at(0), false), Some(at(16)));
    }
}
