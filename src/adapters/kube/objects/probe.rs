//! How the kubelet asks a container, as the pod's spec says.

use serde::Deserialize;
use serde_json::Value;

use super::wire::count;
use crate::watch::ProbeFacts;

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Probe {
    initial_delay_seconds: Option<i64>,
    timeout_seconds: Option<i64>,
    period_seconds: Option<i64>,
    failure_threshold: Option<i64>,
    success_threshold: Option<i64>,
    http_get: Option<HttpGet>,
    tcp_socket: Option<Port>,
    grpc: Option<Port>,
    exec: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct HttpGet {
    path: Option<String>,
    port: Value,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Port {
    port: Value,
}

/// A port by number or by name.
fn port(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl From<Probe> for ProbeFacts {
    fn from(wire: Probe) -> Self {
        let what = if let Some(get) = &wire.http_get {
            format!("GET :{}{}", port(&get.port), get.path.as_deref().unwrap_or("/"))
        } else if let Some(tcp) = &wire.tcp_socket {
            format!("tcp :{}", port(&tcp.port))
        } else if let Some(grpc) = &wire.grpc {
            format!("grpc :{}", port(&grpc.port))
        } else if wire.exec.is_some() {
            "exec".to_owned()
        } else {
            String::new()
        };
        // The API server fills these in; its defaults, for a server that did not.
        let or = |given: Option<i64>, default: i64| count(Some(given.unwrap_or(default)));
        Self {
            initial_delay_s: or(wire.initial_delay_seconds, 0),
            timeout_s: or(wire.timeout_seconds, 1),
            period_s: or(wire.period_seconds, 10),
            failure_threshold: or(wire.failure_threshold, 3),
            success_threshold: or(wire.success_threshold, 1),
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_way_to_ask_is_told_in_a_few_words() {
        let what = |value: Value| ProbeFacts::from(serde_json::from_value::<Probe>(value).unwrap()).what;
        assert_eq!(what(json!({"httpGet": {"path": "/health", "port": 8080}})), "GET :8080/health");
        assert_eq!(what(json!({"httpGet": {"port": "http"}})), "GET :http/");
        assert_eq!(what(json!({"tcpSocket": {"port": 5432}})), "tcp :5432");
        assert_eq!(what(json!({"grpc": {"port": 9000, "service": "x"}})), "grpc :9000");
        assert_eq!(what(json!({"exec": {"command": ["cat"]}})), "exec");
    }
}
