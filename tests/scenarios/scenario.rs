//! What a scenario is: a workload, a script, and what every world must then tell.

use gonogo::watch::WorkloadFacts;
use gonogo::watch::rollout::RolloutState;
use serde_json::Value;

use crate::world::Which;

/// One row of the table.
pub struct Scenario {
    pub name: &'static str,
    /// Created before the workload: quotas, limits, budgets, autoscalers.
    pub around: Vec<Value>,
    pub workload: Value,
    pub steps: Vec<Step>,
    /// How many nodes of its own it has, so that no other scenario's pods are there: all but the first
    /// are cordoned at first. Zero: its pods run wherever the world likes.
    pub nodes: usize,
    pub expected: Expected,
    /// Units: seconds without progress until "stuck".
    pub stuck_after_s: u32,
    /// Where it cannot be played, and why.
    pub not_in: Vec<(Which, &'static str)>,
}

impl Scenario {
    pub fn new(name: &'static str, workload: Value, expected: Expected) -> Self {
        // Longer than any scenario takes: only those that are about getting stuck set it lower.
        let stuck_after_s = 600;
        let (around, steps, not_in) = (vec![], vec![], vec![]);
        Self { name, around, workload, steps, nodes: 0, expected, stuck_after_s, not_in }
    }

    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }

    pub fn with(mut self, object: Value) -> Self {
        self.around.push(object);
        self
    }

    pub fn on_nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self.not_in(Which::Node, "it has one node, which the other scenarios need")
    }

    pub fn not_in(mut self, which: Which, why: &'static str) -> Self {
        self.not_in.push((which, why));
        self
    }

    pub fn absence(&self, which: Which) -> Option<&'static str> {
        self.not_in.iter().find(|(absent, _)| *absent == which).map(|(_, why)| *why)
    }
}

/// What every world must tell.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The states from our change on, by name, repeats collapsed; one with `?` may be missed, because
    /// watches summarise; those joined as `a|b*` may come any number of times. `unobserved` is left out of both sides unless it is the last.
    pub states: &'static str,
    /// The deciding field of the last verdict, by its stable name.
    pub field: &'static str,
    /// The reason beside it; empty when there is none.
    pub reason: &'static str,
}

/// One thing that happens. Scripts act through the Kubernetes API only, and wait for nothing but what
/// our own engine says.
pub enum Step {
    /// Our release: from here on the template must carry this version, and states are recorded.
    Release(&'static str),
    /// Our release, changing more than the image: a merge patch of `spec.template.spec`.
    ReleaseWith(&'static str, Value),
    /// Somebody else's `kubectl set image`.
    SetImage(&'static str),
    /// A merge patch of the workload.
    Patch(Value),
    /// A merge patch of the workload's status, as the plugins of Argo Rollouts send them.
    PatchStatus(Value),
    /// A merge patch of another object of the namespace: kind, name, patch.
    PatchOther(&'static str, &'static str, Value),
    /// The workload is deleted.
    Delete,
    /// The workload is created as at first.
    Recreate,
    /// One of the scenario's own nodes, counted from 1, takes no more pods.
    Cordon(usize),
    Uncordon(usize),
    /// Every pod of this node is evicted, again and again while a budget refuses, as `kubectl drain`
    /// does it; whether a budget must refuse at least once.
    Empty(usize, Refusal),
    /// The liveness probe of one pod fails until its container was restarted.
    FailLiveness,
    /// The pod of this name is deleted, as a person does it.
    DeletePod(&'static str),
    /// Until our engine says this state.
    Until(RolloutState),
    /// Until the facts show this, whatever the state.
    See(&'static str, fn(&WorkloadFacts) -> bool),
    /// For so many world seconds nothing else happens; what the engine says meanwhile is recorded.
    Hold(u32),
}

/// What a disruption budget must have done while a node was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Never,
    Sometimes,
}
