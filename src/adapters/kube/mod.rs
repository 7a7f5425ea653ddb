//! The cluster: one client, one watch per kind, a heartbeat, log streams, and the way back.
//!
//! Nothing here decides anything: it reads the API server and says what it saw in the words of
//! [`crate::watch`].
#![expect(
    clippy::disallowed_methods,
    reason = "the adapter owns its tasks, and the client's exec plugins block a thread"
)]

mod access;
mod answer;
mod connect;
mod credential;
mod error;
mod heartbeat;
mod lease;
mod limits;
mod listwatch;
mod logs;
mod mounted;
mod nodes;
mod objects;
mod orders;
mod renew;
mod rollback;
mod routes;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod told;
mod watches;
mod workloads;

use std::collections::BTreeMap;
use std::path::Path;

use kube::Client;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::release::pin::{Finding, Mounted, Pin, Template, To};
use crate::release::{Blocker, LockRecord, Replicas, RolloutOrdered, RoutePin, RouteRef};
use crate::watch::{Moment, Observation, Preflight, TargetRef};
pub use connect::{ConnectOptions, Pinned};
pub use credential::Credential;
use error::Place;
pub use error::{Cause, KubeError};
pub use lease::LeaseSeen;
use lease::Leases;
pub use logs::{LogRequest, LogTail, LogTarget, TargetError};
use mounted::MountedBy;
use rollback::WayBack;
pub use rollback::{Fired, Tested};
use routes::Traffic;
pub use routes::{RouteTested, Routes, Steering, Wish};

/// One cluster, reached through one client that everything shares.
#[derive(Clone)]
pub struct KubeWorld {
    client: Client,
    pinned: Pinned,
    place: Place,
}

impl std::fmt::Debug for KubeWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeWorld").field("pinned", &self.pinned).finish_non_exhaustive()
    }
}

impl KubeWorld {
    /// Reads the kubeconfig and makes the client. No request is sent, though an exec plugin may run.
    ///
    /// - Errors: everything that can be known without the network; see [`KubeError`].
    pub async fn connect(options: &ConnectOptions) -> Result<Self, KubeError> {
        let pinned = options.settle()?;
        let client = renew::client(options, &pinned).await?;
        let place = Place { host: pinned.host.clone(), context: pinned.context.clone() };
        Ok(Self { client, pinned, place })
    }

    pub fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    /// Asks the API server whom it takes us for. Empty when it does not say.
    ///
    /// - Source: a SelfSubjectReview.
    pub async fn identity(&self) -> Result<String, KubeError> {
        connect::identity(&self.client, &self.place).await
    }

    /// Asks what we may do with these targets, so that a missing right is known before it is missed.
    ///
    /// - Shape: a line for each thing out of reach, with what follows from it; one fine line when
    ///   there is none. Takes at most four seconds.
    /// - Source: SelfSubjectAccessReviews, eight at a time.
    pub async fn access(&self, targets: &[TargetRef]) -> Vec<Preflight> {
        access::lines(&self.client, targets).await
    }

    /// Lists the workloads of a namespace that can be watched, by kind and then by name.
    ///
    /// - Source: one list of metadata per kind.
    pub async fn workloads(&self, namespace: &str) -> Result<Vec<TargetRef>, KubeError> {
        workloads::list(&self.client, &self.place, namespace).await
    }

    /// Starts the heartbeat, the watches and the log streams of all targets; they end with `cancel`
    /// and never before.
    ///
    /// - Shape: for each target its facts, at first and after each change, at most ten times a
    ///   second, newest only; the cluster's link whenever it changes; the lines of at most 24
    ///   containers, those of new pods in trouble first. A full `out` holds the readers of logs
    ///   back and drops nothing.
    pub fn spawn_watches<C>(
        &self,
        targets: Vec<TargetRef>,
        out: Sender<Observation>,
        cancel: CancellationToken,
        clock: C,
    ) -> TaskTracker
    where
        C: Fn() -> Moment + Send + Sync + Clone + 'static,
    {
        self.spawn_at(heartbeat::Pace::USUAL, targets, out, cancel, clock)
    }

    fn spawn_at<C>(
        &self,
        pace: heartbeat::Pace,
        targets: Vec<TargetRef>,
        out: Sender<Observation>,
        cancel: CancellationToken,
        clock: C,
    ) -> TaskTracker
    where
        C: Fn() -> Moment + Send + Sync + Clone + 'static,
    {
        let tasks = TaskTracker::new();
        let (recovered, recoveries) = watch::channel(0u64);
        let (skewed, skew) = watch::channel(jiff::SignedDuration::ZERO);
        let beat = heartbeat::run(self.client.clone(), pace, out.clone(), recovered, skewed, clock);
        tasks.spawn(cancel.clone().run_until_cancelled_owned(beat));
        let (followable, offers) = watch::channel(logs::Offers::new());
        let reading = logs::Reading::PANE;
        let following = logs::run(self.client.clone(), reading, offers, out.clone(), recoveries.clone());
        tasks.spawn(cancel.clone().run_until_cancelled_owned(following));
        let source = listwatch::Source { client: self.client.clone(), recoveries };
        let (nodes_wanted, wanted) = watch::channel(false);
        let (known, nodes) = watch::channel(None);
        let limits = limits::Limits::new(out.clone());
        let noding = nodes::run(source.clone(), wanted, known, limits.clone());
        tasks.spawn(cancel.clone().run_until_cancelled_owned(noding));
        let shared = watches::Shared { source, out, followable, nodes_wanted, nodes, limits, skew };
        for (namespace, targets) in watches::by_namespace(targets) {
            let watching = watches::run(shared.clone(), namespace, targets);
            tasks.spawn(cancel.clone().run_until_cancelled_owned(watching));
        }
        tasks.close();
        tasks
    }

    /// Finds a target whose logs are read apart from any release.
    ///
    /// - Errors: [`KubeError::Call`] when it does not exist, or may not be read, or its logs may not.
    /// - Source: the object, its pods, and a SelfSubjectAccessReview.
    pub async fn logs(&self, request: LogRequest) -> Result<LogTail, KubeError> {
        LogTail::open(self.client.clone(), self.place.clone(), request).await
    }

    /// Writes the kubeconfig that children get in front of the original list, and returns the value
    /// of their `KUBECONFIG`.
    pub fn write_pin(&self, path: &Path) -> Result<std::ffi::OsString, KubeError> {
        self.pinned.write(path)?;
        Ok(self.pinned.kubeconfig(path))
    }

    /// Reads what a target runs now, as the state that a rollback returns to.
    ///
    /// - Shape: the template comes apart from the pin, because it may hold secrets; what it mounts is
    ///   read by [`Self::mounted`], for all targets together.
    /// - Errors: [`KubeError::NotRolledBack`] for a workload without a template of its own.
    pub async fn pin(&self, target: &TargetRef, at: jiff::Timestamp) -> Result<(Pin, Template), KubeError> {
        WayBack::of(&self.client, &self.place, target).pin(at).await
    }

    /// Reads a revision that a person names, as the state that a rollback returns to.
    ///
    /// - Errors: [`KubeError::NotRolledBack`] when there is none such, with those there are.
    /// - Source: the object, its revisions, and the one that is meant.
    pub async fn pin_earlier(
        &self,
        target: &TargetRef,
        to: To,
        at: jiff::Timestamp,
    ) -> Result<(Pin, Template), KubeError> {
        WayBack::of(&self.client, &self.place, target).pin_earlier(to, at).await
    }

    /// The ConfigMaps and Secrets that the pods of these targets are given, in the versions of now.
    ///
    /// - Shape: no version where it could not be read; what does not exist is left out.
    /// - Source: at most two lists of metadata for each namespace.
    pub async fn mounted(&self, targets: &[(TargetRef, Template)]) -> BTreeMap<TargetRef, Vec<Mounted>> {
        self.mounted_by().pin(targets).await
    }

    /// What the pods of these are given and a rollback leaves as it is, as far as it changed.
    ///
    /// - Errors: the API server could not be asked; what may not be read is a finding.
    /// - Source: at most two lists of metadata for each namespace.
    pub async fn left_alone(&self, pins: &[Pin]) -> Result<Vec<Finding>, KubeError> {
        self.mounted_by().changes(pins).await
    }

    /// Tests the way back to `pin`; changes nothing.
    ///
    /// - Errors: the API server could not be asked; whatever it answers is a finding.
    /// - Source: at most five requests: the workload, its kept revision, a server-side dry run of the
    ///   very patch, of a Deployment one of a pod, and one or two SelfSubjectAccessReviews.
    pub async fn arm(&self, pin: &Pin, template: &Template) -> Result<Tested, KubeError> {
        WayBack::of(&self.client, &self.place, &pin.target).arm(pin, template).await
    }

    /// Puts the pinned template back, with the pods that it needs, if the target still carries what
    /// `shown` says (a template print) or anything when it says nothing.
    ///
    /// - Errors: [`KubeError::Changed`] when somebody else changed it; [`KubeError::Call`] otherwise.
    pub async fn fire(
        &self,
        pin: &Pin,
        template: &Template,
        shown: Option<&str>,
        replicas: Replicas,
    ) -> Result<Fired, KubeError> {
        WayBack::of(&self.client, &self.place, &pin.target).fire(pin, template, shown, replicas).await
    }

    /// Reads what steers the traffic and the capacity of these targets, as the state that a rollback
    /// returns to.
    ///
    /// - Shape: Services that select a target or its other colour, VirtualServices and DestinationRules
    ///   that speak of those, and autoscalers; what may not be read is named, and is no error.
    /// - Source: four lists in each namespace.
    pub async fn pin_routes(&self, targets: &[(TargetRef, Template)]) -> Routes {
        self.traffic().pin(targets).await
    }

    /// Tests whether traffic could be put back; changes nothing.
    ///
    /// - Errors: the API server could not be asked; whatever it answers is a finding.
    /// - Source: the object, and a server-side dry run of the very patch.
    pub async fn arm_route(&self, pin: &RoutePin) -> Result<RouteTested, KubeError> {
        self.traffic().arm(pin).await
    }

    /// Puts traffic, or the bounds of an autoscaler, back as pinned, or as [`Self::prove_steering`]
    /// says that it can be.
    ///
    /// - Shape: how long it took in milliseconds; `None` when it was so already.
    /// - Errors: [`KubeError::NotYet`] while a Service would send its traffic to no ready pod.
    pub async fn put_back(&self, pin: &RoutePin) -> Result<Option<u64>, KubeError> {
        self.traffic().put_back(pin).await
    }

    /// Looks whether all that steers traffic is as it was pinned.
    ///
    /// - Errors: [`KubeError::Changed`] for what somebody moved since it was put back;
    ///   [`KubeError::NotYet`] for what its own controller still moves.
    pub async fn read_back(&self, pins: &[RoutePin]) -> Result<(), KubeError> {
        self.traffic().read_back(pins).await
    }

    /// Looks whether traffic can be sent elsewhere, and changes nothing.
    ///
    /// - `least`: so many ready pods are enough; else as many as take the same share now.
    /// - Errors: [`KubeError::NotNow`] while a subset is not defined, or its pods are too few.
    /// - Source: the object, the pods of each side, and of a mesh its Services and DestinationRules.
    pub async fn prove_steering(
        &self,
        route: &RouteRef,
        wish: &Wish,
        least: Option<usize>,
    ) -> Result<Steering, KubeError> {
        self.traffic().prove(route, wish, least).await
    }

    fn mounted_by(&self) -> MountedBy<'_> {
        MountedBy { client: &self.client, place: &self.place }
    }

    fn traffic(&self) -> Traffic<'_> {
        Traffic { client: &self.client, place: &self.place }
    }

    /// Sends the traffic of an Argo Rollout back to its stable version, if anything but the pinned
    /// template is under way. Its spec still holds the bad version then: [`Self::fire`] comes next.
    ///
    /// - Shape: how long it took in milliseconds; `None` when nothing was to be aborted.
    pub async fn abort(&self, pin: &Pin) -> Result<Option<u64>, KubeError> {
        WayBack::of(&self.client, &self.place, &pin.target).abort(pin).await
    }

    /// Lets an Argo Rollout that carries the pinned template again leave its steps out.
    ///
    /// - Shape: how long it took in milliseconds; `None` when the pinned template is stable.
    /// - Errors: [`KubeError::Changed`] when it carries another template.
    pub async fn promote(&self, pin: &Pin) -> Result<Option<u64>, KubeError> {
        WayBack::of(&self.client, &self.place, &pin.target).promote(pin).await
    }

    /// Deletes the pod that holds a way back, if it is still the same pod.
    ///
    /// - Shape: how long it took in milliseconds; `None` when it is gone already.
    pub async fn delete_pod(&self, target: &TargetRef, blocker: &Blocker) -> Result<Option<u64>, KubeError> {
        WayBack::of(&self.client, &self.place, target).delete_pod(blocker).await
    }

    /// Reads the lock of a workload; `None` when nobody ever took it.
    ///
    /// - Source: the Lease `gonogo-<kind>-<name>` in its namespace.
    pub async fn lease(&self, target: &TargetRef) -> Result<Option<LeaseSeen>, KubeError> {
        self.leases().read(target).await
    }

    /// Writes who holds the lock of a workload, over the version that was read, or as the first.
    ///
    /// - Shape: the new version.
    /// - Errors: [`Cause::Conflict`] when somebody else was quicker.
    pub async fn write_lease(
        &self,
        target: &TargetRef,
        record: &LockRecord,
        over: Option<&str>,
    ) -> Result<String, KubeError> {
        self.leases().write(target, record, over).await
    }

    /// Leaves the lock of a workload without a holder.
    pub async fn clear_lease(&self, target: &TargetRef, why: &str, over: &str) -> Result<(), KubeError> {
        self.leases().clear(target, why, over).await
    }

    /// Why locks cannot be kept in a namespace, as far as the API server says so.
    ///
    /// - Source: at most three SelfSubjectAccessReviews.
    pub async fn may_not_lock(&self, namespace: &str) -> Option<String> {
        self.leases().may_not(namespace).await
    }

    fn leases(&self) -> Leases<'_> {
        Leases { client: &self.client, place: &self.place }
    }

    /// Tells an Argo Rollout to go on or back, if it still is what the operator saw.
    ///
    /// - Shape: how long it took in milliseconds; `None` when it was so already.
    /// - Errors: [`KubeError::Changed`], [`KubeError::NotNow`] when the order would do nothing or
    ///   harm; [`KubeError::Call`] otherwise.
    /// - Source: a read, and a merge patch of the status subresource, of the spec, or of both.
    pub async fn order(&self, ordered: &RolloutOrdered) -> Result<Option<u64>, KubeError> {
        orders::send(&self.client, &self.place, ordered).await
    }
}
