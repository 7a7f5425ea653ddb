//! What the release asks for. Each effect names what it serves, and its answer repeats that.

use jiff::Timestamp;

use super::event::{Blocker, RolloutOrdered, Run, Shown, Timer};
use super::lock::LockWanted;
use super::pin::Pin;
use super::route::RoutePin;
use crate::watch::TargetRef;
use crate::workflow::nginx::NginxSite;
use crate::workflow::{BlockPrint, CommandId, CriterionId, Probe, Ruling};

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Start a command. Answered by `CommandSpawned` and `CommandEnded`.
    Run(Run),
    /// TERM, a grace period, then KILL to the whole process group.
    Stop { command: CommandId, attempt: u32 },
    /// Read the known-good state. Answered by `Pinned`.
    Pin { targets: Vec<TargetRef>, nginx: Option<Box<NginxSite>> },
    /// Test the way back. Answered by `Armed`.
    Arm { pins: Vec<Pin>, routes: Vec<RoutePin> },
    /// Keep what the metrics say now as "before the change". Answered by `BaselinePinned`.
    PinBaseline {
        /// World time at which "before" ends.
        until: Timestamp,
    },
    /// Send one action of the rollback plan. Answered by `RollbackStepEnded`.
    RollBack(Box<PatchBack>),
    /// Put traffic back, or look whether it is. Answered by `RollbackStepEnded`.
    Reroute(Box<Reroute>),
    /// Tell an Argo Rollout to go on or back. Answered by `RolloutOrderEnded`.
    Order(Box<RolloutOrdered>),
    /// Take the lock of the workloads, and hold it. Answered by `LockChanged`.
    Lock(Box<LockWanted>),
    /// Let the lock stay, if it is ours, when this process has gone.
    KeepLock { why: String },
    /// Give the lock back, if it is ours. Answered by `LockChanged`.
    GiveLock { why: String },
    /// Find out whether something is so. Answered by `Sensed`.
    Sense { probe: Probe },
    /// Tell the release when this moment has come. Answered by `Woke`.
    WakeAt { at: WakeTime, timer: Timer },
    /// Begin the countdown of a policy, if the cluster can be seen. Answered by `CountdownStarted` or
    /// `PolicyHeldBack`.
    CountDown { criterion: CriterionId, seconds: u64 },
    /// Roll back by policy, if the way back is proven. Answered by `RollbackFired` or `PolicyHeldBack`.
    FireByPolicy { criterion: CriterionId },
    /// Keep for later releases what a person said of an unclear block, or that it is a question again.
    Remember { block: BlockPrint, ruling: Option<Ruling> },
    /// Start this attempt without a key, if nothing keeps it from being recorded. Answered by
    /// `CommandStarted`.
    RunAgain(Run),
    /// Sound the terminal's bell.
    Ring,
}

impl Effect {
    /// Whether this changes something outside gonogo: such an effect waits for its record to be
    /// durable, and is withheld when the journal cannot be written.
    pub fn changes_outside(&self) -> bool {
        // What is done to a lock that is already ours is no change that anybody waits for.
        matches!(
            self,
            Effect::Run(_) | Effect::RollBack(_) | Effect::Reroute(_) | Effect::Order(_) | Effect::Lock(_)
        )
    }

    /// Whether it goes out even though its record cannot be kept: the way back always does.
    pub fn goes_unrecorded(&self) -> bool {
        matches!(self, Effect::RollBack(_) | Effect::Reroute(_))
    }
}

/// One action of the rollback plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchBack {
    pub step: usize,
    pub attempt: u32,
    pub measure: Measure,
    pub pin: Pin,
    /// What the panel showed: the patch goes out only if that is still so.
    pub shown: Option<Shown>,
    pub replicas: Replicas,
}

/// How many pods a target is given with its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// As many as when it was pinned, or more: what takes traffic is never made smaller.
    AtLeast(u32),
    /// As when it was pinned.
    Exactly(u32),
    /// As many as there are; this many only where there are none, which no autoscaler ends.
    Left(u32),
}

impl Replicas {
    /// How many there shall be where there are `now` so many.
    pub fn wanted(self, now: u32) -> u32 {
        match self {
            Replicas::AtLeast(pinned) => pinned.max(now),
            Replicas::Exactly(pinned) => pinned,
            Replicas::Left(pinned) if now == 0 => pinned,
            Replicas::Left(_) => now,
        }
    }
}

/// One action of the rollback plan on what steers the traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Reroute {
    pub step: usize,
    pub attempt: u32,
    pub errand: Errand,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Errand {
    /// Make it as it was pinned.
    PutBack(RoutePin),
    /// Look whether all are as they were pinned.
    ReadBack(Vec<RoutePin>),
}

/// What an action of the plan does to the cluster. Each does nothing where it is done already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Abort what an Argo Rollout has under way.
    Abort,
    /// Put the pinned template back.
    Template,
    /// Let an Argo Rollout leave its steps out.
    Promote,
    /// Delete this pod, and no other of its name.
    Delete(Blocker),
}

/// A moment on the clock that the delay belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeTime {
    /// Soaks and timeboxes.
    World(Timestamp),
    /// Retries of connections.
    Wall(Timestamp),
}
