//! What steers traffic, as the API server holds it: read, compared and changed without any request.
//!
//! A change touches what is pinned and nothing beside it: the timeouts, headers and matches of a route
//! stay as they are, a destination that came with the release stays with nothing sent to it, and so
//! does a subset.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::release::{Held, RouteKind, Share, Shares};

/// The protocols of a VirtualService whose routes have weights.
const PROTOCOLS: [&str; 3] = ["http", "tls", "tcp"];

/// What is pinned of an object; `None` when it has nothing of the sort.
pub(super) fn held(kind: RouteKind, object: &Value) -> Option<Held> {
    let spec = object.get("spec")?;
    match kind {
        RouteKind::Service => {
            let selector = labels(spec.get("selector")?);
            (!selector.is_empty()).then_some(Held::Selector(selector))
        }
        RouteKind::VirtualService => {
            let shares: Vec<Shares> = entries(spec)
                .into_iter()
                .filter(|entry| !entry.routes.is_empty())
                .map(Entry::shares)
                .collect();
            (!shares.is_empty()).then_some(Held::Shares(shares))
        }
        RouteKind::DestinationRule => {
            let subsets = spec.get("subsets")?.as_array()?.iter();
            let named = subsets.filter_map(|subset| {
                let name = subset.get("name")?.as_str()?.to_owned();
                Some((name, subset.get("labels").map(labels).unwrap_or_default()))
            });
            let named: BTreeMap<_, _> = named.collect();
            (!named.is_empty()).then_some(Held::Subsets(named))
        }
        RouteKind::Autoscaler => {
            let number = |name: &str| spec.get(name)?.as_u64().and_then(|n| u32::try_from(n).ok());
            Some(Held::Bounds { min: number("minReplicas"), max: number("maxReplicas")? })
        }
        RouteKind::Nginx => None,
    }
}

/// Whether an object stands as it was pinned. What was added beside that is not asked.
pub(super) fn is_as(pinned: &Held, object: &Value, kind: RouteKind) -> bool {
    match (pinned, held(kind, object)) {
        (Held::Shares(pinned), Some(Held::Shares(now))) => {
            pinned.iter().all(|pinned| now.iter().any(|now| is_same_entry(pinned, now)))
        }
        (Held::Subsets(pinned), Some(Held::Subsets(now))) => {
            pinned.iter().all(|(name, labels)| now.get(name) == Some(labels))
        }
        (pinned, now) => now.as_ref() == Some(pinned),
    }
}

fn is_same_entry(pinned: &Shares, now: &Shares) -> bool {
    let sorted = |shares: &Shares| {
        let mut to = shares.to.clone();
        to.sort_unstable();
        to
    };
    pinned.entry == now.entry && sorted(pinned) == sorted(now)
}

/// The operations that make an object as it was pinned, each behind a test of what it changes; none
/// when it is so already.
///
/// - Errors: in words, when there is no place for what was pinned any more.
pub(super) fn put_back(pinned: &Held, object: &Value, kind: RouteKind) -> Result<Vec<Value>, String> {
    if is_as(pinned, object, kind) {
        return Ok(Vec::new());
    }
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match pinned {
        Held::Selector(selector) => Ok(replace("/spec/selector", spec.get("selector"), json!(selector))),
        Held::Bounds { min, max } => {
            let whole = |n: u32| Value::from(n);
            let mut operations = replace("/spec/maxReplicas", spec.get("maxReplicas"), whole(*max));
            match (min, spec.get("minReplicas")) {
                (Some(min), now) => operations.extend(replace("/spec/minReplicas", now, whole(*min))),
                (None, Some(_)) => operations.push(json!({"op": "remove", "path": "/spec/minReplicas"})),
                (None, None) => {}
            }
            Ok(operations)
        }
        Held::Subsets(pinned) => {
            let now = spec.get("subsets");
            Ok(replace("/spec/subsets", now, subsets(now, pinned)))
        }
        Held::Shares(pinned) => {
            let entries = entries(spec);
            let mut operations = Vec::new();
            for shares in pinned {
                let entry = entries.iter().find(|entry| entry.key == shares.entry);
                let entry = entry.ok_or_else(|| {
                    let known: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
                    format!("its route “{}” is gone; there are {}", shares.entry, known.join(", "))
                })?;
                let routes = weighted(entry.routes, &shares.to);
                operations.extend(replace(&entry.path, Some(&Value::from(entry.routes.to_vec())), routes));
            }
            Ok(operations)
        }
        Held::Colour { .. } => Err("it is no object of a cluster".to_owned()),
    }
}

fn replace(path: &str, now: Option<&Value>, wanted: Value) -> Vec<Value> {
    match now {
        Some(now) if *now == wanted => Vec::new(),
        Some(now) => vec![
            json!({"op": "test", "path": path, "value": now}),
            json!({"op": "replace", "path": path, "value": wanted}),
        ],
        None => vec![json!({"op": "add", "path": path, "value": wanted})],
    }
}

/// One route entry of a VirtualService.
struct Entry<'o> {
    key: String,
    /// Where its destinations stand.
    path: String,
    routes: &'o [Value],
}

impl Entry<'_> {
    fn shares(self) -> Shares {
        let alone = self.routes.len() == 1;
        let to = self.routes.iter().map(|route| share(route, alone)).filter(|share| share.weight > 0);
        Shares { to: to.collect(), entry: self.key }
    }
}

fn entries(spec: &Value) -> Vec<Entry<'_>> {
    let mut found: Vec<Entry> = Vec::new();
    for protocol in PROTOCOLS {
        let all = spec.get(protocol).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, entry) in all.iter().enumerate() {
            let named = entry.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
            let key = match (named, entry.get("match")) {
                (Some(name), _) => format!("{protocol} {name}"),
                (None, Some(what)) => format!("{protocol} {what}"),
                (None, None) => protocol.to_owned(),
            };
            // Where two match the same, the mesh takes the first.
            if found.iter().any(|known| known.key == key) {
                continue;
            }
            let routes = entry.get("route").and_then(Value::as_array).map(Vec::as_slice);
            let path = format!("/spec/{protocol}/{index}/route");
            found.push(Entry { key, path, routes: routes.unwrap_or_default() });
        }
    }
    found
}

/// - `alone`: whether the entry has no other destination: then all goes there, whatever its weight.
fn share(route: &Value, alone: bool) -> Share {
    let text = |path: &str| route.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let number = |path: &str| route.pointer(path).and_then(Value::as_u64);
    let small = |n: u64| u32::try_from(n).ok();
    Share {
        host: text("/destination/host").unwrap_or_default(),
        subset: text("/destination/subset"),
        port: number("/destination/port/number").and_then(small),
        weight: if alone { 100 } else { number("/weight").and_then(small).unwrap_or(0) },
    }
}

/// The destinations of an entry with the weights of `pinned`; one that is missing is added again.
fn weighted(now: &[Value], pinned: &[Share]) -> Value {
    let is_to = |share: &Share, route: &Value| {
        let there = self::share(route, true);
        (&there.host, &there.subset, there.port) == (&share.host, &share.subset, share.port)
    };
    let mut routes = now.to_vec();
    for route in &mut routes {
        let weight = pinned.iter().find(|share| is_to(share, route)).map_or(0, |share| share.weight);
        if let Some(route) = route.as_object_mut() {
            route.insert("weight".to_owned(), weight.into());
        }
    }
    for share in pinned.iter().filter(|share| !now.iter().any(|route| is_to(share, route))) {
        let mut destination = json!({"host": share.host});
        if let Some(subset) = &share.subset {
            destination["subset"] = subset.as_str().into();
        }
        if let Some(port) = share.port {
            destination["port"] = json!({"number": port});
        }
        routes.push(json!({"destination": destination, "weight": share.weight}));
    }
    routes.into()
}

/// The subsets as they are, with the labels of those that were pinned; one that is missing is added.
fn subsets(now: Option<&Value>, pinned: &BTreeMap<String, BTreeMap<String, String>>) -> Value {
    let mut all = now.and_then(Value::as_array).cloned().unwrap_or_default();
    let name_of = |subset: &Value| subset.get("name").and_then(Value::as_str).map(str::to_owned);
    for (name, labels) in pinned {
        match all.iter_mut().find(|subset| name_of(subset).as_ref() == Some(name)) {
            Some(subset) => subset["labels"] = json!(labels),
            None => all.push(json!({"name": name, "labels": labels})),
        }
    }
    all.into()
}

pub(super) fn labels(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// What in `held` is no state that anybody would want back, in words.
pub(super) fn oddity(held: &Held) -> Option<String> {
    let Held::Shares(entries) = held else { return None };
    entries.iter().find_map(|shares| {
        let sum: u32 = shares.to.iter().map(|share| share.weight).sum();
        (sum != 100).then(|| format!("its weights {shares} sum to {sum}, not to 100"))
    })
}

#[cfg(test)]
mod tests;
