//! Attempts that nobody starts: when there is one, and all that keeps it from being.

use super::*;

const LOG: &str = "prepare/command-1";

/// The document of these tests, whose first command is run again up to twice.
pub(super) fn document_with_retries() -> Arc<Workflow> {
    let text = DOCUMENT.replacen("```bash\ngit log", "<!-- gonogo: retries=2 -->\n```bash\ngit log", 1);
    Arc::new(read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false }))
}

/// Its first command has failed once.
pub(super) fn failed_once() -> Play {
    let mut play = Play::begun_with(document_with_retries()).until(&Current::Command(LOG.into()));
    play.start(LOG);
    play.world(ended(LOG, 1, Exit::Code(1)));
    play
}

fn woke(attempt: u32) -> Fact {
    Fact::Woke { timer: Timer::CommandAgain { command: LOG.into(), attempt } }
}

fn again(play: &Play) -> Option<(u32, u32, u32, i64)> {
    let again = play.release.again(&LOG.into())?;
    let pause = again.at.duration_since(second(play.now).wall).as_secs();
    Some((again.attempt, again.nth, again.of, pause))
}

/// Lets the pause pass; what the release asks for is what may start.
fn after_the_pause(play: &mut Play, attempt: u32) -> Option<Run> {
    play.now += 60;
    match play.world(woke(attempt)).as_slice() {
        [Effect::RunAgain(run)] => Some(run.clone()),
        [] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_that_failed_runs_again_after_longer_and_longer_pauses_and_then_a_person_is_asked() {
    let mut play = failed_once();
    assert_eq!(again(&play), Some((2, 2, 3, 2)));
    let run = after_the_pause(&mut play, 2).expect("the pause is over");
    assert_eq!(run.attempt, 2);
    let effects = play.world(Fact::CommandStarted(run.clone()));
    assert!(effects.contains(&Effect::Run(run)));
    // A timeout ends a command by a signal, and nobody asked for that.
    play.world(ended(LOG, 2, Exit::Signal(15)));
    assert_eq!(again(&play), Some((3, 3, 3, 4)));
    let run = after_the_pause(&mut play, 3).expect("the pause is over");
    play.world(Fact::CommandStarted(run));
    play.world(ended(LOG, 3, Exit::Code(1)));
    assert_eq!(again(&play), None, "three attempts are all");
    let people: Vec<bool> =
        play.state().commands[&LOG.into()].attempts.iter().map(|attempt| attempt.by.is_some()).collect();
    assert_eq!(people, [true, false, false]);
    play.start(LOG);
    play.world(ended(LOG, 4, Exit::Code(1)));
    assert_eq!(again(&play), Some((5, 2, 3, 2)), "a person began anew");
    let run = after_the_pause(&mut play, 5).expect("the pause is over");
    play.world(Fact::CommandStarted(run));
    play.world(ended(LOG, 5, Exit::Code(0)));
    assert_eq!((again(&play), play.state().command(&LOG.into())), (None, CommandState::Succeeded));
}

#[test]
fn nothing_starts_without_a_person_but_the_attempt_that_was_announced() {
    let mut play = failed_once();
    let run = play.run(LOG);
    assert!(play.tell(None, Fact::CommandStarted(run)).is_err(), "the pause is not over");
    let announced = after_the_pause(&mut play, 2).expect("the pause is over");
    for other in [
        Run { text: "git push".to_owned(), ..announced.clone() },
        Run { attempt: 3, ..announced.clone() },
        Run { directory: "/".to_owned(), ..announced.clone() },
    ] {
        assert!(play.tell(None, Fact::CommandStarted(other)).is_err());
    }
    play.world(Fact::CommandStarted(announced));
}

#[test]
fn a_timer_that_comes_early_or_twice_starts_nothing() {
    let mut play = failed_once();
    let until = play.release.again(&LOG.into()).expect("it waits").at;
    assert!(
        matches!(play.world(woke(2)).as_slice(), [Effect::WakeAt { at: WakeTime::Wall(at), .. }] if *at == until)
    );
    assert_eq!(after_the_pause(&mut play, 3), None, "another attempt");
    assert!(after_the_pause(&mut play, 2).is_some());
    assert_eq!(after_the_pause(&mut play, 2), None);
}

#[test]
fn whatever_a_person_does_or_goes_wrong_meanwhile_ends_the_pause() {
    type End = fn(&mut Play);
    let ends: [(&str, End); 7] = [
        ("a stop", |play| {
            play.ana(Fact::CommandStopped { command: LOG.into(), attempt: 1 });
        }),
        ("a hold", |play| {
            play.ana(Fact::Held { reason: "lunch".to_owned() });
        }),
        ("a breach", |play| {
            play.world(read_as(ERRORS, Verdict::Fail));
        }),
        ("another process", |play| {
            play.ana(Fact::Reopened);
        }),
        ("a skip", |play| {
            let item = ItemId::Command(LOG.into());
            play.ana(Fact::Skipped { item, reason: "no need".to_owned() });
        }),
        ("a start by hand", |play| {
            play.start(LOG);
        }),
        ("the end", |play| {
            play.ana(Fact::Aborted { reason: "enough".to_owned() });
        }),
    ];
    for (what, end) in ends {
        let mut play = failed_once();
        end(&mut play);
        assert_eq!(again(&play), None, "{what}");
        assert_eq!(after_the_pause(&mut play, 2), None, "{what}");
    }
    assert!(
        failed_once()
            .refused(Fact::CommandStopped { command: LOG.into(), attempt: 7 })
            .contains("not running")
    );
}

#[test]
fn what_a_person_stopped_edited_or_never_saw_end_is_not_run_again() {
    let at_log = || Play::begun_with(document_with_retries()).until(&Current::Command(LOG.into()));
    let mut stopped = at_log();
    stopped.start(LOG);
    stopped.ana(Fact::CommandStopped { command: LOG.into(), attempt: 1 });
    stopped.world(ended(LOG, 1, Exit::Signal(15)));
    assert_eq!(again(&stopped), None);

    let mut edited = at_log();
    let run = Run { edited: true, text: "git push".to_owned(), ..edited.run(LOG) };
    edited.ana(Fact::CommandStarted(run));
    edited.world(ended(LOG, 1, Exit::Code(1)));
    assert_eq!(again(&edited), None);

    let mut never_began = at_log();
    never_began.start(LOG);
    never_began.world(ended(LOG, 1, Exit::NotStarted("zsh is not on the PATH".to_owned())));
    assert_eq!(again(&never_began), None);

    let mut in_doubt = at_log();
    in_doubt.start(LOG);
    in_doubt.ana(Fact::Reopened);
    assert_eq!((again(&in_doubt), in_doubt.state().command(&LOG.into())), (None, CommandState::InDoubt));
    let note = "it printed nothing".to_owned();
    in_doubt.ana(Fact::DoubtSettled { command: LOG.into(), attempt: 1, succeeded: false, note });
    assert_eq!(again(&in_doubt), None, "a person looked, and starts it");
}
