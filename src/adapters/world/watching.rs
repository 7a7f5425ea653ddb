//! What is watched from the first frame to the last: the cluster, the metrics, the document, signals.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Acting, DocumentSource, News, WorldSettings, tell};
use crate::adapters::kube::{KubeError, KubeWorld};
use crate::adapters::prometheus::Prometheus;
use crate::adapters::store;
use crate::journal::past;
use crate::release::Fact;
use crate::watch::{Link, Moment, Observation, System, TargetRef};
use crate::workflow::Edition;

/// A cluster that could not be connected to is tried again after this long. Units: wall time.
const RECONNECT: Duration = Duration::from_secs(5);
/// The document on disk is looked at this often: editors rename on saving, so it is read anew each time.
const DOCUMENT: Duration = Duration::from_millis(750);
/// A file that an editor saves is there again by then. Together with the above it is within a second.
const SAVING: Duration = Duration::from_millis(150);

/// Connects, and goes on trying: a cluster that is away at the start may come.
pub(super) async fn connect(
    settings: Arc<WorldSettings>,
    slot: watch::Sender<Option<KubeWorld>>,
    news: mpsc::Sender<News>,
    reads: CancellationToken,
    chosen: watch::Receiver<Vec<TargetRef>>,
) {
    let Some(options) = &settings.cluster else { return };
    let kube = loop {
        match KubeWorld::connect(options).await {
            Ok(kube) => break kube,
            Err(error) => {
                tell_silence(&settings, &news, &error).await;
                tokio::time::sleep(RECONNECT).await;
            }
        }
    };
    slot.send_replace(Some(kube.clone()));
    let (observations, mut observed) = mpsc::channel(256);
    let watching = follow(Arc::clone(&settings), kube.clone(), chosen, observations, reads);
    let forward = news.clone();
    let forwarding = async move {
        while let Some(observation) = observed.recv().await {
            tell(&forward, News::Observed(observation)).await;
        }
    };
    let asking = async {
        match kube.identity().await {
            Ok(identity) if !identity.is_empty() => tell(&news, News::Identity(identity)).await,
            Ok(_) => {}
            Err(error) => tracing::info!(%error, "the cluster does not say who we are"),
        }
    };
    let offering = async {
        if settings.targets.is_empty() {
            offer(&settings, &kube, &news).await;
        }
    };
    let permissions = async {
        for line in kube.access(&settings.targets).await {
            tell(&news, News::Preflight(line)).await;
        }
    };
    tokio::join!(watching, forwarding, asking, offering, permissions);
}

pub(super) fn down(settings: &WorldSettings, system: System, cause: String) -> Observation {
    let link = Link::Down { since: settings.clock.now(), cause, retry_at: None };
    Observation::Link { system, link }
}

async fn tell_silence(settings: &WorldSettings, news: &mpsc::Sender<News>, error: &KubeError) {
    tell(news, News::Observed(down(settings, System::Cluster, error.to_string()))).await;
}

/// Watches what is chosen, and begins anew with each choice.
async fn follow(
    settings: Arc<WorldSettings>,
    kube: KubeWorld,
    mut chosen: watch::Receiver<Vec<TargetRef>>,
    out: mpsc::Sender<Observation>,
    reads: CancellationToken,
) {
    loop {
        let targets = chosen.borrow_and_update().clone();
        let (cancel, clock) = (reads.child_token(), settings.clock.clone());
        let watching = (!targets.is_empty()).then(|| {
            kube.spawn_watches(targets, out.clone(), cancel.clone(), move || -> Moment { clock.now() })
        });
        if chosen.changed().await.is_err() {
            return;
        }
        cancel.cancel();
        if let Some(watching) = watching {
            watching.wait().await;
        }
    }
}

/// Tells the workloads of the namespace, once they can be listed.
async fn offer(settings: &WorldSettings, kube: &KubeWorld, news: &mpsc::Sender<News>) {
    loop {
        match kube.workloads(&kube.pinned().namespace).await {
            Ok(workloads) => {
                let link = Observation::Link { system: System::Cluster, link: Link::Live };
                tell(news, News::Observed(link)).await;
                return tell(news, News::Offered(workloads)).await;
            }
            Err(error) => tell_silence(settings, news, &error).await,
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Reads the metrics of the first workload that is watched.
pub(super) async fn watch_metrics(
    settings: Arc<WorldSettings>,
    mut chosen: watch::Receiver<Vec<TargetRef>>,
    out: mpsc::Sender<Observation>,
    reads: CancellationToken,
) {
    let Some(prometheus) = &settings.prometheus else { return };
    loop {
        let cancel = reads.child_token();
        let first = chosen.borrow_and_update().first().cloned();
        let reading = async {
            let Some(target) = first else { return };
            match Prometheus::new(prometheus, &target.namespace, &target.name) {
                Ok(prometheus) => {
                    let (clock, speed) = (settings.clock.clone(), settings.speed);
                    let pause = move |world: Duration| world.div_f64(speed);
                    prometheus.watch(move || clock.now(), pause, out.clone(), cancel.clone()).await;
                }
                Err(error) => {
                    // Nobody listens any more once the loop has ended.
                    let _ = out.send(down(&settings, System::Metrics, error.to_string())).await;
                }
            }
        };
        let choosing = async {
            reading.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = choosing => {}
            changed = chosen.changed() => {
                cancel.cancel();
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Tells what past releases on this machine say of the targets.
pub(super) async fn remember(settings: Arc<WorldSettings>, acting: Arc<Acting>, news: mpsc::Sender<News>) {
    let context = settings.cluster.as_ref().and_then(|options| options.settle().ok());
    let context = context.map(|pinned| pinned.context);
    let (targets, wanted) = (settings.targets.clone(), settings.targets.clone());
    let (state_dir, me) = (acting.folder.state_dir().to_owned(), acting.release.clone());
    let is_wanted = move |fact: &Fact| match fact {
        Fact::Opened { id, targets, practice: None, .. } => {
            *id != me && targets.iter().any(|known| wanted.iter().any(|target| past::is_same(known, target)))
        }
        _ => false,
    };
    let read = tokio::task::spawn_blocking(move || store::pasts(&state_dir, is_wanted)).await;
    let Ok(Ok(pasts)) = read else { return };
    let known = past::of_workloads(&pasts.known, context.as_deref(), &targets);
    tell(&news, News::Past(known)).await;
}

/// Notices that the document, or something that it calls, was edited while its release runs.
pub(super) async fn watch_document(acting: Arc<Acting>, news: mpsc::Sender<News>) {
    let (source, mut last) = acting.document.clone();
    loop {
        tokio::time::sleep(DOCUMENT).await;
        let Some(mut edition) = changed_since(&source, &last).await else { continue };
        // While an editor saves, a called file may be missing for a moment: that is no difference yet.
        if last.called.texts.keys().any(|file| !edition.called.texts.contains_key(file)) {
            tokio::time::sleep(SAVING).await;
            match changed_since(&source, &last).await {
                Some(still) => edition = still,
                None => continue,
            }
        }
        last = edition.clone();
        tell(&news, News::DocumentChanged(Box::new(edition))).await;
    }
}

async fn changed_since(source: &Arc<dyn DocumentSource>, last: &Edition) -> Option<Edition> {
    let (source, last) = (Arc::clone(source), last.clone());
    tokio::task::spawn_blocking(move || source.changed_since(&last)).await.ok().flatten()
}

pub(super) async fn signals(news: mpsc::Sender<News>) {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).ok();
    let (mut hangup, mut terminate, mut interrupt) =
        (listen(SignalKind::hangup()), listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
    let mut resumed = listen(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()));
    async fn next(signal: &mut Option<tokio::signal::unix::Signal>) {
        match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
    loop {
        let why = tokio::select! {
            () = next(&mut hangup) => "the terminal hung up",
            () = next(&mut terminate) => "asked to terminate",
            () = next(&mut interrupt) => "interrupted",
            () = next(&mut resumed) => {
                tell(&news, News::Continued).await;
                continue;
            }
        };
        return tell(&news, News::Leave { why: why.to_owned() }).await;
    }
}
