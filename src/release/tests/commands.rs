//! Attempts, their ends, and the ends that nobody saw. The transitions themselves are in `tables`.

use super::*;

const LOG: &str = "prepare/command-1";
const BUILD: &str = "build/command-1";
const DEPLOY: &str = "production-deployment/command-1";

fn settled(attempt: u32) -> Fact {
    Fact::DoubtSettled { command: LOG.into(), attempt, succeeded: true, note: "I looked".to_owned() }
}

#[test]
fn a_start_is_one_run_of_exactly_what_was_shown() {
    let mut play = Play::at_command(LOG);
    let run = play.run(LOG);
    let effects = play.ana(Fact::CommandStarted(run.clone()));
    assert_eq!(effects, [Effect::Run(run)]);
}

#[test]
fn each_attempt_has_the_next_number_and_no_other_is_taken() {
    let mut play = Play::at_command(LOG);
    for attempt in [0, 2, 7] {
        let run = Run { attempt, ..play.run(LOG) };
        assert!(play.refused(Fact::CommandStarted(run)).contains("this would be attempt 1"));
    }
    play.start(LOG);
    play.world(ended(LOG, 1, Exit::Code(128)));
    let again = Run { attempt: 1, ..play.run(LOG) };
    assert!(play.refused(Fact::CommandStarted(again)).contains("this would be attempt 2"));
    play.start(LOG);
    let exits: Vec<_> =
        play.state().commands[&LOG.into()].attempts.iter().map(|one| one.end.clone()).collect();
    assert!(matches!(exits.as_slice(), [Some((_, Some(Exit::Code(128)))), None]), "{exits:?}");
}

#[test]
fn an_end_that_comes_twice_or_for_an_attempt_that_never_was_changes_nothing() {
    let mut play = Play::at_command(LOG);
    play.start(LOG);
    play.changes_nothing(ended(LOG, 2, Exit::Code(1)));
    play.changes_nothing(ended(LOG, 0, Exit::Code(1)));
    play.changes_nothing(ended("no/such", 1, Exit::Code(1)));
    play.world(ended(LOG, 1, Exit::Code(0)));
    play.changes_nothing(ended(LOG, 1, Exit::Code(1)));
    play.changes_nothing(Fact::CommandSpawned { command: LOG.into(), attempt: 1, pid: 9, start_time: None });
}

#[test]
fn a_command_whose_end_was_not_seen_is_in_doubt_until_a_person_says() {
    let mut play = Play::at_command(LOG);
    play.start(LOG);
    play.world(Fact::CommandSpawned { command: LOG.into(), attempt: 1, pid: 4711, start_time: Some(99) });
    let effects = play.world(Fact::Reopened);
    // The lock is taken up again: it is ours already.
    let mut others = effects.iter().filter(|effect| !matches!(effect, Effect::Lock(_)));
    assert!(!others.any(Effect::changes_outside), "nothing is repeated: {effects:?}");
    assert_eq!(play.state().command(&LOG.into()), CommandState::InDoubt);
    let run = play.run(LOG);
    assert!(play.refused(Fact::CommandStarted(run)).contains("in doubt"));
    play.changes_nothing(ended(LOG, 1, Exit::Code(0)));
    play.changes_nothing(Fact::CommandSpawned { command: LOG.into(), attempt: 1, pid: 9, start_time: None });
    play.ana(settled(1));
    assert_eq!(play.state().command(&LOG.into()), CommandState::Succeeded);
    let attempt = play.state().last_attempt(&LOG.into()).cloned().expect("it was started");
    assert_eq!((attempt.settled.as_deref(), attempt.pid), (Some("I looked"), Some(4711)));
}

#[test]
fn only_the_attempt_in_doubt_can_be_settled() {
    let mut play = Play::at_command(LOG);
    play.start(LOG);
    play.world(ended(LOG, 1, Exit::Code(1)));
    play.start(LOG);
    play.world(Fact::Reopened);
    for other in [0, 1, 3] {
        assert!(play.refused(settled(other)).contains("attempt 2"), "{other}");
    }
    play.ana(settled(2));
    assert_eq!(play.state().commands[&LOG.into()].attempts[0].settled, None);
}

#[test]
fn a_doubt_keeps_its_step_open() {
    let mut play = Play::at_command(LOG);
    play.start(LOG);
    play.world(Fact::Reopened);
    play.ana(confirmed("prepare/notes-ready"));
    assert_eq!(play.release.current(), Current::Command(LOG.into()));
    let run = play.run(BUILD);
    assert!(play.refused(Fact::CommandStarted(run)).contains("comes later"));
}

#[test]
fn a_stopped_command_is_cancelled_unless_it_had_succeeded_all_the_same() {
    for (exit, expected) in [
        (Exit::Signal(15), CommandState::Cancelled),
        (Exit::Code(143), CommandState::Cancelled),
        (Exit::Code(0), CommandState::Succeeded),
    ] {
        let mut play = Play::at_command(LOG);
        play.start(LOG);
        let effects = play.ana(Fact::CommandStopped { command: LOG.into(), attempt: 1 });
        assert_eq!(effects, [Effect::Stop { command: LOG.into(), attempt: 1 }]);
        play.world(ended(LOG, 1, exit));
        assert_eq!(play.state().command(&LOG.into()), expected);
        assert!(
            play.refused(Fact::CommandStopped { command: LOG.into(), attempt: 1 }).contains("not running")
        );
    }
}

#[test]
fn nothing_of_a_choice_runs_before_one_is_chosen() {
    let mut play = Play::at_command(BUILD);
    for choice in [None, Some(0), Some(9)] {
        let run = Run { choice, ..play.run(BUILD) };
        assert!(play.refused(Fact::CommandStarted(run)).contains("nothing runs before"), "{choice:?}");
    }
    let effects = play.start(BUILD);
    let [Effect::Run(run)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((run.choice, run.text.as_str()), (Some(1), "gh workflow run build.yml --ref v1.3.0\n"));
}

#[test]
fn an_alternative_with_nothing_to_run_closes_the_command_and_runs_nothing() {
    let mut play = Play::at_command(BUILD);
    let nothing = |choice| Fact::NothingToRun { command: BUILD.into(), choice };
    assert!(play.refused(nothing(1)).contains("has something to run"));
    assert!(play.tell(Some("ana"), nothing(9)).is_err());
    assert_eq!(play.ana(nothing(0)), []);
    assert_eq!(play.state().command(&BUILD.into()), CommandState::NothingToRun);
    let (by, _, label) = play.state().commands[&BUILD.into()].set_aside.clone().expect("who chose it");
    assert_eq!((by.name.as_str(), label.as_str()), ("ana", "started automatically by the tag"));
}

#[test]
fn text_that_only_looks_like_a_command_is_never_run() {
    let mut play = Play::at_command(BUILD);
    let run = play.run("build/command-2");
    assert!(play.refused(Fact::CommandStarted(run)).contains("text, not a command"));
    let unknown = Run { command: "no/such".into(), ..play.run(BUILD) };
    assert!(play.refused(Fact::CommandStarted(unknown)).contains("has no command no/such"));
}

#[test]
fn a_command_is_left_out_with_a_reason_only() {
    let mut play = Play::at_command(LOG);
    let skip = |reason: &str| Fact::Skipped { item: ItemId::Command(LOG.into()), reason: reason.to_owned() };
    assert!(play.refused(skip("")).contains("needs a reason"));
    play.ana(skip("read on the web"));
    assert_eq!(play.state().command(&LOG.into()), CommandState::Skipped);
    play.start(LOG);
    assert_eq!(play.state().commands[&LOG.into()].set_aside, None, "it is not left out any more");
}

#[test]
fn a_stream_is_not_awaited() {
    let mut play = Play::deployed().until(&Current::Check("keep-watching/error-rate-stable".into()));
    play.start("keep-watching/command-1");
    play.ana(confirmed("keep-watching/error-rate-stable"));
    assert_eq!(play.release.current(), Current::Soak("keep-watching".into()));
}

#[test]
fn the_first_production_command_pins_the_baseline_once() {
    let mut play = Play::at_command(DEPLOY);
    let effects = play.start(DEPLOY);
    let until = second(play.now).world;
    assert!(
        matches!(effects.as_slice(), [Effect::PinBaseline { until: at }, Effect::Run(_)] if *at == until)
    );
    play.world(Fact::BaselinePinned { values: BTreeMap::from([("error_rate".to_owned(), 0.3)]) });
    play.world(ended(DEPLOY, 1, Exit::Code(1)));
    let effects = play.start(DEPLOY);
    assert!(matches!(effects.as_slice(), [Effect::Run(_)]), "{effects:?}");
    play.world(Fact::BaselinePinned { values: BTreeMap::from([("error_rate".to_owned(), 9.0)]) });
    let (_, values) = play.state().baseline.clone().expect("it was pinned");
    assert_eq!(values["error_rate"], 0.3, "what came after the change is not the baseline");
}

#[test]
fn a_change_that_nobody_here_made_pins_the_baseline_too() {
    let mut play = Play::at_command(LOG);
    assert_eq!(play.world(seen("app", RolloutState::Complete, old("app"), 7)), []);
    let effects = play.world(seen("app", RolloutState::Progressing, new("app"), 8));
    assert_eq!(effects, [Effect::PinBaseline { until: second(play.now).world }]);
}

#[test]
fn readings_that_are_no_numbers_are_no_baseline() {
    let mut play = Play::at_command(DEPLOY);
    let values = [("error_rate".to_owned(), 0.3), ("latency_p95".to_owned(), f64::NAN)];
    play.world(Fact::BaselinePinned { values: BTreeMap::from(values) });
    let (_, kept) = play.state().baseline.clone().expect("it was pinned");
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["error_rate"]);
}
