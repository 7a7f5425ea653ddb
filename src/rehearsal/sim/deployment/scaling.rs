//! How many pods each ReplicaSet of a Deployment may have.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Deployment, Pass};
use crate::rehearsal::sim::event::{About, News, Reporter};
use crate::rehearsal::sim::kind::Kind;
use crate::rehearsal::sim::replica_set::ReplicaSet;

impl Deployment {
    /// Surge and unavailable as pod counts; never both zero, or nothing could move.
    pub fn bounds(&self) -> (i32, i32) {
        if self.recreates() {
            return (0, self.desired());
        }
        let rolling = self.spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let desired = self.desired();
        let quarter = IntOrString::String("25%".into());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref()).unwrap_or(&quarter);
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&quarter);
        let surge = resolve(surge, desired, true);
        let unavailable = resolve(unavailable, desired, false);
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        (surge, unavailable.min(desired))
    }

    /// Whether `spec.replicas` was changed since the sets were last sized.
    pub(super) fn was_scaled(&self, pass: &Pass<'_>) -> bool {
        self.own(pass.sets)
            .filter(|set| set.replicas > 0)
            .any(|set| set.noted_desired().is_some_and(|noted| noted != self.desired()))
    }

    /// Follows a change of `spec.replicas` without moving the rollout: in proportion when several sets
    /// hold pods.
    pub(super) fn scale_active(&mut self, pass: &mut Pass<'_>) -> bool {
        let desired = self.desired();
        let (surge, _) = self.bounds();
        let active: Vec<(String, i32)> = {
            let mut active: Vec<&ReplicaSet> = self.own(pass.sets).filter(|set| set.replicas > 0).collect();
            active.sort_by_key(|set| std::cmp::Reverse(set.meta.created));
            active.iter().map(|set| (set.meta.name.clone(), set.replicas)).collect()
        };
        let mut wanted: Vec<(String, i32)> = Vec::new();
        match active.as_slice() {
            [] => {
                if let Some(name) = self.new_set_name(pass.sets) {
                    wanted.push((name, desired));
                }
            }
            [(only, _)] => wanted.push((only.clone(), desired)),
            several => {
                let present: i32 = several.iter().map(|(_, replicas)| replicas).sum();
                let allowed = if desired > 0 { desired + surge } else { 0 };
                let mut rest = allowed - present;
                for (index, (name, replicas)) in several.iter().enumerate() {
                    let share =
                        (f64::from(*replicas) * f64::from(allowed) / f64::from(present)).round() as i32;
                    let change = (share - replicas).clamp(rest.min(0), rest.max(0));
                    let last = index + 1 == several.len();
                    let change = if last { rest } else { change };
                    rest -= change;
                    wanted.push((name.clone(), (replicas + change).max(0)));
                }
            }
        }
        let mut changed = false;
        for (name, replicas) in wanted {
            let present = pass.sets.iter().find(|set| self.is_own(set, &name)).map_or(0, |set| set.replicas);
            if present != replicas {
                self.scale(pass, &name, replicas);
                changed = true;
            }
        }
        let uid = self.meta.uid.clone();
        for set in pass.sets.iter_mut().filter(|set| set.meta.is_controlled_by(&uid)) {
            changed |= set.note_replicas(desired, surge);
        }
        changed
    }

    pub(super) fn scale(&self, pass: &mut Pass<'_>, name: &str, replicas: i32) {
        let (surge, _) = self.bounds();
        let set =
            pass.sets.iter_mut().find(|set| self.is_own(set, name)).expect("only known sets are scaled");
        let from = set.replicas;
        set.replicas = replicas;
        set.meta.generation += 1;
        set.note_replicas(self.desired(), surge);
        let direction = if replicas > from { "up" } else { "down" };
        pass.news.push(News {
            about: About {
                kind: Kind::Deployment,
                namespace: self.meta.namespace.clone(),
                name: self.meta.name.clone(),
                uid: self.meta.uid.clone(),
                container: None,
            },
            reporter: Reporter::Deployments,
            node: None,
            warning: false,
            reason: "ScalingReplicaSet",
            message: format!("Scaled {direction} replica set {name} from {from} to {replicas}"),
        });
    }
}

/// Pods for a count or a share of `total`; a share of surge rounds up, of unavailable down.
pub fn resolve(value: &IntOrString, total: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(count) => (*count).max(0),
        IntOrString::String(text) => {
            let share = text.trim_end_matches('%').parse::<f64>().unwrap_or(0.0) * f64::from(total) / 100.0;
            (if up { share.ceil() } else { share.floor() }) as i32
        }
    }
}
