//! How a world begins: with a past, or with nothing but nodes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::deployment::Deployment;
use super::dice::Dice;
use super::flags::Flag;
use super::meta::Meta;
use super::store::{Kind, Store};
use super::traffic::{self, Traffic};
use super::{NAMESPACE, World, key, node, render};
use crate::rehearsal::scenario::Scenario;
use crate::rehearsal::stage::{Stage, Staged};

pub const FIRST_IMAGE: &str = "myapp:v1.1.0";
pub const START_IMAGE: &str = "myapp:v1.2.0";

impl World {
    /// A world with a past: the application has served `v1.2.0` for two days and half an hour of its
    /// metrics is known.
    pub fn new(scenario: Scenario, now: Timestamp, seed: u64) -> Self {
        Self::staged(scenario, now, seed, &Stage::default())
    }

    /// The same past for the Deployments of a stage.
    pub fn staged(scenario: Scenario, now: Timestamp, seed: u64, stage: &Stage) -> Self {
        let beginning = now - SignedDuration::from_hours(9 * 24);
        let traffic = Traffic::new(seed, now - traffic::PAST);
        let mut world = Self::bare(scenario, beginning, seed, traffic);
        let mut namespaces = vec!["default", "kube-system", NAMESPACE];
        for it in &stage.deployments {
            if !namespaces.contains(&it.namespace.as_str()) {
                namespaces.push(&it.namespace);
            }
        }
        world.publish_fixtures(&namespaces, 2);
        for it in &stage.deployments {
            let spec = serde_json::from_value(first_spec(it)).expect("our own spec has the shape of the API");
            let uid = world.dice.uid();
            let mut meta = Meta::new(&it.namespace, &it.name, uid, beginning);
            meta.labels.clone_from(&it.labels);
            world.deployments.push(Deployment::new(meta, spec, Some(beginning)));
        }
        world.publish();
        world.flag = Flag::new(&stage.flag);
        world.lay_routes(&stage.route);
        world.step(now - SignedDuration::from_hours(49));
        for it in stage.deployments.iter().filter(|it| !it.is_behind) {
            world
                .set_image(&it.namespace, &it.name, START_IMAGE)
                .expect("the application was made some lines above");
        }
        world.step(now);
        world.store.forget_history();
        world
    }

    /// A world in which nothing was ever deployed: some nodes, and what a fresh cluster has.
    pub fn empty(now: Timestamp, seed: u64, nodes: u32) -> Self {
        let mut world = Self::bare(Scenario::ByTag, now, seed, Traffic::new(seed, now));
        world.publish_fixtures(&["default", "kube-system"], nodes);
        world.store.forget_history();
        world
    }

    fn bare(scenario: Scenario, now: Timestamp, seed: u64, traffic: Traffic) -> Self {
        Self {
            now,
            scenario,
            dice: Dice::new(seed),
            deployments: Vec::new(),
            replica_sets: Vec::new(),
            stateful_sets: Vec::new(),
            daemon_sets: Vec::new(),
            revisions: Vec::new(),
            pods: Vec::new(),
            missed_nodes: BTreeMap::new(),
            autoscaled: now,
            events: Vec::new(),
            pulled: BTreeSet::new(),
            traffic,
            runs: Vec::new(),
            flag: Flag::default(),
            outage_played: false,
            store: Store::new(),
        }
    }

    fn publish_fixtures(&mut self, namespaces: &[&str], nodes: u32) {
        for name in namespaces {
            let uid = self.dice.uid();
            let object = render::namespace(name, &uid, self.now);
            self.store.publish(key(Kind::Namespace, "", name), object);
            self.furnish_namespace(name);
        }
        for number in 1..=nodes {
            let uid = self.dice.uid();
            let name = format!("practice-node-{number}");
            self.store.publish(key(Kind::Node, "", &name), node::made(&name, &uid, self.now));
        }
    }
}

fn first_spec(it: &Staged) -> Value {
    let labels: BTreeMap<_, _> = it.labels.iter().chain(&it.marks).collect();
    json!({
        "replicas": it.replicas,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": it.labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [{
                    "name": it.container,
                    "image": FIRST_IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                    "env": [{"name": "DATABASE_HOST", "value": "db.shop.svc"}],
                    "readinessProbe": {
                        "httpGet": {"path": "/health", "port": 8080, "scheme": "HTTP"},
                        "periodSeconds": 5, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3
                    },
                    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File"
                }],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "schedulerName": "default-scheduler",
                "securityContext": {}
            }
        }
    })
}
