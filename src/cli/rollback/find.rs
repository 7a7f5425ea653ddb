//! Which release is meant, and whether its pinned state is still the one to go back to.

use std::path::Path;

use crate::adapters::store::{self, Summary};
use crate::cli::cluster::target_of;
use crate::release::{Phase, ReleaseId};
use crate::watch::TargetRef;
use crate::workflow::Target;

/// Finds the release: by the beginning of its id, by a target of it, or, without either, the newest that is
/// open, else the newest of all.
///
/// - Errors: in words, with what to write instead.
pub(super) fn find(
    state_dir: &Path,
    which: Option<&str>,
    namespace: Option<&str>,
) -> color_eyre::Result<Result<ReleaseId, String>> {
    let all = store::list(state_dir)?;
    let id = match which {
        Some(target) if target.contains('/') => {
            let target = target_of(target)?;
            let meant = |known: &TargetRef| is_meant(known, &target, namespace);
            match all.iter().find(|release| release.targets.iter().any(meant)) {
                Some(release) => release.id.clone(),
                None => {
                    let name = &target.name;
                    let kind = target.kind.as_str();
                    return Ok(Err(format!(
                        "no release of {kind}/{name} is kept on this machine, so nothing is pinned to go back to; \
                         `gonogo list` shows those there are"
                    )));
                }
            }
        }
        Some(id) => store::resolve(state_dir, Some(id))?,
        None => match all.iter().find(|release| release.is_open()).or(all.first()) {
            Some(release) => release.id.clone(),
            None => return Ok(Err("no release is kept on this machine".to_owned())),
        },
    };
    Ok(match newer(&all, &id) {
        Some((newer, target)) => Err(format!(
            "{newer} released {target} after {id} did: what {id} pinned is not what ran before now; \
             `gonogo rollback {newer}` goes back from it"
        )),
        None => Ok(id),
    })
}

fn is_meant(known: &TargetRef, wanted: &Target, namespace: Option<&str>) -> bool {
    known.kind == wanted.kind
        && known.name == wanted.name
        && namespace.is_none_or(|namespace| known.namespace == namespace)
}

/// A later release of one of its targets. One that never began has changed nothing.
fn newer<'a>(all: &'a [Summary], id: &ReleaseId) -> Option<(&'a ReleaseId, &'a TargetRef)> {
    let this = all.iter().find(|release| release.id == *id)?;
    let later = all.iter().filter(|release| {
        release.started > this.started
            && release.practice == this.practice
            && !matches!(release.phase, None | Some(Phase::Preparing))
    });
    later
        .flat_map(|release| release.targets.iter().map(move |target| (&release.id, target)))
        .find(|(_, target)| this.targets.contains(target))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::workflow::Kind;

    fn release(name: &str, second: i64, target: &str, phase: Phase) -> Summary {
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: "shop".into(),
            name: target.into(),
            container: None,
        };
        Summary {
            id: ReleaseId(name.into()),
            title: String::new(),
            phase: Some(phase),
            started: jiff::Timestamp::from_second(second).ok(),
            params: BTreeMap::new(),
            targets: vec![target],
            by: None,
            held_by_other: false,
            practice: false,
            problem: None,
        }
    }

    #[test]
    fn what_a_later_release_changed_is_not_undone_to_an_older_pin() {
        let all = [
            release("third", 30, "app", Phase::Preparing),
            release("second", 20, "app", Phase::Completed),
            release("other", 15, "web", Phase::Completed),
            release("first", 10, "app", Phase::Completed),
        ];
        let found = |name: &str| newer(&all, &ReleaseId(name.into())).map(|(id, _)| id.0.as_str());
        assert_eq!(found("first"), Some("second"));
        assert_eq!(found("second"), None, "the third never began");
        assert_eq!(found("other"), None);
    }

    #[test]
    fn a_practice_release_stands_in_nobodys_way() {
        let practice = Summary { practice: true, ..release("demo", 20, "app", Phase::Running) };
        let all = [practice, release("first", 10, "app", Phase::Completed)];
        assert_eq!(newer(&all, &ReleaseId("first".into())), None);
    }
}
