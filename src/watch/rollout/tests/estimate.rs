//! The least time of a rollout, by its probes and its strategy.

use super::*;
use crate::watch::facts::{ProbeFacts, UpdateStrategy};
use crate::watch::rollout::estimate::least;

/// Ready five seconds after a delay of ten: two answers are asked for.
fn probed(strategy: UpdateStrategy, replicas: u32) -> WorkloadFacts {
    let readiness = ProbeFacts {
        initial_delay_s: 10,
        timeout_s: 1,
        period_s: 5,
        failure_threshold: 3,
        success_threshold: 2,
        what: "GET :8080/ready".into(),
    };
    let mut pod = pod("v2", 1);
    pod.containers[0].readiness = Some(readiness);
    let bound = Some("25%".to_owned());
    WorkloadFacts {
        strategy,
        spec_replicas: replicas,
        max_surge: bound.clone(),
        max_unavailable: bound,
        pods: vec![pod.into()],
        min_ready_s: 0,
        ..up("v2")
    }
}

fn seconds(facts: &WorkloadFacts) -> Option<i64> {
    least(facts).map(|least| least.as_secs())
}

#[test]
fn each_round_of_pods_takes_as_long_as_its_slowest_probe() {
    // Ten pods, three more and two fewer at once: two rounds.
    assert_eq!(seconds(&probed(UpdateStrategy::RollingUpdate, 10)), Some(30));
    assert_eq!(seconds(&probed(UpdateStrategy::Recreate, 10)), Some(15));
    let ordinals = UpdateStrategy::Ordinals { start: 0, partition: 0, in_order: true };
    assert_eq!(seconds(&probed(ordinals, 3)), Some(45));
    let held = WorkloadFacts { min_ready_s: 20, ..probed(UpdateStrategy::RollingUpdate, 10) };
    assert_eq!(seconds(&held), Some(70));
    let one = WorkloadFacts {
        max_surge: Some("1".into()),
        max_unavailable: Some("0".into()),
        ..probed(UpdateStrategy::RollingUpdate, 4)
    };
    assert_eq!(seconds(&one), Some(60));
}

#[test]
fn what_no_probe_says_is_not_guessed() {
    let silent =
        WorkloadFacts { pods: vec![pod("v2", 1).into()], ..probed(UpdateStrategy::RollingUpdate, 10) };
    assert_eq!(seconds(&silent), None);
    for strategy in [UpdateStrategy::OnDelete, UpdateStrategy::Canary] {
        assert_eq!(seconds(&probed(strategy, 10)), None, "a person decides the pace");
    }
    assert_eq!(seconds(&probed(UpdateStrategy::RollingUpdate, 0)), None);
    let odd = WorkloadFacts {
        max_surge: Some("half".into()),
        max_unavailable: None,
        ..probed(UpdateStrategy::RollingUpdate, 4)
    };
    assert_eq!(seconds(&odd), None);
}
