//! The words that inference knows, and what they mean. The words themselves stand in the `.words`
//! files beside this one, a language each: a new word needs no code, and a new language only a row
//! in `table.rs` and its name in `Language`.

mod table;
mod text;

use std::sync::LazyLock;

use self::table::{Cover, FILES, Phrase, entry, read};
pub(super) use self::text::{fold, slug, words};
use super::model::{EvidenceKind, Language, Metric, Operator, Probe};

/// What a heading announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Goal,
    Prerequisites,
    Steps,
    Outputs,
    Rollback,
    Criteria,
    Errors,
    Escalation,
}

/// What a heading (or a bold line that stands for one) announces, if we know its words.
pub(super) fn section(heading: &str) -> Option<Section> {
    let heading = words(heading);
    let sections = [
        (Section::Goal, entry("heading goal")),
        (Section::Prerequisites, entry("heading prerequisites")),
        (Section::Steps, entry("heading steps")),
        (Section::Outputs, entry("heading outputs")),
        (Section::Rollback, entry("heading rollback")),
        (Section::Criteria, entry("heading criteria")),
        (Section::Errors, entry("heading errors")),
        (Section::Escalation, entry("heading escalation")),
    ];
    // The longest phrase decides where one begins with another: `rollback criteria` is no `rollback`.
    let found = sections.into_iter().filter_map(|(section, entry)| {
        let covers = |phrase: &&Phrase| {
            heading.strip_prefix(phrase.words.as_str()).is_some_and(|rest| {
                rest.is_empty() || (phrase.cover != Cover::Whole && rest.starts_with(' '))
            })
        };
        entry
            .phrases()
            .iter()
            .filter(covers)
            .map(|phrase| phrase.words.len())
            .max()
            .map(|length| (length, section))
    });
    found.max_by_key(|(length, _)| *length).map(|(_, section)| section)
}

/// Whether a word stands before the number of a step, as in `Step 3`.
pub(super) fn is_step_word(word: &str) -> bool {
    entry("step word").is_word_of(&words(word))
}

/// Whether the words say "this may not apply here".
pub(super) fn is_optional(text: &str) -> bool {
    entry("optional").is_in(&words(text))
}

/// Whether the words begin by saying when: `If the smoke tests fail`, `En cas d'échec`.
pub(super) fn is_conditional(text: &str) -> bool {
    entry("condition").starts(&words(text)).is_some()
}

/// Whether the text asks somebody to watch *for* some time: `(5 min)` alone is only a timebox.
pub(super) fn asks_to_watch(text: &str) -> bool {
    let words = words(text);
    entry("watching").is_in(&words) && entry("during").is_word_of(&words)
}

/// Whether the text tells somebody to wait: `Wait for CI to go green`.
pub(super) fn asks_to_wait(text: &str) -> bool {
    entry("waiting").starts(&words(text)).is_some()
}

/// Whether the text warns: `Do not push yet`, `⚠ irreversible`, `Attention : …`.
pub(super) fn warns(text: &str) -> bool {
    let marked = text.trim_start().starts_with(['⚠', '🚨', '⛔', '🛑']);
    marked || entry("warning").starts(&words(text)).is_some()
}

/// Headings of steps that act on production.
pub(super) fn names_production(heading: &str) -> bool {
    let words = words(heading);
    let elsewhere = entry("not production").is_word_of(&words) || entry("preparing").is_in(&words);
    entry("production").is_word_of(&words) && !elsewhere
}

/// Headings of steps that tell people: a release may end while they are pending.
pub(super) fn is_communication(heading: &str) -> bool {
    entry("communication").is_in(&words(heading))
}

/// Whether a heading or title is about releasing something.
pub(super) fn is_about_a_release(heading: &str) -> bool {
    entry("release").is_in(&words(heading))
}

/// Lines such as `Selon l'outil` that offer alternatives instead of a sequence.
pub(super) fn offers_a_choice(caption: &str) -> bool {
    let words = words(caption);
    let phrase = entry("choice offered").starts(&words);
    phrase.is_some_and(|phrase| words.len() > phrase.words.len() || phrase.cover == Cover::Whole)
}

/// Splits `# ou manuellement` into the fact that it separates alternatives and the label after it.
pub(super) fn alternative_label(comment: &str) -> Option<&str> {
    let rest = comment.trim_start_matches('#').trim_start();
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let first = fold(&rest[..end]);
    let alone = || words(rest) == first;
    let all = || words(rest);
    let separates = entry("alternative").phrases().iter().any(|phrase| match phrase.cover {
        Cover::Whole => phrase.words == first && alone(),
        _ if phrase.words.contains(' ') => all()
            .strip_prefix(phrase.words.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
        _ => phrase.words == first,
    });
    let label = trimmed_label(&rest[end..]);
    separates.then(|| {
        let filler_end = label.find(|c: char| !c.is_alphabetic()).unwrap_or(label.len());
        let filler = entry("alternative filler").is_word_of(&fold(&label[..filler_end]));
        if filler && filler_end > 0 { trimmed_label(&label[filler_end..]) } else { label }
    })
}

fn trimmed_label(label: &str) -> &str {
    label.trim_matches(|c: char| c.is_whitespace() || ":,-–—.…".contains(c))
}

/// The name of one way among several, such as `Method 2: by hand` or `Option B`.
pub(super) fn names_a_method(heading: &str) -> bool {
    let words = words(heading);
    let Some(phrase) = entry("method").starts(&words) else { return false };
    let mut after = words[phrase.words.len()..].split(' ');
    // Nothing may stand between the word and its number, not even an ending: `Options` is a list.
    let (Some(""), Some(which)) = (after.next(), after.next()) else { return false };
    let is_letter = which.len() == 1 && which.as_bytes()[0].is_ascii_lowercase();
    is_letter || which.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether an alternative happens by itself, so that choosing another one does it twice.
pub(super) fn happens_by_itself(label: &str) -> bool {
    entry("by itself").is_in(&words(label))
}

/// What belongs beside a check, by the start of a word or phrase in it; all rows that match count.
pub(super) fn evidence(text: &str) -> Vec<EvidenceKind> {
    use EvidenceKind::{Command, Criteria, ErrorRate, Health, Latency, Logs, RequestRate, Restarts, Rollout};
    static ROWS: LazyLock<[(&table::Entry, &[EvidenceKind]); 10]> = LazyLock::new(|| {
        [
            (entry("evidence rollout and command"), &[Rollout, Command]),
            (entry("evidence rollout"), &[Rollout]),
            (entry("evidence health"), &[Health]),
            (entry("evidence error rate"), &[ErrorRate]),
            (entry("evidence latency"), &[Latency]),
            (entry("evidence traffic"), &[RequestRate]),
            (entry("evidence restarts"), &[Restarts]),
            (entry("evidence logs"), &[Logs]),
            (entry("evidence criteria"), &[Criteria]),
            (entry("evidence command"), &[Command]),
        ]
    });
    let words = words(text);
    let mut found = Vec::new();
    for (_, kinds) in ROWS.iter().filter(|(entry, _)| entry.is_in(&words)) {
        for kind in *kinds {
            if !found.contains(kind) {
                found.push(*kind);
            }
        }
    }
    found
}

/// What gonogo can sense by itself among the outputs of a release.
pub(super) fn probe(output: &str) -> Option<Probe> {
    let words = words(output);
    if entry("tag").is_word_of(&words) && entry("tag made").is_in(&words) {
        return Some(Probe::TagPushed);
    }
    let deployed = entry("deployed").is_in(&words) && entry("released thing").is_in(&words);
    (deployed && !entry("release notes").is_in(&words)).then_some(Probe::RolloutComplete)
}

/// Which of the known series a criterion is about, by the words before its number.
pub(super) fn metric(label: &str) -> Option<Metric> {
    let words = words(label);
    let rows = [
        (entry("metric error rate"), Metric::ErrorRate),
        (entry("metric latency"), Metric::LatencyP95),
        (entry("metric restarts"), Metric::Restarts),
        (entry("metric traffic"), Metric::RequestRate),
    ];
    rows.into_iter().find(|(entry, _)| entry.is_in(&words)).map(|(_, metric)| metric)
}

/// Percentiles other than the one that gonogo measures.
pub(super) fn names_other_percentile(text: &str) -> bool {
    entry("other percentile").is_word_of(&words(text))
}

pub(super) fn names_a_percentile(text: &str) -> bool {
    words(text).split(' ').any(|word| word == "p95") || names_other_percentile(text)
}

/// Columns of a table of errors or of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Error,
    Cause,
    Solution,
}

pub(super) fn column(header: &str) -> Option<Column> {
    let words = words(header);
    let rows = [
        (entry("column error"), Column::Error),
        (entry("column cause"), Column::Cause),
        (entry("column solution"), Column::Solution),
    ];
    rows.into_iter().find(|(entry, _)| entry.starts(&words).is_some()).map(|(_, column)| column)
}

/// Columns of a table whose rows are steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TaskColumn {
    Task,
    Owner,
    Command,
}

pub(super) fn task_column(header: &str) -> Option<TaskColumn> {
    let words = words(header);
    let rows = [
        (entry("column task"), TaskColumn::Task),
        (entry("column owner"), TaskColumn::Owner),
        (entry("column command"), TaskColumn::Command),
    ];
    rows.into_iter().find(|(entry, _)| entry.starts(&words).is_some()).map(|(_, column)| column)
}

/// Columns of a table whose rows are levels of escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelColumn {
    Level,
    When,
    Who,
    Contact,
}

pub(super) fn level_column(header: &str) -> Option<LevelColumn> {
    let words = words(header);
    let rows = [
        (entry("column level"), LevelColumn::Level),
        (entry("column when"), LevelColumn::When),
        (entry("column owner"), LevelColumn::Who),
        (entry("column contact"), LevelColumn::Contact),
    ];
    rows.into_iter().find(|(entry, _)| entry.starts(&words).is_some()).map(|(_, column)| column)
}

/// Whether a text ends with a word that says "after".
pub(super) fn says_after(text: &str) -> bool {
    let words = words(text);
    text.trim_end().ends_with(['>', '+', '≥'])
        || entry("after").phrases().iter().any(|phrase| {
            words
                .strip_suffix(phrase.words.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
        })
}

/// Whether a row of an error table is about this kind of failure, such as `crash` or `image`.
pub(super) fn speaks_of_failure(kind: &str, row: &str) -> bool {
    entry(&format!("failure {kind}")).is_in(&words(row))
}

/// Whether the words ask for a rollback.
pub(super) fn asks_for_rollback(text: &str) -> bool {
    entry("asks for rollback").is_in(&words(text))
}

/// Whether the word before the colon of `→ workflow: rollback` means another workflow.
pub(super) fn points_at_a_workflow(what: &str) -> bool {
    entry("pointer to a workflow").is_word_of(&words(what))
}

pub(super) fn names_a_version(placeholder: &str) -> bool {
    entry("version").is_word_of(&words(placeholder))
}

pub(super) fn names_a_date(placeholder: &str) -> bool {
    entry("date").is_word_of(&words(placeholder))
}

/// The phrases of an entry for a pattern on folded text: longest first, divided by `|`.
///
/// `name` is one of `second`, `minute`, `hour`, `day`, `range`, `above`, `at least`, `below`,
/// `at most`, `doubles` and `triples`.
pub(super) fn pattern(name: &str) -> String {
    let mut phrases: Vec<&str> = entry(name).phrases().iter().map(|phrase| phrase.words.as_str()).collect();
    phrases.sort_unstable_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    // `au-dessus de` became `au dessus de`; both are written.
    phrases.iter().map(|phrase| phrase.replace(' ', "[ -]")).collect::<Vec<_>>().join("|")
}

/// What a comparison in words means: `at least`, `au-dessous de`.
pub(super) fn comparison(phrase: &str) -> Operator {
    let words = words(phrase);
    let is = |name: &str| entry(name).phrases().iter().any(|known| known.words == words);
    match (is("at least"), is("at most"), is("below")) {
        (true, ..) => Operator::AtLeast,
        (_, true, _) => Operator::AtMost,
        (.., true) => Operator::Below,
        _ => Operator::Above,
    }
}

/// Whether a word is a unit of time: `second`, `minute`, `hour` or `day`.
pub(super) fn is_unit(word: &str, name: &str) -> bool {
    entry(name).is_word_of(&fold(word))
}

/// The language of the prose, by its small words; English when nothing tells.
pub(super) fn language(prose: &str) -> Language {
    static SMALL: LazyLock<Vec<(&str, Vec<Phrase>)>> = LazyLock::new(|| {
        let small = |file: &'static str| {
            read(file)
                .into_iter()
                .find(|(name, _)| *name == "small words")
                .map_or(Vec::new(), |(_, words)| words)
        };
        FILES.iter().map(|(language, file)| (*language, small(file))).collect()
    });
    /// Letters that one of the languages has and the others seldom.
    const LETTERS: [(&str, &str); 4] =
        [("fr", "éèêàùîôœÉÈÀ"), ("de", "äöüßÄÖÜ"), ("es", "ñ¿¡óíú"), ("pt", "ãõÃÕ")];
    let words = words(prose);
    let mut counts: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for word in words.split(' ') {
        *counts.entry(word).or_default() += 1;
    }
    let score = |language: &str, small: &[Phrase]| {
        let n_words: usize = small.iter().filter_map(|phrase| counts.get(phrase.words.as_str())).sum();
        let letters = LETTERS.iter().find(|(known, _)| *known == language).map_or("", |(_, letters)| letters);
        n_words + prose.chars().filter(|c| !c.is_ascii() && letters.contains(*c)).count()
    };
    let mut best = ("en", 0);
    for (language, small) in SMALL.iter() {
        let score = score(language, small);
        if score > best.1 {
            best = (language, score);
        }
    }
    Language::of_code(best.0).unwrap_or(Language::English)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_known_in_both_languages_with_numbers_accents_and_emoji() {
        assert_eq!(section("✅ Pré-requis"), Some(Section::Prerequisites));
        assert_eq!(section("Prerequisites (10 min)"), Some(Section::Prerequisites));
        assert_eq!(section("ÉTAPES"), Some(Section::Steps));
        assert_eq!(section("Critères de rollback :"), Some(Section::Criteria));
        assert_eq!(section("Rollback criteria"), Some(Section::Criteria));
        assert_eq!(section("Rollback plan"), Some(Section::Rollback));
        assert_eq!(section("Support the launch"), None);
        assert_eq!(section("Test the rollback"), None);
    }

    #[test]
    fn production_is_not_staging_nor_its_preparation() {
        assert!(names_production("Déploiement Production"));
        assert!(names_production("Deploy to prod"));
        for other in ["Vérification Staging", "Déploiement pré-prod", "Preparing production", "Product page"]
        {
            assert!(!names_production(other), "{other}");
        }
    }

    #[test]
    fn a_comment_separates_alternatives_only_with_the_whole_word() {
        assert_eq!(alternative_label("# ou manuellement"), Some("manuellement"));
        assert_eq!(alternative_label("# or"), Some(""));
        assert_eq!(alternative_label("# Or else: by hand"), Some("by hand"));
        assert_eq!(alternative_label("# Sinon :"), Some(""));
        assert_eq!(alternative_label("# order matters"), None);
        assert_eq!(alternative_label("# outil"), None);
        assert_eq!(alternative_label("# o"), Some(""));
        assert_eq!(alternative_label("# o servidor responde"), None, "an article in Portuguese");
        assert_eq!(alternative_label("# Oder aber von Hand"), Some("von Hand"));
    }

    #[test]
    fn a_duration_alone_is_no_watching_time() {
        assert!(asks_to_watch("Surveiller pendant 1-2 heures :"));
        assert!(asks_to_watch("Monitor for 1-2 hours:"));
        assert!(!asks_to_watch("Monitoring (5 min)"));
        assert!(!asks_to_watch("Checklist critique (5 min)"));
    }

    #[test]
    fn evidence_follows_the_words_of_both_languages() {
        use EvidenceKind::*;
        for (text, kinds) in [
            ("Rollout progressif si applicable", vec![Rollout, Command]),
            ("Déploiement lancé", vec![Rollout, Command]),
            ("Pas d'erreurs 5xx", vec![ErrorRate]),
            ("Taux d’erreur stable", vec![ErrorRate]),
            ("Latence normale", vec![Latency]),
            ("Performance acceptable", vec![Latency]),
            ("API répond (health check)", vec![Health]),
            ("Application accessible", vec![Health]),
            ("Pas d'erreurs dans les logs", vec![Logs]),
            ("Métriques normales", vec![Criteria]),
            ("No anomalies", vec![Criteria]),
            ("Équipe notifiée du succès", vec![]),
        ] {
            assert_eq!(evidence(text), kinds, "{text}");
        }
    }

    #[test]
    fn outputs_that_can_be_sensed_are_known() {
        assert_eq!(probe("Tag Git créé"), Some(Probe::TagPushed));
        assert_eq!(probe("Git tag created"), Some(Probe::TagPushed));
        assert_eq!(probe("Application déployée en production"), Some(Probe::RolloutComplete));
        assert_eq!(probe("Application deployed to production"), Some(Probe::RolloutComplete));
        assert_eq!(probe("Release notes publiées"), None);
        assert_eq!(probe("Monitoring actif"), None);
    }

    #[test]
    fn the_language_is_that_of_the_small_words() {
        assert_eq!(language("Vérifier l'état de la branche"), Language::French);
        assert_eq!(language("Check the state of the branch"), Language::English);
        assert_eq!(language(""), Language::English);
        assert_eq!(language("Den Zustand des Branches prüfen und nicht pushen"), Language::German);
        assert_eq!(language("Comprobar el estado de la rama antes de publicar"), Language::Spanish);
        assert_eq!(language("Verificar o estado do branch e não publicar"), Language::Portuguese);
    }
}
