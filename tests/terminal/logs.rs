//! The log pane in a terminal: what is copied arrives as the terminal's own request.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::harness::Home;
use crate::pilot::{STEADY, begin, walk};

/// Decodes what follows `OSC 52 ; c ;` up to its end.
fn clipboard(stream: &[u8]) -> Option<Vec<u8>> {
    const BEGINS: &[u8] = b"\x1b]52;c;";
    let at = stream.windows(BEGINS.len()).rposition(|part| part == BEGINS)? + BEGINS.len();
    let len = stream[at..].iter().position(|byte| matches!(byte, 7 | 0x1b))?;
    let mut bits = 0_u32;
    let mut n_bits = 0;
    let mut text = Vec::new();
    for byte in &stream[at..at + len] {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = (bits << 6) | u32::from(value);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            text.push((bits >> n_bits) as u8);
        }
    }
    Some(text)
}

#[test]
fn what_is_in_sight_goes_to_the_clipboard_and_to_a_file() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", "--lang", "en", "--scenario", "good", "--speed", STEADY]);
    begin(&mut terminal);
    walk(&mut terminal, "2", |screen| screen.says("lines/s") && screen.says("GET /"));
    terminal.press("2");
    terminal.press("F");
    terminal.press("y");
    terminal.wait("sent to the terminal's clipboard");
    let copied = clipboard(&terminal.stream()).expect("a request for the clipboard");
    let copied = String::from_utf8(copied).expect("text");
    assert!(copied.lines().count() > 1 && copied.contains("GET /"), "{copied}");
    terminal.press("S");
    terminal.wait("written to ");

    let (path, saved) = saved(&home);
    let mode = std::fs::metadata(&path).expect("it was just read").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "logs hold what is nobody else's business");
    let (heading, lines) = saved.split_at(saved.lines().take(3).map(|line| line.len() + 1).sum());
    assert!(heading.lines().all(|line| line.starts_with("# ")), "{heading}");
    let n_lines = lines.lines().count();
    assert!(heading.starts_with(&format!("# {n_lines} lines of the pods of deployment/app in shop")));
    assert!(heading.contains("# not here: 0 older lines"), "{heading}");
    assert!(n_lines >= copied.lines().count() && lines.contains("GET /"), "all that is kept");
}

/// The only log file that was written, wherever that was, and what it holds.
fn saved(home: &Home) -> (PathBuf, String) {
    let mut folders = vec![home.path("")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of our own").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) if name.starts_with("gonogo-app-") && name.ends_with("Z.log") => {
                    found.push(entry.path());
                }
                _ => {}
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    let path = found.remove(0);
    let text = std::fs::read_to_string(&path).expect("the practice world writes text");
    (path, text)
}

#[test]
fn a_file_holds_only_what_the_filter_shows_and_says_so() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", "--lang", "en", "--scenario", "good", "--speed", STEADY]);
    begin(&mut terminal);
    walk(&mut terminal, "2", |screen| screen.says("lines/s") && screen.says("GET /"));
    terminal.press("2");
    terminal.press("&");
    terminal.type_line("POST /checkout");
    terminal.wait_for("only what matches", |screen| screen.says("POST /checkout") && !screen.says("GET /"));
    terminal.press("S");
    terminal.wait("written to ");
    let (_, saved) = saved(&home);
    assert!(saved.lines().nth(1).is_some_and(|line| line.ends_with(", only those with /POST /checkout/")));
    // What happened to a stream stands between its lines, whatever the filter.
    let mut lines = saved.lines().skip(3).filter(|line| !line.contains(" -- ")).peekable();
    assert!(lines.peek().is_some() && lines.all(|line| line.contains("POST /checkout")), "{saved}");
}
