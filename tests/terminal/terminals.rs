//! A command that asks for a terminal: keys go to it, one chord takes them back, and it is recorded,
//! stopped and found in doubt like any other.

use crate::harness::{Home, Terminal, words};

const ASKS: &str = r#"---
name: asks
description: A command that asks
roles: [operator]
---

# A release that asks

## Steps

### 1. Ask

<!-- gonogo: tty=true -->
```bash
test -t 0 && stty size > size.txt
printf 'your %s? ' name; read -r name
printf 'the %s? ' word; read -r -s word; echo
printf '\033]0;a title\007\033]52;c;c2VjcmV0\007hello %s, %s letters\n' "$name" "${#word}"
for _ in $(seq 600); do [ -e go ] && break; sleep 0.1; done
```

- [ ] It was asked
"#;

/// The command runs, and asks for a name.
fn asked(home: &Home, document: &str, size: (u16, u16)) -> Terminal {
    let file = home.write("asks.md", document);
    let mut terminal = home.open_sized(&["run", &file.to_string_lossy()], size);
    terminal.wait("begin the release");
    terminal.press("r");
    terminal.wait_for("a running release", |screen| screen.status().contains("RUNNING"));
    terminal.press("enter");
    terminal.wait_for("the run panel", |screen| screen.has_panel("Run"));
    terminal.press("r");
    terminal.wait("your name?");
    terminal
}

#[test]
fn a_command_that_asks_is_answered_in_its_pane_and_keeps_no_secret() {
    let home = Home::new();
    let mut terminal = asked(&home, ASKS, (80, 24));
    let size = home.read("size.txt");
    assert_eq!(size.trim(), "17 44", "the pane's own size, from the first moment on");
    // Letters that are keys of the cockpit are letters here.
    terminal.type_line("Rqhana");
    terminal.wait("the word?");
    terminal.type_line("xyzzy-secret");
    terminal.wait("hello Rqhana, 12 letters");

    terminal.send(b"\x1d");
    terminal.wait_for("its output", |screen| screen.has_panel("Output"));
    terminal.press("R");
    terminal.wait_for("the rollback panel", |screen| screen.has_panel("Rollback"));
    terminal.press("q");
    home.write("go", "");
    home.wait_for_records("command-ended", 1);

    let stream = String::from_utf8_lossy(&terminal.stream()).into_owned();
    // The document's own text of them is on the screen; the escapes themselves are not.
    let obeyed = ["\u{1b}]0;", "\u{1b}]52;"].iter().any(|escape| stream.contains(escape));
    assert!(!obeyed, "nothing of the command's escapes reaches our terminal");
    let records = home.records();
    assert!(records.contains("\"tty\":true"), "{records}");
    let folder = home.releases().remove(0);
    let mut output = String::new();
    for file in std::fs::read_dir(folder.join("output")).unwrap() {
        output.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    assert!(output.contains("hello Rqhana, 12 letters"), "{output}");
    let report = words(&home.run(&["report"]));
    for kept in [&records, &output, &report, &stream] {
        assert!(!kept.contains("xyzzy-secret"), "{kept}");
    }
}

#[test]
fn a_command_in_a_terminal_that_the_kill_cut_is_in_doubt() {
    let home = Home::new();
    let terminal = asked(&home, ASKS, (120, 30));
    home.wait_for_record("command-spawned");
    terminal.kill();
    let terminal = home.open(&["resume"]);
    terminal.wait("a command was started and its end was not seen");
}

#[test]
fn the_pane_follows_the_window_and_the_command_is_told() {
    let home = Home::new();
    let text = ASKS.replace("printf 'your", "trap 'stty size > size.txt' WINCH\nprintf 'your");
    let text = text.replace("read -r name", "read -r name || true");
    let mut terminal = asked(&home, &text, (80, 24));
    terminal.resize(120, 40);
    // bash runs a trap between two commands, so it is brought to where it only waits.
    terminal.type_line("ana");
    terminal.wait("the word?");
    terminal.type_line("x");
    home.wait_for_file("size.txt", |size| size.trim() != "17 44" && !size.trim().is_empty());
    assert_eq!(home.read("size.txt").trim(), "33 75");
}
