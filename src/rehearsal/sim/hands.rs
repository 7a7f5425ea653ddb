//! What a controller can touch beside its own object: it makes pods, deletes them and tells of it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};

use super::change::Refusal;
use super::dice::Dice;
use super::event::{About, News, Reporter};
use super::kind::Kind;
use super::meta::Meta;
use super::pod::{Pod, Surroundings};
use super::store::Store;
use super::{World, admission, after};
use crate::rehearsal::scenario::Scenario;

#[derive(Debug)]
pub struct Hands<'a> {
    pub now: Timestamp,
    pub scenario: Scenario,
    pub store: &'a mut Store,
    pub pods: &'a mut Vec<Pod>,
    pub dice: &'a mut Dice,
    pub news: &'a mut Vec<News>,
    /// Node and image: what needs no pulling.
    pub pulled: &'a mut BTreeSet<String>,
}

/// A pod before anything was decided about it.
#[derive(Debug, Clone)]
pub struct Draft {
    pub meta: Meta,
    pub spec: PodSpec,
}

impl Hands<'_> {
    /// A draft of a pod as `template` wants it, owned by `owner`.
    pub fn draft(&mut self, owner: &Meta, kind: Kind, template: &PodTemplateSpec, name: String) -> Draft {
        let mut meta = Meta::new(&owner.namespace, &name, self.dice.uid(), self.now);
        let metadata = template.metadata.clone().unwrap_or_default();
        meta.generate_name = Some(format!("{}-", owner.name));
        meta.labels = metadata.labels.unwrap_or_default();
        meta.annotations = metadata.annotations.unwrap_or_default();
        meta.finalizers = metadata.finalizers.unwrap_or_default();
        meta.owners = vec![owner.as_controller(kind)];
        Draft { meta, spec: template.spec.clone().unwrap_or_default() }
    }

    /// Creates a pod, unless a quota, a limit or what it refers to forbids it.
    pub fn create_pod(&mut self, mut draft: Draft) -> Result<(), Refusal> {
        admission::admit(self.store, self.pods, &mut draft)?;
        let look_at = after(self.now, self.scenario.scheduling_s(self.dice));
        self.pods.push(Pod::new(draft, self.now, look_at, self.scenario));
        Ok(())
    }

    /// Asks a pod to go.
    pub fn delete_pod(&mut self, uid: &str) {
        let mut around =
            Surroundings { scenario: self.scenario, now: self.now, pulled: self.pulled, news: self.news };
        for pod in self.pods.iter_mut().filter(|pod| pod.meta.uid == uid) {
            pod.delete(None, &mut around);
        }
    }

    pub fn tell(
        &mut self,
        about: (Kind, &Meta),
        reporter: Reporter,
        warning: bool,
        reason: &'static str,
        message: String,
    ) {
        let (kind, meta) = about;
        let about = About {
            kind,
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            container: None,
        };
        self.news.push(News { about, reporter, node: None, warning, reason, message });
    }
}

impl World {
    /// Lets `work` be done by a controller's hands, and tells what it has to tell.
    pub(super) fn with_hands<T>(&mut self, work: impl FnOnce(&mut Hands<'_>) -> T) -> T {
        let mut news = Vec::new();
        let mut hands = Hands {
            now: self.now,
            scenario: self.scenario,
            store: &mut self.store,
            pods: &mut self.pods,
            dice: &mut self.dice,
            news: &mut news,
            pulled: &mut self.pulled,
        };
        let done = work(&mut hands);
        self.tell(news);
        done
    }
}
