//! What is sent, what is asked before, and what is made of each answer.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::adapters::kube::testing::{Reply, Server};
use crate::release::Blocker;
use crate::release::pin::{Finding, Outcome};

fn target(kind: Kind) -> TargetRef {
    TargetRef { kind, namespace: "shop".into(), name: "app".into(), container: None }
}

fn template_of(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "app", "image": image}]}})
}

const LEFT: Replicas = Replicas::Left(0);

fn pin_of(kind: Kind) -> Pin {
    Pin {
        target: target(kind),
        uid: "u1".into(),
        at: Timestamp::UNIX_EPOCH,
        revision: Some(7),
        kept_in: "app-5d4".into(),
        template_hash: "5d4".into(),
        template_print: template::print(&template_of("app:1")),
        images: vec![],
        digests: vec![],
        mounted: Vec::new(),
        replicas: 3,
        limit: None,
    }
}

/// An object of any kind, as far as the way back reads it.
fn object(image: &str, spec: Value, status: Value) -> Value {
    let mut object = json!({"metadata": {"name": "app", "namespace": "shop", "uid": "u1", "generation": 4,
            "resourceVersion": "40"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "app"}}, "template": template_of(image)},
        "status": {"observedGeneration": 4, "updatedReplicas": 3, "desiredNumberScheduled": 3,
            "updatedNumberScheduled": 3}});
    json_patch::merge(&mut object, &json!({"spec": spec, "status": status}));
    object
}

fn revision(kind: Kind) -> Value {
    let metadata = json!({"name": "app-5d4", "uid": "r1", "labels": {"pod-template-hash": "5d4",
        "controller-revision-hash": "5d4"}, "ownerReferences": [{"uid": "u1", "controller": true}]});
    match kind {
        Kind::Deployment | Kind::Rollout => {
            json!({"metadata": metadata, "spec": {"template": template_of("app:1")}})
        }
        Kind::StatefulSet | Kind::DaemonSet => json!({"metadata": metadata, "revision": 7,
            "data": {"spec": {"template": template_of("app:1")}}}),
    }
}

/// A server that holds one object, takes every patch of it, and allows everything.
async fn server(kind: Kind, object: Value) -> Server {
    answering(move |verb, path, _| match verb {
        _ if path.contains("selfsubjectaccessreviews") => allowed(true),
        "GET" if path.contains("/app-5d4") => Reply::ok(revision(kind).to_string()),
        _ => Reply::ok(object.to_string()),
    })
    .await
}

async fn answering(answer: impl Fn(&str, &str, &str) -> Reply + Send + Sync + 'static) -> Server {
    Server::answering(move |_, head| {
        let mut words = head.split(' ');
        let (verb, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let body = head.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        answer(verb, path, body)
    })
    .await
}

fn allowed(yes: bool) -> Reply {
    let review = json!({"spec": {}, "status": {"allowed": yes}});
    Reply::status("201 Created", review.to_string())
}

fn refusing(code: u16, reason: &str, message: &str) -> Reply {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    Reply::status(&format!("{code} {reason}"), status.to_string())
}

fn place() -> Place {
    Place { host: "test".into(), context: "test".into() }
}

fn outcome<'f>(findings: &'f [Finding], what: &str) -> &'f Outcome {
    let finding = findings.iter().find(|finding| finding.what == what);
    &finding.unwrap_or_else(|| panic!("no finding {what} in {findings:#?}")).outcome
}

async fn armed(server: &Server, kind: Kind) -> Vec<Finding> {
    let (client, place, target) = (server.client(), place(), target(kind));
    let way = WayBack::of(&client, &place, &target);
    way.arm(&pin_of(kind), &Template(template_of("app:1"))).await.unwrap().findings
}

const KINDS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Rollout];

fn now(paused: bool) -> Now {
    let deployment: Deployment = serde_json::from_value(json!({"metadata": {"name": "app", "uid": "u1"},
        "spec": {"paused": paused, "template": {"spec": {"image": "bad"}}}}))
    .unwrap();
    Now { workload: deployment.workload, lender: None }
}

#[test]
fn the_patch_tests_uid_and_template_and_touches_nothing_else() {
    let sent = patch(&Template(json!({"spec": {"image": "good"}})), &now(false), None);
    assert_eq!(
        serde_json::to_value(sent).unwrap(),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": "u1"},
            {"op": "test", "path": "/spec/template", "value": {"spec": {"image": "bad"}}},
            {"op": "replace", "path": "/spec/template", "value": {"spec": {"image": "good"}}},
        ])
    );
}

#[test]
fn a_paused_workload_is_resumed_by_the_same_patch() {
    let sent = patch(&Template(json!({})), &now(true), None);
    let sent = serde_json::to_value(sent).unwrap();
    assert_eq!(sent[3], json!({"op": "replace", "path": "/spec/paused", "value": false}));
}

#[tokio::test]
async fn a_workload_of_any_kind_is_armed_in_at_most_five_requests() {
    for kind in KINDS {
        let server = server(kind, object("app:2", json!({}), json!({}))).await;
        let findings = armed(&server, kind).await;
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Fine), "{findings:#?}");
        assert!(server.asked().len() <= 5, "{kind:?}: {:#?}", server.asked());
        let plural = crate::adapters::kube::access::plural(kind).1;
        let dry = server.asked().iter().any(|path| path.contains(plural) && path.contains("dryRun=All"));
        assert!(dry, "{kind:?}: {:#?}", server.asked());
    }
}

#[tokio::test]
async fn what_the_patch_alone_does_not_bring_back_is_a_limit() {
    let rows = [
        (Kind::StatefulSet, json!({"updateStrategy": {"type": "OnDelete"}}), "OnDelete"),
        (Kind::DaemonSet, json!({"updateStrategy": {"type": "OnDelete"}}), "OnDelete"),
        (
            Kind::StatefulSet,
            json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}}),
            "partition 2: the first 2 of 3 pods stay",
        ),
    ];
    for (kind, spec, words) in rows {
        let server = server(kind, object("app:2", spec, json!({}))).await;
        let findings = armed(&server, kind).await;
        let Outcome::Limited(why) = outcome(&findings, "update strategy") else { panic!("{findings:#?}") };
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn a_right_beside_the_patch_that_is_missing_limits_and_says_what_follows() {
    let rows = [
        (Kind::StatefulSet, "\"delete\"", "may delete pods", "until somebody else deletes it"),
        (Kind::Rollout, "\"status\"", "may patch rollouts/status", "with the template only"),
    ];
    for (kind, denied, what, follows) in rows {
        let server = answering(move |_, path, body| match path {
            path if path.contains("selfsubjectaccessreviews") => allowed(!body.contains(denied)),
            path if path.contains("/app-5d4") => Reply::ok(revision(kind).to_string()),
            _ => Reply::ok(object("app:2", json!({}), json!({})).to_string()),
        })
        .await;
        let findings = armed(&server, kind).await;
        let Outcome::Limited(why) = outcome(&findings, what) else { panic!("{findings:#?}") };
        assert!(why.contains(follows), "{why}");
    }
    // Without order a pod that is not ready holds nobody up.
    let parallel = object("app:2", json!({"podManagementPolicy": "Parallel"}), json!({}));
    let server = server(Kind::StatefulSet, parallel).await;
    let findings = armed(&server, Kind::StatefulSet).await;
    assert!(findings.iter().all(|finding| finding.what != "may delete pods"), "{findings:#?}");
}

#[tokio::test]
async fn a_refused_dry_run_tells_a_missing_right_from_a_refusal_of_the_patch() {
    let rows = [
        (
            403,
            "Forbidden",
            "statefulsets.apps \"app\" is forbidden: User \"x\" cannot patch",
            false,
            "broken",
        ),
        (403, "Forbidden", "admission webhook \"policy\" denied the request: no", true, "broken"),
        (422, "Invalid", "StatefulSet.apps \"app\" is invalid: spec: Forbidden: updates to", true, "broken"),
        (400, "BadRequest", "admission webhook \"w\" does not support dry run", true, "limited"),
        (409, "Conflict", "the object has been modified", true, "unknown"),
    ];
    for (code, reason, message, may_patch, is) in rows {
        let server = answering(move |verb, path, _| match verb {
            "PATCH" => refusing(code, reason, message),
            _ if path.contains("selfsubjectaccessreviews") => allowed(true),
            _ if path.contains("/app-5d4") => Reply::ok(revision(Kind::StatefulSet).to_string()),
            _ => Reply::ok(object("app:2", json!({}), json!({})).to_string()),
        })
        .await;
        let findings = armed(&server, Kind::StatefulSet).await;
        let patching = outcome(&findings, "may patch statefulsets");
        assert_eq!(*patching == Outcome::Fine, may_patch, "{message}: {patching:?}");
        let told = serde_json::to_value(outcome(&findings, "dry run")).unwrap();
        assert_eq!(told["is"], is, "{message}");
    }
}

/// A release that is under way changes the very thing that is tested.
#[tokio::test]
async fn a_change_between_the_reading_and_the_dry_run_is_tested_again_and_a_patch_that_never_fits_is_broken()
{
    for is_race in [true, false] {
        let n_read = Arc::new(Mutex::new(0));
        let server = answering(move |verb, path, body| match verb {
            "PATCH" if is_race && body.contains("app:3") => {
                Reply::ok(object("app:3", json!({}), json!({})).to_string())
            }
            "PATCH" => refusing(422, "Invalid", DOES_NOT_FIT),
            _ if path.contains("selfsubjectaccessreviews") => allowed(true),
            _ if path.contains("/app-5d4") => Reply::ok(revision(Kind::StatefulSet).to_string()),
            _ => {
                let mut n_read = n_read.lock().unwrap();
                *n_read += 1;
                let (image, generation) = if *n_read > 1 && is_race { ("app:3", 8) } else { ("app:2", 7) };
                let mut read = object(image, json!({}), json!({}));
                read["metadata"]["generation"] = generation.into();
                Reply::ok(read.to_string())
            }
        })
        .await;
        let findings = armed(&server, Kind::StatefulSet).await;
        let is = outcome(&findings, "dry run");
        assert_eq!(*is == Outcome::Fine, is_race, "{is:?}");
        assert_eq!(matches!(is, Outcome::Broken(_)), !is_race, "{is:?}");
    }
}

const DOES_NOT_FIT: &str = "the server rejected our request due to an error in our request";

/// The patch meets each of these readings in turn, and is refused but for the last one.
async fn raced(images: &'static [&'static str], n_refused: usize) -> (Result<Fired, KubeError>, usize) {
    let (n_read, n_sent) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let sent = Arc::clone(&n_sent);
    let server = answering(move |verb, _, _| {
        if verb == "PATCH" {
            let mut n_sent = sent.lock().unwrap();
            *n_sent += 1;
            return match *n_sent > n_refused {
                true => Reply::ok(object("app:1", json!({}), json!({})).to_string()),
                false => refusing(422, "Invalid", DOES_NOT_FIT),
            };
        }
        let mut n_read = n_read.lock().unwrap();
        let image = images[(*n_read).min(images.len() - 1)];
        *n_read += 1;
        // An autoscaler at work: another number of pods at each reading.
        Reply::ok(object(image, json!({"replicas": 3 + *n_read}), json!({})).to_string())
    })
    .await;
    let (client, place, target) = (server.client(), place(), target(Kind::StatefulSet));
    let way = WayBack::of(&client, &place, &target);
    let fired = way.fire(&pin_of(Kind::StatefulSet), &Template(template_of("app:1")), None, LEFT).await;
    let n_sent = *n_sent.lock().unwrap();
    (fired, n_sent)
}

#[tokio::test]
async fn who_writes_at_the_same_moment_is_no_obstacle_unless_they_deployed_something() {
    let (fired, n_sent) = raced(&["app:2"], 1).await;
    assert!(matches!(fired, Ok(Fired::Accepted { .. })), "{fired:?}");
    assert_eq!(n_sent, 2, "read again, and sent again");
    let (fired, n_sent) = raced(&["app:2", "app:3"], 1).await;
    let error = fired.unwrap_err();
    assert!(matches!(&error, KubeError::Changed { what, .. } if what.contains("app:3")), "{error}");
    assert_eq!(n_sent, 1, "somebody's fix is not undone");
    let (fired, n_sent) = raced(&["app:2"], usize::MAX).await;
    assert!(fired.is_err());
    assert_eq!(n_sent, 4, "what never fits is not sent for ever");
}

/// Rights were there when it was armed, and are gone when it is fired; or admission says no.
#[tokio::test]
async fn a_patch_that_is_refused_is_sent_once_and_its_reason_is_told() {
    for (code, reason, message) in [
        (403, "Forbidden", "daemonsets.apps \"app\" is forbidden: User \"x\" cannot patch"),
        (403, "Forbidden", "admission webhook \"freeze\" denied the request: change freeze"),
        (422, "Invalid", "DaemonSet.apps \"app\" is invalid: spec.template: Invalid value"),
    ] {
        let server = answering(move |verb, _, _| match verb {
            "PATCH" => refusing(code, reason, message),
            _ => Reply::ok(object("app:2", json!({}), json!({})).to_string()),
        })
        .await;
        let (client, place, target) = (server.client(), place(), target(Kind::DaemonSet));
        let way = WayBack::of(&client, &place, &target);
        let fired = way.fire(&pin_of(Kind::DaemonSet), &Template(template_of("app:1")), None, LEFT).await;
        let error = fired.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(server.asked().len(), 2, "read, and sent once: {:#?}", server.asked());
    }
}

#[tokio::test]
async fn a_template_that_is_back_already_is_not_sent_again() {
    for kind in KINDS {
        let server = server(kind, object("app:1", json!({}), json!({}))).await;
        let (client, place, target) = (server.client(), place(), target(kind));
        let way = WayBack::of(&client, &place, &target);
        for _ in 0..2 {
            let fired = way.fire(&pin_of(kind), &Template(template_of("app:1")), None, LEFT).await.unwrap();
            assert_eq!(fired, Fired::AlreadyThere);
        }
        assert_eq!(server.asked().len(), 2, "two readings: {:#?}", server.asked());
    }
}

/// What a workload is pinned with, whose list answers hold nothing.
async fn pinned(kind: Kind, object: Value) -> Result<Pin, KubeError> {
    let server = answering(move |_, path, _| match path.contains("?") {
        true => Reply::ok(json!({"metadata": {}, "items": []}).to_string()),
        false => Reply::ok(object.to_string()),
    })
    .await;
    let (client, place, target) = (server.client(), place(), target(kind));
    WayBack::of(&client, &place, &target).pin(Timestamp::UNIX_EPOCH).await.map(|(pin, _)| pin)
}

#[tokio::test]
async fn an_update_in_the_middle_is_pinned_on_what_its_template_says_and_says_so() {
    let halves = [
        (
            Kind::StatefulSet,
            json!({}),
            json!({"currentRevision": "app-1", "updateRevision": "app-2"}),
            Some("from app-1 to app-2"),
        ),
        (Kind::StatefulSet, json!({}), json!({"currentRevision": "app-1", "updateRevision": "app-1"}), None),
        // Updated by hand it never says that it is over.
        (
            Kind::StatefulSet,
            json!({"updateStrategy": {"type": "OnDelete"}}),
            json!({"currentRevision": "app-1", "updateRevision": "app-2"}),
            None,
        ),
        (Kind::DaemonSet, json!({}), json!({"updatedNumberScheduled": 1}), Some("1 of 3 pods")),
        (Kind::Rollout, json!({}), json!({"currentPodHash": "b", "stableRS": "a"}), Some("from a to b")),
        (Kind::Rollout, json!({}), json!({"currentPodHash": "a", "stableRS": "a"}), None),
    ];
    for (kind, spec, status, expected) in halves {
        let pin = pinned(kind, object("app:1", spec, status.clone())).await.unwrap();
        assert_eq!(pin.template_print, template::print(&template_of("app:1")));
        match (expected, &pin.limit) {
            (None, None) => {}
            (Some(words), Some(why)) => assert!(why.contains(words), "{why}"),
            other => panic!("{kind:?} {status}: {other:?}"),
        }
    }
}

/// An Argo Rollout with no template of its own, and the Deployment that holds it.
async fn borrowing(lender_kind: &'static str) -> Server {
    let rollout = json!({"workloadRef": {"kind": lender_kind, "name": "web"}, "template": null});
    let rollout = object(
        "app:1",
        rollout,
        json!({"observedGeneration": "4", "currentPodHash": "b",
        "stableRS": "5d4", "workloadObservedGeneration": "4"}),
    );
    let mut lender = object("app:2", json!({}), json!({}));
    lender["metadata"]["name"] = "web".into();
    lender["metadata"]["uid"] = "u9".into();
    answering(move |_, path, _| match path {
        _ if path.contains("selfsubjectaccessreviews") => allowed(true),
        _ if path.contains("/app-5d4") => Reply::ok(revision(Kind::Rollout).to_string()),
        _ if path.contains("/deployments/web") => Reply::ok(lender.to_string()),
        _ => Reply::ok(rollout.to_string()),
    })
    .await
}

#[tokio::test]
async fn a_borrowed_template_goes_back_where_it_is_written() {
    let server = borrowing("Deployment").await;
    let findings = armed(&server, Kind::Rollout).await;
    assert!(findings.iter().all(|finding| finding.outcome == Outcome::Fine), "{findings:#?}");
    assert!(findings.iter().any(|finding| finding.what == "may patch deployments"), "{findings:#?}");
    assert!(server.asked().len() <= 5, "{:#?}", server.asked());
    let (client, place, target) = (server.client(), place(), target(Kind::Rollout));
    let way = WayBack::of(&client, &place, &target);
    let template = Template(template_of("app:1"));
    way.fire(&pin_of(Kind::Rollout), &template, None, LEFT).await.unwrap();
    let last = server.asked().last().cloned().unwrap();
    assert!(last.contains("/deployments/web") && !last.contains("dryRun"), "{last}");
    let sent = serde_json::to_value(patch(&template, &way.read().await.unwrap(), None)).unwrap();
    assert_eq!(sent[0], json!({"op": "test", "path": "/metadata/uid", "value": "u9"}));
}

#[tokio::test]
async fn a_template_in_an_object_that_is_not_followed_is_not_pinned_and_the_object_is_named() {
    let server = borrowing("PodTemplate").await;
    let (client, place, target) = (server.client(), place(), target(Kind::Rollout));
    let error = WayBack::of(&client, &place, &target).pin(Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(error.to_string().contains("podtemplate/web (spec.workloadRef)"), "{error}");
    let findings = armed(&server, Kind::Rollout).await;
    assert!(matches!(outcome(&findings, "own template"), Outcome::Broken(_)), "{findings:#?}");
}

fn rollout(image: &str, new: &str, stable: &str, status: Value) -> Value {
    let mut whole = json!({"observedGeneration": "4", "currentPodHash": new, "stableRS": stable});
    json_patch::merge(&mut whole, &status);
    object(image, json!({}), whole)
}

/// What was patched at a rollout when it was told to go back: paths and bodies.
async fn told(object: Value, promote: bool) -> (Result<Option<u64>, KubeError>, Vec<String>) {
    let patched: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&patched);
    let server = answering(move |verb, path, body| {
        if verb == "PATCH" {
            heard.lock().unwrap().push(format!("{path} {body}"));
        }
        Reply::ok(object.to_string())
    })
    .await;
    let (client, place, target) = (server.client(), place(), target(Kind::Rollout));
    let (way, pin) = (WayBack::of(&client, &place, &target), pin_of(Kind::Rollout));
    let answer = if promote { way.promote(&pin).await } else { way.abort(&pin).await };
    let patched = patched.lock().unwrap().clone();
    (answer, patched)
}

#[tokio::test]
async fn an_abort_goes_out_only_while_something_else_than_the_pinned_version_is_under_way() {
    let (answer, sent) = told(rollout("app:2", "new", "5d4", json!({})), false).await;
    assert!(answer.unwrap().is_some());
    assert!(sent[0].contains("/rollouts/app/status") && sent[0].contains("\"abort\":true"), "{sent:?}");
    let quiet = [
        ("its new version is stable", rollout("app:2", "new", "new", json!({}))),
        ("it was aborted already", rollout("app:2", "new", "5d4", json!({"abort": true}))),
        ("the pinned version is on its way back", rollout("app:1", "5d4", "new", json!({}))),
        ("it never had a stable version", rollout("app:2", "new", "", json!({}))),
    ];
    for (why, object) in quiet {
        let (answer, sent) = told(object, false).await;
        assert_eq!((answer.unwrap(), sent.len()), (None, 0), "{why}: {sent:?}");
    }
}

#[tokio::test]
async fn the_pinned_version_is_promoted_in_full_only_where_it_is_not_stable_any_more() {
    let (answer, sent) = told(rollout("app:1", "5d4", "new", json!({})), true).await;
    assert!(answer.unwrap().is_some());
    assert!(sent[0].contains("/rollouts/app/status") && sent[0].contains("\"promoteFull\":true"), "{sent:?}");
    let (answer, sent) = told(rollout("app:1", "5d4", "5d4", json!({})), true).await;
    assert_eq!((answer.unwrap(), sent.len()), (None, 0), "no step is walked: {sent:?}");
    let (answer, sent) = told(rollout("app:3", "hot", "new", json!({})), true).await;
    assert!(matches!(answer, Err(KubeError::Changed { .. })), "{answer:?}");
    assert_eq!(sent.len(), 0, "nobody else's version is promoted: {sent:?}");
}

/// What the controller said before it saw the template is of another one.
#[tokio::test]
async fn nothing_is_promoted_before_the_controller_looked_at_the_template() {
    let unseen = rollout("app:1", "new", "old", json!({"observedGeneration": "3"}));
    let (answer, sent) = told(unseen, true).await;
    assert_eq!(answer.unwrap_err().cause(), Some(Cause::TimedOut));
    assert_eq!(sent.len(), 0, "{sent:?}");
}

#[tokio::test]
async fn a_pod_is_deleted_by_its_uid_and_one_that_is_gone_is_no_failure() {
    let blocker = Blocker { pod: "app-1".into(), uid: "p1".into(), revision: "app-2".into() };
    let deletes = async |reply: Reply| {
        let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&bodies);
        let server = answering(move |verb, path, body| {
            heard.lock().unwrap().push(format!("{verb} {path} {body}"));
            reply.clone()
        })
        .await;
        let (client, place, target) = (server.client(), place(), target(Kind::StatefulSet));
        let answer = WayBack::of(&client, &place, &target).delete_pod(&blocker).await;
        let bodies = bodies.lock().unwrap().clone();
        (answer, bodies)
    };
    let pod = json!({"metadata": {"name": "app-1", "uid": "p1"}});
    let (answer, sent) = deletes(Reply::ok(pod.to_string())).await;
    assert!(answer.unwrap().is_some());
    assert!(sent[0].starts_with("DELETE /api/v1/namespaces/shop/pods/app-1"), "{sent:?}");
    assert!(sent[0].contains("\"preconditions\":{\"uid\":\"p1\"}"), "{sent:?}");
    for gone in [
        refusing(404, "NotFound", "pods \"app-1\" not found"),
        refusing(409, "Conflict", "Precondition failed: UID in precondition: p1, UID in object meta: p2"),
    ] {
        assert_eq!(deletes(gone).await.0.unwrap(), None);
    }
    let refused = deletes(refusing(403, "Forbidden", "pods \"app-1\" is forbidden")).await.0;
    assert_eq!(refused.unwrap_err().cause(), Some(Cause::Forbidden));
}
