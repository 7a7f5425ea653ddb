//! What a person asks of an Argo Rollout: promote, abort, retry. Its controller does the work; gonogo
//! sends one patch, and the rollout's own state tells what came of it.

use super::event::{Failure, FailureKind, Operator, RolloutOrdered, StepResult};
use super::state::OrderState;
use super::{Effect, Refusal, Release, name};
use crate::watch::Moment;
use crate::workflow::Kind;

impl Release {
    pub(super) fn order_rollout(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        ordered: &RolloutOrdered,
    ) -> Result<Vec<Effect>, Refusal> {
        let RolloutOrdered { target, attempt, .. } = ordered;
        if target.kind != Kind::Rollout || !self.state.targets.contains(target) {
            return Err(Refusal::new(
                format!("{target} is not an Argo Rollout of this release"),
                "name it as a target",
            ));
        }
        if *attempt != self.next_order() {
            return Err(Refusal::new("this order was given before", "look at the rollout first"));
        }
        let waits = |known: &&OrderState| known.ordered.target == *target && known.answer.is_none();
        if let Some(known) = self.state.orders.iter().find(waits) {
            return Err(Refusal::new(
                format!("{target} was told to {} and has not answered", known.ordered.order),
                "wait for the answer",
            ));
        }
        let ordered = ordered.clone();
        self.state.orders.push(OrderState { at, by: name(by), ordered: ordered.clone(), answer: None });
        Ok(vec![Effect::Order(Box::new(ordered))])
    }

    /// The number of the next order, from 1.
    pub fn next_order(&self) -> u32 {
        u32::try_from(self.state.orders.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(super) fn rollout_order_ended(&mut self, at: Moment, attempt: u32, result: &StepResult) {
        let known = self.state.orders.iter_mut().find(|known| known.ordered.attempt == attempt);
        if let Some(known) = known.filter(|known| known.answer.is_none()) {
            known.answer = Some((at, result.clone()));
        }
    }

    /// A process that ended cannot hear an answer any more. None is sent again by itself: promoting
    /// twice would promote two steps.
    pub(super) fn lose_orders(&mut self, at: Moment) {
        for known in self.state.orders.iter_mut().filter(|known| known.answer.is_none()) {
            let summary = "its answer was not seen: look at the rollout before ordering again".to_owned();
            let failure = Failure { kind: FailureKind::TimedOut, summary };
            known.answer = Some((at, StepResult::Failed(failure)));
        }
    }
}
