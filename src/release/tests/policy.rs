//! A rollback without a key: accepted by a person, on a reading that fails, after a countdown.

use super::*;

const LATENCY: &str = "latency-p95";
/// As the document says. Units: seconds of wall time.
const COUNTDOWN_S: i64 = 30;

fn accepted(criterion: &str) -> Fact {
    Fact::PolicyAccepted { criterion: criterion.into() }
}

fn withdrawn(criterion: &str) -> Fact {
    Fact::PolicyWithdrawn { criterion: criterion.into() }
}

fn begun_of(criterion: &str) -> Fact {
    Fact::CountdownStarted { criterion: criterion.into(), seconds: COUNTDOWN_S as u64 }
}

fn held_back(criterion: &str) -> Fact {
    Fact::PolicyHeldBack { criterion: criterion.into(), why: "the cluster does not answer".to_owned() }
}

pub(super) fn fired_by_policy(criterion: &str) -> Fact {
    let Fact::RollbackFired { reason, shown, evidence, .. } = fired() else { panic!("it is fired") };
    let policy = Some(ByPolicy { criterion: criterion.into(), accepted_by: "ana".to_owned() });
    Fact::RollbackFired { reason, shown, evidence, policy }
}

fn woke(n: u32) -> Fact {
    Fact::Woke { timer: Timer::Countdown { n } }
}

/// Production runs the new version, and ana accepted these criteria at the start.
pub(super) fn deployed_with(criteria: &[&str]) -> Play {
    let mut play = Play::opened();
    play.world(Fact::Pinned { pins: pins(), routes: vec![] });
    for criterion in criteria {
        play.ana(accepted(criterion));
    }
    play.ana(Play::begin());
    play.world(Fact::Armed { findings: vec![finding("api", Outcome::Fine), finding("app", Outcome::Fine)] });
    let mut play = play.until(&Current::Check("production-deployment/deployment-started".into()));
    play.world(Fact::BaselinePinned { values: BTreeMap::from([("error_rate".to_owned(), 0.3)]) });
    for name in ["api", "app"] {
        play.world(seen(name, RolloutState::Complete, new(name), 8));
    }
    play
}

fn asked(criterion: &str) -> Effect {
    Effect::CountDown { criterion: criterion.into(), seconds: COUNTDOWN_S as u64 }
}

/// The error rate fails, and its seconds run.
pub(super) fn counting() -> Play {
    let mut play = deployed_with(&[ERRORS, LATENCY]);
    play.world(read_as(ERRORS, Verdict::Fail));
    play.world(begun_of(ERRORS));
    assert!(play.state().policy.countdown.is_some());
    play
}

/// The seconds are over, and nothing was said of it yet.
fn due() -> Play {
    let mut play = counting();
    play.now += COUNTDOWN_S;
    play
}

fn is_counting(play: &Play) -> bool {
    play.state().policy.countdown.is_some()
}

fn why_ended(play: &Play) -> String {
    play.state().policy.ended.as_ref().map(|end| end.why.clone()).unwrap_or_default()
}

#[test]
fn each_criterion_is_accepted_by_a_person_for_itself_at_the_start_of_the_release() {
    let mut play = Play::opened();
    play.world(Fact::Pinned { pins: pins(), routes: vec![] });
    assert_eq!(play.release.policy_criteria(), [ERRORS.into(), LATENCY.into()]);
    play.ana(accepted(ERRORS));
    let of = |play: &Play| -> Vec<String> {
        play.state().policy.accepted.iter().map(|(id, who)| format!("{id} {}", who.by)).collect()
    };
    assert_eq!(of(&play), ["error-rate ana"]);
    assert!(play.refused(accepted(ERRORS)).contains("accepted already"));
    assert!(play.refused(accepted(BROKEN)).contains("does not propose"), "only a person can see it");
    assert!(play.refused(accepted("no-such")).contains("does not propose"));
    assert!(play.tell(None, accepted(LATENCY)).is_err(), "no world accepts anything");
    play.ana(withdrawn(ERRORS));
    assert_eq!(of(&play), [] as [&str; 0]);
    assert!(play.refused(withdrawn(ERRORS)).contains("nobody accepted"));
    play.ana(accepted(LATENCY));
    play.ana(Play::begin());
    assert!(play.refused(accepted(ERRORS)).contains("not while the release is running"));
    assert_eq!(of(&play), ["latency-p95 ana"]);
}

#[test]
fn what_nobody_accepted_is_proposed_and_nothing_more() {
    let mut play = deployed_with(&[LATENCY]);
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring]);
    play.changes_nothing(begun_of(ERRORS));
    assert!(play.tell(None, fired_by_policy(ERRORS)).is_err());
    let mut play = deployed_with(&[ERRORS]);
    play.ana(withdrawn(ERRORS));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring]);
    play.changes_nothing(begun_of(ERRORS));
}

#[test]
fn a_breach_of_what_was_accepted_counts_down_on_the_wall_clock_and_rings() {
    let mut play = deployed_with(&[ERRORS]);
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring, asked(ERRORS)]);
    let effects = play.world(begun_of(ERRORS));
    let until = second(play.now + COUNTDOWN_S).wall;
    let timer = Timer::Countdown { n: 1 };
    assert_eq!(effects, [Effect::Ring, Effect::WakeAt { at: WakeTime::Wall(until), timer }]);
    assert_eq!(
        play.world(read_as(ERRORS, Verdict::Fail)),
        [],
        "it is the same breach, and it counts already"
    );
    play.changes_nothing(begun_of(ERRORS));
    assert_eq!((play.phase(), play.state().rollback.is_some()), (Phase::Running, false));
}

#[test]
fn at_its_end_it_fires_what_the_key_would_have_fired_and_says_by_whose_word() {
    let mut by_key = counting();
    let keyed = patches(&by_key.ana(fired()));
    let mut play = due();
    let asked_to_fire = Effect::FireByPolicy { criterion: ERRORS.into() };
    assert_eq!(play.world(woke(1)), [asked_to_fire]);
    let effects = play.world(fired_by_policy(ERRORS));
    assert_eq!((patches(&effects), play.phase()), (keyed, Phase::RollingBack));
    let rollback = play.state().rollback.as_ref().expect("it is fired");
    assert_eq!(rollback.fired_by, "the policy that ana accepted");
    assert_eq!(rollback.policy.as_ref().map(|policy| policy.criterion.clone()), Some(ERRORS.into()));
    assert_eq!(rollback.breached, [ERRORS.into()]);
    let plan = |play: &Play| -> Vec<PlanAction> {
        play.state()
            .rollback
            .iter()
            .flat_map(|rollback| &rollback.plan)
            .map(|step| step.action.clone())
            .collect()
    };
    assert_eq!(plan(&play), plan(&by_key));
}

#[test]
fn it_does_not_fire_before_its_seconds_are_over_nor_for_another_criterion() {
    let mut play = counting();
    play.now += COUNTDOWN_S - 2;
    assert!(play.tell(None, fired_by_policy(ERRORS)).is_err(), "a second is left");
    assert!(play.tell(None, fired_by_policy(LATENCY)).is_err(), "that one does not count");
    assert!(play.tell(None, fired_by_policy(ERRORS)).is_ok());
}

/// Nobody had the time that was promised, when the clock was set back meanwhile.
#[test]
fn a_timer_that_comes_early_waits_for_the_rest() {
    let mut play = counting();
    let until = play.state().policy.countdown.as_ref().map(|countdown| countdown.until).expect("it counts");
    let timer = Timer::Countdown { n: 1 };
    assert_eq!(play.world(woke(1)), [Effect::WakeAt { at: WakeTime::Wall(until), timer }]);
    assert!(is_counting(&play));
}

#[test]
fn it_fires_on_fail_only_and_what_stops_by_itself_begins_anew_with_the_next_fail() {
    let cases = [
        (Verdict::Pass, "reads pass again"),
        (Verdict::NoData, "no data"),
        (Verdict::Error, "cannot be read"),
    ];
    for (verdict, why) in cases {
        let mut play = counting();
        play.world(read_as(ERRORS, verdict));
        assert!(!is_counting(&play), "{verdict:?}");
        assert!(why_ended(&play).contains(why), "{}", why_ended(&play));
        play.now += COUNTDOWN_S;
        play.changes_nothing(woke(1));
        assert!(play.tell(None, fired_by_policy(ERRORS)).is_err(), "{verdict:?}");
        assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring, asked(ERRORS)]);
        play.world(begun_of(ERRORS));
        play.changes_nothing(woke(1));
        assert!(play.tell(None, fired_by_policy(ERRORS)).is_err(), "all of its seconds count again");
    }
}

#[test]
fn no_reading_but_a_fail_begins_it() {
    for verdict in [Verdict::Pass, Verdict::NoData, Verdict::Error] {
        let mut play = deployed_with(&[ERRORS]);
        assert_eq!(play.world(read_as(ERRORS, verdict)), [], "{verdict:?}");
        play.changes_nothing(begun_of(ERRORS));
    }
}

#[test]
fn anybody_stops_it_and_then_nothing_fires_by_itself_any_more() {
    let mut play = counting();
    assert_eq!(play.tell(Some("bo"), Fact::CountdownStopped), Ok(vec![]));
    assert_eq!(why_ended(&play), "bo stopped the countdown");
    assert!(play.state().is_breached(), "the breach stands and is proposed");
    assert!(play.refused(Fact::CountdownStopped).contains("nothing is counted down"));
    play.now += COUNTDOWN_S;
    play.changes_nothing(woke(1));
    assert!(play.tell(None, fired_by_policy(ERRORS)).is_err());
    play.world(read_as(ERRORS, Verdict::Pass));
    for criterion in [ERRORS, LATENCY] {
        assert_eq!(play.world(read_as(criterion, Verdict::Fail)), [Effect::Ring], "{criterion}");
        play.changes_nothing(begun_of(criterion));
    }
    assert_eq!(patches(&play.ana(fired())).len(), 1, "the key works");
}

#[test]
fn it_fires_once_in_a_release() {
    let mut play = due();
    play.world(woke(1));
    play.world(fired_by_policy(ERRORS));
    play.world(step_ended(0, 1, failed(FailureKind::Unreachable)));
    play.ana(Fact::RollbackCancelled);
    assert_eq!((play.phase(), play.state().is_breached()), (Phase::Running, true));
    assert!(!is_counting(&play));
    play.world(read_as(ERRORS, Verdict::Pass));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring]);
    play.changes_nothing(begun_of(ERRORS));
}

#[test]
fn the_key_fires_at_once_and_the_policy_has_nothing_to_say_after_it() {
    let mut play = counting();
    assert_eq!(patches(&play.ana(fired())).len(), 1);
    assert_eq!(why_ended(&play), "ana rolled back by hand");
    play.now += COUNTDOWN_S;
    play.changes_nothing(woke(1));
    play.world(step_ended(0, 1, failed(FailureKind::Unreachable)));
    play.ana(Fact::RollbackCancelled);
    play.changes_nothing(begun_of(ERRORS));
    assert_eq!(play.world(read_as(LATENCY, Verdict::Fail)), [Effect::Ring]);
}

#[test]
fn a_persons_word_about_the_criterion_ends_it() {
    let declared =
        |met| Fact::CriterionDeclared { criterion: ERRORS.into(), met, reason: "I look".to_owned() };
    let overridden =
        Fact::CriterionOverridden { criterion: ERRORS.into(), reason: "a load test of ours".to_owned() };
    for word in [declared(true), declared(false), overridden] {
        let mut play = counting();
        play.ana(word.clone());
        assert!(!is_counting(&play), "{word:?}");
        play.now += COUNTDOWN_S;
        assert!(play.tell(None, fired_by_policy(ERRORS)).is_err(), "{word:?}");
    }
    let mut play = deployed_with(&[ERRORS]);
    assert_eq!(play.ana(declared(true)), [Effect::Ring], "declared is not measured");
    play.changes_nothing(begun_of(ERRORS));
}

#[test]
fn what_is_met_during_a_hold_is_proposed_when_the_hold_ends_and_counts_only_once_it_was_clear() {
    let held = || Fact::Held { reason: "the DBA looks".to_owned() };
    let mut play = deployed_with(&[ERRORS]);
    play.ana(held());
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring]);
    play.changes_nothing(begun_of(ERRORS));
    assert_eq!(play.ana(Fact::Released), [Effect::Ring], "it is proposed now");
    assert_eq!(play.release.left_to_people().count(), 1);
    play.changes_nothing(begun_of(ERRORS));
    play.world(read_as(ERRORS, Verdict::NoData));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring], "no data is no end of it");
    play.world(read_as(ERRORS, Verdict::Pass));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Fail)), [Effect::Ring, asked(ERRORS)]);

    let mut play = counting();
    play.ana(held());
    assert!(!is_counting(&play), "{:?}", why_ended(&play));
    play.ana(Fact::Released);
    play.changes_nothing(begun_of(ERRORS));
}

#[test]
fn after_a_crash_it_does_not_go_on_while_nobody_watched() {
    let mut play = counting();
    play.ana(Fact::Reopened);
    assert!(!is_counting(&play));
    assert!(why_ended(&play).contains("nobody watched"), "{}", why_ended(&play));
    play.now += COUNTDOWN_S;
    play.changes_nothing(woke(1));
    play.changes_nothing(begun_of(ERRORS));
    assert_eq!(play.release.left_to_people().count(), 1, "it is proposed");

    // The process was gone between the reading and the first second.
    let mut play = deployed_with(&[ERRORS]);
    play.world(read_as(ERRORS, Verdict::Fail));
    play.ana(Fact::Reopened);
    play.changes_nothing(begun_of(ERRORS));
}

#[test]
fn what_could_not_be_seen_is_remembered_and_proposed() {
    let mut play = deployed_with(&[ERRORS]);
    play.world(read_as(ERRORS, Verdict::Fail));
    assert_eq!(play.world(held_back(ERRORS)), [Effect::Ring]);
    play.changes_nothing(begun_of(ERRORS));
    let mut play = due();
    play.world(woke(1));
    assert_eq!(play.world(held_back(ERRORS)), [Effect::Ring]);
    assert_eq!(why_ended(&play), "the cluster does not answer");
    assert!(play.tell(None, fired_by_policy(ERRORS)).is_err());
    assert_eq!(play.release.left_to_people().count(), 1);
    play.changes_nothing(held_back(ERRORS));
    play.changes_nothing(held_back(LATENCY));
}

#[test]
fn what_is_not_ours_to_undo_is_left_to_a_person() {
    let broken = Fact::Armed { findings: vec![finding("app", Outcome::Broken("forbidden".to_owned()))] };
    let holder =
        super::locks::standings().into_iter().find(|standing| matches!(standing, LockStanding::Lost { .. }));
    let lock = Fact::LockChanged { standing: holder.expect("one is lost") };
    let cases = [
        (vec![seen("app", RolloutState::Superseded, "print of a stranger".to_owned(), 9)], "somebody else"),
        (vec![seen("app", RolloutState::Gone, new("app"), 8)], "somebody else"),
        (["api", "app"].map(|name| seen(name, RolloutState::Complete, old(name), 9)).into(), "runs still"),
        (vec![broken], "DISARMED"),
        (vec![lock], "holds the lock"),
    ];
    for (facts, why) in cases {
        let mut play = due();
        for fact in facts {
            play.world(fact);
        }
        let obstacle = play.release.policy_obstacle().unwrap_or_default();
        assert!(obstacle.contains(why), "{why}: {obstacle}");
        let refusal = play.tell(None, fired_by_policy(ERRORS)).expect_err("it is not by itself");
        assert!(refusal.to_string().contains(why), "{refusal}");
    }
    assert_eq!(due().release.policy_obstacle(), None);
}

#[test]
fn one_counts_at_a_time_and_the_other_begins_when_the_first_clears() {
    let mut play = counting();
    assert_eq!(play.world(read_as(LATENCY, Verdict::Fail)), [Effect::Ring], "one is enough");
    play.changes_nothing(begun_of(LATENCY));
    assert_eq!(play.world(read_as(ERRORS, Verdict::Pass)), [asked(LATENCY)]);
    play.world(begun_of(LATENCY));
    play.changes_nothing(woke(1));
    assert_eq!(play.state().policy.countdown.as_ref().map(|countdown| countdown.n), Some(2));
}

#[test]
fn an_acceptance_is_withdrawn_at_any_time_and_during_its_countdown_for_good() {
    let mut play = counting();
    play.ana(withdrawn(LATENCY));
    assert!(is_counting(&play), "that is another one");
    play.ana(withdrawn(ERRORS));
    assert!(!is_counting(&play));
    assert!(play.state().policy.spent.as_ref().is_some_and(|why| why.contains("ana withdrew")));
    let mut play = counting();
    play.ana(withdrawn(ERRORS));
    assert_eq!(play.world(read_as(LATENCY, Verdict::Fail)), [Effect::Ring], "a person said no once");
}

#[test]
fn no_countdown_goes_on_in_a_release_that_ended() {
    let mut play = counting();
    play.ana(Fact::Aborted { reason: "enough".to_owned() });
    assert!(!is_counting(&play));
    play.now += COUNTDOWN_S;
    play.changes_nothing(woke(1));
    assert!(play.tell(None, fired_by_policy(ERRORS)).is_err());
}

#[test]
fn the_story_tells_every_word_of_it() {
    let mut play = counting();
    play.world(read_as(ERRORS, Verdict::NoData));
    play.world(read_as(ERRORS, Verdict::Fail));
    play.world(begun_of(ERRORS));
    play.now += COUNTDOWN_S;
    play.world(fired_by_policy(ERRORS));
    let told: Vec<String> = play.state().recent.iter().map(|(_, line)| line.clone()).collect();
    for line in [
        "ana accepted that it rolls back by itself: Error rate > 1%",
        "▲ rolls back by itself in 30 s, as ana accepted: Error rate > 1%",
        "the countdown ended: Error rate > 1% has no data",
        "ROLLBACK by the policy that ana accepted: Error rate > 1%",
    ] {
        assert!(told.iter().any(|known| known == line), "{line} is missing in {told:#?}");
    }
}
