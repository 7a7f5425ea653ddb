//! The workflows that a document calls, from disk and from the built-in library.

use std::path::{Path, PathBuf};

use super::document;
use super::search_path::{self, Origin, SearchPath, Text};
use crate::workflow::{self, CalledFiles, CalledFrom, LIBRARY, Language, Shelf, Workflow};

/// What the names of built-in documents begin with; no file that is found does.
const BUILT_IN: &str = "built-in:";

/// Everything that a document calls, as it lies around it now.
pub(super) fn of(file: &Path, workflow: &Workflow) -> CalledFiles {
    let directory = std::env::current_dir().unwrap_or_default();
    workflow::gather(workflow, &Disk { document: file.to_owned(), directory })
}

struct Disk {
    document: PathBuf,
    directory: PathBuf,
}

impl Disk {
    fn path(&self, by: Option<&str>) -> SearchPath {
        // What gonogo brought along lies nowhere: its calls are answered where the release's own are.
        let file = by.filter(|by| !by.starts_with(BUILT_IN)).map_or(self.document.as_path(), Path::new);
        search_path::of(Some(file), &self.directory)
    }

    /// Below the current directory a file is named from there, as the operator would.
    fn name(&self, file: &Path) -> String {
        file.strip_prefix(&self.directory).unwrap_or(file).to_string_lossy().into_owned()
    }
}

impl Shelf for Disk {
    fn find(&self, by: Option<&str>, name: &str, language: Language) -> Vec<(String, CalledFrom)> {
        let found = self.path(by).find(name, language);
        let told = found.into_iter().map(|found| {
            let from = match found.origin {
                Origin::Beside => CalledFrom::Beside,
                Origin::Repository => CalledFrom::Repository,
                Origin::User => CalledFrom::User,
                Origin::BuiltIn => CalledFrom::BuiltIn,
            };
            match found.text {
                Text::File(file) => (self.name(&file), from),
                Text::BuiltIn(it) => (format!("{BUILT_IN}{}", it.file), from),
            }
        });
        told.collect()
    }

    fn text(&self, file: &str) -> Option<String> {
        if let Some(name) = file.strip_prefix(BUILT_IN) {
            return LIBRARY.iter().find(|it| it.file == name).map(|it| it.text.to_owned());
        }
        let bytes = document::bytes(&self.directory.join(file)).ok()?;
        // As the document itself is read: what is no UTF-8 shows, and is told.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
