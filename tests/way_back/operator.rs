//! A release and the hands of its operator, without a screen.

use std::sync::Arc;
use std::time::Duration;

use gonogo::adapters::clock::Clock;
use gonogo::adapters::kube::{Fired, KubeError, KubeWorld};
use gonogo::release::{
    Arming, ArmingState, Effect, Event, Fact, Failure, FailureKind, Measure, Operator as Person, PatchBack,
    Phase, Pin, PlanState, Refusal, Release, ReleaseId, RolloutSeen, Shown, SignalSources, StepResult,
    Template, WakeTime,
};
use gonogo::watch::rollout::{
    Expectation, ExpectedTemplate, RolloutHistory, RolloutState, RolloutVerdict, judge,
};
use gonogo::watch::{Observation, TargetRef, WorkloadFacts};
use gonogo::workflow::{Kind, Source, read};
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::hands::Hands;
use crate::manifests::{NAME, OLD, image};
use crate::world::{Which, World};

/// Generous: only something that never comes takes this long.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// Units: world seconds.
const SETTLE_S: u32 = 2;

const DOCUMENT: &str = "# Release\n\n## Steps\n\n### 1. Production deployment\n\n- [ ] Deployment started\n";

pub struct Operator {
    pub kube: KubeWorld,
    pub hands: Hands,
    pub release: Release,
    pub template: Template,
    target: TargetRef,
    clock: Clock,
    facts: Receiver<Observation>,
    cancel: CancellationToken,
    history: RolloutHistory,
    pub last: Option<WorkloadFacts>,
    pub verdict: Option<RolloutVerdict>,
    /// What was asked of the cluster and not there already, in order; refused or not.
    pub sent: Vec<Measure>,
    story: Vec<String>,
}

impl Operator {
    /// Makes the workload in a namespace of its own, waits until it is complete, and pins it.
    pub async fn at(world: &World, play: &str, workload: &Value) -> Self {
        let namespace = format!("way-back-{play}-{}", std::process::id());
        let hands = Hands::new(world.client.clone(), namespace, workload);
        hands.make_namespace(world.which != Which::Practice).await.unwrap();
        hands.create(workload).await.unwrap();
        Self::of(world, hands).await
    }

    pub async fn of(world: &World, hands: Hands) -> Self {
        let target = TargetRef {
            kind: hands.kind,
            namespace: hands.namespace.clone(),
            name: NAME.into(),
            container: Some("app".into()),
        };
        let kube = KubeWorld::connect(&world.options).await.unwrap();
        let (out, facts) = channel(64);
        let (cancel, clock) = (CancellationToken::new(), world.clock.clone());
        let told = clock.clone();
        kube.spawn_watches(vec![target.clone()], out, cancel.clone(), move || told.now());
        let document =
            Arc::new(read(Source { file: "release.md", bytes: DOCUMENT.as_bytes(), siblings: &|_| false }));
        let opened = Fact::Opened {
            id: ReleaseId("r".into()),
            file: document.file.clone(),
            sha256: document.sha256.clone(),
            title: document.title.clone(),
            targets: vec![target.clone()],
            context: None,
            directory: "/".into(),
            signals: SignalSources::default(),
            practice: None,
            called: None,
            settled: Default::default(),
        };
        let event = Event { at: clock.now(), by: None, fact: opened };
        let (release, _) = Release::open(document, &event).unwrap();
        let mut this = Self {
            kube,
            hands,
            release,
            template: Template(Value::Null),
            target,
            clock,
            facts,
            cancel,
            history: RolloutHistory::default(),
            last: None,
            verdict: None,
            sent: Vec::new(),
            story: Vec::new(),
        };
        this.until(RolloutState::Complete).await;
        let (mut pin, template) = this.kube.pin(&this.target, this.clock.now().world).await.unwrap();
        let mounted = this.kube.mounted(&[(this.target.clone(), template.clone())]).await;
        pin.mounted = mounted.into_values().flatten().collect();
        assert_eq!((pin.image(), pin.limit.as_deref()), (image(OLD).as_str(), None));
        assert!(!pin.kept_in.is_empty() && pin.revision.is_some(), "{pin:#?}");
        assert!(!pin.digests.is_empty(), "{pin:#?}");
        this.template = template;
        this.tell(Fact::Pinned { pins: vec![pin], routes: vec![] }).await.unwrap();
        this.tell(Fact::Begun { params: Default::default(), roster: Default::default() }).await.unwrap();
        this.arm().await;
        this
    }

    pub fn pin(&self) -> Pin {
        self.release.state().pins[0].clone()
    }

    pub fn phase(&self) -> Phase {
        self.release.state().phase
    }

    /// Tests the way back, and says what that means.
    pub async fn arm(&mut self) -> Arming {
        let findings = self.kube.arm(&self.pin(), &self.template).await.unwrap().findings;
        self.tell(Fact::Armed { findings }).await.unwrap();
        let now = self.clock.now();
        self.release.arming(Some(now), now)
    }

    /// Tests the way back until that means `wanted`: what was changed around it takes a moment.
    pub async fn see_armed(&mut self, wanted: ArmingState) -> Arming {
        let armed = timeout(PATIENCE, async {
            loop {
                let arming = self.arm().await;
                if arming.state == wanted {
                    return arming;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        armed.await.unwrap_or_else(|_| panic!("never {wanted:?}"))
    }

    /// `Y`, on what is seen now.
    pub async fn fire(&mut self) -> Result<(), Refusal> {
        let facts = self.last.as_ref().unwrap();
        let shown = Shown {
            target: self.target.clone(),
            uid: facts.uid.clone(),
            template_print: facts.template_print.clone(),
        };
        self.tell(Fact::RollbackFired { reason: None, shown: vec![shown], evidence: vec![], policy: None })
            .await
    }

    /// `D`, on the pod that the panel names.
    pub async fn delete_blocker(&mut self) {
        let (target, blocker) = self.release.blocker().expect("a pod holds it");
        let (target, blocker) = (target.clone(), blocker.clone());
        self.tell(Fact::BlockerDeleted { target, blocker }).await.unwrap();
    }

    /// Tells the release, and does what it asks for, as long as it asks.
    async fn tell(&mut self, fact: Fact) -> Result<(), Refusal> {
        let person = Person { name: "ana".into(), host: "kestrel".into(), identity: None };
        let event = Event { at: self.clock.now(), by: Some(person), fact };
        let mut effects = self.release.handle(&event)?;
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                let fact = match effect {
                    Effect::RollBack(back) => self.measure(*back).await,
                    Effect::WakeAt { at, timer } => {
                        if let WakeTime::Wall(_) = at {
                            tokio::time::sleep(self.clock.wall_until(at)).await;
                        }
                        Fact::Woke { timer }
                    }
                    _ => continue,
                };
                self.story.push(format!("{fact:?}"));
                next.extend(self.release.handle(&Event { at: self.clock.now(), by: None, fact })?);
            }
            effects = next;
        }
        Ok(())
    }

    async fn measure(&mut self, back: PatchBack) -> Fact {
        let PatchBack { step, attempt, measure, pin, shown, replicas } = back;
        let taken = |took_ms: Option<u64>| {
            took_ms.map_or(StepResult::AlreadyThere, |took_ms| StepResult::Accepted { took_ms })
        };
        let answer = match &measure {
            Measure::Abort => self.kube.abort(&pin).await.map(taken),
            Measure::Promote => self.kube.promote(&pin).await.map(taken),
            Measure::Delete(blocker) => self.kube.delete_pod(&pin.target, blocker).await.map(taken),
            Measure::Template => {
                let shown = shown.as_ref().map(|shown| shown.template_print.as_str());
                let fired = self.kube.fire(&pin, &self.template, shown, replicas).await;
                fired.map(|fired| match fired {
                    Fired::Accepted { took_ms, .. } => StepResult::Accepted { took_ms },
                    Fired::AlreadyThere => StepResult::AlreadyThere,
                })
            }
        };
        let result = answer.unwrap_or_else(|error| {
            let kind = match &error {
                KubeError::Changed { .. } => FailureKind::Changed,
                error if error.cause().is_some_and(|cause| cause.is_unreachable()) => {
                    FailureKind::Unreachable
                }
                KubeError::Call { cause: gonogo::adapters::kube::Cause::TimedOut, .. } => {
                    FailureKind::TimedOut
                }
                _ => FailureKind::Refused,
            };
            StepResult::Failed(Failure { kind, summary: error.to_string() })
        });
        if !matches!(result, StepResult::AlreadyThere) {
            self.sent.push(measure);
        }
        Fact::RollbackStepEnded { step, attempt, result }
    }

    fn expect(&self) -> Expectation {
        let accepted = self.release.state().rollback.as_ref().and_then(|rollback| rollback.accepted_at);
        let template = match (accepted, self.release.state().pins.first()) {
            (Some(_), Some(pin)) => ExpectedTemplate::Print(pin.template_print.clone()),
            _ => ExpectedTemplate::Any,
        };
        Expectation {
            settle_s: SETTLE_S,
            started_at: accepted.map(|at| at.world),
            template,
            ..Expectation::watching()
        }
    }

    /// Waits for news, or for the moment at which the last verdict said that it may change.
    async fn next(&mut self) {
        let wake = self.verdict.as_ref().and_then(|verdict| verdict.wake_at);
        let rest = wake.map_or(PATIENCE, |at| self.clock.wall_until(WakeTime::World(at)));
        if let Ok(news) = timeout(rest, self.facts.recv()).await {
            match news.expect("the watches end with their test, not before") {
                Observation::Workload(facts) => self.last = Some(*facts),
                _ => return,
            }
        }
        let Some(facts) = &self.last else { return };
        let verdict = judge(facts, &self.expect(), &mut self.history, self.clock.now().world);
        let seen = RolloutSeen {
            target: self.target.clone(),
            state: verdict.state,
            why: verdict.field.clone(),
            revision: facts.revision,
            replicas: None,
            template_print: facts.template_print.clone(),
            image: String::new(),
            blocker: verdict.blocker.clone(),
        };
        self.verdict = Some(verdict);
        let known = self.release.state().rollouts.get(&self.target);
        let same = known.is_some_and(|known| RolloutSeen { why: seen.why.clone(), ..known.clone() } == seen);
        if !same && seen.state != RolloutState::Unknown {
            self.story.push(format!("{}: {}", seen.state.name(), seen.why));
            self.tell(Fact::RolloutChanged(seen)).await.unwrap();
        }
    }

    pub async fn see(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let reached = timeout(PATIENCE, async {
            while !is_so(self) {
                self.next().await;
            }
        });
        if reached.await.is_err() {
            panic!("never {what}:\n{}\n{:#?}", self.story.join("\n"), self.last);
        }
    }

    pub async fn until(&mut self, wanted: RolloutState) {
        // What was said before answers no question about what comes now.
        self.verdict = None;
        let is_there = |this: &Self| this.verdict.as_ref().is_some_and(|verdict| verdict.state == wanted);
        self.see(wanted.name(), is_there).await;
    }

    /// Waits until the new template is the one that is judged, and the verdict on it is `wanted`.
    pub async fn release(&mut self, tag: &str, wanted: RolloutState) {
        self.hands.set_image(tag, None).await.unwrap();
        let (tag, print) = (image(tag), self.pin().template_print);
        self.see(wanted.name(), |this| {
            let carries = this.last.as_ref().is_some_and(|facts| {
                facts.template_print != print && facts.images.iter().any(|image| image.image == tag)
            });
            carries && this.verdict.as_ref().is_some_and(|verdict| verdict.state == wanted)
        })
        .await;
    }

    /// Waits until the release calls it safe, and looks whether it is.
    pub async fn until_safe(&mut self, which: Which, play: &str) {
        self.see("safe", |this| matches!(this.phase(), Phase::RolledBack)).await;
        let rollback = self.release.state().rollback.as_ref().unwrap();
        let (since_y, _) = rollback.time_to_safe().unwrap();
        eprintln!("{play} in {}: safe {since_y} after Y, {:?}", which.name(), self.sent);
        assert!(rollback.plan.iter().all(|step| matches!(step.state, PlanState::Done { .. })));
        self.assert_is_back().await;
    }

    /// Reads the cluster apart from everything that decided it was safe.
    pub async fn assert_is_back(&self) {
        assert_eq!(self.image().await, image(OLD));
        let pods = self.hands.api("Pod").list(&ListParams::default().labels("app=app")).await.unwrap();
        let pods: Vec<Value> = pods.items.iter().map(|pod| serde_json::to_value(pod).unwrap()).collect();
        let living: Vec<&Value> =
            pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect();
        assert!(!living.is_empty());
        for pod in living {
            assert_eq!(pod["spec"]["containers"][0]["image"], image(OLD).as_str());
            let ready =
                pod["status"]["conditions"].as_array().unwrap().iter().find(|one| one["type"] == "Ready");
            assert_eq!(ready.unwrap()["status"], "True", "{pod:#}");
        }
    }

    /// The workload as the API server gives it.
    pub async fn object(&self) -> Value {
        let kind = match self.target.kind {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            Kind::Rollout => "Rollout",
        };
        serde_json::to_value(self.hands.api(kind).get(NAME).await.unwrap()).unwrap()
    }

    pub async fn image(&self) -> String {
        let object = self.object().await;
        let template = &object["spec"]["template"]["spec"]["containers"][0]["image"];
        template.as_str().unwrap_or_default().to_owned()
    }

    pub async fn merge(&self, patch: Value) {
        self.hands.patch(&patch).await.unwrap();
    }

    pub async fn end(self) {
        self.cancel.cancel();
        self.hands.clean_up(0).await;
    }
}

/// What `kubectl rollout restart` sends.
pub fn restarted() -> Value {
    let annotations = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-22T14:00:00Z"});
    json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})
}
