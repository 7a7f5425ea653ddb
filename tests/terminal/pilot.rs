//! Walks a release by keys alone, deciding by what stands on the screen.

use std::time::Duration;

use crate::harness::{Screen, Terminal};

/// `--speed` where readings, log lines and commands are waited for: the practice world computes all that
/// happens meanwhile, and at more a slow machine has no time left to answer.
pub const STEADY: &str = "20";
/// `--speed` where whole soaks are sat through.
pub const BRISK: &str = "60";

/// Waits until the way back is proven, then begins the release.
#[track_caller]
pub fn begin(terminal: &mut Terminal) {
    terminal.wait("begin the release");
    terminal.wait_for("an armed rollback", |screen| screen.rollback_line().contains("ARMED"));
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
}

/// The same for any document: what it says of the way back is taken as it is, once it was looked at.
#[track_caller]
pub fn begin_as_it_stands(terminal: &mut Terminal) {
    terminal.wait("begin the release");
    let is_looked_at = |screen: &Screen| {
        ["ARMED", "DEGRADED", "none"].iter().any(|word| screen.rollback_line().contains(word))
    };
    terminal.wait_for("a way back that was looked at", is_looked_at);
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
}

/// Walks on until the screen is as wanted.
///
/// Answers checks, runs commands (the alternative `choice` where there are some), gives GO for every
/// role, waits for soaks, completes the release.
#[track_caller]
pub fn walk(terminal: &mut Terminal, choice: &str, until: impl Fn(&Screen) -> bool) -> Screen {
    loop {
        let here = terminal.wait_for("a current item", |screen| until(screen) || screen.current().is_some());
        if until(&here) {
            return here;
        }
        let item = here.current().unwrap_or_default().to_owned();
        match item.chars().next() {
            Some('☐') => {
                let is_over = |screen: &Screen| until(screen) || has_moved(screen, &here);
                decide(terminal, " ", |screen| is_over(screen) || asks_to_override(screen));
                if asks_to_override(&terminal.screen()) {
                    // A machine answers this one, and is about to.
                    terminal.press("esc");
                    terminal.wait_for("the question closed", |screen| !asks_to_override(screen));
                    terminal.wait_for("the answer of the machine", is_over);
                }
            }
            Some('❯') if item.contains("complete the release") => {
                terminal.press("enter");
                terminal.wait_for("the finish panel", |screen| screen.has_panel("Complet"));
                terminal.press("r");
                moved(terminal, &here, &until);
            }
            Some('❯') => {
                run(terminal, choice);
                moved(terminal, &here, &until);
            }
            _ if item.contains("GO") => {
                terminal.press("enter");
                terminal.wait_for("the poll", |screen| screen.has_panel("Go / no-go"));
                while terminal.screen().has_panel("Go / no-go") {
                    let before = asked(&terminal.screen());
                    decide(terminal, "g", |screen| {
                        !screen.has_panel("Go / no-go") || asked(screen) != before
                    });
                }
            }
            _ => moved(terminal, &here, &until),
        }
    }
}

/// Opens the current command, runs it and waits until it succeeded.
#[track_caller]
pub fn run(terminal: &mut Terminal, choice: &str) {
    terminal.press("enter");
    let panel = terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    if panel.says("choose one") {
        terminal.press(choice);
    }
    terminal.press("r");
    // An alternative may have nothing to run; a command that fails stays on screen until the test ends.
    let ended = terminal.wait_for("the end of the command", |screen| {
        screen.has_succeeded() || !screen.has_panel("Output") && !screen.has_panel("Run")
    });
    if !ended.has_panel("Output") {
        return;
    }
    terminal.press("enter");
    terminal.wait_for("the panel closed", |screen| !screen.has_panel("Output"));
}

/// Presses a key that decides something, and waits until it is done.
#[track_caller]
fn decide(terminal: &mut Terminal, key: &str, done: impl Fn(&Screen) -> bool) {
    let refused = |screen: &Screen| screen.says("too quick to have been read");
    for _ in 0..30 {
        terminal.press(key);
        let answer =
            terminal.wait_for("the decision taken, or refused", |screen| done(screen) || refused(screen));
        if done(&answer) {
            return;
        }
        // The screen is here before the program asks what was typed meanwhile, and a person is slower.
        std::thread::sleep(Duration::from_secs(1));
        if done(&terminal.screen()) {
            return;
        }
    }
    terminal.wait_for("the decision taken", &done);
}

fn asks_to_override(screen: &Screen) -> bool {
    screen.rows.last().is_some_and(|row| row.trim_start().starts_with("override “"))
}

/// Two commands may begin with the same words, so the place counts too.
fn has_moved(screen: &Screen, from: &Screen) -> bool {
    screen.current().is_some()
        && (screen.current(), screen.current_row()) != (from.current(), from.current_row())
}

fn moved(terminal: &Terminal, from: &Screen, until: &impl Fn(&Screen) -> bool) {
    terminal.wait_for("the next item", |screen| until(screen) || has_moved(screen, from));
}

/// The role that a poll asks.
fn asked(screen: &Screen) -> Option<String> {
    let row = screen.rows.iter().find(|row| row.contains("┃") && row.contains("▶ ") && row.contains("…"));
    row.and_then(|row| row.rsplit("▶ ").next()).map(|row| row.chars().take(18).collect())
}
