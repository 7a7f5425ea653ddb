//! What a command prints: bytes to lines, and lines within a budget.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::workflow::{CommandId, Secrets};

/// Kept of the head, and as much of the tail. Units: bytes.
pub(super) const KEEP: usize = 256 * 1024;

/// A longer line is told in parts, so that no line can outgrow a budget.
const LONGEST_LINE: usize = 8 * 1024;

/// Counted for each line beside its text, so that empty lines have a price too.
const LINE_OVERHEAD: usize = 32;

/// The live view holds this many lines back for a screen that is busy, then drops the oldest.
const PENDING_LINES: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// One line of output, as printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    pub stream: Stream,
    /// Text without its line end; what is not UTF-8 became U+FFFD, and it may hold any character,
    /// escapes included.
    pub text: Box<str>,
    /// Whether it goes on the stream's line before it: a prompt that was shown before its line end
    /// came, or a line too long for one piece.
    pub continues: bool,
}

/// News of a running command's output, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBatch {
    pub command: CommandId,
    pub attempt: u32,
    pub lines: Vec<OutputLine>,
    /// Lines that came before these and that the screen did not take in time. They count toward
    /// [`Kept`] all the same.
    pub dropped: u64,
}

/// The output of a whole command: its head, its tail, and how much is missing between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    pub head: Vec<OutputLine>,
    pub tail: VecDeque<OutputLine>,
    pub cut_lines: u64,
    /// Units: bytes of text.
    pub cut_bytes: u64,
    budget: usize,
    head_bytes: usize,
    head_full: bool,
    tail_bytes: usize,
}

impl Kept {
    pub(super) fn new(budget: usize) -> Self {
        Self { budget, ..Self::default() }
    }

    pub(super) fn push(&mut self, line: OutputLine) {
        let price = line.text.len() + LINE_OVERHEAD;
        if !self.head_full && self.head_bytes + price <= self.budget {
            self.head_bytes += price;
            self.head.push(line);
            return;
        }
        // A shorter line must not slip back into the head after a longer one.
        self.head_full = true;
        self.tail_bytes += price;
        self.tail.push_back(line);
        while self.tail_bytes > self.budget {
            let Some(oldest) = self.tail.pop_front() else { break };
            self.tail_bytes -= oldest.text.len() + LINE_OVERHEAD;
            self.cut_lines += 1;
            self.cut_bytes += oldest.text.len() as u64;
        }
    }

    /// Everything kept, in order; the cut lies between `head` and `tail`.
    pub fn lines(&self) -> impl Iterator<Item = &OutputLine> {
        self.head.iter().chain(&self.tail)
    }

    /// The lines of the head from `from` on, as the output file has them.
    pub(super) fn head_text(&self, from: usize) -> String {
        text_of(self.head.iter().skip(from))
    }

    /// What follows the head in the output file.
    pub(super) fn tail_text(&self) -> String {
        let mut text = String::new();
        if self.cut_lines > 0 {
            let _ = writeln!(text, "cut| {} lines, {} bytes", self.cut_lines, self.cut_bytes);
        }
        text.push_str(&text_of(self.tail.iter()));
        text
    }
}

/// One line each: `out| text`, `err| text`; a `+` in place of the `|` goes on the line before.
fn text_of<'a>(lines: impl Iterator<Item = &'a OutputLine>) -> String {
    let mut text = String::new();
    for line in lines {
        let stream = match line.stream {
            Stream::Out => "out",
            Stream::Err => "err",
        };
        let mark = if line.continues { '+' } else { '|' };
        let _ = writeln!(text, "{stream}{mark} {}", line.text);
    }
    text
}

/// Lines on their way to the screen, bounded.
#[derive(Debug, Default)]
pub(super) struct Pending {
    lines: VecDeque<OutputLine>,
    dropped: u64,
}

impl Pending {
    pub(super) fn push(&mut self, line: OutputLine) {
        if self.lines.len() == PENDING_LINES {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn take(&mut self) -> (Vec<OutputLine>, u64) {
        (std::mem::take(&mut self.lines).into(), std::mem::take(&mut self.dropped))
    }
}

/// Cuts one stream into lines.
#[derive(Debug)]
pub(super) struct Lines {
    stream: Stream,
    secrets: Secrets,
    rest: Vec<u8>,
    /// A part of the current line was told already.
    begun: bool,
}

impl Lines {
    pub(super) fn new(stream: Stream, secrets: Secrets) -> Self {
        Self { stream, secrets, rest: Vec::new(), begun: false }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], mut tell: impl FnMut(OutputLine)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.take_in(&bytes[..end], &mut tell);
            self.end_line(&mut tell);
            bytes = &bytes[end + 1..];
        }
        self.take_in(bytes, &mut tell);
    }

    /// Tells what has no line end yet: a question that waits for an answer it will not get.
    pub(super) fn tell_rest(&mut self, tell: impl FnOnce(OutputLine)) {
        let whole = self.tellable();
        if whole > 0 {
            let part: Vec<u8> = self.rest.drain(..whole).collect();
            tell(self.line(&part));
            self.begun = true;
        }
    }

    pub(super) fn has_rest(&self) -> bool {
        self.tellable() > 0
    }

    /// How much of a line without its end can be told: no half of a character, and no half of a
    /// secret, which could not be hidden any more.
    fn tellable(&self) -> usize {
        let held = unfinished_character(&self.rest).max(self.secrets.unfinished(&self.rest));
        self.rest.len() - held
    }

    /// The stream is over.
    pub(super) fn finish(&mut self, mut tell: impl FnMut(OutputLine)) {
        if !self.rest.is_empty() {
            self.end_line(&mut tell);
        }
    }

    fn take_in(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(OutputLine)) {
        while self.rest.len() + bytes.len() > LONGEST_LINE {
            let room = LONGEST_LINE.saturating_sub(self.rest.len());
            self.rest.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            self.tell_rest(&mut *tell);
        }
        self.rest.extend_from_slice(bytes);
    }

    fn end_line(&mut self, tell: &mut impl FnMut(OutputLine)) {
        let mut rest = std::mem::take(&mut self.rest);
        if rest.last() == Some(&b'\r') {
            rest.pop();
        }
        if !(rest.is_empty() && self.begun) {
            tell(self.line(&rest));
        }
        self.begun = false;
    }

    fn line(&self, bytes: &[u8]) -> OutputLine {
        let text = String::from_utf8_lossy(bytes);
        let text = self.secrets.masked(&text).into_owned().into_boxed_str();
        OutputLine { stream: self.stream, text, continues: self.begun }
    }
}

/// How many bytes at the end are the beginning of a character whose rest is still to come.
fn unfinished_character(bytes: &[u8]) -> usize {
    let last_four = &bytes[bytes.len().saturating_sub(4)..];
    for (back, byte) in last_four.iter().rev().enumerate() {
        let length = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => 1,
        };
        return if length > back + 1 { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let mut lines = Lines::new(Stream::Out, Secrets::default());
        let mut told = Vec::new();
        let mut tell = |line: OutputLine| told.push((line.text.into_string(), line.continues));
        for chunk in chunks {
            lines.push(chunk, &mut tell);
        }
        lines.finish(&mut tell);
        told
    }

    fn whole(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[test]
    fn lines_end_where_the_command_ended_them_however_they_arrive() {
        assert_eq!(cut(&[b"a\nb", b"c\r\n\n", b"last"]), [whole("a"), whole("bc"), whole(""), whole("last")]);
        assert_eq!(cut(&["caf\u{e9}".as_bytes()]), [whole("caf\u{e9}")]);
        assert_eq!(cut(&[b"bad \xff byte\n"]), [whole("bad \u{fffd} byte")]);
    }

    #[test]
    fn a_question_without_line_end_is_told_and_then_goes_on() {
        let mut lines = Lines::new(Stream::Err, Secrets::default());
        let mut told = Vec::new();
        lines.push(b"Password: \xe2\x82", |line| told.push(line));
        lines.tell_rest(|line| told.push(line));
        assert!(!lines.has_rest(), "half a character waits for its other half");
        lines.push(b"\xac\nnext\n", |line| told.push(line));
        let told: Vec<_> = told.iter().map(|line| (&*line.text, line.continues)).collect();
        assert_eq!(told, [("Password: ", false), ("\u{20ac}", true), ("next", false)]);
    }

    #[test]
    fn a_line_end_right_after_a_told_part_makes_no_empty_line() {
        let mut lines = Lines::new(Stream::Out, Secrets::default());
        let mut told = Vec::new();
        lines.push(b"waiting", |line| told.push(line));
        lines.tell_rest(|line| told.push(line));
        lines.push(b"\ndone\n", |line| told.push(line));
        let told: Vec<_> = told.iter().map(|line| (&*line.text, line.continues)).collect();
        assert_eq!(told, [("waiting", false), ("done", false)]);
    }

    #[test]
    fn an_endless_line_is_told_in_bounded_parts() {
        let long = vec![b'x'; 3 * LONGEST_LINE + 5];
        let told = cut(&[&long]);
        assert_eq!(told.iter().map(|(text, _)| text.len()).sum::<usize>(), long.len());
        assert!(told.iter().all(|(text, _)| text.len() <= LONGEST_LINE));
        assert_eq!(
            told.iter().map(|(_, continues)| *continues).collect::<Vec<_>>(),
            [false, true, true, true]
        );
    }

    fn line(text: &str) -> OutputLine {
        OutputLine { stream: Stream::Out, text: text.into(), continues: false }
    }

    #[test]
    fn head_and_tail_stay_and_the_middle_is_counted() {
        let mut kept = Kept::new(3 * (LINE_OVERHEAD + 2));
        for number in 10..30 {
            kept.push(line(&number.to_string()));
        }
        let text =
            |lines: Vec<&OutputLine>| lines.iter().map(|line| line.text.to_string()).collect::<Vec<_>>();
        assert_eq!(text(kept.head.iter().collect()), ["10", "11", "12"]);
        assert_eq!(text(kept.tail.iter().collect()), ["27", "28", "29"]);
        assert_eq!((kept.cut_lines, kept.cut_bytes), (14, 28));
        assert_eq!(kept.tail_text(), "cut| 14 lines, 28 bytes\nout| 27\nout| 28\nout| 29\n");
    }

    proptest! {
        #[test]
        fn no_output_outgrows_its_budget(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..20)) {
            let mut lines = Lines::new(Stream::Out, Secrets::default());
            let mut kept = Kept::new(4096);
            let mut told = 0_u64;
            for chunk in &chunks {
                lines.push(chunk, |line| { told += 1; kept.push(line) });
            }
            lines.finish(|line| { told += 1; kept.push(line) });
            let size: usize = kept.lines().map(|line| line.text.len() + LINE_OVERHEAD).sum();
            prop_assert!(size <= 2 * 4096);
            prop_assert_eq!(kept.lines().count() as u64 + kept.cut_lines, told);
        }
    }
}
