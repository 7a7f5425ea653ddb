//! Holding the lock of a release: taken, renewed, watched while others hold it, kept or given back.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, mpsc, watch};

use super::{News, fact_of, tell};
use crate::adapters::clock::Clock;
use crate::adapters::kube::{Cause, KubeError, KubeWorld};
use crate::adapters::store::Locks;
use crate::release::lock::{LOOK_EVERY, RENEW_EVERY, TTL_S, verdict};
use crate::release::{
    Fact, LockHolder, LockIntent, LockRecord, LockSight, LockStanding, LockVerdict, LockWanted, LockWatch,
    Operator, ReleaseId, Takeover,
};
use crate::watch::TargetRef;

/// A cluster that was not connected to by then is treated as one that does not answer.
const CONNECTING: Duration = Duration::from_secs(5);
/// Others may be quicker a few times, not for ever.
const ATTEMPTS: usize = 4;
/// Between two attempts to mark a lock as kept.
const KEEP_PAUSE: Duration = Duration::from_secs(1);

/// Whether commands may start, as far as the lock goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// It was asked for, and the answer is on its way.
    Asking,
    Shut(String),
}

/// Keeps the lock of one release; all that is done to it is done one after the other.
#[derive(Debug)]
pub(super) struct Keeper {
    clock: Clock,
    me: Operator,
    release: ReleaseId,
    targets: Vec<TargetRef>,
    kube: watch::Receiver<Option<KubeWorld>>,
    files: Locks,
    news: mpsc::Sender<News>,
    gate: watch::Sender<Gate>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    wanted: Option<LockWanted>,
    held: BTreeMap<TargetRef, Held>,
    watches: BTreeMap<TargetRef, LockWatch>,
    told: Option<LockStanding>,
    sight: Option<LockSight>,
    may_not: Option<Option<String>>,
    renewed_at: Option<Timestamp>,
}

/// One lock of ours as we wrote it last.
#[derive(Debug, Clone)]
struct Held {
    record: LockRecord,
    version: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Cluster(Box<KubeWorld>),
    /// And why not there, and whether that may pass.
    File {
        why: String,
        passes: bool,
    },
}

/// Why a lock could not be read or written.
enum Trouble {
    Conflict,
    /// In words, and whether it may pass.
    No(String, bool),
}

enum Got {
    Ours(Box<Held>),
    Other(Box<LockHolder>),
}

/// Who keeps a lock, and for what.
#[derive(Debug)]
pub(super) struct Keeping {
    pub clock: Clock,
    pub me: Operator,
    pub release: ReleaseId,
    pub targets: Vec<TargetRef>,
    pub kube: watch::Receiver<Option<KubeWorld>>,
    pub files: Locks,
    pub news: mpsc::Sender<News>,
}

impl Keeper {
    pub fn new(keeping: Keeping) -> Self {
        let Keeping { clock, me, release, mut targets, kube, files, news } = keeping;
        // Everybody locks in the same order, so that two releases of the same workloads do not each
        // get a half.
        targets.sort_unstable();
        let (gate, inner) = (watch::channel(Gate::Open).0, Mutex::default());
        Self { clock, me, release, targets, kube, files, news, gate, inner }
    }

    /// Called before anything that the lock is for may start, in the order in which it was asked.
    pub fn ask(&self) {
        self.gate.send_replace(Gate::Asking);
    }

    /// Waits until the lock is answered; the words say why nothing forward may start.
    pub async fn pass(&self) -> Result<(), String> {
        let mut gate = self.gate.subscribe();
        // The sender lives as long as we do.
        let _ = gate.wait_for(|gate| *gate != Gate::Asking).await;
        let now = gate.borrow().clone();
        match now {
            Gate::Shut(why) => Err(why),
            Gate::Open | Gate::Asking => Ok(()),
        }
    }

    /// Takes the lock of all workloads, or of none.
    pub async fn take(&self, wanted: LockWanted) {
        let mut inner = self.inner.lock().await;
        let standing = self.acquire(&mut inner, &wanted).await;
        // What a person decided about one holder is not done to the next.
        inner.wanted = Some(LockWanted { takeover: None, ..wanted });
        inner.renewed_at = Some(self.clock.now().wall);
        self.stand(&mut inner, standing).await;
    }

    /// Marks the lock so that it outlives this process. What cannot be marked is told, and tried again
    /// until the lock would have expired.
    pub async fn keep(&self, why: &str) {
        let trying = async {
            let mut told = false;
            loop {
                match self.mark(why).await {
                    Ok(()) if told => return self.say("the lock is kept after all".to_owned(), false).await,
                    Ok(()) => return,
                    // It is read anew already.
                    Err(Trouble::Conflict) => {}
                    Err(Trouble::No(words, false)) => {
                        return self.say(format!("the lock is not kept: {words}"), true).await;
                    }
                    Err(Trouble::No(words, true)) => {
                        if !std::mem::replace(&mut told, true) {
                            self.say(format!("the lock is not kept: {words}; trying again"), true).await;
                        }
                    }
                }
                tokio::time::sleep(KEEP_PAUSE).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(TTL_S.into()), trying).await.is_err() {
            self.say("the lock was not kept; it has expired".to_owned(), true).await;
        }
    }

    /// - Errors: the first lock that is not marked, why, and whether that may pass.
    async fn mark(&self, why: &str) -> Result<(), Trouble> {
        let mut inner = self.inner.lock().await;
        if inner.held.is_empty() {
            inner.held = self.held_elsewhere().await?;
        }
        let mut marked = Ok(());
        for (target, mut held) in inner.held.clone() {
            if held.record.holder.kept.as_deref() == Some(why) {
                continue;
            }
            let mut record = held.record.clone();
            record.holder.kept = Some(why.to_owned());
            match self.write(&held.place, &target, &record, Some(&held.version)).await {
                Ok(version) => held = Held { record, version, ..held },
                // A sign of life of ours may have arrived whose answer did not.
                Err(Trouble::Conflict) => {
                    let trouble = match self.ours_at(&held.place, &target).await {
                        Ok(Some(seen)) => {
                            held = seen;
                            Trouble::Conflict
                        }
                        Ok(None) => Trouble::No("it is not ours any more".to_owned(), false),
                        Err(trouble) => trouble,
                    };
                    marked = marked.and(Err(trouble));
                }
                Err(trouble) => marked = marked.and(Err(trouble)),
            }
            inner.held.insert(target, held);
        }
        marked
    }

    async fn say(&self, text: String, is_refusal: bool) {
        tell(&self.news, News::Told { text, is_refusal }).await;
    }

    /// What another process of this release holds, or held when it ended.
    ///
    /// - Errors: a cluster that did not answer may hold it too.
    async fn held_elsewhere(&self) -> Result<BTreeMap<TargetRef, Held>, Trouble> {
        let cluster = self.cluster().await.map(|kube| Place::Cluster(Box::new(kube)));
        let file = Place::File { why: String::new(), passes: false };
        let mut found = BTreeMap::new();
        for target in &self.targets {
            let in_cluster = match &cluster {
                Some(place) => self.ours_at(place, target).await,
                None => Err(Trouble::No("the cluster was not reached".to_owned(), true)),
            };
            let held = match in_cluster {
                Ok(Some(held)) => Some(held),
                Ok(None) => self.ours_at(&file, target).await?,
                Err(trouble) => Some(self.ours_at(&file, target).await?.ok_or(trouble)?),
            };
            found.extend(held.map(|held| (target.clone(), held)));
        }
        Ok(found)
    }

    async fn ours_at(&self, place: &Place, target: &TargetRef) -> Result<Option<Held>, Trouble> {
        let seen = self.read(place, target).await?;
        Ok(seen.and_then(|(record, version)| {
            let record = record.filter(|record| self.is_ours(Some(record)))?;
            Some(Held { record, version, place: place.clone() })
        }))
    }

    /// Gives the lock back; what is not ours stays as it is.
    pub async fn give(&self, why: &str) {
        let mut inner = self.inner.lock().await;
        inner.wanted = None;
        let was_ours = !inner.held.is_empty();
        for (target, held) in std::mem::take(&mut inner.held) {
            self.clear(&target, held, why).await;
        }
        if was_ours {
            self.stand(&mut inner, LockStanding::Free).await;
        }
    }

    /// Looks after the lock until the process leaves.
    pub async fn run(&self) {
        loop {
            {
                let mut inner = self.inner.lock().await;
                self.beat(&mut inner).await;
            }
            tokio::time::sleep(LOOK_EVERY.unsigned_abs()).await;
        }
    }

    async fn beat(&self, inner: &mut Inner) {
        let Some(wanted) = inner.wanted.clone() else {
            // Before the release begins others are watched; after it nobody is.
            if inner.told.is_none() {
                self.look(inner).await;
            }
            return;
        };
        let standing = match &inner.told {
            // It was wanted when somebody else had it: it is taken once they let go, or are gone.
            Some(LockStanding::Held { .. } | LockStanding::Without { .. }) => {
                self.acquire(inner, &wanted).await
            }
            Some(LockStanding::Ours { .. }) if self.is_due(inner) => {
                let may_pass = |held: &Held| matches!(held.place, Place::File { passes: true, .. });
                match inner.held.values().any(may_pass) {
                    true => self.acquire(inner, &wanted).await,
                    false => match self.renew(inner).await {
                        Some(standing) => standing,
                        None => return,
                    },
                }
            }
            // What was taken from us is asked for again by a person only.
            _ => return,
        };
        self.stand(inner, standing).await;
    }

    fn is_due(&self, inner: &Inner) -> bool {
        let since = inner.renewed_at.map(|at| self.clock.now().wall.duration_since(at));
        since.is_none_or(|since| since >= RENEW_EVERY)
    }

    /// Tells a change, and lets commands start or not.
    async fn stand(&self, inner: &mut Inner, standing: LockStanding) {
        let gate = match standing.other() {
            Some((target, holder)) => Gate::Shut(format!("{} holds the lock of {target}", holder.name())),
            None => Gate::Open,
        };
        self.gate.send_replace(gate);
        if inner.told.as_ref() != Some(&standing) {
            inner.told = Some(standing.clone());
            tell(&self.news, fact_of(&self.clock, Fact::LockChanged { standing })).await;
        }
    }

    async fn acquire(&self, inner: &mut Inner, wanted: &LockWanted) -> LockStanding {
        if let Some((target, holder)) = self.in_the_way(inner, wanted).await {
            return LockStanding::Held { target, holder };
        }
        let (mut since, mut local_only, mut takeovers) = (None, None, Vec::new());
        let mut fresh = Vec::new();
        for target in &self.targets {
            let was_ours = inner.held.contains_key(target);
            match self.acquire_one(inner, wanted, target).await {
                Ok(Got::Ours(held)) => {
                    since = since.into_iter().chain(held.record.holder.since).min();
                    takeovers.extend(held.record.holder.takeover.clone());
                    if let Place::File { why, .. } = &held.place {
                        local_only.get_or_insert_with(|| why.clone());
                    }
                    if !was_ours {
                        fresh.push(target.clone());
                    }
                    inner.held.insert(target.clone(), *held);
                }
                Ok(Got::Other(holder)) => {
                    let (target, holder) = (target.clone(), *holder);
                    if was_ours {
                        inner.held.remove(&target);
                        return LockStanding::Lost { target, holder };
                    }
                    // Half of it would only keep others from the other half.
                    for target in fresh {
                        if let Some(held) = inner.held.remove(&target) {
                            self.clear(&target, held, "another workload was locked").await;
                        }
                    }
                    return LockStanding::Held { target, holder };
                }
                Err(why) => return LockStanding::Without { why },
            }
        }
        let since = since.unwrap_or_else(|| self.clock.now().wall);
        LockStanding::Ours { since, local_only, takeovers }
    }

    /// Looks at all of several workloads before any of them is locked: whoever waits for one must not
    /// take and give back the others again and again.
    async fn in_the_way(&self, inner: &mut Inner, wanted: &LockWanted) -> Option<(TargetRef, LockHolder)> {
        if self.targets.len() < 2 {
            return None;
        }
        let kube = Place::Cluster(Box::new(self.cluster().await?));
        for target in self.targets.iter().filter(|target| !inner.held.contains_key(target)) {
            // What cannot be read is told by the attempt to take it.
            let Ok(Some((Some(record), _))) = self.read(&kube, target).await else { continue };
            let watch = inner.watches.entry(target.clone()).or_default();
            let unchanged = watch.saw(&record, self.clock.now().wall);
            let is_meant =
                wanted.takeover.as_ref().is_some_and(|intent| intent.from == record.holder.release);
            if !is_meant && verdict(Some(&record), &self.release, unchanged) == LockVerdict::Held {
                return Some((target.clone(), record.holder));
            }
        }
        None
    }

    /// - Errors: no lock can be kept anywhere, and why.
    async fn acquire_one(
        &self,
        inner: &mut Inner,
        wanted: &LockWanted,
        target: &TargetRef,
    ) -> Result<Got, String> {
        let (why, passes) = match self.cluster().await {
            Some(kube) => match self.acquire_at(inner, &Place::Cluster(Box::new(kube)), wanted, target).await
            {
                Ok(got) => {
                    if let (Got::Ours(_), Some(Held { place: Place::File { .. }, version, .. })) =
                        (&got, inner.held.get(target))
                    {
                        // It is where everybody sees it now.
                        self.remove_file(target, version.clone()).await;
                    }
                    return Ok(got);
                }
                Err(Trouble::Conflict) => ("others were quicker again and again".to_owned(), true),
                Err(Trouble::No(why, passes)) => (why, passes),
            },
            None => ("the cluster was not reached".to_owned(), true),
        };
        if let Some(held @ Held { place: Place::Cluster(_), .. }) = inner.held.get(target) {
            // It stands in the cluster and is ours: silence does not change that.
            return Ok(Got::Ours(Box::new(held.clone())));
        }
        match self.acquire_at(inner, &Place::File { why: why.clone(), passes }, wanted, target).await {
            Ok(got) => Ok(got),
            Err(Trouble::Conflict) => Err(format!("{why}; the file of the lock changes all the time")),
            Err(Trouble::No(file, _)) => Err(format!("{why}; {file}")),
        }
    }

    async fn acquire_at(
        &self,
        inner: &mut Inner,
        place: &Place,
        wanted: &LockWanted,
        target: &TargetRef,
    ) -> Result<Got, Trouble> {
        for _ in 0..ATTEMPTS {
            let seen = self.read(place, target).await?;
            let now = self.clock.now().wall;
            let (record, version) = match seen {
                Some((record, version)) => (record, Some(version)),
                None => (None, None),
            };
            let unchanged = match &record {
                Some(record) => inner.watches.entry(target.clone()).or_default().saw(record, now),
                None => SignedDuration::ZERO,
            };
            let mut next = self.record(wanted, now);
            match (verdict(record.as_ref(), &self.release, unchanged), record) {
                (LockVerdict::Ours, Some(known)) => {
                    next.holder.since = known.holder.since;
                    next.holder.takeover = known.holder.takeover;
                    next.holder.kept = known.holder.kept;
                    next.transitions = known.transitions;
                }
                (LockVerdict::Expired { silent_s }, Some(known)) => {
                    let because = format!("no sign of life for {silent_s} s");
                    taken_from(&mut next, &known, now, because);
                }
                (LockVerdict::Held, Some(known)) => match &wanted.takeover {
                    Some(LockIntent { from, reason }) if *from == known.holder.release => {
                        taken_from(&mut next, &known, now, reason.clone());
                    }
                    _ => return Ok(Got::Other(Box::new(known.holder))),
                },
                // Somebody deleted it under us, and nobody took it.
                _ => {
                    if let Some(known) = inner.held.get(target) {
                        next.holder.since = known.record.holder.since;
                        next.holder.takeover.clone_from(&known.record.holder.takeover);
                        next.transitions = known.record.transitions;
                    }
                }
            }
            match self.write(place, target, &next, version.as_deref()).await {
                Ok(version) => {
                    let held = Held { record: next, version, place: place.clone() };
                    return Ok(Got::Ours(Box::new(held)));
                }
                Err(Trouble::Conflict) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Conflict)
    }

    fn record(&self, wanted: &LockWanted, now: Timestamp) -> LockRecord {
        let holder = LockHolder {
            who: self.me.name.clone(),
            host: self.me.host.clone(),
            release: Some(self.release.clone()),
            reason: wanted.reason.clone(),
            version: wanted.version.clone(),
            since: Some(to_micros(now)),
            kept: None,
            takeover: None,
        };
        LockRecord { holder, renewed: stamp(now), ttl_s: TTL_S, transitions: 0 }
    }

    /// Gives a sign of life; tells how the lock stands when that is not as before.
    async fn renew(&self, inner: &mut Inner) -> Option<LockStanding> {
        let mut all = true;
        for (target, held) in inner.held.clone() {
            let mut record = held.record.clone();
            record.renewed = stamp(self.clock.now().wall);
            match self.write(&held.place, &target, &record, Some(&held.version)).await {
                Ok(version) => {
                    inner.held.insert(target, Held { record, version, ..held });
                }
                // It is not as we left it: whoever changed it is told, or it is ours all the same.
                Err(Trouble::Conflict) => {
                    let wanted = inner.wanted.clone()?;
                    return Some(self.acquire(inner, &wanted).await);
                }
                Err(Trouble::No(why, _)) => {
                    tracing::warn!(%target, why, "the lock cannot be renewed");
                    all = false;
                }
            }
        }
        if all {
            inner.renewed_at = Some(self.clock.now().wall);
        }
        None
    }

    /// Says who else holds a lock that this release will need.
    async fn look(&self, inner: &mut Inner) {
        let Some(kube) = self.kube.borrow().clone() else { return };
        let mut sight = LockSight { held: None, local_only: None };
        let namespace = self.targets.first().map(|target| target.namespace.clone()).unwrap_or_default();
        if inner.may_not.is_none() {
            inner.may_not = Some(kube.may_not_lock(&namespace).await);
        }
        sight.local_only = inner.may_not.clone().flatten();
        for target in &self.targets {
            let place = match &sight.local_only {
                Some(why) => Place::File { why: why.clone(), passes: false },
                None => Place::Cluster(Box::new(kube.clone())),
            };
            let record = match self.read(&place, target).await {
                Ok(Some((Some(record), _))) => record,
                Ok(_) => continue,
                // Nothing is concluded from silence.
                Err(_) => return,
            };
            let unchanged =
                inner.watches.entry(target.clone()).or_default().saw(&record, self.clock.now().wall);
            if verdict(Some(&record), &self.release, unchanged) == LockVerdict::Held {
                sight.held.get_or_insert((target.clone(), record.holder));
            }
        }
        if inner.sight.as_ref() != Some(&sight) {
            inner.sight = Some(sight.clone());
            tell(&self.news, News::Lock(Box::new(sight))).await;
        }
    }

    async fn cluster(&self) -> Option<KubeWorld> {
        let mut kube = self.kube.clone();
        let connected = kube.wait_for(Option::is_some);
        match tokio::time::timeout(CONNECTING, connected).await {
            Ok(Ok(kube)) => kube.clone(),
            _ => None,
        }
    }

    async fn clear(&self, target: &TargetRef, held: Held, why: &str) {
        match &held.place {
            Place::File { .. } => self.remove_file(target, held.version).await,
            Place::Cluster(kube) => {
                let mut version = held.version;
                for _ in 0..ATTEMPTS {
                    match kube.clear_lease(target, why, &version).await {
                        Ok(()) => return,
                        // A sign of life of ours may have arrived whose answer did not.
                        Err(error) if is_conflict(&error) => match self.ours_at(&held.place, target).await {
                            Ok(Some(seen)) => version = seen.version,
                            _ => return,
                        },
                        Err(error) => {
                            tracing::warn!(%error, "the lock was not given back; it expires by itself");
                            return;
                        }
                    }
                }
            }
        }
    }

    fn is_ours(&self, record: Option<&LockRecord>) -> bool {
        verdict(record, &self.release, SignedDuration::ZERO) == LockVerdict::Ours
    }

    async fn read(
        &self,
        place: &Place,
        target: &TargetRef,
    ) -> Result<Option<(Option<LockRecord>, String)>, Trouble> {
        match place {
            Place::Cluster(kube) => {
                let seen = kube.lease(target).await.map_err(|error| trouble(&error))?;
                Ok(seen.map(|seen| (seen.record, seen.version)))
            }
            Place::File { .. } => {
                let (files, target) = (self.files.clone(), target.clone());
                let seen = on_disk(move || files.read(&target)).await?;
                Ok(seen.map(|seen| (Some(seen.record), seen.version)))
            }
        }
    }

    async fn write(
        &self,
        place: &Place,
        target: &TargetRef,
        record: &LockRecord,
        over: Option<&str>,
    ) -> Result<String, Trouble> {
        match place {
            Place::Cluster(kube) => {
                kube.write_lease(target, record, over).await.map_err(|error| trouble(&error))
            }
            Place::File { .. } => {
                let (files, target, record) = (self.files.clone(), target.clone(), record.clone());
                let over = over.map(str::to_owned);
                let written = on_disk(move || files.write(&target, &record, over.as_deref())).await?;
                written.ok_or(Trouble::Conflict)
            }
        }
    }

    async fn remove_file(&self, target: &TargetRef, version: String) {
        let (files, target) = (self.files.clone(), target.clone());
        if let Err(Trouble::No(why, _)) = on_disk(move || files.remove(&target, &version)).await {
            tracing::warn!(why, "the file of the lock stays");
        }
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::adapters::store::StoreError> + Send + 'static,
) -> Result<T, Trouble> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Trouble::No(error.to_string(), false)),
        // The panic was told by its hook.
        Err(_) => Err(Trouble::No("the file of the lock was not reached".to_owned(), false)),
    }
}

fn taken_from(next: &mut LockRecord, known: &LockRecord, at: Timestamp, because: String) {
    next.transitions = known.transitions.saturating_add(1);
    next.holder.takeover = Some(Takeover {
        from: known.holder.name(),
        from_release: known.holder.release.clone(),
        at: to_micros(at),
        because,
    });
}

/// As the server keeps times, so that what is read back is what was written.
fn to_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A Lease that was deleted under us is read again like one that was changed.
fn is_conflict(error: &KubeError) -> bool {
    matches!(error.cause(), Some(Cause::Conflict | Cause::NotFound))
}

fn trouble(error: &KubeError) -> Trouble {
    match error.cause() {
        _ if is_conflict(error) => Trouble::Conflict,
        Some(Cause::Forbidden) => Trouble::No("may not keep leases there".to_owned(), false),
        Some(cause) => Trouble::No(format!("the cluster: {}", cause.words()), true),
        None => Trouble::No(error.to_string(), false),
    }
}
