//! Containers that begin and end: all of them, one after the other, and again.

use gonogo::watch::LogMark;
use serde_json::json;

use super::node::Node;
use super::told::{Listener, Told, assert_numbered};

const STARTING: &str = "INFO starting v1.2.0";
const FATAL: &str = "FATAL cannot reach db: connection refused";

#[tokio::test(flavor = "multi_thread")]
async fn every_container_is_followed_and_what_init_containers_say_comes_first() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "crowded").await;
    let says = |name: &str, more: &[&str]| {
        let mut args = vec!["log_rate=0", r#"burst={"lines":20,"bytes":60,"rate":0}"#];
        args.extend(more);
        json!({"name": name, "image": "myapp:v1.2.0", "args": args})
    };
    let once = ["exit=0", "exit_after=0.5"];
    let mut beside = says("beside", &["port=8082"]);
    beside["restartPolicy"] = json!("Always");
    let pod = json!({
        "initContainers": [says("first", &once), says("second", &once), beside],
        "containers": [says("app", &[]), says("other", &["port=8081"])],
    });
    let workload = node.deploy("crowded", 1, pod).await;
    let pod = workload.ready(1).await.remove(0).pod;
    let names = ["first", "second", "beside", "app", "other"];
    let numbers = |here: &Listener, name: &str| -> Vec<u32> {
        here.told.iter().filter(|told| told.container == name).filter_map(Told::number).collect()
    };
    listener
        .until("twenty lines of each container", |here| {
            names.iter().all(|name| numbers(here, name).len() >= 20)
        })
        .await;
    for name in names {
        assert_numbered(&numbers(&listener, name), 20, &listener.summary());
    }
    assert!(listener.told.iter().all(|told| told.pod == pod), "{}", listener.summary());
    let place = |name: &str, is_last: bool| {
        let mut told = listener.told.iter().enumerate().filter(|(_, told)| told.number().is_some());
        let of = |told: &(usize, &Told)| told.1.container == name;
        let found = if is_last { told.rfind(of) } else { told.find(of) };
        found.unwrap().0
    };
    assert!(place("first", true) < place("second", false), "{}", listener.summary());
    assert!(place("second", true) < place("app", false), "{}", listener.summary());
    listener.assert_nothing_lost();
    workload.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_started_again_is_told_from_its_start_and_its_old_lines_once() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "restarting").await;
    let pod = json!({"containers": [{"name": "app", "image": "myapp:v1.2.0", "args": ["log_rate=0"]}]});
    let workload = node.deploy("restarting", 1, pod).await;
    let app = workload.ready(1).await.remove(0);
    // It ends in the middle of what it says.
    app.burst(100_000, 2000).await;
    listener.until("a thousand lines", |here| here.highest(&app.pod) >= 1000).await;
    app.exit(3).await;
    listener.until("a second start", |here| here.n_lines(STARTING) == 2).await;
    workload.ready(1).await.remove(0).log("the second life\n").await;
    listener.until_line("the second life").await;
    let places: Vec<usize> =
        (0..listener.told.len()).filter(|n| listener.told[*n].is_line(STARTING)).collect();
    let (old, new) = listener.told.split_at(places[1]);
    let old_lines: Vec<u32> = old.iter().filter_map(Told::number).collect();
    assert_numbered(&old_lines, *old_lines.last().unwrap(), &listener.summary());
    let last_words = node.previous(&app.pod, "app").await;
    assert_eq!(old.iter().filter(|told| told.text().is_some()).count(), last_words.lines().count());
    assert_eq!(old.iter().rev().find_map(Told::text).as_deref(), Some(FATAL));
    let restarted = LogMark::Restarted { exit_code: Some(3), reason: "Error".into() };
    let last_line = old.iter().rposition(|told| told.text().is_some()).unwrap();
    assert!(old[last_line..].iter().any(|told| told.mark() == Some(&restarted)), "{}", listener.summary());
    let new_lines: Vec<String> = new.iter().filter_map(Told::text).collect();
    assert_eq!(new_lines, [STARTING, "the second life"]);
    listener.assert_nothing_lost();
    workload.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_life_of_a_crash_loop_is_told_once_and_no_word_of_the_kubelet_is_a_line() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "crashing").await;
    let pod = json!({"containers": [{"name": "app", "image": "myapp:v1.3.0-crash"}]});
    let workload = node.deploy("crashing", 2, pod).await;
    // The second start comes at once, the third after ten seconds.
    let n_lives = if node.is_whole { 3 } else { 2 };
    if !node.is_whole {
        eprintln!("left out: the third life");
    }
    let starting = "INFO starting v1.3.0-crash";
    let last_words = |here: &Listener, pod: &str| {
        here.told.iter().filter(|told| told.pod == pod && told.is_line(FATAL)).count()
    };
    listener
        .until("the last words of each life", |here| {
            let mut pods: Vec<&str> = here.told.iter().map(|told| told.pod.as_str()).collect();
            pods.sort_unstable();
            pods.dedup();
            pods.len() == 2 && pods.iter().all(|pod| last_words(here, pod) >= n_lives)
        })
        .await;
    let mut pods: Vec<String> = listener.told.iter().map(|told| told.pod.clone()).collect();
    pods.sort_unstable();
    pods.dedup();
    for pod in &pods {
        let lines: Vec<String> =
            listener.told.iter().filter(|told| told.pod == *pod).filter_map(Told::text).collect();
        let expected: Vec<&str> = [starting, FATAL].repeat(lines.len() / 2);
        assert_eq!(lines, expected, "{}", listener.summary());
        let previous = node.previous(pod, "app").await;
        assert_eq!(previous.lines().collect::<Vec<_>>(), [starting, FATAL]);
    }
    let mut times: Vec<_> = listener
        .told
        .iter()
        .filter_map(|told| match &told.what {
            super::told::What::Line { at_ns, .. } => Some((told.pod.clone(), *at_ns)),
            super::told::What::Mark(_) => None,
        })
        .collect();
    let n_lines = times.len();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), n_lines, "no line came twice; {}", listener.summary());
    listener.assert_nothing_lost();
    eprintln!("{}", listener.summary());
    workload.remove().await;
}
