//! One release at a time on one workload; the way back waits for nobody.

use super::*;
use crate::release::lock::LockIntent;

fn holder() -> LockHolder {
    LockHolder {
        who: "bo".to_owned(),
        host: "merlin".to_owned(),
        release: Some(ReleaseId("20261122-133000-release".to_owned())),
        reason: "release v1.2.9".to_owned(),
        version: Some("v1.2.9".to_owned()),
        since: Some(start()),
        kept: None,
        takeover: None,
    }
}

fn ours() -> LockStanding {
    LockStanding::Ours { since: start(), local_only: None, takeovers: Vec::new() }
}

fn held() -> LockStanding {
    LockStanding::Held { target: target("app"), holder: holder() }
}

fn lost() -> LockStanding {
    LockStanding::Lost { target: target("app"), holder: holder() }
}

pub(super) fn standings() -> Vec<LockStanding> {
    vec![ours(), held(), lost(), LockStanding::Free, LockStanding::Without { why: "read-only".to_owned() }]
}

fn locks(effects: &[Effect]) -> Vec<Option<LockIntent>> {
    let lock = |effect: &Effect| match effect {
        Effect::Lock(wanted) => Some(wanted.takeover.clone()),
        _ => None,
    };
    effects.iter().filter_map(lock).collect()
}

fn gives(effects: &[Effect]) -> Vec<&str> {
    let give = |effect: &Effect| match effect {
        Effect::GiveLock { why } => Some(why.clone()),
        _ => None,
    };
    effects.iter().filter_map(|effect| give(effect).map(|_| effect)).map(words).collect()
}

fn words(effect: &Effect) -> &str {
    match effect {
        Effect::GiveLock { why } | Effect::KeepLock { why } => why,
        _ => "",
    }
}

fn changed(standing: LockStanding) -> Fact {
    Fact::LockChanged { standing }
}

fn taken_over(reason: &str) -> Fact {
    Fact::LockTakenOver { from: holder().release, reason: reason.to_owned() }
}

#[test]
fn the_lock_of_all_targets_is_asked_for_as_the_release_begins() {
    let mut play = Play::opened();
    let effects = play.ana(Play::begin());
    let Some(Effect::Lock(wanted)) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(wanted.targets, [target("api"), target("app")]);
    assert_eq!((wanted.reason.as_str(), wanted.version.as_deref()), ("release v1.3.0", Some("v1.3.0")));
    assert!(Effect::Lock(wanted.clone()).changes_outside(), "not before its record is on disk");
}

#[test]
fn while_somebody_else_holds_the_lock_no_command_starts_and_the_refusal_says_who() {
    for standing in [held(), lost()] {
        let mut play = Play::at_command("production-deployment/command-1");
        let verb = if standing == held() { "holds" } else { "took" };
        play.world(changed(standing));
        let run = play.run("production-deployment/command-1");
        let refused = play.refused(Fact::CommandStarted(run));
        let words = format!("bo at merlin {verb} the lock of deployment/app (release v1.2.9)");
        assert!(refused.starts_with(&words), "{refused}");
        play.world(changed(ours()));
        let effects = play.start("production-deployment/command-1");
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Run(_))), "{effects:?}");
    }
}

#[test]
fn a_lock_that_others_hold_keeps_no_rollback_waiting() {
    for standing in standings() {
        let mut play = Play::deployed();
        play.world(changed(standing.clone()));
        let effects = play.ana(fired());
        assert_eq!(patches(&effects).len(), 1, "{standing:?}");
        // The document's own way back neither.
        assert!(!play.start("rollback/command-1").is_empty(), "{standing:?}");
    }
}

#[test]
fn taking_over_needs_a_holder_and_a_reason_and_is_meant_for_that_holder() {
    let mut play = Play::at_command("prepare/command-1");
    assert!(play.refused(taken_over("bo is ill")).contains("nobody else holds the lock"));
    play.world(changed(held()));
    assert!(play.refused(taken_over(" ")).contains("needs a reason"));
    let intent = LockIntent { from: holder().release, reason: "bo is ill".to_owned() };
    assert_eq!(locks(&play.ana(taken_over("bo is ill"))), [Some(intent)]);
    // It was done, or in vain: the next holder is another decision.
    play.world(changed(held()));
    assert_eq!(play.state().lock.takeover, None);
}

#[test]
fn what_was_decided_before_the_beginning_goes_with_it() {
    let mut play = Play::opened();
    assert_eq!(locks(&play.ana(taken_over("bo went home"))), []);
    let intent = LockIntent { from: holder().release, reason: "bo went home".to_owned() };
    assert_eq!(locks(&play.ana(Play::begin())), [Some(intent)]);
}

#[test]
fn a_release_that_is_over_gives_the_lock_back() {
    let mut play = Play::deployed().until(&Current::Finish);
    assert_eq!(gives(&play.ana(Fact::Completed)), ["completed"]);
    let mut play = Play::deployed();
    let effects = play.ana(Fact::Aborted { reason: "too late today".to_owned() });
    assert_eq!(gives(&effects), ["aborted: too late today"]);
    let mut play = Play::opened();
    assert_eq!(gives(&play.ana(Fact::Aborted { reason: "not now".to_owned() })), [] as [&str; 0]);
}

/// Both targets back on the pinned version; the criterion was never breached.
fn rolled_back(mut play: Play) -> (Play, Vec<Effect>) {
    let mut effects = play.ana(fired());
    for step in 0..2 {
        effects.extend(play.world(step_ended(step, 1, ACCEPTED)));
    }
    for name in ["api", "app"] {
        effects.extend(play.world(seen(name, RolloutState::Complete, old(name), 9)));
    }
    assert_eq!(play.phase(), Phase::RolledBack);
    (play, effects)
}

#[test]
fn after_a_rollback_the_lock_stays_until_a_person_gives_it_back_with_a_reason() {
    let mut play = Play::deployed();
    play.world(changed(ours()));
    let (mut play, effects) = rolled_back(play);
    let kept: Vec<&str> =
        effects.iter().filter(|effect| matches!(effect, Effect::KeepLock { .. })).map(words).collect();
    assert!(matches!(kept.as_slice(), [why] if why.starts_with("rolled back 2026-11-22")), "{kept:?}");
    assert_eq!(gives(&effects), [] as [&str; 0]);
    let give = |reason: &str| Fact::LockGiven { reason: reason.to_owned() };
    assert!(play.refused(give("")).contains("needs a reason"));
    assert_eq!(gives(&play.ana(give("the cause is found"))), ["ana: the cause is found"]);
}

#[test]
fn a_lock_that_was_never_ours_is_not_kept() {
    let mut play = Play::deployed();
    play.world(changed(lost()));
    let (_, effects) = rolled_back(play);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::KeepLock { .. })));
}

#[test]
fn a_rollback_after_the_end_takes_the_lock_again() {
    let mut play = Play::completed();
    play.world(changed(LockStanding::Free));
    assert_eq!(locks(&play.ana(fired())), [None]);
}

#[test]
fn a_release_that_waits_for_a_person_can_let_others_work_meanwhile() {
    let mut play = Play::at_command("prepare/command-1");
    play.world(changed(ours()));
    let parked = || Fact::LockGiven { reason: "the DBA is on holiday".to_owned() };
    assert!(play.refused(parked()).contains("not while the release is running"));
    play.ana(Fact::Held { reason: "the DBA is on holiday".to_owned() });
    assert_eq!(gives(&play.ana(parked())), ["ana: the DBA is on holiday"]);
    play.world(changed(LockStanding::Free));
    assert_eq!(locks(&play.world(Fact::Reopened)), [], "a new process does not take it either");
    assert_eq!(locks(&play.ana(Fact::Released)), [None]);
}

#[test]
fn a_process_that_takes_the_release_up_takes_the_lock_up() {
    let mut play = Play::at_command("prepare/command-1");
    play.world(changed(ours()));
    assert_eq!(locks(&play.world(Fact::Reopened)), [None]);
    let mut play = Play::opened();
    assert_eq!(locks(&play.world(Fact::Reopened)), [], "what has not begun needs none");
    let mut play = Play::completed();
    assert_eq!(locks(&play.world(Fact::Reopened)), [], "nor does what is over");
}
