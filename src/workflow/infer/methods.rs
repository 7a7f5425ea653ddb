//! Ways to do one thing that an author wrote one after the other: `Method 1 … 4`, `or manually:`.
//! Run as a sequence they would do it twice, so they become one choice.

use super::commands::with_warnings;
use crate::workflow::model::{Choice, Command, CommandKind, Item};

/// The commands that a method added to its step.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) label: String,
    /// Indices into the step's commands.
    pub(super) commands: std::ops::Range<usize>,
}

/// Makes one choice of several ways, in the place of the first; false when there is nothing to
/// choose between.
pub(super) fn merge(ways: &[Way], commands: &mut Vec<Command>, order: &mut Vec<Item>) -> bool {
    let runs = |command: &Command| matches!(command.kind, CommandKind::Run | CommandKind::Choice);
    let with_work = ways
        .iter()
        .filter(|way| commands.get(way.commands.clone()).is_some_and(|way| way.iter().any(runs)))
        .count();
    let first =
        ways.iter().flat_map(|way| way.commands.clone()).find(|&index| commands.get(index).is_some_and(runs));
    let (true, Some(first)) = (with_work > 1, first) else { return false };

    let choices: Vec<Choice> = ways.iter().flat_map(|way| of_way(way, commands)).collect();
    let warnings: Vec<String> = ways
        .iter()
        .flat_map(|way| commands.get(way.commands.clone()).unwrap_or_default())
        .flat_map(|command| command.warnings.clone())
        .collect();
    let mut gone = vec![false; commands.len()];
    for index in ways.iter().flat_map(|way| way.commands.clone()).filter(|index| *index != first) {
        if let (Some(gone), Some(command)) = (gone.get_mut(index), commands.get(index)) {
            *gone = runs(command);
        }
    }
    let text: Vec<&str> = choices.iter().filter_map(|choice| choice.text.as_deref()).collect();
    let text = text.concat();
    if let Some(command) = commands.get_mut(first) {
        command.kind = CommandKind::Choice;
        command.caption =
            command.caption.take().filter(|caption| ways.iter().all(|way| &way.label != caption));
        command.choices = choices;
        command.text = text;
        command.warnings = warnings;
    }
    let mut n_kept = 0;
    let moved: Vec<usize> = gone
        .iter()
        .map(|gone| {
            n_kept += usize::from(!gone);
            n_kept - usize::from(!gone)
        })
        .collect();
    let is_gone = |index: usize| gone.get(index).copied().unwrap_or(false);
    order.retain(|item| !matches!(item, Item::Command(index) if is_gone(*index)));
    for item in order.iter_mut() {
        if let Item::Command(index) = item {
            *index = moved.get(*index).copied().unwrap_or(*index);
        }
    }
    let mut index = 0;
    commands.retain(|_| {
        index += 1;
        !is_gone(index - 1)
    });
    true
}

/// Adds another way to a command: `Or manually:` before a second block.
pub(super) fn append(command: &mut Command, other: Command, label: &str) {
    let choices = |command: &mut Command, label: &str| match command.kind {
        CommandKind::Choice => std::mem::take(&mut command.choices),
        _ => {
            let label =
                if label.is_empty() { command.text.lines().next().unwrap_or_default() } else { label };
            vec![Choice { label: label.to_owned(), text: Some(command.text.clone()), warning: None }]
        }
    };
    let mut other = other;
    let mut all = choices(command, "");
    all.append(&mut choices(&mut other, label));
    command.kind = CommandKind::Choice;
    command.choices = all;
    command.text.push_str(&other.text);
    command.warnings.append(&mut other.warnings);
}

/// Notes on each choice of a step what its alternatives mean for each other.
pub(super) fn warn(commands: &mut [Command]) {
    for command in commands.iter_mut().filter(|command| command.kind == CommandKind::Choice) {
        command.choices = with_warnings(std::mem::take(&mut command.choices));
    }
}

/// One way is one alternative, unless it offers alternatives itself: those are chosen between with
/// all others.
fn of_way(way: &Way, commands: &[Command]) -> Vec<Choice> {
    let commands = commands.get(way.commands.clone()).unwrap_or_default();
    let mut text = String::new();
    let mut nested = Vec::new();
    for command in commands {
        match command.kind {
            CommandKind::Run => text.push_str(&command.text),
            CommandKind::Choice => nested.extend(command.choices.iter().cloned()),
            _ => {}
        }
    }
    if nested.is_empty() {
        let label = if way.label.is_empty() { text.lines().next().unwrap_or_default() } else { &way.label };
        return vec![Choice {
            label: label.to_owned(),
            text: Some(text.clone()).filter(|text| !text.is_empty()),
            warning: None,
        }];
    }
    // What stands before the alternatives of this way belongs to each of them.
    let labelled = |choice: Choice| {
        let label =
            if way.label.is_empty() { choice.label } else { format!("{}: {}", way.label, choice.label) };
        Choice { label, text: choice.text.map(|own| format!("{text}{own}")), ..choice }
    };
    nested.into_iter().map(labelled).collect()
}
