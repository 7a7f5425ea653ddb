use serde_json::{Value, json};

use super::*;
use crate::adapters::kube::error::Cause;
use crate::adapters::kube::objects::{
    AnalysisRun, ControllerRevision, DaemonSet, Deployment, Node, Pod, ReplicaSet, Rollout, StatefulSet,
    Warning,
};
use crate::watch::NodeTrouble;

fn target(kind: Kind) -> TargetRef {
    TargetRef { kind, namespace: "shop".into(), name: "app".into(), container: None }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "app", "image": image}]}})
}

fn object(uid: &str, spec: Value, status: Value) -> Value {
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {"app": "app"}});
    json!({"metadata": {"name": "app", "uid": uid, "generation": 2}, "spec": spec, "status": status})
}

fn deployment(image: &str) -> Workload {
    read::<Deployment>(object("d", json!({"template": template(image)}), json!({}))).workload
}

fn set(name: &str, owner: &str, revision: &str, image: &str) -> RevisionEntry {
    let set: ReplicaSet = read(json!({"metadata": {"name": name, "uid": format!("{name}-uid"),
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "labels": {"rollouts-pod-template-hash": name},
            "ownerReferences": [{"uid": owner, "controller": true}]},
        "spec": {"template": template(image)}}));
    set.entry
}

fn history(name: &str, owner: &str, revision: i64, image: &str) -> RevisionEntry {
    let hash = name.rsplit('-').next().unwrap();
    let revision: ControllerRevision = read(json!({"metadata": {"name": name, "uid": format!("{name}-uid"),
            "labels": {"controller-revision-hash": hash},
            "ownerReferences": [{"uid": owner, "controller": true}]},
        "data": {"spec": {"template": template(image)}}, "revision": revision}));
    revision.entry
}

fn pod(name: &str, owner: &str, hash: Option<&str>, node: &str) -> PodEntry {
    let pod: Pod = read(json!({"metadata": {"name": name, "uid": format!("{name}-uid"),
            "labels": {"controller-revision-hash": hash},
            "ownerReferences": [{"uid": owner, "controller": true}]},
        "spec": {"nodeName": node}}));
    pod.entry
}

fn warning(uid: &str, about: &str, at: &str) -> WarningEvent {
    let (kind, name) = about.split_once('/').unwrap();
    let warning: Warning = read(json!({"metadata": {"name": uid, "uid": uid}, "reason": "Failed",
        "lastTimestamp": at, "involvedObject": {"kind": kind, "name": name}}));
    warning.facts
}

fn listing<V>(values: impl IntoIterator<Item = V>) -> impl Iterator<Item = Told<V>> {
    let listed: Vec<Told<V>> = values.into_iter().map(Told::Listed).collect();
    std::iter::once(Told::Restart).chain(listed).chain(std::iter::once(Told::Synced))
}

fn with(kind: Kind, workload: Workload, revisions: Vec<RevisionEntry>, pods: Vec<PodEntry>) -> Store {
    let mut store = Store::default();
    for told in listing([workload]) {
        store.workload(kind, told);
    }
    for told in listing(revisions) {
        match kind {
            Kind::Deployment | Kind::Rollout => store.set(told),
            Kind::StatefulSet | Kind::DaemonSet => store.revision(told),
        };
    }
    for told in listing(pods) {
        store.pod(told);
    }
    store
}

fn sets() -> Vec<RevisionEntry> {
    vec![set("old", "d", "7", "x:1"), set("new", "d", "8", "x:2"), set("foreign", "other", "9", "x:2")]
}

fn pods() -> Vec<PodEntry> {
    let owners = [("a", "old-uid"), ("b", "new-uid"), ("c", "foreign-uid"), ("d", "new-uid")];
    owners.map(|(name, owner)| pod(name, owner, None, "n1")).to_vec()
}

fn facts(store: &mut Store, kind: Kind) -> WorkloadFacts {
    store.facts(&target(kind), None).unwrap()
}

fn names(facts: &WorkloadFacts) -> Vec<&str> {
    facts.pods.iter().map(|pod| pod.name.as_str()).collect()
}

fn unclear(facts: &WorkloadFacts) -> &str {
    facts.unclear.as_deref().unwrap_or_default()
}

#[test]
fn nothing_is_said_before_every_listing_ended() {
    let mut store = Store::default();
    assert_eq!(store.facts(&target(Kind::Deployment), None), None);
    for told in listing([deployment("x:2")]) {
        store.workload(Kind::Deployment, told);
    }
    assert_eq!(store.facts(&target(Kind::Deployment), None), None, "its pods are not known yet");
    store.set(Told::Refused(Refusal { cause: Cause::Forbidden, detail: String::new() }));
    store.pod(Told::Refused(Refusal { cause: Cause::Forbidden, detail: String::new() }));
    assert!(
        store.facts(&target(Kind::Deployment), None).is_some(),
        "a forbidden list must not silence the rest"
    );
}

#[test]
fn a_workload_missing_from_the_listing_is_gone() {
    let mut store = Store::default();
    for told in listing([]) {
        store.workload(Kind::Deployment, told);
    }
    assert!(facts(&mut store, Kind::Deployment).gone);
}

#[test]
fn a_kind_that_is_not_served_or_not_allowed_is_unread_and_not_gone() {
    let mut store = Store::default();
    let refusal = |cause| Told::Refused(Refusal { cause, detail: "the server could not find it".into() });
    store.workload(Kind::Rollout, refusal(Cause::NotFound));
    store.workload(Kind::StatefulSet, refusal(Cause::Forbidden));
    let rollout = facts(&mut store, Kind::Rollout);
    let why = "this cluster knows no rollouts: argoproj.io/v1alpha1 is not installed";
    assert_eq!((rollout.unread.as_deref(), rollout.gone), (Some(why), false));
    let set = facts(&mut store, Kind::StatefulSet);
    assert_eq!((set.unread.as_deref(), set.gone), (Some("may not list statefulsets in shop"), false));
}

#[test]
fn pods_are_joined_by_owner_and_the_new_ones_come_first() {
    let mut store = with(Kind::Deployment, deployment("x:2"), sets(), pods());
    let facts = facts(&mut store, Kind::Deployment);
    assert_eq!(names(&facts), ["b", "d", "a"]);
    assert_eq!(facts.current_revision().unwrap().uid, "new-uid");
    assert_eq!(facts.revisions[0].revision, Some(8));
    assert!(facts.is_new(&facts.pods[0]) && !facts.is_new(&facts.pods[2]));
}

#[test]
fn the_pods_of_a_stateful_set_name_their_revision_and_the_status_names_the_new_one() {
    let status = json!({"updateRevision": "app-2b", "currentRevision": "app-1a", "observedGeneration": 2});
    let workload = read::<StatefulSet>(object("s", json!({"template": template("x:2")}), status)).workload;
    let revisions = vec![history("app-1a", "s", 1, "x:1"), history("app-2b", "s", 2, "x:2")];
    let pods = vec![
        pod("app-0", "s", Some("app-1a"), "n1"),
        pod("app-1", "s", Some("app-2b"), "n1"),
        pod("app-2", "s", None, "n1"),
        pod("other-0", "elsewhere", Some("app-2b"), "n1"),
    ];
    let mut store = with(Kind::StatefulSet, workload, revisions, pods);
    let facts = facts(&mut store, Kind::StatefulSet);
    assert_eq!(names(&facts), ["app-1", "app-0", "app-2"]);
    assert_eq!(facts.target_revision.as_deref(), Some("app-2b"));
    assert_eq!(facts.stable_revision.as_deref(), Some("app-1a"));
    assert_eq!(facts.pods[2].revision, None, "a pod without the label is of no known revision");
    assert_eq!((facts.revision, facts.current_revision().unwrap().revision), (Some(2), Some(2)));
}

#[test]
fn a_daemon_set_rolls_out_the_revision_that_equals_its_template() {
    let workload = read::<DaemonSet>(object("s", json!({"template": template("x:1")}), json!({}))).workload;
    // Going back does not make a new revision: the old one gets a new number.
    let revisions = vec![history("app-1a", "s", 3, "x:1"), history("app-2b", "s", 2, "x:2")];
    let pods = vec![
        pod("app-x", "s", Some("2b"), "n1"),
        pod("app-y", "s", Some("1a"), "n2"),
        pod("app-z", "s", Some("9z"), "n3"),
    ];
    let mut store = with(Kind::DaemonSet, workload, revisions, pods);
    let facts = facts(&mut store, Kind::DaemonSet);
    assert_eq!(facts.target_revision.as_deref(), Some("app-1a"));
    assert_eq!(names(&facts), ["app-y", "app-x", "app-z"]);
    assert_eq!(facts.pods[2].revision.as_deref(), Some("app-9z"), "a revision that was cleaned up");
    assert_eq!(facts.revision, Some(3));
}

fn rollout(spec: Value, status: Value) -> Workload {
    read::<Rollout>(object("d", spec, status)).workload
}

#[test]
fn a_rollout_finds_its_revisions_by_hash_and_its_own_analyses() {
    let status = json!({"currentPodHash": "new", "stableRS": "old", "observedGeneration": "2"});
    let spec = json!({"template": template("x:2"), "strategy": {"canary": {}}});
    let mut store = with(Kind::Rollout, rollout(spec, status), sets(), pods());
    for (name, owner, created) in [("second", "d", "02"), ("first", "d", "01"), ("foreign", "other", "03")] {
        let run: AnalysisRun = read(json!({"metadata": {"name": name, "uid": name,
                "creationTimestamp": format!("2026-11-22T14:{created}:00Z"),
                "ownerReferences": [{"uid": owner, "controller": true}]},
            "status": {"phase": "Running"}}));
        store.run(Told::Changed(run.run));
    }
    let facts = facts(&mut store, Kind::Rollout);
    assert_eq!(facts.target_revision.as_deref(), Some("new"));
    assert_eq!(facts.stable_revision.as_deref(), Some("old"));
    assert_eq!(names(&facts), ["b", "d", "a"]);
    let runs: Vec<&str> = facts.argo.as_ref().unwrap().analyses.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(runs, ["first", "second"]);
}

#[test]
fn a_borrowed_template_counts_as_the_rollouts_own() {
    let borrowing = |seen: &str| {
        let spec = json!({"workloadRef": {"kind": "Deployment", "name": "app"}, "strategy": {"canary": {}}});
        let status = json!({"observedGeneration": "2", "workloadObservedGeneration": seen});
        rollout(spec, status)
    };
    let mut store = with(Kind::Rollout, borrowing("2"), sets(), pods());
    assert!(store.borrows());
    assert_eq!(store.facts(&target(Kind::Rollout), None), None, "the lender is not known yet");
    for told in listing([deployment("x:2")]) {
        store.workload(Kind::Deployment, told);
    }
    let seen = facts(&mut store, Kind::Rollout);
    assert_eq!(seen.images[0].image, "x:2");
    assert_eq!(seen.template_print, deployment("x:2").template_print);
    assert_eq!((seen.generation, seen.observed_generation), (2, Some(2)));
    store.workload(Kind::Rollout, Told::Changed(borrowing("1")));
    let unseen = facts(&mut store, Kind::Rollout);
    assert_eq!(
        (unseen.generation, unseen.observed_generation),
        (2, Some(1)),
        "the lender's change is not seen"
    );
    store.workload(Kind::Deployment, Told::Removed(deployment("x:2")));
    assert!(unclear(&facts(&mut store, Kind::Rollout)).contains("cannot be read"));
}

#[test]
fn two_revisions_that_claim_to_be_the_new_one_are_none_and_that_is_said() {
    let spec = json!({"template": template("x:2"), "strategy": {"canary": {}}});
    let mut twice = sets();
    twice.push(set("twin", "d", "8", "x:2"));
    twice[3].facts.template_hash = "new".into();
    let mut store =
        with(Kind::Rollout, rollout(spec, json!({"currentPodHash": "new"})), twice.clone(), pods());
    let rollout = facts(&mut store, Kind::Rollout);
    assert_eq!(rollout.target_revision, None);
    assert!(unclear(&rollout).contains("new, twin"), "{:?}", rollout.unclear);

    let mut store = with(Kind::Deployment, deployment("x:2"), twice.clone(), pods());
    let same_number = facts(&mut store, Kind::Deployment);
    assert_eq!(same_number.target_revision, None);
    assert!(unclear(&same_number).contains("none is taken"), "{:?}", same_number.unclear);
    twice[3].facts.revision = Some(9);
    let mut store = with(Kind::Deployment, deployment("x:2"), twice, pods());
    let numbered = facts(&mut store, Kind::Deployment);
    assert_eq!(numbered.target_revision.as_deref(), Some("twin"), "Kubernetes numbers the one it uses");
}

#[test]
fn a_workload_without_a_selector_has_no_query_and_says_so() {
    let mut workload = deployment("x:2");
    workload.selector = None;
    let mut store = with(Kind::Deployment, workload, vec![], vec![]);
    assert_eq!(store.selector(&target(Kind::Deployment)), None);
    store.pods.waive();
    store.sets.waive();
    assert!(unclear(&facts(&mut store, Kind::Deployment)).contains("selector is empty"));
}

#[test]
fn the_trouble_of_a_node_is_that_of_its_pods() {
    let node = |name: &str, cordoned: bool| {
        let node: Node = read(json!({"metadata": {"name": name}, "spec": {"unschedulable": cordoned},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
        node.entry
    };
    let pods = [("a", "n1"), ("b", "n2"), ("c", "n9"), ("d", "")];
    let pods = pods.map(|(name, node)| pod(name, "new-uid", None, node)).to_vec();
    let mut store = with(Kind::Deployment, deployment("x:2"), sets(), pods);
    let nodes = Arc::new([node("n1", false), node("n2", true)].into_iter().collect::<Nodes>());
    let joined = store.facts(&target(Kind::Deployment), Some(&nodes)).unwrap();
    let troubles: Vec<_> = joined.pods.iter().map(|pod| pod.node_trouble).collect();
    assert_eq!(troubles, [None, Some(NodeTrouble::Cordoned), Some(NodeTrouble::Gone), None]);
    let unknown = store.facts(&target(Kind::Deployment), None).unwrap();
    assert!(unknown.pods.iter().all(|pod| pod.node_trouble.is_none()));
}

#[test]
fn an_unchanged_pod_is_the_same_one_in_the_next_summary() {
    let mut store = with(Kind::Deployment, deployment("x:2"), sets(), pods());
    let before = facts(&mut store, Kind::Deployment);
    let mut changed = pod("b", "new-uid", None, "n1");
    changed.facts.ready = true;
    store.pod(Told::Changed(changed));
    let after = facts(&mut store, Kind::Deployment);
    let is_same = |n: usize| std::ptr::eq(&raw const *before.pods[n], &raw const *after.pods[n]);
    assert!(!is_same(0) && is_same(1) && is_same(2), "only what changed is made anew");
    assert!(after.pods[0].ready && !before.pods[0].ready);
}

#[test]
fn warnings_of_other_pods_are_left_out_and_the_newest_come_last() {
    let mut store = with(Kind::Deployment, deployment("x:2"), sets(), pods());
    for (uid, about, at) in [
        ("1", "Pod/b", "2026-11-22T14:02:00Z"),
        ("2", "Pod/elsewhere", "2026-11-22T14:03:00Z"),
        ("3", "Pod/a", "2026-11-22T14:01:00Z"),
        ("4", "Pod/c", "2026-11-22T14:04:00Z"),
        ("5", "StatefulSet/app", "2026-11-22T14:05:00Z"),
        ("6", "Deployment/app", "2026-11-22T14:00:00Z"),
    ] {
        store.warning(Told::Changed(warning(uid, about, at)));
    }
    let facts = facts(&mut store, Kind::Deployment);
    let uids: Vec<&str> = facts.events.iter().map(|event| event.uid.as_str()).collect();
    assert_eq!(uids, ["6", "3", "1"]);
}

#[test]
fn the_times_of_a_cluster_that_is_ahead_are_told_by_our_clock_and_moved_once() {
    let ready: Pod = read(json!({"metadata": {"name": "b", "uid": "b",
            "ownerReferences": [{"uid": "new-uid", "controller": true}]},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T14:01:00Z"}],
            "containerStatuses": [{"name": "app", "state": {"running": {"startedAt": "2026-11-22T14:00:50Z"}}}]}}));
    let mut store = with(Kind::Deployment, deployment("x:2"), sets(), vec![ready.entry]);
    store.warning(Told::Changed(warning("1", "Pod/b", "2026-11-22T14:02:00Z")));
    let at = |text: &str| Some(format!("2026-11-22T{text}Z").parse::<jiff::Timestamp>().unwrap());
    for (skew, ready, started, event) in [
        (60, "14:00:00", "13:59:50", "14:01:00"),
        (60, "14:00:00", "13:59:50", "14:01:00"),
        (0, "14:01:00", "14:00:50", "14:02:00"),
    ] {
        store.skew = SignedDuration::from_secs(skew);
        let facts = facts(&mut store, Kind::Deployment);
        assert_eq!(facts.pods[0].ready_since, at(ready));
        assert_eq!(
            facts.pods[0].containers[0].state,
            crate::watch::ContainerState::Running { since: at(started) }
        );
        assert_eq!(facts.events[0].at, at(event));
    }
}

#[test]
fn a_pod_keeps_its_place_until_it_or_what_that_rests_on_changes() {
    let mut store = with(
        Kind::Deployment,
        deployment("x:1"),
        vec![set("one", "d", "1", "x:1"), set("two", "d", "2", "x:2")],
        vec![pod("p1", "one-uid", None, "n1"), pod("p2", "two-uid", None, "n1")],
    );
    let names = |facts: &WorkloadFacts| -> Vec<String> {
        facts
            .pods
            .iter()
            .map(|pod| format!("{}{}", pod.name, if facts.is_new(pod) { "*" } else { "" }))
            .collect()
    };
    let facts = |store: &mut Store| store.facts(&target(Kind::Deployment), None).unwrap();
    let first = facts(&mut store);
    assert_eq!(names(&first), ["p1*", "p2"]);
    assert_eq!(facts(&mut store), first);
    // Another template is rolled out: nothing about the pods changed.
    store.workload(Kind::Deployment, Told::Changed(deployment("x:2")));
    assert_eq!(names(&facts(&mut store)), ["p2*", "p1"]);
    store.pod(Told::Changed(pod("p1", "two-uid", None, "n1")));
    assert_eq!(names(&facts(&mut store)), ["p1*", "p2*"]);
}

#[test]
fn a_pod_goes_from_one_workload_to_another_made_in_its_place() {
    let mut store = with(
        Kind::Deployment,
        deployment("x:1"),
        vec![set("one", "d", "1", "x:1"), set("other", "e", "1", "x:1")],
        vec![pod("p1", "one-uid", None, "n1"), pod("p2", "other-uid", None, "n1")],
    );
    let second = TargetRef { name: "second".into(), ..target(Kind::Deployment) };
    let twin = Workload { name: "second".into(), uid: "e".into(), ..deployment("x:1") };
    store.workload(Kind::Deployment, Told::Changed(twin));
    let names = |store: &mut Store, target: &TargetRef| -> Vec<String> {
        store.facts(target, None).unwrap().pods.iter().map(|pod| pod.name.clone()).collect()
    };
    for _ in 0..2 {
        assert_eq!(names(&mut store, &target(Kind::Deployment)), ["p1"]);
        assert_eq!(names(&mut store, &second), ["p2"]);
    }
    // The set of the one is orphaned and adopted by the other.
    store.set(Told::Changed(set("one", "e", "1", "x:1")));
    assert!(names(&mut store, &target(Kind::Deployment)).is_empty());
    assert_eq!(names(&mut store, &second), ["p1", "p2"]);
}
