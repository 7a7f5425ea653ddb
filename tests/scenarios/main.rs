//! The truth about a rollout: one table of scenarios, and every world must tell the same of each.
//!
//! Without more, the practice world is played. `GONOGO_TEST_WORLD` (`simulated`, `node`, `argo`) and
//! `GONOGO_TEST_KUBECONFIG` add a cluster that may be changed; `tests/cluster/run` sets both.
//! `GONOGO_TEST_TABLE` names a file for the table, joined there with the worlds of earlier runs;
//! `GONOGO_TEST_ALONE` leaves the practice world out, and `GONOGO_TEST_SCENARIO` plays only those whose name contains it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "the table is there to be read")]

mod argo;
mod daemons;
mod deployments;
mod hands;
mod manifests;
mod nodes;
mod play;
mod scenario;
mod stateful;
mod table;
mod watching;
mod world;

use std::path::PathBuf;

use futures::StreamExt;
use play::Told;
use scenario::Scenario;
use table::Table;
use world::{Practising, Which, World};

/// Scenarios of one world that run at the same time: two cores carry no more without getting slow.
const AT_ONCE: usize = 4;

fn scenarios() -> Vec<Scenario> {
    let wanted = std::env::var("GONOGO_TEST_SCENARIO").unwrap_or_default();
    let all = [
        deployments::scenarios(),
        nodes::scenarios(),
        stateful::scenarios(),
        daemons::scenarios(),
        argo::scenarios(),
    ];
    all.into_iter().flatten().filter(|scenario| scenario.name.contains(&wanted)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_world_tells_the_same_of_every_rollout() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scenarios = scenarios();
    let mut table = Table::of(&scenarios);
    let mut wrong = Vec::new();
    let named = Which::from_env();
    if named.is_none() || std::env::var_os("GONOGO_TEST_ALONE").is_none() {
        let practising = Practising::start().await;
        note(&practising.world, &scenarios, &mut table, &mut wrong).await;
    }
    if let Some((which, kubeconfig)) = named {
        let world = World::of_cluster(which, kubeconfig).await;
        note(&world, &scenarios, &mut table, &mut wrong).await;
    }
    if let Some(path) = std::env::var_os("GONOGO_TEST_TABLE").map(PathBuf::from) {
        table.write(&path);
    }
    eprintln!("\n{}", table.markdown());
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

/// Plays every scenario in one world and notes what it told.
async fn note(world: &World, scenarios: &[Scenario], table: &mut Table, wrong: &mut Vec<String>) {
    let playing = futures::stream::iter(scenarios)
        .map(|scenario| async move {
            let told = play::play(world, scenario).await;
            eprintln!("{}: {} is over", world.which.name(), scenario.name);
            (scenario, told)
        })
        .buffer_unordered(AT_ONCE);
    let told: Vec<(&Scenario, Told)> = playing.collect().await;
    for (scenario, told) in told {
        table.note(scenario, world.which, &told);
        let problem = match &told {
            Told::Story(story) => story.differs(&scenario.expected),
            Told::Broken(why) => Some(why.clone()),
            Told::NotHere(_) => None,
        };
        let name = world.which.name();
        wrong.extend(problem.map(|problem| format!("{} in {name}: {problem}", scenario.name)));
    }
}
