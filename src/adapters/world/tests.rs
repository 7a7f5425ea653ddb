//! What a world may start, and what it answers when it may not.

use super::*;
use crate::adapters::store::Store;
use crate::release::{Measure, PatchBack, ReleaseId, Replicas};
use crate::workflow::Kind;

const PATIENCE: Duration = Duration::from_secs(300);

fn settings() -> WorldSettings {
    WorldSettings {
        clock: Clock::real(),
        speed: 1.0,
        targets: Vec::new(),
        cluster: None,
        prometheus: None,
        health: None,
        directory: std::env::temp_dir(),
    }
}

/// A world in which a release acts, and what it tells.
fn acting(home: &std::path::Path, read_only: bool) -> (World, mpsc::Receiver<News>) {
    let store = Store::create(home, &ReleaseId("r".to_owned()), b"").unwrap();
    let acting = Acting {
        shell: Shell::new(std::env::vars_os()),
        child_env: Vec::new(),
        folder: store.folder().clone(),
        me: Operator { name: "ana".into(), host: "kestrel".into(), identity: None },
        release: ReleaseId("r".to_owned()),
        way_back: BTreeSet::new(),
        document: (Arc::new(()), Default::default()),
        tools: Vec::new(),
        left_out: Vec::new(),
        patience: Duration::from_secs(1),
        read_only,
    };
    let (sender, news) = World::news();
    (World::new(settings(), acting, None, sender, &[]), news)
}

fn touching(mark: &std::path::Path) -> Effect {
    Effect::Run(Run {
        command: CommandId::from("step/command-1"),
        attempt: 3,
        text: format!("touch '{}'", mark.display()),
        choice: None,
        edited: false,
        shell: crate::workflow::Interpreter::default().command_line(),
        directory: std::env::temp_dir().display().to_string(),
        env: Vec::new(),
        context: None,
        namespace: None,
        terms: Default::default(),
    })
}

fn patch_back() -> Effect {
    let target =
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: "app".into(), container: None };
    let pin = Pin {
        target,
        uid: "uid".into(),
        at: Clock::real().now().world,
        revision: Some(7),
        kept_in: "app-7".into(),
        limit: None,
        template_hash: "7".into(),
        template_print: "print".into(),
        images: Vec::new(),
        digests: Vec::new(),
        mounted: Vec::new(),
        replicas: 4,
    };
    Effect::RollBack(Box::new(PatchBack {
        step: 1,
        attempt: 2,
        measure: Measure::Template,
        replicas: Replicas::AtLeast(1),
        pin,
        shown: None,
    }))
}

async fn told(news: &mut mpsc::Receiver<News>) -> Fact {
    let fact = async {
        loop {
            if let Some(News::Fact(event)) = news.recv().await {
                return event.fact;
            }
        }
    };
    tokio::time::timeout(PATIENCE, fact).await.expect("every effect is answered")
}

#[tokio::test]
async fn a_read_only_world_starts_no_command_and_says_so_of_that_very_attempt() {
    let home = tempfile::tempdir().unwrap();
    let (world, mut news) = acting(home.path(), true);
    let mark = home.path().join("mark");
    world.act(touching(&mark), &BTreeMap::new());
    let Fact::CommandEnded { command, attempt, exit, .. } = told(&mut news).await else {
        panic!("a command is answered by its end")
    };
    assert_eq!((command, attempt), (CommandId::from("step/command-1"), 3));
    assert_eq!(exit.to_string(), "not started: read-only");
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_read_only_world_sends_no_rollback() {
    let home = tempfile::tempdir().unwrap();
    let (world, mut news) = acting(home.path(), true);
    world.act(patch_back(), &BTreeMap::new());
    let Fact::RollbackStepEnded { step, attempt, result: StepResult::Failed(failure) } =
        told(&mut news).await
    else {
        panic!("a step of the rollback is answered by its end")
    };
    assert_eq!((step, attempt), (1, 2));
    assert_eq!((failure.kind, failure.summary.as_str()), (FailureKind::Refused, "not started: read-only"));
}

#[tokio::test]
async fn what_is_only_watched_has_nothing_to_start_anything_with() {
    let home = tempfile::tempdir().unwrap();
    let (sender, mut news) = World::news();
    let world = World::watched(settings(), sender);
    let mark = home.path().join("mark");
    world.act(touching(&mark), &BTreeMap::new());
    let Fact::CommandEnded { exit, .. } = told(&mut news).await else { panic!("it is answered") };
    assert_eq!(exit.to_string(), "not started: nothing is released here, only watched");
    assert!(!mark.exists());
}

#[tokio::test]
async fn without_the_flag_the_same_command_runs() {
    let home = tempfile::tempdir().unwrap();
    let (world, mut news) = acting(home.path(), false);
    let mark = home.path().join("mark");
    world.act(touching(&mark), &BTreeMap::new());
    assert!(matches!(told(&mut news).await, Fact::CommandSpawned { attempt: 3, .. }));
    assert!(matches!(told(&mut news).await, Fact::CommandEnded { exit: Exit::Code(0), .. }));
    assert!(mark.exists());
}
