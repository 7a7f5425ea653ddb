//! A release that calls another workflow: its steps run in place, and what was called is kept.

use crate::harness::{Home, Screen, words};
use crate::pilot::walk;

const RELEASE: &str = r#"---
name: release
roles: [operator]
---

# A release that calls

## Steps

### 1. Deploy

```bash
echo deployed v1.2.0 >> marks.txt
echo tagged v1.2.0 >> marks.txt
```

→ **workflow**: migrate

- [ ] Deployed

### 2. Look

- [ ] It looks well
"#;

const MIGRATE: &str = r#"# Migrate

## Prerequisites

- [ ] A backup was taken

## Steps

### Run the migration

```bash
echo migrating v0.9.0 >> marks.txt
for _ in $(seq 600); do [ -e go ] && break; sleep 0.1; done
echo migrated v0.9.0 >> marks.txt
```

- [ ] The rows are right
"#;

#[test]
fn a_called_workflow_killed_in_its_middle_goes_on_there_whatever_became_of_its_file() {
    let home = Home::new();
    let file = home.write("release.md", RELEASE);
    let called = home.write("migrate.md", MIGRATE);
    let mut terminal = home.open(&["run", &file.to_string_lossy(), "--param", "VERSION=v1.3.0"]);
    terminal.wait("begin the release");
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
    let here = walk(&mut terminal, "1", |screen| {
        screen.current().is_some_and(|item| item.contains("echo migrating"))
    });
    assert!(here.says("↳ migrate · Run the migration"), "the called step says whose it is");
    assert!(here.says("↳ migrate · Prerequisites"));
    terminal.press("enter");
    let panel = terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    assert!(panel.says("echo migrating v1.3.0"), "the version is that of the release");
    assert!(panel.says("migrate.md:12"), "the panel names the file and the line");
    terminal.press("r");
    home.wait_for_file("marks.txt", |marks| marks.contains("migrating"));
    home.wait_for_records("command-spawned", 2);
    terminal.kill();
    // What is resumed is what was started, whatever lies there now.
    home.write("migrate.md", "# Something else\n\n## Steps\n\n### Other\n\n- [ ] Other\n");

    let mut terminal = home.open(&["resume"]);
    terminal.wait("a command was started and its end was not seen");
    assert_eq!(home.read("marks.txt"), "deployed v1.3.0\ntagged v1.3.0\nmigrating v1.3.0\n");
    terminal.press("enter");
    terminal.wait_for("the panel of doubt", |screen| screen.has_panel("In doubt"));
    home.write("go", "");
    home.wait_for_file("marks.txt", |marks| marks.contains("migrated"));
    terminal.press("y");
    terminal.type_line("I looked: the rows are there");
    let after = terminal.wait_for("the check behind it", |screen| {
        screen.current().is_some_and(|item| item.contains("The rows are right"))
    });
    assert!(after.says("↳ migrate · Run the migration"));
    std::fs::remove_file(called).expect("our own file");
    walk(&mut terminal, "1", |screen: &Screen| screen.status().contains("COMPLETED"));
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    assert_eq!(home.read("marks.txt"), "deployed v1.3.0\ntagged v1.3.0\nmigrating v1.3.0\nmigrated v1.3.0\n");
    let report = words(&home.run(&["report"]));
    for told in ["↳ migrate · Run the migration", "The rows are right", "echo migrating v1.3.0"] {
        assert!(report.contains(told), "{told} is missing in\n{report}");
    }
    let list = words(&home.run(&["list"]));
    assert!(list.contains("COMPLETED"), "{list}");
}

#[test]
fn a_called_file_that_is_deleted_is_noticed_without_another_edit_and_so_is_its_return() {
    let home = Home::new();
    let file = home.write("release.md", RELEASE);
    let called = home.write("migrate.md", MIGRATE);
    let mut terminal = home.open(&["run", &file.to_string_lossy(), "--param", "VERSION=v1.3.0"]);
    terminal.wait("begin the release");
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
    std::fs::remove_file(&called).expect("our own file");
    terminal.wait("changed on disk");
    terminal.press(":");
    terminal.type_line("reload");
    let panel = terminal.wait_for("the panel", |screen| screen.has_panel("Reload"));
    assert!(panel.says("migrate.md"), "the file that is gone is named");
    terminal.press("esc");
    home.write("migrate.md", MIGRATE);
    terminal.wait_for("nothing to reload", |screen| !screen.says("changed on disk"));
}

#[test]
fn a_call_in_a_circle_is_held_and_says_why() {
    let home = Home::new();
    let file = home.write("release.md", RELEASE.replace("workflow**: migrate", "workflow**: release"));
    let linted = home.run(&["lint", &file.to_string_lossy()]);
    assert_eq!(linted.status.code(), Some(1));
    assert!(words(&linted).contains("release → release"), "{}", words(&linted));
    let mut terminal = home.open(&["run", &file.to_string_lossy(), "--param", "VERSION=v1.3.0"]);
    terminal.wait("begin the release");
    terminal.press("r");
    let held = |screen: &Screen| screen.current().is_some_and(|item| item.contains("→ release"));
    let here = walk(&mut terminal, "1", held);
    assert!(here.says("held: it goes round in a circle"), "the item says why it is held");
}
