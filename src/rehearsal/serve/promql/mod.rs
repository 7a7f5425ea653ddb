//! The part of PromQL that dashboards of request rates, errors, latency and restarts are made of.
//!
//! Known: selectors with `= != =~ !~`, `rate`, `increase`, `sum avg min max count` with `by`,
//! `histogram_quantile`, `vector`, numbers, `+ - * /`, `or`, parentheses. Anything else is refused with a
//! message that says so; nothing is guessed.

mod parser;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

pub use self::parser::parse;
use crate::rehearsal::sim::traffic::{METRICS, Scrape};

/// How far back an instant query looks for a sample.
const LOOKBACK: SignedDuration = SignedDuration::from_mins(5);

pub type Labels = BTreeMap<String, String>;

/// Why an expression is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromqlError {
    #[error("parse error at character {at}: {what}; the practice Prometheus understands {known}", known = known())]
    Parse { at: usize, what: String },
    #[error("{0}; the practice Prometheus understands {known}", known = known())]
    Type(String),
}

fn known() -> String {
    format!(
        "selectors of {}, rate(), increase(), sum/avg/min/max/count with by, histogram_quantile(), vector(), \
         + - * /, or",
        METRICS.join(", ")
    )
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Scalar(f64),
    Vector(Vec<(Labels, f64)>),
}

#[derive(Debug, Clone)]
pub enum Expression {
    Number(f64),
    Select(Selector),
    Rise { selector: Selector, window: SignedDuration, per_second: bool },
    Aggregate { how: Aggregation, by: Vec<String>, of: Box<Expression> },
    Quantile { share: Box<Expression>, of: Box<Expression> },
    Vector(Box<Expression>),
    Binary { operator: Operator, left: Box<Expression>, right: Box<Expression> },
}

#[derive(Debug, Clone, Copy)]
pub enum Aggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

#[derive(Debug, Clone, Copy)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Or,
}

#[derive(Debug, Clone)]
pub struct Selector {
    metric: String,
    matchers: Vec<(String, Matcher)>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Is(String),
    IsNot(String),
    Like(Regex),
    Unlike(Regex),
}

impl Selector {
    fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|(label, matcher)| {
            // A missing label counts as an empty one.
            let value = labels.get(label).map_or("", String::as_str);
            match matcher {
                Matcher::Is(wanted) => value == wanted,
                Matcher::IsNot(wanted) => value != wanted,
                Matcher::Like(pattern) => pattern.is_match(value),
                Matcher::Unlike(pattern) => !pattern.is_match(value),
            }
        })
    }

    fn series<'a>(&'a self, scrape: &'a Scrape) -> impl Iterator<Item = (Labels, f64)> + 'a {
        scrape
            .series(&self.metric)
            .into_iter()
            .map(|(labels, value)| {
                (labels.into_iter().map(|(name, text)| (name.to_owned(), text)).collect(), value)
            })
            .filter(|(labels, _)| self.matches(labels))
    }
}

/// Evaluates an expression at one moment, over `scrapes` in order of time.
pub fn evaluate(expression: &Expression, scrapes: &[&Scrape], at: Timestamp) -> Result<Answer, PromqlError> {
    let vector = |expression: &Expression| match evaluate(expression, scrapes, at)? {
        Answer::Vector(vector) => Ok(vector),
        Answer::Scalar(_) => Err(PromqlError::Type("expected an instant vector, got a scalar".into())),
    };
    let scalar = |expression: &Expression| match evaluate(expression, scrapes, at)? {
        Answer::Scalar(value) => Ok(value),
        Answer::Vector(_) => Err(PromqlError::Type("expected a scalar, got an instant vector".into())),
    };
    Ok(match expression {
        Expression::Number(value) => Answer::Scalar(*value),
        Expression::Vector(value) => Answer::Vector(vec![(Labels::new(), scalar(value)?)]),
        Expression::Select(selector) => Answer::Vector(select(selector, scrapes, at)),
        Expression::Rise { selector, window, per_second } => {
            Answer::Vector(rise(selector, scrapes, at, *window, *per_second))
        }
        Expression::Aggregate { how, by, of } => Answer::Vector(aggregate(*how, by, vector(of)?)),
        Expression::Quantile { share, of } => Answer::Vector(quantile(scalar(share)?, vector(of)?)),
        Expression::Binary { operator, left, right } => {
            binary(*operator, evaluate(left, scrapes, at)?, evaluate(right, scrapes, at)?)?
        }
    })
}

fn select(selector: &Selector, scrapes: &[&Scrape], at: Timestamp) -> Vec<(Labels, f64)> {
    let end = scrapes.partition_point(|scrape| scrape.at <= at);
    let Some(last) = scrapes[..end].last() else { return Vec::new() };
    if at.duration_since(last.at) > LOOKBACK {
        return Vec::new();
    }
    selector
        .series(last)
        .map(|(mut labels, value)| {
            labels.insert("__name__".into(), selector.metric.clone());
            (labels, value)
        })
        .collect()
}

/// `increase` and `rate` with the corrections that Prometheus makes: counter resets are added up, and
/// what lies between the samples and the window's ends is extrapolated, by half an interval at most.
fn rise(
    selector: &Selector,
    scrapes: &[&Scrape],
    at: Timestamp,
    window: SignedDuration,
    per_second: bool,
) -> Vec<(Labels, f64)> {
    let start = at - window;
    let first = scrapes.partition_point(|scrape| scrape.at <= start);
    let end = scrapes.partition_point(|scrape| scrape.at <= at);
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for scrape in &scrapes[first..end] {
        let seconds = scrape.at.duration_since(start).as_secs_f64();
        for (labels, value) in selector.series(scrape) {
            series.entry(labels).or_default().push((seconds, value));
        }
    }
    let window_s = window.as_secs_f64();
    series
        .into_iter()
        .filter_map(|(labels, samples)| {
            let increase = extrapolated_increase(&samples, window_s)?;
            Some((labels, if per_second { increase / window_s } else { increase }))
        })
        .collect()
}

/// `samples`: seconds since the window's start, and the counter.
fn extrapolated_increase(samples: &[(f64, f64)], window_s: f64) -> Option<f64> {
    let [first, .., last] = samples else { return None };
    let resets: f64 = samples
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] if after.1 < before.1 => Some(before.1),
            _ => None,
        })
        .sum();
    let increase = last.1 - first.1 + resets;
    let sampled = last.0 - first.0;
    let interval = sampled / (samples.len() - 1) as f64;
    let mut to_start = first.0;
    let mut to_end = window_s - last.0;
    if to_start >= interval * 1.1 {
        to_start = interval / 2.0;
    }
    if increase > 0.0 && first.1 >= 0.0 {
        // A counter cannot have been below zero: do not extrapolate past where it would have been.
        to_start = to_start.min(sampled * first.1 / increase);
    }
    if to_end >= interval * 1.1 {
        to_end = interval / 2.0;
    }
    Some(increase * (sampled + to_start + to_end) / sampled)
}

fn aggregate(how: Aggregation, by: &[String], vector: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
    for (labels, value) in vector {
        let group = labels.into_iter().filter(|(name, _)| by.contains(name)).collect();
        groups.entry(group).or_default().push(value);
    }
    groups
        .into_iter()
        .map(|(labels, values)| {
            let count = values.len() as f64;
            let value = match how {
                Aggregation::Sum => values.iter().sum(),
                Aggregation::Avg => values.iter().sum::<f64>() / count,
                Aggregation::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
                Aggregation::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Aggregation::Count => count,
            };
            (labels, value)
        })
        .collect()
}

fn quantile(share: f64, vector: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, value) in vector {
        labels.remove("__name__");
        let end = match labels.remove("le").as_deref() {
            Some("+Inf") => f64::INFINITY,
            Some(text) => match text.parse() {
                Ok(end) => end,
                Err(_) => continue,
            },
            None => continue,
        };
        groups.entry(labels).or_default().push((end, value));
    }
    groups
        .into_iter()
        .map(|(labels, mut buckets)| {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            (labels, bucket_quantile(share, &buckets))
        })
        .collect()
}

fn bucket_quantile(share: f64, buckets: &[(f64, f64)]) -> f64 {
    let Some(&(end, total)) = buckets.last() else { return f64::NAN };
    if end != f64::INFINITY || buckets.len() < 2 || total == 0.0 || total.is_nan() {
        return f64::NAN;
    }
    let rank = share * total;
    let index = buckets.iter().position(|(_, count)| *count >= rank).unwrap_or(buckets.len() - 1);
    if index == buckets.len() - 1 {
        return buckets[index - 1].0;
    }
    let (low, below) = if index == 0 { (0.0, 0.0) } else { buckets[index - 1] };
    let (high, count) = buckets[index];
    if count == below { high } else { low + (high - low) * (rank - below) / (count - below) }
}

fn binary(operator: Operator, left: Answer, right: Answer) -> Result<Answer, PromqlError> {
    let compute = |left: f64, right: f64| match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Or => left,
    };
    let nameless = |mut labels: Labels| {
        labels.remove("__name__");
        labels
    };
    Ok(match (operator, left, right) {
        (Operator::Or, Answer::Vector(mut left), Answer::Vector(right)) => {
            let known: Vec<Labels> = left.iter().map(|(labels, _)| nameless(labels.clone())).collect();
            left.extend(right.into_iter().filter(|(labels, _)| !known.contains(&nameless(labels.clone()))));
            Answer::Vector(left)
        }
        (Operator::Or, ..) => {
            return Err(PromqlError::Type(
                "set operator \"or\" not allowed in binary scalar expression".into(),
            ));
        }
        (_, Answer::Scalar(left), Answer::Scalar(right)) => Answer::Scalar(compute(left, right)),
        (_, Answer::Vector(left), Answer::Scalar(right)) => Answer::Vector(
            left.into_iter().map(|(labels, value)| (nameless(labels), compute(value, right))).collect(),
        ),
        (_, Answer::Scalar(left), Answer::Vector(right)) => Answer::Vector(
            right.into_iter().map(|(labels, value)| (nameless(labels), compute(left, value))).collect(),
        ),
        (_, Answer::Vector(left), Answer::Vector(right)) => {
            let right: BTreeMap<Labels, f64> =
                right.into_iter().map(|(labels, value)| (nameless(labels), value)).collect();
            Answer::Vector(
                left.into_iter()
                    .filter_map(|(labels, value)| {
                        let labels = nameless(labels);
                        let other = right.get(&labels)?;
                        let value = compute(value, *other);
                        Some((labels, value))
                    })
                    .collect(),
            )
        }
    })
}
