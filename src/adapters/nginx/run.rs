//! Runs nginx: its test and its reload, each with a time limit.
#![expect(clippy::disallowed_methods, reason = "nginx is asked by running it")]

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::error::NginxError;
use crate::adapters::child::{end_group, quiet};
use crate::watch::logs::clean;

/// More words than this are no message for a person. Units: bytes.
const LONGEST_WORDS: u64 = 64 * 1024;

/// Runs `nginx` with these arguments behind its own, without input or a terminal.
///
/// - Shape: what it said on standard error.
/// - Errors: [`NginxError::Refused`] with nginx's own words when it ends with anything but 0.
pub(super) async fn nginx(nginx: &[String], args: &[&str], limit: Duration) -> Result<String, NginxError> {
    let shown = || {
        let words: Vec<&str> = nginx.iter().map(String::as_str).chain(args.iter().copied()).collect();
        words.join(" ")
    };
    let (program, first) =
        nginx.split_first().ok_or_else(|| NginxError::Site { problems: vec!["no nginx is named".into()] })?;
    let mut command = Command::new(program);
    quiet(&mut command).args(first).args(args);
    let not_started = |source| NginxError::NotStarted { command: shown(), source };
    let mut child = command.spawn().map_err(not_started)?;
    let group = child.id();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ending = async { tokio::join!(head(out), head(err), child.wait()) };
    let Ok((out, err, status)) = tokio::time::timeout(limit, ending).await else {
        end_group(group);
        return Err(NginxError::TimedOut { command: shown(), after: limit });
    };
    let status = status.map_err(not_started)?;
    if status.success() {
        return Ok(words(&err));
    }
    let said = [words(&err), words(&out), format!("it ended with {status}")];
    let words = said.into_iter().find(|words| !words.is_empty()).unwrap_or_default();
    Err(NginxError::Refused { command: shown(), words })
}

async fn head(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before a failure is still worth reading.
        let _ = pipe.take(LONGEST_WORDS).read_to_end(&mut bytes).await;
    }
    bytes
}

/// nginx's own words on one line: its complaints where it has some, without its last sentence, which
/// only says that there were any.
fn words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let complaints: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| ["[emerg]", "[alert]", "[crit]", "[error]"].iter().any(|level| line.contains(level)))
        .collect();
    let chosen = if complaints.is_empty() { lines } else { complaints };
    chosen.iter().map(|line| clean(line)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::shell::{Alive, is_still_running};

    const LONG: Duration = Duration::from_secs(60);

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script, "nginx"].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_nginxs_own_words() {
        let script = "echo 'nginx: [warn] the \"user\" directive makes no sense' >&2; \
                      echo 'nginx: [emerg] host not found in upstream \"green-app:8080\" in /e/u.conf:3' >&2; \
                      echo 'nginx: configuration file /e/nginx.conf test failed' >&2; exit 1";
        let told = nginx(&sh(script), &["-t"], LONG).await.unwrap_err().to_string();
        assert!(
            told.ends_with(
                "refused: nginx: [emerg] host not found in upstream \"green-app:8080\" in /e/u.conf:3"
            ),
            "{told}"
        );
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_told_by_its_exit_status_and_cannot_ask() {
        let told = nginx(&sh("read line && exit 0; exit 7"), &[], LONG).await.unwrap_err().to_string();
        assert!(told.ends_with("it ended with exit status: 7"), "{told}");
    }

    #[tokio::test]
    async fn what_does_not_end_is_ended_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        let told = nginx(&sh(&script), &[], Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(told, NginxError::TimedOut { .. }), "{told}");
        let pid = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        while is_still_running(pid, None).await != Alive::No {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let told = nginx(&["/nowhere/nginx".to_owned()], &["-t"], LONG).await.unwrap_err().to_string();
        assert!(told.starts_with("`/nowhere/nginx -t` could not be started: "), "{told}");
    }
}
