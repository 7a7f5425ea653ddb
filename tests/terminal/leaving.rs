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

const CLEAR: &[u8] = b"\x1b[2J";

#[test]
fn a_process_that_was_stopped_takes_the_terminal_again_and_draws_all_of_it() {
    const ENTER_ALTERNATE_SCREEN: &[u8] = b"\x1b[?1049h";
    let home = Home::new();
    let mut terminal = home.open(&["demo"]);
    begin(&mut terminal);
    let before = terminal.stream().len();
    terminal.signal(Signal::STOP);
    terminal.signal(Signal::CONT);
    // The clock moves on in the first line: by the second time, what went before it is drawn.
    for _ in 0..2 {
        let now = terminal.screen();
        terminal.wait_for("the clock moving", |screen| screen.status() != now.status());
    }
    let stream = &terminal.stream()[before..];
    let first = |part: &[u8]| stream.windows(part.len()).position(|window| window == part);
    let (entered, cleared) = (first(ENTER_ALTERNATE_SCREEN), first(CLEAR));
    assert!(entered.is_some() && entered < cleared, "{}", String::from_utf8_lossy(stream));
    terminal.press("?");
    terminal.wait("every key that works here");
    terminal.kill();
}

#[test]
fn a_screen_that_somebody_wrote_over_is_drawn_whole_by_a_key() {
    let home = Home::new();
    let mut terminal = home.open(&["demo"]);
    begin(&mut terminal);
    let before = terminal.stream().len();
    terminal.press("\u{c}"); // ctrl-l
    terminal.press("?");
    terminal.wait("every key that works here");
    let stream = &terminal.stream()[before..];
    let has = |part: &[u8]| stream.windows(part.len()).any(|window| window == part);
    assert!(has(CLEAR), "{}", String::from_utf8_lossy(stream));
    assert!(!has(b"\x1b[6n"), "nobody but the reader of the keys could take the answer");
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
