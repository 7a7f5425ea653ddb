//! A step that a call divides, and the ids that its pieces get.

use std::collections::BTreeSet;

use super::super::model::{Check, CheckId, CheckTerms, Group, Item, Step, StepId, Workflow};
use super::super::vocabulary;
use super::Call;

/// A step that a call divides: what stands before it, and what goes on behind it.
pub(super) struct Part {
    step: Step,
}

impl Part {
    pub(super) fn first(step: &Step) -> Self {
        let empty = Step {
            commands: Vec::new(),
            groups: Vec::new(),
            order: Vec::new(),
            calls: Vec::new(),
            poll: None,
            soak: None,
            ..step.clone()
        };
        Self { step: empty }
    }

    pub(super) fn next(step: &Step, ids: &mut BTreeSet<String>) -> Self {
        let mut part = Self::first(step);
        part.step.id = StepId(unused(&format!("{}/continued", step.id), ids));
        part.step.title = format!("{} …", step.title);
        part.step.caption = None;
        part
    }

    pub(super) fn take(&mut self, from: &Step, item: Item) {
        match item {
            Item::Command(index) => {
                self.step.order.push(Item::Command(self.step.commands.len()));
                let command = from.commands.get(index);
                let calls =
                    from.calls.iter().filter(|call| call.command.as_ref() == command.map(|it| &it.id));
                self.step.calls.extend(calls.cloned());
                self.step.commands.extend(command.cloned());
            }
            Item::Group(index) => {
                self.step.order.push(Item::Group(self.step.groups.len()));
                self.step.groups.extend(from.groups.get(index).cloned());
            }
        }
    }

    pub(super) fn caption_last(&mut self, words: String) {
        if let Some(command) = self.step.commands.last_mut() {
            command.caption = Some(words);
        }
    }

    pub(super) fn add_check(
        &mut self,
        step: &Step,
        call: &Call,
        text: String,
        hold: Option<String>,
        ids: &mut BTreeSet<String>,
    ) {
        let slug = vocabulary::slug(&call.workflow, "workflow");
        let check = Check {
            id: CheckId(unused(&format!("{}/call-{slug}", step.id), ids)),
            place: call.place,
            text,
            optional: false,
            owners: Vec::new(),
            probe: None,
            evidence: Vec::new(),
            annotated: CheckTerms { hold, ..CheckTerms::default() },
        };
        self.step.order.push(Item::Group(self.step.groups.len()));
        let group = Group { title: None, place: call.place, timebox_s: None, checks: vec![check] };
        self.step.groups.push(group);
    }

    /// What stands before a call: it is never the end of the step.
    pub(super) fn end(self) -> Step {
        self.step
    }

    /// The end of the step, which watches and asks; nothing where nothing is left to do.
    pub(super) fn last(mut self, step: Step) -> Option<Step> {
        let is_whole = self.step.id == step.id;
        self.step.poll = step.poll;
        self.step.soak = step.soak;
        let has_work = !self.step.order.is_empty() || self.step.poll.is_some() || self.step.soak.is_some();
        (is_whole || has_work).then_some(self.step)
    }
}

/// Every id of a document, so that none is given a second time.
pub(super) fn ids_of(workflow: &Workflow) -> BTreeSet<String> {
    let steps = workflow.steps.iter().map(|step| step.id.0.clone());
    let commands = workflow.commands().map(|command| command.id.0.clone());
    let checks = workflow.checks().map(|check| check.id.0.clone());
    steps.chain(commands).chain(checks).collect()
}

/// An id that is no other's, and that none begins with.
pub(super) fn unused(wanted: &str, ids: &mut BTreeSet<String>) -> String {
    let is_taken = |id: &str, ids: &BTreeSet<String>| {
        let below = format!("{id}/");
        ids.contains(id) || ids.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below))
    };
    let mut id = wanted.to_owned();
    let mut n = 2;
    while is_taken(&id, ids) {
        id = format!("{wanted}-{n}");
        n += 1;
    }
    ids.insert(id.clone());
    id
}
