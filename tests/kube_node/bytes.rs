//! Bytes that nobody should write to a log, and somebody does.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::node::{Node, PATIENCE};
use super::told::{Listener, Told, What};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_arrive_as_they_are_long_lines_cut_in_sight_and_the_next_line_whole() {
    let Some(node) = Node::from_env().await else { return };
    let mut listener = Listener::of_pane(&node, "hostile").await;
    let pod = json!({"containers": [{"name": "app", "image": "myapp:v1.2.0", "args": ["log_rate=0"]}]});
    let workload = node.deploy("hostile", 1, pod).await;
    let app = workload.ready(1).await.remove(0);
    app.log("").await;
    listener.until_line("hostile end").await;
    let lines: Vec<&[u8]> = listener.told.iter().filter_map(bytes).collect();
    for expected in [
        &b"    indented by four"[..],
        b"",
        b"clears the screen \x1b[2J\x1b[H moves \x1b[10;10H title \x1b]0;owned\x07",
        b"writes the clipboard \x1b]52;c;b3duZWQ=\x07 asks \x1b[6n and \x1b[c",
        b"not UTF-8 \xff\xfe \xc3( \xed\xa0\x80 end",
        b"NUL \x00 inside, bell \x07, backspace abc\x08\x08\x08xyz, return over\rwritten",
        b"a line that ends in return",
    ] {
        assert!(lines.contains(&expected), "{:?}; {}", String::from_utf8_lossy(expected), listener.summary());
    }
    let long = lines.iter().find(|line| line.starts_with(b"long ")).unwrap();
    assert!(long.ends_with(" bytes more]".as_bytes()) && long.len() < 70_000, "{}", long.len());

    let mut longer = vec![b'x'; 10 << 20];
    longer.extend(b"\n\xff\xfe\x00 after ten megabytes\n");
    app.log(longer).await;
    let is_after = |told: &Told| bytes(told) == Some(&b"\xff\xfe\x00 after ten megabytes"[..]);
    listener.until("the line after the long one", |here| here.told.iter().any(is_after)).await;
    let cut: Vec<&[u8]> =
        listener.told.iter().filter_map(bytes).filter(|line| line.starts_with(b"xxx")).collect();
    let beyond = format!(
        "… [line cut, {} bytes more]",
        (10 << 20) - (64 << 10) + "2026-11-22T14:00:00.000000000Z ".len()
    );
    assert_eq!(cut.len(), 1, "{}", listener.summary());
    assert!(cut[0].ends_with(beyond.as_bytes()), "{}", String::from_utf8_lossy(&cut[0][cut[0].len() - 60..]));
    listener.assert_nothing_lost();

    let kilobytes = follow_and_measure(&node, &format!("pod/{}", app.pod), &app).await;
    eprintln!("gonogo logs held at most {} MiB", kilobytes >> 10);
    assert!(kilobytes < 200 << 10, "{kilobytes} KiB");
    workload.remove().await;
}

fn bytes(told: &Told) -> Option<&[u8]> {
    match &told.what {
        What::Line { bytes, .. } => Some(bytes),
        What::Mark(_) => None,
    }
}

/// Lets the program itself follow lines that are far too long, and gives the most memory it held.
async fn follow_and_measure(node: &Node, target: &str, app: &super::node::App) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gonogo"))
        .args(["logs", target, "--follow", "--tail", "1"])
        .env("KUBECONFIG", node.options.kubeconfig.as_ref().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = Vec::new();
    let listening = async {
        for n in 0..4 {
            let mut long = vec![b'y'; 40 << 20];
            long.extend(format!("\nlong line {n} is over\n").bytes());
            app.log(long).await;
            while !line.ends_with(format!("long line {n} is over\n").as_bytes()) {
                line.clear();
                lines.read_until(b'\n', &mut line).await.unwrap();
            }
        }
    };
    timeout(PATIENCE, listening).await.expect("the lines after the long ones arrive");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    most.trim().trim_end_matches(" kB").parse().unwrap()
}
