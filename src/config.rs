//! Settings: defaults, then the file, then flags.
//!
//! The file is `$XDG_CONFIG_HOME/gonogo/config.yaml`. An unknown key is an error with its line: a
//! misspelt threshold that is silently ignored would be found out in the worst minute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::app::keymap::Keymap;
use crate::workflow::Metric;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where it was read from, or would have been.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The operator's name; else git's `user.name`, the kubeconfig's user, the login name.
    pub operator: Option<String>,
    pub context: Option<String>,
    pub namespace: Option<String>,
    /// `kind/name`, in release order, for workflows that name none.
    pub targets: Vec<String>,
    pub prometheus: PrometheusConfig,
    /// URL of the health endpoint.
    pub health: Option<String>,
    /// Units: seconds of ready, restart-free pods before a rollout counts as complete.
    pub settle_s: u32,
    /// Change nothing outside: no command is run and no rollback is sent.
    pub read_only: bool,
    /// Units: seconds between TERM and KILL for a command that is stopped.
    pub kill_grace_s: u32,
    /// Who answers for which role, unless the start panel says otherwise.
    pub roster: BTreeMap<String, String>,
    /// A built-in theme, one of the user's own by its name, or a path to a theme file.
    pub theme: String,
    /// Action to keys: `skip: ctrl-s`.
    pub keys: BTreeMap<String, String>,
    /// Draw signs in ASCII; else found out from the locale.
    pub ascii: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusConfig {
    pub url: Option<String>,
    /// Metric to expression; `$namespace` and `$name` stand for the target's.
    pub expressions: BTreeMap<Metric, String>,
    /// Units: seconds between two readings.
    pub interval_s: u32,
    /// Units: seconds of history on screen.
    pub window_s: u32,
    /// A criterion is met when `bad` of the last `of` readings are beyond its limit.
    pub bad: u32,
    pub of: u32,
    /// Fewer requests than this in a minute say nothing about an error rate.
    pub request_floor: f64,
    /// A latency below this many milliseconds breaches no ratio.
    pub latency_floor_ms: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            operator: None,
            context: None,
            namespace: None,
            targets: Vec::new(),
            prometheus: PrometheusConfig::default(),
            health: None,
            settle_s: 10,
            read_only: false,
            kill_grace_s: 10,
            roster: BTreeMap::new(),
            theme: "dark".to_owned(),
            keys: BTreeMap::new(),
            ascii: None,
        }
    }
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            url: None,
            expressions: BTreeMap::new(),
            interval_s: 15,
            window_s: 900,
            bad: 3,
            of: 3,
            request_floor: 30.0,
            latency_floor_ms: 50.0,
        }
    }
}

/// Every message names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax { path: PathBuf, line: u64, column: u64, message: String },
    #[error("{}: {key}: {message}", path.display())]
    Value { path: PathBuf, key: String, message: String },
}

impl Config {
    /// Where the file is looked for when no flag names one.
    pub fn default_path() -> Option<PathBuf> {
        let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
        Some(base.join("gonogo").join("config.yaml"))
    }

    /// Reads a file; one that does not exist gives the defaults.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let config = match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(path, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Config::default(),
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        Ok(Config { file: Some(path.to_owned()), ..config })
    }

    /// - Errors: the first thing that is wrong, with its place and what would be right.
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Config::default());
        }
        let config: Config = serde_yaml::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            let message = error.without_snippet().to_string();
            ConfigError::Syntax { path: path.to_owned(), line, column, message }
        })?;
        config.check().map_err(|(key, message)| ConfigError::Value {
            path: path.to_owned(),
            key,
            message,
        })?;
        Ok(config)
    }

    pub fn keymap(&self) -> Result<Keymap, (String, String)> {
        let mut keymap = Keymap::default();
        for (action, keys) in &self.keys {
            keymap.rebind(action, keys).map_err(|message| (format!("keys.{action}"), message))?;
        }
        Ok(keymap)
    }

    fn check(&self) -> Result<(), (String, String)> {
        let bad = |key: &str, message: &str| Err((key.to_owned(), message.to_owned()));
        let prometheus = &self.prometheus;
        if prometheus.interval_s == 0 {
            return bad("prometheus.interval_s", "must be at least 1 second");
        }
        if prometheus.window_s < prometheus.interval_s {
            return bad("prometheus.window_s", "must hold at least one interval");
        }
        if prometheus.bad == 0 || prometheus.bad > prometheus.of {
            return bad("prometheus.bad", "must be between 1 and `of`");
        }
        if !(prometheus.request_floor >= 0.0 && prometheus.latency_floor_ms >= 0.0) {
            return bad("prometheus", "floors must not be negative");
        }
        for url in [&prometheus.url, &self.health].into_iter().flatten() {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err((url.clone(), "is not an http:// or https:// address".to_owned()));
            }
        }
        self.keymap().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("config.yaml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(parse("\n"), Ok(Config::default()));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = parse("operator: ana\npromethus:\n  url: http://x\n").unwrap_err();
        assert!(error.starts_with("config.yaml:2:"), "{error}");
        assert!(error.contains("promethus"), "{error}");
    }

    #[test]
    fn a_value_that_cannot_be_is_refused() {
        let error = parse("prometheus: {bad: 4, of: 3}\n").unwrap_err();
        assert_eq!(error, "config.yaml: prometheus.bad: must be between 1 and `of`");
        let error = parse("health: localhost/health\n").unwrap_err();
        assert!(error.contains("is not an http:// or https:// address"), "{error}");
    }

    #[test]
    fn a_key_on_which_the_rollback_may_not_lie_is_refused() {
        let error = parse("keys: {fire: enter}\n").unwrap_err();
        assert!(error.contains("must be a capital letter"), "{error}");
    }

    #[test]
    fn expressions_are_read_by_metric() {
        let config = parse("prometheus:\n  expressions:\n    error_rate: my_errors\n").unwrap();
        assert_eq!(
            config.prometheus.expressions.get(&Metric::ErrorRate).map(String::as_str),
            Some("my_errors")
        );
    }
}
