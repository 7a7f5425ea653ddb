//! An Argo Rollout: what its controller says, in the order in which its controller and its client
//! decide, and what its pods say beside that.
//!
//! Checked against Argo Rollouts 1.10, `CalculateRolloutPhase` and `GetRolloutPhase`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::counts::{self, Fact};
use super::doom::Trouble;
use crate::watch::facts::{
    Analysis, ArgoFacts, ArgoPause, CanaryStep, Condition, PodFacts, UpdateStrategy, WorkloadFacts,
};

/// What the controller's own words decide before anything is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Failed {
        fact: Fact,
        trouble: Trouble,
    },
    Paused {
        fact: Fact,
        since: Option<Timestamp>,
        resumes_at: Option<Timestamp>,
    },
    /// It waits for itself; no clock runs meanwhile.
    Waiting(Fact),
}

pub(super) const DEADLINE: &str = "ProgressDeadlineExceeded";

/// - `deadline_is_ripe`: whether this rollout had its time, so that a deadline that passed is its own.
pub(super) fn said(facts: &WorkloadFacts, argo: &ArgoFacts, deadline_is_ripe: bool) -> Option<Said> {
    if let Some(said) = degraded(facts, argo, deadline_is_ripe) {
        return Some(said);
    }
    if argo.controller_pause && argo.pauses.is_empty() && !facts.paused {
        return Some(Said::Waiting(Fact::new("status.controllerPause", "waiting to unpause")));
    }
    if facts.paused {
        let words = "spec.paused: promote it to go on".to_owned();
        return Some(Said::Paused { fact: Fact::new("spec.paused", words), since: None, resumes_at: None });
    }
    let pause = argo.pauses.first()?;
    let resumes_at = ends_at(argo, pause);
    let fact = Fact::new("status.pauseConditions", pause_words(argo, pause, resumes_at.is_some()));
    Some(Said::Paused { fact, since: pause.since, resumes_at })
}

fn degraded(facts: &WorkloadFacts, argo: &ArgoFacts, deadline_is_ripe: bool) -> Option<Said> {
    let failed = |decider, words: String, reason: &str, message: &str| {
        let trouble = Trouble::of_workload(decider, reason, message);
        Some(Said::Failed { fact: Fact::new(decider, words), trouble })
    };
    let is = |condition: &&Condition| condition.kind == "InvalidSpec" && condition.status != "False";
    if let Some(condition) = facts.conditions.iter().find(is) {
        let words = format!("invalid spec: {}", condition.message);
        return failed("InvalidSpec.message", words, "InvalidSpec", &condition.message);
    }
    if argo.aborted {
        let why = ended_badly(argo).map(words_of).or_else(|| said_message(argo)).unwrap_or_default();
        let why = if why.is_empty() { why } else { format!(" ({why})") };
        let words = format!("aborted{why}: traffic is back on stable, the spec still holds the new version");
        return failed("status.abort", words, "RolloutAborted", &argo.message);
    }
    if argo.phase != "Degraded" {
        return None;
    }
    let progressing = facts.conditions.iter().find(|condition| condition.kind == "Progressing");
    let passed = progressing.filter(|condition| condition.reason == DEADLINE);
    match passed {
        // The phase is of the observed generation, and so is the deadline, unless the change before
        // ours set it and the controller has only begun with ours.
        Some(_) if !deadline_is_ripe => None,
        Some(condition) => {
            let words = match step_words(argo) {
                Some(step) => format!("progress deadline exceeded at {step}"),
                None => "progress deadline exceeded".to_owned(),
            };
            failed("Progressing.reason", words, DEADLINE, &condition.message)
        }
        None => {
            let reason = progressing.map_or("", |condition| condition.reason.as_str());
            let reason = if reason.is_empty() { "Degraded" } else { reason };
            let message = said_message(argo).unwrap_or_else(|| reason.to_owned());
            failed("status.phase", format!("degraded: {message}"), reason, &argo.message)
        }
    }
}

fn said_message(argo: &ArgoFacts) -> Option<String> {
    (!argo.message.is_empty()).then(|| argo.message.clone())
}

fn ended_badly(argo: &ArgoFacts) -> Option<&Analysis> {
    argo.analyses.iter().rev().find(|analysis| matches!(analysis.phase.as_str(), "Failed" | "Error"))
}

/// Analyses that run right now.
fn running(argo: &ArgoFacts) -> impl Iterator<Item = &Analysis> {
    argo.analyses.iter().filter(|analysis| matches!(analysis.phase.as_str(), "Running" | "Pending"))
}

fn words_of(analysis: &Analysis) -> String {
    let phase = if analysis.phase.is_empty() { "Pending" } else { &analysis.phase };
    let message = if analysis.message.is_empty() { String::new() } else { format!(": {}", analysis.message) };
    format!("analysis {} {phase}{message}", analysis.name)
}

fn ends_at(argo: &ArgoFacts, pause: &ArgoPause) -> Option<Timestamp> {
    let CanaryStep::Pause { duration_s: Some(seconds) } = current_step(argo)? else { return None };
    if pause.reason != "CanaryPauseStep" {
        return None;
    }
    pause.since?.checked_add(SignedDuration::from_secs(i64::from(*seconds))).ok()
}

fn pause_words(argo: &ArgoFacts, pause: &ArgoPause, ends: bool) -> String {
    let step = step_words(argo);
    match pause.reason.as_str() {
        "CanaryPauseStep" if ends => {
            format!("{}: goes on by itself", step.unwrap_or_else(|| "pause".to_owned()))
        }
        "CanaryPauseStep" => {
            let step = step.unwrap_or_else(|| "pause".to_owned());
            format!("{step}: promote to go on, abort to send traffic back")
        }
        "BlueGreenPause" => "before the switch: promote to send traffic to the new version".to_owned(),
        "InconclusiveAnalysisRun" => {
            let analysis = argo.analyses.iter().rev().find(|analysis| analysis.phase == "Inconclusive");
            let which = analysis.map_or_else(|| "an analysis is inconclusive".to_owned(), words_of);
            format!("{which}: promote to go on all the same, or abort")
        }
        other => format!("paused by {other}: promote to go on, or abort"),
    }
}

fn current_step(argo: &ArgoFacts) -> Option<&CanaryStep> {
    argo.steps.get(usize::try_from(argo.step?).ok()?)
}

/// `step 2 of 6: setWeight 25`; `None` when no step runs.
pub fn step_words(argo: &ArgoFacts) -> Option<String> {
    let step = current_step(argo)?;
    Some(format!("step {} of {}: {}", argo.step? + 1, argo.steps.len(), name_of(step)))
}

/// As the object writes it, on one line.
pub fn name_of(step: &CanaryStep) -> String {
    match step {
        CanaryStep::SetWeight(percent) => format!("setWeight {percent}"),
        CanaryStep::Pause { duration_s: Some(seconds) } => format!("pause {seconds} s"),
        CanaryStep::Pause { duration_s: None } => "pause".to_owned(),
        CanaryStep::Analysis => "analysis".to_owned(),
        CanaryStep::Other(word) => word.clone(),
    }
}

/// Whether the controller waits for a verdict or a time, not for pods: no deadline runs then.
pub(super) fn is_waiting(facts: &WorkloadFacts, argo: &ArgoFacts) -> bool {
    let by_step = !is_promoted(facts)
        && current_step(argo).is_some_and(|step| match step {
            CanaryStep::Pause { .. } | CanaryStep::Analysis => true,
            CanaryStep::Other(word) => word.starts_with("experiment"),
            CanaryStep::SetWeight(_) => false,
        });
    by_step || running(argo).next().is_some()
}

/// The new version is what the controller calls stable.
fn is_promoted(facts: &WorkloadFacts) -> bool {
    facts.stable_revision.is_some() && facts.stable_revision == facts.target_revision
}

/// What is missing, in the controller's own order; its steps come first, because they say why not
/// all pods are new yet.
pub(super) fn missing(facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<Fact> {
    let Some(argo) = facts.argo.as_deref() else {
        return Some(Fact::new("status.phase", "its own status was not read"));
    };
    let wanted = facts.spec_replicas;
    if wanted == 0 && facts.replicas == 0 {
        return None; // nothing runs, and its steps have nothing to act on
    }
    let promoted = is_promoted(facts);
    if let Some(step) = step_words(argo).filter(|_| !promoted && !argo.promoted) {
        return Some(Fact::new("status.currentStepIndex", with_analysis(argo, with_weight(argo, step))));
    }
    if let Some(short) = Fact::short("status.updatedReplicas", "updated", facts.updated, wanted) {
        return Some(short);
    }
    // With weighted traffic, and in blue-green, the old pods stay a while on purpose.
    let keeps_no_old = facts.strategy == UpdateStrategy::Canary && argo.weight.is_none();
    let old = facts.replicas.saturating_sub(facts.updated);
    if let Some(short) = counts::available(facts) {
        return Some(short);
    }
    if facts.strategy == UpdateStrategy::BlueGreen && argo.is_active == Some(false) {
        let words = with_analysis(argo, "the active service still selects the old version".to_owned());
        return Some(Fact::new("status.blueGreen.activeSelector", words));
    }
    if keeps_no_old && old > 0 {
        return Some(Fact::new("status.replicas", format!("{old} old left")));
    }
    if !promoted {
        let stable = facts.stable_revision.as_deref().unwrap_or("nothing");
        let words = with_analysis(argo, format!("stable is still {stable}"));
        return Some(Fact::new("status.stableRS", words));
    }
    if let Some(short) = counts::ready(pods, wanted) {
        return Some(short);
    }
    (argo.phase != "Healthy").then(|| {
        let phase = if argo.phase.is_empty() { "nothing yet" } else { &argo.phase };
        let message = if argo.message.is_empty() { String::new() } else { format!(": {}", argo.message) };
        Fact::new("status.phase", format!("the controller says {phase}{message}"))
    })
}

fn with_weight(argo: &ArgoFacts, step: String) -> String {
    match (current_step(argo), argo.weight) {
        (Some(CanaryStep::SetWeight(wanted)), Some(now)) if now != *wanted => {
            format!("{step}, now {now} %")
        }
        _ => step,
    }
}

fn with_analysis(argo: &ArgoFacts, words: String) -> String {
    match running(argo).last() {
        Some(analysis) => format!("{words}, {}", words_of(analysis)),
        None => words,
    }
}

/// What a person can tell a rollout to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// End the pause it stands in.
    Promote,
    /// Leave all remaining steps, pauses and analyses out.
    PromoteFull,
    /// Send traffic back to stable.
    Abort,
    /// Begin the steps again after an abort.
    Retry,
}

impl Order {
    pub const ALL: [Order; 4] = [Order::Promote, Order::PromoteFull, Order::Abort, Order::Retry];
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Order::Promote => "promote",
            Order::PromoteFull => "promote in full",
            Order::Abort => "abort",
            Order::Retry => "retry",
        })
    }
}

/// Why an order would do nothing or harm now, in words; `None` when it applies.
///
/// - Shape: promoting never skips a step that runs, though Argo's own command line does; aborting
///   when nothing is under way once scaled the stable version down (argo-rollouts#1292).
pub fn why_not(facts: &WorkloadFacts, order: Order) -> Option<String> {
    let target = &facts.target;
    let Some(argo) = facts.argo.as_deref().filter(|_| facts.unread.is_none() && !facts.gone) else {
        return Some(format!("{target} is not an Argo Rollout that can be read"));
    };
    let is_paused = facts.paused || !argo.pauses.is_empty();
    let words = match order {
        Order::Promote if argo.aborted => "it was aborted: retry it, or put its spec back",
        Order::Promote if is_paused => return None,
        Order::Promote => match step_words(argo).filter(|_| !is_promoted(facts)) {
            Some(step) => {
                return Some(format!("{target} is not paused: {step} runs, and is not skipped"));
            }
            None => "it is not paused: there is nothing to promote",
        },
        Order::PromoteFull if argo.aborted => "it was aborted: retry it, or put its spec back",
        Order::PromoteFull if argo.promoted => "its remaining steps are being left out already",
        Order::PromoteFull if is_promoted(facts) && !facts.paused => "its new version is stable already",
        Order::Abort if argo.aborted => "it was aborted already",
        Order::Abort if facts.stable_revision.is_none() => "it has no stable version to go back to",
        Order::Abort if is_promoted(facts) => {
            "nothing is under way: its new version is stable, so put the spec back instead"
        }
        Order::Retry if !argo.aborted => "it was not aborted",
        Order::PromoteFull | Order::Abort | Order::Retry => return None,
    };
    Some(format!("{target}: {words}"))
}

/// What an order will do, for the question before it is sent.
pub fn consequence(facts: &WorkloadFacts, order: Order) -> Vec<String> {
    let argo = facts.argo.as_deref();
    let stable = facts.stable_revision.as_deref().unwrap_or("the stable version");
    let target = facts.target_revision.as_deref().unwrap_or("the new version");
    match order {
        Order::Promote => {
            let next = argo.and_then(|argo| {
                let at = usize::try_from(argo.step?).ok()? + 1;
                let step = argo.steps.get(at)?;
                Some(format!("goes on with step {} of {}: {}", at + 1, argo.steps.len(), name_of(step)))
            });
            let last = match facts.strategy {
                UpdateStrategy::BlueGreen => format!("the active service switches to {target}"),
                _ => format!("ends the pause; no step is left, so {target} becomes stable"),
            };
            vec![next.unwrap_or(last)]
        }
        Order::PromoteFull => {
            let left = argo.map_or(0, |argo| {
                argo.steps
                    .len()
                    .saturating_sub(argo.step.and_then(|at| usize::try_from(at).ok()).unwrap_or(0))
            });
            vec![
                format!("all traffic goes to {target} as soon as its pods are ready"),
                format!("{left} steps are left out, their pauses and analyses with them"),
            ]
        }
        Order::Abort => vec![
            format!("all traffic goes back to {stable}, and the pods of {target} are scaled down"),
            "the spec still holds the new version: the rollout stays degraded until it is put back"
                .to_owned(),
        ],
        Order::Retry => vec![format!("its steps begin again at the first, with {target}")],
    }
}
