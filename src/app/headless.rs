//! The same loop without a screen and without keys, for a script or for the moment when the terminal
//! died.

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::model::Model;
use super::msg::{JournalNews, Msg, What};
use super::update::{Ask, update};
use super::{PORTION, carry_out, next_of, next_second, of_world, sleep_until};
use crate::adapters::clock::Clock;
use crate::adapters::{News, World};
use crate::release::WakeTime;

/// A release that is looked after by a program instead of a person.
#[derive(Debug)]
pub struct Headless {
    pub model: Model,
    pub world: World,
    pub clock: Clock,
    pub news: mpsc::Receiver<News>,
    /// Records of a release that another process drives; nothing when this one does.
    pub followed: Option<mpsc::Receiver<JournalNews>>,
    /// What a release asked for before the loop began.
    pub asks: Vec<Ask>,
    pub judge_at: Option<jiff::Timestamp>,
    /// The exit code, once all is put away.
    pub ended: Option<u8>,
}

impl Headless {
    /// Starts all that is watched.
    pub fn start(&mut self) {
        self.world.start();
        let asks = std::mem::take(&mut self.asks);
        self.carry_out(asks);
        self.take(What::Tick);
    }

    /// Takes in what comes next, at the latest the next second. Dropping the future loses nothing.
    ///
    /// - Shape: the exit code once all is put away.
    pub async fn turn(&mut self) -> Option<u8> {
        let judge = self.judge_at.map(|at| Instant::now() + self.clock.wall_until(WakeTime::World(at)));
        let first = tokio::select! {
            biased;
            news = self.news.recv() => of_world(news?),
            news = next_of(&mut self.followed) => What::Journal(news),
            () = tokio::time::sleep_until(next_second(&self.clock)) => What::Tick,
            () = sleep_until(judge) => {
                self.judge_at = None;
                What::Judge
            }
        };
        let mut ended = self.take(first);
        for _ in 1..PORTION {
            let Some(news) = self.news.try_recv().ok().filter(|_| ended.is_none()) else { break };
            ended = self.take(of_world(news));
        }
        self.ended = self.ended.or(ended);
        ended
    }

    /// Does something in the name of the operator.
    pub fn act(&mut self, deed: impl FnOnce(&mut Model) -> Vec<Ask>) {
        self.model.now = self.clock.now();
        let asks = deed(&mut self.model);
        self.carry_out(asks);
    }

    /// Ends what is under way, and writes what is not on disk yet.
    pub async fn leave(mut self, why: &str) -> Model {
        // A signal may have ended it before: nothing more comes then.
        if self.ended.is_none() {
            self.ended = self.take(What::Leave { why: why.to_owned() });
        }
        while self.ended.is_none() {
            self.turn().await;
        }
        self.world.close();
        self.model
    }

    fn take(&mut self, what: What) -> Option<u8> {
        let asks = update(&mut self.model, Msg { at: self.clock.now(), what });
        self.carry_out(asks)
    }

    fn carry_out(&mut self, asks: Vec<Ask>) -> Option<u8> {
        asks.into_iter()
            .map(|ask| carry_out(ask, &self.world, &self.model, &mut self.judge_at))
            .fold(None, Option::or)
    }
}
