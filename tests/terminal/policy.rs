//! A rollback without a key, from its acceptance to its end: stopped once, and once let be.

use crate::harness::{Home, Screen, Terminal, words};
use crate::pilot::{STEADY, begin, walk};

const ACCEPTED: &str = "☑ Error rate > 1%";

/// Longer than any machine takes to press a key: what is to be stopped must not be over before.
const LONG: &str = "countdown: 20m";

/// The document of the demo, with another countdown.
fn document(home: &Home, countdown: &str) -> String {
    let text = include_str!("../../workflows/release.en.md");
    let text = text.replace("countdown: 20s", countdown);
    assert!(text.contains(countdown), "the document asks for a countdown");
    home.write("release.en.md", text).to_string_lossy().into_owned()
}

/// The demo, with the one criterion accepted that its document asks for.
fn accepted(home: &Home, document: &str) -> Terminal {
    let mut terminal = home.open(&["demo", "--lang", "en", "--speed", STEADY, "--workflow", document]);
    terminal.wait("begin the release");
    let start = terminal.wait("☐ Error rate > 1%: a breach only proposes");
    assert!(start.says("only if you accept it"));
    for _ in 0..8 {
        if terminal.screen().says("▶ ☐ Error rate") {
            break;
        }
        let before = terminal.screen();
        terminal.press("j");
        terminal.wait_for("another field", |screen| *screen != before);
    }
    // Enter accepts nothing.
    terminal.press("enter");
    terminal.wait("space accepts it");
    assert!(!terminal.screen().says(ACCEPTED));
    terminal.press(" ");
    terminal.wait(ACCEPTED);
    home.wait_for_record("policy-accepted");
    begin(&mut terminal);
    terminal
}

/// Plays until there is something to show. Nothing fires by itself before a cluster that does not answer,
/// and for a machine that stood still for a moment it did not: such a release is begun anew.
fn steadily<T>(play: impl Fn() -> Option<T>) -> T {
    (0..5).find_map(|_| play()).expect("a machine that does not stand still again and again")
}

fn stood_still(screen: &Screen) -> bool {
    screen.says("not by itself: the cluster does not answer")
}

/// A release in which the countdown runs.
fn counting(countdown: &str) -> (Home, Terminal) {
    let counts = |screen: &Screen| screen.says("rolls back by itself in ");
    steadily(|| {
        let home = Home::new();
        let mut terminal = accepted(&home, &document(&home, countdown));
        let bells = terminal.bells();
        let screen = walk(&mut terminal, "1", |screen| counts(screen) || stood_still(screen));
        if !counts(&screen) {
            return None;
        }
        assert!(screen.status().contains("BREACH"));
        assert!(screen.says("as you accepted") && screen.says("h stops it"), "{}", screen.text());
        assert!(!screen.has_panel("Rollback"), "it opens no panel");
        assert!(terminal.bells() > bells, "it rings");
        Some((home, terminal))
    })
}

/// `R`, `Y`, until it is safe, and out.
fn back_by_hand(terminal: &mut Terminal) {
    terminal.press("R");
    terminal.wait_for("the rollback panel", |screen| screen.has_panel("Rollback ── ARMED"));
    terminal.press("Y");
    terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    terminal.press("R");
    terminal.wait_for("the panel closed", |screen| !screen.has_panel("Rollback"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 11);
}

#[test]
fn a_countdown_that_was_accepted_is_stopped_by_h_and_never_comes_again() {
    let (home, mut terminal) = counting(LONG);
    terminal.press("h");
    let stopped = terminal.wait("not by itself: you stopped the countdown");
    assert!(stopped.status().contains("BREACH"), "the breach stands and is proposed");
    assert!(stopped.says("R then Y"), "{}", stopped.text());
    home.wait_for_record("countdown-stopped");
    // The same key asks for a hold again.
    terminal.press("h");
    terminal.wait("HOLD: what for?");
    terminal.press("esc");
    // Esc and a key behind it would be one key with alt.
    terminal.wait_for("the prompt closed", |screen| !screen.says("HOLD: what for?"));

    back_by_hand(&mut terminal);
    let records = home.records();
    assert_eq!(records.matches("\"fact\":\"countdown-started\"").count(), 1);
    assert_eq!(records.matches("\"fact\":\"rollback-fired\"").count(), 1);
    assert!(!records.contains("\"policy\":{"), "a person fired it");
}

#[test]
fn a_countdown_that_nobody_stops_rolls_back_by_itself_and_ends_safe() {
    let is_fired = |screen: &Screen| screen.status().contains("ROLLING BACK");
    let (home, mut terminal) = steadily(|| {
        let (home, terminal) = counting("countdown: 20s");
        let screen =
            terminal.wait_for("the rollback under way", |screen| is_fired(screen) || stood_still(screen));
        is_fired(&screen).then_some((home, terminal))
    });
    let safe = terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    assert!(safe.says("■ SAFE  myapp:v1.2.0 on 4 of 4 pods"), "{}", safe.text());
    assert!(safe.says("from the firing"), "{}", safe.text());
    assert!(!safe.has_panel("Rollback"), "it opens no panel");
    terminal.press("q");
    assert_eq!(terminal.ended(), 11);

    let records = home.records();
    assert_eq!(records.matches("\"fact\":\"rollback-fired\"").count(), 1);
    assert!(records.contains("\"policy\":{\"criterion\":\"error-rate\",\"accepted_by\":\"you\"}"));
    let report = words(&home.run(&["report"]));
    for told in [
        "Fired by the policy that you accepted",
        "you accepted that it rolls back by itself: Error rate",
        "rolls back by itself in 20 s, as you accepted",
        "from the firing",
    ] {
        assert!(report.contains(told), "{told} is missing in\n{report}");
    }
}

#[test]
fn a_countdown_cut_by_a_kill_does_not_go_on_when_the_release_is_taken_up() {
    let (home, terminal) = counting(LONG);
    home.wait_for_record("countdown-started");
    terminal.kill();

    let mut terminal = home.open(&["resume"]);
    let after = terminal.wait("not by itself: gonogo was gone meanwhile");
    assert!(after.status().contains("BREACH") && after.says("R then Y"), "{}", after.text());
    back_by_hand(&mut terminal);
    assert_eq!(home.records().matches("\"fact\":\"countdown-started\"").count(), 1);
}

#[test]
fn who_watches_sees_the_seconds_and_cannot_stop_them() {
    let (home, mut terminal) = counting(LONG);
    let mut second = home.open(&["resume"]);
    second.wait("only you can stop it");
    second.press("h");
    second.wait("drives this release; here it can only be watched");
    second.press("q");
    second.press("l");
    assert_eq!(second.ended(), 75);
    terminal.press("h");
    terminal.wait("not by itself: you stopped the countdown");
    assert_eq!(home.records().matches("\"fact\":\"countdown-stopped\"").count(), 1);
}

#[test]
fn a_rollback_from_another_terminal_ends_the_countdown() {
    let (home, mut terminal) = counting(LONG);
    let other = home.run(&["rollback", "--yes"]);
    assert!(other.status.success(), "{}", words(&other));
    let safe = terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    assert!(!safe.says("by itself in "), "{}", safe.text());
    assert!(safe.says("from Y"), "a person fired it: {}", safe.text());
    terminal.press("q");
    assert_eq!(terminal.ended(), 11);
    assert_eq!(
        home.records().matches("\"fact\":\"rollback-fired\"").count(),
        0,
        "that is on the other's record"
    );
}
