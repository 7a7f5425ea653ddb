//! `gonogo workflows`: what can be run by name, from where, and what a nearer one hides.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use color_eyre::eyre::{WrapErr as _, bail};
use serde_json::{Value, json};

use super::search_path::{self, Found, SearchPath, Text};
use super::{DONE, Format, Lang, document, print, variable};
use crate::workflow::{CalledFrom, LIBRARY, Language, Source, Workflow, read};

pub(super) const AFTER_HELP: &str = "They are looked for in workflows/ of the repository, in \
$XDG_CONFIG_HOME/gonogo/workflows, and in gonogo itself; of two with one name the nearer wins. A call in a \
document looks beside that document first.

--format json prints one object: schema (\"gonogo.workflows/1\"), workflows[{name, language, title, \
description, n_steps, origin, path, shadowed_by}].";

#[derive(Debug, Args)]
pub struct Flags {
    #[command(subcommand)]
    what: Option<What>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print one as Markdown, to be read or taken along
    Show {
        /// As the list has it
        name: String,
        /// Its language [default: that of the locale, else English]
        #[arg(long, value_enum)]
        lang: Option<Lang>,
    },
}

pub fn workflows(flags: &Flags) -> color_eyre::Result<u8> {
    let here = std::env::current_dir().wrap_err("cannot tell the current directory")?;
    let path = search_path::of(None, &here);
    match &flags.what {
        Some(What::Show { name, lang }) => show(&path, name, lang.map_or_else(spoken, Language::from)),
        None => {
            let rows = rows(&path);
            match flags.format {
                Format::Json => print(&format!("{:#}\n", as_json(&rows)))?,
                Format::Text => print(&as_text(&rows, &here))?,
            }
            Ok(DONE)
        }
    }
}

/// The language of the locale, where the library has it.
pub(super) fn spoken() -> Language {
    match variable("LC_ALL").or_else(|| variable("LC_MESSAGES")).or_else(|| variable("LANG")) {
        Some(locale) if locale.starts_with("fr") => Language::French,
        _ => Language::English,
    }
}

fn show(path: &SearchPath, name: &str, language: Language) -> color_eyre::Result<u8> {
    let found = path.find(name, language);
    let Some((nearest, others)) = found.split_first() else {
        bail!("no workflow is called {name}; gonogo workflows lists those that there are");
    };
    match &nearest.text {
        Text::BuiltIn(it) => print(it.text)?,
        Text::File(file) => print(&String::from_utf8_lossy(&document::read(file)?.bytes))?,
    }
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(place).collect();
        // Beside the document, so that it alone goes into a file.
        let words = format!("gonogo: this is {}; it hides {}\n", place(nearest), others.join(", "));
        let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
    }
    Ok(DONE)
}

fn place(found: &Found) -> String {
    match &found.text {
        Text::File(file) => file.display().to_string(),
        Text::BuiltIn(it) => format!("the built-in {}", it.file),
    }
}

/// One document that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: String,
    language: Language,
    title: String,
    description: String,
    n_steps: usize,
    origin: CalledFrom,
    /// `None` for a built-in one.
    path: Option<PathBuf>,
    /// The nearer one of its name.
    shadowed_by: Option<String>,
}

fn rows(path: &SearchPath) -> Vec<Row> {
    let mut rows = Vec::new();
    for (folder, origin) in &path.folders {
        for (name, file) in markdown_files(folder) {
            // What cannot be read is told when somebody asks for it by its name.
            let Ok(document) = document::read(&file) else { continue };
            let workflow = document.workflow;
            if !workflow.steps.is_empty() {
                rows.push(row(path, name, &workflow, *origin, Some(file)));
            }
        }
    }
    for it in LIBRARY {
        let workflow = read(Source { file: it.file, bytes: it.text.as_bytes(), siblings: &|_| true });
        rows.push(row(path, it.name.to_owned(), &workflow, CalledFrom::BuiltIn, None));
    }
    rows
}

fn row(
    path: &SearchPath,
    name: String,
    workflow: &Workflow,
    origin: CalledFrom,
    file: Option<PathBuf>,
) -> Row {
    let nearest = path.find(&name, workflow.language).into_iter().next();
    let shadowed_by = nearest.filter(|found| found.origin != origin).map(|found| place(&found));
    Row {
        language: workflow.language,
        title: workflow.title.clone(),
        description: workflow.description.clone().unwrap_or_default(),
        n_steps: workflow.steps.len(),
        name,
        origin,
        path: file,
        shadowed_by,
    }
}

/// The Markdown files of a folder with the names that they are found by, in the order of their names.
fn markdown_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let named = |path: PathBuf| {
        let name = name_of(path.file_name()?.to_str()?)?.to_owned();
        path.is_file().then_some((name, path))
    };
    let mut files: Vec<_> = entries.filter_map(|entry| named(entry.path())).collect();
    files.sort();
    files
}

/// The name under which a file is found; `None` for what is no Markdown file.
fn name_of(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".md")?;
    let name = match stem.rsplit_once('.') {
        Some((name, code)) if Language::of_code(code).is_some() => name,
        _ => stem,
    };
    (!name.is_empty() && !name.starts_with(['.', '-'])).then_some(name)
}

fn as_json(rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "language": row.language.code(),
                "title": row.title,
                "description": row.description,
                "n_steps": row.n_steps,
                "origin": row.origin.as_str(),
                "path": row.path,
                "shadowed_by": row.shadowed_by,
            })
        })
        .collect();
    json!({"schema": "gonogo.workflows/1", "workflows": rows})
}

/// One line per workflow and place, its languages together.
fn as_text(rows: &[Row], here: &Path) -> String {
    let mut lines: Vec<(String, Vec<&Row>)> = Vec::new();
    for row in rows {
        let shown = match &row.path {
            None => "built in".to_owned(),
            Some(path) => {
                let folder = path.parent().unwrap_or(path);
                folder.strip_prefix(here).unwrap_or(folder).display().to_string()
            }
        };
        let is_it = |(place, known): &&mut (String, Vec<&Row>)| {
            *place == shown && known.first().is_some_and(|first| first.name == row.name)
        };
        match lines.iter_mut().find(is_it) {
            Some((_, known)) => known.push(row),
            None => lines.push((shown, vec![row])),
        }
    }
    let names = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let places = lines.iter().map(|(place, _)| place.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (place, rows) in &lines {
        let Some(first) = rows.iter().find(|row| row.language == spoken()).or(rows.first()) else { continue };
        let languages: Vec<&str> = rows.iter().map(|row| row.language.code()).collect();
        let words = if first.description.is_empty() { &first.title } else { &first.description };
        let line = format!("{:names$}  {:5}  {place:places$}  {words}", first.name, languages.join(" "));
        text.push_str(line.trim_end());
        text.push('\n');
        let below = |nearer: &str| match Path::new(nearer).strip_prefix(here) {
            Ok(nearer) => nearer.display().to_string(),
            Err(_) => nearer.to_owned(),
        };
        let mut nearer: Vec<String> =
            rows.iter().filter_map(|row| row.shadowed_by.as_deref()).map(below).collect();
        nearer.dedup();
        if !nearer.is_empty() {
            text.push_str(&format!("{:names$}  hidden by {}\n", "", nearer.join(", ")));
        }
    }
    text.push_str(
        "\ngonogo workflows show NAME prints one · gonogo demo --workflow NAME plays it · gonogo new NAME writes \
         it for this repository\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_repository(files: &[(&str, &str)]) -> (tempfile::TempDir, SearchPath) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("workflows");
        std::fs::create_dir(&folder).unwrap();
        for (file, text) in files {
            std::fs::write(folder.join(file), text).unwrap();
        }
        let path = SearchPath { folders: vec![(folder, CalledFrom::Repository)] };
        (dir, path)
    }

    const OWN: &str = "---\nname: rollback\ndescription: Our own way back\n---\n# Back\n\n## Steps\n\n### 1. Go\n\n- [ ] gone\n";

    #[test]
    fn a_nearer_one_is_listed_and_the_hidden_one_names_it() {
        let (dir, path) =
            in_repository(&[("rollback.md", OWN), ("README.md", "Just words.\n"), ("a.txt", "")]);
        let rows = rows(&path);
        assert_eq!(rows.len(), 1 + LIBRARY.len(), "a file without a step is no workflow");
        let own = &rows[0];
        assert_eq!(
            (own.name.as_str(), own.origin, &own.shadowed_by),
            ("rollback", CalledFrom::Repository, &None)
        );
        let hidden: Vec<&Row> = rows.iter().filter(|row| row.shadowed_by.is_some()).collect();
        assert_eq!(hidden.len(), 2, "{hidden:?}");
        assert!(hidden.iter().all(|row| row.name == "rollback" && row.origin == CalledFrom::BuiltIn));
        let text = as_text(&rows, dir.path());
        assert!(text.starts_with("rollback "), "{text}");
        assert!(text.contains("hidden by ") && text.contains("Our own way back"), "{text}");
        assert!(text.contains("en fr  built in"), "{text}");
    }

    #[test]
    fn programs_read_the_same_list() {
        let (_dir, path) = in_repository(&[]);
        let listed = as_json(&rows(&path));
        let all = listed["workflows"].as_array().unwrap();
        assert_eq!(all.len(), LIBRARY.len());
        assert_eq!(all[0]["origin"], "built-in");
        assert!(all.iter().all(|row| row["n_steps"].as_u64() > Some(0) && row["description"] != ""));
    }

    #[test]
    fn a_file_is_listed_by_the_name_that_finds_it() {
        for (file, name) in [
            ("release.md", Some("release")),
            ("release.en.md", Some("release")),
            ("v1.2.md", Some("v1.2")),
            ("notes.txt", None),
            (".hidden.md", None),
        ] {
            assert_eq!(name_of(file), name, "{file}");
        }
    }
}
