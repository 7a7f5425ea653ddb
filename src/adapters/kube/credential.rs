//! What an exec plugin gives: run once for each credential, where the client would run it three
//! times, and with the terminal only while the terminal is not ours.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// Nobody can answer a plugin that asks; one that waits for a browser will not see it either.
const PATIENCE: Duration = Duration::from_secs(60);

/// A credential and until when it is good. Never shown, never written.
#[derive(Clone)]
pub struct Credential(Arc<Status>);

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("expires", &self.expires()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<Timestamp>,
}

impl Credential {
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.0.expiration_timestamp
    }

    /// Puts itself in the place of the plugin, and leaves the rest as it is.
    pub(super) fn replace_plugin(&self, auth: &mut AuthInfo) {
        let encoded = |text: &String| json!(ByteString(text.clone().into_bytes()));
        let given = json!({
            "token": self.0.token,
            "client-certificate-data": self.0.client_certificate_data.as_ref().map(encoded),
            "client-key-data": self.0.client_key_data.as_ref().map(encoded),
        });
        let given = AuthInfo::deserialize(given).unwrap_or_default();
        auth.exec = None;
        auth.token = given.token.or(auth.token.take());
        if given.client_certificate_data.is_some() {
            auth.client_certificate_data = given.client_certificate_data;
            auth.client_key_data = given.client_key_data;
        }
    }
}

/// The plugin that the client would really use: any other credential of the user comes first.
pub(super) fn plugin(auth: &AuthInfo) -> Option<&ExecConfig> {
    let has_other = auth.token.is_some() || auth.token_file.is_some() || auth.username.is_some();
    auth.exec.as_ref().filter(|_| !has_other)
}

/// Whether a plugin may ask at the terminal, as kubectl understands its kubeconfig.
pub(super) fn may_ask(exec: &ExecConfig) -> bool {
    exec.interactive_mode != Some(ExecInteractiveMode::Never)
}

/// Runs a plugin to its end.
///
/// - `asks`: it gets the terminal, and all the time that a person needs.
/// - Errors: words for a person; never what the plugin printed as its answer.
pub(super) async fn run(exec: &ExecConfig, asks: bool) -> Result<Credential, String> {
    let program = exec.command.as_deref().ok_or("the user's exec plugin names no command")?;
    let mut command = Command::new(program);
    command.args(exec.args.iter().flatten()).kill_on_drop(true).stdout(Stdio::piped());
    for variable in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    let mut spec = json!({ "interactive": asks });
    if exec.provide_cluster_info {
        spec["cluster"] = serde_json::to_value(&exec.cluster).unwrap_or(Value::Null);
    }
    let version = exec.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
    let info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec });
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
    match asks {
        true => command.stdin(Stdio::inherit()).stderr(Stdio::inherit()),
        false => command.stdin(Stdio::null()).stderr(Stdio::piped()),
    };
    let failed = |why: String| {
        let hint = exec.install_hint.as_deref().unwrap_or_default().trim();
        if hint.is_empty() { format!("{program}: {why}") } else { format!("{program}: {why}; {hint}") }
    };
    let running = command.spawn().map_err(|error| failed(error.to_string()))?.wait_with_output();
    let output = match asks {
        true => running.await,
        false => timeout(PATIENCE, running)
            .await
            .map_err(|_| failed(format!("gave no credential within {} s", PATIENCE.as_secs())))?,
    };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
        let code =
            output.status.code().map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        return Err(failed(if last.is_empty() { code } else { format!("{code}: {last}") }));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("its answer is no ExecCredential in JSON".to_owned()))?;
    let status =
        answer.status.filter(|status| status.token.is_some() || status.client_certificate_data.is_some());
    status
        .map(|status| Credential(Arc::new(status)))
        .ok_or_else(|| failed("it gave no credential".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(script: &str) -> ExecConfig {
        serde_json::from_value(json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", script], "env": [{"name": "WHO", "value": "ana"}],
            "installHint": "install it with: sh", "interactiveMode": "Never"}))
        .unwrap()
    }

    #[tokio::test]
    async fn a_plugin_gives_a_token_and_its_end_and_neither_is_shown() {
        let script = r#"case $KUBERNETES_EXEC_INFO in *'"interactive":false'*) ;; *) exit 9;; esac
            echo "{\"status\":{\"token\":\"t-$WHO\",\"expirationTimestamp\":\"2026-11-22T14:00:00Z\"}}""#;
        let credential = run(&exec(script), false).await.unwrap();
        assert_eq!(credential.expires(), Some("2026-11-22T14:00:00Z".parse().unwrap()));
        assert!(!format!("{credential:?}").contains("t-ana"));
        let mut auth = AuthInfo { exec: Some(exec(script)), ..AuthInfo::default() };
        assert!(plugin(&auth).is_some());
        credential.replace_plugin(&mut auth);
        assert!(auth.exec.is_none() && auth.token.is_some());
        assert_eq!(serde_json::to_value(&auth).unwrap()["token"], "t-ana");
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_told_with_its_last_words_and_the_way_out() {
        let words = async |script: &str| run(&exec(script), false).await.unwrap_err();
        let said = words("echo started >&2; echo 'session expired: run sso login' >&2; exit 3").await;
        assert_eq!(said, "sh: exit code 3: session expired: run sso login; install it with: sh");
        assert!(
            words("echo '{\"status\":{\"token\":\"secret\"'").await.contains("no ExecCredential in JSON")
        );
        assert!(!words("echo secret").await.contains("secret"));
        assert!(words("echo '{\"status\":{}}'").await.contains("no credential"));
        let missing = ExecConfig { command: Some("/no/such/plugin".into()), ..exec("") };
        assert!(run(&missing, false).await.unwrap_err().contains("install it with"));
    }
}
