//! Blue-green behind nginx: which colour serves, and switching it so that every step can be told,
//! checked and gone on with after a crash.
//!
//! No record of a switch is kept beside the two files that say the colour: the upstream file changes
//! first and the other one last, so that what is there tells how far it came.

mod asked;
mod error;
mod file;
mod run;
mod switch;
#[cfg(test)]
mod tests;
mod upstream;
pub mod way_back;

use std::time::Duration;

use super::http::without_credentials;
use crate::workflow::nginx::{Colour, NginxSite, Side};
use asked::{Heard, Proxy};
use file::{Found, Lock};

pub use error::NginxError;
pub use switch::{Done, Step, Switch, Switched};

/// Answers in a row from one colour that count as read back: with several workers, a single one may
/// still come from a worker that has not heard of the change.
const IN_A_ROW: u32 = 5;

/// What is waited for at most. Units: wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// One run of nginx. Its test looks up every host name, and a name server may take its time.
    pub command: Duration,
    /// One answer, of a side or through nginx.
    pub answer: Duration,
    /// From the reload to the last of the answers in a row.
    pub read_back: Duration,
    /// Between two questions through nginx, so that reading back is no load.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let [command, answer, read_back] = [30, 5, 15].map(Duration::from_secs);
        Self { command, answer, read_back, pause: Duration::from_millis(50) }
    }
}

/// What the two files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The word in the current-env file.
    pub current: Colour,
    /// Whose servers the upstream file names.
    pub upstream: Colour,
}

impl Standing {
    /// Both files say the same.
    pub fn agreed_on(colour: &Colour) -> Self {
        Self { current: colour.clone(), upstream: colour.clone() }
    }

    /// The colour, where both say the same.
    pub fn agreed(&self) -> Option<&Colour> {
        (self.current == self.upstream).then_some(&self.current)
    }

    fn words(&self) -> String {
        match self.agreed() {
            Some(colour) => colour.to_string(),
            None => format!("{} and {}", self.current, self.upstream),
        }
    }
}

/// A side as it was found by asking it, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideFound {
    pub colour: Colour,
    pub is_healthy: bool,
    pub words: String,
}

/// Whether a switch would work, looked at without changing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub standing: Standing,
    /// The lines of the upstream file that would change.
    pub difference: Vec<String>,
    /// What was found in order.
    pub fine: Vec<String>,
    /// What would work all the same, with a limit worth knowing.
    pub limits: Vec<String>,
}

/// One site. See the module.
#[derive(Debug)]
pub struct Nginx {
    site: NginxSite,
    limits: Limits,
}

/// Both files as they were read at one moment.
#[derive(Debug)]
struct Seen {
    standing: Standing,
    upstream: Found,
    current: Found,
}

impl Nginx {
    /// - Errors: [`NginxError::Site`] with all that keeps the settings from being used.
    pub fn new(site: NginxSite, limits: Limits) -> Result<Self, NginxError> {
        match site.problems() {
            problems if problems.is_empty() => Ok(Self { site, limits }),
            problems => Err(NginxError::Site { problems }),
        }
    }

    pub fn site(&self) -> &NginxSite {
        &self.site
    }

    /// The colour of this name.
    pub fn colour(&self, name: &str) -> Result<Colour, NginxError> {
        self.side(&Colour(name.to_owned())).map(|side| side.colour.clone())
    }

    /// The colour that is not this one.
    pub fn other(&self, colour: &Colour) -> Result<Colour, NginxError> {
        let other = self.site.other(colour).map(|side| side.colour.clone());
        other.ok_or_else(|| NginxError::UnknownColour { name: colour.0.clone(), known: self.known() })
    }

    /// What each of the two files says, be it the same or not.
    pub fn look(&self) -> Result<Standing, NginxError> {
        Ok(self.see()?.standing)
    }

    /// The colour that serves.
    ///
    /// - Errors: [`NginxError::Disagree`] while the two files do not say the same.
    pub fn read(&self) -> Result<Colour, NginxError> {
        let standing = self.look()?;
        match standing.agreed() {
            Some(colour) => Ok(colour.clone()),
            None => Err(NginxError::Disagree {
                standing: Box::new(standing),
                current: self.site.current.clone(),
                upstream: self.site.upstream.clone(),
            }),
        }
    }

    /// Asks each side that has a health address of its own.
    pub async fn sides(&self) -> Result<Vec<SideFound>, NginxError> {
        let mut found = Vec::new();
        for side in &self.site.sides {
            found.extend(self.health(side).await?);
        }
        Ok(found)
    }

    /// The colour of one answer through nginx, or what came instead, in words; `None` without a way
    /// through.
    pub async fn serving(&self) -> Result<Option<Result<Colour, String>>, NginxError> {
        let Some(proxy) = self.proxy()? else { return Ok(None) };
        Ok(Some(match proxy.ask().await {
            Heard::Colour(colour) => Ok(colour),
            Heard::Else(words) => Err(words),
        }))
    }

    /// Looks whether a switch to `to` would work, and changes nothing.
    ///
    /// - Errors: what would keep it from beginning.
    pub async fn prove(&self, to: &Colour, expected: Option<&Standing>) -> Result<Proof, NginxError> {
        let target = self.side(to)?;
        let seen = self.see()?;
        self.expect(&seen.standing, expected, to)?;
        let (mut fine, mut limits) = (Vec::new(), Vec::new());
        match self.health(target).await? {
            Some(found) if found.is_healthy => fine.push(format!("{to} {}", found.words)),
            Some(found) => return Err(self.unhealthy(target, &found.words, String::new())),
            None => limits.push(format!("{to} is not asked how it is: no health address is given")),
        }
        let after = self.text_for(&seen, target)?;
        // Written beside and taken away again: only this tells whether it can be done.
        let lock = Lock::take(seen.upstream.folder())?;
        drop((seen.upstream.stage(&after)?, seen.current.stage(&seen.current.text)?));
        drop(lock);
        fine.push("both files can be replaced".to_owned());
        match run::nginx(&self.site.nginx, &["-t"], self.limits.command).await {
            Ok(_) => fine.push("the configuration as it is passes `nginx -t`".to_owned()),
            // After a cut-off switch only the side that is left may be at fault.
            Err(error @ (NginxError::Refused { .. } | NginxError::TimedOut { .. })) => {
                limits.push(format!("the configuration as it is fails its test: {error}"));
            }
            Err(error) => return Err(error),
        }
        match self.serving().await? {
            Some(Ok(colour)) if seen.standing.agreed().is_none_or(|agreed| *agreed == colour) => {
                fine.push(format!("{colour} answers through nginx"));
            }
            Some(Ok(colour)) => limits.push(format!("{colour} answers through nginx, against both files")),
            Some(Err(words)) => limits.push(format!("no colour is told through nginx: {words}")),
            None => limits.push("no switch can be read back: no address through nginx is given".to_owned()),
        }
        let difference = upstream::difference(&seen.upstream.text, &after);
        Ok(Proof { standing: seen.standing, difference, fine, limits })
    }

    /// A switch whose steps are taken one by one. Nothing is looked at yet.
    ///
    /// - `expected`: what the two files must say; they may also say what an earlier run of this very
    ///   switch left. `None` for whatever they say.
    pub fn begin(&self, to: &Colour, expected: Option<Standing>) -> Result<Switch<'_>, NginxError> {
        Ok(Switch::new(self, self.side(to)?, expected))
    }

    /// Sends all requests to `to`, and tells each step when it is done. See [`Nginx::begin`].
    pub async fn switch(
        &self,
        to: &Colour,
        expected: Option<Standing>,
        mut tell: impl FnMut(Done),
    ) -> Result<Switched, NginxError> {
        let mut switch = self.begin(to, expected)?;
        while let Some(done) = switch.step().await? {
            tell(done);
        }
        switch.end()
    }

    fn known(&self) -> [Colour; 2] {
        self.site.sides.each_ref().map(|side| side.colour.clone())
    }

    fn side(&self, colour: &Colour) -> Result<&Side, NginxError> {
        let unknown = || NginxError::UnknownColour { name: colour.0.clone(), known: self.known() };
        self.site.side(colour).ok_or_else(unknown)
    }

    fn see(&self) -> Result<Seen, NginxError> {
        let upstream = Found::read(&self.site.upstream)?;
        let current = Found::read(&self.site.current)?;
        let unclear = |error| self.unclear(error);
        let named = upstream::side_of(&upstream.text, &self.site).map_err(unclear)?.colour.clone();
        let said = Colour(current.text.trim().to_owned());
        let Some(said) = self.site.side(&said) else {
            let (path, known) = (self.site.current.clone(), self.known());
            return Err(NginxError::NotAColour { path, said: said.0, known });
        };
        let standing = Standing { current: said.colour.clone(), upstream: named };
        Ok(Seen { standing, upstream, current })
    }

    fn unclear(&self, upstream::Unclear { line, why }: upstream::Unclear) -> NginxError {
        NginxError::Upstream { path: self.site.upstream.clone(), line, why }
    }

    /// The upstream file as it names `to`.
    fn text_for(&self, seen: &Seen, to: &Side) -> Result<String, NginxError> {
        if seen.standing.upstream == to.colour {
            return Ok(seen.upstream.text.clone());
        }
        let from = self.side(&seen.standing.upstream)?;
        let rewritten = upstream::rewritten(&seen.upstream.text, &self.site, from, to);
        rewritten.map_err(|error| self.unclear(error))
    }

    fn expect(&self, found: &Standing, expected: Option<&Standing>, to: &Colour) -> Result<(), NginxError> {
        let Some(expected) = expected else { return Ok(()) };
        // On the way to its end this very switch passes through these.
        let half = Standing { current: expected.current.clone(), upstream: to.clone() };
        if [expected, &half, &Standing::agreed_on(to)].contains(&found) {
            return Ok(());
        }
        Err(NginxError::NotAsExpected {
            standing: Box::new(found.clone()),
            expected: Box::new(expected.clone()),
            current: self.site.current.clone(),
            upstream: self.site.upstream.clone(),
        })
    }

    async fn health(&self, side: &Side) -> Result<Option<SideFound>, NginxError> {
        let found = asked::health(side, self.limits.answer).await?;
        Ok(found.map(|found| SideFound {
            colour: side.colour.clone(),
            is_healthy: found.is_healthy,
            words: found.words,
        }))
    }

    fn unhealthy(&self, side: &Side, found: &str, beside: String) -> NginxError {
        let url = without_credentials(side.health.as_deref().unwrap_or_default());
        NginxError::Unhealthy { colour: side.colour.clone(), url, found: found.to_owned(), beside }
    }

    fn proxy(&self) -> Result<Option<Proxy<'_>>, NginxError> {
        Proxy::of(&self.site, self.limits)
    }
}
