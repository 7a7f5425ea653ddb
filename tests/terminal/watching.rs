//! A second process on the same release: it sees, and does nothing.

use crate::crash::open_marks;
use crate::harness::Home;

#[test]
fn a_second_process_watches_live_and_is_refused_every_deed() {
    let home = Home::new();
    let mut first = open_marks(&home);
    let mut second = home.open(&["resume"]);
    second.wait_for("a second view", |screen| screen.status().contains("WATCHING"));
    second.wait("0/2");

    second.press(" ");
    second.wait("drives this release; here it can only be watched");
    assert!(second.screen().says("0/2"));

    first.press(" ");
    first.wait("1/2");
    second.wait("1/2");
    second.press(" ");
    second.press("q");
    second.press("l");
    assert_eq!(second.ended(), 75);
    assert!(first.screen().says("1/2"), "nothing of the second reached the release");
    let journal = std::fs::read_to_string(home.journal()).unwrap();
    assert_eq!(journal.matches("\"fact\":\"confirmed\"").count(), 1);
    assert_eq!(journal.matches("\"fact\":\"left\"").count(), 0, "leaving a view is not leaving the release");
}

#[test]
fn a_watcher_is_told_when_the_process_that_drives_is_gone() {
    let home = Home::new();
    let first = open_marks(&home);
    let second = home.open(&["resume"]);
    second.wait_for("a second view", |screen| screen.status().contains("WATCHING"));
    first.kill();
    second.wait("the process that held this release is gone");
}
