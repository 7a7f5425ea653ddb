//! The items of the list: checks, polls, soaks, commands, and what was left out.

use std::fmt::Write as _;

use super::text::{block, code, length, millis, table, words};
use super::{Story, evidence};
use crate::release::{
    Answer, Approval, Attempt, Captured, CommandState, Evidence, Fact, Mark, Run, Track, Vote, name, summary,
};
use crate::watch::Moment;
use crate::workflow::{Check, Command, CommandId};

impl Story<'_> {
    pub(super) fn checks(&self) -> String {
        let workflow = self.release.workflow();
        let mut text = String::new();
        let gates = workflow.gates.iter().map(|gate| (gate.title.clone(), gate.checks.iter().collect()));
        let steps = workflow.steps.iter().map(|step| (step.heading(), step.checks().collect()));
        let outputs = ("Outputs".to_owned(), workflow.outputs.iter().collect());
        let parts: Vec<(String, Vec<&Check>)> = gates.chain(steps).chain([outputs]).collect();
        for (title, checks) in parts.iter().filter(|(_, checks)| !checks.is_empty()) {
            let rows: Vec<Vec<String>> = checks.iter().map(|check| self.check(check)).collect();
            let head = ["Check", "Answer", "By", "At", "Took", "Reason or evidence"];
            let _ = write!(text, "### {}\n\n{}", words(title), table(&head, &rows));
        }
        text
    }

    fn check(&self, check: &Check) -> Vec<String> {
        let Some(mark) = self.state().checks.get(&check.id) else {
            let rest = std::iter::repeat_n(String::new(), 4);
            let given = self.release.approvals(&check.id);
            if !given.is_empty() {
                let open = format!("☐ open, {} confirmed it", given.len());
                let rest = std::iter::repeat_n(String::new(), 3);
                return [words(&check.text), open, approvals(given)].into_iter().chain(rest).collect();
            }
            return [words(&check.text), "☐ open".to_owned()].into_iter().chain(rest).collect();
        };
        let (answer, sensed) = match &mark.answer {
            Answer::Confirmed => ("☑ confirmed", None),
            Answer::NoGo => ("✘ **NO-GO**", None),
            Answer::NotApplicable => ("– not applicable", None),
            Answer::Skipped => ("» skipped", None),
            Answer::Overridden => ("◆ **overridden**", None),
            Answer::Sensed { value } => ("◉ sensed", Some(value)),
            Answer::SensedFailing { value } => ("◌ sensed, not so", Some(value)),
        };
        let said = [mark.reason.as_ref(), sensed].into_iter().flatten().map(|text| words(text));
        let said = said.chain((!mark.evidence.is_empty()).then(|| evidence(&mark.evidence)));
        let said = said.chain(self.earlier_no_go(mark.at, |fact| match fact {
            Fact::NoGo { check: id, reason, .. } if *id == check.id => Some(reason),
            _ => None,
        }));
        vec![
            words(&check.text),
            answer.to_owned(),
            match (sensed, mark.approvals.is_empty()) {
                (Some(_), _) => "a probe".to_owned(),
                (None, true) => person(mark),
                (None, false) => approvals(&mark.approvals),
            },
            self.time(mark.at),
            if sensed.is_some() { String::new() } else { seconds(mark.took_s) },
            said.collect::<Vec<_>>().join(" · "),
        ]
    }

    /// A NO-GO that was taken back is the first thing a reader asks about.
    fn earlier_no_go<'a>(
        &'a self,
        last: Moment,
        no_go: impl Fn(&'a Fact) -> Option<&'a String> + 'a,
    ) -> impl Iterator<Item = String> + 'a {
        let before = self.records.iter().map(|record| &record.event).filter(move |event| event.at != last);
        before.filter_map(move |event| {
            let reason = words(no_go(&event.fact)?);
            let by = words(&name(event.by.as_ref()));
            Some(format!("earlier **NO-GO** by {by} at {}: {reason}", self.time(event.at)))
        })
    }

    pub(super) fn skipped(&self) -> String {
        self.left_out(&Answer::Skipped, CommandState::Skipped)
    }

    pub(super) fn not_applicable(&self) -> String {
        let mut text = self.left_out(&Answer::NotApplicable, CommandState::NotApplicable);
        for (step, ballots) in &self.state().polls {
            for (role, ballot) in ballots.iter().filter(|(_, ballot)| ballot.not_applicable) {
                let step = self.release.workflow().step(step).map_or(step.as_str(), |step| &step.title);
                let what = format!("the vote of {role} in the poll of “{step}”");
                text += &self.line(&what, ballot.at, &ballot.person, ballot.reason.as_deref());
            }
        }
        text
    }

    pub(super) fn overridden(&self) -> String {
        let mut text = String::new();
        for check in self.release.workflow().checks() {
            let Some(mark) = self.state().checks.get(&check.id) else { continue };
            if mark.answer == Answer::Overridden {
                text += &self.line(&check.text, mark.at, &person_name(mark), mark.reason.as_deref());
            }
        }
        for record in self.records {
            let Fact::CriterionOverridden { criterion, reason } = &record.event.fact else { continue };
            let known = self.release.workflow().criterion(criterion);
            let what =
                format!("the rollback criterion “{}”", known.map_or(criterion.as_str(), |known| &known.text));
            text += &self.line(&what, record.event.at, &name(record.event.by.as_ref()), Some(reason));
        }
        text
    }

    /// What annotations took from gates, and what they held: neither shows on a rendered page.
    pub(super) fn weakened(&self) -> String {
        let workflow = self.release.workflow();
        let weaker = workflow.weakened().into_iter().filter_map(|(file, applied)| {
            let what = applied.weakens.as_ref()?;
            let file = file.map(|file| format!("{} ", words(file))).unwrap_or_default();
            Some(format!("- ⚠ {file}line {}, {}: {}\n", applied.place.line, code(&applied.text), words(what)))
        });
        let held = workflow.checks().filter_map(|check| {
            let why = check.annotated.hold.as_ref()?;
            Some(format!("- ⚠ line {}, held “{}”: {}\n", check.place.line, words(&check.text), words(why)))
        });
        weaker.chain(held).collect()
    }

    fn left_out(&self, answer: &Answer, state: CommandState) -> String {
        let mut text = String::new();
        for check in self.release.workflow().checks() {
            let Some(mark) = self.state().checks.get(&check.id) else { continue };
            if mark.answer == *answer {
                text += &self.line(&check.text, mark.at, &person_name(mark), mark.reason.as_deref());
            }
        }
        for (command, track) in self.tracks().filter(|(_, track)| track.state == state) {
            let Some((by, at, reason)) = &track.set_aside else { continue };
            let what = format!("the command “{}”", summary::first_line(&command.text));
            text += &self.line(&what, *at, &by.name, Some(reason));
        }
        text
    }

    fn line(&self, what: &str, at: Moment, by: &str, reason: Option<&str>) -> String {
        let reason = reason.unwrap_or("no reason given");
        format!("- {} — {}, {}: {}\n", words(what), words(by), self.time(at), words(reason))
    }

    /// What may stay open when the release ends, such as telling people.
    pub(super) fn pending(&self) -> String {
        let pending = self.release.pending();
        pending.into_iter().map(|check| format!("- [ ] {}\n", words(&check.text))).collect()
    }

    pub(super) fn polls(&self) -> String {
        let mut text = String::new();
        for step in &self.release.workflow().steps {
            let Some(ballots) = self.state().polls.get(&step.id).filter(|ballots| !ballots.is_empty()) else {
                continue;
            };
            let asked = step.poll.iter().flat_map(|poll| &poll.roles);
            let rows = asked.map(|role| {
                let Some(ballot) = ballots.get(role) else {
                    let rest = std::iter::repeat_n(String::new(), 3);
                    return [words(role.as_str()), "did not answer".to_owned()]
                        .into_iter()
                        .chain(rest)
                        .collect();
                };
                let vote = match ballot.vote {
                    Some(Vote::Go) => "GO",
                    Some(Vote::NoGo) => "**NO-GO**",
                    Some(Vote::Abstain) => "abstained",
                    None => "not applicable",
                };
                let said = ballot.reason.as_ref().map(|reason| words(reason)).into_iter();
                let said = said.chain((!ballot.evidence.is_empty()).then(|| evidence(&ballot.evidence)));
                let said = said.chain(self.earlier_no_go(ballot.at, |fact| match fact {
                    Fact::Voted { step: id, role: of, vote: Vote::NoGo, reason, .. }
                        if *id == step.id && of == role =>
                    {
                        reason.as_ref()
                    }
                    _ => None,
                }));
                vec![
                    words(role.as_str()),
                    vote.to_owned(),
                    words(&ballot.person),
                    self.time(ballot.at),
                    said.collect::<Vec<_>>().join(" · "),
                ]
            });
            let rows: Vec<Vec<String>> = rows.collect();
            let head = ["Role", "Vote", "By", "At", "Reason or evidence"];
            let _ = write!(text, "### {}\n\n{}", words(&step.title), table(&head, &rows));
        }
        text
    }

    pub(super) fn soaks(&self) -> String {
        let mut rows = Vec::new();
        for step in &self.release.workflow().steps {
            let (Some(asked), Some(soak)) = (step.soak, self.state().soaks.get(&step.id)) else { continue };
            let shortened_at = self.records.iter().find_map(|record| match &record.event.fact {
                Fact::SoakShortened { step: id, .. } if *id == step.id => Some(record.event.at),
                _ => None,
            });
            let watched = |until: Moment| length(until.world.duration_since(soak.since.world));
            let how = match (&soak.shortened, shortened_at) {
                (Some((by, role, reason)), Some(at)) => format!(
                    "**shortened** to {} by {} as {}: {}",
                    watched(at),
                    words(by),
                    words(role.as_str()),
                    words(reason)
                ),
                _ if soak.over => "kept".to_owned(),
                _ => format!("not over: {} watched", watched(self.end())),
            };
            let seconds =
                |s: u64| length(jiff::SignedDuration::from_secs(i64::try_from(s).unwrap_or(i64::MAX)));
            rows.push(vec![
                words(&step.title),
                self.time(soak.since),
                format!("{} to {}", seconds(asked.min_s), seconds(asked.max_s)),
                how,
            ]);
        }
        table(&["Step", "From", "Asked", "Outcome"], &rows)
    }

    fn tracks(&self) -> impl Iterator<Item = (&Command, &Track)> {
        let track = |id: &CommandId| self.state().commands.get(id);
        self.release.workflow().commands().filter_map(move |command| Some((command, track(&command.id)?)))
    }

    pub(super) fn commands(&self) -> String {
        let mut text = String::new();
        for (command, track) in self.tracks() {
            let _ = write!(text, "### {}\n\n", words(command.id.as_str()));
            if let (CommandState::NothingToRun, Some((by, at, choice))) = (track.state, &track.set_aside) {
                let (by, choice) = (words(&by.name), words(choice));
                let _ = write!(text, "{by} chose “{choice}” at {}: nothing to run.\n\n", self.time(*at));
            }
            let mut shown: Option<&str> = None;
            for attempt in &track.attempts {
                text += &self.attempt(command, attempt);
                if shown != Some(attempt.run.text.as_str()) {
                    text += &block("bash", &attempt.run.text);
                    text.push('\n');
                }
                shown = Some(&attempt.run.text);
            }
        }
        text
    }

    /// When the document was taken over anew, and what that opened again.
    pub(super) fn reloads(&self) -> String {
        let mut text = String::new();
        for reload in &self.state().reloads {
            let (by, print) = (words(&reload.by), reload.sha256.get(..12).unwrap_or(&reload.sha256));
            let (at, kept) = (self.time(reload.at), reload.n_kept);
            let _ = write!(
                text,
                "{by} took the edited document over at {at} (SHA-256 {print}…): {kept} kept.\n\n"
            );
            for lost in &reload.lost {
                let _ = writeln!(text, "- {}", words(lost));
            }
            for attempt in &reload.ran {
                let Run { command, text: ran, .. } = &attempt.run;
                let how = attempt.end.as_ref().and_then(|(_, exit)| exit.as_ref());
                let how = how.map_or("end not seen".to_owned(), ToString::to_string);
                let (command, at) = (words(command.as_str()), self.time(attempt.started));
                let _ =
                    write!(text, "\nran before it, as {command} at {at}: {how}\n\n{}", block("bash", ran));
            }
            text.push('\n');
        }
        text
    }

    fn attempt(&self, command: &Command, attempt: &Attempt) -> String {
        let run = &attempt.run;
        let how = match &attempt.end {
            Some((_, Some(exit))) => format!("**{exit}**"),
            Some((_, None)) => match &attempt.settled {
                Some(note) => format!("end not seen; later settled as: {}", words(note)),
                None => "**in doubt**: its end was not seen".to_owned(),
            },
            None => "still running".to_owned(),
        };
        let mut facts = vec![how];
        facts.extend(attempt.took_ms.map(|took| format!("took {}", millis(took))));
        if attempt.stop_asked {
            facts.push("was asked to stop".to_owned());
        }
        if let Some(choice) = run.choice.and_then(|index| command.choices.get(index)) {
            facts.push(format!("choice “{}”", words(&choice.label)));
        }
        if attempt.by.is_none() {
            facts.push("run again by itself, as the document asks".to_owned());
        }
        let variable = run.terms.capture.as_deref().zip(attempt.captured.as_ref());
        facts.extend(variable.map(|(name, captured)| match captured {
            Captured::Value(value) => format!("sets {}", code(&format!("{name}={value}"))),
            Captured::NotKept(why) => format!("**{name} is not set**: {}", words(why)),
        }));
        if run.edited {
            facts.push("**edited before it ran**".to_owned());
        }
        facts.extend(run.context.as_ref().map(|context| format!("context {}", words(context))));
        facts.extend(run.namespace.as_ref().map(|namespace| format!("namespace {}", words(namespace))));
        format!(
            "Attempt {} by {} at {}, {} in {}: {}\n\n",
            run.attempt,
            words(&name(attempt.by.as_ref())),
            self.time(attempt.started),
            code(&run.shell.join(" ")),
            code(&run.directory),
            facts.join(" · ")
        )
    }
}

fn seconds(s: u64) -> String {
    length(jiff::SignedDuration::from_secs(i64::try_from(s).unwrap_or(i64::MAX)))
}

fn approvals(given: &[Approval]) -> String {
    let each: Vec<String> = given.iter().map(|approval| words(&approval.to_string())).collect();
    each.join("; ")
}

fn person(mark: &Mark) -> String {
    words(&person_name(mark))
}

fn person_name(mark: &Mark) -> String {
    name(mark.by.as_ref())
}

/// The evidence of the record that carries it.
pub(super) fn evidence_list(readings: &[Evidence]) -> String {
    readings.iter().map(|reading| format!("- {}\n", evidence(std::slice::from_ref(reading)))).collect()
}
