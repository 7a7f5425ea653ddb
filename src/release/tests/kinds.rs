//! The way back of the kinds that need more than a patch: an Argo Rollout's traffic and steps, and
//! the pod that holds a StatefulSet.

use super::*;
use crate::release::Blocker;

fn of_kind(kind: Kind, name: &str) -> TargetRef {
    TargetRef { kind, ..target(name) }
}

fn pin_of(kind: Kind, name: &str) -> Pin {
    Pin { target: of_kind(kind, name), ..pin(name) }
}

fn seen_of(kind: Kind, name: &str, state: RolloutState, blocker: Option<Blocker>) -> Fact {
    let Fact::RolloutChanged(known) = seen(name, state, old(name), 9) else { unreachable!() };
    Fact::RolloutChanged(RolloutSeen { target: of_kind(kind, name), blocker, ..known })
}

/// Production ran on these, and the rollback was fired.
fn rolling_back(pins: Vec<Pin>) -> (Play, Vec<Effect>) {
    let targets: Vec<TargetRef> = pins.iter().map(|pin| pin.target.clone()).collect();
    let (mut play, _) = Play::opened_on(targets);
    play.world(Fact::Pinned { pins, routes: vec![] });
    play.ana(Play::begin());
    let mut play = play.until(&Current::Check("production-deployment/deployment-started".into()));
    let effects =
        play.ana(Fact::RollbackFired { reason: None, shown: Vec::new(), evidence: Vec::new(), policy: None });
    (play, effects)
}

fn measures(effects: &[Effect]) -> Vec<(Measure, usize)> {
    let measure = |effect: &Effect| match effect {
        Effect::RollBack(back) => Some((back.measure.clone(), back.step)),
        _ => None,
    };
    effects.iter().filter_map(measure).collect()
}

fn state(play: &Play, index: usize) -> PlanState {
    play.state().rollback.as_ref().expect("it was fired").plan[index].state.clone()
}

fn web() -> (Play, Vec<Effect>) {
    rolling_back(vec![pin_of(Kind::Rollout, "web")])
}

#[test]
fn traffic_goes_back_before_any_template_and_steps_are_left_out_after_all_of_them() {
    let pins = vec![pin("api"), pin_of(Kind::Rollout, "web"), pin_of(Kind::StatefulSet, "db")];
    let (web, db) = (of_kind(Kind::Rollout, "web"), of_kind(Kind::StatefulSet, "db"));
    assert_eq!(
        plan(&pins, &[]),
        [
            PlanAction::Abort(web.clone()),
            PlanAction::Patch(db.clone()),
            PlanAction::Patch(web.clone()),
            PlanAction::Patch(target("api")),
            PlanAction::Promote(web.clone()),
            PlanAction::Settle(db),
            PlanAction::Settle(web),
            PlanAction::Settle(target("api")),
            PlanAction::Clear,
        ]
    );
}

/// The trap of an abort alone: the spec still holds the bad version.
#[test]
fn an_abort_alone_is_never_safe() {
    let (mut play, effects) = web();
    assert_eq!(measures(&effects), [(Measure::Abort, 0)]);
    assert_eq!(measures(&play.world(step_ended(0, 1, ACCEPTED))), [(Measure::Template, 1)]);
    let rollback = play.state().rollback.as_ref().expect("it was fired");
    assert_eq!((rollback.accepted_at, rollback.accepted_ms), (None, None), "no template is in yet");
    play.world(seen_of(Kind::Rollout, "web", RolloutState::Complete, None));
    assert_eq!(play.phase(), Phase::RollingBack, "the patch was not answered yet");
    assert_eq!(measures(&play.world(step_ended(1, 1, ACCEPTED))), [(Measure::Promote, 2)]);
    play.world(step_ended(2, 1, StepResult::AlreadyThere));
    play.world(seen_of(Kind::Rollout, "web", RolloutState::Complete, None));
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn an_abort_that_is_refused_is_told_and_holds_up_no_template() {
    for kind in [FailureKind::Refused, FailureKind::Rejected, FailureKind::Changed] {
        let (mut play, _) = web();
        let effects = play.world(step_ended(0, 1, failed(kind)));
        assert!(effects.contains(&Effect::Ring), "{effects:?}");
        assert_eq!(measures(&effects), [(Measure::Template, 1)], "{kind:?}");
        assert_eq!(play.phase(), Phase::RollingBack);
        assert!(matches!(state(&play, 0), PlanState::Failed(_)), "the failure stays in sight");
    }
}

#[test]
fn an_abort_that_is_never_answered_holds_up_the_template_for_so_long_only() {
    let (mut play, _) = web();
    for attempt in [1, 2] {
        play.world(step_ended(0, attempt, failed(FailureKind::TimedOut)));
        let again = play.world(Fact::Woke { timer: Timer::RollbackRetry { step: 0, attempt } });
        assert_eq!(measures(&again), [(Measure::Abort, 0)]);
    }
    let effects = play.world(step_ended(0, 3, failed(FailureKind::TimedOut)));
    assert_eq!(measures(&effects), [(Measure::Template, 1)]);
    // A server that is not there at all gets no template either.
    let (mut play, _) = web();
    for attempt in 1..9 {
        play.world(step_ended(0, attempt, failed(FailureKind::Unreachable)));
        assert!(matches!(state(&play, 0), PlanState::Queued { .. }));
        play.world(Fact::Woke { timer: Timer::RollbackRetry { step: 0, attempt } });
    }
}

#[test]
fn a_crash_between_any_two_actions_sends_the_open_one_again_and_no_other() {
    let (mut play, _) = web();
    for (index, measure) in [Measure::Abort, Measure::Template, Measure::Promote].into_iter().enumerate() {
        let again = play.world(Fact::Reopened);
        assert_eq!(measures(&again), [(measure, index)]);
        play.world(step_ended(index, 2, ACCEPTED));
    }
    assert_eq!(measures(&play.world(Fact::Reopened)), [], "nothing is open but the wait");
}

fn blocker(pod: &str, uid: &str) -> Blocker {
    Blocker { pod: pod.to_owned(), uid: uid.to_owned(), revision: "db-bad".to_owned() }
}

fn db() -> TargetRef {
    of_kind(Kind::StatefulSet, "db")
}

fn held_by(held: Option<Blocker>) -> Fact {
    seen_of(Kind::StatefulSet, "db", RolloutState::Stuck, held)
}

fn deleted(pod: &str, uid: &str) -> Fact {
    Fact::BlockerDeleted { target: db(), blocker: blocker(pod, uid) }
}

/// Its template is back, and `db-1` of the bad revision holds it.
fn trapped() -> Play {
    let (mut play, _) = rolling_back(vec![pin("api"), pin_of(Kind::StatefulSet, "db")]);
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(step_ended(1, 1, ACCEPTED));
    let effects = play.world(held_by(Some(blocker("db-1", "p1"))));
    assert_eq!(measures(&effects), [], "a pod is never deleted unasked");
    play
}

#[test]
fn the_pod_that_holds_the_way_back_is_named_and_deleted_only_when_a_person_says_so() {
    let mut play = trapped();
    assert_eq!(play.release.blocker(), Some((&db(), &blocker("db-1", "p1"))));
    let effects = play.ana(deleted("db-1", "p1"));
    let [Effect::RollBack(back)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((&back.measure, &back.pin.target), (&Measure::Delete(blocker("db-1", "p1")), &db()));
    assert!(effects[0].changes_outside());
    assert_eq!(play.release.blocker(), None, "it is asked for once");
    play.world(step_ended(back.step, 1, ACCEPTED));
    assert_eq!(play.release.blocker(), None, "the watch has not told of it yet");
    play.world(seen_of(Kind::StatefulSet, "db", RolloutState::Complete, None));
    play.world(seen("api", RolloutState::Complete, old("api"), 9));
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn only_the_very_pod_that_was_shown_is_deleted_and_only_one_at_a_time() {
    let mut play = trapped();
    assert!(play.refused(deleted("db-1", "p2")).contains("does not hold"), "another pod of that name");
    assert!(play.refused(deleted("db-0", "p0")).contains("does not hold"));
    play.ana(deleted("db-1", "p1"));
    play.world(held_by(Some(blocker("db-0", "p0"))));
    assert!(play.refused(deleted("db-0", "p0")).contains("one at a time"));
    play.world(step_ended(2, 1, ACCEPTED));
    assert!(play.refused(deleted("db-1", "p1")).contains("does not hold"), "it is gone already");
    let effects = play.ana(deleted("db-0", "p0"));
    assert_eq!(measures(&effects), [(Measure::Delete(blocker("db-0", "p0")), 3)]);
}

#[test]
fn nothing_is_deleted_while_the_bad_template_is_still_there() {
    let (mut play, _) = rolling_back(vec![pin_of(Kind::StatefulSet, "db")]);
    let Fact::RolloutChanged(known) = held_by(Some(blocker("db-1", "p1"))) else { unreachable!() };
    play.world(Fact::RolloutChanged(RolloutSeen { template_print: new("db"), ..known }));
    assert_eq!(play.release.blocker(), None);
    assert!(play.refused(deleted("db-1", "p1")).contains("does not hold"));
}

#[test]
fn a_deletion_that_is_refused_leaves_the_rest_as_it_was_and_can_be_asked_for_again() {
    let mut play = trapped();
    play.ana(deleted("db-1", "p1"));
    assert_eq!(play.world(step_ended(2, 1, failed(FailureKind::Refused))), [Effect::Ring]);
    assert_eq!(play.phase(), Phase::RollingBack);
    assert_eq!(play.release.blocker(), Some((&db(), &blocker("db-1", "p1"))));
    let effects = play.ana(deleted("db-1", "p1"));
    assert_eq!(measures(&effects), [(Measure::Delete(blocker("db-1", "p1")), 3)]);
}

/// `Y` asks for the templates; the pod was the answer to another question.
#[test]
fn another_y_deletes_no_pod() {
    let mut play = trapped();
    play.ana(deleted("db-1", "p1"));
    play.world(step_ended(2, 1, failed(FailureKind::Refused)));
    play.world(seen_of(Kind::StatefulSet, "db", RolloutState::Failed, Some(blocker("db-1", "p1"))));
    play.world(seen("api", RolloutState::Failed, old("api"), 9));
    assert_eq!(play.phase(), Phase::RollbackFailed);
    let effects = play.ana(fired());
    assert_eq!(measures(&effects), []);
    assert_eq!(play.release.blocker(), Some((&db(), &blocker("db-1", "p1"))), "it is asked anew");
}

#[test]
fn a_rollback_that_was_given_up_goes_on_once_the_pod_is_deleted() {
    let mut play = trapped();
    play.world(seen_of(Kind::StatefulSet, "db", RolloutState::Failed, Some(blocker("db-1", "p1"))));
    assert_eq!(play.phase(), Phase::RollbackFailed);
    play.ana(deleted("db-1", "p1"));
    assert_eq!(play.phase(), Phase::RollingBack);
    play.world(step_ended(2, 1, ACCEPTED));
    play.world(seen_of(Kind::StatefulSet, "db", RolloutState::Complete, None));
    play.world(seen("api", RolloutState::Complete, old("api"), 9));
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn a_deletion_whose_answer_was_lost_in_a_crash_is_sent_again_for_the_same_pod() {
    let mut play = trapped();
    play.ana(deleted("db-1", "p1"));
    let again = play.world(Fact::Reopened);
    assert_eq!(measures(&again), [(Measure::Delete(blocker("db-1", "p1")), 2)]);
    play.changes_nothing(step_ended(2, 1, ACCEPTED));
    play.world(step_ended(2, 2, StepResult::AlreadyThere));
    assert!(matches!(state(&play, 2), PlanState::Done { .. }));
}
