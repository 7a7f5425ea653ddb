//! Answers to queries, counted out by hand.

use super::*;
use crate::rehearsal::scenario::Scenario;
use crate::rehearsal::sim::{APPLICATION, NAMESPACE, World};
use crate::watch::metrics::default_expression;
use crate::workflow::Metric;

fn value(world: &World, text: &str) -> f64 {
    let scrapes: Vec<&Scrape> = world.traffic().scrapes().iter().collect();
    match evaluate(&parse(text).unwrap(), &scrapes, world.now()).unwrap() {
        Answer::Scalar(value) => value,
        Answer::Vector(vector) => {
            assert_eq!(vector.len(), 1, "{text}: {vector:?}");
            vector[0].1
        }
    }
}

fn default_value(world: &World, metric: Metric) -> f64 {
    let text = default_expression(metric).replace("$namespace", NAMESPACE).replace("$name", APPLICATION);
    value(world, &text)
}

fn world(scenario: Scenario) -> World {
    World::new(scenario, "2026-11-22T12:00:00Z".parse().unwrap(), 1)
}

#[test]
fn the_default_expressions_read_an_ordinary_service() {
    let world = world(Scenario::Good);
    assert!((0.0..0.5).contains(&default_value(&world, Metric::ErrorRate)));
    assert!((150.0..300.0).contains(&default_value(&world, Metric::LatencyP95)));
    assert!((95.0..145.0).contains(&default_value(&world, Metric::RequestRate)));
    assert_eq!(default_value(&world, Metric::Restarts), 0.0);
}

#[test]
fn the_error_spike_breaches_one_percent_within_ten_minutes_and_not_at_once() {
    let mut world = world(Scenario::ErrorSpike);
    world.set_image(NAMESPACE, APPLICATION, "myapp:v1.3.0").unwrap();
    world.step(world.now() + SignedDuration::from_secs(200));
    assert!(default_value(&world, Metric::ErrorRate) < 0.5);
    world.step(world.now() + SignedDuration::from_secs(350));
    assert!(default_value(&world, Metric::ErrorRate) > 1.0);
    assert!(default_value(&world, Metric::ErrorRate) < 10.0);
}

#[test]
fn a_crash_loop_shows_as_restarts() {
    let mut world = world(Scenario::CrashLoop);
    world.set_image(NAMESPACE, APPLICATION, "myapp:v1.3.0").unwrap();
    world.step(world.now() + SignedDuration::from_secs(200));
    assert!(default_value(&world, Metric::Restarts) >= 2.0);
}

#[test]
fn arithmetic_follows_the_usual_precedence() {
    let world = world(Scenario::Good);
    assert_eq!(value(&world, "2 + 3 * (4 - 2) / -2"), -1.0);
}

#[test]
fn an_unknown_series_is_an_empty_vector_and_or_fills_it() {
    let world = world(Scenario::Good);
    let scrapes: Vec<&Scrape> = world.traffic().scrapes().iter().collect();
    let nothing = evaluate(&parse("http_requests_total{app=\"other\"}").unwrap(), &scrapes, world.now());
    assert_eq!(nothing, Ok(Answer::Vector(Vec::new())));
    assert_eq!(value(&world, "sum(nothing_total) or vector(0)"), 0.0);
}

#[test]
fn what_is_not_understood_is_refused_with_what_is() {
    let refused = parse("predict_linear(up[5m], 60)").unwrap_err().to_string();
    assert!(refused.contains("unknown function \"predict_linear\""), "{refused}");
    assert!(refused.contains("histogram_quantile()"), "{refused}");
    for text in ["", "sum(", "up{app=}", "rate(up)", "up or", "1 +", "up[5m]"] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_counter_that_restarts_is_added_up() {
    let increase = extrapolated_increase(&[(0.0, 10.0), (15.0, 20.0), (30.0, 5.0)], 30.0).unwrap();
    assert_eq!(increase, 15.0);
}

#[test]
fn a_quantile_lies_inside_its_bucket() {
    let buckets = [(0.1, 50.0), (0.2, 90.0), (0.5, 100.0), (f64::INFINITY, 100.0)];
    assert!((bucket_quantile(0.7, &buckets) - 0.15).abs() < 1e-9);
    assert!(bucket_quantile(0.5, &[(1.0, 0.0), (f64::INFINITY, 0.0)]).is_nan());
}
