//! Which pods get how much of the requests: by the weights of a mesh, or by the selector of a Service.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::World;
use super::pod::Pod;
use super::store::{Kind, Store};
use crate::rehearsal::stage::{Route, VERSION_LABEL};

/// The share of all requests that each pod gets, by its name.
pub type Shares = BTreeMap<String, f64>;

/// The shares as the routes of the application have them now.
///
/// - Shape: `None` while nothing steers requests. They sum up to less than one when a destination has
///   no ready pod: what is sent there is lost, and no other pod gets it instead.
/// - Source: Istio sends to a destination in proportion to its weight; a Service spreads evenly.
pub fn shares(store: &Store, pods: &[Pod]) -> Option<Shares> {
    let (place, service) = store.list(Kind::Service, "").next()?;
    let namespace = place.namespace.as_str();
    let selector = &service["spec"]["selector"];
    let mut shares = Shares::new();
    let mut spread = |subset: &Value, share: f64| {
        let takes = |pod: &&Pod| {
            pod.meta.namespace == namespace && pod.serves() && fits(pod, selector) && fits(pod, subset)
        };
        let chosen: Vec<&Pod> = pods.iter().filter(takes).collect();
        for pod in &chosen {
            *shares.entry(pod.meta.name.clone()).or_insert(0.0) += share / chosen.len() as f64;
        }
    };
    let Some((_, mesh)) = store.list(Kind::VirtualService, namespace).next() else {
        spread(&Value::Null, 1.0);
        return Some(shares);
    };
    let routes = mesh["spec"]["http"][0]["route"].as_array().map(Vec::as_slice).unwrap_or_default();
    let weight = |route: &Value| match routes {
        // A single destination needs no weight.
        [_] => 1.0,
        _ => route["weight"].as_f64().unwrap_or(0.0),
    };
    let all: f64 = routes.iter().map(weight).sum();
    for route in routes.iter().filter(|_| all > 0.0) {
        let name = &route["destination"]["subset"];
        let subset = match name.as_str() {
            None => Some(Value::Null),
            // A subset that no rule names is answered with 503.
            Some(name) => subset(store, namespace, name),
        };
        if let Some(subset) = subset {
            spread(&subset, weight(route) / all);
        }
    }
    Some(shares)
}

/// The labels that a DestinationRule gives a subset.
fn subset(store: &Store, namespace: &str, name: &str) -> Option<Value> {
    let rules = store.list(Kind::DestinationRule, namespace);
    let mut subsets = rules.flat_map(|(_, rule)| rule["spec"]["subsets"].as_array().into_iter().flatten());
    subsets.find(|subset| subset["name"] == name).map(|subset| subset["labels"].clone())
}

fn fits(pod: &Pod, labels: &Value) -> bool {
    let mut labels = labels.as_object().into_iter().flatten();
    labels.all(|(key, value)| pod.meta.labels.get(key).is_some_and(|known| value == known.as_str()))
}

impl World {
    /// Puts what sends requests in front of the pods.
    pub(super) fn lay_routes(&mut self, route: &Route) {
        let service = match route {
            Route::Any => return,
            Route::Colour { service, .. } | Route::Mesh { service, .. } => service,
        };
        let mut selector = json!({"app": service.app});
        if let Route::Colour { label, serves, .. } = route {
            selector[label] = serves.as_str().into();
        }
        let object = json!({
            "metadata": {"name": service.name},
            "spec": {
                "type": "ClusterIP", "clusterIP": "10.96.41.7", "selector": selector,
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
            },
        });
        self.lay(Kind::Service, &service.namespace, object);
        let Route::Mesh { mesh, rule, subsets: [first, second], .. } = route else { return };
        let host = &service.name;
        let subset = |name: &str| json!({"name": name, "labels": {VERSION_LABEL: name}});
        let rule = json!({
            "metadata": {"name": rule},
            "spec": {"host": host, "subsets": [subset(first), subset(second)]},
        });
        let to = |subset: &str, weight: u32| json!({"destination": {"host": host, "subset": subset}, "weight": weight});
        let mesh = json!({
            "metadata": {"name": mesh},
            "spec": {"hosts": [host], "http": [{"route": [to(first, 100), to(second, 0)]}]},
        });
        self.lay(Kind::DestinationRule, &service.namespace, rule);
        self.lay(Kind::VirtualService, &service.namespace, mesh);
    }

    fn lay(&mut self, kind: Kind, namespace: &str, object: Value) {
        self.create(kind, namespace, object, false).expect("our own objects have the shape of the API");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::scenario::Scenario;
    use crate::rehearsal::sim::change::Part;
    use crate::rehearsal::sim::{APPLICATION, NAMESPACE, key};
    use crate::rehearsal::stage::Stage;
    use crate::workflow::{Source, read};

    fn world(targets: &str) -> World {
        let text = format!("---\ntargets: {targets}\n---\n# A\n\n## Steps\n\n### 1. B\n\n- [ ] c\n");
        let workflow = read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false });
        World::staged(Scenario::Good, "2026-11-22T12:00:00Z".parse().unwrap(), 1, &Stage::of(&workflow))
    }

    /// What pods of each Deployment get together, by its name.
    fn by_workload(world: &World) -> Vec<(String, f64)> {
        let shares = shares(&world.store, &world.pods).unwrap();
        let mut of: BTreeMap<String, f64> = BTreeMap::new();
        for pod in &world.pods {
            let name = pod.meta.name.rsplitn(3, '-').last().unwrap().to_owned();
            *of.entry(name).or_default() += shares.get(&pod.meta.name).copied().unwrap_or(0.0);
        }
        of.into_iter().map(|(name, share)| (name, (share * 100.0).round())).collect()
    }

    #[test]
    fn a_service_sends_everybody_to_the_colour_that_it_selects() {
        let mut world = world("[deployment/app-blue, deployment/app-green]");
        assert_eq!(by_workload(&world), [("app-blue".to_owned(), 100.0), ("app-green".to_owned(), 0.0)]);
        let service = key(Kind::Service, NAMESPACE, APPLICATION);
        let mut object = world.object(&service).unwrap();
        object["spec"]["selector"]["version"] = "green".into();
        world.replace(&service, object, Part::Main, false).unwrap();
        assert_eq!(by_workload(&world), [("app-blue".to_owned(), 0.0), ("app-green".to_owned(), 100.0)]);
    }

    #[test]
    fn what_a_mesh_sends_to_nobody_is_lost() {
        let mut world = world("[deployment/app, deployment/app-canary]");
        assert_eq!(by_workload(&world), [("app".to_owned(), 100.0)]);
        let mesh = key(Kind::VirtualService, NAMESPACE, APPLICATION);
        let mut object = world.object(&mesh).unwrap();
        object["spec"]["http"][0]["route"][0]["weight"] = 75.into();
        object["spec"]["http"][0]["route"][1]["weight"] = 25.into();
        world.replace(&mesh, object, Part::Main, false).unwrap();
        assert_eq!(by_workload(&world), [("app".to_owned(), 75.0)], "the canary has no pod");
    }

    #[test]
    fn without_a_service_nothing_is_steered() {
        let world = world("[deployment/app]");
        assert_eq!(shares(&world.store, &world.pods), None);
    }
}
