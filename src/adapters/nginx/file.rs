//! Files that nginx and people read at any moment: replaced whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::error::NginxError;

/// A file as it was read, where it really lies.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The path that was given, for messages.
    pub(super) path: PathBuf,
    /// Behind all symbolic links: replacing a link would leave the file that it names as it was.
    real: PathBuf,
    pub(super) text: String,
    mode: u32,
    owner: (u32, u32),
}

impl Found {
    pub(super) fn read(path: &Path) -> Result<Self, NginxError> {
        let failed = |source| NginxError::Read { path: path.to_owned(), source };
        let real = fs::canonicalize(path).map_err(failed)?;
        let about = fs::metadata(&real).map_err(failed)?;
        if !about.is_file() {
            return Err(failed(io::Error::other("it is no regular file")));
        }
        let text = fs::read_to_string(&real).map_err(failed)?;
        let (mode, owner) = (about.permissions().mode() & 0o7777, (about.uid(), about.gid()));
        Ok(Self { path: path.to_owned(), real, text, mode, owner })
    }

    /// Where its replacement is written.
    pub(super) fn folder(&self) -> &Path {
        self.real.parent().unwrap_or(Path::new("/"))
    }

    /// nginx reads `include conf.d/*.conf` and Debian's `include sites-enabled/*`: neither pattern finds
    /// a name like this one, or the upstream would be there twice.
    fn beside(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.real.file_name().unwrap_or_default());
        name.push(".gonogo");
        self.folder().join(name)
    }

    /// Takes away what a run before this one left beside it when it was killed.
    pub(super) fn clear(&self) {
        // Most often there is nothing; what cannot be removed is told when it stands in the way.
        let _ = fs::remove_file(self.beside());
    }

    /// Writes what shall take its place beside it, with its mode and owner; it stays as it is.
    ///
    /// - Errors: a file that nobody may write is not replaced: renaming would pass over that.
    pub(super) fn stage(&self, text: &str) -> Result<Staged, NginxError> {
        if self.mode & 0o222 == 0 {
            return Err(NginxError::ReadOnly { path: self.path.clone() });
        }
        let failed = |source| NginxError::Write { path: self.path.clone(), source };
        let beside = self.beside();
        // What a run before this one left when it was killed.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
        let staged = Staged { beside, real: self.real.clone(), path: self.path.clone() };
        let mut filled = || -> io::Result<()> {
            file.write_all(text.as_bytes())?;
            let (uid, gid) = self.owner;
            let about = file.metadata()?;
            if (about.uid(), about.gid()) != self.owner {
                fchown(&file, Some(uid), Some(gid))?;
            }
            // After the owner: changing that takes special bits away.
            file.set_permissions(fs::Permissions::from_mode(self.mode))?;
            file.sync_all()
        };
        filled().map_err(failed)?;
        Ok(staged)
    }
}

/// A file that lies ready beside the one that it replaces; it goes when it is not used.
#[derive(Debug)]
pub(super) struct Staged {
    beside: PathBuf,
    real: PathBuf,
    path: PathBuf,
}

impl Staged {
    /// Takes the place of the old file, in one moment and for good.
    pub(super) fn place(self) -> Result<(), NginxError> {
        let failed = |source| NginxError::Write { path: self.path.clone(), source };
        fs::rename(&self.beside, &self.real).map_err(failed)?;
        // The name counts once its folder is on disk; a file system that cannot do so says nothing
        // about the file.
        if let Some(folder) = self.real.parent() {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Placed already, or not wanted.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Held while one switch works on a site; a process that ends in any way gives it back.
#[derive(Debug)]
pub(super) struct Lock {
    _folder: File,
}

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, NginxError> {
        let failed = |source| NginxError::Read { path: folder.to_owned(), source };
        let file = File::open(folder).map_err(failed)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Err(NginxError::Busy { folder: folder.to_owned() }),
            // Where folders cannot be locked, such as on some network file systems, each step still
            // looks first whether things are as it left them.
            _ => Ok(Self { _folder: file }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_through_its_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link.conf"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real", &link).unwrap();
        let found = Found::read(&link).unwrap();
        let staged = found.stage("new").unwrap();
        assert_eq!(fs::read_to_string(&link).unwrap(), "old");
        staged.place().unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_lies_ready_and_is_not_used_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        let found = Found::read(&path).unwrap();
        // Left by a run that was killed.
        fs::write(dir.path().join(".a.conf.gonogo"), "older").unwrap();
        drop(found.stage("new").unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }

    #[test]
    fn a_file_that_nobody_may_write_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let told = Found::read(&path).unwrap().stage("new").unwrap_err();
        assert!(matches!(told, NginxError::ReadOnly { .. }), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }

    #[test]
    fn one_switch_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        assert!(matches!(Lock::take(dir.path()), Err(NginxError::Busy { .. })));
        drop(held);
        assert!(Lock::take(dir.path()).is_ok());
    }
}
