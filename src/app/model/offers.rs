//! What works here and now: which part of the key table is in force, and what the footer offers.

use super::{Mode, Model, Pane, Panel, Row, StateWord};
use crate::app::action::Action;
use crate::app::keymap::Context;
use crate::release::{Answer, CommandState, Phase, PlanState};
use crate::watch::rollout::argo::{self, Order};
use crate::workflow::{CheckId, CommandId, CommandKind};

impl Model {
    /// The contexts in which a key is looked up, nearest first. A text field takes keys before all.
    pub fn contexts(&self) -> Vec<Context> {
        let panel = self.view.panel.as_ref().map(|panel| match panel {
            Panel::Start(_) => Context::StartPanel,
            Panel::Run(_) => Context::RunPanel,
            Panel::Unclear(_) => Context::UnclearPanel,
            Panel::Doubt { .. } => Context::DoubtPanel,
            Panel::Output { .. } => Context::OutputPanel,
            Panel::Terminal { .. } => Context::Terminal,
            Panel::Rollback { .. } => Context::RollbackPanel,
            Panel::Order { .. } => Context::OrderPanel,
            Panel::Poll(_) => Context::PollPanel,
            Panel::RollbackCommands { .. }
            | Panel::Criteria { .. }
            | Panel::People { .. }
            | Panel::Policy { .. }
            | Panel::Workloads { .. }
            | Panel::Palette { .. }
            | Panel::Themes { .. }
            | Panel::Escalation { .. } => Context::ListPanel,
            Panel::Reload(_) => Context::ReloadPanel,
            Panel::Lock => Context::LockPanel,
            Panel::Finish => Context::FinishPanel,
            Panel::Quit => Context::QuitPanel,
            Panel::Report { .. } | Panel::Help | Panel::OwnLog | Panel::Known(_) | Panel::Text { .. } => {
                Context::TextPanel
            }
        });
        match panel {
            // Every other key is the command's.
            Some(Context::Terminal) => vec![Context::Terminal],
            Some(panel) => vec![panel, Context::Global],
            None => {
                let pane = match self.view.focus {
                    Pane::Checklist => Context::Checklist,
                    Pane::Rollout => Context::Logs,
                    Pane::Signals => Context::Signals,
                };
                vec![pane, Context::Global]
            }
        }
    }

    /// The actions for the footer, most needed first; the screen shows as many as fit.
    pub fn offers(&self) -> Vec<Action> {
        use Action as A;
        if self.view.prompt.is_some() {
            return Vec::new();
        }
        let mut offers = match &self.view.panel {
            Some(panel) => self.panel_offers(panel),
            None => self.pane_offers(),
        };
        if self.state().policy.countdown.is_some() && self.mode == Mode::Driving {
            offers.retain(|action| *action != A::Hold);
            offers.insert(0, A::Hold);
        }
        if self.view.panel.is_none() && self.mode == Mode::Driving && self.escalation_due().is_some() {
            offers.insert(0, A::Escalate);
        }
        if self.view.panel.is_none() {
            offers.extend([A::NextPane, A::Zoom, A::Palette]);
        }
        if !matches!(self.view.panel, Some(Panel::Terminal { .. })) {
            offers.push(A::Help);
        }
        offers
    }

    fn panel_offers(&self, panel: &Panel) -> Vec<Action> {
        use Action as A;
        match panel {
            Panel::Start(form) => {
                use super::FieldKind::{Block, Policy};
                let is_decided = |field: &super::Field| matches!(field.kind, Policy(_) | Block(_));
                let mut offers = vec![A::Run];
                match form.fields.get(form.selected) {
                    Some(field) if is_decided(field) => offers.push(A::Accept),
                    _ => offers.push(A::Edit),
                }
                offers.extend([A::Down, A::Quit]);
                offers
            }
            Panel::Terminal { .. } => vec![A::LeaveTerminal],
            Panel::Unclear(_) => vec![A::Accept, A::Close],
            Panel::Run(_) => vec![A::Run, A::Edit, A::Skip, A::NotApplicable, A::Close, A::Terminal],
            Panel::Doubt { .. } => vec![A::SettledGood, A::SettledBad, A::Close],
            Panel::Output { command, attempt } => match self.state().command(command) {
                CommandState::Running if self.view.terminal(command, *attempt).is_some() => {
                    vec![A::Terminal, A::StopCommand, A::Up, A::Close]
                }
                CommandState::Running => vec![A::StopCommand, A::Up, A::Close],
                _ if self.release.again(command).is_some() => vec![A::StopCommand, A::Up, A::Close],
                _ => {
                    let mut offers = vec![A::Up, A::Down];
                    offers.extend(self.known_here().map(|_| A::KnownErrors));
                    offers.push(A::Close);
                    offers
                }
            },
            Panel::Rollback { .. } => {
                let mut offers = Vec::new();
                offers.extend(self.release.blocker().map(|_| A::DeleteBlocker));
                offers.extend(self.release.traffic_waits_for().map(|_| A::TrafficFirst));
                match self.state().phase {
                    Phase::RollingBack if self.rollback_is_queued() => offers.push(A::CancelRollback),
                    Phase::RollingBack | Phase::RolledBack => {}
                    _ => offers.push(A::Fire),
                }
                offers.extend([A::Diff, A::Reason, A::Close]);
                offers
            }
            Panel::Order { .. } => vec![A::Run, A::Close],
            Panel::Poll(_) => {
                vec![A::Go, A::NoGo, A::Abstain, A::NotApplicable, A::People, A::Hold, A::Close]
            }
            Panel::RollbackCommands { .. }
            | Panel::Criteria { .. }
            | Panel::People { .. }
            | Panel::Policy { .. }
            | Panel::Palette { .. }
            | Panel::Themes { .. }
            | Panel::Escalation { .. } => {
                vec![A::Choose, A::Down, A::Close]
            }
            Panel::Workloads { .. } => vec![A::Choose, A::Mark, A::MarkAll, A::Down, A::Close],
            Panel::Lock => self.lock_offers(),
            Panel::Reload(edited) => {
                let is_free = self.release.reload_of(&edited.edition, &edited.document).blocked.is_empty();
                let run = is_free.then_some(A::Run);
                run.into_iter().chain([A::Down, A::Close]).collect()
            }
            Panel::Finish => vec![A::Run, A::Close],
            Panel::Quit => match self.mode {
                Mode::Driving => vec![A::LeaveOpen, A::Abort, A::Close],
                Mode::Following { .. } | Mode::Watching(_) => vec![A::LeaveOpen, A::Close],
            },
            Panel::Report { .. } | Panel::Help | Panel::OwnLog | Panel::Known(_) | Panel::Text { .. } => {
                vec![A::Down, A::Close]
            }
        }
    }

    fn lock_offers(&self) -> Vec<Action> {
        use Action as A;
        let mut offers = Vec::new();
        if self.lock_held_by().is_some() {
            offers.extend((self.state().phase == Phase::Preparing).then_some(A::WatchHolder));
            offers.push(A::TakeLock);
        }
        offers.extend(self.may_give_lock().then_some(A::GiveLock));
        offers.push(A::Close);
        offers
    }

    fn pane_offers(&self) -> Vec<Action> {
        use Action as A;
        if matches!(self.mode, Mode::Following { .. }) {
            return vec![A::Down, A::Up, A::Quit];
        }
        let mut offers = match self.view.focus {
            Pane::Rollout if self.view.log.selection.is_some() => {
                vec![A::Copy, A::Save, A::Down, A::Up, A::Select]
            }
            Pane::Rollout => {
                let mut offers = self.orders();
                offers.extend((self.targets().len() > 1).then_some(A::NextTarget));
                offers.extend([A::Search, A::Filter, A::Follow, A::Wrap, A::Timestamps, A::FocusChecklist]);
                offers
            }
            Pane::Signals => vec![A::Declare, A::FocusChecklist],
            Pane::Checklist => self.checklist_offers(),
        };
        if let Some(watching) = self.watching() {
            offers.retain(|action| self.knows(*action));
            offers.extend((!watching.offered.is_empty()).then_some(A::Workloads));
            offers.push(A::Quit);
        }
        offers
    }

    /// The orders that the shown Argo Rollout would take now.
    fn orders(&self) -> Vec<Action> {
        let Some(seen) = self.shown() else { return Vec::new() };
        let applies = |order: &Order| argo::why_not(&seen.facts, *order).is_none();
        Order::ALL.into_iter().filter(applies).map(Action::of_order).collect()
    }

    fn checklist_offers(&self) -> Vec<Action> {
        use Action as A;
        if self.state().phase == Phase::Held {
            return vec![A::Hold, A::Note, A::RollbackPanel];
        }
        if self.state().phase.is_over() {
            return vec![A::Open, A::RollbackPanel, A::Quit];
        }
        let mut offers = match self.selected() {
            Some(Row::Check(id)) => self.check_offers(&id),
            Some(Row::Command(id)) => self.command_offers(&id),
            Some(Row::Poll(_)) => vec![A::Go, A::NoGo, A::Open],
            Some(Row::Soak(_)) => vec![A::ShortenSoak],
            Some(Row::Finish) => vec![A::Open],
            _ => vec![A::Open],
        };
        if self.state_word() == StateWord::Breach {
            offers.insert(0, A::RollbackPanel);
        }
        offers.extend([A::Note, A::Hold]);
        offers
    }

    fn check_offers(&self, id: &CheckId) -> Vec<Action> {
        use Action as A;
        match self.state().checks.get(id).map(|mark| &mark.answer) {
            None | Some(Answer::NoGo | Answer::SensedFailing { .. }) => {
                let known = self.release.workflow().check(id);
                let mut offers = vec![A::Confirm, A::NoGo];
                if known
                    .is_none_or(|check| check.annotated.hold.is_none() && check.annotated.sign_off.is_none())
                {
                    offers.push(A::Skip);
                }
                if !self.release.approvals(id).is_empty() {
                    offers.push(A::Reopen);
                }
                if known.is_some_and(|check| check.optional) {
                    offers.push(A::NotApplicable);
                }
                offers
            }
            Some(Answer::Sensed { .. }) => Vec::new(),
            Some(_) => vec![A::Reopen],
        }
    }

    fn command_offers(&self, id: &CommandId) -> Vec<Action> {
        use Action as A;
        let kind = self.release.workflow().command(id).map(|command| command.kind);
        match kind {
            Some(CommandKind::Run | CommandKind::Choice) => vec![A::Open, A::Skip, A::NotApplicable],
            _ => vec![A::Open],
        }
    }

    /// Notes after a frame what the operator has seen of the rollback panel, if anything.
    pub fn rollback_was_painted(&mut self, painted: bool) {
        self.view.rollback_painted = painted;
        let blocker = self.release.blocker().filter(|_| painted);
        self.view.blocker_painted = blocker.map(|(_, blocker)| blocker.uid.clone());
    }

    /// Whether a fired rollback has not reached the API server yet.
    pub fn rollback_is_queued(&self) -> bool {
        self.rollback().is_some_and(|rollback| {
            rollback
                .plan
                .iter()
                .all(|step| matches!(step.state, PlanState::Waiting | PlanState::Queued { .. }))
        })
    }
}
