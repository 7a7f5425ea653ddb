//! A small release workflow built by hand, and histories that its releases could have had.
#![allow(dead_code, reason = "the benchmark and each test use their part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use gonogo::journal::Record;
use gonogo::release::{
    ByPolicy, CommandState, Current, Event, Evidence, Exit, Fact, Failure, FailureKind, Finding, ItemId,
    Operator, Outcome, Phase, Pin, PlanAction, PlanState, Release, ReleaseId, RolloutSeen, Run, Shown,
    StepResult, Timer, Verdict, Vote,
};
use gonogo::watch::rollout::RolloutState;
use gonogo::watch::{Image, Moment, TargetRef};
use gonogo::workflow::{
    BlockClass, Check, CheckId, Choice, Command, CommandId, CommandKind, Criterion, CriterionId,
    CriterionKind, Gate, GateId, Group, Item, Kind, Language, Metric, Param, Place, Policy, Poll, Probe,
    Role, RollbackSection, Soak, Step, Workflow,
};
use jiff::{SignedDuration, Timestamp};

pub const DOCUMENT: &str = "# Release en Production\n";
const PLACE: Place = Place { line: 1, column: 1 };
const OLD: &str = "print-of-v1.2.0";
const NEW: &str = "print-of-v1.3.0";

fn check(id: &str, text: &str) -> Check {
    Check {
        id: id.into(),
        place: PLACE,
        text: text.to_owned(),
        optional: false,
        owners: Vec::new(),
        probe: None,
        evidence: Vec::new(),
        annotated: Default::default(),
    }
}

fn command(id: &str, text: &str) -> Command {
    Command {
        id: id.into(),
        place: PLACE,
        language: "bash".to_owned(),
        caption: None,
        kind: CommandKind::Run,
        class: BlockClass::Runnable,
        text: text.to_owned(),
        warnings: Vec::new(),
        choices: Vec::new(),
        settling: None,
        annotated: Default::default(),
    }
}

fn group(checks: Vec<Check>) -> Group {
    Group { title: None, place: PLACE, timebox_s: None, checks }
}

fn step(id: &str, number: u32, title: &str, commands: Vec<Command>, groups: Vec<Group>) -> Step {
    let order = (0..commands.len()).map(Item::Command).chain((0..groups.len()).map(Item::Group)).collect();
    Step {
        id: id.into(),
        number: Some(number),
        title: title.to_owned(),
        place: PLACE,
        caption: None,
        commands,
        groups,
        order,
        poll: None,
        soak: None,
        production: false,
        gating: true,
        calls: Vec::new(),
        called: None,
        annotated: Default::default(),
    }
}

/// Two prerequisites, a tag, a staging with a poll, a production with a choice, a soak, a
/// communication that gates nothing, an output, three criteria.
pub fn workflow() -> Arc<Workflow> {
    let roles = ["tech-lead", "sre"];
    let optional = Check { optional: true, ..check("preparation/migrations", "Migrations | prêtes") };
    let pushed = Check { probe: Some(Probe::TagPushed), ..check("tag/pousse", "Tag `v1.2.0` poussé") };
    let rolled = Check {
        probe: Some(Probe::RolloutComplete),
        ..check("production/rollout", "Rollout progressif <4/4>")
    };
    let choice = |label: &str, text: Option<&str>| Choice {
        label: label.to_owned(),
        text: text.map(str::to_owned),
        warning: None,
    };
    let deploy = Command {
        kind: CommandKind::Choice,
        choices: vec![
            choice("kubectl", Some("kubectl set image deployment/app app=myapp:v1.2.0\n")),
            choice("par la CI", None),
        ],
        ..command("production/command-1", "# Option 1\nkubectl set image deployment/app app=myapp:v1.2.0\n")
    };
    let tag = command("tag/command-1", "# Tag\ngit tag -a v1.2.0 -m \"a ``` b\"\ngit push origin v1.2.0\n");
    let timeboxed = Group {
        title: Some("Immédiat (0-5 min)".to_owned()),
        timebox_s: Some(300),
        ..group(vec![check("validation/pods", "Pods prêts"), check("validation/logs", "Pas d'erreur")])
    };
    let mut steps = vec![
        step("tag", 3, "Créer le Tag", vec![tag], vec![group(vec![pushed])]),
        step(
            "staging",
            4,
            "Vérification Staging",
            vec![],
            vec![group(vec![
                check("staging/demarre", "Application démarre"),
                check("staging/smoke", "Smoke tests"),
            ])],
        ),
        step("production", 5, "Déploiement Production", vec![deploy], vec![group(vec![rolled])]),
        step("validation", 6, "Validation Post-Déploiement", vec![], vec![timeboxed]),
        step(
            "monitoring",
            7,
            "Monitoring",
            vec![],
            vec![group(vec![check("monitoring/metriques", "Métriques stables")])],
        ),
        step(
            "communication",
            8,
            "Communication",
            vec![],
            vec![group(vec![check("communication/annonce", "Équipe *informée*")])],
        ),
    ];
    steps[1].poll = Some(Poll { roles: roles.map(Into::into).to_vec() });
    steps[4].soak = Some(Soak { min_s: 3_600, max_s: 7_200 });
    steps[5].gating = false;
    for step in &mut steps[2..] {
        step.production = true;
    }
    let criterion =
        |id: &str, text: &str, kind| Criterion { id: id.into(), place: PLACE, text: text.to_owned(), kind };
    let above = gonogo::workflow::Operator::Above;
    let percent = "%".to_owned();
    let (errors, latency) = (Metric::ErrorRate, Metric::LatencyP95);
    let errors = CriterionKind::Threshold { metric: errors, operator: above, value: 1.0, unit: percent };
    let latency = CriterionKind::Ratio { metric: latency, operator: above, factor: 2.0 };
    Arc::new(Workflow {
        file: "release.md".to_owned(),
        sha256: "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef".to_owned(),
        text: DOCUMENT.to_owned(),
        name: "release".to_owned(),
        description: None,
        title: "Release en Production".to_owned(),
        language: Language::French,
        goal: None,
        roles: roles.map(|name| Role { name: name.into(), declared: true }).to_vec(),
        calls: Vec::new(),
        called: None,
        settled: Default::default(),
        params: vec![Param {
            name: "VERSION".into(),
            default: "v1.2.0".into(),
            occurrences: vec![PLACE],
            ..Param::default()
        }],
        nginx: None,
        targets: Vec::new(),
        irreversible: vec!["migration 0042".to_owned()],
        gates: vec![Gate {
            id: GateId("pre-requis".to_owned()),
            title: "Pré-requis".to_owned(),
            place: PLACE,
            checks: vec![check("pre-requis/tests", "Tests OK"), optional],
        }],
        steps,
        outputs: vec![check("outputs/documentation", "Documentation à jour")],
        rollback: RollbackSection {
            present: true,
            calls: Vec::new(),
            commands: vec![command("rollback/command-1", "kubectl rollout undo deployment/app\n")],
            criteria: vec![
                criterion("taux-d-erreur", "Taux d'erreur > 1%", errors),
                criterion("latence", "Latence P95 > 2x", latency),
                criterion("fonction", "Fonctionnalité critique cassée", CriterionKind::Declared),
            ],
            policy: Some(Policy { auto: vec!["taux-d-erreur".into(), "latence".into()], countdown_s: 30 }),
        },
        errors: Vec::new(),
        escalation: Vec::new(),
        annotations: Vec::new(),
        queries: BTreeMap::new(),
        diagnostics: Vec::new(),
    })
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
    Operator { name: "ana".into(), host: "laptop-7".into(), identity: Some("ana@example.org".into()) }
}

pub fn bo() -> Operator {
    Operator { name: "bo".into(), host: "laptop-9".into(), identity: None }
}

pub fn start() -> Timestamp {
    "2026-11-22T13:49:00Z".parse().expect("this is a timestamp")
}

pub fn at(seconds: i64) -> Moment {
    Moment::real(start() + SignedDuration::from_secs(seconds))
}

/// A release with its journal, as a process holds them.
#[derive(Debug, Clone)]
pub struct Live {
    pub release: Release,
    pub records: Vec<Record>,
    pub now: Moment,
}

impl Live {
    pub fn opened() -> Self {
        Self::opened_with(workflow())
    }

    pub fn opened_with(document: Arc<Workflow>) -> Self {
        let fact = Fact::Opened {
            id: ReleaseId("20261122-134900-release-v1.3.0".to_owned()),
            file: document.file.clone(),
            sha256: document.sha256.clone(),
            title: document.title.clone(),
            targets: vec![target()],
            context: Some("prod-eu".to_owned()),
            directory: "/srv/shop".to_owned(),
            signals: gonogo::release::SignalSources::default(),
            practice: None,
            called: None,
            settled: Default::default(),
        };
        let event = Event { at: at(0), by: Some(ana()), fact };
        let (release, _) = Release::open(document, &event).expect("the document is its own");
        Self { release, records: vec![Record::new(1, event)], now: at(0) }
    }

    /// Begun, with everything pinned, a baseline read and the way back armed.
    pub fn begun() -> Self {
        Self::begun_with(workflow())
    }

    pub fn begun_with(document: Arc<Workflow>) -> Self {
        Self::begin_after(Self::opened_with(document), &[])
    }

    /// Begun, after both measured criteria were accepted to roll back by themselves.
    pub fn accepted() -> Self {
        let criteria = ["taux-d-erreur".into(), "latence".into()];
        Self::begin_after(Self::opened_with(workflow()), &criteria)
    }

    fn begin_after(mut live: Self, criteria: &[CriterionId]) -> Self {
        live.world(0, Fact::Pinned { pins: vec![pin()], routes: vec![] });
        for criterion in criteria {
            live.ana(1, Fact::PolicyAccepted { criterion: criterion.clone() });
        }
        let params = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
        let roster =
            BTreeMap::from([("tech-lead".into(), "ana".to_owned()), ("sre".into(), "bo".to_owned())]);
        live.ana(5, Fact::Begun { params, roster });
        live.world(0, armed());
        live
    }

    /// Tells the release something, `after` seconds later, and keeps it when it is taken.
    pub fn tell(&mut self, after: i64, by: Option<Operator>, fact: Fact) -> bool {
        let at = Moment::real(self.now.wall + SignedDuration::from_secs(after));
        let event = Event { at, by, fact };
        let taken = self.release.handle(&event).is_ok();
        if taken {
            self.now = at;
            self.records.push(Record::new(self.records.len() as u64 + 1, event));
        }
        taken
    }

    /// Something that must be taken: the story would not be the one that the test tells.
    #[track_caller]
    pub fn must(&mut self, after: i64, by: Option<Operator>, fact: Fact) {
        let words = format!("{fact:?}");
        let at = Moment::real(self.now.wall + SignedDuration::from_secs(after));
        let event = Event { at, by, fact };
        if let Err(refusal) = self.release.handle(&event) {
            panic!("{words} was refused: {refusal}");
        }
        self.now = at;
        self.records.push(Record::new(self.records.len() as u64 + 1, event));
    }

    #[track_caller]
    pub fn ana(&mut self, after: i64, fact: Fact) {
        self.must(after, Some(ana()), fact);
    }

    #[track_caller]
    pub fn bo(&mut self, after: i64, fact: Fact) {
        self.must(after, Some(bo()), fact);
    }

    #[track_caller]
    pub fn world(&mut self, after: i64, fact: Fact) {
        self.must(after, None, fact);
    }

    /// Runs a command to this end, as the operator and the world would tell it.
    #[track_caller]
    pub fn run(&mut self, id: &str, choice: Option<usize>, exit: Exit, took_ms: u64) {
        let run = self.next_run(&id.into(), choice);
        let attempt = run.attempt;
        self.ana(3, Fact::CommandStarted(run));
        self.world(0, Fact::CommandSpawned { command: id.into(), attempt, pid: 4_711, start_time: Some(99) });
        let seconds = i64::try_from(took_ms / 1_000).expect("no command takes longer than the sun");
        self.world(seconds, Fact::CommandEnded { command: id.into(), attempt, exit, took_ms });
    }

    pub fn next_run(&self, id: &CommandId, choice: Option<usize>) -> Run {
        let command = self.release.workflow().command(id).expect("the fixture has this command");
        let text = choice.and_then(|n| command.choices.get(n)?.text.clone()).unwrap_or(command.text.clone());
        let attempts = self.release.state().commands.get(id).map_or(0, |track| track.attempts.len());
        Run {
            command: id.clone(),
            attempt: attempts as u32 + 1,
            text,
            choice,
            edited: false,
            shell: vec!["bash".into(), "-e".into()],
            directory: "/srv/shop".into(),
            env: vec!["VERSION".into()],
            context: Some("prod-eu".into()),
            namespace: Some("shop".into()),
            terms: Default::default(),
        }
    }

    /// What a careful operator, or the world, would do or tell next.
    pub fn next_fact(&self) -> Option<Fact> {
        let state = self.release.state();
        match state.phase {
            Phase::Preparing => {
                let params = BTreeMap::from([("VERSION".to_owned(), "v1.3.0".to_owned())]);
                let roster =
                    BTreeMap::from([("tech-lead".into(), "ana".to_owned()), ("sre".into(), "bo".to_owned())]);
                return Some(Fact::Begun { params, roster });
            }
            Phase::Held => return Some(Fact::Released),
            Phase::RollingBack | Phase::RollbackFailed => return self.next_of_rollback(),
            Phase::Running => {}
            _ => return None,
        }
        if state.is_breached() {
            let bad = state.criteria.iter().find(|(_, criterion)| criterion.is_breached())?.0.clone();
            return Some(Fact::CriterionOverridden { criterion: bad, reason: "known and harmless".into() });
        }
        Some(match self.release.current() {
            Current::Check(id) => {
                let check = self.release.workflow().check(&id)?;
                let said_no = state.checks.get(&id).is_some_and(|mark| mark.by.is_some());
                match check.probe {
                    // What a person said about it stands until it is taken back.
                    Some(_) if said_no => Fact::CheckReopened { check: id },
                    Some(_) => Fact::Sensed { check: id, pass: true, value: "as it should be".into() },
                    None => Fact::Confirmed { check: id, evidence: evidence(), person: None, typed: None },
                }
            }
            Current::Command(id) => self.next_of_command(&id),
            Current::Poll(step) => {
                let roles = &self.release.workflow().step(&step)?.poll.as_ref()?.roles;
                let ballots = state.polls.get(&step);
                let role = roles.iter().find(|role| {
                    !ballots.and_then(|ballots| ballots.get(role)).is_some_and(|ballot| ballot.lets_go())
                })?;
                Fact::Voted { step, role: role.clone(), vote: Vote::Go, reason: None, evidence: evidence() }
            }
            Current::Soak(step) => Fact::SoakShortened {
                step,
                role: "sre".into(),
                reason: "quiet traffic, and a public holiday".into(),
            },
            Current::Finish => Fact::Completed,
        })
    }

    fn next_of_command(&self, id: &CommandId) -> Fact {
        let command = id.clone();
        let attempt = self.release.state().last_attempt(id).map_or(1, |attempt| attempt.run.attempt);
        match self.release.state().command(id) {
            CommandState::Running => {
                Fact::CommandEnded { command, attempt, exit: Exit::Code(0), took_ms: 1_200 }
            }
            CommandState::InDoubt => {
                Fact::DoubtSettled { command, attempt, succeeded: true, note: "the tag is there".into() }
            }
            _ => {
                let is_choice = self.release.workflow().command(id).is_some_and(|c| !c.choices.is_empty());
                Fact::CommandStarted(self.next_run(id, is_choice.then_some(0)))
            }
        }
    }

    /// What the loop would tell of the policy now.
    fn next_of_policy(&self, can_be_seen: bool) -> Fact {
        let policy = &self.release.state().policy;
        match &policy.countdown {
            Some(countdown) if can_be_seen => {
                let Fact::RollbackFired { reason, shown, evidence, .. } = fired() else { unreachable!() };
                let accepted_by = policy.accepted[&countdown.criterion].by.clone();
                let policy = Some(ByPolicy { criterion: countdown.criterion.clone(), accepted_by });
                Fact::RollbackFired { reason, shown, evidence, policy }
            }
            Some(countdown) => Fact::Woke { timer: Timer::Countdown { n: countdown.n } },
            None => {
                let read = self.release.state().criteria.iter().find(|(_, read)| read.is_breached());
                let criterion = read.map_or_else(|| "latence".into(), |(id, _)| id.clone());
                Fact::CountdownStarted { criterion, seconds: 30 }
            }
        }
    }

    fn next_of_rollback(&self) -> Option<Fact> {
        let rollback = self.release.state().rollback.as_ref()?;
        let mut open = rollback.plan.iter().enumerate();
        let (index, step) = open.find(|(_, step)| !matches!(step.state, PlanState::Done { .. }))?;
        Some(match (&step.action, &step.state) {
            (PlanAction::Settle(_), _) => rollout(RolloutState::Complete, OLD),
            (PlanAction::Clear, _) => {
                let state = self.release.state();
                let is_read = |id: &CriterionId| {
                    let known = self.release.workflow().criterion(id);
                    known.is_some_and(|criterion| criterion.kind != CriterionKind::Declared)
                };
                let mut unclear =
                    state.criteria.iter().filter(|(id, read)| read.verdict != Verdict::Pass && is_read(id));
                match unclear.next() {
                    Some((id, _)) => criterion(id.clone(), Verdict::Pass),
                    None => Fact::HealthChanged { healthy: true, summary: "db ok".into() },
                }
            }
            (_, PlanState::Sent { attempt, .. }) => Fact::RollbackStepEnded {
                step: index,
                attempt: *attempt,
                result: StepResult::Accepted { took_ms: 80 },
            },
            (_, PlanState::Queued { attempt, .. }) => {
                Fact::Woke { timer: Timer::RollbackRetry { step: index, attempt: *attempt } }
            }
            _ => fired(),
        })
    }

    /// Something that may well happen at any moment, sensible now or not.
    pub fn stray_fact(&self, kind: u16, pick: u16) -> Fact {
        let workflow = self.release.workflow();
        let checks: Vec<CheckId> = workflow.checks().map(|check| check.id.clone()).collect();
        let commands: Vec<CommandId> = workflow.commands().map(|command| command.id.clone()).collect();
        let n = usize::from(pick);
        let check = checks[n % checks.len()].clone();
        let command = commands[n % commands.len()].clone();
        let criterion_id = workflow.rollback.criteria[n % 3].id.clone();
        let role = workflow.roles[n % 2].name.clone();
        let step = workflow.steps[n % workflow.steps.len()].id.clone();
        let attempt = u32::from(pick % 3) + 1;
        let is_odd = n % 2 == 1;
        let reason = format!("reason {pick}");
        let words = [
            RolloutState::Progressing,
            RolloutState::Complete,
            RolloutState::Failed,
            RolloutState::Settling,
            RolloutState::Stuck,
        ];
        let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::NoData, Verdict::Error];
        let print = if is_odd { OLD } else { NEW };
        let failure = |kind| StepResult::Failed(Failure { kind, summary: reason.clone() });
        match kind % 40 {
            0 => Fact::Noted { text: reason },
            1 => Fact::Held { reason },
            2 => Fact::Released,
            3 => Fact::NoGo { check, reason, evidence: evidence() },
            4 => Fact::CheckReopened { check },
            5 => Fact::Skipped { item: ItemId::Check(check), reason },
            6 => Fact::Skipped { item: ItemId::Command(command), reason },
            7 => Fact::NotApplicable { item: ItemId::Check(check), reason },
            8 => Fact::Overridden { check, reason, evidence: evidence() },
            9 => Fact::Sensed { check, pass: is_odd, value: reason },
            10 => criterion(criterion_id, verdicts[n % 4]),
            11 => Fact::CriterionDeclared { criterion: criterion_id, met: is_odd, reason },
            12 => Fact::HealthChanged { healthy: is_odd, summary: reason },
            13 => rollout(words[n % words.len()], print),
            14 => armed(),
            15 => {
                let values = [("error_rate".to_owned(), f64::from(pick) / 7.0), ("x".to_owned(), f64::NAN)];
                Fact::BaselinePinned { values: values.into() }
            }
            16 => fired(),
            17 => Fact::RollbackStepEnded { step: 0, attempt, result: failure(FailureKind::Unreachable) },
            18 => Fact::RollbackStepEnded { step: 0, attempt, result: failure(FailureKind::Changed) },
            19 => Fact::RollbackCancelled,
            20 => Fact::Reopened,
            21 => Fact::Left { why: reason },
            22 => Fact::Woke { timer: Timer::SoakEarliest("monitoring".into()) },
            23 => Fact::RoleStaffed { role, person: "cleo".into() },
            24 => Fact::CommandStopped { command, attempt },
            25 => Fact::CommandEnded { command, attempt, exit: Exit::Code(1), took_ms: 7 },
            26 => Fact::CommandSpawned { command, attempt, pid: pick.into(), start_time: None },
            27 => Fact::CommandStarted(self.next_run(&command, Some(0))),
            28 => Fact::RoleNotApplicable { step: "staging".into(), role, reason },
            29 => {
                let vote = if is_odd { Vote::NoGo } else { Vote::Abstain };
                Fact::Voted { step, role, vote, reason: Some(reason), evidence: Vec::new() }
            }
            30 => Fact::NothingToRun { command, choice: 1 },
            32..=34 => self.next_of_policy(is_odd),
            35 => criterion(criterion_id, Verdict::Fail),
            36 => Fact::CountdownStopped,
            37 => Fact::PolicyHeldBack { criterion: criterion_id, why: reason },
            38 => Fact::PolicyWithdrawn { criterion: criterion_id },
            39 => Fact::Woke { timer: Timer::Countdown { n: attempt } },
            _ if pick.is_multiple_of(8) => Fact::Aborted { reason },
            _ => Fact::RollbackReason { reason },
        }
    }
}

pub fn evidence() -> Vec<Evidence> {
    let read = |what: &str, value: &str, age_s, stale| Evidence {
        what: what.to_owned(),
        value: value.to_owned(),
        age_s,
        stale,
    };
    vec![read("rollout", "4 of 4 updated, 4 ready", 2, false), read("error rate", "0.3 %", 95, true)]
}

pub fn pin() -> Pin {
    Pin {
        target: target(),
        uid: "7d9e".into(),
        at: start(),
        revision: Some(7),
        kept_in: "app-5d4".into(),
        limit: None,
        template_hash: "5d4".into(),
        template_print: OLD.into(),
        images: vec![Image { container: "app".into(), image: "myapp:v1.2.0".into() }],
        digests: vec!["sha256:5d40".into()],
        mounted: Vec::new(),
        replicas: 4,
    }
}

pub fn armed() -> Fact {
    let finding = Finding { target: Some(target()), what: "dry run".into(), outcome: Outcome::Fine };
    Fact::Armed { findings: vec![finding] }
}

pub fn rollout(state: RolloutState, print: &str) -> Fact {
    let (revision, image) = if print == OLD { (9, "myapp:v1.2.0") } else { (8, "myapp:v1.3.0") };
    Fact::RolloutChanged(RolloutSeen {
        target: target(),
        state,
        why: "available 3 < 4".into(),
        revision: Some(revision),
        replicas: None,
        template_print: print.into(),
        image: image.into(),
        blocker: None,
    })
}

pub fn old_rollout(state: RolloutState) -> Fact {
    rollout(state, OLD)
}

pub fn new_rollout(state: RolloutState) -> Fact {
    rollout(state, NEW)
}

pub fn criterion(id: CriterionId, verdict: Verdict) -> Fact {
    let (why, since) = match verdict {
        Verdict::Fail => ("3.1 % > 1 % for 3 of 3 readings", None),
        _ => ("0.3 %", None),
    };
    Fact::CriterionRead { criterion: id, verdict, why: why.into(), since }
}

pub fn fired() -> Fact {
    let shown = Shown { target: target(), uid: "7d9e".into(), template_print: NEW.into() };
    Fact::RollbackFired { reason: None, shown: vec![shown], evidence: evidence(), policy: None }
}

/// A history as chance would write it: mostly forward, with strays, refusals left out.
///
/// - Shape: each triple chooses what happens, to whom, and how many seconds later.
pub fn history(choices: impl IntoIterator<Item = (u16, u16, u8)>) -> Live {
    let mut live = Live::accepted();
    for (kind, pick, after) in choices {
        live.happen(kind, pick, after);
    }
    live
}

impl Live {
    /// Lets one thing happen. Whether the release took it.
    pub fn happen(&mut self, kind: u16, pick: u16, after: u8) -> bool {
        let forward = kind.is_multiple_of(2).then(|| self.next_fact()).flatten();
        // A breach is a policy's time: what it needs in a row would hardly come by chance.
        let is_its_time = self.release.state().is_breached() && matches!(kind % 4, 1 | 2);
        let by_policy = is_its_time.then(|| self.next_of_policy(!pick.is_multiple_of(4)));
        let fact = by_policy.or(forward).unwrap_or_else(|| self.stray_fact(kind / 2, pick));
        let by = if pick.is_multiple_of(2) { ana() } else { bo() };
        self.tell(after.into(), Some(by), fact)
    }
}
