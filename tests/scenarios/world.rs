//! The worlds that must agree: the practice world, simulated nodes, a real node, Argo Rollouts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use gonogo::adapters::clock::Clock;
use gonogo::adapters::kube::ConnectOptions;
use gonogo::rehearsal::{EmptyCluster, Practice};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;

/// World seconds per real second. A faster world runs ahead of its watchers on a slow machine, and
/// what lasted a second looks like trouble.
const PRACTICE_SPEED: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// Inside this process.
    Practice,
    /// Real control plane, pretended containers.
    Simulated,
    /// Real control plane, real kubelet, real containers.
    Node,
    /// Simulated nodes and the real Argo Rollouts controller.
    Argo,
}

impl Which {
    pub const ALL: [Self; 4] = [Self::Practice, Self::Simulated, Self::Node, Self::Argo];

    pub fn name(self) -> &'static str {
        match self {
            Self::Practice => "practice",
            Self::Simulated => "simulated",
            Self::Node => "node",
            Self::Argo => "argo",
        }
    }

    /// The world that the environment names beside the practice world, with its kubeconfig.
    pub fn from_env() -> Option<(Self, OsString)> {
        let name = std::env::var("GONOGO_TEST_WORLD").ok()?;
        let kubeconfig = std::env::var_os("GONOGO_TEST_KUBECONFIG")
            .expect("GONOGO_TEST_WORLD needs GONOGO_TEST_KUBECONFIG beside it");
        let which = Self::ALL.into_iter().find(|which| which.name() == name);
        let which = which.unwrap_or_else(|| panic!("GONOGO_TEST_WORLD={name} is no world"));
        (which != Self::Practice).then_some((which, kubeconfig))
    }
}

/// One world, reached as every client reaches a cluster: by its kubeconfig.
#[derive(Clone)]
pub struct World {
    pub which: Which,
    pub client: Client,
    pub options: ConnectOptions,
    pub clock: Clock,
}

impl World {
    pub async fn of_cluster(which: Which, kubeconfig: OsString) -> Self {
        let client = client(&PathBuf::from(&kubeconfig)).await;
        let options = ConnectOptions { kubeconfig: Some(kubeconfig), ..ConnectOptions::default() };
        Self { which, client, options, clock: Clock::real() }
    }

    /// How many scenarios run at the same time; the practice world computes beside those who watch it.
    pub fn at_once(&self) -> usize {
        if self.which == Which::Practice { 3 } else { 4 }
    }

    /// Seconds of this world in real time.
    pub fn real(&self, seconds: u32) -> Duration {
        let speed = if self.which == Which::Practice { PRACTICE_SPEED } else { 1.0 };
        Duration::from_secs(seconds.into()).div_f64(speed)
    }
}

/// The practice world, stopped when dropped.
pub struct Practising {
    pub world: World,
    _practice: Practice,
    _dir: TempDir,
}

impl Practising {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cluster = EmptyCluster { dir: dir.path().join("world"), speed: PRACTICE_SPEED, nodes: 1 };
        let practice = Practice::start_empty(cluster).await.unwrap();
        let clock = practice.clock();
        let kubeconfig = practice.kubeconfig.clone().into();
        let world = World {
            clock: Clock::practice(clock.wall_origin, clock.world_origin, clock.speed),
            ..World::of_cluster(Which::Practice, kubeconfig).await
        };
        Self { world, _practice: practice, _dir: dir }
    }
}

async fn client(kubeconfig: &PathBuf) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    // A refusal is part of the story: not to be tried again behind the script's back.
    config.default_retry = false;
    if config.root_cert.is_none() {
        // Plain HTTP on loopback; without this the client would look for the system's certificates.
        config.root_cert = Some(Vec::new());
    }
    Client::try_from(config).unwrap()
}
