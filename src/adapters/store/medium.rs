//! What the writer needs of a disk, and the disk itself.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use super::folder;

/// Enough for some two hundred records, more than a rollback ever wrote. Units: bytes.
pub(super) const RESERVE: usize = 64 * 1024;

/// A file that can fail in every way that disks do.
pub(super) trait Medium: Send {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    fn sync(&mut self) -> io::Result<()>;
    /// Drops everything from this byte on.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    fn has_reserve(&self) -> bool;
    /// Frees the room that is kept for a rollback.
    fn give_reserve(&mut self) -> io::Result<()>;
    /// Takes that room again.
    fn fill_reserve(&mut self) -> io::Result<()>;
}

/// Whether the disk, or somebody's share of it, has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::StorageFull | K::QuotaExceeded | K::FileTooLarge | K::WriteZero)
}

#[derive(Debug)]
pub(super) struct FileMedium {
    /// Locked until it is dropped.
    journal: File,
    reserve: PathBuf,
    reserved: bool,
}

impl FileMedium {
    pub(super) fn new(journal: File, reserve: PathBuf) -> Self {
        let reserved = fs::metadata(&reserve).is_ok_and(|file| file.len() == RESERVE as u64);
        Self { journal, reserve, reserved }
    }

    pub(super) fn cut_and_sync(&mut self, length: u64) -> io::Result<()> {
        self.cut(length)?;
        self.sync()
    }
}

impl Drop for FileMedium {
    fn drop(&mut self) {
        // A child that was forked and has not become its program yet holds a copy of the file, and a
        // file that is only closed stays locked by it.
        let _ = self.journal.unlock();
    }
}

impl Medium for FileMedium {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.journal.write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.journal.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.journal.set_len(length)
    }

    fn has_reserve(&self) -> bool {
        self.reserved
    }

    fn give_reserve(&mut self) -> io::Result<()> {
        self.reserved = false;
        fs::remove_file(&self.reserve)
    }

    fn fill_reserve(&mut self) -> io::Result<()> {
        if self.reserved {
            return Ok(());
        }
        let fill = || -> io::Result<()> {
            let mut file = folder::private().create(true).truncate(true).open(&self.reserve)?;
            file.write_all(&[0; RESERVE])?;
            // Only then has the file system found the room.
            file.sync_all()
        };
        if let Err(error) = fill() {
            let _ = fs::remove_file(&self.reserve);
            return Err(error);
        }
        self.reserved = true;
        Ok(())
    }
}
