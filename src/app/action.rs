//! All an operator can ask for. Keys, footer, help and palette speak of nothing else.

use crate::watch::rollout::argo::Order;

/// - Shape: one variant per thing that a person would name; what it applies to is where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    // ── moving
    Down,
    Up,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Left,
    Right,
    NextPane,
    PreviousPane,
    FocusChecklist,
    FocusRollout,
    FocusSignals,
    Zoom,
    /// Back to the current item.
    Home,

    // ── the release
    Open,
    Run,
    Confirm,
    NoGo,
    Go,
    Abstain,
    Declare,
    Hold,
    Note,
    Skip,
    NotApplicable,
    Edit,
    Choose,
    Reopen,
    People,
    StopCommand,
    OverrideCriterion,
    ShortenSoak,
    KnownErrors,
    Escalate,
    RollbackPanel,
    Fire,
    DeleteBlocker,
    TrafficFirst,
    Diff,
    Reason,
    CancelRollback,
    /// Let the release roll back by itself on a criterion, at its start; say what an unclear block is.
    Accept,
    /// What rolls back by itself.
    Policy,
    SettledGood,
    SettledBad,
    /// Take over the document that was edited meanwhile.
    Reload,
    /// Who did what, when, on which evidence.
    Report,
    /// Who holds the lock.
    Lock,
    TakeLock,
    GiveLock,
    WatchHolder,

    // ── what is watched, where there is no release
    Workloads,
    Mark,
    MarkAll,

    // ── the rollout pane
    NextTarget,
    PreviousTarget,
    Promote,
    PromoteFull,
    AbortRollout,
    RetryRollout,

    // ── logs
    Search,
    SearchNext,
    SearchPrevious,
    Filter,
    Follow,
    Wrap,
    Timestamps,
    PreviousContainer,
    Select,
    Copy,
    Save,
    RawJson,

    // ── gonogo itself
    OwnLog,
    Terminal,
    LeaveTerminal,
    Theme,
    Palette,
    Help,
    Redraw,
    Quit,
    Close,
    LeaveOpen,
    Abort,
}

impl Action {
    pub const ALL: &'static [Action] = {
        use Action as A;
        &[
            A::Down,
            A::Up,
            A::PageDown,
            A::PageUp,
            A::Top,
            A::Bottom,
            A::Left,
            A::Right,
            A::NextPane,
            A::PreviousPane,
            A::FocusChecklist,
            A::FocusRollout,
            A::FocusSignals,
            A::Zoom,
            A::Home,
            A::Open,
            A::Run,
            A::Confirm,
            A::NoGo,
            A::Go,
            A::Abstain,
            A::Declare,
            A::Hold,
            A::Note,
            A::Skip,
            A::NotApplicable,
            A::Edit,
            A::Choose,
            A::Reopen,
            A::People,
            A::StopCommand,
            A::OverrideCriterion,
            A::ShortenSoak,
            A::KnownErrors,
            A::Escalate,
            A::RollbackPanel,
            A::Fire,
            A::DeleteBlocker,
            A::TrafficFirst,
            A::Diff,
            A::Reason,
            A::CancelRollback,
            A::Accept,
            A::Policy,
            A::SettledGood,
            A::SettledBad,
            A::Reload,
            A::Report,
            A::Lock,
            A::TakeLock,
            A::GiveLock,
            A::WatchHolder,
            A::Workloads,
            A::Mark,
            A::MarkAll,
            A::NextTarget,
            A::PreviousTarget,
            A::Promote,
            A::PromoteFull,
            A::AbortRollout,
            A::RetryRollout,
            A::Search,
            A::SearchNext,
            A::SearchPrevious,
            A::Filter,
            A::Follow,
            A::Wrap,
            A::Timestamps,
            A::PreviousContainer,
            A::Select,
            A::Copy,
            A::Save,
            A::RawJson,
            A::OwnLog,
            A::Terminal,
            A::LeaveTerminal,
            A::Theme,
            A::Palette,
            A::Help,
            A::Redraw,
            A::Quit,
            A::Close,
            A::LeaveOpen,
            A::Abort,
        ]
    };

    /// The name in the palette and in a keymap file.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Two or three words for the footer.
    pub fn label(self) -> &'static str {
        self.words().1
    }

    /// One line for the help screen.
    pub fn help(self) -> &'static str {
        self.words().2
    }

    pub fn named(name: &str) -> Option<Action> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// The action that gives an order to an Argo Rollout.
    pub fn of_order(order: Order) -> Action {
        match order {
            Order::Promote => Action::Promote,
            Order::PromoteFull => Action::PromoteFull,
            Order::Abort => Action::AbortRollout,
            Order::Retry => Action::RetryRollout,
        }
    }

    /// The order that an action gives.
    pub fn order(self) -> Option<Order> {
        Order::ALL.into_iter().find(|order| Action::of_order(*order) == self)
    }

    /// Whether it does something to a release, or shows part of one.
    pub fn needs_release(self) -> bool {
        use Action as A;
        matches!(
            self,
            A::FocusChecklist
                | A::Home
                | A::Open
                | A::Run
                | A::Confirm
                | A::NoGo
                | A::Go
                | A::Abstain
                | A::Declare
                | A::Hold
                | A::Note
                | A::Skip
                | A::NotApplicable
                | A::Edit
                | A::Reopen
                | A::People
                | A::StopCommand
                | A::OverrideCriterion
                | A::ShortenSoak
                | A::KnownErrors
                | A::Terminal
                | A::LeaveTerminal
                | A::Escalate
                | A::RollbackPanel
                | A::Fire
                | A::DeleteBlocker
                | A::TrafficFirst
                | A::Diff
                | A::Reason
                | A::CancelRollback
                | A::Accept
                | A::Policy
                | A::Reload
                | A::SettledGood
                | A::SettledBad
                | A::Report
                | A::Lock
                | A::TakeLock
                | A::GiveLock
                | A::WatchHolder
                | A::Promote
                | A::PromoteFull
                | A::AbortRollout
                | A::RetryRollout
                | A::LeaveOpen
                | A::Abort
        )
    }

    /// Whether it chooses what is watched: a release knows that from its workflow.
    pub fn needs_choice(self) -> bool {
        matches!(self, Action::Workloads | Action::Mark | Action::MarkAll)
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Action::Down => ("down", "down", "move down"),
            Action::Up => ("up", "up", "move up"),
            Action::PageDown => ("page-down", "page down", "move a page down"),
            Action::PageUp => ("page-up", "page up", "move a page up"),
            Action::Top => ("top", "top", "go to the first line"),
            Action::Bottom => ("bottom", "bottom", "go to the last line; a log follows again"),
            Action::Left => ("left", "left", "scroll left"),
            Action::Right => ("right", "right", "scroll right"),
            Action::NextPane => ("next-pane", "pane", "next pane"),
            Action::PreviousPane => ("previous-pane", "previous pane", "previous pane"),
            Action::FocusChecklist => ("checklist", "checklist", "focus the checklist"),
            Action::FocusRollout => ("rollout", "rollout", "focus rollout and logs"),
            Action::FocusSignals => ("signals", "signals", "focus the signals"),
            Action::Zoom => ("zoom", "zoom", "give the focused pane the whole right side, and back"),
            Action::Home => ("current", "current item", "back to the current item"),
            Action::Open => {
                ("open", "open", "show what the selected command will run, where, and what it changes")
            }
            Action::Run => ("run", "run it", "run what this panel shows"),
            Action::Confirm => ("confirm", "confirm", "confirm the selected check"),
            Action::NoGo => ("no-go", "no-go", "answer NO-GO, with a reason"),
            Action::Go => ("go", "GO", "answer GO for the role that is asked"),
            Action::Abstain => ("abstain", "abstain", "abstain for the role that is asked; this is not GO"),
            Action::Declare => ("declare", "breach", "declare a rollback criterion met, or withdraw it"),
            Action::Hold => ("hold", "hold", "hold the release with a reason, or go on; stop a countdown"),
            Action::Note => ("note", "note", "write a note into the journal"),
            Action::Skip => ("skip", "skip", "skip the selected item, with a reason"),
            Action::NotApplicable => {
                ("not-applicable", "n/a", "the selected item does not apply, with a reason")
            }
            Action::Edit => ("edit", "edit", "edit the command before running it"),
            Action::Choose => ("choose", "choose", "choose an alternative"),
            Action::Reopen => ("reopen", "undo", "take back the answer to the selected check"),
            Action::People => ("people", "people", "who is here, and who answers for which role"),
            Action::StopCommand => ("stop", "stop", "stop the running command"),
            Action::OverrideCriterion => {
                ("override-criterion", "go on anyway", "go on although a criterion is met, with a reason")
            }
            Action::ShortenSoak => ("shorten-soak", "shorten", "end the soak early, with role and reason"),
            Action::KnownErrors => {
                ("known-errors", "known errors", "what the document's error table says of this failure")
            }
            Action::Escalate => {
                ("escalate", "escalate", "whom to call, since when, and the note that it was done")
            }
            Action::RollbackPanel => ("rollback", "rollback", "open the rollback panel"),
            Action::Fire => ("fire", "roll back now", "roll back now"),
            Action::DeleteBlocker => {
                ("delete-blocker", "delete that pod", "delete the one pod that holds the way back")
            }
            Action::TrafficFirst => (
                "traffic-first",
                "traffic first",
                "send the traffic back before all pods of its side are ready",
            ),
            Action::Diff => ("diff", "diff", "show what the rollback would change"),
            Action::Reason => ("reason", "reason", "type a reason"),
            Action::CancelRollback => {
                ("cancel-rollback", "withdraw", "withdraw a rollback that is still queued")
            }
            Action::Accept => {
                ("accept", "accept", "accept that it rolls back by itself on this, or withdraw that")
            }
            Action::Policy => ("policy", "policy", "what rolls back by itself; withdraw it"),
            Action::SettledGood => ("succeeded", "it succeeded", "say that the command in doubt succeeded"),
            Action::SettledBad => ("failed", "it failed", "say that the command in doubt failed"),
            Action::Reload => ("reload", "reload", "go on with the document as it was edited meanwhile"),
            Action::Report => {
                ("report", "report", "the report as it stands: who did what, when, on which evidence")
            }
            Action::Lock => ("lock", "lock", "who holds the lock; take it over, or give it back"),
            Action::TakeLock => ("take-lock", "take over", "take the lock over, with a reason"),
            Action::GiveLock => ("give-lock", "give back", "give the lock back, with a reason"),
            Action::WatchHolder => ("watch-holder", "watch", "release nothing, watch the holder's release"),
            Action::Workloads => ("workloads", "workloads", "choose what is watched"),
            Action::Mark => ("mark", "mark", "mark the selected workload, to watch it with others"),
            Action::MarkAll => ("mark-all", "mark all", "mark all workloads, or none"),
            Action::NextTarget => {
                ("next-target", "next workload", "show the next workload; after the last, the worst")
            }
            Action::PreviousTarget => ("previous-target", "previous workload", "show the workload before"),
            Action::Promote => ("promote", "promote", "let an Argo Rollout go on from its pause"),
            Action::PromoteFull => {
                ("promote-full", "promote in full", "let an Argo Rollout leave its remaining steps out")
            }
            Action::AbortRollout => {
                ("abort-rollout", "abort rollout", "send an Argo Rollout's traffic back to stable")
            }
            Action::RetryRollout => {
                ("retry-rollout", "retry rollout", "begin the steps of an aborted Argo Rollout again")
            }
            Action::Search => ("search", "search", "search the log"),
            Action::SearchNext => ("search-next", "next match", "next match"),
            Action::SearchPrevious => ("search-previous", "previous match", "previous match"),
            Action::Filter => ("filter", "filter", "show only log lines that match"),
            Action::Follow => ("follow", "follow", "follow the newest log line, or stay"),
            Action::Wrap => ("wrap", "wrap", "wrap long log lines"),
            Action::Timestamps => ("timestamps", "times", "show full timestamps"),
            Action::PreviousContainer => {
                ("previous-container", "previous", "only the last lines of containers that ended")
            }
            Action::Select => ("select", "select", "mark log lines from here, or end marking"),
            Action::Copy => ("copy", "copy", "copy the marked log lines, else those in sight"),
            Action::Save => ("save", "save", "write the marked log lines to a file, else all that are kept"),
            Action::RawJson => ("raw-json", "JSON", "show JSON log lines as they were written, or readable"),
            Action::OwnLog => ("log", "gonogo's log", "gonogo's own log"),
            Action::Terminal => (
                "terminal",
                "in a terminal",
                "run it in a terminal of its own, or not; back into the one it has",
            ),
            Action::LeaveTerminal => {
                ("leave-terminal", "take the keys back", "keys are the cockpit's again; the command goes on")
            }
            Action::Theme => ("theme", "theme", "switch to another theme: `:theme light`"),
            Action::Palette => ("palette", "commands", "every action by name"),
            Action::Help => ("help", "help", "every key that works here"),
            Action::Redraw => ("redraw", "redraw", "draw the screen anew"),
            Action::Quit => ("quit", "quit", "leave, and hear what stays running"),
            Action::Close => ("close", "back", "close this, nothing is done"),
            Action::LeaveOpen => {
                ("leave", "leave it open", "leave; the release stays open and can be resumed")
            }
            Action::Abort => ("abort", "abort", "abort the release, with a reason"),
        }
    }
}
