//! `--read-only`: the release is walked through, and nothing outside is changed.

use crate::crash::MARKS;
use crate::harness::Home;
use crate::pilot::STEADY;

#[test]
fn a_command_is_not_started_and_the_release_goes_on() {
    let home = Home::new();
    let file = home.write("marks.md", MARKS);
    let mut terminal = home.open(&["run", "--read-only", &file.to_string_lossy()]);
    terminal.wait("begin the release");
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
    assert!(terminal.screen().status().contains("READ-ONLY"), "{}", terminal.screen().status());
    terminal.press(" ");
    terminal.wait("1/2");
    terminal.press(" ");
    terminal.wait_for("the first command", |screen| {
        screen.current().is_some_and(|item| item.contains("echo quick"))
    });
    terminal.press("enter");
    terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    terminal.press("r");
    terminal.wait("not started: read-only");
    assert_eq!(home.read("marks.txt"), "", "nothing ran");

    terminal.press("q");
    terminal.wait_for("the panel closed", |screen| !screen.has_panel("Output"));
    terminal.press("s");
    terminal.type_line("by hand, from another window");
    terminal.wait_for("the next item", |screen| {
        screen.current().is_some_and(|item| item.contains("The quick mark is there"))
    });
    assert!(home.records().contains("not-started") || home.records().contains("read-only"));
}

#[test]
fn a_rollback_says_that_it_cannot_go_out_and_does_not() {
    let home = Home::new();
    std::fs::write(home.path("config/gonogo/config.yaml"), "read_only: true\n").unwrap();
    let mut terminal = home.open(&["demo", "--speed", STEADY]);
    terminal.wait("begin the release");
    let line =
        terminal.wait_for("a rollback that is known", |screen| screen.rollback_line().contains("DISARMED"));
    assert!(line.rollback_line().contains("read-only"), "{}", line.rollback_line());
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
    terminal.press("R");
    terminal.wait_for("the rollback panel", |screen| screen.has_panel("Rollback"));
    terminal.press("Y");
    terminal.wait("not started: read-only: nothing outside is changed");
    assert!(terminal.screen().status().contains("RUNNING"));
    assert!(!home.records().contains("\"fact\":\"rollback-fired\""));
}
