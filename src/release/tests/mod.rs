//! Events in, effects and state out. [`Play`] tells a release what happens and holds, at every event
//! of every test, that what is refused has changed nothing.

mod again;
mod annotations;
mod breaches;
mod calls;
mod captured;
mod checks;
mod commands;
mod holds;
mod kinds;
mod locks;
mod orders;
mod policy;
mod polls;
mod properties;
mod reload;
mod rollback;
mod settle;
mod sign_off;
mod soaks;
mod tables;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::watch::rollout::RolloutState;
use crate::watch::{Image, TargetRef};
use crate::workflow::{BlockPrint, CommandId, Edition, Kind, Meaning, Source, StepId, Workflow, read};

const DOCUMENT: &str = r#"---
name: release
roles: [lead, ops]
targets: [deployment/api, deployment/app]
rollback: {auto: [error-rate, latency-p95, a-critical-function-is-broken], countdown: 30s}
---

# Release

## Prerequisites

- [ ] Tests pass
- [ ] Database is migrated, if applicable

## Steps

### 1. Prepare

```bash
git log --oneline
```

- [ ] Notes ready

### 2. Build

Depending on your CI:

```bash
# started automatically by the tag
# or by hand
gh workflow run build.yml --ref v1.2.0
```

```bash
# Nothing but a remark
```

### 3. Check on staging

Before prod, validate on staging:

- [ ] Smoke tests pass

### 4. Production deployment

```bash
kubectl set image deployment/app app=myapp:v1.2.0
```

- [ ] Deployment started

### 5. Look closely

**The first minutes (5 min)**:

- [ ] Application reachable

**The whole picture (30 min)**:

- [ ] A customer can order

### 6. Keep watching

Monitor for 30 to 60 minutes:

```bash
kubectl logs -f deployment/app
```

- [ ] Error rate stable

### 7. Communication

- [ ] The team knows

## Outputs

- Application deployed to production
- Release notes published

## Rollback

```bash
kubectl rollout undo deployment/app
```

**Rollback criteria**:
- Error rate > 1%
- Latency p95 x2
- A critical function is broken
"#;

fn document() -> Arc<Workflow> {
    Arc::new(read(Source { file: "release.md", bytes: DOCUMENT.as_bytes(), siblings: &|_| false }))
}

fn start() -> Timestamp {
    "2026-11-22T13:49:00Z".parse().expect("a timestamp")
}

/// Seconds after the start, on both clocks.
fn second(seconds: i64) -> Moment {
    Moment::real(start() + SignedDuration::from_secs(seconds))
}

fn person(name: &str) -> Operator {
    Operator { name: name.to_owned(), host: "kestrel".to_owned(), identity: None }
}

fn target(name: &str) -> TargetRef {
    TargetRef {
        kind: Kind::Deployment,
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        container: Some(name.to_owned()),
    }
}

fn old(name: &str) -> String {
    format!("print of {name} v1.2.0")
}

fn new(name: &str) -> String {
    format!("print of {name} v1.3.0")
}

fn pin(name: &str) -> Pin {
    Pin {
        target: target(name),
        uid: format!("uid-{name}"),
        at: start(),
        revision: Some(7),
        kept_in: format!("{name}-5d4"),
        limit: None,
        template_hash: "5d4".to_owned(),
        template_print: old(name),
        images: vec![Image { container: name.to_owned(), image: "myapp:v1.2.0".to_owned() }],
        digests: Vec::new(),
        mounted: Vec::new(),
        replicas: 4,
    }
}

fn pins() -> Vec<Pin> {
    vec![pin("api"), pin("app")]
}

fn finding(name: &str, outcome: Outcome) -> Finding {
    Finding { target: Some(target(name)), what: "dry run".to_owned(), outcome }
}

fn seen(name: &str, state: RolloutState, print: String, revision: u64) -> Fact {
    Fact::RolloutChanged(RolloutSeen {
        target: target(name),
        state,
        why: "available 3 < 4".to_owned(),
        revision: Some(revision),
        replicas: None,
        template_print: print,
        image: "myapp".to_owned(),
        blocker: None,
    })
}

fn confirmed(check: &str) -> Fact {
    Fact::Confirmed { check: check.into(), evidence: Vec::new(), person: None, typed: None }
}

fn read_as(criterion: &str, verdict: Verdict) -> Fact {
    Fact::CriterionRead {
        criterion: criterion.into(),
        verdict,
        why: "3.1 % > 1 % for 3 of 3 readings".to_owned(),
        since: None,
    }
}

fn fired() -> Fact {
    // From its record, so that a field that is added with a default leaves these tests alone.
    let shown = |name: &str| -> Shown {
        let record = serde_json::json!({
            "target": target(name),
            "uid": format!("uid-{name}"),
            "template_print": new(name),
            "revision": 8,
            "image": "myapp:v1.3.0",
        });
        serde_json::from_value(record).expect("the shape on disk")
    };
    Fact::RollbackFired {
        reason: None,
        shown: vec![shown("api"), shown("app")],
        evidence: Vec::new(),
        policy: None,
    }
}

fn ended(command: &str, attempt: u32, exit: Exit) -> Fact {
    Fact::CommandEnded { command: command.into(), attempt, exit, took_ms: 412 }
}

fn step_ended(step: usize, attempt: u32, result: StepResult) -> Fact {
    Fact::RollbackStepEnded { step, attempt, result }
}

fn failed(kind: FailureKind) -> StepResult {
    StepResult::Failed(Failure { kind, summary: "connection refused".to_owned() })
}

const ACCEPTED: StepResult = StepResult::Accepted { took_ms: 80 };

const ERRORS: &str = "error-rate";
const BROKEN: &str = "a-critical-function-is-broken";

fn ordered(name: &str, order: Order, attempt: u32) -> Fact {
    let (target, uid) = (target(name), format!("uid-{name}"));
    Fact::RolloutOrdered(RolloutOrdered { target, order, attempt, uid, step: Some(1) })
}

/// A release, the clock, and what it asked for last.
#[derive(Debug, Clone)]
struct Play {
    release: Release,
    now: i64,
}

impl Play {
    fn opened() -> Self {
        let (play, effects) = Self::opened_on(vec![target("api"), target("app")]);
        assert_eq!(effects, [Effect::Pin { targets: vec![target("api"), target("app")], nginx: None }]);
        play
    }

    fn opened_on(targets: Vec<TargetRef>) -> (Self, Vec<Effect>) {
        Self::opened_of(document(), targets)
    }

    fn opened_of(document: Arc<Workflow>, targets: Vec<TargetRef>) -> (Self, Vec<Effect>) {
        let fact = Fact::Opened {
            id: ReleaseId("20261122-134900-release".to_owned()),
            file: document.file.clone(),
            sha256: document.sha256.clone(),
            title: document.title.clone(),
            targets,
            context: Some("prod-eu".to_owned()),
            directory: "/srv/shop".to_owned(),
            signals: crate::release::SignalSources::default(),
            practice: None,
            called: document.called.as_deref().cloned(),
            settled: document.settled.clone(),
        };
        let event = Event { at: second(0), by: Some(person("ana")), fact };
        let (release, effects) = Release::open(document, &event).expect("the document is its own");
        (Self { release, now: 0 }, effects)
    }

    fn begin() -> Fact {
        let params = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
        let roster = BTreeMap::from([("lead".into(), "ana".to_owned()), ("ops".into(), "bo".to_owned())]);
        Fact::Begun { params, roster }
    }

    /// Pinned, begun and armed; the prerequisites are open.
    fn begun() -> Self {
        Self::begun_with(document())
    }

    fn begun_with(document: Arc<Workflow>) -> Self {
        let (mut play, _) = Self::opened_of(document, vec![target("api"), target("app")]);
        play.world(Fact::Pinned { pins: pins(), routes: vec![] });
        play.ana(Self::begin());
        let findings = vec![finding("api", Outcome::Fine), finding("app", Outcome::Fine)];
        play.world(Fact::Armed { findings });
        play
    }

    /// Goes on as a careful operator would, until `current` is the one thing to do.
    fn until(mut self, current: &Current) -> Self {
        for _ in 0..100 {
            if self.release.current() == *current {
                return self;
            }
            self.go_on();
        }
        panic!("{current:?} was never the current item");
    }

    fn at_command(command: &str) -> Self {
        Self::begun().until(&Current::Command(command.into()))
    }

    fn at_check(check: &str) -> Self {
        Self::begun().until(&Current::Check(check.into()))
    }

    fn at_poll() -> Self {
        Self::begun().until(&Current::Poll(POLL.into()))
    }

    /// Production's command has run, and both targets run the new version.
    fn deployed() -> Self {
        let mut play = Self::at_check("production-deployment/deployment-started");
        play.world(Fact::BaselinePinned { values: BTreeMap::from([("error_rate".to_owned(), 0.3)]) });
        for name in ["api", "app"] {
            play.world(seen(name, RolloutState::Complete, new(name), 8));
        }
        play
    }

    fn completed() -> Self {
        let mut play = Self::deployed().until(&Current::Finish);
        play.ana(Fact::Completed);
        play
    }

    /// One step in the order of the document.
    #[track_caller]
    fn go_on(&mut self) {
        if let Err(refusal) = self.try_go_on() {
            panic!("the next step was refused: {refusal}");
        }
    }

    fn try_go_on(&mut self) -> Result<(), Refusal> {
        match self.release.current() {
            Current::Check(id) => {
                let sensed = self.release.workflow().check(&id).is_some_and(|check| check.probe.is_some());
                if sensed {
                    self.tell(None, Fact::Sensed { check: id, pass: true, value: "so it is".to_owned() })?;
                } else {
                    self.tell(
                        Some("ana"),
                        Fact::Confirmed { check: id, evidence: Vec::new(), person: None, typed: None },
                    )?;
                }
            }
            Current::Command(id) => {
                let run = self.run(id.as_str());
                self.tell(Some("ana"), Fact::CommandStarted(run))?;
                self.tell(None, ended(id.as_str(), self.attempts(id.as_str()), Exit::Code(0)))?;
            }
            Current::Poll(_) => {
                for role in ["lead", "ops"] {
                    self.tell(Some("ana"), vote(role, Vote::Go))?;
                }
            }
            Current::Soak(step) => {
                self.now += 3_600;
                self.tell(None, Fact::Woke { timer: Timer::SoakEarliest(step) })?;
            }
            Current::Finish => panic!("there is nothing left to do"),
        }
        Ok(())
    }

    fn attempts(&self, command: &str) -> u32 {
        self.state().commands.get(&command.into()).map_or(0, |track| track.attempts.len() as u32)
    }

    fn state(&self) -> &State {
        self.release.state()
    }

    fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Tells the release, a second later, and holds that a refusal leaves it as it was.
    fn tell(&mut self, by: Option<&str>, fact: Fact) -> Result<Vec<Effect>, Refusal> {
        self.now += 1;
        let event = Event { at: second(self.now), by: by.map(person), fact };
        let before = self.release.clone();
        let answer = self.release.handle(&event);
        if answer.is_err() {
            // Not `assert_eq!`: two releases side by side fill more pages than anybody reads.
            assert!(self.release == before, "a refused event changed something: {event:?}");
        }
        answer
    }

    #[track_caller]
    fn ana(&mut self, fact: Fact) -> Vec<Effect> {
        let words = format!("{fact:?}");
        match self.tell(Some("ana"), fact) {
            Ok(effects) => effects,
            Err(refusal) => panic!("{words} was refused: {refusal}"),
        }
    }

    #[track_caller]
    fn world(&mut self, fact: Fact) -> Vec<Effect> {
        let words = format!("{fact:?}");
        match self.tell(None, fact) {
            Ok(effects) => effects,
            Err(refusal) => panic!("{words} was refused: {refusal}"),
        }
    }

    /// The words with which ana is refused.
    #[track_caller]
    fn refused(&mut self, fact: Fact) -> String {
        let words = format!("{fact:?}");
        match self.tell(Some("ana"), fact) {
            Ok(effects) => panic!("{words} was taken and asked for {effects:?}"),
            Err(refusal) => refusal.to_string(),
        }
    }

    /// The world says something that is too late, or was said before: only the story, which tells
    /// everything that was heard, may hold it.
    #[track_caller]
    fn changes_nothing(&mut self, fact: Fact) {
        let mut before = self.release.clone();
        let effects = self.world(fact.clone());
        assert_eq!(effects, [], "{fact:?}");
        before.state.recent.clone_from(&self.release.state.recent);
        assert!(self.release == before, "{fact:?}");
    }

    /// The run that the panel would ask for: of alternatives the first that has a text.
    fn run(&self, command: &str) -> Run {
        let known = self.release.workflow().command(&command.into()).expect("a command of the document");
        let choice = known.choices.iter().position(|choice| choice.text.is_some());
        let text = choice.and_then(|index| known.choices[index].text.clone());
        Run {
            command: command.into(),
            attempt: self.attempts(command) + 1,
            text: text.unwrap_or_else(|| known.text.clone()),
            choice,
            edited: false,
            shell: vec!["bash".to_owned(), "-e".to_owned()],
            directory: "/srv/shop".to_owned(),
            env: Vec::new(),
            context: Some("prod-eu".to_owned()),
            namespace: Some("shop".to_owned()),
            terms: Default::default(),
        }
    }

    #[track_caller]
    fn start(&mut self, command: &str) -> Vec<Effect> {
        let run = self.run(command);
        self.ana(Fact::CommandStarted(run))
    }
}

const POLL: &str = "check-on-staging";

fn vote(role: &str, vote: Vote) -> Fact {
    let reason = (vote != Vote::Go).then(|| "smoke tests are flaky".to_owned());
    Fact::Voted { step: POLL.into(), role: role.into(), vote, reason, evidence: Vec::new() }
}

fn patches(effects: &[Effect]) -> Vec<(String, usize, u32)> {
    let patch = |effect: &Effect| match effect {
        Effect::RollBack(patch) => Some((patch.pin.target.name.clone(), patch.step, patch.attempt)),
        _ => None,
    };
    effects.iter().filter_map(patch).collect()
}

#[test]
fn the_document_of_these_tests_has_all_that_they_need() {
    let workflow = document();
    let steps: Vec<&str> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(
        steps,
        [
            "prepare",
            "build",
            "check-on-staging",
            "production-deployment",
            "look-closely",
            "keep-watching",
            "communication"
        ]
    );
    let production: Vec<bool> = workflow.steps.iter().map(|step| step.production).collect();
    assert_eq!(production, [false, false, false, true, true, true, true]);
    assert_eq!(workflow.steps[2].poll.as_ref().map(|poll| poll.roles.len()), Some(2));
    assert_eq!(workflow.steps[5].soak.map(|soak| soak.min_s), Some(1_800));
    assert!(!workflow.steps[6].gating);
    let probes: Vec<&str> =
        workflow.checks().filter(|check| check.probe.is_some()).map(|check| check.id.as_str()).collect();
    assert_eq!(probes, ["outputs/application-deployed-to-production"]);
    let criteria: Vec<&str> =
        workflow.rollback.criteria.iter().map(|criterion| criterion.id.as_str()).collect();
    assert_eq!(criteria, [ERRORS, "latency-p95", BROKEN]);
    let kinds: Vec<_> = workflow.commands().map(|command| (command.id.as_str(), command.kind)).collect();
    use crate::workflow::CommandKind as K;
    assert_eq!(
        kinds,
        [
            ("prepare/command-1", K::Run),
            ("build/command-1", K::Choice),
            ("build/command-2", K::Note),
            ("production-deployment/command-1", K::Run),
            ("keep-watching/command-1", K::Stream),
            ("rollback/command-1", K::Run),
        ]
    );
}
