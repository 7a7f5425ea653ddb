//! How long a rollout takes at the least, by what its pods' probes and its strategy allow.

use jiff::SignedDuration;

use crate::watch::facts::{ContainerFacts, UpdateStrategy, WorkloadFacts};
use crate::workflow::Kind;

/// The least time in which all pods of a workload can be replaced.
///
/// - Shape: `None` without a readiness probe that says anything about it, and where a person or a
///   controller decides the pace. Pulling images and starting programs come on top.
/// - Source: initial delays, success thresholds and `minReadySeconds`, once for each round of pods that
///   `maxSurge` and `maxUnavailable` let through.
pub fn least(facts: &WorkloadFacts) -> Option<SignedDuration> {
    let rounds = rounds(facts)?;
    let pod = facts.pods.iter().find(|pod| !pod.containers.is_empty())?;
    let slowest = pod.containers.iter().filter(|container| !container.init).map(answers_after).max()??;
    let each = slowest + SignedDuration::from_secs(facts.min_ready_s.into());
    (!each.is_zero()).then(|| each * i32::try_from(rounds).unwrap_or(i32::MAX))
}

/// From a container's start to the first moment at which it can count as ready.
fn answers_after(container: &ContainerFacts) -> Option<SignedDuration> {
    let of = |delay: u32, successes: u32, period: u32| {
        SignedDuration::from_secs(
            i64::from(delay) + i64::from(successes.saturating_sub(1)) * i64::from(period),
        )
    };
    let readiness = container.readiness.as_ref()?;
    let ready = of(readiness.initial_delay_s, readiness.success_threshold, readiness.period_s);
    let started = container.startup.as_ref().map(|probe| of(probe.initial_delay_s, 1, probe.period_s));
    Some(started.map_or(ready, |started| started.max(ready)))
}

/// How often pods are replaced one after another.
fn rounds(facts: &WorkloadFacts) -> Option<u32> {
    let replicas = facts.spec_replicas;
    let at_once = match &facts.strategy {
        UpdateStrategy::Recreate => replicas,
        UpdateStrategy::Ordinals { .. } => 1,
        UpdateStrategy::RollingUpdate => {
            let of =
                |bound: &Option<String>, up| bound.as_deref().and_then(|bound| pods(bound, replicas, up));
            // A DaemonSet has one of its own; a Deployment always has both written out.
            let default = if facts.target.kind == Kind::DaemonSet { 1 } else { 0 };
            of(&facts.max_surge, true).unwrap_or(0) + of(&facts.max_unavailable, false).unwrap_or(default)
        }
        _ => return None,
    };
    (replicas > 0 && at_once > 0).then(|| replicas.div_ceil(at_once))
}

/// A bound as written, `1` or `25%`, in pods; a surge is rounded up, what may be missing down.
fn pods(bound: &str, replicas: u32, up: bool) -> Option<u32> {
    match bound.strip_suffix('%') {
        None => bound.parse().ok(),
        Some(percent) => {
            let hundredths = percent.parse::<u32>().ok()?.saturating_mul(replicas);
            Some(if up { hundredths.div_ceil(100) } else { hundredths / 100 })
        }
    }
}
