//! What a container writes must not act on the terminal that shows it.

use std::borrow::Cow;

/// A line longer than this is cut on screen, visibly; it fills more than any screen anyway.
const SHOWN_BYTES: usize = 8 << 10;

/// Takes out of a line whatever a terminal would obey instead of showing.
///
/// - Shape: colour codes and other escape sequences vanish, tabs become spaces, other control
///   characters and those that turn the direction of text become `·`, and a very long line ends
///   in `…`. A line with nothing of the kind is not copied.
pub fn clean(text: &str) -> Cow<'_, str> {
    let cut = cut_at(text, SHOWN_BYTES);
    let (head, is_cut) = (&text[..cut], cut < text.len());
    if !is_cut && !head.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(head.len() + 4);
    let mut column = 0;
    let mut rest = head.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_csi(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            '\t' => {
                let spaces = 8 - column % 8;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\r' if rest.as_str().is_empty() => {}
            character if is_unsafe(character) => {
                out.push('·');
                column += 1;
            }
            character => {
                out.push(character);
                column += 1;
            }
        }
    }
    if is_cut {
        out.push('…');
    }
    Cow::Owned(out)
}

/// The largest place up to `limit` at which the text may be cut.
pub(super) fn cut_at(text: &str, limit: usize) -> usize {
    if text.len() <= limit { text.len() } else { text.floor_char_boundary(limit) }
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// After ESC: one of the sequence kinds, or a single character.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    match ahead.next() {
        Some('[') => {
            *rest = ahead;
            skip_csi(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            *rest = ahead;
            skip_string(rest);
        }
        // Intermediate bytes (charset choices and the like), then one final byte.
        Some(' '..='/') => {
            while ahead.as_str().starts_with(|c| (' '..='/').contains(&c)) {
                ahead.next();
            }
            ahead.next();
            *rest = ahead;
        }
        Some('0'..='~') => *rest = ahead,
        _ => {}
    }
}

/// Parameters and intermediates, then one final byte; anything else ends a broken sequence.
fn skip_csi(rest: &mut std::str::Chars<'_>) {
    while let Some(next) = rest.as_str().chars().next() {
        match next {
            ' '..='?' => {
                rest.next();
            }
            '@'..='~' => {
                rest.next();
                return;
            }
            _ => return,
        }
    }
}

/// A string for the terminal itself, such as OSC 52, ends with BEL or ST. One that never ends
/// takes the rest of the line with it, as it would on a terminal.
fn skip_string(rest: &mut std::str::Chars<'_>) {
    while let Some(next) = rest.next() {
        match next {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' if rest.as_str().starts_with('\\') => {
                rest.next();
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ordinary_line_is_not_copied() {
        assert!(matches!(clean("GET /cart 200 é 漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn hostile_lines_become_harmless() {
        for (line, shown) in [
            ("\u{1b}[1;31mERROR\u{1b}[0m db", "ERROR db"),
            ("a\u{1b}]52;c;ZXZpbA==\u{7}b", "ab"),
            ("a\u{1b}]0;title\u{1b}\\b", "ab"),
            ("a\u{1b}Pq#0\u{1b}\\b", "ab"),
            ("a\u{9b}2Jb", "ab"),
            ("a\u{1b}(Bb", "ab"),
            ("a\u{1b}cb", "ab"),
            ("a\u{1b}[2\u{7}b", "a·b"),
            ("a\u{1b}]52;never ends", "a"),
            ("a\0b\u{8}c", "a·b·c"),
            ("user\u{202e}gnp.exe", "user·gnp.exe"),
            ("a\tb", "a       b"),
            ("progress\r", "progress"),
            ("one\rtwo", "one·two"),
            ("trailing escape\u{1b}", "trailing escape"),
        ] {
            assert_eq!(clean(line), shown, "{line:?}");
        }
    }

    #[test]
    fn a_huge_line_is_cut_in_sight() {
        let line = "é".repeat(10_000_000);
        let shown = clean(&line);
        assert!(shown.len() <= SHOWN_BYTES + 4 && shown.ends_with('…'));
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(line in "(?s).{0,80}", code in "[\u{1b}\u{9b}\u{9d}\u{90}].{0,6}") {
            let hostile = format!("{line}{code}{line}");
            let shown = clean(&hostile);
            prop_assert!(!shown.chars().any(is_unsafe), "{:?}", shown);
            let again = clean(&shown).into_owned();
            prop_assert_eq!(again, shown.into_owned());
        }
    }
}
