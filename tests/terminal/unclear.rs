//! A block that may be commands or not: settled with one key, remembered, and kept through a crash.

use crate::harness::{Home, Terminal, words};
use crate::pilot::walk;

const UNCLEAR: &str = "# Release\n\n## Steps\n\n### 1. Mark\n\n```\n$ echo quick >> marks.txt\nquick\n```\n\n### 2. Tell\n\n- [ ] All know it\n";

fn open(home: &Home, args: &[&str]) -> Terminal {
    let mut terminal = home.open(args);
    terminal.wait_for("the start panel", |screen| screen.has_panel("Start"));
    // The one role of a document that names none comes first.
    terminal.press("down");
    terminal
}

#[test]
fn what_was_settled_runs_and_the_next_release_begins_with_it() {
    let home = Home::new();
    home.write("unclear.md", UNCLEAR);
    let mut terminal = open(&home, &["run", "unclear.md"]);
    let asked = terminal.wait("as commands it would run");
    assert!(asked.says("a question, so it is not run"), "{}", asked.text());
    terminal.press(" ");
    terminal.wait("commands, said");
    home.wait_for_record("settled");
    terminal.kill();

    let mut terminal = home.open(&["resume"]);
    terminal.wait("commands, said");
    terminal.press("r");
    walk(&mut terminal, "1", |screen| screen.status().contains("COMPLETED"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    assert_eq!(home.read("marks.txt"), "quick\n", "the prompt and what was printed do not run");
    let report = words(&home.run(&["report"]));
    assert!(report.contains("ana said what “echo quick") && report.contains("” is: commands"), "{report}");

    let plan = words(&home.run(&["plan", "unclear.md"]));
    assert!(plan.contains("❯ echo quick >> marks.txt") && plan.contains("· commands, said"), "{plan}");
    home.write("unclear.md", UNCLEAR.replace("echo quick", "echo quicker"));
    let edited = words(&home.run(&["plan", "unclear.md"]));
    assert!(edited.contains("? not run, may be commands or not: $ echo quicker"), "{edited}");
    let linted = words(&home.run(&["lint", "unclear.md"]));
    assert!(linted.contains("these lines may be commands"), "{linted}");
}
