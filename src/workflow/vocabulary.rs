//! The French and English words that inference knows. A new word goes into a table here, and its
//! twin of the other language beside it.

use super::model::{EvidenceKind, Language, Metric, Probe};

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

/// How much of a heading a phrase must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    /// The whole heading: the phrase is too common to start one (`support`, `but`).
    Whole,
    /// Its first words: `Rollback plan`, `Pré-requis techniques`.
    Start,
}

use Cover::{Start, Whole};

/// Longer phrases first where one begins with another: `rollback criteria` is no `rollback`.
const SECTIONS: &[(&str, Cover, Section)] = &[
    ("criteres de rollback", Start, Section::Criteria),
    ("criteres de retour arriere", Start, Section::Criteria),
    ("criteres d abandon", Start, Section::Criteria),
    ("criteres d arret", Start, Section::Criteria),
    ("quand revenir en arriere", Start, Section::Criteria),
    ("quand faire un rollback", Start, Section::Criteria),
    ("rollback criteria", Start, Section::Criteria),
    ("rollback triggers", Start, Section::Criteria),
    ("roll back criteria", Start, Section::Criteria),
    ("abort criteria", Start, Section::Criteria),
    ("when to roll back", Start, Section::Criteria),
    ("when to rollback", Start, Section::Criteria),
    ("roll back when", Start, Section::Criteria),
    ("roll back if", Start, Section::Criteria),
    ("pre requis", Start, Section::Prerequisites),
    ("prerequis", Start, Section::Prerequisites),
    ("conditions prealables", Start, Section::Prerequisites),
    ("avant de commencer", Start, Section::Prerequisites),
    ("avant de deployer", Start, Section::Prerequisites),
    ("prerequisite", Start, Section::Prerequisites),
    ("prerequisites", Start, Section::Prerequisites),
    ("pre requisites", Start, Section::Prerequisites),
    ("preflight", Start, Section::Prerequisites),
    ("pre flight", Start, Section::Prerequisites),
    ("before you begin", Start, Section::Prerequisites),
    ("before you start", Start, Section::Prerequisites),
    ("requirements", Whole, Section::Prerequisites),
    ("etapes", Start, Section::Steps),
    ("procedure", Whole, Section::Steps),
    ("procedure de release", Start, Section::Steps),
    ("procedure de deploiement", Start, Section::Steps),
    ("deroule", Start, Section::Steps),
    ("deroulement", Start, Section::Steps),
    ("marche a suivre", Start, Section::Steps),
    ("steps", Start, Section::Steps),
    ("release steps", Start, Section::Steps),
    ("release procedure", Start, Section::Steps),
    ("release process", Start, Section::Steps),
    ("deployment steps", Start, Section::Steps),
    ("outputs", Start, Section::Outputs),
    ("sorties", Start, Section::Outputs),
    ("livrables", Start, Section::Outputs),
    ("resultats", Start, Section::Outputs),
    ("deliverables", Start, Section::Outputs),
    ("results", Whole, Section::Outputs),
    ("expected results", Start, Section::Outputs),
    ("postconditions", Start, Section::Outputs),
    ("rollback", Start, Section::Rollback),
    ("roll back", Start, Section::Rollback),
    ("retour arriere", Start, Section::Rollback),
    ("plan de retour", Start, Section::Rollback),
    ("plan de rollback", Start, Section::Rollback),
    ("procedure de rollback", Start, Section::Rollback),
    ("revert", Whole, Section::Rollback),
    ("back out", Start, Section::Rollback),
    ("backout", Start, Section::Rollback),
    ("erreurs courantes", Start, Section::Errors),
    ("erreurs frequentes", Start, Section::Errors),
    ("erreurs connues", Start, Section::Errors),
    ("problemes connus", Start, Section::Errors),
    ("problemes courants", Start, Section::Errors),
    ("depannage", Start, Section::Errors),
    ("common errors", Start, Section::Errors),
    ("common problems", Start, Section::Errors),
    ("known errors", Start, Section::Errors),
    ("known issues", Start, Section::Errors),
    ("troubleshooting", Start, Section::Errors),
    ("escalade", Start, Section::Escalation),
    ("escalation", Start, Section::Escalation),
    ("contacts", Start, Section::Escalation),
    ("support", Whole, Section::Escalation),
    ("objectif", Start, Section::Goal),
    ("objectifs", Start, Section::Goal),
    ("contexte", Start, Section::Goal),
    ("but", Whole, Section::Goal),
    ("goal", Start, Section::Goal),
    ("goals", Start, Section::Goal),
    ("purpose", Start, Section::Goal),
    ("overview", Start, Section::Goal),
    ("objective", Start, Section::Goal),
    ("objectives", Start, Section::Goal),
    ("context", Whole, Section::Goal),
];

/// What a heading (or a bold line that stands for one) announces, if we know its words.
pub(super) fn section(heading: &str) -> Option<Section> {
    let heading = words(heading);
    SECTIONS.iter().find_map(|&(phrase, cover, section)| {
        let rest = heading.strip_prefix(phrase)?;
        let covered = rest.is_empty() || (cover == Cover::Start && rest.starts_with(' '));
        covered.then_some(section)
    })
}

/// Words that say "this may not apply here".
const OPTIONAL: &[&str] = &[
    "si applicable",
    "le cas echeant",
    "si necessaire",
    "si besoin",
    "si pertinent",
    "facultatif",
    "optionnel",
    "if applicable",
    "if needed",
    "if necessary",
    "if relevant",
    "where applicable",
    "when applicable",
    "optional",
];

pub(super) fn is_optional(text: &str) -> bool {
    has_any(text, OPTIONAL)
}

/// Verbs that, with a duration, ask for a minimum watching time.
const WATCHING: &[&str] = &["surveill", "observ", "monitor", "watch", "keep an eye"];
const DURING: &[&str] = &["pendant", "durant", "for", "during"];

/// Whether the text asks somebody to watch *for* some time: `(5 min)` alone is only a timebox.
pub(super) fn asks_to_watch(text: &str) -> bool {
    let words = words(text);
    has_prefix(&words, WATCHING) && DURING.iter().any(|word| has_word(&words, word))
}

/// Headings of steps that act on production.
pub(super) fn names_production(heading: &str) -> bool {
    let words = words(heading);
    let named = ["production", "prod", "prd"].iter().any(|word| has_word(&words, word));
    let elsewhere = ["pre", "non", "staging", "recette", "preprod", "preproduction", "hors"]
        .iter()
        .any(|word| has_word(&words, word));
    let before = has_prefix(&words, &["prepar"]);
    named && !elsewhere && !before
}

/// Headings of steps that tell people: a release may end while they are pending.
pub(super) fn is_communication(heading: &str) -> bool {
    has_any(heading, &["communication", "communiquer", "annonce", "announce", "notify", "notifier", "tell "])
}

/// Lines such as `Selon l'outil` that offer alternatives instead of a sequence.
pub(super) fn offers_a_choice(caption: &str) -> bool {
    let words = words(caption);
    ["selon ", "suivant l", "au choix", "depending on ", "according to ", "one of "]
        .iter()
        .any(|start| words.starts_with(start))
}

/// Splits `# ou manuellement` into the fact that it separates alternatives and the label after it.
pub(super) fn alternative_label(comment: &str) -> Option<&str> {
    let rest = comment.trim_start_matches('#').trim_start();
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let word = fold(&rest[..end]);
    let separates =
        ["ou", "or", "sinon", "otherwise", "alternativement", "alternatively"].contains(&word.as_str());
    let label = rest[end..].trim_matches(|c: char| c.is_whitespace() || ":,-–—.…".contains(c));
    separates.then(|| strip_word(label, &["bien", "else"]))
}

fn strip_word<'t>(text: &'t str, words: &[&str]) -> &'t str {
    for word in words {
        match text.strip_prefix(word) {
            Some("") => return "",
            Some(rest) if rest.starts_with([' ', ',', ':']) => {
                return rest.trim_start_matches([' ', ',', ':']);
            }
            _ => {}
        }
    }
    text
}

/// Whether an alternative happens by itself, so that choosing another one does it twice.
pub(super) fn happens_by_itself(label: &str) -> bool {
    has_any(label, &["automati", "auto", "deja", "already"])
}

/// What belongs beside a check, by the start of a word or phrase in it; all rows that match count.
const EVIDENCE: &[(&[&str], &[EvidenceKind])] = {
    use EvidenceKind::{Command, Criteria, ErrorRate, Health, Latency, Logs, RequestRate, Restarts, Rollout};
    &[
        (
            &[
                "rollout",
                "deploiement lance",
                "deploiement demarre",
                "deploiement termine",
                "deployment started",
                "deployment launched",
                "deployment complete",
                "deployment finished",
                "deploy started",
            ],
            &[Rollout, Command],
        ),
        (&["pods ready", "pods prets", "replicas"], &[Rollout]),
        (
            &[
                "health",
                "api repond",
                "api responds",
                "api answers",
                "accessible",
                "reachable",
                "application demarre",
                "application starts",
                "service demarre",
                "service starts",
                "app demarre",
                "app starts",
                "readiness",
                "sante",
            ],
            &[Health],
        ),
        (
            &[
                "taux d erreur",
                "erreurs 5xx",
                "erreur 5xx",
                "5xx",
                "error rate",
                "taux d echec",
                "failure rate",
            ],
            &[ErrorRate],
        ),
        (
            &["latence", "latency", "performance", "temps de reponse", "response time", "p95", "p99"],
            &[Latency],
        ),
        (
            &["trafic", "traffic", "requetes par seconde", "requests per second", "rps", "debit"],
            &[RequestRate],
        ),
        (&["restart", "redemarrage", "crash"], &[Restarts]),
        (&["logs", "journaux", "log lines"], &[Logs]),
        (
            &[
                "metriques",
                "metrics",
                "anomalie",
                "anomalies",
                "anomaly",
                "alerte",
                "alertes",
                "alert",
                "alerts",
                "alarm",
            ],
            &[Criteria],
        ),
        (&["pipeline", "build", "tests passent", "tests pass"], &[Command]),
    ]
};

pub(super) fn evidence(text: &str) -> Vec<EvidenceKind> {
    let words = words(text);
    let mut found = Vec::new();
    for (phrases, kinds) in EVIDENCE {
        if has_prefix(&words, phrases) {
            for kind in *kinds {
                if !found.contains(kind) {
                    found.push(*kind);
                }
            }
        }
    }
    found
}

/// What gonogo can sense by itself among the outputs of a release.
pub(super) fn probe(output: &str) -> Option<Probe> {
    let words = words(output);
    let tag = ["tag", "tags"].iter().any(|word| has_word(&words, word));
    if tag && has_prefix(&words, &["cree", "pousse", "publie", "created", "pushed", "published", "exists"]) {
        return Some(Probe::TagPushed);
    }
    let deployed = has_prefix(&words, &["deploye", "deployed", "en production", "in production", "live"]);
    let of_it = has_prefix(&words, &["application", "version", "release", "service", "app"]);
    let notes = has_prefix(&words, &["release notes", "notes de version"]);
    (deployed && of_it && !notes).then_some(Probe::RolloutComplete)
}

/// Which of the known series a criterion is about, by the words before its number.
pub(super) fn metric(label: &str) -> Option<Metric> {
    let words = words(label);
    let is = |phrases: &[&str]| has_prefix(&words, phrases);
    if is(&[
        "taux d erreur",
        "taux d echec",
        "erreurs 5xx",
        "error rate",
        "errors 5xx",
        "5xx",
        "failure rate",
    ]) {
        return Some(Metric::ErrorRate);
    }
    if is(&["latence", "latency", "temps de reponse", "response time", "p95"]) {
        return Some(Metric::LatencyP95);
    }
    if is(&["redemarrage", "restart", "crash"]) {
        return Some(Metric::Restarts);
    }
    if is(&["trafic", "traffic", "requete", "request rate", "requests per second", "rps"]) {
        return Some(Metric::RequestRate);
    }
    None
}

/// Percentiles other than the one that gonogo measures.
pub(super) fn names_other_percentile(text: &str) -> bool {
    let words = words(text);
    ["p50", "p90", "p99", "p999", "median", "mediane", "max", "mean", "average", "moyenne"]
        .iter()
        .any(|word| has_word(&words, word))
}

pub(super) fn names_a_percentile(text: &str) -> bool {
    has_word(&words(text), "p95") || names_other_percentile(text)
}

/// Columns of an error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Error,
    Cause,
    Solution,
}

pub(super) fn column(header: &str) -> Option<Column> {
    let words = words(header);
    let starts = |list: &[&str]| list.iter().any(|start| words.starts_with(start));
    if starts(&["erreur", "error", "symptom", "probleme", "problem", "issue"]) {
        Some(Column::Error)
    } else if starts(&["cause", "raison", "reason", "why"]) {
        Some(Column::Cause)
    } else if starts(&["solution", "fix", "resolution", "correctif", "action", "remede", "what to do"]) {
        Some(Column::Solution)
    } else {
        None
    }
}

/// Whether the words ask for a rollback.
pub(super) fn asks_for_rollback(text: &str) -> bool {
    has_any(text, &["rollback", "roll back", "retour arriere", "revenir en arriere"])
}

/// The language of the prose, by its small words; English when nothing tells.
pub(super) fn language(prose: &str) -> Language {
    const FRENCH: &[&str] = &[
        "le", "la", "les", "des", "du", "une", "un", "et", "pour", "sur", "dans", "est", "avec", "pas", "si",
        "en", "au", "aux", "de", "depuis", "avant",
    ];
    const ENGLISH: &[&str] = &[
        "the", "of", "and", "to", "for", "is", "with", "in", "not", "no", "if", "are", "be", "from",
        "before", "it", "your", "by", "every",
    ];
    let words = words(prose);
    let count = |list: &[&str]| words.split(' ').filter(|word| list.contains(word)).count();
    let accents = prose.chars().filter(|c| "éèêàçùîôœÉÈÀ".contains(*c)).count();
    if count(FRENCH) + accents > count(ENGLISH) { Language::French } else { Language::English }
}

/// Lower case, without accents, typographic apostrophes as plain ones.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            folded.push(c.to_ascii_lowercase());
            continue;
        }
        for lower in c.to_lowercase() {
            match lower {
                'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => folded.push('a'),
                'ç' | 'č' => folded.push('c'),
                'è' | 'é' | 'ê' | 'ë' => folded.push('e'),
                'ì' | 'í' | 'î' | 'ï' => folded.push('i'),
                'ñ' => folded.push('n'),
                'ò' | 'ó' | 'ô' | 'õ' | 'ö' => folded.push('o'),
                'ù' | 'ú' | 'û' | 'ü' => folded.push('u'),
                'ý' | 'ÿ' => folded.push('y'),
                'š' => folded.push('s'),
                'ž' => folded.push('z'),
                'œ' => folded.push_str("oe"),
                'æ' => folded.push_str("ae"),
                'ß' => folded.push_str("ss"),
                '’' | '‘' | 'ʼ' => folded.push('\''),
                // Combining accents: the letter before them is already in place.
                '\u{0300}'..='\u{036F}' => {}
                other => folded.push(other),
            }
        }
    }
    folded
}

/// Folded words with single spaces between them; punctuation and emoji separate words.
pub(super) fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for c in fold(text).chars() {
        if c.is_alphanumeric() {
            words.push(c);
        } else if !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    words.truncate(words.trim_end().len());
    words
}

/// Longer slugs tell nothing more and make journals hard to read.
const MAX_SLUG: usize = 60;

/// An accent-free id: `Créer le Tag` becomes `creer-le-tag`.
pub(super) fn slug(text: &str, otherwise: &str) -> String {
    let mut slug = String::new();
    for word in words(text).split(' ').filter(|word| !word.is_empty()) {
        if !slug.is_empty() && slug.len() + word.len() >= MAX_SLUG {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(word.chars().take(MAX_SLUG));
    }
    if slug.is_empty() { otherwise.to_owned() } else { slug }
}

fn has_any(text: &str, phrases: &[&str]) -> bool {
    has_prefix(&words(text), phrases)
}

/// Whether any phrase begins at the start of a word.
fn has_prefix(words: &str, phrases: &[&str]) -> bool {
    phrases
        .iter()
        .any(|phrase| words.match_indices(phrase).any(|(at, _)| at == 0 || words.as_bytes()[at - 1] == b' '))
}

fn has_word(words: &str, word: &str) -> bool {
    words.split(' ').any(|candidate| candidate == word)
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
    fn slugs_are_accent_free_short_and_never_empty() {
        assert_eq!(slug("Créer le Tag", "step"), "creer-le-tag");
        assert_eq!(slug("Pas d’erreurs 5xx", "check"), "pas-d-erreurs-5xx");
        assert_eq!(slug("✅ →", "check"), "check");
        assert!(slug(&"mot ".repeat(100), "check").len() <= MAX_SLUG);
        assert_eq!(slug("リリース", "step"), "リリース");
    }

    #[test]
    fn the_language_is_that_of_the_small_words() {
        assert_eq!(language("Vérifier l'état de la branche"), Language::French);
        assert_eq!(language("Check the state of the branch"), Language::English);
        assert_eq!(language(""), Language::English);
    }
}
