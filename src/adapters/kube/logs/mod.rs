//! Log streams: which containers are followed, one task for each.

mod choice;
mod lines;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kube::Client;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::watch::{LogBatch, LogMark, LogSource, Observation, TargetRef};
pub(super) use choice::{Candidate, candidates};
use choice::{Key, Life, choose};
use stream::{Follower, News};

/// What the watches last said, by target.
pub(super) type Candidates = BTreeMap<TargetRef, Arc<Vec<Candidate>>>;

/// Follows the containers that matter most, until the watches end.
pub(super) async fn run(
    client: Client,
    mut candidates: watch::Receiver<Candidates>,
    out: Sender<Observation>,
    recoveries: watch::Receiver<u64>,
) {
    let mut open: HashMap<Key, watch::Sender<News>> = HashMap::new();
    let mut tasks: JoinSet<Key> = JoinSet::new();
    let mut seen_targets: BTreeSet<TargetRef> = BTreeSet::new();
    let mut n_left_out = 0;
    loop {
        tokio::select! {
            changed = candidates.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                if let Ok(key) = ended {
                    open.remove(&key);
                }
            }
        }
        if out.is_closed() {
            return;
        }
        let latest = candidates.borrow_and_update().clone();
        let all = || latest.values().flat_map(|list| list.iter());
        let (chosen, left_out) = choose(all(), |key| open.contains_key(key));
        let lives: HashMap<&Key, &Life> = all().map(|one| (&one.key, &one.life)).collect();
        for (key, news) in &open {
            let is_chosen = chosen.iter().any(|one| one.key == *key);
            let latest = match lives.get(key) {
                None => News::Gone,
                Some(_) if !is_chosen => News::Unfollowed,
                Some(life) => News::Life((*life).clone()),
            };
            news.send_if_modified(|news| {
                let is_other = *news != latest;
                if is_other {
                    *news = latest;
                }
                is_other
            });
        }
        // Pods that were there before us may have logged for days; of later ones we want all.
        let were_there: HashSet<&Key> = latest
            .iter()
            .filter(|(target, _)| !seen_targets.contains(target))
            .flat_map(|(_, list)| list.iter().map(|one| &one.key))
            .collect();
        for one in &chosen {
            if open.contains_key(&one.key) {
                continue;
            }
            let (news, life) = watch::channel(News::Life(one.life.clone()));
            let tail = were_there.contains(&one.key);
            let source = LogSource {
                pod: one.key.pod.clone(),
                container: one.key.container.clone(),
                revision: one.revision.clone(),
            };
            let follower =
                Follower::new(client.clone(), &one.key, source, out.clone(), life, recoveries.clone());
            let key = one.key.clone();
            tasks.spawn(async move {
                follower.run(tail).await;
                key
            });
            open.insert(one.key.clone(), news);
        }
        if left_out.is_empty() != (n_left_out == 0) || left_out.len().abs_diff(n_left_out) >= 10 {
            n_left_out = left_out.len();
            if tell_left_out(&out, &left_out).await.is_err() {
                return;
            }
        }
        seen_targets.extend(latest.into_keys());
    }
}

async fn tell_left_out(out: &Sender<Observation>, left_out: &[&str]) -> Result<(), ()> {
    let names = left_out.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let batch = LogBatch {
        source: LogSource { pod: String::new(), container: String::new(), revision: None },
        lines: vec![],
        mark: Some(LogMark::Unfollowed { pods: left_out.len() as u64, names }),
    };
    out.send(Observation::Logs(vec![batch])).await.map_err(|_| ())
}
