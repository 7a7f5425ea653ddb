//! The practice CI: runs that a pushed tag or a dispatch starts, and what they do at their end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::Refusal;
use super::store::Kind;
use super::{World, after, key};
use crate::rehearsal::scenario::tag_of;

/// World seconds until a build is done, and until the production pipeline deploys.
const BUILD_S: f64 = 60.0;
const DEPLOY_S: f64 = 45.0;
/// A runner is found this late.
const QUEUE_S: f64 = 4.0;

/// One run of a workflow, with the words GitHub uses for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: u64,
    /// The file as dispatched: `deploy.yml`.
    pub workflow: String,
    pub title: String,
    /// Tag or branch.
    pub reference: String,
    pub event: Trigger,
    pub created: Timestamp,
    pub started: Timestamp,
    pub ends: Timestamp,
    pub done: bool,
    /// What the run does when it ends.
    pub deploys: bool,
    /// Set when the run could not do its work.
    pub failure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Push,
    WorkflowDispatch,
}

impl Trigger {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::WorkflowDispatch => "workflow_dispatch",
        }
    }
}

impl Run {
    pub fn next_due(&self) -> Option<Timestamp> {
        (!self.done).then_some(self.ends)
    }

    /// `queued`, `in_progress` or `completed`.
    pub fn status(&self, now: Timestamp) -> &'static str {
        if self.done {
            "completed"
        } else if now < self.started {
            "queued"
        } else {
            "in_progress"
        }
    }

    /// `success` or `failure`; empty while it runs.
    pub fn conclusion(&self) -> &'static str {
        match (self.done, &self.failure) {
            (false, _) => "",
            (true, None) => "success",
            (true, Some(_)) => "failure",
        }
    }
}

impl World {
    /// Whether a push of this tag was seen before.
    pub fn knows_tag(&self, tag: &str) -> bool {
        self.runs.iter().any(|run| run.event == Trigger::Push && run.reference == tag)
    }

    /// The CI noticed a pushed tag.
    pub fn tag_pushed(&mut self, tag: &str) -> u64 {
        self.begin_run("build.yml", &format!("Build {tag}"), tag, Trigger::Push, BUILD_S, false)
    }

    /// Somebody started a workflow by hand. One with `prod` in its name deploys `reference`.
    pub fn dispatch(&mut self, workflow: &str, reference: &str) -> u64 {
        let deploys = workflow.contains("prod");
        let name = workflow.trim_end_matches(".yml").trim_end_matches(".yaml");
        let seconds = if deploys { DEPLOY_S } else { BUILD_S };
        self.begin_run(
            workflow,
            &format!("{name} {reference}"),
            reference,
            Trigger::WorkflowDispatch,
            seconds,
            deploys,
        )
    }

    fn begin_run(
        &mut self,
        workflow: &str,
        title: &str,
        reference: &str,
        event: Trigger,
        seconds: f64,
        deploys: bool,
    ) -> u64 {
        let id = self.runs.last().map_or(7_412_380_001, |run| run.id + 1 + self.dice.roll() % 90);
        self.runs.push(Run {
            id,
            workflow: workflow.into(),
            title: title.into(),
            reference: reference.into(),
            event,
            created: self.now,
            started: after(self.now, QUEUE_S),
            ends: after(self.now, seconds),
            done: false,
            deploys,
            failure: None,
        });
        id
    }

    /// Gives the first Deployment another version of the image that it has.
    pub fn deploy(&mut self, version: &str) -> Result<(), Refusal> {
        let Some(app) = self.deployments.first().map(|app| app.meta.clone()) else { return Ok(()) };
        let object = self.object(&key(Kind::Deployment, &app.namespace, &app.name))?;
        let image = object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        let bare = image.strip_suffix(&format!(":{}", tag_of(image))).unwrap_or(image);
        self.set_image(&app.namespace, &app.name, &format!("{bare}:{version}"))
    }

    pub(super) fn finish_runs(&mut self) {
        let now = self.now;
        let due: Vec<usize> = (0..self.runs.len())
            .filter(|&index| self.runs[index].next_due().is_some_and(|at| at <= now))
            .collect();
        for index in due {
            self.runs[index].done = true;
            if self.runs[index].deploys {
                let reference = self.runs[index].reference.clone();
                if let Err(problem) = self.deploy(&reference) {
                    self.runs[index].failure = Some(problem.to_string());
                }
            }
        }
    }
}
