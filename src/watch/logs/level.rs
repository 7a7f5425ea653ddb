//! How bad a line says it is.

/// The levels that a screen tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Levels stand at the beginning; further on the word is prose.
const LOOK_AT: usize = 160;

impl Level {
    /// Reads the level of one line: `ERROR …`, `level=warn`, `"level":"error"`, `[error]`,
    /// `E1122 14:02:06`. `None` when the line names none.
    ///
    /// A word in small letters counts only where a level is written: "no error" is none.
    pub fn of(line: &[u8]) -> Option<Self> {
        let bytes = &line[..line.len().min(LOOK_AT)];
        if let Some(level) = klog(bytes) {
            return Some(level);
        }
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at..].starts_with(b"\x1b[") {
                // A colour code ends in a letter, which is no part of the word behind it.
                at += 3 + bytes[at + 2..].iter().take_while(|byte| !byte.is_ascii_alphabetic()).count();
                continue;
            }
            if !bytes[at].is_ascii_alphabetic() {
                at += 1;
                continue;
            }
            let len = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let word = &bytes[at..at + len];
            if let Some(level) = word_level(word) {
                let before = at.checked_sub(1).map(|before| bytes[before]);
                let after = bytes.get(at + len).copied();
                let is_loud = word.iter().all(u8::is_ascii_uppercase);
                if is_loud || is_written_as_level(bytes, at, before, after) {
                    return Some(level);
                }
            }
            at += len;
        }
        None
    }
}

fn word_level(word: &[u8]) -> Option<Level> {
    const WORDS: [(&[u8], Level); 14] = [
        (b"error", Level::Error),
        (b"err", Level::Error),
        (b"fatal", Level::Error),
        (b"panic", Level::Error),
        (b"critical", Level::Error),
        (b"severe", Level::Error),
        (b"alert", Level::Error),
        (b"emerg", Level::Error),
        (b"warn", Level::Warn),
        (b"warning", Level::Warn),
        (b"info", Level::Info),
        (b"notice", Level::Info),
        (b"debug", Level::Debug),
        (b"trace", Level::Debug),
    ];
    if !(3..=8).contains(&word.len()) {
        return None;
    }
    WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)).map(|(_, level)| *level)
}

fn is_written_as_level(bytes: &[u8], at: usize, before: Option<u8>, after: Option<u8>) -> bool {
    match (before, after) {
        (Some(b'['), Some(b']')) => true,
        (None, Some(b':')) => true,
        (Some(b'=' | b'"' | b':'), _) => {
            let start = at.saturating_sub(24);
            let key = bytes[start..at].to_ascii_lowercase();
            [b"level".as_slice(), b"severity", b"lvl"].iter().any(|name| {
                key.windows(name.len()).rposition(|window| window == *name).is_some_and(|place| {
                    // Between the key and its value stand quotes, a colon or an equals sign, no more.
                    key[place + name.len()..].iter().all(|byte| matches!(byte, b'"' | b':' | b'=' | b' '))
                })
            })
        }
        _ => false,
    }
}

/// The format of Kubernetes' own components: a letter, month and day.
fn klog(bytes: &[u8]) -> Option<Level> {
    let (letter, rest) = bytes.split_first()?;
    let digits = rest.get(..4)?;
    if !digits.iter().all(u8::is_ascii_digit) || rest.get(4) != Some(&b' ') {
        return None;
    }
    match letter {
        b'E' | b'F' => Some(Level::Error),
        b'W' => Some(Level::Warn),
        b'I' => Some(Level::Info),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_people_and_machines_write_them() {
        for (line, level) in [
            ("ERROR db pool exhausted", Some(Level::Error)),
            ("2026-11-22 14:02:06 [WARN] slow", Some(Level::Warn)),
            ("\u{1b}[31mERROR\u{1b}[0m red", Some(Level::Error)),
            ("time=1 level=error msg=x", Some(Level::Error)),
            ("{\"ts\":1,\"level\":\"warning\",\"msg\":\"x\"}", Some(Level::Warn)),
            ("{\"severity\": \"INFO\"}", Some(Level::Info)),
            ("[error] worker died", Some(Level::Error)),
            ("error: unexpected token", Some(Level::Error)),
            ("E1122 14:02:06.044 pod_workers.go:1 x", Some(Level::Error)),
            ("W1122 14:02:06.044 x", Some(Level::Warn)),
            ("GET /errors 200 no error", None),
            ("{\"msg\":\"error\"}", None),
            ("TERROR and INFORMATION", None),
            ("", None),
        ] {
            assert_eq!(Level::of(line.as_bytes()), level, "{line}");
        }
    }

    #[test]
    fn a_word_far_into_the_line_is_prose() {
        let line = format!("{} ERROR", "x ".repeat(200));
        assert_eq!(Level::of(line.as_bytes()), None);
    }
}
