//! A rollback from another terminal while this one holds the release.

use super::*;
use crate::release::Operator;

fn bo(script: &Script, fact: Fact) -> Event {
    let by = Some(Operator { name: "bo".into(), host: "desk".into(), identity: None });
    Event { at: script.model.now, by, fact }
}

fn told_by_another(script: &mut Script, fact: Fact) -> Vec<Ask> {
    let event = bo(script, fact);
    tell(script, What::Journal(JournalNews::Followed(vec![event])))
}

fn fired(script: &Script) -> Fact {
    Fact::RollbackFired { reason: None, shown: script.model.what_runs(), evidence: Vec::new(), policy: None }
}

fn handed_over() -> Script {
    let mut script = Script::breached();
    let fact = fired(&script);
    let asks = told_by_another(&mut script, fact);
    assert_eq!((rolls_back(&asks), records(&asks).len()), (0, 0), "that is the other's to send and to write");
    script
}

#[test]
fn the_cockpit_shows_it_and_starts_nothing_more() {
    let mut script = handed_over();
    assert_eq!(script.model.state().phase, Phase::RollingBack);
    assert!(told(&script).contains("bo rolls this release back from another terminal"), "{}", told(&script));
    let note = deed(&mut script.model, Fact::Noted { text: "hm".into() });
    assert_eq!(note, []);
    assert!(told(&script).contains("nothing is started here"), "{}", told(&script));
    press(&mut script, "R");
    script.painted();
    assert_eq!(rolls_back(&press(&mut script, "Y")), 0);

    let accepted = StepResult::Accepted { took_ms: 80 };
    let asks =
        told_by_another(&mut script, Fact::RollbackStepEnded { step: 0, attempt: 1, result: accepted });
    assert_eq!(rolls_back(&asks), 0);
    assert!(script.model.rollback().is_some_and(|rollback| rollback.accepted_ms == Some(80)));
}

#[test]
fn a_command_that_runs_here_is_stopped_and_one_that_waits_for_its_record_never_leaves() {
    let mut script = at_run_panel();
    let asks = press(&mut script, "r");
    let seq = records(&asks)[0];
    let fact = fired(&script);
    let asks = told_by_another(&mut script, fact);
    let attempt = script.model.state().last_attempt(&PREPARE.into()).cloned().expect("it was asked for");
    let exit = attempt.end.and_then(|(_, exit)| exit);
    assert!(matches!(&exit, Some(Exit::NotStarted(why)) if why.contains("another terminal")), "{exit:?}");
    assert!(asks.iter().any(|ask| matches!(ask, Ask::Do(Effect::Stop { .. }))), "{asks:?}");
    assert_eq!(runs(&durable(&mut script, seq)), 0);
}

#[test]
fn what_the_other_process_left_undone_is_done_here() {
    let mut script = handed_over();
    let asks = tell(&mut script, What::Journal(JournalNews::HolderGone));
    let seq = records(&asks)[0];
    assert_eq!(rolls_back(&durable(&mut script, seq)), 1, "the answer to its patch was never seen");
    assert_eq!(script.model.journal.handed_to, None);
}

#[test]
fn a_look_from_another_terminal_changes_nothing_here() {
    let mut script = Script::breached();
    let findings = script.model.state().findings.clone();
    told_by_another(&mut script, Fact::Armed { findings });
    tell(&mut script, What::Journal(JournalNews::HolderGone));
    press(&mut script, "R");
    script.painted();
    let asks = press(&mut script, "Y");
    assert_eq!(rolls_back(&durable(&mut script, records(&asks)[0])), 1);
}
