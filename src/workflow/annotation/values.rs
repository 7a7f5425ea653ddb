//! One key with its value, onto a step, a check or a command.

use super::apply::{Applier, Outcome, Taken};
use super::attach::About;
use super::gates::{metric_named, seconds, unit_of};
use super::grammar::Token;
use crate::workflow::Interpreter;
use crate::workflow::annotated::{CheckGate, Query, Risk, Typed, Word};
use crate::workflow::model::{CommandKind, Poll, Soak};
use crate::workflow::{variables, vocabulary};

/// The only source of metrics.
const PROMETHEUS: &str = "prometheus";

/// A shorter stretch has too few readings to be compared with, a longer one is read from too far back.
/// Units: seconds.
const SHORTEST_BASELINE: u64 = 60;
const LONGEST_BASELINE: u64 = 24 * 3_600;

/// Whoever wants more of them waits for something: a `wait` in the command says for what.
const MOST_RETRIES: u32 = 10;

/// No command of a release takes longer; a larger number is a typing error. Units: seconds.
const LONGEST: u64 = 31 * 24 * 3_600;

/// Whether a word can be the id of an item: letters, digits, `-`, `_` and `.`.
pub(super) fn is_id(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.len() <= 64 && word.chars().all(fits)
}

/// The words of a list, in their order.
///
/// - Errors: there is none, or one of them is empty or has blanks inside.
pub(super) fn list(token: &Token) -> Result<Vec<String>, String> {
    let value = token.value.as_deref().ok_or_else(|| format!("`{}` has no value", token.key))?;
    let words: Vec<String> = value.split(',').map(|word| word.trim().to_owned()).collect();
    match words.iter().find(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        Some(bad) => Err(format!("`{}` takes words with commas between them, not `{bad}`", token.key)),
        None => Ok(words),
    }
}

fn flag(token: &Token) -> Result<(), String> {
    match token.value.as_deref() {
        None | Some("true" | "yes" | "1") => Ok(()),
        Some(other) => Err(format!("`{}` is a flag; `{other}` says nothing", token.key)),
    }
}

fn word(token: &Token) -> Result<&str, String> {
    token.value.as_deref().ok_or_else(|| format!("`{}` has no value", token.key))
}

fn duration(token: &Token) -> Result<u64, String> {
    match seconds(word(token)?)? {
        0 => Err(format!("`{}` is no time at all", token.key)),
        seconds if seconds > LONGEST => Err(format!("`{}` is longer than a month", token.key)),
        seconds => Ok(seconds),
    }
}

/// One of the answers that a gate gives anyway.
fn as_always(token: &Token, kept: &str) -> Result<Outcome, String> {
    match word(token)? {
        value if value == kept => Ok(Outcome::default()),
        other => Err(format!("gonogo cannot keep `{}={other}`; it takes {kept}", token.key)),
    }
}

fn weakens(what: impl Into<String>) -> Outcome {
    Outcome { weakens: Some(what.into()), ..Outcome::default() }
}

impl Applier<'_> {
    /// - Errors: why the value cannot be kept, as a sentence fragment.
    pub(super) fn value(
        &mut self,
        about: &About,
        key: &str,
        token: &Token,
        taken: &Taken<'_>,
    ) -> Result<Outcome, String> {
        match key {
            "id" => match is_id(word(token)?) {
                true => Ok(Outcome::default()),
                false => Err(format!("`{token}` is no id: letters, digits, `-`, `_` and `.`")),
            },
            "role" => self.role(about, token),
            "killer" | "optional" => self.applies(about, token, taken),
            "evidence" => self.evidence(about, token),
            "timebox" => self.timebox(about, token),
            "soak" => self.soak(about, token),
            "breach" => as_always(token, "hold"),
            "release" => self.released_by(about, token, taken),
            "onfail" => as_always(token, "hold"),
            "ns" | "context" if !taken.has("rollout") => {
                Err(format!("`{key}` says nothing without `rollout`"))
            }
            "ns" | "context" => word(token).map(|_| Outcome::default()),
            "timeout" if about.check.is_some() && !taken.has("rollout") => {
                Err("`timeout` of a check says nothing without `rollout`".into())
            }
            "watch" => self.watch(token),
            "hold" | "poll" => self.poll(about, token, taken),
            "query" => self.query(about, token, taken),
            "unit" | "source" | "baseline" if !taken.has("query") => {
                Err(format!("`{key}` says nothing without `query`"))
            }
            "unit" => Ok(Outcome::default()),
            "source" => source(token).map(|()| Outcome::default()),
            "baseline" => baseline(token).map(|_| Outcome::default()),
            "timeout" if about.check.is_some() => duration(token).map(|_| Outcome::default()),
            "skip-if-missing" => self.skip_if_missing(about, token),
            "stdin" if taken.has("tty") => {
                Err("`stdin` says nothing beside `tty`: the operator's keys are its input".into())
            }
            "capture" if taken.has("tty") => {
                Err("`capture` says nothing beside `tty`: what a terminal shows is no value".into())
            }
            "capture" if taken.has("stream") || taken.has("background") => {
                Err("`capture` is for a command that is waited for".into())
            }
            "capture" => self.capture(about, word(token)?),
            _ => self.command(about, key, token),
        }
    }

    fn role(&mut self, about: &About, token: &Token) -> Result<Outcome, String> {
        let roles = self.roles(&list(token)?);
        if let Some(check) = about.check.and_then(|at| at.get(self.workflow)) {
            check.annotated.roles = roles;
        } else if let Some(command) = about.command.and_then(|at| at.get(self.workflow)) {
            command.annotated.roles = roles;
        } else if let Some(step) = about.step.and_then(|step| self.workflow.steps.get_mut(step)) {
            step.annotated.roles = roles;
        }
        Ok(Outcome::default())
    }

    fn applies(&mut self, about: &About, token: &Token, taken: &Taken<'_>) -> Result<Outcome, String> {
        flag(token)?;
        if taken.has("killer") && taken.has("optional") {
            return Err("`killer` and `optional` contradict each other; it always applies".into());
        }
        let Some(check) = about.check.and_then(|at| at.get(self.workflow)) else {
            let Some(step) = about.step.and_then(|step| self.workflow.steps.get_mut(step)) else {
                return Err("there is no step here".into());
            };
            if !step.gating {
                return Ok(Outcome::default());
            }
            step.gating = false;
            let what = "the release does not wait for this step";
            step.annotated.weakened.push(what.to_owned());
            return Ok(weakens(what));
        };
        if token.key == "killer" {
            check.annotated.killer = true;
            let instead_of = check.optional.then(|| "optional, by its words".to_owned());
            check.optional = false;
            return Ok(Outcome { instead_of, ..Outcome::default() });
        }
        if std::mem::replace(&mut check.optional, true) {
            return Ok(Outcome::default());
        }
        let what = "may be answered “not applicable”";
        check.annotated.weakened.push(what.to_owned());
        Ok(weakens(what))
    }

    fn evidence(&mut self, about: &About, token: &Token) -> Result<Outcome, String> {
        let typed = match word(token)? {
            "url" => Typed::Url,
            "text" => Typed::Text,
            "value" => Typed::Value,
            other => return Err(format!("`evidence={other}` is none of url, text and value")),
        };
        if let Some(check) = about.check.and_then(|at| at.get(self.workflow)) {
            check.annotated.typed = Some(typed);
        }
        Ok(Outcome::default())
    }

    fn timebox(&mut self, about: &About, token: &Token) -> Result<Outcome, String> {
        let seconds = duration(token)?;
        // The group that it titles, or else the next one of its step.
        let next = about.step.and_then(|s| {
            let groups = self.workflow.steps.get(s)?.groups.iter();
            Some((s, groups.enumerate().find(|(_, group)| group.place.line >= about.line)?.0))
        });
        let group = about.group.or(next);
        let group = group.and_then(|(s, g)| self.workflow.steps.get_mut(s)?.groups.get_mut(g));
        let group = group.ok_or("there are no checks below it in this step")?;
        let before = group.timebox_s.replace(seconds);
        let instead_of =
            before.filter(|before| *before != seconds).map(|before| format!("{before} s, by its words"));
        Ok(Outcome { instead_of, ..Outcome::default() })
    }

    fn soak(&mut self, about: &About, token: &Token) -> Result<Outcome, String> {
        let text = word(token)?;
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let (min_s, max_s) = (seconds(min)?, seconds(max)?);
        if min_s > max_s || max_s > LONGEST {
            return Err(format!("`soak={text}` is no range from short to long, of at most a month"));
        }
        let step = about.step.and_then(|step| self.workflow.steps.get_mut(step));
        let step = step.ok_or("there is no step here")?;
        let before = step.soak.replace(Soak { min_s, max_s });
        let Some(before) = before.filter(|before| *before != Soak { min_s, max_s }) else {
            return Ok(Outcome::default());
        };
        let instead_of = Some(format!("{} s to {} s, by its words", before.min_s, before.max_s));
        let shorter =
            (min_s < before.min_s).then(|| format!("soaks {min_s} s where its words say {} s", before.min_s));
        step.annotated.weakened.extend(shorter.clone());
        Ok(Outcome { instead_of, weakens: shorter, ..Outcome::default() })
    }

    fn released_by(&mut self, about: &About, token: &Token, taken: &Taken<'_>) -> Result<Outcome, String> {
        let names = list(token)?;
        let [name] = names.as_slice() else { return Err("`release` takes one role".into()) };
        let has_soak =
            about.step.and_then(|step| self.workflow.steps.get(step)).is_some_and(|step| step.soak.is_some());
        if !has_soak && !taken.has("soak") {
            return Err("`release` says nothing without a soak".into());
        }
        let role = self.roles(std::slice::from_ref(name)).pop();
        if let Some(step) = about.step.and_then(|step| self.workflow.steps.get_mut(step)) {
            step.annotated.released_by = role;
        }
        Ok(Outcome::default())
    }

    fn watch(&mut self, token: &Token) -> Result<Outcome, String> {
        match list(token)?.iter().find(|name| metric_named(name).is_none()) {
            Some(name) => Err(format!("gonogo does not measure `{name}`")),
            None => Ok(Outcome::default()),
        }
    }

    fn poll(&mut self, about: &About, token: &Token, taken: &Taken<'_>) -> Result<Outcome, String> {
        let names = if token.key == "hold" {
            match word(token)? {
                "go-nogo" => {}
                "two-person" => return self.two_people(about).map(|()| Outcome::default()),
                other => return Err(format!("`hold={other}` is none of go-nogo and two-person")),
            }
            if taken.has("poll") {
                // The other key says who is asked.
                return Ok(Outcome::default());
            }
            let roles = self.workflow.roles.iter().filter(|role| role.declared);
            let names: Vec<String> = roles.map(|role| role.name.0.clone()).collect();
            if names.is_empty() { vec![crate::workflow::infer::ANYONE.to_owned()] } else { names }
        } else {
            list(token)?
        };
        let roles = self.roles(&names);
        let step = about.step.and_then(|step| self.workflow.steps.get_mut(step));
        let step = step.ok_or("there is no step here")?;
        let before = step.poll.replace(Poll { roles: roles.clone() });
        let Some(before) = before.filter(|before| before.roles != roles) else {
            return Ok(Outcome::default());
        };
        let left_out: Vec<&str> =
            before.roles.iter().filter(|role| !roles.contains(role)).map(|role| role.as_str()).collect();
        let weaker = (!left_out.is_empty()).then(|| format!("its poll leaves out {}", left_out.join(", ")));
        step.annotated.weakened.extend(weaker.clone());
        let asked: Vec<&str> = before.roles.iter().map(|role| role.as_str()).collect();
        let instead_of = Some(format!("a poll of {}", asked.join(", ")));
        Ok(Outcome { weakens: weaker, instead_of, ..Outcome::default() })
    }

    fn query(&mut self, about: &About, token: &Token, taken: &Taken<'_>) -> Result<Outcome, String> {
        let name = word(token)?;
        let Some(metric) = metric_named(name) else {
            return Err(format!(
                "gonogo asks no query of the name `{name}`; it knows error-rate, latency-p95, request-rate and restarts"
            ));
        };
        let unit = unit_of(metric);
        if let Some(written) = taken.value("unit").filter(|written| *written != unit) {
            let unit = if unit.is_empty() { "no unit" } else { unit };
            return Err(format!(
                "`{name}` is read in {unit}, not in `{written}`: the query stays the one of the settings"
            ));
        }
        let expression = about.fence.as_deref().unwrap_or_default();
        let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        if expression.is_empty() {
            return Err("the block is empty".into());
        }
        if taken.value("source").is_some_and(|source| source != PROMETHEUS) {
            return Err("the block is not asked, since gonogo does not ask its `source`".into());
        }
        // One that cannot be read is told where it stands, and the usual stretch is taken.
        let baseline_s = taken.token("baseline").and_then(|token| baseline(token).ok());
        let before = self.workflow.queries.insert(metric, Query { expression, baseline_s });
        let instead_of = before.map(|_| "an earlier block of the same name".to_owned());
        Ok(Outcome { instead_of, ..Outcome::default() })
    }

    fn skip_if_missing(&mut self, about: &About, token: &Token) -> Result<Outcome, String> {
        flag(token)?;
        if let Some(check) = about.check.and_then(|at| at.get(self.workflow)) {
            if !matches!(check.annotated.gate, Some(CheckGate::Command(_))) {
                return Err("`skip-if-missing` of a check says nothing without `cmd`".into());
            }
            check.annotated.skip_if_missing = true;
        } else if let Some(command) = about.command.and_then(|at| at.get(self.workflow)) {
            command.annotated.skip_if_missing = true;
        } else if let Some(step) = about.step.and_then(|step| self.workflow.steps.get_mut(step)) {
            step.commands.iter_mut().for_each(|command| command.annotated.skip_if_missing = true);
        }
        Ok(Outcome::default())
    }

    fn capture(&mut self, about: &About, name: &str) -> Result<Outcome, String> {
        variables::may_be_captured(name)?;
        if self.workflow.params.iter().any(|param| param.name == name) {
            return Err(format!("`{name}` is a parameter, and has one value for the whole release"));
        }
        let Some(own) = about.command.and_then(|at| at.get(self.workflow)) else {
            return Err("`capture` says nothing here".into());
        };
        if !matches!(own.kind, CommandKind::Run | CommandKind::Choice) {
            return Err("`capture` is for a command that is waited for".into());
        }
        let id = own.id.clone();
        if let Some(line) = self.set_elsewhere(name, &id) {
            return Err(format!("line {line} sets `{name}` itself, and what is set there is read instead"));
        }
        if let Some(command) = about.command.and_then(|at| at.get(self.workflow)) {
            command.annotated.capture = Some(name.to_owned());
        }
        Ok(Outcome::default())
    }

    fn command(&mut self, about: &About, key: &str, token: &Token) -> Result<Outcome, String> {
        let mut names: Vec<String> = self.workflow.params.iter().map(|param| param.name.clone()).collect();
        names.sort_unstable();
        let step = about.step;
        let Some(command) = about.command.and_then(|at| at.get(self.workflow)) else {
            return Err(format!("`{key}` says nothing here"));
        };
        let terms = &mut command.annotated;
        match key {
            "timeout" => terms.timeout_s = Some(duration(token)?),
            "kill-grace" => terms.grace_s = Some(seconds(word(token)?)?.min(3_600)),
            "tty" => {
                terms.tty = !matches!(token.value.as_deref(), Some("false" | "no" | "0"));
                if terms.tty {
                    flag(token)?;
                }
            }
            "cwd" => terms.directory = Some(below("cwd", word(token)?)?),
            "stdin" => terms.stdin = Some(below("stdin", word(token)?)?),
            "retries" => {
                let n = word(token)?.parse().ok().filter(|n| (1..=MOST_RETRIES).contains(n));
                terms.retries =
                    Some(n.ok_or_else(|| format!("`{token}` is no number from 1 to {MOST_RETRIES}"))?);
            }
            "shell" => {
                let shell = Interpreter::named(word(token)?)?;
                let goes_on = !shell.stops_at_failure();
                terms.shell = Some(shell);
                if goes_on {
                    let what = "a line that fails does not end it, unless its own text sees to that";
                    terms.weakened.push(what.to_owned());
                    return Ok(weakens(what));
                }
            }
            "env" => terms.env = env(token)?,
            "confirm" => match word(token)? {
                "once" => {}
                "never" => {
                    let stricter = Some("gonogo asks before every command");
                    return Ok(Outcome { stricter, ..Outcome::default() });
                }
                other => terms.confirm = Some(confirm(other, &names)?),
            },
            "risk" => {
                let risk = match word(token)? {
                    "read" => Risk::Read,
                    "local" => Risk::Local,
                    "prod" => Risk::Prod,
                    "irreversible" => Risk::Irreversible,
                    other => {
                        return Err(format!("`risk={other}` is none of read, local, prod and irreversible"));
                    }
                };
                terms.risk = Some(risk);
                if let Some(step) = step.and_then(|step| self.workflow.steps.get_mut(step)) {
                    step.production |= risk >= Risk::Prod;
                }
            }
            "choose" => {
                let wanted = word(token)?;
                let number = wanted.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                let folded = vocabulary::fold(wanted);
                let begins = |text: &str| vocabulary::fold(text).starts_with(&folded);
                let mut fitting = command.choices.iter().enumerate().filter(|(_, choice)| {
                    begins(&choice.label) || choice.text.as_deref().is_some_and(begins)
                });
                let found = match (number, fitting.next(), fitting.next()) {
                    (Some(number), ..) => (number < command.choices.len()).then_some(number),
                    (None, Some((only, _)), None) => Some(only),
                    _ => None,
                };
                let Some(found) = found else {
                    return Err(format!("`choose={wanted}` fits none of its alternatives, or several"));
                };
                terms.choose = Some(found);
            }
            "stream" | "background" => {
                flag(token)?;
                match command.kind {
                    CommandKind::Run => {}
                    CommandKind::Stream => return Ok(Outcome::default()),
                    _ => return Err(format!("`{key}` is for a block without alternatives")),
                }
                command.kind = CommandKind::Stream;
                let what = "is never waited for, whatever becomes of it";
                terms.weakened.push(what.to_owned());
                return Ok(weakens(what));
            }
            _ => return Err(format!("`{key}` says nothing here")),
        }
        Ok(Outcome::default())
    }
}

fn source(token: &Token) -> Result<(), String> {
    match word(token)? {
        PROMETHEUS => Ok(()),
        other => Err(format!(
            "`source={other}` is nothing that gonogo asks: it knows {PROMETHEUS}, the one of the settings"
        )),
    }
}

fn baseline(token: &Token) -> Result<u64, String> {
    match duration(token)? {
        seconds if (SHORTEST_BASELINE..=LONGEST_BASELINE).contains(&seconds) => Ok(seconds),
        _ => Err(format!("`{token}` is no stretch from 1m to 24h")),
    }
}

/// A path below the release's own directory: an invisible comment must not lead a command elsewhere.
fn below(key: &str, path: &str) -> Result<String, String> {
    let out = path.split('/').any(|part| part == "..");
    if path.starts_with(['/', '~', '-']) || out || path.contains(['\\', '$', '`']) {
        return Err(format!("`{key}={path}` leads out of the release's directory, or is no plain path"));
    }
    Ok(path.trim_end_matches('/').to_owned())
}

fn env(token: &Token) -> Result<Vec<(String, String)>, String> {
    let text = word(token)?;
    let mut env: Vec<(String, String)> = Vec::new();
    for pair in text.split(',') {
        let (name, value) =
            pair.trim().split_once('=').ok_or_else(|| format!("`{pair}` is no NAME=VALUE"))?;
        variables::may_be_set(name)?;
        if env.iter().any(|(known, _)| known == name) {
            return Err(format!("`{name}` is set twice"));
        }
        env.push((name.to_owned(), value.to_owned()));
    }
    Ok(env)
}

fn confirm(text: &str, params: &[String]) -> Result<Word, String> {
    match text.strip_prefix("type:") {
        Some("context") => Ok(Word::Context),
        Some("namespace" | "ns") => Ok(Word::Namespace),
        Some("target") => Ok(Word::Target),
        Some(name) if params.iter().any(|param| param == name) => Ok(Word::Param(name.to_owned())),
        Some(name) => Err(format!("`type:{name}` names no field: context, namespace, target or a parameter")),
        None => Err(format!("`confirm={text}` is none of once and type:FIELD")),
    }
}
