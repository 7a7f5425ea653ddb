//! Annotations onto the workflow: ids first, so that the others can name them, then every key.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use super::attach::{self, About, CommandAt, Site};
use super::grammar::Token;
use super::keys::{self, Key, On};
use super::{gates, sign_off, values};
use crate::workflow::again;
use crate::workflow::annotated::{Applied, Before, SignOff};
use crate::workflow::infer::carried;
use crate::workflow::lint::Findings;
use crate::workflow::markdown::comments::comments;
use crate::workflow::model::{
    Check, CheckId, CheckTerms, Code as Rule, CommandId, EvidenceKind, Group, Item, Place, Probe, Role,
    RoleName, StepId, Workflow,
};
use crate::workflow::places::Places;

/// Keys of runme's attributes that mean the same as ours; its others are its own business.
const RUNME: &[(&str, &str)] =
    &[("name", "id"), ("cwd", "cwd"), ("interactive", "tty"), ("background", "background")];

/// A check that an annotation adds where it is about no check.
struct Hold {
    step: usize,
    before: Option<usize>,
    check: Check,
}

/// Reads the annotations of a document and lets them override what was inferred.
pub(in crate::workflow) fn apply(
    body_start: usize,
    places: &Places<'_>,
    workflow: &mut Workflow,
    findings: &mut Findings,
) {
    let marks = comments(&workflow.text, body_start, "gonogo");
    let sites = attach::sites(&marks, workflow, &workflow.text, places);
    if sites.is_empty() {
        return;
    }
    let ids = ItemIds::default();
    let holds_of_line = HashMap::new();
    let (holds, again) = (Vec::new(), Vec::new());
    let mut applier = Applier { places, workflow, findings, ids, holds, holds_of_line, again, set_in: None };
    applier.ids(&sites);
    for site in &sites {
        applier.site(site);
    }
    applier.put_holds();
    applier.finish();
}

/// Ids of commands and checks that an annotation may name, and where each stands.
#[derive(Debug, Default)]
pub(super) struct ItemIds {
    commands: HashMap<String, (CommandId, usize)>,
    checks: HashMap<String, (CheckId, usize)>,
}

impl ItemIds {
    pub(super) fn command(&self, id: &str) -> Option<&CommandId> {
        self.commands.get(id).map(|(id, _)| id)
    }

    fn before(&self, id: &str) -> Option<(Before, usize)> {
        let command = self.commands.get(id).map(|(id, line)| (Before::Command(id.clone()), *line));
        command.or_else(|| self.checks.get(id).map(|(id, line)| (Before::Check(id.clone()), *line)))
    }
}

/// The tokens of one annotation that its node can carry.
pub(super) struct Taken<'t> {
    tokens: BTreeMap<&'static str, &'t Token>,
}

impl<'t> Taken<'t> {
    pub(super) fn has(&self, key: &str) -> bool {
        self.tokens.contains_key(key)
    }

    pub(super) fn value(&self, key: &str) -> Option<&'t str> {
        self.tokens.get(key)?.value.as_deref()
    }

    pub(super) fn token(&self, key: &str) -> Option<&'t Token> {
        self.tokens.get(key).copied()
    }

    /// - Errors: the key stands there as a flag.
    pub(super) fn word(&self, key: &str) -> Result<&'t str, String> {
        self.value(key).ok_or_else(|| format!("`{key}` has no value"))
    }
}

/// What became of one key.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) weakens: Option<String>,
    pub(super) instead_of: Option<String>,
    /// What gonogo does in its place, where that is stricter.
    pub(super) stricter: Option<&'static str>,
}

pub(super) struct Applier<'a> {
    places: &'a Places<'a>,
    pub(super) workflow: &'a mut Workflow,
    findings: &'a mut Findings,
    ids: ItemIds,
    holds: Vec<Hold>,
    holds_of_line: HashMap<usize, usize>,
    /// `retries`: whether they are kept is known once every other key is.
    again: Vec<(&'a Site, &'a Token)>,
    /// The commands that set a variable in their own text, by its name.
    set_in: Option<HashMap<String, Vec<(CommandId, usize)>>>,
}

impl<'a> Applier<'a> {
    fn ids(&mut self, sites: &[Site]) {
        // Inferred ids of items have a slash; those of steps and gates are the ones to meet.
        let steps = self.workflow.steps.iter().map(|step| step.id.0.clone());
        let gates = self.workflow.gates.iter().map(|gate| gate.id.0.clone());
        let mut used: HashSet<String> = steps.chain(gates).collect();
        for site in sites {
            let name = if site.foreign { "name" } else { "id" };
            let Some(token) = site.annotation.tokens.iter().find(|token| token.key == name) else { continue };
            let Some(id) = token.value.as_deref().filter(|id| values::is_id(id)) else { continue };
            if !keys::find("id").is_some_and(|key| site.about.takes(key)) {
                continue;
            }
            if !used.insert(id.to_owned()) {
                let message = format!("the id `{id}` is already in use; the inferred one stays");
                self.findings.note(Rule::AnnotationValue, span_of(site, token), message);
                continue;
            }
            self.rename(&site.about, id);
        }
        for step in &self.workflow.steps {
            for command in &step.commands {
                self.ids.commands.insert(command.id.0.clone(), (command.id.clone(), command.place.line));
            }
        }
        for check in self.workflow.checks() {
            self.ids.checks.insert(check.id.0.clone(), (check.id.clone(), check.place.line));
        }
    }

    fn rename(&mut self, about: &About, id: &str) {
        if let Some(check) = about.check {
            if let Some(check) = check.get(self.workflow) {
                check.id = CheckId(id.to_owned());
            }
        } else if let Some(command) = about.command {
            if let Some(command) = command.get(self.workflow) {
                command.id = CommandId(id.to_owned());
            }
        } else if about.on.contains(&On::Heading)
            && let Some(step) = about.step.and_then(|step| self.workflow.steps.get_mut(step))
            && step.place.line == about.line
        {
            step.id = StepId(id.to_owned());
        }
    }

    fn site(&mut self, site: &'a Site) {
        let mut held: Vec<String> = Vec::new();
        for problem in &site.annotation.problems {
            if !site.foreign {
                self.findings.note(
                    Rule::AnnotationSyntax,
                    shifted(site, &problem.span),
                    problem.message.clone(),
                );
            }
        }
        if !site.foreign && !site.annotation.problems.is_empty() && keys::names_a_gate(&site.raw) {
            held.extend(site.annotation.problems.first().map(|problem| problem.message.clone()));
        }
        let mut taken = Taken { tokens: BTreeMap::new() };
        let mut unknown = Vec::new();
        for token in &site.annotation.tokens {
            match self.known(site, token) {
                Some(key) if site.about.takes(key) => {
                    taken.tokens.insert(key.name, token);
                }
                Some(key) => {
                    let message = self.misplaced(site, key);
                    self.findings.note(Rule::AnnotationMisplaced, span_of(site, token), message.clone());
                    held.extend(key.gate.then_some(message));
                }
                None if site.foreign => {}
                None => unknown.push(token),
            }
        }
        let carries_gate = !held.is_empty() || taken.tokens.keys().any(|name| is_gate(name));
        for token in unknown {
            let near = keys::near(&token.key);
            let hint = near.map(|key| format!("; did you mean `{}`?", key.name)).unwrap_or_default();
            let message = format!("`{}` is no key of an annotation{hint}", token.key);
            if carries_gate || near.is_some_and(|key| key.gate) {
                held.push(message);
            } else {
                self.findings.note(Rule::AnnotationKey, span_of(site, token), message);
            }
        }
        if site.inline
            && site.raw.get(4..site.raw.len().saturating_sub(3)).is_some_and(|inner| inner.contains("--"))
        {
            let message = "GitHub shows a comment with `--` behind other words as text".to_owned();
            self.findings.note(Rule::AnnotationDoubleDash, site.span.clone(), message);
        }
        self.keys(site, &taken, &mut held);
        if !held.is_empty() {
            let why = held.join("; ");
            self.findings.note(Rule::AnnotationHeld, site.span.clone(), why.clone());
            self.hold(site, why);
        }
    }

    fn known(&self, site: &Site, token: &Token) -> Option<&'static Key> {
        if !site.foreign {
            return keys::find(&token.key);
        }
        let (_, ours) = RUNME.iter().find(|(theirs, _)| *theirs == token.key)?;
        // `interactive=false` asks for what happens anyway.
        let off = matches!(token.value.as_deref(), Some("false" | "no" | "0"));
        let bad_id = *ours == "id" && !token.value.as_deref().is_some_and(values::is_id);
        if off || bad_id { None } else { keys::find(ours) }
    }

    fn misplaced(&self, site: &Site, key: &Key) -> String {
        let wants: Vec<&str> = key.on.iter().map(|on| on.words()).collect();
        let wants = wants.join(" or ");
        match site.about.on.first() {
            _ if site.unclear => {
                format!(
                    "`{}` may be about the item above or about what stands below: put the comment behind the words that it is about",
                    key.name
                )
            }
            Some(on) => format!("`{}` is for {wants}, and stands at {}", key.name, on.words()),
            None => format!("`{}` is for {wants}, and there is none here", key.name),
        }
    }

    fn keys(&mut self, site: &'a Site, taken: &Taken<'a>, held: &mut Vec<String>) {
        let gate = site.about.check.and_then(|at| Some((at, gates::gate(taken, &self.ids)?)));
        let mut gate_error = None;
        if let Some((at, gate)) = gate {
            match gate {
                Ok(gate) => {
                    if let Some(check) = at.get(self.workflow) {
                        check.annotated.gate = Some(gate);
                        check.probe = None;
                    }
                }
                Err(why) => gate_error = Some(why),
            }
        }
        held.extend(gate_error.clone());
        let people_error = self.sign_off(site, taken).err();
        held.extend(people_error.clone());
        for (name, token) in &taken.tokens {
            let joint = [(gates::KEYS, &gate_error), (sign_off::KEYS, &people_error)];
            if let Some((_, error)) = joint.into_iter().find(|(keys, _)| keys.contains(name)) {
                if error.is_none() {
                    self.record(site, token, Outcome::default());
                }
                continue;
            }
            let done = match *name {
                "after" => self.after(site, token),
                name => self.value(&site.about, name, token, taken),
            };
            match done {
                Ok(_) if *name == "retries" => self.again.push((site, *token)),
                Ok(outcome) => self.record(site, token, outcome),
                Err(why) if is_gate(name) => held.push(why),
                Err(why) => self.findings.note(Rule::AnnotationValue, span_of(site, token), why),
            }
        }
    }

    /// - Errors: why nobody can be asked as it is written, as a sentence fragment.
    fn sign_off(&mut self, site: &Site, taken: &Taken<'_>) -> Result<(), String> {
        let Some(sign_off) = sign_off::sign_off(taken).transpose()? else { return Ok(()) };
        let Some(check) = site.about.check.and_then(|at| at.get(self.workflow)) else { return Ok(()) };
        if check.annotated.gate.is_some() {
            return Err("people confirm it and something senses it: only one of them can".to_owned());
        }
        // What would have answered it is looked at instead.
        if check.probe.take() == Some(Probe::RolloutComplete)
            && !check.evidence.contains(&EvidenceKind::Rollout)
        {
            check.evidence.push(EvidenceKind::Rollout);
        }
        check.annotated.sign_off = Some(sign_off);
        Ok(())
    }

    /// A check at the end of a step that its prose does not have.
    pub(super) fn two_people(&mut self, about: &About) -> Result<(), String> {
        let step = about.step.filter(|step| self.workflow.steps.get(*step).is_some());
        let step = step.ok_or("there is no step here")?;
        let check = Check {
            id: CheckId(format!("two-person/line-{}", about.line)),
            place: Place { line: about.line, column: 1 },
            text: "Two people agree to go on".to_owned(),
            optional: false,
            owners: Vec::new(),
            probe: None,
            evidence: Vec::new(),
            annotated: CheckTerms {
                sign_off: Some(SignOff { approvals: 2, distinct: true, not_runner: false }),
                ..CheckTerms::default()
            },
        };
        self.holds.push(Hold { step, before: None, check });
        Ok(())
    }

    fn after(&mut self, site: &Site, token: &Token) -> Result<Outcome, String> {
        let mut before = Vec::new();
        for id in values::list(token)? {
            let (found, line) = self
                .ids
                .before(&id)
                .ok_or_else(|| format!("`after={id}` names nothing that is waited for"))?;
            if line >= site.about.line {
                return Err(format!("`after={id}` waits for something that comes later"));
            }
            before.push(found);
        }
        if let Some(check) = site.about.check.and_then(|at| at.get(self.workflow)) {
            check.annotated.after = before;
        } else if let Some(command) = site.about.command.and_then(|at| at.get(self.workflow)) {
            command.annotated.after = before;
        }
        Ok(Outcome::default())
    }

    fn record(&mut self, site: &Site, token: &Token, outcome: Outcome) {
        let span = span_of(site, token);
        if let Some(stricter) = outcome.stricter {
            let message = format!("`{}`: {stricter}", shown(token));
            self.findings.note(Rule::AnnotationNotHonoured, span, message);
            return;
        }
        if let Some(weakens) = &outcome.weakens {
            let message = format!("`{}`: {weakens}", shown(token));
            self.findings.note(Rule::AnnotationWeakens, span.clone(), message);
        }
        self.workflow.annotations.push(Applied {
            place: self.places.at(span.start),
            end_column: self.places.end_column(&span),
            text: shown(token),
            about: Place { line: site.about.line, column: 1 },
            weakens: outcome.weakens,
            instead_of: outcome.instead_of,
        });
    }

    /// Closes what the annotation was about to everything but an override with a reason.
    fn hold(&mut self, site: &Site, reason: String) {
        if let Some(check) = site.about.check.and_then(|at| at.get(self.workflow)) {
            check.probe = None;
            check.optional = false;
            check.annotated.gate = None;
            check.annotated.sign_off = None;
            check.annotated.skip_if_missing = false;
            check.annotated.weakened.clear();
            check.annotated.hold = Some(reason);
            return;
        }
        if let Some(CommandAt::Rollback(_)) = site.about.command {
            // The way back is never shut; it asks for a word instead.
            if let Some(command) = site.about.command.and_then(|at| at.get(self.workflow)) {
                command.annotated.confirm = Some(crate::workflow::annotated::Word::Target);
            }
            return;
        }
        let place = self.places.at(site.span.start);
        let n = self.holds_of_line.entry(place.line).and_modify(|n| *n += 1).or_insert(1);
        let id = if *n == 1 {
            format!("hold/line-{}", place.line)
        } else {
            format!("hold/line-{}-{n}", place.line)
        };
        let check = Check {
            id: CheckId(id),
            place,
            text: "Hold: an annotation here cannot be kept".to_owned(),
            optional: false,
            owners: Vec::new(),
            probe: None,
            evidence: Vec::new(),
            annotated: CheckTerms { hold: Some(reason), ..CheckTerms::default() },
        };
        let before = match site.about.command {
            Some(CommandAt::Step(_, command)) => Some(command),
            _ => None,
        };
        if let Some(command) = site.about.command.and_then(|at| at.get(self.workflow)) {
            command.annotated.after.push(Before::Check(check.id.clone()));
        }
        match site.about.step.or_else(|| (!self.workflow.steps.is_empty()).then_some(0)) {
            Some(step) => self.holds.push(Hold { step, before, check }),
            // Without a step, nothing runs; a gate is what is left to close.
            None => {
                if let Some(gate) = self.workflow.gates.first_mut() {
                    gate.checks.push(check);
                }
            }
        }
    }

    /// Last, because a new group moves the numbers of those after it.
    fn put_holds(&mut self) {
        let mut by_step: BTreeMap<usize, BTreeMap<Option<usize>, Vec<Check>>> = BTreeMap::new();
        for Hold { step, before, check } in std::mem::take(&mut self.holds) {
            by_step.entry(step).or_default().entry(before).or_default().push(check);
        }
        for (step, mut holds) in by_step {
            let Some(step) = self.workflow.steps.get_mut(step) else { continue };
            // What nobody waits for would hold nothing.
            step.gating = true;
            let mut before: Vec<Option<Group>> =
                std::mem::take(&mut step.groups).into_iter().map(Some).collect();
            let mut order = Vec::new();
            let put = |groups: &mut Vec<Group>, order: &mut Vec<Item>, group: Group| {
                order.push(Item::Group(groups.len()));
                groups.push(group);
            };
            let group = |checks: Vec<Check>| {
                let place = checks.first().map(|check| check.place)?;
                Some(Group { title: None, place, timebox_s: None, checks })
            };
            for item in std::mem::take(&mut step.order) {
                match item {
                    Item::Command(command) => {
                        if let Some(hold) = holds.remove(&Some(command)).and_then(group) {
                            put(&mut step.groups, &mut order, hold);
                        }
                        order.push(item);
                    }
                    Item::Group(index) => {
                        if let Some(known) = before.get_mut(index).and_then(Option::take) {
                            put(&mut step.groups, &mut order, known);
                        }
                    }
                }
            }
            if let Some(hold) = group(holds.into_values().flatten().collect()) {
                put(&mut step.groups, &mut order, hold);
            }
            step.order = order;
        }
    }

    fn finish(&mut self) {
        let mut production = false;
        for step in &mut self.workflow.steps {
            production |= step.production;
            step.production = production;
        }
        for (site, token) in std::mem::take(&mut self.again) {
            let stricter = self.why_not_again(site);
            if let Some(command) = site.about.command.and_then(|at| at.get(self.workflow))
                && stricter.is_some()
            {
                command.annotated.retries = None;
            }
            self.record(site, token, Outcome { stricter, ..Outcome::default() });
        }
        self.workflow.annotations.sort_by_key(|applied| applied.place);
        if self.workflow.checks().any(|check| check.annotated.gate.is_some()) {
            self.findings.forget(Rule::NoAutomaticCheck);
        }
    }

    fn why_not_again(&self, site: &Site) -> Option<&'static str> {
        let (step, command) = match site.about.command? {
            CommandAt::Step(step, command) => {
                let step = self.workflow.steps.get(step)?;
                (Some(step), step.commands.get(command)?)
            }
            CommandAt::Rollback(command) => (None, self.workflow.rollback.commands.get(command)?),
        };
        again::why_not(command, step)
    }

    /// The line of the first command but `own` that sets this variable in its own text.
    pub(super) fn set_elsewhere(&mut self, name: &str, own: &CommandId) -> Option<usize> {
        let workflow = &*self.workflow;
        let set_in = self.set_in.get_or_insert_with(|| {
            let mut set_in: HashMap<String, Vec<(CommandId, usize)>> = HashMap::new();
            for command in workflow.commands() {
                for name in carried::set_in(&command.text) {
                    set_in.entry(name).or_default().push((command.id.clone(), command.place.line));
                }
            }
            set_in
        });
        let others = set_in.get(name)?.iter().find(|(id, _)| id != own);
        others.map(|(_, line)| *line)
    }

    /// Roles that answer for something are staffed like those of the frontmatter.
    pub(super) fn roles(&mut self, names: &[String]) -> Vec<RoleName> {
        names
            .iter()
            .map(|name| {
                let name = RoleName(name.clone());
                if !self.workflow.roles.iter().any(|known| known.name == name) {
                    self.workflow.roles.push(Role { name: name.clone(), declared: false });
                }
                name
            })
            .collect()
    }
}

fn is_gate(name: &str) -> bool {
    keys::find(name).is_some_and(|key| key.gate)
}

/// A token for people, on one line and not longer than a line.
fn shown(token: &Token) -> String {
    let text = token.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn span_of(site: &Site, token: &Token) -> Range<usize> {
    shifted(site, &token.span)
}

fn shifted(site: &Site, span: &Range<usize>) -> Range<usize> {
    match site.base {
        Some(base) => base + span.start..base + span.end,
        None => site.span.clone(),
    }
}
