//! One scenario, played in one world.

use std::time::Duration;

use gonogo::watch::TargetRef;
use gonogo::watch::rollout::RolloutState;
use tokio::time::timeout;

use crate::hands::Hands;
use crate::manifests::{NAME, on_own_nodes};
use crate::scenario::{Expected, Refusal, Scenario, Step};
use crate::watching::{PATIENCE, Watching};
use crate::world::{Which, World};

/// Between two tries of a refused eviction.
const RETRY: Duration = Duration::from_millis(250);
/// No scenario takes half as long; beyond it something hangs.
const LONGEST: Duration = Duration::from_secs(900);

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
    pub field: &'static str,
    pub reason: String,
    /// The same in words, for a person who must find out why it differs.
    pub words: String,
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
            return Some(format!("states {}: {}", self.states(), self.words));
        }
        if self.field != expected.field {
            return Some(format!("field `{}`: {}", self.field, self.words));
        }
        (self.reason != expected.reason).then(|| format!("reason `{}`: {}", self.reason, self.words))
    }
}

/// Whether the states are those wanted, in order: see [`Expected::states`].
fn fits(wanted: &[&str], states: &[&str]) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return states.is_empty() };
    let (names, may_miss, may_repeat) = match (first.strip_suffix('?'), first.strip_suffix('*')) {
        (Some(name), _) => (name, true, false),
        (_, Some(names)) => (names, true, true),
        _ => (*first, false, false),
    };
    let is_one = states.first().is_some_and(|state| names.split('|').any(|name| name == *state));
    (is_one && fits(if may_repeat { wanted } else { rest }, &states[1..])) || (may_miss && fits(rest, states))
}

pub async fn play(world: &World, scenario: &Scenario) -> Told {
    if let Some(why) = scenario.absence(world.which) {
        return Told::NotHere(why);
    }
    let namespace = scenario.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase();
    let hands = Hands::new(world.client.clone(), namespace, &scenario.workload);
    let told = match timeout(LONGEST, run(world, scenario, &hands)).await {
        Ok(told) => told,
        Err(_) => Err(format!("not over after {LONGEST:?}")),
    };
    hands.clean_up(scenario.nodes).await;
    told.map_or_else(Told::Broken, Told::Story)
}

async fn run(world: &World, scenario: &Scenario, hands: &Hands) -> Result<Story, String> {
    let refused = |what: &'static str| move |error: kube::Error| format!("{what}: {error}");
    hands.make_namespace(world.which != Which::Practice).await.map_err(refused("namespace"))?;
    hands.make_nodes(scenario.nodes).await.map_err(refused("node"))?;
    let workload = match scenario.nodes {
        0 => scenario.workload.clone(),
        _ => on_own_nodes(scenario.workload.clone(), &hands.namespace),
    };
    for object in scenario.around.iter().chain([&workload]) {
        hands.create(object).await.map_err(refused("create"))?;
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
            Step::PatchStatus(patch) => hands.patch_status(patch).await.map_err(refused("patch status"))?,
            Step::PatchOther(kind, name, patch) => {
                hands.patch_other(kind, name, patch).await.map_err(refused("patch"))?;
            }
            Step::Delete => hands.delete().await.map_err(refused("delete"))?,
            Step::Recreate => hands.create(&workload).await.map_err(refused("create"))?,
            Step::Cordon(number) => hands.cordon(*number, true).await.map_err(refused("cordon"))?,
            Step::Uncordon(number) => hands.cordon(*number, false).await.map_err(refused("uncordon"))?,
            Step::Empty(number, refusal) => empty(hands, &mut watching, *number, *refusal).await?,
            Step::FailLiveness => {
                let pod = watching.facts().and_then(|facts| facts.pods.first());
                let pod = pod.ok_or("no pod to fail")?.name.clone();
                let done = match world.which {
                    Which::Node => hands.stop_living(&pod).await,
                    _ => hands.report_restart(&pod).await,
                };
                done.map_err(refused("fail liveness"))?;
            }
            Step::DeletePod(name) => hands.delete_pod(name).await.map_err(refused("delete pod"))?,
            Step::Until(state) => watching.until(*state).await?,
            Step::See(what, is_so) => watching.see(what, *is_so).await?,
            Step::Hold(seconds) => watching.hold(world.real(*seconds)).await,
        }
    }
    Ok(story(&watching))
}

/// Empties a node as `kubectl drain` does; a refused eviction is tried again when something changed.
async fn empty(
    hands: &Hands,
    watching: &mut Watching,
    number: usize,
    refusal: Refusal,
) -> Result<(), String> {
    let mut n_refused = 0;
    let emptied = timeout(PATIENCE, async {
        loop {
            let (left, refused) = hands.evict_all(number).await.map_err(|error| format!("evict: {error}"))?;
            if left == 0 {
                return Ok(());
            }
            n_refused += refused;
            // A budget's count follows the pods without our engine noticing.
            let _ = timeout(RETRY, watching.next()).await;
        }
    });
    emptied.await.unwrap_or_else(|_| Err("the node was never empty".to_owned()))?;
    match refusal {
        Refusal::Sometimes if n_refused == 0 => Err("no eviction was refused".to_owned()),
        Refusal::Never if n_refused > 0 => Err(format!("{n_refused} evictions were refused")),
        _ => Ok(()),
    }
}

fn story(watching: &Watching) -> Story {
    let verdict = watching.verdict().expect("the last step waited for a verdict");
    let mut states: Vec<RolloutState> = watching.path().to_vec();
    if states.last() != Some(&RolloutState::Unobserved) {
        states.retain(|state| *state != RolloutState::Unobserved);
        states.dedup();
    }
    let reason = verdict.reason().unwrap_or_default().to_owned();
    Story { states, field: verdict.decider, reason, words: watching.told() }
}
