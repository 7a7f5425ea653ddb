//! Core `v1` Events of type Warning.

use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::Deserialize;

use super::resource;
use super::wire::{Meta, count, lenient_time};
use crate::watch::WarningEvent;

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Warning {
    meta: ObjectMeta,
    pub facts: WarningEvent,
}

resource!(Warning, "Event", "", "v1", "events", NamespaceResourceScope);

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    metadata: Meta,
    involved_object: Involved,
    reason: Option<String>,
    message: Option<String>,
    count: Option<i64>,
    #[serde(deserialize_with = "lenient_time")]
    first_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    last_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    event_time: Option<Timestamp>,
    series: Option<Series>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Involved {
    kind: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Series {
    count: Option<i64>,
    #[serde(deserialize_with = "lenient_time")]
    last_observed_time: Option<Timestamp>,
}

impl From<Wire> for Warning {
    fn from(wire: Wire) -> Self {
        let series = wire.series.unwrap_or_default();
        Self {
            meta: wire.metadata.thin(),
            facts: WarningEvent {
                at: series
                    .last_observed_time
                    .or(wire.last_timestamp)
                    .or(wire.event_time)
                    .or(wire.first_timestamp)
                    .or(wire.metadata.creation_timestamp),
                uid: wire.metadata.uid,
                about: format!("{}/{}", wire.involved_object.kind, wire.involved_object.name),
                reason: wire.reason.unwrap_or_default(),
                message: wire.message.unwrap_or_default(),
                count: count(series.count.or(wire.count)).max(1),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_warning_of_the_new_events_api_counts_its_series() {
        let warning: Warning = serde_json::from_value(json!({
            "metadata": {"name": "e", "uid": "e1"}, "reason": "Unhealthy", "message": "503",
            "involvedObject": {"kind": "Pod", "name": "app-1"}, "eventTime": "2026-11-22T14:00:00.000000Z",
            "series": {"count": 4, "lastObservedTime": "2026-11-22T14:01:00.000000Z"}
        }))
        .unwrap();
        assert_eq!((warning.facts.about.as_str(), warning.facts.count), ("Pod/app-1", 4));
        assert_eq!(warning.facts.at, Some("2026-11-22T14:01:00Z".parse().unwrap()));
    }
}
