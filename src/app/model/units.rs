//! Readings as text, with their units.

use crate::workflow::Metric;

/// `0.42 %`, `212 ms`, `1.2k/s`, `0`.
pub fn metric(metric: Metric, value: f64) -> String {
    match metric {
        Metric::ErrorRate => format!("{} %", short(value)),
        Metric::LatencyP95 => format!("{value:.0} ms"),
        Metric::RequestRate if value >= 1_000.0 => format!("{:.1}k/s", value / 1_000.0),
        Metric::RequestRate => format!("{}/s", short(value)),
        Metric::Restarts => format!("{value:.0}"),
    }
}

/// Three digits that matter, no more.
fn short(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_keep_three_digits_and_their_unit() {
        assert_eq!(metric(Metric::ErrorRate, 0.4217), "0.42 %");
        assert_eq!(metric(Metric::ErrorRate, 31.25), "31.2 %");
        assert_eq!(metric(Metric::LatencyP95, 211.7), "212 ms");
        assert_eq!(metric(Metric::RequestRate, 1_234.0), "1.2k/s");
        assert_eq!(metric(Metric::Restarts, 2.0), "2");
    }
}
