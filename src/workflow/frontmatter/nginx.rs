//! `nginx:`, the two colours behind one nginx, as [`NginxSite`] has them.

use std::ops::Range;

use super::{At, Frontmatter, Node};
use crate::workflow::nginx::{COLOUR, Colour, NginxSite, Side, Through, words};

const EXAMPLE: &str =
    "`nginx` takes `{upstream: FILE, current: FILE, through: URL, says: 'X-Colour: {colour}'}`";

impl Frontmatter {
    /// A strange key costs the whole: half a site would send people somewhere else than was meant.
    pub(super) fn nginx(&mut self, key_span: Range<usize>, node: At<Node>) {
        let n_problems = self.problems.len();
        let mut site = NginxSite::conventional();
        match node.value {
            Node::Null => {}
            Node::Map(entries) => self.site(&mut site, entries),
            Node::Word(_) | Node::List(_) => self.problem(node.span, EXAMPLE.into()),
        }
        if self.problems.len() == n_problems {
            for problem in site.problems() {
                self.problem(key_span.clone(), format!("`nginx`: {problem}"));
            }
        }
        if self.problems.len() == n_problems {
            self.nginx = Some(site);
        }
    }

    fn site(&mut self, site: &mut NginxSite, entries: Vec<(At<String>, At<Node>)>) {
        let whole = entries.first().map_or(0..0, |(key, _)| key.span.clone());
        let (mut health, mut through, mut says) = (None, None, None);
        for (key, node) in entries {
            let span = node.span.clone();
            match key.value.as_str() {
                "upstream" => site.upstream = self.needed(node, "upstream").unwrap_or_default().into(),
                "current" => site.current = self.needed(node, "current").unwrap_or_default().into(),
                "colours" | "colors" => self.colours(site, node),
                "health" => health = Some(node),
                "through" => through = self.needed(node, "through"),
                "says" => says = self.needed(node, "says"),
                "command" => match words(&self.needed(node, "command").unwrap_or_default()) {
                    Ok(words) => site.nginx = words,
                    Err(why) => self.problem(span, format!("`nginx.command`: {why}")),
                },
                other => self.problem(
                    key.span,
                    format!(
                        "`nginx` has no key `{other}`; it knows upstream, current, colours, health, through, says, \
                         command"
                    ),
                ),
            }
        }
        // The colours may stand behind it.
        if let Some(node) = health {
            self.health(site, node);
        }
        site.through = match (through, says) {
            (Some(url), Some(says)) => Some(Through { url, says }),
            (None, None) => None,
            _ => {
                let message =
                    "`nginx.through` and `nginx.says` belong together: where, and what tells the colour";
                return self.problem(whole, message.into());
            }
        };
    }

    /// One address with the colour in it, or one for each.
    fn health(&mut self, site: &mut NginxSite, node: At<Node>) {
        let Node::Map(entries) = node.value else {
            let span = node.span.clone();
            return match self.needed(node, "health") {
                Some(url) if url.contains(COLOUR) => site.ask_at(&url),
                Some(_) => self.problem(
                    span,
                    format!("`nginx.health` is one address for both colours; write {COLOUR} in it"),
                ),
                None => {}
            };
        };
        for (name, node) in entries {
            let url = self.needed(node, "health");
            match site.sides.iter_mut().find(|side| side.colour.0 == name.value) {
                Some(side) => side.health = url,
                None => {
                    self.problem(name.span, format!("`nginx.health` names {}, no colour here", name.value))
                }
            }
        }
    }

    fn needed(&mut self, node: At<Node>, key: &str) -> Option<String> {
        let span = node.span.clone();
        let n_problems = self.problems.len();
        let word = self.word(node, key);
        if word.is_none() && self.problems.len() == n_problems {
            self.problem(span, format!("`nginx.{key}` is empty"));
        }
        word
    }

    fn colours(&mut self, site: &mut NginxSite, node: At<Node>) {
        let span = node.span.clone();
        let Node::Map(entries) = node.value else {
            return self
                .problem(span, "`nginx.colours` takes `{blue: [HOST:PORT], green: [HOST:PORT]}`".into());
        };
        let mut sides = Vec::new();
        for (name, node) in entries {
            let addresses = self.list(node, "colours").into_iter().map(|address| address.value).collect();
            sides.push(Side { colour: Colour(name.value), addresses, health: None });
        }
        match <[Side; 2]>::try_from(sides) {
            Ok(sides) => site.sides = sides,
            Err(sides) => {
                self.problem(span, format!("`nginx.colours` names {}; blue-green has two sides", sides.len()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read;
    use super::*;

    fn front(yaml: &str) -> Frontmatter {
        read(&format!("---\n{yaml}\n---\n# A\n")).0
    }

    #[test]
    fn the_convention_is_enough_and_everything_can_be_said() {
        let site = front("nginx:").nginx.unwrap();
        assert_eq!(site.upstream, Path::new("/etc/nginx/conf.d/upstream.conf"));
        let site = front(
            "nginx:\n  upstream: up.conf\n  current: env\n  colours: {old: ['10.0.0.1:80'], new: ['10.0.1.1:80']}\n  \
             health: http://{colour}/health\n  through: http://shop/\n  says: 'X-Colour: {colour}'\n  command: sudo -n nginx",
        )
        .nginx
        .unwrap();
        let each = front("nginx: {health: {green: 'http://g/', blue: 'http://b/'}}").nginx.unwrap();
        assert_eq!(each.sides.map(|side| side.health.unwrap()), ["http://b/", "http://g/"]);
        assert_eq!(
            (site.upstream.as_path(), site.current.as_path()),
            (Path::new("up.conf"), Path::new("env"))
        );
        assert_eq!(site.sides[1].addresses, ["10.0.1.1:80"]);
        assert_eq!(site.sides[1].health.as_deref(), Some("http://new/health"));
        assert_eq!(site.through.unwrap().says, "X-Colour: {colour}");
        assert_eq!(site.nginx, ["sudo", "-n", "nginx"]);
    }

    #[test]
    fn half_a_site_is_none_and_says_why() {
        for (yaml, words) in [
            ("nginx: blue", "takes `{upstream"),
            ("nginx: {upstreams: x}", "no key `upstreams`"),
            ("nginx: {health: 'http://app/'}", "write {colour} in it"),
            ("nginx: {health: {red: 'http://app/'}}", "names red, no colour here"),
            ("nginx: {through: 'http://app/'}", "belong together"),
            ("nginx: {through: 'http://app/', says: blue}", "tells no colour"),
            ("nginx: {colours: {blue: []}}", "names 1; blue-green has two"),
            ("nginx: {command: \"'nginx\"}", "a quote without its end"),
            ("nginx: {current: }", "`nginx.current` is empty"),
        ] {
            let front = front(yaml);
            assert_eq!(front.nginx, None, "{yaml}");
            let told: Vec<&str> = front.problems.iter().map(|problem| problem.message.as_str()).collect();
            assert!(told.iter().any(|told| told.contains(words)), "{yaml}: {told:?}");
        }
    }
}
