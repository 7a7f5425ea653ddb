//! Puts the lines of several streams in the order of their times.
//!
//! Each stream is in order already. A line waits for the others no longer than a small window: one
//! that comes later than that is told with its own time, never dropped.

use std::collections::VecDeque;
use std::time::Duration;

use crate::watch::LogBatch;

/// Names one stream within a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(usize);

/// How long lines wait for those of other streams.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// For streams that are known to speak: the time that a line may be under way.
    pub usual: Duration,
    /// For a stream that was just opened: its old lines may take as long as the request.
    pub opening: Duration,
}

/// Waits as a pane can bear it.
pub const LIVE: Window = Window { usual: Duration::from_millis(50), opening: Duration::from_millis(500) };
/// Waits as long as it takes, within reason: for logs that are read once.
pub const WHOLE: Window = Window { usual: Duration::from_secs(20), opening: Duration::from_secs(20) };

#[derive(Debug)]
struct Lane {
    id: LaneId,
    opened: Duration,
    has_spoken: bool,
    is_closed: bool,
    /// What came and was not told yet.
    held: VecDeque<Held>,
    /// The time of its newest line told; a line without time belongs to the one before it.
    last_ns: i64,
}

#[derive(Debug)]
struct Held {
    batch: LogBatch,
    /// Lines of it that were told.
    told: usize,
    came: Duration,
}

impl Lane {
    /// The time of the line to tell next; a mark stands at the time of the line before it.
    fn next_ns(&self) -> Option<i64> {
        let held = self.held.front()?;
        Some(held.batch.lines.get(held.told).and_then(|line| line.at_ns()).unwrap_or(self.last_ns))
    }
}

/// Holds back what may have to stand behind lines to come. Times are since an arbitrary start.
#[derive(Debug)]
pub struct Merge {
    window: Window,
    lanes: Vec<Lane>,
    n_opened: usize,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Tell(LogBatch),
    /// Nothing may be told before this moment, unless something comes first.
    WaitUntil(Duration),
    /// Nothing is held.
    Empty,
}

impl Merge {
    pub fn new(window: Window) -> Self {
        Self { window, lanes: Vec::new(), n_opened: 0 }
    }

    pub fn open(&mut self, now: Duration) -> LaneId {
        let id = LaneId(self.n_opened);
        self.n_opened += 1;
        let lane = Lane {
            id,
            opened: now,
            has_spoken: false,
            is_closed: false,
            held: VecDeque::new(),
            last_ns: i64::MIN,
        };
        self.lanes.push(lane);
        id
    }

    /// Nothing more comes from a stream; what it holds is still told.
    pub fn close(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.id == id) {
            lane.is_closed = true;
        }
        self.forget_closed();
    }

    pub fn push(&mut self, id: LaneId, batch: LogBatch, now: Duration) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.id == id) {
            lane.has_spoken |= !batch.lines.is_empty();
            lane.held.push_back(Held { batch, told: 0, came: now });
        }
    }

    /// Whether a stream holds nothing, so that more of it helps to decide.
    pub fn wants(&self, id: LaneId) -> bool {
        self.lanes.iter().any(|lane| lane.id == id && lane.held.is_empty() && !lane.is_closed)
    }

    /// The next lines in order of time: as many of one stream as stand before those of the others.
    pub fn next(&mut self, now: Duration) -> Next {
        let mut first: Option<(i64, usize)> = None;
        let mut second = i64::MAX;
        for (index, lane) in self.lanes.iter().enumerate() {
            let Some(ns) = lane.next_ns() else { continue };
            match first {
                Some((least, _)) if ns >= least => second = second.min(ns),
                _ => {
                    second = first.map_or(second, |(least, _)| least);
                    first = Some((ns, index));
                }
            }
        }
        let Some((_, index)) = first else { return Next::Empty };
        let came = self.lanes[index].held.front().map_or(now, |held| held.came);
        let until = self
            .lanes
            .iter()
            .filter(|lane| lane.held.is_empty() && !lane.is_closed)
            .map(|silent| self.wait_for(silent, came))
            .max();
        if let Some(until) = until.filter(|until| *until > now) {
            return Next::WaitUntil(until);
        }
        let told = self.tell(index, second);
        self.forget_closed();
        Next::Tell(told)
    }

    /// Until when a line that came at `came` waits for a stream that holds none.
    fn wait_for(&self, silent: &Lane, came: Duration) -> Duration {
        let usual = came + self.window.usual;
        if silent.has_spoken { usual } else { usual.max(silent.opened + self.window.opening) }
    }

    /// Takes from one lane what stands at or before `limit`.
    fn tell(&mut self, index: usize, limit: i64) -> LogBatch {
        let lane = &mut self.lanes[index];
        let held = lane.held.front_mut().expect("the lane was chosen for what it holds");
        let lines = &held.batch.lines;
        let mut end = held.told;
        let mut last_ns = lane.last_ns;
        while let Some(line) = lines.get(end) {
            let ns = line.at_ns().unwrap_or(last_ns);
            if ns > limit && end > held.told {
                break;
            }
            last_ns = last_ns.max(ns);
            end += 1;
        }
        lane.last_ns = last_ns;
        if end < lines.len() {
            let part = LogBatch {
                source: held.batch.source.clone(),
                lines: lines.slice(held.told..end),
                mark: None,
            };
            held.told = end;
            return part;
        }
        let Held { mut batch, told, .. } = lane.held.pop_front().expect("it was looked at above");
        if told > 0 {
            batch.lines = batch.lines.slice(told..end);
        }
        batch
    }

    fn forget_closed(&mut self) {
        self.lanes.retain(|lane| !lane.is_closed || !lane.held.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::watch::{LogMark, LogSource};

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn batch(pod: &str, times: &[i64]) -> LogBatch {
        let source = LogSource { pod: pod.into(), container: "app".into(), revision: None };
        let line = |ms: &i64| (Timestamp::from_millisecond(*ms).ok(), format!("{pod}{ms}"));
        LogBatch { source: Arc::new(source), lines: times.iter().map(line).collect(), mark: None }
    }

    fn told(merge: &mut Merge, now: Duration) -> Vec<String> {
        let mut all = Vec::new();
        while let Next::Tell(batch) = merge.next(now) {
            all.extend(batch.lines.iter().map(|line| line.text().into_owned()));
            all.extend(batch.mark.map(|mark| format!("{mark:?}")));
        }
        all
    }

    #[test]
    fn a_single_stream_is_passed_on_as_it_comes() {
        let mut merge = Merge::new(LIVE);
        let one = merge.open(ms(0));
        let whole = batch("a", &[1, 2, 3]);
        merge.push(one, whole.clone(), ms(0));
        assert_eq!(merge.next(ms(0)), Next::Tell(whole));
        assert_eq!(merge.next(ms(0)), Next::Empty);
    }

    #[test]
    fn lines_of_two_streams_come_in_the_order_of_their_times() {
        let mut merge = Merge::new(LIVE);
        let (one, two) = (merge.open(ms(0)), merge.open(ms(0)));
        merge.push(one, batch("a", &[1, 4, 5]), ms(0));
        merge.push(two, batch("b", &[2, 3, 6]), ms(1));
        assert_eq!(told(&mut merge, ms(1)), ["a1", "b2", "b3", "a4", "a5"]);
        assert_eq!(merge.next(ms(1)), Next::WaitUntil(ms(51)), "an earlier line may be under way");
        assert_eq!(told(&mut merge, ms(51)), ["b6"]);
    }

    #[test]
    fn a_silent_stream_holds_the_others_up_for_the_window_only() {
        let mut merge = Merge::new(LIVE);
        let (one, two) = (merge.open(ms(0)), merge.open(ms(0)));
        merge.push(one, batch("a", &[5]), ms(100));
        assert_eq!(merge.next(ms(100)), Next::WaitUntil(ms(500)), "the second was just opened");
        merge.push(two, batch("b", &[1]), ms(120));
        assert_eq!(merge.next(ms(120)), Next::Tell(batch("b", &[1])));
        assert_eq!(merge.next(ms(140)), Next::WaitUntil(ms(150)), "it has spoken, and counts as any other");
        assert_eq!(told(&mut merge, ms(200)), ["a5"]);
    }

    #[test]
    fn a_line_later_than_the_window_is_told_with_its_own_time() {
        let mut merge = Merge::new(LIVE);
        let (one, two) = (merge.open(ms(0)), merge.open(ms(0)));
        merge.push(one, batch("a", &[500]), ms(600));
        assert_eq!(told(&mut merge, ms(700)), ["a500"]);
        merge.push(two, batch("b", &[1]), ms(800));
        assert_eq!(told(&mut merge, ms(900)), ["b1"]);
    }

    #[test]
    fn a_closed_stream_is_told_to_its_end_and_waited_for_no_more() {
        let mut merge = Merge::new(WHOLE);
        let (one, two) = (merge.open(ms(0)), merge.open(ms(0)));
        merge.push(two, batch("b", &[1, 3]), ms(0));
        merge.push(one, LogBatch { mark: Some(LogMark::Opened), ..batch("a", &[2]) }, ms(0));
        merge.close(two);
        assert!(!merge.wants(two) && !merge.wants(one));
        assert_eq!(told(&mut merge, ms(0)), ["b1", "a2", "Opened"]);
        merge.close(one);
        assert_eq!(told(&mut merge, ms(0)), ["b3"]);
        assert!(merge.lanes.is_empty());
    }

    #[test]
    fn a_line_without_time_stays_behind_the_one_before_it() {
        let mut merge = Merge::new(LIVE);
        let (one, two) = (merge.open(ms(0)), merge.open(ms(0)));
        let mut stack = batch("a", &[3]);
        stack.lines.push(None, b"  at main");
        merge.push(one, stack, ms(0));
        merge.push(two, batch("b", &[1, 9]), ms(0));
        assert_eq!(told(&mut merge, ms(900)), ["b1", "a3", "  at main", "b9"]);
    }

    proptest! {
        #[test]
        fn whole_logs_come_out_complete_and_sorted(
            logs in prop::collection::vec(prop::collection::vec(0i64..50, 0..30), 1..5),
            cuts in prop::collection::vec(1usize..7, 1..20),
        ) {
            let mut merge = Merge::new(WHOLE);
            let ids: Vec<LaneId> = logs.iter().map(|_| merge.open(ms(0))).collect();
            let mut rest: Vec<Vec<i64>> = logs.clone();
            for log in &mut rest {
                log.sort_unstable();
            }
            let mut expected: Vec<i64> = logs.concat();
            expected.sort_unstable();
            let mut seen = Vec::new();
            let mut cuts = cuts.iter().cycle();
            while !merge.lanes.is_empty() {
                for (index, id) in ids.iter().enumerate() {
                    if !merge.wants(*id) {
                        continue;
                    }
                    if rest[index].is_empty() {
                        merge.close(*id);
                    } else {
                        let n = (*cuts.next().unwrap()).min(rest[index].len());
                        let part: Vec<i64> = rest[index].drain(..n).collect();
                        merge.push(*id, batch("x", &part), ms(0));
                    }
                }
                while let Next::Tell(batch) = merge.next(ms(0)) {
                    seen.extend(batch.lines.iter().map(|line| line.at().unwrap().as_millisecond()));
                }
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
