//! What goes on in a practice world without being asked: time, saving, the CI, an outage.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::rehearsal::repository;
use crate::rehearsal::scenario::Scenario;
use crate::rehearsal::serve::{Shared, Switch};
use crate::rehearsal::sim::World;

/// Between two saves nothing but the passing of time is lost.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// The world stands still while it is saved: for at most one part in so many of its time.
const SAVE_SHARE: u32 = 20;
/// How often the CI looks for pushed tags.
const LOOK_FOR_TAGS_EVERY: Duration = Duration::from_millis(300);
/// The API server of the scenario `outage` is away at least this long of real time, and of world time:
/// long enough to be seen at any speed, and to find the rollout still under way at a slow one.
const OUTAGE: Duration = Duration::from_secs(14);
const OUTAGE_OF_WORLD: Duration = Duration::from_secs(60);
/// The driver wakes at least this often, in case the wall clock was set.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// Lets happen what is due, when it is due.
pub(super) async fn drive(shared: Arc<Shared>) {
    let mut versions = shared.versions();
    loop {
        let due = shared.look(World::next_due);
        versions.mark_unchanged();
        let rest = due.map_or(LONGEST_SLEEP, |at| shared.clock.until(at).min(LONGEST_SLEEP));
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            // A client's change may be due earlier than what was waited for.
            _ = versions.changed() => {}
            () = shared.closing.cancelled() => return,
        }
    }
}

/// Plays the outage of its scenario: connections break, then hang, then everything is there again, with
/// nothing left of the history that watchers would go on from.
pub(super) async fn play_outage(shared: Arc<Shared>, switch: Switch) {
    if shared.look(World::scenario) != Scenario::Outage {
        return;
    }
    let mut versions = shared.versions();
    while !shared.look(World::outage_is_due) {
        tokio::select! {
            changed = versions.changed() => if changed.is_err() { return },
            () = shared.closing.cancelled() => return,
        }
    }
    shared.change(World::note_outage);
    let lasting = OUTAGE.max(OUTAGE_OF_WORLD.div_f64(shared.clock.speed));
    for away in [Switch::cut, Switch::hang] {
        away(&switch, lasting / 2);
        tokio::select! {
            () = tokio::time::sleep(lasting / 2) => {}
            () = switch.restored() => break,
            () = shared.closing.cancelled() => return,
        }
    }
    shared.change(World::forget_history);
    switch.restore();
}

pub(super) async fn keep_saving(shared: Arc<Shared>) {
    let mut rest = SAVE_EVERY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = shared.closing.cancelled() => return,
        }
        let (saving, began) = (shared.clone(), Instant::now());
        tokio::task::spawn_blocking(move || saving.save()).await.ok();
        rest = SAVE_EVERY.max(began.elapsed() * SAVE_SHARE);
    }
}

/// The trigger of the practice CI: a tag `v…` that appears in the bare remote.
pub(super) async fn watch_tags(shared: Arc<Shared>, remote: PathBuf) {
    loop {
        for tag in repository::pushed_tags(&remote) {
            let known = shared.look(|world| world.knows_tag(&tag));
            if !known {
                shared.change(|world| world.tag_pushed(&tag));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_FOR_TAGS_EVERY) => {}
            () = shared.closing.cancelled() => return,
        }
    }
}
