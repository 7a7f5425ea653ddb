//! `kubectl patch`.

use std::io::Write;

use serde_json::Value;

use super::super::arguments::Flags;
use super::super::{Session, ShimError};
use super::{dry_run_note, objects, path, shown, with_dry_run};
use crate::rehearsal::sim::store::Kind;

pub async fn patch(
    session: &Session,
    flags: &Flags,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ShimError> {
    let text = flags.value("patch").filter(|text| !text.trim().is_empty()).ok_or_else(|| {
        ShimError::Usage("must specify --patch or --patch-file containing the contents of the patch".into())
    })?;
    let kind_of_patch = match flags.value("type").unwrap_or("strategic") {
        "strategic" => "strategic-merge-patch",
        "merge" => "merge-patch",
        "json" => "json-patch",
        other => {
            return Err(ShimError::Usage(format!(
                "--type must be one of [json merge strategic], not {other:?}"
            )));
        }
    };
    // A patch may be YAML, of which JSON is a part.
    let body: Value = serde_yaml::from_str(text)
        .map_err(|error| ShimError::Usage(format!("unable to parse {text:?}: {error}")))?;
    for (kind, name) in objects(words)? {
        let is_custom = matches!(kind, Kind::VirtualService | Kind::DestinationRule);
        if is_custom && kind_of_patch == "strategic-merge-patch" {
            // The real server has no schema of a custom resource to merge its lists by.
            return Err(ShimError::Server {
                reason: "UnsupportedMediaType".into(),
                message: "the body of the request was in an unknown format - accepted media types include: \
                          application/json-patch+json, application/merge-patch+json, \
                          application/apply-patch+yaml"
                    .into(),
            });
        }
        let place = path(kind, &session.namespace, Some(name));
        let before = session.api.get(&place).await?;
        let after = session.api.patch(&with_dry_run(&place, flags), kind_of_patch, &body).await?;
        let is_same = ["spec", "data", "metadata"].iter().all(|part| {
            let without_version = |object: &Value| {
                let mut part = object[part].clone();
                if let Some(fields) = part.as_object_mut() {
                    fields.remove("resourceVersion");
                    fields.remove("managedFields");
                }
                part
            };
            without_version(&before) == without_version(&after)
        });
        let done = if is_same { "patched (no change)" } else { "patched" };
        writeln!(out, "{} {done}{}", shown(kind, name), dry_run_note(flags))?;
    }
    Ok(())
}
