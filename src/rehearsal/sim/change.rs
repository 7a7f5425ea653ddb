//! What clients may change: the rules of the API server for the objects that we serve.

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use super::refusal::{Cause, Refusal};

use super::daemonset::{DaemonSet, GENERATION_ANNOTATION};
use super::deployment::Deployment;
use super::hands::Draft;
use super::meta::Meta;
use super::replica_set::ReplicaSet;
use super::statefulset::StatefulSet;
use super::store::{Key, Kind};
use super::{World, admission, after, defaults, key, node, validate};

/// Which part of an object a request writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Main,
    Status,
}

impl World {
    /// Changes the image of the first container.
    pub fn set_image(&mut self, namespace: &str, name: &str, image: &str) -> Result<(), Refusal> {
        let key = key(Kind::Deployment, namespace, name);
        let mut object = self.object(&key)?;
        let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut();
        for container in containers.into_iter().flatten().take(1) {
            container["image"] = image.into();
        }
        self.replace(&key, object, Part::Main, false).map(|_| ())
    }

    /// One published object.
    pub fn object(&self, key: &Key) -> Result<Value, Refusal> {
        self.store.get(key).map(|object| object.as_ref().clone()).ok_or_else(|| Refusal::not_found(key))
    }

    /// Takes a new object, as POST does.
    ///
    /// - Errors: [`Refusal::AlreadyExists`], [`Refusal::Invalid`] with all causes, and for pods
    ///   [`Refusal::Forbidden`] when a quota or a limit has no room.
    pub fn create(
        &mut self,
        kind: Kind,
        namespace: &str,
        new: Value,
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        // A question leaves no trace, nor in what chance decides next.
        let dice = dry_run.then(|| self.dice.clone());
        let made = self.make(kind, namespace, new, dry_run);
        if let Some(dice) = dice {
            self.dice = dice;
        }
        made
    }

    fn make(&mut self, kind: Kind, namespace: &str, mut new: Value, dry_run: bool) -> Result<Value, Refusal> {
        if matches!(kind, Kind::ControllerRevision | Kind::Event) {
            return Err(Refusal::MethodNotAllowed);
        }
        if !new.is_object() {
            return Err(Refusal::BadRequest(
                "the object provided is unrecognized (must be an object)".into(),
            ));
        }
        let namespace = if kind.is_namespaced() { namespace } else { "" };
        if let Some(prefix) = new["metadata"]["generateName"].as_str()
            && new["metadata"]["name"].as_str().unwrap_or_default().is_empty()
        {
            new["metadata"]["name"] = format!("{prefix}{}", self.dice.suffix()).into();
        }
        let name = new["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.check_namespace(kind, namespace, &name)?;
        let place = key(kind, namespace, &name);
        if self.store.get(&place).is_some() {
            return Err(Refusal::AlreadyExists { kind, name });
        }
        defaults::fill(kind, &mut new);
        let mut new = canonical(kind, new)?;
        let causes = validate::causes(kind, &new, None);
        if !causes.is_empty() {
            return Err(Refusal::Invalid { kind, name, causes });
        }
        if kind != Kind::Node
            && let Some(fields) = new.as_object_mut()
        {
            fields.remove("status");
        }
        let mut meta = Meta::new(namespace, &name, self.dice.uid(), self.now);
        meta.take_over(&new);
        if kind == Kind::DaemonSet {
            meta.annotations.insert(GENERATION_ANNOTATION.into(), "1".into());
        }
        meta.generate_name = new["metadata"]["generateName"].as_str().map(str::to_owned);
        new["metadata"] = plain_meta(kind, &meta);
        if dry_run {
            if kind == Kind::Pod {
                let mut draft = Draft { meta, spec: read(&new["spec"])? };
                admission::admit(&self.store, &self.pods, &mut draft)?;
            }
            return Ok(new);
        }
        self.keep_new(kind, meta, new)?;
        self.settle();
        self.object(&place)
    }

    fn check_namespace(&self, kind: Kind, namespace: &str, name: &str) -> Result<(), Refusal> {
        if !kind.is_namespaced() {
            return Ok(());
        }
        let found = self.object(&key(Kind::Namespace, "", namespace))?;
        if found["status"]["phase"] == "Terminating" {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(Refusal::Forbidden { kind, name: name.into(), why });
        }
        Ok(())
    }

    fn keep_new(&mut self, kind: Kind, meta: Meta, mut new: Value) -> Result<(), Refusal> {
        let look_at = Some(after(self.now, self.scenario.observation_s()));
        match kind {
            Kind::Deployment => {
                let spec = read(&new["spec"])?;
                self.deployments.push(Deployment::new(meta, spec, look_at));
            }
            Kind::ReplicaSet => self.replica_sets.push(ReplicaSet::adopted(meta, &read(&new["spec"])?)),
            Kind::StatefulSet => {
                self.stateful_sets.push(StatefulSet::new(meta, read(&new["spec"])?, look_at));
            }
            Kind::DaemonSet => {
                self.daemon_sets.push(DaemonSet::new(meta, read(&new["spec"])?, look_at));
            }
            Kind::Pod => {
                let draft = Draft { meta, spec: read(&new["spec"])? };
                self.with_hands(|hands| hands.create_pod(draft))?;
            }
            Kind::Namespace => {
                new["spec"] = json!({"finalizers": ["kubernetes"]});
                new["status"] = json!({"phase": "Active"});
                new["metadata"]["labels"]["kubernetes.io/metadata.name"] = meta.name.clone().into();
                self.store.publish(key(kind, "", &meta.name), new);
                self.furnish_namespace(&meta.name);
            }
            Kind::Node => {
                node::register(&mut new, self.now);
                self.store.publish(key(kind, "", &meta.name), new);
            }
            _ => self.store.publish(key(kind, &meta.namespace, &meta.name), new),
        }
        Ok(())
    }

    /// Makes what every namespace has: an account for its pods, without which none is made.
    pub(super) fn furnish_namespace(&mut self, namespace: &str) {
        let place = key(Kind::ServiceAccount, namespace, "default");
        let meta = Meta::new(namespace, "default", self.dice.uid(), self.now);
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": plain_meta(Kind::ServiceAccount, &meta),
        });
        self.store.publish(place, account);
    }

    /// Takes a whole new version of an object, as PUT does and each PATCH ends.
    ///
    /// - Shape: the object as it is afterwards; under `dry_run` as it would be.
    /// - Errors: [`Refusal::Conflict`] when `new` names another resource version than the current
    ///   one, [`Refusal::Invalid`] with all causes.
    pub fn replace(
        &mut self,
        key: &Key,
        mut new: Value,
        part: Part,
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        let current = self.object(key)?;
        check_preconditions(key, &current, &new)?;
        if part == Part::Status {
            return self.replace_status(key, current, &new, dry_run);
        }
        defaults::fill(key.kind, &mut new);
        let new = canonical(key.kind, new)?;
        let causes = validate::causes(key.kind, &new, Some(&current));
        if !causes.is_empty() {
            return Err(Refusal::Invalid { kind: key.kind, name: key.name.clone(), causes });
        }
        let mut next = new;
        // What the server owns stays as it is, whatever the client sent.
        for field in ["uid", "creationTimestamp", "name", "namespace", "generation", "generateName"] {
            keep_field(&mut next["metadata"], &current["metadata"], field);
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
            keep_field(&mut next["metadata"], &current["metadata"], field);
        }
        keep_field(&mut next, &current, "status");
        next["apiVersion"] = key.kind.api_version().into();
        next["kind"] = key.kind.as_str().into();
        let respecified = next["spec"] != current["spec"];
        if respecified && key.kind.has_generation() {
            next["metadata"]["generation"] =
                (current["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
        }
        if key.kind == Kind::DaemonSet && next["spec"]["template"] != current["spec"]["template"] {
            let generation = current["metadata"]["annotations"][GENERATION_ANNOTATION].as_str();
            let generation = generation.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0) + 1;
            next["metadata"]["annotations"][GENERATION_ANNOTATION] = generation.to_string().into();
        }
        if dry_run {
            return Ok(next);
        }
        self.keep_changed(key, next, respecified)?;
        self.settle();
        // A change may have taken the last finalizer of an object that was to go.
        self.object(key).or(Ok(current))
    }

    fn keep_changed(&mut self, key: &Key, next: Value, respecified: bool) -> Result<(), Refusal> {
        let generation = next["metadata"]["generation"].as_i64().unwrap_or(1);
        let look_at = after(self.now, self.scenario.observation_s());
        let is = |meta: &Meta| meta.name == key.name && meta.namespace == key.namespace;
        match key.kind {
            Kind::Deployment => {
                let spec = read(&next["spec"])?;
                if let Some(it) = self.deployments.iter_mut().find(|it| is(&it.meta)) {
                    it.meta.take_over(&next);
                    it.meta.generation = generation;
                    it.look_at = Some(look_at).filter(|_| respecified).or(it.look_at);
                    it.spec = spec;
                }
            }
            Kind::ReplicaSet => {
                let spec: apps::ReplicaSetSpec = read(&next["spec"])?;
                if let Some(it) = self.replica_sets.iter_mut().find(|it| is(&it.meta)) {
                    it.meta.take_over(&next);
                    it.meta.generation = generation;
                    it.take_spec(&spec);
                }
            }
            Kind::StatefulSet => {
                let spec = read(&next["spec"])?;
                if let Some(it) = self.stateful_sets.iter_mut().find(|it| is(&it.meta)) {
                    it.meta.take_over(&next);
                    it.meta.generation = generation;
                    it.spec = spec;
                    it.look_at = Some(look_at);
                }
            }
            Kind::DaemonSet => {
                let spec = read(&next["spec"])?;
                if let Some(it) = self.daemon_sets.iter_mut().find(|it| is(&it.meta)) {
                    it.meta.take_over(&next);
                    it.meta.generation = generation;
                    it.spec = spec;
                    it.look_at = Some(look_at);
                }
            }
            Kind::Pod => {
                let spec: core::PodSpec = read(&next["spec"])?;
                if let Some(it) = self.pods.iter_mut().find(|it| is(&it.meta)) {
                    it.meta.take_over(&next);
                    it.meta.generation = generation;
                    it.spec = spec;
                }
            }
            Kind::ControllerRevision | Kind::Event => return Err(Refusal::MethodNotAllowed),
            _ => self.store.publish(key.clone(), next),
        }
        Ok(())
    }

    /// A client that writes a pod's status plays its kubelet: what it wrote stays.
    fn replace_status(
        &mut self,
        key: &Key,
        current: Value,
        new: &Value,
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        let mut next = current;
        next["status"] = new["status"].clone();
        if dry_run {
            return Ok(next);
        }
        match key.kind {
            Kind::Pod => {
                let is = |meta: &Meta| meta.name == key.name && meta.namespace == key.namespace;
                if let Some(pod) = self.pods.iter_mut().find(|pod| is(&pod.meta)) {
                    pod.be_told(next["status"].clone());
                }
            }
            Kind::Node => self.store.publish(key.clone(), next),
            _ => return Err(Refusal::MethodNotAllowed),
        }
        self.settle();
        self.object(key)
    }

    /// The `scale` of a Deployment, a StatefulSet or a ReplicaSet.
    pub fn scale(&self, key: &Key) -> Result<Value, Refusal> {
        let object = self.object(key)?;
        let metadata = &object["metadata"];
        let selector = object["spec"]["selector"]["matchLabels"].as_object();
        let selector: Vec<String> = selector
            .into_iter()
            .flatten()
            .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default()))
            .collect();
        Ok(json!({
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "creationTimestamp": metadata["creationTimestamp"],
            },
            "spec": {"replicas": object["spec"]["replicas"]},
            "status": {
                "replicas": object["status"]["replicas"].as_i64().unwrap_or(0),
                "selector": selector.join(","),
            },
        }))
    }
}

/// The object without fields that its kind does not have, as a typed server reads it.
fn canonical(kind: Kind, new: Value) -> Result<Value, Refusal> {
    let mut canonical = match kind {
        Kind::Deployment => through::<apps::Deployment>(&new)?,
        Kind::ReplicaSet => through::<apps::ReplicaSet>(&new)?,
        Kind::StatefulSet => through::<apps::StatefulSet>(&new)?,
        Kind::DaemonSet => through::<apps::DaemonSet>(&new)?,
        Kind::Pod => through::<core::Pod>(&new)?,
        Kind::Node => through::<core::Node>(&new)?,
        Kind::ResourceQuota => through::<core::ResourceQuota>(&new)?,
        Kind::LimitRange => through::<core::LimitRange>(&new)?,
        Kind::HorizontalPodAutoscaler => {
            through::<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler>(&new)?
        }
        Kind::PodDisruptionBudget => through::<k8s_openapi::api::policy::v1::PodDisruptionBudget>(&new)?,
        _ => new,
    };
    canonical["apiVersion"] = kind.api_version().into();
    canonical["kind"] = kind.as_str().into();
    Ok(canonical)
}

fn through<T: DeserializeOwned + Serialize>(new: &Value) -> Result<Value, Refusal> {
    let typed: T = read(new)?;
    Ok(serde_json::to_value(typed).expect("objects of the API have only text for keys"))
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Refusal> {
    serde_json::from_value(value.clone())
        .map_err(|error| Refusal::BadResult { document: value.to_string(), why: error.to_string() })
}

fn keep_field(new: &mut Value, current: &Value, field: &str) {
    let Some(fields) = new.as_object_mut() else { return };
    match current.get(field) {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.remove(field),
    };
}

fn plain_meta(kind: Kind, meta: &Meta) -> Value {
    let mut shown = meta.shown();
    if let Some(fields) = shown.as_object_mut() {
        if !kind.is_namespaced() {
            fields.remove("namespace");
        }
        if !kind.has_generation() {
            fields.remove("generation");
        }
    }
    shown
}

/// A uid or resource version in a new object is a condition on the old one.
fn check_preconditions(key: &Key, current: &Value, new: &Value) -> Result<(), Refusal> {
    let conflict = |why: String| Refusal::Conflict { kind: key.kind, name: key.name.clone(), why };
    let (uid, known) = (&new["metadata"]["uid"], &current["metadata"]["uid"]);
    if uid.is_string() && uid != known {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        return Err(conflict(format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            text(uid),
            text(known)
        )));
    }
    let version = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != current["metadata"]["resourceVersion"] {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        return Err(conflict(why.into()));
    }
    Ok(())
}
