//! What the API shows: every object as last published, its resource version, and the recent changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::kind::Kind;

/// Changes kept for watchers that ask for the past. An older resource version answers 410 Gone.
const HISTORY: usize = 2_000;

/// Kind, namespace and name: the place of one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One change of one object, in order of `version`.
#[derive(Debug, Clone)]
pub struct Change {
    pub version: u64,
    pub kind: ChangeKind,
    pub key: Key,
    pub object: Arc<Value>,
    /// The object before, so that a selector can tell entering from staying.
    pub before: Option<Arc<Value>>,
}

/// A resource version from before the kept history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld {
    pub oldest: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Store {
    version: u64,
    #[serde(with = "as_list")]
    objects: BTreeMap<Key, Arc<Value>>,
    #[serde(skip)]
    history: VecDeque<Change>,
    /// The last version that `history` does not cover.
    #[serde(skip)]
    forgotten: u64,
}

impl Store {
    pub fn new() -> Self {
        // Small numbers invite the belief that they mean something.
        Self { version: 48_200, forgotten: 48_200, ..Self::default() }
    }

    /// After loading, the past is unknown: watchers must list anew.
    pub fn forget_history(&mut self) {
        self.history.clear();
        self.forgotten = self.version;
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// All objects of a kind, by namespace and name; an empty namespace means all of them.
    pub fn list<'a>(
        &'a self,
        kind: Kind,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.objects
            .iter()
            .filter(move |(key, _)| key.kind == kind && (namespace.is_empty() || key.namespace == namespace))
    }

    /// Publishes an object when it differs from what was published; the version is ours to set.
    pub fn publish(&mut self, key: Key, mut object: Value) {
        let before = self.objects.get(&key).cloned();
        if let Some(before) = &before {
            // Compare without the version, which is the only thing that we add.
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if **before == object {
                return;
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = Value::String(self.version.to_string());
        let object = Arc::new(object);
        self.objects.insert(key.clone(), object.clone());
        let kind = if before.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.remember(Change { version: self.version, kind, key, object, before });
    }

    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        let mut object = (*before).clone();
        object["metadata"]["resourceVersion"] = Value::String(self.version.to_string());
        let object = Arc::new(object);
        self.remember(Change {
            version: self.version,
            kind: ChangeKind::Deleted,
            key: key.clone(),
            object: object.clone(),
            before: Some(before),
        });
        Some(object)
    }

    /// Removes every object of `kind` whose name `keep` does not know.
    pub fn retain(&mut self, kind: Kind, keep: impl Fn(&Key) -> bool) {
        let gone: Vec<Key> =
            self.objects.keys().filter(|key| key.kind == kind && !keep(key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
    }

    /// The changes after `version`, oldest first.
    pub fn changes_after(&self, version: u64) -> Result<impl Iterator<Item = &Change>, TooOld> {
        if version < self.forgotten {
            return Err(TooOld { oldest: self.forgotten });
        }
        Ok(self.history.iter().skip(self.history.partition_point(|change| change.version <= version)))
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        if self.history.len() > HISTORY
            && let Some(dropped) = self.history.pop_front()
        {
            self.forgotten = dropped.version;
        }
    }
}

/// JSON objects need text for keys, so the map is written as a list of pairs.
mod as_list {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(map: &BTreeMap<Key, Arc<Value>>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map.iter().map(|(key, object)| (key, object.as_ref())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Key, Arc<Value>>, D::Error> {
        let list = Vec::<(Key, Value)>::deserialize(from)?;
        Ok(list.into_iter().map(|(key, object)| (key, Arc::new(object))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(name: &str) -> Key {
        Key { kind: Kind::Pod, namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn publishing_the_same_object_again_changes_nothing() {
        let mut store = Store::new();
        store.publish(key("a"), json!({"metadata": {"name": "a"}}));
        let version = store.version();
        store.publish(key("a"), json!({"metadata": {"name": "a"}}));
        assert_eq!(store.version(), version);
        store.publish(key("a"), json!({"metadata": {"name": "a"}, "spec": 1}));
        assert_eq!(store.version(), version + 1);
        assert_eq!(store.get(&key("a")).unwrap()["metadata"]["resourceVersion"], (version + 1).to_string());
    }

    #[test]
    fn a_watcher_gets_the_changes_after_its_version_in_order() {
        let mut store = Store::new();
        store.publish(key("a"), json!({"metadata": {}}));
        let seen = store.version();
        store.publish(key("b"), json!({"metadata": {}}));
        store.remove(&key("a"));
        let kinds: Vec<_> = store.changes_after(seen).unwrap().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::Added, ChangeKind::Deleted]);
    }

    #[test]
    fn a_version_from_before_the_history_is_too_old() {
        let mut store = Store::new();
        let start = store.version();
        for spec in 0..=HISTORY {
            store.publish(key("a"), json!({"metadata": {}, "spec": spec}));
        }
        assert!(matches!(store.changes_after(start), Err(TooOld { .. })));
        assert!(store.changes_after(start + 1).is_ok());
    }

    #[test]
    fn a_loaded_store_keeps_objects_and_versions_but_no_history() {
        let mut store = Store::new();
        store.publish(key("a"), json!({"metadata": {}}));
        let text = serde_json::to_string(&store).unwrap();
        let mut loaded: Store = serde_json::from_str(&text).unwrap();
        loaded.forget_history();
        assert_eq!(loaded.version(), store.version());
        assert_eq!(loaded.get(&key("a")), store.get(&key("a")));
        assert!(loaded.changes_after(store.version() - 1).is_err());
    }
}
