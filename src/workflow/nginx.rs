//! Blue-green behind nginx, as data: which files tell the colour that serves, and who can be asked.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Stands for a colour's name in addresses and texts.
pub const COLOUR: &str = "{colour}";

pub const UPSTREAM: &str = "/etc/nginx/conf.d/upstream.conf";
pub const CURRENT: &str = "/etc/nginx/current-env";

/// One of the two sides by its name, such as `blue`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Colour(pub String);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Two sides of one service, and the nginx that sends all requests to one of them.
///
/// - Shape: [`NginxSite::problems`] names what is wrong with one that was put together from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NginxSite {
    /// The file with the `server` lines, such as `/etc/nginx/conf.d/upstream.conf`.
    pub upstream: PathBuf,
    /// The file that holds the name of the colour that serves, such as `/etc/nginx/current-env`.
    pub current: PathBuf,
    pub sides: [Side; 2],
    /// Where the service answers through nginx; without it no switch can be read back.
    pub through: Option<Through>,
    /// Program and first arguments, such as `nginx -p DIR -c FILE`, `sudo -n nginx` or
    /// `docker exec proxy nginx`.
    pub nginx: Vec<String>,
}

/// What is known of one colour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    pub colour: Colour,
    /// Its servers as the upstream file writes them. Empty: those that have the colour's name as a
    /// part of theirs, such as `blue-app:8080`.
    pub addresses: Vec<String>,
    /// Its own health endpoint, past nginx.
    pub health: Option<String>,
}

/// How the colour that serves is told from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Through {
    pub url: String,
    /// A header (`X-Colour: {colour}`) or a part of the body (`"env":"{colour}"`).
    pub says: String,
}

impl NginxSite {
    /// The two colours of the convention, told by the names of their servers; no health, no way through.
    pub fn new(upstream: impl Into<PathBuf>, current: impl Into<PathBuf>) -> Self {
        let side = |name: &str| Side { colour: Colour(name.to_owned()), addresses: vec![], health: None };
        Self {
            upstream: upstream.into(),
            current: current.into(),
            sides: [side("blue"), side("green")],
            through: None,
            nginx: vec!["nginx".to_owned()],
        }
    }

    /// Where Debian's nginx, and the script that this comes from, have the two files.
    pub fn conventional() -> Self {
        Self::new(UPSTREAM, CURRENT)
    }

    /// With its files below `folder` where they are not named from the root.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        Self { upstream: folder.join(self.upstream), current: folder.join(self.current), ..self }
    }

    /// Each colour is asked how it is at `url`, with its name for [`COLOUR`].
    pub fn ask_at(&mut self, url: &str) {
        for side in &mut self.sides {
            side.health = Some(url.replace(COLOUR, &side.colour.0));
        }
    }

    pub fn side(&self, colour: &Colour) -> Option<&Side> {
        self.sides.iter().find(|side| side.colour == *colour)
    }

    /// The side that is not this one; `None` for a colour that is neither.
    pub fn other(&self, colour: &Colour) -> Option<&Side> {
        let [first, second] = &self.sides;
        if first.colour == *colour { Some(second) } else { (second.colour == *colour).then_some(first) }
    }

    /// All that keeps it from being used, each with the way out.
    pub fn problems(&self) -> Vec<String> {
        let [first, second] = &self.sides;
        let mut problems = Vec::new();
        for Side { colour, .. } in &self.sides {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if colour.0.is_empty() || !colour.0.chars().all(is_name) {
                problems
                    .push(format!("`{colour}` is no name for a colour; write letters, digits, `-` or `_`"));
            }
        }
        if first.colour == second.colour {
            problems.push(format!("both sides are called {}; give them two names", first.colour));
        }
        let (n_first, n_second) = (first.addresses.len(), second.addresses.len());
        if n_first != n_second {
            problems.push(format!(
                "{} has {n_first} addresses and {} has {n_second}; give each as many, in the same order",
                first.colour, second.colour
            ));
        }
        let mut addresses: Vec<&String> = first.addresses.iter().chain(&second.addresses).collect();
        addresses.sort_unstable();
        for pair in addresses.windows(2) {
            if let [one, two] = pair
                && one == two
            {
                problems.push(format!("the address {one} is given twice; each belongs to one colour"));
            }
        }
        for address in &addresses {
            if address.is_empty() || address.chars().any(|c| c.is_whitespace() || ";{}\"'#\\".contains(c)) {
                problems
                    .push(format!("`{address}` is no address; write HOST:PORT as the upstream file does"));
            }
        }
        if let Some(through) = &self.through
            && !through.says.contains(COLOUR)
        {
            problems.push(format!(
                "`{}` tells no colour; write {COLOUR} where its name stands, such as `X-Colour: {COLOUR}`",
                through.says
            ));
        }
        if self.nginx.is_empty() {
            problems.push("no nginx is named; write its program, such as `nginx`".to_owned());
        }
        problems
    }
}

impl Through {
    /// What an answer of this colour holds.
    pub fn said_by(&self, colour: &Colour) -> String {
        self.says.replace(COLOUR, &colour.0)
    }
}

/// Cuts a command line into its words; quotes keep blanks together, nothing is expanded.
///
/// - Errors: a quote without its end.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("`{line}` has a quote without its end"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_at_once_with_its_way_out() {
        let mut site = NginxSite::new("upstream.conf", "current-env");
        assert_eq!(site.problems(), Vec::<String>::new());
        site.sides[0].addresses = vec!["127.0.0.1:81".into(), "127.0.0.1:82".into()];
        site.sides[1].addresses = vec!["127.0.0.1:81".into()];
        site.sides[1].colour = Colour("dark green".into());
        site.through = Some(Through { url: "http://localhost/".into(), says: "X-Colour".into() });
        site.nginx.clear();
        let told = site.problems().join("\n");
        for words in [
            "`dark green` is no name",
            "blue has 2 addresses and dark green has 1",
            "the address 127.0.0.1:81 is given twice",
            "`X-Colour` tells no colour; write {colour}",
            "no nginx is named",
        ] {
            assert!(told.contains(words), "{words}:\n{told}");
        }
    }

    #[test]
    fn an_address_that_would_end_its_line_is_refused() {
        let mut site = NginxSite::new("u", "c");
        site.sides[0].addresses = vec!["a:1; include /tmp/x".into()];
        site.sides[1].addresses = vec!["b:1".into()];
        assert!(site.problems().join("").contains("is no address"));
    }

    #[test]
    fn the_other_side_is_the_one_that_is_not_meant() {
        let site = NginxSite::new("u", "c");
        let colour = |name: &str| Colour(name.to_owned());
        assert_eq!(site.other(&colour("blue")).unwrap().colour, colour("green"));
        assert_eq!(site.other(&colour("green")).unwrap().colour, colour("blue"));
        assert_eq!(site.other(&colour("red")), None);
    }

    #[test]
    fn a_command_line_is_cut_at_blanks_outside_of_quotes() {
        assert_eq!(words("nginx  -p '/srv/a b' -c \"x\"").unwrap(), ["nginx", "-p", "/srv/a b", "-c", "x"]);
        assert_eq!(words("a '' b").unwrap(), ["a", "", "b"]);
        assert_eq!(words("  ").unwrap(), Vec::<String>::new());
        assert!(words("nginx -p '/srv").unwrap_err().contains("without its end"));
    }
}
