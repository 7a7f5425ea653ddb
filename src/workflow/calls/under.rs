//! Ids of a called workflow under those of its caller.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::model::{Before, Check, CheckGate, CheckId, CommandId, Group, Item, Place, Step, StepId};
use super::{Called, bound};

/// Puts steps under a path.
pub(super) struct Under<'c> {
    path: &'c str,
    own: &'c Arc<Called>,
    /// Those that the called workflow calls in turn, as seen from outside, by their path inside.
    inner: HashMap<String, Arc<Called>>,
}

impl<'c> Under<'c> {
    pub(super) fn new(path: &'c str, own: &'c Arc<Called>) -> Self {
        Self { path, own, inner: HashMap::new() }
    }

    fn id(&self, id: &str) -> String {
        format!("{}/{id}", self.path)
    }

    pub(super) fn step(&mut self, step: &mut Step) {
        step.id = StepId(self.id(step.id.as_str()));
        for command in &mut step.commands {
            command.id = CommandId(self.id(command.id.as_str()));
            self.after(&mut command.annotated.after);
            // An inner step has what it was passed already; now what its caller was passed comes before.
            bound::set_passed(command, &self.own.bound);
        }
        for check in step.groups.iter_mut().flat_map(|group| &mut group.checks) {
            check.id = CheckId(self.id(check.id.as_str()));
            self.after(&mut check.annotated.after);
            if let Some(CheckGate::Command(command)) = &mut check.annotated.gate {
                *command = CommandId(self.id(command.as_str()));
            }
        }
        for call in &mut step.calls {
            call.command = call.command.take().map(|command| CommandId(self.id(command.as_str())));
        }
        step.called = Some(match step.called.take() {
            None => Arc::clone(self.own),
            Some(inner) => self.outside(&inner),
        });
    }

    fn after(&self, after: &mut [Before]) {
        for before in after {
            *before = match before {
                Before::Check(id) => Before::Check(CheckId(self.id(id.as_str()))),
                Before::Command(id) => Before::Command(CommandId(self.id(id.as_str()))),
            };
        }
    }

    fn outside(&mut self, inner: &Arc<Called>) -> Arc<Called> {
        if let Some(known) = self.inner.get(&inner.path) {
            return Arc::clone(known);
        }
        let seen = Arc::new(Called {
            path: self.id(&inner.path),
            depth: inner.depth + 1,
            bound: bound::through(&inner.bound, &self.own.bound),
            ..(**inner).clone()
        });
        self.inner.insert(inner.path.clone(), Arc::clone(&seen));
        seen
    }
}

/// Checks of a document that belong to no step of it, as one.
pub(super) fn step_of_checks(id: &str, title: &str, place: Place, checks: Vec<Check>) -> Step {
    Step {
        id: StepId(id.to_owned()),
        number: None,
        title: title.to_owned(),
        place,
        caption: None,
        commands: Vec::new(),
        order: vec![Item::Group(0)],
        groups: vec![Group { title: None, place, timebox_s: None, checks }],
        poll: None,
        soak: None,
        production: false,
        gating: true,
        calls: Vec::new(),
        called: None,
        annotated: Default::default(),
    }
}
