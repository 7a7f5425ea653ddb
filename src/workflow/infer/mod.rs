//! What the prose means: a tree of Markdown becomes steps, checks, criteria and the rest of a
//! release. Every rule works in French and English, and what it is not sure of it reports.

mod calls;
pub(in crate::workflow) mod carried;
mod checks;
mod classify;
mod commands;
mod criteria;
pub(in crate::workflow) mod duration;
mod failures;
mod methods;
mod outline;
pub(in crate::workflow) mod params;
pub(in crate::workflow) mod programs;
mod session;
mod steps;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use self::checks::{Under, Which};
use self::commands::Numbering;
use self::outline::{Chapter, Outline, Part};
use self::params::{Found, Literal};
use self::programs::Named;
use self::steps::Opening;
use super::frontmatter::{Frontmatter, ProblemKind};
use super::lint::Findings;
use super::markdown::{self, Block, Inline};
use super::model::{
    Call, Check, Code as Rule, EvidenceKind, Gate, GateId, Poll, Role, RoleName, RollbackSection, Step,
    Target, Workflow,
};
use super::places::Places;
use super::settled::Settled;
use super::vocabulary;

/// More checks than this between two pauses are shortcut, not read (field rule 1).
const MAX_CHECKS: usize = 9;

/// The role that answers a poll when the document names none: whoever is at the keyboard. A poll
/// that asks nobody would be open by itself.
pub(in crate::workflow) const ANYONE: &str = "operator";

/// As much prose as the language is judged by.
const LANGUAGE_SAMPLE: usize = 65_536;

/// Everything a rule may need while the document is read once, from top to bottom.
pub(super) struct Reader<'r> {
    places: &'r Places<'r>,
    file: &'r str,
    siblings: &'r dyn Fn(&str) -> bool,
    settled: &'r Settled,
    front: Frontmatter,
    findings: Findings,
    literals: Vec<Literal>,
    literal_spans: Vec<Range<usize>>,
    /// Places where a variable is read that a release may have to give: `$VERSION`, `$NEW_TAG`.
    reads: BTreeMap<String, Vec<usize>>,
    /// Variables that some block sets.
    set: HashSet<String>,
    placeholders: Vec<Found>,
    workloads: Vec<Named>,
    calls: Vec<Call>,
    siblings_found: HashMap<String, bool>,
    in_rollback: bool,
    step_ids: Ids,
    gate_ids: Ids,
    check_ids: Ids,
    command_ids: Ids,
    criterion_ids: Ids,
}

/// Ids in use; a second one of the same words gets a number.
#[derive(Debug, Default)]
pub(super) struct Ids {
    used: HashMap<String, usize>,
}

impl Ids {
    pub(super) fn unique(&mut self, id: String) -> String {
        let mut n = *self.used.entry(id.clone()).and_modify(|n| *n += 1).or_insert(1);
        if n == 1 {
            return id;
        }
        loop {
            let candidate = format!("{id}-{n}");
            if !self.used.contains_key(&candidate) {
                self.used.insert(candidate.clone(), 1);
                self.used.insert(id, n);
                return candidate;
            }
            n += 1;
        }
    }
}

/// A document, ready to be understood.
pub(super) struct Document<'r> {
    pub(super) file: &'r str,
    pub(super) text: &'r str,
    pub(super) places: &'r Places<'r>,
    pub(super) front: Frontmatter,
    pub(super) body_start: usize,
    pub(super) siblings: &'r dyn Fn(&str) -> bool,
    /// What people said of blocks that nothing tells for certain.
    pub(super) settled: &'r Settled,
    pub(super) findings: Findings,
}

/// Reads a document into a workflow without diagnostics, which the findings become.
pub(super) fn infer(document: Document<'_>) -> (Workflow, Findings) {
    let blocks = markdown::parse(document.text, document.body_start);
    let mut reader = Reader {
        places: document.places,
        file: document.file,
        siblings: document.siblings,
        settled: document.settled,
        front: document.front,
        findings: document.findings,
        literals: Vec::new(),
        literal_spans: Vec::new(),
        reads: BTreeMap::new(),
        set: HashSet::new(),
        placeholders: Vec::new(),
        workloads: Vec::new(),
        calls: Vec::new(),
        siblings_found: HashMap::new(),
        in_rollback: false,
        step_ids: Ids::default(),
        gate_ids: Ids::default(),
        check_ids: Ids::default(),
        command_ids: Ids::default(),
        criterion_ids: Ids::default(),
    };
    let workflow = reader.workflow(document.text, &blocks);
    (workflow, reader.findings)
}

impl<'r> Reader<'r> {
    fn workflow(&mut self, text: &str, blocks: &[Block]) -> Workflow {
        let outline = Outline::of(blocks);
        self.note_frontmatter();
        for call in self.front.calls.clone() {
            self.call(&call.value, call.span);
        }
        let stem = stem(self.file);
        let title = outline
            .title
            .map(|inline| inline.text.trim().to_owned())
            .or_else(|| self.front.title.clone())
            .or_else(|| self.front.name.clone())
            .unwrap_or_else(|| stem.to_owned());

        let mut workflow = Workflow {
            file: self.file.to_owned(),
            sha256: String::new(),
            text: text.to_owned(),
            name: self.front.name.clone().unwrap_or_else(|| stem.to_owned()),
            description: self.front.description.clone(),
            title: title.clone(),
            language: vocabulary::language(&prose(blocks)),
            goal: None,
            roles: Vec::new(),
            calls: Vec::new(),
            called: None,
            settled: self.settled.clone(),
            params: Vec::new(),
            targets: Vec::new(),
            nginx: self.front.nginx.clone(),
            irreversible: self.front.irreversible.iter().map(|entry| entry.value.clone()).collect(),
            gates: Vec::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
            rollback: RollbackSection::default(),
            errors: Vec::new(),
            escalation: Vec::new(),
            annotations: Vec::new(),
            queries: std::collections::BTreeMap::new(),
            diagnostics: Vec::new(),
        };
        let has_steps = outline.chapters.iter().any(|chapter| chapter.part == Part::Step)
            || outline
                .chapters
                .iter()
                .any(|chapter| chapter.part == Part::Steps && chapter.blocks().any(outline::holds_work));
        let mut outputs = Vec::new();
        let mut rollback_ids = Numbering::new("rollback");
        for chapter in &outline.chapters {
            self.chapter(chapter, has_steps, &title, &mut workflow, &mut outputs, &mut rollback_ids);
        }
        for list in outputs {
            // Only now every command has told which workloads there are to look at.
            workflow.outputs.extend(self.outputs(list));
        }
        if workflow.steps.is_empty() {
            workflow.steps = self.bare_lists(&outline, &title);
        }
        carried::carry_forward(&mut workflow.steps, &mut workflow.rollback.commands);
        mark_production(&mut workflow.steps, &self.workloads);
        self.place_poll(&mut workflow.steps);
        workflow.rollback.policy = self.policy(&workflow.rollback);
        workflow.params = self.params();
        workflow.targets = self.targets();
        workflow.roles = self.roles(&workflow);
        workflow.calls = std::mem::take(&mut self.calls);
        self.note_counts(&workflow);
        workflow
    }

    fn chapter<'d>(
        &mut self,
        chapter: &Chapter<'d>,
        has_steps: bool,
        title: &str,
        workflow: &mut Workflow,
        outputs: &mut Vec<&'d markdown::List>,
        rollback_ids: &mut Numbering,
    ) {
        let heading = chapter.heading.map_or(title, |heading| heading.inline.text.trim());
        let offset = chapter.heading.map_or_else(
            || chapter.blocks().find_map(first_offset).unwrap_or(0),
            |heading| heading.inline.span.start,
        );
        let (number, words) = outline::numbered(heading);
        let opening = Opening { number, title: &words, offset };
        let has_boxes = chapter.blocks().any(outline::holds_boxes);
        let has_commands = chapter.blocks().any(holds_commands);
        match chapter.part {
            Part::Goal => {
                let told = chapter.blocks().find_map(|block| match block {
                    Block::Paragraph(inline) => Some(inline.text.trim().to_owned()),
                    _ => None,
                });
                workflow.goal = workflow.goal.take().or(told);
                self.note_unreachable(chapter);
            }
            Part::Prerequisites if has_commands => {
                // A gate cannot run anything, a step before all others can, and closes like one.
                workflow.steps.push(self.step(opening, &chapter.bodies));
            }
            Part::Prerequisites => workflow.gates.extend(self.gate(chapter, opening, has_boxes)),
            Part::Step => {
                let step = self.step(opening, &chapter.bodies);
                workflow.steps.push(self.with_work(step, opening));
            }
            Part::Steps => {
                if chapter.blocks().any(outline::holds_work) {
                    workflow.steps.extend(self.steps_without_headings(opening, &chapter.bodies));
                }
            }
            Part::Front if has_boxes || has_commands => {
                workflow.steps.extend(self.steps_without_headings(opening, &chapter.bodies));
            }
            Part::Other if !has_steps && (has_boxes || has_commands) => {
                if outline::has_numbered_steps(&chapter.bodies) {
                    workflow.steps.extend(self.steps_without_headings(opening, &chapter.bodies));
                } else {
                    workflow.steps.push(self.step(opening, &chapter.bodies));
                }
            }
            Part::Other if has_boxes => {
                // Boxes under words we do not know are shown, but nothing waits for them.
                let mut step = self.step(opening, &chapter.bodies);
                step.gating = false;
                for check in step.groups.iter_mut().flat_map(|group| &mut group.checks) {
                    check.optional = true;
                }
                self.note_unreachable(chapter);
                workflow.steps.push(step);
            }
            Part::Other if !has_steps && chapter.in_a_row => {
                let step = self.step(opening, &chapter.bodies);
                workflow.steps.push(self.with_work(step, opening));
            }
            Part::Front | Part::Other => self.note_references(chapter),
            Part::Outputs => {
                outputs.extend(chapter.blocks().filter_map(|block| match block {
                    Block::List(list) => Some(list),
                    _ => None,
                }));
            }
            Part::Rollback => self.rollback(chapter, rollback_ids, &mut workflow.rollback),
            Part::Criteria => self.criteria_chapter(chapter, &mut workflow.rollback),
            Part::Errors => workflow.errors.extend(self.errors(chapter)),
            Part::Escalation => workflow.escalation.extend(self.escalation(chapter)),
        }
    }

    fn gate(&mut self, chapter: &Chapter<'_>, opening: Opening<'_>, has_boxes: bool) -> Option<Gate> {
        let id = self.gate_ids.unique(vocabulary::slug(opening.title, "gate"));
        let which = if has_boxes { Which::Boxes } else { Which::Bullets };
        let mut checks: Vec<Check> = Vec::new();
        let under = Under { path: &id, condition: "" };
        for block in chapter.blocks() {
            match block {
                Block::List(list) => checks.extend(self.checks(list, under, which).checks),
                Block::Quote(blocks) => {
                    for block in blocks {
                        if let Block::List(list) = block {
                            checks.extend(self.checks(list, under, which).checks);
                        }
                    }
                }
                _ => {}
            }
        }
        // A gate runs nothing, so no outcome of a command belongs beside its checks.
        checks.iter_mut().for_each(|check| check.evidence.retain(|kind| *kind != EvidenceKind::Command));
        let place = self.places.at(opening.offset);
        let gate = Gate { id: GateId(id), title: opening.title.to_owned(), place, checks };
        (!gate.checks.is_empty()).then_some(gate)
    }

    fn note_unreachable(&mut self, chapter: &Chapter<'_>) {
        for block in chapter.blocks() {
            if let Block::List(list) = block {
                list.items.iter().for_each(|item| self.note_unreachable_box(item));
            }
        }
    }

    /// Blocks of a chapter that is not walked through: what they would do is still worth a remark.
    fn note_references(&mut self, chapter: &Chapter<'_>) {
        let mut ids = Numbering::new("reference");
        for block in chapter.blocks() {
            if let Block::Code(code) = block {
                if commands::is_runnable(code) {
                    let why = "a block outside the steps is not run".to_owned();
                    self.findings.note(Rule::ReferenceNotRun, code.span.clone(), why);
                } else {
                    // Read for its remarks alone.
                    self.command(code, None, &mut ids);
                }
            }
        }
    }

    fn note_frontmatter(&mut self) {
        for problem in self.front.problems.clone() {
            let rule = match problem.kind {
                ProblemKind::Broken => Rule::FrontmatterBroken,
                ProblemKind::Value => Rule::FrontmatterValue,
            };
            self.findings.note(rule, problem.span, problem.message);
        }
    }

    fn place_poll(&self, steps: &mut [Step]) {
        let roles = self.front.roles.iter().map(|role| RoleName(role.value.clone())).collect();
        poll_before_production(steps, roles);
    }

    fn roles(&self, workflow: &Workflow) -> Vec<Role> {
        let mut roles: Vec<Role> = Vec::new();
        let declared = self.front.roles.iter().map(|role| (RoleName(role.value.clone()), true));
        let escalated =
            workflow.escalation.iter().flat_map(|line| &line.roles).map(|role| (role.clone(), false));
        for (name, declared) in declared.chain(escalated) {
            if !roles.iter().any(|known| known.name == name) {
                roles.push(Role { name, declared });
            }
        }
        roles
    }

    /// The declared targets in their order, then what else the commands change; when nothing
    /// changes a workload by name, those that the document looks at.
    fn targets(&mut self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for entry in self.front.targets.clone() {
            match programs::target(&entry.value) {
                Some(target) => targets.push(target),
                None => {
                    let message = format!(
                        "target `{}` is no kind/name; write deployment/app, statefulset/db, daemonset/agent or rollout/app",
                        entry.value
                    );
                    self.findings.note(Rule::FrontmatterValue, entry.span, message);
                }
            }
        }
        let declared = !targets.is_empty();
        let changes = self.workloads.iter().any(|named| named.changes);
        for named in self.workloads.iter() {
            let known = targets.iter_mut().find(|target| is_same(target, &named.target));
            match known {
                Some(known) => complete(known, &named.target),
                None if named.changes || !(changes || declared) => targets.push(named.target.clone()),
                None => {}
            }
        }
        targets
    }

    fn note_counts(&mut self, workflow: &Workflow) {
        for span in std::mem::take(&mut self.literal_spans) {
            self.findings.note(Rule::LiteralVersion, span, workflow.params[0].default.clone());
        }
        if workflow.steps.is_empty() {
            self.findings.note(Rule::NoSteps, 0..0, String::new());
        }
        let gates = workflow.gates.iter().map(|gate| (gate.place, &gate.checks));
        let groups =
            workflow.steps.iter().flat_map(|step| &step.groups).map(|group| (group.place, &group.checks));
        let lists: Vec<_> = gates.chain(groups).collect();
        for (place, checks) in &lists {
            if checks.len() > MAX_CHECKS {
                self.findings.note_at(Rule::LongChecklist, *place, checks.len().to_string());
            }
        }
        let checks = || lists.iter().flat_map(|(_, checks)| checks.iter());
        if let Some(first) = checks().next()
            && checks().all(|check| check.probe.is_none())
        {
            self.findings.note_at(Rule::NoAutomaticCheck, first.place, checks().count().to_string());
        }
    }
}

/// The step before the first one that names production asks these roles, or whoever is there.
pub(in crate::workflow) fn poll_before_production(steps: &mut [Step], mut roles: Vec<RoleName>) {
    let Some(production) = steps.iter().position(|step| vocabulary::names_production(&step.title)) else {
        return;
    };
    let Some(before) = production.checked_sub(1).and_then(|before| steps.get_mut(before)) else { return };
    roles.dedup();
    if roles.is_empty() {
        roles.push(RoleName(ANYONE.into()));
    }
    before.poll = Some(Poll { roles });
}

/// Whether two mentions mean one workload: what one of them leaves open does not tell them apart.
fn is_same(a: &Target, b: &Target) -> bool {
    let agree = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
    a.kind == b.kind && a.name == b.name && agree(&a.namespace, &b.namespace) && agree(&a.context, &b.context)
}

fn complete(known: &mut Target, more: &Target) {
    known.namespace = known.namespace.take().or_else(|| more.namespace.clone());
    known.context = known.context.take().or_else(|| more.context.clone());
    known.container = known.container.take().or_else(|| more.container.clone());
}

/// From the first step named after production on; without such a name, from the first step that
/// changes a workload on.
fn mark_production(steps: &mut [Step], workloads: &[Named]) {
    let named = steps.iter().position(|step| vocabulary::names_production(&step.title));
    let first = named.or_else(|| {
        let changed: Vec<&str> =
            workloads.iter().filter(|named| named.changes).map(|named| named.target.name.as_str()).collect();
        steps.iter().position(|step| {
            step.commands.iter().any(|command| {
                let script = super::shell::scan(&command.text);
                let mut named = script.commands().flat_map(programs::workloads);
                named.any(|named| named.changes && changed.contains(&named.target.name.as_str()))
            })
        })
    });
    let before = first.unwrap_or(steps.len());
    for step in steps.iter_mut().skip(before) {
        step.production = true;
    }
}

/// Commands, or what may be some: a block that gonogo is unsure of is still part of a step.
fn holds_commands(block: &Block) -> bool {
    match block {
        Block::Code(code) => commands::is_work(code),
        Block::List(list) => list.items.iter().any(|item| item.blocks.iter().any(holds_commands)),
        Block::Quote(blocks) => blocks.iter().any(holds_commands),
        Block::Paragraph(_) => calls::is_call(block),
        Block::Heading(_) | Block::Table(_) => false,
    }
}

fn first_offset(block: &Block) -> Option<usize> {
    match block {
        Block::Heading(heading) => Some(heading.inline.span.start),
        Block::Paragraph(inline) => Some(inline.span.start),
        Block::Code(code) => Some(code.span.start),
        Block::List(list) => list.items.first().map(|item| item.span.start),
        Block::Quote(blocks) => blocks.iter().find_map(first_offset),
        Block::Table(table) => table.header.first().map(|cell| cell.span.start),
    }
}

/// A sample of what people read, without code.
fn prose(blocks: &[Block]) -> String {
    fn add(inline: &Inline, prose: &mut String) {
        prose.push_str(&inline.text);
        prose.push('\n');
    }
    fn walk(blocks: &[Block], prose: &mut String) {
        for block in blocks {
            if prose.len() > LANGUAGE_SAMPLE {
                return;
            }
            match block {
                Block::Heading(heading) => add(&heading.inline, prose),
                Block::Paragraph(inline) => add(inline, prose),
                Block::List(list) => list.items.iter().for_each(|item| walk(&item.blocks, prose)),
                Block::Quote(blocks) => walk(blocks, prose),
                Block::Table(table) => table.rows.iter().flatten().for_each(|cell| add(cell, prose)),
                Block::Code(_) => {}
            }
        }
    }
    let mut prose = String::new();
    walk(blocks, &mut prose);
    prose
}

/// The file's name without folders and without `.md`.
fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".md").or_else(|| name.strip_suffix(".markdown")).unwrap_or(name)
}

/// The file names that a called workflow may have next to this file: `rollback.md`, and beside
/// `release.en.md` first `rollback.en.md`.
fn sibling_files(file: &str, name: &str) -> Vec<String> {
    // A call names a workflow next to the file, never a way to somewhere else.
    if name.contains(['/', '\\']) || name.starts_with('.') || name.is_empty() {
        return Vec::new();
    }
    let name = name.strip_suffix(".md").unwrap_or(name);
    let variant = stem(file).split_once('.').map(|(_, variant)| format!("{name}.{variant}.md"));
    variant.into_iter().chain([format!("{name}.md")]).collect()
}
