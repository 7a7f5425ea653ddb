//! `demo`: a workflow played in the practice world.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{WrapErr as _, bail};

use super::assemble::{self, Place};
use super::document::{self, Document};
use super::release::{Opening, aimed, checked_params, needs_a_terminal, open, runtime};
use super::search_path::{self, Text};
use super::{Demo, Setup};
use crate::adapters::clock::Clock;
use crate::adapters::store;
use crate::config::Config;
use crate::rehearsal::{FLAG, Options, Practice, Stage};
use crate::workflow::{LIBRARY, Language, Offer, Param, ParamKind, Workflow};

/// Played when nothing else is asked for.
const USUAL: &str = "release";

pub fn demo(flags: Demo, setup: &Setup) -> color_eyre::Result<u8> {
    needs_a_terminal("the demo is played on a screen")?;
    let config = Config { roster: BTreeMap::new(), ..setup.settings()? };
    let state_dir = store::state_dir()?;
    runtime()?.block_on(async {
        let stamp = Clock::real().now().wall.strftime("%Y%m%d-%H%M%S").to_string();
        let directory = state_dir.join("practice").join(format!("{stamp}-{}", std::process::id()));
        let exe = std::env::current_exe().wrap_err("cannot tell where this program is")?;
        let document = wanted(flags.workflow.as_deref(), Language::from(flags.lang), &directory)?;
        let options = Options { dir: directory.clone(), scenario: flags.scenario, speed: flags.speed, exe };
        let mut params = checked_params(&document.workflow, flags.params)?;
        // A date is filled in by the start panel.
        for param in document.workflow.params.iter().filter(|param| param.offer != Some(Offer::Today)) {
            if let Some(value) = practice_value(&document.workflow, param) {
                params.entry(param.name.clone()).or_insert(value);
            }
        }
        // What a document leaves open is on the stage by the name that the rehearsal gives it.
        let stage = Stage::of(&aimed(&document.workflow, &params).with_params(&params));
        let practice = Practice::start_on(options, stage).await;
        let mut practice = practice.wrap_err("the practice world cannot start")?;
        let document = led_to_practice(document, &mut practice, &directory).await?;
        if let Some(commit) = document.workflow.params.iter().find(|param| is_commit(param)) {
            let newest = || practice.newest_fix().unwrap_or_else(|| "main".to_owned());
            params.entry(commit.name.clone()).or_insert_with(newest);
        }
        let place = Place::practice(&aimed(&document.workflow, &params), &practice);
        let me = assemble::operator(Some("you".to_owned()), &config, &place);
        let practice = Some((practice, directory));
        let (code, _) = open(Opening { config, document, params, place, me, practice }).await?;
        Ok(code)
    })
}

/// A file by its path, else a workflow by its name, the nearest first.
fn wanted(named: Option<&Path>, language: Language, directory: &Path) -> color_eyre::Result<Document> {
    let Some(named) = named else { return built_in(USUAL, language, directory) };
    let name = named.to_str().filter(|text| !text.contains('/') && !text.ends_with(".md"));
    let Some(name) = name.filter(|_| !named.exists()) else { return Ok(document::read_as_settled(named)?) };
    let here = std::env::current_dir().wrap_err("cannot tell the current directory")?;
    match search_path::of(None, &here).find(name, language).into_iter().next().map(|found| found.text) {
        Some(Text::File(file)) => Ok(document::read_as_settled(&file)?),
        Some(Text::BuiltIn(it)) => built_in(it.name, language, directory),
        None => {
            bail!("no workflow is called {name}, nor any file; gonogo workflows lists those that there are")
        }
    }
}

/// Lays the library out beside the practice world, so that its document is a file like any other and
/// finds those that it calls.
fn built_in(name: &str, language: Language, directory: &Path) -> color_eyre::Result<Document> {
    let folder = laid_out(directory)?;
    match crate::workflow::shipped(name, language) {
        Some(it) => Ok(document::read_as_settled(&folder.join(it.file))?),
        None => bail!("the library has no {name}"),
    }
}

fn laid_out(directory: &Path) -> color_eyre::Result<PathBuf> {
    let folder = directory.join("workflows");
    let lay_out = || {
        std::fs::create_dir_all(&folder)?;
        LIBRARY.iter().try_for_each(|it| std::fs::write(folder.join(it.file), it.text))
    };
    lay_out().wrap_err_with(|| format!("cannot write to {}", folder.display()))?;
    Ok(folder)
}

/// A document behind nginx asks at addresses of its own; in practice a copy asks the practice site.
async fn led_to_practice(
    document: Document,
    practice: &mut Practice,
    directory: &Path,
) -> color_eyre::Result<Document> {
    let Some(site) = &document.workflow.nginx else { return Ok(document) };
    let through = site.through.as_ref().map(|through| through.url.clone());
    let text = String::from_utf8_lossy(&document.bytes).into_owned();
    let led = practice.behind_nginx(&text, through.as_deref()).await;
    let led = led.wrap_err("the practice nginx cannot start")?;
    let copy = laid_out(directory)?.join(document.path.file_name().unwrap_or("workflow.md".as_ref()));
    std::fs::write(&copy, led).wrap_err_with(|| format!("cannot write {}", copy.display()))?;
    Ok(document::read_as_settled(&copy)?)
}

/// A parameter that only the repository of a practice world can answer, once there is one.
fn is_commit(param: &Param) -> bool {
    param.name == "COMMIT" && param.preset.is_none() && !param.is_secret()
}

/// What a rehearsal fills in for a parameter: what the document offers, what every practice world has of
/// that name, else a value of its kind. A secret is typed by whoever rehearses.
fn practice_value(workflow: &Workflow, param: &Param) -> Option<String> {
    if param.is_secret() || is_commit(param) {
        return None;
    }
    let known = match param.name.as_str() {
        "FLAG" => Some(FLAG.to_owned()),
        "UNLEASH_HOST" => Some("unleash.example.com".to_owned()),
        "HOST" => Some("shop.example.com".to_owned()),
        "DEPLOYMENT" | "CONTAINER" | "IMAGE" => Some("app".to_owned()),
        _ => None,
    };
    let of_kind = || match &param.kind {
        ParamKind::Choice(values) => values.first().cloned().unwrap_or_default(),
        ParamKind::Number { min, .. } => min.unwrap_or(1.0).to_string(),
        ParamKind::Url => "http://localhost".to_owned(),
        ParamKind::Text if param.declared && !param.is_written() => "rehearsal".to_owned(),
        // The practice repository has tags up to v1.2.0, and that version runs.
        _ if workflow.name == "hotfix" => "v1.2.1".to_owned(),
        _ if workflow.name == "rollback" => "v1.1.0".to_owned(),
        ParamKind::Text | ParamKind::Semver | ParamKind::Secret => next_version(&param.default),
    };
    Some(param.preset.clone().or(known).unwrap_or_else(of_kind))
}

/// `v1.3.0` after `v1.2.0`: the version that a rehearsal releases.
fn next_version(example: &str) -> String {
    let bare = example.strip_prefix('v').unwrap_or(example);
    match semver::Version::parse(bare) {
        Ok(version) => format!("v{}.{}.0", version.major, version.minor + 1),
        Err(_) => "v1.3.0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lesson_is_about_what_comes_after_the_example() {
        assert_eq!(next_version("v1.2.0"), "v1.3.0");
        assert_eq!(next_version("2.0.9"), "v2.1.0");
        assert_eq!(next_version(""), "v1.3.0");
    }

    #[test]
    fn a_name_that_nobody_has_is_told_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let told = wanted(Some(Path::new("no-such-thing")), Language::English, dir.path()).unwrap_err();
        assert!(told.to_string().contains("gonogo workflows lists"), "{told}");
        let found = wanted(Some(Path::new("hotfix")), Language::French, dir.path()).unwrap();
        assert_eq!((found.workflow.name.as_str(), found.workflow.language), ("hotfix", Language::French));
    }
}
