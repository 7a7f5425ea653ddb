//! `kill -9`, then `gonogo resume`: the same place, nothing lost, nothing run twice.

use crate::harness::{Home, Screen, Terminal, words};
use crate::pilot::{BRISK, STEADY, begin, run, walk};

/// Leaves a line in a file for each command that runs; the slow one waits until a test lets it go.
pub const MARKS: &str = r#"---
name: marks
description: Every command leaves a mark
roles: [operator]
---

# A release that leaves marks

## Prerequisites

- [ ] The first thing is ready
- [ ] The second thing is ready

## Steps

### 1. Quick

```bash
echo quick >> marks.txt
```

- [ ] The quick mark is there

### 2. Slow

```bash
echo slow >> marks.txt
for _ in $(seq 600); do [ -e go ] && break; sleep 0.1; done
echo slept >> marks.txt
```

- [ ] The slow mark is there
"#;

/// Starts the release of [`MARKS`] and begins it.
pub fn open_marks(home: &Home) -> Terminal {
    let file = home.write("marks.md", MARKS);
    let mut terminal = home.open(&["run", &file.to_string_lossy()]);
    terminal.wait("begin the release");
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
    // The screen may be a moment ahead of the disk, and other processes read the disk.
    home.wait_for_record("begun");
    terminal
}

fn finish(home: &Home, mut terminal: Terminal) {
    home.write("go", "");
    walk(&mut terminal, "1", |screen| screen.status().contains("COMPLETED"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_release_killed_in_its_gate_goes_on_at_the_same_check() {
    let home = Home::new();
    let mut terminal = open_marks(&home);
    terminal.press(" ");
    let before = terminal.wait("1/2");
    let place = before.current().map(str::to_owned);
    assert_eq!(place.as_deref(), Some("☐ The second thing is ready"));
    home.wait_for_record("confirmed");
    terminal.kill();

    let terminal = home.open(&["resume"]);
    let after = terminal.wait_for("the release taken up", |screen| screen.status().contains("RUNNING"));
    assert!(after.says("1/2"));
    assert_eq!(after.current().map(str::to_owned), place);
    finish(&home, terminal);
    assert_eq!(home.read("marks.txt"), "quick\nslow\nslept\n");
}

#[test]
fn a_command_that_had_ended_before_the_kill_is_not_run_again() {
    let home = Home::new();
    let mut terminal = open_marks(&home);
    walk(&mut terminal, "1", |screen| screen.current().is_some_and(|item| item.contains("echo quick")));
    terminal.press("enter");
    terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    terminal.press("r");
    terminal.wait_for("the end of the command", Screen::has_succeeded);
    terminal.kill();

    let terminal = home.open(&["resume"]);
    let after = terminal.wait_for("the release taken up", |screen| screen.status().contains("RUNNING"));
    assert!(after.says("✔ echo quick >> marks.txt"));
    assert_eq!(after.current(), Some("☐ The quick mark is there"));
    finish(&home, terminal);
    assert_eq!(home.read("marks.txt"), "quick\nslow\nslept\n");
}

#[test]
fn a_command_cut_by_the_kill_is_in_doubt_until_a_person_settles_it() {
    let home = Home::new();
    let mut terminal = open_marks(&home);
    walk(&mut terminal, "1", |screen| screen.current().is_some_and(|item| item.contains("echo slow")));
    terminal.press("enter");
    terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    terminal.press("r");
    terminal.wait_for("a running command", |screen| screen.has_panel("Output"));
    home.wait_for_file("marks.txt", |marks| marks.contains("slow"));
    // The command runs before its process id is on disk, which the panel of doubt is to tell.
    home.wait_for_records("command-spawned", 2);
    terminal.kill();

    let mut terminal = home.open(&["resume"]);
    terminal.wait("a command was started and its end was not seen");
    assert_eq!(home.read("marks.txt"), "quick\nslow\n", "it is not run again by itself");
    terminal.press("enter");
    let panel = terminal.wait_for("the panel of doubt", |screen| screen.has_panel("In doubt"));
    for said in ["echo slow >> marks.txt", "pid ", "it succeeded", "it failed, or never ran"] {
        assert!(panel.says(said), "{said}");
    }
    // Closing the panel settles nothing, and running is no answer.
    terminal.press("r");
    terminal.press("q");
    terminal.wait_for("the panel closed", |screen| !screen.has_panel("In doubt"));
    terminal.wait("a command was started and its end was not seen");
    terminal.press("enter");
    terminal.wait_for("the panel of doubt", |screen| screen.has_panel("In doubt"));
    terminal.press("f");
    terminal.type_line("I looked: it waits for the file");
    terminal.wait_for("no doubt", |screen| !screen.says("its end was not seen"));

    // The first attempt goes on by itself and leaves its second mark; the next one leaves both.
    home.write("go", "");
    home.wait_for_file("marks.txt", |marks| marks.contains("slept"));
    terminal.wait_for("the command again", |screen| {
        screen.current().is_some_and(|item| item.contains("echo slow"))
    });
    run(&mut terminal, "1");
    finish(&home, terminal);
    assert_eq!(home.read("marks.txt"), "quick\nslow\nslept\nslow\nslept\n");
    let report = words(&home.run(&["report"]));
    for told in ["end not seen; later settled as: I looked: it waits for the file", "Attempt 2"] {
        assert!(report.contains(told), "{told} is missing in\n{report}");
    }
}

#[test]
fn a_rollback_killed_under_way_is_fired_once_and_ends_safe() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", "--scenario", "crash-loop", "--speed", STEADY]);
    begin(&mut terminal);
    walk(&mut terminal, "1", |screen| {
        screen.current().is_some_and(|item| item.contains("Deployment started"))
    });
    terminal.wait_for("the new revision", |screen| screen.says("rev 2 → 3"));
    terminal.press("R");
    terminal.wait_for("the rollback panel", |screen| screen.has_panel("Rollback ── "));
    terminal.press("Y");
    terminal.wait_for("the rollback under way", |screen| screen.status().contains("ROLLING BACK"));
    home.wait_for_record("rollback-fired");
    terminal.kill();

    let mut terminal = home.open(&["resume"]);
    let safe = terminal.wait_for("safe", |screen| screen.status().contains("SAFE"));
    assert!(safe.says("■ SAFE  myapp:v1.2.0 on 4 of 4 pods"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 11);
    let journal = home.records();
    assert_eq!(journal.matches("\"fact\":\"rollback-fired\"").count(), 1);
}

#[test]
fn a_demo_killed_in_its_soak_goes_on_in_the_same_practice_world() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", "--scenario", "good", "--speed", BRISK]);
    begin(&mut terminal);
    let in_soak = |screen: &Screen| screen.current().is_some_and(|item| item.contains("soak"));
    walk(&mut terminal, "1", in_soak);
    home.wait_for_record("baseline-pinned");
    terminal.kill();

    let mut terminal = home.open(&["resume"]);
    terminal.wait_for("the same rollout", |screen| screen.says("rev 2 → 3  myapp:v1.2.0 → v1.3.0"));
    terminal.wait_for("the way back proven again", |screen| screen.rollback_line().contains("ARMED → rev 2"));
    walk(&mut terminal, "1", |screen| screen.status().contains("COMPLETED"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    let records = home.records();
    let (_, after) = records.split_once("\"fact\":\"reopened\"").expect("it was taken up");
    assert!(!after.contains("\"fact\":\"pinned\""), "the pin is the one from before:\n{after}");
    assert!(!after.contains("\"fact\":\"command-started\""));
    let report = words(&home.run(&["report"]));
    assert!(!report.contains("Attempt 2"), "nothing ran twice:\n{report}");
}
