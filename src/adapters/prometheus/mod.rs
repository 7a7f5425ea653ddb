//! Reads the release's metrics from Prometheus: a range once, then one value per interval.

mod answer;
mod expression;
mod newest;
#[cfg(test)]
mod real_server;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::http::{Asker, HttpError};
use super::link::LinkNews;
use crate::watch::metrics::{METRICS, default_expression};
use crate::watch::{MetricReading, Moment, Observation, Sample, System};
use crate::workflow::Metric;
use newest::Scrapes;

/// A range of every series at the finest step stays far below this; more is not an answer to us.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Prometheus refuses ranges of more than 11 000 points.
const MOST_POINTS: i64 = 5_000;

/// Why a metric could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("prometheus at {url}: {source}")]
    Http { url: String, source: HttpError },
    #[error("{url} answered {status}{detail}")]
    Status { url: String, status: String, detail: String, is_down: bool },
    #[error("{url} answered HTML, is this Prometheus? It says: {words}")]
    Html { url: String, words: String },
    #[error("{url} answered something that is not Prometheus' JSON: {why}")]
    NotUnderstood { url: String, why: String },
    #[error("prometheus refused the query ({kind}): {message}")]
    Refused { kind: String, message: String },
    #[error("the expression gives {n} series where one is needed: aggregate it, as in `sum({expression})`")]
    ManySeries { n: usize, expression: String },
    #[error("the expression gives a {kind}; it must give one value at a time")]
    NotAValue { kind: String },
}

impl MetricsError {
    /// Whether the server as a whole is not there, rather than this one query wrong.
    fn is_down(&self) -> bool {
        match self {
            MetricsError::Http { source, .. } => {
                matches!(source, HttpError::Unreachable { .. } | HttpError::TimedOut { .. })
            }
            MetricsError::Status { is_down, .. } => *is_down,
            _ => false,
        }
    }

    /// The cause without the address, for a line that names the system already.
    fn cause(&self) -> String {
        match self {
            MetricsError::Http { source, .. } => source.to_string(),
            MetricsError::Status { status, detail, .. } => format!("answered {status}{detail}"),
            other => other.to_string(),
        }
    }
}

/// What to ask, where and how often.
#[derive(Debug, Clone)]
pub struct PrometheusSettings {
    pub url: String,
    /// In place of [`default_expression`]; an empty one turns its metric off.
    pub expressions: BTreeMap<Metric, String>,
    /// World time between two readings.
    pub interval: Duration,
    /// World time that the first range covers.
    pub window: Duration,
    /// Wall time for one exchange.
    pub timeout: Duration,
    /// The whole value of an `Authorization` header, such as `Bearer …`.
    pub authorization: Option<String>,
}

impl PrometheusSettings {
    /// The default expressions every 15 s over 15 minutes, 5 s for an answer.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            expressions: BTreeMap::new(),
            interval: Duration::from_secs(15),
            window: Duration::from_mins(15),
            timeout: Duration::from_secs(5),
            authorization: None,
        }
    }
}

/// One Prometheus, asked about one workload.
#[derive(Debug)]
pub struct Prometheus {
    asker: Asker,
    expressions: BTreeMap<Metric, String>,
    interval: Duration,
    window: Duration,
}

impl Prometheus {
    /// Errors: the address or the authorization cannot be used; nothing is asked yet.
    pub fn new(settings: &PrometheusSettings, namespace: &str, name: &str) -> Result<Self, MetricsError> {
        let authorization = settings.authorization.as_deref();
        let asker = Asker::new(&settings.url, authorization, settings.timeout, LARGEST_ANSWER)
            .map_err(|source| MetricsError::Http { url: settings.url.clone(), source })?;
        let expression = |metric: Metric| {
            let own = settings.expressions.get(&metric).map_or(default_expression(metric), String::as_str);
            (!own.trim().is_empty()).then(|| (metric, expression::for_target(own, namespace, name)))
        };
        Ok(Self {
            asker,
            expressions: METRICS.into_iter().filter_map(expression).collect(),
            interval: settings.interval.max(Duration::from_millis(100)),
            window: settings.window,
        })
    }

    /// What is asked for a metric, the target filled in; for a screen that shows where numbers come from.
    pub fn expression(&self, metric: Metric) -> Option<&str> {
        self.expressions.get(&metric).map(String::as_str)
    }

    /// Reads one metric as of `at`.
    ///
    /// - Shape: a sample whose value is `None` when there is no series, or its value is not finite.
    /// - Errors: see [`MetricsError`]; after the timeout the server counts as down.
    /// - Source: `GET /api/v1/query` of the Prometheus HTTP API.
    pub async fn read(&self, metric: Metric, at: Timestamp) -> Result<Sample, MetricsError> {
        let value = match self.expressions.get(&metric) {
            Some(expression) => self.value(expression, at).await?,
            None => None,
        };
        Ok(Sample { at, value })
    }

    async fn value(&self, expression: &str, at: Timestamp) -> Result<Option<f64>, MetricsError> {
        let query = [("query", expression), ("time", &*answer::seconds(at))];
        let answer = self.ask("api/v1/query", &query).await?;
        answer::value(&answer, &self.asker.shown(), expression)
    }

    /// Reads the window that ends at `until`, one sample per step, gaps as samples without a value.
    ///
    /// Source: `GET /api/v1/query_range` of the Prometheus HTTP API.
    pub async fn read_window(&self, metric: Metric, until: Timestamp) -> Result<Vec<Sample>, MetricsError> {
        let Some(expression) = self.expressions.get(&metric) else { return Ok(Vec::new()) };
        let window_ms = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX / 2);
        let interval_ms = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX / 2);
        let step_ms = interval_ms.max(window_ms / MOST_POINTS);
        let step = SignedDuration::from_millis(step_ms);
        let n_steps = window_ms / step_ms;
        // Counted back from the end, so that the newest point is exactly now.
        let grid: Vec<Timestamp> = (0..=n_steps)
            .rev()
            .filter_map(|back| until.checked_sub(SignedDuration::from_millis(step_ms * back)).ok())
            .collect();
        let Some(start) = grid.first() else { return Ok(Vec::new()) };
        let (start, end) = (answer::seconds(*start), answer::seconds(until));
        let step_text = format!("{}", step.as_secs_f64());
        let query = [("query", expression.as_str()), ("start", &start), ("end", &end), ("step", &step_text)];
        let answer = self.ask("api/v1/query_range", &query).await?;
        answer::on_grid(&answer, &self.asker.shown(), expression, &grid)
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<super::http::Answer, MetricsError> {
        let http = |source| MetricsError::Http { url: self.asker.shown(), source };
        self.asker.get(path, query).await.map_err(http)
    }

    /// Tells readings and the state of the link until `stop`, or until nobody listens.
    ///
    /// - `clock` gives the moment; `on_the_wall` turns a stretch of world time into wall time, which
    ///   is the same outside a rehearsal.
    /// - Every metric starts with [`MetricReading::Window`], and gets another one after it missed
    ///   readings; the request rate is told first in each round, since it says how far an error
    ///   rate can be trusted.
    /// - A round comes right after a scrape of the first metric's series, where the server tells when
    ///   that was; otherwise the interval runs from the start of the watch.
    pub async fn watch(
        self,
        clock: impl Fn() -> Moment + Send + Sync,
        on_the_wall: impl Fn(Duration) -> Duration + Send + Sync,
        tell: mpsc::Sender<Observation>,
        stop: CancellationToken,
    ) {
        let work = async {
            let least = Duration::from_millis(10);
            let pause = on_the_wall(self.interval).max(least);
            let behind = self.expressions.keys().copied().collect();
            let mut round = Round { behind, link: LinkNews::default() };
            let first = METRICS.iter().find_map(|metric| self.expression(*metric));
            let mut scrapes = Scrapes::of(first, self.interval);
            loop {
                if round.link.is_live() {
                    scrapes.wait_for_one(&self, &clock).await;
                }
                let read = clock().world;
                for observation in round.go(&self, &clock, pause).await {
                    if tell.send(observation).await.is_err() {
                        return;
                    }
                }
                let wait = scrapes.pace.next(read).duration_since(clock().world);
                tokio::time::sleep(on_the_wall(wait.max(SignedDuration::ZERO).unsigned_abs()).max(least))
                    .await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What one round of questions must know of those before it.
struct Round {
    /// Metrics that missed readings, and get their window anew.
    behind: BTreeSet<Metric>,
    link: LinkNews,
}

impl Round {
    async fn go(
        &mut self,
        prometheus: &Prometheus,
        clock: &(impl Fn() -> Moment + Sync),
        pause: Duration,
    ) -> Vec<Observation> {
        let asked_at = clock();
        let at = asked_at.world;
        let asked: Vec<Metric> =
            METRICS.into_iter().filter(|metric| prometheus.expressions.contains_key(metric)).collect();
        let questions = asked.iter().map(|metric| {
            let is_behind = self.behind.contains(metric);
            async move {
                if is_behind {
                    prometheus.read_window(*metric, at).await.map(MetricReading::Window)
                } else {
                    prometheus.read(*metric, at).await.map(MetricReading::Latest)
                }
            }
        });
        let answers = futures::future::join_all(questions).await;

        let n_down =
            answers.iter().filter(|answer| answer.as_ref().is_err_and(MetricsError::is_down)).count();
        let all_down = n_down > 0 && n_down == answers.len();
        let mut told = Vec::new();
        let mut cause = None;
        for (metric, answer) in asked.into_iter().zip(answers) {
            let reading = match answer {
                Ok(reading) => {
                    self.behind.remove(&metric);
                    reading
                }
                Err(error) => {
                    self.behind.insert(metric);
                    if all_down {
                        cause.get_or_insert_with(|| error.cause());
                        continue;
                    }
                    MetricReading::Failed { at, why: error.to_string() }
                }
            };
            told.push(Observation::Metric { metric, reading });
        }
        let link = match cause {
            Some(cause) => Some(self.link.failed(cause, clock(), pause)),
            None => self.link.answered(),
        };
        if let Some(link) = link {
            told.insert(0, Observation::Link { system: System::Metrics, link });
        }
        told
    }
}
