//! Orders to Argo Rollouts, and targets that the plan of the rollback does not cover.

use super::*;

fn web() -> TargetRef {
    TargetRef { kind: Kind::Rollout, ..target("web") }
}

fn begun() -> Play {
    let (mut play, _) = Play::opened_on(vec![target("app"), web()]);
    play.world(Fact::Pinned { pins: vec![pin("app")], routes: vec![] });
    play.ana(Play::begin());
    play
}

fn told(order: Order, attempt: u32) -> Fact {
    let Fact::RolloutOrdered(ordered) = ordered("web", order, attempt) else { unreachable!() };
    Fact::RolloutOrdered(RolloutOrdered { target: web(), ..ordered })
}

fn answered(attempt: u32, result: StepResult) -> Fact {
    Fact::RolloutOrderEnded { attempt, result }
}

#[test]
fn an_order_is_an_outside_effect_and_its_answer_is_kept() {
    let mut play = begun();
    let effects = play.ana(told(Order::Promote, 1));
    let [Effect::Order(sent)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((&sent.target, sent.order, sent.step), (&web(), Order::Promote, Some(1)));
    assert!(effects[0].changes_outside() && !effects[0].goes_unrecorded());
    assert!(play.world(answered(1, ACCEPTED)).is_empty());
    assert_eq!(play.state().orders[0].answer.as_ref().unwrap().1, ACCEPTED);
    play.world(answered(1, failed(FailureKind::Rejected)));
    assert_eq!(
        play.state().orders[0].answer.as_ref().unwrap().1,
        ACCEPTED,
        "a second answer changes nothing"
    );
}

#[test]
fn a_second_order_waits_for_the_answer_to_the_first() {
    let mut play = begun();
    play.ana(told(Order::Promote, 1));
    assert!(play.refused(told(Order::Promote, 2)).contains("has not answered"));
    play.world(answered(1, ACCEPTED));
    assert!(play.refused(told(Order::Promote, 1)).contains("given before"));
    play.ana(told(Order::Promote, 2));
}

#[test]
fn only_an_argo_rollout_of_this_release_takes_orders() {
    let mut play = begun();
    assert!(play.refused(ordered("app", Order::Abort, 1)).contains("not an Argo Rollout"));
    let Fact::RolloutOrdered(known) = told(Order::Abort, 1) else { unreachable!() };
    let other = TargetRef { name: "other".to_owned(), ..web() };
    let fact = Fact::RolloutOrdered(RolloutOrdered { target: other, ..known });
    assert!(play.refused(fact).contains("not an Argo Rollout"));
}

#[test]
fn an_order_whose_answer_was_not_seen_is_never_sent_again_by_itself() {
    let mut play = begun();
    play.ana(told(Order::Promote, 1));
    let effects = play.world(Fact::Reopened);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Order(_))), "{effects:?}");
    let Some((_, StepResult::Failed(failure))) = &play.state().orders[0].answer else { panic!("no answer") };
    assert!(failure.summary.contains("was not seen"));
    play.ana(told(Order::Promote, 2));
}

#[test]
fn a_hold_keeps_a_rollout_from_going_on_and_not_from_going_back() {
    let mut play = begun();
    play.ana(Fact::Held { reason: "the DBA looks".to_owned() });
    assert!(play.refused(told(Order::Promote, 1)).starts_with("not while"));
    play.ana(told(Order::Abort, 1));
}

#[test]
fn the_template_before_the_first_command_is_the_known_good_one_of_any_kind() {
    let mut play = begun();
    let told = |print: &str, state| {
        let Fact::RolloutChanged(known) = seen("web", state, print.to_owned(), 7) else { unreachable!() };
        Fact::RolloutChanged(RolloutSeen { target: web(), ..known })
    };
    play.world(told("before", RolloutState::Complete));
    assert_eq!(play.state().known_good(&web()), Some("before"));
    assert!(play.release.failed_rollout().is_none());
    play = play.until(&Current::Command("prepare/command-1".into()));
    play.go_on();
    play.world(told("after", RolloutState::Failed));
    assert_eq!(play.state().known_good(&web()), Some("before"), "what came later is not known good");
    assert_eq!(play.release.failed_rollout().map(|seen| &seen.target), Some(&web()));
}

#[test]
fn a_target_that_the_plan_leaves_alone_degrades_the_way_back_and_is_named() {
    let now = second(10);
    let fine = [finding("app", Outcome::Fine)];
    let some = arming(&[target("app"), web()], &[pin("app")], &[], &fine, Some(now), now);
    assert_eq!(some.state, ArmingState::Degraded);
    assert_eq!(some.why, ["not rollout/web: the document's own commands, unproven"]);
    let unread = arming(&[target("app"), web()], &[], &[], &[], None, now);
    assert_eq!((unread.state, unread.why.len()), (ArmingState::NotProven, 2));
}
