//! From kubeconfig to one client, and the pin that keeps children on the same cluster.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, PostParams};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::credential::{self, Credential};
use super::error::{KubeError, Place, kubeconfig_error};

/// Where to look for clusters, and what the operator chose on the command line.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// The value of `KUBECONFIG`: a list of files, first one wins.
    pub kubeconfig: Option<OsString>,
    pub home: Option<PathBuf>,
    pub context: Option<String>,
    pub namespace: Option<String>,
    /// `--as`: whom the requests of gonogo itself are made for; what the commands of a document do
    /// is not affected.
    pub as_user: Option<String>,
    /// `--as-group`, any number of them.
    pub as_groups: Vec<String>,
    /// What a plugin gave that asked at the terminal; see [`ConnectOptions::sign_in`].
    pub signed_in: Option<Credential>,
}

impl ConnectOptions {
    /// Reads `KUBECONFIG` and the home directory from the environment.
    pub fn from_env() -> Self {
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::var_os("HOME").map(PathBuf::from),
            ..Self::default()
        }
    }

    /// The user of the chosen context, as the kubeconfig names it.
    pub fn user(&self) -> Option<String> {
        settle(self).ok()?.1.user.filter(|name| !name.is_empty())
    }

    /// The program of the chosen user that may ask at the terminal for a password or a code.
    ///
    /// - Source: the user's `exec` entry with an `interactiveMode` other than `Never`.
    pub fn asks_at_terminal(&self) -> Result<Option<String>, KubeError> {
        let (kubeconfig, pinned) = settle(self)?;
        let auth = chosen_user(&kubeconfig, &pinned);
        let exec = auth.as_ref().and_then(credential::plugin).filter(|exec| credential::may_ask(exec));
        Ok(exec.map(|exec| exec.command.clone().unwrap_or_default()))
    }

    /// Lets that program ask now, if there is one and standard input is a terminal: once the screen
    /// is taken, no plugin may ask any more. Its prompts are its own.
    ///
    /// - Shape: what it gave is kept in these options, and used by [`super::KubeWorld::connect`].
    /// - Errors: [`KubeError::Context`] when the program fails.
    pub async fn sign_in(&mut self) -> Result<(), KubeError> {
        if self.asks_at_terminal()?.is_none() || !std::io::stdin().is_terminal() {
            return Ok(());
        }
        let (kubeconfig, pinned) = settle(self)?;
        let wanted = KubeConfigOptions { context: Some(pinned.context.clone()), ..Default::default() };
        let failed = |why: String| KubeError::Context { context: pinned.context.clone(), why };
        let config = Config::from_custom_kubeconfig(kubeconfig, &wanted)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if let Some(exec) = credential::plugin(&config.auth_info) {
            self.signed_in = Some(credential::run(exec, true).await.map_err(failed)?);
        }
        Ok(())
    }

    /// Settles context, namespace and server from the files alone. No network, no plugin.
    pub fn settle(&self) -> Result<Pinned, KubeError> {
        settle(self).map(|(_, pinned)| pinned)
    }

    /// The files that count, in order: the list, or `~/.kube/config`.
    pub fn files(&self) -> Vec<PathBuf> {
        let listed: Vec<PathBuf> = self
            .kubeconfig
            .iter()
            .flat_map(std::env::split_paths)
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        match (listed.is_empty(), &self.home) {
            (false, _) => listed,
            (true, Some(home)) => vec![home.join(".kube").join("config")],
            (true, None) => vec![],
        }
    }
}

/// The names by which a kubeconfig reaches one cluster, settled once per release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    pub context: String,
    pub cluster: String,
    pub user: Option<String>,
    pub namespace: String,
    /// The server's URL.
    pub host: String,
    /// The files that were merged, in order; missing ones included, as kubectl keeps them.
    pub files: Vec<PathBuf>,
}

impl Pinned {
    /// Writes a kubeconfig that holds nothing but this context as the current one.
    ///
    /// - Shape: JSON, which is YAML; mode 0600; no credential, those stay in the original files.
    /// - Errors: [`KubeError::PinFile`].
    pub fn write(&self, path: &Path) -> Result<(), KubeError> {
        let mut context = serde_json::json!({ "cluster": self.cluster, "namespace": self.namespace });
        if let Some(user) = &self.user {
            context["user"] = user.as_str().into();
        }
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.context,
            "contexts": [{ "name": self.context, "context": context }],
        });
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(format!("{config:#}\n").as_bytes())
        };
        write().map_err(|error: std::io::Error| KubeError::PinFile {
            path: path.to_owned(),
            why: error.to_string(),
        })
    }

    /// The value of `KUBECONFIG` for children: the pin first, because the first file wins.
    pub fn kubeconfig(&self, pin: &Path) -> OsString {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let list = std::iter::once(pin.to_owned()).chain(self.files.iter().map(absolute));
        // A path with a colon cannot stand in such a list, and then none of its files could be read.
        std::env::join_paths(list).unwrap_or_else(|_| pin.as_os_str().to_owned())
    }
}

/// Reads and merges the kubeconfig files and settles context and namespace. No network.
pub(super) fn settle(options: &ConnectOptions) -> Result<(Kubeconfig, Pinned), KubeError> {
    let files = options.files();
    let mut merged: Option<Kubeconfig> = None;
    for path in files.iter().filter(|path| path.exists()) {
        let next = Kubeconfig::read_from(path).map_err(|error| kubeconfig_error(path.clone(), &error))?;
        merged = Some(match merged {
            Some(before) => before.merge(next).map_err(|error| kubeconfig_error(path.clone(), &error))?,
            None => next,
        });
    }
    let Some(merged) = merged else { return Err(KubeError::NoKubeconfig { looked_at: files }) };
    let known: Vec<String> = merged.contexts.iter().map(|named| named.name.clone()).collect();
    let name = options.context.clone().or_else(|| merged.current_context.clone());
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(KubeError::NoCurrentContext { known });
    };
    let context = merged.contexts.iter().find(|named| named.name == name);
    let Some(context) = context.and_then(|named| named.context.clone()) else {
        let suggestion = nearest(&name, &known);
        return Err(KubeError::NoSuchContext { name, known, suggestion });
    };
    let cluster = merged.clusters.iter().find(|named| named.name == context.cluster);
    let Some(cluster) = cluster.and_then(|named| named.cluster.as_ref()) else {
        let why = format!("its cluster {} is in none of the kubeconfig files", context.cluster);
        return Err(KubeError::Context { context: name, why });
    };
    let pinned = Pinned {
        context: name,
        cluster: context.cluster.clone(),
        user: context.user.clone(),
        namespace: options
            .namespace
            .clone()
            .or_else(|| context.namespace.clone())
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or_else(|| "default".to_owned()),
        host: cluster.server.clone().unwrap_or_default(),
        files,
    };
    Ok((merged, pinned))
}

fn chosen_user(kubeconfig: &Kubeconfig, pinned: &Pinned) -> Option<AuthInfo> {
    let name = pinned.user.as_ref()?;
    kubeconfig.auth_infos.iter().find(|named| named.name == *name)?.auth_info.clone()
}

fn nearest(name: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.clone())
}

/// Asks the API server who it takes us for.
pub(super) async fn identity(client: &Client, place: &Place) -> Result<String, KubeError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .map_err(|error| place.call_failed("ask who we are", &error))?;
    let name = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
    Ok(name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EU: &str = "apiVersion: v1\nkind: Config\ncurrent-context: prod-eu\n\
        clusters: [{name: eu, cluster: {server: 'http://127.0.0.1:1'}}]\n\
        users: [{name: ana, user: {token: x}}]\n\
        contexts: [{name: prod-eu, context: {cluster: eu, user: ana, namespace: shop}}]\n";
    const US: &str = "apiVersion: v1\nkind: Config\ncurrent-context: prod-us\n\
        clusters: [{name: us, cluster: {server: 'http://127.0.0.1:2'}}]\n\
        contexts: [{name: prod-us, context: {cluster: us}}, {name: prod-eu, context: {cluster: us}}]\n";

    fn options(folder: &Path, files: &[(&str, &str)]) -> ConnectOptions {
        let paths = files.iter().map(|(name, text)| {
            let path = folder.join(name);
            if !text.is_empty() {
                std::fs::write(&path, text).unwrap();
            }
            path
        });
        ConnectOptions { kubeconfig: Some(std::env::join_paths(paths).unwrap()), ..Default::default() }
    }

    #[test]
    fn files_merge_and_the_first_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), &[("eu", EU), ("us", US)]);
        let (_, pinned) = settle(&options).unwrap();
        assert_eq!((pinned.context.as_str(), pinned.namespace.as_str()), ("prod-eu", "shop"));
        assert_eq!(pinned.host, "http://127.0.0.1:1");
        options.context = Some("prod-us".into());
        options.namespace = Some("other".into());
        let (_, pinned) = settle(&options).unwrap();
        assert_eq!((pinned.cluster.as_str(), pinned.namespace.as_str()), ("us", "other"));
    }

    #[test]
    fn a_missing_file_of_the_list_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path(), &[("missing", ""), ("us", US)]);
        let (_, pinned) = settle(&options).unwrap();
        assert_eq!((pinned.context.as_str(), pinned.namespace.as_str()), ("prod-us", "default"));
        assert_eq!(pinned.files.len(), 2);
    }

    #[test]
    fn without_any_file_the_error_says_where_it_looked() {
        let folder = tempfile::tempdir().unwrap();
        let options = ConnectOptions { home: Some(folder.path().to_owned()), ..Default::default() };
        let error = settle(&options).unwrap_err().to_string();
        assert!(error.contains(".kube/config"), "{error}");
    }

    #[test]
    fn a_mistyped_context_is_answered_with_the_nearest_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), &[("eu", EU)]);
        options.context = Some("prod-ue".into());
        let error = settle(&options).unwrap_err().to_string();
        assert_eq!(error, "no context named prod-ue in the kubeconfig; did you mean prod-eu?");
    }

    #[test]
    fn broken_yaml_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path(), &[("broken", "contexts: [")]);
        let error = settle(&options).unwrap_err().to_string();
        assert!(error.contains("/broken: "), "{error}");
    }

    #[test]
    fn the_pin_wins_over_a_context_changed_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), &[("eu", EU), ("us", US)]);
        options.namespace = Some("pinned".into());
        let (_, pinned) = settle(&options).unwrap();
        let pin = folder.path().join("pin");
        pinned.write(&pin).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&pin).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(!std::fs::read_to_string(&pin).unwrap().contains("token"));
        std::fs::write(
            folder.path().join("eu"),
            EU.replace("current-context: prod-eu", "current-context: x"),
        )
        .unwrap();
        let children = ConnectOptions { kubeconfig: Some(pinned.kubeconfig(&pin)), ..Default::default() };
        let (_, seen) = settle(&children).unwrap();
        assert_eq!((seen.context.as_str(), seen.namespace.as_str()), ("prod-eu", "pinned"));
        assert_eq!(seen.host, "http://127.0.0.1:1");
    }

    #[test]
    fn a_plugin_that_may_ask_is_named_before_the_screen_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let asks = |user: &str| {
            let text = EU.replace("{token: x}", user);
            options(folder.path(), &[("eu", &text)]).asks_at_terminal().unwrap()
        };
        let exec = |mode: &str| format!("{{exec: {{command: login, apiVersion: v1{mode}}}}}");
        assert_eq!(asks(&exec(", interactiveMode: Always")).as_deref(), Some("login"));
        assert_eq!(asks(&exec("")).as_deref(), Some("login"), "kubectl's own default");
        assert_eq!(asks(&exec(", interactiveMode: Never")), None);
        assert_eq!(asks("{token: x}"), None);
    }

    #[tokio::test]
    async fn a_plain_http_server_needs_no_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path(), &[("eu", EU)]);
        let pinned = options.settle().unwrap();
        let client = super::super::renew::client(&options, &pinned).await.unwrap();
        let place = Place { host: pinned.host, context: pinned.context };
        let error = identity(&client, &place).await.unwrap_err();
        assert_eq!(error.cause(), Some(super::super::Cause::Refused), "{error}");
    }
}
