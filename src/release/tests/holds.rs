//! The explicit pause.

use super::*;

fn t_clock(play: &Play) -> i64 {
    play.state().t_clock(second(play.now)).expect("the release has begun").as_secs()
}

#[test]
fn the_t_clock_stands_still_while_the_release_is_held() {
    let mut play = Play::at_command("prepare/command-1");
    play.ana(Fact::Held { reason: "fire drill".to_owned() });
    let at_hold = t_clock(&play);
    play.now += 600;
    assert_eq!(t_clock(&play), at_hold);
    play.ana(Fact::Released);
    assert_eq!(t_clock(&play), at_hold);
    play.now += 60;
    assert_eq!(t_clock(&play), at_hold + 60);
    let (reason, from, to) = &play.state().holds[0];
    assert_eq!((reason.as_str(), to.world.duration_since(from.world).as_secs()), ("fire drill", 601));
}

#[test]
fn a_hold_says_who_why_and_since_when_and_nothing_goes_forward_in_it() {
    let mut play = Play::at_command("prepare/command-1");
    play.ana(Fact::Held { reason: "fire drill".to_owned() });
    let hold = play.state().hold.clone().expect("it is held");
    assert_eq!((hold.by.as_str(), hold.reason.as_str(), hold.since), ("ana", "fire drill", second(play.now)));
    let run = play.run("prepare/command-1");
    for forward in [
        Fact::CommandStarted(run),
        confirmed("prepare/notes-ready"),
        vote("ops", Vote::Go),
        Fact::Skipped { item: ItemId::Command("prepare/command-1".into()), reason: "no".to_owned() },
        Fact::NothingToRun { command: "build/command-1".into(), choice: 0 },
        Fact::Completed,
        Fact::Held { reason: "again".to_owned() },
    ] {
        assert!(play.refused(forward).contains("the release is held; press h to go on"));
    }
}

#[test]
fn a_command_that_ends_during_a_hold_has_ended() {
    let mut play = Play::at_command("prepare/command-1");
    play.start("prepare/command-1");
    play.ana(Fact::Held { reason: "fire drill".to_owned() });
    play.world(ended("prepare/command-1", 1, Exit::Code(0)));
    assert_eq!(play.state().command(&"prepare/command-1".into()), CommandState::Succeeded);
    assert_eq!(play.phase(), Phase::Held);
}

#[test]
fn a_release_that_ends_while_it_is_held_ends_the_hold_too() {
    let mut play = Play::at_command("prepare/command-1");
    play.ana(Fact::Held { reason: "fire drill".to_owned() });
    play.ana(Fact::Aborted { reason: "the window is over".to_owned() });
    assert_eq!(play.state().hold, None);
    assert_eq!(play.state().holds.len(), 1);
    assert_eq!(play.state().end_reason.as_deref(), Some("the window is over"));
}

#[test]
fn aborting_asks_running_commands_to_stop() {
    let mut play = Play::at_command("prepare/command-1");
    play.start("prepare/command-1");
    let effects = play.ana(Fact::Aborted { reason: "wrong branch".to_owned() });
    let stop = Effect::Stop { command: "prepare/command-1".into(), attempt: 1 };
    assert_eq!(effects, [stop, Effect::GiveLock { why: "aborted: wrong branch".to_owned() }]);
    play.world(ended("prepare/command-1", 1, Exit::Signal(15)));
    assert_eq!(play.state().command(&"prepare/command-1".into()), CommandState::Cancelled);
}
