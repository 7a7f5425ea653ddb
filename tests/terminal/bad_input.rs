//! What a person gets wrong: a message with the place and a way out, the documented exit code.

use crate::crash::{MARKS, open_marks};
use crate::harness::{Home, words};

/// Starts what must not start, in a terminal, and gives what it said.
#[track_caller]
fn refused(home: &Home, args: &[&str], code: u32) -> String {
    let mut terminal = home.open(args);
    let ended = terminal.ended();
    let said = String::from_utf8_lossy(&terminal.stream()).replace('\r', "");
    assert_eq!(ended, code, "{said}");
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
    assert!(!said.contains("\u{1b}[?1049h"), "the screen is not taken for an error: {said}");
    said
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let home = Home::new();
    let file = home.write("marks.md", MARKS);
    let file = file.to_string_lossy();
    for (args, instead) in [
        (vec!["run", &file], "gonogo plan FILE"),
        (vec!["resume"], "gonogo report ID"),
        (vec!["demo"], "needs a terminal"),
    ] {
        let output = home.run(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = words(&output);
        assert!(said.contains(instead), "{args:?}: {said}");
    }
    assert!(home.releases().is_empty(), "nothing was started");
    assert_eq!(home.run(&["run"]).status.code(), Some(2), "usage");
}

#[test]
fn a_file_that_is_no_workflow_is_refused_with_its_name() {
    let home = Home::new();
    let large = home.write("large.md", "");
    std::fs::OpenOptions::new().write(true).open(&large).unwrap().set_len(50 << 20).unwrap();
    home.write("empty.md", "");
    home.write("prose.md", "# Nothing to do here\n\nJust words.\n");
    for (file, why) in [
        ("nowhere.md", "does not exist; name a Markdown file"),
        (".", "is a directory; name a Markdown file in it"),
        ("large.md", "has 52428800 bytes"),
        ("empty.md", "has no step to walk through"),
        ("prose.md", "has no step to walk through"),
    ] {
        let said = refused(&home, &["run", file], 1);
        assert!(said.contains(file) && said.contains(why), "{file}: {said}");
    }
    assert!(home.releases().is_empty());
}

#[test]
fn a_broken_head_and_mojibake_are_told_with_line_and_column() {
    let home = Home::new();
    home.write("head.md", MARKS.replace("roles: [operator]", "roles: [operator"));
    home.write("mojibake.md", MARKS.replace("ready", "prÃ©parÃ©e"));
    let head = home.run(&["lint", "head.md"]);
    assert_eq!(head.status.code(), Some(1));
    assert!(words(&head).contains("head.md:"), "{}", words(&head));
    let mojibake = home.run(&["lint", "mojibake.md"]);
    assert!(words(&mojibake).contains("mojibake.md:11:1"), "{}", words(&mojibake));
    // The start panel tells as much before anything begins.
    for (file, told) in [
        ("head.md", "✘ line 4: the YAML head cannot be read"),
        ("mojibake.md", "▲ line 11: the text looks like UTF-8 that was read as Windows-1252"),
    ] {
        let screen = home.open(&["run", file]).wait("begin the release");
        assert!(screen.says(told), "{file}: {}", screen.text());
    }
}

#[test]
fn a_flag_that_cannot_be_meant_is_refused_with_what_can() {
    let home = Home::new();
    home.write(
        "marks.md",
        MARKS.replace("echo quick", "echo v1.2.0 quick").replace("echo slow", "echo v1.2.0 slow"),
    );
    let run = |more: &[&str]| refused(&home, &[&["run", "marks.md"], more].concat(), 1);
    let said = run(&["--param", "COLOUR=blue"]);
    assert!(said.contains("no parameter COLOUR") && said.contains("VERSION"), "{said}");
    for value in ["v1;rm", "$(id)", "a b", "`id`", "v1\nid", ""] {
        let said = run(&["--param", &format!("VERSION={value}")]);
        assert!(said.contains("VERSION"), "{value:?}: {said}");
    }
    let said = run(&["--target", "pod/app"]);
    assert!(said.contains("`pod` is not a kind of workload; write deployment"), "{said}");
    let said = run(&["--target", "app"]);
    assert!(said.contains("write KIND/NAME, such as deployment/app"), "{said}");
    assert_eq!(home.run(&["run", "marks.md", "--param", "VERSION"]).status.code(), Some(2));
    assert!(home.releases().is_empty());
}

#[test]
fn a_settings_file_is_refused_with_line_and_key() {
    let home = Home::new();
    home.write("marks.md", MARKS);
    let path = home.path("config/gonogo/config.yaml");
    std::fs::write(&path, "operator: ana\npromethus:\n  url: http://x\n").unwrap();
    let said = refused(&home, &["run", "marks.md"], 1);
    assert!(said.contains("config.yaml:2:") && said.contains("promethus"), "{said}");
    let said = refused(&home, &["--config", "elsewhere.yaml", "run", "marks.md"], 1);
    assert!(said.contains("elsewhere.yaml does not exist"), "{said}");
}

#[test]
fn a_release_without_a_reachable_cluster_starts_and_says_why() {
    let mut home = Home::new();
    let text = MARKS.replace("roles: [operator]", "targets: [deployment/app]");
    home.write("marks.md", text);
    let terminal = home.open(&["run", "marks.md"]);
    let screen = terminal.wait_for("the reason", |screen| {
        screen.says("begin the release") && screen.says("no kubeconfig found; looked at")
    });
    assert!(screen.says("set KUBECONFIG"), "{}", screen.text());
    assert!(screen.rollback_line().contains("DEGRADED"));

    let kubeconfig = "apiVersion: v1\nkind: Config\nclusters:\n- name: here\n  cluster: {server: \"http://127.0.0.1:9\"}\n\
                      users:\n- name: me\n  user: {}\ncontexts:\n- name: here\n  context: {cluster: here, user: me}\n\
                      current-context: here\n";
    let file = home.write("kubeconfig", kubeconfig);
    home.set("KUBECONFIG", file);
    // A context that was asked for is never replaced by the current one.
    let said = refused(&home, &["run", "marks.md", "--context", "production"], 1);
    assert!(said.contains("no context named production in the kubeconfig; there are here"), "{said}");

    let terminal = home.open(&["run", "marks.md"]);
    let screen = terminal.wait("cluster silent");
    assert!(screen.says("the API server has not answered since"));
    assert!(screen.rollback_line().contains("NOT PROVEN"), "{}", screen.rollback_line());
}

#[test]
fn a_journal_that_cannot_be_trusted_is_left_as_it_is() {
    let home = Home::new();
    open_marks(&home).kill();
    let path = home.journal();
    let journal = std::fs::read(&path).unwrap();

    let newer =
        String::from_utf8(journal.clone()).unwrap().replace("{\"v\":1,\"seq\":2", "{\"v\":9,\"seq\":2");
    let mut damaged = journal.clone();
    let second = damaged.iter().position(|byte| *byte == b'\n').unwrap() + 20;
    damaged[second] = b'\x01';
    for (bytes, told) in [(newer.into_bytes(), "version 9"), (damaged, "byte ")] {
        std::fs::write(&path, &bytes).unwrap();
        let said = refused(&home, &["resume"], 1);
        assert!(said.contains(told), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is not touched");
        let listed = home.run(&["list"]);
        assert!(listed.status.success(), "{}", words(&listed));
        assert!(words(&listed).contains("UNREADABLE"), "{}", words(&listed));
    }

    // A torn last line is what a crash leaves: it costs nothing but itself.
    std::fs::write(&path, [&journal[..], b"{\"v\":1,\"se"].concat()).unwrap();
    let terminal = home.open(&["resume"]);
    terminal.wait_for("the release taken up", |screen| screen.status().contains("RUNNING"));
}

#[test]
fn resuming_what_is_not_there_says_what_is() {
    let home = Home::new();
    let said = refused(&home, &["resume"], 1);
    assert!(said.contains("no release is open") && said.contains("`gonogo run FILE` starts one"), "{said}");
    let said = refused(&home, &["resume", "20200101"], 1);
    assert!(said.contains("no release is called 20200101; `gonogo list`"), "{said}");
}
