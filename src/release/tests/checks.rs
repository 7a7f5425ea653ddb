//! Gates, groups, sensed checks, and the three ways of not doing something.

use super::*;

fn with_reason(answer: &str, check: &str, reason: &str) -> Fact {
    let (item, reason) = (ItemId::Check(check.into()), reason.to_owned());
    match answer {
        "skip" => Fact::Skipped { item, reason },
        "n/a" => Fact::NotApplicable { item, reason },
        "override" => Fact::Overridden { check: check.into(), reason, evidence: Vec::new() },
        _ => Fact::NoGo { check: check.into(), reason, evidence: Vec::new() },
    }
}

#[test]
fn nothing_runs_before_the_prerequisites_are_closed() {
    let mut play = Play::begun();
    let run = play.run("prepare/command-1");
    assert!(play.refused(Fact::CommandStarted(run)).contains("before the prerequisites are closed"));
    assert!(play.refused(confirmed("prepare/notes-ready")).contains("“Prepare” comes later"));
    play.ana(confirmed("prerequisites/tests-pass"));
    let run = play.run("prepare/command-1");
    assert!(play.tell(Some("ana"), Fact::CommandStarted(run)).is_err());
    play.ana(confirmed("prerequisites/database-is-migrated-if-applicable"));
    let effects = play.start("prepare/command-1");
    assert!(matches!(effects.as_slice(), [Effect::Run(_)]), "{effects:?}");
}

#[test]
fn a_later_step_waits_for_the_one_before() {
    let mut play = Play::at_command("prepare/command-1");
    let run = play.run("production-deployment/command-1");
    let words = play.refused(Fact::CommandStarted(run));
    assert!(words.contains("“Production deployment” comes later"), "{words}");
    assert!(play.refused(confirmed("check-on-staging/smoke-tests-pass")).contains("comes later"));
}

#[test]
fn a_check_answered_no_go_keeps_its_step_until_it_is_answered_anew() {
    let mut play = Play::at_check("prepare/notes-ready");
    play.ana(with_reason("no-go", "prepare/notes-ready", "nobody wrote them"));
    let run = play.run("build/command-1");
    assert!(play.refused(Fact::CommandStarted(run)).contains("comes later"));
    assert_eq!(play.release.current(), Current::Check("prepare/notes-ready".into()));
    play.ana(confirmed("prepare/notes-ready"));
    assert_eq!(play.release.current(), Current::Command("build/command-1".into()));
}

#[test]
fn an_answered_check_is_answered_again_only_after_it_was_opened_again() {
    let mut play = Play::at_command("prepare/command-1");
    let check = "prerequisites/tests-pass";
    assert!(play.refused(confirmed(check)).contains("already answered"));
    play.ana(Fact::CheckReopened { check: check.into() });
    assert_eq!(play.release.current(), Current::Check(check.into()));
    let run = play.run("prepare/command-1");
    assert!(play.tell(Some("ana"), Fact::CommandStarted(run)).is_err(), "the gate is open again");
    play.ana(confirmed(check));
    assert!(play.refused(Fact::CheckReopened { check: "prepare/notes-ready".into() }).contains("no answer"));
    assert!(play.refused(Fact::CheckReopened { check: "no/such".into() }).contains("no answer"));
}

#[test]
fn skipped_not_applicable_and_overridden_are_three_records_each_with_person_and_reason() {
    let answers = [
        ("skip", "prepare/notes-ready", Answer::Skipped),
        ("n/a", "prerequisites/database-is-migrated-if-applicable", Answer::NotApplicable),
        ("override", "prepare/notes-ready", Answer::Overridden),
    ];
    for (answer, check, expected) in answers {
        let mut play = Play::at_check(check);
        for reason in ["", "  "] {
            assert!(play.refused(with_reason(answer, check, reason)).contains("needs a reason"));
        }
        play.ana(with_reason(answer, check, "the table is empty"));
        let mark = &play.state().checks[&check.into()];
        assert_eq!(mark.answer, expected);
        assert_eq!(mark.by.as_ref().map(|by| by.name.as_str()), Some("ana"));
        assert_eq!(mark.reason.as_deref(), Some("the table is empty"));
        assert!(play.release.is_closed(&check.into()));
    }
}

#[test]
fn what_always_applies_cannot_be_answered_not_applicable() {
    let mut play = Play::at_check("prepare/notes-ready");
    let words = play.refused(with_reason("n/a", "prepare/notes-ready", "no time"));
    assert!(words.contains("always applies") && words.contains("skip it"), "{words}");
}

#[test]
fn a_no_go_without_a_reason_is_refused() {
    let mut play = Play::at_check("prepare/notes-ready");
    assert!(play.refused(with_reason("no-go", "prepare/notes-ready", " ")).contains("needs a reason"));
}

#[test]
fn the_second_group_of_a_timeboxed_step_waits_for_the_first_and_its_box_opens_then() {
    let mut play = Play::at_check("look-closely/application-reachable");
    let step: StepId = "look-closely".into();
    assert!(play.state().timeboxes.contains_key(&(step.clone(), 0)));
    assert!(!play.state().timeboxes.contains_key(&(step.clone(), 1)), "its clock runs from its own start");
    let words = play.refused(confirmed("look-closely/a-customer-can-order"));
    assert!(words.contains("group before it") && words.contains("Application reachable"), "{words}");
    play.ana(confirmed("look-closely/application-reachable"));
    assert_eq!(play.state().timeboxes.get(&(step, 1)), Some(&second(play.now)));
    play.ana(confirmed("look-closely/a-customer-can-order"));
}

#[test]
fn a_timebox_that_runs_out_answers_nothing() {
    let mut play = Play::at_check("look-closely/application-reachable");
    play.now += 24 * 3_600;
    play.world(Fact::HealthChanged { healthy: true, summary: "db ok".to_owned() });
    assert_eq!(play.release.current(), Current::Check("look-closely/application-reachable".into()));
}

const SENSED: &str = "outputs/application-deployed-to-production";

fn sensed(pass: bool, value: &str) -> Fact {
    Fact::Sensed { check: SENSED.into(), pass, value: value.to_owned() }
}

#[test]
fn a_sensed_check_follows_its_probe_both_ways_and_takes_no_tick() {
    let mut play = Play::at_check(SENSED);
    assert!(play.refused(confirmed(SENSED)).contains("sensed, not confirmed by hand"));
    play.world(sensed(false, "2 of 4"));
    assert!(!play.release.is_closed(&SENSED.into()));
    play.world(sensed(true, "4 of 4"));
    assert!(play.release.is_closed(&SENSED.into()));
    assert_eq!(play.state().checks[&SENSED.into()].by, None);
    play.world(sensed(false, "3 of 4"));
    assert!(!play.release.is_closed(&SENSED.into()), "what is true no more is closed no more");
    assert!(play.refused(Fact::CheckReopened { check: SENSED.into() }).contains("no answer of a person"));
}

#[test]
fn an_override_stands_against_its_probe_until_it_is_taken_back() {
    let mut play = Play::at_check(SENSED);
    play.world(sensed(false, "2 of 4"));
    play.ana(with_reason("override", SENSED, "the old pods are pinned by a debugger"));
    play.world(sensed(false, "1 of 4"));
    assert_eq!(play.state().checks[&SENSED.into()].answer, Answer::Overridden);
    play.ana(Fact::CheckReopened { check: SENSED.into() });
    play.world(sensed(true, "4 of 4"));
    assert_eq!(play.state().checks[&SENSED.into()].answer, Answer::Sensed { value: "4 of 4".to_owned() });
}

#[test]
fn a_probe_settles_no_check_that_is_not_bound_to_it() {
    let mut play = Play::at_check("prepare/notes-ready");
    play.changes_nothing(Fact::Sensed {
        check: "prepare/notes-ready".into(),
        pass: true,
        value: "yes".to_owned(),
    });
    play.changes_nothing(Fact::Sensed { check: "no/such".into(), pass: true, value: "yes".to_owned() });
}

#[test]
fn the_seconds_that_an_answer_took_are_counted_from_the_one_before() {
    let mut play = Play::begun();
    play.now += 29;
    play.ana(confirmed("prerequisites/tests-pass"));
    play.ana(confirmed("prerequisites/database-is-migrated-if-applicable"));
    let took = |check: &str| play.state().checks[&check.into()].took_s;
    assert_eq!(took("prerequisites/tests-pass"), 31);
    assert_eq!(took("prerequisites/database-is-migrated-if-applicable"), 1);
}

#[test]
fn a_release_ends_with_its_communication_pending_and_with_nothing_else_open() {
    let mut play = Play::deployed();
    while play.release.current() != Current::Check("communication/the-team-knows".into()) {
        assert!(play.refused(Fact::Completed).contains("the release cannot end"));
        play.go_on();
    }
    assert!(play.refused(Fact::Completed).contains("is open"), "the outputs are not confirmed");
    play.world(sensed(true, "4 of 4"));
    play.ana(confirmed("outputs/release-notes-published"));
    assert_eq!(play.release.first_blocker(), None);
    let pending: Vec<&str> = play.release.pending().iter().map(|check| check.text.as_str()).collect();
    assert_eq!(pending, ["The team knows"]);
    play.ana(Fact::Completed);
    assert_eq!(play.phase(), Phase::Completed);
}

#[test]
fn outputs_are_confirmed_at_the_end() {
    let mut play = Play::deployed();
    assert!(play.refused(confirmed("outputs/release-notes-published")).contains("confirmed at the end"));
}

#[test]
fn a_release_begins_only_with_every_value_and_with_values_that_no_shell_reads() {
    let mut play = Play::opened();
    let begun = |value: &str| Fact::Begun {
        params: BTreeMap::from([("VERSION".to_owned(), value.to_owned())]),
        roster: BTreeMap::new(),
    };
    let none = Fact::Begun { params: BTreeMap::new(), roster: BTreeMap::new() };
    assert!(play.refused(none).contains("VERSION has no value"));
    assert!(play.refused(begun("v1;reboot")).contains("shell"));
    play.ana(begun("v1.3.0"));
    let command = play.release.workflow().command(&"production-deployment/command-1".into()).unwrap();
    assert_eq!(command.text.trim(), "kubectl set image deployment/app app=myapp:v1.3.0");
}
