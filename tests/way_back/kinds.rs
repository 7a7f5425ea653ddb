//! Each kind: released, broken, rolled back, and read apart.

use gonogo::release::{ArmingState, Measure, Phase};
use gonogo::watch::rollout::RolloutState as State;
use serde_json::json;

use crate::everywhere;
use crate::manifests::{but, daemon_set, deployment, impatient, stateful_set};
use crate::operator::Operator;
use crate::world::Which::{Node, Practice, Simulated};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_goes_back() {
    everywhere(&[Practice, Simulated, Node], async |world| {
        let mut operator = Operator::at(&world, "deployment", &deployment()).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        assert_eq!(operator.arm().await.state, ArmingState::Armed);
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "deployment").await;
        assert_eq!(operator.sent, [Measure::Template]);
        operator.end().await;
    })
    .await;
}

/// All pods end before the first new one starts, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_recreates_its_pods_goes_back() {
    everywhere(&[Practice, Simulated, Node], async |world| {
        let strategy = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
        let mut operator = Operator::at(&world, "recreate", &but(deployment(), strategy)).await;
        operator.release("v1.3.0-crash", State::Failed).await;
        let tested = operator.kube.arm(&operator.pin(), &operator.template).await.unwrap().findings;
        assert!(tested.iter().all(|finding| finding.what != "room for a pod"), "none is needed: {tested:#?}");
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "recreate").await;
        assert_eq!(operator.sent, [Measure::Template]);
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_goes_back_from_a_version_that_runs_and_fails() {
    everywhere(&[Practice, Simulated, Node], async |world| {
        let mut operator = Operator::at(&world, "statefulset", &stateful_set()).await;
        let before = operator.pin();
        operator.release("v1.3.0", State::Complete).await;
        assert_eq!(operator.arm().await.state, ArmingState::Armed);
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "statefulset").await;
        let status = operator.object().await["status"].clone();
        assert_eq!(status["updateRevision"], before.kept_in.as_str(), "the very revision of before");
        assert_eq!(status["currentRevision"], status["updateRevision"]);
        operator.end().await;
    })
    .await;
}

/// kubernetes#67250: the template is back, and the pod that never got ready holds everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_in_the_trap_goes_back_once_that_very_pod_is_deleted() {
    everywhere(&[Practice, Simulated, Node], async |world| {
        let mut operator = Operator::at(&world, "trap", &impatient(stateful_set())).await;
        operator.release("v1.3.0-notready", State::Stuck).await;
        operator.fire().await.unwrap();
        operator.see("the pod that holds it", |operator| operator.release.blocker().is_some()).await;
        let (_, blocker) = operator.release.blocker().unwrap();
        let blocker = blocker.clone();
        assert_eq!(blocker.pod, "app-2");
        assert_eq!((operator.phase(), operator.sent.len()), (Phase::RollingBack, 1), "nothing unasked");
        let held = operator.hands.api("Pod").get("app-2").await.unwrap();
        assert_eq!(held.metadata.uid.as_deref(), Some(blocker.uid.as_str()));
        assert_eq!(held.data["spec"]["containers"][0]["image"], "myapp:v1.3.0-notready");
        assert!(operator.release.rollback_missing()[0].contains("delete pod app-2"));
        operator.delete_blocker().await;
        operator.until_safe(world.which, "statefulset trap").await;
        assert_eq!(operator.sent, [Measure::Template, Measure::Delete(blocker)], "one pod, and no other");
        operator.end().await;
    })
    .await;
}

/// Someone deletes the pod by hand and another of its name stands there: it is not ours to delete.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_the_same_name_with_another_uid_is_left_alone() {
    everywhere(&[Practice, Simulated], async |world| {
        let mut operator = Operator::at(&world, "same-name", &impatient(stateful_set())).await;
        operator.release("v1.3.0-notready", State::Stuck).await;
        operator.fire().await.unwrap();
        operator.see("the pod that holds it", |operator| operator.release.blocker().is_some()).await;
        let (target, blocker) = operator.release.blocker().unwrap();
        let (target, blocker) = (target.clone(), blocker.clone());
        operator.hands.delete_pod("app-2").await.unwrap();
        operator.until_safe(world.which, "deleted by hand").await;
        let before = operator.hands.api("Pod").get("app-2").await.unwrap().metadata.uid;
        assert_eq!(operator.kube.delete_pod(&target, &blocker).await.unwrap(), None);
        let after = operator.hands.api("Pod").get("app-2").await.unwrap().metadata;
        assert_eq!((after.uid, after.deletion_timestamp), (before, None));
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_set_goes_back() {
    everywhere(&[Practice, Simulated, Node], async |world| {
        let mut operator = Operator::at(&world, "daemonset", &daemon_set()).await;
        let before = operator.pin();
        operator.release("v1.3.0-crash", State::Failed).await;
        assert_eq!(operator.arm().await.state, ArmingState::Armed);
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "daemonset").await;
        let last = operator.last.as_ref().unwrap();
        assert_eq!(last.current_revision().unwrap().name, before.kept_in, "the very revision of before");
        assert!(last.revision > before.revision, "under a new number");
        operator.end().await;
    })
    .await;
}

/// The template alone moves no pod: it is said before, and what is missing is said after.
#[tokio::test(flavor = "multi_thread")]
async fn under_on_delete_the_way_back_is_limited_and_waits_for_a_person() {
    everywhere(&[Practice, Simulated], async |world| {
        let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}});
        let mut operator = Operator::at(&world, "on-delete", &but(stateful_set(), on_delete)).await;
        operator.hands.set_image("v1.3.0", None).await.unwrap();
        operator.until(State::Paused).await;
        operator.hands.delete_pod("app-1").await.unwrap();
        operator.see("one new pod", |operator| operator.last.as_ref().unwrap().updated == 1).await;
        let arming = operator.arm().await;
        assert_eq!(arming.state, ArmingState::Degraded);
        assert!(arming.why.iter().any(|why| why.contains("OnDelete")), "{:?}", arming.why);
        operator.fire().await.unwrap();
        operator
            .see("what is missing", |operator| {
                operator.release.rollback_missing()[0].contains("delete it to go on")
            })
            .await;
        operator.hands.delete_pod("app-1").await.unwrap();
        operator.until_safe(world.which, "on delete").await;
        operator.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_is_named_and_what_it_keeps_stays() {
    everywhere(&[Practice, Simulated], async |world| {
        let partition = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}});
        let mut operator = Operator::at(&world, "partition", &but(stateful_set(), partition)).await;
        operator.release("v1.3.0", State::Complete).await;
        let arming = operator.arm().await;
        assert!(
            arming.why.iter().any(|why| why.contains("partition 2: the first 2 of 3")),
            "{:?}",
            arming.why
        );
        operator.fire().await.unwrap();
        operator.until_safe(world.which, "partition").await;
        operator.end().await;
    })
    .await;
}
