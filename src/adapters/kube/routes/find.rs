//! Which objects of a namespace steer the traffic and the capacity of a release's targets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::shape::{held, labels, oddity};
use crate::adapters::kube::objects::ROLLOUT_HASH;
use crate::release::pin::Template;
use crate::release::{Held, RouteKind, RoutePin, RouteRef, Share};
use crate::watch::TargetRef;

/// All that was listed in one namespace, with the version under which each kind was found.
pub(super) struct Listed {
    pub namespace: String,
    pub objects: Vec<(RouteKind, String, Vec<Value>)>,
}

/// Its controller moves what it names in its strategy.
const ARGO: &str = "its Argo Rollout";

type Labels = BTreeMap<String, String>;

/// A Service that sends traffic to a target, or to the other colour of one.
struct Selecting<'o> {
    name: &'o str,
    selector: Labels,
    /// Targets that it selects as it is.
    to: Vec<TargetRef>,
    /// Whether its controller tells pods apart by their ReplicaSet, and so moves the selector itself.
    by_argo: bool,
    object: &'o Value,
}

/// What steers `targets`, as it stands.
pub(super) fn find(listed: &Listed, targets: &[(TargetRef, Template)]) -> Vec<RoutePin> {
    let here: Vec<(&TargetRef, Labels)> = targets
        .iter()
        .filter(|(target, _)| target.namespace == listed.namespace)
        .map(|(target, template)| {
            let written = template.0.pointer("/metadata/labels");
            (target, written.map(labels).unwrap_or_default())
        })
        .collect();
    let services: Vec<Selecting> =
        listed.of(RouteKind::Service).filter_map(|(_, object)| selecting(object, &here)).collect();
    let rules: Vec<&Value> = listed.of(RouteKind::DestinationRule).map(|(_, object)| object).collect();
    let mut pins = Vec::new();
    let mut steered: Vec<&str> = Vec::new();
    for (version, object) in listed.of(RouteKind::VirtualService) {
        let Some(Held::Shares(mut entries)) = held(RouteKind::VirtualService, object) else { continue };
        let service =
            |share: &Share| services.iter().find(|service| service.is_at(&share.host, &listed.namespace));
        // The routes of other applications on the same gateway are theirs to move.
        entries.retain(|entry| entry.to.iter().any(|share| service(share).is_some()));
        if entries.is_empty() {
            continue;
        }
        let shares: Vec<&Share> = entries.iter().flat_map(|entry| &entry.to).collect();
        let (mut to, mut by_argo) = (Vec::new(), false);
        for share in &shares {
            let Some(service) = service(share) else { continue };
            steered.push(service.name);
            let subset = subset_of(&rules, share, &listed.namespace);
            by_argo |= service.by_argo || subset.contains_key(ROLLOUT_HASH);
            let takes = |(target, known): &&(&TargetRef, Labels)| {
                !to.contains(*target) && is_part(&service.selector, known) && is_part(&subset, known)
            };
            let found: Vec<TargetRef> =
                here.iter().filter(takes).map(|(target, _)| (*target).clone()).collect();
            to.extend(found);
        }
        let held = Held::Shares(entries);
        pins.push(RoutePin { to, ..listed.pin(RouteKind::VirtualService, version, object, held, by_argo) });
    }
    for (version, rule) in listed.of(RouteKind::DestinationRule) {
        let host = rule.pointer("/spec/host").and_then(Value::as_str).unwrap_or_default();
        let Some(service) = services.iter().find(|service| service.is_at(host, &listed.namespace)) else {
            continue;
        };
        let Some(held) = held(RouteKind::DestinationRule, rule) else { continue };
        pins.push(listed.pin(RouteKind::DestinationRule, version, rule, held, service.by_argo));
    }
    let version = listed.version(RouteKind::Service);
    for service in services {
        let held = Held::Selector(labels(&service.object["spec"]["selector"]));
        let mut pin = listed.pin(RouteKind::Service, version, service.object, held, service.by_argo);
        // Where a mesh decides which pods get how much, the Service only names them all.
        if !steered.contains(&service.name) {
            if service.to.is_empty() {
                pin.limit = Some(format!(
                    "it sends its traffic to {}, which no target of this release carries: name that \
                     workload in `targets` too",
                    pin.held
                ));
            }
            pin.to = service.to;
        }
        pins.push(pin);
    }
    for (version, object) in listed.of(RouteKind::Autoscaler) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (kind, name) = (text("/spec/scaleTargetRef/kind"), text("/spec/scaleTargetRef/name"));
        let scaled = here
            .iter()
            .map(|(target, _)| *target)
            .find(|target| target.kind.as_str().eq_ignore_ascii_case(kind) && target.name == name);
        let (Some(target), Some(held)) = (scaled, held(RouteKind::Autoscaler, object)) else { continue };
        let pin = listed.pin(RouteKind::Autoscaler, version, object, held, false);
        pins.push(RoutePin { to: vec![target.clone()], ..pin });
    }
    pins.sort_by(|a, b| a.route.cmp(&b.route));
    pins
}

impl Listed {
    fn of(&self, kind: RouteKind) -> impl Iterator<Item = (&str, &Value)> {
        let of_kind = self.objects.iter().filter(move |(known, ..)| *known == kind);
        of_kind.flat_map(|(_, version, all)| all.iter().map(move |object| (version.as_str(), object)))
    }

    fn version(&self, kind: RouteKind) -> &str {
        self.of(kind).next().map_or("", |(version, _)| version)
    }

    fn pin(&self, kind: RouteKind, version: &str, object: &Value, held: Held, by_argo: bool) -> RoutePin {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let route = RouteRef { kind, namespace: self.namespace.clone(), name: text("/metadata/name") };
        let by_argo = by_argo.then(|| ARGO.to_owned());
        RoutePin {
            route,
            uid: text("/metadata/uid"),
            api_version: version.to_owned(),
            limit: oddity(&held),
            held,
            to: Vec::new(),
            kept_by: mover(kind, object).or(by_argo),
        }
    }
}

impl Selecting<'_> {
    /// Whether a destination of a mesh means it: `app`, `app.shop`, `app.shop.svc.cluster.local`.
    fn is_at(&self, host: &str, namespace: &str) -> bool {
        let mut parts = host.splitn(3, '.');
        parts.next() == Some(self.name) && parts.next().is_none_or(|of| of == namespace)
    }
}

/// A Service that selects a target, or what differs from one in its colour alone.
fn selecting<'o>(object: &'o Value, targets: &[(&TargetRef, Labels)]) -> Option<Selecting<'o>> {
    let Some(Held::Selector(mut selector)) = held(RouteKind::Service, object) else { return None };
    let by_argo = selector.remove(ROLLOUT_HASH).is_some();
    let name = object.pointer("/metadata/name")?.as_str()?;
    let of = |is_so: &dyn Fn(&Labels) -> bool| -> Vec<TargetRef> {
        let found = targets.iter().filter(|(_, known)| is_so(known));
        found.map(|(target, _)| (*target).clone()).collect()
    };
    let to = of(&|known| is_part(&selector, known));
    let is_relevant = !to.is_empty() || !of(&|known| is_other_colour(&selector, known)).is_empty();
    is_relevant.then_some(Selecting { name, selector, to, by_argo, object })
}

fn is_part(selector: &Labels, known: &Labels) -> bool {
    selector.iter().all(|(key, value)| known.get(key) == Some(value))
}

/// Labels by which two versions of one application are told apart; others tell applications apart.
const COLOURS: [&str; 6] = ["app.kubernetes.io/version", "color", "colour", "slot", "track", "version"];

/// Whether a selector means the application of a target in another colour.
fn is_other_colour(selector: &Labels, known: &Labels) -> bool {
    let differs: Vec<&String> =
        selector.iter().filter(|(key, value)| known.get(*key) != Some(*value)).map(|(key, _)| key).collect();
    let [key] = differs.as_slice() else { return false };
    selector.len() > 1 && known.contains_key(*key) && COLOURS.contains(&key.as_str())
}

/// The labels that a share's subset adds to those of its Service.
fn subset_of(rules: &[&Value], share: &Share, namespace: &str) -> Labels {
    let Some(name) = &share.subset else { return Labels::new() };
    let of_host = rules.iter().filter(|rule| {
        let host = rule.pointer("/spec/host").and_then(Value::as_str).unwrap_or_default();
        same_host(host, &share.host, namespace)
    });
    let subsets = of_host.filter_map(|rule| held(RouteKind::DestinationRule, rule));
    let mut found = subsets.filter_map(|held| match held {
        Held::Subsets(subsets) => subsets.get(name).cloned(),
        _ => None,
    });
    found.next().unwrap_or_default()
}

fn same_host(a: &str, b: &str, namespace: &str) -> bool {
    let parts = |host: &str| {
        let mut parts = host.splitn(3, '.').map(str::to_owned);
        (parts.next(), parts.next().unwrap_or_else(|| namespace.to_owned()))
    };
    parts(a) == parts(b)
}

/// What a host of a mesh stands for.
pub(super) struct Sides {
    pub selector: Labels,
    pub subsets: BTreeMap<String, Labels>,
}

/// What the Service of a host selects, and all subsets that are defined for it.
pub(super) fn sides(services: &[Value], rules: &[Value], host: &str, namespace: &str) -> Option<Sides> {
    let name = |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let service =
        services.iter().find(|object| name(object).is_some_and(|name| same_host(&name, host, namespace)))?;
    let Some(Held::Selector(selector)) = held(RouteKind::Service, service) else { return None };
    let mut subsets = BTreeMap::new();
    for rule in rules {
        let of = rule.pointer("/spec/host").and_then(Value::as_str).unwrap_or_default();
        if let (true, Some(Held::Subsets(known))) =
            (same_host(of, host, namespace), held(RouteKind::DestinationRule, rule))
        {
            subsets.extend(known);
        }
    }
    Some(Sides { selector, subsets })
}

/// The controller that moves an object, and would move it back.
pub(super) fn mover(kind: RouteKind, object: &Value) -> Option<String> {
    let by_argo = match held(kind, object)? {
        Held::Selector(selector) => selector.contains_key(ROLLOUT_HASH),
        Held::Subsets(subsets) => subsets.values().any(|labels| labels.contains_key(ROLLOUT_HASH)),
        _ => false,
    };
    owner(object).or(by_argo.then(|| ARGO.to_owned()))
}

/// The controller of an object, such as `Canary/app` of Flagger.
fn owner(object: &Value) -> Option<String> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", controller["kind"].as_str()?, controller["name"].as_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workflow::Kind;

    fn target(name: &str) -> TargetRef {
        TargetRef { kind: Kind::Deployment, namespace: "shop".into(), name: name.into(), container: None }
    }

    fn template(labels: Value) -> Template {
        Template(json!({"metadata": {"labels": labels}}))
    }

    fn named(name: &str, spec: Value) -> Value {
        json!({"metadata": {"name": name, "uid": format!("uid-{name}")}, "spec": spec})
    }

    fn service(name: &str, selector: Value) -> Value {
        named(name, json!({"selector": selector}))
    }

    fn listed(objects: Vec<(RouteKind, Vec<Value>)>) -> Listed {
        let objects = objects.into_iter().map(|(kind, all)| (kind, "v1".to_owned(), all)).collect();
        Listed { namespace: "shop".into(), objects }
    }

    /// Each route that was found, with the names of the targets it sends traffic to.
    fn story(pins: &[RoutePin]) -> Vec<(String, Vec<&str>)> {
        pins.iter()
            .map(|pin| (pin.route.to_string(), pin.to.iter().map(|to| to.name.as_str()).collect()))
            .collect()
    }

    #[test]
    fn both_colours_are_known_and_one_of_them_has_the_traffic() {
        let blue = template(json!({"app": "x", "colour": "blue"}));
        let green = template(json!({"app": "x", "colour": "green"}));
        let services = vec![
            service("app", json!({"app": "x", "colour": "blue"})),
            service("other", json!({"app": "y", "colour": "blue"})),
            service("none", json!({})),
        ];
        let listed = listed(vec![(RouteKind::Service, services)]);
        let pins = find(&listed, &[(target("blue"), blue), (target("green"), green.clone())]);
        assert_eq!(story(&pins), [("service/app".to_owned(), vec!["blue"])]);
        assert_eq!(pins[0].limit, None);

        let pins = find(&listed, &[(target("green"), green)]);
        assert_eq!(story(&pins), [("service/app".to_owned(), vec![])]);
        assert!(pins[0].limit.as_ref().unwrap().contains("app=x,colour=blue"), "{pins:#?}");
    }

    #[test]
    fn a_service_of_another_application_with_the_same_version_is_none_of_ours() {
        let ours = template(json!({"app": "shop", "version": "v1"}));
        let services = vec![
            service("cart", json!({"app": "cart", "version": "v1"})),
            service("tier", json!({"version": "v2"})),
        ];
        let found = find(&listed(vec![(RouteKind::Service, services)]), &[(target("app"), ours)]);
        assert_eq!(story(&found), []);
    }

    fn mesh() -> Listed {
        let to = |host: &str, subset: &str, weight: u32| json!({"destination": {"host": host, "subset": subset}, "weight": weight});
        let http = json!([
            {"name": "cart", "route": [to("cart", "any", 100)]},
            {"name": "app", "route": [to("app.shop.svc.cluster.local", "stable", 100), to("app", "canary", 0)]},
        ]);
        let subset = |name: &str, track: &str| json!({"name": name, "labels": {"track": track}});
        let rule =
            json!({"host": "app", "subsets": [subset("stable", "stable"), subset("canary", "canary")]});
        listed(vec![
            (
                RouteKind::Service,
                vec![service("app", json!({"app": "x"})), service("cart", json!({"app": "c"}))],
            ),
            (RouteKind::VirtualService, vec![named("edge", json!({"http": http}))]),
            (RouteKind::DestinationRule, vec![named("app", rule)]),
        ])
    }

    #[test]
    fn with_a_mesh_the_subset_says_who_has_the_traffic_and_others_keep_their_routes() {
        let stable = template(json!({"app": "x", "track": "stable"}));
        let canary = template(json!({"app": "x", "track": "canary"}));
        let pins = find(&mesh(), &[(target("stable"), stable), (target("canary"), canary)]);
        let none: Vec<&str> = Vec::new();
        assert_eq!(
            story(&pins),
            [
                ("destinationrule/app".to_owned(), none.clone()),
                ("virtualservice/edge".to_owned(), vec!["stable"]),
                ("service/app".to_owned(), none),
            ]
        );
        let Held::Shares(entries) = &pins[1].held else { panic!("{pins:#?}") };
        assert_eq!(entries.iter().map(|entry| entry.entry.as_str()).collect::<Vec<_>>(), ["http app"]);
        assert_eq!(pins[2].limit, None, "the mesh decides, not the Service");
    }

    #[test]
    fn what_a_controller_moves_is_only_read() {
        let ours = template(json!({"app": "x"}));
        let by_argo = service("app", json!({"app": "x", ROLLOUT_HASH: "5d4"}));
        let mut by_flagger = service("primary", json!({"app": "x"}));
        by_flagger["metadata"]["ownerReferences"] =
            json!([{"kind": "Canary", "name": "app", "controller": true}]);
        let pins =
            find(&listed(vec![(RouteKind::Service, vec![by_argo, by_flagger])]), &[(target("app"), ours)]);
        let kept: Vec<_> = pins.iter().map(|pin| pin.kept_by.as_deref()).collect();
        assert_eq!(kept, [Some("its Argo Rollout"), Some("Canary/app")]);
    }

    #[test]
    fn an_autoscaler_belongs_to_the_target_that_it_names() {
        let ours = template(json!({}));
        let scaler = |name: &str, kind: &str, of: &str| {
            named(name, json!({"scaleTargetRef": {"kind": kind, "name": of}, "maxReplicas": 9}))
        };
        let all = vec![
            scaler("a", "Deployment", "app"),
            scaler("b", "StatefulSet", "app"),
            scaler("c", "Deployment", "x"),
        ];
        let pins = find(&listed(vec![(RouteKind::Autoscaler, all)]), &[(target("app"), ours)]);
        assert_eq!(story(&pins), [("hpa/a".to_owned(), vec!["app"])]);
    }
}
