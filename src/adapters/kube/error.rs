//! What can go wrong with a cluster, in words that a person can act on.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use kube::config::KubeconfigError;
use tokio::time::timeout;

/// Nothing that a person asks for is waited for longer than they would.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a call to an API server failed, as far as it can be told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    Dns,
    Refused,
    Tls,
    TimedOut,
    /// Connected, then cut off.
    Broken,
    /// 401: the credential is not, or no longer, accepted.
    Unauthorized,
    /// 403: known, but not allowed.
    Forbidden,
    NotFound,
    /// 409, or a precondition that did not hold.
    Conflict,
    /// 400, 422: understood and refused, by admission too.
    Rejected,
    /// 429.
    Busy,
    /// 5xx.
    Server,
    /// A credential could not be made, such as by an exec plugin.
    Credential,
    /// The answer could not be understood.
    Answer,
    Other,
}

impl Cause {
    pub fn words(self) -> &'static str {
        match self {
            Self::Dns => "name cannot be resolved",
            Self::Refused => "connection refused",
            Self::Tls => "TLS failed",
            Self::TimedOut => "no answer in time",
            Self::Broken => "connection broken",
            Self::Unauthorized => "credential expired or not accepted",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Busy => "server too busy",
            Self::Server => "server error",
            Self::Credential => "no credential",
            Self::Answer => "answer not understood",
            Self::Other => "failed",
        }
    }

    /// Whether the server was not reached at all, so that nothing can have changed there.
    pub fn is_unreachable(self) -> bool {
        matches!(self, Self::Dns | Self::Refused | Self::Tls | Self::Credential)
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum KubeError {
    #[error(
        "no kubeconfig found; looked at {}; set KUBECONFIG or pass --context with one in place",
        list(looked_at)
    )]
    NoKubeconfig { looked_at: Vec<PathBuf> },
    #[error("kubeconfig {}: {why}", path.display())]
    Kubeconfig { path: PathBuf, why: String },
    #[error("{}", no_context(name, known, suggestion.as_deref()))]
    NoSuchContext { name: String, known: Vec<String>, suggestion: Option<String> },
    #[error("the kubeconfig names no current context; choose one with --context ({})", known.join(", "))]
    NoCurrentContext { known: Vec<String> },
    #[error("context {context}: {why}")]
    Context { context: String, why: String },
    #[error("cannot {what} at {host} (context {context}): {}{}", cause.words(), detail_after(detail))]
    Call { what: String, host: String, context: String, cause: Cause, detail: String },
    #[error("{target} is no longer what was shown: {what}")]
    Changed { target: String, what: String },
    #[error("{target}: {why}")]
    NotNow { target: String, why: String },
    #[error("{target}: {why}")]
    NotYet { target: String, why: String },
    #[error("{target} is not rolled back by gonogo: {why}")]
    NotRolledBack { target: String, why: String },
    #[error("cannot write the pinned kubeconfig {}: {why}", path.display())]
    PinFile { path: PathBuf, why: String },
}

impl KubeError {
    /// The cause of a failed call; `None` when no call was made.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Call { cause, .. } => Some(*cause),
            _ => None,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    match paths {
        [] => "nothing: neither KUBECONFIG nor a home directory is set".to_owned(),
        paths => paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn no_context(name: &str, known: &[String], suggestion: Option<&str>) -> String {
    match suggestion {
        Some(suggestion) => format!("no context named {name} in the kubeconfig; did you mean {suggestion}?"),
        None if known.is_empty() => {
            format!("no context named {name}: the kubeconfig has none at all")
        }
        None => format!("no context named {name} in the kubeconfig; there are {}", known.join(", ")),
    }
}

fn detail_after(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

/// Where calls go, for messages.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub host: String,
    pub context: String,
}

impl Place {
    /// Waits for the answer to something that a person is waiting for.
    pub async fn call<T>(
        &self,
        what: &str,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, KubeError> {
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.call_failed(what, &error)),
            Err(_) => Err(self.failed(what, Cause::TimedOut, format!("{} s", PATIENCE.as_secs()))),
        }
    }

    pub fn call_failed(&self, what: &str, error: &kube::Error) -> KubeError {
        let (cause, detail) = explain(error);
        self.failed(what, cause, detail)
    }

    pub fn failed(&self, what: &str, cause: Cause, detail: String) -> KubeError {
        KubeError::Call {
            what: what.to_owned(),
            host: self.host.clone(),
            context: self.context.clone(),
            cause,
            detail,
        }
    }
}

pub(super) fn cause_of_status(code: u16) -> Cause {
    match code {
        401 => Cause::Unauthorized,
        403 => Cause::Forbidden,
        404 => Cause::NotFound,
        409 => Cause::Conflict,
        429 => Cause::Busy,
        500..=599 => Cause::Server,
        400..=499 => Cause::Rejected,
        _ => Cause::Other,
    }
}

/// The cause of a client error, and the sentence of the server or the system about it.
pub(super) fn explain(error: &kube::Error) -> (Cause, String) {
    match error {
        kube::Error::Api(status) => (cause_of_status(status.code), status.message.clone()),
        kube::Error::Auth(error) => (Cause::Credential, innermost(error)),
        kube::Error::SerdeError(error) => (Cause::Answer, error.to_string()),
        kube::Error::FromUtf8(error) => (Cause::Answer, error.to_string()),
        error => (transport_cause(error), innermost(error)),
    }
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn transport_cause(error: &(dyn StdError + 'static)) -> Cause {
    let mut link: Option<&(dyn StdError + 'static)> = Some(error);
    let mut found = Cause::Other;
    while let Some(error) = link {
        if error.downcast_ref::<rustls::Error>().is_some() {
            return Cause::Tls;
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind as Kind;
            if let Some(inner) = io.get_ref()
                && inner.downcast_ref::<rustls::Error>().is_some()
            {
                return Cause::Tls;
            }
            found = match io.kind() {
                Kind::ConnectionRefused => Cause::Refused,
                Kind::TimedOut => Cause::TimedOut,
                Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof => {
                    Cause::Broken
                }
                _ => found,
            };
        }
        // The resolver's own error is private; its words are all there is.
        let words = error.to_string();
        if words.contains("dns error") || words.contains("failed to lookup address") {
            return Cause::Dns;
        }
        if found == Cause::Other && words.contains("connection closed before message completed") {
            found = Cause::Broken;
        }
        link = error.source();
    }
    found
}

pub(super) fn kubeconfig_error(path: PathBuf, error: &KubeconfigError) -> KubeError {
    KubeError::Kubeconfig { path, why: innermost(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_context_comes_with_a_suggestion() {
        let error = KubeError::NoSuchContext {
            name: "prod-ue".into(),
            known: vec!["prod-eu".into()],
            suggestion: Some("prod-eu".into()),
        };
        assert_eq!(error.to_string(), "no context named prod-ue in the kubeconfig; did you mean prod-eu?");
    }

    #[test]
    fn a_failed_call_names_host_context_and_cause() {
        let place = Place { host: "https://api:6443".into(), context: "prod-eu".into() };
        let error = place.failed("read deployment/app", Cause::Refused, String::new());
        assert_eq!(
            error.to_string(),
            "cannot read deployment/app at https://api:6443 (context prod-eu): connection refused"
        );
    }

    #[test]
    fn an_expired_credential_is_not_a_missing_permission() {
        let status = |code: u16| {
            let status = kube::core::Status::failure("no", "").with_code(code);
            explain(&kube::Error::Api(status.boxed())).0
        };
        assert_eq!(status(401), Cause::Unauthorized);
        assert_eq!(status(403), Cause::Forbidden);
        assert_eq!(status(503), Cause::Server);
        assert_eq!(status(422), Cause::Rejected);
    }

    #[test]
    fn a_refused_connection_is_found_below_the_layers() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(transport_cause(&kube::Error::Service(Box::new(io))), Cause::Refused);
    }
}
