//! What was seen of the world, and what `watch` concludes from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::past::WorkloadPast;
use crate::release::{ArmingState, LockSight};
use crate::watch::logs::LogStore;
use crate::watch::metrics::MetricsView;
use crate::watch::rollout::{RolloutHistory, RolloutVerdict};
use crate::watch::{HealthReading, Link, Moment, Need, System, TargetRef, WorkloadFacts};

#[derive(Debug)]
pub struct Observed {
    pub workloads: BTreeMap<TargetRef, Seen>,
    pub logs: LogStore,
    pub metrics: MetricsView,
    pub health: Option<HealthReading>,
    pub links: BTreeMap<System, Link>,
    /// When each system last answered anything.
    pub last_ok: BTreeMap<System, Moment>,
    /// When the way back was last tested to the end.
    pub armed_at: Option<Moment>,
    /// When it was last asked for.
    pub arm_asked_at: Option<Moment>,
    /// What was recorded of it last: only changes are.
    pub arming_told: Option<ArmingState>,
    pub pin_asked_at: Option<Moment>,
    pub probes_asked_at: Option<Moment>,
    /// When it was last looked whether a command finds what it needs.
    pub needs_asked_at: Option<Moment>,
    /// What this machine does not have, of all that was looked for.
    pub missing: BTreeSet<Need>,
    /// What past releases tell of the targets.
    pub past: BTreeMap<TargetRef, WorkloadPast>,
    /// Who else holds the lock, as long as this release does not want it yet.
    pub lock: Option<LockSight>,
    /// What the rollback would change, `- ` and `+ ` lines; empty until it is known.
    pub diff: Vec<String>,
}

impl Observed {
    pub fn new(metrics: MetricsView) -> Self {
        Self {
            workloads: BTreeMap::new(),
            logs: LogStore::default(),
            metrics,
            health: None,
            links: BTreeMap::new(),
            last_ok: BTreeMap::new(),
            armed_at: None,
            arm_asked_at: None,
            arming_told: None,
            pin_asked_at: None,
            probes_asked_at: None,
            needs_asked_at: None,
            missing: BTreeSet::new(),
            past: BTreeMap::new(),
            lock: None,
            diff: Vec::new(),
        }
    }
}

/// One workload: its newest facts, their age and the verdict on them.
#[derive(Debug)]
pub struct Seen {
    pub facts: WorkloadFacts,
    pub at: Moment,
    pub verdict: RolloutVerdict,
    pub history: RolloutHistory,
    /// The object's UID when it was first seen: another one means that it was made anew.
    pub first_uid: Option<String>,
}
