//! What holds of every history, whatever the kind.

use proptest::prelude::*;

use super::*;
use crate::watch::Shared;

fn any_container_state() -> impl Strategy<Value = ContainerState> {
    let waiting = |reason: &str, message: &str| ContainerState::Waiting {
        reason: reason.into(),
        message: message.into(),
    };
    prop_oneof![
        3 => Just(ContainerState::Running { since: None }),
        1 => (-700..20i64).prop_map(|since| ContainerState::Running { since: Some(at(since)) }),
        1 => Just(waiting("CrashLoopBackOff", "")),
        1 => Just(waiting("ImagePullBackOff", "")),
        1 => Just(waiting("ErrImagePull", "not found")),
        1 => Just(waiting("ContainerCreating", "")),
        1 => Just(ContainerState::Terminated(Termination {
            exit_code: 1,
            reason: "Error".into(),
            message: String::new(),
            finished: None,
        })),
    ]
}

fn any_probe() -> impl Strategy<Value = Option<ProbeFacts>> {
    let probe = (0..40u32, 0..4u32, 0..30u32, 0..5u32).prop_map(|(delay, timeout, period, failures)| {
        Some(ProbeFacts {
            initial_delay_s: delay,
            timeout_s: timeout,
            period_s: period,
            failure_threshold: failures,
            success_threshold: 1,
            what: String::new(),
        })
    });
    prop_oneof![Just(None), probe]
}

fn any_pod() -> impl Strategy<Value = PodFacts> {
    let trouble = prop_oneof![
        6 => Just(None),
        1 => Just(Some(NodeTrouble::Cordoned)),
        1 => Just(Some(NodeTrouble::NotReady)),
        1 => Just(Some(NodeTrouble::Gone)),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let container = (0..4u32, any_container_state(), any_probe(), any_probe());
    let revision = prop_oneof![4 => Just(Some("v2")), 2 => Just(Some("v1")), 1 => Just(None)];
    let since = prop_oneof![Just(None), (-900..0i64).prop_map(Some)];
    (0..4usize, flags, container, trouble, revision, since).prop_map(
        |(
            n,
            (ready, ending, started, failed),
            (restarts, state, readiness, startup),
            trouble,
            tag,
            since,
        )| {
            let mut pod = pod(tag.unwrap_or("v2"), n);
            pod.name = format!("app-{n}");
            pod.revision = tag.map(|tag| format!("app-{tag}").into());
            pod.ready = ready;
            pod.ready_since = since.map(at);
            pod.ending = ending;
            pod.node_trouble = trouble;
            if failed && !ready {
                pod.phase = "Failed".into();
            }
            let container = &mut pod.containers[0];
            container.ready = ready;
            container.started = started;
            container.restarts = restarts;
            container.state = state;
            container.readiness = readiness;
            container.startup = startup;
            pod
        },
    )
}

fn any_argo() -> impl Strategy<Value = ArgoFacts> {
    let phase = prop_oneof![Just(""), Just("Progressing"), Just("Paused"), Just("Degraded"), Just("Healthy")];
    let pauses = prop_oneof![
        3 => Just(Vec::new()),
        1 => Just(vec![ArgoPause { reason: "CanaryPauseStep".into(), since: Some(at(-5)) }]),
        1 => Just(vec![ArgoPause { reason: "InconclusiveAnalysisRun".into(), since: None }]),
    ];
    let analyses = prop_oneof![Just(None), Just(Some("Running")), Just(Some("Failed"))];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (phase, pauses, analyses, flags, prop::option::of(0..9u32), prop::option::of(0..101u32)).prop_map(
        |(phase, pauses, analyses, (aborted, promoted, controller_pause), step, weight)| ArgoFacts {
            phase: phase.into(),
            message: String::new(),
            aborted,
            promoted,
            pauses,
            controller_pause,
            steps: vec![
                CanaryStep::SetWeight(25),
                CanaryStep::Pause { duration_s: Some(60) },
                CanaryStep::Analysis,
                CanaryStep::Other("experiment".into()),
            ],
            step,
            weight,
            analyses: analyses
                .into_iter()
                .map(|phase| Analysis { name: "a".into(), phase: phase.into(), message: String::new() })
                .collect(),
            is_active: step.map(|step| step > 1),
        },
    )
}

fn any_kind() -> impl Strategy<Value = (Kind, UpdateStrategy)> {
    let ordinals = (0..3u32, 0..6u32, any::<bool>()).prop_map(|(start, partition, in_order)| {
        (Kind::StatefulSet, UpdateStrategy::Ordinals { start, partition, in_order })
    });
    prop_oneof![
        3 => Just((Kind::Deployment, UpdateStrategy::RollingUpdate)),
        1 => Just((Kind::Deployment, UpdateStrategy::Recreate)),
        3 => ordinals,
        1 => Just((Kind::StatefulSet, UpdateStrategy::OnDelete)),
        2 => Just((Kind::DaemonSet, UpdateStrategy::RollingUpdate)),
        1 => Just((Kind::DaemonSet, UpdateStrategy::OnDelete)),
        3 => Just((Kind::Rollout, UpdateStrategy::Canary)),
        1 => Just((Kind::Rollout, UpdateStrategy::BlueGreen)),
    ]
}

fn any_condition() -> impl Strategy<Value = Vec<Condition>> {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        vec![Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_update: None,
        }]
    };
    prop_oneof![
        6 => Just(Vec::new()),
        1 => Just(condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")),
        1 => Just(condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: pods")),
    ]
}

fn facts_of(kind: (Kind, UpdateStrategy)) -> impl Strategy<Value = WorkloadFacts> {
    let counts = (0..6u32, 0..6u32, 0..6u32, 0..6u32, 0..6u32);
    let pods = prop::collection::vec(any_pod(), 0..5);
    let revisions = (any::<bool>(), prop_oneof![9 => Just(true), 1 => Just(false)], any::<bool>());
    let rest =
        (1..4i64, 0..4i64, prop_oneof![4 => Just(false), 1 => Just(true)], any_condition(), any_argo());
    (counts, pods, revisions, rest).prop_map(
        move |(
            (spec, replicas, updated, ready, available),
            pods,
            (new, told, moved),
            (generation, observed, paused, conditions, argo),
        )| {
            let mut facts = up(if new { "v2" } else { "v1" });
            (facts.target.kind, facts.strategy) = kind.clone();
            facts.revisions = vec![set("v2"), set("v1")];
            if !told {
                facts.target_revision = None;
            }
            facts.stable_revision = Some(if moved { "app-v2" } else { "app-v1" }.into());
            (facts.spec_replicas, facts.replicas) = (spec, replicas);
            (facts.updated, facts.ready, facts.available) = (updated, ready, available);
            facts.pods = pods.into_iter().map(Into::into).collect();
            for (n, pod) in facts.pods.iter_mut().enumerate() {
                let tag = pod.revision.as_deref().unwrap_or("none");
                (pod.uid, pod.name) = (format!("{tag}-{n}"), format!("app-{n}"));
            }
            facts.generation = generation;
            facts.observed_generation = (observed > 0).then_some(observed);
            facts.paused = paused;
            facts.conditions = conditions;
            facts.argo = (kind.0 == Kind::Rollout).then(|| Box::new(argo));
            facts
        },
    )
}

fn any_facts() -> impl Strategy<Value = WorkloadFacts> {
    any_kind().prop_flat_map(facts_of)
}

/// Facts of one workload over time, with the seconds between them.
fn any_history() -> impl Strategy<Value = Vec<(WorkloadFacts, i64)>> {
    any_kind().prop_flat_map(|kind| prop::collection::vec((facts_of(kind), -20..90i64), 1..12))
}

/// What a whole history leaves behind.
struct Judged {
    history: RolloutHistory,
    /// Seconds since its beginning.
    clock: i64,
    /// The last facts, and what they were judged to be.
    facts: WorkloadFacts,
    verdict: RolloutVerdict,
}

fn judge_all(before: Vec<(WorkloadFacts, i64)>, expect: &Expectation) -> Judged {
    let mut history = RolloutHistory::default();
    let mut clock = 0;
    let mut last = None;
    for (facts, step) in before {
        clock += step.max(0);
        let verdict = judge(&facts, expect, &mut history, at(clock));
        last = Some((facts, verdict));
    }
    let (facts, verdict) = last.unwrap();
    Judged { history, clock, facts, verdict }
}

fn any_expectation() -> impl Strategy<Value = Expectation> {
    let started = prop_oneof![Just(None), (-100..100i64).prop_map(|start| Some(at(start)))];
    (started, prop::option::of(1..400u32), 0..60u32, 1..300u32).prop_map(
        |(started_at, timeout_s, settle_s, stuck_after_s)| Expectation {
            started_at,
            timeout_s,
            settle_s,
            stuck_after_s,
            ..Expectation::watching()
        },
    )
}

/// Pods of the new revision that are up and stay.
fn n_up(facts: &WorkloadFacts) -> usize {
    facts.pods.iter().filter(|pod| facts.is_new(pod) && pod.ready && !pod.ending).count()
}

/// How many new pods this kind must have up before it can be called complete.
fn n_needed(facts: &WorkloadFacts) -> usize {
    let cordoned = |pod: &&Shared<PodFacts>| pod.node_trouble == Some(NodeTrouble::Cordoned);
    let excused = match (facts.target.kind, &facts.strategy) {
        (Kind::StatefulSet, UpdateStrategy::Ordinals { partition, .. }) => *partition as usize,
        (Kind::DaemonSet, _) => facts.pods.iter().filter(cordoned).count(),
        _ => 0,
    };
    (facts.spec_replicas as usize).saturating_sub(excused)
}

proptest! {
    #[test]
    fn complete_is_never_said_against_the_facts(
        steps in any_history(), expect in any_expectation(),
    ) {
        let mut history = RolloutHistory::default();
        let mut clock = 0;
        for (facts, step) in steps {
            clock += step;
            let verdict = judge(&facts, &expect, &mut history, at(clock));
            prop_assert!(!verdict.field.is_empty());
            prop_assert!(!verdict.decider.is_empty());
            if facts.observed_generation.unwrap_or(0) < facts.generation {
                prop_assert_eq!(verdict.state, RolloutState::Unobserved);
            }
            if matches!(verdict.state, RolloutState::Complete | RolloutState::Settling) {
                prop_assert!(!facts.paused);
                prop_assert!(n_up(&facts) >= n_needed(&facts), "{}", verdict.field);
                prop_assert!(facts.updated as usize >= n_needed(&facts));
                if facts.target.kind != Kind::DaemonSet {
                    prop_assert!(facts.available >= facts.spec_replicas);
                }
                if let Some(argo) = facts.argo.as_ref().filter(|_| facts.spec_replicas > 0) {
                    prop_assert!(argo.phase == "Healthy" && !argo.aborted && argo.pauses.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_judgement_repeated_at_the_same_moment_is_the_same(
        kind in any_kind().prop_flat_map(|kind| (facts_of(kind.clone()), facts_of(kind))),
    ) {
        let (before, facts) = kind;
        let expect = expecting(ExpectedTemplate::Version { from: "print-v1".into(), version: "v2".into() });
        let mut history = RolloutHistory::default();
        judge(&before, &expect, &mut history, at(0));
        let first = judge(&facts, &expect, &mut history, at(5));
        let second = judge(&facts, &expect, &mut history, at(5));
        prop_assert_eq!(first, second);
    }

    /// Nothing but `wake_at` has to be waited for: in between the same facts mean the same state.
    #[test]
    fn time_alone_changes_a_state_only_when_it_was_announced(
        before in any_history(), expect in any_expectation(), later in 1..2_000i64,
    ) {
        let Judged { history, clock, facts, verdict } = judge_all(before, &expect);
        let until = verdict.wake_at.map_or(at(clock + later), |wake| {
            wake.checked_sub(SignedDuration::from_millis(1)).unwrap().min(at(clock + later))
        });
        prop_assume!(until > at(clock));
        let again = judge(&facts, &expect, &mut history.clone(), until);
        prop_assert_eq!(again.state, verdict.state, "{} then {}", verdict.field, again.field);
    }

    #[test]
    fn time_alone_never_turns_a_failure_or_a_pause_into_something_milder(
        before in any_history(), expect in any_expectation(), later in 1..9_000i64,
    ) {
        use RolloutState as S;
        let Judged { mut history, clock, facts, verdict } = judge_all(before, &expect);
        let again = judge(&facts, &expect, &mut history, at(clock + later));
        let may_become: &[S] = match verdict.state {
            S::Progressing => &[S::Progressing, S::Stuck, S::Failed, S::Unknown],
            S::Stuck => &[S::Stuck, S::Failed],
            S::Settling => &[S::Settling, S::Complete],
            // A break is over when everything held for a whole settle time.
            S::Failed => &[S::Failed, S::Complete],
            S::Unknown => &[S::Unknown, S::Failed],
            // A revision that is not seen with its workload may only be late.
            S::Unobserved => &[S::Unobserved, S::Unknown],
            // A deadline of Argo's that may have been the one before.
            S::Paused => &[S::Paused, S::Failed],
            ref same => std::slice::from_ref(same),
        };
        prop_assert!(may_become.contains(&again.state), "{:?} became {:?}", verdict, again);
    }

    /// However long it lasted and whatever came before it.
    #[test]
    fn an_outage_completes_nothing_and_is_no_standstill(
        before in any_history(), expect in any_expectation(), outage in 1..9_000i64,
    ) {
        let Judged { mut history, clock, facts, verdict } = judge_all(before, &expect);
        history.lose_sight(at(clock));
        let again = judge(&facts, &expect, &mut history, at(clock + outage));
        let settles = expect.settle_s.max(facts.min_ready_s) > 0;
        if again.state == RolloutState::Complete && settles {
            prop_assert_eq!(verdict.state, RolloutState::Complete);
        }
        if again.state == RolloutState::Stuck && again.field.contains("no progress") {
            prop_assert_eq!(again.field, verdict.field);
        }
    }

    #[test]
    fn a_state_is_never_older_than_the_clock(facts in any_facts(), clock in -900..900i64) {
        let verdict = judge(&facts, &Expectation::watching(), &mut RolloutHistory::default(), at(clock));
        prop_assert!(verdict.since <= at(clock));
        prop_assert!(verdict.wake_at.is_none_or(|wake| wake > at(clock)));
    }
}
