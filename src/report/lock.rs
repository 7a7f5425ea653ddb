//! Who held the lock while the release ran, and how it changed hands.

use super::Story;
use super::text::words;
use crate::release::{Fact, LockStanding, name};

impl Story<'_> {
    /// One line for each change; nothing for a release that never heard of its lock.
    pub(super) fn lock(&self) -> Vec<String> {
        let lines = self.records.iter().filter_map(|record| {
            let event = &record.event;
            let at = self.time(event.at);
            let by = || words(&name(event.by.as_ref()));
            Some(match &event.fact {
                Fact::LockChanged { standing } => self.lock_standing(&at, standing),
                Fact::LockTakenOver { reason, .. } => {
                    format!("{at} {} decided to take it over: {}", by(), words(reason))
                }
                Fact::LockGiven { reason } => format!("{at} {} gave it back: {}", by(), words(reason)),
                _ => return None,
            })
        });
        lines.collect()
    }

    fn lock_standing(&self, at: &str, standing: &LockStanding) -> String {
        let holder = |holder: &crate::release::LockHolder| {
            format!("{} ({})", words(&holder.name()), words(&holder.words()))
        };
        match standing {
            LockStanding::Ours { local_only, takeovers, .. } => {
                let place = local_only.as_ref().map(|why| format!(", on this machine only: {}", words(why)));
                let from = takeovers.iter().map(|takeover| {
                    format!(", taken over from {}: {}", words(&takeover.from), words(&takeover.because))
                });
                let from: String = from.collect();
                format!("{at} held{}{from}", place.unwrap_or_default())
            }
            LockStanding::Held { holder: other, .. } => format!("{at} {} had it", holder(other)),
            LockStanding::Lost { holder: other, .. } => format!("{at} **taken** by {}", holder(other)),
            LockStanding::Free => format!("{at} given back"),
            LockStanding::Without { why } => format!("{at} none: {}", words(why)),
        }
    }
}
