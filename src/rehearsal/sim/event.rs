//! Events as the API keeps them: repeated ones counted, old ones forgotten.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::kind::Kind;

/// The API server drops events after an hour.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub kind: Kind,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// The container, where one is meant.
    pub container: Option<String>,
}

/// Who reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reporter {
    Deployments,
    ReplicaSets,
    StatefulSets,
    DaemonSets,
    Autoscaler,
    Scheduler,
    Kubelet,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub about: About,
    pub reporter: Reporter,
    pub node: Option<String>,
    pub warning: bool,
    pub reason: String,
    pub message: String,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u32,
    /// Not published since its last change. Most events never change again, and there are many.
    pub fresh: bool,
}

/// What is to be told; the recorder adds names, times and counts.
#[derive(Debug)]
pub struct News {
    pub about: About,
    pub reporter: Reporter,
    pub node: Option<String>,
    pub warning: bool,
    pub reason: &'static str,
    pub message: String,
}

/// Adds an event, or counts it up when the same thing was said about the same object before.
pub fn record(events: &mut Vec<Event>, news: News, now: Timestamp, uid: String) {
    let same = events.iter_mut().find(|event| {
        event.about == news.about && event.reason == news.reason && event.message == news.message
    });
    if let Some(event) = same {
        event.count += 1;
        event.last = now;
        event.fresh = true;
        return;
    }
    let mut serial = now.as_nanosecond();
    let name = loop {
        let name = format!("{}.{serial:x}", news.about.name);
        if events.iter().all(|event| event.name != name) {
            break name;
        }
        serial += 1;
    };
    events.push(Event {
        namespace: news.about.namespace.clone(),
        name,
        uid,
        about: news.about,
        reporter: news.reporter,
        node: news.node,
        warning: news.warning,
        reason: news.reason.to_owned(),
        message: news.message,
        first: now,
        last: now,
        count: 1,
        fresh: true,
    });
}

/// Takes out what the API server would have dropped by now.
pub fn expire(events: &mut Vec<Event>, now: Timestamp) -> Vec<Event> {
    events.extract_if(.., |event| now.duration_since(event.last) >= KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(message: &str) -> News {
        let about = About {
            kind: Kind::Pod,
            namespace: "shop".into(),
            name: "app-1".into(),
            uid: "u".into(),
            container: None,
        };
        News {
            about,
            reporter: Reporter::Kubelet,
            node: None,
            warning: true,
            reason: "Unhealthy",
            message: message.into(),
        }
    }

    #[test]
    fn the_same_news_is_counted_and_other_news_is_added() {
        let mut events = Vec::new();
        let start = Timestamp::from_second(1_000).unwrap();
        record(&mut events, news("503"), start, "a".into());
        record(&mut events, news("503"), start + SignedDuration::from_secs(5), "b".into());
        record(&mut events, news("refused"), start, "c".into());
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].count, events[0].last.as_second()), (2, 1_005));
        assert_ne!(events[0].name, events[1].name);
    }

    #[test]
    fn events_are_forgotten_an_hour_after_their_last_time() {
        let mut events = Vec::new();
        let start = Timestamp::from_second(1_000).unwrap();
        record(&mut events, news("503"), start, "a".into());
        assert!(expire(&mut events, start + SignedDuration::from_mins(59)).is_empty());
        assert_eq!(expire(&mut events, start + SignedDuration::from_mins(60)).len(), 1);
        assert!(events.is_empty());
    }
}
