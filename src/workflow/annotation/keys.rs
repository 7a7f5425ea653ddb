//! Every key of an annotation: where it may stand, what it takes, what gonogo does with it.
//!
//! One table for the reader, the diagnostics and the page of the documentation, so that none of
//! them can promise what another does not keep.

/// What an annotation stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::workflow) enum On {
    Heading,
    Paragraph,
    /// A box or a bullet.
    Item,
    /// A block that a shell runs.
    Command,
    /// Any other fence, such as a `promql` query.
    Fence,
}

impl On {
    pub(in crate::workflow) fn words(self) -> &'static str {
        match self {
            On::Heading => "a heading",
            On::Paragraph => "a paragraph",
            On::Item => "a check",
            On::Command => "a command",
            On::Fence => "a block that is not run",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::workflow) struct Key {
    pub(in crate::workflow) name: &'static str,
    pub(in crate::workflow) on: &'static [On],
    /// A gate fails closed: what cannot be read or kept becomes a manual hold.
    pub(in crate::workflow) gate: bool,
    /// The value as a person writes it; empty for a flag.
    pub(in crate::workflow) value: &'static str,
    pub(in crate::workflow) does: &'static str,
}

const fn key(name: &'static str, on: &'static [On], value: &'static str, does: &'static str) -> Key {
    Key { name, on, gate: false, value, does }
}

const fn gate(name: &'static str, on: &'static [On], value: &'static str, does: &'static str) -> Key {
    Key { gate: true, ..key(name, on, value, does) }
}

const ANY: &[On] = &[On::Heading, On::Item, On::Command];
const CHECK: &[On] = &[On::Item];
const COMMAND: &[On] = &[On::Command];
const PROSE: &[On] = &[On::Paragraph, On::Heading];
const FENCE: &[On] = &[On::Fence];

/// In the order of the documentation.
pub(in crate::workflow) const KEYS: &[Key] = &[
    key(
        "id",
        ANY,
        "set-image",
        "names it for `after`, `cmd` and the journal: it stays the same when its words change",
    ),
    key("role", ANY, "qa,po", "who does it, shown beside it"),
    key("killer", CHECK, "", "always applies: `not applicable` is refused"),
    key(
        "optional",
        &[On::Item, On::Heading],
        "",
        "may be answered `not applicable`; a step that the release does not wait for ⚠",
    ),
    gate(
        "after",
        &[On::Item, On::Command],
        "set-image",
        "stays shut until that command has succeeded or that check is closed",
    ),
    key(
        "skip-if-missing",
        ANY,
        "",
        "where a program that it starts, or the shell that reads it, is not on the `PATH`, `s` skips it with that as the reason; of a check those of its `cmd`, of a heading those of each of its commands",
    ),
    key(
        "timeout",
        &[On::Command, On::Item],
        "10m",
        "stops a command after that long; a `rollout` check says that it is late",
    ),
    key("kill-grace", COMMAND, "30s", "how long a stopped command may take to end before it is killed"),
    key("cwd", COMMAND, "deploy", "the directory it runs in, below the release's own"),
    key("env", COMMAND, "NS=prod,REGION=eu", "set in its environment, below parameters and gonogo's own"),
    key(
        "shell",
        COMMAND,
        "zsh",
        "what reads it: `bash`, `sh`, `dash`, `zsh`, or the whole path of a program that takes `-c`; a shell stops at the first line that fails, as `bash` does, another program only where its text says so ⚠",
    ),
    key("tty", COMMAND, "", "runs it in a terminal of its own, where the operator's keys go to it"),
    key(
        "stdin",
        COMMAND,
        "dump.sql",
        "the file that is its standard input, relative to the directory that it runs in; without it nothing runs",
    ),
    key("stream", COMMAND, "", "follows something without end: fed into the log pane, never awaited ⚠"),
    key("background", COMMAND, "", "the same as `stream`, for documents written for runme ⚠"),
    key(
        "retries",
        COMMAND,
        "3",
        "run again by itself when it fails or takes too long, up to 10 times, after 2, 4, 8, 16 and then 30 s each; never what acts on production, pushes, deploys or publishes",
    ),
    key(
        "risk",
        COMMAND,
        "irreversible",
        "`read`, `local`, `prod` or `irreversible`, shown before it runs; `prod` and `irreversible` make its step a production step",
    ),
    gate(
        "confirm",
        COMMAND,
        "type:context",
        "`once` asks as always; `type:context`, `type:namespace`, `type:target` or `type:PARAM` asks for that word first",
    ),
    key(
        "capture",
        COMMAND,
        "URL",
        "what it prints on its standard output, once it has succeeded, is this variable for the commands that run after it: at most 4096 bytes of text, newlines at its end left out, never with a secret in it",
    ),
    key(
        "choose",
        COMMAND,
        "kubectl",
        "the alternative that is offered first, by its number or the beginning of its words",
    ),
    gate(
        "approvals",
        CHECK,
        "2",
        "how many confirm it; with `role`, those who answer for these roles, once for each role",
    ),
    gate("distinct", CHECK, "", "with `approvals`: different people, also where one has several roles"),
    gate(
        "not",
        CHECK,
        "runner",
        "who may not confirm it: `runner` is everybody who ran a command of the release",
    ),
    key(
        "evidence",
        CHECK,
        "url",
        "what is typed to confirm it: `url` a link, `value` a reading, `text` any words",
    ),
    gate("cmd", CHECK, "smoke-test", "answered by that command: exit 0 is a pass, anything else is not"),
    gate(
        "metric",
        CHECK,
        "error-rate",
        "answered by a metric: `error-rate`, `latency-p95`, `request-rate` or `restarts`",
    ),
    gate(
        "max",
        CHECK,
        "1%",
        "its highest value that passes: `%` for the error rate, `ms` or `s` for a latency",
    ),
    gate("min", CHECK, "10", "its lowest value that passes"),
    gate("ratio", CHECK, "1.5", "its highest multiple of the value from before the change"),
    gate(
        "for",
        CHECK,
        "5m",
        "for how long every reading must pass, counted since the last command of its step",
    ),
    gate(
        "every",
        CHECK,
        "30s",
        "how often it is read, at least every 5 s: readings further apart do not pass, and where the settings read less often it stays open",
    ),
    gate("nodata", CHECK, "fail", "`fail` or `hold`: without data it stays open, as always"),
    gate("rollout", CHECK, "deployment/app", "answered by that rollout: complete, and of this release"),
    gate("ready", CHECK, "100%", "with a rollout: all of its pods, which is what complete means"),
    gate("restarts", CHECK, "0", "with a rollout: at most so many restarts of its pods"),
    key("ns", CHECK, "prod", "with a rollout: its namespace"),
    key("context", CHECK, "prod-eu", "with a rollout: its context"),
    key("onfail", CHECK, "hold", "`hold`: while it fails, the step stays open, as always"),
    key("timebox", PROSE, "5m", "a countdown for the checks below; it passes and fails nothing"),
    gate("soak", PROSE, "1h..2h", "the least and the longest time that the step is watched"),
    gate("breach", PROSE, "hold", "`hold`: while a rollback criterion is met nothing goes on, as always"),
    gate("release", PROSE, "tech-lead", "the only role that may end the soak early"),
    key("watch", PROSE, "error-rate", "the metrics to look at meanwhile; all four are watched"),
    gate(
        "hold",
        PROSE,
        "go-nogo",
        "`go-nogo`: the step ends with a GO/NO-GO poll of all roles; `two-person`: with a check that two people confirm",
    ),
    gate("poll", PROSE, "qa,po", "the step ends with a GO/NO-GO poll of these roles"),
    key(
        "query",
        FENCE,
        "error-rate",
        "the block is the expression asked for that metric, unless the settings have one",
    ),
    key("unit", FENCE, "%", "the unit of its answer: `%`, `ms` or none, as the metric has it"),
    key(
        "source",
        FENCE,
        "prometheus",
        "`prometheus`, the one of the settings; the block of any other is not asked",
    ),
    key(
        "baseline",
        FENCE,
        "15m",
        "how long before the first change the stretch is that `ratio` and criteria with a factor compare with: from 1m to 24h, five minutes without it",
    ),
];

pub(in crate::workflow) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that an unknown one was probably meant to be.
pub(in crate::workflow) fn near(name: &str) -> Option<&'static Key> {
    let distance = |key: &&Key| strsim::levenshtein(key.name, name);
    let room = if name.len() > 4 { 2 } else { 1 };
    KEYS.iter().filter(|key| distance(key) <= room).min_by_key(distance)
}

/// Whether unreadable text may have been meant to close a gate.
pub(in crate::workflow) fn names_a_gate(text: &str) -> bool {
    // What is longer than anything that a person writes here is not looked through for every key.
    if text.len() > 16_384 {
        return true;
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| !word.is_empty() && word.len() < 20).any(|word| {
        let word = word.to_ascii_lowercase();
        find(&word).or_else(|| near(&word)).is_some_and(|key| key.gate)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_once_and_says_what_it_does() {
        let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        assert!(KEYS.iter().all(|key| !key.does.is_empty() && !key.on.is_empty()));
    }

    #[test]
    fn a_misspelt_key_is_recognised_and_a_foreign_one_is_not() {
        assert_eq!(near("aprovals").map(|key| key.name), Some("approvals"));
        assert_eq!(near("timeot").map(|key| key.name), Some("timeout"));
        assert_eq!(near("owner"), None);
        assert!(names_a_gate("x metrc=error-rate") && !names_a_gate("timeout=5m id=a"));
    }
}
