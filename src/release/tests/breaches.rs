//! A criterion that is met: it proposes, and fires nothing.

use super::*;

const LATENCY: &str = "latency-p95";

fn declared(criterion: &str, met: bool) -> Fact {
    Fact::CriterionDeclared { criterion: criterion.into(), met, reason: "orders fail".to_owned() }
}

fn overridden(criterion: &str, reason: &str) -> Fact {
    Fact::CriterionOverridden { criterion: criterion.into(), reason: reason.to_owned() }
}

#[test]
fn a_breach_rings_once_and_fires_nothing() {
    let mut play = Play::deployed();
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring]);
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [], "the same breach rings no second time");
    assert_eq!((play.phase(), play.state().is_breached()), (Phase::Running, true));
    assert_eq!(play.state().rollback, None);
    assert_eq!(play.world(read_as(LATENCY, Verdict::Fail)), [Effect::Ring], "another one does");
}

#[test]
fn only_a_fail_is_a_breach() {
    for verdict in [Verdict::Pass, Verdict::NoData, Verdict::Error] {
        let mut play = Play::deployed();
        assert_eq!(play.world(read_as(ERRORS, verdict)), [], "{verdict:?}");
        assert!(!play.state().is_breached(), "{verdict:?}");
    }
}

#[test]
fn no_data_after_a_breach_is_not_taken_for_its_end_by_the_rollback() {
    let mut play = Play::deployed();
    play.world(read_as(ERRORS, Verdict::Fail));
    play.ana(fired());
    play.world(read_as(ERRORS, Verdict::NoData));
    for step in [0, 1] {
        play.world(step_ended(step, 1, ACCEPTED));
    }
    for name in ["app", "api"] {
        play.world(seen(name, RolloutState::Complete, old(name), 9));
    }
    assert_eq!(play.phase(), Phase::RollingBack);
    assert_eq!(play.release.rollback_missing(), ["“Error rate > 1%” clear"]);
    assert_eq!(play.world(read_as(ERRORS, Verdict::Pass)), [Effect::Ring]);
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn a_breach_keeps_a_production_step_from_closing_and_the_release_from_ending() {
    let mut play = Play::deployed();
    play.world(read_as(ERRORS, Verdict::Fail));
    play.ana(confirmed("production-deployment/deployment-started"));
    let step = play.release.workflow().steps[3].clone();
    assert_eq!(play.release.step_status(&step), StepStatus::Current);
    let words = play.refused(confirmed("look-closely/application-reachable"));
    assert!(words.contains("a rollback criterion is met") && words.contains('R'), "{words}");
    assert!(play.refused(Fact::Completed).contains("a rollback criterion is met"));
    play.world(read_as(ERRORS, Verdict::Pass));
    assert_eq!(play.release.step_status(&step), StepStatus::Done);
    play.ana(confirmed("look-closely/application-reachable"));
}

/// Where the release stands must not jump back to a step that was long closed.
#[test]
fn a_breach_leaves_the_steps_that_were_closed_closed_and_the_current_one_answerable() {
    let mut play = Play::deployed().until(&Current::Check("look-closely/a-customer-can-order".into()));
    play.world(read_as(ERRORS, Verdict::Fail));
    let status = |play: &Play, index: usize| play.release.step_status(&play.release.workflow().steps[index]);
    assert_eq!(status(&play, 3), StepStatus::Done);
    assert_eq!(status(&play, 4), StepStatus::Current);
    play.ana(Fact::NoGo {
        check: "look-closely/a-customer-can-order".into(),
        reason: "500 on checkout".to_owned(),
        evidence: Vec::new(),
    });
    play.ana(confirmed("look-closely/a-customer-can-order"));
    assert_eq!(status(&play, 4), StepStatus::Current, "all is answered, and it does not close");
    assert_eq!(status(&play, 5), StepStatus::Pending);
    assert!(!play.state().soaks.contains_key(&"keep-watching".into()), "nothing begins in a breach");
    play.world(read_as(ERRORS, Verdict::Pass));
    assert_eq!(status(&play, 4), StepStatus::Done);
    assert!(play.state().soaks.contains_key(&"keep-watching".into()));
}

#[test]
fn a_breach_refuses_production_commands_and_not_the_documents_way_back() {
    let mut play = Play::deployed();
    play.world(read_as(ERRORS, Verdict::Fail));
    let run = play.run("production-deployment/command-1");
    let words = play.refused(Fact::CommandStarted(run));
    assert!(words.contains("a rollback criterion is met"), "{words}");
    let effects = play.start("rollback/command-1");
    assert!(matches!(effects.as_slice(), [Effect::Run(_)]), "{effects:?}");
}

#[test]
fn a_breach_before_production_keeps_production_from_starting() {
    let mut play = Play::at_check("check-on-staging/smoke-tests-pass");
    play.ana(declared(BROKEN, true));
    play.ana(confirmed("check-on-staging/smoke-tests-pass"));
    play.ana(vote("lead", Vote::Go));
    play.ana(vote("ops", Vote::Go));
    let run = play.run("production-deployment/command-1");
    assert!(play.refused(Fact::CommandStarted(run)).contains("a rollback criterion is met"));
}

#[test]
fn an_override_speaks_of_one_breach_and_needs_a_reason() {
    let mut play = Play::deployed();
    assert!(play.refused(overridden(ERRORS, "no")).contains("not met"));
    play.world(read_as(ERRORS, Verdict::Fail));
    assert!(play.refused(overridden(ERRORS, " ")).contains("needs a reason"));
    play.ana(overridden(ERRORS, "a load test of ours"));
    assert!(!play.state().is_breached());
    assert_eq!(play.state().criteria[&ERRORS.into()].overridden.as_deref(), Some("ana: a load test of ours"));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [], "it is the same breach");
    play.world(read_as(ERRORS, Verdict::Pass));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring], "this is another one");
    assert!(play.state().is_breached());
}

#[test]
fn an_override_of_one_criterion_says_nothing_about_another() {
    let mut play = Play::deployed();
    play.world(read_as(ERRORS, Verdict::Fail));
    play.world(read_as(LATENCY, Verdict::Fail));
    play.ana(overridden(ERRORS, "a load test of ours"));
    assert!(play.state().is_breached());
}

#[test]
fn a_person_declares_and_withdraws_what_no_metric_sees() {
    let mut play = Play::deployed();
    let silent = Fact::CriterionDeclared { criterion: BROKEN.into(), met: true, reason: String::new() };
    assert!(play.refused(silent).contains("needs a reason"));
    assert!(play.refused(declared("no-such", true)).contains("no criterion no-such"));
    assert_eq!(play.ana(declared(BROKEN, true)), [Effect::Ring]);
    assert_eq!(play.state().criteria[&BROKEN.into()].declared_by.as_deref(), Some("ana"));
    play.changes_nothing(read_as(BROKEN, Verdict::Pass));
    play.ana(declared(BROKEN, false));
    assert!(!play.state().is_breached());
    assert_eq!(play.state().first_bad, None);
}

#[test]
fn what_a_person_declared_of_a_metric_is_not_cleared_by_its_next_reading() {
    let mut play = Play::deployed();
    play.world(read_as(ERRORS, Verdict::Pass));
    play.ana(declared(ERRORS, true));
    play.changes_nothing(read_as(ERRORS, Verdict::Pass));
    assert!(play.state().is_breached(), "a person may know before the metric does");
    play.ana(declared(ERRORS, false));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring]);
}

/// The image of which it was said is gone then: from there on the reading counts again.
#[test]
fn what_a_person_declared_of_a_metric_does_not_hold_up_safe() {
    let mut play = Play::deployed();
    play.ana(declared(ERRORS, true));
    play.ana(declared(BROKEN, true));
    play.ana(fired());
    for step in [0, 1] {
        play.world(step_ended(step, 1, ACCEPTED));
    }
    for name in ["app", "api"] {
        play.world(seen(name, RolloutState::Complete, old(name), 9));
    }
    assert_eq!(play.phase(), Phase::RollingBack);
    play.world(read_as(ERRORS, Verdict::Pass));
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn the_first_bad_reading_is_the_earliest_of_the_breach_that_stands() {
    let mut play = Play::deployed();
    let since = |seconds: i64| Fact::CriterionRead {
        criterion: LATENCY.into(),
        verdict: Verdict::Fail,
        why: String::new(),
        since: Some(second(seconds).world),
    };
    play.world(read_as(ERRORS, Verdict::Fail));
    assert_eq!(play.state().first_bad, Some(second(play.now).world));
    play.world(since(3));
    assert_eq!(play.state().first_bad, Some(second(3).world));
    play.world(read_as(ERRORS, Verdict::Pass));
    assert_eq!(play.state().first_bad, Some(second(3).world), "one still stands");
    play.world(read_as(LATENCY, Verdict::Pass));
    assert_eq!(play.state().first_bad, None);
}

#[test]
fn a_log_may_be_followed_during_a_breach() {
    let mut play = Play::deployed().until(&Current::Check("keep-watching/error-rate-stable".into()));
    play.world(read_as(ERRORS, Verdict::Fail));
    let effects = play.start("keep-watching/command-1");
    assert!(matches!(effects.as_slice(), [Effect::Run(_)]), "{effects:?}");
}
