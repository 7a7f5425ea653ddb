//! From a criterion and a series to one of four verdicts, with the reason in words.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::limit::{Grade, Limit};
use super::{Baseline, Series};
use crate::watch::{Moment, Sample, Verdict};
use crate::workflow::{Criterion, CriterionId, CriterionKind, Metric};

/// A rehearsal's interval may be half a second of wall time: silence shorter than this is a busy
/// machine, not a lost server.
const SHORTEST_SILENCE: SignedDuration = SignedDuration::from_secs(5);

/// How readings become verdicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// World time between two readings.
    pub interval: SignedDuration,
    /// What the screen shows, and what a range query fills. World time.
    pub window: SignedDuration,
    /// So many of the last `of_last` readings must be bad before a criterion fails: one scrape can
    /// straddle a pod restart, so a single bad reading proves nothing.
    pub bad_needed: usize,
    pub of_last: usize,
    /// So many good readings in a row clear a failed criterion.
    pub good_to_clear: usize,
    /// Fewer requests than this in `rate_window` make an error rate no data: one error in three
    /// requests is not 33 %.
    pub least_requests: f64,
    /// The stretch that one reading of the request rate stands for: the `[1m]` of the expressions.
    pub rate_window: SignedDuration,
    /// Under this latency a ratio says nothing: from 2 ms to 5 ms nobody suffers. Units: milliseconds.
    pub latency_floor_ms: f64,
    /// Unless the document says otherwise for a metric. World time.
    pub baseline_span: SignedDuration,
    /// Fewer readings make no baseline.
    pub baseline_least: usize,
    /// A number older than so many intervals no longer stands for the present.
    pub stale_after: i32,
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            interval: SignedDuration::from_secs(15),
            window: SignedDuration::from_mins(15),
            bad_needed: 3,
            of_last: 3,
            good_to_clear: 3,
            least_requests: 30.0,
            rate_window: SignedDuration::from_mins(1),
            latency_floor_ms: 50.0,
            baseline_span: SignedDuration::from_mins(5),
            baseline_least: 5,
            stale_after: 3,
        }
    }
}

impl Judging {
    /// A baseline may be asked for a while after its end, when the first change was only then seen.
    pub(super) fn keep(&self, baseline_span: SignedDuration) -> SignedDuration {
        self.window.saturating_add(baseline_span)
    }

    pub(super) fn too_old(&self) -> SignedDuration {
        self.interval.saturating_mul(self.stale_after.max(1))
    }

    fn needed(&self) -> (usize, usize) {
        let needed = self.bad_needed.max(1);
        (needed, self.of_last.max(needed))
    }
}

/// The conclusion about one criterion.
#[derive(Debug, Clone, PartialEq)]
pub struct CriterionReading {
    pub criterion: CriterionId,
    pub verdict: Verdict,
    /// The reading and its limit: `3.1 % > 1 % for 3 of 3 readings`.
    pub why: String,
    /// World time of the first bad reading that counts toward a fail.
    pub since: Option<Timestamp>,
    /// The newest number, in the metric's unit, when there is one.
    pub value: Option<f64>,
}

/// Whether the newest number is too old to stand for the present.
pub(super) fn is_stale(series: &Series, now: Moment, judging: &Judging) -> bool {
    let (Some((at, _)), Some(heard)) = (series.latest_number(), series.number_heard()) else { return true };
    now.world.duration_since(at) > judging.too_old() && now.wall.duration_since(heard.wall) > SHORTEST_SILENCE
}

/// What has been made of one criterion's readings so far.
///
/// It remembers, instead of judging the window anew each time: a breach must not end because its
/// first readings left the window.
#[derive(Debug, Clone)]
pub(super) struct Tracker {
    criterion: Criterion,
    judged_until: Option<Timestamp>,
    /// The last readings that were good or bad, newest last.
    recent: VecDeque<(Timestamp, bool)>,
    good_in_a_row: usize,
    failing_since: Option<Timestamp>,
    /// The newest reading that proved something, and a remark on it.
    newest: Option<(Timestamp, f64, Option<&'static str>)>,
    mute: Option<String>,
    reading: Option<CriterionReading>,
}

impl Tracker {
    pub(super) fn new(criterion: Criterion) -> Self {
        Self {
            criterion,
            judged_until: None,
            recent: VecDeque::new(),
            good_in_a_row: 0,
            failing_since: None,
            newest: None,
            mute: None,
            reading: None,
        }
    }

    pub(super) fn reading(&self) -> Option<&CriterionReading> {
        self.reading.as_ref()
    }

    pub(super) fn baseline_changed(&mut self, until: Timestamp) {
        if matches!(self.criterion.kind, CriterionKind::Ratio { .. }) {
            let reading = self.reading.take();
            *self = Self { judged_until: Some(until), reading, ..Self::new(self.criterion.clone()) };
        }
    }

    /// Answers whether the verdict, or the begin of a breach, changed.
    pub(super) fn judge(
        &mut self,
        now: Moment,
        all: &BTreeMap<Metric, Series>,
        baseline: Option<&Baseline>,
        judging: &Judging,
    ) -> bool {
        let Some(limit) = Limit::of(&self.criterion.kind, baseline) else { return false };
        let series = all.get(&limit.metric);
        if let Some(series) = series {
            let unseen = |sample: &&Sample| self.judged_until.is_none_or(|until| sample.at > until);
            // Newest first, so that the walk stops at what was judged before.
            let mut unseen: Vec<Sample> = series.samples().rev().take_while(unseen).copied().collect();
            unseen.reverse();
            for sample in unseen {
                self.judged_until = Some(sample.at);
                let grade = limit.grade(&sample, all.get(&Metric::RequestRate), judging);
                self.take_in(&sample, grade, judging);
            }
        }
        let reading = self.conclude(now, series, &limit, judging);
        let told = |reading: &CriterionReading| (reading.verdict, reading.since);
        let changed = self.reading.as_ref().map(told) != Some(told(&reading));
        self.reading = Some(reading);
        changed
    }

    fn take_in(&mut self, sample: &Sample, grade: Grade, judging: &Judging) {
        let (bad, remark) = match grade {
            Grade::Bad => (true, None),
            Grade::Good(remark) => (false, remark),
            Grade::Mute(why) => {
                self.mute = Some(why);
                return;
            }
        };
        let (needed, of_last) = judging.needed();
        // What was read before a long silence says nothing about now; a breach stays one, though,
        // until good readings clear it.
        if self.newest.is_some_and(|(at, ..)| sample.at.duration_since(at) > judging.too_old()) {
            self.recent.clear();
            self.good_in_a_row = 0;
        }
        self.mute = None;
        self.newest = sample.value.map(|value| (sample.at, value, remark));
        self.recent.push_back((sample.at, bad));
        while self.recent.len() > of_last {
            self.recent.pop_front();
        }
        self.good_in_a_row = if bad { 0 } else { self.good_in_a_row + 1 };
        let mut bad_ones = self.recent.iter().filter(|(_, bad)| *bad);
        let first_bad = bad_ones.next().map(|(at, _)| *at);
        if self.failing_since.is_none() && self.n_bad() >= needed {
            self.failing_since = first_bad;
        }
        if self.failing_since.is_some() && self.good_in_a_row >= judging.good_to_clear.max(1) {
            self.failing_since = None;
            self.recent.clear();
        }
    }

    fn n_bad(&self) -> usize {
        self.recent.iter().filter(|(_, bad)| *bad).count()
    }

    fn conclude(
        &self,
        now: Moment,
        series: Option<&Series>,
        limit: &Limit,
        judging: &Judging,
    ) -> CriterionReading {
        let value = series.and_then(Series::latest_number).map(|(_, value)| value);
        let read = |verdict, why: String, since| CriterionReading {
            criterion: self.criterion.id.clone(),
            verdict,
            why,
            since,
            value,
        };
        let Some(series) = series else {
            return read(Verdict::NoData, "no reading yet".to_owned(), None);
        };
        let fresh = self.newest.filter(|(at, ..)| {
            now.world.duration_since(*at) <= judging.too_old() || !is_stale(series, now, judging)
        });
        let stays_mute = self.mute.is_some()
            && self.newest.is_none_or(|(at, ..)| now.world.duration_since(at) > judging.too_old());
        let Some((_, value, remark)) = fresh.filter(|_| !stays_mute) else {
            let before = if self.failing_since.is_some() { "; it was failing before" } else { "" };
            if let Some(trouble) = series.trouble() {
                return read(Verdict::Error, format!("{trouble}{before}"), None);
            }
            let why = match (&self.mute, series.latest_number()) {
                (Some(why), _) => why.clone(),
                (None, Some((at, _))) if is_stale(series, now, judging) => {
                    format!("the last reading is {} s old", now.world.duration_since(at).as_secs())
                }
                (None, Some(_)) => "no reading since the baseline yet".to_owned(),
                (None, None) => "the server has no data for it".to_owned(),
            };
            return read(Verdict::NoData, format!("{why}{before}"), None);
        };
        let (_, of_last) = judging.needed();
        let is_bad = self.recent.back().is_some_and(|(_, bad)| *bad);
        let beyond = limit.compared(value);
        match (self.failing_since, is_bad) {
            (Some(since), true) => {
                let why = format!("{beyond} for {} of {} readings", self.n_bad(), self.recent.len());
                read(Verdict::Fail, why, Some(since))
            }
            (Some(since), false) => {
                let why = format!(
                    "{}, {} of {} good readings to be clear",
                    limit.within(value),
                    self.good_in_a_row,
                    judging.good_to_clear.max(1)
                );
                read(Verdict::Fail, why, Some(since))
            }
            (None, true) => {
                let why = format!("{beyond} for {} of {of_last} readings, not yet a breach", self.n_bad());
                read(Verdict::Pass, why, None)
            }
            (None, false) => {
                let remark = remark.map(|remark| format!(", {remark}")).unwrap_or_default();
                read(Verdict::Pass, format!("{}{remark}", limit.within(value)), None)
            }
        }
    }
}
