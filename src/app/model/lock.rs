//! The lock as the screen speaks of it.

use super::{Mode, Model, Preflight};
use crate::release::{LockHolder, LockSight, LockStanding, Phase, table};
use crate::watch::TargetRef;

impl Model {
    /// Who keeps this release from going forward, or would if it began now.
    pub fn lock_held_by(&self) -> Option<(&TargetRef, &LockHolder)> {
        match self.state().phase {
            Phase::Preparing => {
                let held = self.observed.lock.as_ref()?.held.as_ref()?;
                Some((&held.0, &held.1))
            }
            _ => self.state().lock.other(),
        }
    }

    /// The holder's name, and whether it is this release; `None` while nobody knows.
    pub fn lock_word(&self) -> Option<(String, bool)> {
        match self.state().lock.standing.as_ref()? {
            LockStanding::Ours { local_only, .. } => {
                let name = match &self.mode {
                    Mode::Following { holder } => holder,
                    _ => &self.me.name,
                };
                let place = if local_only.is_some() { ", local only" } else { "" };
                Some((format!("{name}{place}"), true))
            }
            LockStanding::Held { holder, .. } | LockStanding::Lost { holder, .. } => {
                Some((holder.who.clone(), false))
            }
            LockStanding::Without { .. } => Some(("none".to_owned(), false)),
            LockStanding::Free => None,
        }
    }

    /// How the lock stands, in a sentence.
    pub fn lock_story(&self) -> Option<String> {
        let clock = |at: Option<jiff::Timestamp>| at.map(|at| format!(" since {}", self.clock_of(at)));
        Some(match self.state().lock.standing.as_ref()? {
            LockStanding::Ours { since, local_only, .. } => {
                let (name, _) = self.lock_word()?;
                let why = local_only.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                format!("{name}{why} since {}", self.clock_of(*since))
            }
            LockStanding::Held { holder, .. } => {
                let since = clock(holder.since).unwrap_or_default();
                format!("{} has it{since}: {}", holder.name(), holder.words())
            }
            LockStanding::Lost { holder, .. } => {
                let since = clock(holder.since).unwrap_or_default();
                format!("{} took it{since}: {}", holder.name(), holder.words())
            }
            LockStanding::Without { why } => format!("none: {why}"),
            LockStanding::Free => "given back".to_owned(),
        })
    }

    /// What was found out about the lock before the release begins.
    pub fn lock_preflight(&self, sight: &LockSight) -> Preflight {
        match (&sight.held, &sight.local_only) {
            (Some((target, holder)), _) => {
                let since = holder.since.map(|at| format!(" since {}", self.clock_of(at)));
                let since = since.unwrap_or_default();
                let words =
                    format!("{target} held by {}{since}: {}; r tells more", holder.name(), holder.words());
                Preflight::limited("lock", words)
            }
            (None, Some(why)) => Preflight::limited("lock", format!("free, local only: {why}")),
            (None, None) => Preflight::fine("lock", "free"),
        }
    }

    /// Whether a person may give the lock back here and now.
    pub fn may_give_lock(&self) -> bool {
        let is_ours = self.state().lock.standing.as_ref().is_some_and(LockStanding::is_ours);
        let phase = self.state().phase;
        is_ours && self.mode == Mode::Driving && table::takes(phase, table::Deed::GiveLock)
    }

    /// The clock on the operator's wall; with the day when it is not today's.
    pub fn clock_of(&self, at: jiff::Timestamp) -> String {
        let zone = &self.settings.zone;
        let (then, now) = (at.to_zoned(zone.clone()), self.now.wall.to_zoned(zone.clone()));
        let form = if then.date() == now.date() { "%H:%M" } else { "%F %H:%M" };
        then.strftime(form).to_string()
    }
}
