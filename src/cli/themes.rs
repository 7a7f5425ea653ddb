//! Which themes there are: the built-in ones, and `themes/NAME.yaml` beside the settings.

use std::path::{Path, PathBuf};

use color_eyre::eyre::eyre;

use super::variable;
use crate::app::model::ThemeChoices;
use crate::config::Config;
use crate::ui::theme::{Depth, Theme, Themes};

/// More files than this in the folder are no themes of anybody.
const MOST: usize = 100;

/// Reads all themes, and settles which one is shown.
///
/// - Errors: the theme of the settings is not there or cannot be read. Another that is broken is told
///   when it is asked for.
pub(super) fn themes(config: &Config) -> color_eyre::Result<(Themes, ThemeChoices)> {
    let depth = Depth::of_terminal(variable("COLORTERM").as_deref(), variable("TERM").as_deref());
    let no_color = variable("NO_COLOR").is_some();
    let settings = Config::default_path();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let folder = settings.as_deref().and_then(Path::parent).map(|folder| folder.join("themes"));
    let mut themes = Themes::built_in(no_color, depth);
    let shown = match no_color {
        true => "monochrome".to_owned(),
        false => {
            for (name, path) in folder.map(|folder| own(&folder)).unwrap_or_default() {
                themes.add(&name, read(&path), depth);
            }
            let wanted = &config.theme;
            // A path has a slash or a dot; a name has neither.
            if themes.check(wanted).is_err() && wanted.contains(['/', '.']) {
                themes.add(wanted, read(&below_home(wanted, home.as_deref())), depth);
            }
            themes.check(wanted).map_err(|why| eyre!(why))?;
            wanted.clone()
        }
    };
    let known = themes.names().map(|(name, problem)| (name.to_owned(), problem.map(str::to_owned))).collect();
    let kept_in = match &config.file {
        Some(file) => as_written(file, home.as_deref()),
        None => "the settings".to_owned(),
    };
    Ok((themes, ThemeChoices { known, shown, kept_in, no_color }))
}

/// The user's own, by name.
fn own(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    found.sort();
    found.truncate(MOST);
    found
}

fn read(path: &Path) -> Result<Theme, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the theme {}: {error}", path.display()))?;
    Theme::read(&path.display().to_string(), &text).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        all.join("\n")
    })
}

fn below_home(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(path),
    }
}

fn as_written(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(below) => format!("~/{}", below.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn themes_beside_the_settings_are_found_by_name_and_a_broken_one_names_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.yaml"), "name: mine\nextends: light\nroles: {}\n").unwrap();
        std::fs::write(folder.path().join("bad.yml"), "name: bad\nextend: light\nroles: {}\n").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        let found = own(folder.path());
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["bad", "mine"]);
        assert!(read(&found[1].1).is_ok());
        let why = read(&found[0].1).unwrap_err();
        assert!(why.contains("bad.yml:2:") && why.contains("extends"), "{why}");
    }

    #[test]
    fn the_settings_that_were_read_are_the_ones_that_keep_a_theme() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.yaml");
        for text in ["theme: light\n", ""] {
            std::fs::write(&file, text).unwrap();
            let (_, choices) = themes(&Config::load(&file).unwrap()).unwrap();
            assert_eq!(choices.kept_in, file.display().to_string());
        }
        assert_eq!(themes(&Config::default()).unwrap().1.kept_in, "the settings");
    }

    #[test]
    fn home_is_written_and_read_as_people_write_it() {
        let home = Some(Path::new("/home/ana"));
        assert_eq!(below_home("~/t.yaml", home), Path::new("/home/ana/t.yaml"));
        assert_eq!(below_home("./t.yaml", home), Path::new("./t.yaml"));
        assert_eq!(as_written(Path::new("/home/ana/.config/g"), home), "~/.config/g");
    }
}
