//! The lock of a release: one for each workload, so that two releases never work on it together.
//!
//! It keeps nobody from rolling back. What it says is kept outside (a Lease, or a file); here is how
//! it is judged, and what follows for the release.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Operator, ReleaseId};
use super::{Effect, Refusal, Release, name};
use crate::watch::{Moment, TargetRef};

/// A holder that gave no sign of life for this long is gone. Units: seconds, as a Lease tells them.
pub const TTL_S: u32 = 60;
/// A holder gives a sign of life this often: three may get lost.
pub const RENEW_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// The lock of others is looked at this often.
pub const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// A lock as it stands outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    pub holder: LockHolder,
    /// The holder's last sign of life, as it was written: compared, never read as a time.
    pub renewed: String,
    pub ttl_s: u32,
    /// How often it changed hands.
    #[serde(default)]
    pub transitions: u32,
}

/// Who holds a lock, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    pub who: String,
    #[serde(default)]
    pub host: String,
    /// `None` for a holder that is no release of gonogo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// `release v1.3.0`.
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why it stays although its release is over: then it never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Takeover>,
}

impl LockHolder {
    /// `bo at kestrel`.
    pub fn name(&self) -> String {
        if self.host.is_empty() { self.who.clone() } else { format!("{} at {}", self.who, self.host) }
    }

    /// What a person should know of a holder, without the time: `release v1.3.0`, and more.
    pub fn words(&self) -> String {
        let mut words = self.reason.clone();
        if let Some(kept) = &self.kept {
            words = format!("{words}; kept: {kept}");
        }
        if let Some(takeover) = &self.takeover {
            words = format!("{words}; taken over from {}: {}", takeover.from, takeover.because);
        }
        words
    }
}

/// How a lock came from one holder to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeover {
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_release: Option<ReleaseId>,
    pub at: Timestamp,
    pub because: String,
}

/// What a lock means for one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockVerdict {
    Free,
    Ours,
    /// Its holder gave no sign of life for as long as it said it would.
    Expired {
        silent_s: u32,
    },
    Held,
}

/// - Units: `unchanged` is how long *we* saw the same sign of life; no clock of others is trusted.
pub fn verdict(record: Option<&LockRecord>, me: &ReleaseId, unchanged: SignedDuration) -> LockVerdict {
    let Some(record) = record else { return LockVerdict::Free };
    if record.holder.release.as_ref() == Some(me) {
        return LockVerdict::Ours;
    }
    // A holder may have been told to be patient, but neither never nor for ever.
    let ttl = record.ttl_s.clamp(5, 3_600);
    let silent = unchanged.as_secs();
    if record.holder.kept.is_none() && silent >= i64::from(ttl) {
        return LockVerdict::Expired { silent_s: u32::try_from(silent).unwrap_or(u32::MAX) };
    }
    LockVerdict::Held
}

/// Counts how long a lock was seen unchanged.
#[derive(Debug, Clone, Default)]
pub struct LockWatch {
    last: Option<(LockRecord, Timestamp)>,
    unchanged: SignedDuration,
}

impl LockWatch {
    /// Takes a reading, and says how long this lock has been as it is.
    ///
    /// - Shape: time between two readings counts only as far as readings come regularly. While the
    ///   cluster was silent, or this machine slept, the holder may have been unable to renew, too.
    pub fn saw(&mut self, record: &LockRecord, at: Timestamp) -> SignedDuration {
        match &self.last {
            Some((known, before)) if known == record => {
                let gap = at.duration_since(*before).max(SignedDuration::ZERO);
                self.unchanged += gap.min(LOOK_EVERY * 2);
            }
            _ => self.unchanged = SignedDuration::ZERO,
        }
        self.last = Some((record.clone(), at));
        self.unchanged
    }

    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The lock as it is seen before the release wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSight {
    /// The first workload that another release holds.
    pub held: Option<(TargetRef, LockHolder)>,
    /// Why the lock will be a file of this machine.
    pub local_only: Option<String>,
}

/// Who wants the lock of all these workloads, and what to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWanted {
    pub release: ReleaseId,
    pub targets: Vec<TargetRef>,
    pub reason: String,
    pub version: Option<String>,
    /// Take it from this very holder.
    pub takeover: Option<LockIntent>,
}

/// A person's decision to take a lock from the holder that they were shown, and from no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockIntent {
    pub from: Option<ReleaseId>,
    pub reason: String,
}

/// How the release stands to its lock: one answer for all its workloads, which are locked together
/// or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum LockStanding {
    Ours {
        since: Timestamp,
        /// Why it is a file of this machine, which other machines do not see.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local_only: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        takeovers: Vec<Takeover>,
    },
    /// Somebody else was there first.
    Held { target: TargetRef, holder: LockHolder },
    /// It was ours, and somebody took it.
    Lost { target: TargetRef, holder: LockHolder },
    /// Given back.
    Free,
    /// There is none, and the release goes on without.
    Without { why: String },
}

impl LockStanding {
    pub fn is_ours(&self) -> bool {
        matches!(self, LockStanding::Ours { .. })
    }

    /// Who keeps the release from going forward.
    pub fn other(&self) -> Option<(&TargetRef, &LockHolder)> {
        match self {
            LockStanding::Held { target, holder } | LockStanding::Lost { target, holder } => {
                Some((target, holder))
            }
            _ => None,
        }
    }
}

/// All that a screen or a report may ask about the lock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockState {
    /// `None` until the world has answered.
    pub standing: Option<LockStanding>,
    /// Decided and not done yet; before the release begins it waits for that.
    pub takeover: Option<LockIntent>,
    /// A person gave it back in a hold: going on takes it again.
    pub parked: bool,
}

impl LockState {
    pub fn other(&self) -> Option<(&TargetRef, &LockHolder)> {
        self.standing.as_ref()?.other()
    }
}

impl Release {
    /// Asks for the lock of every workload of this release.
    pub(super) fn take_lock(&self) -> Vec<Effect> {
        let state = &self.state;
        if state.targets.is_empty() {
            return Vec::new();
        }
        let version = state.version().cloned();
        let reason = match &version {
            Some(version) => format!("{} {version}", self.workflow.name),
            None => self.workflow.name.clone(),
        };
        let wanted = LockWanted {
            release: state.id.clone(),
            targets: state.targets.clone(),
            reason,
            version,
            takeover: state.lock.takeover.clone(),
        };
        vec![Effect::Lock(Box::new(wanted))]
    }

    /// A new process holds what the old one held, at once: it is the same release.
    pub(super) fn retake_lock(&self) -> Vec<Effect> {
        let is_wanted = self.state.begun_at.is_some() && !self.state.phase.is_over();
        if is_wanted && !self.state.lock.parked { self.take_lock() } else { Vec::new() }
    }

    pub(super) fn lock_changed(&mut self, standing: &LockStanding) {
        // Done, or in vain: what is decided is decided about one holder, and once.
        self.state.lock.takeover = None;
        self.state.lock.standing = Some(standing.clone());
    }

    pub(super) fn take_lock_over(
        &mut self,
        from: Option<&ReleaseId>,
        reason: &str,
    ) -> Result<Vec<Effect>, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::new("taking a lock over needs a reason: its holder reads it", "type one"));
        }
        // What is not held is simply taken at the beginning, reason or not.
        if self.state.begun_at.is_some() && self.state.lock.other().is_none() {
            return Err(Refusal::new("nobody else holds the lock", "there is nothing to take over"));
        }
        self.state.lock.takeover = Some(LockIntent { from: from.cloned(), reason: reason.to_owned() });
        Ok(if self.state.begun_at.is_some() { self.take_lock() } else { Vec::new() })
    }

    pub(super) fn give_lock(&mut self, by: Option<&Operator>, reason: &str) -> Result<Vec<Effect>, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::new("giving the lock back needs a reason", "type one"));
        }
        if !self.state.lock.standing.as_ref().is_some_and(LockStanding::is_ours) {
            return Err(Refusal::new("this release does not hold the lock", "there is nothing to give back"));
        }
        self.state.lock.parked = true;
        Ok(vec![Effect::GiveLock { why: format!("{}: {reason}", name(by)) }])
    }

    /// The release is over: others may work on its workloads.
    pub(super) fn drop_lock(&self, why: String) -> Vec<Effect> {
        let was_asked = self.state.begun_at.is_some() && !self.state.targets.is_empty();
        if was_asked { vec![Effect::GiveLock { why }] } else { Vec::new() }
    }

    /// The hold is over: what was given back meanwhile is needed again.
    pub(super) fn unpark(&mut self) -> Vec<Effect> {
        if std::mem::take(&mut self.state.lock.parked) { self.take_lock() } else { Vec::new() }
    }

    /// The way back is never kept waiting: a lock that is free is taken with it, one that is not is
    /// only told.
    pub(super) fn lock_for_rollback(&mut self) -> Vec<Effect> {
        self.state.lock.parked = false;
        match &self.state.lock.standing {
            Some(LockStanding::Free | LockStanding::Without { .. }) => self.take_lock(),
            _ => Vec::new(),
        }
    }

    /// After a rollback nobody should release over it by accident: a person gives the lock back.
    pub(super) fn keep_lock(&self, at: Moment) -> Vec<Effect> {
        if !self.state.lock.standing.as_ref().is_some_and(LockStanding::is_ours) {
            return Vec::new();
        }
        let reason = self.state.rollback.as_ref().and_then(|rollback| rollback.reason.as_deref());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        vec![Effect::KeepLock { why: format!("rolled back {}{reason}", at.wall.strftime("%F %H:%M UTC")) }]
    }

    /// Why nothing forward starts: another release works on the same workload.
    pub(super) fn lock_refusal(&self) -> Option<Refusal> {
        let (target, holder) = self.state.lock.other()?;
        let is_lost = matches!(self.state.lock.standing, Some(LockStanding::Lost { .. }));
        let verb = if is_lost { "took" } else { "holds" };
        Some(Refusal::new(
            format!("{} {verb} the lock of {target} ({})", holder.name(), holder.words()),
            "nothing forward starts before it is ours: `:lock`; R rolls back all the same",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_356_127 + seconds).unwrap()
    }

    fn record(release: &str, renewed: &str) -> LockRecord {
        let holder = LockHolder {
            who: "bo".to_owned(),
            host: "kestrel".to_owned(),
            release: Some(ReleaseId(release.to_owned())),
            reason: "release v1.3.0".to_owned(),
            version: None,
            since: Some(at(0)),
            kept: None,
            takeover: None,
        };
        LockRecord { holder, renewed: renewed.to_owned(), ttl_s: TTL_S, transitions: 0 }
    }

    fn me() -> ReleaseId {
        ReleaseId("mine".to_owned())
    }

    #[test]
    fn a_lock_is_ours_by_its_release_however_old_it_is() {
        let ours = record("mine", "long ago");
        assert_eq!(verdict(Some(&ours), &me(), SignedDuration::from_hours(9)), LockVerdict::Ours);
        assert_eq!(verdict(None, &me(), SignedDuration::ZERO), LockVerdict::Free);
    }

    #[test]
    fn expiry_is_judged_by_what_we_saw_and_not_by_what_is_written() {
        let mut watch = LockWatch::default();
        // Renewed, by its own words, years ago: the holder's clock may be wrong.
        let theirs = record("theirs", "1999-01-01T00:00:00Z");
        let mut judged = Vec::new();
        for second in (0..=60).step_by(5) {
            let unchanged = watch.saw(&theirs, at(second));
            judged.push(verdict(Some(&theirs), &me(), unchanged) != LockVerdict::Held);
        }
        assert_eq!(judged.iter().position(|expired| *expired), Some(12), "after a minute of our own");
        let renewed = record("theirs", "1999-01-01T00:00:15Z");
        let unchanged = watch.saw(&renewed, at(65));
        assert_eq!(verdict(Some(&renewed), &me(), unchanged), LockVerdict::Held, "a sign of life");
    }

    #[test]
    fn time_in_which_nothing_could_be_read_is_no_silence_of_the_holder() {
        let mut watch = LockWatch::default();
        let theirs = record("theirs", "t");
        watch.saw(&theirs, at(0));
        let unchanged = watch.saw(&theirs, at(3_600));
        assert_eq!(verdict(Some(&theirs), &me(), unchanged), LockVerdict::Held);
    }

    #[test]
    fn a_lock_that_was_kept_after_a_rollback_does_not_expire() {
        let mut kept = record("theirs", "t");
        kept.holder.kept = Some("rolled back".to_owned());
        assert_eq!(verdict(Some(&kept), &me(), SignedDuration::from_hours(9)), LockVerdict::Held);
    }
}
