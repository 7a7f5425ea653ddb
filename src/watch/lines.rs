//! Lines of one log stream, end to end in one piece of memory: taking one in allocates nothing.

use std::borrow::Cow;
use std::ops::Range;

use jiff::Timestamp;

/// Stands for "the server gave no time".
const NO_TIME: i64 = i64::MIN;

/// Lines of one container, as received and in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LogLines {
    bytes: Vec<u8>,
    ends: Vec<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    at_ns: i64,
    end: u32,
}

/// One line within its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'b> {
    at_ns: i64,
    /// Without the line end; may hold any byte, escapes and broken UTF-8 included.
    pub bytes: &'b [u8],
}

impl<'b> LogLine<'b> {
    /// The server's own time for the line; `None` for a line that carried none.
    pub fn at(&self) -> Option<Timestamp> {
        self.at_ns().and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok())
    }

    /// The same in nanoseconds since the epoch, which costs nothing.
    pub fn at_ns(&self) -> Option<i64> {
        (self.at_ns != NO_TIME).then_some(self.at_ns)
    }

    pub fn text(&self) -> Cow<'b, str> {
        String::from_utf8_lossy(self.bytes)
    }
}

impl LogLines {
    /// Room for so many lines and bytes before anything has to move.
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(lines) }
    }

    pub fn push(&mut self, at_ns: Option<i64>, line: &[u8]) {
        self.push_parts(at_ns, line, &[]);
    }

    /// Adds one line that comes in two pieces.
    pub fn push_parts(&mut self, at_ns: Option<i64>, head: &[u8], tail: &[u8]) {
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(tail);
        let end = u32::try_from(self.bytes.len()).expect("a batch is sent on long before four gigabytes");
        self.ends.push(End { at_ns: at_ns.unwrap_or(NO_TIME), end });
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Units: bytes of text.
    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn get(&self, index: usize) -> Option<LogLine<'_>> {
        let End { at_ns, end } = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].end);
        Some(LogLine { at_ns, bytes: &self.bytes[start as usize..end as usize] })
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = LogLine<'_>> + DoubleEndedIterator {
        (0..self.len()).map(|index| self.get(index).expect("the index is below the length"))
    }

    /// A copy of some of the lines.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let start = range.start.checked_sub(1).map_or(0, |before| self.ends[before].end);
        let ends: Vec<End> =
            self.ends[range].iter().map(|line| End { end: line.end - start, ..*line }).collect();
        let last = ends.last().map_or(0, |line| line.end);
        Self { bytes: self.bytes[start as usize..(start + last) as usize].to_vec(), ends }
    }
}

impl std::fmt::Debug for LogLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|line| line.text().into_owned())).finish()
    }
}

impl<T: AsRef<str>> FromIterator<(Option<Timestamp>, T)> for LogLines {
    fn from_iter<I: IntoIterator<Item = (Option<Timestamp>, T)>>(lines: I) -> Self {
        let mut all = Self::default();
        for (at, text) in lines {
            all.push(at.and_then(|at| i64::try_from(at.as_nanosecond()).ok()), text.as_ref().as_bytes());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_bytes_and_times_apart() {
        let mut lines = LogLines::default();
        lines.push(Some(7), b"one");
        lines.push(None, b"");
        lines.push_parts(Some(9), b"t\xff", b"wo");
        let read: Vec<_> = lines.iter().map(|line| (line.at_ns(), line.bytes)).collect();
        assert_eq!(read, [(Some(7), &b"one"[..]), (None, b""), (Some(9), b"t\xffwo")]);
        assert_eq!(lines.get(2).unwrap().text(), "t\u{fffd}wo");
        assert_eq!(lines.get(3), None);
    }

    #[test]
    fn a_slice_is_a_batch_of_its_own() {
        let at = "2026-11-22T14:00:00Z".parse().ok();
        let lines: LogLines = [(at, "a"), (None, "bc"), (at, "d")].into_iter().collect();
        assert_eq!(lines.slice(1..3), [(None, "bc"), (at, "d")].into_iter().collect());
        assert_eq!(lines.slice(1..1), LogLines::default());
        assert_eq!(lines.get(0).unwrap().at(), at);
    }
}
