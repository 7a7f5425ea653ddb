//! One kind of object, by name, as its watch tells it.

use std::collections::BTreeMap;

use crate::adapters::kube::told::{Refusal, Told};

/// So many tries in a row without an answer, and the rest is told without this kind.
const PATIENCE: u32 = 3;

/// During a new listing the old content stays in use.
#[derive(Debug)]
pub(in crate::adapters::kube) struct Mirror<V> {
    live: BTreeMap<String, V>,
    listing: Option<BTreeMap<String, V>>,
    /// Whether a listing ended, so that absence means something.
    pub synced: bool,
    pub refused: Option<Refusal>,
    n_failures: u32,
    /// There is nothing to ask for: the question would be for everything.
    waived: bool,
}

impl<V> Default for Mirror<V> {
    fn default() -> Self {
        Self {
            live: BTreeMap::new(),
            listing: None,
            synced: false,
            refused: None,
            n_failures: 0,
            waived: false,
        }
    }
}

impl<V> Mirror<V> {
    /// Takes one step of the watch; `true` when something visible may have changed.
    pub fn take(&mut self, told: Told<V>, key: impl Fn(&V) -> &str) -> bool {
        if !matches!(told, Told::Restart | Told::Refused(_) | Told::Failed) {
            self.refused = None;
            self.n_failures = 0;
        }
        match told {
            Told::Restart => {
                self.listing = Some(BTreeMap::new());
                false
            }
            Told::Listed(value) => {
                let key = key(&value).to_owned();
                self.listing.get_or_insert_default().insert(key, value);
                false
            }
            Told::Synced => {
                if let Some(listing) = self.listing.take() {
                    self.live = listing;
                }
                self.synced = true;
                true
            }
            Told::Changed(value) => {
                match self.live.get_mut(key(&value)) {
                    Some(known) => *known = value,
                    None => {
                        self.live.insert(key(&value).to_owned(), value);
                    }
                }
                true
            }
            Told::Removed(value) => {
                if let Some(listing) = &mut self.listing {
                    listing.remove(key(&value));
                }
                self.live.remove(key(&value)).is_some()
            }
            Told::Refused(refusal) => {
                // What may no longer be read is not known any more, rather than as it was.
                let changed = self.refused.as_ref() != Some(&refusal) || !self.live.is_empty();
                *self = Self { refused: Some(refusal), ..Self::default() };
                changed
            }
            Told::Failed => {
                let was_settled = self.is_settled();
                self.n_failures = self.n_failures.saturating_add(1);
                self.is_settled() != was_settled
            }
        }
    }

    /// Whether the rest may be told: this kind is known, or better left out than waited for.
    pub fn is_settled(&self) -> bool {
        self.synced || self.refused.is_some() || self.waived || self.n_failures >= PATIENCE
    }

    /// Forgets everything, because the question itself changed.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Forgets everything and expects nothing.
    pub fn waive(&mut self) {
        *self = Self { waived: true, ..Self::default() };
    }

    pub fn get(&self, name: &str) -> Option<&V> {
        self.live.get(name)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.live.values()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.live.values_mut()
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.live.retain(|_, value| keep(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kube::error::Cause;

    fn names(mirror: &Mirror<String>) -> Vec<&str> {
        mirror.values().map(String::as_str).collect()
    }

    fn take(mirror: &mut Mirror<String>, told: Told<&str>) -> bool {
        mirror.take(told.map(str::to_owned), |name| name)
    }

    #[test]
    fn the_old_content_stays_until_a_new_listing_ends() {
        let mut mirror = Mirror::default();
        for told in [Told::Restart, Told::Listed("a"), Told::Listed("b"), Told::Synced] {
            take(&mut mirror, told);
        }
        take(&mut mirror, Told::Restart);
        take(&mut mirror, Told::Listed("b"));
        assert_eq!(names(&mirror), ["a", "b"]);
        assert!(take(&mut mirror, Told::Synced));
        assert_eq!(names(&mirror), ["b"], "what vanished meanwhile is missing");
    }

    #[test]
    fn a_listing_that_breaks_off_and_begins_anew_leaves_nothing_of_itself() {
        let mut mirror = Mirror::default();
        for told in
            [Told::Restart, Told::Listed("a"), Told::Failed, Told::Restart, Told::Listed("b"), Told::Synced]
        {
            take(&mut mirror, told);
        }
        assert_eq!(names(&mirror), ["b"]);
    }

    #[test]
    fn a_refusal_settles_at_once_and_silence_only_after_a_few_tries() {
        let mut mirror = Mirror::default();
        assert!(!take(&mut mirror, Told::Failed) && !mirror.is_settled());
        take(&mut mirror, Told::Failed);
        assert!(take(&mut mirror, Told::Failed) && mirror.is_settled());
        let mut mirror = Mirror::default();
        let refusal = Refusal { cause: Cause::Forbidden, detail: "no".into() };
        take(&mut mirror, Told::Changed("a"));
        assert!(take(&mut mirror, Told::Refused(refusal.clone())) && mirror.is_settled());
        assert_eq!(mirror.len(), 0, "what may no longer be read is not known");
        assert!(!take(&mut mirror, Told::Refused(refusal)), "the same refusal is no news");
        take(&mut mirror, Told::Restart);
        assert!(mirror.is_settled(), "until there is an answer");
        take(&mut mirror, Told::Synced);
        assert!(mirror.refused.is_none() && mirror.synced);
    }
}
