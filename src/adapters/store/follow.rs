//! Reading a release that another process writes.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Beside, Folder, StoreError, is_held, unread};
use crate::journal::{self, ReadJournal, Reader, Record, TornTail};
use crate::release::ReleaseId;

/// How often the journal's length is looked at. Units: wall time.
const POLL: Duration = Duration::from_millis(250);

/// A journal, and what is recorded beside it, read as they grow, without any right to write.
#[derive(Debug)]
pub struct ReadOnly {
    folder: Folder,
    beside: Beside,
    journal: File,
    reader: Reader,
}

impl ReadOnly {
    /// Opens a release for reading, whoever writes it, and reads what is there.
    ///
    /// - Shape: a last line without its end is `torn` when nobody writes, else still on its way.
    pub fn open(state_dir: &Path, id: &ReleaseId) -> Result<(Self, ReadJournal), StoreError> {
        let folder = Folder::of(state_dir, id)?;
        let path = folder.journal_path();
        let journal = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Unknown { wanted: id.to_string() });
            }
            opened => opened.map_err(StoreError::io("open", &path))?,
        };
        let beside = Beside::of(folder.clone());
        let mut this = Self { folder, beside, journal, reader: Reader::default() };
        let records = this.poll()?;
        let tail = this.unread()?;
        let torn = (!tail.is_empty() && !this.is_held())
            .then(|| TornTail { offset: this.reader.offset(), bytes: tail });
        Ok((this, ReadJournal { records, torn }))
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether a process that writes is still there.
    pub fn is_held(&self) -> bool {
        is_held(&self.journal) || self.beside.is_held()
    }

    /// Whether a rollback from another terminal is under way.
    pub fn is_rolled_back(&self) -> bool {
        self.beside.is_held()
    }

    /// Reads the records that came since the last time; empty when there are none.
    ///
    /// - Errors: [`StoreError::CutBack`] when records that were read are gone again.
    pub fn poll(&mut self) -> Result<Vec<Record>, StoreError> {
        let bytes = self.unread()?;
        let records = self
            .reader
            .read(&bytes)
            .map_err(|source| StoreError::Journal { path: self.folder.journal_path(), source })?;
        Ok(journal::merged(vec![records, self.beside.poll()?]))
    }

    /// Waits for new records. Dropping the future loses none.
    ///
    /// - Shape: `None` when no process writes any more, and all that was written has been read.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        loop {
            // Asked first: what a writer leaves just before it goes is still read.
            let is_held = self.is_held();
            let records = self.poll()?;
            if !records.is_empty() {
                return Ok(Some(records));
            }
            if !is_held {
                return Ok(None);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The bytes after the last whole record. A line that was still on its way is read anew each
    /// time: its writer may have taken it back.
    fn unread(&self) -> Result<Vec<u8>, StoreError> {
        let path = self.folder.journal_path();
        match unread(&self.journal, self.reader.offset()) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(StoreError::CutBack { path }),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }
}
