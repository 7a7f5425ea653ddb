//! The workflows that a document calls, from disk and from the built-in library.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

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
#[derive(Debug)]
pub(super) struct OnDisk {
    document: PathBuf,
    /// What the document itself meant when it was read last: what it calls is looked for every second.
    plain: Mutex<Option<Workflow>>,
}

impl OnDisk {
    pub(super) fn of(document: &Path) -> Self {
        let document = std::path::absolute(document).unwrap_or_else(|_| document.to_owned());
        Self { document, plain: Mutex::default() }
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
        let mut known = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        let plain = known.take().filter(|plain| plain.text == text).unwrap_or_else(|| {
            let file = self.document.to_string_lossy();
            workflow::read(Source { file: &file, bytes: text.as_bytes(), siblings: &|_| false })
        });
        // What answers its calls may go, come back, or come nearer without a word of it being edited.
        let called = workflow::gather(&plain, self);
        *known = Some(plain);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_called_file_that_goes_or_comes_back_is_another_edition() {
        let folder = tempfile::tempdir().unwrap();
        let (document, called) = (folder.path().join("release.md"), folder.path().join("mine.md"));
        let text = "# R\n\n## Steps\n\n### 1. A\n\n→ **workflow**: mine\n\n- [ ] a\n";
        let other = "# M\n\n## Steps\n\n### 1. B\n\n- [ ] b\n";
        std::fs::write(&document, text).unwrap();
        std::fs::write(&called, other).unwrap();
        let source = OnDisk::of(&document);
        let first = source.changed_since(&Edition::default()).expect("it was never read");
        assert_eq!(first.called.texts.values().collect::<Vec<_>>(), [other]);
        assert_eq!(source.changed_since(&first), None);
        std::fs::remove_file(&called).unwrap();
        let without = source.changed_since(&first).expect("nothing answers the call any more");
        assert_eq!((without.text.as_str(), without.called.texts.len()), (text, 0));
        assert_eq!(source.changed_since(&without), None, "it is told once");
        std::fs::write(&called, other).unwrap();
        assert_eq!(source.changed_since(&without), Some(first));
        std::fs::remove_file(&document).unwrap();
        assert_eq!(source.changed_since(&without), None, "the document itself is being saved");
    }
}
