//! The requests that the application gets, as counters read at each scrape.
//!
//! Counters move at scrapes only: nobody can see them in between.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::dice::{Dice, chance};
use super::pod::Pod;
use super::routes::Shares;
use crate::rehearsal::scenario::{Fare, Scenario};

/// World time between two scrapes.
pub const SCRAPE_S: i64 = 15;
/// What is known from before the rehearsal.
pub const PAST: SignedDuration = SignedDuration::from_mins(30);
/// Scrapes kept: two hours and a half.
const KEPT: usize = 600;
/// Requests per second of the whole application, which swing slowly around this.
const REQUESTS_PER_S: f64 = 120.0;
/// The share of failures that is always there.
const USUAL_ERRORS: f64 = 0.0008;
/// The share of requests for what does not exist.
const NOT_FOUND: f64 = 0.012;

/// Upper ends of the latency histogram's buckets. Units: seconds.
pub const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0];
/// The share of requests that take at most as long as each bucket's end, at ordinary latency.
const ORDINARY: [f64; 11] = [0.01, 0.06, 0.28, 0.55, 0.80, 0.945, 0.98, 0.993, 0.999, 0.9998, 1.0];
/// Response codes counted.
pub const CODES: [&str; 4] = ["200", "404", "500", "503"];

#[derive(Debug, Serialize, Deserialize)]
pub struct Traffic {
    dice: Dice,
    next: Timestamp,
    scrapes: VecDeque<Scrape>,
}

/// All counters at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scrape {
    pub at: Timestamp,
    pub pods: Vec<Counters>,
}

/// The counters of one pod. They start from zero with each life of its container, except `restarts`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    pub pod: String,
    #[serde(default = "usual_namespace")]
    pub namespace: String,
    /// The application as its pods are labelled.
    #[serde(default = "usual_app")]
    pub app: String,
    /// Lives so far: `kube_pod_container_status_restarts_total`.
    pub restarts: u32,
    /// Whether the application itself could be scraped.
    pub up: bool,
    /// Requests by [`CODES`].
    pub codes: [u64; 4],
    /// Requests by bucket, not cumulated; the last is `+Inf`.
    pub buckets: [u64; 12],
    /// Time taken by all requests together. Units: milliseconds, whole, so that saving loses nothing.
    pub total_ms: u64,
}

fn usual_namespace() -> String {
    super::NAMESPACE.to_owned()
}

fn usual_app() -> String {
    super::APPLICATION.to_owned()
}

impl Counters {
    fn of(pod: &Pod) -> Self {
        let app = pod.meta.labels.get("app").cloned().unwrap_or_else(usual_app);
        let (name, namespace) = (pod.meta.name.clone(), pod.meta.namespace.clone());
        Self { pod: name, namespace, app, ..Self::default() }
    }
}

impl Traffic {
    pub fn new(seed: u64, first: Timestamp) -> Self {
        Self { dice: Dice::new(seed ^ 0x7a11), next: first, scrapes: VecDeque::new() }
    }

    pub fn next_scrape(&self) -> Timestamp {
        self.next
    }

    /// Oldest first.
    pub fn scrapes(&self) -> &VecDeque<Scrape> {
        &self.scrapes
    }

    /// Counts what came since the last scrape.
    ///
    /// - `flagged`: the share of requests that a feature flag shows its feature, and how those fare.
    pub(super) fn scrape(
        &mut self,
        scenario: Scenario,
        pods: &[Pod],
        shares: Option<&Shares>,
        flagged: (f64, Fare),
        now: Timestamp,
    ) {
        let last: Vec<Counters> = self.scrapes.back().map(|last| last.pods.clone()).unwrap_or_default();
        let pods: Vec<&Pod> = pods.iter().filter(|pod| pod.is_of_the_application()).collect();
        let serving = pods.iter().filter(|pod| pod.serves()).count().max(1);
        let load = self.load(now);
        let mut counters = Vec::with_capacity(pods.len());
        for pod in pods {
            let steered = shares.map(|shares| shares.get(&pod.meta.name).copied().unwrap_or(0.0));
            let known = last.iter().find(|counters| counters.pod == pod.meta.name);
            let mut own = known.cloned().unwrap_or_else(|| self.first_counters(pod, now, load, steered));
            if own.restarts != pod.restarts() {
                own = Counters::of(pod);
            }
            own.restarts = pod.restarts();
            own.up = pod.containers.iter().any(|container| {
                container.life.as_ref().is_some_and(|life| life.warm <= now && life.ended.is_none())
            });
            if pod.serves() {
                let all = load * SCRAPE_S as f64;
                let share = steered.map_or(all / serving as f64, |share| all * share);
                let fare = fare(pod, scenario, now);
                let (opened, feature) = flagged;
                for (part, fare) in [(1.0 - opened, fare), (opened, fare.and(feature))] {
                    if part > 0.0 {
                        self.serve(&mut own, share * part, fare);
                    }
                }
            }
            counters.push(own);
        }
        self.scrapes.push_back(Scrape { at: now, pods: counters });
        if self.scrapes.len() > KEPT {
            self.scrapes.pop_front();
        }
        self.next = now + SignedDuration::from_secs(SCRAPE_S);
    }

    /// Pods that ran before the first scrape bring what they counted until then.
    fn first_counters(&mut self, pod: &Pod, now: Timestamp, load: f64, steered: Option<f64>) -> Counters {
        let mut counters = Counters::of(pod);
        let served_s = pod.ready_since().map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        if self.scrapes.is_empty() && served_s > 0.0 {
            let requests = load * steered.unwrap_or(0.25) * served_s;
            let failed = (requests * USUAL_ERRORS) as u64;
            counters.codes = [requests as u64, (requests * NOT_FOUND) as u64, failed, failed / 3];
            let mut below = 0.0;
            for (bucket, share) in counters.buckets.iter_mut().zip(ORDINARY) {
                *bucket = (requests * (share - below)) as u64;
                below = share;
            }
            counters.total_ms = (requests * 70.0) as u64;
        }
        counters
    }

    fn serve(&mut self, counters: &mut Counters, requests: f64, fare: Fare) {
        let noise = self.dice.between(0.96, 1.04);
        let requests = self.count(requests * noise);
        let noise = self.dice.between(0.85, 1.15);
        let failed = self.count(requests as f64 * (fare.error_ratio + USUAL_ERRORS) * noise);
        let failed = failed.min(requests);
        let unavailable = failed / 4;
        let lost = self.count((requests - failed) as f64 * NOT_FOUND).min(requests - failed);
        counters.codes[0] += requests - failed - lost;
        counters.codes[1] += lost;
        counters.codes[2] += failed - unavailable;
        counters.codes[3] += unavailable;

        let slowness = fare.latency_factor * self.dice.between(0.94, 1.06);
        let mut below = 0_u64;
        for (index, end) in BUCKETS.iter().enumerate() {
            let cumulated = (requests as f64 * share_within(end / slowness)).round() as u64;
            counters.buckets[index] += cumulated.saturating_sub(below);
            below = below.max(cumulated);
        }
        counters.buckets[BUCKETS.len()] += requests.saturating_sub(below);
        counters.total_ms += (requests as f64 * 70.0 * slowness) as u64;
    }

    /// Requests per second of the whole application.
    fn load(&self, now: Timestamp) -> f64 {
        let minutes = now.as_second() as f64 / 60.0;
        let wave = 0.08 * (minutes / 7.0).sin() + 0.04 * (minutes / 2.3).sin();
        REQUESTS_PER_S * (1.0 + wave + 0.02 * chance(11, now.as_second() as u64))
    }

    /// A whole number that is `expected` on average: the remainder is a chance.
    fn count(&mut self, expected: f64) -> u64 {
        expected.floor() as u64 + u64::from(self.dice.between(0.0, 1.0) < expected.fract())
    }
}

/// How requests fare at a pod: as at the worst of its containers.
fn fare(pod: &Pod, scenario: Scenario, now: Timestamp) -> Fare {
    let usual = Fare { error_ratio: 0.0, latency_factor: 1.0 };
    pod.containers.iter().map(|container| container.fare(scenario, now)).fold(usual, Fare::and)
}

/// The share of requests that take at most `seconds` at ordinary latency, straight between buckets.
fn share_within(seconds: f64) -> f64 {
    let mut low = (0.0, 0.0);
    for (end, share) in BUCKETS.into_iter().zip(ORDINARY) {
        if seconds <= end {
            return low.1 + (share - low.1) * (seconds - low.0) / (end - low.0);
        }
        low = (end, share);
    }
    1.0
}

/// One time series of a scrape: its labels, beside the name, and its value.
pub type Series = (Vec<(&'static str, String)>, f64);

impl Scrape {
    /// The series of one metric name; empty when the name is unknown.
    pub fn series(&self, metric: &str) -> Vec<Series> {
        let own = |pod: &Counters| {
            vec![
                ("app", pod.app.clone()),
                ("instance", format!("{}:8080", pod.pod)),
                ("job", pod.app.clone()),
                ("namespace", pod.namespace.clone()),
                ("pod", pod.pod.clone()),
            ]
        };
        let mut series = Vec::new();
        for pod in &self.pods {
            match metric {
                "up" => series.push((own(pod), f64::from(u8::from(pod.up)))),
                "kube_pod_container_status_restarts_total" => {
                    let labels = vec![
                        ("container", super::APPLICATION.to_owned()),
                        ("job", "kube-state-metrics".to_owned()),
                        ("namespace", pod.namespace.clone()),
                        ("pod", pod.pod.clone()),
                    ];
                    series.push((labels, f64::from(pod.restarts)));
                }
                // A program that cannot be scraped has no series of its own.
                _ if !pod.up => {}
                "http_requests_total" => {
                    for (code, count) in CODES.iter().zip(pod.codes).filter(|(_, count)| *count > 0) {
                        let mut labels = own(pod);
                        labels.push(("code", (*code).to_owned()));
                        series.push((labels, count as f64));
                    }
                }
                "http_request_duration_seconds_bucket" => {
                    let mut cumulated = 0;
                    for (index, count) in pod.buckets.iter().enumerate() {
                        cumulated += count;
                        let mut labels = own(pod);
                        let end = BUCKETS.get(index).map_or("+Inf".to_owned(), f64::to_string);
                        labels.push(("le", end));
                        series.push((labels, cumulated as f64));
                    }
                }
                "http_request_duration_seconds_count" => {
                    series.push((own(pod), pod.buckets.iter().sum::<u64>() as f64));
                }
                "http_request_duration_seconds_sum" => series.push((own(pod), pod.total_ms as f64 / 1000.0)),
                _ => {}
            }
        }
        series
    }
}

/// The names that [`Scrape::series`] knows.
pub const METRICS: [&str; 6] = [
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "http_request_duration_seconds_count",
    "http_request_duration_seconds_sum",
    "kube_pod_container_status_restarts_total",
    "up",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_time_covers_a_larger_share_up_to_all() {
        let shares: Vec<f64> = [0.0, 0.004, 0.03, 0.2, 0.9, 9.0].into_iter().map(share_within).collect();
        assert!(shares.is_sorted());
        assert_eq!(shares.last(), Some(&1.0));
    }
}
