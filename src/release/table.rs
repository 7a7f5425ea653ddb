//! The transitions, as tables: what is not in them is refused.

use super::event::{Fact, Order};
use super::state::{CommandState, Phase};

use Phase::{Aborted, Completed, Held, Preparing, RollbackFailed, RolledBack, RollingBack, Running};

/// What is asked of the release, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    Open,
    Begin,
    /// Told by the world or by the process itself: recorded in every phase, late or not.
    Observe,
    /// Take the document over as it lies on disk.
    Reload,
    /// Say whether an unclear block is commands.
    Settle,
    Hold,
    Release,
    Abort,
    Complete,
    Note,
    Staff,
    /// Confirm, answer no-go, skip, override, re-open, or not applicable.
    Answer,
    Vote,
    ShortenSoak,
    RunForward,
    RunRollbackCommand,
    StopCommand,
    SettleDoubt,
    DeclareCriterion,
    FireRollback,
    /// A policy fires at the end of its countdown.
    FireByPolicy,
    /// Accept that the release may roll back by itself: at its start, and never later.
    AcceptPolicy,
    WithdrawPolicy,
    StopCountdown,
    ExplainRollback,
    CancelRollback,
    /// Delete the pod that holds the way back.
    DeleteBlocker,
    SendTraffic,
    /// Take the lock from whoever holds it.
    TakeLock,
    /// Give the lock back before the release is over, or after a rollback.
    GiveLock,
    /// Promote or retry an Argo Rollout.
    PushRollout,
    /// Abort an Argo Rollout: a stop works in every phase that may have changed something.
    StopRollout,
}

impl Deed {
    /// `is_rollback_command` tells the document's rollback block from its steps.
    pub fn of(fact: &Fact, is_rollback_command: bool) -> Deed {
        match fact {
            Fact::Opened { .. } => Deed::Open,
            Fact::Begun { .. } => Deed::Begin,
            Fact::Reloaded { .. } => Deed::Reload,
            Fact::Settled { .. } => Deed::Settle,
            Fact::Held { .. } => Deed::Hold,
            Fact::Released => Deed::Release,
            Fact::Aborted { .. } => Deed::Abort,
            Fact::Completed => Deed::Complete,
            Fact::Noted { .. } | Fact::KeyboardTaken { .. } => Deed::Note,
            Fact::RoleStaffed { .. } => Deed::Staff,
            Fact::Confirmed { .. }
            | Fact::CheckReopened { .. }
            | Fact::NoGo { .. }
            | Fact::NotApplicable { .. }
            | Fact::Skipped { .. }
            | Fact::Overridden { .. }
            | Fact::NothingToRun { .. } => Deed::Answer,
            Fact::Voted { .. } | Fact::RoleNotApplicable { .. } => Deed::Vote,
            Fact::SoakShortened { .. } => Deed::ShortenSoak,
            Fact::CommandStarted(_) if is_rollback_command => Deed::RunRollbackCommand,
            Fact::CommandStarted(_) => Deed::RunForward,
            Fact::CommandStopped { .. } => Deed::StopCommand,
            Fact::DoubtSettled { .. } => Deed::SettleDoubt,
            Fact::CriterionDeclared { .. } | Fact::CriterionOverridden { .. } => Deed::DeclareCriterion,
            Fact::RollbackFired { policy: None, .. } => Deed::FireRollback,
            Fact::RollbackFired { policy: Some(_), .. } => Deed::FireByPolicy,
            Fact::PolicyAccepted { .. } => Deed::AcceptPolicy,
            Fact::PolicyWithdrawn { .. } => Deed::WithdrawPolicy,
            Fact::CountdownStopped => Deed::StopCountdown,
            Fact::RollbackReason { .. } => Deed::ExplainRollback,
            Fact::RollbackCancelled => Deed::CancelRollback,
            Fact::BlockerDeleted { .. } => Deed::DeleteBlocker,
            Fact::TrafficFirst { .. } => Deed::SendTraffic,
            Fact::LockTakenOver { .. } => Deed::TakeLock,
            Fact::LockGiven { .. } => Deed::GiveLock,
            Fact::RolloutOrdered(ordered) => match ordered.order {
                Order::Abort => Deed::StopRollout,
                Order::Promote | Order::PromoteFull | Order::Retry => Deed::PushRollout,
            },
            Fact::Reopened
            | Fact::Left { .. }
            | Fact::Sensed { .. }
            | Fact::CommandSpawned { .. }
            | Fact::OutputCaptured { .. }
            | Fact::CommandEnded { .. }
            | Fact::Pinned { .. }
            | Fact::Armed { .. }
            | Fact::ArmingChanged { .. }
            | Fact::BaselinePinned { .. }
            | Fact::RolloutChanged(_)
            | Fact::CriterionRead { .. }
            | Fact::HealthChanged { .. }
            | Fact::Woke { .. }
            | Fact::CountdownStarted { .. }
            | Fact::PolicyHeldBack { .. }
            | Fact::LockChanged { .. }
            | Fact::RollbackStepEnded { .. }
            | Fact::RolloutOrderEnded { .. } => Deed::Observe,
        }
    }
}

const ALL: &[Phase] =
    &[Preparing, Running, Held, RollingBack, RolledBack, RollbackFailed, Completed, Aborted];

/// Which phases take which deed. `Open` is taken by no phase: only a new release opens.
pub const PHASES: &[(Deed, &[Phase])] = &[
    (Deed::Open, &[]),
    (Deed::Begin, &[Preparing]),
    (Deed::Observe, ALL),
    (Deed::Reload, &[Running, Held]),
    (Deed::Settle, &[Preparing, Running, Held]),
    (Deed::Hold, &[Running]),
    (Deed::Release, &[Held]),
    (Deed::Abort, &[Preparing, Running, Held, RollbackFailed]),
    (Deed::Complete, &[Running]),
    (Deed::Note, ALL),
    (Deed::Staff, &[Preparing, Running, Held]),
    (Deed::Answer, &[Running]),
    (Deed::Vote, &[Running]),
    (Deed::ShortenSoak, &[Running]),
    (Deed::RunForward, &[Running]),
    (Deed::RunRollbackCommand, &[Running, Held, RollingBack, RolledBack, RollbackFailed, Completed, Aborted]),
    (Deed::StopCommand, ALL),
    (Deed::SettleDoubt, ALL),
    (Deed::DeclareCriterion, &[Running, Held, Completed]),
    // An aborted or completed release may still have changed things: the way back stays open.
    (Deed::FireRollback, &[Running, Held, RollbackFailed, Completed, Aborted]),
    (Deed::FireByPolicy, &[Running]),
    (Deed::AcceptPolicy, &[Preparing]),
    (Deed::WithdrawPolicy, &[Preparing, Running, Held]),
    (Deed::StopCountdown, &[Running]),
    (Deed::ExplainRollback, &[RollingBack, RolledBack, RollbackFailed]),
    (Deed::CancelRollback, &[RollingBack]),
    (Deed::DeleteBlocker, &[RollingBack, RollbackFailed]),
    (Deed::SendTraffic, &[RollingBack, RollbackFailed]),
    (Deed::TakeLock, &[Preparing, Running, Held, RollingBack, RollbackFailed]),
    (Deed::GiveLock, &[Held, RolledBack, RollbackFailed, Completed, Aborted]),
    (Deed::PushRollout, &[Running]),
    (Deed::StopRollout, &[Running, Held, RollingBack, RolledBack, RollbackFailed, Completed, Aborted]),
];

pub fn takes(phase: Phase, deed: Deed) -> bool {
    PHASES.iter().any(|(known, phases)| *known == deed && phases.contains(&phase))
}

/// What can happen to one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandInput {
    Start,
    Succeed,
    Fail,
    Cancel,
    /// Its process's end was not seen.
    Lose,
    SettleGood,
    SettleBad,
    Skip,
    NotApply,
    ChooseNothing,
}

/// The life of a command. A pair that is not here is refused.
pub const COMMANDS: &[(CommandState, CommandInput, CommandState)] = {
    use CommandInput as I;
    use CommandState as S;
    &[
        (S::Ready, I::Start, S::Running),
        (S::Ready, I::Skip, S::Skipped),
        (S::Ready, I::NotApply, S::NotApplicable),
        (S::Ready, I::ChooseNothing, S::NothingToRun),
        (S::Running, I::Succeed, S::Succeeded),
        (S::Running, I::Fail, S::Failed),
        (S::Running, I::Cancel, S::Cancelled),
        (S::Running, I::Lose, S::InDoubt),
        (S::InDoubt, I::SettleGood, S::Succeeded),
        (S::InDoubt, I::SettleBad, S::Failed),
        // A new attempt is a new record, asked for by a person each time.
        (S::Succeeded, I::Start, S::Running),
        (S::Failed, I::Start, S::Running),
        (S::Cancelled, I::Start, S::Running),
        (S::Skipped, I::Start, S::Running),
        (S::NotApplicable, I::Start, S::Running),
        (S::NothingToRun, I::Start, S::Running),
        (S::Failed, I::Skip, S::Skipped),
        (S::Cancelled, I::Skip, S::Skipped),
        (S::Failed, I::NotApply, S::NotApplicable),
        (S::Cancelled, I::NotApply, S::NotApplicable),
        (S::Failed, I::ChooseNothing, S::NothingToRun),
        (S::Cancelled, I::ChooseNothing, S::NothingToRun),
    ]
};

pub fn next(state: CommandState, input: CommandInput) -> Option<CommandState> {
    COMMANDS.iter().find(|(from, on, _)| *from == state && *on == input).map(|(_, _, to)| *to)
}
