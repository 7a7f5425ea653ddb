//! The patch, sent until it is known to be in or known to be refused.

use std::time::Instant;

use super::{Now, Pin, Replicas, Template, WayBack, patch};
use crate::adapters::kube::error::{Cause, KubeError};
use crate::adapters::kube::listwatch::backoff;
use crate::adapters::kube::objects::Workload;

/// Somebody who writes at the same moment may beat us a few times, not for ever.
const ATTEMPTS: usize = 4;

/// What became of a rollback that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fired {
    /// The API server took the patch. Units: milliseconds from the first request to its answer.
    Accepted { took_ms: u64, generation: i64 },
    /// The workload already carries the pinned template: nothing was sent.
    AlreadyThere,
}

impl WayBack<'_> {
    /// Puts the pinned template back.
    ///
    /// - Shape: preconditions are the object's UID and the template that it carries now; with
    ///   `shown`, that must be the template the operator saw. A generation that moved alone, as by
    ///   an autoscaler, is no obstacle.
    /// - Errors: [`KubeError::Changed`] when somebody else changed the template meanwhile.
    pub async fn fire(
        &self,
        pin: &Pin,
        pinned: &Template,
        shown: Option<&str>,
        replicas: Replicas,
    ) -> Result<Fired, KubeError> {
        let began = Instant::now();
        let mut expected = shown.map(str::to_owned);
        let mut n_sent = 0;
        loop {
            let now = self.read().await?;
            self.check_precondition(pin, expected.as_deref(), &now)?;
            let holder = now.holder();
            let resized = now.resized(self.target.kind, replicas);
            if holder.template_print == pin.template_print && !now.resumes() && resized.is_none() {
                return Ok(match n_sent {
                    0 => Fired::AlreadyThere,
                    // An answer got lost, the change did not.
                    _ => Fired::Accepted { took_ms: millis(began), generation: holder.generation },
                });
            }
            n_sent += 1;
            match self.send_all(&now, pinned, resized).await {
                Ok(after) => {
                    return Ok(Fired::Accepted { took_ms: millis(began), generation: after.generation });
                }
                Err(error) => match error.cause() {
                    // A failed precondition answers 422, a lost race 409; the next reading tells
                    // which, and whether there is anything left to do.
                    Some(Cause::Conflict | Cause::Rejected) if n_sent < ATTEMPTS && lost_a_race(&error) => {
                        expected.get_or_insert(holder.template_print.clone());
                    }
                    // Whether it arrived is not known; sending it again is harmless, not sending it is not.
                    Some(Cause::Busy | Cause::Server) if n_sent < ATTEMPTS => {
                        expected.get_or_insert(holder.template_print.clone());
                        tokio::time::sleep(backoff(n_sent.try_into().unwrap_or(u32::MAX))).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// The template, and the number of pods with it: in one patch where one object holds both.
    async fn send_all(
        &self,
        now: &Now,
        pinned: &Template,
        resized: Option<u32>,
    ) -> Result<Workload, KubeError> {
        let Some(n_pods) = resized.filter(|_| now.lender.is_some()) else {
            return self.send(now, patch(pinned, now, resized), false).await;
        };
        let after = self.send(now, patch(pinned, now, None), false).await?;
        self.resize(now, n_pods).await?;
        Ok(after)
    }

    fn check_precondition(&self, pin: &Pin, expected: Option<&str>, now: &Now) -> Result<(), KubeError> {
        self.check_uid(pin, now)?;
        let carried = &now.holder().template_print;
        let is_known = |print: &str| print == carried || pin.template_print == *carried;
        if !expected.is_none_or(is_known) {
            return Err(self.changed(somebody_deployed(now)));
        }
        Ok(())
    }

    pub(super) fn check_uid(&self, pin: &Pin, now: &Now) -> Result<(), KubeError> {
        match now.workload.uid == pin.uid {
            true => Ok(()),
            false => Err(self.changed("it was deleted and made anew since it was pinned")),
        }
    }
}

pub(super) fn somebody_deployed(now: &Now) -> String {
    let images: Vec<&str> = now.holder().images.iter().map(|image| image.image.as_str()).collect();
    format!("somebody deployed {} meanwhile", images.join(", "))
}

pub(in crate::adapters::kube) fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How the API server words a `test` operation that did not hold, and any other that does not fit.
const DOES_NOT_FIT: &str = "the server rejected our request due to an error in our request";

pub(in crate::adapters::kube) fn is_failed_test(detail: &str) -> bool {
    detail == DOES_NOT_FIT
}

/// Whether somebody else wrote first: the next reading tells what is left to do.
pub(in crate::adapters::kube) fn lost_a_race(error: &KubeError) -> bool {
    match error {
        KubeError::Call { cause: Cause::Conflict, .. } => true,
        KubeError::Call { detail, .. } => is_failed_test(detail),
        _ => false,
    }
}
