//! The report of a release, as people find it afterwards.

use gonogo::release::{Exit, Fact, Failure, FailureKind, ItemId, PracticeWorld, StepResult, Verdict, Vote};
use gonogo::report::{Meta, markdown};
use gonogo::watch::rollout::RolloutState;

use crate::fixture::{Live, ana, criterion, evidence, fired, new_rollout, old_rollout};

fn report(live: &Live) -> String {
    markdown(&live.release, &live.records, &Meta { version: "0.1.0".into(), torn_bytes: 0 })
}

fn confirm(check: &str) -> Fact {
    Fact::Confirmed { check: check.into(), evidence: Vec::new(), person: None, typed: None }
}

fn vote(role: &str, vote: Vote, reason: Option<&str>) -> Fact {
    let (step, reason) = ("staging".into(), reason.map(str::to_owned));
    Fact::Voted { step, role: role.into(), vote, reason, evidence: evidence() }
}

fn sensed(check: &str, value: &str) -> Fact {
    Fact::Sensed { check: check.into(), pass: true, value: value.into() }
}

/// Up to a new version that runs in production.
fn deployed() -> Live {
    let mut live = Live::begun();
    live.ana(20, confirm("pre-requis/tests"));
    let item = ItemId::Check("preparation/migrations".into());
    live.ana(15, Fact::NotApplicable { item, reason: "no migration in this release".into() });
    live.run("tag/command-1", None, Exit::Code(128), 400);
    live.ana(60, Fact::Noted { text: "the <remote> refused `main` | see #42".into() });
    live.run("tag/command-1", None, Exit::Code(0), 2_300);
    live.world(2, sensed("tag/pousse", "v1.3.0 is on origin"));
    live.ana(30, Fact::Held { reason: "waiting for the *network* team".into() });
    live.bo(600, Fact::Released);
    live.ana(1, confirm("staging/demarre"));
    live.ana(1, confirm("staging/smoke"));
    live.ana(40, vote("tech-lead", Vote::Go, None));
    live.bo(20, vote("sre", Vote::NoGo, Some("the dashboard is red")));
    live.bo(300, vote("sre", Vote::Go, Some("it was another service")));
    live.run("production/command-1", Some(0), Exit::Code(0), 800);
    live.world(1, new_rollout(RolloutState::Progressing));
    live
}

#[test]
fn a_completed_release_is_told_from_its_opening_to_its_end() {
    let mut live = deployed();
    live.world(40, new_rollout(RolloutState::Complete));
    live.world(1, sensed("production/rollout", "4 of 4 on v1.3.0"));
    live.world(10, criterion("latence".into(), Verdict::Fail));
    let reason = "a cold cache, known".to_owned();
    live.ana(20, Fact::CriterionOverridden { criterion: "latence".into(), reason });
    live.world(10, criterion("latence".into(), Verdict::Fail));
    live.ana(
        5,
        Fact::Confirmed { check: "validation/pods".into(), evidence: evidence(), person: None, typed: None },
    );
    let reason = "the log search is down".to_owned();
    live.ana(9, Fact::Overridden { check: "validation/logs".into(), reason, evidence: Vec::new() });
    let item = ItemId::Check("monitoring/metriques".into());
    live.bo(30, Fact::Skipped { item, reason: "watched by the night shift".into() });
    let (step, role) = ("monitoring".into(), "sre".into());
    live.bo(1_200, Fact::SoakShortened { step, role, reason: "no traffic tonight".into() });
    live.ana(10, confirm("outputs/documentation"));
    live.ana(5, Fact::Completed);
    insta::assert_snapshot!("completed", report(&live));
}

#[test]
fn a_release_that_was_rolled_back_says_how_long_it_took_to_be_safe() {
    let mut live = deployed();
    live.world(30, criterion("taux-d-erreur".into(), Verdict::Fail));
    let met =
        Fact::CriterionDeclared { criterion: "fonction".into(), met: true, reason: "nobody can pay".into() };
    live.bo(4, met);
    live.ana(6, fired());
    live.ana(2, Fact::RollbackReason { reason: "errors | since the rollout".into() });
    let lost = Failure { kind: FailureKind::Unreachable, summary: "connection refused".into() };
    live.world(1, Fact::RollbackStepEnded { step: 0, attempt: 1, result: StepResult::Failed(lost) });
    let retry = live.next_fact().unwrap();
    live.world(1, retry);
    live.world(
        0,
        Fact::RollbackStepEnded { step: 0, attempt: 2, result: StepResult::Accepted { took_ms: 80 } },
    );
    live.world(31, old_rollout(RolloutState::Complete));
    live.world(6, criterion("taux-d-erreur".into(), Verdict::Pass));
    insta::assert_snapshot!("rolled_back", report(&live));
}

#[test]
fn a_burst_is_reported_with_its_speed() {
    let mut live = deployed();
    live.world(1, sensed("production/rollout", "4 of 4"));
    assert!(!report(&live).contains("burst"), "two in a row happen to careful people");
    live.ana(60, confirm("validation/pods"));
    live.ana(1, confirm("validation/logs"));
    live.ana(1, confirm("monitoring/metriques"));
    let told = report(&live);
    assert!(told.contains("- **3 checks within 2s** by ana from "), "{told}");
    assert!(told.contains("“Pods prêts”, “Pas d'erreur”, “Métriques stables”"), "{told}");
}

#[test]
fn a_command_whose_end_nobody_saw_is_told_as_such() {
    let mut live = Live::begun();
    live.ana(1, confirm("pre-requis/tests"));
    live.ana(9, confirm("preparation/migrations"));
    let run = live.next_run(&"tag/command-1".into(), None);
    live.ana(1, Fact::CommandStarted(run));
    assert!(report(&live).contains("still running"));
    live.bo(60, Fact::Reopened);
    assert!(report(&live).contains("**in doubt**: its end was not seen"));
    let (command, note) = ("tag/command-1".into(), "the tag is on the remote".to_owned());
    live.bo(60, Fact::DoubtSettled { command, attempt: 1, succeeded: true, note });
    assert!(report(&live).contains("end not seen; later settled as: the tag is on the remote"));
}

#[test]
fn a_withdrawn_rollback_leaves_a_mark() {
    let mut live = deployed();
    live.ana(1, fired());
    let lost = Failure { kind: FailureKind::Unreachable, summary: "no route".into() };
    live.world(1, Fact::RollbackStepEnded { step: 0, attempt: 1, result: StepResult::Failed(lost) });
    live.bo(3, Fact::RollbackCancelled);
    let told = report(&live);
    assert!(told.contains("## Rollback\n\n- Fired, and withdrawn by bo at "), "{told}");
}

#[test]
fn every_release_can_be_told_at_any_moment() {
    let mut live = Live::opened();
    assert!(report(&live).contains("**never begun**"));
    for n in 0_u16..2_000 {
        live.happen(n.wrapping_mul(40_503), n.wrapping_mul(2_719), 3);
        if n % 50 == 0 {
            let told = report(&live);
            let n_columns = |line: &str| line.replace("\\|", "").matches('|').count();
            for rows in told.split("\n\n").filter(|part| part.starts_with('|')) {
                let columns: Vec<usize> = rows.lines().map(n_columns).collect();
                assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{rows}");
            }
        }
    }
}

#[test]
fn a_rehearsal_says_that_it_was_one_and_a_torn_journal_too() {
    let mut live = Live::opened();
    if let Fact::Opened { practice, .. } = &mut live.records[0].event.fact {
        let (directory, scenario) = ("/tmp/practice".to_owned(), "error-spike".to_owned());
        *practice = Some(PracticeWorld { directory, scenario, speed: 60.0 });
    }
    let document = crate::fixture::workflow();
    let release = gonogo::journal::replay(document, &live.records).unwrap();
    let told = markdown(&release, &live.records, &Meta { version: "0.1.0".into(), torn_bytes: 17 });
    assert!(
        told.contains("> A rehearsal in the practice world: scenario error-spike, at 60 times"),
        "{told}"
    );
    assert!(told.contains("torn by a crash (17 bytes"), "{told}");
    assert!(live.tell(1, Some(ana()), Fact::Noted { text: "still usable".into() }));
}
