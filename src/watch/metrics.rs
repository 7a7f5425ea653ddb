//! Series, baselines and criteria: from readings to pass, fail, no data or error.

use crate::workflow::Metric;

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
