//! What went wrong, and the way back.

use std::fmt::Write as _;

use super::Story;
use super::items::evidence_list;
use super::text::{code, length, millis, table, words};
use crate::release::{Event, Fact, PlanAction, PlanState, RollbackState, Verdict, name};
use crate::workflow::CriterionId;

impl Story<'_> {
    pub(super) fn rollback(&self) -> String {
        let Some(rollback) = &self.state().rollback else { return self.withdrawn() };
        let mut text = String::new();
        let reason = rollback.reason.as_ref().map_or("no reason was typed".to_owned(), |text| words(text));
        let _ = write!(
            text,
            "Fired by {} at {}: {reason}.\n\n",
            words(&rollback.fired_by),
            self.time(rollback.fired_at)
        );
        text += &table(&["", ""], &self.measures(rollback));
        let steps: Vec<Vec<String>> =
            rollback.plan.iter().map(|step| self.step(&step.action, &step.state)).collect();
        text += &table(&["Action", "Outcome"], &steps);
        let seen: Vec<_> = self.fired().filter(|(_, evidence)| !evidence.is_empty()).collect();
        for (event, evidence) in seen {
            let _ = write!(text, "On screen when it was fired at {}:\n\n", self.time(event.at));
            text += &evidence_list(evidence);
            text.push('\n');
        }
        let irreversible = &self.release.workflow().irreversible;
        if !irreversible.is_empty() {
            text += "Not undone by it:\n\n";
            text.extend(irreversible.iter().map(|what| format!("- {}\n", words(what))));
        }
        text
    }

    /// A rollback that was fired and withdrawn leaves its mark although nothing of it is in force.
    fn withdrawn(&self) -> String {
        let withdrawn = self.records.iter().filter(|record| record.event.fact == Fact::RollbackCancelled);
        let line = |event: &Event| {
            let by = words(&name(event.by.as_ref()));
            format!("- Fired, and withdrawn by {by} at {} before the cluster got it.\n", self.time(event.at))
        };
        withdrawn.map(|record| line(&record.event)).collect()
    }

    fn fired(&self) -> impl Iterator<Item = (&Event, &[crate::release::Evidence])> {
        self.records.iter().filter_map(|record| match &record.event.fact {
            Fact::RollbackFired { evidence, .. } => Some((&record.event, evidence.as_slice())),
            _ => None,
        })
    }

    fn measures(&self, rollback: &RollbackState) -> Vec<Vec<String>> {
        let row = |what: &str, value: String| vec![what.to_owned(), value];
        let mut rows = Vec::new();
        for pin in &self.state().pins {
            let revision = pin.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
            rows.push(row(
                "Back to",
                format!("{} on {}{revision}", code(pin.image()), code(&pin.target.to_string())),
            ));
        }
        for pin in self.state().routes.iter().filter(|pin| !pin.route.is_in_cluster()) {
            let words = format!("{} on {}", code(&pin.held.to_string()), code(&pin.route.to_string()));
            rows.push(row("Back to", words));
        }
        match rollback.time_to_safe() {
            Some((since_y, since_bad)) => {
                let from = if rollback.policy.is_some() { "the firing" } else { "`Y`" };
                rows.push(row("Time to safe", format!("**{}** from {from}", length(since_y))));
                if let Some(since_bad) = since_bad {
                    rows.push(row("", format!("**{}** from the first bad signal", length(since_bad))));
                }
            }
            None => rows.push(row("Time to safe", "not safe".to_owned())),
        }
        if let Some(ms) = rollback.accepted_ms {
            rows.push(row("Patch accepted", format!("after {}", millis(ms))));
        }
        for criterion in &rollback.breached {
            rows.push(row("Breached then", words(&self.criterion(criterion))));
        }
        if let Some(failure) = &rollback.failure {
            rows.push(row("Failed", format!("**{}**", words(failure))));
        }
        rows
    }

    fn step(&self, action: &PlanAction, state: &PlanState) -> Vec<String> {
        let action = match action {
            PlanAction::Patch(target) => {
                format!("patch {} to its pinned template", code(&target.to_string()))
            }
            PlanAction::Abort(target) => {
                format!("abort {}, if anything was under way", code(&target.to_string()))
            }
            PlanAction::Promote(target) => {
                format!("promote {} in full, if it was not stable", code(&target.to_string()))
            }
            PlanAction::Delete(target, blocker) => {
                format!("delete pod {}, which held {}", code(&blocker.pod), code(&target.to_string()))
            }
            PlanAction::Ready(target) => {
                format!("wait until {} could take the traffic", code(&target.to_string()))
            }
            PlanAction::Route(route) => format!("put {} back", code(&route.to_string())),
            PlanAction::ReadBack => "read back where the traffic goes".to_owned(),
            PlanAction::Settle(target) => format!("wait until {} held", code(&target.to_string())),
            PlanAction::Clear => "read criteria and health until they are clear".to_owned(),
        };
        let state = match state {
            PlanState::Waiting => "not reached".to_owned(),
            PlanState::Sent { attempt, at } => {
                format!("attempt {attempt} sent {}, no answer", self.time(*at))
            }
            PlanState::Queued { attempt, why, .. } => {
                format!("queued after attempt {attempt}: {}", words(why))
            }
            PlanState::Done { at, took_ms: Some(took) } => {
                format!("done {}, in {}", self.time(*at), millis(*took))
            }
            PlanState::Done { at, took_ms: None } => format!("done {}", self.time(*at)),
            PlanState::Failed(failure) => format!("**failed**: {}", words(&failure.summary)),
            PlanState::Passed { at, by } => format!("not waited for, {} by {}", self.time(*at), words(by)),
        };
        vec![action, state]
    }

    pub(super) fn breaches(&self) -> String {
        let mut rows: Vec<Breach> = Vec::new();
        for record in self.records {
            let (event, open) = (&record.event, |rows: &mut Vec<Breach>, id: &CriterionId| {
                rows.iter().rposition(|breach| breach.criterion == *id && breach.end.is_none())
            });
            match &event.fact {
                Fact::CriterionRead { criterion, verdict, why, since } => {
                    if !self.is_read(criterion) {
                        continue;
                    }
                    match (open(&mut rows, criterion), verdict) {
                        (None, Verdict::Fail) if !still_overridden(&rows, criterion) => {
                            // World time means nothing on a wall that runs at another speed.
                            let since = since.filter(|_| event.at.wall == event.at.world);
                            let from = self.wall(since.unwrap_or(event.at.wall));
                            rows.push(Breach::new(criterion, from, words(why)));
                        }
                        (Some(index), verdict) if *verdict != Verdict::Fail => {
                            rows[index].end = Some(format!("{}: {}", self.time(event.at), words(why)));
                            rows[index].cleared = true;
                        }
                        (None, verdict) if *verdict != Verdict::Fail => clear_override(&mut rows, criterion),
                        _ => {}
                    }
                }
                Fact::CriterionDeclared { criterion, met, reason } => {
                    let by = words(&name(event.by.as_ref()));
                    match (open(&mut rows, criterion), met) {
                        (None, true) => {
                            let how = format!("declared by {by}: {}", words(reason));
                            rows.push(Breach::new(criterion, self.time(event.at), how));
                        }
                        (Some(index), false) => {
                            rows[index].end = Some(format!(
                                "{}: withdrawn by {by}: {}",
                                self.time(event.at),
                                words(reason)
                            ));
                            rows[index].cleared = true;
                        }
                        _ => {}
                    }
                }
                Fact::CriterionOverridden { criterion, reason } => {
                    if let Some(index) = open(&mut rows, criterion) {
                        let by = words(&name(event.by.as_ref()));
                        rows[index].end = Some(format!(
                            "{}: **overridden** by {by}: {}",
                            self.time(event.at),
                            words(reason)
                        ));
                    }
                }
                _ => {}
            }
        }
        let rows = rows.into_iter().map(|breach| {
            let end = breach.end.unwrap_or_else(|| "still met when the record ends".to_owned());
            vec![words(&self.criterion(&breach.criterion)), breach.from, breach.why, end]
        });
        table(&["Criterion", "First bad", "Reading", "End"], &rows.collect::<Vec<_>>())
    }

    fn is_read(&self, id: &CriterionId) -> bool {
        let known = self.release.workflow().criterion(id);
        known.is_some_and(|criterion| criterion.kind != crate::workflow::CriterionKind::Declared)
    }

    fn criterion(&self, id: &CriterionId) -> String {
        self.release.workflow().criterion(id).map_or_else(|| id.to_string(), |known| known.text.clone())
    }
}

/// From the first bad reading to its end, as the report tells it.
struct Breach {
    criterion: CriterionId,
    from: String,
    why: String,
    end: Option<String>,
    /// An overridden breach that is not cleared goes on without being told anew.
    cleared: bool,
}

impl Breach {
    fn new(criterion: &CriterionId, from: String, why: String) -> Self {
        Self { criterion: criterion.clone(), from, why, end: None, cleared: false }
    }
}

fn still_overridden(rows: &[Breach], id: &CriterionId) -> bool {
    let last = rows.iter().rfind(|breach| breach.criterion == *id);
    last.is_some_and(|breach| breach.end.is_some() && !breach.cleared)
}

fn clear_override(rows: &mut [Breach], id: &CriterionId) {
    if let Some(breach) = rows.iter_mut().rfind(|breach| breach.criterion == *id) {
        breach.cleared = true;
    }
}
