//! When the newest sample of an expression was scraped, so that a reading comes right after it and
//! not up to a whole interval later.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{MetricsError, Prometheus};
use crate::watch::Moment;

/// A scrape that takes its time is waited for, so often and so long. Units: wall time.
const LOOKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// What is known of the scrapes behind the readings.
#[derive(Debug)]
pub(super) struct Scrapes {
    /// `None` where no series is read, or the server does not take it.
    question: Option<String>,
    pub pace: Pace,
}

impl Scrapes {
    /// - `interval`: world time between two readings.
    pub(super) fn of(expression: Option<&str>, interval: Duration) -> Self {
        let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
        Self { question: expression.and_then(question), pace: Pace { interval, newest: None } }
    }

    /// Waits a little while no sample is newer than the one known.
    pub(super) async fn wait_for_one(&mut self, prometheus: &Prometheus, clock: impl Fn() -> Moment) {
        for look in 0..LOOKS {
            let Some(question) = &self.question else { return };
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match prometheus.value(question, clock().world).await {
                Ok(Some(seconds)) => {
                    let newest = Timestamp::from_millisecond((seconds * 1000.0).round() as i64);
                    let Ok(newest) = newest else { return };
                    if self.pace.newest.is_none_or(|known| newest > known) {
                        self.pace.newest = Some(newest);
                        return;
                    }
                }
                // What stands in for Prometheus may know less of its language.
                Err(error @ (MetricsError::Refused { .. } | MetricsError::NotAValue { .. })) => {
                    tracing::debug!(%error, "readings keep their own time");
                    self.question = None;
                }
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// Asks for the time of the newest sample that `expression` reads; `None` where it reads no series.
pub(super) fn question(expression: &str) -> Option<String> {
    let newest: Vec<String> =
        selectors(expression).into_iter().map(|selector| format!("timestamp({selector})")).collect();
    (!newest.is_empty()).then(|| format!("max({})", newest.join(" or ")))
}

/// The instant selectors of an expression, each once.
///
/// - Shape: `name{…}`, `name` or `{…}`, without range and offset.
fn selectors(expression: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = expression;
    // Labels follow these in parentheses, which are no series.
    let mut before_labels = false;
    while let Some(character) = rest.chars().next() {
        let taken = match character {
            '"' | '\'' | '`' => quoted(rest),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '(' if before_labels => rest.find(')').map_or(rest.len(), |end| end + 1),
            '{' => {
                let taken = braces(rest);
                add(&mut found, &rest[..taken]);
                taken
            }
            c if c.is_ascii_digit() => rest.find(|c: char| !is_name(c) && c != '.').unwrap_or(rest.len()),
            c if is_name(c) => {
                let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let next = after.trim_start();
                let lower = word.to_ascii_lowercase();
                before_labels = LABELS_FOLLOW.contains(&&*lower);
                let is_called = next.starts_with('(') || word_of(next).is_some_and(is_grouping);
                if before_labels || OPERATORS.contains(&&*lower) || is_called {
                    end
                } else if next.starts_with('{') {
                    let labels = braces(next);
                    add(&mut found, &format!("{word}{}", &next[..labels]));
                    rest.len() - next.len() + labels
                } else {
                    add(&mut found, word);
                    end
                }
            }
            other => other.len_utf8(),
        };
        if !character.is_whitespace() && !is_name(character) {
            before_labels = false;
        }
        rest = &rest[taken..];
    }
    found
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | ':')
}

fn word_of(text: &str) -> Option<&str> {
    text.split(|c| !is_name(c)).next()
}

/// `sum by (job) (…)`: what stands before it is an aggregation.
fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}

const LABELS_FOLLOW: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words that stand between expressions and name no series.
const OPERATORS: [&str; 8] = ["and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"];

fn add(found: &mut Vec<String>, selector: &str) {
    if !found.iter().any(|known| known == selector) {
        found.push(selector.to_owned());
    }
}

/// The length of a string at the start of `text`, with its quotes.
fn quoted(text: &str) -> usize {
    let mut characters = text.char_indices();
    let Some((_, open)) = characters.next() else { return 0 };
    while let Some((at, character)) = characters.next() {
        if character == '\\' && open != '`' {
            characters.next();
        } else if character == open {
            return at + 1;
        }
    }
    text.len()
}

/// The length of the matchers at the start of `text`, with their braces.
fn braces(text: &str) -> usize {
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        at += match character {
            '"' | '\'' | '`' => quoted(&text[at..]),
            '}' => return at + 1,
            other => other.len_utf8(),
        };
    }
    text.len()
}

/// From the scrape to the reading: what was scraped must have been stored.
const STORED: SignedDuration = SignedDuration::from_millis(250);

/// When the next reading is due.
#[derive(Debug)]
pub(super) struct Pace {
    /// World time.
    interval: SignedDuration,
    newest: Option<Timestamp>,
}

impl Pace {
    /// The moment of world time of the reading after the one at `read`: a whole number of intervals
    /// after the newest sample, so that it comes right after another one wherever the interval is a
    /// multiple of the scrapes' or they are one of it. Without a sample, an interval later.
    pub(super) fn next(&self, read: Timestamp) -> Timestamp {
        let after = |at: Timestamp, wait: SignedDuration| at.saturating_add(wait).unwrap_or(at);
        let plain = after(read, self.interval);
        let Some(newest) = self.newest else { return plain };
        let due = after(newest, STORED);
        // A clock that runs apart, or a server that was handed old samples, must not set the pace.
        if due > plain {
            return plain;
        }
        let (step, half) = (self.interval.as_millis().max(1), (self.interval / 2).as_millis());
        let passed = read.duration_since(due).as_millis() + half;
        let n = passed.div_euclid(step) + i128::from(passed.rem_euclid(step) > 0);
        let wait = i64::try_from(n.max(0) * step).map_or(self.interval, SignedDuration::from_millis);
        after(due, wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::watch::metrics::{METRICS, default_expression};

    #[test]
    fn the_series_of_an_expression_are_found() {
        for (expression, expected) in [
            ("up", vec!["up"]),
            (
                r#"sum by (job, code) (rate(http:requests_total{code=~"5..}"}[1m] offset 5m))"#,
                vec![r#"http:requests_total{code=~"5..}"}"#],
            ),
            (r#"{__name__="up"} > bool 0.5e3"#, vec![r#"{__name__="up"}"#]),
            ("a / on(instance) group_left(version) b or vector(0)", vec!["a", "b"]),
            ("sum(a) without (x) # b is not meant\n - A", vec!["a", "A"]),
            ("rate(a {x='}'} [5m:15s]) and a{x='}'}", vec!["a{x='}'}"]),
            ("max_over_time(deriv(a[1h])[30m:])", vec!["a"]),
            ("time() - 5 ^ 1e3", vec![]),
            (r#"label_replace(a, "b", "$1", "c", "(.*)")"#, vec!["a"]),
        ] {
            assert_eq!(selectors(expression), expected, "{expression}");
        }
        assert_eq!(question("1 + 1"), None);
        assert_eq!(question("a / b{c=\"d\"}").unwrap(), "max(timestamp(a) or timestamp(b{c=\"d\"}))");
        for metric in METRICS {
            assert!(question(default_expression(metric)).is_some(), "{metric:?}");
        }
    }

    fn at(seconds: i64, millis: i32) -> Timestamp {
        Timestamp::new(seconds, millis * 1_000_000).unwrap()
    }

    #[test]
    fn the_next_reading_comes_right_after_a_scrape() {
        let mut pace = Pace { interval: SignedDuration::from_secs(15), newest: None };
        assert_eq!(pace.next(at(1000, 0)), at(1015, 0), "nothing is known yet");
        pace.newest = Some(at(991, 0));
        assert_eq!(pace.next(at(1000, 0)), at(1021, 250), "1006.25 would be too soon");
        assert_eq!(pace.next(at(995, 0)), at(1006, 250));
        pace.newest = Some(at(1006, 0));
        assert_eq!(pace.next(at(1006, 300)), at(1021, 250), "in step");
        pace.newest = Some(at(1200, 0));
        assert_eq!(pace.next(at(1006, 300)), at(1021, 300), "a sample from the future");
    }

    proptest! {
        #[test]
        fn readings_keep_their_distance(read in 0_i64..10_000, age_ms in 0_i64..100_000, step in 1_i64..60) {
            let read = at(1_000_000 + read, 0);
            let newest = Some(read - SignedDuration::from_millis(age_ms));
            let pace = Pace { interval: SignedDuration::from_secs(step), newest };
            let wait = pace.next(read).duration_since(read).as_millis();
            prop_assert!((step * 500..=step * 1500 + 1).contains(&(wait as i64)), "{wait} ms");
        }

        #[test]
        fn no_expression_breaks_it(expression in r#"[a-c(){}\[\]"'`\\#\n é=~0-9,_:.]{0,40}"#) {
            for selector in selectors(&expression) {
                let name = selector.split('{').next().unwrap();
                prop_assert!(!selector.is_empty() && expression.contains(name));
            }
        }
    }
}
