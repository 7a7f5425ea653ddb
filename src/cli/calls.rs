//! The workflows that a document calls, from disk and from the built-in library.

use std::path::{Path, PathBuf};

use super::document;
use super::search_path::{self, SearchPath, Text};
use crate::adapters::DocumentSource;
use crate::workflow::{self, CalledFiles, CalledFrom, Edition, LIBRARY, Language, Shelf, Source, Workflow};

/// What the names of built-in documents begin with; no file that is found does.
const BUILT_IN: &str = "built-in:";

/// Everything that a document calls, as it lies around it now.
pub(super) fn of(file: &Path, workflow: &Workflow) -> CalledFiles {
    workflow::gather(workflow, &OnDisk::of(file))
}

/// A document and the folders around it.
#[derive(Debug, Clone)]
pub(super) struct OnDisk {
    document: PathBuf,
}

impl OnDisk {
    pub(super) fn of(document: &Path) -> Self {
        Self { document: std::path::absolute(document).unwrap_or_else(|_| document.to_owned()) }
    }

    fn folder(&self) -> &Path {
        self.document.parent().unwrap_or(Path::new("/"))
    }

    fn path(&self, by: Option<&str>) -> SearchPath {
        // What gonogo brought along lies nowhere: its calls are answered where the release's own are.
        let by = by.filter(|by| !by.starts_with(BUILT_IN)).map(|by| self.folder().join(by));
        search_path::of(Some(by.as_deref().unwrap_or(&self.document)), self.folder())
    }

    /// Below the document's folder a file is named from there: the same from wherever it is asked.
    fn name(&self, file: &Path) -> String {
        file.strip_prefix(self.folder()).unwrap_or(file).to_string_lossy().into_owned()
    }
}

impl DocumentSource for OnDisk {
    fn changed_since(&self, last: &Edition) -> Option<Edition> {
        let text = String::from_utf8(document::bytes(&self.document).ok()?).ok()?;
        let is_as_it_was = |(file, known): (&String, &String)| {
            // One that is gone for a moment is being saved; gone for good it is told with the next edit.
            self.text(file).is_none_or(|text| text == *known)
        };
        if text == last.text && last.called.texts.iter().all(is_as_it_was) {
            return None;
        }
        let file = self.document.to_string_lossy();
        let plain = workflow::read(Source { file: &file, bytes: text.as_bytes(), siblings: &|_| false });
        let called = workflow::gather(&plain, self);
        Some(Edition { text, called }).filter(|edition| edition != last)
    }
}

impl Shelf for OnDisk {
    fn find(&self, by: Option<&str>, name: &str, language: Language) -> Vec<(String, CalledFrom)> {
        let found = self.path(by).find(name, language);
        let told = found.into_iter().map(|found| match found.text {
            Text::File(file) => (self.name(&file), found.origin),
            Text::BuiltIn(it) => (format!("{BUILT_IN}{}", it.file), found.origin),
        });
        told.collect()
    }

    fn text(&self, file: &str) -> Option<String> {
        if let Some(name) = file.strip_prefix(BUILT_IN) {
            return LIBRARY.iter().find(|it| it.file == name).map(|it| it.text.to_owned());
        }
        let bytes = document::bytes(&self.folder().join(file)).ok()?;
        // As the document itself is read: what is no UTF-8 shows, and is told.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
