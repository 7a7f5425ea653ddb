//! The document was edited while its release runs: what a reload keeps, what it asks for again, and
//! why it is not done.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::{Answer, Approval, Attempt, Ballot, CommandState, Mark, Reloaded, SoakState, Track};
use super::{Effect, Refusal, Release, name, summary};
use crate::release::Operator;
use crate::watch::Moment;
use crate::workflow::{
    BlockPrint, Check, CheckId, CheckTerms, Command, CommandId, CommandKind, Edition, Meaning, RoleName,
    Ruling, Step, StepId, Workflow,
};

/// No record is larger: a journal is read as a whole. Units: bytes.
const LARGEST: usize = 4 << 20;

/// What a reload would do.
///
/// - Shape: worked out from the release and the new text alone, so that a replay does the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    /// The new document, called workflows in their places.
    pub document: Arc<Workflow>,
    workflow: Arc<Workflow>,
    /// Why it is not done now, each in words.
    pub blocked: Vec<String>,
    /// How many answers, votes and commands that ran stay as they are.
    pub n_kept: usize,
    /// What was settled and is open again or gone, each in words.
    pub lost: Vec<String>,
    ran: Vec<Attempt>,
    kept: Kept,
}

/// What of the state stays.
#[derive(Debug, Clone, PartialEq, Default)]
struct Kept {
    checks: BTreeMap<CheckId, Mark>,
    approvals: BTreeMap<CheckId, Vec<Approval>>,
    commands: BTreeMap<CommandId, Track>,
    polls: BTreeMap<StepId, BTreeMap<RoleName, Ballot>>,
    entered: BTreeMap<StepId, Moment>,
    soaks: BTreeMap<StepId, SoakState>,
    timeboxes: BTreeMap<(StepId, usize), Moment>,
}

impl Release {
    /// Works out what taking over this edition of the document would do; `document` is what it means.
    pub fn reload_of(&self, edition: &Edition, document: &Arc<Workflow>) -> Reload {
        let workflow = document.with_params(&self.state.params);
        let mut reload = Reload {
            blocked: self.what_blocks(document, edition),
            document: Arc::clone(document),
            workflow: Arc::new(workflow),
            n_kept: 0,
            lost: Vec::new(),
            ran: Vec::new(),
            kept: Kept::default(),
        };
        self.keep_checks(&mut reload);
        self.keep_approvals(&mut reload);
        self.keep_commands(&mut reload);
        self.keep_steps(&mut reload);
        reload
    }

    pub(super) fn reload(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        edition: &Edition,
    ) -> Result<Vec<Effect>, Refusal> {
        if edition.is_of(&self.document) {
            return Err(Refusal::new("the document is what the release runs", "there is nothing to reload"));
        }
        let document = edition.workflow(&self.document.file, &self.document.settled);
        let reload = self.reload_of(edition, &Arc::new(document));
        if let Some(why) = reload.blocked.first() {
            return Err(Refusal::new(why.clone(), "the release goes on with the document as it has it"));
        }
        self.state.reloads.push(Reloaded {
            at,
            by: name(by),
            sha256: reload.document.sha256.clone(),
            n_kept: reload.n_kept,
            lost: reload.lost.clone(),
            ran: reload.ran.clone(),
            production_since: self.production_started(),
        });
        self.take(reload);
        Ok(Vec::new())
    }

    /// A person says what an unclear block is: the document is read anew with that, and what is settled
    /// besides stays.
    pub(super) fn settle(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        block: &BlockPrint,
        meaning: Option<Meaning>,
    ) -> Result<Vec<Effect>, Refusal> {
        let Some(person) = by else {
            return Err(Refusal::new("what a block is, a person says", "give a name"));
        };
        let known = self.document.settling(block);
        let Some(known) = known.and_then(|command| command.settling.as_ref()) else {
            return Err(Refusal::new("the document has no unclear block of that content", "it was edited"));
        };
        if known.ruling.as_ref().map(|ruling| ruling.meaning) == meaning {
            return Err(Refusal::new("that is what was said of it already", "nothing changes"));
        }
        let ruling = meaning.map(|meaning| Ruling {
            meaning,
            by: person.name.clone(),
            on: at.wall.strftime("%Y-%m-%d").to_string(),
        });
        let mut settled = self.document.settled.clone();
        settled.set(block.clone(), ruling.clone());
        let document = self.document.settled_as(&settled);
        let reload = self.reload_of(&document.edition(), &Arc::new(document));
        if let Some(why) = reload.blocked.first() {
            return Err(Refusal::new(why.clone(), "the block stays what it is"));
        }
        if let Some(lost) = reload.lost.first() {
            // An answer was given for the block as it was: who gave it takes it back first.
            return Err(Refusal::new(
                format!("it would undo what was settled: {lost}"),
                "open that again first",
            ));
        }
        self.take(reload);
        Ok(vec![Effect::Remember { block: block.clone(), ruling }])
    }

    fn take(&mut self, reload: Reload) {
        let Reload { document, workflow, kept, .. } = reload;
        self.document = document;
        self.workflow = workflow;
        self.state.checks = kept.checks;
        self.state.approvals = kept.approvals;
        self.state.commands = kept.commands;
        self.state.polls = kept.polls;
        self.state.entered = kept.entered;
        self.state.soaks = kept.soaks;
        self.state.timeboxes = kept.timeboxes;
    }

    fn what_blocks(&self, new: &Workflow, edition: &Edition) -> Vec<String> {
        let mut why = Vec::new();
        for (id, track) in &self.state.commands {
            let word = match track.state {
                _ if self.again(id).is_some() => "is about to run again by itself: stop it first",
                CommandState::Running => "is running: wait for its end, or stop it",
                CommandState::InDoubt => "is in doubt: say first how it ended",
                _ => continue,
            };
            let text = summary::command(&self.workflow, id);
            why.push(format!("“{text}” {word}"));
        }
        if self.state.orders.iter().any(|order| order.answer.is_none()) {
            why.push("an order to an Argo Rollout has no answer yet".to_owned());
        }
        if self.state.policy.countdown.is_some() {
            why.push("a policy counts down: stop it first".to_owned());
        }
        let old = &self.document;
        if new.targets != old.targets || new.nginx != old.nginx {
            let what = "other targets than the way back was pinned for: start another release for them";
            why.push(format!("the new text has {what}"));
        }
        if !is_same_way_back(old, new) {
            why.push(
                "the rollback section, its criteria or its policy is another one: those of a running release stay"
                    .to_owned(),
            );
        }
        if new.queries != old.queries {
            why.push("a query is another one, and the metrics are being read already".to_owned());
        }
        if new.steps.is_empty() {
            why.push("the new text has no step to walk through".to_owned());
        }
        let is_known = |param: &&crate::workflow::Param| match param.is_secret() {
            // Its value is in no state: it was asked for if the old text asked for it.
            true => old.params.iter().any(|known| known.name == param.name && known.is_secret()),
            false => self.state.params.contains_key(&param.name),
        };
        let missing = new.params.iter().filter(|param| param.is_asked()).find(|param| !is_known(param));
        if let Some(param) = missing.filter(|_| self.state.begun_at.is_some()) {
            why.push(format!("the new text asks for {}, which this release has no value for", param.name));
        }
        // What was only read from the environment may now stand in a command as it is.
        let values = new.params.iter().filter_map(|param| Some((param, self.state.params.get(&param.name)?)));
        why.extend(values.filter_map(|(param, value)| param.check(value).err()));
        if edition.size() > LARGEST {
            why.push(format!("the new text has {} bytes, more than a journal takes", edition.size()));
        }
        why
    }

    fn keep_checks(&self, reload: &mut Reload) {
        for (id, mark) in &self.state.checks {
            let (old, new) = (self.workflow.check(id), reload.workflow.check(id));
            if old.zip(new).is_some_and(|(old, new)| is_same_check(old, new)) {
                reload.kept.checks.insert(id.clone(), mark.clone());
                reload.n_kept += 1;
            } else if !matches!(mark.answer, Answer::SensedFailing { .. }) {
                let text = old.map_or(id.as_str(), |check| check.text.as_str());
                let what = if new.is_some() { "asked again" } else { "not in the new text as it was" };
                reload.lost.push(format!("“{text}”: {what}"));
            }
        }
    }

    fn keep_approvals(&self, reload: &mut Reload) {
        for (id, given) in &self.state.approvals {
            let (old, new) = (self.workflow.check(id), reload.workflow.check(id));
            if old.zip(new).is_some_and(|(old, new)| is_same_check(old, new)) {
                reload.kept.approvals.insert(id.clone(), given.clone());
                reload.n_kept += given.len();
            } else {
                let text = old.map_or(id.as_str(), |check| check.text.as_str());
                reload.lost.push(format!("“{text}”: {} confirmed it, and are asked again", given.len()));
            }
        }
    }

    /// A command that ran keeps its standing wherever its text stands in its step: its id counts the
    /// blocks before it, and a block may have come between.
    fn keep_commands(&self, reload: &mut Reload) {
        let new = Arc::clone(&reload.workflow);
        let mut taken: Vec<&CommandId> = Vec::new();
        for (id, track) in self.state.commands.iter().filter(|(_, track)| **track != Track::default()) {
            let found = self.workflow.command(id).and_then(|old| {
                let same =
                    |command: &&Command| is_same_command(old, command) && !taken.contains(&&command.id);
                let there = new.command(id).filter(same);
                there.or_else(|| self.commands_beside(id, &new).into_iter().find(same))
            });
            if let Some(command) = found {
                taken.push(&command.id);
                let kept = reload.kept.commands.entry(command.id.clone()).or_default();
                *kept = Track { used: kept.used, ..track.clone() };
                reload.n_kept += 1;
            } else {
                let ran = summary::command(&self.workflow, id);
                let what = if new.command(id).is_some() {
                    "its text is another one, so it is ready again"
                } else {
                    "not in the new text"
                };
                reload.lost.push(format!("“{ran}”, which was settled: {what}"));
                reload.ran.extend(track.attempts.iter().cloned());
            }
            // What is run under this id from now on has numbers, and files, of its own.
            let used = reload.kept.commands.entry(id.clone()).or_default();
            used.used = used.used.max(track.next_attempt() - 1);
        }
    }

    /// The commands of the new text in the step that held this one.
    fn commands_beside<'n>(&self, id: &CommandId, new: &'n Workflow) -> Vec<&'n Command> {
        let holds = |step: &&Step| step.commands.iter().any(|command| &command.id == id);
        let Some(old) = self.workflow.steps.iter().find(holds) else { return Vec::new() };
        new.step(&old.id).map_or_else(Vec::new, |step| step.commands.iter().collect())
    }

    fn keep_steps(&self, reload: &mut Reload) {
        for old in &self.workflow.steps {
            let new = reload.workflow.step(&old.id);
            if let Some(at) = self.state.entered.get(&old.id).filter(|_| new.is_some()) {
                reload.kept.entered.insert(old.id.clone(), *at);
            }
            if let Some(ballots) = self.state.polls.get(&old.id) {
                // A GO was given for what the step was.
                if new.is_some_and(|new| is_same_step(old, new)) {
                    reload.kept.polls.insert(old.id.clone(), ballots.clone());
                    reload.n_kept += ballots.len();
                } else {
                    reload.lost.push(format!("the poll of “{}”: the step is another one", old.title));
                }
            }
            if let Some(soak) = self.state.soaks.get(&old.id) {
                if new.is_some_and(|new| new.soak == old.soak) {
                    reload.kept.soaks.insert(old.id.clone(), soak.clone());
                } else {
                    reload.lost.push(format!("the soak of “{}”: its time is another one", old.title));
                }
            }
            for (index, group) in old.groups.iter().enumerate() {
                let key = (old.id.clone(), index);
                let Some(at) = self.state.timeboxes.get(&key) else { continue };
                let same = new
                    .and_then(|new| new.groups.get(index))
                    .is_some_and(|new| new.timebox_s == group.timebox_s && new.title == group.title);
                if same {
                    reload.kept.timeboxes.insert(key, *at);
                }
            }
        }
    }
}

fn is_same_check(old: &Check, new: &Check) -> bool {
    // What it waits for counts blocks, and a block may have come between.
    let terms =
        |check: &Check| CheckTerms { after: Vec::new(), weakened: Vec::new(), ..check.annotated.clone() };
    old.text == new.text && old.optional == new.optional && old.probe == new.probe && terms(old) == terms(new)
}

fn is_same_command(old: &Command, new: &Command) -> bool {
    old.kind == new.kind
        && old.text == new.text
        && old.choices == new.choices
        && old.annotated.env == new.annotated.env
        && old.annotated.directory == new.annotated.directory
        && old.annotated.shell == new.annotated.shell
        && old.annotated.stdin == new.annotated.stdin
}

fn is_same_step(old: &Step, new: &Step) -> bool {
    let commands = |step: &Step| -> Vec<Command> {
        step.commands.iter().filter(|it| it.kind != CommandKind::Note).cloned().collect()
    };
    let (old_commands, new_commands) = (commands(old), commands(new));
    let (old_checks, new_checks): (Vec<&Check>, Vec<&Check>) =
        (old.checks().collect(), new.checks().collect());
    old.title == new.title
        && old.poll == new.poll
        && old_commands.len() == new_commands.len()
        && old_commands.iter().zip(&new_commands).all(|(old, new)| is_same_command(old, new))
        && old_checks.len() == new_checks.len()
        && old_checks.iter().zip(&new_checks).all(|(old, new)| is_same_check(old, new))
}

/// Whether two documents have one way back, wherever in their texts it stands.
fn is_same_way_back(old: &Workflow, new: &Workflow) -> bool {
    let (old, new) = (&old.rollback, &new.rollback);
    old.present == new.present
        && old.policy == new.policy
        && old.calls.iter().map(|call| &call.workflow).eq(new.calls.iter().map(|call| &call.workflow))
        && old.commands.len() == new.commands.len()
        && old.commands.iter().zip(&new.commands).all(|(a, b)| a.id == b.id && is_same_command(a, b))
        && old.criteria.len() == new.criteria.len()
        && old
            .criteria
            .iter()
            .zip(&new.criteria)
            .all(|(a, b)| a.id == b.id && a.text == b.text && a.kind == b.kind)
}
