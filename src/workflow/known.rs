//! Which rows of the error table speak of a failure, and the word by which that is known.
//!
//! A row is found by what the failure itself says: its own words, an identifier that both name, or a
//! kind of failure that both speak of, each in its language. A word that any failure may have, such
//! as "error", proves nothing; where nothing proves anything, no row is shown.

use super::model::KnownError;
use super::vocabulary;

/// What is known of a failure.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failed<'a> {
    /// What says it by itself: the reason of a pod, `CrashLoopBackOff`.
    pub reason: &'a str,
    /// The text that was run.
    pub command: &'a str,
    pub exit_code: Option<i32>,
    /// What was said meanwhile, the line that was said last at the end.
    pub lines: &'a [&'a str],
}

/// A row that speaks of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMatch {
    /// Its place in [`super::Workflow::errors`].
    pub row: usize,
    /// The word that both share, and where it stands: `the output says “migration”`.
    pub why: String,
}

/// The rows that speak of a failure, the one that is surest first.
pub fn known_errors(rows: &[KnownError], failed: &Failed) -> Vec<KnownMatch> {
    if rows.is_empty() {
        return Vec::new();
    }
    let said = Said::of(failed);
    let mut found: Vec<(u32, KnownMatch)> = rows
        .iter()
        .enumerate()
        .filter_map(|(row, known)| {
            let (sure, why) = said.of_row(known)?;
            // Two rows of one symptom: the one whose cause is told as well comes first.
            let cause = said.n_shared(&significant(&known.cause)).min(9);
            Some((sure * 10 + cause, KnownMatch { row, why }))
        })
        .collect();
    found.sort_by_key(|(sure, known)| (std::cmp::Reverse(*sure), known.row));
    found.into_iter().map(|(_, known)| known).collect()
}

/// Signs of each kind of failure, as programs write them: they speak English. A kind has the words of
/// the tables in `vocabulary/*.words`, under `failure KIND`.
const SIGNS: &[(&str, &[&str])] = &[
    ("memory", &["oomkilled", "out of memory", "cannot allocate memory", "heap space"]),
    (
        "crash",
        &["crashloopbackoff", "runcontainererror", "containercannotrun", "starterror", "segmentation fault"],
    ),
    (
        "image",
        &[
            "imagepullbackoff",
            "errimagepull",
            "errimageneverpull",
            "invalidimagename",
            "manifest unknown",
            "pull access denied",
        ],
    ),
    ("scheduling", &["unschedulable", "failedscheduling", "nodes are available"]),
    ("settings", &["createcontainerconfigerror"]),
    ("quota", &["exceeded quota", "quota exceeded"]),
    ("readiness", &["readiness probe failed", "startup probe failed", "liveness probe failed", "notready"]),
    ("exists", &["already exists"]),
    ("behind", &["non fast forward", "fetch first", "tip of your current branch is behind"]),
    ("conflict", &["merge conflict", "automatic merge failed", "conflict content"]),
    (
        "connection",
        &[
            "connection refused",
            "connection reset",
            "connection timed out",
            "no such host",
            "could not resolve host",
            "i o timeout",
            "handshake timeout",
            "network is unreachable",
            "could not connect",
            "unable to connect",
            "deadline exceeded",
        ],
    ),
    (
        "permission",
        &[
            "permission denied",
            "forbidden",
            "unauthorized",
            "access denied",
            "authentication failed",
            "could not read username",
            "not authorized",
        ],
    ),
    ("missing", &["command not found"]),
    ("disk", &["no space left on device", "disk quota exceeded"]),
    ("tests", &["tests failed", "test failed", "failing tests", "test result failed", "failed tests"]),
    ("migration", &["migration", "migrate", "migrations"]),
];

/// Reasons of a pod that are words of their own and signs of a crash only there.
const CRASHED: [&str; 2] = ["Error", "OOMKilled"];

/// Words that any failure has, in the languages of the vocabulary: sharing them proves nothing.
const COMMON: &[&str] = &[
    "fail",
    "fails",
    "failed",
    "failure",
    "failing",
    "error",
    "errors",
    "erreur",
    "erreurs",
    "echec",
    "echoue",
    "echouent",
    "fehler",
    "fehlgeschlagen",
    "falla",
    "fallan",
    "falha",
    "problem",
    "probleme",
    "issue",
    "exception",
    "fatal",
    "warning",
    "with",
    "from",
    "this",
    "that",
    "when",
    "after",
    "before",
    "does",
    "have",
    "been",
    "will",
    "into",
    "dans",
    "avec",
    "pour",
    "apres",
    "avant",
    "quand",
    "sont",
    "etre",
    "nicht",
    "wird",
    "sind",
    "nach",
    "para",
    "cuando",
    "quando",
    "during",
    "pendant",
    "cannot",
    "could",
    "step",
    "etape",
    "command",
    "commande",
    "release",
    "deploy",
    "deployment",
    "deploiement",
    "version",
    "application",
    "service",
    "production",
    "staging",
    "running",
    "started",
    "stopped",
    "gonogo",
    "than",
];

/// What a failure says, made comparable once for all rows.
struct Said {
    /// Where it is said, as words for people, and the folded words with a space at both ends.
    lines: Vec<(&'static str, String)>,
    exit_code: Option<i32>,
    /// The kinds, each with the sign that told it and where it stands.
    kinds: Vec<(&'static str, String)>,
}

impl Said {
    fn of(failed: &Failed) -> Self {
        let folded = |text: &str| format!(" {} ", vocabulary::words(text));
        let mut lines = Vec::new();
        if !failed.reason.is_empty() {
            lines.push(("the reason", folded(failed.reason)));
        }
        // What was said last is what it failed by.
        lines.extend(failed.lines.iter().rev().map(|line| ("the output", folded(line))));
        lines.extend(failed.command.lines().map(|line| ("the command", folded(line))));
        let mut kinds = Vec::new();
        for (kind, signs) in SIGNS {
            // Every line is compared with each: they are made comparable before that.
            let signs: Vec<(&str, String)> = signs.iter().map(|sign| (*sign, format!(" {sign} "))).collect();
            let told = lines.iter().find_map(|(place, line)| {
                // What a command was going to do is no sign of how it failed, but for what it is about.
                let counts = *place != "the command" || *kind == "migration";
                let (sign, _) = signs.iter().find(|(_, padded)| counts && line.contains(padded))?;
                // A reason is one word, and is told as Kubernetes writes it.
                let sign = if *place == "the reason" { failed.reason } else { sign };
                Some(format!("{place} says “{sign}”"))
            });
            kinds.extend(told.map(|why| (*kind, why)));
        }
        if CRASHED.contains(&failed.reason) && !kinds.iter().any(|(kind, _)| *kind == "crash") {
            kinds.push(("crash", format!("the reason is “{}”", failed.reason)));
        }
        if failed.exit_code == Some(127) && !kinds.iter().any(|(kind, _)| *kind == "missing") {
            kinds.push(("missing", "exit 127 is a command that was not found".to_owned()));
        }
        Self { lines, exit_code: failed.exit_code, kinds }
    }

    /// How sure it is that a row speaks of this, and why.
    fn of_row(&self, known: &KnownError) -> Option<(u32, String)> {
        let whole = vocabulary::words(&known.error);
        let several = whole.split(' ').filter(|word| is_telling(word)).count() >= 2;
        if several && let Some(place) = self.says(&whole) {
            return Some((9, format!("{place} says “{}”", known.error.trim())));
        }
        let exit = exit_named(&whole).filter(|named| self.exit_code == Some(*named));
        if let Some(code) = exit {
            return Some((8, format!("it ended with exit {code}")));
        }
        for text in [&known.error, &known.cause] {
            for name in identifiers(text) {
                if let Some(place) = self.says(&vocabulary::words(name)) {
                    return Some((7, format!("{place} says “{name}”")));
                }
            }
        }
        let of_kind = |(kind, _): &&(&str, String)| vocabulary::speaks_of_failure(kind, &known.error);
        if let Some((_, why)) = self.kinds.iter().find(of_kind) {
            return Some((6, why.clone()));
        }
        self.shared_words(&known.error).map(|why| (4, why))
    }

    fn says(&self, words: &str) -> Option<&'static str> {
        if words.is_empty() {
            return None;
        }
        let wanted = format!(" {words} ");
        self.lines.iter().find(|(_, line)| line.contains(&wanted)).map(|(place, _)| *place)
    }

    /// Two telling words at least, and half of those that the row has, in one and the same line.
    fn shared_words(&self, symptom: &str) -> Option<String> {
        let wanted = significant(symptom);
        let least = wanted.len().div_ceil(2).max(2);
        // A command's own words are those of what it should do; only what it said tells of a failure.
        let said = self.lines.iter().filter(|(place, _)| *place != "the command");
        said.filter_map(|(place, line)| {
            let shared: Vec<&str> =
                wanted.iter().filter_map(|word| line.split(' ').find(|said| is_same(word, said))).collect();
            (shared.len() >= least)
                .then(|| (shared.len(), format!("{place} says “{}”", shared.join("” and “"))))
        })
        .max_by_key(|(n, _)| *n)
        .map(|(_, why)| why)
    }

    fn n_shared(&self, wanted: &[String]) -> u32 {
        let is_said = |word: &&String| {
            self.lines.iter().any(|(_, line)| line.split(' ').any(|said| is_same(word, said)))
        };
        u32::try_from(wanted.iter().filter(is_said).count()).unwrap_or(u32::MAX)
    }
}

/// A word that says something: not short, and not one of those that every failure has.
fn is_telling(word: &str) -> bool {
    word.chars().count() >= 4 && !COMMON.contains(&word)
}

/// The telling words of a text, folded, each once.
fn significant(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in vocabulary::words(text).split(' ').filter(|word| is_telling(word)) {
        if !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
    found
}

/// The same word, or the same word with another ending: `refuse` and `refused`, `migration` and
/// `migrations`. Both are folded.
fn is_same(word: &str, said: &str) -> bool {
    if word == said {
        return true;
    }
    let common = word.bytes().zip(said.bytes()).take_while(|(one, other)| one == other).count();
    let longest = word.len().max(said.len());
    common >= 5 && longest - common <= 3
}

/// The number behind `exit` or `code`, in folded words.
fn exit_named(words: &str) -> Option<i32> {
    let mut words = words.split(' ').peekable();
    while let Some(word) = words.next() {
        if matches!(word, "exit" | "code" | "status" | "codigo" | "exitcode") {
            if words.peek() == Some(&"code") {
                words.next();
            }
            if let Some(number) = words.peek().and_then(|word| word.parse().ok()) {
                return Some(number);
            }
        }
    }
    None
}

/// Names that nobody writes by chance: `ImagePullBackOff`, `ECONNREFUSED`, `lock_timeout`, `E1234`.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let split = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    split.filter(|word| {
        let letters: Vec<char> = word.chars().collect();
        let inner_capital = letters
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if one.is_lowercase() && other.is_uppercase()));
        let capitals =
            letters.len() >= 5 && letters.iter().all(|c| c.is_uppercase() || c.is_ascii_digit() || *c == '_');
        let numbered = letters.len() >= 4
            && letters.first().is_some_and(|c| c.is_uppercase())
            && letters.iter().skip(1).all(char::is_ascii_digit);
        let joined = letters.len() >= 5 && word.trim_matches('_').contains('_');
        inner_capital || capitals || numbered || joined
    })
}

#[cfg(test)]
mod tests;
