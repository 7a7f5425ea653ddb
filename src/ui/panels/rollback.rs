//! The rollback panel: from, to, what it does, what it cannot undo, and the one key that fires it.

use ratatui::text::Line;

use super::{Sheet, evidence, past, policy, rollback_line};
use crate::app::action::Action;
use crate::app::model::Seen;
use crate::release::{
    Attempt, CommandState, Finding, Outcome, Phase, Pin, PlanAction, PlanState, PlanStep, RouteRef, summary,
};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::watch::{Image, Moment};
use crate::workflow::CommandId;

pub fn sheet<'a>(paint: &Paint<'a>, diff: bool, width: usize) -> Sheet<'a> {
    let mut sheet = Sheet::new(title(paint), width);
    if diff {
        diff_text(paint, &mut sheet);
        sheet.keys([paint.hint(Action::Diff, "back to the plan"), paint.hint(Action::Close, "close")]);
        return sheet;
    }
    let state = paint.model.state();
    for pin in &state.pins {
        ends(paint, &mut sheet, pin);
    }
    if !paint.model.release.is_pinned() {
        no_pin(paint, &mut sheet);
    } else {
        not_covered(paint, &mut sheet);
    }
    traffic(paint, &mut sheet);
    blocker(paint, &mut sheet);
    sheet.blank();
    plan(paint, &mut sheet);
    next_measures(paint, &mut sheet);
    sheet.blank();
    findings(paint, &mut sheet);
    not_undone(paint, &mut sheet);
    policy::lines(paint, &mut sheet);
    why(paint, &mut sheet);
    safe(paint, &mut sheet);
    keys(paint, &mut sheet);
    sheet
}

fn title<'a>(paint: &Paint<'a>) -> Line<'a> {
    let state = paint.model.state();
    let mut line = paint.line("Rollback ── ", Role::Title);
    let (word, role) = match state.phase {
        Phase::RollingBack => ("ROLLING BACK", Role::Warning),
        Phase::RolledBack => ("SAFE", Role::Ok),
        Phase::RollbackFailed => ("FAILED", Role::Bad),
        _ => rollback_line::word(paint.model.arming().state),
    };
    line.spans.push(paint.span(word, role));
    if let Some(at) = paint.model.observed.armed_at.filter(|_| state.rollback.is_none()) {
        line.spans.push(paint.span(format!(", checked {} ago", paint.age(at)), Role::Text));
    }
    line
}

fn ends<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, pin: &Pin) {
    let seen = paint.model.observed.workloads.get(&pin.target);
    let several = paint.model.state().pins.len() > 1;
    if several {
        sheet.push(paint.line(pin.target.to_string(), Role::Title));
    }
    if let Some(seen) = seen {
        if let Some(words) = came_from(paint, seen, pin) {
            sheet.facts(paint, "from", &words, Role::Text);
        }
        let counts = seen.verdict.counts;
        let mut words = set_words(seen.facts.revision, &seen.facts.images, pin);
        words.extend(seen.facts.current_revision().map(|set| set.template_hash.clone()));
        words.push(format!("{} pods, {} ready", counts.desired, counts.ready));
        let is_back = seen.facts.template_print == pin.template_print;
        if is_back {
            words.push("is what was pinned".to_owned());
        }
        let label = if paint.model.rollback().is_some() || is_back { "now" } else { "from" };
        sheet.facts(paint, label, &words, Role::Text);
    }
    let mut parts: Vec<String> = pin.revision.map(|revision| format!("rev {revision}")).into_iter().collect();
    parts.push(format::image(pin.image()).to_owned());
    if !pin.template_hash.is_empty() {
        parts.push(pin.template_hash.clone());
    }
    parts.push(format!("pinned {} ago as known good", format::age(paint.world_since(pin.at))));
    parts.extend(past::ran(paint, pin));
    sheet.facts(paint, "to", &parts, Role::Ok);
}

/// What a rollback that was fired went away from, as long as its revision is still there to tell.
fn came_from(paint: &Paint, seen: &Seen, pin: &Pin) -> Option<Vec<String>> {
    let shown = paint.model.rollback()?.shown.iter().find(|shown| shown.target == pin.target)?;
    let mut sets = seen.facts.revisions.iter();
    let set = sets.find(|set| set.template_print == shown.template_print)?;
    let mut words = set_words(set.revision, &set.images, pin);
    words.push(set.template_hash.clone());
    Some(words)
}

fn set_words(revision: Option<u64>, images: &[Image], pin: &Pin) -> Vec<String> {
    let named = images.iter().find(|image| pin.target.container.as_ref() == Some(&image.container));
    let image = named.or(images.first()).map_or("", |image| format::image(&image.image));
    revision.map(|revision| format!("rev {revision}")).into_iter().chain([image.to_owned()]).collect()
}

fn no_pin<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let model = paint.model;
    let targets = &model.state().targets;
    let why = if targets.is_empty() {
        "no target: gonogo has no plan of its own".to_owned()
    } else {
        "the target was not read yet: gonogo has no plan of its own".to_owned()
    };
    sheet.fact(paint, "to", &why, Role::Warning);
}

/// Targets that stay as they are when `Y` is pressed.
fn not_covered<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let state = paint.model.state();
    let unpinned = state.targets.iter().filter(|target| !state.pins.iter().any(|pin| &pin.target == *target));
    for target in unpinned {
        let words = format!("{target}: stays as it is; the document's own commands are unproven");
        sheet.fact(paint, "not covered", &words, Role::Warning);
    }
}

fn plan<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let model = paint.model;
    if let Some(rollback) = model.rollback() {
        for (index, step) in rollback.plan.iter().enumerate() {
            plan_step(paint, sheet, index + 1, step);
        }
        return;
    }
    let actions = crate::release::plan(&model.state().pins, &model.state().routes);
    if !model.release.is_pinned() {
        for command in &model.release.workflow().rollback.commands {
            let words = summary::first_line(&command.text);
            sheet.fact(paint, "document", &format!("{words}   (unproven)"), Role::Text);
        }
        return;
    }
    for (index, action) in actions.iter().enumerate() {
        let (verb, words) = action_words(paint, action);
        let head = Line::from_iter([
            paint.span(format!("{:<3}", index + 1), Role::Accent),
            paint.span(format!("{verb:<6} "), Role::Title),
        ]);
        sheet.hanging(paint, head, &words, Role::Text);
    }
}

/// What steered the traffic when it was pinned: a template alone brings nobody back to it.
fn traffic<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let (inside, outside): (Vec<_>, Vec<_>) =
        paint.model.state().routes.iter().partition(|pin| pin.route.is_in_cluster());
    for pin in outside {
        sheet.facts(paint, "to", &[pin.outside().unwrap_or_default(), pin.route.to_string()], Role::Ok);
    }
    let mut label = "traffic";
    for pin in inside {
        let keeper = pin.kept_by.as_ref().map(|keeper| format!("   moved by {keeper}")).unwrap_or_default();
        let words = format!("{} {}{keeper}", pin.route, pin.held);
        sheet.fact(paint, std::mem::take(&mut label), &words, Role::Text);
    }
}

/// The pod that holds it, as a question: nothing of it is done before a person says so.
fn blocker<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let model = paint.model;
    let Some((target, blocker)) = model.release.blocker() else { return };
    let (pod, revision) = (&blocker.pod, &blocker.revision);
    let words = format!(
        "{pod} runs {revision}, is not ready, and {target} does not replace it before it is: deleted, it comes \
         back as pinned"
    );
    sheet.fact(paint, "holds it", &words, Role::Bad);
    let trouble = model.observed.workloads.get(target).and_then(|seen| seen.verdict.trouble.as_ref());
    if let Some(trouble) = trouble.filter(|trouble| trouble.pod.as_ref() == Some(pod)) {
        sheet.fact(paint, "", &trouble.line(), Role::Text);
    }
}

fn action_words(paint: &Paint, action: &PlanAction) -> (&'static str, String) {
    let model = paint.model;
    let pin = |target| model.state().pins.iter().find(|pin| &pin.target == target);
    match action {
        PlanAction::Patch(target) => {
            let to = match pin(target).and_then(|pin| pin.revision) {
                Some(revision) => format!("back to rev {revision}"),
                None => "back to the pinned template".to_owned(),
            };
            let more = pods_words(paint, target);
            ("patch", format!("/spec/template of {target} {to}{more}{}", dry_run(paint, target)))
        }
        PlanAction::Abort(target) => {
            ("abort", format!("{target}, if anything is under way: its traffic goes back to stable at once"))
        }
        PlanAction::Promote(target) => {
            let words =
                format!("all steps of {target}, if what was pinned is not its stable version any more");
            ("skip", words)
        }
        PlanAction::Delete(target, blocker) => ("delete", format!("pod {} of {target}", blocker.pod)),
        PlanAction::Ready(target) => ("wait", format!("{target} can take the traffic")),
        PlanAction::Route(route) => ("route", route_words(paint, route)),
        PlanAction::ReadBack => ("read", "where the traffic goes".to_owned()),
        PlanAction::Settle(target) => {
            let n = pin(target).map_or(String::new(), |pin| format!("{} pods of ", pin.replicas));
            let settle = model.settings.settle_s;
            let last = past::last_time(paint, target);
            ("wait", format!("{n}{target} ready, then {settle}s without restart{last}"))
        }
        PlanAction::Clear => {
            let criteria = &model.release.workflow().rollback.criteria;
            let measured = criteria
                .iter()
                .filter(|criterion| criterion.kind != crate::workflow::CriterionKind::Declared)
                .map(|criterion| format!("“{}” clear", criterion.text));
            let health = model.observed.health.as_ref().map(|_| "health".to_owned());
            let pods = (!model.state().pins.is_empty()).then(|| "image, replicas".to_owned());
            let parts: Vec<String> = pods.into_iter().chain(measured).chain(health).collect();
            // Without any of them there is nothing more to read than where the traffic goes.
            ("read", if parts.is_empty() { "no criterion, no health".to_owned() } else { parts.join(", ") })
        }
    }
}

/// What else a person can do about a way back that does not come to rest.
fn next_measures<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let (model, state) = (paint.model, paint.model.state());
    let waits = model.release.traffic_waits_for();
    let mut measures = Vec::new();
    if let Some(target) = waits {
        let counts = model.observed.workloads.get(target).map(|seen| seen.verdict.counts);
        let ready = counts.map(|counts| format!(", with {} of {} pods ready", counts.ready, counts.desired));
        measures.push(format!("send the traffic to {target} now{}", ready.unwrap_or_default()));
    }
    if waits.is_some() || state.phase == Phase::RollbackFailed {
        // A side that has no traffic by the plan can be taken out of it at once.
        let serves =
            |target| state.routes.iter().any(|pin| pin.route.is_traffic() && pin.to.contains(target));
        let is_bad = |pin: &&Pin| {
            let seen = model.observed.workloads.get(&pin.target);
            seen.is_some_and(|seen| {
                seen.facts.template_print != pin.template_print && seen.facts.spec_replicas > 0
            })
        };
        let idle = state
            .pins
            .iter()
            .filter(|pin| waits.is_none() && !state.routes.is_empty() && !serves(&pin.target));
        for pin in idle.filter(is_bad) {
            let (namespace, target) = (&pin.target.namespace, &pin.target);
            measures
                .push(format!("take the bad side away: kubectl -n {namespace} scale {target} --replicas=0"));
        }
        for line in &model.release.workflow().escalation {
            let whom: Vec<String> = model.named(&line.roles).collect();
            measures.push(format!("call {}: {}", whom.join(", "), line.trigger));
        }
    }
    let mut label = "next";
    for words in measures {
        sheet.fact(paint, std::mem::take(&mut label), &words, Role::Warning);
    }
}

/// The pods that the plan takes or gives with the template.
fn pods_words(paint: &Paint, target: &crate::watch::TargetRef) -> String {
    let pin = paint.model.state().pins.iter().find(|pin| &pin.target == target);
    let seen = paint.model.observed.workloads.get(target);
    let (Some(pin), Some(seen)) = (pin, seen) else { return String::new() };
    let now = seen.facts.spec_replicas;
    let back = paint.model.release.pods_back(pin, now);
    back.map(|wanted| format!(", {now} → {wanted} pods")).unwrap_or_default()
}

fn route_words(paint: &Paint, route: &RouteRef) -> String {
    let state = paint.model.state();
    let pin = state.routes.iter().find(|pin| &pin.route == route);
    let held = pin.map(|pin| pin.held.to_string()).unwrap_or_default();
    format!("{route} back to {held}")
}

fn dry_run(paint: &Paint, target: &crate::watch::TargetRef) -> String {
    let model = paint.model;
    let finding = model
        .state()
        .findings
        .iter()
        .find(|known| known.target.as_ref() == Some(target) && known.what == "dry run");
    let age = model.observed.armed_at.map(|at| format!(" {} ago", paint.age(at))).unwrap_or_default();
    match finding.map(|finding| &finding.outcome) {
        Some(Outcome::Fine | Outcome::Stays(_)) => format!("   dry run accepted{age}"),
        Some(Outcome::Broken(why) | Outcome::Limited(why) | Outcome::Unknown(why)) => {
            format!("   dry run: {why}")
        }
        None => String::new(),
    }
}

fn plan_step<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, number: usize, step: &PlanStep) {
    let (verb, words) = match &step.action {
        PlanAction::Abort(target) => ("abort", target.to_string()),
        PlanAction::Patch(target) => ("patch", target.to_string()),
        PlanAction::Promote(target) => ("skip", format!("all steps of {target}")),
        PlanAction::Settle(target) => {
            let seen = paint.model.observed.workloads.get(target);
            let now = seen.filter(|_| !matches!(step.state, PlanState::Done { .. })).map(|seen| {
                let verdict = &seen.verdict;
                format!(": {} {}", verdict.state.word(), verdict.field)
            });
            ("wait", format!("{target} ready and held{}", now.unwrap_or_default()))
        }
        PlanAction::Clear if paint.model.state().pins.is_empty() => ("read", "criteria, health".to_owned()),
        PlanAction::Clear => ("read", "image, replicas, criteria, health".to_owned()),
        same => action_words(paint, same),
    };
    let (mark, state, role) = match &step.state {
        PlanState::Waiting => ("·", "waiting".to_owned(), Role::Dim),
        PlanState::Sent { attempt, at } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            ("◌", format!("sent {} ago{again}", paint.age(*at)), Role::Info)
        }
        PlanState::Queued { until, why, .. } => {
            let wait = until.duration_since(paint.model.now.wall).as_secs().max(0);
            ("◌", format!("QUEUED: {why}; again in {wait}s"), Role::Warning)
        }
        PlanState::Done { at, took_ms } => {
            let took = took_ms.map(|millis| format!(" in {}", format::took(millis))).unwrap_or_default();
            ("✔", format!("done {}{took}", paint.wall(at.wall)), Role::Ok)
        }
        PlanState::Passed { at, by } => {
            ("◆", format!("not waited for, {} by {by}", paint.wall(at.wall)), Role::Warning)
        }
        PlanState::Failed(failure) => ("✘", format!("FAILED: {}", failure.summary), Role::Bad),
    };
    let head = Line::from_iter([
        paint.span(format!("{mark} "), role),
        paint.span(format!("{number:<3}"), Role::Accent),
        paint.span(format!("{verb:<6} "), Role::Title),
    ]);
    sheet.hanging(paint, head, &format!("{words}   {state}"), role);
}

/// What was tested about the way back and did not come out well; the rest is one line.
fn findings<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let state = paint.model.state();
    let mut fine: Vec<&str> = Vec::new();
    for finding in &state.findings {
        match &finding.outcome {
            Outcome::Fine if !fine.contains(&finding.what.as_str()) => fine.push(&finding.what),
            Outcome::Fine | Outcome::Stays(_) => {}
            Outcome::Limited(why) => {
                sheet.fact(paint, "limit", &format!("{}: {why}", finding.what), Role::Warning)
            }
            Outcome::Broken(why) => {
                sheet.fact(paint, "broken", &format!("{}: {why}", finding.what), Role::Bad)
            }
            Outcome::Unknown(why) => {
                sheet.fact(paint, "unknown", &format!("{}: {why}", finding.what), Role::Warning);
            }
        }
    }
    if !fine.is_empty() {
        sheet.fact(paint, "tested", &fine.join(" · "), Role::Text);
    }
}

/// What stays as it is whatever the rollback does, as far as gonogo knows.
fn not_undone<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let release = &paint.model.release;
    let mut parts = Vec::new();
    let pushed = |id: &CommandId| release.state().command(id) == CommandState::Succeeded;
    for command in release.workflow().commands().filter(|command| pushed(&command.id)) {
        let text = release
            .state()
            .last_attempt(&command.id)
            .map_or("", |attempt: &Attempt| attempt.run.text.as_str());
        parts.extend(text.lines().filter_map(pushed_tag));
    }
    parts.extend(release.workflow().irreversible.iter().cloned());
    parts.extend(release.state().findings.iter().filter_map(Finding::stays));
    if !parts.is_empty() {
        sheet.fact(paint, "not undone", &parts.join(" · "), Role::Warning);
    }
}

/// The tag that a `git push origin v1.3.0` left on the remote.
fn pushed_tag(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let is_push = words.next() == Some("git") && words.next() == Some("push");
    let name = words.filter(|word| !word.starts_with('-')).nth(1)?;
    let looks_like_a_version = name.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    (is_push && looks_like_a_version).then(|| format!("git tag {name}"))
}

fn why<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let model = paint.model;
    let state = model.state();
    let workflow = model.release.workflow();
    let mut label = "why";
    if let Some(reason) = model.rollback().and_then(|rollback| rollback.reason.as_ref()) {
        sheet.fact(paint, label, reason, Role::Text);
        label = "";
    } else if let Some(reason) = &model.view.rollback_reason {
        sheet.fact(paint, label, reason, Role::Text);
        label = "";
    }
    for (id, known) in state.criteria.iter().filter(|(_, known)| known.is_breached()) {
        let text = workflow.criterion(id).map_or(id.as_str(), |criterion| criterion.text.as_str());
        let who = known.declared_by.as_ref().map(|who| format!(" (declared by {who})")).unwrap_or_default();
        let words =
            if known.why.is_empty() { format!("{text}{who}") } else { format!("{text}: {}{who}", known.why) };
        sheet.fact(paint, label, &words, Role::Bad);
        label = "";
    }
    if let Some(at) = state.first_bad {
        sheet.fact(
            paint,
            label,
            &format!("first bad reading {} ago", format::span(paint.world_since(at))),
            Role::Text,
        );
        label = "";
    }
    for id in model.rollback().iter().flat_map(|rollback| &rollback.breached) {
        let is_met_still = state.criteria.get(id).is_some_and(|known| known.is_breached());
        if let Some(criterion) = workflow.criterion(id).filter(|_| !is_met_still) {
            sheet.fact(paint, label, &format!("“{}” was met when it was fired", criterion.text), Role::Text);
            label = "";
        }
    }
    if label == "why" && model.rollback().is_none() {
        // Nothing is wrong as far as gonogo knows: what it sees stands here instead of a reason.
        let seen: Vec<String> =
            model.rollback_evidence().iter().map(|seen| evidence::line(seen).joined()).take(3).collect();
        label = "seen now";
        for words in seen {
            sheet.fact(paint, std::mem::take(&mut label), &words, Role::Dim);
        }
    }
}

fn safe<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let Some(rollback) = paint.model.rollback() else { return };
    let fired: Moment = rollback.fired_at;
    let words = format!("{} by {}", paint.wall(fired.wall), rollback.fired_by);
    sheet.fact(paint, "fired", &words, Role::Text);
    if let Some((since_y, since_bad)) = rollback.time_to_safe() {
        let bad = since_bad.map(|bad| format!(", {} from the first bad reading", format::span(bad)));
        let (since, from) = (format::span(since_y), rollback.trigger());
        let words = format!("{since} from {from}{}", bad.unwrap_or_default());
        sheet.fact(paint, "safe after", &words, Role::Ok);
    }
}

fn keys<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let model = paint.model;
    let mut hints = Vec::new();
    if model.release.blocker().is_some() {
        hints.push(paint.hint(Action::DeleteBlocker, "delete that pod"));
    }
    if model.release.traffic_waits_for().is_some() {
        hints.push(paint.hint(Action::TrafficFirst, "send the traffic back now"));
    }
    match model.state().phase {
        Phase::RollingBack if model.rollback_is_queued() => {
            hints.push(paint.hint(Action::CancelRollback, "withdraw it"));
        }
        Phase::RollingBack | Phase::RolledBack => {}
        Phase::RollbackFailed => hints.push(paint.hint(Action::Fire, "try the rest again")),
        _ if !model.release.is_pinned() => {
            hints.push(paint.hint(Action::Fire, "choose among the document's commands"));
        }
        _ => hints.push(paint.hint(Action::Fire, "roll back now")),
    }
    if !model.observed.diff.is_empty() {
        hints.push(paint.hint(Action::Diff, "show the diff"));
    }
    hints.push(paint.hint(Action::Reason, "type a reason"));
    let close = if model.rollback().is_some() { "close" } else { "close, nothing is done" };
    hints.push(paint.hint(Action::Close, close));
    sheet.keys(hints);
}

fn diff_text<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    let diff = &paint.model.observed.diff;
    if diff.is_empty() {
        sheet.text(
            paint,
            "the diff is not known yet: it comes with the next check of the way back",
            Role::Dim,
        );
    }
    for line in diff {
        let role = match line.as_bytes().first() {
            Some(b'-') => Role::Bad,
            Some(b'+') => Role::Ok,
            _ => Role::Text,
        };
        sheet.push(paint.line(format::clean(line), role));
    }
}
