//! The nine states of a rollout, each with the field that decided it.
//!
//! `kubectl rollout status` never looks at pods, trusts a deadline condition that may belong to the
//! rollout before, and calls a rollout done that broke a second later. This judgement looks at all
//! of it, in one fixed order of precedence, and keeps judging after "complete".

mod doom;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{PodFacts, WorkloadFacts};
use crate::workflow::Kind;
pub use doom::Trouble;

/// What we conclude about a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// Deleted, or deleted and made anew under the same name.
    Gone,
    /// Kubernetes has not looked at the change yet: nothing else it says can be trusted.
    Unobserved,
    /// The template is neither the pinned one nor ours: somebody else deployed.
    Superseded,
    Paused,
    Failed,
    /// No progress, or a pod that will not come up by itself: advice, not a verdict.
    Stuck,
    Progressing,
    /// All pods are up, and have not yet held long enough.
    Settling,
    Complete,
    /// The facts do not suffice; never taken for good or bad.
    Unknown,
}

impl RolloutState {
    /// The word on the screen; gone and superseded appear as failures with their own reason.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unobserved => "WAITING",
            Self::Gone | Self::Superseded | Self::Failed => "FAILED",
            Self::Paused => "PAUSED",
            Self::Stuck => "STUCK",
            Self::Progressing => "PROGRESSING",
            Self::Settling => "SETTLING",
            Self::Complete => "COMPLETE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The name in machine-readable output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Unobserved => "unobserved",
            Self::Superseded => "superseded",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Progressing => "progressing",
            Self::Settling => "settling",
            Self::Complete => "complete",
            Self::Unknown => "unknown",
        }
    }

    pub fn is_failure(self) -> bool {
        matches!(self, Self::Gone | Self::Superseded | Self::Failed)
    }
}

/// Which pod template the workload may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedTemplate {
    /// Watching only: every template is as good as another.
    Any,
    /// None of our outside commands has run: it stays what it was at the start.
    Unchanged { print: String },
    /// One of our commands ran: the first template other than `from` that carries `version` is ours.
    Version { from: String, version: String },
    /// Exactly this one, as after a rollback.
    Print(String),
}

/// What the release knows beforehand and the judgement measures against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The object's UID at the start of the release.
    pub uid: Option<String>,
    /// When our change was made, in world time. `None` while we only watch.
    pub started_at: Option<Timestamp>,
    pub template: ExpectedTemplate,
    /// Units: seconds of ready and restart-free pods; never below the workload's minReadySeconds.
    pub settle_s: u32,
    /// Units: seconds without progress after which a rollout is called stuck.
    pub stuck_after_s: u32,
}

impl Expectation {
    pub const SETTLE_S: u32 = 10;
    /// Services that take a minute and a half to warm up are common; "stuck" is advice for what takes longer.
    pub const STUCK_AFTER_S: u32 = 120;

    /// Watches a workload of which nothing is expected.
    pub fn watching() -> Self {
        Self {
            uid: None,
            started_at: None,
            template: ExpectedTemplate::Any,
            settle_s: Self::SETTLE_S,
            stuck_after_s: Self::STUCK_AFTER_S,
        }
    }
}

/// Pods as the workload's own status counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub desired: u32,
    pub updated: u32,
    pub ready: u32,
    pub available: u32,
    /// Pods of earlier revisions that still count as replicas.
    pub old: u32,
}

/// The conclusion, and everything a screen says beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutVerdict {
    pub state: RolloutState,
    /// The fact that decided, in words: `available 3 < 4`.
    pub field: String,
    /// The pod most in need of a look, if any; also given while the rollout still progresses.
    pub trouble: Option<Trouble>,
    /// Complete, but a person should know this.
    pub warning: Option<String>,
    /// Whether the template is the one that the release put there (or only watches).
    pub ours: bool,
    pub counts: Counts,
    pub revision: Option<u64>,
    /// When this state began, in world time.
    pub since: Timestamp,
    /// When the verdict may change without a new fact: judge again then.
    pub wake_at: Option<Timestamp>,
}

impl RolloutVerdict {
    /// The verdict while nothing is known, such as before the first facts arrive.
    pub fn unknown(why: impl Into<String>, now: Timestamp) -> Self {
        Self {
            state: RolloutState::Unknown,
            field: why.into(),
            trouble: None,
            warning: None,
            ours: false,
            counts: Counts::default(),
            revision: None,
            since: now,
            wake_at: None,
        }
    }
}

/// What one judgement must remember for the next. One per workload and release.
#[derive(Debug, Clone, Default)]
pub struct RolloutHistory {
    /// The template judged last; a new one starts the clocks anew.
    print: Option<String>,
    /// When the template changed before our eyes; `None` if it has been this one ever since.
    changed_at: Option<Timestamp>,
    /// The template that was recognised as ours, under which expectation.
    adopted: Option<(ExpectedTemplate, String)>,
    progress: Option<Progress>,
    settle: Option<Settle>,
    /// Pods once found doomed stay so until they are ready: a crash loop runs between two crashes,
    /// and a missing image alternates between two reasons.
    doomed: BTreeMap<String, Trouble>,
    /// A pod broke while settling; stands until a whole settle time has passed.
    unstable: Option<(String, Trouble)>,
    state: Option<(RolloutState, Timestamp)>,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    updated: u32,
    ready: u32,
    available: u32,
    old: u32,
    desired: u32,
    at: Timestamp,
}

#[derive(Debug, Clone)]
struct Settle {
    since: Timestamp,
    /// Restarts by pod UID when the interval began.
    restarts: BTreeMap<String, u32>,
    /// The interval was passed: the rollout was complete once.
    held: bool,
}

/// Judges one workload by its newest facts.
///
/// - Shape: facts of an older moment than the last ones given are a caller's mistake; time that
///   stands still or jumps back is harmless.
/// - Source: the precedence of the nine states follows the field notes on rollouts, section 1.
pub fn judge(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
) -> RolloutVerdict {
    let finding = find(facts, expect, history, now);
    let since = match history.state {
        Some((state, since)) if state == finding.state => since,
        _ => now,
    };
    history.state = Some((finding.state, since));
    RolloutVerdict {
        state: finding.state,
        field: finding.field,
        trouble: finding.trouble,
        warning: finding.warning,
        ours: finding.ours,
        counts: counts(facts),
        revision: facts.revision,
        since,
        wake_at: finding.wake_at,
    }
}

struct Finding {
    state: RolloutState,
    field: String,
    trouble: Option<Trouble>,
    warning: Option<String>,
    ours: bool,
    wake_at: Option<Timestamp>,
}

impl Finding {
    fn new(state: RolloutState, field: impl Into<String>) -> Self {
        Self { state, field: field.into(), trouble: None, warning: None, ours: true, wake_at: None }
    }

    fn about(mut self, trouble: Option<Trouble>) -> Self {
        self.trouble = trouble;
        self
    }

    fn waking(mut self, at: Option<Timestamp>) -> Self {
        self.wake_at = at;
        self
    }
}

fn counts(facts: &WorkloadFacts) -> Counts {
    Counts {
        desired: facts.spec_replicas,
        updated: facts.updated,
        ready: facts.ready,
        available: facts.available,
        old: facts.replicas.saturating_sub(facts.updated),
    }
}

fn find(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
) -> Finding {
    use RolloutState as State;
    let target = &facts.target;
    if let Some(why) = &facts.unread {
        return Finding::new(State::Unknown, why.clone());
    }
    if facts.gone {
        return Finding::new(State::Gone, format!("{target} does not exist"));
    }
    if expect.uid.as_ref().is_some_and(|uid| *uid != facts.uid) {
        return Finding::new(State::Gone, format!("{target} was deleted and made anew (its uid changed)"));
    }
    if facts.target.kind != Kind::Deployment {
        return Finding::new(State::Unknown, format!("a {} is not judged", target.kind.as_str()));
    }
    history.note_template(facts, now);

    match facts.observed_generation {
        Some(observed) if observed > 0 && observed >= facts.generation => {}
        observed => {
            let observed = observed.unwrap_or(0);
            let field = format!("observed generation {observed} < {}", facts.generation);
            return Finding { ours: false, ..Finding::new(State::Unobserved, field) };
        }
    }
    match ownership(facts, expect, history) {
        Ownership::Ours => {}
        Ownership::NotYet(field) => {
            return Finding { ours: false, ..Finding::new(State::Unobserved, field) };
        }
        Ownership::SomebodyElse(field) => {
            return Finding { ours: false, ..Finding::new(State::Superseded, field) };
        }
    }
    if facts.paused {
        // A paused rollout neither progresses nor gets stuck: its clocks start anew on resume.
        history.progress = None;
        history.settle = None;
        return Finding::new(State::Paused, "spec.paused");
    }

    history.note_progress(facts, now);
    history.note_doomed(facts);
    let pods: Vec<&PodFacts> = target_pods(facts).collect();
    let remaining = remaining(facts, &pods);
    match remaining {
        Some(field) => unfinished(facts, expect, history, now, &pods, field),
        None => finished(facts, expect, history, now, &pods),
    }
}

enum Ownership {
    Ours,
    NotYet(String),
    SomebodyElse(String),
}

fn ownership(facts: &WorkloadFacts, expect: &Expectation, history: &mut RolloutHistory) -> Ownership {
    let images = image_list(facts);
    match &expect.template {
        ExpectedTemplate::Any => Ownership::Ours,
        ExpectedTemplate::Unchanged { print } | ExpectedTemplate::Print(print) => {
            if facts.template_print == *print {
                Ownership::Ours
            } else {
                Ownership::SomebodyElse(format!("template is somebody else's: {images}"))
            }
        }
        ExpectedTemplate::Version { from, version } => {
            // A further command of ours is a new expectation, and may bring a new template.
            if history.adopted.as_ref().is_some_and(|(under, _)| *under != expect.template) {
                history.adopted = None;
            }
            match &history.adopted {
                Some((_, adopted)) if *adopted == facts.template_print => Ownership::Ours,
                Some(_) => {
                    Ownership::SomebodyElse(format!("template changed again after {version}: {images}"))
                }
                None if facts.template_print == *from && carries(facts, version) => Ownership::Ours,
                None if facts.template_print == *from => {
                    Ownership::NotYet(format!("template still carries {images}, not {version}"))
                }
                None if carries(facts, version) => {
                    history.adopted = Some((expect.template.clone(), facts.template_print.clone()));
                    Ownership::Ours
                }
                None => Ownership::SomebodyElse(format!("template carries {images}, not {version}")),
            }
        }
    }
}

fn image_list(facts: &WorkloadFacts) -> String {
    let mut images: Vec<&str> = facts.images.iter().map(|image| image.image.as_str()).collect();
    if let Some(name) = &facts.target.container {
        let own: Vec<&str> =
            facts.images.iter().filter(|i| i.container == *name).map(|i| i.image.as_str()).collect();
        if !own.is_empty() {
            images = own;
        }
    }
    if images.is_empty() { "no image".to_owned() } else { images.join(", ") }
}

/// Whether the template's image is of this version: of the container that the release changes, or
/// of any container when none is named.
pub fn carries(facts: &WorkloadFacts, version: &str) -> bool {
    let named = facts.target.container.as_deref();
    let known = named.is_some_and(|name| facts.images.iter().any(|image| image.container == name));
    facts
        .images
        .iter()
        .filter(|image| !known || named == Some(image.container.as_str()))
        .any(|image| tag_is(&image.image, version))
}

/// `app:1.3.0`, `app:v1.3.0@sha256:…` and `app:v1.3.0-arm64` are `v1.3.0`; `app:v1.3.0-rc.1` is not.
fn tag_is(image: &str, version: &str) -> bool {
    const PRE_RELEASE: [&str; 6] = ["rc", "alpha", "beta", "pre", "dev", "snapshot"];
    let without_digest = image.split('@').next().unwrap_or(image);
    let Some((_, tag)) = without_digest.rsplit_once(':') else { return false };
    if tag.contains('/') {
        return false; // the colon belonged to a registry's port
    }
    let (tag, version) = (bare(tag), bare(version));
    let Some(rest) = tag.strip_prefix(version) else { return false };
    match rest.strip_prefix(['-', '_', '+']) {
        _ if version.is_empty() => false,
        None => rest.is_empty(),
        Some(suffix) => {
            let suffix = suffix.to_ascii_lowercase();
            !PRE_RELEASE.iter().any(|word| suffix.starts_with(word))
        }
    }
}

fn bare(version: &str) -> &str {
    match version.strip_prefix('v') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => version,
    }
}

/// Pods of the revision being rolled out that count: those on their way out do not, nor do those
/// that their node threw out.
fn target_pods(facts: &WorkloadFacts) -> impl Iterator<Item = &PodFacts> {
    facts
        .pods
        .iter()
        .map(AsRef::as_ref)
        .filter(|pod| facts.is_new(pod) && !pod.ending && !doom::thrown_out(pod))
}

/// What is missing until every pod is up, or `None`.
fn remaining(facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<String> {
    let wanted = facts.spec_replicas;
    if facts.updated < wanted {
        return Some(format!("updated {} < {wanted}", facts.updated));
    }
    if facts.replicas > facts.updated {
        return Some(format!("{} old left", facts.replicas - facts.updated));
    }
    // Kubernetes leaves `updated` above `wanted` while an autoscaler shrinks the workload.
    if facts.available < facts.updated.min(wanted) {
        return Some(format!("available {} < {wanted}", facts.available));
    }
    if facts.updated > wanted {
        return Some(format!("{} more than the {wanted} wanted", facts.updated - wanted));
    }
    let n_ready = pods.iter().filter(|pod| pod.ready).count();
    (n_ready < wanted as usize).then(|| format!("ready pods {n_ready} < {wanted}"))
}

fn unfinished(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
    pods: &[&PodFacts],
    field: String,
) -> Finding {
    use RolloutState as State;
    let doomed = pods.iter().filter(|pod| history.doomed.contains_key(&pod.uid)).count();
    let first_doomed = pods.iter().find_map(|pod| history.doomed.get(&pod.uid)).cloned();
    let unstable = history.note_break(facts, pods);

    if let Some(trouble) = deadline_passed(facts, expect, history, now) {
        let trouble = first_doomed.or_else(|| doom::worst(facts, pods)).or(Some(trouble));
        return Finding::new(State::Failed, format!("progress deadline exceeded, {field}")).about(trouble);
    }
    if let Some((field, fatal)) = doom::replica_failure(facts) {
        let state = if fatal { State::Failed } else { State::Stuck };
        return Finding::new(state, field.reason.clone()).about(Some(field));
    }
    if doomed > 0 && doomed == pods.len() {
        let words = if doomed == 1 { "the only new pod is" } else { "all new pods are" };
        return Finding::new(State::Failed, format!("{words} doomed, {field}")).about(first_doomed);
    }
    if let Some((field, trouble)) = unstable {
        return Finding::new(State::Failed, field).about(Some(trouble));
    }
    if let Some(trouble) = first_doomed {
        let field = format!("{doomed} of {} new pods doomed, {field}", pods.len());
        return Finding::new(State::Stuck, field).about(Some(trouble));
    }
    let worst = doom::worst(facts, pods);
    if let Some(trouble) = worst.clone().filter(|trouble| trouble.blocks) {
        return Finding::new(State::Stuck, field).about(Some(trouble));
    }
    let progressed_at = history.progress.map_or(now, |progress| progress.at);
    let stuck_at = plus(progressed_at, expect.stuck_after_s);
    if now >= stuck_at {
        let silent = now.duration_since(progressed_at).as_secs();
        if pods.is_empty() && facts.pods.is_empty() && facts.available > 0 {
            let field = format!("{} available, but no pod can be read", facts.available);
            return Finding::new(State::Unknown, field);
        }
        return Finding::new(State::Stuck, format!("{field}, no progress for {silent} s")).about(worst);
    }
    Finding::new(State::Progressing, field).about(worst).waking(Some(stuck_at))
}

fn finished(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &mut RolloutHistory,
    now: Timestamp,
    pods: &[&PodFacts],
) -> Finding {
    use RolloutState as State;
    // Should a pod get lost later, the time without progress counts from that moment.
    history.progress = None;
    if facts.spec_replicas == 0 {
        let mut finding = Finding::new(State::Complete, "0 replicas wanted");
        finding.warning = Some("scaled to zero: no pod runs, so nothing proves the new version".to_owned());
        return finding;
    }
    let settle_s = expect.settle_s.max(facts.min_ready_s);
    let unstable = history.note_break(facts, pods);
    let held_before = history.state.is_none() && held_for_long(pods, now, settle_s);
    let settle = history.settle.get_or_insert_with(|| Settle {
        since: if held_before { minus(now, settle_s) } else { now },
        restarts: pods.iter().map(|pod| (pod.uid.clone(), pod.restarts())).collect(),
        held: false,
    });
    for pod in pods {
        settle.restarts.entry(pod.uid.clone()).or_insert_with(|| pod.restarts());
    }
    let until = plus(settle.since, settle_s);
    if now >= until {
        settle.held = true;
        history.unstable = None;
        let n = facts.spec_replicas;
        return Finding::new(State::Complete, format!("{} of {n} available", facts.available));
    }
    if let Some((field, trouble)) = unstable {
        return Finding::new(State::Failed, field).about(Some(trouble)).waking(Some(until));
    }
    let held = now.duration_since(settle.since).as_secs().max(0);
    Finding::new(State::Settling, format!("ready for {held} of {settle_s} s")).waking(Some(until))
}

/// Whether all pods were up long before we came. A minute more than needed, because the server's
/// clock may not be ours.
fn held_for_long(pods: &[&PodFacts], now: Timestamp, settle_s: u32) -> bool {
    let since = minus(now, settle_s.saturating_add(60));
    pods.iter().all(|pod| pod.ready_since.is_some_and(|ready| ready <= since))
}

fn deadline_passed(
    facts: &WorkloadFacts,
    expect: &Expectation,
    history: &RolloutHistory,
    now: Timestamp,
) -> Option<Trouble> {
    let deadline_s = facts.progress_deadline_s?;
    let condition = facts.conditions.iter().find(|condition| {
        condition.kind == "Progressing" && condition.reason == "ProgressDeadlineExceeded"
    })?;
    // After a change the condition may still be that of the rollout before; only our own clock says
    // that this one had its time.
    let started = match (expect.started_at, history.changed_at) {
        (Some(ours), Some(seen)) => Some(ours.max(seen)),
        (ours, seen) => ours.or(seen),
    };
    let ripe = started.is_none_or(|started| now >= plus(started, deadline_s));
    ripe.then(|| Trouble::of_workload("ProgressDeadlineExceeded", &condition.message))
}

impl RolloutHistory {
    fn note_template(&mut self, facts: &WorkloadFacts, now: Timestamp) {
        if self.print.as_ref() == Some(&facts.template_print) {
            return;
        }
        if self.print.is_some() {
            self.changed_at = Some(now);
        }
        self.print = Some(facts.template_print.clone());
        self.progress = None;
        self.settle = None;
        self.doomed.clear();
        self.unstable = None;
    }

    fn note_progress(&mut self, facts: &WorkloadFacts, now: Timestamp) {
        let Counts { desired, updated, ready, available, old } = counts(facts);
        let seen = Progress { updated, ready, available, old, desired, at: now };
        let moved = self.progress.is_none_or(|last| {
            updated > last.updated
                || ready > last.ready
                || available > last.available
                || old < last.old
                || desired != last.desired
        });
        if moved {
            self.progress = Some(seen);
        } else if let Some(last) = &mut self.progress {
            // A pod lost counts as loss, and its return as progress.
            *last = Progress { at: last.at, ..seen };
        }
    }

    fn note_doomed(&mut self, facts: &WorkloadFacts) {
        let mut doomed = std::mem::take(&mut self.doomed);
        for pod in target_pods(facts).filter(|pod| !pod.ready) {
            let known = doomed.remove(&pod.uid);
            if let Some(trouble) = doom::doomed(facts, pod).or(known) {
                self.doomed.insert(pod.uid.clone(), trouble);
            }
        }
    }

    /// Notices a restart or a lost readiness since the settle interval began, and starts it anew.
    fn note_break(&mut self, facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<(String, Trouble)> {
        let Some(settle) = &self.settle else { return self.unstable.clone() };
        let broken = pods.iter().find_map(|pod| {
            let before = settle.restarts.get(&pod.uid)?;
            if pod.restarts() > *before {
                Some((*pod, "restarted"))
            } else if !pod.ready && !settle.held {
                Some((*pod, "is not ready any more"))
            } else {
                None
            }
        });
        match broken {
            Some((pod, what)) => {
                self.settle = None;
                self.unstable =
                    Some((format!("unstable: {} {what}", pod.name), doom::trouble_of(facts, pod)));
            }
            // Fewer pods than wanted, or more than before: the interval begins when all are up.
            None if remaining(facts, pods).is_some() => self.settle = None,
            None => {}
        }
        self.unstable.clone()
    }
}

fn plus(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(at)
}

fn minus(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_sub(SignedDuration::from_secs(seconds.into())).unwrap_or(at)
}
