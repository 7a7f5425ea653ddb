//! What the operator is looking at. Losing all of it would lose nothing of the release.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use regex::Regex;
use tui_input::Input;

use super::edited::Edited;
use super::known::KnownOf;
use super::rows::Row;
use super::themes::ThemeChoices;
use crate::app::keymap::Key;
use crate::app::msg::OutputLine;
use crate::release::ReleaseId;
use crate::watch::logs::LogView;
use crate::watch::rollout::argo::Order;
use crate::watch::{Moment, TargetRef, TerminalScreen};
use crate::workflow::{BlockPrint, CheckId, CommandId, CriterionId, RoleName, StepId, Workflow};

/// Lines kept of one attempt's output; the file beside the journal has more.
pub const OUTPUT_LINES: usize = 4_000;

#[derive(Debug, Default)]
pub struct View {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    pub focus: Pane,
    pub zoom: bool,
    /// `None` follows the current item.
    pub cursor: Option<Row>,
    /// Sections that the operator opened by hand.
    pub opened: BTreeSet<Row>,
    pub panel: Option<Panel>,
    /// The workload that the rollout pane shows; `None` follows the one that most needs a look.
    pub target: Option<TargetRef>,
    pub prompt: Option<Prompt>,
    /// The answer to the last key that could not do what was asked, or did something unseen.
    pub flash: Option<Flash>,
    pub log: LogPane,
    pub outputs: BTreeMap<(CommandId, u32), Output>,
    /// Whether the rollback panel that is open has been on the screen: before that `Y` is nothing.
    pub rollback_painted: bool,
    /// UID of the pod that this panel named: no other is deleted by its key.
    pub blocker_painted: Option<String>,
    /// A reason typed before `Y`, to go with it.
    pub rollback_reason: Option<String>,
    /// The start panel as it was left, while another panel covers it.
    pub start: Option<StartForm>,
    /// The last key and its moment: a held key must not tick its way through a list.
    pub last_press: Option<(Key, Moment)>,
    /// The next key was typed before the frame with what the last one did could be read.
    pub typed_ahead: bool,
    /// Panes with news since they were last seen, for the tabs of a narrow screen.
    pub news: BTreeSet<Pane>,
    /// First visible line of the panel that is open.
    pub panel_scroll: u16,
    /// What lies on disk, when that is no longer the document that the release runs.
    pub edited: Option<Arc<Edited>>,
    /// What the terminals of commands showed last, the newest at the end.
    pub terminals: Vec<((CommandId, u32), TerminalScreen)>,
    pub themes: ThemeChoices,
    /// Bumped to force a whole repaint.
    pub redraws: u32,
}

impl View {
    /// The screen of a command that has or had a terminal.
    pub fn terminal(&self, command: &CommandId, attempt: u32) -> Option<&TerminalScreen> {
        let mut known = self.terminals.iter();
        known.find(|((id, n), _)| id == command && *n == attempt).map(|(_, screen)| screen)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pane {
    #[default]
    Checklist,
    Rollout,
    Signals,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    pub at: Moment,
    pub text: String,
    pub is_refusal: bool,
}

/// What covers the right side of the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Panel {
    /// Parameters, roster, preflight: before the release begins.
    Start(StartForm),
    Run(RunPanel),
    /// A block that may be commands or not: what it is, a person says here.
    Unclear(BlockPrint),
    /// A command whose end was not seen.
    Doubt {
        command: CommandId,
        attempt: u32,
    },
    Output {
        command: CommandId,
        attempt: u32,
    },
    /// The terminal of a command: keys go to it.
    Terminal {
        command: CommandId,
        attempt: u32,
    },
    Rollback {
        diff: bool,
    },
    /// What an order to an Argo Rollout will do, before it is given.
    Order {
        target: TargetRef,
        order: Order,
    },
    /// The document's own rollback commands, when gonogo has no target.
    RollbackCommands {
        selected: usize,
    },
    Poll(StepId),
    /// What taking over the edited document would do, and the text that it is about.
    Reload(Arc<Edited>),
    /// Who holds the lock, and what can be done about it.
    Lock,
    /// Which criterion to declare, withdraw or override.
    Criteria {
        selected: usize,
        overriding: bool,
    },
    /// The release can be completed: what is pending and what was overridden.
    Finish,
    People {
        selected: usize,
    },
    /// What rolls back by itself, to be withdrawn.
    Policy {
        selected: usize,
    },
    /// Which workloads to watch, when the namespace has more than a few.
    Workloads {
        selected: usize,
        marked: BTreeSet<TargetRef>,
    },
    Palette {
        selected: usize,
    },
    Themes {
        selected: usize,
    },
    /// Whom to call.
    Escalation {
        selected: usize,
    },
    /// Rows of the document's error table that speak of a failure.
    Known(KnownOf),
    Help,
    OwnLog,
    Quit,
    /// Text of a block that is not run, or of a long item.
    /// As Markdown.
    Report {
        text: String,
    },
    Text {
        title: String,
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct StartForm {
    /// Parameters, then people, then unclear blocks, then what may roll back by itself.
    pub fields: Vec<Field>,
    pub selected: usize,
    /// Parameters that the document does not ask for at the moment, with what was typed.
    aside: Vec<Field>,
}

impl StartForm {
    pub fn new(fields: Vec<Field>, document: &Workflow) -> Self {
        let mut form = Self { fields, selected: 0, aside: Vec::new() };
        form.fit(document);
        form
    }

    /// Makes its fields those that the document asks for now; what was typed stays, and so does what is
    /// selected.
    pub fn fit(&mut self, document: &Workflow) {
        let selected = self.fields.get(self.selected).map(|field| field.kind.clone());
        let is_param = |field: &Field| matches!(field.kind, FieldKind::Param(_) | FieldKind::Secret(_));
        let is_block = |field: &Field| matches!(field.kind, FieldKind::Block(_));
        let kept = self.fields.drain(..).filter(|field| !is_block(field));
        let (known, rest): (Vec<Field>, Vec<Field>) = kept.partition(is_param);
        self.aside.extend(known);
        let mut params = Vec::new();
        for param in document.params.iter().filter(|param| param.is_asked()) {
            let kind = match param.is_secret() {
                true => FieldKind::Secret(param.name.clone()),
                false => FieldKind::Param(param.name.clone()),
            };
            params.push(match self.aside.iter().position(|field| field.kind == kind) {
                Some(known) => self.aside.remove(known),
                None => {
                    let (value, note) = (param.preset.clone(), param.about.clone());
                    Field { kind, value: value.unwrap_or_default(), note: note.unwrap_or_default() }
                }
            });
        }
        let blocks = document.settlings().into_iter().filter_map(|command| command.settling.as_ref());
        let blocks = blocks.map(|settling| Field {
            kind: FieldKind::Block(settling.block.clone()),
            value: String::new(),
            note: String::new(),
        });
        let is_role = |field: &Field| matches!(field.kind, FieldKind::Role(_));
        let (people, policies): (Vec<Field>, Vec<Field>) = rest.into_iter().partition(is_role);
        self.fields = params.into_iter().chain(people).chain(blocks).chain(policies).collect();
        let again = selected.and_then(|kind| self.fields.iter().position(|field| field.kind == kind));
        self.selected = again.unwrap_or(self.selected).min(self.fields.len().saturating_sub(1));
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub kind: FieldKind,
    /// Of a secret only that there is one.
    pub value: String,
    /// The document's example, or why the field matters.
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    Param(String),
    /// Its value is kept in [`super::Model::secrets`] alone.
    Secret(String),
    Role(RoleName),
    /// A block that may be commands or not.
    Block(BlockPrint),
    /// A criterion on which the release may roll back by itself, once it is accepted.
    Policy(CriterionId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPanel {
    pub command: CommandId,
    pub choice: Option<usize>,
    /// The operator has seen that the text leads to another cluster than the release's.
    pub elsewhere_seen: bool,
    /// The operator's own text in place of the document's.
    pub edited: Option<String>,
    /// It is to have a terminal of its own.
    pub tty: bool,
}

/// One line of text that is being typed. Nothing typed here is ever a key.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub purpose: Purpose,
    pub input: Input,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    NoGoCheck(CheckId),
    Skip(Row),
    NotApplicable(Row),
    Override(CheckId),
    NoGoPoll {
        step: StepId,
        role: RoleName,
    },
    Abstain {
        step: StepId,
        role: RoleName,
    },
    RoleNotApplicable {
        step: StepId,
        role: RoleName,
    },
    Staff(RoleName),
    /// Who sits at the keyboard from now on.
    Keyboard,
    /// Who confirms a check that several people confirm.
    Approve(CheckId),
    /// What was seen, by whom if it is not the one who sits here.
    Typed {
        check: CheckId,
        person: Option<String>,
    },
    Declare {
        criterion: CriterionId,
        met: bool,
    },
    OverrideCriterion(CriterionId),
    ShortenSoak {
        step: StepId,
        role: RoleName,
    },
    /// From the release that holds it, if it is one.
    TakeLock {
        from: Option<ReleaseId>,
    },
    GiveLock,
    Hold,
    Note,
    /// How the level of escalation was called.
    Called(usize),
    RollbackReason,
    Abort,
    EditCommand,
    /// The word that the document asks for before what the panel shows runs.
    TypeToRun(RunPanel),
    Field(usize),
    /// A secret that a command reads and this process has not got.
    Secret(String),
    Doubt {
        command: CommandId,
        attempt: u32,
        succeeded: bool,
    },
    Search,
    Filter,
    Palette,
}

/// The log pane. Reading, storing and counting go on whatever it shows.
#[derive(Debug, Default)]
pub struct LogPane {
    pub view: LogView,
    pub wrap: bool,
    pub timestamps: bool,
    pub search: Option<Regex>,
    /// The line that the last search stands on.
    pub match_at: Option<u64>,
    /// JSON as the container wrote it, instead of message, level and the rest.
    pub raw_json: bool,
    /// Lines marked for copying or saving.
    pub selection: Option<Selection>,
    /// The filter as it was typed.
    pub filter: Option<String>,
    /// Columns scrolled to the right.
    pub column: u16,
    /// Rows of log that the last frame had room for.
    pub height: u16,
}

/// A range of log lines, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    pub anchor: u64,
    /// The end that moves.
    pub cursor: u64,
}

impl Selection {
    pub fn range(self) -> (u64, u64) {
        (self.anchor.min(self.cursor), self.anchor.max(self.cursor))
    }

    pub fn contains(self, number: u64) -> bool {
        let (first, last) = self.range();
        (first..=last).contains(&number)
    }
}

/// The tail of one attempt's output.
#[derive(Debug, Clone, Default)]
pub struct Output {
    pub lines: VecDeque<OutputLine>,
    /// Lines that are no longer here, for whatever bound.
    pub cut: u64,
}

impl Output {
    pub fn push(&mut self, line: OutputLine) {
        if self.lines.len() == OUTPUT_LINES {
            self.lines.pop_front();
            self.cut += 1;
        }
        self.lines.push_back(line);
    }
}
