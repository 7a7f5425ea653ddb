//! Several pods at once.

use serde_json::json;

use super::node::Node;
use super::told::{Listener, What};

#[tokio::test(flavor = "multi_thread")]
async fn two_pods_at_once_are_told_whole_and_read_once_in_the_order_of_their_times() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "pair").await;
    let pod = json!({"containers": [{"name": "app", "image": "myapp:v1.2.0", "args": ["log_rate=0"]}]});
    let workload = node.deploy("pair", 2, pod).await;
    let apps = workload.ready(2).await;
    for app in &apps {
        app.burst(3000, 1000).await;
    }
    listener.until("the last lines", |here| apps.iter().all(|app| here.highest(&app.pod) == 3000)).await;
    for app in &apps {
        listener.assert_complete(&app.pod, 3000);
    }
    listener.assert_nothing_lost();

    let mut reader = Listener::of_target(&node, "deployment/pair", false).await;
    reader.until_the_end().await;
    for app in &apps {
        reader.assert_complete(&app.pod, 3000);
    }
    let lines: Vec<(i64, &str)> = reader
        .told
        .iter()
        .filter_map(|told| match &told.what {
            What::Line { at_ns, .. } => Some((*at_ns, told.pod.as_str())),
            What::Mark(_) => None,
        })
        .collect();
    assert!(lines.is_sorted_by_key(|(at_ns, _)| *at_ns), "by time");
    let n_turns = lines.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    assert!(n_turns > 100, "both spoke at the same time, {n_turns} turns");
    workload.remove().await;
}
