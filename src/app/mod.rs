//! The loop: receive, update, start effects, draw.

pub mod action;
mod headless;
pub mod keymap;
pub mod model;
pub mod msg;
mod pace;
pub mod screen;
pub mod update;

use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream};
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use headless::Headless;

use crate::adapters::clock::Clock;
use crate::adapters::store::Written;
use crate::adapters::{News, World};
use crate::release::{Effect, WakeTime};
use crate::ui::theme::Themes;
use crate::ui::{self, Scrolls};
use crate::watch::Observation;
use model::{Model, Panel};
use msg::{JournalNews, Msg, What};
use pace::{Change, Pace};
use screen::Screen;
use update::{Ask, update};

/// Messages taken in before the next frame is considered: a flood is worked off in portions, so that
/// a key never waits behind all of it.
const PORTION: usize = 256;

/// Everything the loop joins.
#[derive(Debug)]
pub struct Cockpit {
    pub model: Model,
    pub world: World,
    pub clock: Clock,
    pub news: mpsc::Receiver<News>,
    /// Records of a release that another process drives; nothing when this one does.
    pub followed: Option<mpsc::Receiver<JournalNews>>,
    /// What a release asked for before the loop began.
    pub asks: Vec<Ask>,
    /// Drawn with by the name that the model says.
    pub themes: Themes,
    pub screen: Screen,
}

/// Runs until the operator leaves, and returns the exit code and the model as it was then.
pub async fn run(mut cockpit: Cockpit) -> (u8, Model) {
    let mut keys = EventStream::new();
    let mut tick = next_second(&cockpit.clock);
    let asks = std::mem::take(&mut cockpit.asks);
    let mut turn = Turn {
        cockpit,
        started: Instant::now(),
        pace: Pace::default(),
        scrolls: Scrolls::default(),
        judge_at: None,
        redraws: 0,
    };
    // The first frame comes before any answer of the network.
    turn.paint();
    tracing::info!(took_us = u64::try_from(turn.started.elapsed().as_micros()).unwrap_or(0), "first frame");
    turn.cockpit.world.start();
    let mut ended = turn.carry_out(asks);
    while ended.is_none() {
        let judge =
            turn.judge_at.map(|at| Instant::now() + turn.cockpit.clock.wall_until(WakeTime::World(at)));
        let frame = turn.pace.due().map(|due| turn.started + due);
        // A machine that is late finds the repeats of a key held down all at once, whenever they came.
        let typed_ahead = &mut turn.cockpit.model.view.typed_ahead;
        let waiting = if *typed_ahead { at_once(&mut keys).await } else { None };
        *typed_ahead &= waiting.is_some();
        let first = match waiting {
            Some(event) => Some(of_terminal(event)),
            None => tokio::select! {
                biased;
                event = keys.next() => Some(of_terminal(event)),
                news = turn.cockpit.news.recv() => news.map(of_world),
                news = next_of(&mut turn.cockpit.followed) => Some(What::Journal(news)),
                () = tokio::time::sleep_until(tick) => {
                    tick = next_second(&turn.cockpit.clock);
                    Some(What::Tick)
                }
                () = sleep_until(judge) => {
                    turn.judge_at = None;
                    Some(What::Judge)
                }
                () = sleep_until(frame) => None,
            },
        };
        let mut pending = first;
        let mut n_taken = 0;
        while let Some(what) = pending.take() {
            ended = turn.take(what);
            n_taken += 1;
            if ended.is_none() && n_taken < PORTION {
                // Keys first, and what they did is drawn before more data is taken in: the data that
                // waits can wait a little longer.
                pending = match at_once(&mut keys).await {
                    Some(event) => Some(of_terminal(event)),
                    None if turn.pace.is_urgent() => None,
                    None => turn.cockpit.news.try_recv().ok().map(of_world),
                };
            }
        }
        if turn.pace.due().is_some_and(|due| due <= turn.started.elapsed()) {
            turn.paint();
        }
    }
    let Cockpit { world, model, screen, .. } = turn.cockpit;
    tracing::info!(frames = screen.n_frames, "leaving");
    drop(screen);
    world.close();
    (ended.unwrap_or(1), model)
}

/// What the loop carries from one turn to the next.
struct Turn {
    cockpit: Cockpit,
    started: Instant,
    pace: Pace,
    scrolls: Scrolls,
    judge_at: Option<jiff::Timestamp>,
    redraws: u32,
}

impl Turn {
    /// Takes one message in; an answer is the exit code.
    fn take(&mut self, what: What) -> Option<u8> {
        self.pace.changed(change_of(&what), self.started.elapsed());
        if what == What::Continued
            && let Err(error) = self.cockpit.screen.take_again()
        {
            tracing::warn!(%error, "the terminal could not be taken again");
        }
        let is_key = matches!(what, What::Key(_));
        let msg = Msg { at: self.cockpit.clock.now(), what };
        let asks = update(&mut self.cockpit.model, msg);
        self.cockpit.model.view.typed_ahead |= is_key;
        self.carry_out(asks)
    }

    fn carry_out(&mut self, asks: Vec<Ask>) -> Option<u8> {
        let Cockpit { world, model, screen, .. } = &mut self.cockpit;
        for ask in asks {
            match ask {
                Ask::Do(Effect::Ring) => {
                    // A terminal that is gone is noticed by the next frame.
                    let _ = screen.ring();
                }
                Ask::Copy(text) => {
                    let _ = screen.copy(&text);
                }
                ask => {
                    if let Some(code) = carry_out(ask, world, model, &mut self.judge_at) {
                        return Some(code);
                    }
                }
            }
        }
        None
    }

    fn paint(&mut self) {
        let drawn = self.try_paint();
        self.pace.drawn(self.started.elapsed());
        if let Err(error) = drawn {
            tracing::error!(%error, "the terminal takes no frame");
            let msg = Msg {
                at: self.cockpit.clock.now(),
                what: What::Leave { why: "the terminal is gone".to_owned() },
            };
            let asks = update(&mut self.cockpit.model, msg);
            self.carry_out(asks);
        }
    }

    fn try_paint(&mut self) -> std::io::Result<()> {
        let Cockpit { model, themes, screen, clock, world, .. } = &mut self.cockpit;
        model.now = clock.now();
        // Its own thread for this would wake a hundred times a second for a pane that is rarely open.
        tui_logger::move_events();
        if model.view.redraws != self.redraws {
            self.redraws = model.view.redraws;
            screen.forget()?;
        }
        let theme = themes.named(&model.view.themes.shown);
        screen.draw(|frame| ui::draw(frame, model, &mut self.scrolls, theme))?;
        let is_rollback = matches!(model.view.panel, Some(Panel::Rollback { .. }));
        model.rollback_was_painted(is_rollback && self.scrolls.panel_painted);
        if self.scrolls.log_rows > 0 {
            model.view.log.height = self.scrolls.log_rows;
        }
        if let Some((columns, rows)) = self.scrolls.terminal {
            world.resize_terminals(columns, rows);
        }
        model.view.panel_scroll = self.scrolls.panel_at;
        Ok(())
    }
}

/// Does what needs no screen; an answer is the exit code.
fn carry_out(ask: Ask, world: &World, model: &Model, judge_at: &mut Option<jiff::Timestamp>) -> Option<u8> {
    match ask {
        Ask::Append { seq, event, essential } => world.append(seq, *event, essential),
        Ask::Do(effect) => world.act(effect, &model.state().params),
        Ask::Keep(secrets) => world.keep(secrets),
        Ask::Look(needs) => world.look(needs),
        Ask::Save { name, bytes } => world.save(name, bytes),
        Ask::ReadJournal => world.read_journal(),
        Ask::Watch(targets) => world.watch(targets),
        Ask::JudgeAt(at) => *judge_at = Some(judge_at.map_or(at, |known| known.min(at))),
        Ask::Drain => world.drain(),
        Ask::Exit(code) => return Some(code),
        Ask::Type { command, attempt, bytes } => world.type_in(command, attempt, bytes),
        Ask::Copy(_) => {}
    }
    None
}

fn of_terminal(event: Option<std::io::Result<TerminalEvent>>) -> What {
    match event {
        Some(Ok(TerminalEvent::Key(key))) => What::Key(key),
        Some(Ok(TerminalEvent::Paste(text))) => What::Paste(text),
        Some(Ok(TerminalEvent::Resize(columns, rows))) => What::Resize(columns, rows),
        // Focus and mouse are not asked for; what comes all the same changes nothing.
        Some(Ok(_)) => What::Judge,
        Some(Err(error)) => What::Leave { why: format!("the terminal cannot be read: {error}") },
        None => What::Leave { why: "the terminal is gone".to_owned() },
    }
}

fn of_world(news: News) -> What {
    match news {
        News::Fact(event) => What::Fact(event),
        News::Observed(observation) => What::Observed(observation),
        News::Offered(targets) => What::Offered(targets),
        News::Output(batch) => What::Output(batch),
        News::Screen { command, attempt, screen } => What::Screen { command, attempt, screen },
        News::Probed { probe, pass, value } => What::Probed { probe, pass, value },
        News::Looked(found) => What::Looked(found),
        News::Preflight(line) => What::Preflight(line),
        News::Lock(sight) => What::Lock(sight),
        News::Past(past) => What::Past(past),
        News::Identity(identity) => What::Identity(identity),
        News::Diff(diff) => What::Diff(diff),
        News::Written(Written::Durable { seq }) => What::Journal(JournalNews::Durable { seq }),
        News::Written(Written::Failed { seq, why }) => What::Journal(JournalNews::Failed { seq, why }),
        News::JournalRead(read) => What::JournalRead(read),
        News::Told { text, is_refusal } => What::Told { text, is_refusal },
        News::DocumentChanged(edition) => What::DocumentChanged(edition),
        News::Continued => What::Continued,
        News::Leave { why } => What::Leave { why },
        News::Drained => What::Drained,
    }
}

fn change_of(what: &What) -> Change {
    match what {
        // What a key did in a terminal is seen as soon as what it did here.
        What::Key(_) | What::Paste(_) | What::Resize(..) | What::Screen { .. } | What::Continued => {
            Change::Urgent
        }
        What::Output(batch) => Change::Flood { lines: batch.lines.len() },
        What::Observed(Observation::Logs(batches)) => {
            Change::Flood { lines: batches.iter().map(|batch| batch.lines.len()).sum() }
        }
        _ => Change::Data,
    }
}

/// What the keyboard has already sent.
///
/// Asked with the loop's own waker: the stream keeps the first one it is given until a key comes, so
/// one that wakes nobody would leave that key waiting for the next tick.
async fn at_once(keys: &mut EventStream) -> Option<Option<std::io::Result<TerminalEvent>>> {
    std::future::poll_fn(|context| match keys.poll_next_unpin(context) {
        Poll::Ready(event) => Poll::Ready(Some(event)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn next_of(followed: &mut Option<mpsc::Receiver<JournalNews>>) -> JournalNews {
    if let Some(receiver) = followed {
        if let Some(news) = receiver.recv().await {
            return news;
        }
        *followed = None;
    }
    std::future::pending().await
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Ticks fall on the seconds of the wall clock, so that the clock on screen moves evenly.
fn next_second(clock: &Clock) -> Instant {
    let nanos = clock.now().wall.subsec_nanosecond().unsigned_abs();
    Instant::now() + Duration::from_nanos(u64::from(1_000_000_000 - nanos.min(999_999_999)))
}
