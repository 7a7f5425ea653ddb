//! The document is edited while its release runs, as an editor does it: renamed over the old one.

use crate::crash::{MARKS, open_marks};
use crate::harness::{Home, words};
use crate::pilot::walk;

/// Saves as most editors do.
fn save(home: &Home, text: &str) {
    let beside = home.write(".marks.md.swp", text);
    std::fs::rename(beside, home.path("work/marks.md")).expect("our own directory");
}

#[test]
fn an_edit_is_noticed_shown_and_taken_over_and_a_resume_goes_on_with_it() {
    let home = Home::new();
    let mut terminal = open_marks(&home);
    walk(&mut terminal, "1", |screen| screen.current().is_some_and(|item| item.contains("quick mark")));
    let edited = MARKS
        .replace("The second thing is ready", "The second thing is really ready")
        .replace("echo slow >> marks.txt\n", "echo slower >> marks.txt\n");
    save(&home, &edited);
    let noticed = terminal.wait("changed on disk");
    assert!(noticed.says("quick mark"), "the release goes on with the document it has");
    terminal.press(":");
    terminal.type_line("reload");
    let panel = terminal.wait_for("the panel", |screen| screen.has_panel("Reload"));
    for said in ["The second thing is ready", "+ - [ ] The second thing is really ready", "+ echo slower"] {
        assert!(panel.says(said), "{said}");
    }
    terminal.press("r");
    terminal.wait_for("the check that is asked again", |screen| {
        screen.current().is_some_and(|item| item.contains("really ready"))
    });
    home.wait_for_record("reloaded");
    terminal.kill();
    // The text is in the journal: what lies on disk is of no matter.
    std::fs::remove_file(home.path("work/marks.md")).expect("our own file");

    let mut terminal = home.open(&["resume"]);
    terminal.wait_for("the same place", |screen| {
        screen.current().is_some_and(|item| item.contains("really ready"))
    });
    home.write("go", "");
    walk(&mut terminal, "1", |screen| screen.status().contains("COMPLETED"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    assert_eq!(home.read("marks.txt"), "quick\nslower\nslept\n", "what ran is not run again");
    let report = words(&home.run(&["report"]));
    assert!(report.contains("took the edited document over"), "{report}");
    assert!(report.contains("The second thing is ready"), "{report}");
}
