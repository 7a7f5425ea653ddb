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
        if let Some(level) = klog(bytes).or_else(|| numbered(bytes)) {
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
    let first = word.first()?.to_ascii_lowercase();
    let (known, level): (&[u8], Level) = match (word.len(), first) {
        (3, b'e') => (b"err", Level::Error),
        (3, b'f') => (b"ftl", Level::Error),
        (3, b'w') => (b"wrn", Level::Warn),
        (3, b'i') => (b"inf", Level::Info),
        (3, b'd') => (b"dbg", Level::Debug),
        (4, b'w') => (b"warn", Level::Warn),
        (4, b'i') => (b"info", Level::Info),
        (5, b'e') if word[1].eq_ignore_ascii_case(&b'm') => (b"emerg", Level::Error),
        (5, b'e') => (b"error", Level::Error),
        (5, b'f') => (b"fatal", Level::Error),
        (5, b'p') => (b"panic", Level::Error),
        (5, b'a') => (b"alert", Level::Error),
        (5, b'd') => (b"debug", Level::Debug),
        (5, b't') => (b"trace", Level::Debug),
        (6, b's') => (b"severe", Level::Error),
        (6, b'n') => (b"notice", Level::Info),
        (7, b'w') => (b"warning", Level::Warn),
        (8, b'c') => (b"critical", Level::Error),
        _ => return None,
    };
    word.eq_ignore_ascii_case(known).then_some(level)
}

/// Reads `"level":50` as pino and bunyan write it: tens, from trace to fatal.
fn numbered(bytes: &[u8]) -> Option<Level> {
    const KEY: &[u8] = b"\"level\":";
    if bytes.first() != Some(&b'{') {
        return None;
    }
    let at = memchr::memmem::find(bytes, KEY)? + KEY.len();
    match bytes.get(at..at + 3)? {
        [b'1' | b'2', b'0', b',' | b'}'] => Some(Level::Debug),
        [b'3', b'0', b',' | b'}'] => Some(Level::Info),
        [b'4', b'0', b',' | b'}'] => Some(Level::Warn),
        [b'5' | b'6', b'0', b',' | b'}'] => Some(Level::Error),
        _ => None,
    }
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
            ("14:02:06 WRN cache cold", Some(Level::Warn)),
            ("{\"level\":50,\"time\":1,\"msg\":\"x\"}", Some(Level::Error)),
            ("{\"level\":30}", Some(Level::Info)),
            ("{\"level\":305}", None),
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
