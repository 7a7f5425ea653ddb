//! What holds of every rollout in the practice world.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::rehearsal::sim::store::Change;

/// Checks the promise of a rolling update at every change that a watcher could see.
fn check_bounds(changes: &[Change], desired: i64, surge: i64, unavailable: i64) -> Result<(), TestCaseError> {
    for change in changes.iter().filter(|change| change.key.kind == Kind::Deployment) {
        let status = &change.object["status"];
        let available = status["availableReplicas"].as_i64().unwrap_or(0);
        let replicas = status["replicas"].as_i64().unwrap_or(0);
        prop_assert!(available >= desired - unavailable, "only {available} available: {status}");
        prop_assert!(replicas <= desired + surge, "{replicas} pods: {status}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_rolling_update_keeps_its_bounds_whatever_happens_in_between(
        seed in any::<u64>(),
        surge in 0_i64..4,
        unavailable in 0_i64..4,
        changes in proptest::collection::vec((0_usize..4, 1_i64..200), 1..5),
    ) {
        prop_assume!(surge + unavailable > 0);
        let mut world = World::new(Scenario::Good, "2026-11-22T12:00:00Z".parse().unwrap(), seed);
        let place = key(Kind::Deployment, NAMESPACE, APPLICATION);
        let mut object = app(&world);
        object["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": surge, "maxUnavailable": unavailable});
        world.replace(&place, object, change::Part::Main, false).unwrap();
        let before = world.store().version();
        for (image, wait) in changes {
            let image = ["myapp:v1.3.0", "myapp:v1.4.0-crash", "myapp:nowhere", START_IMAGE][image];
            set_image(&mut world, image);
            run(&mut world, wait);
        }
        set_image(&mut world, START_IMAGE);
        run(&mut world, 900);
        prop_assert_eq!(&app(&world)["status"]["availableReplicas"], &json!(4));
        prop_assert_eq!(&app(&world)["status"]["updatedReplicas"], &json!(4));
        let changes: Vec<Change> = world.store().changes_after(before).unwrap().cloned().collect();
        check_bounds(&changes, 4, surge, unavailable)?;
    }

    #[test]
    fn no_pod_name_or_uid_is_ever_used_twice(seed in any::<u64>()) {
        let mut world = World::new(Scenario::Good, "2026-11-22T12:00:00Z".parse().unwrap(), seed);
        let before = world.store().version();
        for image in ["myapp:v1.3.0", START_IMAGE] {
            set_image(&mut world, image);
            run(&mut world, 300);
        }
        let mut added: Vec<String> = world
            .store()
            .changes_after(before)
            .unwrap()
            .filter(|change| change.key.kind == Kind::Pod && change.kind == store::ChangeKind::Added)
            .map(|change| change.object["metadata"]["uid"].to_string())
            .collect();
        prop_assert_eq!(added.len(), 8);
        added.sort();
        added.dedup();
        prop_assert_eq!(added.len(), 8);
    }
}
