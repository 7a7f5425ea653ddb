//! `gonogo new`: a workflow of the library, written for the repository at hand. Nothing is overwritten.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use color_eyre::eyre::{WrapErr as _, bail};

use super::cluster::ClusterFlags;
use super::workflows::spoken;
use super::{DONE, Lang, print, search_path};
use crate::adapters::git;
use crate::config::Config;
use crate::workflow::scaffold::{Finding, Repository, look, written};
use crate::workflow::{self, LIBRARY, Language, Severity, Source, read};

pub(super) const AFTER_HELP: &str = "It looks at the git remote, branch and tags, the kubeconfig, manifests, \
Chart.yaml, Dockerfile, pipelines and package files, and says of each name where it was found; what was not stays a \
<placeholder>, which is asked for before anything runs. No command is run and nothing is sent.";

#[derive(Debug, Args)]
pub struct Flags {
    /// A workflow of the library; gonogo workflows lists them
    #[arg(default_value = "release")]
    name: String,
    /// Where to write [default: workflows/NAME.md in the repository]
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    output: Option<PathBuf>,
    /// Print the document instead of writing it; what was found goes to standard error
    #[arg(long)]
    dry_run: bool,
    /// Its language [default: that of the locale, else English]
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Larger files are no manifests that a person wrote. Units: bytes.
const LARGEST: u64 = 256 << 10;
/// More are not looked at: a repository of thousands of manifests has no single name to find.
const MOST_FILES: usize = 300;
/// How far below the root is looked.
const DEEPEST: usize = 4;
/// Folders that hold other people's files.
const NOT_OURS: &[&str] = &["node_modules", "target", "vendor", "dist", "build", "workflows"];

pub fn new(flags: &Flags) -> color_eyre::Result<u8> {
    let language = flags.lang.map_or_else(spoken, Language::from);
    let Some(template) = workflow::shipped(&flags.name, language) else {
        let mut names: Vec<&str> = LIBRARY.iter().map(|it| it.name).collect();
        names.dedup();
        bail!("the library has no {}; it has {}", flags.name, names.join(", "));
    };
    let here = std::env::current_dir().wrap_err("cannot tell the current directory")?;
    let root = search_path::repository(&here).unwrap_or_else(|| here.clone());
    let (names, findings) = look(&describe(&root));
    let text = written(template.text, language, &names);
    let told = told(&findings);
    if flags.dry_run {
        print(&text)?;
        let _ = std::io::stderr().write_all(told.as_bytes());
        return Ok(DONE);
    }
    let file = match &flags.output {
        Some(file) => file.clone(),
        None => root.join("workflows").join(format!("{}.md", template.name)),
    };
    write_new(&file, &text)?;
    let shown = file.strip_prefix(&here).unwrap_or(&file).display().to_string();
    let workflow = read(Source { file: &shown, bytes: text.as_bytes(), siblings: &|_| false });
    let count = |severity| workflow.diagnostics.iter().filter(|found| found.severity == severity).count();
    print(&format!(
        "{told}\nwrote {shown}   lint: {} errors, {} warnings\nread it, then: gonogo demo --workflow {shown} --scenario good\n",
        count(Severity::Error),
        count(Severity::Warning),
    ))?;
    Ok(DONE)
}

/// - Errors: a file that is there already is left as it is.
fn write_new(file: &Path, text: &str) -> color_eyre::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} is there already and is left as it is; --output FILE writes elsewhere, --dry-run prints",
            file.display()
        ),
        opened => {
            let mut opened = opened.wrap_err_with(|| format!("cannot write {}", file.display()))?;
            opened.write_all(text.as_bytes()).wrap_err_with(|| format!("cannot write {}", file.display()))
        }
    }
}

/// What was found, and what was not.
fn told(findings: &[Finding]) -> String {
    let what = findings.iter().map(|it| it.what.len()).max().unwrap_or(0);
    let lines = findings.iter().map(|it| match &it.value {
        Some(value) => format!("{:what$}  {value}  ({})\n", it.what, it.place),
        None => format!("{:what$}  not found: {}\n", it.what, it.place),
    });
    lines.collect()
}

fn describe(root: &Path) -> Repository {
    let facts = git::origin(root).unwrap_or_default();
    let pinned = ClusterFlags::default().options(&Config::default()).settle().ok();
    let mut files = BTreeMap::new();
    gather(root, root, 0, &mut files);
    Repository {
        name: root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        remote: facts.remote,
        branch: facts.branch,
        tags: git::tags(root).unwrap_or_default(),
        cluster: pinned.map(|pinned| (pinned.context, pinned.namespace)),
        files,
    }
}

/// Reads what may name something, in a fixed order.
fn gather(root: &Path, folder: &Path, depth: usize, files: &mut BTreeMap<String, String>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
        if is_link || files.len() >= MOST_FILES {
            continue;
        }
        if path.is_dir() {
            let is_ours = (!name.starts_with('.') || name == ".github") && !NOT_OURS.contains(&name)
                // The pipelines of GitHub lie in a folder of the same name as our own documents.
                || name == "workflows" && folder.ends_with(".github");
            if is_ours && depth < DEEPEST {
                gather(root, &path, depth + 1, files);
            }
        } else if tells(name, depth)
            && let Some(text) = text_of(&path)
            && let Ok(below) = path.strip_prefix(root)
        {
            files.insert(below.to_string_lossy().replace('\\', "/"), text);
        }
    }
}

fn tells(name: &str, depth: usize) -> bool {
    let at_root = [
        "Cargo.toml",
        "package.json",
        "go.mod",
        "Makefile",
        "pom.xml",
        "build.gradle",
        "build.gradle.kts",
        "pytest.ini",
        "pyproject.toml",
        "composer.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        ".gitlab-ci.yml",
        "Jenkinsfile",
    ];
    let anywhere = ["Dockerfile", "Containerfile", "Chart.yaml"];
    let is_yaml = (name.ends_with(".yaml") || name.ends_with(".yml")) && !name.starts_with('.');
    depth == 0 && at_root.contains(&name) || anywhere.contains(&name) || is_yaml || name.ends_with(".sh")
}

fn text_of(path: &Path) -> Option<String> {
    let meta = path.metadata().ok().filter(|meta| meta.is_file())?;
    if meta.len() > LARGEST {
        // A lock file is known by its being there.
        return path
            .file_name()
            .is_some_and(|name| name == "pnpm-lock.yaml" || name == "yarn.lock")
            .then(String::new);
    }
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("workflows/release.md");
        write_new(&file, "first").unwrap();
        let refused = write_new(&file, "second").unwrap_err().to_string();
        assert!(refused.contains("--output FILE writes elsewhere"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "first");
    }

    #[test]
    fn only_what_may_name_something_is_read() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "Dockerfile",
            ".github/workflows/build.yml",
            "workflows/release.md",
            "k8s/prod/web.yaml",
            "src/main.rs",
            "node_modules/a/Dockerfile",
            ".env",
            "deep/a/b/c/d/e.yaml",
            "Makefile",
            "sub/Makefile",
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::fs::write(dir.path().join("huge.yaml"), vec![b'a'; LARGEST as usize + 1]).unwrap();
        std::fs::write(dir.path().join("binary.yaml"), [0xff, 0xfe, 0x00]).unwrap();
        let mut files = BTreeMap::new();
        gather(dir.path(), dir.path(), 0, &mut files);
        let read: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(read, [".github/workflows/build.yml", "Dockerfile", "Makefile", "k8s/prod/web.yaml"]);
    }
}
