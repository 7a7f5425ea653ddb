//! What many releases come to: how often each workload was rolled back, how long it took to be safe,
//! and for how long its way back would not have worked.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::journal::past::{Past, PastRollback, Proof};
use crate::release::Phase;
use crate::watch::TargetRef;

/// One workload in one cluster. Rehearsals are another world, and stand apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub practice: bool,
    /// The kubeconfig's name of the cluster.
    pub context: Option<String>,
    pub target: TargetRef,
}

/// How the releases of one workload went.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    pub releases: usize,
    pub completed: usize,
    pub rolled_back: usize,
    pub rollback_failed: usize,
    pub aborted: usize,
    pub open: usize,
    pub rollbacks: usize,
    /// From `Y` until it was safe.
    pub to_safe: Option<Spread>,
    /// From the first bad signal until it was safe.
    pub since_bad: Option<Spread>,
    /// Of the releases that told how their way back stood.
    pub proof: Option<Proof>,
    /// How many of them had a gap.
    pub with_gap: usize,
}

/// Several lengths of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    pub n: usize,
    pub median: SignedDuration,
    pub worst: SignedDuration,
}

impl Spread {
    /// - Shape: of an even number the median is the longer of the two in the middle: nobody promised
    ///   the shorter one. `None` of nothing.
    pub fn of(mut all: Vec<SignedDuration>) -> Option<Self> {
        all.sort_unstable();
        let (median, worst) = (all.get(all.len() / 2)?, all.last()?);
        Some(Self { n: all.len(), median: *median, worst: *worst })
    }
}

/// Sums the releases up, workload by workload, rehearsals last.
pub fn of(pasts: &[Past]) -> BTreeMap<Subject, Stats> {
    let mut by_subject: BTreeMap<Subject, Vec<&Past>> = BTreeMap::new();
    for past in pasts {
        for target in &past.targets {
            // Which container a release looks at is no other workload.
            let target = TargetRef { container: None, ..target.clone() };
            // Each rehearsal has a cluster of its own, and all of them the same one.
            let subject = Subject { practice: past.practice, context: past.context.clone(), target };
            by_subject.entry(subject).or_default().push(past);
        }
    }
    by_subject.into_iter().map(|(subject, pasts)| (subject, sum(&pasts))).collect()
}

fn sum(pasts: &[&Past]) -> Stats {
    let count = |phases: &[Phase]| pasts.iter().filter(|past| phases.contains(&past.phase)).count();
    let rollbacks = || pasts.iter().flat_map(|past| &past.rollbacks);
    let spread = |length: fn(&PastRollback) -> Option<SignedDuration>| {
        Spread::of(rollbacks().filter_map(length).collect())
    };
    let proofs: Vec<Proof> = pasts.iter().filter_map(|past| past.proof).collect();
    let total = |length: fn(&Proof) -> SignedDuration| {
        proofs.iter().map(length).fold(SignedDuration::ZERO, |sum, one| sum.saturating_add(one))
    };
    let gap = |proof: &&Proof| !proof.not_proven.is_zero() || !proof.disarmed.is_zero();
    Stats {
        releases: pasts.len(),
        completed: count(&[Phase::Completed]),
        rolled_back: count(&[Phase::RolledBack]),
        rollback_failed: count(&[Phase::RollbackFailed]),
        aborted: count(&[Phase::Aborted]),
        open: count(&[Phase::Preparing, Phase::Running, Phase::Held, Phase::RollingBack]),
        rollbacks: rollbacks().count(),
        to_safe: spread(|rollback| rollback.to_safe),
        since_bad: spread(|rollback| rollback.since_bad),
        proof: (!proofs.is_empty()).then(|| Proof {
            ran: total(|proof| proof.ran),
            not_proven: total(|proof| proof.not_proven),
            disarmed: total(|proof| proof.disarmed),
        }),
        with_gap: proofs.iter().filter(gap).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Moment, ReleaseId};
    use crate::workflow::Kind;

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    fn target(name: &str) -> TargetRef {
        let container = Some(name.to_owned());
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: name.into(), container }
    }

    fn past(n: i64, targets: &[&str], phase: Phase, to_safe: &[i64]) -> Past {
        let at = Moment::real(jiff::Timestamp::from_second(1_795_356_127 + n).unwrap());
        let rollback = |took: &i64| PastRollback {
            fired: at,
            to_safe: Some(seconds(*took)),
            since_bad: Some(seconds(took + 30)),
            settled: Vec::new(),
        };
        Past {
            id: ReleaseId(format!("release-{n}")),
            opened: at,
            practice: false,
            context: Some("prod".into()),
            targets: targets.iter().map(|name| target(name)).collect(),
            phase,
            rollbacks: to_safe.iter().map(rollback).collect(),
            proof: Some(Proof { ran: seconds(100), not_proven: seconds(n), disarmed: SignedDuration::ZERO }),
            sightings: Vec::new(),
            breaches: Vec::new(),
        }
    }

    #[test]
    fn each_workload_has_its_own_sums_and_rehearsals_stand_apart() {
        let rehearsed = Past { practice: true, ..past(9, &["app"], Phase::RolledBack, &[5]) };
        let all = of(&[
            past(0, &["app", "api"], Phase::Completed, &[]),
            past(4, &["app"], Phase::RolledBack, &[41, 62]),
            past(2, &["app"], Phase::Aborted, &[38]),
            rehearsed,
        ]);
        let names: Vec<(bool, &str)> =
            all.keys().map(|subject| (subject.practice, subject.target.name.as_str())).collect();
        assert_eq!(names, [(false, "api"), (false, "app"), (true, "app")]);
        let app = all.values().nth(1).unwrap();
        assert_eq!((app.releases, app.completed, app.rolled_back, app.aborted), (3, 1, 1, 1));
        assert_eq!(app.to_safe, Some(Spread { n: 3, median: seconds(41), worst: seconds(62) }));
        assert_eq!(app.since_bad.unwrap().worst, seconds(92));
        assert_eq!((app.proof.unwrap().not_proven, app.with_gap), (seconds(6), 2));
    }

    #[test]
    fn the_median_of_an_even_number_promises_nothing_better_than_was_seen() {
        let spread = Spread::of(vec![seconds(90), seconds(30)]).unwrap();
        assert_eq!((spread.median, spread.worst), (seconds(90), seconds(90)));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
