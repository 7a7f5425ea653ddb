//! Where workflows are looked for by name: beside the document, in the repository, at home, in gonogo.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::workflow::{self, CalledFrom, Language, Shipped};

/// The folder of a repository, and of a person's settings, that holds workflows.
const FOLDER: &str = "workflows";

/// Folders in the order in which they are looked through; the built-in library comes after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPath {
    pub folders: Vec<(PathBuf, CalledFrom)>,
}

/// A workflow that was found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub origin: CalledFrom,
    pub text: Text,
}

/// Where its words are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    File(PathBuf),
    BuiltIn(&'static Shipped),
}

/// The search path of a document, or of a person who stands in `directory` and names none.
///
/// - Shape: a folder that two origins share is kept as the nearer one; a folder need not exist.
pub fn of(document: Option<&Path>, directory: &Path) -> SearchPath {
    let settings = Config::default_path().and_then(|file| Some(file.parent()?.to_owned()));
    among(document, directory, settings.as_deref())
}

/// The same for a folder of settings, which tests have of their own.
fn among(document: Option<&Path>, directory: &Path, settings: Option<&Path>) -> SearchPath {
    let document = document.map(|document| directory.join(document));
    let beside = document.as_deref().and_then(Path::parent);
    let root = repository(beside.unwrap_or(directory));
    let wanted = [
        (beside.map(Path::to_owned), CalledFrom::Beside),
        (root.map(|root| root.join(FOLDER)), CalledFrom::Repository),
        (settings.map(|settings| settings.join(FOLDER)), CalledFrom::User),
    ];
    let mut folders: Vec<(PathBuf, CalledFrom)> = Vec::new();
    for (folder, origin) in wanted.into_iter().filter_map(|(folder, origin)| Some((folder?, origin))) {
        if !folders.iter().any(|(known, _)| is_same(known, &folder)) {
            folders.push((folder, origin));
        }
    }
    SearchPath { folders }
}

impl SearchPath {
    /// Everything of that name, the nearest first and the built-in one last.
    ///
    /// - Shape: at most one per folder, the one in `language` before others; empty for what is no
    ///   plain name, such as a path.
    pub fn find(&self, name: &str, language: Language) -> Vec<Found> {
        if !is_plain(name) {
            return Vec::new();
        }
        let in_folder = |(folder, origin): &(PathBuf, CalledFrom)| {
            let files = file_names(name, language).into_iter().map(|file| folder.join(file));
            let file = files.into_iter().find(|file| file.is_file())?;
            Some(Found { origin: *origin, text: Text::File(file) })
        };
        let built_in = workflow::shipped(name, language);
        let built_in = built_in.map(|it| Found { origin: CalledFrom::BuiltIn, text: Text::BuiltIn(it) });
        self.folders.iter().filter_map(in_folder).chain(built_in).collect()
    }
}

/// The file names under which a workflow may lie in a folder, the best first.
pub fn file_names(name: &str, language: Language) -> Vec<String> {
    let mut names = vec![format!("{name}.{}.md", language.code()), format!("{name}.md")];
    let others = Language::ALL.into_iter().filter(|other| *other != language);
    names.extend(others.map(|other| format!("{name}.{}.md", other.code())));
    names
}

/// A name leads out of no folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['.', '-']) && !name.contains(['/', '\\', '\0'])
}

/// The working tree around a folder: the nearest one with a `.git`, which is a file in a worktree.
pub fn repository(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    folder.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
    real(one) == real(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new(files: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                let path = dir.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "# A\n").unwrap();
            }
            Self(dir)
        }

        fn path(&self, document: Option<&str>) -> SearchPath {
            let at = |name: &str| self.0.path().join(name);
            let document = document.map(at);
            among(document.as_deref(), &at("repo/deep"), Some(&at("settings")))
        }

        fn found(&self, document: Option<&str>, name: &str, language: Language) -> Vec<(String, CalledFrom)> {
            let told = |found: Found| {
                let file = match found.text {
                    Text::File(file) => file.strip_prefix(self.0.path()).unwrap().display().to_string(),
                    Text::BuiltIn(it) => it.file.to_owned(),
                };
                (file, found.origin)
            };
            self.path(document).find(name, language).into_iter().map(told).collect()
        }
    }

    #[test]
    fn the_nearer_one_comes_first_and_the_built_in_one_last() {
        let files = Files::new(&[
            "repo/.git/HEAD",
            "repo/deep/rollback.md",
            "repo/workflows/rollback.fr.md",
            "repo/workflows/rollback.md",
            "settings/workflows/rollback.en.md",
        ]);
        let found = files.found(Some("repo/deep/release.md"), "rollback", Language::English);
        let expected = [
            ("repo/deep/rollback.md", CalledFrom::Beside),
            ("repo/workflows/rollback.md", CalledFrom::Repository),
            ("settings/workflows/rollback.en.md", CalledFrom::User),
            ("rollback.en.md", CalledFrom::BuiltIn),
        ];
        assert_eq!(found, expected.map(|(file, origin)| (file.to_owned(), origin)));
        let found = files.found(None, "rollback", Language::French);
        assert_eq!(found[0], ("repo/workflows/rollback.fr.md".to_owned(), CalledFrom::Repository));
    }

    #[test]
    fn a_folder_that_is_beside_and_the_repositorys_is_looked_through_once() {
        let files = Files::new(&["repo/.git/HEAD", "repo/workflows/release.md", "repo/workflows/other.md"]);
        let found = files.found(Some("repo/workflows/release.md"), "other", Language::English);
        assert_eq!(found, [("repo/workflows/other.md".to_owned(), CalledFrom::Beside)]);
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let files = Files::new(&["repo/.git/HEAD", "repo/secret.md", "repo/workflows/a.md"]);
        for name in ["../secret", "/etc/passwd", "", "..", ".hidden", "a/b"] {
            assert_eq!(files.path(None).find(name, Language::English), [], "{name}");
        }
    }
}
