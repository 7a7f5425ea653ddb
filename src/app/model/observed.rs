//! What was seen of the world, and what `watch` concludes from it.

use std::collections::BTreeMap;

use crate::watch::rollout::{RolloutHistory, RolloutVerdict};
use crate::watch::{HealthReading, Link, Moment, System, TargetRef, WorkloadFacts};

#[derive(Debug, Default)]
pub struct Observed {
    pub workloads: BTreeMap<TargetRef, Seen>,
    pub health: Option<HealthReading>,
    pub links: BTreeMap<System, Link>,
    /// When each system last answered anything.
    pub last_ok: BTreeMap<System, Moment>,
    /// When the way back was last tested to the end.
    pub armed_at: Option<Moment>,
}

/// One workload: its newest facts, their age and the verdict on them.
#[derive(Debug)]
pub struct Seen {
    pub facts: WorkloadFacts,
    pub at: Moment,
    pub verdict: RolloutVerdict,
    pub history: RolloutHistory,
}
