//! What a key does inside a panel.

use super::{
    Ask, deed, escalation, flash, keys, leave, lock, needs, policy, prompts, reload, secrets, settle, themes,
    watching,
};
use crate::app::action::Action;
use crate::app::model::{Field, FieldKind, KnownOf, Model, Panel, Purpose, READ_ONLY, RunPanel};
use crate::release::{Ballot, CommandState, Fact, Phase, RolloutOrdered, Run, RunTerms, Track, Vote};
use crate::watch::TargetRef;
use crate::watch::rollout::argo::{self, Order};
use crate::workflow::{CheckId, CommandId, CommandKind, CriterionKind, RoleName, StepId};

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Ask> {
    use Action as A;
    let Some(panel) = model.view.panel.clone() else { return Vec::new() };
    match (action, panel) {
        (A::Close, Panel::Start(_)) => Vec::new(),
        (A::Close, Panel::Known(KnownOf::Command { command, attempt })) => {
            // Back to the output that it was opened beside.
            model.view.panel_scroll = u16::MAX;
            model.view.panel = Some(Panel::Output { command, attempt });
            Vec::new()
        }
        (A::Close, _) => {
            model.view.panel = None;
            model.view.rollback_reason = None;
            reopen_start(model);
            Vec::new()
        }
        (
            A::Down,
            Panel::Run(_)
            | Panel::Start(_)
            | Panel::Criteria { .. }
            | Panel::People { .. }
            | Panel::Policy { .. }
            | Panel::Workloads { .. }
            | Panel::Themes { .. }
            | Panel::Escalation { .. }
            | Panel::RollbackCommands { .. },
        ) => select(model, 1),
        (
            A::Up,
            Panel::Run(_)
            | Panel::Start(_)
            | Panel::Criteria { .. }
            | Panel::People { .. }
            | Panel::Policy { .. }
            | Panel::Workloads { .. }
            | Panel::Themes { .. }
            | Panel::Escalation { .. }
            | Panel::RollbackCommands { .. },
        ) => select(model, -1),
        (A::Run, Panel::Start(form)) => begin(model, &form.fields),
        (A::Edit, Panel::Start(form)) => {
            match form.fields.get(form.selected) {
                Some(Field { kind: FieldKind::Policy(_), .. }) => {
                    flash(model, "nothing is typed here: space accepts it, or withdraws that", true);
                }
                Some(Field { kind: FieldKind::Block(_), .. }) => {
                    flash(model, "nothing is typed here: space says whether it is commands", true);
                }
                Some(field) => prompts::open(model, Purpose::Field(form.selected), &field.value),
                None => {}
            }
            Vec::new()
        }
        (A::Accept, Panel::Start(form)) => match form.fields.get(form.selected).map(|field| &field.kind) {
            Some(FieldKind::Block(block)) => settle::turn(model, block),
            _ => policy::toggle(model),
        },
        (A::Accept, Panel::Unclear(block)) => settle::turn(model, &block),
        (A::Choose, Panel::Policy { selected }) => policy::withdraw(model, selected),
        (A::Run, Panel::Run(panel)) => run(model, &panel),
        (A::Run, Panel::Output { command, .. }) => open_command(model, &command),
        (A::Edit, Panel::Run(panel)) => {
            match text_of(model, &panel) {
                Some(text) => prompts::open(model, Purpose::EditCommand, text.trim_end()),
                None => flash(model, "choose an alternative first", true),
            }
            Vec::new()
        }
        (A::Skip, Panel::Run(panel)) => {
            model.view.panel = None;
            prompts::skip(model, crate::app::model::Row::Command(panel.command));
            Vec::new()
        }
        (A::NotApplicable, Panel::Run(panel)) => {
            model.view.panel = None;
            prompts::open(model, Purpose::NotApplicable(crate::app::model::Row::Command(panel.command)), "");
            Vec::new()
        }
        (A::SettledGood | A::SettledBad, Panel::Doubt { command, attempt }) => {
            let succeeded = action == A::SettledGood;
            prompts::open(model, Purpose::Doubt { command, attempt, succeeded }, "");
            Vec::new()
        }
        (A::StopCommand, Panel::Output { command, attempt }) => {
            deed(model, Fact::CommandStopped { command, attempt })
        }
        (A::Fire, Panel::Rollback { .. }) => fire(model),
        (A::DeleteBlocker, Panel::Rollback { .. }) => delete_blocker(model),
        (A::TrafficFirst, Panel::Rollback { .. }) => traffic_first(model),
        (A::Diff, Panel::Rollback { diff }) => {
            model.view.panel_scroll = 0;
            model.view.panel = Some(Panel::Rollback { diff: !diff });
            Vec::new()
        }
        (A::Run, Panel::Order { target, order }) => give_order(model, target, order),
        (A::Reason, Panel::Rollback { .. }) => {
            prompts::open(model, Purpose::RollbackReason, "");
            Vec::new()
        }
        (A::CancelRollback, Panel::Rollback { .. }) => deed(model, Fact::RollbackCancelled),
        (A::Go | A::NoGo | A::Abstain | A::NotApplicable, Panel::Poll(step)) => vote(model, action, step),
        (A::Choose, Panel::Criteria { selected, overriding }) => criterion(model, selected, overriding),
        (A::Choose, Panel::People { selected }) => {
            let role = model.release.workflow().people().into_iter().nth(selected).map(|(role, _)| role);
            match role {
                Some(role) => {
                    let person = model.state().roster.get(&role).cloned().unwrap_or_default();
                    prompts::open(model, Purpose::Staff(role), &person);
                }
                // The line below the roles.
                None => prompts::open(model, Purpose::Keyboard, ""),
            }
            Vec::new()
        }
        (A::Choose, Panel::RollbackCommands { selected }) => {
            let command =
                model.release.workflow().rollback.commands.get(selected).map(|command| command.id.clone());
            command.map_or_else(Vec::new, |id| open_command(model, &id))
        }
        (A::Choose, Panel::Escalation { selected }) => escalation::choose(model, selected),
        (A::Choose, Panel::Themes { selected }) => themes::choose(model, selected),
        (A::Choose, Panel::Workloads { .. }) => watching::choose(model),
        (A::Mark, Panel::Workloads { .. }) => {
            watching::mark(model);
            Vec::new()
        }
        (A::MarkAll, Panel::Workloads { .. }) => {
            watching::mark_all(model);
            Vec::new()
        }
        (A::Run, Panel::Reload(edited)) => reload::take_over(model, &edited),
        (A::Run, Panel::Finish) => complete(model),
        (A::LeaveOpen, Panel::Quit) => leave(model, "left open by the operator"),
        (A::Abort, Panel::Quit) => {
            prompts::open(model, Purpose::Abort, "");
            Vec::new()
        }
        (A::Down, _) => scroll(model, 1),
        (A::Up, _) => scroll(model, -1),
        (A::PageDown, _) => scroll(model, 10),
        (A::PageUp, _) => scroll(model, -10),
        (A::Top, _) => scroll(model, i32::MIN),
        (A::Bottom, _) => scroll(model, i32::MAX),
        _ => Vec::new(),
    }
}

/// The start panel is the only way on while a release is prepared: it comes back.
pub(super) fn reopen_start(model: &mut Model) {
    if model.state().phase == Phase::Preparing
        && let Some(form) = model.view.start.clone()
    {
        model.view.panel = Some(Panel::Start(form));
    }
}

/// Scrolls by lines; the screen holds the position within the text that it draws.
fn scroll(model: &mut Model, by: i32) -> Vec<Ask> {
    let to = i32::from(model.view.panel_scroll).saturating_add(by);
    model.view.panel_scroll = u16::try_from(to.max(0)).unwrap_or(u16::MAX);
    Vec::new()
}

/// Moves the selection of whatever list is open.
pub(super) fn select(model: &mut Model, by: isize) -> Vec<Ask> {
    let n_palette = model.palette().len();
    let n_themes = model.view.themes.known.len();
    let n_offered = model.watching().map_or(0, |watching| watching.offered.len());
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let moved = |at: usize, n: usize| at.saturating_add_signed(by).min(n.saturating_sub(1));
    match &mut model.view.panel {
        Some(Panel::Start(form)) => form.selected = moved(form.selected, form.fields.len()),
        Some(Panel::Criteria { selected, .. }) => {
            *selected = moved(*selected, workflow.rollback.criteria.len())
        }
        Some(Panel::Workloads { selected, .. }) => *selected = moved(*selected, n_offered),
        Some(Panel::People { selected }) => *selected = moved(*selected, workflow.people().len() + 1),
        Some(Panel::Policy { selected }) => {
            let n = workflow.rollback.policy.as_ref().map_or(0, |policy| policy.auto.len());
            *selected = moved(*selected, n);
        }
        Some(Panel::RollbackCommands { selected }) => {
            *selected = moved(*selected, workflow.rollback.commands.len());
        }
        Some(Panel::Palette { selected }) => *selected = moved(*selected, n_palette),
        Some(Panel::Escalation { selected }) => *selected = moved(*selected, workflow.escalation.len()),
        Some(Panel::Themes { selected }) => *selected = moved(*selected, n_themes),
        Some(Panel::Run(panel)) => {
            let n = workflow.command(&panel.command).map_or(0, |command| command.choices.len());
            if n > 0 {
                panel.choice = Some(panel.choice.map_or(0, |at| moved(at, n)));
                panel.edited = None;
                panel.elsewhere_seen = false;
            }
        }
        _ => {}
    }
    Vec::new()
}

pub(super) fn choose(model: &mut Model, index: usize) {
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let Some(Panel::Run(panel)) = &mut model.view.panel else { return };
    let n = workflow.command(&panel.command).map_or(0, |command| command.choices.len());
    if index < n {
        panel.choice = Some(index);
        panel.edited = None;
        panel.elsewhere_seen = false;
    }
}

pub(super) fn open_command(model: &mut Model, id: &CommandId) -> Vec<Ask> {
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let Some(command) = workflow.command(id) else { return Vec::new() };
    let attempt = model.state().last_attempt(id).map(|attempt| attempt.run.attempt);
    model.view.panel_scroll = 0;
    if let Some(settling) = command.settling.as_ref().filter(|_| command.kind == CommandKind::Reference) {
        model.view.panel = Some(Panel::Unclear(settling.block.clone()));
        return Vec::new();
    }
    model.view.panel = Some(match (model.state().command(id), command.kind, attempt) {
        (_, CommandKind::Note | CommandKind::Reference, _) => Panel::Text {
            title: command.caption.clone().unwrap_or_else(|| "Text of the document".to_owned()),
            text: command.text.clone(),
        },
        (CommandState::InDoubt, _, Some(attempt)) => Panel::Doubt { command: id.clone(), attempt },
        (CommandState::Running, _, Some(attempt)) if model.view.terminal(id, attempt).is_some() => {
            Panel::Terminal { command: id.clone(), attempt }
        }
        (CommandState::Running, _, Some(attempt)) => Panel::Output { command: id.clone(), attempt },
        // Where it can be stopped.
        (_, _, Some(attempt)) if model.release.again(id).is_some() => {
            Panel::Output { command: id.clone(), attempt }
        }
        _ => Panel::Run(RunPanel {
            command: id.clone(),
            choice: command.annotated.choose,
            elsewhere_seen: false,
            edited: None,
            tty: command.annotated.tty,
        }),
    });
    needs::look(model)
}

pub(super) fn open_check(model: &mut Model, id: &CheckId) -> Vec<Ask> {
    let text = model.check_story(id);
    model.view.panel_scroll = 0;
    model.view.panel = Some(Panel::Text { title: "Check".to_owned(), text });
    Vec::new()
}

/// What the run panel would run: the operator's edit, the chosen alternative, or the block.
fn text_of(model: &Model, panel: &RunPanel) -> Option<String> {
    if let Some(edited) = &panel.edited {
        return Some(edited.clone());
    }
    let command = model.release.workflow().command(&panel.command)?;
    match command.kind {
        CommandKind::Choice => command.choices.get(panel.choice?)?.text.clone(),
        _ => Some(command.text.clone()),
    }
}

fn run(model: &mut Model, panel: &RunPanel) -> Vec<Ask> {
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let Some(command) = workflow.command(&panel.command) else { return Vec::new() };
    if needs::keeps_back(model, command, panel.tty) {
        return Vec::new();
    }
    if let Some(open) = text_of(model, panel).as_deref().and_then(crate::workflow::unresolved) {
        // A shell would take most of them for a redirection.
        flash(model, format!("{open} still stands for a value: press e and write it"), true);
        return Vec::new();
    }
    if let Some(text) = text_of(model, panel)
        && secrets::asks_for(model, &text)
    {
        return Vec::new();
    }
    if command.kind == CommandKind::Choice && panel.edited.is_none() {
        let Some(index) = panel.choice else {
            flash(model, "nothing runs before one alternative is chosen: press its number", true);
            return Vec::new();
        };
        if command.choices.get(index).is_some_and(|choice| choice.text.is_none()) {
            let asks = deed(model, Fact::NothingToRun { command: panel.command.clone(), choice: index });
            if !asks.is_empty() {
                model.view.panel = None;
                model.view.cursor = None;
            }
            return asks;
        }
    }
    let Some(text) = text_of(model, panel) else {
        flash(model, "choose an alternative first", true);
        return Vec::new();
    };
    let pinned = model.state().context.clone();
    if let Some(context) = contexts(&text).find(|context| Some(*context) != pinned.as_deref())
        && !panel.elsewhere_seen
    {
        let here = pinned.as_deref().unwrap_or("no cluster");
        let words =
            format!("this leads to context {context}, the release is on {here}: r again runs it there");
        flash(model, words, true);
        if let Some(Panel::Run(panel)) = &mut model.view.panel {
            panel.elsewhere_seen = true;
        }
        return Vec::new();
    }
    if command.annotated.confirm.is_some() {
        prompts::open(model, Purpose::TypeToRun(panel.clone()), "");
        return Vec::new();
    }
    start(model, panel, text, None)
}

/// Runs what the panel shows, once the word that its annotation asks for was typed.
pub(super) fn word_typed(model: &mut Model, panel: &RunPanel, word: &str) -> Vec<Ask> {
    match text_of(model, panel) {
        Some(text) => start(model, panel, text, Some(word.to_owned())),
        None => Vec::new(),
    }
}

fn start(model: &mut Model, panel: &RunPanel, text: String, typed: Option<String>) -> Vec<Ask> {
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let Some(command) = workflow.command(&panel.command) else { return Vec::new() };
    let asked = &command.annotated;
    let terms = RunTerms {
        set: model.set_for(command),
        timeout_s: asked.timeout_s,
        grace_s: asked.grace_s,
        typed,
        tty: panel.tty,
        // A terminal has its own input, and what it shows is no value.
        stdin: model.stdin_of(command).filter(|_| !panel.tty),
        capture: asked.capture.clone().filter(|_| !panel.tty),
    };
    let directory = model.directory_of(command);
    let mut env = model.command_env_in(panel.tty);
    env.extend(terms.set.keys().filter(|name| !model.state().params.contains_key(*name)).cloned());
    let attempt = model.state().commands.get(&panel.command).map_or(1, Track::next_attempt);
    let run = Run {
        command: panel.command.clone(),
        attempt,
        text,
        choice: panel.choice,
        edited: panel.edited.is_some(),
        shell: model.shell_of(command),
        directory,
        env,
        context: model.state().context.clone(),
        namespace: model.state().targets.first().map(|target| target.namespace.clone()),
        terms: Box::new(terms),
    };
    let asks = deed(model, Fact::CommandStarted(run));
    if !asks.is_empty() {
        model.view.cursor = None;
        model.view.panel_scroll = 0;
        let command = panel.command.clone();
        model.view.panel = Some(match panel.tty {
            true => Panel::Terminal { command, attempt },
            false => Panel::Output { command, attempt },
        });
    }
    asks
}

/// The contexts that a text names with kubectl's or helm's own flags.
fn contexts(text: &str) -> impl Iterator<Item = &str> {
    let mut words = text.split_whitespace();
    std::iter::from_fn(move || {
        while let Some(word) = words.next() {
            let value = match word.split_once('=') {
                Some(("--context" | "--kube-context", value)) => Some(value),
                None if matches!(word, "--context" | "--kube-context") => words.next(),
                _ => None,
            };
            if let Some(value) = value {
                return Some(value.trim_matches(['"', '\'']));
            }
        }
        None
    })
}

pub(super) fn edited(model: &mut Model, text: &str) {
    if let Some(Panel::Run(panel)) = &mut model.view.panel {
        panel.edited = (!text.is_empty()).then(|| format!("{text}\n"));
        panel.elsewhere_seen = false;
    }
}

pub(super) fn begin(model: &mut Model, fields: &[Field]) -> Vec<Ask> {
    if let Some(bad) =
        model.preflight.iter().find(|line| line.outcome == crate::app::model::PreflightOutcome::Missing)
    {
        let text = format!("{}: {}", bad.what, bad.detail);
        flash(model, text, true);
        return Vec::new();
    }
    if lock::stands_in_the_way(model) {
        model.view.panel = Some(Panel::Lock);
        return Vec::new();
    }
    let value = |field: &Field| field.value.trim().to_owned();
    let mut params = std::collections::BTreeMap::new();
    let mut roster = std::collections::BTreeMap::new();
    let document = std::sync::Arc::clone(model.release.document());
    for field in fields {
        match &field.kind {
            FieldKind::Param(name) if !value(field).is_empty() => {
                params.insert(name.clone(), value(field));
            }
            FieldKind::Param(_) => {}
            FieldKind::Secret(name) => {
                let declared = document.params.iter().any(|param| param.name == *name && param.declared);
                if declared && !model.secrets.has(name) {
                    let text =
                        format!("{name} is missing: type it here, or set it in the environment of gonogo");
                    flash(model, text, true);
                    return Vec::new();
                }
            }
            FieldKind::Role(role) => {
                roster.insert(role.clone(), value(field));
            }
            // Each was decided by a key of its own, or was not.
            FieldKind::Policy(_) | FieldKind::Block(_) => {}
        }
    }
    let makes_tag = model.release.workflow().commands().any(|command| command.text.contains("git tag "));
    if let Some(tag) = params.values().find(|value| makes_tag && model.settings.known_tags.contains(*value)) {
        let text = format!("the tag {tag} exists already; type the version that this release makes");
        flash(model, text, true);
        return Vec::new();
    }
    let asks = deed(model, Fact::Begun { params, roster });
    if !asks.is_empty() {
        model.view.panel = None;
    }
    asks
}

pub(super) fn field_typed(model: &mut Model, index: usize, text: &str) -> Vec<Ask> {
    let document = std::sync::Arc::clone(model.release.document());
    let Some(Panel::Start(form)) = &mut model.view.panel else { return Vec::new() };
    let Some(field) = form.fields.get_mut(index) else { return Vec::new() };
    let known = |name: &str| document.params.iter().find(|param| param.name == name);
    let (refused, value, asks) = match field.kind.clone() {
        FieldKind::Param(name) => {
            (known(&name).and_then(|param| param.check(text).err()), text.to_owned(), Vec::new())
        }
        FieldKind::Secret(name) => match known(&name).and_then(|param| param.check(text).err()) {
            Some(why) => (Some(why), String::new(), Vec::new()),
            None => {
                model.secrets.insert(&name, text);
                (None, secrets::TYPED.to_owned(), vec![Ask::Keep(model.secrets.clone())])
            }
        },
        FieldKind::Role(_) | FieldKind::Policy(_) | FieldKind::Block(_) => {
            (None, text.to_owned(), Vec::new())
        }
    };
    match refused {
        Some(why) => flash(model, why, true),
        None => {
            field.value = value;
            form.selected = (index + 1).min(form.fields.len() - 1);
            model.view.start = Some(form.clone());
        }
    }
    asks
}

/// From here on every key is this person's.
pub(super) fn keyboard_taken(model: &mut Model, name: &str) -> Vec<Ask> {
    if name.is_empty() {
        return Vec::new();
    }
    let from = std::mem::replace(&mut model.me.name, name.to_owned());
    let asks = deed(model, Fact::KeyboardTaken { from: from.clone() });
    if asks.is_empty() {
        model.me.name = from;
    }
    asks
}

fn fire(model: &mut Model) -> Vec<Ask> {
    if !model.view.rollback_painted {
        return Vec::new();
    }
    // The patch would not leave; a release that had been told of it would have failed to roll back.
    if model.settings.read_only {
        flash(model, format!("not started: {READ_ONLY}"), true);
        return Vec::new();
    }
    if model.state().targets.is_empty() && !model.release.is_pinned() {
        model.view.panel = Some(Panel::RollbackCommands { selected: 0 });
        return Vec::new();
    }
    let shown = model.what_runs();
    let reason = model.view.rollback_reason.take();
    super::roll_back(model, shown, reason)
}

/// Deletes the pod that holds the way back, which the panel names: one at a time, never unasked.
fn delete_blocker(model: &mut Model) -> Vec<Ask> {
    if model.settings.read_only {
        flash(model, format!("not started: {READ_ONLY}"), true);
        return Vec::new();
    }
    let blocker = model.release.blocker().map(|(target, blocker)| (target.clone(), blocker.clone()));
    let Some((target, blocker)) = blocker else {
        flash(model, "no pod holds the way back", true);
        return Vec::new();
    };
    // It came up after the frame that the operator looks at: the next one names it.
    if model.view.blocker_painted.as_ref() != Some(&blocker.uid) {
        return Vec::new();
    }
    super::delete_blocker(model, target, blocker)
}

/// Sends the traffic back although the panel says that its side is not ready.
fn traffic_first(model: &mut Model) -> Vec<Ask> {
    if model.settings.read_only {
        flash(model, format!("not started: {READ_ONLY}"), true);
        return Vec::new();
    }
    match model.release.traffic_waits_for().cloned() {
        Some(target) if model.view.rollback_painted => deed(model, Fact::TrafficFirst { target }),
        Some(_) => Vec::new(),
        None => {
            flash(model, "the traffic waits for nothing", true);
            Vec::new()
        }
    }
}

fn give_order(model: &mut Model, target: TargetRef, order: Order) -> Vec<Ask> {
    let Some(seen) = model.observed.workloads.get(&target) else { return Vec::new() };
    if model.settings.read_only {
        flash(model, format!("not sent: {READ_ONLY}"), true);
        return Vec::new();
    }
    // It may have moved while the panel was read.
    if let Some(why) = argo::why_not(&seen.facts, order) {
        model.view.panel = None;
        flash(model, why, true);
        return Vec::new();
    }
    let step = seen.facts.argo.as_ref().and_then(|argo| argo.step);
    let (uid, attempt) = (seen.facts.uid.clone(), model.release.next_order());
    let asks = deed(model, Fact::RolloutOrdered(RolloutOrdered { target, order, attempt, uid, step }));
    if !asks.is_empty() {
        model.view.panel = None;
    }
    asks
}

/// The role that is asked next: the first that has not said GO and was not left out.
fn asked_role(model: &Model, step: &StepId) -> Option<RoleName> {
    let poll = model.release.workflow().step(step)?.poll.clone()?;
    let ballots = model.state().polls.get(step);
    let open =
        |role: &&RoleName| !ballots.and_then(|ballots| ballots.get(*role)).is_some_and(Ballot::lets_go);
    poll.roles.iter().find(open).cloned()
}

fn vote(model: &mut Model, action: Action, step: StepId) -> Vec<Ask> {
    let Some(role) = asked_role(model, &step) else {
        flash(model, "every role has answered", false);
        model.view.panel = None;
        return Vec::new();
    };
    match action {
        Action::Go => {
            let evidence = model.poll_evidence();
            let asks =
                deed(model, Fact::Voted { step: step.clone(), role, vote: Vote::Go, reason: None, evidence });
            if asked_role(model, &step).is_none() {
                model.view.panel = None;
                model.view.cursor = None;
            }
            return asks;
        }
        Action::NoGo => prompts::open(model, Purpose::NoGoPoll { step, role }, ""),
        Action::Abstain => prompts::open(model, Purpose::Abstain { step, role }, ""),
        _ => prompts::open(model, Purpose::RoleNotApplicable { step, role }, ""),
    }
    Vec::new()
}

fn criterion(model: &mut Model, selected: usize, overriding: bool) -> Vec<Ask> {
    let Some(known) = model.release.workflow().rollback.criteria.get(selected).cloned() else {
        return Vec::new();
    };
    let state = model.state().criteria.get(&known.id);
    let is_met = state.is_some_and(crate::release::CriterionState::is_breached);
    if overriding {
        prompts::open(model, Purpose::OverrideCriterion(known.id), "");
    } else if known.kind == CriterionKind::Declared || is_met {
        prompts::open(model, Purpose::Declare { criterion: known.id, met: !is_met }, "");
    } else {
        // A person may know before the metric does.
        prompts::open(model, Purpose::Declare { criterion: known.id, met: true }, "");
    }
    Vec::new()
}

fn complete(model: &mut Model) -> Vec<Ask> {
    let asks = deed(model, Fact::Completed);
    if !asks.is_empty() {
        model.view.panel = None;
    }
    asks
}

pub(super) fn run_palette(model: &mut Model, text: &str) -> Vec<Ask> {
    let selected = match &model.view.panel {
        Some(Panel::Palette { selected }) => *selected,
        _ => 0,
    };
    let found = model.palette_for(text).get(selected).copied();
    model.view.panel = None;
    if let Some(name) = Model::theme_typed(text) {
        themes::switch(model, name);
        reopen_start(model);
        return Vec::new();
    }
    let asks = match found {
        Some(action) => keys::act(model, action),
        None => {
            flash(model, format!("no action is called `{text}`"), true);
            Vec::new()
        }
    };
    if model.view.panel.is_none() && model.view.prompt.is_none() {
        reopen_start(model);
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::contexts;

    #[test]
    fn the_contexts_of_a_text_are_those_of_its_flags() {
        let text = "kubectl --context=prod-us get pods\nhelm upgrade --kube-context \"prod-eu\" app .\n# context none";
        assert_eq!(contexts(text).collect::<Vec<_>>(), ["prod-us", "prod-eu"]);
    }
}
