//! What a parameter's value may be, declared in the head of a document or told by its name.

use std::fmt;

use super::secrets::{self, is_secret_name};

#[derive(Debug, Clone, PartialEq, Default)]
pub enum ParamKind {
    #[default]
    Text,
    /// `v1.3.0`, with or without its `v`.
    Semver,
    /// One of these.
    Choice(Vec<String>),
    /// Bounds are inclusive.
    Number { min: Option<f64>, max: Option<f64> },
    /// An `http://` or `https://` address.
    Url,
    /// Only ever in the environment of commands.
    Secret,
}

impl ParamKind {
    /// The kind that a name and an example speak of; whoever means something else declares it.
    pub(super) fn told_by(name: &str, example: &str) -> ParamKind {
        match name {
            _ if is_secret_name(name) => ParamKind::Secret,
            _ if is_semver(example) => ParamKind::Semver,
            _ if name == "URL" || name.ends_with("_URL") => ParamKind::Url,
            _ => ParamKind::Text,
        }
    }

    /// One word, as the plan and the head of a document write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            ParamKind::Text => "string",
            ParamKind::Semver => "semver",
            ParamKind::Choice(_) => "choice",
            ParamKind::Number { .. } => "number",
            ParamKind::Url => "url",
            ParamKind::Secret => "secret",
        }
    }

    /// - Errors: what is wrong with a value, as the rest of a sentence that begins with it.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        match self {
            ParamKind::Text => Ok(()),
            ParamKind::Semver if is_semver(value) => Ok(()),
            ParamKind::Semver => Err("is no semantic version such as v1.3.0".to_owned()),
            ParamKind::Choice(values) if values.iter().any(|known| known == value) => Ok(()),
            ParamKind::Choice(values) => Err(format!("is none of {}", values.join(", "))),
            ParamKind::Number { min, max } => {
                let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
                let Some(number) = number else { return Err("is no number".to_owned()) };
                match (min, max) {
                    (Some(min), _) if number < *min => Err(format!("is below {min}")),
                    (_, Some(max)) if number > *max => Err(format!("is above {max}")),
                    _ => Ok(()),
                }
            }
            ParamKind::Url if is_address(value) => Ok(()),
            ParamKind::Url => Err("is no http:// or https:// address".to_owned()),
            ParamKind::Secret if value.chars().count() < secrets::SHORTEST => Err(format!(
                "is shorter than {} characters, and could not be kept out of the output",
                secrets::SHORTEST
            )),
            ParamKind::Secret if value.len() > secrets::LONGEST => {
                Err(format!("is longer than {} bytes", secrets::LONGEST))
            }
            ParamKind::Secret => Ok(()),
        }
    }
}

impl fmt::Display for ParamKind {
    /// For whoever types a value: `one of eu, us`, `a number from 1 to 20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParamKind::Text => f.write_str("any words"),
            ParamKind::Semver => f.write_str("a semantic version"),
            ParamKind::Choice(values) => write!(f, "one of {}", values.join(", ")),
            ParamKind::Number { min, max } => {
                f.write_str("a number")?;
                min.iter().try_for_each(|min| write!(f, " from {min}"))?;
                max.iter().try_for_each(|max| write!(f, " to {max}"))
            }
            ParamKind::Url => f.write_str("an address"),
            ParamKind::Secret => f.write_str("a secret, never written down"),
        }
    }
}

/// Whether a text is the address of a page: a scheme, a host, no blank.
pub(super) fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_semver(text: &str) -> bool {
    semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).is_ok()
}
