//! What decides where traffic goes, and how it stood before the release touched anything.
//!
//! A template alone is no known-good state: after a blue-green switch the good version still runs, and
//! nobody is sent to it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::watch::TargetRef;
use crate::workflow::nginx::{Colour, NginxSite};

/// What an object steers, in the order in which the way back writes it: first what gives the good side
/// its pods, then what names it, then what sends traffic to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// The bounds between which a target is scaled.
    #[serde(rename = "hpa")]
    Autoscaler,
    /// The subsets that a VirtualService speaks of.
    DestinationRule,
    /// The weights of a mesh.
    VirtualService,
    /// The selector of a Service.
    Service,
    /// The colour that an nginx before two copies of a service sends everybody to. No object of a
    /// cluster: named by its upstream file, without a namespace.
    Nginx,
}

/// One object that steers the traffic, or the capacity behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteRef {
    pub kind: RouteKind,
    pub namespace: String,
    pub name: String,
}

impl RouteRef {
    /// Whether it sends traffic: then the good side must be able to take it first.
    pub fn is_traffic(&self) -> bool {
        self.kind != RouteKind::Autoscaler
    }

    /// Whether it is an object of the cluster, as the targets are.
    pub fn is_in_cluster(&self) -> bool {
        self.kind != RouteKind::Nginx
    }
}

/// As kubectl takes it: `service/app`; of nginx the upstream file.
impl fmt::Display for RouteRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RouteKind::Autoscaler => "hpa",
            RouteKind::DestinationRule => "destinationrule",
            RouteKind::VirtualService => "virtualservice",
            RouteKind::Service => "service",
            RouteKind::Nginx => return write!(f, "nginx {}", self.name),
        };
        write!(f, "{kind}/{}", self.name)
    }
}

/// How one of them stood when the release started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePin {
    pub route: RouteRef,
    /// Empty for what is no object of a cluster.
    pub uid: String,
    /// As `networking.istio.io/v1`.
    pub api_version: String,
    pub held: Held,
    /// The targets that had traffic by it; of an autoscaler, the target that it scales.
    #[serde(default)]
    pub to: Vec<TargetRef>,
    /// The controller that moves it: then it is read back, and never written beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<String>,
    /// What kept it from being a proven good state when it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

impl RoutePin {
    /// Whether the way back writes it.
    pub fn is_written(&self) -> bool {
        self.kept_by.is_none()
    }

    /// What stands before the cluster, as a goal for a line of text: `blue behind nginx`.
    pub fn outside(&self) -> Option<String> {
        (!self.route.is_in_cluster()).then(|| format!("{} behind nginx", self.held))
    }

    /// Whether the way back moves traffic between targets by it. Which of them stands behind an nginx
    /// is not known: it asks its side itself before it sends anybody there.
    fn moves_targets(&self) -> bool {
        self.is_written() && self.route.is_traffic() && self.route.is_in_cluster()
    }
}

/// The part of an object that a release moves, and nothing else of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    Selector(BTreeMap<String, String>),
    /// One for each route entry, in their order.
    Shares(Vec<Shares>),
    Subsets(BTreeMap<String, BTreeMap<String, String>>),
    Bounds {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u32>,
        max: u32,
    },
    /// With all that a process needs to go back to it, wherever it was started.
    Colour {
        colour: Colour,
        site: Box<NginxSite>,
    },
}

/// Where the requests go that one route entry takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// Its protocol, and its name or what it matches: others may be added before it.
    pub entry: String,
    /// Those that get anything, by destination.
    pub to: Vec<Share>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share {
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u32>,
    /// As written; of one destination alone, 100.
    pub weight: u32,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = |labels: &BTreeMap<String, String>| {
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
        };
        let words: Vec<String> = match self {
            Held::Selector(selector) => vec![labels(selector)],
            Held::Shares(entries) => entries.iter().map(Shares::to_string).collect(),
            Held::Subsets(subsets) => {
                subsets.iter().map(|(name, of)| format!("{name} is {}", labels(of))).collect()
            }
            Held::Bounds { min: Some(min), max } => vec![format!("{min}–{max} pods")],
            Held::Bounds { min: None, max } => vec![format!("at most {max} pods")],
            Held::Colour { colour, .. } => vec![colour.to_string()],
        };
        f.write_str(&words.join("; "))
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares: Vec<String> = self.to.iter().map(Share::to_string).collect();
        f.write_str(&shares.join(" "))
    }
}

/// As `stable 95`: the subset where there is one, else the host.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subset.as_ref().unwrap_or(&self.host), self.weight)
    }
}

/// Whether a target had traffic, so that it must be able to take it again before anything is moved.
pub(super) fn serves(routes: &[RoutePin], target: &TargetRef) -> bool {
    routes.iter().any(|pin| pin.moves_targets() && pin.to.contains(target))
}

/// Whether the way back moves traffic between targets.
pub(super) fn moves_traffic(routes: &[RoutePin]) -> bool {
    routes.iter().any(RoutePin::moves_targets)
}

/// Whether a target's replicas are somebody else's to choose.
pub(super) fn is_scaled(routes: &[RoutePin], target: &TargetRef) -> bool {
    routes.iter().any(|pin| pin.route.kind == RouteKind::Autoscaler && pin.to.contains(target))
}
