//! Ten minutes without the API server, in world time: what was known grows old and nothing else.

use super::*;
use crate::app::model::Seen;
use crate::watch::WorkloadFacts;

fn down(since: Moment) -> Link {
    Link::Down { since, cause: "connection refused".to_owned(), retry_at: None }
}

fn seen(script: &Script) -> &Seen {
    &script.model.observed.workloads[&target()]
}

fn state(script: &Script) -> RolloutState {
    seen(script).verdict.state
}

/// What the release was told, which decides gates and rings bells.
fn told_state(script: &Script) -> RolloutState {
    script.model.state().rollouts[&target()].state
}

fn n_sensed(script: &Script) -> usize {
    let marks = script.model.state().checks.values();
    marks.filter(|mark| matches!(mark.answer, Answer::Sensed { .. })).count()
}

fn three_of_four() -> WorkloadFacts {
    workload(&[
        Pods { tag: "v1.3.0", revision: 8, ready: 3, starting: 1 },
        Pods { tag: "v1.2.0", revision: 7, ready: 0, starting: 1 },
    ])
}

fn all_up() -> WorkloadFacts {
    workload(&[Pods { tag: "v1.3.0", revision: 8, ready: 4, starting: 0 }])
}

/// The server answers last at `last`; four seconds later that is known, and lasts to `back`.
fn outage(script: &mut Script, last: i64, back: i64) {
    script.at(last);
    let since = script.model.now;
    for second in (last + 1)..=(last + 3) {
        script.at(second);
    }
    script.at(last + 4);
    script.link(System::Cluster, down(since));
    let before = state(script);
    for second in ((last + 4)..back).step_by(7) {
        script.at(second);
        script.send(What::Judge);
        script.link(System::Cluster, down(since));
        assert_eq!((state(script), told_state(script)), (before, before), "{second}");
        let (silent_since, _) = script.model.cluster_silence().expect("stale");
        assert_eq!(script.model.now.wall.duration_since(silent_since.wall).as_secs(), second - last);
    }
    script.at(back);
}

#[test]
fn a_rollout_found_as_it_was_goes_on_from_where_it_was() {
    let mut script = Script::rolling_out(); // its last progress was seen at 755
    outage(&mut script, 800, 1_400);
    script.link(System::Cluster, Link::Live);
    assert_eq!((state(&script), told_state(&script)), (RolloutState::Progressing, RolloutState::Progressing));
    let wake = script.asked.iter().rev().find_map(|ask| match ask {
        Ask::JudgeAt(at) => Some(*at),
        _ => None,
    });
    let left = wake.expect("it is looked at again").duration_since(script.model.now.world).as_secs();
    assert!((1..=75).contains(&left), "of two minutes 45 s were seen: {left}");
    script.at(1_400 + 74);
    assert_eq!(state(&script), RolloutState::Progressing);
    script.at(1_400 + 75);
    assert_eq!(state(&script), RolloutState::Stuck);
}

#[test]
fn what_came_up_in_the_outage_settles_from_when_it_was_seen() {
    let mut script = Script::rolling_out();
    outage(&mut script, 800, 1_400);
    // The history was compacted: everything was listed anew before the heartbeat was believed.
    script.see(all_up());
    assert_eq!((state(&script), n_sensed(&script)), (RolloutState::Settling, 0));
    script.at(1_402);
    script.link(System::Cluster, Link::Live);
    script.at(1_411);
    assert_eq!((state(&script), n_sensed(&script)), (RolloutState::Settling, 0));
    script.at(1_412);
    assert_eq!((state(&script), told_state(&script)), (RolloutState::Complete, RolloutState::Complete));
    script.at(1_420);
    assert_eq!(n_sensed(&script), 1);
}

#[test]
fn what_broke_in_the_outage_is_judged_by_what_is_seen_now() {
    let mut script = Script::rolling_out();
    outage(&mut script, 800, 1_400);
    let mut facts = three_of_four();
    for pod in &mut facts.pods {
        pod.ready = false;
        for container in &mut pod.containers {
            container.ready = false;
            container.state = crate::watch::ContainerState::Waiting {
                reason: "CrashLoopBackOff".to_owned(),
                message: String::new(),
            };
        }
    }
    script.see(facts);
    assert_eq!((state(&script), told_state(&script)), (RolloutState::Failed, RolloutState::Failed));
}

#[test]
fn settling_is_not_completed_by_the_seconds_before_the_silence_is_noticed() {
    let mut script = Script::rolling_out();
    script.at(790);
    script.see(all_up());
    outage(&mut script, 797, 1_397); // ten seconds would have been over at 800
    assert_eq!(told_state(&script), RolloutState::Settling);
    script.link(System::Cluster, Link::Live);
    assert_eq!(state(&script), RolloutState::Settling);
    script.at(1_407);
    assert_eq!(state(&script), RolloutState::Complete);
}

#[test]
fn what_was_complete_stays_complete_and_closes_no_item_while_nothing_is_seen() {
    let mut script = Script::rolling_out();
    script.at(770);
    script.see(all_up());
    // The probes were asked a moment ago, so the item is still open when the silence begins.
    script.at(779);
    script.model.observed.probes_asked_at = Some(script.model.now);
    script.at(780);
    assert_eq!((state(&script), n_sensed(&script)), (RolloutState::Complete, 0));
    let since = script.model.now;
    script.link(System::Cluster, down(since));
    for second in (785..1_380).step_by(5) {
        script.at(second);
        assert_eq!((told_state(&script), n_sensed(&script)), (RolloutState::Complete, 0), "{second}");
    }
    script.link(System::Cluster, Link::Live);
    script.at(1_390);
    assert_eq!((told_state(&script), n_sensed(&script)), (RolloutState::Complete, 1));
}

#[test]
fn world_time_that_runs_ten_times_as_fast_is_unseen_ten_times_as_long() {
    let mut script = Script::watching();
    let start = script.model.now;
    let at = |seconds: i64| Moment {
        wall: start.wall + SignedDuration::from_secs(seconds),
        world: start.world + SignedDuration::from_secs(10 * seconds),
    };
    script.see(three_of_four());
    script.model.now = at(5);
    script.send(What::Judge);
    script.model.now = at(9);
    script.link(System::Cluster, down(at(5)));
    script.model.now = at(65);
    script.send(What::Judge);
    script.asked.clear();
    // Nothing is new: that the wake-up came while nothing was seen must not leave it asleep.
    script.link(System::Cluster, Link::Live);
    assert_eq!(state(&script), RolloutState::Progressing);
    assert_eq!(script.asked, [Ask::JudgeAt(at(72).world)], "50 of 120 s were seen");
    script.model.now = at(72);
    script.send(What::Judge);
    assert_eq!(state(&script), RolloutState::Stuck);
}

#[test]
fn the_way_back_is_proven_anew_as_soon_as_the_cluster_answers() {
    let mut script = Script::rolling_out();
    outage(&mut script, 800, 1_400);
    let arms = |asks: &[Ask]| asks.iter().filter(|ask| matches!(ask, Ask::Do(Effect::Arm { .. }))).count();
    let n_before = arms(&script.asked);
    script.link(System::Cluster, Link::Live);
    assert_eq!(arms(&script.asked) - n_before, 1);
    script.link(System::Cluster, Link::Live);
    assert_eq!(arms(&script.asked) - n_before, 1, "and then by the clock again");
}
