//! The one client of this process, whose credential outlives none of an eight-hour session.
//!
//! A token has an end, a token in a kubeconfig is replaced by another program, a plugin may name no
//! end at all. So the credential is made anew shortly before its end, and when the server no longer
//! accepts it; the request that met the refusal is sent again once.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use tokio::sync::{Mutex, RwLock};
use tokio::time::Instant;

use super::connect::{ConnectOptions, Pinned, settle};
use super::credential::{self, Credential};
use super::error::{KubeError, explain};

/// A credential this close to its end is not used any more.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A credential that is refused again and again is not made anew more often than this.
const REST: Duration = Duration::from_secs(15);

/// Makes the client. No request is sent, though an exec plugin may run.
pub(super) async fn client(options: &ConnectOptions, pinned: &Pinned) -> Result<Client, KubeError> {
    let first = make(options, pinned, options.signed_in.as_ref()).await?;
    let shared = Shared {
        options: ConnectOptions { signed_in: None, ..options.clone() },
        pinned: pinned.clone(),
        current: RwLock::new(first),
        renewal: Mutex::new(None),
    };
    Ok(Client::new(Renewing(Arc::new(shared)), pinned.namespace.clone()))
}

#[derive(Clone)]
struct Made {
    client: Client,
    expires: Option<Timestamp>,
    /// Counts the renewals, so that of many refused at once only the first one acts.
    age: u64,
}

struct Shared {
    options: ConnectOptions,
    pinned: Pinned,
    current: RwLock<Made>,
    /// When the last renewal was tried.
    renewal: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Renewing(Arc<Shared>);

impl tower_service::Service<Request<Body>> for Renewing {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.send(request).await })
    }
}

impl Shared {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let mut made = self.current.read().await.clone();
        let is_ending = |made: &Made| made.expires.is_some_and(|end| Timestamp::now() + MARGIN >= end);
        if is_ending(&made) {
            made = self.renewed(made).await;
        }
        let again = copy(&request);
        let response = made.client.send(request).await?;
        let (401, Some(again)) = (response.status().as_u16(), again) else { return Ok(response) };
        let age = made.age;
        let made = self.renewed(made).await;
        if made.age == age {
            return Ok(response);
        }
        made.client.send(again).await
    }

    /// A younger client than `old`, or `old` itself when there is none to be had.
    async fn renewed(&self, old: Made) -> Made {
        let mut tried = self.renewal.lock().await;
        let current = self.current.read().await.clone();
        if current.age != old.age {
            return current;
        }
        if tried.is_some_and(|tried| tried.elapsed() < REST) {
            return old;
        }
        let renewed = make(&self.options, &self.pinned, None).await;
        *tried = Some(Instant::now());
        match renewed {
            Ok(made) => {
                let made = Made { age: old.age + 1, ..made };
                *self.current.write().await = made.clone();
                tracing::info!(expires = ?made.expires, "the cluster credential was made anew");
                made
            }
            Err(error) => {
                tracing::warn!(%error, "the cluster credential could not be made anew");
                old
            }
        }
    }
}

/// The same request once more, if its body can be sent twice.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut again = Request::new(request.body().try_clone()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// Reads the kubeconfig as it is now and makes a client of it, still for the pinned cluster.
async fn make(
    options: &ConnectOptions,
    pinned: &Pinned,
    signed_in: Option<&Credential>,
) -> Result<Made, KubeError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |why: String| KubeError::Context { context: pinned.context.clone(), why };
    let chosen = ConnectOptions { context: Some(pinned.context.clone()), ..options.clone() };
    let (kubeconfig, now) = settle(&chosen)?;
    if (&now.host, &now.cluster) != (&pinned.host, &pinned.cluster) {
        return Err(failed(format!("it now leads to {}, no longer to {}", now.host, pinned.host)));
    }
    let own_proxy = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == pinned.cluster)
        .and_then(|named| named.cluster.as_ref())
        .is_some_and(|cluster| cluster.proxy_url.as_ref().is_some_and(|url| !url.is_empty()));
    let wanted = KubeConfigOptions { context: Some(pinned.context.clone()), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &wanted)
        .await
        .map_err(|error| failed(error.to_string()))?;
    config.default_namespace = pinned.namespace.clone();
    // Who is refused for being one too many must not come back at once, nor unseen by us.
    config.default_retry = false;
    let host = config.cluster_url.host().unwrap_or_default().to_owned();
    if !own_proxy && (host == "localhost" || host == "[::1]" || host.starts_with("127.")) {
        // kubectl sends nothing for this machine through a proxy either.
        config.proxy_url = None;
    }
    if config.cluster_url.scheme_str() == Some("http") && config.root_cert.is_none() {
        // Else a machine without a CA bundle could not even talk plain HTTP.
        config.root_cert = Some(Vec::new());
    }
    let mut expires = None;
    if let Some(exec) = credential::plugin(&config.auth_info) {
        let given = match signed_in {
            Some(given) => given.clone(),
            None => credential::run(exec, false).await.map_err(failed)?,
        };
        expires = given.expires();
        given.replace_plugin(&mut config.auth_info);
    }
    if let Some(user) = &options.as_user {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups = None;
    }
    if !options.as_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(options.as_groups.clone());
    }
    let client = tokio::task::spawn_blocking(move || Client::try_from(config))
        .await
        .map_err(|error| failed(format!("the client could not be made: {error}")))?
        .map_err(|error| {
            let (cause, detail) = explain(&error);
            failed(format!("{}: {detail}", cause.words()))
        })?;
    Ok(Made { client, expires, age: 0 })
}

#[cfg(test)]
mod tests {
    use kube::core::Request as Ask;
    use serde_json::json;

    use super::*;
    use crate::adapters::kube::testing::{Reply, Server};

    /// A kubeconfig whose user is as given, and the options to connect with it.
    fn options(folder: &std::path::Path, server: &Server, user: serde_json::Value) -> ConnectOptions {
        let file = folder.join("kubeconfig");
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "k", "cluster": {"server": server.url}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}]});
        std::fs::write(&file, config.to_string()).unwrap();
        ConnectOptions { kubeconfig: Some(file.into()), ..ConnectOptions::default() }
    }

    /// A plugin that counts its runs in a file, and gives the tokens `t1`, `t2`, ….
    fn plugin(folder: &std::path::Path, expires: &str) -> serde_json::Value {
        let counter = folder.join("runs");
        let script = format!(
            r#"echo x >> {0}; n=$(wc -l < {0} | tr -d ' ')
            if [ "$n" = 1 ]; then end='{expires}'; else end=2999-01-01T00:00:00Z; fi
            echo "{{\"status\":{{\"token\":\"t$n\",\"expirationTimestamp\":\"$end\"}}}}""#,
            counter.display()
        );
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script]}})
    }

    fn runs(folder: &std::path::Path) -> usize {
        std::fs::read_to_string(folder.join("runs")).unwrap().lines().count()
    }

    async fn connected(options: &ConnectOptions) -> Client {
        client(options, &options.settle().unwrap()).await.unwrap()
    }

    async fn ask(client: &Client) -> Result<String, kube::Error> {
        client.request_text(Ask::new("/who").list(&kube::api::ListParams::default()).unwrap()).await
    }

    #[tokio::test]
    async fn an_expired_token_is_made_anew_before_it_is_used_and_the_plugin_runs_once_for_each() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::answering(|_, head| Reply::ok(bearer(head))).await;
        let options = options(folder.path(), &server, plugin(folder.path(), "2020-01-01T00:00:00Z"));
        let client = connected(&options).await;
        assert_eq!(runs(folder.path()), 1);
        for _ in 0..3 {
            assert_eq!(ask(&client).await.unwrap(), "t2");
        }
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn a_token_that_the_server_no_longer_takes_is_made_anew_and_the_request_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::answering(|n, head| match (n, bearer(head).as_str()) {
            (0, _) | (_, "t2") => Reply::ok(bearer(head)),
            _ => Reply::status("401 Unauthorized", "{}"),
        })
        .await;
        let options = options(folder.path(), &server, plugin(folder.path(), "2999-01-01T00:00:00Z"));
        let client = connected(&options).await;
        assert_eq!(ask(&client).await.unwrap(), "t1");
        let (one, two) = tokio::join!(ask(&client), ask(&client));
        assert_eq!((one.unwrap(), two.unwrap()), ("t2".to_owned(), "t2".to_owned()));
        assert_eq!(runs(folder.path()), 2, "those refused together share one renewal");
    }

    #[tokio::test]
    async fn a_credential_that_is_never_taken_is_not_made_anew_in_a_circle() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::answering(|_, _| Reply::status("401 Unauthorized", "{}")).await;
        let options = options(folder.path(), &server, plugin(folder.path(), "2999-01-01T00:00:00Z"));
        let client = connected(&options).await;
        for _ in 0..5 {
            assert!(ask(&client).await.is_err());
        }
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn a_token_in_a_file_that_changed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "t1").unwrap();
        let server = Server::answering(|n, head| match (n, bearer(head).as_str()) {
            (0, _) | (_, "t2") => Reply::ok(bearer(head)),
            _ => Reply::status("401 Unauthorized", "{}"),
        })
        .await;
        let options = options(folder.path(), &server, json!({"tokenFile": file}));
        let client = connected(&options).await;
        assert_eq!(ask(&client).await.unwrap(), "t1");
        std::fs::write(&file, "t2").unwrap();
        assert_eq!(ask(&client).await.unwrap(), "t2");
    }

    #[tokio::test]
    async fn a_context_that_leads_elsewhere_meanwhile_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::answering(|_, _| Reply::status("401 Unauthorized", "{}")).await;
        let elsewhere = Server::answering(|_, _| Reply::ok("elsewhere")).await;
        let original = options(folder.path(), &server, json!({"token": "t1"}));
        let client = connected(&original).await;
        options(folder.path(), &elsewhere, json!({"token": "t2"}));
        assert!(ask(&client).await.is_err());
        assert!(elsewhere.asked().is_empty());
    }

    #[tokio::test]
    async fn impersonation_goes_with_every_request() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::answering(|_, head| {
            let about = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("impersonate-"));
            Reply::ok(about.map(str::to_lowercase).collect::<Vec<_>>().join("; "))
        })
        .await;
        let mut options =
            options(folder.path(), &server, json!({"token": "t", "as": "x", "as-groups": ["y"]}));
        let from_file = connected(&options).await;
        assert_eq!(ask(&from_file).await.unwrap(), "impersonate-user: x; impersonate-group: y");
        options.as_user = Some("bo".into());
        options.as_groups = vec!["dev".into(), "ops".into()];
        let said = ask(&connected(&options).await).await.unwrap();
        assert_eq!(said, "impersonate-user: bo; impersonate-group: dev; impersonate-group: ops");
    }

    fn bearer(head: &str) -> String {
        let value = head.lines().find_map(|line| line.split_once("earer ")).map(|(_, token)| token.trim());
        value.unwrap_or_default().to_owned()
    }
}
