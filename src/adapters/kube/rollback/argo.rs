//! What an Argo Rollout needs beside its template: an abort before it, because that moves the
//! traffic at once, and a full promotion after it, because else the way back walks all steps.
//!
//! Checked against Argo Rollouts 1.10: a new template in the spec takes an abort back by itself, and
//! one that equals the stable version leaves all steps out.

use std::time::{Duration, Instant};

use super::fire::somebody_deployed;
use super::{Now, Pin, WayBack};
use crate::adapters::kube::error::{Cause, KubeError};
use crate::adapters::kube::objects::Rolling;
use crate::adapters::kube::orders;
use crate::release::{Order, RolloutOrdered};

/// The controller looks at a change within moments; longer than this, and it is asked again later.
const OBSERVED_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl WayBack<'_> {
    /// Sends the traffic back to the stable version, if anything else is under way.
    ///
    /// - Shape: how long it took in milliseconds; `None` when there was nothing to abort: no update
    ///   is under way, or it is that of the pinned template, or it was aborted already.
    pub async fn abort(&self, pin: &Pin) -> Result<Option<u64>, KubeError> {
        let now = self.read().await?;
        self.check_uid(pin, &now)?;
        let is_aborted = now.workload.argo.as_ref().is_some_and(|argo| argo.aborted);
        let is_pinned = now.holder().template_print == pin.template_print;
        if is_pinned || is_aborted || is_stable(&now) {
            return Ok(None);
        }
        match self.order(pin, Order::Abort).await {
            // It came to rest while it was asked.
            Err(KubeError::NotNow { .. }) => Ok(None),
            sent => sent,
        }
    }

    /// Lets the pinned template leave its steps out, if it is not the stable version any more.
    ///
    /// - Shape: how long it took in milliseconds; `None` when there is no step to leave out.
    /// - Errors: [`KubeError::Changed`] when the spec holds another template, so that nobody else's
    ///   version is ever promoted; [`KubeError::Call`] with [`Cause::TimedOut`] while the controller
    ///   has not looked at the template: what it said before is of another one.
    pub async fn promote(&self, pin: &Pin) -> Result<Option<u64>, KubeError> {
        let began = Instant::now();
        loop {
            let now = self.read().await?;
            self.check_uid(pin, &now)?;
            if now.holder().template_print != pin.template_print {
                return Err(self.changed(somebody_deployed(&now)));
            }
            if is_observed(&now) {
                return match is_stable(&now) {
                    true => Ok(None),
                    false => self.order(pin, Order::PromoteFull).await,
                };
            }
            if began.elapsed() > OBSERVED_WITHIN {
                let what = format!("promote {}", self.target);
                let why = "its controller has not looked at the template yet".to_owned();
                return Err(self.place.failed(&what, Cause::TimedOut, why));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn order(&self, pin: &Pin, order: Order) -> Result<Option<u64>, KubeError> {
        let ordered = RolloutOrdered {
            target: self.target.clone(),
            order,
            attempt: 0,
            uid: pin.uid.clone(),
            step: None,
        };
        orders::send(self.client, self.place, &ordered).await
    }
}

/// Whether nothing is under way: the version that its controller saw last is the stable one.
fn is_stable(now: &Now) -> bool {
    matches!(&now.workload.rolling, Rolling::Hash { target, stable } if target.is_some() && target == stable)
}

/// Whether its controller has looked at the template, also at one that it borrows.
pub(super) fn is_observed(now: &Now) -> bool {
    let reached = |observed: Option<i64>, generation| observed.is_some_and(|seen| seen >= generation);
    let borrowed = now.workload.borrowed.as_ref().and_then(|borrowed| borrowed.observed_generation);
    reached(now.workload.observed_generation, now.workload.generation)
        && now.lender.as_ref().is_none_or(|lender| reached(borrowed, lender.generation))
}
