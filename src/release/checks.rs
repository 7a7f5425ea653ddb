//! Answers to checks, polls and soaks.

use std::collections::btree_map::Entry;

use super::event::{Evidence, ItemId, Operator, Vote};
use super::state::{Answer, Ballot, Mark};
use super::table::CommandInput;
use super::{Effect, Refusal, Release, name, people_of, same_person};
use crate::watch::Moment;
use crate::workflow::{Before, Check, CheckGate, CheckId, CommandId, RoleName, StepId, Workflow};

impl Release {
    /// A confirmation: the whole answer, or one of those that the check waits for.
    pub(super) fn confirm(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        check: &CheckId,
        person: Option<&str>,
        typed: Option<&String>,
        evidence: &[Evidence],
    ) -> Result<Vec<Effect>, Refusal> {
        let workflow = std::sync::Arc::clone(&self.workflow);
        let known = known(&workflow, check)?;
        self.takes_answer(known, &Answer::Confirmed)?;
        if person.is_some() && known.annotated.sign_off.is_none() {
            return Err(Refusal::new(
                format!("“{}” is confirmed by whoever sits at the keyboard", known.text),
                "say with o who that is",
            ));
        }
        if let Some(asked) = known.annotated.typed
            && let Err(why) = asked.accepts(typed.map_or("", String::as_str))
        {
            let what = asked.as_str();
            return Err(Refusal::new(format!("“{}” is confirmed with {what}: {why}", known.text), "type it"));
        }
        let approvals = self.approve(at, by, known, person, typed, evidence)?;
        if let Some(approvals) = approvals {
            let mark = self.mark(at, by, Answer::Confirmed, typed, evidence);
            self.state.checks.insert(check.clone(), Mark { approvals, ..mark });
        }
        self.state.last_answer = at;
        Ok(Vec::new())
    }

    pub(super) fn answer(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        check: &CheckId,
        answer: Answer,
        reason: &String,
        evidence: &[Evidence],
    ) -> Result<Vec<Effect>, Refusal> {
        let workflow = std::sync::Arc::clone(&self.workflow);
        self.takes_answer(known(&workflow, check)?, &answer)?;
        if reason.trim().is_empty() {
            return Err(Refusal::new("this answer needs a reason", "type one"));
        }
        // Whoever agreed before a NO-GO did not see what it is about.
        self.state.approvals.remove(check);
        let mark = self.mark(at, by, answer, Some(reason), evidence);
        self.state.checks.insert(check.clone(), mark);
        self.state.last_answer = at;
        Ok(Vec::new())
    }

    /// Whether a check may get this answer now, whoever gives it.
    fn takes_answer(&self, known: &Check, answer: &Answer) -> Result<(), Refusal> {
        if *answer == Answer::NotApplicable && !known.optional {
            return Err(Refusal::new(
                format!("“{}” always applies", known.text),
                "skip it with s and a reason, or answer it",
            ));
        }
        if let Some(why) = &known.annotated.hold
            && matches!(answer, Answer::Confirmed | Answer::Skipped)
        {
            return Err(Refusal::new(
                format!("“{}” is held: {why}", known.text),
                "override it with a reason, or correct the document",
            ));
        }
        if known.annotated.sign_off.is_some() && *answer == Answer::Skipped {
            return Err(Refusal::new(
                format!("“{}” names who confirms it, and is not skipped", known.text),
                "let them confirm it, or override it with a reason",
            ));
        }
        if !matches!(answer, Answer::NoGo | Answer::Skipped) {
            self.is_due(&known.annotated.after)?;
        }
        if *answer == Answer::Confirmed && known.is_sensed() {
            return Err(Refusal::new(
                format!("“{}” is sensed, not confirmed by hand", known.text),
                "override it with a reason, or wait for it",
            ));
        }
        self.check_is_open(&known.id)?;
        match self.state.checks.get(&known.id).map(|mark| &mark.answer) {
            None | Some(Answer::NoGo | Answer::SensedFailing { .. }) => Ok(()),
            Some(_) => Err(Refusal::new("it is already answered", "press u to open it again")),
        }
    }

    fn mark(
        &self,
        at: Moment,
        by: Option<&Operator>,
        answer: Answer,
        reason: Option<&String>,
        evidence: &[Evidence],
    ) -> Mark {
        let took_s = at.wall.duration_since(self.state.last_answer.wall).as_secs();
        Mark {
            answer,
            by: by.cloned(),
            at,
            reason: reason.cloned(),
            evidence: evidence.to_vec(),
            took_s: u64::try_from(took_s).unwrap_or(0),
            approvals: Vec::new(),
        }
    }

    pub(super) fn reopen_check(&mut self, at: Moment, check: &CheckId) -> Result<Vec<Effect>, Refusal> {
        let sensed =
            |mark: &Mark| matches!(mark.answer, Answer::Sensed { .. } | Answer::SensedFailing { .. });
        let had_approvals = self.state.approvals.remove(check).is_some();
        match self.state.checks.entry(check.clone()) {
            _ if had_approvals => {
                self.state.last_answer = at;
                Ok(Vec::new())
            }
            Entry::Occupied(entry) if !sensed(entry.get()) => {
                entry.remove();
                self.state.last_answer = at;
                Ok(Vec::new())
            }
            _ => Err(Refusal::new("there is no answer of a person to take back", "answer it with space")),
        }
    }

    pub(super) fn set_aside(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        item: &ItemId,
        reason: &String,
        answer: Answer,
    ) -> Result<Vec<Effect>, Refusal> {
        match item {
            ItemId::Check(check) => self.answer(at, by, check, answer, reason, &[]),
            ItemId::Command(command) => {
                if reason.trim().is_empty() {
                    return Err(Refusal::new("leaving a command out needs a reason", "type one"));
                }
                self.command_is_reachable(command)?;
                let input =
                    if answer == Answer::Skipped { CommandInput::Skip } else { CommandInput::NotApply };
                self.step_command(command, input)?;
                let by = by.cloned().unwrap_or_else(|| Operator {
                    name: name(None),
                    host: String::new(),
                    identity: None,
                });
                self.track(command).set_aside = Some((by, at, reason.clone()));
                Ok(Vec::new())
            }
        }
    }

    /// Whether everything that an item waits for is closed.
    pub(super) fn is_due(&self, after: &[Before]) -> Result<(), Refusal> {
        let open = after.iter().find(|before| match before {
            Before::Check(id) => !self.is_closed(id),
            Before::Command(id) => !self.state.command(id).closes(),
        });
        let (what, way_out) = match open {
            None => return Ok(()),
            Some(Before::Check(id)) => {
                let text = self.workflow.check(id).map_or(id.as_str(), |known| known.text.as_str());
                (format!("this waits for “{text}”"), "answer that first")
            }
            Some(Before::Command(id)) => (format!("this waits for the command {id}"), "run that first"),
        };
        Err(Refusal::new(what, way_out))
    }

    /// The checks that a command answers hear how it ended.
    pub(super) fn sense_command(&mut self, at: Moment, command: &CommandId, pass: bool, value: &str) {
        let workflow = std::sync::Arc::clone(&self.workflow);
        let answered = CheckGate::Command(command.clone());
        for check in workflow.checks().filter(|check| check.annotated.gate.as_ref() == Some(&answered)) {
            self.sense(at, &check.id, pass, value);
        }
    }

    /// What a probe says settles a check unless a person has already gone against it.
    pub(super) fn sense(&mut self, at: Moment, check: &CheckId, pass: bool, value: &str) {
        let Some(known) = self.workflow.check(check).filter(|known| known.is_sensed()) else { return };
        if self.is_due(&known.annotated.after).is_err() {
            return;
        }
        if self.state.checks.get(check).is_some_and(|mark| mark.by.is_some()) {
            return;
        }
        let value = value.to_owned();
        let answer = if pass { Answer::Sensed { value } } else { Answer::SensedFailing { value } };
        let mark = Mark {
            answer,
            by: None,
            at,
            reason: None,
            evidence: Vec::new(),
            took_s: 0,
            approvals: Vec::new(),
        };
        self.state.checks.insert(check.clone(), mark);
    }

    #[expect(clippy::too_many_arguments, reason = "one argument per field of the vote's record")]
    pub(super) fn vote(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        step: &StepId,
        role: &RoleName,
        vote: Vote,
        reason: Option<&String>,
        evidence: &[Evidence],
    ) -> Result<Vec<Effect>, Refusal> {
        self.poll_is_open(step, role)?;
        if vote == Vote::NoGo && reason.is_none_or(|reason| reason.trim().is_empty()) {
            return Err(Refusal::new("NO-GO needs a reason", "type one"));
        }
        let Some(person) = self.state.roster.get(role).cloned() else {
            return Err(Refusal::new(
                format!("nobody answers for {role} today"),
                "say who with o, or press - and say why it does not apply",
            ));
        };
        let ballot = Ballot {
            vote: Some(vote),
            not_applicable: false,
            // One person may answer for several; who pressed the key is said too when it is another.
            person: match by {
                Some(by) if people_of(&person).any(|name| same_person(name, &by.name)) => by.name.clone(),
                Some(by) => format!("{person} (key pressed by {})", by.name),
                None => person,
            },
            at,
            reason: reason.cloned(),
            evidence: evidence.to_vec(),
        };
        self.state.polls.entry(step.clone()).or_default().insert(role.clone(), ballot);
        self.state.last_answer = at;
        Ok(Vec::new())
    }

    pub(super) fn role_not_applicable(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        step: &StepId,
        role: &RoleName,
        reason: &str,
    ) -> Result<Vec<Effect>, Refusal> {
        self.poll_is_open(step, role)?;
        if reason.trim().is_empty() {
            return Err(Refusal::new("leaving a role out needs a reason", "type one"));
        }
        let roles =
            self.workflow.step(step).and_then(|step| step.poll.as_ref()).map_or(0, |poll| poll.roles.len());
        let others = self.state.polls.get(step).into_iter().flatten().filter(|(known, _)| *known != role);
        let left_out = others.filter(|(_, ballot)| ballot.not_applicable).count();
        if left_out + 1 >= roles {
            return Err(Refusal::new("a poll that nobody answers is no poll", "somebody has to say GO"));
        }
        let ballot = Ballot {
            vote: None,
            not_applicable: true,
            person: name(by),
            at,
            reason: Some(reason.to_owned()),
            evidence: Vec::new(),
        };
        self.state.polls.entry(step.clone()).or_default().insert(role.clone(), ballot);
        Ok(Vec::new())
    }

    pub(super) fn shorten_soak(
        &mut self,
        by: Option<&Operator>,
        step: &StepId,
        role: &RoleName,
        reason: &str,
    ) -> Result<Vec<Effect>, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::new("shortening a soak needs a reason", "type one"));
        }
        if !self.workflow.people().iter().any(|(known, _)| known == role) {
            return Err(Refusal::new(format!("the workflow knows no role {role}"), "name one of its roles"));
        }
        let released_by = self.workflow.step(step).and_then(|step| step.annotated.released_by.as_ref());
        if let Some(only) = released_by.filter(|only| *only != role) {
            return Err(Refusal::new(
                format!("only {only} may end this soak early"),
                format!("ask who answers for {only}"),
            ));
        }
        match self.state.soaks.get_mut(step) {
            Some(soak) if !soak.over => {
                soak.over = true;
                soak.shortened = Some((name(by), role.clone(), reason.to_owned()));
                Ok(Vec::new())
            }
            Some(_) => Err(Refusal::new("the soak is already long enough", "go on")),
            None => Err(Refusal::new(
                "this step has no running soak",
                "it starts once the commands of its step are through",
            )),
        }
    }

    fn poll_is_open(&self, step: &StepId, role: &RoleName) -> Result<(), Refusal> {
        let Some(known) = self.workflow.step(step) else {
            return Err(Refusal::new(format!("the workflow has no step {step}"), "see the checklist"));
        };
        let asked = known.poll.as_ref().is_some_and(|poll| poll.roles.contains(role));
        if !asked {
            return Err(Refusal::new(format!("{role} is not asked in this poll"), "see who is asked"));
        }
        self.step_is_open(known)?;
        if let Some(blocker) = self.step_blockers(known, false).into_iter().next() {
            return Err(Refusal::new(format!("the poll is not open yet: {blocker}"), "close it first"));
        }
        Ok(())
    }
}

fn known<'w>(workflow: &'w Workflow, check: &CheckId) -> Result<&'w Check, Refusal> {
    let missing = || Refusal::new(format!("the workflow has no check {check}"), "see the checklist");
    workflow.check(check).ok_or_else(missing)
}
