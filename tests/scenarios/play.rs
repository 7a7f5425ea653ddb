//! One scenario, played in one world.

use std::sync::LazyLock;

use gonogo::watch::rollout::RolloutState;
use gonogo::watch::{TargetRef, WorkloadFacts};
use regex::Regex;

use crate::hands::Hands;
use crate::manifests::NAME;
use crate::scenario::{Expected, Scenario, Step};
use crate::watching::Watching;
use crate::world::{OwnPractice, Which, World};

/// What one world told of one scenario.
#[derive(Debug, Clone)]
pub enum Told {
    Story(Story),
    /// The script could not be played to its end.
    Broken(String),
    NotHere(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    pub states: Vec<RolloutState>,
    /// As [`Expected::field`].
    pub field: String,
    pub reason: String,
}

impl Story {
    pub fn states(&self) -> String {
        self.states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" → ")
    }

    /// What differs from the expectation, if anything.
    pub fn differs(&self, expected: &Expected) -> Option<String> {
        let states: Vec<&str> = self.states.iter().map(|state| state.name()).collect();
        let wanted: Vec<&str> = expected.states.split_whitespace().collect();
        if !fits(&wanted, &states) {
            return Some(format!("states {}", self.states()));
        }
        if self.field != expected.field {
            return Some(format!("field `{}`", self.field));
        }
        (self.reason != expected.reason).then(|| format!("reason `{}`", self.reason))
    }
}

/// Whether the states are those wanted, in order; one with `?` may be missing.
fn fits(wanted: &[&str], states: &[&str]) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return states.is_empty() };
    let (name, optional) = first.strip_suffix('?').map_or((*first, false), |name| (name, true));
    (states.first() == Some(&name) && fits(rest, &states[1..])) || (optional && fits(rest, states))
}

/// Plays in a practice world of its own.
pub async fn practise(scenario: &Scenario) -> Told {
    if let Some(why) = scenario.absence(Which::Practice) {
        return Told::NotHere(why);
    }
    let own = OwnPractice::start().await;
    play(&own.world, scenario).await
}

pub async fn play(world: &World, scenario: &Scenario) -> Told {
    if let Some(why) = scenario.absence(world.which) {
        return Told::NotHere(why);
    }
    let slug = scenario.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase();
    let adopts = world.which == Which::Practice;
    let namespace = if adopts { "shop".to_owned() } else { slug };
    let hands = Hands::new(world.client.clone(), namespace, &scenario.workload);
    let told = run(world, scenario, &hands, adopts).await;
    if !adopts {
        hands.remove_namespace().await;
    }
    told.map_or_else(Told::Broken, Told::Story)
}

async fn run(world: &World, scenario: &Scenario, hands: &Hands, adopts: bool) -> Result<Story, String> {
    let refused = |what: &'static str| move |error: kube::Error| format!("{what}: {error}");
    if !adopts {
        hands.make_namespace().await.map_err(refused("namespace"))?;
    }
    for object in &scenario.around {
        hands.create(object).await.map_err(refused("create"))?;
    }
    if adopts {
        hands.patch(&scenario.workload).await.map_err(refused("adopt"))?;
    } else {
        hands.create(&scenario.workload).await.map_err(refused("create"))?;
    }
    let target = TargetRef {
        kind: hands.kind,
        namespace: hands.namespace.clone(),
        name: NAME.into(),
        container: Some("app".into()),
    };
    let mut watching = Watching::start(world, target, scenario.stuck_after_s).await;
    watching.until(RolloutState::Complete).await.map_err(|error| format!("before the release: {error}"))?;
    for step in &scenario.steps {
        match step {
            Step::Release(tag) => {
                watching.release(tag);
                hands.set_image(tag, None).await.map_err(refused("set image"))?;
            }
            Step::ReleaseWith(tag, also) => {
                watching.release(tag);
                hands.set_image(tag, Some(also)).await.map_err(refused("set image"))?;
            }
            Step::SetImage(tag) => hands.set_image(tag, None).await.map_err(refused("set image"))?,
            Step::Patch(patch) => hands.patch(patch).await.map_err(refused("patch"))?,
            Step::PatchOther(kind, name, patch) => {
                hands.patch_other(kind, name, patch).await.map_err(refused("patch"))?;
            }
            Step::Delete => hands.delete().await.map_err(refused("delete"))?,
            Step::Recreate => hands.create(&scenario.workload).await.map_err(refused("create"))?,
            Step::Until(state) => watching.until(*state).await?,
            Step::See(what, is_so) => watching.see(what, *is_so).await?,
            Step::Hold(seconds) => watching.hold(world.real(*seconds)).await,
        }
    }
    Ok(story(&watching))
}

fn story(watching: &Watching) -> Story {
    let verdict = watching.verdict().expect("the last step waited for a verdict");
    let mut states: Vec<RolloutState> = watching.path().to_vec();
    if states.last() != Some(&RolloutState::Unobserved) {
        states.retain(|state| *state != RolloutState::Unobserved);
        states.dedup();
    }
    Story {
        states,
        field: plain(&verdict.field, watching.facts()),
        reason: verdict.trouble.as_ref().map(|trouble| trouble.reason.clone()).unwrap_or_default(),
    }
}

/// The words without what differs from run to run.
fn plain(field: &str, facts: Option<&WorkloadFacts>) -> String {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+(\.\d+)*").expect("written here"));
    let mut field = field.to_owned();
    for pod in facts.iter().flat_map(|facts| &facts.pods) {
        field = field.replace(&pod.name, "POD");
    }
    NUMBER.replace_all(&field, "N").into_owned()
}
