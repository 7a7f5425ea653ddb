//! A practice world on disk: the saved world, and the files around it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CONTEXT, RehearsalError};
use crate::rehearsal::repository;
use crate::rehearsal::serve::Save;
use crate::rehearsal::shim;
use crate::rehearsal::sim::World;
use crate::rehearsal::sim::flags::TOKEN;

const SCHEMA: &str = "gonogo.practice/2";
const WORLD_FILE: &str = "world.json";

#[derive(Serialize, Deserialize)]
pub(super) struct Saved<W> {
    schema: String,
    pub speed: f64,
    pub world: W,
}

pub(super) fn load(dir: &Path) -> Result<Saved<World>, RehearsalError> {
    let path = &dir.join(WORLD_FILE);
    let text = fs::read_to_string(path).map_err(|source| RehearsalError::Io {
        what: "read",
        path: path.into(),
        source,
    })?;
    let saved: Saved<World> = serde_json::from_str(&text)
        .map_err(|error| RehearsalError::Saved { path: path.into(), why: error.to_string() })?;
    if saved.schema != SCHEMA {
        let why = format!("its format is {:?}, this gonogo reads {SCHEMA:?}", saved.schema);
        return Err(RehearsalError::Saved { path: path.into(), why });
    }
    Ok(saved)
}

/// The files around the world that do not belong to it: programs and configuration.
pub(super) fn lay_out(dir: &Path, exe: &Path) -> Result<(), RehearsalError> {
    make_dir(&dir.join("bin"))?;
    make_dir(&dir.join("home/.config/gh"))?;
    make_dir(&dir.join("home/.config/unleash"))?;
    write(&dir.join("home/.config/unleash/header"), &format!("Authorization: {TOKEN}\n"))?;
    for name in shim::names().chain(["gonogo"]) {
        let link = dir.join("bin").join(name);
        let io = |what| {
            let path = link.clone();
            move |source| RehearsalError::Io { what, path, source }
        };
        // The program may have moved since the link was made.
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("replace")(error)),
            _ => {}
        }
        std::os::unix::fs::symlink(exe, &link).map_err(io("link"))?;
    }
    write(&dir.join("gitconfig"), repository::GIT_CONFIG)
}

const NGINX_PORT: &str = "nginx/port";

/// The port of the practice nginx of an earlier process.
pub(super) fn nginx_port(dir: &Path) -> Option<u16> {
    fs::read_to_string(dir.join(NGINX_PORT)).ok()?.trim().parse().ok()
}

pub(super) fn keep_nginx_port(dir: &Path, port: u16) -> Result<(), RehearsalError> {
    write(&dir.join(NGINX_PORT), &port.to_string())
}

pub(super) fn make_dir(dir: &Path) -> Result<(), RehearsalError> {
    fs::create_dir_all(dir).map_err(|source| RehearsalError::Io { what: "create", path: dir.into(), source })
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), RehearsalError> {
    fs::write(path, text).map_err(|source| RehearsalError::Io { what: "write", path: path.into(), source })
}

pub(super) fn kubeconfig_text(server: &str, namespace: &str) -> String {
    let mut text = String::from("apiVersion: v1\nkind: Config\n");
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "clusters:\n- name: {CONTEXT}\n  cluster:\n    server: {server}\n\
         users:\n- name: {CONTEXT}\n  user: {{}}\n\
         contexts:\n- name: {CONTEXT}\n  context:\n    cluster: {CONTEXT}\n    user: {CONTEXT}\n    \
         namespace: {namespace}\ncurrent-context: {CONTEXT}\n"
    );
    text
}

/// Saves to a file, whole or not at all.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    speed: f64,
}

impl Disk {
    pub fn new(dir: &Path, speed: f64) -> Self {
        Self { path: dir.join(WORLD_FILE), speed }
    }
}

impl Save for Disk {
    fn save(&self, world: &World) {
        let saved = Saved { schema: SCHEMA.into(), speed: self.speed, world };
        let new = self.path.with_extension("json.new");
        let done = serde_json::to_vec(&saved)
            .map_err(io::Error::from)
            .and_then(|bytes| fs::write(&new, bytes))
            .and_then(|()| fs::rename(&new, &self.path));
        if let Err(error) = done {
            // The rehearsal can go on; what is lost is its resumption.
            tracing::warn!(path = %self.path.display(), %error, "the practice world could not be saved");
        }
    }
}
