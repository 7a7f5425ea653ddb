//! What we conclude from a measurement.

use serde::{Deserialize, Serialize};

/// The four values of a metric verdict. Only `Fail` may lead to a rollback; the others ask a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    Fail,
    NoData,
    Error,
}
