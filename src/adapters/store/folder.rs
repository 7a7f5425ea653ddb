//! The files beside a journal, private to the person who runs the release.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::release::{ReleaseId, Template};
use crate::workflow::CommandId;

/// A file name may have 255 bytes; what comes after the command's name needs some of them.
const LONGEST_NAME: usize = 160;

/// The folder of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// - Errors: [`StoreError::BadId`] for an id that could lead outside the state directory.
    pub fn of(state_dir: &Path, id: &ReleaseId) -> Result<Self, StoreError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let text = &id.0;
        if text.is_empty() || text.starts_with('.') || text.len() > 128 || !text.chars().all(fits) {
            return Err(StoreError::BadId { id: text.clone() });
        }
        Ok(Self { path: releases(state_dir).join(text) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state directory that this release is kept in.
    pub fn state_dir(&self) -> &Path {
        let releases = self.path.parent().unwrap_or(&self.path);
        releases.parent().unwrap_or(releases)
    }

    pub fn journal_path(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    pub(super) fn reserve_path(&self) -> PathBuf {
        self.path.join("reserve")
    }

    /// Reads the document as the release was started with it.
    pub fn document(&self) -> Result<Vec<u8>, StoreError> {
        let path = self.path.join("workflow.md");
        fs::read(&path).map_err(StoreError::io("read", &path))
    }

    /// Keeps the template of the release's `n`th pin; on disk when this returns.
    pub fn save_template(&self, n: usize, template: &Template) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(template).expect("a JSON value is always JSON");
        self.replace(&format!("pins/{n}.json"), &bytes)
    }

    /// Reads the template of the release's `n`th pin; `None` when none was kept.
    pub fn template(&self, n: usize) -> Result<Option<Template>, StoreError> {
        let path = self.path.join(format!("pins/{n}.json"));
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(StoreError::io("read", &path))?,
        };
        let template = serde_json::from_slice(&bytes).map_err(io::Error::from);
        template.map(Some).map_err(StoreError::io("understand", &path))
    }

    /// Where the output of one attempt of a command is kept.
    pub fn output_path(&self, command: &CommandId, attempt: u32) -> PathBuf {
        self.path.join("output").join(format!("{}-{attempt}.log", file_name(command.as_str())))
    }

    /// Opens the file for the output of one attempt; what is written goes to its end.
    pub fn create_output(&self, command: &CommandId, attempt: u32) -> Result<File, StoreError> {
        let path = self.output_path(command, attempt);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        file.map_err(StoreError::io("create", &path))
    }

    /// Makes the folder; that it exists already is an error of kind `AlreadyExists`.
    pub(super) fn make(&self) -> Result<(), StoreError> {
        let all = self.path.parent().unwrap_or(&self.path);
        let private_dir = || {
            let mut builder = DirBuilder::new();
            builder.mode(0o700);
            builder
        };
        private_dir().recursive(true).create(all).map_err(StoreError::io("create", all))?;
        for path in [self.path.clone(), self.path.join("pins"), self.path.join("output")] {
            private_dir().create(&path).map_err(StoreError::io("create", &path))?;
        }
        Ok(())
    }

    pub(super) fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let mut file = private().create_new(true).open(&path).map_err(StoreError::io("create", &path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(StoreError::io("write", &path))
    }

    /// Writes a file so that a reader sees all of it or none, also after a power cut.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let partial = path.with_extension("partial");
        let write = || -> io::Result<()> {
            let mut file = private().create(true).truncate(true).open(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
            File::open(path.parent().unwrap_or(&self.path))?.sync_all()
        };
        write().map_err(|source| {
            // What was written of it only takes up room, and room may be what is missing.
            let _ = fs::remove_file(&partial);
            StoreError::io("write", &path)(source)
        })
    }

    /// Makes the names in the folder, and its own name, outlive a power cut.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        for path in [Some(self.path.as_path()), self.path.parent()].into_iter().flatten() {
            File::open(path).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync", path))?;
        }
        Ok(())
    }
}

pub(super) fn releases(state_dir: &Path) -> PathBuf {
    state_dir.join("releases")
}

/// Options for a file that is written by us and read by nobody else.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// A command's id as a file name: ids are slug paths, so a dot for the slash keeps them apart.
fn file_name(id: &str) -> String {
    let is_slug = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = id.chars().map(|c| if is_slug(c) { c } else { '.' }).collect();
    let is_slug_path = id.split('/').all(|part| !part.is_empty() && part.chars().all(is_slug));
    if is_slug_path && name.len() <= LONGEST_NAME {
        return name;
    }
    // Two names that were changed or cut may now be the same: their prints are not.
    let start: String = name.trim_start_matches('.').chars().take(LONGEST_NAME).collect();
    format!("{start}.{:016x}", print_of(id))
}

/// FNV-1a: the standard library's hashes may differ from one gonogo to the next, names must not.
pub(super) fn print_of(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
