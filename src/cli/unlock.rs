//! `gonogo unlock`: gives back the lock that a release left behind, such as after a rollback.

use clap::Args;
use color_eyre::eyre::bail;

use super::assemble;
use super::cluster::ClusterFlags;
use super::release::{Kept, kept, place_of, runtime};
use super::{DONE, FAILED, Setup, print};
use crate::adapters::clock::Clock;
use crate::adapters::kube::KubeWorld;
use crate::adapters::store::{self, Locks, Store};
use crate::journal::Record;
use crate::release::{Event, Fact, LockRecord, LockStanding, ReleaseId};
use crate::watch::TargetRef;

pub(super) const AFTER_HELP: &str = "The lock of a release that is completed or aborted is given back by itself, that of a \
release that was left or killed expires after a minute. After a rollback it stays, so that nobody releases over it \
by accident, until this is called or the next release takes it over. Locks of other releases are left alone.";

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The release that holds it, or the beginning of its id
    id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

pub(super) fn unlock(flags: Flags, setup: &Setup) -> color_eyre::Result<u8> {
    let config = setup.settings()?;
    if config.read_only {
        bail!("read-only: a lock is not given back");
    }
    let state_dir = store::state_dir()?;
    let id = store::resolve(&state_dir, Some(&flags.id))?;
    let (store, read) = Store::open_for_writing(&state_dir, &id)?;
    let Kept { mut release, last, opened, .. } = kept(store.folder().document()?, &read)?;
    if release.state().practice.is_some() {
        bail!("{id} was a rehearsal: its world, and the lock in it, are gone with it");
    }
    let place = place_of(&release, &opened, flags.cluster, &config)?;
    let me = assemble::operator(None, &config, &place);
    let Some(options) = place.cluster else {
        bail!("the cluster of {id} cannot be reached: {}", place.left_out.join("; "));
    };
    let clock = Clock::real().not_before(last);
    let words = format!("{}: {}", me.name, flags.reason);
    let given = Fact::LockGiven { reason: flags.reason };
    let given = Event { at: clock.now(), by: Some(me), fact: given };
    release.handle(&given)?;
    let host = options.settle()?.host;
    let files = Locks::new(&state_dir, &host);
    let told = runtime()?.block_on(async {
        let kube = KubeWorld::connect(&options).await?;
        let mut told = Vec::new();
        for target in &release.state().targets {
            told.push(give(&kube, &files, target, &id, &words).await?);
        }
        color_eyre::Result::<Vec<Given>>::Ok(told)
    })?;
    let free = Event { at: clock.now(), by: None, fact: Fact::LockChanged { standing: LockStanding::Free } };
    let first = store.last_seq() + 1;
    let (answer, answered) = std::sync::mpsc::channel();
    let writer = store.start(move |written| drop(answer.send(written)))?;
    writer.append(vec![Record::new(first, given), Record::new(first + 1, free)], false);
    writer.close();
    if let Some(store::Written::Failed { why, .. }) = answered.iter().last() {
        bail!("the lock is given back, and that could not be recorded: {why}");
    }
    for (target, given) in release.state().targets.iter().zip(&told) {
        print(&match given {
            Given::Back => format!("{target}: the lock is given back\n"),
            Given::NotOurs(who) => format!("{target}: left alone, {who} holds the lock now\n"),
            Given::Nothing => format!("{target}: nobody holds the lock\n"),
        })?;
    }
    let is_other = told.iter().any(|given| matches!(given, Given::NotOurs(_)));
    Ok(if is_other { FAILED } else { DONE })
}

enum Given {
    Back,
    NotOurs(String),
    Nothing,
}

async fn give(
    kube: &KubeWorld,
    files: &Locks,
    target: &TargetRef,
    id: &ReleaseId,
    why: &str,
) -> color_eyre::Result<Given> {
    let is_ours = |record: &LockRecord| record.holder.release.as_ref() == Some(id);
    if let Some(file) = files.read(target)?.filter(|file| is_ours(&file.record)) {
        files.remove(target, &file.version)?;
        return Ok(Given::Back);
    }
    let Some(seen) = kube.lease(target).await? else { return Ok(Given::Nothing) };
    match seen.record {
        Some(record) if is_ours(&record) => {
            kube.clear_lease(target, why, &seen.version).await?;
            Ok(Given::Back)
        }
        Some(record) => Ok(Given::NotOurs(record.holder.name())),
        None => Ok(Given::Nothing),
    }
}
