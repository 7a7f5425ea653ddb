//! `params:`, what the author says of the values that a release asks for.

use super::{At, Frontmatter, Node};
use crate::workflow::param_kind::ParamKind;

const EXAMPLE: &str = "`params` takes `{NAME: string|semver|number|url|secret}`, `{NAME: [one, two]}` or \
                       `{NAME: {type: number, min: 1, max: 9, default: 3, about: …}}`";

/// A parameter of the head.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::workflow) struct Declared {
    pub(in crate::workflow) kind: ParamKind,
    /// Offered to begin with.
    pub(in crate::workflow) preset: Option<String>,
    pub(in crate::workflow) about: Option<String>,
}

/// The keys of a declaration, as far as they could be read.
#[derive(Debug, Default)]
struct Keys {
    kind: Option<At<String>>,
    values: Vec<At<String>>,
    min: Option<f64>,
    max: Option<f64>,
    preset: Option<At<String>>,
    about: Option<String>,
}

impl Frontmatter {
    /// A strange declaration costs itself: its parameter is read as the document writes it.
    pub(super) fn params(&mut self, node: At<Node>) {
        let entries = match node.value {
            Node::Null => return,
            Node::Map(entries) => entries,
            Node::Word(_) | Node::List(_) => return self.problem(node.span, EXAMPLE.to_owned()),
        };
        for (name, node) in entries {
            let is_name = |name: &str| {
                name.starts_with(|c: char| c.is_ascii_alphabetic())
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            if !is_name(&name.value) {
                let message = format!("`{}` is no name of a variable: letters, digits and `_`", name.value);
                self.problem(name.span, message);
                continue;
            }
            let n_problems = self.problems.len();
            let keys = self.declaration(&name.value, node);
            if let Some(declared) = self.declared(&name, keys).filter(|_| self.problems.len() == n_problems) {
                self.params.push(At { value: (name.value, declared), span: name.span });
            }
        }
    }

    fn declaration(&mut self, name: &str, node: At<Node>) -> Keys {
        let mut keys = Keys::default();
        match node.value {
            Node::Null => {}
            Node::Word(word) => keys.kind = Some(At { value: word, span: node.span }),
            Node::List(_) => keys.values = self.list(node, name),
            Node::Map(entries) => {
                for (key, node) in entries {
                    let span = node.span.clone();
                    let at = |value: Option<String>| value.map(|value| At { value, span: span.clone() });
                    match key.value.as_str() {
                        "type" => keys.kind = at(self.word(node, "type")),
                        "values" => keys.values = self.list(node, "values"),
                        "default" => keys.preset = at(self.word(node, "default")),
                        "about" => keys.about = self.word(node, "about"),
                        "min" => keys.min = self.number(node, "min"),
                        "max" => keys.max = self.number(node, "max"),
                        other => self.problem(
                            key.span,
                            format!("`params.{name}` has no key `{other}`; it knows type, values, min, max, default, about"),
                        ),
                    }
                }
            }
        }
        keys
    }

    fn number(&mut self, node: At<Node>, key: &str) -> Option<f64> {
        let span = node.span.clone();
        let word = self.word(node, key)?;
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        if number.is_none() {
            self.problem(span, format!("`{key}` takes a number, not `{word}`"));
        }
        number
    }

    fn declared(&mut self, name: &At<String>, keys: Keys) -> Option<Declared> {
        let is_choice = !keys.values.is_empty();
        let span = keys.kind.as_ref().map_or(name.span.clone(), |kind| kind.span.clone());
        let kind = match keys.kind.as_ref().map(|kind| kind.value.as_str()) {
            None if is_choice => {
                ParamKind::Choice(keys.values.into_iter().map(|value| value.value).collect())
            }
            Some("choice") if is_choice => {
                ParamKind::Choice(keys.values.into_iter().map(|value| value.value).collect())
            }
            Some("choice") => {
                self.problem(span, format!("`{}` is a choice without `values: [one, two]`", name.value));
                return None;
            }
            None if keys.min.is_some() || keys.max.is_some() => {
                ParamKind::Number { min: keys.min, max: keys.max }
            }
            Some("number") => ParamKind::Number { min: keys.min, max: keys.max },
            None => ParamKind::told_by(&name.value, ""),
            Some("string") => ParamKind::Text,
            Some("semver") => ParamKind::Semver,
            Some("url") => ParamKind::Url,
            Some("secret") => ParamKind::Secret,
            Some(other) => {
                let message =
                    format!("`{other}` is no type; it is one of string, semver, choice, number, url, secret");
                self.problem(span, message);
                return None;
            }
        };
        if let Some(preset) = &keys.preset {
            let refused = match kind {
                ParamKind::Secret => Some("stands in a file that others read".to_owned()),
                _ => kind.check(&preset.value).err(),
            };
            if let Some(why) = refused {
                let shown = if kind == ParamKind::Secret { "a secret" } else { &preset.value };
                self.problem(preset.span.clone(), format!("the default of `{}`, {shown}, {why}", name.value));
                return None;
            }
        }
        Some(Declared { kind, preset: keys.preset.map(|preset| preset.value), about: keys.about })
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn declared(yaml: &str) -> (Vec<(String, Declared)>, Vec<String>) {
        let (front, _) = read(&format!("---\nparams:\n{yaml}---\n"));
        let params = front.params.into_iter().map(|at| at.value).collect();
        (params, front.problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn each_kind_is_declared_short_or_long() {
        let (params, problems) = declared(
            "  VERSION: semver\n  REGION: [eu, us]\n  N: {type: number, min: 1, max: 9, default: 3}\n  HOOK: {type: url, about: where it is told}\n  TOKEN: secret\n  NOTE:\n  DB_PASSWORD:\n",
        );
        assert_eq!(problems, [""; 0]);
        let kinds: Vec<(&str, String)> =
            params.iter().map(|(name, declared)| (name.as_str(), declared.kind.to_string())).collect();
        let expected = [
            ("VERSION", "a semantic version"),
            ("REGION", "one of eu, us"),
            ("N", "a number from 1 to 9"),
            ("HOOK", "an address"),
            ("TOKEN", "a secret, never written down"),
            ("NOTE", "any words"),
            ("DB_PASSWORD", "a secret, never written down"),
        ];
        assert_eq!(kinds, expected.map(|(name, words)| (name, words.to_owned())));
        assert_eq!(params[2].1.preset.as_deref(), Some("3"));
        assert_eq!(params[3].1.about.as_deref(), Some("where it is told"));
    }

    #[test]
    fn a_strange_declaration_costs_itself_and_says_why() {
        for (yaml, told) in [
            ("  REGION: {type: choice}\n", "without `values"),
            ("  A: colour\n", "`colour` is no type"),
            ("  N: {type: number, max: many}\n", "takes a number"),
            ("  N: {type: number, max: 9, default: 12}\n", "is above 9"),
            ("  T: {type: secret, default: hunter2}\n", "others read"),
            ("  a-b: string\n", "no name of a variable"),
            ("  A: {kind: url}\n", "has no key `kind`"),
        ] {
            let (params, problems) = declared(&format!("{yaml}  OK: string\n"));
            assert_eq!(params.len(), 1, "{yaml}");
            assert!(problems.len() == 1 && problems[0].contains(told), "{yaml}: {problems:?}");
            assert!(!problems[0].contains("hunter2"), "{problems:?}");
        }
    }
}
