//! The way back to a revision that a person names, when no release pinned one.

use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};

use super::WayBack;
use crate::adapters::kube::error::KubeError;
use crate::adapters::kube::objects::{RevisionEntry, kept_template};
use crate::release::pin::{Pin, Template, To};
use crate::watch::{RevisionFacts, template};

impl WayBack<'_> {
    /// Reads a revision as the state to return to.
    ///
    /// - Errors: [`KubeError::NotRolledBack`] when there is none such, with those there are.
    pub async fn pin_earlier(&self, to: To, at: Timestamp) -> Result<(Pin, Template), KubeError> {
        let now = self.read().await?;
        let (workload, holder) = (&now.workload, now.holder());
        let revisions = self.revisions_of(workload).await?;
        let refused = |why| KubeError::NotRolledBack { target: self.target.to_string(), why };
        let chosen = choose(&revisions, &holder.template_print, to).map_err(refused)?;
        let keeper = self.keeper().0;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", keeper));
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.target.namespace, &resource);
        let object = self.place.call(&format!("read the old {keeper}"), api.get(&chosen.name)).await?;
        let Some(kept) = kept_template(&object.data) else {
            return Err(refused(format!("{keeper} {} holds no pod template", chosen.name)));
        };
        let pin = Pin {
            target: self.target.clone(),
            mounted: Vec::new(),
            limit: None,
            uid: workload.uid.clone(),
            at,
            revision: chosen.revision,
            kept_in: chosen.name.clone(),
            template_hash: chosen.template_hash.clone(),
            template_print: chosen.template_print.clone(),
            images: chosen.images.clone(),
            digests: Vec::new(),
            replicas: workload.spec_replicas,
        };
        Ok((pin, Template(template::plain(&kept))))
    }
}

/// By number where there is one: a revision whose number cannot be read is never "previous".
fn choose<'r>(revisions: &'r [RevisionEntry], now: &str, to: To) -> Result<&'r RevisionFacts, String> {
    let mut numbered: Vec<(u64, &RevisionFacts)> =
        revisions.iter().filter_map(|known| Some((known.facts.revision?, &known.facts))).collect();
    numbered.sort_by_key(|(number, _)| *number);
    let found = match to {
        To::Revision(wanted) => numbered.iter().find(|(number, _)| *number == wanted),
        To::Previous => numbered.iter().rfind(|(_, facts)| facts.template_print != now),
    };
    found.map(|(_, facts)| *facts).ok_or_else(|| match to {
        To::Previous => "it has no revision but the one that runs".to_owned(),
        To::Revision(wanted) => {
            let there: Vec<String> = numbered.iter().map(|(number, _)| number.to_string()).collect();
            format!("it has no revision {wanted}; there are {}", there.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(number: Option<u64>, print: &str) -> RevisionEntry {
        let facts = RevisionFacts {
            name: format!("app-{print}"),
            uid: String::new(),
            revision: number,
            template_hash: String::new(),
            template_print: print.to_owned(),
            images: Vec::new(),
            spec_replicas: 0,
            replicas: 0,
            ready: 0,
            conditions: Vec::new(),
        };
        RevisionEntry { owner: None, facts }
    }

    fn chosen(revisions: &[RevisionEntry], now: &str, to: To) -> Result<String, String> {
        choose(revisions, now, to).map(|facts| facts.template_print.clone())
    }

    #[test]
    fn the_previous_one_is_the_newest_with_another_template() {
        let all = [revision(Some(5), "b"), revision(Some(7), "c"), revision(Some(6), "a")];
        assert_eq!(chosen(&all, "c", To::Previous), Ok("a".into()));
        // Somebody put an older template back, and its ReplicaSet has a new number.
        assert_eq!(chosen(&all, "a", To::Previous), Ok("c".into()));
        // The controller has not made a ReplicaSet for the template that is there now.
        assert_eq!(chosen(&all, "d", To::Previous), Ok("c".into()));
    }

    #[test]
    fn a_revision_without_a_number_is_no_previous_one_and_is_not_taken_for_zero() {
        let all = [revision(None, "x"), revision(Some(2), "b"), revision(Some(1), "a")];
        assert_eq!(chosen(&all, "b", To::Previous), Ok("a".into()));
        assert_eq!(
            chosen(&[revision(None, "x"), revision(Some(2), "b")], "b", To::Previous),
            Err("it has no revision but the one that runs".into())
        );
    }

    #[test]
    fn a_number_is_that_number_or_nothing() {
        let all = [revision(Some(5), "b"), revision(Some(7), "c")];
        assert_eq!(chosen(&all, "c", To::Revision(5)), Ok("b".into()));
        assert_eq!(chosen(&all, "c", To::Revision(6)), Err("it has no revision 6; there are 5, 7".into()));
    }
}
