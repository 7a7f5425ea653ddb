//! The called workflow's gates and steps in the place of the call, with ids under the caller's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::lint::Findings;
use super::super::model::{Code, CommandKind, Item, Place, RoleName, Severity, Step, Workflow};
use super::super::{Source, again, read_settled, sha256, vocabulary};
use super::part::{Part, ids_of, unused};
use super::under::Under;
use super::{Bound, Call, CallAnswer, Called, CalledFiles, CalledFrom, DEEPEST, bound, under};
use crate::workflow::infer::{ANYONE, poll_before_production};

/// As many steps as all calls of a release bring along; more nobody walks through.
const MOST_STEPS: usize = 400;

/// The workflow with every called one in its place.
///
/// - Shape: a call that nothing answers becomes a check for a person, one that cannot be followed a
///   held check; what is only offered stays a line to read. Ids stay unique. Doing it twice changes
///   nothing.
/// - Errors: none; see the diagnostics.
pub fn placed(workflow: Workflow, files: &Arc<CalledFiles>) -> Workflow {
    if workflow.called.is_some() {
        return workflow;
    }
    let mut placing = Placing { files, n_steps: 0, findings: Findings::default() };
    let mut chain = vec![Link { name: workflow.name.clone(), sha256: workflow.sha256.clone() }];
    let mut placed = placing.workflow(workflow, None, &mut chain, None);
    placed.called = Some(Arc::clone(files));
    // What was found is known better now than when the document was read alone.
    placed.diagnostics.retain(|found| found.code != Code::WorkflowNotFound);
    placing.note_not_found(&mut placed);
    placing.note_not_again(&mut placed);
    placing.findings.add_to(&mut placed.diagnostics);
    placed
}

/// One document on the way to the one that is being read.
struct Link {
    name: String,
    sha256: String,
}

/// Where a remark goes: the line of the release's own document that leads there.
type Caret = (Place, usize);

struct Placing<'f> {
    files: &'f CalledFiles,
    n_steps: usize,
    findings: Findings,
}

/// What becomes of a line that calls.
enum Fate {
    Steps(Vec<Step>),
    /// Shown and not waited for, with the words why.
    Offered(String),
    /// Nothing answers: a person does it.
    ByHand,
    Held(String),
}

impl Placing<'_> {
    fn workflow(
        &mut self,
        mut workflow: Workflow,
        by: Option<&str>,
        chain: &mut Vec<Link>,
        caret: Option<Caret>,
    ) -> Workflow {
        self.answer(&mut workflow, by);
        let mut ids = ids_of(&workflow);
        let asks_nobody = workflow.steps.iter().all(|step| step.poll.is_none());
        let mut is_production = false;
        let mut steps = Vec::new();
        for step in std::mem::take(&mut workflow.steps) {
            let first = steps.len();
            if step.calls.is_empty() {
                steps.push(step);
            } else {
                self.step(step, &mut workflow, by, chain, caret, &mut ids, &mut steps);
            }
            // From the first one on that acts on production, all do.
            for step in steps.iter_mut().skip(first) {
                is_production |= step.production;
                step.production = is_production;
            }
        }
        if asks_nobody && steps.iter().any(|step| step.called.is_some()) {
            let roles = declared(&workflow);
            poll_before_production(&mut steps, roles);
        }
        workflow.steps = steps;
        workflow
    }

    /// Tells every call of a document who answers it.
    fn answer(&self, workflow: &mut Workflow, by: Option<&str>) {
        let in_steps = workflow.steps.iter_mut().flat_map(|step| &mut step.calls);
        for call in workflow.calls.iter_mut().chain(&mut workflow.rollback.calls).chain(in_steps) {
            call.answer = self.files.answer(by, &call.workflow).cloned();
            call.found = call.answer.as_ref().is_some_and(|answer| answer.from != CalledFrom::BuiltIn);
        }
    }

    fn note_not_found(&mut self, workflow: &mut Workflow) {
        let in_steps =
            workflow.steps.iter().filter(|step| step.called.is_none()).flat_map(|step| &step.calls);
        let all = workflow.calls.iter().chain(&workflow.rollback.calls).chain(in_steps);
        for call in all {
            let caret = (call.place, call.end_column);
            if !call.found {
                self.findings.note_caret(Code::WorkflowNotFound, caret, call.workflow.clone());
            }
            for (answer, other) in
                call.answer.iter().flat_map(|it| it.others.first().map(|other| (it, other)))
            {
                let words = format!("`{}` is {}, and not {other}", call.workflow, answer.file);
                self.findings.note_caret(Code::CallShadowed, caret, words);
            }
        }
    }

    /// Production may begin earlier than each document knew alone, and nothing there runs again by itself.
    fn note_not_again(&mut self, workflow: &mut Workflow) {
        let calls: Vec<Arc<Called>> = workflow.steps.iter().filter_map(|step| step.called.clone()).collect();
        for step in workflow.steps.iter_mut().filter(|step| step.production) {
            // The line of the release's own document that leads there.
            let place = match &step.called {
                None => step.place,
                Some(called) => {
                    let is_above =
                        |outer: &&Arc<Called>| outer.depth == 1 && called.path.starts_with(&outer.path);
                    calls.iter().find(is_above).unwrap_or(called).place
                }
            };
            for command in step.commands.iter_mut().filter(|command| command.annotated.retries.is_some()) {
                command.annotated.retries = None;
                let words = format!("`retries` of {}: {}", command.id, again::IN_PRODUCTION);
                self.findings.note_caret(Code::AnnotationNotHonoured, (place, place.column + 1), words);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the place of one step in all that is known around it")]
    fn step(
        &mut self,
        step: Step,
        caller: &mut Workflow,
        by: Option<&str>,
        chain: &mut Vec<Link>,
        caret: Option<Caret>,
        ids: &mut BTreeSet<String>,
        steps: &mut Vec<Step>,
    ) {
        let has_own_block =
            step.commands.iter().any(|it| matches!(it.kind, CommandKind::Run | CommandKind::Choice));
        let mut part = Part::first(&step);
        for item in &step.order {
            let call = match item {
                Item::Command(index) => step.commands.get(*index).and_then(|command| {
                    step.calls.iter().find(|call| call.command.as_ref() == Some(&command.id))
                }),
                Item::Group(_) => None,
            };
            let Some(call) = call else {
                part.take(&step, *item);
                continue;
            };
            let caret = caret.unwrap_or((call.place, call.end_column));
            match self.fate(call, &step, caller, by, has_own_block, chain, caret, ids) {
                Fate::Steps(called) => {
                    steps.push(part.end());
                    steps.extend(called);
                    part = Part::next(&step, ids);
                }
                Fate::Offered(words) => {
                    part.take(&step, *item);
                    part.caption_last(words);
                }
                Fate::ByHand => {
                    part.take(&step, *item);
                    let words =
                        format!("→ {}: nothing answers this call, so it is done by hand", call.workflow);
                    part.add_check(&step, call, words, None, ids);
                }
                Fate::Held(why) => {
                    part.take(&step, *item);
                    self.findings.note_caret(Code::CallRefused, caret, why.clone());
                    part.add_check(&step, call, format!("→ {}", call.workflow), Some(why), ids);
                }
            }
        }
        steps.extend(part.last(step));
    }

    #[expect(clippy::too_many_arguments, reason = "the place of one call in all that is known around it")]
    fn fate(
        &mut self,
        call: &Call,
        step: &Step,
        caller: &mut Workflow,
        by: Option<&str>,
        has_own_block: bool,
        chain: &mut Vec<Link>,
        caret: Caret,
        ids: &mut BTreeSet<String>,
    ) -> Fate {
        let Some(answer) = call.answer.clone() else {
            return if call.condition.is_some() { Fate::Offered(offer(call, None)) } else { Fate::ByHand };
        };
        let built_in = answer.from == CalledFrom::BuiltIn;
        if call.condition.is_some() || (built_in && has_own_block) {
            return Fate::Offered(offer(call, Some(&answer)));
        }
        let held = |why: String| match by {
            Some(by) => Fate::Held(format!("{why} ({by}:{})", call.place.line)),
            None => Fate::Held(why),
        };
        let names = || chain.iter().map(|link| link.name.as_str()).chain([call.workflow.as_str()]);
        let way = || names().collect::<Vec<_>>().join(" → ");
        let Some(text) = self.files.texts.get(&answer.file) else {
            return held(format!("{} cannot be read, or there is too much of it", answer.file));
        };
        let sha256 = sha256(text.as_bytes());
        if chain.iter().any(|link| link.sha256 == sha256) {
            return held(format!("it goes round in a circle: {}", way()));
        }
        if chain.len() > DEEPEST {
            return held(format!("calls are followed {DEEPEST} deep: {}", way()));
        }
        if self.n_steps > MOST_STEPS {
            return held(format!("more than {MOST_STEPS} steps are called: {}", way()));
        }
        // Counted before it is known how it ends: each costs a reading of its file.
        self.n_steps += 1;
        let source = Source { file: &answer.file, bytes: text.as_bytes(), siblings: &|_| false };
        let document = read_settled(source, &caller.settled);
        chain.push(Link { name: call.workflow.clone(), sha256 });
        let mut document = self.workflow(document, Some(&answer.file), chain, Some(caret));
        chain.pop();
        let bound = match bound::bind(call, &mut document, caller) {
            Ok(bound) => bound,
            Err(why) => return held(why),
        };
        let path = unused(&format!("{}/{}", step.id, vocabulary::slug(&call.workflow, "workflow")), ids);
        if document.gates.is_empty() && document.steps.is_empty() && document.outputs.is_empty() {
            return held(format!("{} has no step to walk through", answer.file));
        }
        let outer_roles = declared(caller);
        self.join(&document, caller, &answer, caret);
        let steps = transplanted(document, &answer, call, &path, bound, step, &outer_roles);
        self.n_steps += steps.len();
        Fate::Steps(steps)
    }

    /// What of a called document holds for the whole release, and what does not and is said.
    fn join(&mut self, called: &Workflow, caller: &mut Workflow, answer: &CallAnswer, caret: Caret) {
        let file = &answer.file;
        for role in &called.roles {
            match caller.roles.iter_mut().find(|known| known.name == role.name) {
                Some(known) => known.declared |= role.declared,
                None => caller.roles.push(role.clone()),
            }
        }
        let new = called.irreversible.iter().filter(|text| !caller.irreversible.contains(text));
        caller.irreversible.extend(new.cloned().collect::<Vec<_>>());
        caller.errors.extend(called.errors.iter().cloned());
        caller.escalation.extend(called.escalation.iter().cloned());
        for (metric, query) in &called.queries {
            // How the caller's own criteria are measured is the caller's to say.
            let is_judged = caller.rollback.criteria.iter().any(|it| it.kind.metric() == Some(*metric));
            if !is_judged && !caller.queries.contains_key(metric) {
                caller.queries.insert(*metric, query.clone());
            } else if caller.queries.get(metric) != Some(query) {
                let words = format!("the query of {file} for the {}", metric.words());
                self.findings.note_caret(Code::CallLeftOut, caret, words);
            }
        }
        for target in &called.targets {
            let is_known =
                |known: &super::super::model::Target| known.kind == target.kind && known.name == target.name;
            if !caller.targets.iter().any(is_known) {
                let name = format!("{}/{}", target.kind.as_str(), target.name);
                let words = format!("{file} acts on {name}, which is none of this document's targets");
                self.findings.note_caret(Code::CallTarget, caret, words);
            }
        }
        if called.rollback.present {
            self.findings.note_caret(Code::CallLeftOut, caret, format!("the rollback section of {file}"));
        }
        if called.nginx.is_some() && called.nginx != caller.nginx {
            self.findings.note_caret(Code::CallLeftOut, caret, format!("`nginx:` of {file}"));
        }
        let n = called.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
        if n > 0 {
            let errors = if n == 1 { "an error".to_owned() } else { format!("{n} errors") };
            let words = format!("{file} has {errors} of its own, see gonogo lint {file}");
            self.findings.note_caret(Code::CalledErrors, caret, words);
        }
    }
}

/// What a line says that is shown and not followed.
fn offer(call: &Call, answer: Option<&CallAnswer>) -> String {
    let when = call.condition.as_ref().map_or("offered".to_owned(), |when| format!("offered, {when}"));
    match answer {
        None => format!("{when}: nothing answers this call"),
        Some(answer) if answer.from == CalledFrom::BuiltIn => {
            format!("{when}: the built-in workflow; what stands in this document comes first")
        }
        Some(answer) => {
            let with: String =
                call.with.iter().map(|(name, value)| format!(" --param {name}={value}")).collect();
            format!("{when}: gonogo run {}{with}", answer.file)
        }
    }
}

fn declared(workflow: &Workflow) -> Vec<RoleName> {
    workflow.roles.iter().filter(|role| role.declared).map(|role| role.name.clone()).collect()
}

/// The gates, steps and outputs of a called document as steps of its caller.
fn transplanted(
    document: Workflow,
    answer: &CallAnswer,
    call: &Call,
    path: &str,
    bound: BTreeMap<String, Bound>,
    caller: &Step,
    roles: &[RoleName],
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for gate in &document.gates {
        steps.push(under::step_of_checks(gate.id.as_str(), &gate.title, gate.place, gate.checks.clone()));
    }
    let place = document.outputs.first().map(|check| check.place);
    let outputs = place.map(|place| under::step_of_checks("outputs", "Outputs", place, document.outputs));
    steps.extend(document.steps);
    steps.extend(outputs);
    let own = Arc::new(Called {
        path: path.to_owned(),
        name: call.workflow.clone(),
        file: answer.file.clone(),
        from: answer.from,
        place: call.place,
        depth: 1,
        title: document.title,
        text: document.text.into(),
        params: document.params,
        bound,
        annotations: document.annotations,
    });
    let mut under = Under::new(path, &own);
    for step in &mut steps {
        under.step(step);
        step.production |= caller.production;
        // A communication step waits for nobody, and neither does what it calls.
        step.gating &= caller.gating;
        if let Some(poll) =
            step.poll.as_mut().filter(|poll| poll.roles.iter().all(|role| role.as_str() == ANYONE))
            && !roles.is_empty()
        {
            poll.roles = roles.to_vec();
        }
    }
    steps
}
