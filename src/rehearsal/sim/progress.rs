//! Status and conditions of a Deployment: what its pods amount to, and whether that is progress.

use jiff::{SignedDuration, Timestamp};

use super::Condition;
use super::deployment::{Deployment, Pass, Status, Step};
use super::replica_set::ReplicaSet;

impl Deployment {
    /// The status as the pods make it, with the conditions that follow from it.
    pub(super) fn sync_status(&mut self, pass: &mut Pass<'_>) -> Step {
        if self.update_status(pass) { Step::Changed } else { Step::Settled }
    }

    pub(super) fn update_status(&mut self, pass: &mut Pass<'_>) -> bool {
        let before = (self.status.clone(), self.conditions.clone());
        let status = self.count(pass.sets);
        let (_, max_unavailable) = self.bounds();
        let available = if status.available >= self.desired() - max_unavailable {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        self.set_condition(Condition::new("Available", available.0, available.1, available.2, pass.now));
        self.judge_progress(&status, pass);
        self.copy_failure(pass);
        self.status = status;
        before != (self.status.clone(), self.conditions.clone())
    }

    pub(super) fn count(&self, sets: &[ReplicaSet]) -> Status {
        let wanted: i32 = self.own(sets).map(|set| set.replicas).sum();
        let available = self.own(sets).map(|set| set.status.available).sum();
        Status {
            observed_generation: self.meta.generation,
            replicas: self.own(sets).map(|set| set.status.replicas).sum(),
            updated: self.new_set(sets).map_or(0, |set| set.status.replicas),
            ready: self.own(sets).map(|set| set.status.ready).sum(),
            available,
            unavailable: (wanted - available).max(0),
            terminating: self.own(sets).map(|set| set.status.terminating).sum(),
        }
    }

    /// Why a set could not make its pods: the new set's reason before any other's.
    fn copy_failure(&mut self, pass: &Pass<'_>) {
        let failed =
            |set: &ReplicaSet| set.conditions.iter().find(|one| one.kind == "ReplicaFailure").cloned();
        let new = self.new_set(pass.sets).and_then(failed);
        match new.or_else(|| self.own(pass.sets).find_map(failed)) {
            Some(failure) => {
                let (status, reason) = (failure.status.as_str(), failure.reason.as_str());
                let copy = Condition::new("ReplicaFailure", status, reason, &failure.message, pass.now);
                self.set_condition(copy);
            }
            None => self.conditions.retain(|condition| condition.kind != "ReplicaFailure"),
        }
    }

    /// Complete before progressing before timed out, as the controller decides it.
    pub(super) fn judge_progress(&mut self, status: &Status, pass: &Pass<'_>) {
        if self.deadline().is_none() {
            self.conditions.retain(|condition| condition.kind != "Progressing");
            return;
        }
        let current = self.condition("Progressing").cloned();
        let was_complete = status.replicas == status.updated
            && current.as_ref().is_some_and(|current| current.reason == "NewReplicaSetAvailable");
        if was_complete {
            return;
        }
        let subject = self.new_set(pass.sets).map_or_else(
            || format!("Deployment \"{}\"", self.meta.name),
            |set| format!("ReplicaSet \"{}\"", set.meta.name),
        );
        let desired = self.desired();
        if status.updated == desired && status.replicas == desired && status.available == desired {
            let message = format!("{subject} has successfully progressed.");
            self.set_condition(Condition::new(
                "Progressing",
                "True",
                "NewReplicaSetAvailable",
                &message,
                pass.now,
            ));
        } else if self.has_progressed(status) {
            let message = format!("{subject} is progressing.");
            let mut condition =
                Condition::new("Progressing", "True", "ReplicaSetUpdated", &message, pass.now);
            if let Some(current) = current.filter(|current| current.status == "True") {
                condition.transitioned = current.transitioned;
            }
            // Each progress renews the time from which the deadline counts, so it replaces even an
            // equal condition.
            self.conditions.retain(|condition| condition.kind != "Progressing");
            self.conditions.push(condition);
        } else if self.has_timed_out(pass.now) {
            let message = format!("{subject} has timed out progressing.");
            self.set_condition(Condition::new(
                "Progressing",
                "False",
                "ProgressDeadlineExceeded",
                &message,
                pass.now,
            ));
        }
    }

    pub(super) fn has_progressed(&self, new: &Status) -> bool {
        let old = &self.status;
        new.updated > old.updated
            || new.replicas - new.updated < old.replicas - old.updated
            || new.ready > old.ready
            || new.available > old.available
    }

    pub(super) fn has_timed_out(&self, now: Timestamp) -> bool {
        let Some(current) = self.condition("Progressing") else { return false };
        match current.reason.as_str() {
            "NewReplicaSetAvailable" => false,
            "ProgressDeadlineExceeded" => true,
            _ => self.times_out_at().is_some_and(|at| at < now),
        }
    }

    pub(super) fn deadline(&self) -> Option<SignedDuration> {
        let seconds = self.spec.progress_deadline_seconds?;
        // The largest number means "no deadline".
        (seconds != i32::MAX).then(|| SignedDuration::from_secs(i64::from(seconds)))
    }

    /// When the controller must look again even if nothing moves.
    pub fn times_out_at(&self) -> Option<Timestamp> {
        let current = self.condition("Progressing")?;
        if self.is_paused()
            || matches!(current.reason.as_str(), "NewReplicaSetAvailable" | "ProgressDeadlineExceeded")
        {
            return None;
        }
        current.updated.checked_add(self.deadline()?).ok()
    }

    pub(super) fn refresh_pause_condition(&mut self, now: Timestamp) -> bool {
        if self.deadline().is_none() {
            return false;
        }
        let reason = self.condition("Progressing").map(|condition| condition.reason.clone());
        let marked = reason.as_deref() == Some("DeploymentPaused");
        if reason.as_deref() == Some("ProgressDeadlineExceeded") || marked == self.is_paused() {
            return false;
        }
        let (reason, message) = if self.is_paused() {
            ("DeploymentPaused", "Deployment is paused")
        } else {
            ("DeploymentResumed", "Deployment is resumed")
        };
        self.set_condition(Condition::new("Progressing", "Unknown", reason, message, now));
        true
    }

    /// Sets a condition unless status and reason are as they were.
    pub(super) fn set_condition(&mut self, mut condition: Condition) {
        let known = self.conditions.iter().position(|known| known.kind == condition.kind);
        if let Some(index) = known {
            let known = &self.conditions[index];
            if known.status == condition.status && known.reason == condition.reason {
                return;
            }
            if known.status == condition.status {
                condition.transitioned = known.transitioned;
            }
            self.conditions.remove(index);
        }
        self.conditions.push(condition);
    }
}
