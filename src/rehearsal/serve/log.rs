//! `GET …/pods/NAME/log`: a container's lines, once or as they come.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use jiff::{SignedDuration, Timestamp};

use super::Shared;
use super::kube::{Parameters, stream_answer};
use crate::rehearsal::sim::change::Refusal;
use crate::rehearsal::sim::logs::Line;

/// How often a follower looks for new lines; several at once look like one write of the program.
const POLL: Duration = Duration::from_millis(40);

struct Follow {
    shared: Arc<Shared>,
    namespace: String,
    pod: String,
    container: Option<String>,
    /// A stream belongs to one life: it ends with it, also when the next has begun meanwhile.
    life: u32,
    cursor: Timestamp,
    timestamps: bool,
    /// Lines of the past, sent first.
    first: Option<String>,
    over: bool,
}

pub fn answer(
    shared: &Arc<Shared>,
    namespace: &str,
    pod: &str,
    parameters: &Parameters,
) -> Result<Response, Refusal> {
    let parameter = |name: &str| parameters.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let flag = |name: &str| matches!(parameter(name), Some("true" | "1"));
    let timestamps = flag("timestamps");
    let container = parameter("container");
    let number = |name: &str| -> Result<Option<i64>, Refusal> {
        let bad = |_| Refusal::BadRequest(format!("{name} is not a number"));
        parameter(name).map(|text| text.parse::<i64>().map_err(bad)).transpose()
    };
    let (tail, limit) = (number("tailLines")?, number("limitBytes")?);
    let since_s = number("sinceSeconds")?;
    let since_time = match parameter("sinceTime") {
        Some(text) => Some(
            text.parse::<Timestamp>()
                .map_err(|_| Refusal::BadRequest(format!("sinceTime {text:?} is no RFC 3339 time")))?,
        ),
        None => None,
    };
    let (mut lines, cursor, life, ended) = shared.look(|world| {
        let speaker = world.speaker(namespace, pod, container, flag("previous"))?;
        let now = world.now();
        let since = since_s.map(|seconds| now - SignedDuration::from_secs(seconds)).or(since_time);
        // The kubelet includes a line of exactly that time.
        let from = since.map_or(Timestamp::MIN, |since| since - SignedDuration::from_nanos(1));
        let lines = speaker.lines(from, now);
        let cursor = lines.last().map_or(from, |line| line.at);
        Ok((lines, cursor, speaker.life(), speaker.has_ended()))
    })?;
    if let Some(tail) = tail {
        let tail = usize::try_from(tail).unwrap_or(0);
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let mut text = write(&lines, timestamps);
    if let Some(limit) = limit {
        let mut end = usize::try_from(limit).unwrap_or(0).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    if !flag("follow") || ended {
        return Ok(stream_answer("text/plain", Body::from(text)));
    }
    let follow = Follow {
        shared: shared.clone(),
        namespace: namespace.into(),
        pod: pod.into(),
        container: container.map(str::to_owned),
        life,
        cursor,
        timestamps,
        first: Some(text),
        over: false,
    };
    let chunks = stream::unfold(follow, |mut follow| async move {
        let chunk = follow.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), follow))
    });
    Ok(stream_answer("text/plain", Body::from_stream(chunks)))
}

impl Follow {
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take().filter(|text| !text.is_empty()) {
            return Some(first);
        }
        loop {
            if self.over {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = self.shared.closing.cancelled() => return None,
            }
            let shared = self.shared.clone();
            let lines = shared.look(|world| {
                let speaker =
                    |previous| world.speaker(&self.namespace, &self.pod, self.container.as_deref(), previous);
                let (from, now) = (self.cursor, world.now());
                let speaker = match speaker(false) {
                    Ok(next) if next.life() != self.life => speaker(true),
                    same => same,
                };
                match speaker {
                    Ok(speaker) => {
                        self.over = speaker.has_ended();
                        let lines = speaker.lines(from, now);
                        // The last words of a life are known only once it has ended, and they lie a
                        // moment before that: what was told is the place to go on from, not the time.
                        self.cursor = lines.last().map_or(from, |line| line.at);
                        lines
                    }
                    // The pod is gone: the stream ends, as it does on a node.
                    Err(_) => {
                        self.over = true;
                        Vec::new()
                    }
                }
            });
            if !lines.is_empty() {
                return Some(write(&lines, self.timestamps));
            }
        }
    }
}

fn write(lines: &[Line], timestamps: bool) -> String {
    let mut text = String::new();
    for line in lines {
        if timestamps {
            text += &format!("{:.9} ", line.at);
        }
        text += &line.text;
        text.push('\n');
    }
    text
}
