//! What containers write. Lines are a function of a container's life and of time: nothing is stored,
//! and the same moment always reads the same, also after a restart of the practice world.

use jiff::{SignedDuration, Timestamp};

use super::change::Refusal;
use super::container::{Container, Life, State};
use super::dice::chance;
use super::store::Kind;
use super::{World, after};
use crate::rehearsal::scenario::{Scenario, behaviour, tag_of};

/// World time per request line. Real services write more; a person can still read this.
const SLOT_S: f64 = 0.9;
/// How far back a node keeps lines.
const KEPT: SignedDuration = SignedDuration::from_mins(30);

const PATHS: [(&str, f64); 8] = [
    ("GET /", 9.0),
    ("GET /cart", 14.0),
    ("GET /products?page=2", 22.0),
    ("GET /products/4711", 17.0),
    ("POST /cart/items", 31.0),
    ("POST /login", 58.0),
    ("GET /orders", 41.0),
    ("POST /checkout", 96.0),
];
const FAILURES: [&str; 3] = [
    "db pool exhausted: 20 of 20 connections in use, waited 5000ms",
    "checkout: upstream payment-gateway answered 502",
    "unhandled: TypeError: cannot read property 'currency' of undefined at price.js:88",
];

/// One line with its own time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: Timestamp,
    pub text: String,
}

/// One life of one container, as far as it can be heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    seed: u64,
    image: String,
    scenario: Scenario,
    life: Life,
    container: Container,
}

impl Speaker {
    /// The lines after `from`, up to and including `to`, oldest first.
    pub fn lines(&self, from: Timestamp, to: Timestamp) -> Vec<Line> {
        let life = &self.life;
        let to = life.ended.map_or(to, |ended| to.min(ended));
        let from = from.max(to - KEPT);
        let mut lines = Vec::new();
        let mut say = |at: Timestamp, text: String| {
            if from < at && at <= to {
                lines.push(Line { at, text });
            }
        };
        for (seconds, text) in self.first_words() {
            let at = after(life.started, seconds);
            if life.ended.is_none_or(|ended| at < ended) {
                say(at, text);
            }
        }
        if life.ended.is_none_or(|ended| life.warm < ended) {
            let took = life.warm.duration_since(life.started).as_secs_f64();
            say(life.warm, format!("INFO  listening on :8080 after {took:.1}s"));
        }
        if let Some(ready) = life.ready {
            let end = life.stopping.unwrap_or(to).min(to);
            let first = (from.duration_since(ready).as_secs_f64() / SLOT_S).floor().max(0.0) as u64;
            let last = (end.duration_since(ready).as_secs_f64() / SLOT_S).ceil().max(0.0) as u64;
            for slot in first..=last {
                let at = after(ready, (slot as f64 + 0.9 * chance(self.seed, slot)) * SLOT_S);
                if at <= end {
                    self.request(slot, at, &mut say);
                }
            }
        }
        if let Some(stopping) = life.stopping {
            say(after(stopping, 0.01), "INFO  SIGTERM received, finishing open requests".into());
        }
        if let (Some(ended), Some(crash)) = (life.ended, behaviour(self.scenario, &self.image).crash) {
            for (index, text) in crash.last_lines.iter().enumerate() {
                let before_ms = 20 * (crash.last_lines.len() - index) as i64;
                say(ended - SignedDuration::from_millis(before_ms), (*text).to_owned());
            }
        }
        lines.sort_by_key(|line| line.at);
        lines
    }

    /// Which life of its container this is, from 0.
    pub fn life(&self) -> u32 {
        self.life.number
    }

    pub fn has_ended(&self) -> bool {
        self.life.ended.is_some()
    }

    fn first_words(&self) -> [(f64, String); 4] {
        let version = tag_of(&self.image);
        [
            (0.11, format!("INFO  starting myapp {version} pid=1")),
            (0.34, "INFO  configuration read from environment".into()),
            (2.60, "INFO  connecting to postgres at db.shop.svc:5432".into()),
            (9.20, "INFO  loading price lists".into()),
        ]
    }

    fn request(&self, slot: u64, at: Timestamp, say: &mut impl FnMut(Timestamp, String)) {
        let seed = self.seed.wrapping_add(slot.wrapping_mul(31));
        let (path, usual_ms) = PATHS[(chance(seed, 1) * PATHS.len() as f64) as usize];
        let slowness = self.container.latency_factor(self.scenario, at);
        let ms = usual_ms * slowness * (0.6 + 0.9 * chance(seed, 2));
        let id = (chance(seed, 3) * 65_536.0) as u32;
        // The log shows a sample of the requests, failures first, as a sampling logger does.
        let failing = self.container.error_ratio(self.scenario, at) * 4.0;
        if chance(seed, 4) < failing {
            let why = FAILURES[(chance(seed, 5) * FAILURES.len() as f64) as usize];
            say(at, format!("ERROR {path} 500 {ms:.0}ms req={id:04x} {why}"));
        } else if chance(seed, 6) < 0.02 {
            say(at, format!("WARN  {path} 404 {:.0}ms req={id:04x} no such item", ms / 3.0));
        } else {
            say(at, format!("INFO  {path} 200 {ms:.0}ms req={id:04x}"));
        }
    }
}

impl World {
    /// Finds whose log is meant.
    ///
    /// - Errors: [`Refusal::NotFound`] for an unknown pod, [`Refusal::BadRequest`] for a container that
    ///   has no such life, is not one of the pod's, or is not chosen among several.
    pub fn speaker(
        &self,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        previous: bool,
    ) -> Result<Speaker, Refusal> {
        let found = self
            .pods
            .iter()
            .find(|candidate| candidate.meta.namespace == namespace && candidate.meta.name == pod)
            .ok_or_else(|| Refusal::NotFound { kind: Kind::Pod, name: pod.into() })?;
        let names: Vec<&str> = found.containers.iter().map(|container| container.name.as_str()).collect();
        let container = match (container, found.containers.as_slice()) {
            (None, [only]) => only,
            (None, _) => {
                let why = format!(
                    "a container name must be specified for pod {pod}, choose one of: [{}]",
                    names.join(" ")
                );
                return Err(Refusal::BadRequest(why));
            }
            (Some(name), containers) => containers
                .iter()
                .find(|container| container.name == name)
                .ok_or_else(|| Refusal::BadRequest(format!("container {name} is not valid for pod {pod}")))?,
        };
        let name = &container.name;
        let life = if previous {
            // Between two lives the ended one is the previous one.
            let ended = container.life.as_ref().filter(|_| matches!(container.state, State::BackOff { .. }));
            ended.or(container.previous.as_ref()).ok_or_else(|| {
                Refusal::BadRequest(format!(
                    "previous terminated container \"{name}\" in pod \"{pod}\" not found"
                ))
            })?
        } else {
            container.life.as_ref().ok_or_else(|| {
                let why = match &container.state {
                    State::PullFailed { .. } => "trying and failing to pull image",
                    _ => "ContainerCreating",
                };
                Refusal::BadRequest(format!(
                    "container \"{name}\" in pod \"{pod}\" is waiting to start: {why}"
                ))
            })?
        };
        Ok(Speaker {
            seed: found.seed() ^ u64::from(life.number),
            image: container.image.clone(),
            scenario: self.scenario,
            life: life.clone(),
            container: Container { life: Some(life.clone()), ..container.clone() },
        })
    }
}
