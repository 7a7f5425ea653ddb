//! A release for tests of the screen: a document, a cluster of four pods, and a script of what
//! happens, all through `update` as in the real loop.

pub mod kinds;
mod policy;

pub use policy::{Policies, three_bad_readings};

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};

use super::{
    Field, FieldKind, JournalState, Mode, Model, Observed, Pane, Panel, Preflight, PreflightOutcome,
    Settings, StartForm, View, Watching, no_release,
};
use crate::app::keymap::{Key, Keymap};
use crate::app::msg::{JournalNews, Msg, OutputBatch, OutputLine, What};
use crate::app::update::{Ask, update};
use crate::release::{
    Effect, Event, Exit, Fact, Finding, Operator, Outcome, Pin, Release, ReleaseId, StepResult,
};
use crate::watch::metrics::{Judging, MetricsView};
use crate::watch::*;
use crate::workflow::{self, Kind, Metric, Source};

pub const DOCUMENT: &str = r#"---
name: release
description: Mettre la boutique en production
calls: [rollback]
roles: [devops-engineer, tech-lead]
targets: [deployment/app]
irreversible: [migration 0042]
---

# Release en production

## Objectif

Amener la nouvelle version à tous les clients, et pouvoir revenir en une minute.

## Pré-requis

- [ ] Les tests passent sur main
- [ ] La recette est validée
- [ ] Aucun bug critique en attente

## Étapes

### 1. Préparation

```bash
git log --oneline -20
```

- [ ] Changelog préparé
- [ ] Version déterminée

### 2. Créer le tag

```bash
git tag -a v1.2.0 -m "Release v1.2.0"
git push origin v1.2.0
```

### 3. Vérification staging

Avant prod, valider en staging :

- [ ] Application démarre
- [ ] Smoke tests passent

### 4. Déploiement production

```bash
# Selon l'outil
kubectl set image deployment/app app=myapp:v1.2.0
# ou
gh workflow run deploy-prod.yml --ref v1.2.0
```

- [ ] Déploiement lancé
- [ ] Rollout progressif, si applicable

### 5. Validation post-déploiement

**Checklist critique (5 min)** :

- [ ] Application accessible
- [ ] API répond (health check)
- [ ] Pas d'erreurs 5xx

**Checklist complète (30 min)** :

- [ ] Parcours utilisateur principal OK
- [ ] Performance acceptable

### 6. Monitoring

Surveiller pendant 1-2 heures :

```bash
kubectl logs -f deployment/app
```

- [ ] Taux d'erreur stable
- [ ] Latence normale

### 7. Communication

- [ ] Équipe notifiée du succès
- [ ] Release notes publiées

## Outputs

- Application déployée en production
- Tag Git créé

## Rollback

→ **workflow**: `rollback`

```bash
kubectl rollout undo deployment/app
# ou
git revert v1.2.0
```

**Critères de rollback** :
- Taux d'erreur > 1%
- Latence p95 x2
- Fonctionnalité critique cassée
- Bug sécurité

## Erreurs Courantes

| Erreur | Cause | Solution |
|--------|-------|----------|
| Pods crashent | Config manquante | Vérifier les env vars |

## Escalade

- **Échec déploiement** → `devops-engineer`
- **Bug critique post-deploy** → `tech-lead` + rollback
"#;

/// A model, and what made it what it is.
#[derive(Debug)]
pub struct Script {
    pub model: Model,
    /// What the last messages asked for; outside effects once their record is durable.
    pub asked: Vec<Ask>,
}

fn start() -> Timestamp {
    "2026-11-22T13:49:26Z".parse().expect("a timestamp")
}

pub fn target() -> TargetRef {
    TargetRef {
        kind: Kind::Deployment,
        namespace: "shop".to_owned(),
        name: "app".to_owned(),
        container: Some("app".to_owned()),
    }
}

pub fn ana() -> Operator {
    Operator {
        name: "ana".to_owned(),
        host: "kestrel".to_owned(),
        identity: Some("ana@example.com".to_owned()),
    }
}

impl Script {
    /// The start panel is open; nothing has begun.
    pub fn start() -> Script {
        Script::opened(vec![target()])
    }

    fn opened(targets: Vec<TargetRef>) -> Script {
        Script::opened_with(DOCUMENT, targets)
    }

    pub fn opened_with(document: &str, targets: Vec<TargetRef>) -> Script {
        let source = Source { file: "release.md", bytes: document.as_bytes(), siblings: &|_| true };
        let document = Arc::new(workflow::read(source));
        let at = Moment::real(start());
        let opened = Fact::Opened {
            id: ReleaseId("20261122-134926-release".to_owned()),
            file: "release.md".to_owned(),
            sha256: document.sha256.clone(),
            title: document.title.clone(),
            targets,
            context: Some("prod-eu".to_owned()),
            directory: "~/shop".to_owned(),
            signals: crate::release::SignalSources::default(),
            practice: None,
            called: None,
            settled: Default::default(),
        };
        let (release, _) = Release::open(Arc::clone(&document), &Event { at, by: Some(ana()), fact: opened })
            .expect("the document is its own");
        let metrics = MetricsView::new(&document.rollback.criteria, Judging::default());
        let fields = document
            .params
            .iter()
            .map(|param| Field {
                kind: FieldKind::Param(param.name.clone()),
                value: "v1.3.0".to_owned(),
                note: format!("the document's example is {}", param.default),
            })
            .chain(document.roles.iter().filter(|role| role.declared).map(|role| Field {
                kind: FieldKind::Role(role.name.clone()),
                value: if role.name.as_str() == "tech-lead" { String::new() } else { "ana".to_owned() },
                note: String::new(),
            }))
            .chain(document.rollback.policy.iter().flat_map(|policy| &policy.auto).map(|criterion| Field {
                kind: FieldKind::Policy(criterion.clone()),
                value: String::new(),
                note: String::new(),
            }))
            .collect();
        let form = StartForm::new(fields, &document);
        let preflight = [
            ("git", PreflightOutcome::Fine, "git 2.47.1"),
            ("kubectl", PreflightOutcome::Fine, "v1.33.2"),
            ("context", PreflightOutcome::Fine, "prod-eu, namespace shop, as ana@example.com"),
            ("prometheus", PreflightOutcome::Limited, "answers after 4.1 s"),
            ("gh", PreflightOutcome::Missing, "not on PATH: the steps that call it cannot run here"),
            ("rollback", PreflightOutcome::Asking, ""),
        ];
        let model = Model {
            now: at,
            release,
            mode: Mode::Driving,
            me: ana(),
            secrets: workflow::Secrets::default(),
            observed: Observed::new(metrics),
            view: View { start: Some(form.clone()), panel: Some(Panel::Start(form)), ..View::default() },
            journal: JournalState::default(),
            preflight: preflight
                .into_iter()
                .map(|(what, outcome, detail)| Preflight {
                    what: what.to_owned(),
                    outcome,
                    detail: detail.to_owned(),
                })
                .collect(),
            keymap: Keymap::default(),
            settings: Settings {
                known_tags: ["v1.2.0".to_owned()].into(),
                shell: vec!["bash".to_owned(), "-e".to_owned()],
                command_env: vec!["KUBECONFIG".to_owned()],
                prometheus: Some("http://prometheus:9090".to_owned()),
                health: Some("http://app.shop/health".to_owned()),
                settle_s: 10,
                read_only: false,
                ascii: false,
                zone: jiff::tz::TimeZone::UTC,
            },
            speed: 1.0,
            leaving: None,
            watch_next: None,
        };
        Script { model, asked: Vec::new() }
    }

    /// No release: one deployment is watched, and its cluster answers.
    pub fn watching() -> Script {
        let mut script = Script::choosing(&[]);
        if let Mode::Watching(watching) = &mut script.model.mode {
            watching.targets = vec![target()];
        }
        script.link(System::Cluster, Link::Live);
        script
    }

    /// No release, and a namespace with these deployments to choose from.
    pub fn choosing(names: &[&str]) -> Script {
        let mut script = Script::start();
        let model = &mut script.model;
        let watching =
            Watching { context: "prod-eu".into(), namespace: "shop".into(), ..Watching::default() };
        model.mode = Mode::Watching(watching);
        model.release = no_release(model.now);
        model.observed = Observed::new(MetricsView::new(&[], Judging::default()));
        model.view = View { focus: Pane::Rollout, ..View::default() };
        model.preflight.clear();
        if !names.is_empty() {
            let named = |name: &&str| TargetRef { name: (*name).to_owned(), ..target() };
            script.link(System::Cluster, Link::Live);
            script.send(What::Offered(names.iter().map(named).collect()));
        }
        script
    }

    /// Begun with the document changed: each first line in it becomes the second.
    pub fn begun_changed(changes: &[(&str, &str)]) -> Script {
        let mut document = DOCUMENT.to_owned();
        for (line, with) in changes {
            assert!(document.contains(line), "{line}");
            document = document.replacen(line, with, 1);
        }
        Script::opened_with(&document, vec![target()]).begin()
    }

    /// Begun, with a cluster that answers and a rollback that is armed.
    pub fn begun() -> Script {
        Script::start().begin()
    }

    fn begin(self) -> Script {
        let mut script = self;
        script.link(System::Cluster, Link::Live);
        script.see(workload(&[Pods { tag: "v1.2.0", revision: 7, ready: 4, starting: 0 }]));
        script.event(None, Fact::Pinned { pins: vec![pin()], routes: vec![] });
        script.arm();
        let params = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
        let roster = [("devops-engineer", "ana"), ("tech-lead", "bo")];
        let roster = roster.map(|(role, person)| (role.into(), person.to_owned())).into_iter().collect();
        script.event(Some("ana"), Fact::Begun { params, roster });
        script.model.view.panel = None;
        script
    }

    /// Everything before the poll is closed.
    pub fn at_poll() -> Script {
        Script::begun().reach_poll()
    }

    fn reach_poll(self) -> Script {
        let mut script = self;
        script.confirm_all(&["pre-requis", "preparation"]);
        script.run_ok("preparation");
        script.confirm_all(&["preparation"]);
        script.run_ok("creer-le-tag");
        script.confirm_all(&["verification-staging"]);
        script.at(540);
        script.signals(0.3, 200.0);
        script.vote("ana", "devops-engineer", "42 of 42 smoke tests");
        script
    }

    /// Production's command is current, and has not run.
    pub fn before_production() -> Script {
        let mut script = Script::at_poll();
        script.vote("bo", "tech-lead", "");
        script
    }

    /// The new image is rolling out: three of four are ready, one is not.
    pub fn rolling_out() -> Script {
        Script::begun().roll_out()
    }

    fn roll_out(self) -> Script {
        let mut script = self.reach_poll();
        script.vote("bo", "tech-lead", "");
        script.at(700);
        script.arm();
        script.at(751);
        script.run_ok("deploiement-production");
        script.at(752);
        script.see(workload(&[
            Pods { tag: "v1.3.0", revision: 8, ready: 0, starting: 2 },
            Pods { tag: "v1.2.0", revision: 7, ready: 3, starting: 0 },
        ]));
        script.at(755);
        script.arm();
        script.signals(0.42, 212.0);
        script.see(workload(&[
            Pods { tag: "v1.3.0", revision: 8, ready: 3, starting: 1 },
            Pods { tag: "v1.2.0", revision: 7, ready: 0, starting: 1 },
        ]));
        script.health(false);
        script.logs(12);
        script.at(761);
        script
    }

    /// The error rate is beyond its limit for three readings.
    pub fn breached() -> Script {
        let mut script = Script::rolling_out();
        for (second, rate) in [(790, 2.2), (805, 2.8), (820, 3.1)] {
            script.at(second);
            script.signals(rate, 230.0);
        }
        script.arm();
        script.at(826);
        script
    }

    pub fn rolling_back() -> Script {
        let mut script = Script::breached();
        script.key("R");
        script.painted();
        script.key("Y");
        script.at(827);
        let (step, attempt) = (0, 1);
        script.event(
            None,
            Fact::RollbackStepEnded { step, attempt, result: StepResult::Accepted { took_ms: 80 } },
        );
        script.at(828);
        script.see(workload(&[
            Pods { tag: "v1.2.0", revision: 9, ready: 3, starting: 1 },
            Pods { tag: "v1.3.0", revision: 8, ready: 1, starting: 0 },
        ]));
        script.at(847);
        script
    }

    pub fn safe() -> Script {
        let mut script = Script::rolling_back();
        script.at(850);
        script.see(workload(&[Pods { tag: "v1.2.0", revision: 9, ready: 4, starting: 0 }]));
        for second in [851, 866, 881] {
            script.at(second);
            script.signals(0.3, 201.0);
            script.health(true);
        }
        script.at(900);
        script
    }

    /// The new version is up, and its critical minutes have begun.
    pub fn validating() -> Script {
        let mut script = Script::rolling_out();
        script.at(765);
        script.see(workload(&[Pods { tag: "v1.3.0", revision: 8, ready: 4, starting: 0 }]));
        for second in [780, 795] {
            script.at(second);
            script.signals(0.3, 201.0);
            script.health(true);
        }
        script.confirm_all(&["deploiement-production", "validation-post-deploiement"]);
        script.event(
            Some("ana"),
            Fact::CheckReopened { check: "validation-post-deploiement/pas-d-erreurs-5xx".into() },
        );
        script
    }

    /// An hour at least has to pass, and two at most.
    pub fn soaking() -> Script {
        let mut script = Script::validating();
        script.confirm_all(&["validation-post-deploiement"]);
        script.confirm_all(&["monitoring"]);
        script
    }

    /// Nothing has come from the cluster for 18 seconds.
    pub fn silent() -> Script {
        let mut script = Script::rolling_out();
        script.at(767);
        let since = script.model.now;
        let retry_at = Some(since.wall + SignedDuration::from_secs(22));
        script.link(System::Cluster, Link::Down { since, cause: "connection refused".to_owned(), retry_at });
        script.at(785);
        script
    }

    /// The process died while the tag was pushed.
    pub fn in_doubt() -> Script {
        let mut script = Script::begun();
        script.confirm_all(&["pre-requis"]);
        script.run_ok("preparation");
        script.confirm_all(&["preparation"]);
        script.at(200);
        script.run("creer-le-tag");
        script.at(300);
        script.event(None, Fact::Reopened);
        script.model.view.panel = None;
        script
    }

    pub fn held() -> Script {
        let mut script = Script::rolling_out();
        script.event(Some("bo"), Fact::Held { reason: "le DBA vérifie la migration".to_owned() });
        script.at(881);
        script
    }

    /// Moves the clock; a tick passes as in the loop.
    pub fn at(&mut self, seconds: i64) {
        self.model.now = Moment::real(start() + SignedDuration::from_secs(seconds));
        self.send(What::Tick);
    }

    pub fn send(&mut self, what: What) {
        let at = self.model.now;
        let asked = update(&mut self.model, Msg { at, what });
        for ask in &asked {
            if let Ask::Append { seq, .. } = ask {
                let durable = What::Journal(JournalNews::Durable { seq: *seq });
                let effects = update(&mut self.model, Msg { at, what: durable });
                self.asked.extend(effects);
            }
        }
        self.asked.extend(asked);
    }

    /// Presses the key as the keymap names it.
    pub fn key(&mut self, name: &str) {
        let key = Key::parse(name).expect("a key");
        let modifiers = if key.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        self.send(What::Key(KeyEvent::new(key.code, modifiers)));
    }

    pub fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.send(What::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
    }

    /// What the loop notes after a frame with the rollback panel on it.
    pub fn painted(&mut self) {
        self.model.rollback_was_painted(true);
    }

    pub fn see(&mut self, facts: WorkloadFacts) {
        self.send(What::Observed(Observation::Workload(Box::new(facts))));
    }

    pub fn link(&mut self, system: System, link: Link) {
        self.send(What::Observed(Observation::Link { system, link }));
    }

    /// An event that came by another way than this keyboard.
    pub fn event(&mut self, by: Option<&str>, fact: Fact) {
        let by = by.map(|name| Operator { name: name.to_owned(), ..ana() });
        let event = Event { at: self.model.now, by, fact };
        if event.by.is_none() {
            self.send(What::Fact(Box::new(event)));
        } else {
            let effects = self.model.release.handle(&event).expect("the script is a release that can happen");
            self.asked.extend(effects.into_iter().map(Ask::Do));
        }
    }

    pub fn arm(&mut self) {
        let what = ["may patch deployments", "ReplicaSet kept", "dry run"];
        let finding =
            |what: &str| Finding { target: Some(target()), what: what.to_owned(), outcome: Outcome::Fine };
        self.event(None, Fact::Armed { findings: what.map(finding).to_vec() });
    }

    /// Confirms the open checks of gates and steps by the start of their ids.
    pub fn confirm_all(&mut self, sections: &[&str]) {
        for section in sections {
            let ids: Vec<_> = self.model.release.workflow().checks().map(|check| check.id.clone()).collect();
            for id in ids.into_iter().filter(|id| id.as_str().starts_with(&format!("{section}/"))) {
                let event = Event {
                    at: self.model.now,
                    by: Some(ana()),
                    fact: Fact::Confirmed { check: id, evidence: Vec::new(), person: None, typed: None },
                };
                // A check whose step is not reached yet is confirmed by a later call.
                let _ = self.model.release.handle(&event);
            }
        }
    }

    /// Starts the first command of a step; of alternatives the first.
    pub fn run(&mut self, step: &str) {
        let workflow = Arc::clone(self.model.release.workflow());
        let step = workflow.step(&step.into()).expect("a step");
        let command = step.commands.first().expect("a command");
        self.model.view.cursor = Some(super::Row::Command(command.id.clone()));
        self.key("enter");
        if !command.choices.is_empty() {
            self.key("1");
        }
        self.key("r");
        let started = self
            .asked
            .iter()
            .any(|ask| matches!(ask, Ask::Do(Effect::Run(run)) if run.command == command.id));
        assert!(started, "{:?}", self.model.view.flash);
        self.event(
            None,
            Fact::CommandSpawned { command: command.id.clone(), attempt: 1, pid: 4711, start_time: None },
        );
        let lines = vec![
            OutputLine { is_stderr: false, text: "deployment.apps/app image updated".to_owned() },
            OutputLine { is_stderr: true, text: "Warning: 2 tags are older".to_owned() },
        ];
        self.send(What::Output(OutputBatch { command: command.id.clone(), attempt: 1, lines, cut: 0 }));
    }

    pub fn run_ok(&mut self, step: &str) {
        self.run(step);
        let workflow = Arc::clone(self.model.release.workflow());
        let command = workflow.step(&step.into()).and_then(|step| step.commands.first()).expect("a command");
        let fact =
            Fact::CommandEnded { command: command.id.clone(), attempt: 1, exit: Exit::Code(0), took_ms: 412 };
        self.event(None, fact);
        self.model.view.panel = None;
        self.model.view.cursor = None;
    }

    pub fn vote(&mut self, person: &str, role: &str, reason: &str) {
        let fact = Fact::Voted {
            step: "verification-staging".into(),
            role: role.into(),
            vote: crate::release::Vote::Go,
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            evidence: Vec::new(),
        };
        self.event(Some(person), fact);
    }

    /// One reading of every metric, after a quiet window when there was none yet.
    pub fn signals(&mut self, error_rate: f64, latency: f64) {
        let now = self.model.now.world;
        for (metric, value) in [
            (Metric::RequestRate, 1_212.0),
            (Metric::ErrorRate, error_rate),
            (Metric::LatencyP95, latency),
            (Metric::Restarts, 0.0),
        ] {
            let reading = if self.model.observed.metrics.series(metric).is_none() {
                let sample = |n: i64| Sample {
                    at: now - SignedDuration::from_secs(15 * n),
                    value: (n != 20).then_some(value * (1.0 + 0.1 * ((n % 5) as f64 - 2.0))),
                };
                MetricReading::Window((0..60).rev().map(sample).collect())
            } else {
                MetricReading::Latest(Sample { at: now, value: Some(value) })
            };
            self.send(What::Observed(Observation::Metric { metric, reading }));
        }
    }

    pub fn health(&mut self, healthy: bool) {
        let part = |name: &str, ok: bool, detail: &str| HealthPart {
            name: name.to_owned(),
            ok,
            detail: Some(detail.to_owned()).filter(|detail| !detail.is_empty()),
        };
        let reading = HealthReading {
            at: self.model.now,
            http_status: if healthy { 200 } else { 503 },
            healthy,
            version: Some("v1.3.0".to_owned()),
            parts: vec![
                part("redis", true, "2ms"),
                part("externalApi", true, ""),
                part("database", healthy, if healthy { "5ms" } else { "timeout" }),
            ],
        };
        self.send(What::Observed(Observation::Health(reading)));
    }

    pub fn logs(&mut self, n: usize) {
        let texts = [
            ("x2abc", "GET /cart 200 12ms"),
            ("qqabc", "ERROR db pool exhausted (max 20)"),
            ("k4abc", "GET /login 200 8ms"),
            ("qqabc", "WARN health: database error: timeout after 5s"),
        ];
        for line in 0..n {
            let (pod, text) = texts[line % texts.len()];
            let source = Arc::new(LogSource {
                pod: format!("app-7c9f4-{pod}"),
                container: "app".to_owned(),
                revision: Some("app-v1.3.0".to_owned()),
            });
            let at = self.model.now.wall + SignedDuration::from_millis(31 * i64::try_from(line).unwrap_or(0));
            let lines = std::iter::once((Some(at), text)).collect();
            self.send(What::Observed(Observation::Logs(vec![LogBatch { source, lines, mark: None }])));
        }
    }
}

/// The pods of one version.
#[derive(Debug, Clone, Copy)]
pub struct Pods {
    pub tag: &'static str,
    pub revision: u64,
    pub ready: u32,
    pub starting: u32,
}

/// A deployment of four; the first of `sets` is the one it is going to.
pub fn workload(sets: &[Pods]) -> WorkloadFacts {
    let newest = sets.first().expect("a deployment has a template");
    let image = |tag: &str| {
        vec![Image { container: "app".to_owned(), image: format!("registry.example/myapp:{tag}") }]
    };
    let updated = (newest.ready + newest.starting).min(4);
    let replicas = sets.iter().map(|set| set.ready + set.starting).sum();
    let ready = sets.iter().map(|set| set.ready).sum();
    let mut pods = Vec::new();
    for set in sets {
        let names = ["x2abc", "k4abc", "7dabc", "qqabc"];
        for n in 0..(set.ready + set.starting) as usize {
            let is_ready = n < set.ready as usize;
            let is_old = set.tag != newest.tag;
            pods.push(pod(set.tag, names[n % 4], is_ready, is_old && !is_ready).into());
        }
    }
    WorkloadFacts {
        target: target(),
        uid: "uid-app".to_owned(),
        unread: None,
        gone: false,
        generation: newest.revision as i64,
        observed_generation: Some(newest.revision as i64),
        paused: false,
        strategy: UpdateStrategy::RollingUpdate,
        spec_replicas: 4,
        replicas,
        updated,
        ready,
        available: newest.ready,
        revision: Some(newest.revision),
        template_print: format!("print-{}", newest.tag),
        images: image(newest.tag),
        conditions: Vec::new(),
        progress_deadline_s: Some(600),
        min_ready_s: 0,
        max_surge: Some("1".to_owned()),
        max_unavailable: Some("1".to_owned()),
        gitops_owner: None,
        target_revision: Some(format!("app-{}", newest.tag)),
        stable_revision: None,
        revisions: sets
            .iter()
            .map(|set| RevisionFacts {
                name: format!("app-{}", set.tag),
                uid: format!("rs-{}", set.tag),
                revision: Some(set.revision),
                template_hash: if set.tag == "v1.3.0" { "7c9f4" } else { "5d40b" }.to_owned(),
                template_print: format!("print-{}", set.tag),
                images: image(set.tag),
                spec_replicas: set.ready + set.starting,
                replicas: set.ready + set.starting,
                ready: set.ready,
                conditions: Vec::new(),
            })
            .collect(),
        pods,
        events: Vec::new(),
        argo: None,
        unclear: None,
    }
}

fn pod(tag: &str, name: &str, ready: bool, ending: bool) -> PodFacts {
    let hash = if tag == "v1.3.0" { "7c9f4" } else { "5d40b" };
    let at = |seconds: i64| Some(start() + SignedDuration::from_secs(seconds));
    PodFacts {
        uid: format!("pod-{tag}-{name}"),
        revision: Some(format!("app-{tag}").into()),
        ready,
        ready_since: at(if tag == "v1.3.0" { 754 } else { -500_000 }),
        created: at(if tag == "v1.3.0" { 752 } else { -500_000 }),
        ending,
        node: Some("node-1".to_owned()),
        containers: vec![ContainerFacts {
            container_id: format!("c-{tag}-{name}"),
            ready,
            state: ContainerState::Running { since: at(0) },
            ..fixture::container("app")
        }],
        ..fixture::pod(&format!("app-{hash}-{name}"))
    }
}

fn pin() -> Pin {
    Pin {
        target: target(),
        uid: "uid-app".to_owned(),
        at: start(),
        revision: Some(7),
        kept_in: "app-5d40b".to_owned(),
        limit: None,
        template_hash: "5d40b".to_owned(),
        template_print: "print-v1.2.0".to_owned(),
        images: vec![Image {
            container: "app".to_owned(),
            image: "registry.example/myapp:v1.2.0".to_owned(),
        }],
        digests: Vec::new(),
        mounted: Vec::new(),
        replicas: 4,
    }
}
