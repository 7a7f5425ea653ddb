//! The keys of one check that together say who confirms it.

use super::apply::Taken;
use crate::workflow::annotated::SignOff;

/// The keys that say who confirms a check.
pub(super) const KEYS: &[&str] = &["approvals", "distinct", "not"];

/// No check waits for more people than can be called at night.
const MOST: usize = 9;

/// What the tokens of one check ask for; `None` when none of them is about people.
///
/// - Errors: why it cannot be kept, as a sentence fragment.
pub(super) fn sign_off(taken: &Taken<'_>) -> Option<Result<SignOff, String>> {
    KEYS.iter().any(|key| taken.has(key)).then(|| read(taken))
}

fn read(taken: &Taken<'_>) -> Result<SignOff, String> {
    let approvals = match taken.has("approvals") {
        false => 1,
        true => number(taken.word("approvals")?)?,
    };
    if taken.has("distinct") {
        if !matches!(taken.value("distinct"), None | Some("true" | "yes" | "1")) {
            return Err("`distinct` is a flag".to_owned());
        }
        if approvals < 2 {
            return Err("`distinct` says nothing without `approvals=2` or more".to_owned());
        }
    }
    let not_runner = match taken.has("not") {
        false => false,
        true => match taken.word("not")? {
            "runner" => true,
            other => return Err(format!("`not={other}` names nobody that gonogo knows; it takes runner")),
        },
    };
    Ok(SignOff { approvals, distinct: taken.has("distinct"), not_runner })
}

fn number(word: &str) -> Result<usize, String> {
    match word.parse::<usize>() {
        Ok(0) => Err("`approvals=0` would leave nobody to confirm it".to_owned()),
        Ok(n) if n <= MOST => Ok(n),
        Ok(n) => Err(format!("`approvals={n}` is more people than {MOST}")),
        Err(_) => Err(format!("`approvals={word}` is no number")),
    }
}
