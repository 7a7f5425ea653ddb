//! From bytes of a log stream to lines, and the place at which to resume.

use jiff::Timestamp;

use super::cursor::{Cursor, Judge, Judged, Known, LineTime};
use crate::watch::LogLines;

/// A longer line is cut for the screen, visibly: nobody reads it, and a binary file on stdout has no
/// line end.
pub(super) const LINE_BYTES: usize = 64 << 10;

/// How the kubelet begins when it says itself why there is no log, or no more of it. It has answered
/// with 200 by then, so its words come as if the container had written them, but for the time.
const WORDS_OF_NODE: [&[u8]; 12] = [
    b"unable to retrieve container logs for ",
    b"failed to try resolving symlinks in path ",
    b"failed to open log file ",
    b"failed to read log file ",
    b"failed to tail ",
    b"failed to seek ",
    b"failed to reset seek in log file ",
    b"failed to create fsnotify watcher: ",
    b"failed to watch directory ",
    b"failed to get parse function: ",
    b"context cancelled",
    b"rpc error: code = ",
];
/// Units: bytes of such words that are worth reading.
const WORDS_BYTES: usize = 300;

/// Cuts a stream of bytes into lines, and passes over those that were read before.
#[derive(Debug)]
pub(super) struct Intake {
    /// How far the stream was read, these lines included.
    pub cursor: Cursor,
    judge: Judge,
    /// The time of the first line that came.
    first_ns: Option<i64>,
    words: Option<String>,
    clock: LineClock,
    limit: usize,
    /// The beginning of a line whose end has not come yet, up to the limit.
    partial: Vec<u8>,
    /// Bytes of that line beyond the limit.
    beyond: usize,
    gap: bool,
}

impl Intake {
    /// Begins with nothing read, or goes on from a cursor; `limit` bytes of a line are kept.
    pub fn new(known: Known, limit: usize) -> Self {
        let cursor = match known {
            Known::Nothing | Known::Span(_) => Cursor::default(),
            Known::UpTo(cursor) | Known::UpToWherever(cursor) => cursor,
        };
        Self {
            cursor,
            judge: Judge::new(known),
            first_ns: None,
            words: None,
            clock: LineClock::default(),
            limit,
            partial: Vec::new(),
            beyond: 0,
            gap: false,
        }
    }

    /// Takes in a chunk and adds every new line that it completes.
    pub fn feed(&mut self, chunk: &[u8], lines: &mut LogLines) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let head = &chunk[start..end];
            start = end + 1;
            if self.partial.is_empty() && self.beyond == 0 && head.len() <= self.limit {
                self.line(head, 0, lines);
            } else {
                self.keep(head);
                self.end_partial(lines);
            }
        }
        self.keep(&chunk[start..]);
    }

    /// The stream ended for good: what stands without a line end is a line too.
    pub fn finish(&mut self, lines: &mut LogLines) {
        if !self.partial.is_empty() {
            self.end_partial(lines);
        }
    }

    /// Whether lines are known to be missing since this was last asked.
    pub fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }

    /// Whether this turned out to be another log than the one that was to be read on: nothing of it
    /// is taken.
    pub fn is_stray(&self) -> bool {
        self.judge.is_stray()
    }

    /// Whether this is known to be the log that was to be read on.
    pub fn is_same(&self) -> bool {
        self.judge.met
    }

    /// The time of the first line that came, known or new. Units: nanoseconds since the epoch.
    pub fn first_ns(&self) -> Option<i64> {
        self.first_ns
    }

    /// What the node said itself in place of a log, or of its rest.
    pub fn take_words(&mut self) -> Option<String> {
        self.words.take()
    }

    fn end_partial(&mut self, lines: &mut LogLines) {
        let whole = std::mem::take(&mut self.partial);
        let beyond = std::mem::take(&mut self.beyond);
        self.line(&whole, beyond, lines);
        if whole.capacity() <= LINE_BYTES {
            self.partial = whole;
            self.partial.clear();
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.partial.len());
        let kept = bytes.len().min(room);
        self.partial.extend_from_slice(&bytes[..kept]);
        self.beyond += bytes.len() - kept;
    }

    fn line(&mut self, bytes: &[u8], beyond: usize, lines: &mut LogLines) {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let (at, text) = self.clock.read(bytes);
        if let Some(at) = at {
            self.first_ns.get_or_insert(at.ns());
            match self.judge.judge(at) {
                Judged::Known | Judged::Stray => return,
                Judged::New => {}
                Judged::NewAfterGap => self.gap = true,
            }
            self.cursor.advance(at);
        } else if WORDS_OF_NODE.iter().any(|words| bytes.starts_with(words)) {
            let words = String::from_utf8_lossy(&bytes[..bytes.len().min(WORDS_BYTES)]);
            self.words = Some(format!("the node says: {words}"));
            return;
        } else if self.judge.is_resuming() {
            // The rest of a long line that began, and was read, before the time that was asked for.
            return;
        }
        let at_ns = at.map(LineTime::ns);
        if beyond == 0 {
            lines.push(at_ns, text);
        } else {
            lines.push_parts(at_ns, text, format!("… [line cut, {beyond} bytes more]").as_bytes());
        }
    }
}

/// Units: bytes of `2026-11-22T14:00:00.`.
const UP_TO_FRACTION: usize = 20;

/// Reads the server's time at the head of a line. Of lines within one second only the fraction is
/// read anew, because a flood has thousands of them.
#[derive(Debug, Default)]
struct LineClock {
    known: Option<([u8; UP_TO_FRACTION], i64)>,
}

impl LineClock {
    /// The time, if there is one, and the text behind it.
    fn read<'l>(&mut self, line: &'l [u8]) -> (Option<LineTime>, &'l [u8]) {
        if let Some((head, second)) = &self.known
            && let Some((start, rest)) = line.split_at_checked(UP_TO_FRACTION)
            && start == head
            && let Some((nanos, text)) = fraction(rest)
        {
            return (Some(LineTime { second: *second, nanos }), text);
        }
        self.read_whole(line)
    }

    fn read_whole<'l>(&mut self, line: &'l [u8]) -> (Option<LineTime>, &'l [u8]) {
        // An empty line is its time alone.
        let end = memchr::memchr(b' ', &line[..line.len().min(40)]).unwrap_or(line.len());
        let Some(at) = time(&line[..end]) else { return (None, line) };
        // Only a time in UTC can be gone on from by its fraction.
        self.known = line[..end]
            .split_at_checked(UP_TO_FRACTION)
            .filter(|(start, rest)| start.ends_with(b".") && rest.ends_with(b"Z"))
            .and_then(|(start, _)| Some((start.try_into().ok()?, at.as_second())));
        let nanos = i64::from(at.subsec_nanosecond());
        (Some(LineTime { second: at.as_second(), nanos }), line.get(end + 1..).unwrap_or_default())
    }
}

/// Reads `044000000Z text`: nanoseconds, and the text.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let mut nanos = 0;
    let mut unit = 1_000_000_000;
    for (index, byte) in rest.iter().take(10).enumerate() {
        match byte {
            b'0'..=b'9' => {
                unit /= 10;
                nanos += i64::from(byte - b'0') * unit;
            }
            b'Z' if index > 0 => {
                return match rest.get(index + 1) {
                    None => Some((nanos, &[])),
                    Some(b' ') => Some((nanos, &rest[index + 2..])),
                    Some(_) => None,
                };
            }
            _ => return None,
        }
    }
    None
}

/// The server's time at the head of a line. Units: nanoseconds since the epoch.
pub(super) fn time_of(line: &[u8]) -> Option<i64> {
    LineClock::default().read(line).0.map(LineTime::ns)
}

fn time(bytes: &[u8]) -> Option<Timestamp> {
    let is_likely = bytes.len() >= 20 && bytes[0].is_ascii_digit() && bytes[10] == b'T';
    if !is_likely {
        return None;
    }
    // Before the epoch no container ran, and its fractions would count backwards.
    std::str::from_utf8(bytes).ok()?.parse().ok().filter(|at: &Timestamp| at.as_second() >= 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]]) -> LogLines {
        let mut intake = Intake::new(Known::Nothing, LINE_BYTES);
        let mut lines = LogLines::default();
        for chunk in chunks {
            intake.feed(chunk, &mut lines);
        }
        intake.finish(&mut lines);
        lines
    }

    /// Feeds one line per time, and says how many were new and whether a gap was seen.
    fn read_on(cursor: Cursor, times: &[&str]) -> (usize, bool, Cursor) {
        let mut intake = Intake::new(Known::UpToWherever(cursor), LINE_BYTES);
        let mut lines = LogLines::default();
        for at in times {
            intake.feed(format!("{at} x\n").as_bytes(), &mut lines);
        }
        (lines.len(), intake.take_gap(), intake.cursor)
    }

    #[test]
    fn a_line_comes_whole_however_it_was_cut_on_the_way() {
        let lines =
            split(&[b"2026-11-22T14:00:00.5Z  indent", b"ed\n2026-11-22T14:00:01Z\nno time\n", b"tail"]);
        let texts: Vec<_> = lines.iter().map(|line| line.text()).collect();
        assert_eq!(texts, [" indented", "", "no time", "tail"]);
        assert_eq!(lines.get(0).unwrap().at(), "2026-11-22T14:00:00.5Z".parse().ok());
        assert!(lines.get(1).unwrap().at().is_some() && lines.get(2).unwrap().at().is_none());
    }

    #[test]
    fn times_are_read_alike_whether_the_second_was_seen_before_or_not() {
        let times = [
            "2026-11-22T14:00:00.000000001Z",
            "2026-11-22T14:00:00.5Z",
            "2026-11-22T14:00:00.123456789Z",
            "2026-11-22T14:00:00Z",
            "2026-11-22T15:00:00.25+01:00",
            "2026-11-22T15:00:00.75+01:00",
            "2026-11-22T14:00:01.9Z",
        ];
        let log: String = times.iter().map(|at| format!("{at} x y\n{at}\n")).collect();
        let lines = split(&[log.as_bytes()]);
        for (n, at) in times.iter().enumerate() {
            let (full, empty) = (lines.get(2 * n).unwrap(), lines.get(2 * n + 1).unwrap());
            assert_eq!((full.at(), full.bytes), (at.parse().ok(), &b"x y"[..]), "{at}");
            assert_eq!((empty.at(), empty.bytes), (at.parse().ok(), &b""[..]), "{at}");
        }
    }

    #[test]
    fn what_only_looks_like_a_time_is_text() {
        let text = "2026-11-22T14:00:00.5Z a\n2026-11-22T14:00:00.Z b\n2026-11-22T14:00:00.5Zc d\n";
        let lines = split(&[text.as_bytes()]);
        assert_eq!(lines.get(1).unwrap().text(), "2026-11-22T14:00:00.Z b");
        assert_eq!(lines.get(2).unwrap().text(), "2026-11-22T14:00:00.5Zc d");
    }

    #[test]
    fn a_line_without_end_is_cut_in_sight_and_costs_no_more_than_the_limit() {
        let chunk = [b'x'; 8192];
        let mut intake = Intake::new(Known::Nothing, LINE_BYTES);
        let mut lines = LogLines::default();
        for _ in 0..1280 {
            intake.feed(&chunk, &mut lines);
            assert!(intake.partial.capacity() <= 2 * LINE_BYTES);
        }
        intake.feed(b"\nnext\n", &mut lines);
        assert!(lines.get(0).unwrap().text().ends_with("… [line cut, 10420224 bytes more]"));
        assert_eq!(lines.get(1).unwrap().text(), "next");
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_as_they_are() {
        assert_eq!(split(&[b"a\xff\xfeb\n"]).get(0).unwrap().bytes, b"a\xff\xfeb");
    }

    #[test]
    fn the_cursor_asks_from_the_whole_second_below() {
        assert_eq!(Cursor::default().since(), None);
        let (_, _, cursor) = read_on(Cursor::default(), &["2026-11-22T14:00:00.9Z"]);
        assert_eq!(cursor.since(), Some("2026-11-22T14:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_log_that_was_rotated_meanwhile_shows_a_gap() {
        let (_, _, cursor) = read_on(Cursor::default(), &["2026-11-22T14:00:00.9Z"]);
        assert_eq!(read_on(cursor, &["2026-11-22T14:00:07Z", "2026-11-22T14:00:08Z"]).0, 2);
        assert!(read_on(cursor, &["2026-11-22T14:00:07Z"]).1);
    }

    #[test]
    fn what_the_node_says_itself_is_no_line_of_the_container() {
        let mut intake = Intake::new(Known::Nothing, LINE_BYTES);
        let mut lines = LogLines::default();
        intake.feed(b"2026-11-22T14:00:00.5Z rpc error: code = mine\nrpc error: code = Unknown", &mut lines);
        intake.finish(&mut lines);
        assert_eq!(lines.iter().map(|line| line.text()).collect::<Vec<_>>(), ["rpc error: code = mine"]);
        assert_eq!(intake.take_words().as_deref(), Some("the node says: rpc error: code = Unknown"));
        assert_eq!(intake.take_words(), None);
    }

    #[test]
    fn the_rest_of_a_long_line_that_was_read_before_is_not_told_again() {
        let (_, _, cursor) = read_on(Cursor::default(), &["2026-11-22T14:00:01.5Z"]);
        let mut intake = Intake::new(Known::UpTo(cursor), LINE_BYTES);
        let mut lines = LogLines::default();
        // The kubelet leaves out the pieces of a line that are older, and with the first piece the time.
        intake.feed(b"end of a line\n2026-11-22T14:00:01.5Z x\n2026-11-22T14:00:02Z new\n", &mut lines);
        assert_eq!(lines.iter().map(|line| line.text()).collect::<Vec<_>>(), ["new"]);
    }

    #[test]
    fn two_writers_that_overtake_each_other_double_nothing() {
        let times = ["2026-11-22T14:00:01.0001Z", "2026-11-22T14:00:00.9999Z", "2026-11-22T14:00:01.0002Z"];
        let (_, _, cursor) = read_on(Cursor::default(), &times);
        let again = ["2026-11-22T14:00:01.0001Z", "2026-11-22T14:00:01.0002Z", "2026-11-22T14:00:02Z"];
        assert_eq!(read_on(cursor, &again).0, 1);
    }

    proptest! {
        #[test]
        fn a_stream_cut_anywhere_gives_every_line_once(
            steps in prop::collection::vec(0u32..700, 1..40), cut in 0usize..40,
        ) {
            let mut ms = 0;
            let log: Vec<(Timestamp, String)> = steps.iter().enumerate().map(|(n, step)| {
                ms += i64::from(*step);
                (Timestamp::from_millisecond(ms).unwrap(), n.to_string())
            }).collect();
            let cut = cut.min(log.len());
            let text = |(at, text): &(Timestamp, String)| format!("{at} {text}\n");
            let mut seen = LogLines::default();
            let mut first = Intake::new(Known::Nothing, LINE_BYTES);
            first.feed(log[..cut].iter().map(text).collect::<String>().as_bytes(), &mut seen);
            let since = first.cursor.since();
            let mut second = Intake::new(Known::UpTo(first.cursor), LINE_BYTES);
            let rest: String = log.iter().filter(|(at, _)| since.is_none_or(|since| *at >= since)).map(text).collect();
            second.feed(rest.as_bytes(), &mut seen);
            prop_assert!(!second.take_gap(), "no gap in a whole log");
            prop_assert_eq!(seen, log.into_iter().map(|(at, text)| (Some(at), text)).collect::<LogLines>());
        }
    }
}
