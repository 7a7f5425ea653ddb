use proptest::prelude::*;

use super::*;
use crate::watch::{Sample, Verdict};
use crate::workflow::{Operator, Place};

fn criterion(kind: CriterionKind) -> Criterion {
    Criterion { id: CriterionId::from("it"), place: Place { line: 1, column: 1 }, text: String::new(), kind }
}

fn errors_above_one_percent() -> Criterion {
    let (metric, operator) = (Metric::ErrorRate, Operator::Above);
    criterion(CriterionKind::Threshold { metric, operator, value: 1.0, unit: "%".to_owned() })
}

fn latency_doubled() -> Criterion {
    criterion(CriterionKind::Ratio { metric: Metric::LatencyP95, operator: Operator::Above, factor: 2.0 })
}

/// World and wall time, in seconds.
fn at(seconds: i64) -> Moment {
    Moment::real(Timestamp::from_second(1_000_000 + seconds).expect("in range"))
}

/// A view that was told one value every 15 s and judged each time.
struct Told {
    view: MetricsView,
    now: i64,
}

impl Told {
    fn new(criterion: Criterion) -> Self {
        Self { view: MetricsView::new([&criterion], Judging::default()), now: 0 }
    }

    fn with_traffic(mut self, rate: f64) -> Self {
        let samples: Vec<Sample> =
            (0..60).map(|tick| Sample { at: at(tick * 15).world, value: Some(rate) }).collect();
        self.view.observe(at(0), Metric::RequestRate, &MetricReading::Window(samples));
        self
    }

    fn read(&mut self, metric: Metric, value: Option<f64>) -> CriterionReading {
        self.now += 15;
        let sample = Sample { at: at(self.now).world, value };
        self.view.observe(at(self.now), metric, &MetricReading::Latest(sample));
        self.judged(0)
    }

    /// The verdict `later` seconds after the newest reading.
    fn judged(&mut self, later: i64) -> CriterionReading {
        self.view.judge(at(self.now + later));
        self.view.reading(&CriterionId::from("it")).expect("it was judged").clone()
    }

    fn errors(&mut self, values: &[f64]) -> CriterionReading {
        for value in values {
            self.read(Metric::ErrorRate, Some(*value));
        }
        self.judged(0)
    }

    fn latencies(&mut self, values: &[f64]) -> CriterionReading {
        for value in values {
            self.read(Metric::LatencyP95, Some(*value));
        }
        self.judged(0)
    }
}

#[test]
fn an_error_rate_breaches_at_the_third_bad_reading_and_says_since_when() {
    let mut told = Told::new(errors_above_one_percent()).with_traffic(20.0);
    let reading = told.errors(&[0.4, 3.0, 3.05]);
    assert_eq!(reading.verdict, Verdict::Pass);
    assert_eq!(reading.why, "3.05 % > 1 % for 2 of 3 readings, not yet a breach");
    let reading = told.errors(&[3.1]);
    assert_eq!(reading.verdict, Verdict::Fail);
    assert_eq!(reading.why, "3.1 % > 1 % for 3 of 3 readings");
    assert_eq!(reading.since, Some(at(30).world));
    assert_eq!(reading.value, Some(3.1));
}

#[test]
fn a_breach_is_clear_after_three_good_readings_in_a_row() {
    let mut told = Told::new(errors_above_one_percent()).with_traffic(20.0);
    assert_eq!(told.errors(&[3.0, 3.0, 3.0]).verdict, Verdict::Fail);
    let reading = told.errors(&[0.3, 0.3, 3.0, 0.3, 0.3]);
    assert_eq!(reading.verdict, Verdict::Fail);
    assert_eq!(reading.why, "0.3 %, not > 1 %, 2 of 3 good readings to be clear");
    assert_eq!(reading.since, Some(at(15).world));
    let reading = told.errors(&[0.3]);
    assert_eq!((reading.verdict, reading.since), (Verdict::Pass, None));
    assert_eq!(reading.why, "0.3 %, not > 1 %");
}

#[test]
fn a_changed_verdict_is_told_once() {
    let mut told = Told::new(errors_above_one_percent());
    assert_eq!(told.view.judge(at(0)).len(), 1, "no data yet");
    assert_eq!(told.view.judge(at(1)).len(), 0);
    for (value, told_now) in [(0.1, 1), (3.0, 0), (3.0, 0), (3.0, 1), (3.0, 0)] {
        told.now += 15;
        let sample = Sample { at: at(told.now).world, value: Some(value) };
        told.view.observe(at(told.now), Metric::ErrorRate, &MetricReading::Latest(sample));
        assert_eq!(told.view.judge(at(told.now)).len(), told_now, "at {} s", told.now);
    }
}

#[test]
fn a_long_breach_keeps_its_beginning_after_that_left_the_window() {
    let mut told = Told::new(errors_above_one_percent());
    let reading = told.errors(&[5.0; 400]);
    assert_eq!((reading.verdict, reading.since), (Verdict::Fail, Some(at(15).world)));
    assert!(told.view.series(Metric::ErrorRate).expect("told").samples().count() < 100);
}

#[test]
fn k_of_n_forgives_a_good_reading_in_between_only_when_told_to() {
    let judging = Judging { bad_needed: 2, of_last: 3, ..Judging::default() };
    let mut loose = Told { view: MetricsView::new([&errors_above_one_percent()], judging), now: 0 };
    assert_eq!(loose.errors(&[3.0, 0.0, 3.0]).verdict, Verdict::Fail);
    let mut strict = Told::new(errors_above_one_percent());
    assert_eq!(strict.errors(&[3.0, 3.0, 0.0, 3.0, 3.0]).verdict, Verdict::Pass);
    assert_eq!(strict.errors(&[3.0]).verdict, Verdict::Fail);
}

#[test]
fn few_requests_prove_nothing() {
    // 0.4 requests a second are 24 in a minute.
    let mut told = Told::new(errors_above_one_percent()).with_traffic(0.4);
    let reading = told.errors(&[50.0; 5]);
    assert_eq!(reading.verdict, Verdict::NoData);
    assert_eq!(reading.why, "24 requests in the window, 30 are needed");
}

#[test]
fn an_unknown_request_rate_hides_no_breach() {
    let mut told = Told::new(errors_above_one_percent());
    told.view.observe(
        at(0),
        Metric::RequestRate,
        &MetricReading::Failed { at: at(0).world, why: "bad".to_owned() },
    );
    assert_eq!(told.errors(&[50.0; 3]).verdict, Verdict::Fail);
}

#[test]
fn silence_is_no_data_after_three_intervals_and_never_green() {
    let mut told = Told::new(errors_above_one_percent());
    assert_eq!(told.judged(0).why, "no reading yet");
    assert_eq!(told.errors(&[0.1]).verdict, Verdict::Pass);
    assert_eq!(told.judged(45).verdict, Verdict::Pass);
    let reading = told.judged(46);
    assert_eq!(reading.verdict, Verdict::NoData);
    assert_eq!(reading.why, "the last reading is 46 s old");
    assert!(told.view.is_stale(Metric::ErrorRate, at(told.now + 46)));
    told.errors(&[9.0, 9.0, 9.0]);
    assert_eq!(told.judged(100).why, "the last reading is 100 s old; it was failing before");
}

#[test]
fn a_rehearsal_s_short_interval_is_not_silence() {
    let mut told = Told::new(errors_above_one_percent());
    told.errors(&[0.1]);
    // Two minutes of the practice world passed in four seconds.
    let now = Moment { world: at(told.now + 120).world, wall: at(told.now + 4).wall };
    told.view.judge(now);
    assert_eq!(
        told.view.reading(&CriterionId::from("it")).map(|reading| reading.verdict),
        Some(Verdict::Pass)
    );
}

#[test]
fn answers_without_a_number_are_no_data_and_bridge_nothing_long() {
    let mut told = Told::new(errors_above_one_percent());
    told.errors(&[3.0, 3.0]);
    for _ in 0..4 {
        told.read(Metric::ErrorRate, None);
    }
    let reading = told.judged(0);
    assert_eq!((reading.verdict, &*reading.why), (Verdict::NoData, "the server has no data for it"));
    assert_eq!(told.errors(&[3.0]).verdict, Verdict::Pass, "two bad readings before the silence are over");
    assert_eq!(told.errors(&[3.0, 3.0]).verdict, Verdict::Fail);
}

#[test]
fn one_missing_scrape_changes_no_verdict() {
    let mut told = Told::new(errors_above_one_percent());
    told.errors(&[3.0, 3.0]);
    assert_eq!(told.read(Metric::ErrorRate, None).verdict, Verdict::Pass);
    assert_eq!(told.errors(&[3.0]).verdict, Verdict::Fail);
    assert_eq!(told.read(Metric::ErrorRate, None).verdict, Verdict::Fail);
}

#[test]
fn a_refused_query_is_an_error_once_no_fresh_number_stands() {
    let mut told = Told::new(errors_above_one_percent());
    let refused = MetricReading::Failed { at: at(0).world, why: "parse error".to_owned() };
    told.view.observe(at(0), Metric::ErrorRate, &refused);
    assert_eq!((told.judged(0).verdict, told.judged(0).why), (Verdict::Error, "parse error".to_owned()));
    told.errors(&[0.1]);
    told.view.observe(at(told.now + 1), Metric::ErrorRate, &refused);
    assert_eq!(told.judged(1).verdict, Verdict::Pass);
    assert_eq!(told.judged(60).verdict, Verdict::Error);
}

#[test]
fn a_ratio_compares_with_the_median_from_before_the_change() {
    let mut told = Told::new(latency_doubled());
    let reading = told.latencies(&[200.0, 210.0, 5000.0, 205.0, 220.0, 210.0]);
    assert_eq!(reading.verdict, Verdict::NoData);
    assert_eq!(reading.why, "no baseline from before the change");
    let values = told.view.baseline_at(at(told.now).world);
    assert_eq!(values, BTreeMap::from([("latency_p95".to_owned(), 210.0)]));
    let until = at(told.now).world;
    told.view.set_baseline(until, &values);
    assert_eq!(told.judged(0).why, "no reading since the baseline yet");
    let reading = told.latencies(&[231.0]);
    assert_eq!((reading.verdict, &*reading.why), (Verdict::Pass, "231 ms = 1.1 × 210 ms, not > 2 ×"));
    let reading = told.latencies(&[450.0, 450.0, 450.0]);
    assert_eq!((reading.verdict, &*reading.why), (Verdict::Fail, "450 ms > 2 × 210 ms for 3 of 3 readings"));
}

#[test]
fn without_enough_readings_there_is_no_baseline_and_a_ratio_is_never_green() {
    let mut told = Told::new(latency_doubled());
    told.latencies(&[200.0; 4]);
    let until = at(told.now).world;
    let values = told.view.baseline_at(until);
    assert!(values.is_empty());
    told.view.set_baseline(until, &values);
    let reading = told.latencies(&[200.0]);
    assert_eq!((reading.verdict, &*reading.why), (Verdict::NoData, "no baseline from before the change"));
}

#[test]
fn only_the_five_minutes_before_count_toward_the_baseline() {
    let mut told = Told::new(latency_doubled());
    // Ten readings that are older than five minutes, then twenty.
    told.latencies(&[900.0; 10]);
    told.latencies(&[100.0; 20]);
    let until = at(told.now).world;
    told.latencies(&[700.0; 5]);
    assert_eq!(told.view.baseline_at(until).get("latency_p95"), Some(&100.0));
}

#[test]
fn a_document_may_compare_with_a_longer_stretch_of_one_metric() {
    let mut told = Told::new(latency_doubled());
    told.view = told.view.with_baselines([(Metric::LatencyP95, 900)]);
    // Twenty-two minutes: more than the screen shows, and the last fifteen are wanted.
    for value in [400.0; 28].into_iter().chain([100.0; 40]).chain([900.0; 20]) {
        told.read(Metric::LatencyP95, Some(value));
        told.view.observe(
            at(told.now),
            Metric::ErrorRate,
            &MetricReading::Latest(Sample { at: at(told.now).world, value: Some(value) }),
        );
    }
    let baseline = told.view.baseline_at(at(told.now).world);
    assert_eq!(baseline.get("latency_p95"), Some(&100.0));
    assert_eq!(baseline.get("error_rate"), Some(&900.0), "the others keep their five minutes");
}

#[test]
fn under_the_floor_a_latency_ratio_says_nothing() {
    let mut told = Told::new(latency_doubled());
    told.view.set_baseline(at(0).world, &BTreeMap::from([("latency_p95".to_owned(), 4.0)]));
    let reading = told.latencies(&[40.0; 5]);
    assert_eq!(reading.verdict, Verdict::Pass);
    assert_eq!(reading.why, "40 ms = 10 × 4 ms, not > 2 ×, too fast for a ratio to say anything");
    assert_eq!(told.latencies(&[60.0; 3]).verdict, Verdict::Fail);
}

#[test]
fn a_baseline_of_zero_gives_no_ratio() {
    let kind = CriterionKind::Ratio { metric: Metric::ErrorRate, operator: Operator::Above, factor: 2.0 };
    let mut told = Told::new(criterion(kind));
    told.view.set_baseline(at(0).world, &BTreeMap::from([("error_rate".to_owned(), 0.0)]));
    assert_eq!(told.errors(&[9.0; 5]).verdict, Verdict::NoData);
}

#[test]
fn a_limit_in_seconds_is_compared_in_milliseconds() {
    let (metric, operator) = (Metric::LatencyP95, Operator::AtLeast);
    let kind = CriterionKind::Threshold { metric, operator, value: 0.5, unit: "s".to_owned() };
    let mut told = Told::new(criterion(kind));
    assert_eq!(told.latencies(&[499.0; 3]).verdict, Verdict::Pass);
    assert_eq!(told.latencies(&[500.0; 3]).why, "500 ms ≥ 500 ms for 3 of 3 readings");
}

#[test]
fn a_declared_criterion_is_left_to_people() {
    let mut told = Told::new(criterion(CriterionKind::Declared));
    assert!(told.view.judge(at(0)).is_empty());
    assert_eq!(told.view.reading(&CriterionId::from("it")), None);
}

#[test]
fn a_filled_window_replaces_what_was_known_of_it() {
    let mut series = Series::new(SignedDuration::from_mins(20));
    for second in [0, 15, 30, 45] {
        series.push(at(second), Sample { at: at(second).world, value: Some(1.0) });
    }
    let refill: Vec<Sample> =
        [7, 22, 37].map(|second| Sample { at: at(second).world, value: Some(2.0) }).into();
    series.fill(at(50), &refill);
    let seconds: Vec<i64> = series.samples().map(|sample| sample.at.as_second() - 1_000_000).collect();
    assert_eq!(seconds, [0, 7, 22, 37, 45]);
}

#[test]
fn columns_keep_gaps_and_peaks() {
    let mut series = Series::new(SignedDuration::from_mins(20));
    for (second, value) in [(0, 1.0), (15, 9.0), (30, 2.0), (90, 4.0)] {
        series.push(at(second), Sample { at: at(second).world, value: Some(value) });
    }
    let (until, interval) = (at(120).world, SignedDuration::from_secs(15));
    let drawn = series.columns(4, until, SignedDuration::from_secs(120), interval);
    assert_eq!(drawn, [Some(9.0), Some(2.0), None, Some(4.0)]);
    assert_eq!(heights(&drawn, 8), [Some(8), Some(2), None, Some(4)]);
    // Fewer samples than columns: each fills the columns up to the next.
    let wide = series.columns(16, until, SignedDuration::from_secs(120), interval);
    assert_eq!(&wide[..7], [Some(1.0), Some(1.0), Some(9.0), Some(9.0), Some(2.0), Some(2.0), None]);
    assert_eq!(heights(&[Some(0.0), None, Some(-1.0)], 8), [Some(0), None, Some(0)]);
    assert!(series.columns(0, until, SignedDuration::from_secs(120), interval).is_empty());
}

fn any_number() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        3 => (0.0..200.0_f64).prop_map(Some),
        1 => any::<f64>().prop_map(Some),
        1 => Just(None),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, f64::MAX, f64::MIN_POSITIVE]).prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn no_reading_panics_and_only_numbers_fail(
        values in prop::collection::vec((0_i64..100_000, any_number()), 0..60),
        limit in any::<f64>(),
        columns in 0_usize..100,
    ) {
        let (metric, operator) = (Metric::ErrorRate, Operator::Above);
        let criteria = [
            criterion(CriterionKind::Threshold { metric, operator, value: limit, unit: String::new() }),
            criterion(CriterionKind::Ratio { metric, operator, factor: limit }),
        ];
        let mut view = MetricsView::new(&criteria, Judging::default());
        view.set_baseline(at(0).world, &BTreeMap::from([("error_rate".to_owned(), limit)]));
        let mut n_numbers = 0;
        for (second, value) in values {
            let reading = MetricReading::Latest(Sample { at: at(second).world, value });
            n_numbers += usize::from(value.is_some_and(f64::is_finite));
            view.observe(at(second), metric, &reading);
            for reading in view.judge(at(second)) {
                prop_assert!(reading.verdict != Verdict::Fail || n_numbers >= 3);
            }
            let drawn = view.columns(metric, columns, at(second));
            prop_assert_eq!(heights(&drawn, 8).len(), columns);
            prop_assert!(heights(&drawn, 8).into_iter().flatten().all(|height| height <= 8));
        }
    }

    #[test]
    fn worse_readings_never_make_a_better_verdict(
        values in prop::collection::vec((0.0..2.0_f64, 0.0..2.0_f64), 1..40),
    ) {
        let (mut better, mut worse) = (Told::new(errors_above_one_percent()), Told::new(errors_above_one_percent()));
        for (value, more) in values {
            let one = better.read(Metric::ErrorRate, Some(value)).verdict;
            let other = worse.read(Metric::ErrorRate, Some(value + more)).verdict;
            prop_assert!(one != Verdict::Fail || other == Verdict::Fail);
        }
    }

    #[test]
    fn a_breach_needs_k_bad_of_the_last_n(values in prop::collection::vec(any::<bool>(), 1..40), k in 1_usize..5, n in 1_usize..6) {
        let judging = Judging { bad_needed: k, of_last: n, ..Judging::default() };
        let mut told = Told { view: MetricsView::new([&errors_above_one_percent()], judging), now: 0 };
        let n = n.max(k);
        let mut failing = false;
        for (index, bad) in values.iter().enumerate() {
            let reading = told.errors(&[if *bad { 2.0 } else { 0.5 }]);
            let recent = &values[(index + 1).saturating_sub(n)..=index];
            if reading.verdict == Verdict::Fail && !failing {
                prop_assert!(recent.iter().filter(|bad| **bad).count() >= k);
            }
            failing = reading.verdict == Verdict::Fail;
        }
    }
}
