//! Where releases live: one folder each, written by one process, read by any.
//!
//! ```text
//! $XDG_STATE_HOME/gonogo/releases/<id>/     0700; every file in it 0600
//!   journal.jsonl              the record, locked by the one process that writes it
//!   rollback-<time>-<pid>.jsonl  what a rollback from another terminal recorded, locked by its process
//!   workflow.md                the document as the release started with it, byte for byte
//!   pins/<n>.json              pod templates as pinned; may hold secrets, never in a report
//!   output/<command>-<n>.log   what commands printed
//!   reserve                    room for the records of a rollback on a full disk
//!   torn-<offset>.bin          a torn last line, kept when it was cut off
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "the journal has a thread of its own, and a lock is waited for"
)]

mod beside;
mod folder;
mod follow;
mod list;
mod locks;
mod medium;
mod past;
mod settled;
mod writer;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use beside::Beside;
pub use folder::Folder;
pub use follow::ReadOnly;
pub use list::{Summary, list, resolve};
pub use locks::{LockFile, Locks};
pub use past::{Pasts, pasts};
pub use settled::{remember, remembered};
pub use writer::{Writer, Written};

use crate::journal::{self, JournalError, ReadJournal, TornTail};
use crate::release::ReleaseId;
use medium::{FileMedium, Medium as _};

/// Why the folder of a release cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no home directory to keep releases in; set XDG_STATE_HOME")]
    NoHome,
    #[error(
        "“{id}” cannot name a release: use letters, digits, `.`, `_` and `-`, not beginning with a dot, 128 at most"
    )]
    BadId { id: String },
    #[error("could not {doing} {}: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("release {id} exists already; resume it, or start one under another name")]
    Exists { id: ReleaseId },
    #[error("no release is called {wanted}; `gonogo list` shows those there are")]
    Unknown { wanted: String },
    #[error("{wanted} may be any of {}; write more of its name", .candidates.join(", "))]
    Ambiguous { wanted: String, candidates: Vec<String> },
    #[error("no release is open; `gonogo list` shows those that ended, `gonogo run FILE` starts one")]
    NoneOpen,
    #[error("no release is open that can be read; of {id} this is known: {problem}")]
    NoneReadable { id: ReleaseId, problem: String },
    #[error("another gonogo writes release {id} right now; watch it read-only, or end it there first")]
    Held { id: ReleaseId },
    #[error("{}: {source}", .path.display())]
    Journal { path: PathBuf, source: JournalError },
    #[error("{} was cut back while it was being read; open it again", .path.display())]
    CutBack { path: PathBuf },
}

impl StoreError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| StoreError::Io { doing, path: path.to_owned(), source }
    }
}

/// The folder under which gonogo keeps its state, as XDG says, on macOS too.
pub fn state_dir() -> Result<PathBuf, StoreError> {
    use etcetera::base_strategy::{BaseStrategy, Xdg};
    let dirs = Xdg::new().map_err(|_| StoreError::NoHome)?;
    Ok(dirs.state_dir().ok_or(StoreError::NoHome)?.join("gonogo"))
}

/// The right to write one release. Dropping it gives the right back.
#[derive(Debug)]
pub struct Store {
    folder: Folder,
    /// Of the file that is written.
    path: PathBuf,
    beside: Beside,
    medium: FileMedium,
    length: u64,
    last_seq: u64,
}

impl Store {
    /// Makes the folder of a new release, and keeps the document in it.
    ///
    /// - Errors: [`StoreError::Exists`]; [`StoreError::Io`], and then nothing is left behind.
    pub fn create(state_dir: &Path, id: &ReleaseId, document: &[u8]) -> Result<Self, StoreError> {
        let folder = Folder::of(state_dir, id)?;
        match folder.make() {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists { id: id.clone() });
            }
            made => made?,
        }
        Self::fill(&folder, id, document).inspect_err(|_| {
            // Half a folder would be listed as a broken release; the reason is already on its way.
            let _ = fs::remove_dir_all(folder.path());
        })
    }

    fn fill(folder: &Folder, id: &ReleaseId, document: &[u8]) -> Result<Self, StoreError> {
        let path = folder.journal_path();
        let journal = folder::private().read(true).create_new(true).open(&path);
        let journal = journal.map_err(StoreError::io("create", &path))?;
        lock(&journal, &path, id)?;
        folder.write_new("workflow.md", document)?;
        let mut medium = FileMedium::new(journal, folder.reserve_path());
        medium.fill_reserve().map_err(StoreError::io("allocate", &folder.reserve_path()))?;
        folder.sync()?;
        let beside = Beside::of(folder.clone());
        Ok(Self { folder: folder.clone(), path, beside, medium, length: 0, last_seq: 0 })
    }

    /// Takes an existing release up for writing; what was recorded beside its journal is among the
    /// records. A torn last line is copied to `torn-<offset>.bin`,
    /// then cut off; the answer reports it.
    ///
    /// - Errors: [`StoreError::Held`] while another process writes it; [`StoreError::Journal`] when
    ///   the journal is damaged, which is left exactly as it was.
    pub fn open_for_writing(state_dir: &Path, id: &ReleaseId) -> Result<(Self, ReadJournal), StoreError> {
        let folder = Folder::of(state_dir, id)?;
        let path = folder.journal_path();
        let journal = match folder::private().read(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Unknown { wanted: id.to_string() });
            }
            opened => opened.map_err(StoreError::io("open", &path))?,
        };
        lock(&journal, &path, id)?;
        let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
        let mut read =
            journal::read(&bytes).map_err(|source| StoreError::Journal { path: path.clone(), source })?;
        let mut medium = FileMedium::new(journal, folder.reserve_path());
        let mut length = bytes.len() as u64;
        if let Some(torn) = &read.torn {
            keep_torn(&folder, &mut medium, torn)?;
            medium.cut_and_sync(torn.offset).map_err(StoreError::io("cut the torn line off", &path))?;
            length = torn.offset;
        }
        // On a full disk the release is resumed without a reserve: the panel says what that means.
        let _ = medium.fill_reserve();
        let last_seq = read.records.last().map_or(0, |record| record.seq);
        let mut beside = Beside::of(folder.clone());
        read.records = journal::merged(vec![read.records, beside.poll()?]);
        Ok((Self { folder, path, beside, medium, length, last_seq }, read))
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What other processes record of this release from here on.
    pub fn others(&self) -> Beside {
        self.beside.clone()
    }

    /// Takes a file, or the folder of a release, away again: nothing in it is worth keeping.
    pub fn discard(path: &Path) -> Result<(), StoreError> {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.map_err(StoreError::io("remove", path))
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the last record on disk; 0 in a new file.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Whether a rollback will be recorded even if the disk fills up.
    pub fn has_reserve(&self) -> bool {
        self.medium.has_reserve()
    }

    /// Starts the thread that writes. `answer` is called on it, in the order of the records, and must
    /// not wait: closing the writer waits for the thread.
    ///
    /// - Errors: [`StoreError::Io`] when the system has no thread left.
    pub fn start(self, answer: impl FnMut(Written) + Send + 'static) -> Result<Writer, StoreError> {
        Writer::start(self.medium, self.length, self.last_seq, writer::RETRY, answer)
            .map_err(StoreError::io("start a thread for", &self.path))
    }
}

fn keep_torn(folder: &Folder, medium: &mut FileMedium, torn: &TornTail) -> Result<(), StoreError> {
    let name = format!("torn-{}.bin", torn.offset);
    match folder.replace(&name, &torn.bytes) {
        // A full disk is how lines get torn: the way back to a working rollback must not end here.
        Err(StoreError::Io { source, .. }) if medium::is_full(&source) && medium.has_reserve() => {
            medium.give_reserve().map_err(StoreError::io("free", &folder.reserve_path()))?;
            folder.replace(&name, &torn.bytes)
        }
        kept => kept,
    }
}

/// `gonogo list` looks whether a journal is held by holding it for an instant, so one refusal proves
/// nothing. Units: wall time, tried this often.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_TRIES: usize = 5;

fn lock(journal: &File, path: &Path, id: &ReleaseId) -> Result<(), StoreError> {
    for attempt in 1..=LOCK_TRIES {
        match journal.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if attempt < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(source)) => return Err(StoreError::io("lock", path)(source)),
        }
    }
    Err(StoreError::Held { id: id.clone() })
}

/// What a file that others write has from a byte on; `None` when it was cut back before that.
fn unread(file: &File, from: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(unread) = file.metadata()?.len().checked_sub(from) else { return Ok(None) };
    let mut bytes = vec![0; usize::try_from(unread).unwrap_or(usize::MAX)];
    match file.read_exact_at(&mut bytes, from) {
        // It was cut between the two calls: nothing of it counted yet.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(Vec::new())),
        read => read.map(|()| Some(bytes)),
    }
}

/// Whether some process writes this journal now.
fn is_held(journal: &File) -> bool {
    match journal.try_lock_shared() {
        Ok(()) => {
            // A lock that cannot be given back goes with the file, which is closed in a moment.
            let _ = journal.unlock();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
    }
}

#[cfg(test)]
mod tests;
