use super::*;

fn virtual_service(http: Value) -> Value {
    json!({"metadata": {"uid": "u"}, "spec": {"hosts": ["app"], "http": http}})
}

fn to(subset: &str) -> Value {
    json!({"destination": {"host": "app", "subset": subset}})
}

fn with(mut route: Value, field: &str, value: Value) -> Value {
    route[field] = value;
    route
}

/// Puts back, as the API server would.
fn after(kind: RouteKind, pinned: &Held, now: &Value) -> Result<Value, String> {
    let operations = put_back(pinned, now, kind)?;
    let patch: json_patch::Patch = serde_json::from_value(operations.into()).unwrap();
    let mut object = now.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    assert!(is_as(pinned, &object, kind), "{object:#}");
    assert_eq!(put_back(pinned, &object, kind), Ok(Vec::new()), "nothing is left to do");
    Ok(object)
}

#[test]
fn weights_go_back_and_everything_else_of_a_route_stays() {
    let before = virtual_service(json!([{"route": [to("stable")]}]));
    let pinned = held(RouteKind::VirtualService, &before).unwrap();
    assert_eq!(pinned.to_string(), "stable 100", "one alone has all");
    let canary = with(to("canary"), "headers", json!({"request": {"set": {"x": "1"}}}));
    let now = virtual_service(json!([{
        "timeout": "3s",
        "route": [with(to("stable"), "weight", json!(75)), with(canary.clone(), "weight", json!(25))],
    }]));
    assert!(!is_as(&pinned, &now, RouteKind::VirtualService));
    let back = after(RouteKind::VirtualService, &pinned, &now).unwrap();
    let routes = json!([with(to("stable"), "weight", json!(100)), with(canary, "weight", json!(0))]);
    assert_eq!(back["spec"]["http"], json!([{"timeout": "3s", "route": routes}]));
}

#[test]
fn a_destination_that_was_taken_out_comes_back() {
    let pinned = virtual_service(json!([{"route": [with(to("v1"), "weight", json!(90)),
        with(json!({"destination": {"host": "app", "port": {"number": 81}}}), "weight", json!(10))]}]));
    let pinned = held(RouteKind::VirtualService, &pinned).unwrap();
    let now = virtual_service(json!([{"route": [to("v2")]}]));
    let back = after(RouteKind::VirtualService, &pinned, &now).unwrap();
    assert_eq!(held(RouteKind::VirtualService, &back).unwrap().to_string(), "v1 90 app 10", "{back:#}");
    assert_eq!(back["spec"]["http"][0]["route"][0]["weight"], 0);
}

#[test]
fn a_route_is_found_again_by_its_name_or_by_what_it_matches() {
    let testers = json!([{"headers": {"x-tester": {"exact": "1"}}}]);
    let before = virtual_service(json!([
        {"match": testers, "route": [to("old")]},
        {"name": "rest", "route": [to("old")]},
    ]));
    let pinned = held(RouteKind::VirtualService, &before).unwrap();
    let now = virtual_service(json!([
        {"match": [{"uri": {"prefix": "/new"}}], "route": [to("new")]},
        {"name": "rest", "route": [to("new")]},
        {"match": testers, "route": [to("new")]},
    ]));
    let back = after(RouteKind::VirtualService, &pinned, &now).unwrap();
    let goes = |index: usize| share(&back["spec"]["http"][index]["route"][1], false).to_string();
    assert_eq!((goes(1), goes(2)), ("old 100".into(), "old 100".into()));
    assert_eq!(back["spec"]["http"][0], now["spec"]["http"][0], "one that came with the release stays");
}

#[test]
fn a_route_that_is_gone_is_an_error_in_words() {
    let pinned = virtual_service(json!([{"name": "rest", "route": [to("old")]}]));
    let pinned = held(RouteKind::VirtualService, &pinned).unwrap();
    let now = virtual_service(json!([{"name": "all", "route": [to("new")]}]));
    let error = put_back(&pinned, &now, RouteKind::VirtualService).unwrap_err();
    assert_eq!(error, "its route “http rest” is gone; there are http all");
}

#[test]
fn subsets_are_named_again_before_anything_is_sent_to_them() {
    let subset = |name: &str, version: &str| json!({"name": name, "labels": {"version": version}});
    let rule = |subsets: Value| json!({"spec": {"host": "app", "subsets": subsets}});
    let pinned = held(RouteKind::DestinationRule, &rule(json!([subset("stable", "v1")]))).unwrap();
    let now =
        rule(json!([with(subset("stable", "v2"), "trafficPolicy", json!({"a": 1})), subset("canary", "v2")]));
    let back = after(RouteKind::DestinationRule, &pinned, &now).unwrap();
    // The weights still speak of the canary at this moment.
    assert_eq!(
        back["spec"]["subsets"],
        json!([with(subset("stable", "v1"), "trafficPolicy", json!({"a": 1})), subset("canary", "v2")])
    );
    let gone = rule(json!([subset("canary", "v2")]));
    let back = after(RouteKind::DestinationRule, &pinned, &gone).unwrap();
    assert_eq!(back["spec"]["subsets"], json!([subset("canary", "v2"), subset("stable", "v1")]));
}

#[test]
fn a_selector_and_bounds_go_back_whole() {
    let service = |selector: Value| json!({"spec": {"selector": selector, "ports": [{"port": 80}]}});
    let pinned = held(RouteKind::Service, &service(json!({"app": "x", "colour": "blue"}))).unwrap();
    let now = service(json!({"app": "x", "colour": "green", "more": "y"}));
    let back = after(RouteKind::Service, &pinned, &now).unwrap();
    assert_eq!(back, service(json!({"app": "x", "colour": "blue"})));

    let scaler = |spec: Value| json!({"spec": spec});
    let pinned = held(RouteKind::Autoscaler, &scaler(json!({"minReplicas": 2, "maxReplicas": 9}))).unwrap();
    let back = after(RouteKind::Autoscaler, &pinned, &scaler(json!({"minReplicas": 1, "maxReplicas": 1})));
    assert_eq!(back.unwrap(), scaler(json!({"minReplicas": 2, "maxReplicas": 9})));
    let unbounded = held(RouteKind::Autoscaler, &scaler(json!({"maxReplicas": 9}))).unwrap();
    let back = after(RouteKind::Autoscaler, &unbounded, &scaler(json!({"minReplicas": 1, "maxReplicas": 9})));
    assert_eq!(back.unwrap(), scaler(json!({"maxReplicas": 9})));
}

#[test]
fn a_change_by_somebody_else_is_noticed_by_the_server() {
    let service = |colour: &str| json!({"spec": {"selector": {"colour": colour}}});
    let pinned = held(RouteKind::Service, &service("blue")).unwrap();
    let operations = put_back(&pinned, &service("green"), RouteKind::Service).unwrap();
    let patch: json_patch::Patch = serde_json::from_value(operations.into()).unwrap();
    json_patch::patch(&mut service("pink"), &patch).unwrap_err();
}

#[test]
fn weights_that_do_not_sum_to_100_are_told() {
    let odd = virtual_service(
        json!([{"route": [with(to("a"), "weight", json!(50)), with(to("b"), "weight", json!(40))]}]),
    );
    let held = held(RouteKind::VirtualService, &odd).unwrap();
    assert_eq!(oddity(&held).unwrap(), "its weights a 50 b 40 sum to 90, not to 100");
}

#[test]
fn what_steers_nothing_is_not_pinned() {
    assert_eq!(held(RouteKind::Service, &json!({"spec": {"type": "ExternalName"}})), None);
    assert_eq!(held(RouteKind::Service, &json!({"spec": {"selector": {}}})), None);
    let redirect = virtual_service(json!([{"redirect": {"uri": "/"}}]));
    assert_eq!(held(RouteKind::VirtualService, &redirect), None);
    assert_eq!(held(RouteKind::DestinationRule, &json!({"spec": {"host": "app"}})), None);
}
