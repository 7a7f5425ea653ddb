//! A check that a metric answers: every reading of a stretch of time within its limits.

use jiff::{SignedDuration, Timestamp};

use super::MetricsView;
use super::judge::is_stale;
use super::limit::{Grade, Limit};
use crate::watch::Moment;
use crate::workflow::{CriterionKind, MetricGate};

/// What the readings say about a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateReading {
    pub passes: bool,
    /// Without numbers that change from reading to reading: it is recorded when it changes.
    pub why: String,
}

impl GateReading {
    fn open(why: impl Into<String>) -> Self {
        Self { passes: false, why: why.into() }
    }
}

impl MetricsView {
    /// Whether a gate passes as of `now`. No data never passes.
    ///
    /// - `since`: readings before it do not count, such as those from before a change. World time.
    pub fn gate(&self, gate: &MetricGate, since: Option<Timestamp>, now: Moment) -> GateReading {
        if gate.limits.is_empty() {
            return GateReading::open("it has no limit");
        }
        let span = SignedDuration::from_secs(i64::try_from(gate.for_s).unwrap_or(i64::MAX));
        if since.is_some_and(|since| now.world.duration_since(since) < span) {
            return GateReading::open(format!("not watched for {} s yet", gate.for_s));
        }
        let every = gate.every_s.map(|s| SignedDuration::from_secs(i64::try_from(s).unwrap_or(i64::MAX)));
        if let Some(every) = every.filter(|every| *every < self.judging.interval) {
            let (asked, read) = (every.as_secs(), self.judging.interval.as_secs());
            return GateReading::open(format!("read every {read} s by the settings, not every {asked} s"));
        }
        // A reading comes right after a scrape, and so a little late now and then.
        let reach = every.map_or(SignedDuration::MAX, |every| every.saturating_mul(3) / 2);
        let reach = reach.min(self.judging.too_old());
        for limit in &gate.limits {
            let read = self.within(limit, span, reach, since, now);
            if !read.passes {
                return read;
            }
        }
        GateReading { passes: true, why: "within its limits".to_owned() }
    }

    fn within(
        &self,
        kind: &CriterionKind,
        span: SignedDuration,
        reach: SignedDuration,
        since: Option<Timestamp>,
        now: Moment,
    ) -> GateReading {
        let Some(limit) = Limit::of(kind, self.baseline()) else {
            return GateReading::open("only a person can say so");
        };
        let Some(series) = self.series(limit.metric) else { return GateReading::open("no reading yet") };
        if is_stale(series, now, &self.judging) {
            return GateReading::open("no data: the last reading is too old");
        }
        let from = now.world.checked_sub(span).unwrap_or(Timestamp::MIN);
        let from = since.map_or(from, |since| since.max(from));
        let requests = self.series(crate::workflow::Metric::RequestRate);
        let graded = |sample| limit.grade(sample, requests, &self.judging);
        if span.is_zero() {
            let newest =
                series.samples().next_back().filter(|sample| since.is_none_or(|since| sample.at >= since));
            let newest = newest.filter(|newest| now.world.duration_since(newest.at) <= reach);
            return newest.map_or_else(
                || GateReading::open("no reading since the change yet"),
                |newest| read(graded(newest)),
            );
        }
        let mut last = from;
        for sample in series.samples().filter(|sample| sample.at >= from && sample.at <= now.world) {
            if sample.at.duration_since(last) > reach {
                return GateReading::open("no data for a part of that time");
            }
            last = sample.at;
            let read = read(graded(sample));
            if !read.passes {
                return read;
            }
        }
        match now.world.duration_since(last) > reach {
            true => GateReading::open("no data for a part of that time"),
            false => GateReading { passes: true, why: String::new() },
        }
    }
}

fn read(grade: Grade) -> GateReading {
    match grade {
        Grade::Good(_) => GateReading { passes: true, why: String::new() },
        Grade::Bad => GateReading::open("beyond its limit"),
        Grade::Mute(_) => GateReading::open("no data to judge by"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::watch::metrics::Judging;
    use crate::watch::{MetricReading, Sample};
    use crate::workflow::{Metric, Operator};

    fn second(seconds: i64) -> Moment {
        let start: Timestamp = "2026-11-22T13:00:00Z".parse().unwrap();
        Moment::real(start + SignedDuration::from_secs(seconds))
    }

    fn at_most(value: f64, for_s: u64) -> MetricGate {
        let (metric, operator, unit) = (Metric::ErrorRate, Operator::Above, "%".to_owned());
        MetricGate {
            limits: vec![CriterionKind::Threshold { metric, operator, value, unit }],
            for_s,
            every_s: None,
        }
    }

    /// A reading every 15 s from the start, as many requests as any floor asks for.
    fn view(errors: &[Option<f64>]) -> MetricsView {
        let mut view = MetricsView::new([], Judging::default());
        for (n, value) in (0..).zip(errors) {
            let at = second(n * 15);
            let reading = |value| MetricReading::Latest(Sample { at: at.world, value });
            view.observe(at, Metric::RequestRate, &reading(Some(500.0)));
            view.observe(at, Metric::ErrorRate, &reading(*value));
        }
        view
    }

    #[test]
    fn every_reading_of_the_time_must_pass() {
        let calm = view(&[Some(0.2); 21]);
        assert!(calm.gate(&at_most(1.0, 300), Some(second(0).world), second(300)).passes);
        let mut spike = [Some(0.2); 21];
        spike[10] = Some(1.4);
        assert_eq!(view(&spike).gate(&at_most(1.0, 300), None, second(300)).why, "beyond its limit");
        assert!(view(&spike).gate(&at_most(1.0, 120), None, second(300)).passes, "the spike is older");
    }

    #[test]
    fn what_was_read_before_the_change_does_not_count() {
        let calm = view(&[Some(0.2); 21]);
        let read = calm.gate(&at_most(1.0, 120), Some(second(200).world), second(300));
        assert_eq!(read, GateReading::open("not watched for 120 s yet"));
    }

    #[test]
    fn readings_that_are_further_apart_than_asked_do_not_pass() {
        let mut sparse = MetricsView::new([], Judging::default());
        for n in (0..=20).filter(|n| n % 2 == 0) {
            let at = second(n * 15);
            for (metric, value) in [(Metric::RequestRate, 500.0), (Metric::ErrorRate, 0.2)] {
                let sample = Sample { at: at.world, value: Some(value) };
                sparse.observe(at, metric, &MetricReading::Latest(sample));
            }
        }
        let every = |seconds| MetricGate { every_s: Some(seconds), ..at_most(1.0, 120) };
        let why = |view: &MetricsView, seconds| view.gate(&every(seconds), None, second(300)).why;
        assert_eq!(why(&view(&[Some(0.2); 21]), 15), "within its limits");
        assert_eq!(why(&sparse, 30), "within its limits");
        assert_eq!(why(&sparse, 15), "no data for a part of that time");
        assert_eq!(why(&view(&[Some(0.2); 21]), 10), "read every 15 s by the settings, not every 10 s");
        let newest = MetricGate { for_s: 0, ..every(15) };
        assert!(view(&[Some(0.2); 21]).gate(&newest, None, second(320)).passes);
        assert!(!view(&[Some(0.2); 21]).gate(&newest, None, second(325)).passes, "it is 25 s old");
    }

    #[test]
    fn no_data_never_passes() {
        let mut gap = [Some(0.2); 21];
        gap[12..17].fill(None);
        for (errors, now) in [(&gap[..], 300), (&[][..], 300), (&[Some(0.2); 5][..], 300)] {
            for for_s in [300, 0] {
                let read = view(errors).gate(&at_most(1.0, for_s), None, second(now));
                assert!(!read.passes || (for_s == 0 && errors.len() == 21), "{errors:?} {for_s}: {read:?}");
            }
        }
        assert!(
            !view(&[Some(0.2); 21])
                .gate(&MetricGate { limits: Vec::new(), for_s: 0, every_s: None }, None, second(300))
                .passes
        );
    }

    #[test]
    fn a_ratio_without_a_baseline_does_not_pass() {
        let (metric, operator) = (Metric::ErrorRate, Operator::Above);
        let gate = MetricGate {
            limits: vec![CriterionKind::Ratio { metric, operator, factor: 2.0 }],
            for_s: 0,
            every_s: None,
        };
        let mut calm = view(&[Some(0.2); 21]);
        assert!(!calm.gate(&gate, None, second(300)).passes);
        calm.set_baseline(second(200).world, &BTreeMap::from([("error_rate".to_owned(), 0.2)]));
        assert!(calm.gate(&gate, None, second(300)).passes);
    }
}
