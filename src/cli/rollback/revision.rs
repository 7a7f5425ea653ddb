//! Without a release: the way back to a revision that a person names, opened as a release that consists
//! of nothing else.

use std::path::{Path, PathBuf};

use crate::adapters::clock::Clock;
use crate::adapters::kube::KubeWorld;
use crate::adapters::store::Store;
use crate::cli::assemble::{self, Place, PlaceFlags};
use crate::cli::document;
use crate::config::Config;
use crate::journal::Record;
use crate::release::{Event, Fact, ReleaseId, SignalSources, To};

use super::Rollback;

/// Reads the revision, pins it, and keeps that as a release.
///
/// - Errors: in words what keeps the flags from meaning anything; else the cluster's answer.
pub(super) async fn open(
    flags: &Rollback,
    to: To,
    config: &Config,
    state_dir: &Path,
) -> color_eyre::Result<Result<ReleaseId, String>> {
    let Some(target) = flags.which.clone().filter(|which| which.contains('/')) else {
        return Ok(Err("--to needs the workload it is about: KIND/NAME".to_owned()));
    };
    let title = format!("Rollback of {target} to {to}");
    let text = format!("# {title}\n\nMade by gonogo: no workflow, only the way back.\n");
    let file = PathBuf::from("rollback.md");
    let document = document::understood(&file, text.clone().into_bytes());
    let wanted =
        PlaceFlags { cluster: flags.cluster.clone(), targets: vec![target.clone()], ..PlaceFlags::default() };
    let mut place = Place::settle(&document.workflow, wanted, config)?;
    let (Some(cluster), [target]) = (&mut place.cluster, place.targets.as_slice()) else {
        return Ok(Err(place.left_out.join(", ")));
    };
    cluster.sign_in().await?;
    let clock = Clock::real();
    let kube = KubeWorld::connect(cluster).await?;
    let (pin, template) = kube.pin_earlier(target, to, clock.now().world).await?;
    let by = assemble::operator(flags.operator.clone(), config, &place);
    let at = clock.now();
    let stamp = at.wall.strftime("%Y%m%d-%H%M%S");
    let id = ReleaseId(format!("{stamp}-rollback-{}-{}", target.name, std::process::id()));
    let facts = [
        Fact::Opened {
            id: id.clone(),
            file: file.to_string_lossy().into_owned(),
            sha256: document.workflow.sha256.clone(),
            title,
            targets: place.targets.clone(),
            context: place.context.clone(),
            directory: place.directory.to_string_lossy().into_owned(),
            practice: None,
            signals: SignalSources::new(place.prometheus.clone(), place.health.clone()),
            called: None,
            settled: Default::default(),
        },
        Fact::Pinned { pins: vec![pin], routes: Vec::new() },
        Fact::Begun { params: [].into(), roster: [].into() },
    ];
    let store = Store::create(state_dir, &id, text.as_bytes())?;
    store.folder().save_template(0, &template)?;
    let record = |(seq, fact)| Record::new(seq, Event { at, by: Some(by.clone()), fact });
    let (tell, told) = std::sync::mpsc::channel();
    let writer = store.start(move |written| drop(tell.send(written)))?;
    writer.append((1..).zip(facts).map(record).collect(), true);
    writer.close();
    Ok(match told.recv() {
        Ok(crate::adapters::store::Written::Failed { why, .. }) => {
            Err(format!("what to go back to cannot be kept: {why}"))
        }
        _ => Ok(id),
    })
}
