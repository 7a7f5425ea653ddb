//! The waits of a controller whose work fails: doubled each time, as the work queues of Kubernetes do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::after;

const FIRST_S: f64 = 0.005;
const LONGEST_S: f64 = 1_000.0;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    failures: u32,
    /// When to try again; `None` when nothing failed.
    pub at: Option<Timestamp>,
}

impl Retry {
    pub fn failed(&mut self, now: Timestamp) {
        let wait_s = FIRST_S * 2_f64.powi(i32::try_from(self.failures.min(30)).unwrap_or(30));
        self.failures = self.failures.saturating_add(1);
        self.at = Some(after(now, wait_s.min(LONGEST_S)));
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// When the next try is due, unless it is already.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.at.filter(|at| *at > now)
    }

    /// Whether a try would be too early.
    pub fn rests(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| now < at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_and_a_success_forgets_them() {
        let now = Timestamp::from_second(1_000).unwrap();
        let mut retry = Retry::default();
        let waits: Vec<i64> = (0..4)
            .map(|_| {
                retry.failed(now);
                retry.at.unwrap().duration_since(now).as_millis() as i64
            })
            .collect();
        assert_eq!(waits, [5, 10, 20, 40]);
        for _ in 0..40 {
            retry.failed(now);
        }
        assert_eq!(retry.at, Some(after(now, LONGEST_S)));
        retry.succeeded();
        assert!(!retry.rests(now));
    }
}
