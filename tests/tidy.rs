//! The rules that no compiler holds: who may import whom, and which file alone names what.
//!
//! A rule reads the sources as text, comments, strings and tests left out. Each says why it exists
//! when it is broken, and the table at the end shows that each can be.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gonogo::app::action::Action;
use gonogo::app::keymap::{Context, Keymap};
use gonogo::app::model::palette;
use gonogo::ui::theme::Theme;
use gonogo::workflow::{Severity, Source, lint_text, read};

// ── reading sources

/// One source file: its path below `src/`, and its code without comments, strings and tests.
#[derive(Debug, Clone)]
struct Code {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|known| known == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Code> {
    let src = root().join("src");
    let name = |path: &Path| path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
    let all: Vec<(String, String)> = files_below(&src, "rs")
        .iter()
        .map(|path| (name(path), without_comments_and_strings(&fs::read_to_string(path).unwrap())))
        .collect();
    assert!(all.len() > 100, "only {} files below src: are these the sources?", all.len());
    let of_tests: Vec<String> = all.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test = |path: &str| {
        of_tests
            .iter()
            .any(|module| path == format!("{module}.rs") || path.starts_with(&format!("{module}/")))
    };
    all.iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| Code { path: path.clone(), text: without_tests(text) })
        .collect()
}

/// Files that exist in test builds only, as paths without their ending.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = match path.strip_suffix("/mod.rs") {
        Some(folder) => folder.to_owned(),
        None if path == "lib.rs" || path == "main.rs" => String::new(),
        None => path.trim_end_matches(".rs").to_owned(),
    };
    let after = text.split("#[cfg(test)]").skip(1);
    after
        .filter_map(|rest| {
            let item = rest.trim_start().trim_start_matches("pub ").strip_prefix("mod ")?;
            let end = item.find([';', '{'])?;
            item[end..].starts_with(';').then(|| {
                let name = item[..end].trim();
                if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
            })
        })
        .collect()
}

/// Leaves every `#[cfg(test)]` item out, with its body.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                let mut depth = 0;
                let close = rest[open..].char_indices().find(|(_, c)| {
                    depth += match c {
                        '{' => 1,
                        '}' => -1,
                        _ => 0,
                    };
                    depth == 0
                });
                close.map_or(rest.len(), |(close, _)| open + close + 1)
            }
            (_, Some(semicolon)) => semicolon + 1,
            _ => rest.len(),
        };
        rest = &rest[end..];
    }
    kept + rest
}

/// Blanks what is no code, so that a word in a sentence is no import.
fn without_comments_and_strings(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|after| after.len() - after.trim_start_matches('#').len());
        let is_word = kept.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw.filter(|n| !is_word && rest[1 + n..].starts_with('"')) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if c == '"' {
            let mut escaped = false;
            let close = rest[1..].char_indices().find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            close.map_or(rest.len(), |(at, _)| at + 2)
        } else if c == '\'' {
            // A character, or else a lifetime.
            let mut inner = rest[1..].char_indices();
            match (inner.next(), inner.next()) {
                (Some((_, '\\')), Some(_)) => rest[3..].find('\'').map_or(rest.len(), |at| at + 4),
                (Some(_), Some((at, '\''))) => at + 2,
                _ => 0,
            }
        } else {
            0
        };
        if skipped > 0 {
            kept.push(' ');
            rest = &rest[skipped..];
        } else {
            kept.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    kept
}

/// Whether a path stands in the code as whole words.
fn names(text: &str, path: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(path)
        .any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + path.len()..].starts_with(is_word))
}

/// Every path into this crate, from its root: `use`, grouped `use`, inline, and by `super`.
fn own_paths(code: &Code) -> BTreeSet<Vec<String>> {
    let mut module: Vec<String> = code.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    let mut found = BTreeSet::new();
    for (at, _) in code.text.match_indices("crate::") {
        if !code.text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            expand(&code.text[at + "crate::".len()..], &[], &mut found);
        }
    }
    for (at, _) in code.text.match_indices("super::") {
        if code.text[..at].ends_with("super::") || code.text[..at].ends_with(|c: char| c.is_alphanumeric()) {
            continue;
        }
        let mut rest = &code.text[at..];
        let mut from = module.clone();
        while let Some(after) = rest.strip_prefix("super::") {
            from.pop();
            rest = after;
        }
        expand(rest, &from, &mut found);
    }
    found
}

/// Follows one use tree, such as `a::{b, c::{d, e}}`, and returns what is left behind it.
fn expand<'a>(text: &'a str, from: &[String], found: &mut BTreeSet<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest, from, found).trim_start();
            match rest.chars().next() {
                Some(',') => rest = &rest[1..],
                Some('}') => return &rest[1..],
                _ => return rest,
            }
            if rest.trim_start().starts_with('}') {
                return &rest.trim_start()[1..];
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let mut path = from.to_vec();
    if end > 0 {
        path.push(text[..end].to_owned());
    }
    let rest = &text[end..];
    if let Some(after) = rest.strip_prefix("::") {
        return expand(after, &path, found);
    }
    found.insert(path);
    match rest.trim_start().strip_prefix("as ") {
        Some(alias) => alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ' '),
        None => rest,
    }
}

// ── the rules

/// The layer of a file: its top folder, and for the loop its part.
fn layer(path: &str) -> &str {
    let top = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    if top != "app" {
        return top;
    }
    match path.strip_prefix("app/").unwrap_or(path).split('/').next().unwrap_or_default() {
        "mod.rs" | "headless.rs" => "the loop",
        "screen.rs" => "the terminal",
        _ => "app",
    }
}

const BELOW_JOURNAL: &[&str] = &["workflow", "watch", "release"];
const BELOW_UI: &[&str] = &["workflow", "watch", "release", "journal", "report"];

/// Who may import whom beside itself, as the table in `lib.rs` has it, and why not more.
fn may_import(layer: &str) -> Option<(&'static [&'static str], &'static str)> {
    Some(match layer {
        "workflow" => (&[], "a document is read by itself, so that it can be planned and linted anywhere"),
        "watch" => (&["workflow"], "judgement looks at facts, and decides nothing"),
        "release" => (
            &["workflow", "watch"],
            "what happens next is decided from events alone: replaying a journal must give the same release",
        ),
        "journal" => (BELOW_JOURNAL, "the record must be readable without a screen or a network"),
        "report" => (
            &["workflow", "watch", "release", "journal"],
            "what is left behind is told from the record alone",
        ),
        "ui" => (
            &["workflow", "watch", "release", "journal", "report", "app"],
            "a frame is drawn from the model alone: drawing must not be able to wait or to act",
        ),
        "app" => (BELOW_UI, "the model is moved on by messages alone, and does not know how it is drawn"),
        "the terminal" => (&[], "taking and giving back the terminal needs to know of nothing else"),
        "adapters" => (
            BELOW_UI,
            "the outside is touched for whoever asks: an adapter that knew the screen could not be tested apart",
        ),
        "rehearsal" => (
            &["workflow", "watch", "release", "report"],
            "the practice world answers the same adapters as the real one: sharing their code would prove nothing",
        ),
        "the loop" => (
            &["workflow", "watch", "release", "journal", "report", "ui", "app", "adapters", "config"],
            "the loop joins everything, and drives a practice world exactly as a real one",
        ),
        "config" => (&["workflow", "watch", "release", "app", "ui"], "settings are data"),
        "logging" => (&[], "everybody logs, so this may know nobody"),
        // The command line and `main` put everything together; `lib.rs` names the layers.
        _ => return None,
    })
}

/// What the screen may see of the loop.
const SHOWN: &[&str] = &["model", "action", "keymap"];

fn check_imports(code: &Code) -> Vec<String> {
    let mine = layer(&code.path);
    let Some((allowed, why)) = may_import(mine) else { return Vec::new() };
    let own = code.path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let mut broken = Vec::new();
    for path in own_paths(code) {
        let Some(top) = path.first() else { continue };
        let shown = path.get(1).is_none_or(|part| SHOWN.contains(&part.as_str()));
        let is_fine =
            top == own || allowed.contains(&top.as_str()) && (mine != "ui" || top != "app" || shown);
        if !is_fine && TOPS.contains(&top.as_str()) {
            broken.push(format!("src/{}: {mine} may not import {}: {why}", code.path, path.join("::")));
        }
    }
    broken
}

const TOPS: &[&str] = &[
    "adapters",
    "app",
    "cli",
    "config",
    "journal",
    "logging",
    "rehearsal",
    "release",
    "report",
    "ui",
    "watch",
    "workflow",
];

const PURE: &[&str] = &["workflow", "watch", "release", "journal", "report", "ui", "app"];

/// Words that no pure layer says, each with what it would cost.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "a decision that can wait cannot be replayed"),
    ("futures", "a decision that can wait cannot be replayed"),
    ("std::fs", "a decision that reads a file gives another answer on another machine"),
    ("std::net", "a decision that asks the network can fail"),
    ("std::process", "processes are started by adapters::shell, journaled first"),
    ("std::thread", "threads belong to adapters and rehearsal"),
    ("std::env", "a decision must not depend on who started the process"),
    ("std::time::Instant", "time is data: take it from the event"),
    ("Instant::now", "time is data: take it from the event"),
    ("SystemTime", "time is data: take it from the event"),
    ("Timestamp::now", "time is data: take it from the event"),
    ("Zoned::now", "time is data: take it from the event"),
    ("reqwest", "foreign types stop at adapters"),
    ("k8s_openapi", "foreign types stop at adapters"),
    ("kube", "foreign types stop at adapters"),
    ("git2", "foreign types stop at adapters"),
];

fn check_purity(code: &Code) -> Vec<String> {
    if !PURE.contains(&layer(&code.path)) {
        return Vec::new();
    }
    // A crate is named at the head of a path: a field called `kube` is none.
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let heads = |word: &str| {
        let head = format!("{word}::");
        code.text.match_indices(&head).any(|(at, _)| !code.text[..at].ends_with(is_word))
    };
    let foreign = |word: &str| match word {
        "kube" | "reqwest" | "git2" | "futures" => heads(word),
        _ => names(&code.text, word),
    };
    IMPURE
        .iter()
        .filter(|(word, _)| foreign(word))
        .map(|(word, why)| format!("src/{}: a pure layer says `{word}`: {why}", code.path))
        .collect()
}

/// What one file alone may name, below which folder, and why.
const ONLY: &[(&str, &str, &[&str], &str)] = &[
    (
        "Color",
        "",
        // The second reads the colours that a command asked its own terminal for.
        &["ui/theme.rs", "adapters/shell/terminal.rs"],
        "a color that is not a role of the theme is lost in NO_COLOR and on 16-color terminals",
    ),
    (
        "pulldown_cmark",
        "",
        &["workflow/markdown.rs", "workflow/markdown/comments.rs"],
        "a Markdown node never leaves these files",
    ),
    ("serde_yaml", "workflow/", &["workflow/frontmatter.rs"], "a YAML node never leaves this file"),
    ("rehearsal", "adapters/", &[], "the adapters must not know whether the world is a practice one"),
    ("rehearsal", "app/", &[], "only the command line starts the practice world"),
];

fn check_only(code: &Code) -> Vec<String> {
    let broken = ONLY.iter().filter(|(word, below, files, _)| {
        let is_path = *word == "rehearsal";
        let named = match is_path {
            true => own_paths(code).iter().any(|path| path.first().is_some_and(|top| top == word)),
            false => names(&code.text, word),
        };
        code.path.starts_with(below) && !files.contains(&code.path.as_str()) && named
    });
    broken
        .map(|(word, _, files, why)| {
            format!("src/{}: only [{}] may name `{word}`: {why}", code.path, files.join(", "))
        })
        .collect()
}

fn check_words(code: &Code) -> Vec<String> {
    let rules = [
        (
            ".unwrap()",
            "say which invariant holds with `expect`, or return an error: a panic takes the screen",
        ),
        ("todo!", "what is not there yet is not shipped"),
        ("unimplemented!", "what is not there yet is not shipped"),
        ("dbg!", "nothing prints while the screen is ours"),
    ];
    let broken = rules.iter().filter(|(word, _)| code.text.contains(word));
    broken.map(|(word, why)| format!("src/{}: `{word}`: {why}", code.path)).collect()
}

type Rule = fn(&Code) -> Vec<String>;

const RULES: [Rule; 4] = [check_imports, check_purity, check_only, check_words];

#[track_caller]
fn holds(rule: Rule) {
    let broken: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn each_layer_imports_only_what_its_row_of_the_table_allows() {
    holds(check_imports);
}

#[test]
fn the_pure_layers_touch_nothing_and_read_no_clock() {
    holds(check_purity);
}

#[test]
fn foreign_names_stay_in_the_one_file_that_owns_them() {
    holds(check_only);
}

#[test]
fn nothing_that_ships_unwraps_or_is_left_to_do() {
    holds(check_words);
}

/// The map is read by newcomers, the table above by this test: they must not drift apart.
#[test]
fn the_map_in_lib_rs_names_every_layer() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for layer in ["workflow", "watch", "release", "journal", "report", "ui", "app", "adapters", "rehearsal"] {
        assert!(map.contains(&format!("//! | [`{layer}`] |")), "lib.rs has no row for {layer}");
    }
}

#[test]
fn every_theme_loads() {
    let themes = files_below(&root().join("themes"), "yaml");
    assert!(themes.len() >= 2, "{themes:?}");
    for path in themes {
        let text = fs::read_to_string(&path).unwrap();
        let read = Theme::read(&path.display().to_string(), &text);
        assert!(read.is_ok(), "a theme that does not load leaves its user without colors: {:?}", read.err());
    }
}

#[test]
fn every_shipped_workflow_loads_without_errors() {
    let folder = root().join("workflows");
    let files = files_below(&folder, "md");
    assert!(files.len() >= 2, "{files:?}");
    for path in files {
        let file = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        let workflow = read(Source { file, bytes: &bytes, siblings: &|name| folder.join(name).is_file() });
        let has_errors = workflow.diagnostics.iter().any(|found| found.severity == Severity::Error);
        assert!(!has_errors, "people start from these:\n{}", lint_text(&workflow, false));
        assert!(!workflow.steps.is_empty(), "{file} has no steps");
    }
}

/// Actions that have no key of their own; the palette finds them by name.
const BY_NAME: &[Action] = &[
    Action::ShortenSoak,
    Action::OverrideCriterion,
    Action::Lock,
    Action::Reload,
    Action::Report,
    Action::Theme,
];

#[test]
fn whatever_an_operator_can_ask_for_is_found_in_the_help_or_by_name() {
    let keymap = Keymap::default();
    for action in Action::ALL {
        let has_key = keymap.bindings().iter().any(|binding| binding.action == *action);
        assert_eq!(
            has_key,
            !BY_NAME.contains(action),
            "{action:?}: the help lists keys, so what has none must be a named exception"
        );
        assert!(palette::matches(action.name()).contains(action), "{action:?} is not in the palette");
        assert!(action.help().len() > 3, "{action:?} is not explained");
    }
    for binding in keymap.bindings() {
        assert!(!binding.keys.is_empty(), "{binding:?}");
        assert!(binding.context == Context::Global || !binding.context.title().is_empty(), "{binding:?}");
    }
}

// ── each rule can be broken

#[test]
fn each_rule_finds_what_it_is_there_for() {
    let bad = [
        ("workflow/lint.rs", "use crate::watch::Moment;", "workflow may not import"),
        ("watch/logs.rs", "fn f() { crate::release::event::x() }", "watch may not import release::event::x"),
        ("release/mod.rs", "use crate::{watch::Moment, ui::{self, theme}};", "release may not import ui"),
        ("release/mod.rs", "use super::ui;", "release may not import ui"),
        ("release/checks.rs", "use super::super::adapters::World;", "release may not import adapters::World"),
        ("journal/read.rs", "use crate::adapters::store;", "journal may not import"),
        ("report/text.rs", "use crate::app::model::Model;", "report may not import"),
        ("ui/mod.rs", "use crate::app::{model::Model, update};", "ui may not import app::update"),
        ("ui/mod.rs", "use crate::adapters::World;", "ui may not import"),
        ("app/model/mod.rs", "use crate::ui::theme::Theme;", "app may not import ui::theme::Theme"),
        ("app/update/keys.rs", "let x = crate::adapters::world::X;", "app may not import"),
        ("app/mod.rs", "use crate::rehearsal::Practice;", "the loop may not import"),
        ("adapters/world.rs", "use crate::app::model::Model;", "adapters may not import"),
        ("adapters/world.rs", "use crate::rehearsal::sim::Sim;", "only [] may name `rehearsal`"),
        ("rehearsal/mod.rs", "use crate::adapters::http;", "rehearsal may not import"),
        ("rehearsal/mod.rs", "use crate::cli::run as start;", "rehearsal may not import cli::run"),
        ("logging.rs", "use crate::config::Config;", "logging may not import"),
        ("release/mod.rs", "use tokio::sync::mpsc;", "says `tokio`"),
        ("watch/rollout.rs", "fn f() -> std::time::Instant { g() }", "says `std::time::Instant`"),
        ("workflow/mod.rs", "let t = jiff::Timestamp::now();", "says `Timestamp::now`"),
        ("report/mod.rs", "std::fs::read(x)", "says `std::fs`"),
        ("ui/mod.rs", "use std::process;", "says `std::process`"),
        ("app/update/mod.rs", "use kube::Client;", "says `kube`"),
        ("ui/panels/run.rs", "use ratatui::style::{Color, Style};", "may name `Color`"),
        ("workflow/infer/mod.rs", "use pulldown_cmark::Event;", "may name `pulldown_cmark`"),
        ("workflow/params.rs", "serde_yaml::from_str(x)", "may name `serde_yaml`"),
        ("cli/mod.rs", "let x = y.unwrap();", "say which invariant"),
        ("cli/mod.rs", "todo!()", "not there yet"),
        ("adapters/git.rs", "dbg!(x)", "nothing prints"),
    ];
    for (path, text, expected) in bad {
        let code = Code { path: path.to_owned(), text: without_tests(&without_comments_and_strings(text)) };
        let found: Vec<String> = RULES.iter().flat_map(|rule| rule(&code)).collect();
        assert!(found.iter().any(|line| line.contains(expected)), "{path}: {text}\n{found:?}");
    }
}

#[test]
fn no_rule_finds_what_is_allowed() {
    let good = [
        (
            "release/mod.rs",
            "use crate::watch::Moment; use crate::workflow::{Item, Step}; use super::release::x;",
        ),
        ("release/checks.rs", "use super::event::Evidence; use super::super::watch::Moment;"),
        ("release/mod.rs", "// crate::ui is drawn elsewhere\nlet x = \"crate::ui .unwrap() todo!\";"),
        (
            "release/mod.rs",
            "let x = r#\"use crate::ui; \"quoted\" tokio\"#; let c = '\"'; fn f<'a>(x: &'a str) {}",
        ),
        ("release/mod.rs", "#[cfg(test)]\nmod tests { use crate::ui; fn f() { x.unwrap() } }"),
        ("release/mod.rs", "/* std::fs */ fn kubectl() { let my_tokio = 1; }"),
        ("ui/mod.rs", "use crate::app::{action::Action, keymap, model::Model}; use crate::report::x;"),
        ("app/mod.rs", "use crate::adapters::World; use tokio::sync::mpsc; use crate::ui;"),
        ("cli/mod.rs", "use crate::rehearsal::Practice; use std::fs;"),
        ("ui/theme.rs", "use ratatui::style::Color;"),
        ("adapters/git.rs", "x.unwrap_or_default(); tokio::spawn(y)"),
    ];
    for (path, text) in good {
        let code = Code { path: path.to_owned(), text: without_tests(&without_comments_and_strings(text)) };
        let found: Vec<String> = RULES.iter().flat_map(|rule| rule(&code)).collect();
        assert!(found.is_empty(), "{path}: {text}\n{found:?}");
    }
}

#[test]
fn files_of_tests_are_known_by_their_declaration() {
    let text =
        "#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub mod fixture;\nmod rows;\n#[cfg(test)]\nmod inline {}";
    assert_eq!(test_modules("app/model/mod.rs", text), ["app/model/tests", "app/model/fixture"]);
    assert_eq!(test_modules("watch/rollout.rs", "#[cfg(test)]\nmod tests;"), ["watch/rollout/tests"]);
}
