//! Where a called workflow's parameters get their values: passed by the line that calls it, or
//! inherited by name. Nothing else of the caller reaches it.

use std::collections::BTreeMap;
use std::fmt;

use super::super::infer::params::reads;
use super::super::model::{Command, CommandKind, Param, Workflow};
use super::super::params::{plain, substituted_by};
use super::{Call, Called};

/// The value of one parameter of a called workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// The same for every release.
    Value(String),
    /// That of this parameter of the release.
    Of(String),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Value(value) => f.write_str(value),
            Bound::Of(name) => write!(f, "${name}"),
        }
    }
}

/// Binds every parameter of a called workflow; one that the caller has none of is asked for at the
/// start, as a parameter of the caller.
///
/// - Errors: what cannot be meant, as a sentence fragment.
pub(super) fn bind(
    call: &Call,
    called: &mut Workflow,
    caller: &mut Workflow,
) -> Result<BTreeMap<String, Bound>, String> {
    let mut bound = BTreeMap::new();
    for (name, value) in &call.with {
        if !called.params.iter().any(|param| &param.name == name) {
            let known: Vec<&str> = called.params.iter().map(|param| param.name.as_str()).collect();
            let known =
                if known.is_empty() { "has none".to_owned() } else { format!("has {}", known.join(", ")) };
            return Err(format!("`{}` has no parameter {name}; it {known}", call.workflow));
        }
        if bound.insert(name.clone(), passed(value, &caller.params)?).is_some() {
            return Err(format!("{name} is passed twice"));
        }
    }
    for param in &mut called.params {
        let passed = bound.get(&param.name).cloned().unwrap_or_else(|| Bound::Of(param.name.clone()));
        match &passed {
            Bound::Value(_) if param.is_secret() => {
                return Err(format!("{} is a secret, and a document is read by others", param.name));
            }
            Bound::Value(value) => param.check(value)?,
            Bound::Of(name) => {
                if let Some(known) = caller.params.iter_mut().find(|known| known.name == *name) {
                    meet(known, param)?;
                }
            }
        }
        if bound.contains_key(&param.name) {
            continue;
        }
        if !caller.params.iter().any(|known| known.name == param.name) {
            // Its example and its places are those of another text.
            caller.params.push(Param {
                default: String::new(),
                placeholders: Vec::new(),
                occurrences: Vec::new(),
                written_below: param.is_written(),
                ..param.clone()
            });
        }
        bound.insert(param.name.clone(), Bound::Of(param.name.clone()));
    }
    Ok(bound)
}

/// One value for two texts: what either of them must not let out stays in.
fn meet(outer: &mut Param, inner: &mut Param) -> Result<(), String> {
    if inner.is_secret() && !outer.is_secret() {
        return Err(format!("{} is a secret there and none here: declare it as one", inner.name));
    }
    if inner.declared && !outer.declared {
        // What it declares holds for whoever gives it a value.
        outer.declared = true;
        outer.kind = inner.kind.clone();
        outer.preset = inner.preset.clone();
        outer.about = inner.about.clone();
    }
    if outer.is_secret() {
        inner.kind = outer.kind.clone();
    }
    // What a called text holds as it is must be plain, whatever the caller does with it.
    outer.written_below |= inner.is_written();
    Ok(())
}

fn passed(value: &str, caller: &[Param]) -> Result<Bound, String> {
    let variable = value
        .strip_prefix('$')
        .map(|name| name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name));
    if let Some(name) = variable {
        return match caller.iter().any(|param| param.name == name) {
            true => Ok(Bound::Of(name.to_owned())),
            false => Err(format!("{value} is no parameter of this document")),
        };
    }
    // The version that the document is written with stands for that of the release here as everywhere.
    let is_literal = |param: &&Param| {
        !value.is_empty() && (param.default == value || param.placeholders.iter().any(|mark| mark == value))
    };
    if let Some(param) = caller.iter().find(is_literal) {
        return Ok(Bound::Of(param.name.clone()));
    }
    // It is written into commands as it is.
    plain("the value", value, true)?;
    Ok(Bound::Value(value.to_owned()))
}

impl Called {
    /// A text of it with the release's values in their places.
    pub(in crate::workflow) fn substituted(&self, text: &str, release: &BTreeMap<String, String>) -> String {
        substituted_by(&self.params, text, &self.given(release))
    }

    /// The values of its own parameters in a release.
    pub(in crate::workflow) fn given(&self, release: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let value = |bound: &Bound| match bound {
            Bound::Value(value) => Some(value.clone()),
            Bound::Of(name) => release.get(name).cloned(),
        };
        let is_secret =
            |name: &String| self.params.iter().any(|param| param.name == *name && param.is_secret());
        let open = self.bound.iter().filter(|(name, _)| !is_secret(name));
        open.filter_map(|(name, bound)| Some((name.clone(), value(bound)?))).collect()
    }
}

/// Sets, in plain sight, what a command reads from its environment and was passed under another name
/// or with another value than the release has.
pub(super) fn set_passed(command: &mut Command, bound: &BTreeMap<String, Bound>) {
    if matches!(command.kind, CommandKind::Reference | CommandKind::Note) {
        return;
    }
    let with_values = |text: &mut String| {
        let mut lines = String::new();
        for (name, bound) in bound.iter().filter(|(name, _)| reads(text, name)) {
            match bound {
                Bound::Value(value) => lines.push_str(&format!("export {name}={value}\n")),
                Bound::Of(other) if other != name => lines.push_str(&format!("export {name}=\"${other}\"\n")),
                Bound::Of(_) => {}
            }
        }
        text.insert_str(0, &lines);
    };
    with_values(&mut command.text);
    command.choices.iter_mut().filter_map(|choice| choice.text.as_mut()).for_each(with_values);
}

/// What an inner call was given by a workflow that is itself called, in terms of the outer caller.
pub(super) fn through(
    inner: &BTreeMap<String, Bound>,
    outer: &BTreeMap<String, Bound>,
) -> BTreeMap<String, Bound> {
    let seen_from_outside = |bound: &Bound| match bound {
        Bound::Value(value) => Bound::Value(value.clone()),
        Bound::Of(name) => outer.get(name).cloned().unwrap_or_else(|| Bound::Of(name.clone())),
    };
    inner.iter().map(|(name, bound)| (name.clone(), seen_from_outside(bound))).collect()
}
