//! The way back of every kind of workload, from the pin to "safe": the engine decides, the cluster
//! adapter acts, and what the cluster holds then is read apart from both.
//!
//! Each play runs in the practice world, and in the cluster that `GONOGO_TEST_WORLD` (`simulated`,
//! `node`, `argo`) and `GONOGO_TEST_KUBECONFIG` name; `tests/cluster/run` sets both. `GONOGO_TEST_ALONE`
//! leaves the practice world out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "how long it took to be safe is worth reading")]

#[path = "../scenarios/hands.rs"]
#[allow(dead_code, reason = "the scenarios need more hands")]
mod hands;
#[path = "../scenarios/manifests.rs"]
#[allow(dead_code, reason = "the scenarios play with more")]
mod manifests;
#[path = "../scenarios/world.rs"]
#[allow(dead_code, reason = "the scenarios ask more of their worlds")]
mod world;

mod argo;
mod around;
mod kinds;
mod operator;
mod traps;

use std::future::Future;

use world::{Practising, Which, World};

/// Plays in each world there is and where it can be played.
async fn everywhere<P, F>(only: &[Which], play: P)
where
    P: Fn(World) -> F,
    F: Future<Output = ()>,
{
    let _ = rustls::crypto::ring::default_provider().install_default();
    let alone = std::env::var_os("GONOGO_TEST_ALONE").is_some() && Which::from_env().is_some();
    if only.contains(&Which::Practice) && !alone {
        let practising = Practising::start().await;
        play(practising.world.clone()).await;
    }
    match Which::from_env() {
        Some((which, kubeconfig)) if only.contains(&which) => {
            play(World::of_cluster(which, kubeconfig).await).await;
        }
        Some((which, _)) => eprintln!("skipped in the world {}", which.name()),
        None => {}
    }
}
