//! The run panel: what will run, where, and what it changes, before anything runs.

use ratatui::text::Line;

use super::{Sheet, known, rollback_line};
use crate::app::action::Action;
use crate::app::model::RunPanel;
use crate::release::{Attempt, CommandState};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::workflow::{Command, CommandKind, Step, Term, reads_variable};

pub fn sheet<'a>(paint: &Paint<'a>, panel: &'a RunPanel, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let workflow = model.release.workflow();
    let step = workflow.steps.iter().find(|step| step.commands.iter().any(|known| known.id == panel.command));
    let Some(command) = workflow.command(&panel.command) else {
        return Sheet::new(paint.line("Run", Role::Title), width);
    };
    let mut sheet = Sheet::new(title(paint, step, command, panel), width);
    if let Some(caption) = &command.caption {
        sheet.text(paint, caption, Role::Dim);
        sheet.blank();
    }
    what(paint, &mut sheet, command, panel);
    sheet.blank();
    if let Some(called) = step.and_then(|step| step.called.as_ref()) {
        let words = format!("{}:{}, called as {}", called.file, command.place.line, called.words());
        sheet.fact(paint, "from", &words, Role::Text);
    }
    place(paint, &mut sheet, command, panel);
    terms(paint, &mut sheet, command);
    changes(paint, &mut sheet, chosen_text(command, panel));
    first(paint, &mut sheet, step);
    earlier(paint, &mut sheet, command);
    for warning in &command.warnings {
        sheet.blank();
        sheet.hanging(paint, paint.line("▲ ", Role::Warning), warning, Role::Warning);
    }
    if let Some(warning) = panel.choice.and_then(|index| command.choices.get(index)?.warning.as_ref()) {
        sheet.blank();
        sheet.hanging(paint, paint.line("▲ ", Role::Warning), warning, Role::Warning);
    }
    keys(paint, &mut sheet, command, panel);
    sheet
}

fn title<'a>(paint: &Paint<'a>, step: Option<&Step>, command: &Command, panel: &RunPanel) -> Line<'a> {
    let mut line = paint.line("Run", Role::Title);
    let place = match step {
        Some(step) => format!(" ── {}", step.heading()),
        None => " ── the document's own rollback".to_owned(),
    };
    line.spans.push(paint.span(place, Role::Title));
    let must_choose = command.kind == CommandKind::Choice && panel.choice.is_none() && panel.edited.is_none();
    let hint = if must_choose {
        " ── choose one, nothing runs before that"
    } else {
        " ── nothing runs before you say so"
    };
    line.spans.push(paint.span(hint, Role::Text));
    line
}

/// The text that `r` would start; `None` while nothing is chosen or there is nothing to run.
fn chosen_text<'a>(command: &'a Command, panel: &'a RunPanel) -> Option<&'a str> {
    match (&panel.edited, command.kind) {
        (Some(edited), _) => Some(edited),
        (None, CommandKind::Choice) => command.choices.get(panel.choice?)?.text.as_deref(),
        (None, _) => Some(&command.text),
    }
}

fn what<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, command: &Command, panel: &RunPanel) {
    if let Some(edited) = &panel.edited {
        sheet.push(paint.line("edited by you, not the document's text:", Role::Overridden));
        code(paint, sheet, edited);
        return;
    }
    if command.kind != CommandKind::Choice {
        code(paint, sheet, &command.text);
        return;
    }
    for (index, choice) in command.choices.iter().enumerate() {
        let chosen = panel.choice == Some(index);
        if chosen {
            sheet.selected = Some(sheet.lines.len());
        }
        let (mark, role) = if chosen { ("(•)", Role::Accent) } else { ("( )", Role::Text) };
        let words =
            choice.text.as_deref().map_or_else(|| choice.label.clone(), |text| text.trim_end().to_owned());
        let mut lines = words.lines();
        let head = paint.line(format!("{mark} {}  ", index + 1), role);
        let indent = " ".repeat(head.width());
        sheet.hanging(paint, head, lines.next().unwrap_or_default(), role);
        for line in lines {
            sheet.hanging(paint, Line::from(indent.clone()), line, role);
        }
        if choice.text.is_none() {
            sheet.hanging(
                paint,
                Line::from(indent),
                "nothing runs; it is recorded as your choice",
                Role::Dim,
            );
        }
    }
}

/// The text that will run, line by line, long ones under themselves.
fn code<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, text: &str) {
    for line in text.trim_end().lines() {
        let role = if line.trim_start().starts_with('#') { Role::Dim } else { Role::Title };
        sheet.hanging(paint, Line::from("  "), &format::clean(line), role);
    }
}

fn place<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, command: &Command, panel: &RunPanel) {
    let model = paint.model;
    let state = model.state();
    let mut parts = Vec::new();
    if let Some(context) = &state.context {
        parts.push(format!("context {context}"));
    }
    if let Some(target) = state.targets.first() {
        parts.push(format!("namespace {}", target.namespace));
    }
    let who = model.me.identity.as_ref().unwrap_or(&model.me.name);
    parts.push(format!("as {who}"));
    parts.push(format!("directory {}", model.directory_of(command)));
    sheet.facts(paint, "where", &parts, Role::Text);
    let mut shell = vec![model.shell_of(command).join(" ")];
    let env = model.command_env_in(panel.tty);
    if !env.is_empty() {
        shell.push(format!("sets {}", env.join(" ")));
    }
    sheet.facts(paint, "shell", &shell, Role::Text);
    let captured = model.state().captured();
    for (name, value) in
        model.set_for(command).iter().filter(|(name, _)| captured.contains_key(name.as_str()))
    {
        if chosen_text(command, panel).is_some_and(|text| reads_variable(text, name)) {
            sheet.fact(paint, "with", &format!("{name}={}", format::clean(value)), Role::Text);
        }
    }
    for (name, line) in chosen_text(command, panel).map(|text| model.unset_for(text)).unwrap_or_default() {
        let words = format!("{name} is not set yet: the command of line {line} sets it");
        sheet.hanging(paint, paint.line("▲ ", Role::Warning), &words, Role::Warning);
    }
    for missing in model.missing_for(command, panel.tty) {
        let words = format!("{missing}: nothing runs before it is here");
        sheet.hanging(paint, paint.line("✘ ", Role::Bad), &words, Role::Bad);
    }
    if panel.tty {
        let words = match paint.key_anywhere(Action::LeaveTerminal) {
            Some(key) => format!("one of its own: your keys go to it, {key} takes them back"),
            None => "one of its own: your keys go to it".to_owned(),
        };
        sheet.fact(paint, "terminal", &words, Role::Info);
        let without =
            [("stdin", command.annotated.stdin.is_some()), ("capture", command.annotated.capture.is_some())];
        for (key, _) in without.into_iter().filter(|(_, is_asked)| *is_asked) {
            let words = format!("in a terminal its `{key}` does nothing");
            sheet.hanging(paint, paint.line("▲ ", Role::Warning), &words, Role::Warning);
        }
    }
}

/// What annotations of the document ask of this command.
fn terms<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, command: &Command) {
    let (warnings, asked): (Vec<Term>, Vec<Term>) =
        command.annotated.terms().into_iter().partition(|term| term.warns);
    if !asked.is_empty() {
        let parts: Vec<String> = asked.iter().map(|term| format::clean(&term.text).into_owned()).collect();
        sheet.facts(paint, "asked", &parts, Role::Text);
    }
    for term in warnings {
        sheet.hanging(paint, paint.line("⚠ ", Role::Warning), &format::clean(&term.text), Role::Warning);
    }
}

fn changes<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, text: Option<&str>) {
    let Some(text) = text else { return };
    let model = paint.model;
    for target in &model.state().targets {
        let Some(seen) = model.observed.workloads.get(target) else { continue };
        let Some(new) = new_image(text, &target.name) else { continue };
        let old =
            seen.facts.images.iter().find(|image| image.container == new.0).map(|image| image.image.as_str());
        let image = match old {
            Some(old) => format!("image {} → {}", format::image(old), format::image(&new.1)),
            None => format!("image {} = {}", new.0, format::image(&new.1)),
        };
        let mut parts = vec![target.to_string(), image, format!("{} pods", seen.facts.spec_replicas)];
        parts.extend(seen.facts.max_surge.as_ref().map(|surge| format!("surge {surge}")));
        parts.extend(seen.facts.max_unavailable.as_ref().map(|count| format!("unavailable {count}")));
        sheet.facts(paint, "changes", &parts, Role::Title);
    }
}

/// Container and image of a `kubectl set image` line for this workload.
fn new_image(text: &str, name: &str) -> Option<(String, String)> {
    let line = text.lines().find(|line| {
        let mut words = line.split_whitespace();
        line.contains("set image") && words.any(|word| word.rsplit('/').next() == Some(name) || word == name)
    })?;
    let assignment = line.split_whitespace().find(|word| word.contains('=') && !word.starts_with('-'))?;
    let (container, image) = assignment.split_once('=')?;
    Some((container.to_owned(), image.to_owned()))
}

/// What is in place before the first change: the way back, and what "before" looked like.
fn first<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, step: Option<&Step>) {
    let model = paint.model;
    let state = model.state();
    if !step.is_some_and(|step| step.production) {
        return;
    }
    let arming = model.arming();
    let (word, role) = rollback_line::word(arming.state);
    let goal = rollback_line::goal(state, true);
    let goal = if goal.is_empty() { String::new() } else { format!(" → {goal}") };
    let mut parts = vec![format!("rollback {word}{goal}")];
    parts.extend(arming.why.first().cloned());
    match &state.baseline {
        Some((at, _)) => parts.push(format!("baseline taken {}", paint.wall(at.wall))),
        None if model.settings.prometheus.is_some() => parts.push("baseline is taken now".to_owned()),
        None => {}
    }
    parts.extend(model.lock_word().map(|(name, _)| format!("lock held by {name}")));
    sheet.fact(paint, "first", &parts.join(" · "), if role == Role::Ok { Role::Text } else { role });
}

fn earlier<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, command: &Command) {
    let track = paint.model.state().commands.get(&command.id);
    let attempts: &[Attempt] = track.map(|track| track.attempts.as_slice()).unwrap_or_default();
    let mut label = "earlier";
    for attempt in attempts.iter().rev().take(3) {
        let end = match &attempt.end {
            Some((_, Some(exit))) => exit.to_string(),
            Some((_, None)) => "in doubt".to_owned(),
            None => "still running".to_owned(),
        };
        let who = attempt.by.as_ref().map_or("gonogo", |by| by.name.as_str());
        let role = if end == "exit 0" { Role::Text } else { Role::Warning };
        let words = format!("{}  {who}  {end}", paint.wall(attempt.started.wall));
        sheet.fact(paint, std::mem::take(&mut label), &words, role);
    }
    if let Some(last) = attempts.last() {
        let found = paint.model.known_of_command(&command.id, last.run.attempt);
        known::section(paint, sheet, &found);
    }
    if paint.model.state().command(&command.id) == CommandState::Succeeded {
        sheet.fact(paint, "", "it has already succeeded: running it again is a new attempt", Role::Warning);
    }
}

fn keys<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, command: &Command, panel: &RunPanel) {
    let mut hints = Vec::new();
    let may_run = !matches!(command.kind, CommandKind::Note | CommandKind::Reference);
    if command.kind == CommandKind::Choice && panel.edited.is_none() {
        let n = command.choices.len().min(9);
        let digits: Vec<String> = (1..=n).map(|digit| digit.to_string()).collect();
        hints.push(Line::from_iter([
            paint.span(digits.join(" "), Role::Accent),
            paint.span(" choose", Role::Text),
        ]));
    }
    if may_run {
        let nothing = chosen_text(command, panel).is_none() && panel.choice.is_some();
        hints.push(paint.hint(Action::Run, if nothing { "record the choice" } else { "run it" }));
        hints.push(
            paint.hint(Action::Terminal, if panel.tty { "without a terminal" } else { "in a terminal" }),
        );
        hints.push(paint.hint(Action::Edit, "edit before running"));
    }
    hints.push(paint.hint(Action::Close, "back, nothing is done"));
    sheet.keys(hints);
}
