//! Checks that more than whoever sits there confirms: several people, by role, none of them the runner.

use std::collections::BTreeMap;

use super::event::{Evidence, Operator};
use super::state::Approval;
use super::{Refusal, Release};
use crate::watch::Moment;
use crate::workflow::{Check, CheckId, RoleName, SignOff, Workflow};

/// Whether two names mean one person: nobody becomes another by a capital letter.
pub fn same_person(left: &str, right: &str) -> bool {
    left.trim().to_lowercase() == right.trim().to_lowercase()
}

/// Everybody that a line of the roster names: `ana, bo` are two people.
pub fn people_of(entry: &str) -> impl Iterator<Item = &str> {
    entry.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// What a roster cannot answer, a line each: checks that need more people than it names for them.
pub fn unstaffed(workflow: &Workflow, roster: &BTreeMap<RoleName, String>) -> Vec<String> {
    let signed = workflow.checks().filter_map(|check| Some((check, check.annotated.sign_off?)));
    let signed = signed.filter(|(check, _)| !check.annotated.roles.is_empty());
    let too_few = signed.filter_map(|(check, sign_off)| {
        let roles = &check.annotated.roles;
        let mut names: Vec<String> = roles
            .iter()
            .filter_map(|role| roster.get(role))
            .flat_map(|entry| people_of(entry))
            .map(str::to_lowercase)
            .collect();
        if sign_off.distinct {
            names.sort_unstable();
            names.dedup();
        }
        let words = sign_off.words(roles);
        let n = names.len();
        (n < sign_off.approvals).then(|| format!("“{}” is confirmed by {words}: {n} named here", check.text))
    });
    too_few.collect()
}

impl Release {
    /// Who answers for a role today, by the roster.
    pub fn staff(&self, role: &RoleName) -> impl Iterator<Item = &str> {
        self.state.roster.get(role).into_iter().flat_map(|entry| people_of(entry))
    }

    /// Approvals of a check that waits for more of them.
    pub fn approvals(&self, check: &CheckId) -> &[Approval] {
        self.state.approvals.get(check).map_or(&[], Vec::as_slice)
    }

    /// In which role somebody would confirm a check now: `None` inside where it asks for no role.
    ///
    /// - Errors: why this person does not count, and who would.
    pub fn may_approve(&self, check: &Check, person: &str) -> Result<Option<RoleName>, Refusal> {
        let Some(sign_off) = check.annotated.sign_off else { return Ok(None) };
        let person = person.trim();
        let refused = |why: String| Err(Refusal::new(why, self.who_else(check, sign_off)));
        if person.is_empty() {
            return refused("a confirmation has a name".to_owned());
        }
        if sign_off.not_runner && self.has_run(person) {
            return refused(format!("{person} has run a command of this release, and may not confirm this"));
        }
        let given = self.approvals(&check.id);
        let by_them = |approval: &&Approval| same_person(&approval.person, person);
        let roles = &check.annotated.roles;
        if given.iter().any(|approval| by_them(&approval) && (sign_off.distinct || roles.is_empty())) {
            return refused(format!("{person} has confirmed it already; it takes somebody else"));
        }
        if roles.is_empty() {
            return Ok(None);
        }
        let mut theirs =
            roles.iter().filter(|role| self.staff(role).any(|name| same_person(name, person))).peekable();
        if theirs.peek().is_none() {
            let names: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
            return refused(format!("{person} does not answer for {}", names.join(" or ")));
        }
        let is_new = |role: &RoleName| {
            !given.iter().filter(by_them).any(|approval| approval.role.as_ref() == Some(role))
        };
        match theirs.find(|role| is_new(role)) {
            Some(role) => Ok(Some(role.clone())),
            None => refused(format!("{person} has confirmed it for each of their roles")),
        }
    }

    /// Whom an open check still waits for; `None` where whoever sits there answers it.
    pub fn awaited_approvals(&self, check: &Check) -> Option<String> {
        let sign_off = check.annotated.sign_off.filter(|_| !self.is_closed(&check.id))?;
        let left = sign_off.approvals.saturating_sub(self.approvals(&check.id).len());
        Some(format!("{left} of {} to come: {}", sign_off.approvals, self.who_else(check, sign_off)))
    }

    /// Takes one confirmation of several.
    ///
    /// - Shape: all of them once they are enough; they are kept until then.
    pub(super) fn approve(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        check: &Check,
        person: Option<&str>,
        typed: Option<&String>,
        evidence: &[Evidence],
    ) -> Result<Option<Vec<Approval>>, Refusal> {
        let Some(sign_off) = check.annotated.sign_off else { return Ok(Some(Vec::new())) };
        let person = person.map_or_else(|| super::name(by), str::to_owned);
        let role = self.may_approve(check, &person)?;
        let person = person.trim().to_owned();
        let approval = Approval {
            person,
            role,
            by: by.cloned(),
            at,
            typed: typed.cloned(),
            evidence: evidence.to_vec(),
        };
        let given = self.state.approvals.entry(check.id.clone()).or_default();
        given.push(approval);
        if given.len() < sign_off.approvals {
            return Ok(None);
        }
        Ok(self.state.approvals.remove(&check.id))
    }

    fn has_run(&self, person: &str) -> bool {
        let mut runners = self.state.attempts().filter_map(|attempt| attempt.by.as_ref());
        runners.any(|by| same_person(&by.name, person))
    }

    /// The way out: whom to ask, by role and name.
    fn who_else(&self, check: &Check, sign_off: SignOff) -> String {
        let given = self.approvals(&check.id);
        let has_confirmed = |name: &str| given.iter().any(|approval| same_person(&approval.person, name));
        let is_free = |name: &str| {
            let is_out = sign_off.not_runner && self.has_run(name);
            !(is_out || sign_off.distinct && has_confirmed(name))
        };
        let asked = check.annotated.roles.iter().filter_map(|role| {
            let names: Vec<&str> = self.staff(role).filter(|name| is_free(name)).collect();
            (!names.is_empty()).then(|| format!("{} for {role}", names.join(" or ")))
        });
        let asked: Vec<String> = asked.collect();
        let roles: Vec<&str> = check.annotated.roles.iter().map(RoleName::as_str).collect();
        match (asked.as_slice(), roles.as_slice()) {
            (_, []) => sign_off.words(&check.annotated.roles),
            ([], roles) => format!("nobody else answers for {}: name somebody with o", roles.join(" or ")),
            (asked, _) => format!("ask {}", asked.join(", ")),
        }
    }
}
