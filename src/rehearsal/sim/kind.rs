//! The kinds of object that the practice world serves, and how the API names each.

use serde::{Deserialize, Serialize};

/// One kind of object of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    Namespace,
    Node,
    ServiceAccount,
    PriorityClass,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    ControllerRevision,
    Pod,
    Event,
    ResourceQuota,
    LimitRange,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    Service,
    Lease,
    ConfigMap,
    Secret,
    VirtualService,
    DestinationRule,
}

const ISTIO: &str = "networking.istio.io";

/// Name, plural, group, version, short names.
type Names = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

impl Kind {
    pub const ALL: [Self; 21] = [
        Self::Namespace,
        Self::Node,
        Self::ServiceAccount,
        Self::PriorityClass,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ControllerRevision,
        Self::Pod,
        Self::Event,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::Service,
        Self::Lease,
        Self::ConfigMap,
        Self::Secret,
        Self::VirtualService,
        Self::DestinationRule,
    ];

    fn names(self) -> Names {
        match self {
            Self::Namespace => ("Namespace", "namespaces", "", "v1", &["ns"]),
            Self::Node => ("Node", "nodes", "", "v1", &["no"]),
            Self::ServiceAccount => ("ServiceAccount", "serviceaccounts", "", "v1", &["sa"]),
            Self::PriorityClass => ("PriorityClass", "priorityclasses", "scheduling.k8s.io", "v1", &["pc"]),
            Self::Deployment => ("Deployment", "deployments", "apps", "v1", &["deploy"]),
            Self::StatefulSet => ("StatefulSet", "statefulsets", "apps", "v1", &["sts"]),
            Self::DaemonSet => ("DaemonSet", "daemonsets", "apps", "v1", &["ds"]),
            Self::ReplicaSet => ("ReplicaSet", "replicasets", "apps", "v1", &["rs"]),
            Self::ControllerRevision => ("ControllerRevision", "controllerrevisions", "apps", "v1", &[]),
            Self::Pod => ("Pod", "pods", "", "v1", &["po"]),
            Self::Event => ("Event", "events", "", "v1", &["ev"]),
            Self::ResourceQuota => ("ResourceQuota", "resourcequotas", "", "v1", &["quota"]),
            Self::LimitRange => ("LimitRange", "limitranges", "", "v1", &["limits"]),
            Self::HorizontalPodAutoscaler => {
                ("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling", "v2", &["hpa"])
            }
            Self::PodDisruptionBudget => {
                ("PodDisruptionBudget", "poddisruptionbudgets", "policy", "v1", &["pdb"])
            }
            Self::Service => ("Service", "services", "", "v1", &["svc"]),
            Self::Lease => ("Lease", "leases", "coordination.k8s.io", "v1", &[]),
            Self::ConfigMap => ("ConfigMap", "configmaps", "", "v1", &["cm"]),
            Self::Secret => ("Secret", "secrets", "", "v1", &[]),
            Self::VirtualService => ("VirtualService", "virtualservices", ISTIO, "v1", &["vs"]),
            Self::DestinationRule => ("DestinationRule", "destinationrules", ISTIO, "v1", &["dr"]),
        }
    }

    pub fn as_str(self) -> &'static str {
        self.names().0
    }

    pub fn plural(self) -> &'static str {
        self.names().1
    }

    pub fn group(self) -> &'static str {
        self.names().2
    }

    pub fn version(self) -> &'static str {
        self.names().3
    }

    pub fn short_names(self) -> &'static [&'static str] {
        self.names().4
    }

    /// As objects and paths carry it: `v1`, `apps/v1`.
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// As messages name a resource: `deployments.apps`.
    pub fn qualified(self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }

    /// As messages name one object's kind: `Deployment.apps`.
    pub fn subject(self) -> String {
        match self.group() {
            "" => self.as_str().to_owned(),
            group => format!("{}.{group}", self.as_str()),
        }
    }

    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node | Self::PriorityClass)
    }

    /// Whether its replicas have a `scale` of their own.
    pub fn has_scale(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::ReplicaSet)
    }

    /// Whether a change of its spec counts as a new generation.
    pub fn has_generation(self) -> bool {
        matches!(
            self,
            Self::Deployment
                | Self::StatefulSet
                | Self::DaemonSet
                | Self::ReplicaSet
                | Self::PodDisruptionBudget
                | Self::Pod
                | Self::VirtualService
                | Self::DestinationRule
        )
    }

    pub fn from_api(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| (kind.group(), kind.version(), kind.plural()) == (group, version, plural))
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}
