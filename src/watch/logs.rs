//! The log store: every line that the followed pods wrote, within a budget of bytes.
//!
//! Lines lie end to end in a few large segments with 24 bytes of notes each, so that taking one in
//! allocates nothing and dropping the oldest frees a segment at once. What was dropped is counted,
//! and what happened to a stream stands between its lines.

mod clean;
mod extract;
mod group;
pub mod json;
mod level;
mod mark;
pub mod merge;
mod pattern;
#[cfg(test)]
mod tests;
mod view;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::facts::{LogBatch, LogMark, LogSource};
pub use clean::clean;
pub use extract::{Bytes, Extract};
pub use group::Group;
pub use level::Level;
pub use mark::{RowMark, words};
pub use pattern::Pattern;
pub use view::{LogQuery, LogView};

/// What one segment may hold before the next one begins, of text and of lines.
const SEGMENT_BYTES: usize = 256 << 10;
const SEGMENT_LINES: usize = 4096;
/// The rate is an average over this many whole seconds: steady enough to read.
const RATE_S: i64 = 3;

/// Names one stream within a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u16);

/// How a stream is doing, as its last mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamState {
    Live,
    Retrying(String),
    Ended(String),
}

/// One container's stream within the store.
#[derive(Debug, Clone)]
pub struct Stream {
    pub source: Arc<LogSource>,
    pub state: StreamState,
    pub n_lines: u64,
    pub n_errors: u64,
    /// Lines that are known to be missing.
    pub n_lost: u64,
    /// The number of the first line that reads as an error.
    pub first_error: Option<u64>,
    /// The server's time of its newest line.
    pub last_at: Option<Timestamp>,
    /// The number of the mark at which the container's life ended last.
    ended_at: Option<u64>,
    /// Which of the pods it belongs to, counted from the first seen: containers of one pod agree.
    pub nth_pod: usize,
}

/// One line as a screen shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'s> {
    /// Counted from the first line ever taken in; stays the same while older ones are dropped.
    pub number: u64,
    /// `None` for a note.
    pub source: Option<SourceId>,
    pub at: Option<Timestamp>,
    /// Harmless on any terminal; see [`clean`].
    pub text: Cow<'s, str>,
    pub level: Option<Level>,
    pub mark: Option<RowMark>,
    /// Belongs to the line before it in its stream, such as a line of a stack trace.
    pub continues: bool,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    /// Microseconds since the epoch; the smallest value stands for "none".
    at_us: i64,
    start: u32,
    len: u32,
    source: u16,
    level: Option<Level>,
    mark: Option<RowMark>,
    continues: bool,
}

const NO_SOURCE: u16 = u16::MAX;
const NO_TIME: i64 = i64::MIN;

/// All of a line but its text and time.
struct Kind {
    source: u16,
    level: Option<Level>,
    mark: Option<RowMark>,
    continues: bool,
}

impl Kind {
    fn mark(source: u16, mark: RowMark) -> Self {
        Self { source, level: None, mark: Some(mark), continues: false }
    }
}

#[derive(Debug, Default)]
struct Segment {
    text: Vec<u8>,
    lines: Vec<Line>,
}

impl Segment {
    fn cost(&self) -> usize {
        self.text.capacity() + self.lines.capacity() * size_of::<Line>()
    }

    fn text_of(&self, line: &Line) -> &[u8] {
        let start = line.start as usize;
        self.text.get(start..start + line.len as usize).unwrap_or_default()
    }
}

/// All lines kept, oldest first. See the module.
#[derive(Debug)]
pub struct LogStore {
    budget: usize,
    segments: VecDeque<Segment>,
    /// Bytes of all segments but the last.
    sealed_bytes: usize,
    /// The number of the oldest line kept.
    first: u64,
    /// The number that the next line will get.
    next: u64,
    streams: Vec<Stream>,
    n_pods: usize,
    /// As many as streams.
    groups: Vec<Group>,
    ids: HashMap<Arc<LogSource>, SourceId>,
    n_unfollowed: u64,
    rate: Rate,
}

impl Default for LogStore {
    fn default() -> Self {
        Self::new(Self::BUDGET)
    }
}

impl LogStore {
    /// Units: bytes of memory for lines, notes included.
    pub const BUDGET: usize = 32 << 20;

    pub fn new(budget: usize) -> Self {
        Self {
            budget: budget.max(2 * (SEGMENT_BYTES + SEGMENT_LINES * size_of::<Line>())),
            segments: VecDeque::new(),
            sealed_bytes: 0,
            first: 0,
            next: 0,
            streams: Vec::new(),
            n_pods: 0,
            groups: Vec::new(),
            ids: HashMap::new(),
            n_unfollowed: 0,
            rate: Rate::default(),
        }
    }

    /// Takes in what one stream told; `now` (wall time) serves the rate alone.
    pub fn push(&mut self, batch: &LogBatch, now: Timestamp) {
        if let Some(mark @ LogMark::Unfollowed { pods, .. }) = &batch.mark {
            self.n_unfollowed = *pods;
            let text = words(mark);
            self.append(text.as_bytes(), NO_TIME, Kind::mark(NO_SOURCE, RowMark::Unfollowed));
            return;
        }
        let id = self.id(&batch.source);
        let mut n_errors = 0;
        let mut first_error = None;
        let mut group = self.groups.get(usize::from(id.0)).copied().unwrap_or_default();
        for line in batch.lines.iter() {
            let at_us = line.at_ns().map_or(NO_TIME, |ns| ns.div_euclid(1000));
            let (continues, level) = group.take(line.bytes, at_us);
            let kind = Kind { source: id.0, level, mark: None, continues };
            let number = self.append(line.bytes, at_us, kind);
            if level == Some(Level::Error) && !continues {
                n_errors += 1;
                first_error.get_or_insert(number);
            }
        }
        if let Some(kept) = self.groups.get_mut(usize::from(id.0)) {
            *kept = group;
        }
        if let Some(stream) = self.streams.get_mut(usize::from(id.0)) {
            stream.n_lines += batch.lines.len() as u64;
            stream.n_errors += n_errors;
            stream.first_error = stream.first_error.or(first_error);
            stream.last_at = batch.lines.iter().rev().find_map(|line| line.at()).or(stream.last_at);
        }
        self.rate.add(batch.lines.len() as u64, now);
        if let Some(mark) = &batch.mark {
            self.mark(id, mark);
        }
    }

    /// Draws a line of our own, such as at a step's boundary.
    pub fn note(&mut self, text: &str, at: Option<Timestamp>) {
        let at_us = at.map_or(NO_TIME, Timestamp::as_microsecond);
        self.append(text.as_bytes(), at_us, Kind::mark(NO_SOURCE, RowMark::Note));
    }

    fn mark(&mut self, id: SourceId, mark: &LogMark) {
        let Some(stream) = self.streams.get_mut(usize::from(id.0)) else { return };
        let at_us = stream.last_at.map_or(NO_TIME, Timestamp::as_microsecond);
        match mark {
            LogMark::Opened | LogMark::Reopened | LogMark::Restarted { .. } => {
                stream.state = StreamState::Live;
            }
            LogMark::Ended { why } | LogMark::Unreadable { why } => {
                stream.state = StreamState::Ended(why.clone());
            }
            LogMark::Retrying { why } => stream.state = StreamState::Retrying(why.clone()),
            LogMark::Lost { lines, .. } => stream.n_lost += lines,
            LogMark::Unfollowed { .. } => return, // of no stream: see `push`
        }
        let number = self.append(words(mark).as_bytes(), at_us, Kind::mark(id.0, RowMark::of(mark)));
        if matches!(mark, LogMark::Ended { .. } | LogMark::Restarted { .. })
            && let Some(stream) = self.streams.get_mut(usize::from(id.0))
        {
            stream.ended_at = Some(number);
        }
    }

    fn id(&mut self, source: &Arc<LogSource>) -> SourceId {
        if let Some(id) = self.ids.get(source) {
            return *id;
        }
        // More streams than ids never happens in practice; the surplus then shares the last one.
        let id = SourceId(u16::try_from(self.streams.len()).unwrap_or(NO_SOURCE - 1).min(NO_SOURCE - 1));
        if usize::from(id.0) == self.streams.len() {
            let kin = self.streams.iter().find(|stream| stream.source.pod == source.pod);
            let nth_pod = kin.map_or(self.n_pods, |kin| kin.nth_pod);
            self.n_pods = self.n_pods.max(nth_pod + 1);
            self.groups.push(Group::default());
            self.streams.push(Stream {
                source: Arc::clone(source),
                state: StreamState::Live,
                n_lines: 0,
                n_errors: 0,
                n_lost: 0,
                first_error: None,
                last_at: None,
                ended_at: None,
                nth_pod,
            });
        }
        self.ids.insert(Arc::clone(source), id);
        id
    }

    fn append(&mut self, text: &[u8], at_us: i64, Kind { source, level, mark, continues }: Kind) -> u64 {
        let is_full = self.segments.back().is_none_or(|last| {
            last.lines.len() == SEGMENT_LINES
                || !last.lines.is_empty() && last.text.len() + text.len() > SEGMENT_BYTES
        });
        if is_full {
            self.begin_segment(text.len());
        }
        let number = self.next;
        self.next += 1;
        if let Some(last) = self.segments.back_mut() {
            let start = u32::try_from(last.text.len()).unwrap_or(u32::MAX);
            last.text.extend_from_slice(text);
            let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
            last.lines.push(Line { at_us, start, len, source, level, mark, continues });
        }
        number
    }

    fn begin_segment(&mut self, first_line: usize) {
        if let Some(last) = self.segments.back_mut() {
            last.text.shrink_to_fit();
            last.lines.shrink_to_fit();
            self.sealed_bytes += last.cost();
        }
        let n_text = SEGMENT_BYTES.max(first_line);
        let whole = n_text + SEGMENT_LINES * size_of::<Line>();
        while self.sealed_bytes + whole > self.budget {
            let Some(oldest) = self.segments.pop_front() else { break };
            self.sealed_bytes -= oldest.cost();
            self.first += oldest.lines.len() as u64;
        }
        let (text, lines) = (Vec::with_capacity(n_text), Vec::with_capacity(SEGMENT_LINES));
        self.segments.push_back(Segment { text, lines });
    }

    /// Lines kept, marks and notes included.
    pub fn n_lines(&self) -> u64 {
        self.next - self.first
    }

    /// Lines that the budget pushed out.
    pub fn n_dropped(&self) -> u64 {
        self.first
    }

    /// Lines that never reached us, as far as anybody knows.
    pub fn n_lost(&self) -> u64 {
        self.streams.iter().map(|stream| stream.n_lost).sum()
    }

    /// Pods that have no stream, because there are more than are followed.
    pub fn n_unfollowed(&self) -> u64 {
        self.n_unfollowed
    }

    /// Numbers of the oldest line kept and of the line to come.
    pub fn bounds(&self) -> (u64, u64) {
        (self.first, self.next)
    }

    /// Units: bytes of memory held for lines.
    pub fn bytes(&self) -> usize {
        self.sealed_bytes + self.segments.back().map_or(0, Segment::cost)
    }

    /// Lines per second over the last whole seconds of wall time.
    pub fn rate(&self, now: Timestamp) -> u64 {
        self.rate.per_second(now)
    }

    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    pub fn stream(&self, id: SourceId) -> Option<&Stream> {
        self.streams.get(usize::from(id.0))
    }

    /// One line by its number, if it is still kept.
    pub fn row(&self, number: u64) -> Option<Row<'_>> {
        let (segment, index) = self.locate(number)?;
        let segment = self.segments.get(segment)?;
        let line = segment.lines.get(index)?;
        Some(Row {
            number,
            source: (line.source != NO_SOURCE).then_some(SourceId(line.source)),
            at: Timestamp::from_microsecond(line.at_us).ok().filter(|_| line.at_us != NO_TIME),
            text: shown(segment.text_of(line)),
            level: line.level,
            mark: line.mark,
            continues: line.continues,
        })
    }

    fn line(&self, number: u64) -> Option<&Line> {
        let (segment, index) = self.locate(number)?;
        self.segments.get(segment)?.lines.get(index)
    }

    /// The last lines that a pod's container wrote, oldest first; without `container`, of any.
    pub fn last_of(&self, pod: &str, container: Option<&str>, n: usize) -> Vec<Row<'_>> {
        self.last_before(self.next, pod, container, n)
    }

    /// The last lines before the container's life ended, though the next one may have begun since;
    /// of one that never ended, the last so far.
    pub fn last_words(&self, pod: &str, container: Option<&str>, n: usize) -> Vec<Row<'_>> {
        let ended = self.streams_of(pod, container).filter_map(|(_, stream)| stream.ended_at).max();
        self.last_before(ended.unwrap_or(self.next), pod, container, n)
    }

    /// Whether a life of the container was read to its end, or its log cannot be had.
    pub fn has_heard_end(&self, pod: &str, container: Option<&str>) -> bool {
        let mut streams = self.streams_of(pod, container);
        streams.any(|(_, stream)| stream.ended_at.is_some() || matches!(stream.state, StreamState::Ended(_)))
    }

    fn streams_of<'s>(
        &'s self,
        pod: &'s str,
        container: Option<&'s str>,
    ) -> impl Iterator<Item = (usize, &'s Stream)> {
        self.streams.iter().enumerate().filter(move |(_, stream)| {
            stream.source.pod == pod && container.is_none_or(|name| stream.source.container == name)
        })
    }

    fn last_before(&self, end: u64, pod: &str, container: Option<&str>, n: usize) -> Vec<Row<'_>> {
        let wanted: Vec<usize> = self.streams_of(pod, container).map(|(id, _)| id).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut numbers = Vec::with_capacity(n);
        let mut number = self.next;
        'search: for segment in self.segments.iter().rev() {
            let newer = usize::try_from(number - end.min(number)).unwrap_or(usize::MAX);
            let newer = newer.min(segment.lines.len());
            number -= newer as u64;
            for line in segment.lines.iter().rev().skip(newer) {
                number -= 1;
                if line.mark.is_none() && wanted.contains(&usize::from(line.source)) {
                    numbers.push(number);
                    if numbers.len() == n {
                        break 'search;
                    }
                }
            }
        }
        numbers.iter().rev().filter_map(|number| self.row(*number)).collect()
    }

    fn locate(&self, number: u64) -> Option<(usize, usize)> {
        let mut offset = usize::try_from(number.checked_sub(self.first)?).ok()?;
        for (index, segment) in self.segments.iter().enumerate() {
            if offset < segment.lines.len() {
                return Some((index, offset));
            }
            offset -= segment.lines.len();
        }
        None
    }

    /// Calls `each` for the lines from `from` on, until it says stop.
    fn scan(&self, from: u64, mut each: impl FnMut(u64, &Line, &[u8]) -> bool) {
        let Some((first, skip)) = self.locate(from.max(self.first)) else { return };
        let mut number = from.max(self.first);
        let mut skip = skip;
        for segment in self.segments.iter().skip(first) {
            for line in segment.lines.iter().skip(skip) {
                if !each(number, line, segment.text_of(line)) {
                    return;
                }
                number += 1;
            }
            skip = 0;
        }
    }
}

/// A stored line as a terminal may show it.
fn shown(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => clean(text),
        Cow::Owned(text) => Cow::Owned(clean(&text).into_owned()),
    }
}

/// Counts of lines by wall second, for as many as the rate needs.
#[derive(Debug, Default)]
struct Rate {
    seconds: VecDeque<(i64, u64)>,
}

impl Rate {
    fn add(&mut self, lines: u64, now: Timestamp) {
        let second = now.as_second();
        match self.seconds.back_mut() {
            Some((last, count)) if *last >= second => *count += lines,
            _ => self.seconds.push_back((second, lines)),
        }
        while self.seconds.front().is_some_and(|(first, _)| *first < second - RATE_S - 1) {
            self.seconds.pop_front();
        }
    }

    fn per_second(&self, now: Timestamp) -> u64 {
        let this = now.as_second();
        let whole = self.seconds.iter().filter(|(second, _)| (this - RATE_S..this).contains(second));
        let sum: u64 = whole.map(|(_, count)| count).sum();
        sum / RATE_S.unsigned_abs()
    }
}
