//! One container as the kubelet runs it: pulled, started, probed, restarted with growing waits.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container as ContainerSpec;
use serde::{Deserialize, Serialize};

use super::after;
use super::dice::chance;
use super::pod::{Pod, Surroundings};
use crate::rehearsal::scenario::{Behaviour, Course, Fare, Scenario, behaviour};

/// The kubelet's waits between restarts: doubled from the first to the last.
const FIRST_BACK_OFF_S: u32 = 10;
const LAST_BACK_OFF_S: u32 = 300;
/// A container that ran this long starts with the first back-off again.
const BACK_OFF_FORGIVEN_S: i64 = 600;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub state: State,
    /// When `state` ends by itself.
    pub due: Option<Timestamp>,
    pub restarts: u32,
    /// The life that runs or ran last.
    pub life: Option<Life>,
    pub previous: Option<Life>,
    pub back_off_s: u32,
    pub ready: bool,
    pub ready_since: Option<Timestamp>,
    pub next_probe: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Creating,
    Pulling {
        since: Timestamp,
    },
    /// `ErrImagePull` right after a try, `ImagePullBackOff` while waiting for the next.
    PullFailed {
        tries: u32,
        backing_off: bool,
    },
    Running,
    Ended,
    BackOff {
        wait_s: u32,
    },
}

/// One run of a container, from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    pub number: u32,
    pub started: Timestamp,
    /// When the program begins to answer.
    pub warm: Timestamp,
    pub ready: Option<Timestamp>,
    /// When the kubelet asked it to stop.
    pub stopping: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub exit_code: i32,
}

impl Pod {
    pub(super) fn advance_container(&mut self, index: usize, around: &mut Surroundings<'_>) {
        if self.deletion.is_some() || self.told.is_some() {
            return;
        }
        let now = around.now;
        if self.containers[index].due.is_some_and(|due| due <= now) {
            self.containers[index].due = None;
            match self.containers[index].state.clone() {
                State::Creating => self.begin_pull(index, around),
                State::Pulling { since } => self.end_pull(index, since, 0, around),
                State::PullFailed { tries, backing_off: false } => {
                    // The kubelet tells of the failure first and of the waiting one sync later.
                    self.containers[index].state = State::PullFailed { tries, backing_off: true };
                    self.containers[index].due = Some(after(now, f64::from(back_off(tries))));
                    let image = &self.containers[index].image;
                    let message = format!("Back-off pulling image \"{image}\"");
                    around.news.push(self.news(Some(index), false, "BackOff", message));
                    around.news.push(self.news(
                        Some(index),
                        true,
                        "Failed",
                        "Error: ImagePullBackOff".into(),
                    ));
                }
                State::PullFailed { tries, backing_off: true } => {
                    self.tell_pulling(index, around);
                    self.end_pull(index, now, tries, around);
                }
                State::Running => self.crash(index, around),
                State::Ended => self.restart_or_wait(index, around),
                State::BackOff { .. } => self.start(index, around),
            }
        }
        if self.containers[index].next_probe.is_some_and(|probe| probe <= now) {
            self.probe(index, around);
        }
    }

    fn begin_pull(&mut self, index: usize, around: &mut Surroundings<'_>) {
        let image = self.containers[index].image.clone();
        if around.pulled.contains(&self.pull_key(&image)) {
            let message = format!("Container image \"{image}\" already present on machine");
            around.news.push(self.news(Some(index), false, "Pulled", message));
            self.start(index, around);
            return;
        }
        self.tell_pulling(index, around);
        let seconds = around.scenario.pulling_s(chance(self.seed(), 1));
        let missing = behaviour(around.scenario, &image).missing_image;
        // A registry says at once that it does not know an image.
        self.containers[index].due = Some(after(around.now, if missing { 1.2 } else { seconds }));
        self.containers[index].state = State::Pulling { since: around.now };
    }

    fn tell_pulling(&self, index: usize, around: &mut Surroundings<'_>) {
        let message = format!("Pulling image \"{}\"", self.containers[index].image);
        around.news.push(self.news(Some(index), false, "Pulling", message));
    }

    fn end_pull(&mut self, index: usize, since: Timestamp, tries: u32, around: &mut Surroundings<'_>) {
        let image = self.containers[index].image.clone();
        if behaviour(around.scenario, &image).missing_image {
            let message = format!("Failed to pull image \"{image}\": {}", not_found(&image));
            around.news.push(self.news(Some(index), true, "Failed", message));
            around.news.push(self.news(Some(index), true, "Failed", "Error: ErrImagePull".into()));
            self.containers[index].state = State::PullFailed { tries: tries + 1, backing_off: false };
            self.containers[index].due = Some(after(around.now, 12.0));
            return;
        }
        around.pulled.insert(self.pull_key(&image));
        let took = around.now.duration_since(since).as_secs_f64();
        let message = format!(
            "Successfully pulled image \"{image}\" in {took:.3}s ({took:.3}s including waiting). Image size: 48213311 bytes."
        );
        around.news.push(self.news(Some(index), false, "Pulled", message));
        self.start(index, around);
    }

    fn start(&mut self, index: usize, around: &mut Surroundings<'_>) {
        let (now, seed) = (around.now, self.seed());
        let behaviour = self.behaviour(index, around.scenario);
        let probe = self.readiness(index).map(|delay_s| after(now, delay_s));
        let container = &mut self.containers[index];
        if let Some(ended) = container.life.take() {
            container.restarts += 1;
            container.previous = Some(ended);
        }
        let (low, high) = behaviour.warm_up_s;
        let warm_up = low + (high - low) * chance(seed, 2 + u64::from(container.restarts));
        container.life = Some(Life {
            number: container.restarts,
            started: now,
            warm: after(now, warm_up),
            ready: None,
            stopping: None,
            ended: None,
            exit_code: 0,
        });
        container.state = State::Running;
        container.due = behaviour.crash.map(|crash| after(now, crash.after_s));
        // Simulated nodes make a container ready when it is warm, probe or not.
        container.next_probe = probe.or(around.scenario.waits_for_warmth().then(|| after(now, warm_up)));
        if container.next_probe.is_none() {
            Self::become_ready(container, now);
        }
        let created = format!("Created container: {}", container.name);
        let started = format!("Started container {}", container.name);
        around.news.push(self.news(Some(index), false, "Created", created));
        around.news.push(self.news(Some(index), false, "Started", started));
    }

    fn probe(&mut self, index: usize, around: &mut Surroundings<'_>) {
        let now = around.now;
        let period_s = self.spec.containers[index]
            .readiness_probe
            .as_ref()
            .and_then(|probe| probe.period_seconds)
            .unwrap_or(10)
            .max(1);
        let ip = self.ip.clone().unwrap_or_default();
        let container = &mut self.containers[index];
        container.next_probe = None;
        let Some(life) = container.life.as_ref().filter(|_| container.state == State::Running) else {
            return;
        };
        if life.warm <= now {
            // A ready container of the practice world fails by its answers or by its exit, never by
            // its probe, so probing stops and an idle world has nothing to do.
            Self::become_ready(container, now);
            return;
        }
        container.next_probe = Some(after(now, f64::from(period_s)));
        let half_way = after(life.started, life.warm.duration_since(life.started).as_secs_f64() / 3.0);
        let message = if now < half_way {
            format!(
                "Readiness probe failed: Get \"http://{ip}:8080/health\": dial tcp {ip}:8080: connect: connection refused"
            )
        } else {
            "Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned()
        };
        around.news.push(self.news(Some(index), true, "Unhealthy", message));
    }

    fn crash(&mut self, index: usize, around: &mut Surroundings<'_>) {
        let now = around.now;
        let crash = self.behaviour(index, around.scenario).crash;
        let container = &mut self.containers[index];
        container.ready = false;
        container.ready_since = None;
        container.next_probe = None;
        if let Some(life) = &mut container.life {
            life.ended = Some(now);
            life.exit_code = crash.map_or(0, |crash| crash.exit_code);
            if now.duration_since(life.started).as_secs() >= BACK_OFF_FORGIVEN_S {
                container.back_off_s = 0;
            }
        }
        container.state = State::Ended;
        container.due = Some(after(now, 1.0));
    }

    fn restart_or_wait(&mut self, index: usize, around: &mut Surroundings<'_>) {
        let wait_s = self.containers[index].back_off_s;
        // The first restart comes at once; only the next ones wait.
        self.containers[index].back_off_s =
            if wait_s == 0 { FIRST_BACK_OFF_S } else { (wait_s * 2).min(LAST_BACK_OFF_S) };
        if wait_s == 0 {
            self.start(index, around);
            return;
        }
        self.containers[index].state = State::BackOff { wait_s };
        self.containers[index].due = Some(after(around.now, f64::from(wait_s)));
        let message = format!(
            "Back-off restarting failed container {} in pod {}_{}({})",
            self.containers[index].name, self.meta.name, self.meta.namespace, self.meta.uid
        );
        around.news.push(self.news(Some(index), true, "BackOff", message));
    }

    fn become_ready(container: &mut Container, now: Timestamp) {
        container.ready = true;
        container.ready_since = Some(now);
        if let Some(life) = &mut container.life {
            life.ready = Some(now);
        }
    }

    fn behaviour(&self, index: usize, scenario: Scenario) -> Behaviour {
        behaviour(scenario, &self.containers[index].image)
    }

    /// Seconds until the first readiness probe; `None` without a probe.
    fn readiness(&self, index: usize) -> Option<f64> {
        let probe = self.spec.containers[index].readiness_probe.as_ref()?;
        let delay = probe.initial_delay_seconds.unwrap_or(0);
        Some(f64::from(delay) + 1.0 + f64::from(probe.period_seconds.unwrap_or(10)) * chance(self.seed(), 3))
    }

    fn pull_key(&self, image: &str) -> String {
        format!("{} {image}", self.node.as_deref().unwrap_or_default())
    }
}

impl Container {
    pub fn new(spec: &ContainerSpec) -> Self {
        Self {
            name: spec.name.clone(),
            image: spec.image.clone().unwrap_or_default(),
            state: State::Creating,
            due: None,
            restarts: 0,
            life: None,
            previous: None,
            back_off_s: 0,
            ready: false,
            ready_since: None,
            next_probe: None,
        }
    }

    /// Whether this life's requests fail now, and with which share.
    pub fn error_ratio(&self, scenario: Scenario, now: Timestamp) -> f64 {
        let errors = behaviour(scenario, &self.image).errors;
        self.course(errors, now).unwrap_or(0.0)
    }

    /// What this life's requests take now, compared with the old version.
    pub fn latency_factor(&self, scenario: Scenario, now: Timestamp) -> f64 {
        let behaviour = behaviour(scenario, &self.image);
        self.course(behaviour.slowing, now).unwrap_or(behaviour.latency_factor)
    }

    pub fn fare(&self, scenario: Scenario, now: Timestamp) -> Fare {
        Fare {
            error_ratio: self.error_ratio(scenario, now),
            latency_factor: self.latency_factor(scenario, now),
        }
    }

    fn course(&self, course: Option<Course>, now: Timestamp) -> Option<f64> {
        let ready = self.life.as_ref().and_then(|life| life.ready)?;
        course?.at(now.duration_since(ready).as_secs_f64())
    }
}

/// What the runtime says about an image that the registry does not have.
pub fn not_found(image: &str) -> String {
    let full = if image.contains('/') { image.to_owned() } else { format!("docker.io/library/{image}") };
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": {full}: not found"
    )
}

fn back_off(tries: u32) -> u32 {
    FIRST_BACK_OFF_S.saturating_mul(1 << tries.saturating_sub(1).min(8)).min(LAST_BACK_OFF_S)
}
