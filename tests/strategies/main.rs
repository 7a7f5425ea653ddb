//! The way back of a strategy that is more than one object: killed between any two of its actions.
//!
//! The whole program in a pseudo-terminal on the practice world, with a gate on the way to its API
//! server that stops everything before, or right after, the change that the test names.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "which actions were done when is worth reading")]
#![expect(clippy::disallowed_methods, reason = "these tests start the program and listen to it in a thread")]

#[path = "../terminal/harness.rs"]
#[allow(dead_code, reason = "the terminal's own tests ask more of it")]
mod harness;

mod canary;
mod gate;

use gate::Stop;
use harness::{Home, Terminal};

/// What the way back of the canary changes, in its order.
const ACTIONS: [&str; 5] = [
    "horizontalpodautoscalers/app",
    "deployments/app",
    "destinationrules/app",
    "virtualservices/app",
    "deployments/app-canary",
];

/// Released, found bad, and rolled back by keys until the gate stops it.
fn fired(canary: &canary::Canary, home: &Home, stop: Stop) -> Terminal {
    let mut terminal = canary.release(home);
    canary.break_it();
    // A panel that shows less than both would have to be painted again before `Y` counts.
    terminal.wait("2 targets  2 FAILED");
    canary.gate.set(stop);
    terminal.press("R");
    terminal.wait("roll back now");
    terminal.press("Y");
    canary.gate.wait();
    terminal
}

fn ends_safe(terminal: Terminal) {
    terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    terminal.kill();
}

fn resumed(canary: &canary::Canary, home: &Home, stop: Stop) {
    fired(canary, home, stop).kill();
    canary.gate.open();
    ends_safe(home.open(&["resume"]));
}

/// Nobody is killed: the server is out of reach for a while, and the plan goes on by itself.
fn outlasted(canary: &canary::Canary, home: &Home, stop: Stop) {
    let terminal = fired(canary, home, stop);
    terminal.wait("QUEUED: ");
    canary.gate.open();
    ends_safe(terminal);
}

fn from_another_terminal(canary: &canary::Canary, home: &Home, stop: Stop) {
    canary.release(home).kill();
    canary.break_it();
    canary.gate.set(stop);
    let terminal = home.open(&["rollback", "--yes"]);
    canary.gate.wait();
    terminal.kill();
    canary.gate.open();
    let again = home.run(&["rollback", "--yes"]);
    assert_eq!(again.status.code(), Some(0), "{}", harness::words(&again));
    canary.assert_lock_stays();
}

#[test]
fn traffic_alone_is_put_back_without_a_screen_too() {
    let canary = canary::Canary::new();
    let mut home = Home::new();
    home.set("KUBECONFIG", canary.kubeconfig());
    std::fs::write(home.path("config/gonogo/config.yaml"), "settle_s: 1\n").unwrap();
    canary.release(&home).kill();
    canary.move_traffic();
    let output = home.run(&["rollback", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", harness::words(&output));
    assert!(harness::words(&output).contains("SAFE"), "{}", harness::words(&output));
    canary.assert_is_back();
    assert_eq!(canary.gate.changes(), ["virtualservices/app"]);
}

/// Plays it with each action stopped once, and looks at what the cluster holds and what was sent.
fn stopped_everywhere(stop: fn(usize) -> Stop, play: fn(&canary::Canary, &Home, Stop)) {
    for n_done in 0..ACTIONS.len() {
        let canary = canary::Canary::new();
        let mut home = Home::new();
        home.set("KUBECONFIG", canary.kubeconfig());
        std::fs::write(home.path("config/gonogo/config.yaml"), "settle_s: 1\n").unwrap();
        play(&canary, &home, stop(n_done));
        canary.assert_is_back();
        assert_eq!(canary.gate.changes(), ACTIONS, "each once, and in this order; stopped at {n_done}");
    }
}

#[test]
fn a_canary_whose_server_goes_away_between_any_two_actions_goes_on_when_it_is_back() {
    stopped_everywhere(Stop::Before, outlasted);
}

#[test]
fn a_canary_whose_cockpit_is_killed_before_any_action_goes_on_when_it_is_resumed() {
    stopped_everywhere(Stop::Before, resumed);
}

#[test]
fn a_canary_whose_cockpit_is_killed_before_any_answer_goes_on_when_it_is_resumed() {
    stopped_everywhere(Stop::Unanswered, resumed);
}

#[test]
fn a_canary_whose_rollback_is_killed_before_any_action_goes_on_by_the_next_one() {
    stopped_everywhere(Stop::Before, from_another_terminal);
}

#[test]
fn a_canary_whose_rollback_is_killed_before_any_answer_goes_on_by_the_next_one() {
    stopped_everywhere(Stop::Unanswered, from_another_terminal);
}
