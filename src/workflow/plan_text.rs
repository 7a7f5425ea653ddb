//! The plan for people: what a release of this document will ask, in the order in which it asks.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::lint_text::visible;
use super::model::{
    BlockClass, Call, Called, Check, Command, CommandKind, Criterion, CriterionKind, Item, Operator, Place,
    Step, Target, Term, Workflow,
};
use super::nginx::NginxSite;

/// Columns that no line of the plan exceeds.
const WIDTH: usize = 100;

/// Where the text of a section begins.
const INDENT: usize = 4;

/// What `gonogo plan` prints.
///
/// - Shape: ends in a newline; no line is wider than 100 columns; nothing in it moves a cursor.
/// - Marks: `☐` answered by a person, `◉` sensed, `–` may be answered not applicable, `❯` runs when
///   told to, `○` offered beside a check, `≋` follows without end, `⚠` to mind before running,
///   `·` to read, `?` gonogo is not sure and runs nothing.
pub fn plan_text(workflow: &Workflow) -> String {
    let mut page = Page::default();
    head(&mut page, workflow);
    for gate in &workflow.gates {
        page.section(&gate.title, "gate: nothing runs before it is closed", gate.place);
        checks(&mut page, &gate.checks);
    }
    let mut inside: Option<&Called> = None;
    for step in &workflow.steps {
        let called = step.called.as_deref();
        if let Some(called) = called.filter(|called| inside.is_none_or(|last| last.path != called.path)) {
            page.called(called);
        }
        inside = called;
        one_step(&mut page, step);
    }
    if let Some(first) = workflow.outputs.first() {
        page.section("Outputs", "confirmed at the end", first.place);
        checks(&mut page, &workflow.outputs);
    }
    rollback(&mut page, workflow);
    failures(&mut page, workflow);
    remarks(&mut page, workflow);
    page.text
}

fn head(page: &mut Page, workflow: &Workflow) {
    page.line(0, &workflow.title);
    if let Some(goal) = workflow.goal.as_ref().or(workflow.description.as_ref()) {
        page.line(0, goal);
    }
    page.blank();
    let n_checks = workflow.checks().count() - workflow.outputs.len();
    let automatic = workflow.checks().filter(|check| check.is_sensed()).count();
    let runs = |command: &&Command| {
        matches!(command.kind, CommandKind::Run | CommandKind::Choice | CommandKind::Stream)
    };
    page.field("file", &format!("{}  ({})", workflow.file, workflow.language.as_str()));
    page.field(
        "asks",
        &format!(
            "{}, {}, {}, {}; {} automatic",
            counted(workflow.steps.len(), "step"),
            counted(n_checks, "check"),
            counted(workflow.commands().filter(runs).count(), "command"),
            counted(workflow.outputs.len(), "output"),
            if automatic == 0 { "none".to_owned() } else { automatic.to_string() },
        ),
    );
    let roles = |declared| {
        workflow
            .roles
            .iter()
            .filter(move |role| role.declared == declared)
            .map(|role| role.name.as_str())
            .collect::<Vec<_>>()
    };
    if !roles(true).is_empty() {
        page.field("roles", &roles(true).join(", "));
    }
    if !roles(false).is_empty() {
        page.field("", &format!("not declared: {}", roles(false).join(", ")));
    }
    for target in &workflow.targets {
        page.field("target", &target_text(target));
    }
    if let Some(site) = &workflow.nginx {
        page.field("nginx", &nginx_text(site));
    }
    let text_lines: Vec<&str> = workflow.text.lines().collect();
    for param in &workflow.params {
        let n = counted(param.occurrences.len(), "place");
        let literal = (!param.default.is_empty()).then_some(&param.default);
        let shown: Vec<&str> = literal.into_iter().chain(&param.placeholders).map(String::as_str).collect();
        let asked =
            if param.declared || param.is_secret() { format!("{}; ", param.kind) } else { String::new() };
        let text = if param.occurrences.is_empty() && !param.declared {
            format!("{}  {asked}asked for by a called workflow", param.name)
        } else if shown.is_empty() {
            let example = if asked.is_empty() { "; has no example" } else { "" };
            format!("{}  {asked}read by the commands in {n}{example}", param.name)
        } else if param.is_secret() {
            format!("? {}  a secret, and is not put in place of {}", param.name, shown.join(", "))
        } else {
            format!(
                "{}  {asked}stands as {} in {n}; each is replaced by the value of the release",
                param.name,
                shown.join(", ")
            )
        };
        page.field("param", &text);
        let mut lines: Vec<usize> = param.occurrences.iter().map(|place| place.line).collect();
        lines.dedup();
        for number in lines {
            let line = text_lines.get(number - 1).copied().unwrap_or_default().trim();
            page.line_with(INDENT + 5, &format!("{number:>4}  "), line);
        }
    }
    for call in &workflow.calls {
        page.field("calls", &format!("{}  {}", call.workflow, call.answer_words()));
    }
    for (file, applied) in workflow.weakened() {
        let place = match file {
            Some(file) => format!("{file} line {}", applied.place.line),
            None => format!("line {}", applied.place.line),
        };
        let weakens = applied.weakens.as_deref().unwrap_or_default();
        page.field("⚠ weaker", &format!("{place}: {weakens}  ({})", applied.text));
    }
    for text in &workflow.irreversible {
        page.field("stays", &format!("{text}  (no rollback brings it back)"));
    }
}

fn one_step(page: &mut Page, step: &Step) {
    let number = step.number.map(|number| format!("{number} ")).unwrap_or_default();
    let inside = "  ".repeat(step.called.as_ref().map_or(0, |called| called.depth));
    let title = format!("{inside}{number}{}", step.title);
    let mut marks = Vec::new();
    if step.production {
        marks.push("production".to_owned());
    }
    if let Some(soak) = step.soak {
        marks.push(format!("soak {}", range_text(soak.min_s, soak.max_s)));
    }
    if !step.gating {
        marks.push("the release does not wait for it".to_owned());
    }
    page.section_in(step.called.as_deref(), &title, &marks.join(" · "), step.place);
    terms(page, step.annotated.terms());
    if let Some(caption) = &step.caption {
        page.line(INDENT, caption);
    }
    for item in &step.order {
        match item {
            Item::Command(index) => {
                if let Some(command) = step.commands.get(*index) {
                    one_command(page, command, step.caption.as_deref());
                }
            }
            Item::Group(index) => {
                let Some(group) = step.groups.get(*index) else { continue };
                let timebox = group.timebox_s.map(|seconds| format!("timebox {}", duration_text(seconds)));
                match (&group.title, timebox) {
                    (Some(title), Some(timebox)) => page.line(INDENT, &format!("{title}  ({timebox})")),
                    (Some(title), None) => page.line(INDENT, title),
                    (None, Some(timebox)) => page.line(INDENT, &timebox),
                    (None, None) => {}
                }
                checks(page, &group.checks);
            }
        }
    }
    if let Some(poll) = &step.poll {
        let roles: Vec<&str> = poll.roles.iter().map(|role| role.as_str()).collect();
        page.line(INDENT, &format!("GO / NO-GO  {}", roles.join(", ")));
    }
}

fn one_command(page: &mut Page, command: &Command, above: Option<&str>) {
    // A caption that is a comment of the block, or stands above already, is not shown twice.
    let is_comment = |caption: &str| command.kind != CommandKind::Choice && command.text.contains(caption);
    let caption =
        command.caption.as_deref().filter(|caption| Some(*caption) != above && !is_comment(caption));
    // The check it is offered for stands right below.
    let caption = caption.filter(|_| command.kind != CommandKind::Offer);
    if let Some(caption) = caption {
        page.line(INDENT, caption);
    }
    for warning in &command.warnings {
        page.line_with(INDENT, "⚠ ", warning);
    }
    match command.kind {
        CommandKind::Run => page.block("❯ ", &command.text),
        CommandKind::Offer => {
            page.block("○ ", &format!("{}  (offered, not awaited)", command.text.trim_end()))
        }
        CommandKind::Stream => {
            page.line(INDENT, "follows without end, into the log pane:");
            page.block("≋ ", &command.text);
        }
        CommandKind::Note => page.block("· ", &command.text),
        CommandKind::Reference => {
            let first = command.text.lines().next().unwrap_or_default();
            let n_more = command.text.lines().count().saturating_sub(1);
            let language = if command.language.is_empty() { "reference" } else { &command.language };
            let more =
                if n_more > 0 { format!("  (and {})", counted(n_more, "more line")) } else { String::new() };
            let mark =
                if matches!(command.class, BlockClass::Pointer | BlockClass::Unsure) { "? " } else { "· " };
            let what = match command.class {
                BlockClass::Unsure => "not run, may be commands or not".to_owned(),
                BlockClass::SaidText => "not run, text".to_owned(),
                BlockClass::Output => "not run, output".to_owned(),
                BlockClass::Message => "not run, a message".to_owned(),
                BlockClass::Script => format!("not run, a whole {language} script"),
                BlockClass::Runnable | BlockClass::Data | BlockClass::Pointer => {
                    format!("not run, {language}")
                }
            };
            page.line_with(INDENT, mark, &format!("{what}: {first}{more}"));
        }
        CommandKind::Choice => {
            page.line(INDENT, "choose one; nothing runs before that:");
            for (number, choice) in (1..).zip(&command.choices) {
                let mark = format!("({number}) ");
                match &choice.text {
                    Some(text) => {
                        if text.lines().next() != Some(choice.label.as_str()) {
                            page.line_with(INDENT, &mark, &choice.label);
                            page.block("    ❯ ", text);
                        } else {
                            page.block(&format!("{mark}❯ "), text);
                        }
                    }
                    None => page.line_with(INDENT, &mark, &format!("{}  (nothing to run)", choice.label)),
                }
                if let Some(warning) = &choice.warning {
                    page.line_with(INDENT + 4, "! ", warning);
                }
            }
        }
    }
    if let Some(ruling) = command.settling.as_ref().and_then(|settling| settling.ruling.as_ref()) {
        page.line_with(INDENT + 2, "· ", &ruling.to_string());
    }
    terms(page, command.annotated.terms());
}

/// What annotations say about the item above, `⚠` where something is held or weaker than its words.
fn terms(page: &mut Page, terms: Vec<Term>) {
    for term in terms {
        page.line_with(INDENT + 2, if term.warns { "⚠ " } else { "· " }, &term.text);
    }
}

fn checks(page: &mut Page, checks: &[Check]) {
    for check in checks {
        let mark = if check.is_sensed() { "◉ " } else { "☐ " };
        let optional = if check.optional { "  (– allowed)" } else { "" };
        let owners = check.owners.iter().map(|owner| format!("  [{owner}]")).collect::<String>();
        page.line_with(INDENT, mark, &format!("{}{owners}{optional}", check.text));
        terms(page, check.annotated.terms());
    }
}

fn rollback(page: &mut Page, workflow: &Workflow) {
    let section = &workflow.rollback;
    if !section.present {
        page.blank();
        page.line(0, "Rollback  ? the document has no such section; gonogo's own plan is what R offers");
        return;
    }
    let places = section.commands.iter().map(|command| command.place);
    let first = places.chain(section.criteria.iter().map(|criterion| criterion.place)).min();
    page.section("Rollback", "R opens it from any step", first.unwrap_or(Place { line: 1, column: 1 }));
    for call in &section.calls {
        page.line(INDENT, &rollback_call(call));
    }
    for command in &section.commands {
        one_command(page, command, None);
    }
    for criterion in &section.criteria {
        page.line_with(INDENT, "▲ ", &format!("{}  ({})", criterion.text, criterion_text(criterion)));
    }
    if let Some(policy) = &section.policy {
        let auto: Vec<&str> = policy.auto.iter().map(|id| id.as_str()).collect();
        let countdown = duration_text(policy.countdown_s);
        if !auto.is_empty() {
            let words = format!(
                "if accepted at the start, rolls back by itself after {countdown}: {}",
                auto.join(", ")
            );
            page.line(INDENT, &words);
        }
    }
}

/// A way back by another document is offered and no more: it has a version of its own to return to.
fn rollback_call(call: &Call) -> String {
    match &call.answer {
        Some(answer) if call.found => {
            format!("calls {}  (offered: gonogo run {})", call.workflow, answer.file)
        }
        Some(_) => format!("calls {}  (offered: the built-in one)", call.workflow),
        None if call.found => format!("calls {}", call.workflow),
        None => format!("calls {}  ? not found", call.workflow),
    }
}

fn failures(page: &mut Page, workflow: &Workflow) {
    if let Some(first) = workflow.errors.first() {
        page.section("Known errors", "shown when one of them happens", first.place);
    }
    for known in &workflow.errors {
        page.line_with(INDENT, "· ", &format!("{}: {} → {}", known.error, known.cause, known.solution));
    }
    if let Some(first) = workflow.escalation.first() {
        page.section("Escalation", "", first.place);
    }
    for line in &workflow.escalation {
        let roles: Vec<&str> = line.roles.iter().map(|role| role.as_str()).collect();
        let actions: String = line.actions.iter().map(|action| format!(" + {action}")).collect();
        page.line_with(INDENT, "· ", &format!("{} → {}{actions}", line.trigger, roles.join(", ")));
    }
}

fn remarks(page: &mut Page, workflow: &Workflow) {
    if workflow.diagnostics.is_empty() {
        return;
    }
    page.blank();
    page.line(0, "Remarks  (gonogo lint shows each with its line and a way out)");
    for found in &workflow.diagnostics {
        let place = format!("{}:{}", found.place.line, found.place.column);
        let more =
            if found.related.is_empty() { String::new() } else { format!(" +{}", found.related.len()) };
        let place = format!("{place}{more}");
        page.line_with(INDENT, &format!("{:<8}{place:<9} ", found.severity.as_str()), &found.message);
    }
}

fn target_text(target: &Target) -> String {
    let mut text = format!("{}/{}", target.kind.as_str(), target.name);
    for (name, value) in
        [("container", &target.container), ("namespace", &target.namespace), ("context", &target.context)]
    {
        if let Some(value) = value {
            let _ = write!(text, "  {name} {value}");
        }
    }
    text
}

fn nginx_text(site: &NginxSite) -> String {
    let [one, other] = site.sides.each_ref().map(|side| &side.colour);
    let through = match &site.through {
        Some(through) => format!("read back at {}", through.url),
        None => "not read back".to_owned(),
    };
    format!("{one} or {other} by {}, {through}; the rollback key switches back", site.upstream.display())
}

fn criterion_text(criterion: &Criterion) -> String {
    match &criterion.kind {
        CriterionKind::Threshold { metric, operator, value, unit } => {
            format!("watched: {} {} {value}{unit}", metric.words(), operator_text(*operator))
        }
        CriterionKind::Ratio { metric, operator, factor } => {
            format!("watched: {} {} {factor}× its baseline", metric.words(), operator_text(*operator))
        }
        CriterionKind::Declared => "you say so, with b".to_owned(),
    }
}

fn operator_text(operator: Operator) -> &'static str {
    match operator {
        Operator::Above => ">",
        Operator::AtLeast => ">=",
        Operator::Below => "<",
        Operator::AtMost => "<=",
    }
}

fn range_text(min_s: u64, max_s: u64) -> String {
    if min_s == max_s {
        duration_text(min_s)
    } else {
        format!("{} to {}", duration_text(min_s), duration_text(max_s))
    }
}

/// `1 h 30 min`, `5 min`, `90 s`.
fn duration_text(seconds: u64) -> String {
    match (seconds / 3_600, seconds % 3_600 / 60, seconds % 60) {
        (0, 0, _) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (hours, 0, 0) => format!("{hours} h"),
        (hours, minutes, 0) => format!("{hours} h {minutes} min"),
        _ => format!("{seconds} s"),
    }
}

fn counted(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Lines of at most [`WIDTH`] columns.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// The line above the steps of a called workflow.
    fn called(&mut self, called: &Called) {
        self.blank();
        self.line_with(called.depth.saturating_sub(1) * 2, "↳ ", &called.words());
    }

    /// A section's title with what marks it out, and its line in the file at the right edge.
    fn section(&mut self, title: &str, marks: &str, place: Place) {
        self.section_in(None, title, marks, place);
    }

    /// The same for a section of a called file.
    fn section_in(&mut self, called: Option<&Called>, title: &str, marks: &str, place: Place) {
        self.blank();
        let place = match called.map(|called| called.file.rsplit('/').next().unwrap_or(&called.file)) {
            Some(file) => format!("{}:{}", shortened(&visible(file), WIDTH / 3), place.line),
            None => format!("line {}", place.line),
        };
        let marks = if marks.is_empty() { String::new() } else { format!("  [{marks}]") };
        let room = WIDTH - place.width() - 1;
        let title = shortened(&visible(title), room.saturating_sub(marks.width()));
        let heading = format!("{title}{marks}");
        let padding = WIDTH.saturating_sub(heading.width() + place.width());
        let _ = writeln!(self.text, "{heading}{}{place}", " ".repeat(padding));
    }

    fn field(&mut self, name: &str, text: &str) {
        self.line_with(0, &format!("{name:<9}"), text);
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.line_with(indent, "", text);
    }

    /// A mark and a text; what does not fit goes on below the text's first column.
    fn line_with(&mut self, indent: usize, mark: &str, text: &str) {
        let text = visible(&text.replace('\n', " "));
        let hanging = indent + mark.width();
        for (n, row) in wrapped(&text, WIDTH.saturating_sub(hanging)).into_iter().enumerate() {
            let line = if n == 0 {
                format!("{}{mark}{row}", " ".repeat(indent))
            } else {
                format!("{}{row}", " ".repeat(hanging))
            };
            let _ = writeln!(self.text, "{}", line.trim_end());
        }
    }

    /// A block of code as it stands, under one mark.
    fn block(&mut self, mark: &str, code: &str) {
        let hanging = " ".repeat(mark.width());
        for (n, line) in code.trim_end().lines().enumerate() {
            self.line_with(INDENT, if n == 0 { mark } else { &hanging }, line);
        }
    }
}

/// Rows of at most `width` columns, broken at spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut rows = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end().width();
        if used > 0 && used + bare > width {
            rows.push(String::new());
            used = 0;
        }
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if used + columns > width && c != ' ' {
                rows.push(String::new());
                used = 0;
            }
            if let Some(row) = rows.last_mut() {
                row.push(c);
            }
            used += columns;
        }
    }
    rows
}

fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + c.width().unwrap_or(0) + 1 > width {
            break;
        }
        short.push(c);
    }
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let shown: Vec<String> = [30, 90, 300, 3_600, 5_400].into_iter().map(duration_text).collect();
        assert_eq!(shown, ["30 s", "90 s", "5 min", "1 h", "1 h 30 min"]);
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_asked_and_nothing_is_lost(text in "[a-z é→リ]{0,200}", width in 8usize..60) {
            let rows = wrapped(&text, width);
            prop_assert!(rows.iter().all(|row| row.trim_end().width() <= width));
            prop_assert_eq!(rows.concat(), text);
        }
    }
}
