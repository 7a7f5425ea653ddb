//! A screen without a release: what is looked at, and what means anything then.

use std::sync::Arc;

use super::{Mode, Model, Seen};
use crate::app::action::Action;
use crate::release::{Event, Fact, Release, ReleaseId, SignalSources};
use crate::watch::{Moment, TargetRef};
use crate::workflow::{self, Source};

/// What `gonogo watch` looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watching {
    pub context: String,
    pub namespace: String,
    pub targets: Vec<TargetRef>,
    /// All workloads of the namespace to choose from; empty until they were listed, or when the
    /// command line named what to watch.
    pub offered: Vec<TargetRef>,
}

/// The release of a document without a word: it has no step and no target, and never begins.
pub fn no_release(at: Moment) -> Release {
    let document = workflow::read(Source { file: "", bytes: b"", siblings: &|_| false });
    let opened = Fact::Opened {
        id: ReleaseId(String::new()),
        file: String::new(),
        sha256: document.sha256.clone(),
        title: String::new(),
        targets: Vec::new(),
        context: None,
        directory: String::new(),
        signals: SignalSources::default(),
        practice: None,
        called: None,
        settled: Default::default(),
    };
    let opened = Event { at, by: None, fact: opened };
    let (release, _) = Release::open(Arc::new(document), &opened).expect("the document is its own");
    release
}

impl Model {
    /// The workloads that are watched.
    pub fn targets(&self) -> &[TargetRef] {
        match &self.mode {
            Mode::Watching(watching) => &watching.targets,
            Mode::Driving | Mode::Following { .. } => &self.state().targets,
        }
    }

    /// The workload that the rollout pane shows: the one that was chosen, or else the one that most
    /// needs a look, the first of them in release order.
    pub fn shown(&self) -> Option<&Seen> {
        let seen = |target: &TargetRef| self.observed.workloads.get(target);
        if let Some(chosen) = self.chosen() {
            return seen(chosen);
        }
        let needs = |seen: &&Seen| std::cmp::Reverse(seen.verdict.state.urgency());
        self.targets().iter().filter_map(seen).min_by_key(needs)
    }

    /// The workload that a person chose to see, as long as it is watched.
    pub fn chosen(&self) -> Option<&TargetRef> {
        self.view.target.as_ref().filter(|target| self.targets().contains(target))
    }

    /// What is looked at without a release; `None` when there is one.
    pub fn watching(&self) -> Option<&Watching> {
        match &self.mode {
            Mode::Watching(watching) => Some(watching),
            Mode::Driving | Mode::Following { .. } => None,
        }
    }

    /// Whether an action means anything here: without a release those of a release do not, and what
    /// the command line names is not chosen.
    pub fn knows(&self, action: Action) -> bool {
        match &self.mode {
            Mode::Watching(watching) => {
                let chooses = action.needs_choice() || action == Action::Choose;
                !action.needs_release() && (!chooses || !watching.offered.is_empty())
            }
            Mode::Driving | Mode::Following { .. } => !action.needs_choice(),
        }
    }

    /// One line for help and palette, in the words of this place.
    pub fn help(&self, action: Action) -> &'static str {
        match action {
            Action::Quit if self.watching().is_some() => "leave at once; nothing stays running",
            Action::Zoom if self.watching().is_some() => "give the focused pane the whole screen, and back",
            Action::Choose if self.watching().is_some() => "watch what is marked, or else what is selected",
            _ => action.help(),
        }
    }
}
