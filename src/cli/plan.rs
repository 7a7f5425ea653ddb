//! `plan`: the document alone, no cluster and no screen.

use std::path::Path;

use super::{DONE, document, print};
use crate::workflow::{plan_json, plan_text};

pub fn plan(file: &Path, as_json: bool) -> color_eyre::Result<u8> {
    let workflow = document::read_as_settled(file)?.workflow;
    if as_json {
        print(&format!("{:#}\n", plan_json(&workflow)))?;
    } else {
        print(&plan_text(&workflow))?;
    }
    Ok(DONE)
}
