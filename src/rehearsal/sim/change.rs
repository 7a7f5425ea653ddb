//! What clients may change: the rules of the API server for the objects that we serve.

use k8s_openapi::api::apps::v1::{Deployment as ApiDeployment, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::deployment::Deployment;
use super::pod::Surroundings;
use super::store::{Key, Kind};
use super::{OBSERVATION_S, World, after, key, render, seconds};

/// Why the API refuses. Each has its status code and reason in `serve::status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{resource} \"{name}\" not found", resource = kind.qualified())]
    NotFound { kind: Kind, name: String },
    #[error("{resource} \"{name}\" already exists", resource = kind.qualified())]
    AlreadyExists { kind: Kind, name: String },
    #[error("Operation cannot be fulfilled on {resource} \"{name}\": {why}", resource = kind.qualified())]
    Conflict { kind: Kind, name: String, why: String },
    #[error("{subject} \"{name}\" is invalid: {causes}", subject = kind.subject(), causes = Cause::list(causes))]
    Invalid { kind: Kind, name: String, causes: Vec<Cause> },
    /// A patch whose result is not an object of its kind.
    #[error(" \"\" is invalid: patch: Invalid value: {document:?}: {why}")]
    BadResult { document: String, why: String },
    /// A JSON Patch whose operations do not fit the object, a failed `test` among them.
    #[error("the server rejected our request due to an error in our request")]
    PatchDoesNotApply,
    #[error("{0}")]
    BadRequest(String),
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    #[error("415: Unsupported Media Type")]
    UnsupportedMediaType,
}

/// One reason of an invalid object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: &'static str,
    pub message: String,
    pub field: String,
}

impl Refusal {
    /// A patch of a field that never changes.
    pub fn immutable(key: &Key, field: &str, value: &Value) -> Self {
        let causes = vec![Cause::invalid(field, &value.to_string(), "field is immutable")];
        Self::Invalid { kind: key.kind, name: key.name.clone(), causes }
    }
}

impl Cause {
    fn list(causes: &[Self]) -> String {
        let texts: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        match texts.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        }
    }

    fn required(field: String) -> Self {
        Self { reason: "FieldValueRequired", message: "Required value".into(), field }
    }

    fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {why}"),
            field: field.into(),
        }
    }
}

impl World {
    /// Changes the image of the container named like the application, or of the only one.
    pub fn set_image(&mut self, namespace: &str, name: &str, image: &str) -> Result<(), Refusal> {
        let mut object = self.object(&key(Kind::Deployment, namespace, name))?;
        let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut();
        for container in containers.into_iter().flatten().take(1) {
            container["image"] = image.into();
        }
        self.replace_deployment(namespace, name, object, false).map(|_| ())
    }

    /// One published object.
    pub fn object(&self, key: &Key) -> Result<Value, Refusal> {
        self.store
            .get(key)
            .map(|object| object.as_ref().clone())
            .ok_or_else(|| Refusal::NotFound { kind: key.kind, name: key.name.clone() })
    }

    /// Takes a whole new version of an object, as PUT does and each PATCH ends.
    ///
    /// - Shape: the object as it is afterwards; under `dry_run` as it would be.
    /// - Errors: [`Refusal::Conflict`] when `new` names another resource version than the current
    ///   one, [`Refusal::Invalid`] with all causes.
    pub fn replace(&mut self, key: &Key, new: Value, dry_run: bool) -> Result<Value, Refusal> {
        match key.kind {
            Kind::Deployment => self.replace_deployment(&key.namespace, &key.name, new, dry_run),
            Kind::Lease | Kind::ConfigMap => self.replace_plain(key, new, dry_run),
            _ => Err(Refusal::MethodNotAllowed),
        }
    }

    pub fn create(
        &mut self,
        kind: Kind,
        namespace: &str,
        mut new: Value,
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        if kind == Kind::Deployment {
            return self.create_deployment(namespace, new, dry_run);
        }
        if !matches!(kind, Kind::Lease | Kind::ConfigMap | Kind::Namespace) {
            return Err(Refusal::MethodNotAllowed);
        }
        let name = new["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() {
            let causes = vec![Cause::required("metadata.name".into())];
            return Err(Refusal::Invalid { kind, name, causes });
        }
        if kind != Kind::Namespace && !self.has_namespace(namespace) {
            return Err(Refusal::NotFound { kind: Kind::Namespace, name: namespace.into() });
        }
        let key = key(kind, namespace, &name);
        if self.store.get(&key).is_some() {
            return Err(Refusal::AlreadyExists { kind, name });
        }
        new["apiVersion"] = kind.api_version().into();
        new["kind"] = kind.as_str().into();
        new["metadata"]["namespace"] = namespace.into();
        new["metadata"]["uid"] = self.dice.uid().into();
        new["metadata"]["creationTimestamp"] = seconds(self.now).into();
        if dry_run {
            return Ok(new);
        }
        self.store.publish(key.clone(), new);
        self.object(&key)
    }

    fn has_namespace(&self, namespace: &str) -> bool {
        self.store.get(&key(Kind::Namespace, "", namespace)).is_some()
    }

    fn create_deployment(&mut self, namespace: &str, new: Value, dry_run: bool) -> Result<Value, Refusal> {
        let kind = Kind::Deployment;
        let mut new: ApiDeployment = serde_json::from_value(new.clone())
            .map_err(|error| Refusal::BadResult { document: new.to_string(), why: error.to_string() })?;
        fill_defaults(&mut new);
        let name = new.metadata.name.clone().unwrap_or_default();
        if !self.has_namespace(namespace) {
            return Err(Refusal::NotFound { kind: Kind::Namespace, name: namespace.into() });
        }
        let place = key(kind, namespace, &name);
        if self.store.get(&place).is_some() {
            return Err(Refusal::AlreadyExists { kind, name });
        }
        let next = Deployment {
            namespace: namespace.into(),
            name: name.clone(),
            uid: self.dice.uid(),
            created: self.now,
            generation: 1,
            labels: new.metadata.labels.take().unwrap_or_default(),
            annotations: new.metadata.annotations.take().unwrap_or_default(),
            spec: new.spec.clone().unwrap_or_default(),
            status: Default::default(),
            conditions: Vec::new(),
            look_at: Some(after(self.now, OBSERVATION_S)),
        };
        let mut causes = invalid_fields(&new, &next);
        if name.is_empty() {
            causes.insert(0, Cause::required("metadata.name".into()));
        }
        if !causes.is_empty() {
            return Err(Refusal::Invalid { kind, name, causes });
        }
        if dry_run {
            return Ok(render::deployment(&next));
        }
        self.deployments.push(next);
        self.publish();
        self.object(&place)
    }

    pub fn delete(&mut self, key: &Key, dry_run: bool) -> Result<Value, Refusal> {
        let object = self.object(key)?;
        if dry_run {
            return Ok(object);
        }
        match key.kind {
            Kind::Lease | Kind::ConfigMap => {
                self.store.remove(key);
            }
            Kind::Pod => {
                self.delete_pods(|pod_name, _| pod_name == key.name);
            }
            Kind::Deployment => {
                let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                let sets: Vec<String> = self
                    .replica_sets
                    .iter()
                    .filter(|set| set.owner_uid == uid)
                    .map(|set| set.uid.clone())
                    .collect();
                self.deployments.retain(|deployment| deployment.uid != uid);
                self.replica_sets.retain(|set| set.owner_uid != uid);
                self.delete_pods(|_, owner| sets.iter().any(|set| set == owner));
            }
            _ => return Err(Refusal::MethodNotAllowed),
        }
        self.settle();
        Ok(object)
    }

    fn delete_pods(&mut self, chosen: impl Fn(&str, &str) -> bool) {
        let mut news = Vec::new();
        let mut around = Surroundings {
            scenario: self.scenario,
            now: self.now,
            pulled: &mut self.pulled,
            news: &mut news,
        };
        for pod in &mut self.pods {
            if chosen(&pod.name, &pod.owner_uid) {
                pod.delete(&mut around);
            }
        }
        self.tell(news);
    }

    fn replace_plain(&mut self, key: &Key, mut new: Value, dry_run: bool) -> Result<Value, Refusal> {
        let current = self.object(key)?;
        check_preconditions(key, &current, &new)?;
        for field in ["uid", "creationTimestamp", "name", "namespace"] {
            new["metadata"][field] = current["metadata"][field].clone();
        }
        new["apiVersion"] = key.kind.api_version().into();
        new["kind"] = key.kind.as_str().into();
        if dry_run {
            new["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
            return Ok(new);
        }
        self.store.publish(key.clone(), new);
        self.object(key)
    }

    fn replace_deployment(
        &mut self,
        namespace: &str,
        name: &str,
        new: Value,
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        let place = key(Kind::Deployment, namespace, name);
        let current = self.object(&place)?;
        check_preconditions(&place, &current, &new)?;
        let mut new: ApiDeployment = serde_json::from_value(new.clone())
            .map_err(|error| Refusal::BadResult { document: new.to_string(), why: error.to_string() })?;
        fill_defaults(&mut new);
        let index = self
            .deployments
            .iter()
            .position(|deployment| deployment.namespace == namespace && deployment.name == name)
            .ok_or_else(|| Refusal::NotFound { kind: Kind::Deployment, name: name.into() })?;
        let causes = invalid_fields(&new, &self.deployments[index]);
        if !causes.is_empty() {
            return Err(Refusal::Invalid { kind: Kind::Deployment, name: name.into(), causes });
        }
        let spec = new.spec.unwrap_or_default();
        let now = self.now;
        let mut next = self.deployments[index].clone();
        next.labels = new.metadata.labels.unwrap_or_default();
        next.annotations = new.metadata.annotations.unwrap_or_default();
        if next.spec != spec {
            next.spec = spec;
            next.generation += 1;
            next.look_at = Some(after(now, OBSERVATION_S));
        }
        if dry_run {
            let mut shown = render::deployment(&next);
            shown["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
            return Ok(shown);
        }
        self.deployments[index] = next;
        self.publish();
        self.object(&place)
    }

    /// The `scale` of a Deployment.
    pub fn scale(&self, namespace: &str, name: &str) -> Result<Value, Refusal> {
        let object = self.object(&key(Kind::Deployment, namespace, name))?;
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
                "name": name,
                "namespace": namespace,
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

fn invalid_fields(new: &ApiDeployment, current: &Deployment) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some(spec) = &new.spec else { return vec![Cause::required("spec".into())] };
    if let Some(replicas) = spec.replicas.filter(|replicas| *replicas < 0) {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", &replicas.to_string(), why));
    }
    if spec.selector != current.spec.selector {
        let shown = serde_json::to_string(&spec.selector).unwrap_or_default();
        causes.push(Cause::invalid("spec.selector", &shown, "field is immutable"));
    }
    let labels =
        spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let wanted = spec.selector.match_labels.clone().unwrap_or_default();
    if !wanted.iter().all(|(label, value)| labels.get(label) == Some(value)) {
        let shown = serde_json::to_string(&labels).unwrap_or_default();
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            &shown,
            "`selector` does not match template `labels`",
        ));
    }
    let containers = spec.template.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    if containers.is_empty() {
        causes.push(Cause::required("spec.template.spec.containers".into()));
    }
    for (index, container) in containers.iter().enumerate() {
        let field = |name: &str| format!("spec.template.spec.containers[{index}].{name}");
        if container.name.is_empty() {
            causes.push(Cause::required(field("name")));
        } else if containers[..index].iter().any(|other| other.name == container.name) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                message: format!("Duplicate value: {:?}", container.name),
                field: field("name"),
            });
        }
        if container.image.as_deref().unwrap_or_default().is_empty() {
            causes.push(Cause::required(field("image")));
        }
    }
    let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let is_zero = |value: Option<&IntOrString>| match value {
        Some(IntOrString::Int(count)) => *count == 0,
        Some(IntOrString::String(text)) => text.trim_end_matches('%') == "0",
        None => false,
    };
    if let Some(rolling) = rolling
        && is_zero(rolling.max_surge.as_ref())
        && is_zero(rolling.max_unavailable.as_ref())
    {
        let why = "may not be 0 when `maxSurge` is 0";
        causes.push(Cause::invalid("spec.strategy.rollingUpdate.maxUnavailable", "0", why));
    }
    causes
}

/// The values that the API server fills in, as far as our kinds have them.
fn fill_defaults(new: &mut ApiDeployment) {
    let Some(spec) = &mut new.spec else { return };
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    spec.progress_deadline_seconds.get_or_insert(600);
    let strategy = spec.strategy.get_or_insert_with(DeploymentStrategy::default);
    if strategy.type_.get_or_insert_with(|| "RollingUpdate".into()) == "RollingUpdate" {
        let rolling = strategy.rolling_update.get_or_insert_with(RollingUpdateDeployment::default);
        rolling.max_surge.get_or_insert_with(|| IntOrString::String("25%".into()));
        rolling.max_unavailable.get_or_insert_with(|| IntOrString::String("25%".into()));
    }
    if let Some(metadata) = &mut spec.template.metadata {
        // An older client's `null` is no part of the template.
        metadata.creation_timestamp = None;
    }
    let Some(pod) = &mut spec.template.spec else { return };
    pod.restart_policy.get_or_insert_with(|| "Always".into());
    pod.termination_grace_period_seconds.get_or_insert(30);
    pod.dns_policy.get_or_insert_with(|| "ClusterFirst".into());
    pod.scheduler_name.get_or_insert_with(|| "default-scheduler".into());
    pod.security_context.get_or_insert_default();
    pod.containers.iter_mut().for_each(fill_container);
}

fn fill_container(container: &mut Container) {
    container.image_pull_policy.get_or_insert_with(|| "IfNotPresent".into());
    container.termination_message_path.get_or_insert_with(|| "/dev/termination-log".into());
    container.termination_message_policy.get_or_insert_with(|| "File".into());
    for port in container.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".into());
    }
    if let Some(probe) = &mut container.readiness_probe {
        probe.period_seconds.get_or_insert(10);
        probe.timeout_seconds.get_or_insert(1);
        probe.success_threshold.get_or_insert(1);
        probe.failure_threshold.get_or_insert(3);
        if let Some(request) = &mut probe.http_get {
            request.scheme.get_or_insert_with(|| "HTTP".into());
        }
    }
}
