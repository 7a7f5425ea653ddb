//! The flags that say where the two colours are, and which nginx stands before them.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::{bail, eyre};

use crate::workflow::nginx::{COLOUR, CURRENT, Colour, NginxSite, Side, Through, UPSTREAM, words};

#[derive(Debug, Args)]
pub(super) struct SiteFlags {
    /// The file with the `server` lines of the colour that serves
    #[arg(long, value_name = "FILE", default_value = UPSTREAM)]
    upstream: PathBuf,
    /// The file that holds the name of the colour that serves
    #[arg(long, value_name = "FILE", default_value = CURRENT)]
    current: PathBuf,
    /// A colour, and its servers as the upstream file writes them; given twice [default: blue and
    /// green, each told by its name in `server blue-app:8080`]
    #[arg(long = "colour", value_name = "NAME[=HOST:PORT,…]")]
    colours: Vec<String>,
    /// Health endpoint past nginx, with {colour} for the name, or once per colour
    #[arg(long, value_name = "[COLOUR=]URL")]
    health: Vec<String>,
    /// Where the service answers through nginx, to read the switch back
    #[arg(long, value_name = "URL", requires = "says")]
    through: Option<String>,
    /// What its answer says: a header `X-Colour: {colour}`, or a part of the body
    #[arg(long, value_name = "TEXT", requires = "through")]
    says: Option<String>,
    /// How nginx is run: `nginx -p DIR -c FILE`, `sudo -n nginx`, `docker exec proxy nginx`
    #[arg(long, value_name = "COMMAND", default_value = "nginx")]
    nginx: String,
}

impl SiteFlags {
    /// - Errors: flags that do not fit together; the rest is told by [`NginxSite::problems`].
    pub(super) fn site(&self) -> color_eyre::Result<NginxSite> {
        let mut site = NginxSite::new(&self.upstream, &self.current);
        match self.colours.as_slice() {
            [] => {}
            [first, second] => site.sides = [first, second].map(|text| side(text)),
            one_or_many => bail!(
                "--colour is given {} times; blue-green has two sides: give it twice, or not at all",
                one_or_many.len()
            ),
        }
        for given in &self.health {
            let known = given.split_once('=').filter(|(name, _)| {
                // `=` may stand in the address too.
                !name.contains([':', '/', '?'])
            });
            match known {
                Some((name, url)) => {
                    let side = site.sides.iter_mut().find(|side| side.colour.0 == name);
                    let side = side.ok_or_else(|| eyre!("--health names {name}, which is no colour here"))?;
                    side.health = Some(url.to_owned());
                }
                None if given.contains(COLOUR) => site.ask_at(given),
                None => bail!(
                    "--health {given} is one address for both colours; write {COLOUR} in it, or give \
                     --health COLOUR=URL for each"
                ),
            }
        }
        if let (Some(url), Some(says)) = (&self.through, &self.says) {
            site.through = Some(Through { url: url.clone(), says: says.clone() });
        }
        site.nginx = words(&self.nginx).map_err(|why| eyre!("--nginx {why}"))?;
        Ok(site)
    }
}

fn side(text: &str) -> Side {
    let (name, addresses) = text.split_once('=').unwrap_or((text, ""));
    let addresses = addresses.split(',').filter(|address| !address.is_empty()).map(str::to_owned).collect();
    Side { colour: Colour(name.to_owned()), addresses, health: None }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: SiteFlags,
    }

    fn site(line: &str) -> Result<NginxSite, String> {
        let words = line.split_whitespace().map(|word| word.replace('_', " "));
        let words = ["x", "--upstream", "u", "--current", "c"].map(str::to_owned).into_iter().chain(words);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.flags.site().map_err(|error| error.to_string())
    }

    #[test]
    fn the_convention_needs_no_colours() {
        let site = site("--health http://{colour}-app:8080/health").unwrap();
        assert_eq!(site.sides[0].colour.0, "blue");
        assert_eq!(site.sides[1].health.as_deref(), Some("http://green-app:8080/health"));
        assert_eq!(site.nginx, ["nginx"]);
        assert_eq!(site.problems(), Vec::<String>::new());
    }

    #[test]
    fn colours_addresses_and_the_way_through_are_read() {
        let site = site(
            "--colour old=10.0.0.1:80,10.0.0.2:80 --colour new=10.0.1.1:80,10.0.1.2:80 \
             --health old=http://10.0.0.1/?deep=1 --health new=http://10.0.1.1/ --nginx sudo_-n_nginx \
             --through http://shop/ --says X-Colour:_{colour}",
        )
        .unwrap();
        assert_eq!(site.sides[0].addresses, ["10.0.0.1:80", "10.0.0.2:80"]);
        assert_eq!(site.sides[0].health.as_deref(), Some("http://10.0.0.1/?deep=1"));
        assert_eq!(site.sides[1].colour.0, "new");
        assert_eq!(site.nginx, ["sudo", "-n", "nginx"]);
        assert_eq!(site.through.unwrap().says, "X-Colour: {colour}");
    }

    #[test]
    fn flags_that_do_not_fit_together_say_what_to_write() {
        for (line, words) in [
            ("--colour blue", "--colour is given 1 times"),
            ("--health http://app/health", "one address for both colours; write {colour}"),
            ("--health red=http://app/", "--health names red, which is no colour here"),
            ("--through http://shop/", "--says"),
            ("--nginx nginx_'-p", "a quote without its end"),
        ] {
            let told = site(line).unwrap_err();
            assert!(told.contains(words), "{line}: {told}");
        }
    }
}
