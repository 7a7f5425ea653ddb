//! One metric over time: samples by world time, gaps kept, bounded.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::watch::{Moment, Sample};

/// No series holds more, whatever a server answers.
const MOST_SAMPLES: usize = 5_000;

/// Samples of one metric, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    samples: VecDeque<Sample>,
    /// Samples older than this before the newest one are let go.
    keep: SignedDuration,
    /// When the server last answered anything about this metric.
    heard: Option<Moment>,
    /// When a number newer than all before it last came in.
    number_heard: Option<Moment>,
    trouble: Option<(Moment, String)>,
}

impl Series {
    pub fn new(keep: SignedDuration) -> Self {
        Self { samples: VecDeque::new(), keep, heard: None, number_heard: None, trouble: None }
    }

    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The newest sample that is a number.
    pub fn latest_number(&self) -> Option<(Timestamp, f64)> {
        self.samples.iter().rev().find_map(|sample| Some((sample.at, sample.value?)))
    }

    /// When the server last answered, with or without a number: the age on screen counts from here.
    pub fn heard(&self) -> Option<Moment> {
        self.heard
    }

    /// When the newest number came in.
    pub fn number_heard(&self) -> Option<Moment> {
        self.number_heard
    }

    /// What the server said against the query, unless a number came after it.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|(_, why)| why.as_str())
    }

    /// Puts the whole stretch that `samples` cover in place of what was known of it.
    pub fn fill(&mut self, now: Moment, samples: &[Sample]) {
        let oldest = samples.iter().map(|sample| sample.at).min();
        let newest = samples.iter().map(|sample| sample.at).max();
        if let (Some(oldest), Some(newest)) = (oldest, newest) {
            // A range is stamped on its own grid: left among the others, it would count twice.
            self.samples.retain(|sample| sample.at < oldest || sample.at > newest);
        }
        self.take_in(now, samples);
    }

    pub fn push(&mut self, now: Moment, sample: Sample) {
        self.take_in(now, &[sample]);
    }

    pub fn fail(&mut self, now: Moment, why: &str) {
        self.heard = Some(now);
        self.trouble = Some((now, why.to_owned()));
    }

    fn take_in(&mut self, now: Moment, samples: &[Sample]) {
        let before = self.latest_number().map(|(at, _)| at);
        for sample in samples {
            let value = sample.value.filter(|value| value.is_finite());
            let sample = Sample { value, ..*sample };
            let at = self.samples.partition_point(|known| known.at < sample.at);
            match self.samples.get_mut(at) {
                Some(known) if known.at == sample.at => *known = sample,
                _ => self.samples.insert(at, sample),
            }
        }
        if let Some(newest) = self.samples.back().map(|sample| sample.at) {
            while self.samples.front().is_some_and(|oldest| newest.duration_since(oldest.at) > self.keep)
                || self.samples.len() > MOST_SAMPLES
            {
                self.samples.pop_front();
            }
        }
        self.heard = Some(now);
        self.trouble = None;
        if self.latest_number().map(|(at, _)| at) > before {
            self.number_heard = Some(now);
        }
    }

    /// The newest sample at or before `at`, not older than `reach` before it.
    pub(super) fn at(&self, at: Timestamp, reach: SignedDuration) -> Option<&Sample> {
        let after = self.samples.partition_point(|sample| sample.at <= at);
        let sample = self.samples.get(after.checked_sub(1)?)?;
        (at.duration_since(sample.at) <= reach).then_some(sample)
    }

    /// The median of the numbers in the stretch that ends at `until`.
    ///
    /// The median, because one scrape during a restart must not move what "normal" means.
    /// - Shape: `None` with fewer than `least` numbers.
    pub fn median(&self, until: Timestamp, span: SignedDuration, least: usize) -> Option<f64> {
        let inside = |sample: &&Sample| sample.at <= until && until.duration_since(sample.at) < span;
        let mut numbers: Vec<f64> =
            self.samples.iter().filter(inside).filter_map(|sample| sample.value).collect();
        if numbers.is_empty() || numbers.len() < least {
            return None;
        }
        numbers.sort_by(f64::total_cmp);
        let middle = numbers.len() / 2;
        let upper = numbers[middle];
        // Halves first: the sum of two huge numbers would be infinite.
        Some(if numbers.len() % 2 == 1 { upper } else { numbers[middle - 1] / 2.0 + upper / 2.0 })
    }

    /// The window that ends at `until` in `n` columns, for a sparkline.
    ///
    /// - Shape: exactly `n` values, oldest first; `None` where nothing was measured. A column with
    ///   several samples shows the highest, since a peak is what one looks for; a sample fills the
    ///   columns up to the next one, at most `interval` long.
    pub fn columns(
        &self,
        n: usize,
        until: Timestamp,
        window: SignedDuration,
        interval: SignedDuration,
    ) -> Vec<Option<f64>> {
        let mut columns = vec![None; n];
        let width = window.as_secs_f64() / n as f64;
        if !width.is_finite() || width <= 0.0 {
            return columns;
        }
        for sample in &self.samples {
            let Some(value) = sample.value else { continue };
            let from = window.as_secs_f64() - until.duration_since(sample.at).as_secs_f64();
            let to = from + interval.as_secs_f64().max(0.0);
            if to <= 0.0 && from < 0.0 || from > window.as_secs_f64() {
                continue;
            }
            // A sample at the very end of the window belongs to the last column.
            let first = ((from.max(0.0) / width) as usize).min(n - 1);
            let last = ((to / width).ceil() as usize).clamp(first + 1, n);
            for column in &mut columns[first..last] {
                *column = Some(column.map_or(value, |highest: f64| highest.max(value)));
            }
        }
        columns
    }
}

/// Columns as heights from 0 to `top`, where `top` stands for the highest of them.
///
/// All columns at one height are all zero only when the values are: a flat line is not nothing.
pub fn heights(columns: &[Option<f64>], top: u64) -> Vec<Option<u64>> {
    let highest = columns.iter().flatten().copied().fold(0.0, f64::max);
    let height = |value: f64| {
        if highest <= 0.0 || value <= 0.0 { 0 } else { ((value / highest) * top as f64).round() as u64 }
    };
    columns.iter().map(|column| column.map(height)).collect()
}
