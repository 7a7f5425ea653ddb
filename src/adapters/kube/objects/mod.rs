//! Kubernetes objects cut down to what a rollout needs, turned into our facts while they are read.
//!
//! A pod as the server sends it is several kilobytes, half of it bookkeeping of who wrote which
//! field; with thousands of pods that is what a watcher spends its time and memory on.

mod analysis;
mod daemon_set;
mod deployment;
mod event;
mod node;
mod pod;
mod probe;
mod revision;
mod rollout;
mod stateful_set;
mod wire;
mod workload;

pub(super) use analysis::{AnalysisRun, Run};
pub(super) use daemon_set::DaemonSet;
pub(super) use deployment::Deployment;
pub(super) use event::Warning;
pub(super) use node::{Node, NodeEntry};
pub(super) use pod::{Joined, Pod, PodEntry};
pub(super) use revision::{ControllerRevision, ReplicaSet, RevisionEntry, kept_template};
pub(super) use rollout::Rollout;
pub(super) use stateful_set::StatefulSet;
pub(super) use wire::gitops_owner_of;
pub(super) use workload::{ROLLOUT_HASH, Rolling, Workload};

/// Declares a kind that can be read, listed and watched.
macro_rules! resource {
    ($name:ident, $kind:literal, $group:literal, $version:literal, $plural:literal, $scope:ident) => {
        impl kube::Resource for $name {
            type DynamicType = ();
            type Scope = k8s_openapi::$scope;

            fn kind(_: &()) -> std::borrow::Cow<'_, str> {
                $kind.into()
            }
            fn group(_: &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }
            fn version(_: &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }
            fn plural(_: &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &kube::core::ObjectMeta {
                &self.meta
            }
            fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
                &mut self.meta
            }
        }
    };
}
use resource;
