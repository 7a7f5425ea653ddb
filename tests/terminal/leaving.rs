//! Signals and sizes: the terminal is given back, and no size is too small.

use rustix::process::Signal;

use crate::crash::open_marks;
use crate::harness::Home;
use crate::pilot::{begin, walk};

const LEAVE_ALTERNATE_SCREEN: &[u8] = b"\x1b[?1049l";
const SHOW_CURSOR: &[u8] = b"\x1b[?25h";

/// Sends the signal while a command runs, and looks at what stays behind.
fn leaves_in_order(signal: Signal) {
    let home = Home::new();
    let mut terminal = open_marks(&home);
    walk(&mut terminal, "1", |screen| screen.current().is_some_and(|item| item.contains("echo slow")));
    terminal.press("enter");
    terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    terminal.press("r");
    home.wait_for_file("marks.txt", |marks| marks.contains("slow"));
    terminal.signal(signal);
    assert_eq!(terminal.ended(), 75);

    let stream = terminal.stream();
    let last = |part: &[u8]| stream.windows(part.len()).rposition(|window| window == part);
    let left = last(LEAVE_ALTERNATE_SCREEN).expect("the alternate screen is left");
    assert!(Some(left) > last(b"\x1b[?2026h"), "nothing is drawn after the screen was given back");
    assert!(last(SHOW_CURSOR) > last(b"\x1b[?25l"), "the cursor is shown");
    let told = String::from_utf8_lossy(&stream[left..]).into_owned();
    assert!(told.contains("go on with: gonogo resume"), "{told:?}");

    let journal = home.records();
    assert_eq!(journal.matches("\"fact\":\"command-started\"").count(), 2);
    assert_eq!(journal.matches("\"fact\":\"command-ended\"").count(), 2, "{journal}");
    assert_eq!(journal.matches("\"fact\":\"left\"").count(), 1);
    assert_eq!(home.read("marks.txt"), "quick\nslow\n", "the whole command was ended");
}

#[test]
fn sigterm_ends_the_command_records_it_and_gives_the_terminal_back() {
    leaves_in_order(Signal::TERM);
}

#[test]
fn sighup_ends_the_command_records_it_and_gives_the_terminal_back() {
    leaves_in_order(Signal::HUP);
}

#[test]
fn a_process_that_was_stopped_takes_the_terminal_again_and_draws_all_of_it() {
    const ENTER_ALTERNATE_SCREEN: &[u8] = b"\x1b[?1049h";
    let home = Home::new();
    let mut terminal = home.open(&["demo"]);
    begin(&mut terminal);
    terminal.signal(Signal::STOP);
    terminal.signal(Signal::CONT);
    // The signal and a key race each other, so a few keys may be answered before it is seen.
    let taken_again = (0..50).find_map(|_| {
        terminal.press("?");
        terminal.wait_for("the help", |screen| screen.has_panel("Help"));
        terminal.press("q");
        terminal.wait_for("the help gone", |screen| !screen.has_panel("Help"));
        let stream = terminal.stream();
        let of = |part: &[u8]| stream.windows(part.len()).rposition(|window| window == part);
        let first = stream.windows(8).position(|window| window == ENTER_ALTERNATE_SCREEN);
        let last = of(ENTER_ALTERNATE_SCREEN);
        (first != last).then(|| stream[last.unwrap()..].to_vec())
    });
    let drawn = String::from_utf8_lossy(&taken_again.expect("the terminal is taken again")).into_owned();
    assert!(drawn.contains("1 Checklist") && drawn.contains("\u{1b}[?25l"), "{drawn:?}");
    terminal.kill();
}

#[test]
fn a_storm_of_sizes_leaves_the_status_and_the_way_back_in_sight() {
    let home = Home::new();
    let mut terminal = home.open(&["demo"]);
    begin(&mut terminal);
    let sizes =
        [(200, 60), (1, 1), (40, 10), (3, 50), (80, 24), (200, 2), (60, 15), (1, 60), (120, 40), (2, 2)];
    for panel in ["R", "?", "o", ":"] {
        terminal.press(panel);
        for (columns, rows) in sizes {
            terminal.resize(columns, rows);
            // Waiting in each size would let no two resizes meet; half of them are waited for.
            if (columns >= 40 && rows >= 10) || rows == 1 {
                terminal.wait_for("a frame of this size", |screen| {
                    columns < 40 || screen.says("RUNNING") && screen.says("ARMED")
                });
            }
        }
        terminal.press(if panel == ":" { "esc" } else { "q" });
    }
    for (columns, rows) in sizes.iter().cycle().take(200) {
        terminal.resize(*columns, *rows);
    }
    terminal.resize(150, 45);
    let screen = terminal.wait_for("the whole screen again", |screen| {
        screen.status().contains("RUNNING")
            && screen.rollback_line().contains("ARMED")
            && screen.current().is_some()
    });
    assert!(!screen.has_panel("Rollback"));
}
