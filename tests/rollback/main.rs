//! `gonogo rollback` as somebody at another terminal, or a script, runs it: the release lies in the
//! state directory, its cluster is the practice world, and what came of it is read from the API.
//!
//! The world runs many times faster than the wall clock, and the tests wait for what the program
//! says or for its end, never for time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "these tests start the program")]

mod stage;

use gonogo::adapters::store::Store;
use gonogo::rehearsal::{Fault, Scenario};
use gonogo::release::Phase;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use stage::{PATIENCE, Stage};
use tokio::time::timeout;

#[tokio::test]
async fn a_bad_version_is_rolled_back_verified_and_recorded_while_another_process_holds_the_release() {
    let stage = Stage::new(Scenario::CrashLoop).await;
    let id = stage.release("r1").await;
    let (held, _) = Store::open_for_writing(&stage.state_dir(), &id).unwrap();
    stage.set_image("v1.3.0").await;

    let (code, told) = stage.json(&["rollback", "r1", "--yes", "--reason", "the pods crash"]).await;
    assert_eq!((code, told.len()), (0, 1), "{told:?}");
    let told = &told[0];
    assert_eq!((&told["schema"], &told["target"]), (&json!("gonogo.rollback/1"), &json!("deployment/app")));
    assert_eq!(told["from"]["images"], json!(["myapp:v1.3.0"]));
    assert_eq!(told["to"]["images"], json!(["myapp:v1.2.0"]));
    assert_eq!((&told["verified"], &told["missing"]), (&json!(true), &json!([])));
    assert!(told["patch_accepted_ms"].is_u64() && told["time_to_safe_ms"].is_u64(), "{told}");
    let states: Vec<_> = told["actions"].as_array().unwrap().iter().map(|action| &action["state"]).collect();
    assert_eq!(states, ["done", "done", "done"]);
    assert_eq!(stage.image().await, "myapp:v1.2.0");

    drop(held);
    let release = stage.replayed(&id);
    assert_eq!(release.state().phase, Phase::RolledBack);
    let rollback = release.state().rollback.as_ref().unwrap();
    assert_eq!((rollback.fired_by.as_str(), rollback.reason.as_deref()), ("ana", Some("the pods crash")));
    let (code, told, _) = stage.text(&["rollback", "r1", "--yes"]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("r1 is rolled back and safe"), "{told}");
    assert!(stage.text(&["list"]).await.1.contains("SAFE"));
}

#[tokio::test]
async fn a_look_first_says_what_would_be_done_and_changes_nothing() {
    let stage = Stage::new(Scenario::Good).await;
    stage.release("r1").await;
    stage.set_image("v1.3.0").await;
    let before = stage.generation().await;
    let (code, told, _) = stage.text(&["rollback", "deployment/app", "--dry-run"]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("rollback of r1   ARMED"), "{told}");
    assert!(told.contains("rev 3 myapp:v1.3.0 → rev 2 myapp:v1.2.0"), "{told}");
    assert!(told.contains("+ /spec/containers/app/image: \"myapp:v1.2.0\""), "{told}");
    assert!(told.contains("dry run"), "{told}");
    assert_eq!((stage.generation().await, stage.n_files("r1")), (before, 0));
}

#[tokio::test]
async fn what_is_as_it_was_pinned_needs_no_way_back() {
    let stage = Stage::new(Scenario::Good).await;
    stage.release("r1").await;
    let before = stage.generation().await;
    let (code, told, _) = stage.text(&["rollback", "--yes"]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("nothing to undo: all is as it was pinned"), "{told}");
    assert_eq!((stage.generation().await, stage.n_files("r1")), (before, 0));
}

#[tokio::test]
async fn a_deployment_that_was_made_anew_cannot_be_rolled_back_and_says_so() {
    let stage = Stage::new(Scenario::Good).await;
    stage.release("r1").await;
    stage.make_anew().await;
    let (code, told) = stage.json(&["rollback", "r1", "--yes"]).await;
    assert_eq!((code, &told[0]["arming"]), (13, &json!("disarmed")), "{told:?}");
    assert!(told[0]["why"][0].as_str().unwrap().contains("made anew"), "{told:?}");
    assert_eq!(stage.n_files("r1"), 0);
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_tried_until_time_is_over() {
    let stage = Stage::new(Scenario::Good).await;
    stage.release("r1").await;
    stage.set_image("v1.3.0").await;
    stage.inject(Fault::ApiDown { lasting: PATIENCE * 100 });
    let (code, _, said) = stage.text(&["rollback", "r1", "--yes", "--timeout", "3s"]).await;
    assert_eq!(code, 13, "{said}");
    assert!(said.contains("nothing was sent"), "{said}");
}

#[tokio::test]
async fn it_asks_nobody_who_cannot_answer_and_undoes_no_later_release() {
    let stage = Stage::new(Scenario::Good).await;
    let (code, _, said) = stage.text(&["rollback", "deployment/app", "--yes"]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no release of deployment/app is kept"), "{said}");
    stage.release("r1").await;
    let (code, _, said) = stage.text(&["rollback", "r1"]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("give --yes"), "{said}");
    stage.release("r2").await;
    let (code, _, said) = stage.text(&["rollback", "r1", "--yes"]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("r2 released deployment/app after r1 did"), "{said}");
}

#[tokio::test]
async fn killed_on_the_way_it_goes_on_where_it_was_and_patches_nothing_twice() {
    let stage = Stage::new(Scenario::Good).await;
    let id = stage.release("r1").await;
    stage.set_image("v1.3.0").await;
    let before = stage.generation().await;
    let mut first = stage.command(&["rollback", "r1", "--yes"]).spawn().unwrap();
    stage.accepted(&id).await;
    first.kill().await.unwrap();
    assert_eq!(stage.replayed(&id).state().phase, Phase::RollingBack);

    let (code, told) = stage.json(&["rollback", "r1", "--yes"]).await;
    assert_eq!((code, &told[0]["verified"]), (0, &json!(true)), "{told:?}");
    assert_eq!(stage.image().await, "myapp:v1.2.0");
    assert_eq!(stage.generation().await, before + 1, "one patch changed it, and no second one");
    assert_eq!(stage.replayed(&id).state().phase, Phase::RolledBack);
}

#[tokio::test]
async fn interrupted_on_the_way_it_says_so_and_ends() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let stage = Stage::new(Scenario::Good).await;
        let id = stage.release("r1").await;
        stage.set_image("v1.3.0").await;
        let running = stage.command(&["rollback", "r1", "--yes"]).spawn().unwrap();
        stage.accepted(&id).await;
        // What was sent cannot be verified from here on.
        stage.inject(Fault::ApiDown { lasting: PATIENCE * 100 });
        let pid = Pid::from_raw(running.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
        let output = timeout(PATIENCE, running.wait_with_output()).await.expect("it ends").unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(12), "{signal:?}: {said}");
        assert!(said.contains("interrupted; started again, it goes on where it is"), "{said}");
        assert_eq!(stage.replayed(&id).state().phase, Phase::RollingBack);
    }
}

#[tokio::test]
async fn without_a_release_a_revision_is_named_and_verified_like_a_pinned_one() {
    let stage = Stage::new(Scenario::CrashLoop).await;
    stage.set_image("v1.3.0").await;
    let (code, _, said) = stage.text(&["rollback", "deployment/app", "--to", "77", "--yes"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("it has no revision 77; there are 1, 2, 3"), "{said}");
    let (code, told, _) = stage.text(&["rollback", "deployment/app", "--to", "previous", "--dry-run"]).await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("rev 3 myapp:v1.3.0 → rev 2 myapp:v1.2.0"), "{told}");
    assert!(stage.text(&["list"]).await.1.contains("no release yet"), "a look leaves nothing behind");

    let (code, told) = stage.json(&["rollback", "deployment/app", "--to", "previous", "--yes"]).await;
    assert_eq!((code, &told[0]["verified"]), (0, &json!(true)), "{told:?}");
    assert_eq!(stage.image().await, "myapp:v1.2.0");
    assert!(stage.text(&["list"]).await.1.contains("SAFE"));
}

/// With `GONOGO_TEST_KUBECONFIG` (`tests/cluster/run`): a real API server and real controllers.
#[tokio::test]
async fn on_a_real_api_server_it_comes_to_the_same() {
    let Some(stage) = Stage::real().await else {
        eprintln!("skipped: GONOGO_TEST_KUBECONFIG is not set");
        return;
    };
    let id = stage.release("r1").await;
    stage.set_image("v1.3.0-crash").await;
    stage.until("the bad version is rolling out", |status| status.updated_replicas > Some(0)).await;
    let (code, told) = stage.json(&["rollback", "r1", "--yes"]).await;
    assert_eq!((code, &told[0]["verified"]), (0, &json!(true)), "{told:?}");
    eprintln!("real cluster: {}", told[0]);
    assert_eq!(stage.image().await, "myapp:v1.2.0");
    stage
        .until("all four are back", |status| {
            (status.replicas, status.updated_replicas, status.ready_replicas) == (Some(4), Some(4), Some(4))
        })
        .await;
    let generation = stage.generation().await;
    assert_eq!(stage.text(&["rollback", "r1", "--yes"]).await.0, 0);
    assert_eq!(
        stage.generation().await,
        generation,
        "a second one changes nothing: the first is no mistake to undo"
    );
    assert_eq!(stage.replayed(&id).state().phase, Phase::RolledBack);

    stage.set_image("v1.4.0").await;
    stage
        .until("it is out", |status| status.available_replicas == Some(4) && status.replicas == Some(4))
        .await;
    let (code, told) = stage
        .json(&["rollback", "deployment/app", "-n", &stage.namespace(), "--to", "previous", "--yes"])
        .await;
    assert_eq!((code, &told[0]["verified"]), (0, &json!(true)), "{told:?}");
    assert_eq!(stage.image().await, "myapp:v1.2.0");
    stage.remove().await;
}
