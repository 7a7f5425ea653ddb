//! Locks as files of this machine, for clusters where none can be kept: they keep two releases of
//! this machine apart, and no others.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{StoreError, folder};
use crate::release::LockRecord;
use crate::watch::TargetRef;

/// The locks below the state directory.
///
/// ```text
/// $XDG_STATE_HOME/gonogo/locks/          0700
///   <print>-<namespace>-<kind>-<name>.json   0600; the print is that of the cluster's address
///   guard                                held while one of them is changed
/// ```
#[derive(Debug, Clone)]
pub struct Locks {
    path: PathBuf,
    /// The cluster's address: equal names in two clusters are two workloads.
    cluster: String,
}

/// A lock file as it was read: its words are the version that a change must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    pub record: LockRecord,
    pub version: String,
}

impl Locks {
    pub fn new(state_dir: &Path, cluster: &str) -> Self {
        Self { path: state_dir.join("locks"), cluster: cluster.to_owned() }
    }

    fn file(&self, target: &TargetRef) -> PathBuf {
        let name = format!("{}-{}-{}", target.namespace, target.kind.as_str(), target.name);
        let print = folder::print_of(&format!("{} {name}", self.cluster));
        let start: String = name.chars().take(160).collect();
        self.path.join(format!("{print:016x}-{start}.json"))
    }

    pub fn read(&self, target: &TargetRef) -> Result<Option<LockFile>, StoreError> {
        let path = self.file(target);
        let version = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(StoreError::io("read", &path))?,
        };
        let record = serde_json::from_str(&version).map_err(io::Error::from);
        Ok(Some(LockFile { record: record.map_err(StoreError::io("understand", &path))?, version }))
    }

    /// Writes who holds it, if the file still is what was read.
    ///
    /// - Shape: the new version; `None` when somebody else was quicker.
    pub fn write(
        &self,
        target: &TargetRef,
        record: &LockRecord,
        over: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        let (path, _guard) = (self.file(target), self.guard()?);
        if self.version(&path)?.as_deref() != over {
            return Ok(None);
        }
        let version = serde_json::to_string(record).map_err(io::Error::from);
        let version = version.map_err(StoreError::io("write", &path))?;
        let partial = path.with_extension("partial");
        let write = || -> io::Result<()> {
            let mut file = folder::private().create(true).truncate(true).open(&partial)?;
            file.write_all(version.as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(StoreError::io("write", &path))?;
        Ok(Some(version))
    }

    /// Takes the file away, if it still is what was read.
    pub fn remove(&self, target: &TargetRef, over: &str) -> Result<(), StoreError> {
        let (path, _guard) = (self.file(target), self.guard()?);
        if self.version(&path)?.as_deref() == Some(over) {
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    fn version(&self, path: &Path) -> Result<Option<String>, StoreError> {
        match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(StoreError::io("read", path)),
        }
    }

    /// Between reading and writing nobody else writes: the system gives it back when we end.
    fn guard(&self) -> Result<File, StoreError> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(true);
        builder.create(&self.path).map_err(StoreError::io("create", &self.path))?;
        let path = self.path.join("guard");
        let file = folder::private().create(true).truncate(false).open(&path);
        let file = file.map_err(StoreError::io("open", &path))?;
        file.lock().map_err(StoreError::io("lock", &path))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::release::LockHolder;
    use crate::workflow::Kind;

    fn target() -> TargetRef {
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: "app".into(), container: None }
    }

    fn record(who: &str) -> LockRecord {
        let holder = LockHolder {
            who: who.into(),
            host: "kestrel".into(),
            release: None,
            reason: "release v1.3.0".into(),
            version: None,
            since: None,
            kept: None,
            takeover: None,
        };
        LockRecord { holder, renewed: "1".into(), ttl_s: 60, transitions: 0 }
    }

    #[test]
    fn of_two_that_saw_the_lock_free_one_gets_it() {
        let home = tempfile::tempdir().unwrap();
        let locks = Locks::new(home.path(), "https://prod:6443");
        let first = locks.write(&target(), &record("ana"), None).unwrap();
        assert!(first.is_some());
        assert_eq!(locks.write(&target(), &record("bo"), None).unwrap(), None);
        let read = locks.read(&target()).unwrap().unwrap();
        assert_eq!((read.record.holder.who.as_str(), Some(read.version)), ("ana", first));
        let elsewhere = Locks::new(home.path(), "https://staging:6443");
        assert_eq!(elsewhere.read(&target()).unwrap(), None);
    }

    #[test]
    fn many_at_once_are_told_apart() {
        let home = tempfile::tempdir().unwrap();
        let locks = Locks::new(home.path(), "https://prod:6443");
        let winners: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|n| {
                    let locks = locks.clone();
                    scope.spawn(move || locks.write(&target(), &record(&n.to_string()), None).unwrap())
                })
                .collect();
            tries.into_iter().filter_map(|tried| tried.join().unwrap()).count()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn a_lock_that_changed_hands_is_not_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let locks = Locks::new(home.path(), "https://prod:6443");
        let ours = locks.write(&target(), &record("ana"), None).unwrap().unwrap();
        let theirs = locks.write(&target(), &record("bo"), Some(&ours)).unwrap().unwrap();
        locks.remove(&target(), &ours).unwrap();
        assert_eq!(locks.read(&target()).unwrap().unwrap().record.holder.who, "bo");
        locks.remove(&target(), &theirs).unwrap();
        assert_eq!(locks.read(&target()).unwrap(), None);
    }

    #[test]
    fn nobody_else_reads_a_lock() {
        let home = tempfile::tempdir().unwrap();
        let locks = Locks::new(home.path(), "https://prod:6443");
        locks.write(&target(), &record("ana"), None).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&locks.file(&target())), 0o600);
        assert_eq!(mode(&home.path().join("locks")), 0o700);
    }
}
