//! Reading a release that another process writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use super::{Folder, StoreError, is_held};
use crate::journal::{ReadJournal, Reader, Record, TornTail};
use crate::release::ReleaseId;

/// How often the journal's length is looked at. Units: wall time.
const POLL: Duration = Duration::from_millis(250);

/// A journal that is read as it grows, without any right to write it.
#[derive(Debug)]
pub struct ReadOnly {
    folder: Folder,
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
        let mut this = Self { folder, journal, reader: Reader::default() };
        let records = this.poll()?;
        let tail = this.unread()?;
        let torn = (!tail.is_empty() && !this.is_held())
            .then(|| TornTail { offset: this.reader.offset(), bytes: tail });
        Ok((this, ReadJournal { records, torn }))
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether the process that writes is still there.
    pub fn is_held(&self) -> bool {
        is_held(&self.journal)
    }

    /// Reads the records that came since the last time; empty when there are none.
    ///
    /// - Errors: [`StoreError::CutBack`] when records that were read are gone again.
    pub fn poll(&mut self) -> Result<Vec<Record>, StoreError> {
        let bytes = self.unread()?;
        self.reader
            .read(&bytes)
            .map_err(|source| StoreError::Journal { path: self.folder.journal_path(), source })
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
        let length = self.journal.metadata().map_err(StoreError::io("read", &path))?.len();
        let from = self.reader.offset();
        let Some(unread) = length.checked_sub(from) else {
            return Err(StoreError::CutBack { path });
        };
        let mut bytes = vec![0; usize::try_from(unread).unwrap_or(usize::MAX)];
        match self.journal.read_exact_at(&mut bytes, from) {
            Ok(()) => Ok(bytes),
            // It was cut between the two calls: nothing of it counted yet.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }
}
