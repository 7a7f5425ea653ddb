//! The simulated cluster, told by what a watcher would see.

mod properties;

use jiff::SignedDuration;
use serde_json::Value;

use super::store::Kind;
use super::*;

fn world(scenario: Scenario) -> World {
    World::new(scenario, "2026-11-22T12:00:00Z".parse().unwrap(), 1)
}

fn app(world: &World) -> Value {
    world.object(&key(Kind::Deployment, NAMESPACE, APPLICATION)).unwrap()
}

fn condition<'a>(deployment: &'a Value, kind: &str) -> &'a Value {
    let conditions = deployment["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap()
}

fn run(world: &mut World, seconds: i64) {
    world.step(world.now() + SignedDuration::from_secs(seconds));
}

fn set_image(world: &mut World, image: &str) -> u64 {
    let before = world.store().version();
    world.set_image(NAMESPACE, APPLICATION, image).unwrap();
    before
}

fn revisions(world: &World) -> Vec<(String, String, Option<String>)> {
    let mut all: Vec<_> = world
        .store()
        .list(Kind::ReplicaSet, NAMESPACE)
        .map(|(_, set)| {
            let annotations = &set["metadata"]["annotations"];
            let text = |name: &str| annotations[name].as_str().map(str::to_owned);
            (
                text(deployment::REVISION).unwrap(),
                set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned(),
                text(deployment::REVISION_HISTORY),
            )
        })
        .collect();
    all.sort();
    all
}

#[test]
fn the_world_begins_with_a_finished_rollout_of_the_version_before() {
    let world = world(Scenario::Good);
    let app = app(&world);
    assert_eq!(app["spec"]["template"]["spec"]["containers"][0]["image"], START_IMAGE);
    assert_eq!(app["status"]["availableReplicas"], 4);
    assert_eq!(app["status"]["observedGeneration"], app["metadata"]["generation"]);
    assert_eq!(condition(&app, "Progressing")["reason"], "NewReplicaSetAvailable");
    assert_eq!(
        revisions(&world),
        [("1".into(), FIRST_IMAGE.into(), None), ("2".into(), START_IMAGE.into(), None)]
    );
    assert_eq!(world.traffic().scrapes().len(), 121);
}

#[test]
fn a_good_version_rolls_out_within_five_minutes_of_world_time() {
    let mut world = world(Scenario::Good);
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 120);
    assert_eq!(condition(&app(&world), "Progressing")["reason"], "ReplicaSetUpdated");
    run(&mut world, 180);
    let app = app(&world);
    assert_eq!(condition(&app, "Progressing")["reason"], "NewReplicaSetAvailable");
    for count in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        assert_eq!(app["status"][count], 4, "{count}");
    }
    assert_eq!(world.store().list(Kind::Pod, NAMESPACE).count(), 4);
}

/// What a real controller manager showed to a watcher, in this order, for this very change.
#[test]
fn a_watcher_sees_the_states_of_a_real_rollout_in_their_order() {
    let mut world = world(Scenario::Good);
    let before = set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 2);
    let seen: Vec<_> = world
        .store()
        .changes_after(before)
        .unwrap()
        .filter(|change| change.key.kind == Kind::Deployment)
        .map(|change| {
            let object = &change.object;
            (
                object["metadata"]["generation"].as_i64().unwrap(),
                object["metadata"]["annotations"][deployment::REVISION].as_str().unwrap().to_owned(),
                object["status"]["observedGeneration"].as_i64().unwrap(),
                condition(object, "Progressing")["reason"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [(3, "2", 2, "NewReplicaSetAvailable"), (3, "3", 2, "NewReplicaSetCreated")];
    for (seen, expected) in seen.iter().zip(expected) {
        assert_eq!((seen.0, seen.1.as_str(), seen.2, seen.3.as_str()), expected);
    }
    let last = seen.last().unwrap();
    assert_eq!((last.2, last.3.as_str()), (3, "ReplicaSetUpdated"));
}

#[test]
fn returning_to_an_old_template_gives_its_set_the_highest_number() {
    let mut world = world(Scenario::Good);
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 400);
    set_image(&mut world, START_IMAGE);
    run(&mut world, 400);
    assert_eq!(
        revisions(&world),
        [
            ("1".into(), FIRST_IMAGE.into(), None),
            ("3".into(), "myapp:v1.3.0".into(), None),
            ("4".into(), START_IMAGE.into(), Some("2".into())),
        ]
    );
    assert_eq!(app(&world)["metadata"]["annotations"][deployment::REVISION], "4");
}

#[test]
fn a_crash_loop_waits_longer_each_time_and_exceeds_the_deadline() {
    let mut world = world(Scenario::CrashLoop);
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 60);
    let looping = |world: &World| {
        world
            .store()
            .list(Kind::Pod, NAMESPACE)
            .map(|(_, pod)| pod["status"]["containerStatuses"][0].clone())
            .find(|status| status["state"]["waiting"]["reason"] == "CrashLoopBackOff")
    };
    let status = looping(&world).expect("a crashed container waits for its next try");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    assert_eq!(status["restartCount"].as_i64().unwrap(), 2);
    run(&mut world, 500);
    assert_eq!(condition(&app(&world), "Progressing")["reason"], "ReplicaSetUpdated");
    run(&mut world, 60);
    let app = app(&world);
    let progressing = condition(&app, "Progressing");
    assert_eq!(
        (&progressing["status"], &progressing["reason"]),
        (&"False".into(), &"ProgressDeadlineExceeded".into())
    );
    assert_eq!(condition(&app, "Available")["status"], "True");
    assert_eq!(app["status"]["availableReplicas"], 3);
}

#[test]
fn a_rollback_out_of_a_crash_loop_ends_with_four_available_pods() {
    let mut world = world(Scenario::CrashLoop);
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 700);
    set_image(&mut world, START_IMAGE);
    run(&mut world, 200);
    let app = app(&world);
    assert_eq!(app["status"]["availableReplicas"], 4);
    assert_eq!(condition(&app, "Progressing")["reason"], "NewReplicaSetAvailable");
}

#[test]
fn an_image_that_no_registry_has_alternates_between_error_and_back_off() {
    let mut world = world(Scenario::Good);
    let before = set_image(&mut world, "myapp:nowhere");
    run(&mut world, 120);
    let mut reasons: Vec<String> = world
        .store()
        .changes_after(before)
        .unwrap()
        .filter(|change| change.key.kind == Kind::Pod)
        .filter_map(|change| {
            let waiting = &change.object["status"]["containerStatuses"][0]["state"]["waiting"];
            waiting["reason"].as_str().map(str::to_owned)
        })
        .filter(|reason| reason.contains("Pull"))
        .collect();
    reasons.dedup();
    assert!(reasons.iter().filter(|reason| *reason == "ErrImagePull").count() >= 2, "{reasons:?}");
    assert!(reasons.contains(&"ImagePullBackOff".to_owned()));
    assert_eq!(app(&world)["status"]["availableReplicas"], 3);
}

#[test]
fn readiness_fails_with_events_before_it_succeeds() {
    let mut world = world(Scenario::Good);
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 60);
    let unhealthy: Vec<_> = world
        .store()
        .list(Kind::Event, NAMESPACE)
        .filter(|(_, event)| event["reason"] == "Unhealthy")
        .map(|(_, event)| (event["type"].clone(), event["count"].as_u64().unwrap()))
        .collect();
    assert!(unhealthy.iter().any(|(kind, count)| kind == "Warning" && *count > 1), "{unhealthy:?}");
}

#[test]
fn a_paused_deployment_does_not_roll_until_it_is_resumed() {
    let mut world = world(Scenario::Good);
    let mut object = app(&world);
    object["spec"]["paused"] = true.into();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = "myapp:v1.3.0".into();
    world.replace(&key(Kind::Deployment, NAMESPACE, APPLICATION), object, change::Part::Main, false).unwrap();
    run(&mut world, 60);
    assert_eq!(condition(&app(&world), "Progressing")["reason"], "DeploymentPaused");
    assert_eq!(revisions(&world).len(), 2);
    let mut object = app(&world);
    object["spec"]["paused"] = false.into();
    world.replace(&key(Kind::Deployment, NAMESPACE, APPLICATION), object, change::Part::Main, false).unwrap();
    run(&mut world, 400);
    assert_eq!(app(&world)["status"]["updatedReplicas"], 4);
}

#[test]
fn the_history_limit_drops_the_oldest_sets() {
    let mut world = world(Scenario::Good);
    let mut object = app(&world);
    object["spec"]["revisionHistoryLimit"] = 1.into();
    world.replace(&key(Kind::Deployment, NAMESPACE, APPLICATION), object, change::Part::Main, false).unwrap();
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 400);
    let images: Vec<_> = revisions(&world).into_iter().map(|(_, image, _)| image).collect();
    assert_eq!(images, [START_IMAGE, "myapp:v1.3.0"]);
}

#[test]
fn min_ready_seconds_delay_availability() {
    let mut world = world(Scenario::Good);
    let mut object = app(&world);
    object["spec"]["minReadySeconds"] = 40.into();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = "myapp:v1.3.0".into();
    let before = world.store().version();
    world.replace(&key(Kind::Deployment, NAMESPACE, APPLICATION), object, change::Part::Main, false).unwrap();
    run(&mut world, 600);
    assert_eq!(app(&world)["status"]["availableReplicas"], 4);
    let gap = world.store().changes_after(before).unwrap().any(|change| {
        let status = &change.object["status"];
        change.key.kind == Kind::Deployment
            && status["readyReplicas"].as_i64() > status["availableReplicas"].as_i64()
    });
    assert!(gap, "for forty seconds a pod is ready and not available");
}

#[test]
fn an_old_resource_version_is_a_conflict_and_a_dry_run_changes_nothing() {
    let mut world = world(Scenario::Good);
    let place = key(Kind::Deployment, NAMESPACE, APPLICATION);
    let mut object = app(&world);
    object["spec"]["replicas"] = 6.into();
    let shown = world.replace(&place, object.clone(), change::Part::Main, true).unwrap();
    assert_eq!(shown["spec"]["replicas"], 6);
    assert_eq!(app(&world)["spec"]["replicas"], 4);
    world.replace(&place, object.clone(), change::Part::Main, false).unwrap();
    let refused = world.replace(&place, object, change::Part::Main, false).unwrap_err();
    assert!(matches!(refused, change::Refusal::Conflict { .. }), "{refused}");
}

#[test]
fn an_invalid_object_names_each_field() {
    let mut world = world(Scenario::Good);
    let mut object = app(&world);
    object["spec"]["replicas"] = (-1).into();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = "".into();
    let refused = world
        .replace(&key(Kind::Deployment, NAMESPACE, APPLICATION), object, change::Part::Main, false)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Deployment.apps \"app\" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, \
         spec.template.spec.containers[0].image: Required value]"
    );
}

#[test]
fn a_dispatched_production_pipeline_deploys_its_reference() {
    let mut world = world(Scenario::Good);
    world.dispatch("deploy-prod.yml", "v1.3.0");
    run(&mut world, 30);
    assert_eq!(world.runs()[0].status(world.now()), "in_progress");
    assert_eq!(app(&world)["spec"]["template"]["spec"]["containers"][0]["image"], START_IMAGE);
    run(&mut world, 30);
    assert_eq!(world.runs()[0].conclusion(), "success");
    assert_eq!(app(&world)["spec"]["template"]["spec"]["containers"][0]["image"], "myapp:v1.3.0");
}

#[test]
fn errors_begin_some_minutes_after_the_new_pods_serve_and_are_in_the_log() {
    let mut world = world(Scenario::ErrorSpike);
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 150);
    let pod = world
        .store()
        .list(Kind::Pod, NAMESPACE)
        .find(|(_, pod)| pod["spec"]["containers"][0]["image"] == "myapp:v1.3.0")
        .map(|(key, _)| key.name.clone())
        .unwrap();
    let failures = |world: &World| {
        let speaker = world.speaker(NAMESPACE, &pod, None, false).unwrap();
        let lines = speaker.lines(world.now() - SignedDuration::from_mins(2), world.now());
        assert!(lines.is_sorted_by_key(|line| line.at));
        lines.iter().filter(|line| line.text.starts_with("ERROR")).count()
    };
    assert_eq!(failures(&world), 0);
    run(&mut world, 500);
    assert!(failures(&world) > 5);
}

#[test]
fn a_crashed_container_tells_why_in_its_previous_log() {
    let mut world = world(Scenario::CrashLoop);
    set_image(&mut world, "myapp:v1.3.0");
    run(&mut world, 60);
    let pod = world
        .store()
        .list(Kind::Pod, NAMESPACE)
        .find(|(_, pod)| pod["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(0))
        .map(|(key, _)| key.name.clone())
        .unwrap();
    let speaker = world.speaker(NAMESPACE, &pod, Some("app"), true).unwrap();
    let last = speaker.lines(Timestamp::MIN, world.now()).pop().unwrap();
    assert!(last.text.starts_with("FATAL"), "{}", last.text);
}

#[test]
fn a_saved_world_goes_on_as_the_unsaved_one_would() {
    let mut one = world(Scenario::ErrorSpike);
    set_image(&mut one, "myapp:v1.3.0");
    run(&mut one, 100);
    let text = serde_json::to_string(&one).unwrap();
    let mut other: World = serde_json::from_str(&text).unwrap();
    other.wake_up();
    run(&mut one, 500);
    run(&mut other, 500);
    let same = serde_json::to_string(&one).unwrap() == serde_json::to_string(&other).unwrap();
    assert!(same, "the saved world went another way");
}

// ── the feature flag

/// The share of failures, and of requests that take longer than 0.5 s, in the next five minutes.
fn fared(world: &mut World) -> (f64, f64) {
    let counted = |world: &World| {
        let last = world.traffic().scrapes().back().expect("the past is known");
        let all = |of: fn(&traffic::Counters) -> u64| last.pods.iter().map(of).sum::<u64>() as f64;
        (
            all(|pod| pod.codes.iter().sum()),
            all(|pod| pod.codes[2] + pod.codes[3]),
            all(|pod| pod.buckets[8..].iter().sum()),
        )
    };
    let before = counted(world);
    run(world, 300);
    let after = counted(world);
    let requests = after.0 - before.0;
    ((after.1 - before.1) / requests, (after.2 - before.2) / requests)
}

/// As Unleash is told: a percentage, then the switch.
fn open_flag(world: &mut World, percent: u8) {
    let at = format!("/api/admin/projects/default/features/{}/environments/production", flags::FLAG);
    let strategies = world.flag().answer("GET", &format!("{at}/strategies"), flags::TOKEN, "").1;
    let strategies: Value = serde_json::from_str(&strategies).unwrap();
    let id = strategies[0]["id"].as_str().unwrap();
    let wish = serde_json::json!({"parameters": {"rollout": percent.to_string()}}).to_string();
    let put = world.flag().answer("PUT", &format!("{at}/strategies/{id}"), flags::TOKEN, &wish);
    assert_eq!(put.0, 200, "{}", put.1);
    let switch = if percent == 0 { "off" } else { "on" };
    assert_eq!(world.flag().answer("POST", &format!("{at}/{switch}"), flags::TOKEN, "").0, 200);
}

#[test]
fn a_flag_shows_its_share_of_the_requests_what_the_scenario_holds() {
    let mut world = world(Scenario::ErrorSpike);
    let (closed, _) = fared(&mut world);
    assert!(closed < 0.002, "{closed}");
    let mut last = closed;
    for (percent, expected) in [(5, 0.004), (25, 0.02), (100, 0.08)] {
        open_flag(&mut world, percent);
        let (errors, _) = fared(&mut world);
        assert!(errors > last && (errors - expected).abs() < 0.35 * expected, "{percent} %: {errors}");
        last = errors;
    }
    open_flag(&mut world, 0);
    let (healed, _) = fared(&mut world);
    assert!(healed < 0.002, "{healed}");
}

#[test]
fn a_feature_that_is_slow_is_slow_for_those_who_meet_it() {
    let mut world = world(Scenario::Latency);
    let (_, usual) = fared(&mut world);
    open_flag(&mut world, 50);
    let (errors, slow) = fared(&mut world);
    assert!(slow > 3.0 * usual && errors < 0.002, "{usual} {slow} {errors}");
}

#[test]
fn a_good_feature_changes_nothing() {
    let mut world = world(Scenario::Good);
    let (errors, slow) = fared(&mut world);
    open_flag(&mut world, 100);
    let (opened, opened_slow) = fared(&mut world);
    assert!((errors - opened).abs() < 0.001 && (slow - opened_slow).abs() < 0.01, "{errors} {opened}");
}
