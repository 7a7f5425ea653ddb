//! What it costs to watch one deployment of a real cluster: `cargo bench --bench watch -- NAME`.
//!
//! Reads the cluster that `GONOGO_TEST_KUBECONFIG` names, watches and judges the deployment `NAME`
//! of its default namespace (by default `scale`) as the cockpit does, and prints processor time and
//! memory when it is complete for the first time (all of its listing), and again after each rollout
//! that somebody starts meanwhile; then what thirty quiet seconds cost.
#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::disallowed_methods, reason = "it measures time, and stands where adapters::clock stands")]

use std::time::{Duration, Instant};

use gonogo::adapters::kube::{ConnectOptions, KubeWorld};
use gonogo::watch::rollout::{Expectation, RolloutHistory, RolloutState, judge};
use gonogo::watch::{Moment, Observation, TargetRef};
use gonogo::workflow::Kind;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

const QUIET: Duration = Duration::from_secs(30);

fn clock() -> Moment {
    Moment::real(Timestamp::now())
}

/// Seconds of processor time so far, and the peak of resident memory in megabytes.
fn spent() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        |n: usize| after.split_whitespace().nth(n).and_then(|field| field.parse().ok()).unwrap_or(0.0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0);
    // The kernel counts in hundredths for everybody, whatever it uses itself.
    ((ticks(11) + ticks(12)) / 100.0, peak / 1024.0)
}

fn main() {
    let Some(kubeconfig) = std::env::var_os("GONOGO_TEST_KUBECONFIG") else {
        println!("skipped: GONOGO_TEST_KUBECONFIG is not set");
        return;
    };
    let name = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let options = ConnectOptions { kubeconfig: Some(kubeconfig), ..ConnectOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(options, name.unwrap_or_else(|| "scale".to_owned())));
}

async fn run(options: ConnectOptions, name: String) {
    let world = KubeWorld::connect(&options).await.expect("a client");
    let target = TargetRef { kind: Kind::Deployment, namespace: "default".into(), name, container: None };
    let (out, mut told) = tokio::sync::mpsc::channel(64);
    let cancel = CancellationToken::new();
    world.spawn_watches(vec![target], out, cancel.clone(), clock);
    let mut history = RolloutHistory::default();
    let (mut last, mut state, mut n_facts) = (None, None, 0_u32);
    let (mut began, mut before) = (Instant::now(), spent().0);
    loop {
        match tokio::time::timeout(Duration::from_secs(1), told.recv()).await {
            Ok(Some(Observation::Workload(facts))) => {
                n_facts += 1;
                last = Some(facts);
            }
            Ok(Some(_)) => continue,
            Ok(None) => return,
            Err(_) => {}
        }
        let Some(facts) = &last else { continue };
        let verdict = judge(facts, &Expectation::watching(), &mut history, clock().world);
        if state != Some(verdict.state) {
            state = Some(verdict.state);
            let (cpu, peak) = spent();
            println!(
                "{:>7.1} s  {:<12} {} pods  {n_facts} summaries  {:.2} s of processor  peak {peak:.1} MB  {}",
                began.elapsed().as_secs_f64(),
                verdict.state.name(),
                facts.pods.len(),
                cpu - before,
                verdict.field,
            );
            if verdict.state == RolloutState::Complete {
                quiet(&mut told).await;
                (began, before, n_facts) = (Instant::now(), spent().0, 0);
            }
        }
    }
}

async fn quiet(told: &mut tokio::sync::mpsc::Receiver<Observation>) {
    let (before, _) = spent();
    let rest = tokio::time::sleep(QUIET);
    tokio::pin!(rest);
    loop {
        tokio::select! {
            () = &mut rest => break,
            observation = told.recv() => {
                if let Some(Observation::Workload(facts)) = observation
                    && facts.updated < facts.spec_replicas
                {
                    println!("         not quiet: a rollout began");
                    return;
                }
            }
        }
    }
    let (after, _) = spent();
    println!("         idle: {:.2} % of a core", (after - before) / QUIET.as_secs_f64() * 100.0);
}
