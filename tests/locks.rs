//! The lock of a release as several cockpits meet it, on the practice world and, when
//! `GONOGO_TEST_KUBECONFIG` names one, on a real API server (`tests/cluster/run`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "what a real cluster did is worth reading in the test's output")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use gonogo::adapters::clock::Clock;
use gonogo::adapters::kube::ConnectOptions;
use gonogo::adapters::shell::Shell;
use gonogo::adapters::store::Store;
use gonogo::adapters::{Acting, News, World, WorldSettings};
use gonogo::rehearsal::{EmptyCluster, Fault, Practice};
use gonogo::release::{
    Effect, Exit, Fact, LockHolder, LockIntent, LockStanding, LockWanted, Operator, ReleaseId, Run,
};
use gonogo::watch::TargetRef;
use gonogo::workflow::{CommandId, Kind};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

/// Generous: a lock that nobody renews is free after a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// A cluster of either sort.
struct Stage {
    options: ConnectOptions,
    practice: Option<(Practice, TempDir)>,
}

impl Stage {
    async fn practice() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let cluster = EmptyCluster { dir: dir.path().to_owned(), speed: 20.0, nodes: 1 };
        let practice = Practice::start_empty(cluster).await.unwrap();
        let kubeconfig = Some(practice.kubeconfig.clone().into_os_string());
        let options = ConnectOptions { kubeconfig, ..ConnectOptions::default() };
        Self { options, practice: Some((practice, dir)) }
    }

    fn real() -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Some(path) = std::env::var_os("GONOGO_TEST_KUBECONFIG") else {
            eprintln!("skipped: GONOGO_TEST_KUBECONFIG is not set");
            return None;
        };
        let options = ConnectOptions { kubeconfig: Some(path), ..ConnectOptions::default() };
        Some(Self { options, practice: None })
    }

    async fn leases(&self) -> Api<Lease> {
        let kubeconfig = Kubeconfig::read_from(self.options.kubeconfig.clone().unwrap()).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        // The practice world speaks plainly: nothing is to be read for it from this machine's certificates.
        if config.root_cert.is_none() {
            config.root_cert = Some(Vec::new());
        }
        Api::namespaced(Client::try_from(config).unwrap(), "default")
    }

    /// What a workload's Lease says, read apart from gonogo.
    async fn lease(&self, target: &TargetRef) -> Lease {
        self.leases().await.get(&lease_name(target)).await.unwrap()
    }

    fn cockpit(&self, who: &str, release: &str, home: &Path, target: &TargetRef) -> Cockpit {
        self.cockpit_of(&self.options, who, release, home, std::slice::from_ref(target))
    }

    fn cockpit_of(
        &self,
        options: &ConnectOptions,
        who: &str,
        release: &str,
        home: &Path,
        targets: &[TargetRef],
    ) -> Cockpit {
        let release = ReleaseId(format!("{release}-{}", std::process::id()));
        let id = ReleaseId(format!("{release}-{who}-{}", targets.len()));
        let store = Store::create(home, &id, b"").unwrap();
        let folder = store.folder().clone();
        let me = Operator { name: who.to_owned(), host: format!("{who}s-machine"), identity: None };
        let settings = WorldSettings {
            clock: Clock::real(),
            speed: 1.0,
            targets: targets.to_vec(),
            cluster: Some(options.clone()),
            prometheus: None,
            health: None,
            directory: home.to_owned(),
        };
        let acting = Acting {
            shell: Shell::new(std::env::vars_os()),
            child_env: Vec::new(),
            folder,
            me,
            release: release.clone(),
            way_back: BTreeSet::from([CommandId::from("rollback/command-1")]),
            document: (std::sync::Arc::new(()), Default::default()),
            tools: Vec::new(),
            left_out: Vec::new(),
            patience: Duration::from_secs(5),
            read_only: false,
        };
        let (sender, news) = World::news();
        let world = World::new(settings, acting, Some(store.start(|_| {}).unwrap()), sender, &[]);
        world.start();
        Cockpit { world, news, release, targets: targets.to_vec() }
    }
}

fn lease_name(target: &TargetRef) -> String {
    format!("gonogo-{}-{}", target.kind.as_str(), target.name)
}

fn target(name: &str) -> TargetRef {
    let name = format!("{name}-{}", std::process::id());
    TargetRef { kind: Kind::Deployment, namespace: "default".into(), name, container: None }
}

fn note(lease: &Lease, name: &str) -> Option<String> {
    lease.metadata.annotations.as_ref()?.get(&format!("gonogo/{name}")).cloned()
}

fn holder(lease: &Lease) -> Option<String> {
    lease.spec.as_ref()?.holder_identity.clone()
}

/// One gonogo at work on a workload.
struct Cockpit {
    world: World,
    news: Receiver<News>,
    release: ReleaseId,
    targets: Vec<TargetRef>,
}

impl Cockpit {
    fn act(&self, effect: Effect) {
        self.world.act(effect, &BTreeMap::new());
    }

    fn take(&self, takeover: Option<LockIntent>) {
        self.act(Effect::Lock(Box::new(LockWanted {
            release: self.release.clone(),
            targets: self.targets.clone(),
            reason: "release v1.3.0".to_owned(),
            version: Some("v1.3.0".to_owned()),
            takeover,
        })));
    }

    fn give(&self, why: &str) {
        self.act(Effect::GiveLock { why: why.to_owned() });
    }

    /// The next news that `pick` takes.
    async fn next<T>(&mut self, pick: impl Fn(News) -> Option<T>) -> T {
        let picked = async {
            loop {
                let news = self.news.recv().await.expect("the world goes on");
                if let Some(picked) = pick(news) {
                    return picked;
                }
            }
        };
        tokio::time::timeout(PATIENCE, picked).await.expect("it is told")
    }

    async fn fact(&mut self) -> Fact {
        let pick = |news| if let News::Fact(event) = news { Some(event.fact) } else { None };
        self.next(pick).await
    }

    async fn told(&mut self) -> String {
        let pick = |news| if let News::Told { text, .. } = news { Some(text) } else { None };
        self.next(pick).await
    }

    /// How the lock stands, once that is told anew.
    async fn standing(&mut self) -> LockStanding {
        loop {
            if let Fact::LockChanged { standing } = self.fact().await {
                return standing;
            }
        }
    }

    async fn taken(&mut self) -> LockStanding {
        self.take(None);
        self.standing().await
    }

    /// The process goes and says nothing about its lock: as when it was killed, or the release is
    /// left open.
    async fn gone(mut self) {
        self.world.drain();
        let drained = async { while !matches!(self.news.recv().await, Some(News::Drained) | None) {} };
        tokio::time::timeout(PATIENCE, drained).await.expect("it ends");
    }

    async fn ran(&mut self, command: &str) -> Exit {
        self.act(Effect::Run(Run {
            command: CommandId::from(command),
            attempt: 1,
            text: "true".to_owned(),
            choice: None,
            edited: false,
            shell: gonogo::workflow::Interpreter::default().command_line(),
            directory: std::env::temp_dir().display().to_string(),
            env: Vec::new(),
            context: None,
            namespace: None,
            terms: Default::default(),
        }));
        loop {
            if let Fact::CommandEnded { exit, .. } = self.fact().await {
                return exit;
            }
        }
    }
}

fn other(standing: LockStanding) -> LockHolder {
    match standing {
        LockStanding::Held { holder, .. } | LockStanding::Lost { holder, .. } => holder,
        other => panic!("nobody else holds it: {other:?}"),
    }
}

fn intent(holder: &LockHolder, reason: &str) -> Option<LockIntent> {
    Some(LockIntent { from: holder.release.clone(), reason: reason.to_owned() })
}

/// Two that begin at the same moment: one gets the lock, the other hears who, and starts nothing but
/// the way back.
async fn a_race(stage: &Stage, name: &str) {
    let home = tempfile::tempdir().unwrap();
    let target = target(name);
    let mut ana = stage.cockpit("ana", "release-a", home.path(), &target);
    let mut bo = stage.cockpit("bo", "release-b", home.path(), &target);
    ana.take(None);
    bo.take(None);
    let (first, second) = (ana.standing().await, bo.standing().await);
    let (winner, loser, heard) = match (first.is_ours(), second.is_ours()) {
        (true, false) => (&mut ana, &mut bo, other(second)),
        (false, true) => (&mut bo, &mut ana, other(first)),
        both => panic!("exactly one gets it: {both:?}"),
    };
    assert_eq!(heard.release.as_ref(), Some(&winner.release));
    let lease = stage.lease(&target).await;
    assert_eq!(note(&lease, "release").as_deref(), Some(winner.release.0.as_str()));
    assert_eq!(note(&lease, "reason").as_deref(), Some("release v1.3.0"));
    assert_eq!(lease.spec.as_ref().unwrap().lease_duration_seconds, Some(60));
    assert_eq!(winner.ran("deploy/command-1").await, Exit::Code(0));
    let Exit::NotStarted(why) = loser.ran("deploy/command-1").await else { panic!("it was started") };
    assert_eq!(why, format!("{} holds the lock of {target}", heard.name()));
    assert_eq!(loser.ran("rollback/command-1").await, Exit::Code(0), "the way back waits for nobody");
    winner.give("completed");
    assert_eq!(winner.standing().await, LockStanding::Free);
    // It asked, and it was first in line.
    assert!(loser.standing().await.is_ours());
    loser.give("completed");
    assert_eq!(loser.standing().await, LockStanding::Free);
    let lease = stage.lease(&target).await;
    assert_eq!((holder(&lease), note(&lease, "released").as_deref()), (None, Some("completed")));
}

/// Taken over with a reason: it is on the Lease, and the one who had it hears it.
async fn a_takeover(stage: &Stage, name: &str, waits_for_renewal: bool) {
    let home = tempfile::tempdir().unwrap();
    let target = target(name);
    let mut ana = stage.cockpit("ana", "release-a", home.path(), &target);
    let mut bo = stage.cockpit("bo", "release-b", home.path(), &target);
    let mut cy = stage.cockpit("cy", "release-c", home.path(), &target);
    assert!(ana.taken().await.is_ours());
    let seen_by_bo = other(bo.taken().await);
    let seen_by_cy = other(cy.taken().await);
    bo.take(intent(&seen_by_bo, "ana does not answer"));
    let LockStanding::Ours { takeovers, local_only, .. } = bo.standing().await else { panic!("not taken") };
    assert_eq!(local_only, None);
    assert_eq!(
        (takeovers[0].from.as_str(), takeovers[0].because.as_str()),
        ("ana at anas-machine", "ana does not answer")
    );
    let lease = stage.lease(&target).await;
    assert_eq!(note(&lease, "taken-from").as_deref(), Some("ana at anas-machine"));
    assert_eq!(note(&lease, "taken-because").as_deref(), Some("ana does not answer"));
    assert_eq!(lease.spec.as_ref().unwrap().lease_transitions, Some(1));
    // Cy decided about ana; bo is another holder, and another decision.
    cy.take(intent(&seen_by_cy, "ana does not answer me either"));
    assert_eq!(other(cy.standing().await).who, "bo");
    if !waits_for_renewal {
        ana.take(None);
    }
    let LockStanding::Lost { holder, .. } = ana.standing().await else { panic!("she has not noticed") };
    assert_eq!(
        (holder.who.as_str(), holder.takeover.unwrap().because.as_str()),
        ("bo", "ana does not answer")
    );
    let Exit::NotStarted(why) = ana.ran("deploy/command-1").await else { panic!("it was started") };
    assert!(why.starts_with("bo at bos-machine holds the lock"), "{why}");
    assert_eq!(ana.ran("rollback/command-1").await, Exit::Code(0));
    // She gives nothing back that is not hers, and what is kept stays when its process has gone.
    ana.give("aborted");
    ana.gone().await;
    bo.act(Effect::KeepLock { why: "rolled back".to_owned() });
    let theirs = bo.release.0.clone();
    bo.gone().await;
    let lease = stage.lease(&target).await;
    assert_eq!(note(&lease, "release"), Some(theirs));
    assert_eq!(note(&lease, "kept").as_deref(), Some("rolled back"));
}

/// A process that comes back has its lock at once; what was deleted under it is made anew.
async fn coming_back(stage: &Stage, name: &str) {
    let home = tempfile::tempdir().unwrap();
    let target = target(name);
    let mut before = stage.cockpit("ana", "release-a", home.path(), &target);
    let LockStanding::Ours { since: first, .. } = before.taken().await else { panic!("not taken") };
    before.gone().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut after = stage.cockpit("ana", "release-a", elsewhere.path(), &target);
    let LockStanding::Ours { since, takeovers, .. } = after.taken().await else { panic!("not taken") };
    assert_eq!((since, takeovers), (first, Vec::new()));
    let leases = stage.leases().await;
    leases.delete(&lease_name(&target), &DeleteParams::default()).await.unwrap();
    after.take(None);
    assert_eq!(after.ran("deploy/command-1").await, Exit::Code(0));
    let mut others = stage.cockpit("bo", "release-b", home.path(), &target);
    assert_eq!(other(others.taken().await).release, Some(after.release.clone()));
    after.give("completed");
    assert_eq!(after.standing().await, LockStanding::Free);
}

/// Two workloads that another release wants one of: both or none.
async fn a_half(stage: &Stage, name: &str) {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (target(&format!("{name}-1")), target(&format!("{name}-2")));
    let mut ana = stage.cockpit("ana", "release-a", home.path(), &two);
    assert!(ana.taken().await.is_ours());
    let both = [two.clone(), one.clone()];
    let mut bo = stage.cockpit_of(&stage.options, "bo", "release-b", home.path(), &both);
    let LockStanding::Held { target: in_the_way, .. } = bo.taken().await else { panic!("it is not free") };
    assert_eq!(in_the_way, two);
    // Half of it would keep others from the other half.
    assert!(stage.leases().await.get_opt(&lease_name(&one)).await.unwrap().is_none());
    ana.give("completed");
    assert!(bo.standing().await.is_ours());
    assert!(holder(&stage.lease(&one).await).is_some());
    bo.give("completed");
    assert_eq!(bo.standing().await, LockStanding::Free);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_race_one_gets_the_lock() {
    a_race(&Stage::practice().await, "race").await;
    if let Some(stage) = Stage::real() {
        for n in 0..5 {
            a_race(&stage, &format!("race-{n}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_taken_over_is_told_to_both() {
    a_takeover(&Stage::practice().await, "taken", false).await;
    if let Some(stage) = Stage::real() {
        // The holder finds it out by itself, at its next sign of life.
        a_takeover(&stage, "taken", true).await;
    }
}

/// A cluster that is silent when a lock is to be kept is asked again, and both are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_kept_once_the_cluster_answers_again() {
    let (stage, home, target) = (Stage::practice().await, tempfile::tempdir().unwrap(), target("late"));
    let (practice, _) = stage.practice.as_ref().unwrap();
    let mut ana = stage.cockpit("ana", "release-late", home.path(), &target);
    assert!(ana.taken().await.is_ours());
    practice.inject(Fault::ApiDown { lasting: Duration::from_secs(3600) });
    ana.act(Effect::KeepLock { why: "rolled back".to_owned() });
    let told = ana.told().await;
    assert!(
        told.starts_with("the lock is not kept: the cluster: ") && told.ends_with("; trying again"),
        "{told}"
    );
    practice.inject(Fault::Over);
    assert_eq!(ana.told().await, "the lock is kept after all");
    assert_eq!(note(&stage.lease(&target).await, "kept").as_deref(), Some("rolled back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_release_has_its_lock_at_once() {
    coming_back(&Stage::practice().await, "back").await;
    if let Some(stage) = Stage::real() {
        coming_back(&stage, "back").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workloads_are_locked_together_or_not_at_all() {
    a_half(&Stage::practice().await, "half").await;
    if let Some(stage) = Stage::real() {
        a_half(&stage, "half").await;
    }
}

/// Real time: a minute without a sign of life, as those who want the lock saw it.
#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_holder_that_was_killed_expires() {
    let Some(stage) = Stage::real() else { return };
    let home = tempfile::tempdir().unwrap();
    let target = target("killed");
    let mut ana = stage.cockpit("ana", "release-a", home.path(), &target);
    assert!(ana.taken().await.is_ours());
    ana.gone().await;
    let mut bo = stage.cockpit("bo", "release-b", home.path(), &target);
    let began = tokio::time::Instant::now();
    assert_eq!(other(bo.taken().await).who, "ana", "her time is not over yet");
    let LockStanding::Ours { takeovers, .. } = bo.standing().await else { panic!("it does not expire") };
    eprintln!("expired after {:?}: {}", began.elapsed(), takeovers[0].because);
    assert!(takeovers[0].because.starts_with("no sign of life for 6"), "{}", takeovers[0].because);
    bo.give("completed");
    assert_eq!(bo.standing().await, LockStanding::Free);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_keep_no_lease_has_a_lock_of_this_machine() {
    let Some(stage) = Stage::real() else { return };
    let home = tempfile::tempdir().unwrap();
    let target = target("local");
    let nobody = ConnectOptions { as_user: Some("nobody".into()), ..stage.options.clone() };
    let targets = std::slice::from_ref(&target);
    let mut ana = stage.cockpit_of(&nobody, "ana", "release-a", home.path(), targets);
    let LockStanding::Ours { local_only, .. } = ana.taken().await else { panic!("not taken") };
    assert_eq!(local_only.as_deref(), Some("may not keep leases there"));
    assert!(stage.leases().await.get_opt(&lease_name(&target)).await.unwrap().is_none());
    let mut bo = stage.cockpit_of(&nobody, "bo", "release-b", home.path(), targets);
    assert_eq!(other(bo.taken().await).who, "ana", "on this machine it holds");
    ana.give("completed");
    assert_eq!(ana.standing().await, LockStanding::Free);
}
