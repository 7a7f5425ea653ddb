//! Files that an operator asks for: new ones, readable by nobody else.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Names tried before giving up: somebody who saves more often in one second is no person.
const TRIES: u32 = 100;

#[derive(Debug, thiserror::Error)]
pub(super) enum SaveError {
    #[error("{} and {TRIES} more like it are there already: nothing was written", .0.display())]
    Taken(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

/// Writes `name`, or `name-2` and so on where that is taken, and returns its path.
pub(super) fn write_new(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, SaveError> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "txt"));
    for nth in 1..=TRIES {
        let name = if nth == 1 { format!("{stem}.{extension}") } else { format!("{stem}-{nth}.{extension}") };
        let path = folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&path);
        let written = opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        match written {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(SaveError::Write { path, source }),
        }
    }
    Err(SaveError::Taken(folder.join(name)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_older_file_stays_and_nobody_else_reads_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = write_new(folder.path(), "app.log", b"one").unwrap();
        let second = write_new(folder.path(), "app.log", b"two").unwrap();
        assert_eq!(
            (std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap()),
            (b"one".to_vec(), b"two".to_vec())
        );
        assert!(second.ends_with("app-2.log"));
        assert_eq!(std::fs::metadata(second).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_is_gone_is_told_by_its_name() {
        let error = write_new(Path::new("/nowhere/at/all"), "app.log", b"").unwrap_err();
        assert!(error.to_string().starts_with("cannot write /nowhere/at/all/app.log: "));
    }
}
