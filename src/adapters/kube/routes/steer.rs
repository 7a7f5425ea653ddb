//! Sending traffic forward: names before weights, and capacity before traffic.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Traffic, find, served, shape, told, uid};
use crate::adapters::kube::error::KubeError;
use crate::release::{Held, RouteKind, RoutePin, RouteRef, Share, Shares};

/// Where traffic shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// These labels of the selector of a Service.
    Selector(BTreeMap<String, String>),
    /// These weights by subset, or by host where a route has none, of a VirtualService.
    Weights {
        weights: Vec<(String, u32)>,
        /// The name of the route, where several could be meant.
        route: Option<String>,
    },
}

/// A change that was looked at and would work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steering {
    /// As it shall be; its other parts are as they are.
    pub wanted: RoutePin,
    pub from: String,
    /// What was found in order, in words.
    pub fine: Vec<String>,
}

type Labels = BTreeMap<String, String>;

impl Traffic<'_> {
    /// Looks whether traffic can be sent there, and changes nothing.
    ///
    /// - `least`: so many ready pods are enough; else as many as take the same share now.
    /// - Errors: [`KubeError::NotNow`] with what is missing and the way out.
    pub async fn prove(
        &self,
        route: &RouteRef,
        wish: &Wish,
        least: Option<usize>,
    ) -> Result<Steering, KubeError> {
        let (version, now) = self.find(route).await?;
        let held = shape::held(route.kind, &now).ok_or_else(|| {
            refuse(route, "it steers nothing: it has no selector and no weights".to_owned())
        })?;
        if let Some(mover) = find::mover(route.kind, &now) {
            return Err(refuse(route, format!("{mover} moves it, and would move it back")));
        }
        let (wanted, fine) = match (wish, held) {
            (Wish::Selector(pairs), Held::Selector(selector)) => {
                self.prove_selector(route, pairs, &selector, least).await?
            }
            (Wish::Weights { weights, route: name }, Held::Shares(entries)) => {
                self.prove_weights(route, weights, name.as_deref(), &entries, least).await?
            }
            _ => return Err(refuse(route, "it is steered by something else".to_owned())),
        };
        let wanted = RoutePin {
            route: route.clone(),
            uid: uid(&now).to_owned(),
            api_version: version,
            held: wanted,
            to: Vec::new(),
            kept_by: None,
            limit: None,
        };
        Ok(Steering { from: told(&now, &wanted), wanted, fine })
    }

    async fn find(&self, route: &RouteRef) -> Result<(String, Value), KubeError> {
        let (_, _, versions) = served(route.kind);
        let mut missing = None;
        for version in versions {
            match self.read(route, version).await {
                Ok(object) => return Ok(((*version).to_owned(), object)),
                Err(error) if error.cause() == Some(super::Cause::NotFound) => {
                    missing.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(missing.unwrap_or_else(|| refuse(route, "no version of it is known".to_owned())))
    }

    async fn prove_selector(
        &self,
        route: &RouteRef,
        pairs: &Labels,
        selector: &Labels,
        least: Option<usize>,
    ) -> Result<(Held, Vec<String>), KubeError> {
        if let Some(key) = pairs.keys().find(|key| !selector.contains_key(*key)) {
            let known: Vec<&str> = selector.keys().map(String::as_str).collect();
            return Err(refuse(route, format!("its selector has no `{key}`; it has {}", known.join(", "))));
        }
        let mut wanted = selector.clone();
        wanted.extend(pairs.clone());
        let (leaves, wanted) = (Held::Selector(selector.clone()), Held::Selector(wanted));
        let (now, then) = (self.ready(route, &leaves, None).await?, self.ready(route, &wanted, None).await?);
        let needed = least.unwrap_or(now).max(1);
        if then < needed {
            let why = format!(
                "of the {needed} ready pods that its traffic takes {then} carry {wanted}: wait for them, or say \
                 --ready {then}"
            );
            return Err(refuse(route, why));
        }
        let fine =
            vec![format!("ready pods that carry {wanted}: {then}, those that take its traffic now: {now}")];
        Ok((wanted, fine))
    }

    async fn prove_weights(
        &self,
        route: &RouteRef,
        weights: &[(String, u32)],
        name: Option<&str>,
        entries: &[Shares],
        least: Option<usize>,
    ) -> Result<(Held, Vec<String>), KubeError> {
        let entry = choose(route, entries, weights, name)?;
        let host = entry.to.first().map(|share| share.host.clone()).unwrap_or_default();
        let sides = self.sides(route, &host).await?;
        let mut ready: Vec<(usize, &(String, u32))> = Vec::new();
        let mut wanted = Vec::new();
        for side in weights {
            let (subset, weight) = side;
            // A name before a weight: a mesh answers requests for a subset that nobody defined with an error.
            let (share, labels) = match sides.subsets.get(subset) {
                Some(labels) => {
                    let both = sides.selector.iter().chain(labels);
                    let labels: Labels = both.map(|(key, value)| (key.clone(), value.clone())).collect();
                    (
                        Share {
                            host: host.clone(),
                            subset: Some(subset.clone()),
                            port: None,
                            weight: *weight,
                        },
                        labels,
                    )
                }
                None => {
                    let known = entry.to.iter().find(|share| share.subset.is_none() && share.host == *subset);
                    let Some(known) = known else {
                        let known: Vec<&str> = sides.subsets.keys().map(String::as_str).collect();
                        let why = format!(
                            "no DestinationRule of {host} names the subset `{subset}`; there are {}: apply that first",
                            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                        );
                        return Err(refuse(route, why));
                    };
                    (Share { weight: *weight, ..known.clone() }, self.sides(route, subset).await?.selector)
                }
            };
            ready.push((self.ready(route, &Held::Selector(labels), None).await?, side));
            let port = entry.to.iter().find(|share| share.host == host).and_then(|share| share.port);
            wanted.push(Share { port: share.port.or(port), ..share });
        }
        let whole = ready.iter().map(|(ready, _)| *ready).max().unwrap_or_default();
        let mut fine = Vec::new();
        for (ready, (subset, weight)) in ready {
            let of = |share: &&Share| share.subset.as_ref() == Some(subset) || share.host == *subset;
            let before = entry.to.iter().find(of).map_or(0, |share| share.weight);
            if *weight > before {
                let needed = least.unwrap_or_else(|| (whole * *weight as usize).div_ceil(100)).max(1);
                if ready < needed {
                    let why = format!(
                        "{subset} has {ready} of the {needed} ready pods that {weight} % take: scale it first, \
                         or say --ready {ready}"
                    );
                    return Err(refuse(route, why));
                }
            }
            fine.push(format!("{subset} {before} → {weight}, ready pods: {ready}"));
        }
        wanted.retain(|share| share.weight > 0);
        Ok((Held::Shares(vec![Shares { entry: entry.entry.clone(), to: wanted }]), fine))
    }

    /// What the Service of a host selects, and the subsets that are defined for it.
    async fn sides(&self, route: &RouteRef, host: &str) -> Result<find::Sides, KubeError> {
        let (_, services) = self.list(RouteKind::Service, &route.namespace).await?;
        let (_, rules) = self.list(RouteKind::DestinationRule, &route.namespace).await?;
        find::sides(&services, &rules, host, &route.namespace).ok_or_else(|| {
            refuse(route, format!("it sends requests to {host}, and there is no such Service here"))
        })
    }
}

/// The route entry that is meant: the one of that name, or the only one that has these destinations.
fn choose<'e>(
    route: &RouteRef,
    entries: &'e [Shares],
    weights: &[(String, u32)],
    name: Option<&str>,
) -> Result<&'e Shares, KubeError> {
    let sum: u32 = weights.iter().map(|(_, weight)| weight).sum();
    if sum != 100 {
        return Err(refuse(route, format!("the weights sum to {sum}; write all of them, they make 100")));
    }
    let is_meant = |entry: &&Shares| match name {
        Some(name) => entry.entry.split_once(' ').is_some_and(|(_, known)| known == name),
        None => entry.to.iter().any(|share| {
            weights.iter().any(|(name, _)| share.subset.as_ref() == Some(name) || share.host == *name)
        }),
    };
    let mut meant = entries.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(entry), None) => Ok(entry),
        (found, _) => {
            let known: Vec<String> = entries.iter().map(|entry| format!("“{}”", entry.entry)).collect();
            let why = if found.is_some() {
                "several of its routes could be meant"
            } else {
                "none of its routes is meant"
            };
            Err(refuse(route, format!("{why}: say --route NAME; there are {}", known.join(", "))))
        }
    }
}

fn refuse(route: &RouteRef, why: String) -> KubeError {
    KubeError::NotNow { target: route.to_string(), why }
}
