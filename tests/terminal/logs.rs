//! The log pane in a terminal: what is copied arrives as the terminal's own request.

use crate::harness::Home;
use crate::pilot::{begin, walk};

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
    let mut terminal = home.open(&["demo", "--lang", "en", "--scenario", "good", "--speed", "240"]);
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
}
