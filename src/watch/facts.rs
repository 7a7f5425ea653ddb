//! What the adapters tell about the world, in our own words: no foreign type crosses into here.
//!
//! A value that the outside did not give is `None`, never a zero that could pass for a reading.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lines::LogLines;
use super::shared::Shared;
use crate::workflow::Kind;

/// One moment on both clocks.
///
/// A rehearsal runs its world faster than the wall clock; in a real release the two are equal.
/// Soaks, timeboxes, rollouts and series live on `world`; silence, ages of connections and command
/// durations live on `wall`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    pub wall: Timestamp,
    pub world: Timestamp,
}

impl Moment {
    /// A moment of a real release, where both clocks agree.
    pub fn real(at: Timestamp) -> Self {
        Self { wall: at, world: at }
    }
}

/// A workload of this very cluster: nothing about it is left to a default any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetRef {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
    /// The container that the release changes, when the workflow names one.
    pub container: Option<String>,
}

impl std::fmt::Display for TargetRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// Everything the rollout judgement needs about one workload, read from watches.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadFacts {
    pub target: TargetRef,
    pub uid: String,
    /// Why nothing can be known of it, such as a kind that the cluster does not serve or that may
    /// not be read. All that follows then means nothing.
    pub unread: Option<String>,
    /// Set when the object was seen to go away, or was never there.
    pub gone: bool,
    pub generation: i64,
    pub observed_generation: Option<i64>,
    pub paused: bool,
    pub strategy: UpdateStrategy,
    /// For a DaemonSet: the nodes that should run a pod.
    pub spec_replicas: u32,
    pub replicas: u32,
    pub updated: u32,
    pub ready: u32,
    pub available: u32,
    /// `deployment.kubernetes.io/revision`, when present and readable.
    pub revision: Option<u64>,
    /// A hash over the pod template without `pod-template-hash`: two equal templates have equal prints.
    pub template_print: String,
    pub images: Vec<Image>,
    pub conditions: Vec<Condition>,
    /// Units: seconds. `None`: the workload never times out by itself.
    pub progress_deadline_s: Option<u32>,
    pub min_ready_s: u32,
    /// As written in the object: `1`, `25%`.
    pub max_surge: Option<String>,
    pub max_unavailable: Option<String>,
    /// Labels or annotations of a GitOps owner that would undo a change, such as `argocd: shop`.
    pub gitops_owner: Option<String>,
    /// Name of the revision being rolled out: the ReplicaSet or ControllerRevision that carries the
    /// workload's own template. `None` until the controller made it, or when it cannot be told.
    pub target_revision: Option<String>,
    /// Name of the revision that an interrupted rollout falls back to: `currentRevision` of a
    /// StatefulSet, the stable ReplicaSet of an Argo Rollout. `None` for the other kinds.
    pub stable_revision: Option<String>,
    /// Those owned by this workload, by owner UID; newest revision first.
    pub revisions: Vec<RevisionFacts>,
    /// Pods of all its revisions, those of the target revision first, then by name.
    pub pods: Vec<Shared<PodFacts>>,
    /// Warnings about the workload, its revisions and pods, newest last, bounded.
    pub events: Vec<WarningEvent>,
    /// Of an Argo Rollout only.
    pub argo: Option<Box<ArgoFacts>>,
    /// Why these facts cannot be judged, in words for a person: `its selector is empty: which pods
    /// are its own cannot be told`, `its status has no updatedReplicas`. `None`: they can.
    pub unclear: Option<String>,
}

impl WorkloadFacts {
    /// The revision whose template is the workload's own: the one being rolled out.
    pub fn current_revision(&self) -> Option<&RevisionFacts> {
        let name = self.target_revision.as_deref()?;
        self.revisions.iter().find(|revision| revision.name == name)
    }

    pub fn is_new(&self, pod: &PodFacts) -> bool {
        self.target_revision.is_some() && pod.revision.as_deref() == self.target_revision.as_deref()
    }
}

/// How a workload replaces its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateStrategy {
    /// Of a Deployment or a DaemonSet.
    RollingUpdate,
    /// All old pods go before the first new one comes.
    Recreate,
    /// Old pods stay until a person deletes them.
    OnDelete,
    /// A StatefulSet's rolling update: from the highest ordinal down to `partition`.
    Ordinals {
        /// The lowest ordinal, `spec.ordinals.start`.
        start: u32,
        /// So many pods from the first ordinal keep the old revision.
        partition: u32,
        /// `OrderedReady`: one pod must be ready before the next is touched.
        in_order: bool,
    },
    /// Of an Argo Rollout.
    Canary,
    /// Of an Argo Rollout.
    BlueGreen,
    /// One that we do not know, by the object's own word.
    Other(String),
}

/// What an Argo Rollout says about itself beside the counts.
///
/// - Source: `status` of `argoproj.io/v1alpha1` Rollouts and the AnalysisRuns they own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArgoFacts {
    /// `Healthy`, `Progressing`, `Paused`, `Degraded`; empty until the controller wrote one.
    pub phase: String,
    pub message: String,
    /// `status.abort`: traffic is back on the stable version, the spec still holds the new one.
    pub aborted: bool,
    /// `status.promoteFull`: the remaining steps are being left out.
    pub promoted: bool,
    pub pauses: Vec<ArgoPause>,
    /// `status.controllerPause`: the controller paused, though it may not say why yet.
    pub controller_pause: bool,
    pub steps: Vec<CanaryStep>,
    /// Index into `steps` of the running one; their number when all are done.
    pub step: Option<u32>,
    /// Percent of the traffic on the new version, as the controller set it.
    pub weight: Option<u32>,
    /// Analyses of this rollout, newest last.
    pub analyses: Vec<Analysis>,
    /// Blue-green: whether the active Service selects the target revision.
    pub is_active: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgoPause {
    /// `CanaryPauseStep`, `BlueGreenPause`, `InconclusiveAnalysisRun`, …
    pub reason: String,
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CanaryStep {
    SetWeight(u32),
    /// `None`: until a person promotes it.
    Pause {
        duration_s: Option<u32>,
    },
    Analysis,
    /// By the object's own word: `setCanaryScale`, `experiment`, `plugin`.
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    pub name: String,
    /// `Running`, `Successful`, `Failed`, `Error`, `Inconclusive`.
    pub phase: String,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub container: String,
    /// As the pod template names it: `myapp:v1.3.0`.
    pub image: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    pub reason: String,
    pub message: String,
    pub last_update: Option<Timestamp>,
}

/// One ReplicaSet or ControllerRevision; the counts of the latter are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionFacts {
    pub name: String,
    pub uid: String,
    pub revision: Option<u64>,
    pub template_hash: String,
    pub template_print: String,
    pub images: Vec<Image>,
    pub spec_replicas: u32,
    pub replicas: u32,
    pub ready: u32,
    pub conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    pub name: String,
    pub uid: String,
    /// Name of the revision it was made from: of the ReplicaSet that owns it, or of the
    /// ControllerRevision that its label names. Shared: thousands of pods are of two.
    pub revision: Option<Arc<str>>,
    pub phase: String,
    /// The pod's own reason, such as `Evicted`.
    pub reason: Option<String>,
    pub ready: bool,
    /// When `ready` last changed, as the pod's condition says.
    pub ready_since: Option<Timestamp>,
    pub created: Option<Timestamp>,
    /// A deletion was asked for: the pod is on its way out.
    pub ending: bool,
    pub node: Option<String>,
    /// Why its node says nothing about the version; `None` also when nodes may not be read.
    pub node_trouble: Option<NodeTrouble>,
    /// The scheduler's message when no node would take the pod.
    pub unschedulable: Option<String>,
    /// Init containers first.
    pub containers: Vec<ContainerFacts>,
}

impl PodFacts {
    pub fn restarts(&self) -> u32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeTrouble {
    /// `spec.unschedulable`: being drained.
    Cordoned,
    NotReady,
    /// The pod names a node that no longer exists.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    pub name: String,
    pub init: bool,
    /// Empty until the runtime made the container.
    pub container_id: String,
    /// The image with its digest, once pulled.
    pub image_id: String,
    pub ready: bool,
    pub started: bool,
    pub restarts: u32,
    pub state: ContainerState,
    /// How its previous life ended.
    pub last_end: Option<Termination>,
    pub readiness: Option<ProbeFacts>,
    pub startup: Option<ProbeFacts>,
}

/// How the kubelet asks a container whether it is well. Units: seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFacts {
    pub initial_delay_s: u32,
    pub timeout_s: u32,
    pub period_s: u32,
    pub failure_threshold: u32,
    pub success_threshold: u32,
    /// `GET :8080/health`, `exec`, `tcp :5432`.
    pub what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    Waiting { reason: String, message: String },
    Running { since: Option<Timestamp> },
    Terminated(Termination),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    pub exit_code: i32,
    pub reason: String,
    pub message: String,
    pub finished: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarningEvent {
    pub uid: String,
    pub at: Option<Timestamp>,
    /// `Pod/app-7c9-x2`.
    pub about: String,
    pub reason: String,
    pub message: String,
    pub count: u32,
}

/// How a connection to an outside system is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    Live,
    /// Cause in a person's words: `connection refused`, `forbidden`, `credential expired`.
    Down {
        since: Moment,
        cause: String,
        retry_at: Option<Timestamp>,
    },
}

/// The outside systems whose silence matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    Cluster,
    Metrics,
    Health,
}

/// News of one container's log stream, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBatch {
    pub source: Arc<LogSource>,
    pub lines: LogLines,
    /// What happened to the stream after `lines`, if anything.
    pub mark: Option<LogMark>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogSource {
    pub pod: String,
    pub container: String,
    /// Name of the pod's revision, to tell new from old.
    pub revision: Option<String>,
}

/// Never silent: what a reader must know about a stream beside its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogMark {
    Opened,
    /// Reopened from the cursor after a break.
    Reopened,
    /// The container ended or the pod went; its lines stay.
    Ended {
        why: String,
    },
    /// The stream broke and will be tried again.
    Retrying {
        why: String,
    },
    /// The log cannot be had, and asking again would not help.
    Unreadable {
        why: String,
    },
    /// Lines that we know to be missing.
    Lost {
        lines: u64,
        why: String,
    },
    /// The container started anew; what follows belongs to its next life.
    Restarted {
        exit_code: Option<i32>,
        reason: String,
    },
    /// Of no single stream: so many pods have none, because others matter more. Zero: all have.
    Unfollowed {
        pods: u64,
        /// The first few of them.
        names: String,
    },
}

/// One value of one series. Units: those of [`crate::workflow::Metric`], see `metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// World time, as the metrics server stamps it.
    pub at: Timestamp,
    /// `None`: the server answered that it has no data.
    pub value: Option<f64>,
}

/// What a metrics query gave.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricReading {
    /// Fills the window, oldest first.
    Window(Vec<Sample>),
    Latest(Sample),
    /// The server refused or could not be understood; unreachable is [`Link::Down`].
    Failed {
        at: Timestamp,
        why: String,
    },
}

/// The answer of a health endpoint. Source: a JSON object with `status` and `checks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReading {
    pub at: Moment,
    pub http_status: u16,
    pub healthy: bool,
    pub version: Option<String>,
    pub parts: Vec<HealthPart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthPart {
    pub name: String,
    pub ok: bool,
    /// Latency or error message, as given.
    pub detail: Option<String>,
}

/// Everything the world can tell outside the answers to effects.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    Workload(Box<WorkloadFacts>),
    /// Part of what we would look at is out of reach, and what follows from it.
    Limit(Preflight),
    Logs(Vec<LogBatch>),
    Metric {
        metric: crate::workflow::Metric,
        reading: MetricReading,
    },
    Health(HealthReading),
    /// The heartbeat or a request answered, or did not.
    Link {
        system: System,
        link: Link,
    },
}

/// Lines of a running command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBatch {
    pub command: crate::workflow::CommandId,
    pub attempt: u32,
    pub lines: Vec<OutputLine>,
    /// Lines cut from the middle, so far.
    pub cut: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    pub is_stderr: bool,
    pub text: String,
}

/// One line of what was tested before the release may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// `git`, `kubectl`, `context`, `prometheus`, `lock`.
    pub what: String,
    pub outcome: PreflightOutcome,
    /// Version, address, or what is wrong and the way out.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreflightOutcome {
    Asking,
    Fine,
    /// The release can begin, with this known.
    Limited,
    Missing,
}

impl Preflight {
    pub fn fine(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: PreflightOutcome::Fine, detail: detail.into() }
    }

    pub fn limited(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: PreflightOutcome::Limited, detail: detail.into() }
    }
}
