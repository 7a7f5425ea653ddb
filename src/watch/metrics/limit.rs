//! One reading against the limit of one criterion, and both in words.

use jiff::Timestamp;

use super::judge::Judging;
use super::{Baseline, Series};
use crate::watch::Sample;
use crate::workflow::{CriterionKind, Metric, Operator};

/// One reading against one criterion.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Grade {
    Good(Option<&'static str>),
    Bad,
    /// It proves neither, and why.
    Mute(String),
}

/// A criterion with everything it compares with.
pub(super) struct Limit {
    pub(super) metric: Metric,
    operator: Operator,
    /// In the metric's unit.
    bound: Bound,
}

enum Bound {
    Fixed(f64),
    Times { factor: f64, baseline: Option<f64> },
}

impl Limit {
    pub(super) fn of(kind: &CriterionKind, baseline: Option<&Baseline>) -> Option<Self> {
        match kind {
            CriterionKind::Declared => None,
            CriterionKind::Threshold { metric, operator, value, unit } => {
                // Latencies are read in milliseconds, whatever the document says.
                let in_seconds = *metric == Metric::LatencyP95 && unit == "s";
                let bound = Bound::Fixed(if in_seconds { value * 1000.0 } else { *value });
                Some(Self { metric: *metric, operator: *operator, bound })
            }
            CriterionKind::Ratio { metric, operator, factor } => {
                let baseline = baseline.and_then(|baseline| baseline.values.get(metric).copied());
                let bound = Bound::Times { factor: *factor, baseline };
                Some(Self { metric: *metric, operator: *operator, bound })
            }
        }
    }

    pub(super) fn grade(&self, sample: &Sample, requests: Option<&Series>, judging: &Judging) -> Grade {
        let Some(value) = sample.value.filter(|value| value.is_finite()) else {
            return Grade::Mute("the server has no data for it".to_owned());
        };
        if self.metric == Metric::ErrorRate
            && let Some(n_requests) = requests_around(sample.at, requests, judging)
            && n_requests < judging.least_requests
        {
            let (seen, least) = (number(n_requests.floor()), number(judging.least_requests));
            return Grade::Mute(format!("{seen} requests in the window, {least} are needed"));
        }
        let bound = match &self.bound {
            Bound::Fixed(bound) => *bound,
            Bound::Times { baseline: None, .. } => {
                return Grade::Mute("no baseline from before the change".to_owned());
            }
            Bound::Times { baseline: Some(baseline), .. } if *baseline <= 0.0 => {
                return Grade::Mute("the baseline is zero: nothing is a multiple of it".to_owned());
            }
            Bound::Times { factor, baseline: Some(baseline) } => {
                if self.metric == Metric::LatencyP95 && value < judging.latency_floor_ms {
                    return Grade::Good(Some("too fast for a ratio to say anything"));
                }
                factor * baseline
            }
        };
        let breached = match self.operator {
            Operator::Above => value > bound,
            Operator::AtLeast => value >= bound,
            Operator::Below => value < bound,
            Operator::AtMost => value <= bound,
        };
        // A bound that is no number compares false with everything, which would read as good.
        if bound.is_nan() {
            Grade::Mute("the limit is not a number".to_owned())
        } else if breached {
            Grade::Bad
        } else {
            Grade::Good(None)
        }
    }

    fn sign(&self) -> &'static str {
        match self.operator {
            Operator::Above => ">",
            Operator::AtLeast => "≥",
            Operator::Below => "<",
            Operator::AtMost => "≤",
        }
    }

    /// `3.1 % > 1 %`, `450 ms > 2 × 210 ms`.
    pub(super) fn compared(&self, value: f64) -> String {
        format!("{} {} {}", quantity(self.metric, value), self.sign(), self.bound_text())
    }

    /// `0.42 %, not > 1 %`, `230 ms = 1.1 × 210 ms, not > 2 ×`.
    pub(super) fn within(&self, value: f64) -> String {
        let measured = quantity(self.metric, value);
        match &self.bound {
            Bound::Times { factor, baseline: Some(baseline) } if *baseline > 0.0 => {
                let (times, before) = (number(value / baseline), quantity(self.metric, *baseline));
                format!("{measured} = {times} × {before}, not {} {} ×", self.sign(), number(*factor))
            }
            _ => format!("{measured}, not {} {}", self.sign(), self.bound_text()),
        }
    }

    fn bound_text(&self) -> String {
        match &self.bound {
            Bound::Fixed(bound) => quantity(self.metric, *bound),
            Bound::Times { factor, baseline } => {
                let before = baseline.map_or("baseline".to_owned(), |before| quantity(self.metric, before));
                format!("{} × {before}", number(*factor))
            }
        }
    }
}

/// How many requests the reading at `at` stands for; `None` when the request rate is not known, and
/// then an error rate is judged as it stands: a floor guards against small numbers, it is no
/// reason to look away from large ones.
fn requests_around(at: Timestamp, requests: Option<&Series>, judging: &Judging) -> Option<f64> {
    // A range and the instant queries after it are stamped apart by up to an interval.
    let rate = requests?.at(at.saturating_add(judging.interval).ok()?, judging.interval.saturating_mul(2))?;
    Some(rate.value? * judging.rate_window.as_secs_f64())
}

fn quantity(metric: Metric, value: f64) -> String {
    let unit = match metric {
        Metric::ErrorRate => " %",
        Metric::LatencyP95 => " ms",
        Metric::RequestRate => " requests/s",
        Metric::Restarts => " restarts",
    };
    format!("{}{unit}", number(value))
}

/// Three digits that matter, without a tail of zeros.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 0.005) {
        return format!("{value:.2e}");
    }
    let text = match size {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
