//! Objects as the tables that `kubectl get` asks for.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::rehearsal::sim::store::Kind;

/// A table of `objects`; `include` is the request's `includeObject`.
pub fn table(
    kind: Kind,
    objects: &[&Value],
    version: u64,
    now: Timestamp,
    include: &str,
    header: bool,
) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let shown = match include {
                "None" => Value::Null,
                "Object" => (*object).clone(),
                _ => json!({
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": object["metadata"],
                }),
            };
            json!({"cells": cells(kind, object, now), "object": shown})
        })
        .collect();
    let columns = if header { columns(kind) } else { Value::Null };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version.to_string()},
        "columnDefinitions": columns,
        "rows": rows,
    })
}

/// Name, type and whether the column is shown only by `-o wide`.
fn columns(kind: Kind) -> Value {
    let columns: &[(&str, &str, u8)] = match kind {
        Kind::Deployment => &[
            ("Name", "string", 0),
            ("Ready", "string", 0),
            ("Up-to-date", "string", 0),
            ("Available", "string", 0),
            ("Age", "string", 0),
            ("Containers", "string", 1),
            ("Images", "string", 1),
            ("Selector", "string", 1),
        ],
        Kind::ReplicaSet => &[
            ("Name", "string", 0),
            ("Desired", "integer", 0),
            ("Current", "integer", 0),
            ("Ready", "integer", 0),
            ("Age", "string", 0),
            ("Containers", "string", 1),
            ("Images", "string", 1),
            ("Selector", "string", 1),
        ],
        Kind::Pod => &[
            ("Name", "string", 0),
            ("Ready", "string", 0),
            ("Status", "string", 0),
            ("Restarts", "string", 0),
            ("Age", "string", 0),
            ("IP", "string", 1),
            ("Node", "string", 1),
            ("Nominated Node", "string", 1),
            ("Readiness Gates", "string", 1),
        ],
        Kind::Event => &[
            ("Last Seen", "string", 0),
            ("Type", "string", 0),
            ("Reason", "string", 0),
            ("Object", "string", 0),
            ("Subobject", "string", 1),
            ("Source", "string", 1),
            ("Message", "string", 0),
            ("First Seen", "string", 1),
            ("Count", "string", 1),
            ("Name", "string", 1),
        ],
        Kind::StatefulSet => &[
            ("Name", "string", 0),
            ("Ready", "string", 0),
            ("Age", "string", 0),
            ("Containers", "string", 1),
            ("Images", "string", 1),
        ],
        Kind::DaemonSet => &[
            ("Name", "string", 0),
            ("Desired", "integer", 0),
            ("Current", "integer", 0),
            ("Ready", "integer", 0),
            ("Up-to-date", "integer", 0),
            ("Available", "integer", 0),
            ("Node Selector", "string", 0),
            ("Age", "string", 0),
        ],
        Kind::Namespace | Kind::Node => {
            &[("Name", "string", 0), ("Status", "string", 0), ("Age", "string", 0)]
        }
        Kind::Lease => &[("Name", "string", 0), ("Holder", "string", 0), ("Age", "string", 0)],
        Kind::ConfigMap | Kind::Secret => {
            &[("Name", "string", 0), ("Data", "integer", 0), ("Age", "string", 0)]
        }
        _ => &[("Name", "string", 0), ("Created At", "date", 0)],
    };
    columns
        .iter()
        .map(|(name, kind, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
        })
        .collect()
}

fn cells(kind: Kind, object: &Value, now: Timestamp) -> Value {
    let metadata = &object["metadata"];
    let name = metadata["name"].clone();
    let created = age(metadata["creationTimestamp"].as_str(), now);
    let (spec, status) = (&object["spec"], &object["status"]);
    let count = |value: &Value| value.as_i64().unwrap_or(0);
    let wide = || {
        let containers = spec["template"]["spec"]["containers"].as_array().cloned().unwrap_or_default();
        let join = |field: &str| {
            containers.iter().filter_map(|one| one[field].as_str()).collect::<Vec<_>>().join(",")
        };
        (join("name"), join("image"), selector(&spec["selector"]))
    };
    match kind {
        Kind::Deployment => {
            let (containers, images, selector) = wide();
            let ready = format!("{}/{}", count(&status["readyReplicas"]), count(&spec["replicas"]));
            let (updated, available) =
                (count(&status["updatedReplicas"]), count(&status["availableReplicas"]));
            json!([name, ready, updated, available, created, containers, images, selector])
        }
        Kind::ReplicaSet => {
            let (containers, images, selector) = wide();
            let numbers = [&spec["replicas"], &status["replicas"], &status["readyReplicas"]].map(count);
            json!([name, numbers[0], numbers[1], numbers[2], created, containers, images, selector])
        }
        Kind::Pod => {
            let pod = pod_summary(object, now);
            let node = spec["nodeName"].as_str().unwrap_or("<none>");
            let ip = status["podIP"].as_str().unwrap_or("<none>");
            json!([name, pod.ready, pod.status, pod.restarts, created, ip, node, "<none>", "<none>"])
        }
        Kind::Event => {
            let about = &object["involvedObject"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let object_name = format!("{}/{}", text(&about["kind"]).to_lowercase(), text(&about["name"]));
            let last = event_time(object, "lastTimestamp");
            let first = event_time(object, "firstTimestamp");
            let source = text(&object["source"]["component"]);
            let (kind, reason, message) = (&object["type"], &object["reason"], &object["message"]);
            let subobject = text(&about["fieldPath"]);
            let times = object["count"].as_i64().unwrap_or(1);
            json!([
                age(last, now),
                kind,
                reason,
                object_name,
                subobject,
                source,
                message,
                age(first, now),
                times,
                name
            ])
        }
        Kind::Namespace => json!([name, status["phase"], created]),
        Kind::StatefulSet => {
            let (containers, images, _) = wide();
            let ready = format!("{}/{}", count(&status["readyReplicas"]), count(&spec["replicas"]));
            json!([name, ready, created, containers, images])
        }
        Kind::DaemonSet => {
            let numbers = [
                "desiredNumberScheduled",
                "currentNumberScheduled",
                "numberReady",
                "updatedNumberScheduled",
                "numberAvailable",
            ]
            .map(|field| count(&status[field]));
            let selector = &spec["template"]["spec"]["nodeSelector"];
            let pairs = selector.as_object().into_iter().flatten();
            let pairs: Vec<String> =
                pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
            let selector = if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") };
            json!([name, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], selector, created])
        }
        Kind::Node => {
            let ready = status["conditions"].as_array().into_iter().flatten();
            let is_ready = ready.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
            let cordoned = if spec["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
            json!([name, format!("{}{cordoned}", if is_ready { "Ready" } else { "NotReady" }), created])
        }
        Kind::Lease => json!([name, spec["holderIdentity"].as_str().unwrap_or_default(), created]),
        Kind::ConfigMap | Kind::Secret => {
            json!([name, object["data"].as_object().map_or(0, serde_json::Map::len), created])
        }
        _ => json!([name, metadata["creationTimestamp"]]),
    }
}

fn event_time<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object[field].as_str().or_else(|| object["eventTime"].as_str())
}

/// The three cells by which people judge a pod.
#[derive(Debug, PartialEq, Eq)]
pub struct PodSummary {
    pub ready: String,
    pub status: String,
    pub restarts: String,
}

pub fn pod_summary(pod: &Value, now: Timestamp) -> PodSummary {
    let statuses = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let total = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let ready = statuses.iter().filter(|status| status["ready"] == true).count();
    let mut status = pod["status"]["phase"].as_str().unwrap_or("Unknown").to_owned();
    let mut restarts = 0;
    let mut last_restart: Option<&str> = None;
    for container in &statuses {
        restarts += container["restartCount"].as_i64().unwrap_or(0);
        last_restart = last_restart.max(container["lastState"]["terminated"]["finishedAt"].as_str());
        let state = &container["state"];
        let reason = state["waiting"]["reason"].as_str().or_else(|| state["terminated"]["reason"].as_str());
        if let Some(reason) = reason {
            status = reason.to_owned();
        }
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        status = "Terminating".into();
    }
    let restarts = match last_restart.filter(|_| restarts > 0) {
        Some(at) => format!("{restarts} ({} ago)", age(Some(at), now)),
        None => restarts.to_string(),
    };
    PodSummary { ready: format!("{ready}/{total}"), status, restarts }
}

fn selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object();
    let pairs = labels.into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().unwrap_or_default();
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join(",")
}

/// The time since `at` in kubectl's short words: `41s`, `4m8s`, `12m`, `5h`, `2d1h`, `9d`.
pub fn age(at: Option<&str>, now: Timestamp) -> String {
    let Some(at) = at.and_then(|text| text.parse::<Timestamp>().ok()) else { return "<unknown>".into() };
    let total = now.duration_since(at).as_secs().max(0);
    let (seconds, minutes, hours, days) = (total % 60, total / 60, total / 3_600, total / 86_400);
    let pair = |big: i64, unit: char, small: i64, smaller: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{smaller}") }
    };
    match total {
        0..120 => format!("{total}s"),
        120..600 => pair(minutes, 'm', seconds, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, 'd', hours % 24, 'h'),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_worded_as_kubectl_words_them() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let ages = [
            ("2026-11-22T11:59:19Z", "41s"),
            ("2026-11-22T11:55:52Z", "4m8s"),
            ("2026-11-22T11:48:00Z", "12m"),
            ("2026-11-22T07:00:00Z", "5h"),
            ("2026-11-20T11:00:00Z", "2d1h"),
            ("2026-11-13T12:00:00Z", "9d"),
        ];
        for (at, worded) in ages {
            assert_eq!(age(Some(at), now), worded, "{at}");
        }
    }

    #[test]
    fn a_pod_is_summed_up_by_its_worst_container() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let pod = json!({
            "metadata": {},
            "spec": {"containers": [{}]},
            "status": {"phase": "Running", "containerStatuses": [{
                "ready": false,
                "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"finishedAt": "2026-11-22T11:59:50Z"}},
            }]},
        });
        let expected = PodSummary {
            ready: "0/1".into(),
            status: "CrashLoopBackOff".into(),
            restarts: "3 (10s ago)".into(),
        };
        assert_eq!(pod_summary(&pod, now), expected);
    }
}
