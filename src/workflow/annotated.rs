//! What annotations add to a workflow: terms of a step, a command or a check beside its prose.

use std::fmt;

use super::interpreter::Interpreter;
use super::model::{CheckId, CommandId, CriterionKind, Operator, Place, RoleName};
use super::param_kind::is_address;

/// One key of an annotation that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub place: Place,
    /// Where the caret ends, exclusive; on the same line as `place`.
    pub end_column: usize,
    /// As it stands in the document: `soak=1h..2h`.
    pub text: String,
    /// The line of what it is about: a heading, an item, the first line of a block.
    pub about: Place,
    /// What it takes from a gate, in words; a reader of the rendered page cannot see it.
    pub weakens: Option<String>,
    /// What held without it, when it says something else than the prose.
    pub instead_of: Option<String>,
}

/// Something that another item can wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    Check(CheckId),
    Command(CommandId),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepTerms {
    pub roles: Vec<RoleName>,
    /// The only role that may end the soak early.
    pub released_by: Option<RoleName>,
    /// What an annotation took from its gates, in words.
    pub weakened: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckTerms {
    /// Where its words lead, as the document links them.
    pub links: Vec<String>,
    pub roles: Vec<RoleName>,
    /// Always applies.
    pub killer: bool,
    /// Closed, or succeeded, before this one may be answered.
    pub after: Vec<Before>,
    pub gate: Option<CheckGate>,
    /// Who confirms it, when that is not simply whoever sits there.
    pub sign_off: Option<SignOff>,
    /// What is typed beside a confirmation.
    pub typed: Option<Typed>,
    /// Why only an override with a reason closes it: its gate cannot be read, or not be kept.
    pub hold: Option<String>,
    /// Skipping it is offered where a program of the command that answers it is not here.
    pub skip_if_missing: bool,
    pub weakened: Vec<String>,
}

/// How many people confirm a check, and who may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignOff {
    /// At least 1.
    pub approvals: usize,
    /// Whether nobody counts twice, not even for two roles.
    pub distinct: bool,
    /// Whether those who ran a command of the release are left out.
    pub not_runner: bool,
}

impl SignOff {
    /// `2 different people of qa, po, nobody who ran a command`
    pub fn words(&self, roles: &[RoleName]) -> String {
        let names: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
        let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
        let people = match self.approvals {
            1 => "one person".to_owned(),
            n if self.distinct || names.is_empty() => format!("{n} different people"),
            n => format!("{n} times, once for each role,"),
        };
        let not = if self.not_runner { ", nobody who ran a command" } else { "" };
        format!("{people}{of}{not}")
    }
}

/// What somebody who confirms a check has seen, in their own characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// A link to it.
    Url,
    Text,
    /// A reading: something with a digit.
    Value,
}

impl Typed {
    pub fn as_str(self) -> &'static str {
        match self {
            Typed::Url => "a link to what was seen",
            Typed::Text => "what was seen",
            Typed::Value => "the value that was read",
        }
    }

    /// - Errors: what is missing in it.
    pub fn accepts(self, typed: &str) -> Result<(), &'static str> {
        let typed = typed.trim();
        match self {
            _ if typed.is_empty() => Err("it is empty"),
            Typed::Url if typed.contains(char::is_whitespace) => Err("a link has no blanks"),
            Typed::Url if !is_address(typed) => Err("a link begins with https:// or http://"),
            Typed::Value if !typed.contains(|c: char| c.is_ascii_digit()) => Err("a value has a digit"),
            _ => Ok(()),
        }
    }
}

/// What answers a check in place of a person.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckGate {
    /// Exit 0 passes, anything else does not.
    Command(CommandId),
    Metric(MetricGate),
    Rollout(RolloutGate),
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricGate {
    /// Each is met when it must not be; never [`CriterionKind::Declared`].
    pub limits: Vec<CriterionKind>,
    /// For how long every reading must pass. Units: seconds on the release clock.
    pub for_s: u64,
    /// How far two readings may be apart, where that is not for the settings to say. At least 5. Units:
    /// seconds on the release clock.
    pub every_s: Option<u64>,
}

/// What is asked for a metric by a block of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// On one line.
    pub expression: String,
    /// How long before the first change the stretch is that a ratio compares with, where that is not the
    /// usual one. Units: seconds on the release clock.
    pub baseline_s: Option<u64>,
}

/// A rollout that must be complete and of this release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutGate {
    pub kind: super::model::Kind,
    pub name: String,
    pub namespace: Option<String>,
    pub context: Option<String>,
    /// More restarts than this of any of its pods do not pass.
    pub max_restarts: Option<u32>,
    /// Longer than this since the last command of its step is said to be late. Units: seconds on
    /// the release clock.
    pub timeout_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommandTerms {
    pub roles: Vec<RoleName>,
    pub after: Vec<Before>,
    /// Units: seconds of wall time.
    pub timeout_s: Option<u64>,
    /// Between TERM and KILL. Units: seconds of wall time.
    pub grace_s: Option<u64>,
    /// Below the release's own directory; never absolute, never out of it.
    pub directory: Option<String>,
    /// In the order of the document.
    pub env: Vec<(String, String)>,
    /// Skipping it is offered where a program that it starts is not here.
    pub skip_if_missing: bool,
    /// How often it is run again by itself after a failure. At least 1.
    pub retries: Option<u32>,
    /// What reads it, where that is not what reads the others.
    pub shell: Option<Interpreter>,
    /// The file that is its standard input, relative to the directory that it runs in.
    pub stdin: Option<String>,
    /// The variable that later commands find its output in.
    pub capture: Option<String>,
    /// It asks for a terminal.
    pub tty: bool,
    /// A word to type before it runs.
    pub confirm: Option<Word>,
    pub risk: Option<Risk>,
    /// The alternative that is offered first.
    pub choose: Option<usize>,
    pub weakened: Vec<String>,
}

/// Which word is typed before a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    Context,
    Namespace,
    /// The name of the first target.
    Target,
    Param(String),
}

impl Word {
    /// As the operator is asked for it.
    pub fn label(&self) -> &str {
        match self {
            Word::Context => "context",
            Word::Namespace => "namespace",
            Word::Target => "target",
            Word::Param(name) => name,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    Read,
    Local,
    Prod,
    Irreversible,
}

impl Risk {
    pub fn as_str(self) -> &'static str {
        match self {
            Risk::Read => "read",
            Risk::Local => "local",
            Risk::Prod => "prod",
            Risk::Irreversible => "irreversible",
        }
    }
}

const MAY_BE_MISSING: &str = "skipping it is offered where its program is not here";

/// One line about the terms of an item, for plan, screen and report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub text: String,
    /// Marked ⚠: something is held, or weaker than its words say.
    pub warns: bool,
}

impl Term {
    fn says(text: impl Into<String>) -> Self {
        Self { text: text.into(), warns: false }
    }

    fn warns(text: impl Into<String>) -> Self {
        Self { text: text.into(), warns: true }
    }
}

fn of_roles(roles: &[RoleName]) -> Option<Term> {
    let names: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
    (!names.is_empty()).then(|| Term::says(format!("for {}", names.join(", "))))
}

fn of_after(after: &[Before]) -> Option<Term> {
    let ids: Vec<&str> = after
        .iter()
        .map(|before| match before {
            Before::Check(id) => id.as_str(),
            Before::Command(id) => id.as_str(),
        })
        .collect();
    (!ids.is_empty()).then(|| Term::says(format!("after {}", ids.join(", "))))
}

fn of_weakened(weakened: &[String]) -> impl Iterator<Item = Term> {
    weakened.iter().map(|what| Term::warns(format!("by an annotation: {what}")))
}

impl StepTerms {
    /// What a reader of the step should know, most important last.
    pub fn terms(&self) -> Vec<Term> {
        let ends =
            self.released_by.as_ref().map(|role| Term::says(format!("only {role} may end the soak early")));
        of_roles(&self.roles).into_iter().chain(ends).chain(of_weakened(&self.weakened)).collect()
    }
}

impl CheckTerms {
    /// What a reader of the check should know, most important last.
    pub fn terms(&self) -> Vec<Term> {
        let signed =
            self.sign_off.map(|sign_off| Term::says(format!("confirmed by {}", sign_off.words(&self.roles))));
        let mut terms: Vec<Term> = signed.or_else(|| of_roles(&self.roles)).into_iter().collect();
        terms.extend(self.typed.map(|typed| Term::says(format!("asks for {}", typed.as_str()))));
        if self.killer {
            terms.push(Term::says("always applies"));
        }
        terms.extend(self.links.iter().map(|link| Term::says(format!("see {link}"))));
        terms.extend(of_after(&self.after));
        terms.extend(self.gate.as_ref().map(|gate| Term::says(format!("answered by {gate}"))));
        terms.extend(self.skip_if_missing.then(|| Term::says(MAY_BE_MISSING)));
        terms.extend(of_weakened(&self.weakened));
        terms.extend(self.hold.as_ref().map(|why| Term::warns(format!("held: {why}"))));
        terms
    }
}

impl CommandTerms {
    /// What a reader of the command should know, most important last.
    pub fn terms(&self) -> Vec<Term> {
        let mut terms: Vec<Term> = of_roles(&self.roles).into_iter().collect();
        let mut say = |text: Option<String>| terms.extend(text.map(Term::says));
        say(self.risk.map(|risk| format!("risk {}", risk.as_str())));
        say(self.directory.as_ref().map(|directory| format!("in {directory}")));
        say(self.shell.as_ref().map(|shell| format!("read by {shell}")));
        let pairs: Vec<String> = self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        say((!pairs.is_empty()).then(|| format!("sets {}", pairs.join(" "))));
        say(self.timeout_s.map(|seconds| format!("stopped after {seconds} s")));
        say(self.grace_s.map(|seconds| format!("killed {seconds} s after that")));
        say(self.retries.map(|n| match n {
            1 => "run again once by itself when it fails".to_owned(),
            n => format!("run again up to {n} times by itself when it fails"),
        }));
        say(self.stdin.as_ref().map(|file| format!("reads {file}")));
        say(self.capture.as_ref().map(|name| format!("sets {name} to what it prints")));
        say(self.skip_if_missing.then(|| MAY_BE_MISSING.to_owned()));
        say(self.tty.then(|| "in a terminal of its own".to_owned()));
        say(self.confirm.as_ref().map(|word| format!("asks for the {} first", word.label())));
        terms.extend(of_after(&self.after));
        terms.extend(of_weakened(&self.weakened));
        terms
    }
}

impl fmt::Display for CheckGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckGate::Command(id) => write!(f, "the command {id}"),
            CheckGate::Rollout(gate) => {
                write!(f, "the rollout of {}/{}", gate.kind.as_str(), gate.name)?;
                let place = [("namespace", &gate.namespace), ("context", &gate.context)];
                for (name, value) in place {
                    value.iter().try_for_each(|value| write!(f, " {name} {value}"))?;
                }
                if let Some(n) = gate.max_restarts {
                    write!(f, ", at most {n} restarts")?;
                }
                gate.timeout_s.iter().try_for_each(|seconds| write!(f, ", within {seconds} s"))
            }
            CheckGate::Metric(gate) => {
                for (n, limit) in gate.limits.iter().enumerate() {
                    let between = if n > 0 { " and " } else { "" };
                    match limit {
                        CriterionKind::Threshold { metric, operator, value, unit } => {
                            let sign = if *operator == Operator::Below { "≥" } else { "≤" };
                            write!(f, "{between}{} {sign} {value}{unit}", metric.words())?;
                        }
                        CriterionKind::Ratio { metric, factor, .. } => {
                            write!(f, "{between}{} ≤ {factor}× its baseline", metric.words())?;
                        }
                        CriterionKind::Declared => {}
                    }
                }
                if gate.for_s > 0 {
                    write!(f, " for {} s", gate.for_s)?;
                }
                gate.every_s.iter().try_for_each(|seconds| write!(f, ", read every {seconds} s"))
            }
        }
    }
}
