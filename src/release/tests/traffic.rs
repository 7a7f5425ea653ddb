//! The way back of what steers traffic: capacity before it, names before weights, and read once more
//! at the end.

use super::*;
use crate::release::{Errand, Held, Replicas, RouteKind, RoutePin, RouteRef};
use crate::workflow::nginx::{Colour, NginxSite};

fn route(kind: RouteKind, to: &[&str]) -> RoutePin {
    let held = match kind {
        RouteKind::Autoscaler => Held::Bounds { min: Some(2), max: 9 },
        _ => Held::Selector(BTreeMap::from([("colour".to_owned(), "blue".to_owned())])),
    };
    RoutePin {
        route: RouteRef { kind, namespace: "shop".to_owned(), name: "app".to_owned() },
        uid: "uid".to_owned(),
        api_version: "v1".to_owned(),
        held,
        to: to.iter().map(|name| target(name)).collect(),
        kept_by: None,
        limit: None,
    }
}

fn moved(kind: RouteKind) -> PlanAction {
    PlanAction::Route(route(kind, &[]).route)
}

/// Two copies behind an nginx, of which blue served.
fn nginx() -> RoutePin {
    let site = NginxSite::conventional();
    let colour = Colour("blue".to_owned());
    let held = Held::Colour { colour, site: Box::new(site) };
    RoutePin { held, ..route(RouteKind::Nginx, &[]) }
}

/// A canary in a mesh: the stable side had all the traffic.
fn canary() -> Vec<RoutePin> {
    vec![
        route(RouteKind::DestinationRule, &[]),
        route(RouteKind::VirtualService, &["app"]),
        route(RouteKind::Autoscaler, &["app"]),
    ]
}

/// Production ran on a stable and a canary side, and the rollback was fired.
fn rolling_back(routes: Vec<RoutePin>) -> (Play, Vec<Effect>) {
    let pins = vec![pin("app"), pin("canary")];
    let (mut play, _) = Play::opened_on(pins.iter().map(|pin| pin.target.clone()).collect());
    play.world(Fact::Pinned { pins, routes });
    play.ana(Play::begin());
    let mut play = play.until(&Current::Check("production-deployment/deployment-started".into()));
    let effects =
        play.ana(Fact::RollbackFired { reason: None, shown: Vec::new(), evidence: Vec::new(), policy: None });
    (play, effects)
}

/// The step that is sent, in words, and its place in the plan.
fn sent(effects: &[Effect]) -> Vec<(String, usize)> {
    let word = |effect: &Effect| match effect {
        Effect::RollBack(back) => Some((format!("{:?} {}", back.measure, back.pin.target.name), back.step)),
        Effect::Reroute(sent) => Some(match &sent.errand {
            Errand::PutBack(pin) => (pin.route.to_string(), sent.step),
            Errand::ReadBack(_) => ("read back".to_owned(), sent.step),
        }),
        _ => None,
    };
    effects.iter().filter_map(word).collect()
}

fn stands(name: &str, state: RolloutState, replicas: u32) -> Fact {
    let Fact::RolloutChanged(known) = seen(name, state, old(name), 9) else { unreachable!() };
    Fact::RolloutChanged(RolloutSeen { replicas: Some(replicas), ..known })
}

fn one(word: &str, index: usize) -> Vec<(String, usize)> {
    vec![(word.to_owned(), index)]
}

#[test]
fn capacity_comes_before_traffic_names_before_weights_and_the_other_side_last() {
    let pins = vec![pin("app"), pin("canary")];
    assert_eq!(
        plan(&pins, &canary()),
        [
            moved(RouteKind::Autoscaler),
            PlanAction::Patch(target("app")),
            PlanAction::Ready(target("app")),
            moved(RouteKind::DestinationRule),
            moved(RouteKind::VirtualService),
            PlanAction::Patch(target("canary")),
            PlanAction::Settle(target("canary")),
            PlanAction::Settle(target("app")),
            PlanAction::ReadBack,
            PlanAction::Clear,
        ]
    );
}

#[test]
fn what_a_controller_moves_is_read_back_and_not_written() {
    let kept =
        RoutePin { kept_by: Some("Canary/app".to_owned()), ..route(RouteKind::VirtualService, &["app"]) };
    assert_eq!(
        plan(&[pin("app")], &[kept]),
        [
            PlanAction::Patch(target("app")),
            PlanAction::Settle(target("app")),
            PlanAction::ReadBack,
            PlanAction::Clear,
        ]
    );
}

/// What was seen of the good side may be from before its pods were asked for.
#[test]
fn traffic_waits_until_the_pods_that_are_asked_for_can_take_it() {
    let (mut play, effects) = rolling_back(vec![route(RouteKind::Service, &["app"])]);
    assert_eq!(sent(&effects), one("Template app", 0));
    play.world(stands("app", RolloutState::Complete, 0));
    assert_eq!(sent(&play.world(step_ended(0, 1, ACCEPTED))), [], "none of its four pods is there");
    assert_eq!(sent(&play.world(stands("app", RolloutState::Progressing, 4))), []);
    assert_eq!(sent(&play.world(stands("app", RolloutState::Settling, 4))), one("service/app", 2));
    assert_eq!(sent(&play.world(step_ended(2, 1, ACCEPTED))), one("Template canary", 3));
}

#[test]
fn what_takes_traffic_is_never_made_smaller_and_the_rest_is_as_it_was() {
    let replicas = |effects: &[Effect]| {
        let found = effects.iter().find_map(|effect| match effect {
            Effect::RollBack(back) => Some(back.replicas),
            _ => None,
        });
        found.expect("a template is sent")
    };
    let (mut play, effects) = rolling_back(vec![route(RouteKind::Service, &["app"])]);
    assert_eq!(replicas(&effects), Replicas::AtLeast(4));
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(stands("app", RolloutState::Settling, 6));
    assert_eq!(replicas(&play.world(step_ended(2, 1, ACCEPTED))), Replicas::Exactly(4));

    let (_, effects) = rolling_back(vec![]);
    assert_eq!(replicas(&effects), Replicas::AtLeast(4), "without traffic to move every target has some");
    let (mut play, _) = rolling_back(canary());
    assert_eq!(
        replicas(&play.world(step_ended(0, 1, ACCEPTED))),
        Replicas::Left(4),
        "its autoscaler decides"
    );
}

/// As the cluster answers, from any place of the plan to "safe".
fn answer_all(play: &mut Play, open: Vec<(String, usize)>, attempt: u32, log: &mut Vec<String>) {
    let mut open = open;
    let mut attempts = BTreeMap::from([(open[0].1, attempt)]);
    while let Some((word, index)) = open.pop() {
        log.push(word);
        let attempt = *attempts.entry(index).or_insert(1);
        open = sent(&play.world(step_ended(index, attempt, ACCEPTED)));
        if open.is_empty() {
            for name in ["app", "canary"] {
                open.extend(sent(&play.world(stands(name, RolloutState::Complete, 4))));
            }
        }
    }
}

#[test]
fn killed_between_any_two_actions_of_a_canary_it_ends_the_same_and_does_none_twice() {
    let whole = [
        "hpa/app",
        "Template app",
        "destinationrule/app",
        "virtualservice/app",
        "Template canary",
        "read back",
    ];
    for n_before in 0..whole.len() {
        let (mut play, mut open) = {
            let (play, effects) = rolling_back(canary());
            (play, sent(&effects))
        };
        let mut log = Vec::new();
        for _ in 0..n_before {
            let (word, index) = open.pop().expect("the plan is not at its end");
            log.push(word);
            open = sent(&play.world(step_ended(index, 1, ACCEPTED)));
            if open.is_empty() {
                play.world(stands("canary", RolloutState::Complete, 4));
                open = sent(&play.world(stands("app", RolloutState::Complete, 4)));
            }
        }
        let again = sent(&play.world(Fact::Reopened));
        assert_eq!(again, open, "the one whose answer was not seen is sent again, and no other");
        answer_all(&mut play, again, 2, &mut log);
        assert_eq!(log, whole, "after {n_before}");
        assert_eq!(play.phase(), Phase::RolledBack);
    }
}

#[test]
fn what_somebody_moved_again_is_told_and_put_back_by_the_next_y() {
    let (mut play, effects) = rolling_back(vec![route(RouteKind::Service, &["app"])]);
    let mut log = Vec::new();
    play.world(step_ended(sent(&effects)[0].1, 1, ACCEPTED));
    play.world(stands("app", RolloutState::Settling, 4));
    play.world(step_ended(2, 1, ACCEPTED));
    play.world(step_ended(3, 1, ACCEPTED));
    play.world(stands("canary", RolloutState::Complete, 4));
    let effects = play.world(stands("app", RolloutState::Complete, 4));
    assert_eq!(sent(&effects), one("read back", 6));
    let effects = play.world(step_ended(6, 1, failed(FailureKind::Changed)));
    assert!(effects.contains(&Effect::Ring));
    assert_eq!(play.phase(), Phase::RollbackFailed);
    let again = sent(&play.ana(Fact::RollbackFired {
        reason: None,
        shown: Vec::new(),
        evidence: Vec::new(),
        policy: None,
    }));
    assert_eq!(again, one("service/app", 2), "the templates stay as they are");
    answer_all(&mut play, again, 2, &mut log);
    assert_eq!(log, ["service/app", "read back"]);
}

#[test]
fn bounds_that_may_not_be_put_back_hold_up_no_template_but_are_read_back() {
    let (mut play, _) = rolling_back(canary());
    let effects = play.world(step_ended(0, 1, failed(FailureKind::Refused)));
    assert_eq!(sent(&effects), one("Template app", 1));
    let (mut play, _) = rolling_back(vec![route(RouteKind::Service, &["app"])]);
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(stands("app", RolloutState::Settling, 4));
    assert_eq!(sent(&play.world(step_ended(2, 1, failed(FailureKind::Refused)))), [], "traffic is no help");
    assert_eq!(play.phase(), Phase::RollbackFailed);
}

#[test]
fn a_person_may_send_the_traffic_back_before_its_side_is_ready_and_safe_waits_for_it_all_the_same() {
    let (mut play, _) = rolling_back(vec![route(RouteKind::Service, &["app"])]);
    let first = || Fact::TrafficFirst { target: target("app") };
    play.refused(first());
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(stands("app", RolloutState::Stuck, 4));
    assert_eq!(play.release.traffic_waits_for(), Some(&target("app")));
    play.refused(Fact::TrafficFirst { target: target("canary") });
    assert_eq!(sent(&play.ana(first())), one("service/app", 2));
    play.refused(first());
    assert_eq!(sent(&play.world(step_ended(2, 1, ACCEPTED))), one("Template canary", 3));
    play.world(step_ended(3, 1, ACCEPTED));
    play.world(stands("canary", RolloutState::Complete, 4));
    assert_eq!(play.phase(), Phase::RollingBack, "its pods are not there yet");
    let effects = play.world(stands("app", RolloutState::Complete, 4));
    play.world(step_ended(sent(&effects)[0].1, 1, ACCEPTED));
    assert_eq!(play.phase(), Phase::RolledBack);
    // A rollout that failed on the way is no obstacle either.
    let (mut play, _) = rolling_back(vec![route(RouteKind::Service, &["app"])]);
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(stands("app", RolloutState::Failed, 4));
    assert_eq!(play.phase(), Phase::RollbackFailed);
    assert_eq!(sent(&play.ana(first())), one("service/app", 2));
}

#[test]
fn what_is_not_so_yet_is_asked_again() {
    let (mut play, _) = rolling_back(vec![route(RouteKind::Service, &["app"])]);
    play.world(step_ended(0, 1, ACCEPTED));
    play.world(stands("app", RolloutState::Settling, 4));
    let effects = play.world(step_ended(2, 1, failed(FailureKind::NotYet)));
    assert!(matches!(effects.as_slice(), [Effect::WakeAt { .. }]), "{effects:?}");
    assert!(play.release.rollback_missing().iter().any(|missing| missing.starts_with("service/app, queued")));
    let effects = play.world(Fact::Woke { timer: Timer::RollbackRetry { step: 2, attempt: 1 } });
    assert_eq!(sent(&effects), one("service/app", 2));
}

#[test]
fn an_nginx_alone_is_a_whole_way_back() {
    let (mut play, _) = Play::opened_on(Vec::new());
    assert!(!play.release.is_pinned());
    let none = play.release.arming(None, second(0));
    assert_eq!(none.state, ArmingState::Degraded, "{none:?}");
    assert_eq!(play.world(Fact::Pinned { pins: vec![], routes: vec![nginx()] }).len(), 1, "it is tested");
    let at = Some(second(play.now));
    assert_eq!(play.release.arming(None, second(play.now)).state, ArmingState::NotProven);
    let found =
        |outcome| Fact::Armed { findings: vec![Finding { target: None, what: "nginx".to_owned(), outcome }] };
    play.world(found(Outcome::Broken("blue is not healthy".to_owned())));
    assert_eq!(play.release.arming(at, second(play.now)).state, ArmingState::Disarmed);
    play.world(found(Outcome::Fine));
    assert_eq!(play.release.arming(at, second(play.now)).state, ArmingState::Armed);

    play.ana(Play::begin());
    let mut play = play.until(&Current::Check("production-deployment/deployment-started".into()));
    assert_eq!(sent(&play.ana(fired())), one("nginx app", 0));
    // Not healthy yet: asked again, and nothing is given up.
    play.world(step_ended(0, 1, failed(FailureKind::NotYet)));
    assert_eq!(play.phase(), Phase::RollingBack);
    let again = play.world(Fact::Woke { timer: Timer::RollbackRetry { step: 0, attempt: 1 } });
    assert_eq!(sent(&again), one("nginx app", 0));
    assert_eq!(sent(&play.world(step_ended(0, 2, ACCEPTED))), one("read back", 1));
    play.world(step_ended(1, 1, StepResult::AlreadyThere));
    assert_eq!(play.phase(), Phase::RolledBack);
}

#[test]
fn an_nginx_that_was_not_read_is_a_limit_of_all_the_rest() {
    let nginx = Some(NginxSite::conventional());
    let document = Arc::new(Workflow { nginx, ..(*document()).clone() });
    let (mut play, _) = Play::opened_of(document, vec![target("api"), target("app")]);
    play.world(Fact::Pinned { pins: pins(), routes: vec![] });
    play.world(Fact::Armed { findings: vec![finding("api", Outcome::Fine)] });
    let arming = play.release.arming(Some(second(play.now)), second(play.now));
    assert_eq!(arming.state, ArmingState::Degraded);
    assert!(arming.why[0].contains("not nginx"), "{arming:?}");
}

/// Which workload stands behind it is not known: none of them is held up by it, or made smaller.
#[test]
fn an_nginx_before_a_cluster_comes_after_the_templates_and_sizes_nothing() {
    let (pins, routes) = (vec![pin("app"), pin("canary")], vec![nginx()]);
    assert_eq!(
        plan(&pins, &routes),
        [
            PlanAction::Patch(target("canary")),
            PlanAction::Patch(target("app")),
            PlanAction::Route(nginx().route),
            PlanAction::Settle(target("canary")),
            PlanAction::Settle(target("app")),
            PlanAction::ReadBack,
            PlanAction::Clear,
        ]
    );
    let (_, effects) = rolling_back(routes);
    let [Effect::RollBack(patch)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(patch.replicas, Replicas::AtLeast(4));
}
