//! The practice repository: a bare remote and a clone with the history of a small shop.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryInitOptions, Signature, Time};
use jiff::{SignedDuration, Timestamp};

use super::practice::RehearsalError;

/// Tags that are there from the beginning: their builds are long done.
pub const FIRST_TAGS: [&str; 2] = ["v1.1.0", "v1.2.0"];

/// What children get instead of a person's own configuration: no signing, no editor, no pager.
pub const GIT_CONFIG: &str = "\
[user]
\tname = Practice Operator
\temail = operator@practice.invalid
[init]
\tdefaultBranch = main
[commit]
\tgpgSign = false
[tag]
\tgpgSign = false
[push]
\tdefault = simple
\tautoSetupRemote = true
\tgpgSign = false
[pull]
\tff = only
[core]
\tpager = cat
\teditor = true
[advice]
\tdetachedHead = false
[protocol \"file\"]
\tallow = always
";

pub fn remote(dir: &Path) -> PathBuf {
    dir.join("remote.git")
}

pub fn clone_of(dir: &Path) -> PathBuf {
    dir.join("repo")
}

/// One commit: days before the beginning, message, and the file it writes.
struct Chapter {
    days_before: f64,
    message: &'static str,
    file: &'static str,
    text: &'static str,
    tag: Option<&'static str>,
}

const fn chapter(days_before: f64, message: &'static str, file: &'static str, text: &'static str) -> Chapter {
    Chapter { days_before, message, file, text, tag: None }
}

const HISTORY: [Chapter; 11] = [
    chapter(40.0, "feat: the shop opens", "README.md", "# myapp\n\nA small shop, for practice.\n"),
    chapter(
        31.0,
        "feat: carts survive a restart",
        "src/cart.js",
        "exports.load = (id) => redis.get(`cart:${id}`);\n",
    ),
    Chapter {
        tag: Some("v1.1.0"),
        ..chapter(
            12.0,
            "chore: release v1.1.0",
            "CHANGELOG.md",
            "# Changelog\n\n## v1.1.0\n- carts survive a restart\n",
        )
    },
    chapter(
        9.5,
        "fix: prices are rounded per line",
        "src/price.js",
        "exports.round = (cents) => Math.round(cents);\n",
    ),
    chapter(
        7.0,
        "feat: search by category",
        "src/search.js",
        "exports.byCategory = (name) => db('items').where({ name });\n",
    ),
    Chapter {
        tag: Some("v1.2.0"),
        ..chapter(
            2.1,
            "chore: release v1.2.0",
            "CHANGELOG.md",
            "# Changelog\n\n## v1.2.0\n- search by category\n- prices are rounded per line\n\n## v1.1.0\n- carts survive a restart\n",
        )
    },
    chapter(
        1.8,
        "feat: pay by invoice",
        "src/payment.js",
        "exports.invoice = (order) => gateway.invoice(order);\n",
    ),
    chapter(
        1.4,
        "fix: an empty cart can be paid no more",
        "src/cart.js",
        "exports.load = (id) => redis.get(`cart:${id}`);\nexports.isEmpty = (cart) => cart.items.length === 0;\n",
    ),
    chapter(
        0.9,
        "perf: price lists are loaded once",
        "src/price.js",
        "const lists = load();\nexports.round = (cents) => Math.round(cents);\n",
    ),
    chapter(
        0.4,
        "feat: currencies beside the euro",
        "src/currency.js",
        "exports.of = (price) => price.currency;\n",
    ),
    chapter(
        0.1,
        "test: orders of the last year pass",
        "test/orders.test.js",
        "test('orders', () => replay('2025'));\n",
    ),
];

/// Makes remote and clone with this branch, as if somebody had worked there until `now`.
pub fn make(dir: &Path, now: Timestamp, branch: &str) -> Result<(), RehearsalError> {
    tell_history(dir, now, branch).map_err(|source| RehearsalError::Repository { path: dir.into(), source })
}

fn tell_history(dir: &Path, now: Timestamp, branch: &str) -> Result<(), git2::Error> {
    let (remote, clone) = (remote(dir), clone_of(dir));
    Repository::init_opts(&remote, RepositoryInitOptions::new().bare(true).initial_head(branch))?;
    let repository = Repository::init_opts(&clone, RepositoryInitOptions::new().initial_head(branch))?;
    let mut config = repository.config()?;
    // For people who use git in the clone with their own configuration.
    config.set_bool("commit.gpgSign", false)?;
    config.set_bool("tag.gpgSign", false)?;
    let mut refs = vec![format!("refs/heads/{branch}:refs/heads/{branch}")];
    for chapter in &HISTORY {
        let at = now - SignedDuration::from_secs_f64(chapter.days_before * 86_400.0);
        let author = Signature::new("Ana Practice", "ana@practice.invalid", &Time::new(at.as_second(), 0))?;
        write_file(&clone.join(chapter.file), chapter.text)?;
        let mut index = repository.index()?;
        index.add_path(Path::new(chapter.file))?;
        index.write()?;
        let tree = repository.find_tree(index.write_tree()?)?;
        let parent = repository.head().ok().and_then(|head| head.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        let commit = repository.commit(Some("HEAD"), &author, &author, chapter.message, &tree, &parents)?;
        if let Some(tag) = chapter.tag {
            let target = repository.find_object(commit, None)?;
            repository.tag(tag, &target, &author, &format!("Release {tag}\n"), false)?;
            refs.push(format!("refs/tags/{tag}:refs/tags/{tag}"));
        }
    }
    let url = remote.to_str().ok_or_else(|| git2::Error::from_str("the folder's name is not Unicode"))?;
    let mut origin = repository.remote("origin", url)?;
    origin.push(&refs, None)?;
    origin.fetch(&[branch], None, None)?;
    let upstream = format!("origin/{branch}");
    repository.find_branch(branch, git2::BranchType::Local)?.set_upstream(Some(&upstream))?;
    Ok(())
}

fn write_file(path: &Path, text: &str) -> Result<(), git2::Error> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| git2::Error::from_str(&format!("cannot write {}: {error}", path.display())))
}

/// The newest commit called a fix that the branch at hand has and the newest tag has not.
pub fn newest_fix(clone: &Path) -> Option<String> {
    let repository = Repository::open(clone).ok()?;
    let newest = FIRST_TAGS.last()?;
    let mut walk = repository.revwalk().ok()?;
    walk.push_head().ok()?;
    walk.hide_ref(&format!("refs/tags/{newest}")).ok()?;
    let is_fix = |id: &git2::Oid| {
        let commit = repository.find_commit(*id).ok();
        commit.and_then(|commit| Some(commit.summary().ok()??.starts_with("fix"))).unwrap_or(false)
    };
    walk.filter_map(Result::ok).find(is_fix).map(|id| id.to_string())
}

/// Tags named like versions that the remote has beside the first ones. An unreadable remote has none.
pub fn pushed_tags(remote: &Path) -> Vec<String> {
    // A push leaves a loose file per tag; asking git each time would be dear.
    let Ok(entries) = fs::read_dir(remote.join("refs/tags")) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| {
            name.starts_with('v') && !name.ends_with(".lock") && !FIRST_TAGS.contains(&name.as_str())
        })
        .collect()
}
