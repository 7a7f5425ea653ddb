//! A journal gives back the release that wrote it, whatever happened and wherever it was cut.

use std::collections::BTreeSet;
use std::sync::Arc;

use gonogo::journal::{Record, encode, read, replay};
use gonogo::release::{CommandState, Current, Effect, Event, Fact, Phase, Release, Timer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::fixture::{Live, ana, at, history, workflow};

fn choices(at_most: usize) -> impl Strategy<Value = Vec<(u16, u16, u8)>> {
    vec((any::<u16>(), any::<u16>(), any::<u8>()), 0..=at_most)
}

fn bytes(records: &[Record]) -> Vec<u8> {
    records.iter().map(encode).collect::<String>().into_bytes()
}

fn resumed(records: &[Record]) -> Release {
    replay(workflow(), records).expect("what a release took, its replay takes")
}

/// Takes the release up as a new process does.
fn reopened(mut release: Release) -> (Release, Vec<Effect>) {
    let last = release.state().operators.values().map(|(_, at)| *at).max().unwrap_or(at(0));
    let event = Event { at: last, by: Some(ana()), fact: Fact::Reopened };
    let effects = release.handle(&event).expect("a release can always be taken up again");
    (release, effects)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_prefix_of_a_journal_gives_the_release_as_it_was_then(choices in choices(50)) {
        let mut live = Live::accepted();
        let mut as_it_was = vec![(live.records.len(), live.release.clone())];
        for (kind, pick, after) in choices {
            let before = live.release.clone();
            if live.happen(kind, pick, after) {
                as_it_was.push((live.records.len(), live.release.clone()));
            } else {
                prop_assert_eq!(&before, &live.release, "what is refused must change nothing");
            }
        }
        let records = read(&bytes(&live.records)).unwrap().records;
        for (n, was) in as_it_was {
            let replayed = resumed(&records[..n]);
            prop_assert_eq!(replayed, was);
        }
    }

    #[test]
    fn a_journal_cut_anywhere_in_its_last_record_is_the_release_before_it(choices in choices(8)) {
        // As they are on disk: a NaN that was told is not, and equals nothing.
        let records = read(&bytes(&history(choices).records)).unwrap().records;
        let (_, before) = records.split_last().unwrap();
        let whole = bytes(before);
        let all = bytes(&records);
        let was = resumed(before);
        for end in whole.len()..all.len() {
            let journal = read(&all[..end]).unwrap();
            prop_assert_eq!(&journal.records[..], before);
            prop_assert_eq!(journal.torn.map_or(0, |torn| torn.bytes.len()), end - whole.len());
        }
        prop_assert_eq!(resumed(&read(&all[..all.len() - 1]).unwrap().records), was);
    }

    #[test]
    fn a_crash_at_any_record_boundary_loses_nothing_and_runs_nothing_twice(choices in choices(50)) {
        let live = history(choices);
        for n in 1..=live.records.len() {
            let before = resumed(&live.records[..n]);
            let (after, effects) = reopened(before.clone());

            let running = before.state().commands.iter().filter(|(_, track)| track.state == CommandState::Running);
            for (command, _) in running {
                prop_assert_eq!(after.state().command(command), CommandState::InDoubt);
            }
            prop_assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run(_))));
            prop_assert_eq!(&before.state().checks, &after.state().checks);
            prop_assert_eq!(&before.state().polls, &after.state().polls);
            prop_assert_eq!(before.state().phase, after.state().phase);

            let soaking: BTreeSet<_> =
                before.state().soaks.iter().filter(|(_, soak)| !soak.over).map(|(step, _)| step.clone()).collect();
            let woken: BTreeSet<_> = effects.iter().filter_map(soak_timer).collect();
            prop_assert_eq!(soaking, woken, "each running soak is asked for again");
        }
    }

    #[test]
    fn a_release_goes_on_after_any_crash_as_if_none_had_been(choices in choices(50)) {
        let mut live = history(choices);
        live.records = read(&bytes(&live.records)).unwrap().records;
        live.release = resumed(&live.records);
        live.tell(1, Some(ana()), Fact::Reopened);
        for _ in 0..200 {
            match live.next_fact() {
                Some(fact) => prop_assert!(live.tell(3_700, Some(ana()), fact.clone()), "{:?} was refused", fact),
                None => break,
            }
        }
        prop_assert!(live.release.is_finished(), "it stands at {:?}", live.release.state().phase);
    }
}

fn soak_timer(effect: &Effect) -> Option<gonogo::workflow::StepId> {
    match effect {
        Effect::WakeAt { timer: Timer::SoakEarliest(step), .. } => Some(step.clone()),
        _ => None,
    }
}

/// The name of a fact on disk.
fn kind(fact: &Fact) -> String {
    serde_json::to_value(fact).unwrap()["fact"].as_str().unwrap().to_owned()
}

/// The properties above are worth what the histories are: they must reach every corner.
#[test]
fn the_histories_of_chance_reach_every_phase_and_most_facts() {
    let mut runner = TestRunner::deterministic();
    let (mut phases, mut facts) = (BTreeSet::new(), BTreeSet::new());
    let mut fired_by_itself = false;
    for _ in 0..400 {
        let choices = choices(60).new_tree(&mut runner).unwrap().current();
        let mut live = Live::accepted();
        for (kind, pick, after) in choices {
            live.happen(kind, pick, after);
            fired_by_itself |=
                live.release.state().rollback.as_ref().is_some_and(|fired| fired.policy.is_some());
            phases.insert(live.release.state().phase);
        }
        facts.extend(live.records.iter().map(|record| kind(&record.event.fact)));
    }
    let expected = [
        Phase::Running,
        Phase::Held,
        Phase::RollingBack,
        Phase::RolledBack,
        Phase::RollbackFailed,
        Phase::Completed,
        Phase::Aborted,
    ];
    assert_eq!(phases, BTreeSet::from(expected));
    assert!(fired_by_itself, "no history let a policy fire");
    assert!(facts.len() >= 41, "only {} kinds of facts were taken: {facts:?}", facts.len());
}

#[test]
fn a_journal_of_another_document_is_refused_in_words() {
    let live = Live::begun();
    let mut other = (*workflow()).clone();
    other.sha256 = "0".repeat(64);
    let error = replay(Arc::new(other), &live.records).unwrap_err().to_string();
    assert!(error.contains("the document is not the one that the release was opened with"), "{error}");
}

#[test]
fn a_record_that_does_not_follow_is_named() {
    let mut live = Live::begun();
    let event = Event { at: live.now, by: None, fact: Fact::Released };
    live.records.push(Record::new(4, event));
    live.records.last_mut().unwrap().seq = live.records.len() as u64;
    let error = replay(workflow(), &live.records).unwrap_err().to_string();
    assert!(error.starts_with(&format!("record {} does not follow", live.records.len())), "{error}");
}

#[test]
fn a_poll_that_nobody_would_answer_is_refused_without_a_trace() {
    let mut document = (*workflow()).clone();
    let staging = document.steps.iter_mut().find(|step| step.poll.is_some()).unwrap();
    staging.poll.as_mut().unwrap().roles.truncate(1);
    let mut live = Live::begun_with(Arc::new(document));
    while !matches!(live.release.current(), Current::Poll(_)) {
        let next = live.next_fact().unwrap();
        live.ana(1, next);
    }
    let before = live.release.clone();
    let (step, role) = ("staging".into(), "tech-lead".into());
    assert!(!live.tell(1, Some(ana()), Fact::RoleNotApplicable { step, role, reason: "away".into() }));
    assert!(before == live.release);
}
