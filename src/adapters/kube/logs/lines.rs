//! From bytes of a log stream to lines, and the place at which to resume.

use jiff::Timestamp;

use crate::watch::LogLine;

/// A longer line is cut, visibly: nobody reads it, and a binary file on stdout has no line end.
const LINE_BYTES: usize = 64 << 10;

/// Cuts a stream of bytes into lines with their server time.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The beginning of a line whose end has not come yet, up to the limit.
    partial: Vec<u8>,
    /// Bytes of that line beyond the limit.
    beyond: usize,
}

impl Splitter {
    /// Takes in a chunk and calls `each` for every line that it completes.
    pub fn feed(&mut self, mut chunk: &[u8], mut each: impl FnMut(LogLine)) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (head, tail) = chunk.split_at(end);
            if self.partial.is_empty() && self.beyond == 0 && head.len() <= LINE_BYTES {
                each(line(head, 0));
            } else {
                self.keep(head);
                each(line(&self.partial, self.beyond));
                self.partial.clear();
                self.beyond = 0;
            }
            chunk = &tail[1..];
        }
        self.keep(chunk);
    }

    /// The stream ended: what stands without a line end is a line too.
    pub fn finish(&mut self, mut each: impl FnMut(LogLine)) {
        if !self.partial.is_empty() {
            each(line(&self.partial, self.beyond));
        }
        *self = Self::default();
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.partial.len());
        let kept = bytes.len().min(room);
        self.partial.extend_from_slice(&bytes[..kept]);
        self.beyond += bytes.len() - kept;
    }
}

fn line(bytes: &[u8], beyond: usize) -> LogLine {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let (at, text) = match memchr::memchr(b' ', &bytes[..bytes.len().min(40)]) {
        Some(space) => match time(&bytes[..space]) {
            Some(at) => (Some(at), &bytes[space + 1..]),
            None => (None, bytes),
        },
        // An empty line is its time alone.
        None => match time(bytes) {
            Some(at) => (Some(at), &[][..]),
            None => (None, bytes),
        },
    };
    let mut text = String::from_utf8_lossy(text);
    if beyond > 0 {
        text.to_mut().push_str(&format!("… [line cut, {beyond} bytes more]"));
    }
    LogLine { at, text: text.into() }
}

fn time(bytes: &[u8]) -> Option<Timestamp> {
    let is_likely = bytes.len() >= 20 && bytes[0].is_ascii_digit() && bytes[10] == b'T';
    if !is_likely {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// How far a stream was read. The server resumes by whole seconds, so the lines of the last second
/// are counted and passed over: text alone would take equal lines for the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    last: Option<Timestamp>,
    /// Lines taken in whose time lies in the second of `last`.
    n_in_second: u32,
}

impl Cursor {
    pub fn advance(&mut self, line: &LogLine) {
        let Some(at) = line.at else { return };
        let same = self.last.is_some_and(|last| last.as_second() == at.as_second());
        self.n_in_second = if same { self.n_in_second + 1 } else { 1 };
        self.last = Some(at);
    }

    /// Where to ask again from, floored: the client library would round, and lose lines.
    pub fn since(&self) -> Option<Timestamp> {
        self.last.and_then(|last| Timestamp::from_second(last.as_second()).ok())
    }

    /// What passes over the lines that were read before.
    pub fn resume(&self) -> Resume {
        Resume { second: self.last.map(|last| last.as_second()), left: self.n_in_second, found: false }
    }
}

/// What to do with a line after a stream was opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumed {
    /// It was read before.
    Known,
    New,
    /// It is new, and those before it that must have been there are not: the log was rotated.
    NewAfterGap,
}

#[derive(Debug)]
pub(super) struct Resume {
    second: Option<i64>,
    left: u32,
    found: bool,
}

impl Resume {
    pub fn judge(&mut self, line: &LogLine) -> Resumed {
        let (Some(second), Some(at)) = (self.second, line.at) else { return Resumed::New };
        let this = at.as_second();
        if this < second {
            return Resumed::Known;
        }
        if this == second && self.left > 0 {
            self.left -= 1;
            self.found = true;
            return Resumed::Known;
        }
        self.second = None;
        if self.found || this == second { Resumed::New } else { Resumed::NewAfterGap }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<LogLine> {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |line| lines.push(line));
        }
        splitter.finish(|line| lines.push(line));
        lines
    }

    fn at(text: &str) -> LogLine {
        LogLine { at: Some(text.parse().unwrap()), text: "x".into() }
    }

    #[test]
    fn a_line_comes_whole_however_it_was_cut_on_the_way() {
        let lines =
            split(&[b"2026-11-22T14:00:00.5Z  indent", b"ed\n2026-11-22T14:00:01Z\nno time\n", b"tail"]);
        let texts: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
        assert_eq!(texts, [" indented", "", "no time", "tail"]);
        assert_eq!(lines[0].at, Some("2026-11-22T14:00:00.5Z".parse().unwrap()));
        assert!(lines[1].at.is_some() && lines[2].at.is_none());
    }

    #[test]
    fn a_line_without_end_is_cut_in_sight_and_costs_no_more_than_the_limit() {
        let chunk = [b'x'; 8192];
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for _ in 0..1280 {
            splitter.feed(&chunk, |line| lines.push(line));
            assert!(splitter.partial.capacity() <= 2 * LINE_BYTES);
        }
        splitter.feed(b"\nnext\n", |line| lines.push(line));
        assert!(lines[0].text.ends_with("… [line cut, 10420224 bytes more]"));
        assert_eq!(&*lines[1].text, "next");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_as_such() {
        assert_eq!(&*split(&[b"a\xff\xfeb\n"])[0].text, "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn the_cursor_asks_from_the_whole_second_below() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.since(), None);
        cursor.advance(&at("2026-11-22T14:00:00.9Z"));
        assert_eq!(cursor.since(), Some("2026-11-22T14:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_log_that_was_rotated_meanwhile_shows_a_gap() {
        let mut cursor = Cursor::default();
        cursor.advance(&at("2026-11-22T14:00:00.9Z"));
        let mut resume = cursor.resume();
        assert_eq!(resume.judge(&at("2026-11-22T14:00:07Z")), Resumed::NewAfterGap);
        assert_eq!(resume.judge(&at("2026-11-22T14:00:08Z")), Resumed::New);
    }

    proptest! {
        #[test]
        fn a_stream_cut_anywhere_gives_every_line_once(
            steps in prop::collection::vec(0u32..700, 1..40), cut in 0usize..40,
        ) {
            let mut ms = 0;
            let log: Vec<LogLine> = steps.iter().enumerate().map(|(n, step)| {
                ms += i64::from(*step);
                let at = Timestamp::from_millisecond(ms).ok();
                LogLine { at, text: n.to_string().into() }
            }).collect();
            let cut = cut.min(log.len());
            let mut cursor = Cursor::default();
            let mut seen: Vec<LogLine> = Vec::new();
            for line in &log[..cut] {
                cursor.advance(line);
                seen.push(line.clone());
            }
            let since = cursor.since();
            let mut resume = cursor.resume();
            for line in log.iter().filter(|line| since.is_none_or(|since| line.at >= Some(since))) {
                match resume.judge(line) {
                    Resumed::Known => {}
                    Resumed::New => seen.push(line.clone()),
                    Resumed::NewAfterGap => prop_assert!(false, "no gap in a whole log"),
                }
            }
            prop_assert_eq!(seen, log);
        }
    }
}
