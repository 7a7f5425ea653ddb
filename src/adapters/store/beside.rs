//! What other processes recorded of a release: a rollback from another terminal never waits for the
//! journal's lock, so it writes a file of its own beside the journal.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::medium::FileMedium;
use super::{Folder, Store, StoreError, folder, is_held, lock, unread};
use crate::journal::{self, Reader, Record};
use crate::release::ReleaseId;

const PREFIX: &str = "rollback-";
const SUFFIX: &str = ".jsonl";

impl Store {
    /// Opens a file for the records of a rollback, whoever writes the journal. Dropping the store
    /// leaves the file; see [`Store::discard`].
    ///
    /// - Shape: its records are numbered from 1.
    /// - Errors: [`StoreError::Io`].
    pub fn beside(state_dir: &Path, id: &ReleaseId) -> Result<Self, StoreError> {
        let folder = Folder::of(state_dir, id)?;
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3f");
        let path = folder.path().join(format!("{PREFIX}{stamp}-{}{SUFFIX}", std::process::id()));
        let file = folder::private().read(true).create_new(true).open(&path);
        let file = file.map_err(StoreError::io("create", &path))?;
        lock(&file, &path, id)?;
        folder.sync()?;
        let medium = FileMedium::new(file, folder.reserve_path());
        Ok(Self { beside: Beside::of(folder.clone()), folder, medium, path, length: 0, last_seq: 0 })
    }
}

/// The records of all such files, as they grow.
#[derive(Debug, Clone)]
pub struct Beside {
    folder: Folder,
    read: BTreeMap<PathBuf, Reader>,
}

impl Beside {
    pub(super) fn of(folder: Folder) -> Self {
        Self { folder, read: BTreeMap::new() }
    }

    /// Reads what came since the last time, in the order of its moments.
    ///
    /// - Errors: [`StoreError::Journal`] for a file that is damaged, which is left as it is.
    pub fn poll(&mut self) -> Result<Vec<Record>, StoreError> {
        let mut all = Vec::new();
        for path in self.paths()? {
            let reader = self.read.entry(path.clone()).or_default();
            let bytes = match File::open(&path).and_then(|file| unread(&file, reader.offset())) {
                Ok(bytes) => bytes.unwrap_or_default(),
                // A rollback that was never fired takes its file away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("read", &path)(error)),
            };
            let refused = |source| StoreError::Journal { path: path.clone(), source };
            all.push(reader.read(&bytes).map_err(refused)?);
        }
        Ok(journal::merged(all))
    }

    /// Whether a process writes one of them now.
    pub fn is_held(&self) -> bool {
        let paths = self.paths().unwrap_or_default();
        paths.iter().any(|path| File::open(path).is_ok_and(|file| is_held(&file)))
    }

    /// Whether there is any.
    pub(super) fn exists(&self) -> bool {
        self.paths().is_ok_and(|paths| !paths.is_empty())
    }

    /// In the order of their names, which is that of their beginnings.
    fn paths(&self) -> Result<Vec<PathBuf>, StoreError> {
        let path = self.folder.path();
        let mut paths = Vec::new();
        for entry in fs::read_dir(path).map_err(StoreError::io("read", path))? {
            let entry = entry.map_err(StoreError::io("read", path))?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
                paths.push(entry.path());
            }
        }
        paths.sort();
        Ok(paths)
    }
}
