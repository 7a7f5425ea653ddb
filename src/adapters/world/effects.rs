//! What each effect does to the world, and how it is answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, StreamExt, TryStreamExt};

use super::lock::Keeper;
use super::{News, World, fact_of, tell, traffic};
use crate::adapters::git;
use crate::adapters::kube::{Cause, Fired, KubeError, KubeWorld, Routes};
use crate::adapters::nginx::way_back;
use crate::adapters::shell;
use crate::release::{
    Errand, Exit, Fact, Failure, FailureKind, Finding, LockWanted, Measure, Order, PatchBack, Pin, Reroute,
    RolloutOrdered, RoutePin, Run, StepResult, Template, Timer, WakeTime, summary, version_of,
};
use crate::watch::{OutputBatch, OutputLine, Preflight, TargetRef};
use crate::workflow::Probe;
use crate::workflow::nginx::NginxSite;

impl World {
    pub(super) fn run(&self, run: Run, params: BTreeMap<String, String>) {
        let Some(acting) = self.acting.clone() else { return };
        let settings = Arc::clone(&self.settings);
        let (news, running) = (self.news.clone(), Arc::clone(&self.running));
        let terminals = Arc::clone(&self.terminals);
        let keeper = self.keeper.clone().filter(|_| !acting.way_back.contains(&run.command));
        self.tasks.spawn(async move {
            let clock = &settings.clock;
            let (command, attempt) = (run.command.clone(), run.attempt);
            if let Some(keeper) = keeper
                && let Err(why) = keeper.pass().await
            {
                let exit = Exit::NotStarted(why);
                let fact = Fact::CommandEnded { command, attempt, exit, took_ms: 0 };
                return tell(&news, fact_of(clock, fact)).await;
            }
            let output = acting.folder.output_path(&command, attempt);
            let mut started = match acting.shell.start(&run, &params, Some(&output)).await {
                Ok(started) => started,
                Err(error) => {
                    let exit = Exit::NotStarted(error.to_string());
                    let fact = Fact::CommandEnded { command, attempt, exit, took_ms: 0 };
                    return tell(&news, fact_of(clock, fact)).await;
                }
            };
            let key = (command.clone(), attempt);
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key.clone(), started.stopper.clone());
            if let Some(terminal) = started.terminal.take() {
                terminals.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), terminal);
            }
            let shell::Spawned { pid, start_time } = started.spawned;
            tell(&news, fact_of(clock, Fact::CommandSpawned { command, attempt, pid, start_time })).await;
            while let Some(message) = started.news.recv().await {
                match message {
                    shell::News::Output(batch) => tell(&news, News::Output(output_of(batch))).await,
                    shell::News::Screen(screen) => {
                        let (command, attempt) = key.clone();
                        tell(&news, News::Screen { command, attempt, screen }).await;
                    }
                    shell::News::Ended(ended) => {
                        if let Some(problem) = &ended.file_problem {
                            tracing::warn!(%problem, "the output file is not whole");
                        }
                        let shell::Ended { command, attempt, exit, took_ms, captured, .. } = *ended;
                        // Before the end: without the end it is in doubt, with it there is a value.
                        if let Some(captured) = captured {
                            let command = command.clone();
                            let fact = Fact::OutputCaptured { command, attempt, captured };
                            tell(&news, fact_of(clock, fact)).await;
                        }
                        let fact = Fact::CommandEnded { command, attempt, exit, took_ms };
                        tell(&news, fact_of(clock, fact)).await;
                    }
                }
            }
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            terminals.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
    }

    pub(super) fn pin(&self, targets: Vec<TargetRef>, nginx: Option<NginxSite>) {
        let (kube, Some(acting)) = (self.kube.borrow().clone(), self.acting.clone()) else { return };
        if kube.is_none() && !targets.is_empty() {
            return;
        }
        let (settings, news, templates) =
            (Arc::clone(&self.settings), self.news.clone(), Arc::clone(&self.templates));
        self.reading(async move {
            let mut pins = Vec::new();
            let mut unpinned = Vec::new();
            for (target, kube) in targets.iter().filter_map(|target| Some((target, kube.as_ref()?))) {
                match kube.pin(target, settings.clock.now().world).await {
                    Ok((pin, template)) => {
                        // By the place among the pins: so it is found again when a release is resumed.
                        if let Err(error) = acting.folder.save_template(pins.len(), &template) {
                            tracing::warn!(%error, "the pinned template cannot be kept beside the journal");
                        }
                        templates
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .insert(target.clone(), template);
                        pins.push(pin);
                    }
                    // One that cannot be had keeps no other from being covered.
                    Err(error)
                        if matches!(error.cause(), Some(Cause::NotFound | Cause::Forbidden))
                            || matches!(error, KubeError::NotRolledBack { .. }) =>
                    {
                        unpinned.push(format!("{target} is not covered: {error}"));
                    }
                    Err(error) => {
                        let line = Preflight::limited("rollback", error.to_string());
                        return tell(&news, News::Preflight(line)).await;
                    }
                }
            }
            let mut routes = Vec::new();
            if let Some(site) = nginx {
                match way_back::pin(site.below(&settings.directory)) {
                    Ok(pin) => routes.push(pin),
                    Err(error) => unpinned.push(format!("nginx is not covered: {error}")),
                }
            }
            if pins.is_empty() && routes.is_empty() {
                let line = Preflight::limited("rollback", unpinned.join("; "));
                return tell(&news, News::Preflight(line)).await;
            }
            let known = with_templates(&templates, &pins);
            if let Some(kube) = kube.filter(|_| !pins.is_empty()) {
                let mut mounted = kube.mounted(&known).await;
                for pin in &mut pins {
                    pin.mounted = mounted.remove(&pin.target).unwrap_or_default();
                }
                let Routes { pins: found, unknown } = kube.pin_routes(&known).await;
                routes.splice(0..0, found);
                unpinned.extend(unknown);
            }
            let pinned = format!("pinned {} as known good", summary::known_good(&pins, &routes));
            let line = match unpinned.is_empty() {
                true => Preflight::fine("rollback", pinned),
                false => Preflight::limited("rollback", format!("{pinned}; {}", unpinned.join("; "))),
            };
            tell(&news, News::Preflight(line)).await;
            tell(&news, fact_of(&settings.clock, Fact::Pinned { pins, routes })).await;
        });
    }

    pub(super) fn arm(&self, pins: Vec<Pin>, routes: Vec<RoutePin>) {
        let kube = self.kube.borrow().clone();
        let (clock, news, templates) =
            (self.settings.clock.clone(), self.news.clone(), Arc::clone(&self.templates));
        self.reading(async move {
            match armed(kube.as_ref(), &templates, &pins, &routes).await {
                Ok((findings, diff)) => {
                    tell(&news, News::Diff(diff)).await;
                    tell(&news, fact_of(&clock, Fact::Armed { findings })).await;
                }
                // Nothing is concluded from silence: the age of the last test says it.
                Err(why) => tracing::warn!(%why, "the way back could not be tested"),
            }
        });
    }

    pub(super) fn lock(&self, wanted: LockWanted) {
        if let Some(keeper) = &self.keeper {
            keeper.ask();
        }
        self.with_lock(|keeper| async move { keeper.take(wanted).await });
    }

    /// Does something to the lock that is not torn off when the process leaves.
    pub(super) fn with_lock<W>(&self, work: impl FnOnce(Arc<Keeper>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        if let Some(keeper) = self.keeper.clone() {
            self.tasks.spawn(work(keeper));
        }
    }

    pub(super) fn order(&self, ordered: RolloutOrdered) {
        let kube = self.kube.borrow().clone();
        let (clock, news) = (self.settings.clock.clone(), self.news.clone());
        // A stop waits for nobody.
        let keeper = self.keeper.clone().filter(|_| ordered.order != Order::Abort);
        self.tasks.spawn(async move {
            if let Some(keeper) = keeper
                && let Err(why) = keeper.pass().await
            {
                let result = StepResult::Failed(Failure { kind: FailureKind::Refused, summary: why });
                let fact = Fact::RolloutOrderEnded { attempt: ordered.attempt, result };
                return tell(&news, fact_of(&clock, fact)).await;
            }
            let result = match kube {
                Some(kube) => match kube.order(&ordered).await {
                    Ok(took_ms) => taken(took_ms),
                    Err(error) => StepResult::Failed(failure_of(&error)),
                },
                None => never_reached(),
            };
            let attempt = ordered.attempt;
            tell(&news, fact_of(&clock, Fact::RolloutOrderEnded { attempt, result })).await;
        });
    }

    pub(super) fn roll_back(&self, patch: PatchBack) {
        let kube = self.kube.borrow().clone();
        let (clock, news, templates) =
            (self.settings.clock.clone(), self.news.clone(), Arc::clone(&self.templates));
        self.tasks.spawn(async move {
            let PatchBack { step, attempt, .. } = patch;
            let result = match kube {
                Some(kube) => match measure(&kube, &templates, &patch).await {
                    Ok(result) => result,
                    Err(error) => StepResult::Failed(failure_of(&error)),
                },
                None => never_reached(),
            };
            tell(&news, fact_of(&clock, Fact::RollbackStepEnded { step, attempt, result })).await;
        });
    }

    pub(super) fn reroute(&self, reroute: Reroute) {
        let kube = self.kube.borrow().clone();
        let (clock, news) = (self.settings.clock.clone(), self.news.clone());
        self.tasks.spawn(async move {
            let Reroute { step, attempt, errand } = reroute;
            let result = match errand {
                Errand::PutBack(pin) => traffic::put_back(kube.as_ref(), &pin).await,
                Errand::ReadBack(pins) => traffic::read_back(kube.as_ref(), &pins).await,
            };
            tell(&news, fact_of(&clock, Fact::RollbackStepEnded { step, attempt, result })).await;
        });
    }

    pub(super) fn sense_tag(&self, params: &BTreeMap<String, String>) {
        let Some(tag) = version_of(params).cloned() else { return };
        let Some(acting) = self.acting.clone() else { return };
        let (settings, news) = (Arc::clone(&self.settings), self.news.clone());
        self.reading(async move {
            let (pass, value) = match git::remote_has_tag(&settings.directory, &tag, &acting.child_env).await
            {
                Ok(true) => (true, format!("{tag} is on the remote")),
                Ok(false) => (false, format!("{tag} is not on the remote")),
                Err(error) => (false, error.to_string()),
            };
            tell(&news, News::Probed { probe: Probe::TagPushed, pass, value }).await;
        });
    }

    pub(super) fn wake_at(&self, at: WakeTime, timer: Timer) {
        let (clock, news) = (self.settings.clock.clone(), self.news.clone());
        self.reading(async move {
            loop {
                let wait = clock.wall_until(at);
                if wait.is_zero() {
                    break;
                }
                tokio::time::sleep(wait).await;
            }
            tell(&news, fact_of(&clock, Fact::Woke { timer })).await;
        });
    }
}

type Templates = Mutex<BTreeMap<TargetRef, Template>>;

/// Tests under way at once: the server has others to answer, too.
const AT_ONCE: usize = 8;

fn with_templates(templates: &Templates, pins: &[Pin]) -> Vec<(TargetRef, Template)> {
    let targets = pins.iter().map(|pin| pin.target.clone());
    targets.filter_map(|target| Some((target.clone(), template_of(templates, &target)?))).collect()
}

/// What the tests of the whole way back found, and what it would change.
async fn armed(
    kube: Option<&KubeWorld>,
    templates: &Templates,
    pins: &[Pin],
    routes: &[RoutePin],
) -> Result<(Vec<Finding>, Vec<String>), String> {
    let of_pin = |pin: &Pin| {
        let (pin, template) = (pin.clone(), template_of(templates, &pin.target));
        async move {
            let template =
                template.ok_or_else(|| format!("the pinned template of {} is lost", pin.target))?;
            let kube = kube.ok_or_else(|| NEVER_REACHED.to_owned())?;
            kube.arm(&pin, &template).await.map_err(|error| error.to_string())
        }
    };
    let of_route = |pin: &RoutePin| {
        let pin = pin.clone();
        async move {
            let tested = traffic::test(kube, &pin).await?;
            Ok::<_, String>((pin, tested))
        }
    };
    let tested = stream::iter(pins.iter().map(of_pin)).buffered(AT_ONCE).try_collect::<Vec<_>>();
    let moved = stream::iter(routes.iter().map(of_route)).buffered(AT_ONCE).try_collect::<Vec<_>>();
    let left = async {
        match kube {
            Some(kube) => kube.left_alone(pins).await.map_err(|error| error.to_string()),
            None => Ok(Vec::new()),
        }
    };
    let (tested, moved, left) = tokio::try_join!(tested, moved, left)?;
    let (mut findings, mut diff) = (Vec::new(), Vec::new());
    for tested in tested {
        findings.extend(tested.findings);
        diff.extend(tested.diff);
    }
    for (pin, (outcome, lines)) in moved {
        findings.push(Finding { target: pin.to.first().cloned(), what: pin.route.to_string(), outcome });
        diff.extend(lines);
    }
    findings.extend(left);
    Ok((findings, diff))
}

pub(super) const NEVER_REACHED: &str = "the cluster has not been reached yet";

pub(super) fn never_reached() -> StepResult {
    StepResult::Failed(Failure { kind: FailureKind::Unreachable, summary: NEVER_REACHED.to_owned() })
}

async fn measure(
    kube: &KubeWorld,
    templates: &Templates,
    patch: &PatchBack,
) -> Result<StepResult, KubeError> {
    let PatchBack { measure, pin, shown, replicas, .. } = patch;
    match measure {
        Measure::Abort => kube.abort(pin).await.map(taken),
        Measure::Promote => kube.promote(pin).await.map(taken),
        Measure::Delete(blocker) => kube.delete_pod(&pin.target, blocker).await.map(taken),
        Measure::Template => {
            let Some(template) = template_of(templates, &pin.target) else {
                return Ok(StepResult::Failed(Failure {
                    kind: FailureKind::Rejected,
                    summary: format!("the pinned template of {} is lost", pin.target),
                }));
            };
            let shown = shown.as_ref().map(|shown| shown.template_print.as_str());
            Ok(match kube.fire(pin, &template, shown, *replicas).await? {
                Fired::Accepted { took_ms, .. } => StepResult::Accepted { took_ms },
                Fired::AlreadyThere => StepResult::AlreadyThere,
            })
        }
    }
}

/// The answer to a change that reports how long it took, or that it was made already.
pub(super) fn taken(took_ms: Option<u64>) -> StepResult {
    took_ms.map_or(StepResult::AlreadyThere, |took_ms| StepResult::Accepted { took_ms })
}

fn template_of(templates: &Templates, target: &TargetRef) -> Option<Template> {
    templates.lock().unwrap_or_else(PoisonError::into_inner).get(target).cloned()
}

fn output_of(batch: shell::OutputBatch) -> OutputBatch {
    let line = |line: shell::OutputLine| OutputLine {
        is_stderr: line.stream == shell::Stream::Err,
        text: line.text.into_string(),
    };
    OutputBatch {
        command: batch.command,
        attempt: batch.attempt,
        lines: batch.lines.into_iter().map(line).collect(),
        cut: batch.dropped,
    }
}

pub(super) fn failure_of(error: &KubeError) -> Failure {
    let kind = match error {
        KubeError::Changed { .. } => FailureKind::Changed,
        KubeError::NotNow { .. } => FailureKind::Refused,
        KubeError::NotYet { .. } => FailureKind::NotYet,
        _ => match error.cause() {
            Some(cause) if cause.is_unreachable() => FailureKind::Unreachable,
            // Whether it arrived is not known; sending it again is harmless.
            Some(Cause::TimedOut | Cause::Broken | Cause::Busy | Cause::Server) => FailureKind::TimedOut,
            Some(Cause::Unauthorized | Cause::Forbidden) => FailureKind::Refused,
            _ => FailureKind::Rejected,
        },
    };
    Failure { kind, summary: error.to_string() }
}
