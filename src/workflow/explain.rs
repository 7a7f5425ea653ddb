//! Where each attribute of a workflow came from: the line, and the rule that read it.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use super::infer::duration;
use super::lint_text::visible;
use super::model::{
    Applied, BlockClass, Bound, Check, Command, CommandKind, CriterionKind, Place, Probe, Step, Workflow,
};
use super::vocabulary;

/// One attribute and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The line of what it belongs to.
    pub about: usize,
    /// What it belongs to: `step “1 Préparation”`.
    pub item: String,
    pub attribute: &'static str,
    pub value: String,
    /// The line that says so.
    pub line: usize,
    /// The rule that read it, in words.
    pub rule: String,
}

/// Every attribute of a workflow, in the order of its document.
pub fn explain(workflow: &Workflow) -> Vec<Origin> {
    let mut story = Story { workflow, origins: Vec::new(), lines: workflow.text.lines().collect() };
    story.head();
    for gate in &workflow.gates {
        let item = format!("gate “{}”", gate.title);
        story.say(
            gate.place,
            &item,
            "gate",
            "nothing runs before it is closed",
            gate.place.line,
            "a heading of prerequisites",
        );
        gate.checks.iter().for_each(|check| story.check(check));
    }
    let own = workflow.own_steps();
    for (n, step) in own.iter().enumerate() {
        story.step(step, own.get(n + 1).map(|next| next.place.line));
    }
    story.calls();
    workflow.outputs.iter().for_each(|check| story.check(check));
    workflow.rollback.commands.iter().for_each(|command| story.command(command, "in the rollback section"));
    for criterion in &workflow.rollback.criteria {
        let (value, rule) = match criterion.kind {
            CriterionKind::Declared => ("a person declares it", "its words name no metric with a limit"),
            CriterionKind::Threshold { .. } => ("watched", "a metric, a comparison and a number"),
            CriterionKind::Ratio { .. } => ("watched against its baseline", "a metric and a multiple"),
        };
        let item = format!("criterion “{}”", criterion.text);
        story.say(criterion.place, &item, "kind", value, criterion.place.line, rule);
    }
    for applied in &workflow.annotations {
        story.annotation(applied);
    }
    story.origins.sort_by(|a, b| (a.about, &a.item, a.line).cmp(&(b.about, &b.item, b.line)));
    story.origins
}

/// What `gonogo explain` prints; with a line, only what belongs to that line or was said there.
///
/// - Shape: ends in a newline; nothing in it moves a cursor.
pub fn explain_text(workflow: &Workflow, line: Option<usize>) -> String {
    let mut page = String::new();
    let mut last = None;
    let all = explain(workflow);
    // A line inside an item that says nothing itself belongs to the item before it.
    let owner = line.map(|line| {
        let said = all.iter().any(|origin| origin.about == line || origin.line == line);
        if said {
            line
        } else {
            all.iter().map(|origin| origin.about).filter(|at| *at <= line).max().unwrap_or(line)
        }
    });
    for origin in
        all.iter().filter(|origin| owner.is_none_or(|line| origin.about == line || origin.line == line))
    {
        let head = (origin.about, &origin.item);
        if last != Some(head) {
            let _ = writeln!(
                page,
                "{}line {}  {}",
                if page.is_empty() { "" } else { "\n" },
                origin.about,
                visible(&origin.item)
            );
            last = Some(head);
        }
        let (value, rule) = (visible(&origin.value), visible(&origin.rule));
        let _ =
            writeln!(page, "  {:<11} {value}\n  {:<11} line {}: {rule}", origin.attribute, "", origin.line);
    }
    if page.is_empty() {
        page.push_str("nothing was read from there\n");
    }
    page
}

struct Story<'w> {
    workflow: &'w Workflow,
    origins: Vec<Origin>,
    lines: Vec<&'w str>,
}

impl Story<'_> {
    fn say(
        &mut self,
        about: Place,
        item: &str,
        attribute: &'static str,
        value: impl Into<String>,
        line: usize,
        rule: impl Into<String>,
    ) {
        let (value, rule) = (value.into(), rule.into());
        self.origins.push(Origin { about: about.line, item: item.to_owned(), attribute, value, line, rule });
    }

    /// The first line of the head, or of all, that begins with a key or a mark.
    fn line_of(&self, begins: &str) -> usize {
        self.lines.iter().position(|line| line.trim_start().starts_with(begins)).map_or(1, |at| at + 1)
    }

    fn head(&mut self) {
        let workflow = self.workflow;
        let top = Place { line: 1, column: 1 };
        let (line, rule) = match self.lines.iter().position(|line| {
            line.trim_start_matches('#').split("<!--").next().unwrap_or_default().trim() == workflow.title
                && line.starts_with('#')
        }) {
            Some(at) => (at + 1, "the only heading of its level"),
            None => {
                (1, "no heading stands above all others: the frontmatter's title or name, or the file's name")
            }
        };
        self.say(top, "workflow", "title", workflow.title.clone(), line, rule);
        let declared: Vec<&str> =
            workflow.roles.iter().filter(|role| role.declared).map(|role| role.name.as_str()).collect();
        if !declared.is_empty() {
            self.say(
                top,
                "workflow",
                "roles",
                declared.join(", "),
                self.line_of("roles:"),
                "`roles` of the frontmatter",
            );
        }
        for param in &workflow.params {
            let declared = || self.line_of(&format!("  {}:", param.name));
            let line = param.occurrences.first().map_or_else(declared, |place| place.line);
            let rule = match param.default.as_str() {
                _ if param.declared => format!("`params` of the frontmatter: {}", param.kind),
                "" => "a command reads it from the environment".to_owned(),
                literal if param.occurrences.len() == 1 => format!("the literal {literal}"),
                literal => format!("the literal {literal}, {} times", param.occurrences.len()),
            };
            self.say(top, "workflow", "param", param.name.clone(), line, rule);
        }
        for target in &workflow.targets {
            let written = format!("{}/{}", target.kind.as_str(), target.name);
            let line = self.lines.iter().position(|line| {
                line.contains(target.name.as_str()) && (line.contains("targets") || line.contains("kubectl"))
            });
            let line = line.map_or_else(|| self.line_of("targets:"), |at| at + 1);
            self.say(
                top,
                "workflow",
                "target",
                written,
                line,
                "`targets` of the frontmatter, or a command that names it",
            );
        }
    }

    /// The lines of a step, up to the next one.
    fn lines_of(&self, step: &Step, next: Option<usize>) -> RangeInclusive<usize> {
        let start = step.place.line;
        let end = next.map_or(self.lines.len(), |next| next.saturating_sub(1));
        start..=end.max(start)
    }

    fn line_where(&self, lines: RangeInclusive<usize>, says: impl Fn(&str) -> bool) -> Option<usize> {
        lines.into_iter().find(|line| self.lines.get(line - 1).is_some_and(|text| says(text)))
    }

    fn step(&mut self, step: &Step, next: Option<usize>) {
        let number = step.number.map(|number| format!("{number} ")).unwrap_or_default();
        let item = format!("step “{number}{}”", step.title);
        let own = step.place.line;
        self.say(step.place, &item, "step", step.id.as_str(), own, "a heading or numbered item of the steps");
        if step.production {
            let steps = self.workflow.own_steps();
            let named = steps.into_iter().find(|step| vocabulary::names_production(&step.title));
            let (line, rule) = match named {
                Some(named) => (named.place.line, "this heading names production: it and all that follow"),
                None => (own, "a command here, or before it, changes a workload"),
            };
            self.say(step.place, &item, "production", "yes", line, rule);
        }
        if !step.gating && vocabulary::is_communication(&step.title) {
            self.say(
                step.place,
                &item,
                "gating",
                "the release does not wait for it",
                own,
                "its heading is about telling people",
            );
        }
        if let Some(soak) = step.soak {
            let says = |text: &str| vocabulary::asks_to_watch(text) && duration::find(text).is_some();
            if let Some(line) = self.line_where(self.lines_of(step, next), says) {
                let value = format!("{} s to {} s", soak.min_s, soak.max_s);
                self.say(step.place, &item, "soak", value, line, "a verb of watching with a duration");
            }
        }
        if let Some(poll) = &step.poll {
            let roles: Vec<&str> = poll.roles.iter().map(|role| role.as_str()).collect();
            let steps = self.workflow.own_steps();
            let production = steps.into_iter().find(|step| vocabulary::names_production(&step.title));
            let line = production.map_or(own, |production| production.place.line);
            self.say(
                step.place,
                &item,
                "poll",
                roles.join(", "),
                line,
                "the step before the first one that names production asks every role",
            );
        }
        for group in &step.groups {
            if let Some(seconds) = group.timebox_s {
                let value = format!("{seconds} s");
                let title = group.title.as_deref().unwrap_or("checks");
                self.say(
                    group.place,
                    &format!("group “{title}”"),
                    "timebox",
                    value,
                    group.place.line,
                    "a duration in the title of a group",
                );
            }
            group.checks.iter().for_each(|check| self.check(check));
        }
        step.commands.iter().for_each(|command| self.command(command, "in a step"));
    }

    /// Every line that calls, who answers it, and the steps that stand in its place.
    fn calls(&mut self) {
        let workflow = self.workflow;
        let own = workflow.steps.iter().filter(|step| step.called.is_none());
        let offered = own.flat_map(|step| &step.calls).chain(&workflow.rollback.calls);
        for call in offered {
            let item = format!("call of {}", call.workflow);
            let rule =
                call.condition.as_deref().map_or("offered, and nothing waits for it".to_owned(), |when| {
                    format!("it says when: {when}")
                });
            self.say(call.place, &item, "answered by", call.answer_words(), call.place.line, rule);
        }
        for called in workflow.called_workflows() {
            if called.depth > 1 {
                continue;
            }
            let place = called.place;
            let item = format!("call of {}", called.name);
            let rule = format!("the name, looked for from here outwards: found {}", called.from.words());
            self.say(place, &item, "answered by", called.file.clone(), place.line, rule);
            for (name, bound) in &called.bound {
                let rule = match bound {
                    Bound::Of(other) if other == name => "inherited by name",
                    _ => "passed by the line",
                };
                self.say(place, &item, "passes", format!("{name}={bound}"), place.line, rule);
            }
            let below = format!("{}/", called.path);
            for step in workflow.steps.iter().filter(|step| step.id.as_str().starts_with(&below)) {
                let rule = format!("{}:{}", workflow.file_of(step), step.place.line);
                self.say(place, &item, "step", step.heading(), place.line, rule);
            }
        }
    }

    fn check(&mut self, check: &Check) {
        let item = format!("check “{}”", check.text);
        let own = check.place.line;
        let rule = if check.annotated.hold.is_some() {
            "held for an annotation"
        } else {
            "a box, or a bullet where all of them are checks"
        };
        self.say(check.place, &item, "check", check.id.as_str(), own, rule);
        if check.optional && vocabulary::is_optional(&check.text) {
            self.say(
                check.place,
                &item,
                "optional",
                "may be not applicable",
                own,
                "its words say when it applies",
            );
        }
        match check.probe {
            Some(Probe::RolloutComplete) => self.say(
                check.place,
                &item,
                "answered by",
                "the rollout",
                own,
                "an output that names a deployment",
            ),
            Some(Probe::TagPushed) => self.say(
                check.place,
                &item,
                "answered by",
                "the tag on the remote",
                own,
                "an output that names a tag",
            ),
            None => {}
        }
        if !check.evidence.is_empty() {
            let shown: Vec<String> =
                check.evidence.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
            self.say(check.place, &item, "evidence", shown.join(", "), own, "words of its text");
        }
    }

    fn command(&mut self, command: &Command, place: &str) {
        let first = command.text.lines().next().unwrap_or_default();
        let item = format!("command {first}");
        let own = command.place.line;
        let (value, rule) = match command.kind {
            CommandKind::Run => ("runs when told to", format!("a `{}` block {place}", command.language)),
            CommandKind::Choice => (
                "one of its alternatives runs",
                "a comment that says “or”, or words that offer a choice".to_owned(),
            ),
            CommandKind::Stream => {
                ("follows without end", "a command that never ends by itself, or an annotation".to_owned())
            }
            CommandKind::Offer => {
                ("runs when asked for, nothing waits for it", "code in the words of a check".to_owned())
            }
            CommandKind::Note => ("is shown", "comments only".to_owned()),
            CommandKind::Reference if command.class == BlockClass::Unsure => {
                ("? is shown, never run", "lines that may be commands or not".to_owned())
            }
            CommandKind::Reference => {
                ("is shown, never run", "no shell block, a script, or a pointer elsewhere".to_owned())
            }
        };
        let ruling = command.settling.as_ref().and_then(|settling| settling.ruling.as_ref());
        let rule = ruling.map_or(rule, |ruling| ruling.to_string());
        self.say(command.place, &item, "kind", value, own, rule);
        for choice in &command.choices {
            let value = if choice.text.is_some() {
                choice.label.clone()
            } else {
                format!("{}  (nothing to run)", choice.label)
            };
            self.say(
                command.place,
                &item,
                "alternative",
                value,
                own,
                "a part of the block between its comments",
            );
        }
    }

    fn annotation(&mut self, applied: &Applied) {
        // It joins what it is about where that is known, and stands by itself otherwise.
        let known = self.origins.iter().find(|origin| origin.about == applied.about.line);
        let code = || {
            self.origins
                .iter()
                .find(|origin| origin.about == applied.about.line + 1 && origin.item.starts_with("command"))
        };
        let (about, item) = match known.filter(|origin| origin.item != "workflow").or_else(code) {
            Some(origin) => (origin.about, origin.item.clone()),
            None => (applied.about.line, "annotation".to_owned()),
        };
        let instead =
            applied.instead_of.as_ref().map(|instead| format!(", instead of {instead}")).unwrap_or_default();
        let weakens =
            applied.weakens.as_ref().map(|weakens| format!("; ⚠ weaker: {weakens}")).unwrap_or_default();
        let rule = format!("an annotation{instead}{weakens}");
        let about = Place { line: about, column: 1 };
        self.say(about, &item, "annotated", applied.text.clone(), applied.place.line, rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, read};

    fn parsed(text: &str) -> Workflow {
        read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false })
    }

    const TEXT: &str = "---\nroles: [qa]\n---\n# T\n\n## Steps\n\n### 1. Staging\n\n- [ ] a, if applicable\n\n### 2. Production <!-- gonogo: id=prod -->\n\nMonitor for 1 hour: <!-- gonogo: soak=10m -->\n\n<!-- gonogo: timeout=5m -->\n```bash\nkubectl get pods\n```\n";

    fn origin<'o>(all: &'o [Origin], attribute: &str, item: &str) -> &'o Origin {
        all.iter()
            .find(|origin| origin.attribute == attribute && origin.item.contains(item))
            .unwrap_or_else(|| panic!("{attribute} of {item}: {all:#?}"))
    }

    #[test]
    fn every_attribute_names_its_line_and_rule() {
        let all = explain(&parsed(TEXT));
        assert_eq!(origin(&all, "roles", "workflow").line, 2);
        assert_eq!(origin(&all, "title", "workflow").line, 4);
        assert_eq!((origin(&all, "poll", "Staging").about, origin(&all, "poll", "Staging").line), (8, 12));
        assert_eq!(origin(&all, "optional", "a, if applicable").line, 10);
        assert_eq!(origin(&all, "soak", "Production").line, 14);
        let timeout = origin(&all, "annotated", "kubectl");
        assert_eq!((timeout.line, timeout.value.as_str()), (16, "timeout=5m"));
    }

    #[test]
    fn an_annotation_says_what_held_without_it() {
        let all = explain(&parsed(TEXT));
        let soak = all.iter().find(|origin| origin.value == "soak=10m").unwrap();
        assert!(
            soak.rule.contains("instead of 3600 s to 3600 s") && soak.rule.contains("⚠ weaker"),
            "{soak:?}"
        );
    }

    #[test]
    fn one_line_is_explained_by_itself_or_by_the_item_around_it() {
        let workflow = parsed(TEXT);
        let check = explain_text(&workflow, Some(10));
        assert!(
            check.starts_with("line 10  check “a, if applicable”\n") && !check.contains("kubectl"),
            "{check}"
        );
        assert!(explain_text(&workflow, Some(19)).contains("command kubectl get pods"));
        assert!(explain_text(&workflow, None).contains("an annotation, instead of"));
        assert!(!explain_text(&parsed("\u{1b}[2J"), None).contains('\u{1b}'));
    }
}
