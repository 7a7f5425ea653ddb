//! What a command prints, as a variable for those after it.

use super::*;

const LOG: &str = "prepare/command-1";

fn printed(attempt: u32, captured: Captured) -> Fact {
    Fact::OutputCaptured { command: LOG.into(), attempt, captured }
}

fn value(text: &str) -> Captured {
    Captured::Value(text.to_owned())
}

fn running() -> Play {
    let mut play = Play::at_command(LOG);
    start(&mut play);
    play
}

fn start(play: &mut Play) {
    let mut run = play.run(LOG);
    run.terms.capture = Some("URL".to_owned());
    play.ana(Fact::CommandStarted(run));
}

fn variables(play: &Play) -> Vec<(&str, &str)> {
    play.state().captured().into_iter().collect()
}

#[test]
fn an_output_is_a_variable_once_its_command_has_succeeded() {
    let mut play = running();
    play.world(printed(1, value("https://a")));
    assert_eq!(variables(&play), [], "it may still fail");
    play.changes_nothing(printed(1, value("https://b")));
    play.world(ended(LOG, 1, Exit::Code(0)));
    assert_eq!(variables(&play), [("URL", "https://a")]);
    play.changes_nothing(printed(1, value("https://b")));
    play.changes_nothing(printed(7, value("https://b")));
    assert!(play.state().recent.iter().any(|(_, line)| line == "URL=https://a"));
}

#[test]
fn the_latest_attempt_counts_and_one_that_fails_leaves_nothing() {
    let mut play = running();
    play.world(printed(1, value("https://a")));
    play.world(ended(LOG, 1, Exit::Code(0)));
    start(&mut play);
    assert_eq!(variables(&play), []);
    play.world(ended(LOG, 2, Exit::Code(1)));
    assert_eq!(variables(&play), [], "what it was before may not be so any more");
    start(&mut play);
    play.world(printed(3, value("https://c")));
    play.world(ended(LOG, 3, Exit::Code(0)));
    assert_eq!(variables(&play), [("URL", "https://c")]);
}

#[test]
fn an_output_that_is_no_value_sets_nothing_and_says_why() {
    let mut play = running();
    play.world(printed(1, Captured::NotKept("it printed nothing".to_owned())));
    play.world(ended(LOG, 1, Exit::Code(0)));
    assert_eq!(variables(&play), []);
    assert!(play.state().recent.iter().any(|(_, line)| line == "URL is not set: it printed nothing"));
}

#[test]
fn nothing_is_kept_for_a_run_that_did_not_ask_for_it() {
    let mut play = Play::at_command(LOG);
    play.start(LOG);
    play.changes_nothing(printed(1, value("https://a")));
}

#[test]
fn a_doubt_that_a_person_settles_well_keeps_what_was_printed() {
    let mut play = running();
    play.world(printed(1, value("https://a")));
    play.ana(Fact::Reopened);
    assert_eq!(variables(&play), []);
    let note = "the page is there".to_owned();
    play.ana(Fact::DoubtSettled { command: LOG.into(), attempt: 1, succeeded: true, note });
    assert_eq!(variables(&play), [("URL", "https://a")]);
}
