//! Logs that are rotated, and servers that fall silent, die and come back.

use gonogo::watch::LogMark;
use serde_json::json;

use super::node::{Node, Workload};
use super::told::{Listener, is_rotation};

async fn quiet<'n>(node: &'n Node, name: &'static str) -> Workload<'n> {
    let pod = json!({"containers": [{"name": "app", "image": "myapp:v1.2.0", "args": ["log_rate=0"]}]});
    node.deploy(name, 1, pod).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_the_kubelet_doubles_no_line_and_loses_none_without_a_word() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "rotating").await;
    let workload = quiet(&node, "rotating").await;
    let app = workload.ready(1).await.remove(0);
    let last = 140_000;
    app.burst(last, 14_000).await;
    listener.until("the last line", |here| here.highest(&app.pod) == last).await;
    // Where the kubelet turns to the new file before the runtime does, it leaves out some lines.
    let n_gaps =
        |here: &Listener| here.numbers(&app.pod).windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    let n_marks = |here: &Listener| here.marks().filter(|mark| is_rotation(mark)).count();
    let is_told = |here: &Listener| n_marks(here) >= n_gaps(here).max(1);
    listener.until("a word on each rotation that cost lines", is_told).await;
    let numbers = listener.numbers(&app.pod);
    assert!(numbers.is_sorted_by(|a, b| a < b), "doubled or out of order; {}", listener.summary());
    let n_missing = last as usize - numbers.len();
    let n_rotated = node.n_rotated(&app.pod, "app");
    eprintln!("rotated {n_rotated} times, {n_missing} lines left out: {}", listener.summary());
    assert!(n_rotated > 0, "the log was rotated meanwhile");
    app.log("after the last rotation\n").await;
    listener.until_line("after the last rotation").await;
    workload.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_is_lost_or_doubled_when_the_api_server_falls_silent_and_when_it_dies() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "outliving").await;
    let workload = quiet(&node, "outliving").await;
    let app = workload.ready(1).await.remove(0);
    // Slow enough that the log is not rotated: the server has nothing of a rotated one any more.
    let last = 6_000;
    app.burst(last, 300).await;
    listener.until("a thousand lines", |here| here.highest(&app.pod) >= 1000).await;
    let server = node.pid_of("kube-apiserver");
    node.signal(server, "STOP");
    listener.until("silence", |here| here.n_silences == 1).await;
    let before = listener.highest(&app.pod);
    node.signal(server, "CONT");
    listener.until("lines after the silence", |here| here.highest(&app.pod) > before + 300).await;
    let before = listener.highest(&app.pod);
    node.restart("kube-apiserver");
    listener.until("lines after the restart", |here| here.highest(&app.pod) > before).await;
    listener.until("the last line", |here| here.highest(&app.pod) == last).await;
    listener.assert_complete(&app.pod, last);
    eprintln!("{}", listener.summary());
    listener.assert_nothing_lost();
    assert!(listener.marks().any(|mark| *mark == LogMark::Reopened), "{}", listener.summary());
    workload.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_that_ends_is_opened_again_and_what_comes_next_arrives() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "quiet").await;
    let workload = quiet(&node, "quiet").await;
    let app = workload.ready(1).await.remove(0);
    app.log("before\n").await;
    listener.until_line("before").await;
    // The server passes the end of the kubelet's stream on as if all were said.
    node.kill_kubelet();
    listener.until_mark("opened again", 1, |mark| *mark == LogMark::Reopened).await;
    app.log("after the kubelet\n").await;
    listener.until_line("after the kubelet").await;
    let n_opened = listener.marks().filter(|mark| **mark == LogMark::Reopened).count();
    node.restart("kube-apiserver");
    listener.until_mark("opened again", n_opened + 1, |mark| *mark == LogMark::Reopened).await;
    app.log("after the server\n").await;
    listener.until_line("after the server").await;
    let lines: Vec<String> = listener.told.iter().filter_map(|told| told.text()).collect();
    assert_eq!(lines, ["INFO starting v1.2.0", "before", "after the kubelet", "after the server"]);
    eprintln!("{}", listener.summary());
    listener.assert_nothing_lost();
    workload.remove().await;
}
