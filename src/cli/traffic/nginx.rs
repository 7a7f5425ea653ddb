//! `gonogo traffic nginx`: the steps of the blue-green script, each told when it is done.

use std::time::Duration;

use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr as _, bail, eyre};
use jiff::tz::TimeZone;

use super::json::{Action, Told};
use super::site::SiteFlags;
use super::{NOT_SENT, NOT_VERIFIED};
use crate::adapters::clock::Clock;
use crate::adapters::nginx::{Done, Limits, Nginx, NginxError, Proof, Standing};
use crate::cli::duration::duration;
use crate::cli::{DONE, FAILED, Format, complain, print};
use crate::config::Config;
use crate::ui::format;
use crate::watch::Moment;
use crate::watch::logs::clean;
use crate::workflow::nginx::Colour;

pub(super) const AFTER_HELP: &str = "Exit codes: 0 read back through nginx, or looked at and fine · 12 switched, and not \
read back or not finished · 13 not switched · 1 bad input · 2 usage.

The upstream file is replaced first and the current-env file last, each in one moment. Killed anywhere in \
between, the same command finishes the switch and one to the other colour takes it back; `inactive` means the \
colour that the current-env file does not name, so that a second one goes back; with --expect it does not. It refuses to switch to a colour whose health endpoint does not \
say that it is well, and puts the upstream file back when nginx refuses the configuration.

--format json prints one object at the end: schema (\"gonogo.traffic/1\"), by, current, upstream, to, inactive, \
serving, actions[{what, words, at_ms}], dry_run, was_there, verified, limits[], error.";

/// The colour that the current-env file does not name.
const INACTIVE: &str = "inactive";

#[derive(Debug, Args)]
pub(in crate::cli) struct Flags {
    /// Where requests shall go: a colour, or `inactive` for the one that does not serve now
    #[arg(value_name = "COLOUR", required_unless_present = "show", conflicts_with = "show")]
    to: Option<String>,
    /// Say which colour serves, and change nothing; `--show=active` and `--show=inactive` say one word
    #[arg(long, value_name = "WHICH", value_enum, num_args = 0..=1, require_equals = true,
        default_missing_value = "both", hide_possible_values = true)]
    show: Option<Show>,
    /// Say what would be done, and whether it would work
    #[arg(long, conflicts_with = "show")]
    dry_run: bool,
    /// Switch only if this colour serves now, or this very switch was cut off or is done; `inactive`
    /// then means the other one
    #[arg(long, value_name = "COLOUR", conflicts_with = "show")]
    expect: Option<String>,
    #[command(flatten)]
    site: SiteFlags,
    /// How long to try to read the switch back [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Show {
    Both,
    Active,
    Inactive,
}

pub(super) fn nginx(flags: &Flags, config: &Config) -> color_eyre::Result<u8> {
    if config.read_only && !flags.dry_run && flags.show.is_none() {
        bail!("read-only: nothing is switched; --dry-run says what would be done");
    }
    let limits = Limits::default();
    let limits = Limits { read_back: flags.timeout.unwrap_or(limits.read_back), ..limits };
    let nginx = Nginx::new(flags.site.site()?, limits)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.wrap_err("cannot start the runtime")?.block_on(async {
        let mut run = Run::new(flags, nginx);
        let done = match &flags.to {
            None => run.show(flags.show.unwrap_or(Show::Both)).await,
            Some(to) => run.switch(to).await,
        };
        run.conclude(done)
    })
}

struct Run<'f> {
    flags: &'f Flags,
    nginx: Nginx,
    clock: Clock,
    began: Moment,
    zone: TimeZone,
    told: Told,
}

impl<'f> Run<'f> {
    fn new(flags: &'f Flags, nginx: Nginx) -> Self {
        let clock = Clock::real();
        let (began, told) = (clock.now(), Told { by: "nginx", dry_run: flags.dry_run, ..Told::default() });
        Self { flags, nginx, clock, began, zone: TimeZone::system(), told }
    }

    async fn show(&mut self, which: Show) -> Result<u8, Stop> {
        let standing = self.nginx.look()?;
        self.note_standing(&standing);
        let active = self.nginx.read()?;
        let idle = self.nginx.other(&active)?;
        self.told.inactive = Some(idle.to_string());
        let text = match which {
            Show::Both => format!("active    {active}\ninactive  {idle}\n"),
            Show::Active => format!("{active}\n"),
            Show::Inactive => format!("{idle}\n"),
        };
        self.say(&text)?;
        if which != Show::Both {
            return Ok(DONE);
        }
        for side in self.nginx.sides().await? {
            self.say(&format!("{:8}  {}\n", side.colour, clean(&side.words)))?;
        }
        match self.nginx.serving().await? {
            None => Ok(DONE),
            Some(Ok(colour)) => {
                self.told.serving = Some(colour.to_string());
                self.say(&format!("serving   {colour}\n"))?;
                if colour == active {
                    self.told.verified = true;
                    return Ok(DONE);
                }
                let words = format!("both files say {active} and {colour} answers through nginx");
                Err(Stop::Words(format!("{words}; a switch to either colour sets it right"), FAILED))
            }
            Some(Err(words)) => Err(Stop::Words(format!("no colour is told through nginx: {words}"), FAILED)),
        }
    }

    async fn switch(&mut self, to: &str) -> Result<u8, Stop> {
        let standing = self.nginx.look()?;
        self.note_standing(&standing);
        let expected = match (&self.flags.expect, to) {
            (Some(name), _) => Some(Standing::agreed_on(&self.nginx.colour(name)?)),
            // What `inactive` means was read here, and must not change before the switch.
            (None, INACTIVE) => Some(standing.clone()),
            (None, _) => None,
        };
        let to = match to {
            INACTIVE => {
                let now = expected.as_ref().map_or(&standing.current, |expected| &expected.current);
                self.nginx.other(now)?
            }
            name => self.nginx.colour(name)?,
        };
        self.told.to = Some(to.to_string());
        if self.flags.dry_run {
            let proof = self.nginx.prove(&to, expected.as_ref()).await?;
            self.tell_proof(&to, &proof)?;
            return Ok(DONE);
        }
        self.carry_out(&to, expected).await
    }

    async fn carry_out(&mut self, to: &Colour, expected: Option<Standing>) -> Result<u8, Stop> {
        let Self { nginx, flags, clock, began, zone, told } = self;
        let mut printed = Ok(());
        let tell = |done: Done| {
            let now = clock.now();
            if flags.format == Format::Text && printed.is_ok() {
                printed = print(&lines_of(&done, now, zone));
            }
            let at_ms = now.wall.duration_since(began.wall).as_millis();
            let (what, words) = (done.step.name(), done.words);
            told.actions.push(Action { what, words, at_ms: u64::try_from(at_ms).unwrap_or(0) });
        };
        let switched = nginx.switch(to, expected, tell).await?;
        printed.map_err(Stop::Report)?;
        self.told.was_there = switched.was_there;
        self.told.verified = switched.n_answers.is_some();
        match switched.n_answers {
            Some(_) => Ok(DONE),
            None => {
                let words = format!("nginx was told to send requests to {to}, and that was not read back");
                Err(Stop::Words(format!("{words}; give --through URL --says TEXT"), NOT_VERIFIED))
            }
        }
    }

    fn note_standing(&mut self, standing: &Standing) {
        self.told.current = Some(standing.current.to_string());
        self.told.upstream = Some(standing.upstream.to_string());
    }

    fn tell_proof(&mut self, to: &Colour, proof: &Proof) -> Result<(), Stop> {
        self.told.limits.clone_from(&proof.limits);
        let mut text = match proof.standing.agreed() {
            Some(colour) => format!("{colour} → {to}   dry run, nothing is changed\n"),
            None => format!(
                "{} and {} → {to}   dry run, nothing is changed\n",
                proof.standing.current, proof.standing.upstream
            ),
        };
        for line in &proof.difference {
            text += &format!("  change  {}\n", clean(line));
        }
        for words in &proof.fine {
            text += &format!("  tested  {}\n", clean(words));
        }
        for words in &proof.limits {
            text += &format!("  limit   {}\n", clean(words));
        }
        self.say(&text)
    }

    fn say(&self, text: &str) -> Result<(), Stop> {
        match self.flags.format {
            Format::Text => print(text).map_err(Stop::Report),
            Format::Json => Ok(()),
        }
    }

    fn conclude(mut self, done: Result<u8, Stop>) -> color_eyre::Result<u8> {
        let (code, why) = match done {
            Ok(code) => (code, None),
            Err(Stop::Words(words, code)) => (code, Some(words)),
            Err(Stop::Nginx(error)) => {
                (exit_code(&error, self.flags.show.is_some()), Some(error.to_string()))
            }
            Err(Stop::Report(report)) => return Err(report),
        };
        self.told.error.clone_from(&why);
        if self.flags.format == Format::Json {
            print(&self.told.line())?;
        }
        if let Some(why) = why {
            complain(&eyre!("{}", clean(&why)));
        }
        Ok(code)
    }
}

/// Why it goes no further.
enum Stop {
    Nginx(NginxError),
    Words(String, u8),
    /// Standard output cannot be written.
    Report(color_eyre::Report),
}

impl From<NginxError> for Stop {
    fn from(error: NginxError) -> Self {
        Stop::Nginx(error)
    }
}

fn exit_code(error: &NginxError, is_show: bool) -> u8 {
    if error.has_changed() {
        NOT_VERIFIED
    } else if error.is_bad_input() || is_show {
        FAILED
    } else {
        NOT_SENT
    }
}

fn lines_of(done: &Done, now: Moment, zone: &TimeZone) -> String {
    let mut text =
        format!("{}  {:9}  {}\n", format::wall_millis(now.wall, zone), done.step.name(), clean(&done.words));
    for line in &done.lines {
        text += &format!("{:25}{}\n", "", clean(line));
    }
    text
}
