//! `rollback`: the way back of a release without its screen, for scripts and for the moment when the
//! terminal died. The plan, its proof and its reading back are those of the cockpit.

mod ends;
mod find;
mod json;
mod revision;
mod text;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use tokio::time::{Instant, timeout_at};

use super::assemble::{self, Parts};
use super::cluster::ClusterFlags;
use super::duration::duration;
use super::release::{clock_beside, kept, place_of, place_of_practice, runtime, start};
use super::{DONE, FAILED, Format, Setup, print};
use crate::adapters::store::{self, Folder, ReadOnly, Store};
use crate::adapters::{World, prompt};
use crate::app::Headless;
use crate::app::model::{Mode, Model};
use crate::app::update;
use crate::config::Config;
use crate::logging;
use crate::release::{ArmingState, Phase, ReleaseId, To};
use ends::Ends;
use text::Teller;

pub(super) const EXIT_CODES: &str =
    "Exit codes: 0 rolled back and verified, or nothing to undo · 12 fired and not \
verified · 13 cannot work, or was not sent · 1 bad input · 2 usage.

It works from what a release pinned when it started, also while another terminal runs that release, and \
never waits for it; the cockpit there shows the rollback and starts nothing more meanwhile. It may be \
started again at any time: what is done is not done twice.";

/// A usage error, as clap has it.
const USAGE: u8 = 2;
const NOT_VERIFIED: u8 = 12;
const NOT_SENT: u8 = 13;

/// How long the whole may take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The release, by the beginning of its id or by KIND/NAME of its target [default: the newest
    /// that is open, else the newest]
    #[arg(value_name = "RELEASE")]
    which: Option<String>,
    /// Go back to this revision of KIND/NAME instead of what a release pinned: its number, or `previous`
    #[arg(long, value_name = "REVISION")]
    pub to: Option<To>,
    /// Say what would be done, and whether it would work
    #[arg(long)]
    dry_run: bool,
    /// Delete this pod if it holds the way back of a StatefulSet: gonogo names it and waits; may be
    /// repeated
    #[arg(long = "delete-pod", value_name = "POD")]
    delete_pods: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How long to try and to wait at most [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Your name in the record [default: the settings', git's, or the login name]
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

pub(super) fn rollback(flags: Rollback, setup: &Setup) -> color_eyre::Result<u8> {
    let config = setup.settings()?;
    if !flags.dry_run && !flags.yes && !std::io::stdin().is_terminal() {
        return usage("standard input is no terminal to ask at: give --yes, or --dry-run to look first");
    }
    if config.read_only && !flags.dry_run {
        return usage("nothing may be changed (read-only); --dry-run says what would be done");
    }
    let state_dir = store::state_dir()?;
    if let Err(error) = logging::start(&state_dir.join("gonogo.log")) {
        complain(&format!("the log file cannot be written: {error}"));
    }
    runtime()?.block_on(async {
        let found = match flags.to {
            Some(to) => revision::open(&flags, to, &config, &state_dir).await?,
            None => find::find(&state_dir, flags.which.as_deref(), flags.cluster.namespace.as_deref())?,
        };
        let id = match found {
            Ok(id) => id,
            Err(why) => return usage(&why),
        };
        let mut opening = Opening::of(&flags, &config, &state_dir, &id).await?;
        if flags.to.is_some()
            && let Opening::Ready { own_file, .. } = &mut opening
        {
            // A release that was opened for nothing else goes with it.
            *own_file = Some(Folder::of(&state_dir, &id)?.path().to_owned());
        }
        let (headless, own_file) = match opening {
            Opening::Ready { headless, own_file } => (*headless, own_file),
            Opening::Refused(code, words) => {
                complain(&words);
                return Ok(code);
            }
            Opening::Done(words) => {
                print(&words)?;
                return Ok(DONE);
            }
        };
        let deadline = Instant::now() + flags.timeout.unwrap_or(PATIENCE);
        let teller = Teller::new(TimeZone::system());
        let mut running = Running { headless, flags, teller, deadline, ends: Vec::new(), blocked_by: None };
        let end = running.play().await;
        running.conclude(end?, own_file).await
    })
}

fn usage(words: &str) -> color_eyre::Result<u8> {
    complain(words);
    Ok(USAGE)
}

fn complain(words: &str) {
    tell_aside(&format!("gonogo: {words}\n"));
}

/// To standard error: standard output is for the result.
fn tell_aside(text: &str) {
    use std::io::Write as _;
    // Nowhere is left to tell it when even this fails.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

enum Opening {
    Ready {
        headless: Box<Headless>,
        /// What is taken away again when nothing is fired.
        own_file: Option<PathBuf>,
    },
    /// Nothing is left to do.
    Done(String),
    Refused(u8, String),
}

impl Opening {
    async fn of(
        flags: &Rollback,
        config: &Config,
        state_dir: &Path,
        id: &ReleaseId,
    ) -> color_eyre::Result<Self> {
        let (journal, read) = ReadOnly::open(state_dir, id)?;
        let kept = kept(journal.folder().document()?, &read)?;
        let state = kept.release.state();
        if state.phase == Phase::RolledBack {
            return Ok(Opening::Done(format!("{id} is rolled back and safe; gonogo report {id} tells it\n")));
        }
        if journal.is_rolled_back() {
            let words = format!("{id} is being rolled back right now; gonogo resume {id} shows it");
            return Ok(Opening::Refused(NOT_VERIFIED, words));
        }
        if !kept.release.is_pinned() {
            let words =
                format!("{id} pinned no known-good state: the commands of its document are all there is");
            return Ok(Opening::Refused(USAGE, words));
        }
        let mut place = match &state.practice {
            Some(world) => place_of_practice(&kept.release, world),
            None => place_of(&kept.release, &kept.opened, flags.cluster.clone(), config)?,
        };
        match &mut place.cluster {
            Some(cluster) => cluster.sign_in().await?,
            None if !state.pins.is_empty() => {
                return Ok(Opening::Refused(FAILED, place.left_out.join(", ")));
            }
            None => {}
        }
        let clock = clock_beside(&kept.release, kept.last);
        let me = assemble::operator(flags.operator.clone(), config, &place);
        let news = World::news();
        // No command is run, so none needs to be told the context.
        place.pin = None;
        // Its own file: whoever holds the journal may hold it for ever.
        let store = (!flags.dry_run).then(|| Store::beside(state_dir, id)).transpose();
        let unrecorded = store.as_ref().err().map(ToString::to_string);
        let store = store.unwrap_or_default();
        let own_file = store.as_ref().map(|store| store.path().to_owned());
        let writer = store.map(|store| start(store, &news.0)).transpose()?;
        let parts = Parts {
            config,
            place,
            document: &kept.document,
            me,
            clock: clock.not_before(kept.last),
            params: state.params.clone(),
            release: kept.release,
            mode: Mode::Driving,
            folder: journal.folder().clone(),
            writer,
            news,
            followed: None,
            n_records: 0,
            asks: Vec::new(),
        };
        let mut headless = Box::new(assemble::headless(parts)?);
        headless.model.journal.is_beside = true;
        if let Some(why) = unrecorded {
            complain(&format!("this rollback will not be recorded: {why}"));
            headless.model.journal.failed = Some(why);
        }
        Ok(Opening::Ready { headless, own_file })
    }
}

/// How it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// Only looked at, or nothing to undo.
    Untouched,
    Verified,
    NotVerified(String),
    NotSent(String),
}

struct Running {
    headless: Headless,
    flags: Rollback,
    teller: Teller,
    deadline: Instant,
    ends: Vec<Ends>,
    /// Uid of the pod that was complained of last.
    blocked_by: Option<String>,
}

impl Running {
    async fn play(&mut self) -> color_eyre::Result<End> {
        self.headless.start();
        if self.headless.model.state().phase == Phase::RollingBack && !self.flags.dry_run {
            // It was fired, and its process ended: no second word is needed.
            self.headless.act(update::go_on_rolling_back);
            self.say("a rollback that ended on the way is gone on with")?;
            let end = self.follow().await;
            self.ends = ends::ends(&self.headless.model);
            return end;
        }
        if let Some(why) = self.prove().await {
            return Ok(End::NotSent(why));
        }
        self.ends = ends::ends(&self.headless.model);
        let model = &self.headless.model;
        if self.flags.format == Format::Text {
            print(&text::plan(model, &self.ends))?;
        }
        let arming = model.arming();
        if arming.state == ArmingState::Disarmed {
            return Ok(End::NotSent(format!("DISARMED: {}", arming.why.join(", "))));
        }
        if self.flags.dry_run {
            return Ok(End::Untouched);
        }
        // The diff tells of what the ends do not: traffic, bounds and numbers of pods.
        let is_there = self.ends.iter().all(|ends| ends.is_there) && model.observed.diff.is_empty();
        if is_there && model.rollback().is_none() {
            self.say("nothing to undo: all is as it was pinned")?;
            return Ok(End::Untouched);
        }
        let shown = model.what_runs();
        if let Some(why) = self.ask().await? {
            return Ok(End::NotSent(why));
        }
        let reason = self.flags.reason.clone();
        self.headless.act(|model| update::roll_back(model, shown, reason));
        if let Some(flash) = self.headless.model.view.flash.as_ref().filter(|flash| flash.is_refusal) {
            return Ok(End::NotSent(flash.text.clone()));
        }
        self.follow().await
    }

    /// Waits until the way back was tested, and what it starts from was read; what keeps it.
    async fn prove(&mut self) -> Option<String> {
        loop {
            let model = &self.headless.model;
            let pins = &model.state().pins;
            let is_read = |pin: &crate::release::Pin| {
                model.observed.workloads.get(&pin.target).is_some_and(|seen| seen.facts.unread.is_none())
            };
            if model.observed.armed_at.is_some() && pins.iter().all(is_read) {
                return None;
            }
            let said = self.teller.news(model);
            tell_aside(&said);
            match timeout_at(self.deadline, self.headless.turn()).await {
                Ok(None) => {}
                Ok(Some(_)) => return Some("interrupted; nothing was sent".to_owned()),
                Err(_) => return Some("the cluster gave no answer in time; nothing was sent".to_owned()),
            }
        }
    }

    /// Asks at the terminal; why not to go on, if so.
    async fn ask(&mut self) -> color_eyre::Result<Option<String>> {
        if self.flags.yes {
            return Ok(None);
        }
        tell_aside("Roll back now? Type yes: ");
        let mut answer = std::pin::pin!(prompt::line());
        loop {
            tokio::select! {
                line = &mut answer => {
                    let is_yes = line.trim().eq_ignore_ascii_case("yes");
                    return Ok((!is_yes).then(|| "not confirmed; nothing was sent".to_owned()));
                }
                ended = self.headless.turn() => if ended.is_some() {
                    return Ok(Some("interrupted; nothing was sent".to_owned()));
                },
            }
        }
    }

    /// Until it is verified, or cannot be.
    async fn follow(&mut self) -> color_eyre::Result<End> {
        loop {
            let news = self.teller.news(&self.headless.model);
            if self.flags.format == Format::Text {
                print(&news)?;
            }
            self.unblock();
            let failure = self.headless.model.rollback().and_then(|rollback| rollback.failure.clone());
            match self.headless.model.state().phase {
                Phase::RolledBack => return Ok(End::Verified),
                Phase::RollbackFailed => return Ok(End::NotVerified(failure.unwrap_or_default())),
                _ => {}
            }
            let again = "started again, it goes on where it is";
            match timeout_at(self.deadline, self.headless.turn()).await {
                Ok(None) => {}
                Ok(Some(_)) => return Ok(End::NotVerified(format!("interrupted; {again}"))),
                Err(_) => return Ok(End::NotVerified(format!("time ran out; {again}"))),
            }
        }
    }

    /// A pod of the bad version that its StatefulSet waits for is deleted only if it was named.
    fn unblock(&mut self) {
        let Some((target, blocker)) = self.headless.model.release.blocker() else { return };
        let (target, blocker) = (target.clone(), blocker.clone());
        if self.flags.delete_pods.contains(&blocker.pod) {
            self.headless.act(|model| update::delete_blocker(model, target, blocker));
        } else if self.blocked_by.as_ref() != Some(&blocker.uid) {
            complain(&format!(
                "pod {0} of the bad version holds the way back of {target}: it is not ready, and not replaced \
                 before it is; start this again with --delete-pod {0}",
                blocker.pod
            ));
            self.blocked_by = Some(blocker.uid);
        }
    }

    fn say(&self, words: &str) -> color_eyre::Result<()> {
        match self.flags.format {
            Format::Text => print(&self.teller.note(words, self.headless.model.now)),
            Format::Json => Ok(()),
        }
    }

    /// Tells the result, puts everything away, and returns the exit code.
    async fn conclude(self, end: End, own_file: Option<PathBuf>) -> color_eyre::Result<u8> {
        let Running { headless, flags, teller, ends, .. } = self;
        let is_fired = matches!(end, End::Verified | End::NotVerified(_));
        let model = headless.leave("the rollback command ends").await;
        let has_left = own_file.filter(|_| !is_fired).map(|file| Store::discard(&file)).transpose();
        if let Err(error) = has_left {
            tracing::warn!(%error, "the file of a rollback that was never fired stays");
        }
        tell(&model, &flags, &teller, &ends, &end)?;
        Ok(match end {
            End::Untouched | End::Verified => DONE,
            End::NotVerified(_) => NOT_VERIFIED,
            End::NotSent(_) => NOT_SENT,
        })
    }
}

fn tell(
    model: &Model,
    flags: &Rollback,
    teller: &Teller,
    ends: &[Ends],
    end: &End,
) -> color_eyre::Result<()> {
    match flags.format {
        Format::Json => print(&json::lines(model, ends))?,
        Format::Text if matches!(end, End::Verified | End::NotVerified(_)) => {
            print(&teller.end(model, ends))?;
        }
        Format::Text => {}
    }
    if let End::NotVerified(why) | End::NotSent(why) = end {
        complain(why);
    }
    Ok(())
}
