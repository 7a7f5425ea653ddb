//! What git knows: the repository at hand through libgit2, its remote through the operator's own git,
//! because only that has the operator's credentials and ssh settings.
#![expect(clippy::disallowed_methods, reason = "the remote is asked by running git")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use git2::{ErrorCode, Repository};
use tokio::process::Command;

use super::child::{end_group, quiet};

/// A remote that does not answer within this time is not waited for. Units: wall time.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why git could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("there is no git repository at {} or above it; start gonogo inside one", .dir.display())]
    NoRepository { dir: PathBuf },
    #[error("the git repository at {} could not be read: {}", .dir.display(), .source.message())]
    Repository { dir: PathBuf, source: git2::Error },
    #[error("“{tag}” is no name for a tag")]
    BadTag { tag: String },
    #[error("the repository at {} has no remote; add one with `git remote add origin URL`", .dir.display())]
    NoRemote { dir: PathBuf },
    #[error(
        "the repository at {} has several remotes and none called origin ({}); the branch at hand follows none",
        .dir.display(), .remotes.join(", ")
    )]
    ManyRemotes { dir: PathBuf, remotes: Vec<String> },
    #[error("git could not be started: {source}; is it on PATH?")]
    NotStarted { source: std::io::Error },
    #[error("remote {remote} did not answer within {}s", .after.as_secs())]
    TimedOut { remote: String, after: Duration },
    #[error("remote {remote} could not be read: {why}")]
    Remote { remote: String, why: String },
}

/// Names every tag of the repository at `dir`.
pub fn tags(dir: &Path) -> Result<std::collections::BTreeSet<String>, GitError> {
    let broken = |source| GitError::Repository { dir: dir.to_owned(), source };
    let names = discover(dir)?.tag_names(None).map_err(broken)?;
    // A tag whose name is not UTF-8 is no version that anybody could type.
    Ok(names.iter().filter_map(Result::ok).flatten().map(str::to_owned).collect())
}

/// Where a repository comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its address, without a name and a password in it.
    pub remote: Option<String>,
    /// The branch that the remote has as its own, else the one at hand.
    pub branch: Option<String>,
}

/// Reads where the repository at `dir` comes from; asks no remote.
pub fn origin(dir: &Path) -> Result<Origin, GitError> {
    let repository = discover(dir)?;
    let name = remote_name(&repository, dir).ok();
    let remote = name.as_deref().and_then(|name| repository.find_remote(name).ok());
    let remote = remote.and_then(|remote| remote.url().ok().map(without_credentials));
    let of_remote = || {
        let head = format!("refs/remotes/{}/HEAD", name.as_deref()?);
        let head = repository.find_reference(&head).ok()?;
        let (_, branch) = head.symbolic_target().ok()??.rsplit_once('/')?;
        Some(branch.to_owned())
    };
    let at_hand = || {
        // A repository without a commit has a branch already, which no commit says.
        let head = repository.find_reference("HEAD").ok()?;
        Some(head.symbolic_target().ok()??.strip_prefix("refs/heads/")?.to_owned())
    };
    Ok(Origin { remote, branch: of_remote().or_else(at_hand) })
}

/// A token in an address is a secret.
fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

/// Finds out whether the repository at `dir` has this tag.
pub fn tag_exists(dir: &Path, tag: &str) -> Result<bool, GitError> {
    let reference = tag_reference(tag)?;
    match discover(dir)?.find_reference(&reference) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(source) => Err(GitError::Repository { dir: dir.to_owned(), source }),
    }
}

/// Finds out whether the remote has this tag: the remote that the branch at hand follows, else
/// `origin`, else the only one.
///
/// - Shape: git runs with `env` on top of this process's environment, without input or a terminal.
/// - Errors: [`GitError::TimedOut`] after ten seconds; [`GitError::Remote`] with git's own words.
/// - Source: `git ls-remote --tags`.
pub async fn remote_has_tag(dir: &Path, tag: &str, env: &[(OsString, OsString)]) -> Result<bool, GitError> {
    remote_has_tag_within(TIMEOUT, dir, tag, env).await
}

async fn remote_has_tag_within(
    after: Duration,
    dir: &Path,
    tag: &str,
    env: &[(OsString, OsString)],
) -> Result<bool, GitError> {
    let reference = tag_reference(tag)?;
    let (remote, ssh) = {
        let repository = discover(dir)?;
        let remote = remote_name(&repository, dir)?;
        let configured = repository.config().and_then(|config| config.get_string("core.sshCommand"));
        (remote, configured.ok())
    };
    let mut git = Command::new("git");
    git.args(["ls-remote", "--tags", "--", &remote, &reference])
        .current_dir(dir)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GCM_INTERACTIVE", "never")
        .env("SSH_ASKPASS_REQUIRE", "never");
    // Last: what is handed down does not change the language of what is read.
    quiet(&mut git);
    let given = env.iter().rev().find(|(name, _)| name == "GIT_SSH_COMMAND").map(|(_, value)| value.clone());
    let ssh = given.or_else(|| std::env::var_os("GIT_SSH_COMMAND")).or(ssh.map(OsString::from));
    if let Some(ssh) = quiet_ssh(ssh) {
        git.env("GIT_SSH_COMMAND", ssh);
    }
    let child = git.spawn().map_err(|source| GitError::NotStarted { source })?;
    let group = child.id();
    let output = match tokio::time::timeout(after, child.wait_with_output()).await {
        Ok(output) => output.map_err(|source| GitError::NotStarted { source })?,
        Err(_) => {
            end_group(group);
            return Err(GitError::TimedOut { remote, after });
        }
    };
    if !output.status.success() {
        return Err(GitError::Remote { remote, why: last_words(&output) });
    }
    // One line per reference: its commit, a tab, its name.
    let lines = String::from_utf8_lossy(&output.stdout);
    Ok(lines.lines().filter_map(|line| line.split_once('\t')).any(|(_, name)| name == reference))
}

/// The operator's name as git knows it, at `dir` or for this person at all.
pub fn user_name(dir: &Path) -> Option<String> {
    let config = match Repository::discover(dir) {
        Ok(repository) => repository.config(),
        Err(_) => git2::Config::open_default(),
    };
    let name = config.ok()?.get_string("user.name").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn discover(dir: &Path) -> Result<Repository, GitError> {
    Repository::discover(dir).map_err(|source| {
        let dir = dir.to_owned();
        match source.code() {
            ErrorCode::NotFound => GitError::NoRepository { dir },
            _ => GitError::Repository { dir, source },
        }
    })
}

fn tag_reference(tag: &str) -> Result<String, GitError> {
    let reference = format!("refs/tags/{tag}");
    // The rules of git for names also keep out what `ls-remote` would read as a pattern.
    if git2::Reference::is_valid_name(&reference) {
        Ok(reference)
    } else {
        Err(GitError::BadTag { tag: tag.to_owned() })
    }
}

fn remote_name(repository: &Repository, dir: &Path) -> Result<String, GitError> {
    let broken = |source| GitError::Repository { dir: dir.to_owned(), source };
    let upstream = || -> Option<String> {
        let head = repository.find_reference("HEAD").ok()?;
        let branch = head.symbolic_target().ok()??;
        let remote = repository.branch_upstream_remote(branch).ok()?;
        // `.` means that the branch follows another branch of this very repository.
        remote.as_str().ok().filter(|name| *name != ".").map(str::to_owned)
    };
    if let Some(name) = upstream() {
        return Ok(name);
    }
    let remotes = repository.remotes().map_err(broken)?;
    let mut names: Vec<String> =
        remotes.iter().filter_map(|name| name.ok().flatten().map(str::to_owned)).collect();
    if names.iter().any(|name| name == "origin") {
        return Ok("origin".to_owned());
    }
    match names.len() {
        0 => Err(GitError::NoRemote { dir: dir.to_owned() }),
        1 => Ok(names.swap_remove(0)),
        _ => Err(GitError::ManyRemotes { dir: dir.to_owned(), remotes: names }),
    }
}

/// ssh asks on the terminal itself, across whatever is drawn there: `BatchMode` makes it fail
/// instead. A command of another kind is the operator's own matter.
fn quiet_ssh(configured: Option<OsString>) -> Option<OsString> {
    let Some(configured) = configured.filter(|text| !text.is_empty()) else {
        return Some("ssh -o BatchMode=yes".into());
    };
    let text = configured.to_str()?;
    let program = text.split_whitespace().next()?;
    (Path::new(program).file_name()? == "ssh").then(|| format!("{text} -o BatchMode=yes").into())
}

/// The line of git's errors that says what is wrong; hints follow it.
fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let fatal = lines().find_map(|line| line.strip_prefix("fatal: "));
    match fatal.or_else(|| lines().next_back()) {
        Some(line) => line.to_owned(),
        None => format!("git ended with {}", output.status),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    /// A repository with one commit, its remote beside it.
    struct World {
        dir: TempDir,
        repository: Repository,
    }

    impl World {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            Repository::init_bare(dir.path().join("remote.git")).unwrap();
            let repository = Repository::init(dir.path().join("work")).unwrap();
            {
                let ana = git2::Signature::now("ana", "ana@example.org").unwrap();
                let tree = repository.treebuilder(None).unwrap().write().unwrap();
                let tree = repository.find_tree(tree).unwrap();
                repository.commit(Some("HEAD"), &ana, &ana, "first", &tree, &[]).unwrap();
            }
            Self { dir, repository }
        }

        fn work(&self) -> PathBuf {
            self.dir.path().join("work")
        }

        fn remote(&self, name: &str) {
            let url = self.dir.path().join("remote.git");
            self.repository.remote(name, url.to_str().unwrap()).unwrap();
        }

        fn tag(&self, name: &str) {
            let ana = git2::Signature::now("ana", "ana@example.org").unwrap();
            let head = self.repository.head().unwrap().peel(git2::ObjectType::Commit).unwrap();
            self.repository.tag(name, &head, &ana, "a release", false).unwrap();
        }

        fn push(&self, tag: &str) {
            let mut remote = self.repository.find_remote("origin").unwrap();
            remote.push(&[format!("refs/tags/{tag}:refs/tags/{tag}")], None).unwrap();
        }
    }

    #[test]
    fn a_tag_is_found_in_the_repository_and_from_a_folder_inside_it() {
        let world = World::new();
        world.tag("v1.3.0");
        let inside = world.work().join("src/deep");
        fs::create_dir_all(&inside).unwrap();
        assert!(tag_exists(&inside, "v1.3.0").unwrap());
        assert!(!tag_exists(&world.work(), "v1.3").unwrap());
    }

    #[tokio::test]
    async fn a_tag_is_on_the_remote_only_once_it_was_pushed() {
        let world = World::new();
        world.remote("origin");
        world.tag("v1.3.0");
        world.tag("v1.3.0-rc.1");
        assert!(!remote_has_tag(&world.work(), "v1.3.0", &[]).await.unwrap());
        world.push("v1.3.0-rc.1");
        assert!(!remote_has_tag(&world.work(), "v1.3.0", &[]).await.unwrap());
        world.push("v1.3.0");
        assert!(remote_has_tag(&world.work(), "v1.3.0", &[]).await.unwrap());
    }

    #[tokio::test]
    async fn the_remote_is_the_one_that_the_branch_follows_else_origin_else_the_only_one() {
        let world = World::new();
        let asked = || remote_name(&world.repository, &world.work());
        assert!(matches!(asked(), Err(GitError::NoRemote { .. })));
        world.remote("fork");
        assert_eq!(asked().unwrap(), "fork");
        world.remote("upstream");
        let many = asked().unwrap_err().to_string();
        assert!(many.contains("fork, upstream"), "{many}");
        world.remote("origin");
        assert_eq!(asked().unwrap(), "origin");
        let branch = world.repository.head().unwrap().shorthand().unwrap().to_owned();
        let mut config = world.repository.config().unwrap();
        config.set_str(&format!("branch.{branch}.remote"), "upstream").unwrap();
        config.set_str(&format!("branch.{branch}.merge"), "refs/heads/main").unwrap();
        assert_eq!(asked().unwrap(), "upstream");
    }

    #[tokio::test]
    async fn a_remote_that_is_not_there_is_named_with_the_words_of_git() {
        let world = World::new();
        world.remote("origin");
        fs::remove_dir_all(world.dir.path().join("remote.git")).unwrap();
        let error = remote_has_tag(&world.work(), "v1.3.0", &[]).await.unwrap_err().to_string();
        assert!(error.starts_with("remote origin could not be read: "), "{error}");
        assert!(error.contains("does not appear to be a git repository"), "{error}");
    }

    #[tokio::test]
    async fn a_place_without_a_repository_is_told_from_a_tag_that_cannot_be() {
        let dir = TempDir::new().unwrap();
        let nowhere = remote_has_tag(dir.path(), "v1.3.0", &[]).await;
        assert!(matches!(nowhere, Err(GitError::NoRepository { .. })), "{nowhere:?}");
        let world = World::new();
        for tag in ["", "v1 3", "v*", "a..b", "-v\u{7f}"] {
            assert!(matches!(tag_exists(&world.work(), tag), Err(GitError::BadTag { .. })), "{tag}");
        }
    }

    /// A git of our own on PATH, which does as the test says.
    fn with_git(script: &str) -> (TempDir, Vec<(OsString, OsString)>) {
        let bin = TempDir::new().unwrap();
        let (text, git) = (bin.path().join("text"), bin.path().join("git"));
        fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
        // Had this process written it, a test that forks just then would keep it open for writing,
        // and the kernel starts no such file.
        assert!(std::process::Command::new("cp").args([&text, &git]).status().unwrap().success());
        fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
        (bin, vec![("PATH".into(), path.into())])
    }

    #[tokio::test]
    async fn git_is_found_by_the_path_that_was_given_and_cannot_ask_anybody() {
        let world = World::new();
        world.remote("origin");
        let (_bin, env) = with_git(
            "test \"$GIT_TERMINAL_PROMPT\" = 0 || exit 3\n\
             case \"$GIT_SSH_COMMAND\" in *BatchMode=yes*) ;; *) exit 4 ;; esac\n\
             read line && exit 5\n\
             test \"$*\" = 'ls-remote --tags -- origin refs/tags/v9' || exit 6\n\
             printf '5d40\\trefs/tags/v9\\n'",
        );
        assert!(remote_has_tag(&world.work(), "v9", &env).await.unwrap());
    }

    #[tokio::test]
    async fn a_remote_that_never_answers_is_given_up_with_all_it_started() {
        let world = World::new();
        world.remote("origin");
        let (bin, env) = with_git("sleep 600 & echo $! > \"$(dirname \"$0\")/child\"; wait");
        let child = bin.path().join("child");
        // The script has to get as far as its child before it is given up.
        let mut patience = Duration::from_millis(200);
        loop {
            let asked = remote_has_tag_within(patience, &world.work(), "v9", &env).await;
            assert!(matches!(asked, Err(GitError::TimedOut { .. })), "{asked:?}");
            if fs::read_to_string(&child).is_ok_and(|pid| pid.ends_with('\n')) {
                break;
            }
            patience *= 2;
        }
        let pid: i32 = fs::read_to_string(&child).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        while !is_gone(pid) {
            tokio::task::yield_now().await;
        }
    }

    /// Gone, or dead and waiting for its parent's notice.
    fn is_gone(pid: rustix::process::Pid) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        rustix::process::test_kill_process(pid).is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn the_operator_has_the_name_that_git_knows() {
        let world = World::new();
        world.repository.config().unwrap().set_str("user.name", " Ana Bo ").unwrap();
        assert_eq!(user_name(&world.work()).as_deref(), Some("Ana Bo"));
    }

    #[test]
    fn ssh_is_kept_from_asking_and_another_program_is_left_alone() {
        let quiet = |text: &str| quiet_ssh(Some(text.into())).map(|text| text.into_string().unwrap());
        assert_eq!(quiet("").as_deref(), Some("ssh -o BatchMode=yes"));
        assert_eq!(quiet("/usr/bin/ssh -i key").as_deref(), Some("/usr/bin/ssh -i key -o BatchMode=yes"));
        assert_eq!(quiet("plink -batch"), None);
    }
}
