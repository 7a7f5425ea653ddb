//! A rollback without a key, as the loop plays it: what it sees, when it holds back, what a key does.

use super::*;
use crate::app::model::Mode;
use crate::app::model::fixture::{Policies, three_bad_readings};
use crate::release::{ArmingState, Operator, Timer, Verdict};

fn seconds_left(script: &Script) -> Option<i64> {
    let countdown = script.model.state().policy.countdown.as_ref()?;
    Some(countdown.until.duration_since(script.model.now.wall).as_secs())
}

/// The error rate fails, and its seconds run.
fn counting() -> Script {
    let mut script = Script::accepted(Policies::Accepted);
    three_bad_readings(&mut script);
    assert!(seconds_left(&script).is_some(), "{:?}", script.model.state().policy);
    script
}

/// The timer of the countdown, when its time is over.
fn over(script: &mut Script) -> Vec<Ask> {
    let until = script.model.state().policy.countdown.as_ref().map(|countdown| countdown.until);
    let until = until.expect("it counts");
    let left = until.duration_since(script.model.now.wall).as_secs();
    // What the world goes on to tell meanwhile: the way back works, and the error rate is no better.
    for _ in 0..left {
        wait(script, 1_000);
        script.errors(3.1);
    }
    script.arm();
    woke(script)
}

fn woke(script: &mut Script) -> Vec<Ask> {
    let n = script.model.state().policy.n_countdowns;
    let event = Event { at: script.model.now, by: None, fact: Fact::Woke { timer: Timer::Countdown { n } } };
    tell(script, What::Fact(Box::new(event)))
}

fn n_fired(asks: &[Ask]) -> usize {
    let fired = |ask: &&Ask| matches!(ask, Ask::Append { event, .. } if matches!(event.fact, Fact::RollbackFired { .. }));
    asks.iter().filter(fired).count()
}

fn silent(script: &mut Script) {
    let since = script.model.now;
    let link = Link::Down { since, cause: "connection refused".to_owned(), retry_at: None };
    script.link(System::Cluster, link);
}

#[test]
fn space_on_the_start_panel_accepts_each_criterion_for_itself_and_enter_does_not() {
    let mut script = Script::accepted(Policies::Offered);
    let criteria = script.model.release.policy_criteria().to_vec();
    assert_eq!(criteria.len(), 2);
    press(&mut script, "space");
    assert!(told(&script).contains("a value is typed with e"), "{}", told(&script));
    let is_policy = |script: &Script| {
        let Some(Panel::Start(form)) = &script.model.view.panel else { panic!("the start panel is open") };
        matches!(form.fields[form.selected].kind, crate::app::model::FieldKind::Policy(_))
    };
    while !is_policy(&script) {
        press(&mut script, "down");
    }
    press(&mut script, "enter");
    assert!(told(&script).contains("space accepts it"), "{}", told(&script));
    assert!(script.model.state().policy.accepted.is_empty());
    press(&mut script, "space");
    let accepted = &script.model.state().policy.accepted;
    assert_eq!(accepted.keys().collect::<Vec<_>>(), [&criteria[0]]);
    assert_eq!(accepted[&criteria[0]].by, "ana");
    press(&mut script, "space");
    assert!(script.model.state().policy.accepted.is_empty(), "space again withdraws that");
}

#[test]
fn a_read_only_release_accepts_nothing_that_it_could_not_do() {
    let mut script = Script::accepted(Policies::Offered);
    script.model.settings.read_only = true;
    for _ in 0..9 {
        press(&mut script, "down");
    }
    press(&mut script, "space");
    assert!(script.model.state().policy.accepted.is_empty());
    assert!(told(&script).contains("read-only"), "{}", told(&script));
}

#[test]
fn the_seconds_begin_by_themselves_with_the_third_bad_reading_and_the_way_back_is_tested_at_once() {
    let mut script = Script::accepted(Policies::Accepted);
    script.asked.clear();
    three_bad_readings(&mut script);
    assert_eq!(seconds_left(&script), Some(20));
    let started = script.asked.iter().position(
        |ask| matches!(ask, Ask::Append { event, .. } if matches!(event.fact, Fact::CountdownStarted { seconds: 20, .. })),
    );
    assert!(started.is_some(), "it is on record: {:?}", script.asked);
    assert!(script.asked.iter().any(|ask| matches!(ask, Ask::Do(Effect::Arm { .. }))));
    assert!(
        script
            .asked
            .iter()
            .any(|ask| matches!(ask, Ask::Do(Effect::WakeAt { timer: Timer::Countdown { n: 1 }, .. })))
    );
    assert!(script.asked.contains(&Ask::Do(Effect::Ring)));
    assert_eq!(script.model.view.panel, None, "no panel is opened");
}

#[test]
fn at_its_end_it_fires_as_the_key_does_from_what_runs_now_once_its_record_is_durable() {
    let mut script = counting();
    let asks = over(&mut script);
    assert_eq!((n_fired(&asks), rolls_back(&asks)), (1, 0), "{asks:?}");
    let rollback = script.model.rollback().expect("it is fired");
    assert_eq!(rollback.shown, script.model.what_runs());
    assert_eq!(rollback.fired_by, "the policy that ana accepted");
    assert_eq!(rolls_back(&durable(&mut script, *records(&asks).last().expect("a record"))), 1);
    assert_eq!(script.model.view.panel, None, "no panel is opened");
}

#[test]
fn h_stops_it_and_only_then_asks_for_a_hold_again() {
    let mut script = counting();
    press(&mut script, "h");
    assert_eq!(seconds_left(&script), None);
    assert!(script.model.view.prompt.is_none(), "it is no hold");
    assert_eq!(script.model.state().phase, Phase::Running);
    assert_eq!(n_fired(&woke(&mut script)), 0);
    press(&mut script, "h");
    assert_eq!(script.model.view.prompt.as_ref().map(|prompt| prompt.purpose.clone()), Some(Purpose::Hold));
}

#[test]
fn a_key_held_down_stops_it_and_asks_for_no_hold_beside() {
    let mut script = counting();
    wait(&mut script, 1_000);
    for _ in 0..5 {
        wait(&mut script, 33);
        tell(&mut script, What::Key(KeyEvent::new(KeyCode::Char('h'), KeyModifiers::NONE)));
    }
    assert_eq!(seconds_left(&script), None);
    assert!(script.model.view.prompt.is_none());
}

#[test]
fn h_stops_it_from_every_panel() {
    for key in ["?", "R", "o", "L", "b", "q"] {
        let mut script = counting();
        press(&mut script, key);
        assert!(script.model.view.panel.is_some(), "{key}");
        press(&mut script, "h");
        assert_eq!(seconds_left(&script), None, "{key}");
    }
}

#[test]
fn the_key_fires_at_once_while_it_counts() {
    let mut script = counting();
    press(&mut script, "R");
    script.painted();
    let asks = press(&mut script, "Y");
    assert_eq!(rolls_back(&durable(&mut script, records(&asks)[0])), 1);
    assert_eq!(script.model.rollback().map(|rollback| rollback.fired_by.as_str()), Some("ana"));
    assert_eq!(n_fired(&woke(&mut script)), 0);
}

#[test]
fn a_silent_cluster_keeps_it_from_beginning_and_from_firing_and_is_proposed_when_it_answers() {
    let mut script = Script::accepted(Policies::Accepted);
    silent(&mut script);
    three_bad_readings(&mut script);
    assert_eq!(seconds_left(&script), None);
    assert!(script.model.state().is_breached());
    let asks = {
        script.asked.clear();
        script.link(System::Cluster, Link::Live);
        script.asked.clone()
    };
    assert!(asks.contains(&Ask::Do(Effect::Ring)), "{asks:?}");
    assert!(told(&script).contains("the cluster answers again"), "{}", told(&script));

    let mut script = counting();
    for _ in 0..20 {
        wait(&mut script, 1_000);
        script.errors(3.1);
    }
    script.arm();
    silent(&mut script);
    let asks = woke(&mut script);
    assert_eq!((n_fired(&asks), script.model.rollback().is_some()), (0, false), "{asks:?}");
    let left: Vec<String> = script.model.release.left_to_people().map(|(_, why)| why.to_owned()).collect();
    assert!(matches!(left.as_slice(), [why] if why.contains("the cluster does not answer")), "{left:?}");
    script.link(System::Cluster, Link::Live);
    assert_eq!((seconds_left(&script), n_fired(&woke(&mut script))), (None, 0), "it is a person's now");
}

#[test]
fn what_is_not_proven_any_more_does_not_fire() {
    let mut script = counting();
    // Nobody answered a test of the way back for longer than two intervals.
    for _ in 0..70 {
        wait(&mut script, 1_000);
        script.errors(3.1);
    }
    assert_eq!(script.model.arming().state, ArmingState::NotProven);
    let asks = woke(&mut script);
    assert_eq!(n_fired(&asks), 0);
    assert!(told(&script).contains("NOT PROVEN"), "{}", told(&script));
}

#[test]
fn readings_that_stopped_before_its_end_fire_nothing() {
    let mut script = counting();
    // Nothing was judged since: the last second's tick may come after the timer.
    wait(&mut script, 90_000);
    script.arm();
    let asks = woke(&mut script);
    assert_eq!((n_fired(&asks), seconds_left(&script)), (0, None), "{asks:?}");
    assert!(told(&script).contains("no data"), "{}", told(&script));
}

#[test]
fn a_full_disk_keeps_it_from_firing_what_no_record_would_tell() {
    let mut script = counting();
    for _ in 0..20 {
        wait(&mut script, 1_000);
        script.errors(3.1);
    }
    script.arm();
    disk_full(&mut script);
    assert_eq!(rolls_back(&woke(&mut script)), 0);
    assert!(script.model.rollback().is_none());
}

#[test]
fn a_process_that_leaves_ends_it_on_record() {
    let mut script = counting();
    let asks = tell(&mut script, What::Leave { why: "the terminal went away".to_owned() });
    let held_back = asks.iter().any(
        |ask| matches!(ask, Ask::Append { event, .. } if matches!(event.fact, Fact::PolicyHeldBack { .. })),
    );
    assert!(held_back, "{asks:?}");
    assert_eq!(seconds_left(&script), None);
}

#[test]
fn who_only_watches_sees_the_seconds_and_stops_and_fires_nothing() {
    let mut script = counting();
    script.model.mode = Mode::Following { holder: "bo".to_owned() };
    press(&mut script, "h");
    assert!(seconds_left(&script).is_some());
    assert!(told(&script).contains("bo drives this release"), "{}", told(&script));
    assert_eq!(n_fired(&over(&mut script)), 0);
}

#[test]
fn a_rollback_from_another_terminal_ends_it() {
    let mut script = counting();
    let by = Some(Operator { name: "bo".into(), host: "desk".into(), identity: None });
    let shown = script.model.what_runs();
    let fact = Fact::RollbackFired { reason: None, shown, evidence: Vec::new(), policy: None };
    let event = Event { at: script.model.now, by, fact };
    tell(&mut script, What::Journal(JournalNews::Followed(vec![event])));
    assert_eq!((seconds_left(&script), script.model.state().phase), (None, Phase::RollingBack));
    assert_eq!(n_fired(&woke(&mut script)), 0);
}

/// Its first reading is "no data", and its file goes again when it fires nothing.
#[test]
fn a_look_from_another_terminal_does_not_end_it() {
    let mut script = counting();
    let criterion = script.model.state().policy.countdown.as_ref().expect("it counts").criterion.clone();
    let fact = Fact::CriterionRead { criterion, verdict: Verdict::NoData, why: String::new(), since: None };
    let event = Event { at: script.model.now, by: None, fact };
    tell(&mut script, What::Journal(JournalNews::Followed(vec![event])));
    assert!(seconds_left(&script).is_some());
}

#[test]
fn the_process_beside_the_journal_counts_nothing() {
    let mut script = Script::accepted(Policies::Accepted);
    script.model.journal.is_beside = true;
    three_bad_readings(&mut script);
    assert!(script.model.state().is_breached());
    assert_eq!(seconds_left(&script), None);
}

#[test]
fn an_acceptance_is_withdrawn_from_its_panel() {
    let mut script = Script::accepted(Policies::Accepted);
    press(&mut script, "R");
    press(&mut script, "p");
    assert!(matches!(script.model.view.panel, Some(Panel::Policy { selected: 0 })));
    press(&mut script, "enter");
    assert_eq!(script.model.state().policy.accepted.len(), 1);
    press(&mut script, "enter");
    assert!(told(&script).contains("nobody accepted"), "{}", told(&script));
    press(&mut script, "down");
    press(&mut script, "enter");
    assert!(script.model.state().policy.accepted.is_empty());
    press(&mut script, "esc");
    three_bad_readings(&mut script);
    assert!(script.model.state().is_breached());
    assert_eq!(seconds_left(&script), None);
}
