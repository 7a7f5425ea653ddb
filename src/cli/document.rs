//! A workflow from disk: what is no readable document is refused with the way out.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{calls, complain};
use crate::adapters::store;
use crate::workflow::{self, Source, Workflow};

/// No release document is larger; a larger file is some other file. Units: bytes.
const LARGEST: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("{} does not exist; name a Markdown file", .0.display())]
    Missing(PathBuf),
    #[error("{} is a directory; name a Markdown file in it", .0.display())]
    Directory(PathBuf),
    #[error("{} is no regular file; save it to disk first", .0.display())]
    Special(PathBuf),
    #[error("{} has {size} bytes; a workflow of more than {LARGEST} is not read, split it", path.display())]
    TooLarge { path: PathBuf, size: u64 },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// A document's bytes and what they mean.
#[derive(Debug, Clone)]
pub struct Document {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub workflow: Workflow,
}

/// Reads a document, and puts what it calls in its place.
pub fn read(path: &Path) -> Result<Document, DocumentError> {
    let document = understood(path, bytes(path)?);
    let files = Arc::new(calls::of(path, &document.workflow));
    Ok(Document { workflow: workflow::placed(document.workflow, &files), ..document })
}

/// The same with what people said on this machine of blocks that nothing tells for certain.
pub fn read_as_settled(path: &Path) -> Result<Document, DocumentError> {
    let document = read(path)?;
    if document.workflow.settlings().is_empty() {
        return Ok(document);
    }
    let remembered = match store::state_dir().and_then(|state_dir| store::remembered(&state_dir)) {
        Ok(remembered) => remembered,
        Err(error) => {
            // Without it there are questions again, and nothing worse.
            complain(&error.into());
            return Ok(document);
        }
    };
    let settled = document.workflow.settled_as(&remembered).rulings();
    let workflow = match settled.is_empty() {
        true => document.workflow,
        false => document.workflow.settled_as(&settled),
    };
    Ok(Document { workflow, ..document })
}

/// The bytes of a file that can be a document.
pub fn bytes(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DocumentError::Missing(path.to_owned()),
        _ => DocumentError::Read { path: path.to_owned(), source },
    };
    let meta = fs::metadata(path).map_err(unreadable)?;
    if meta.is_dir() {
        return Err(DocumentError::Directory(path.to_owned()));
    }
    if !meta.is_file() {
        return Err(DocumentError::Special(path.to_owned()));
    }
    if meta.len() > LARGEST {
        return Err(DocumentError::TooLarge { path: path.to_owned(), size: meta.len() });
    }
    let mut bytes = Vec::new();
    // The file may grow while it is read; what comes after the limit is not looked at.
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(DocumentError::TooLarge { path: path.to_owned(), size: bytes.len() as u64 });
    }
    Ok(bytes)
}

/// Understands bytes that were read before, such as the copy beside a journal; what they call is not in
/// its place yet.
pub fn understood(path: &Path, bytes: Vec<u8>) -> Document {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let siblings = |name: &str| folder.join(name).is_file();
    let file = path.to_string_lossy();
    let workflow = workflow::read(Source { file: &file, bytes: &bytes, siblings: &siblings });
    Document { path: path.to_owned(), bytes, workflow }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_document_is_refused_with_a_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read(&folder.path().join("nothing.md")).unwrap_err();
        assert!(missing.to_string().ends_with("nothing.md does not exist; name a Markdown file"));
        let directory = read(folder.path()).unwrap_err();
        assert!(directory.to_string().contains("is a directory"));
        let large = folder.path().join("large.md");
        fs::File::create(&large).unwrap().set_len(50 << 20).unwrap();
        assert!(matches!(read(&large), Err(DocumentError::TooLarge { size: 52_428_800, .. })));
        assert!(matches!(read(Path::new("/dev/null")), Err(DocumentError::Special(_))));
    }
}
