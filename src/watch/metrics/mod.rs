//! Series, baselines and criteria: from readings to pass, fail, no data or error.

mod gate;
mod judge;
mod limit;
mod series;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{MetricReading, Moment};
use crate::workflow::{Criterion, CriterionId, CriterionKind, Metric};

pub use gate::GateReading;
pub use judge::{CriterionReading, Judging};
pub use series::{Series, heights};

use judge::Tracker;

/// Every metric, in the order in which it is best asked and told: how far an error rate can be
/// trusted depends on the request rate of the same moment.
pub const METRICS: [Metric; 4] =
    [Metric::RequestRate, Metric::ErrorRate, Metric::LatencyP95, Metric::Restarts];

/// The name of a metric in records and in the configuration: `latency_p95`.
pub fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::ErrorRate => "error_rate",
        Metric::LatencyP95 => "latency_p95",
        Metric::RequestRate => "request_rate",
        Metric::Restarts => "restarts",
    }
}

/// The expression asked of Prometheus when the configuration names none.
///
/// `$namespace` and `$name` stand for the target's. Units of the answer: error rate in percent of
/// requests, latency in milliseconds, requests per second, restarts within five minutes.
/// `or vector(0)` keeps "no 5xx series yet" from reading as "no data" while there is traffic.
pub fn default_expression(metric: Metric) -> &'static str {
    match metric {
        Metric::ErrorRate => {
            "100 * (sum(rate(http_requests_total{namespace=\"$namespace\",app=\"$name\",code=~\"5..\"}[1m])) or vector(0)) \
             / sum(rate(http_requests_total{namespace=\"$namespace\",app=\"$name\"}[1m]))"
        }
        Metric::LatencyP95 => {
            "1000 * histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{namespace=\"$namespace\",app=\"$name\"}[1m])))"
        }
        Metric::RequestRate => "sum(rate(http_requests_total{namespace=\"$namespace\",app=\"$name\"}[1m]))",
        Metric::Restarts => {
            "sum(increase(kube_pod_container_status_restarts_total{namespace=\"$namespace\",pod=~\"$name-.*\"}[5m]))"
        }
    }
}

/// What "before the change" was.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// World time at which "before" ends.
    pub until: Timestamp,
    pub values: BTreeMap<Metric, f64>,
}

/// All series of one release, and what its criteria make of them.
#[derive(Debug, Clone)]
pub struct MetricsView {
    judging: Judging,
    series: BTreeMap<Metric, Series>,
    trackers: Vec<Tracker>,
    baseline: Option<Baseline>,
    /// How long before the change the baseline of a metric is, where the document says so.
    spans: BTreeMap<Metric, SignedDuration>,
}

impl MetricsView {
    /// A view that judges those of `criteria` that a metric can answer.
    pub fn new<'a>(criteria: impl IntoIterator<Item = &'a Criterion>, judging: Judging) -> Self {
        let measured = criteria.into_iter().filter(|criterion| criterion.kind != CriterionKind::Declared);
        let trackers = measured.cloned().map(Tracker::new).collect();
        Self { judging, series: BTreeMap::new(), trackers, baseline: None, spans: BTreeMap::new() }
    }

    /// The same with the baselines of these metrics over other stretches of time.
    ///
    /// Units: world seconds.
    #[must_use]
    pub fn with_baselines(mut self, spans: impl IntoIterator<Item = (Metric, u64)>) -> Self {
        let span = |seconds| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        self.spans = spans.into_iter().map(|(metric, seconds)| (metric, span(seconds))).collect();
        self
    }

    fn baseline_span(&self, metric: Metric) -> SignedDuration {
        self.spans.get(&metric).copied().unwrap_or(self.judging.baseline_span)
    }

    pub fn judging(&self) -> &Judging {
        &self.judging
    }

    /// Takes a reading in; [`MetricsView::judge`] draws the conclusions.
    pub fn observe(&mut self, now: Moment, metric: Metric, reading: &MetricReading) {
        let keep = self.judging.keep(self.baseline_span(metric));
        let series = self.series.entry(metric).or_insert_with(|| Series::new(keep));
        match reading {
            MetricReading::Window(samples) => series.fill(now, samples),
            MetricReading::Latest(sample) => series.push(now, *sample),
            MetricReading::Failed { why, .. } => series.fail(now, why),
        }
    }

    /// Judges every criterion as of `now`, to be called after readings and on ticks, since silence
    /// changes a verdict too.
    ///
    /// - Shape: those whose verdict, or whose begin of a breach, is not what it was.
    pub fn judge(&mut self, now: Moment) -> Vec<CriterionReading> {
        let (series, judging, baseline) = (&self.series, &self.judging, self.baseline.as_ref());
        self.trackers
            .iter_mut()
            .filter_map(|tracker| {
                tracker.judge(now, series, baseline, judging).then(|| tracker.reading().cloned())
            })
            .flatten()
            .collect()
    }

    /// The latest conclusion about one criterion; `None` for one that only a person can answer, and
    /// before the first judgement.
    pub fn reading(&self, criterion: &CriterionId) -> Option<&CriterionReading> {
        self.readings().find(|reading| &reading.criterion == criterion)
    }

    pub fn readings(&self) -> impl Iterator<Item = &CriterionReading> {
        self.trackers.iter().filter_map(Tracker::reading)
    }

    /// The series of a metric; `None` until the server answered something about it.
    pub fn series(&self, metric: Metric) -> Option<&Series> {
        self.series.get(&metric)
    }

    /// Whether there is no number from lately enough to stand for the present.
    pub fn is_stale(&self, metric: Metric, now: Moment) -> bool {
        self.series(metric).is_none_or(|series| judge::is_stale(series, now, &self.judging))
    }

    /// What the metrics said in the minutes that end at `until` (world time), by metric name.
    ///
    /// - Shape: metrics with too few readings in that stretch are left out, and their ratios read
    ///   "no data".
    pub fn baseline_at(&self, until: Timestamp) -> BTreeMap<String, f64> {
        let least = self.judging.baseline_least;
        let median = |metric, series: &Series| series.median(until, self.baseline_span(metric), least);
        self.series
            .iter()
            .filter_map(|(metric, series)| Some((metric_name(*metric).to_owned(), median(*metric, series)?)))
            .collect()
    }

    /// Settles what ratios compare with. Readings up to `until` are from before the change, so
    /// ratios judge later ones only.
    pub fn set_baseline(&mut self, until: Timestamp, values: &BTreeMap<String, f64>) {
        let known = |metric: &Metric| Some((*metric, *values.get(metric_name(*metric))?));
        let values = METRICS.iter().filter_map(known).filter(|(_, value)| value.is_finite()).collect();
        self.baseline = Some(Baseline { until, values });
        for tracker in &mut self.trackers {
            tracker.baseline_changed(until);
        }
    }

    pub fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// The window of a metric in `n` columns, oldest first; see [`Series::columns`].
    pub fn columns(&self, metric: Metric, n: usize, now: Moment) -> Vec<Option<f64>> {
        let judging = &self.judging;
        self.series(metric).map_or_else(
            || vec![None; n],
            |series| series.columns(n, now.world, judging.window, judging.interval),
        )
    }

    /// Wall time since the server last answered about a metric.
    pub fn age(&self, metric: Metric, now: Moment) -> Option<SignedDuration> {
        Some(now.wall.duration_since(self.series(metric)?.heard()?.wall))
    }
}
