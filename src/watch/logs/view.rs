//! What of the store a pane shows: filtered, followed or frozen, by line numbers that stay.

use std::borrow::Cow;
use std::collections::VecDeque;

use regex::Regex;

use super::{Level, Line, LogStore, NO_SOURCE, Row, SourceId, shown};

/// Lines looked at in one go while a new filter works through the buffer; a frame waits for it.
const SCAN_LINES: usize = 50_000;

/// Which lines to show. The default shows all.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Shows lines that match, and what belongs to them.
    pub include: Option<Regex>,
    /// Hides lines that match, and what belongs to them.
    pub exclude: Option<Regex>,
    /// Pods of this ReplicaSet alone, by UID: the new ones.
    pub only_revision: Option<String>,
    /// One stream alone.
    pub only_source: Option<SourceId>,
    pub min_level: Option<Level>,
}

impl LogQuery {
    fn shows_all(&self) -> bool {
        self.include.is_none()
            && self.exclude.is_none()
            && self.only_revision.is_none()
            && self.only_source.is_none()
            && self.min_level.is_none()
    }
}

/// A line and what belongs to it, as far as it was looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Event {
    head: u64,
    is_shown: bool,
    /// Its head is hidden by the pattern that hides, so no match within it counts.
    is_excluded: bool,
}

/// A window on the store. Reading, storing and counting go on whatever it shows.
#[derive(Debug, Default)]
pub struct LogView {
    query: LogQuery,
    /// Numbers of the lines that the query shows, oldest first; unused while it shows all.
    shown: VecDeque<u64>,
    /// The first line that the query has not looked at.
    scanned_to: u64,
    /// The newest event of each stream, by the stream's index.
    events: Vec<Event>,
    /// The line at the top, while frozen; `None` follows the newest.
    frozen_at: Option<u64>,
    /// The newest line when the view froze.
    frozen_newest: u64,
}

impl LogView {
    pub fn query(&self) -> &LogQuery {
        &self.query
    }

    /// Looks at the whole buffer anew: filtering hides, it does not discard.
    pub fn set_query(&mut self, query: LogQuery) {
        self.query = query;
        self.shown.clear();
        self.events.clear();
        self.scanned_to = 0;
    }

    /// Takes note of new lines and of lines that the budget dropped.
    ///
    /// - Shape: `false` while a new filter has not reached the newest line; call again.
    pub fn update(&mut self, store: &LogStore) -> bool {
        let (first, next) = store.bounds();
        while self.shown.front().is_some_and(|number| *number < first) {
            self.shown.pop_front();
        }
        if self.query.shows_all() {
            self.scanned_to = next;
            return true;
        }
        let allowed = self.allowed(store);
        let mut left = SCAN_LINES;
        self.events.resize(store.streams.len(), Event::default());
        let (query, shown, events) = (&self.query, &mut self.shown, &mut self.events);
        let mut reached = self.scanned_to.max(first);
        store.scan(reached, |number, line, text| {
            if left == 0 {
                return false;
            }
            left -= 1;
            reached = number + 1;
            let Some(event) = events.get_mut(usize::from(line.source)).filter(|_| line.mark.is_none()) else {
                if is_allowed(&allowed, line) {
                    shown.push_back(number);
                }
                return true;
            };
            if !line.continues {
                let is_excluded = is_excluded(query, text);
                let is_shown = !is_excluded && is_allowed(&allowed, line) && is_included(query, line, text);
                *event = Event { head: number, is_shown, is_excluded };
            } else if !event.is_shown
                && !event.is_excluded
                && is_allowed(&allowed, line)
                && is_included(query, line, text)
            {
                // What it belongs to is shown with it.
                event.is_shown = true;
                let part = |before: &u64| {
                    store
                        .line(*before)
                        .is_some_and(|known| known.source == line.source && known.mark.is_none())
                };
                let before: Vec<u64> = (event.head.max(first)..number).filter(part).collect();
                let at = shown.partition_point(|known| *known < event.head);
                let later: Vec<u64> = shown.drain(at..).collect();
                let mut both: Vec<u64> = later.into_iter().chain(before).collect();
                both.sort_unstable();
                shown.extend(both);
            }
            if event.is_shown {
                shown.push_back(number);
            }
            true
        });
        self.scanned_to = reached;
        self.scanned_to >= next
    }

    fn allowed(&self, store: &LogStore) -> Vec<bool> {
        let LogQuery { only_revision, only_source, .. } = &self.query;
        store
            .streams
            .iter()
            .enumerate()
            .map(|(index, stream)| {
                only_revision.as_ref().is_none_or(|wanted| stream.source.revision.as_ref() == Some(wanted))
                    && only_source.is_none_or(|source| usize::from(source.0) == index)
            })
            .collect()
    }

    /// How many lines the query shows.
    pub fn n_rows(&self, store: &LogStore) -> usize {
        if self.query.shows_all() {
            usize::try_from(store.n_lines()).unwrap_or(usize::MAX)
        } else {
            self.shown.len()
        }
    }

    fn number_of(&self, store: &LogStore, index: usize) -> Option<u64> {
        if self.query.shows_all() {
            let (first, next) = store.bounds();
            let number = first + index as u64;
            (number < next).then_some(number)
        } else {
            self.shown.get(index).copied()
        }
    }

    /// The index of the first row at or after a line.
    fn index_of(&self, store: &LogStore, number: u64) -> usize {
        if self.query.shows_all() {
            let (first, next) = store.bounds();
            usize::try_from(number.clamp(first, next) - first).unwrap_or(usize::MAX)
        } else {
            self.shown.partition_point(|shown| *shown < number)
        }
    }

    fn top(&self, store: &LogStore, height: usize) -> usize {
        let newest_top = self.n_rows(store).saturating_sub(height);
        match self.frozen_at {
            Some(number) => self.index_of(store, number).min(newest_top),
            None => newest_top,
        }
    }

    /// The rows that fit into `height`, oldest first. Costs what is visible.
    pub fn rows<'s>(&self, store: &'s LogStore, height: usize) -> impl Iterator<Item = Row<'s>> + use<'s> {
        let top = self.top(store, height);
        let end = (top + height).min(self.n_rows(store));
        let numbers: Vec<u64> = (top..end).filter_map(|index| self.number_of(store, index)).collect();
        numbers.into_iter().filter_map(move |number| store.row(number))
    }

    pub fn is_following(&self) -> bool {
        self.frozen_at.is_none()
    }

    /// Shows the newest lines again, and those to come.
    pub fn follow(&mut self) {
        self.frozen_at = None;
    }

    /// Keeps what is visible now in place.
    pub fn freeze(&mut self, store: &LogStore, height: usize) {
        let top = self.top(store, height);
        self.freeze_at(store, top);
    }

    fn freeze_at(&mut self, store: &LogStore, top: usize) {
        if self.frozen_at.is_none() {
            self.frozen_newest = store.bounds().1;
        }
        self.frozen_at = Some(self.number_of(store, top).unwrap_or(store.bounds().0));
    }

    /// Moves by rows, down when positive. Moving up freezes, reaching the end follows.
    pub fn scroll(&mut self, store: &LogStore, height: usize, by: isize) {
        let newest_top = self.n_rows(store).saturating_sub(height);
        let top = self.top(store, height).saturating_add_signed(by);
        if top >= newest_top && by > 0 {
            self.follow();
        } else {
            self.freeze_at(store, top.min(newest_top));
        }
    }

    /// Goes to the oldest line kept.
    pub fn to_top(&mut self, store: &LogStore) {
        self.freeze_at(store, 0);
    }

    /// Brings a line to the middle, as a search does.
    pub fn show(&mut self, store: &LogStore, height: usize, number: u64) {
        let index = self.index_of(store, number);
        let newest_top = self.n_rows(store).saturating_sub(height);
        self.freeze_at(store, index.saturating_sub(height / 2).min(newest_top));
    }

    /// The oldest and the newest line in sight.
    pub fn visible(&self, store: &LogStore, height: usize) -> Option<(u64, u64)> {
        let top = self.top(store, height);
        let end = (top + height).min(self.n_rows(store));
        Some((self.number_of(store, top)?, self.number_of(store, end.checked_sub(1)?)?))
    }

    /// The numbers of the shown lines from `first` to `last`, both included.
    pub fn between(&self, store: &LogStore, first: u64, last: u64) -> Vec<u64> {
        let (start, end) = (self.index_of(store, first), self.index_of(store, last.saturating_add(1)));
        (start..end).filter_map(|index| self.number_of(store, index)).collect()
    }

    /// The shown line `by` rows below `from`, or above when negative; the last one there is at most.
    pub fn step(&self, store: &LogStore, from: u64, by: isize) -> u64 {
        let last = self.n_rows(store).saturating_sub(1);
        let index = self.index_of(store, from).saturating_add_signed(by).min(last);
        self.number_of(store, index).unwrap_or(from)
    }

    /// Scrolls as little as brings a line into sight.
    pub fn reveal(&mut self, store: &LogStore, height: usize, number: u64) {
        let (index, top) = (self.index_of(store, number), self.top(store, height));
        if index < top {
            self.freeze_at(store, index);
        } else if index >= top + height {
            self.freeze_at(store, index + 1 - height);
        }
    }

    /// Rows that came in since the view froze.
    pub fn n_new(&self, store: &LogStore) -> usize {
        match self.frozen_at {
            Some(_) => self.n_rows(store) - self.index_of(store, self.frozen_newest).min(self.n_rows(store)),
            None => 0,
        }
    }

    /// The next shown line that matches, after `from` or before it; `from` itself does not count.
    pub fn find(&self, store: &LogStore, pattern: &Regex, from: u64, forward: bool) -> Option<u64> {
        let n_rows = self.n_rows(store);
        let is_match = |index: &usize| {
            let number = self.number_of(store, *index);
            let row = number.and_then(|number| store.row(number));
            row.is_some_and(|row| pattern.is_match(&row.text))
        };
        let found = if forward {
            (self.index_of(store, from.saturating_add(1))..n_rows).find(is_match)
        } else {
            (0..self.index_of(store, from)).rev().find(is_match)
        };
        found.and_then(|index| self.number_of(store, index))
    }
}

fn is_allowed(allowed: &[bool], line: &Line) -> bool {
    // What happened to a stream, and what the operator noted, is never filtered away by its words.
    line.source == NO_SOURCE || allowed.get(usize::from(line.source)).copied().unwrap_or(true)
}

fn is_included(query: &LogQuery, line: &Line, text: &[u8]) -> bool {
    query.min_level.is_none_or(|least| line.level.is_some_and(|level| level >= least))
        && query.include.as_ref().is_none_or(|pattern| pattern.is_match(&plain(text)))
}

fn is_excluded(query: &LogQuery, text: &[u8]) -> bool {
    query.exclude.as_ref().is_some_and(|pattern| pattern.is_match(&plain(text)))
}

/// Colour codes in the middle of a word would hide it from a pattern.
fn plain(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(0x1b, text).is_none() { String::from_utf8_lossy(text) } else { shown(text) }
}
