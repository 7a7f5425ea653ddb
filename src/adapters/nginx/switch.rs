//! The steps of a switch, in the only order in which each of them leaves something to go on from.
//!
//! ```text
//! look ── both files say the target ──> confirm ── it answers ──> end: nothing to do
//!   │                                      │ it does not
//!   └──> ask ──> prepare ──> place ──> test ──> reload ──> read back ──> record
//!                                        └── fails: the upstream file is put back
//! ```

use std::path::Path;
use std::time::Duration;

use super::asked::{Heard, ReadBack};
use super::error::NginxError;
use super::file::{Lock, Staged};
use super::{IN_A_ROW, Nginx, Seen, Standing, run, upstream};
use crate::workflow::nginx::{Colour, Side};

/// A second in all: somebody who holds it longer switches.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What a switch does, one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Both files are read, and hold what was expected.
    Look,
    /// Both say the target already: does it answer through nginx?
    Confirm,
    /// The sides are asked how they are.
    Ask,
    /// The new files are written beside the old ones.
    Prepare,
    /// The upstream file is replaced.
    Place,
    /// `nginx -t`.
    Test,
    /// `nginx -s reload`.
    Reload,
    /// Answers are read through nginx.
    ReadBack,
    /// The current-env file is replaced.
    Record,
}

impl Step {
    /// A stable name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Step::Look => "look",
            Step::Confirm => "confirm",
            Step::Ask => "ask",
            Step::Prepare => "prepare",
            Step::Place => "place",
            Step::Test => "test",
            Step::Reload => "reload",
            Step::ReadBack => "read-back",
            Step::Record => "record",
        }
    }
}

/// A step that is done, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub step: Step,
    pub words: String,
    /// Lines that belong below the words, such as what changed in a file.
    pub lines: Vec<String>,
}

/// How a switch ended that met no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    pub from: Standing,
    pub to: Colour,
    /// Nothing had to be done.
    pub was_there: bool,
    /// Answers in a row from the target through nginx; `None` when there is no way to ask.
    pub n_answers: Option<u32>,
}

/// A switch under way. Dropped at any step it leaves what another one to either side can go on from.
#[derive(Debug)]
pub struct Switch<'n> {
    nginx: &'n Nginx,
    to: &'n Side,
    expected: Option<Standing>,
    /// What comes next; `None` at the end.
    next: Option<Step>,
    lock: Option<Lock>,
    seen: Option<Seen>,
    upstream: Option<Staged>,
    current: Option<Staged>,
    /// This run replaced the upstream file.
    has_placed: bool,
    was_there: bool,
    n_answers: Option<u32>,
}

impl<'n> Switch<'n> {
    pub(super) fn new(nginx: &'n Nginx, to: &'n Side, expected: Option<Standing>) -> Self {
        Self {
            nginx,
            to,
            expected,
            next: Some(Step::Look),
            lock: None,
            seen: None,
            upstream: None,
            current: None,
            has_placed: false,
            was_there: false,
            n_answers: None,
        }
    }

    /// Takes the next step; `None` when none is left.
    ///
    /// - Errors: what kept it from being done, and how things are now. No step follows it.
    pub async fn step(&mut self) -> Result<Option<Done>, NginxError> {
        let Some(step) = self.next.take() else { return Ok(None) };
        let (words, lines, next) = match step {
            Step::Look => self.look().await?,
            Step::Confirm => self.confirm().await?,
            Step::Ask => self.ask().await?,
            Step::Prepare => self.prepare()?,
            Step::Place => self.place()?,
            Step::Test => self.test().await?,
            Step::Reload => self.reload().await?,
            Step::ReadBack => self.read_back().await?,
            Step::Record => self.record()?,
        };
        self.next = next;
        if next.is_none() {
            self.lock = None;
        }
        Ok(Some(Done { step, words, lines }))
    }

    /// What came of it, once no step is left.
    pub fn end(self) -> Result<Switched, NginxError> {
        let from = match self.seen {
            Some(seen) => seen.standing,
            None => self.nginx.look()?,
        };
        let (was_there, n_answers) = (self.was_there, self.n_answers);
        Ok(Switched { from, to: self.to.colour.clone(), was_there, n_answers })
    }

    async fn look(&mut self) -> Result<Told, NginxError> {
        let nginx = self.nginx;
        self.lock = Some(Self::lock(nginx.see()?.upstream.folder()).await?);
        // Read once more, now that nobody else switches.
        let seen = nginx.see()?;
        seen.upstream.clear();
        seen.current.clear();
        let to = &self.to.colour;
        nginx.expect(&seen.standing, self.expected.as_ref(), to)?;
        let (current, upstream) = (nginx.site.current.display(), nginx.site.upstream.display());
        let Standing { current: said, upstream: named } = &seen.standing;
        let files = format!("{current} says {said}, {upstream} names {named}");
        let (words, next) = match seen.standing.agreed() {
            Some(colour) if colour == to => (files, Step::Confirm),
            Some(_) => (files, Step::Ask),
            None if named == to => {
                (format!("{files}: a switch to {named} was cut off and goes on"), Step::Ask)
            }
            None => (format!("{files}: a switch to {named} was cut off and is taken back"), Step::Ask),
        };
        self.seen = Some(seen);
        Ok((words, Vec::new(), Some(next)))
    }

    /// Who only looks whether a switch would work holds it for a moment.
    async fn lock(folder: &Path) -> Result<Lock, NginxError> {
        for _ in 0..LOCK_TRIES {
            match Lock::take(folder) {
                Err(NginxError::Busy { .. }) => tokio::time::sleep(LOCK_PAUSE).await,
                taken => return taken,
            }
        }
        Lock::take(folder)
    }

    /// The files alone prove nothing: a switch that was cut off between file and reload, and then one
    /// back, leaves both files saying what no worker knows.
    async fn confirm(&mut self) -> Result<Told, NginxError> {
        let to = &self.to.colour;
        let Some(proxy) = self.nginx.proxy()? else {
            let words = "no address through nginx is given to see it by, so nginx is told again".to_owned();
            return Ok((words, Vec::new(), Some(Step::Ask)));
        };
        for _ in 0..IN_A_ROW {
            let heard = proxy.ask().await;
            if heard != Heard::Colour(to.clone()) {
                let words = format!("{} is answered by {}: nginx is told again", proxy.url(), heard.words());
                return Ok((words, Vec::new(), Some(Step::Ask)));
            }
        }
        (self.was_there, self.n_answers) = (true, Some(IN_A_ROW));
        let words = format!("{to} serves already, {IN_A_ROW} answers in a row from {}", proxy.url());
        Ok((words, Vec::new(), None))
    }

    async fn ask(&mut self) -> Result<Told, NginxError> {
        let nginx = self.nginx;
        let other = match nginx.site.other(&self.to.colour) {
            Some(side) => nginx.health(side).await?,
            None => None,
        };
        let other = other.map(|found| format!("; {} {}", found.colour, found.words)).unwrap_or_default();
        let colour = &self.to.colour;
        let words = match nginx.health(self.to).await? {
            Some(found) if found.is_healthy => format!("{colour} {}{other}", found.words),
            Some(found) => return Err(nginx.unhealthy(self.to, &found.words, other)),
            None => format!("{colour} is not asked how it is: no health address is given{other}"),
        };
        let seen = self.seen()?;
        let is_there = seen.standing.agreed() == Some(colour);
        Ok((words, Vec::new(), Some(if is_there { Step::Test } else { Step::Prepare })))
    }

    /// Both files, before either is touched: a switch that could not be recorded at its end is not begun.
    fn prepare(&mut self) -> Result<Told, NginxError> {
        let (nginx, to) = (self.nginx, self.to);
        let seen = self.seen()?;
        let Standing { current: said, upstream: named } = &seen.standing;
        let (writes, records) = (*named != to.colour, *said != to.colour);
        let upstream = writes.then(|| seen.upstream.stage(&nginx.text_for(seen, to)?)).transpose()?;
        let text = seen.current.text.replacen(&said.0, &to.colour.0, 1);
        let current = records.then(|| seen.current.stage(&text)).transpose()?;
        (self.upstream, self.current) = (upstream, current);
        let words = "what changes lies ready beside the files".to_owned();
        Ok((words, Vec::new(), Some(if writes { Step::Place } else { Step::Test })))
    }

    fn place(&mut self) -> Result<Told, NginxError> {
        let nginx = self.nginx;
        let seen = self.seen()?;
        let now = nginx.see()?;
        for (before, after) in [(&seen.upstream, &now.upstream), (&seen.current, &now.current)] {
            if before.text != after.text {
                return Err(NginxError::Changed { path: before.path.clone() });
            }
        }
        let lines = upstream::difference(&seen.upstream.text, &nginx.text_for(seen, self.to)?);
        if let Some(staged) = self.upstream.take() {
            staged.place()?;
        }
        self.has_placed = true;
        let words = format!("{} names {}", nginx.site.upstream.display(), self.to.colour);
        Ok((words, lines, Some(Step::Test)))
    }

    async fn test(&mut self) -> Result<Told, NginxError> {
        match self.run(&["-t"]).await {
            Ok(()) => Ok(("`nginx -t` passes".to_owned(), Vec::new(), Some(Step::Reload))),
            Err(cause) => Err(self.put_back(cause).await),
        }
    }

    async fn reload(&mut self) -> Result<Told, NginxError> {
        match self.run(&["-s", "reload"]).await {
            Ok(()) => Ok(("nginx was told to reload".to_owned(), Vec::new(), Some(Step::ReadBack))),
            // The signal may be out by now: putting the file back could leave it saying what is not so.
            Err(cause @ NginxError::TimedOut { .. }) => Err(NginxError::InDoubt {
                cause: Box::new(cause),
                path: self.nginx.site.upstream.clone(),
                colour: self.to.colour.clone(),
            }),
            Err(cause) => Err(self.put_back(cause).await),
        }
    }

    async fn read_back(&mut self) -> Result<Told, NginxError> {
        let (nginx, to) = (self.nginx, &self.to.colour);
        let next = self.current.is_some().then_some(Step::Record);
        let Some(proxy) = nginx.proxy()? else {
            let words = "NOT read back: no address through nginx is given".to_owned();
            return Ok((words, Vec::new(), next));
        };
        let after = nginx.limits.read_back;
        match proxy.wait_for(to, IN_A_ROW).await {
            ReadBack::Steady { n_answers, n_others } => {
                self.n_answers = Some(n_answers);
                let before = match n_others {
                    0 => String::new(),
                    n => format!(", after {n} of another kind"),
                };
                let words = format!("{to} serves: {n_answers} answers in a row from {}{before}", proxy.url());
                Ok((words, Vec::new(), next))
            }
            ReadBack::Not(heard) => Err(NginxError::NotReadBack {
                colour: to.clone(),
                url: proxy.url(),
                n_wanted: IN_A_ROW,
                after,
                heard,
                current: nginx.site.current.clone(),
            }),
        }
    }

    fn record(&mut self) -> Result<Told, NginxError> {
        let colour = &self.to.colour;
        if let Some(staged) = self.current.take() {
            let not_recorded =
                |cause| NginxError::NotRecorded { colour: colour.clone(), cause: Box::new(cause) };
            staged.place().map_err(not_recorded)?;
        }
        let words = format!("{} says {colour}", self.nginx.site.current.display());
        Ok((words, Vec::new(), None))
    }

    /// Leaves everything as a killed process does: what lies ready stays.
    #[cfg(test)]
    pub(super) fn vanish(mut self) {
        [self.upstream.take(), self.current.take()].into_iter().flatten().for_each(std::mem::forget);
    }

    fn seen(&self) -> Result<&Seen, NginxError> {
        // `look` comes first and every other step after it.
        self.seen.as_ref().ok_or_else(|| NginxError::Site { problems: vec!["nothing was read yet".into()] })
    }

    async fn run(&self, args: &[&str]) -> Result<(), NginxError> {
        run::nginx(&self.nginx.site.nginx, args, self.nginx.limits.command).await.map(drop)
    }

    /// nginx has refused, and goes on as before: so shall the file say.
    async fn put_back(&mut self, cause: NginxError) -> NginxError {
        let left = match self.put_file_back().await {
            Ok(left) => left,
            Err(why) => {
                let (path, colour) = (self.nginx.site.upstream.clone(), self.to.colour.clone());
                return NginxError::NotPutBack { cause: Box::new(cause), path, colour, why: Box::new(why) };
            }
        };
        let serves = match self.nginx.serving().await {
            Ok(Some(Ok(colour))) => format!("; {colour} serves"),
            Ok(Some(Err(words))) => format!("; through nginx: {words}"),
            _ => String::new(),
        };
        NginxError::NotReloaded { cause: Box::new(cause), left: left + &serves }
    }

    async fn put_file_back(&mut self) -> Result<String, NginxError> {
        let nginx = self.nginx;
        let seen = self.seen()?;
        let path = nginx.site.upstream.display();
        let (back, text) = if self.has_placed {
            (&seen.standing.upstream, seen.upstream.text.clone())
        } else if let Some(colour) = seen.standing.agreed() {
            return Ok(format!("both files say {colour}, as they did"));
        } else if matches!(nginx.serving().await?, Some(Ok(colour)) if colour == self.to.colour) {
            // Cut off behind its reload: the file says what is so.
            return Ok(format!("{path} names {}, as it did", self.to.colour));
        } else {
            let to = nginx.side(&seen.standing.current)?;
            (&seen.standing.current, nginx.text_for(seen, to)?)
        };
        seen.upstream.stage(&text)?.place()?;
        let test = match self.run(&["-t"]).await {
            Ok(()) => "which passes the test".to_owned(),
            Err(NginxError::Refused { .. }) => {
                "which fails the test too: the fault lies elsewhere in the configuration".to_owned()
            }
            Err(_) => "which could not be tested either".to_owned(),
        };
        Ok(format!("{path} was put back byte for byte and names {back}, {test}"))
    }
}

/// Words, lines below them, and the step that follows.
type Told = (String, Vec<String>, Option<Step>);
