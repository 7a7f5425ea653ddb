use jiff::Timestamp;

use super::*;
use crate::watch::rollout::RolloutState;
use crate::watch::*;
use crate::workflow::Kind;

pub fn at(second: i64) -> Moment {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    Moment::real(noon + SignedDuration::from_secs(second))
}

pub fn target(name: &str) -> TargetRef {
    TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: name.into(), container: None }
}

/// A picture of one deployment that was not read yet.
pub fn one() -> Picture {
    Picture::new(vec![target("app")], 10, "http://api (prod)".to_owned(), at(0))
}

/// A deployment of one pod, up since just now.
pub fn facts() -> WorkloadFacts {
    let pod = PodFacts {
        uid: "pod-1".into(),
        revision: Some("app-new".into()),
        ready_since: Some(at(-1).wall),
        created: Some(at(-9).wall),
        ..fixture::pod("app-1")
    };
    WorkloadFacts {
        target: target("app"),
        uid: "uid".into(),
        unread: None,
        gone: false,
        generation: 3,
        observed_generation: Some(3),
        paused: false,
        strategy: UpdateStrategy::RollingUpdate,
        spec_replicas: 1,
        replicas: 1,
        updated: 1,
        ready: 1,
        available: 1,
        revision: Some(8),
        template_print: "new".into(),
        images: vec![],
        conditions: vec![],
        progress_deadline_s: Some(600),
        min_ready_s: 0,
        max_surge: None,
        max_unavailable: None,
        gitops_owner: None,
        target_revision: Some("app-new".into()),
        stable_revision: None,
        revisions: vec![],
        pods: vec![pod.into()],
        events: vec![],
        argo: None,
        unclear: None,
    }
}

pub fn up(facts: WorkloadFacts) -> Observation {
    Observation::Workload(Box::new(facts))
}

/// Its only pod crashed three times.
pub fn crashing() -> Observation {
    let mut facts = facts();
    (facts.ready, facts.available) = (0, 0);
    facts.pods[0].ready = false;
    let container = &mut facts.pods[0].containers[0];
    container.ready = false;
    container.restarts = 3;
    container.state =
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: "back-off 40s".into() };
    container.last_end = Some(Termination {
        exit_code: 1,
        reason: "Error".into(),
        message: String::new(),
        finished: Some(at(-2).wall),
    });
    up(facts)
}

pub fn silent(since: i64) -> Observation {
    let link = Link::Down { since: at(since), cause: "connection refused".into(), retry_at: None };
    Observation::Link { system: System::Cluster, link }
}

pub fn live() -> Observation {
    Observation::Link { system: System::Cluster, link: Link::Live }
}

pub fn log(lines: &[&str]) -> Observation {
    let mut batch = LogLines::default();
    for line in lines {
        batch.push(None, line.as_bytes());
    }
    let source = LogSource { pod: "app-1".into(), container: "app".into(), revision: None };
    Observation::Logs(vec![LogBatch { source: source.into(), lines: batch, mark: None }])
}

fn ended() -> Observation {
    let source = LogSource { pod: "app-1".into(), container: "app".into(), revision: None };
    let mark = Some(LogMark::Ended { why: "container ended, Error exit 1".into() });
    Observation::Logs(vec![LogBatch { source: source.into(), lines: LogLines::default(), mark }])
}

fn state(picture: &Picture) -> RolloutState {
    picture.standings[0].verdict.state
}

#[test]
fn what_is_up_long_since_is_complete_at_once() {
    let mut facts = facts();
    facts.pods[0].ready_since = Some(at(-3600).wall);
    let mut picture = one();
    picture.take(up(facts), at(0));
    assert_eq!(picture.outcome(), Outcome::Complete);
    assert!(picture.is_decided());
}

#[test]
fn what_has_just_come_up_settles_first() {
    let mut picture = one();
    picture.take(up(facts()), at(0));
    assert_eq!((state(&picture), picture.outcome()), (RolloutState::Settling, Outcome::Unfinished));
    assert_eq!(picture.wake_at(), Some(at(10).world));
    picture.judge(at(10));
    assert_eq!(picture.outcome(), Outcome::Complete);
}

#[test]
fn a_rollout_whose_every_new_pod_crashes_has_failed_at_once() {
    let mut picture = one();
    picture.take(crashing(), at(0));
    assert_eq!(picture.outcome(), Outcome::Failed);
    assert!(picture.is_decided());
    assert!(picture.lacks_last_lines(), "the container ran, so it may have said why");
    picture.take(log(&["starting"]), at(0));
    assert!(picture.lacks_last_lines(), "the death was known before its log was read to the end");
    picture.take(log(&["FATAL no database"]), at(0));
    picture.take(ended(), at(0));
    assert!(!picture.lacks_last_lines());
    assert_eq!(picture.last_lines(&picture.standings[0]), ["starting", "FATAL no database"]);
}

#[test]
fn a_container_that_never_ran_has_no_last_lines_to_wait_for() {
    let mut facts = facts();
    facts.available = 0;
    facts.pods[0].ready = false;
    facts.pods[0].containers[0].ready = false;
    facts.pods[0].containers[0].state =
        ContainerState::Waiting { reason: "ErrImagePull".into(), message: "myapp:v9 not found".into() };
    let mut picture = one();
    picture.take(up(facts), at(0));
    assert_eq!(picture.outcome(), Outcome::Failed);
    assert!(!picture.lacks_last_lines());
}

#[test]
fn a_template_that_changes_meanwhile_was_changed_by_somebody_else() {
    let mut picture = one();
    picture.take(up(facts()), at(0));
    let mut other = facts();
    (other.template_print, other.generation, other.observed_generation) = ("other".into(), 4, Some(4));
    picture.take(up(other), at(2));
    assert_eq!((state(&picture), picture.outcome()), (RolloutState::Superseded, Outcome::Failed));
}

#[test]
fn an_object_that_is_deleted_or_made_anew_is_gone() {
    let mut picture = one();
    picture.take(up(facts()), at(0));
    picture.take(up(WorkloadFacts { uid: "other".into(), ..facts() }), at(2));
    assert_eq!((state(&picture), picture.outcome()), (RolloutState::Gone, Outcome::Failed));
    let mut picture = one();
    picture.take(up(WorkloadFacts { gone: true, ..facts() }), at(0));
    assert_eq!((state(&picture), picture.outcome()), (RolloutState::Gone, Outcome::Failed));
}

#[test]
fn time_alone_decides_nothing_while_the_cluster_is_silent() {
    let mut picture = one();
    picture.take(up(facts()), at(0));
    picture.take(silent(1), at(4));
    picture.judge(at(60));
    assert_eq!((state(&picture), picture.outcome()), (RolloutState::Settling, Outcome::Unknown));
    assert_eq!(picture.wake_at(), None);
    assert!(!picture.is_decided());
    picture.take(live(), at(61));
    assert_eq!(state(&picture), RolloutState::Settling, "one second was seen, sixty were not");
    assert_eq!(picture.wake_at(), Some(at(71).world));
    picture.judge(at(71));
    assert_eq!(picture.outcome(), Outcome::Complete);
}

#[test]
fn what_time_alone_decided_before_the_silence_was_noticed_is_taken_back() {
    let mut picture = one();
    picture.take(up(facts()), at(0));
    picture.judge(at(10));
    assert_eq!(picture.outcome(), Outcome::Complete);
    picture.take(silent(7), at(11));
    assert_eq!((state(&picture), picture.outcome()), (RolloutState::Settling, Outcome::Unknown));
    // A second sign of the same silence changes nothing.
    picture.take(silent(7), at(13));
    assert_eq!(state(&picture), RolloutState::Settling);
}

#[test]
fn a_complete_rollout_of_a_silent_cluster_is_unknown() {
    let mut picture = one();
    picture.take(up(facts()), at(0));
    picture.judge(at(10));
    picture.take(silent(10), at(14));
    assert_eq!((state(&picture), picture.outcome()), (RolloutState::Complete, Outcome::Unknown));
}

#[test]
fn a_target_that_may_not_be_read_is_unknown_with_the_reason_until_it_may() {
    let mut picture = one();
    let why = "may not list deployments in shop";
    let refused = WorkloadFacts { unread: Some(why.to_owned()), uid: String::new(), ..facts() };
    picture.take(up(refused), at(1));
    assert!(picture.is_answered() && !picture.is_decided());
    assert_eq!(picture.outcome(), Outcome::Unknown);
    assert_eq!(picture.standings[0].message(), why);
    assert!(!picture.standings[0].is_there());
    picture.take(up(facts()), at(60));
    assert_eq!(state(&picture), RolloutState::Settling, "what was read in the end counts");
}

#[test]
fn a_server_that_cannot_be_reached_has_not_answered_and_is_named() {
    let mut picture = one();
    picture.take(silent(1), at(4));
    assert_eq!(picture.standings[0].message(), "no answer from http://api (prod): connection refused");
    assert!(!picture.is_answered());
    assert_eq!(picture.outcome(), Outcome::Unknown);
    picture.take(live(), at(6));
    assert!(picture.standings[0].is_awaited());
}

#[test]
fn one_target_of_two_that_was_not_read_keeps_the_whole_unknown() {
    let mut picture = Picture::new(vec![target("app"), target("web")], 10, String::new(), at(0));
    picture.take(crashing(), at(0));
    assert_eq!(picture.outcome(), Outcome::Unknown);
    assert!(!picture.is_decided() && !picture.is_answered());
    let mut web = facts();
    web.target = target("web");
    picture.take(up(web), at(1));
    assert_eq!(picture.outcome(), Outcome::Failed);
    assert!(picture.is_decided() && picture.is_answered());
}

#[test]
fn what_is_known_is_as_old_as_the_last_answer() {
    let mut picture = one();
    assert_eq!(picture.age(&picture.standings[0], at(3)).as_secs(), 3);
    picture.take(up(facts()), at(3));
    assert_eq!(picture.age(&picture.standings[0], at(4)).as_secs(), 1);
    // A quiet watch beside a heartbeat that answers.
    assert_eq!(picture.age(&picture.standings[0], at(90)).as_secs(), 4);
    picture.take(silent(88), at(92));
    assert_eq!(picture.age(&picture.standings[0], at(120)).as_secs(), 32);
}
