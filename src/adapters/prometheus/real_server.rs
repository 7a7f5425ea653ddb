//! The default expressions and the API's own words, checked against a real Prometheus.
//!
//! `tests/prometheus/run` starts one with a past and sets `GONOGO_TEST_PROMETHEUS` to its address.

use super::*;

/// The end of the past that the script wrote, ten minutes of `app` in `prod`: 20 requests a second,
/// 2 % of them failing, nine tenths of them answered in 100 ms and all in 250 ms, no pod restarting.
const END: &str = "GONOGO_TEST_PROMETHEUS_END";

fn server() -> Option<(String, Timestamp)> {
    let url = std::env::var("GONOGO_TEST_PROMETHEUS").ok();
    let end = std::env::var(END).ok().and_then(|text| text.parse::<i64>().ok());
    let server = url.zip(end.and_then(|end| Timestamp::from_second(end).ok()));
    if server.is_none() {
        eprintln!("skipped: no real Prometheus; run tests/prometheus/run");
    }
    server
}

fn close(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() <= 0.01 * expected.max(0.01))
}

#[tokio::test]
async fn the_default_expressions_read_what_is_there() {
    let Some((url, end)) = server() else { return };
    let prometheus = Prometheus::new(&PrometheusSettings::new(url), "prod", "app").expect("a good address");
    for (metric, expected) in [
        (Metric::RequestRate, 20.0),
        (Metric::ErrorRate, 2.0),
        (Metric::LatencyP95, 175.0),
        (Metric::Restarts, 0.0),
    ] {
        let sample = prometheus.read(metric, end).await.expect("an answer");
        assert!(close(sample.value, expected), "{metric:?}: {:?}, not {expected}", sample.value);
        let window = prometheus.read_window(metric, end).await.expect("a window");
        assert_eq!(window.len(), 61);
        assert!(close(window[60].value, expected), "{metric:?} at the end of its window");
        assert_eq!(window[0].value, None, "there was nothing fifteen minutes ago");
    }
}

#[tokio::test]
async fn traffic_without_a_single_error_is_an_error_rate_of_zero() {
    let Some((url, end)) = server() else { return };
    let prometheus = Prometheus::new(&PrometheusSettings::new(url), "prod", "calm").expect("a good address");
    assert_eq!(prometheus.read(Metric::ErrorRate, end).await.expect("an answer").value, Some(0.0));
}

#[tokio::test]
async fn a_workload_nobody_measures_has_no_data() {
    let Some((url, end)) = server() else { return };
    let prometheus =
        Prometheus::new(&PrometheusSettings::new(url), "prod", "nobody").expect("a good address");
    for metric in METRICS {
        assert_eq!(prometheus.read(metric, end).await.expect("an answer").value, None, "{metric:?}");
        let window = prometheus.read_window(metric, end).await.expect("an answer");
        assert!(window.iter().all(|sample| sample.value.is_none()));
    }
}

#[tokio::test]
async fn a_real_refusal_is_understood() {
    let Some((url, end)) = server() else { return };
    for (expression, expected) in [
        ("sum(", "prometheus refused the query (bad_data): "),
        ("http_requests_total", "the expression gives 3 series where one is needed"),
        ("http_requests_total[1m]", "the expression gives a matrix; it must give one value at a time"),
    ] {
        let expressions = BTreeMap::from([(Metric::RequestRate, expression.to_owned())]);
        let settings = PrometheusSettings { expressions, ..PrometheusSettings::new(url.clone()) };
        let prometheus = Prometheus::new(&settings, "prod", "app").expect("a good address");
        let error = prometheus.read(Metric::RequestRate, end).await.expect_err("refused");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn the_newest_scrape_of_any_expression_is_told() {
    let Some((url, end)) = server() else { return };
    let prometheus = Prometheus::new(&PrometheusSettings::new(url), "prod", "app").expect("a good address");
    let others = [
        r#"sum by (code) (rate({__name__="http_requests_total"}[1m] offset 1m)) > bool 0.5e1 # a"#,
        "http_requests_total / on(code) group_left(app) http_requests_total{app='app'} or vector(0)",
        r#"max_over_time(deriv(http_requests_total[1m])[5m:]) and label_replace(http_requests_total, "a", "$1", "b", "(.*)")"#,
    ];
    let own = METRICS.iter().filter_map(|metric| prometheus.expression(*metric));
    for expression in own.chain(others) {
        let question = newest::question(expression).expect("it reads series");
        let newest = prometheus.value(&question, end).await.expect("an answer");
        let scraped = end.as_second() as f64;
        assert!(newest.is_some_and(|at| (scraped - 5.0..=scraped).contains(&at)), "{question}: {newest:?}");
    }
}
