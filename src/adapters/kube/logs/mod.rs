//! Log streams: which containers are followed, one task for each, merged by time.

mod choice;
mod cursor;
mod lanes;
mod lines;
mod lived;
mod past;
mod rotation;
mod stream;
mod tail;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kube::Client;
use tokio::sync::mpsc::{Receiver, Sender, channel, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::watch::logs::merge;
use crate::watch::{LogBatch, LogLines, LogMark, LogSource, Observation, TargetRef};
pub(super) use choice::Offer;
use choice::{Asked, Key, LeftOut, Life, choose};
use stream::{Follower, Hands, News, Resting};
pub use tail::{LogRequest, LogTail};
pub use target::{LogTarget, TargetError};

/// What the watches last said, by target.
pub(super) type Offers = BTreeMap<TargetRef, Arc<Offer>>;

/// Batches of one stream that wait to be merged; a full lane holds its reader back.
const LANE: usize = 4;

/// How much of the logs is read, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Goes on with what comes; else reads what is there, once.
    pub follow: bool,
    /// Of containers that were there before us: at most so many of their last lines.
    pub tail: Option<i64>,
    /// … and none that is older. Units: seconds.
    pub since_s: Option<i64>,
    /// The life before the present one instead.
    pub previous: bool,
    /// Also the last words of the life before, of a container that we meet after a restart.
    pub before_us: bool,
    /// Init containers that did their work before we came, too.
    pub done_inits: bool,
    /// Units: bytes of one line.
    pub line_limit: usize,
    /// Containers followed at the same time.
    pub most_streams: usize,
}

impl Reading {
    /// What a pane shows: the last lines of what was there, and all that comes.
    pub const PANE: Self = Self {
        follow: true,
        // Enough to see what a long-lived pod is doing when we come.
        tail: Some(200),
        since_s: None,
        previous: false,
        before_us: true,
        done_inits: false,
        line_limit: lines::LINE_BYTES,
        // More cost more than they tell.
        most_streams: 24,
    };
}

/// Follows the containers that matter most, until `out` is closed or the watches end; then what is
/// still open is read to its end.
pub(super) async fn run<T: Ord + Clone>(
    client: Client,
    reading: Reading,
    offers: watch::Receiver<BTreeMap<T, Arc<Offer>>>,
    out: Sender<Observation>,
    recoveries: watch::Receiver<u64>,
) {
    let window = if reading.follow { merge::LIVE } else { merge::WHOLE };
    let (opening, opened) = channel(reading.most_streams.max(1));
    let merging = lanes::run(window, opened, out.clone());
    let following = follow(client, reading, offers, out, opening, recoveries);
    tokio::join!(merging, following);
}

async fn follow<T: Ord + Clone>(
    client: Client,
    reading: Reading,
    mut offers: watch::Receiver<BTreeMap<T, Arc<Offer>>>,
    out: Sender<Observation>,
    opening: Sender<Receiver<LogBatch>>,
    recoveries: watch::Receiver<u64>,
) {
    let mut open: HashMap<Key, watch::Sender<News>> = HashMap::new();
    let mut resting: HashSet<Key> = HashSet::new();
    let mut read: HashSet<Key> = HashSet::new();
    let mut tasks: JoinSet<Key> = JoinSet::new();
    let mut seen_targets: BTreeSet<T> = BTreeSet::new();
    let mut old_pods: HashSet<String> = HashSet::new();
    let mut n_left_out = 0;
    let mut may_change = true;
    let (rest, mut rests) = unbounded_channel();
    loop {
        if out.is_closed() {
            return;
        }
        let latest = offers.borrow_and_update().clone();
        for (target, offer) in &latest {
            // Pods that were there before us may have logged for days; of later ones we want all.
            if seen_targets.insert(target.clone()) {
                old_pods.extend(offer.pods.iter().map(|pod| pod.uid.clone()));
            }
        }
        // Thousands are asked, a few dozen are open.
        let open_pods: HashSet<&str> = open.keys().map(|key| key.pod_uid.as_str()).collect();
        let mut asked = Vec::new();
        for one in latest.values().flat_map(|offer| offer.candidates()) {
            let may_be_open = open_pods.contains(one.pod.uid.as_str());
            let key = may_be_open.then(|| open.keys().find(|key| one.has(key))).flatten();
            let is_wanted = (read.is_empty() || !read.contains(&one.key()))
                && (reading.done_inits || !one.is_done_init() || !old_pods.contains(&one.pod.uid));
            if is_wanted {
                asked.push(Asked { one, key, rests: key.is_some_and(|key| resting.contains(key)) });
            }
        }
        let (chosen, left_out) = choose(&asked, reading.most_streams);
        let lives: HashMap<&Key, Life> =
            asked.iter().filter_map(|asked| Some((asked.key?, asked.one.life()))).collect();
        let kept: HashSet<&Key> = chosen.iter().filter_map(|asked| asked.key).collect();
        let fresh: Vec<Fresh> = chosen
            .iter()
            .filter(|asked| asked.key.is_none())
            .map(|Asked { one, .. }| Fresh {
                key: one.key(),
                life: one.life(),
                revision: one.pod.revision.as_deref().map(str::to_owned),
                was_there: old_pods.contains(&one.pod.uid),
            })
            .collect();
        for (key, news) in &open {
            let latest = match lives.get(key) {
                None => News::Gone,
                Some(_) if !kept.contains(key) => News::Unfollowed,
                Some(life) => News::Life(life.clone()),
            };
            news.send_if_modified(|news| {
                let is_other = *news != latest;
                if is_other {
                    *news = latest;
                }
                is_other
            });
        }
        for Fresh { key, life, revision, was_there } in fresh {
            let (news, life) = watch::channel(News::Life(life));
            let (lane, lines) = channel(LANE);
            if opening.send(lines).await.is_err() {
                return;
            }
            let source = LogSource { pod: key.pod.clone(), container: key.container.clone(), revision };
            let hands = Hands {
                client: client.clone(),
                reading,
                out: lane,
                recoveries: recoveries.clone(),
                resting: rest.clone(),
            };
            let follower = Follower::new(key.clone(), source, life, hands);
            let opened = key.clone();
            tasks.spawn(async move {
                follower.run(was_there).await;
                opened
            });
            open.insert(key, news);
        }
        if reading.follow
            && ((left_out.n_pods == 0) != (n_left_out == 0) || left_out.n_pods.abs_diff(n_left_out) >= 10)
        {
            n_left_out = left_out.n_pods;
            if tell_left_out(&opening, &left_out).await.is_err() {
                return;
            }
        }
        // A life that is over waits for the next one; without watches none will be told of.
        let n_busy = open.len() - if may_change { 0 } else { resting.len() };
        if !may_change && n_busy == 0 {
            return;
        }
        tokio::select! {
            changed = offers.changed(), if may_change => may_change = changed.is_ok(),
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Ok(key) = ended {
                    open.remove(&key);
                    resting.remove(&key);
                    if !reading.follow {
                        read.insert(key);
                    }
                }
            }
            Some(Resting { key, rests }) = rests.recv() => {
                if !rests {
                    resting.remove(&key);
                } else if open.contains_key(&key) {
                    resting.insert(key);
                }
            }
        }
    }
}

/// A container whose stream is about to be opened.
struct Fresh {
    key: Key,
    life: Life,
    revision: Option<String>,
    /// Its pod was there before us.
    was_there: bool,
}

async fn tell_left_out(opening: &Sender<Receiver<LogBatch>>, left_out: &LeftOut) -> Result<(), ()> {
    let (pods, names) = (left_out.n_pods as u64, left_out.names.join(", "));
    let batch = LogBatch {
        source: Arc::new(LogSource { pod: String::new(), container: String::new(), revision: None }),
        lines: LogLines::default(),
        mark: Some(LogMark::Unfollowed { pods, names }),
    };
    let (lane, lines) = channel(1);
    lane.send(batch).await.map_err(|_| ())?;
    opening.send(lines).await.map_err(|_| ())
}
