//! One life of a container, and how much of its log was told.

use super::choice::{Life, Stage};
use super::cursor::{Cursor, Known, Span};
use super::rotation::Rotation;
use super::stream::News;
use crate::watch::LogMark;

/// What is known of one life while it is read.
pub(super) struct Lived {
    pub id: String,
    pub restarts: u32,
    pub cursor: Cursor,
    /// Not all that was there was read: lines before the first are none that were missed.
    pub is_from_tail: bool,
    /// Lines of this time were told in the belief that they belonged to the life before.
    pub told_before: Option<Span>,
    /// What comes is taken even if it is not the log in which the cursor stands.
    pub takes_others: bool,
    pub rotation: Rotation,
    pub was_open: bool,
    pub broke: Broke,
    /// Read to its end.
    pub is_over: bool,
    /// … and what was read is known to be this life's log.
    pub is_whole: bool,
    pub end_told: bool,
}

#[derive(PartialEq, Eq)]
pub(super) enum Broke {
    No,
    /// An end of the stream that is worth a word only once it is open again.
    Silently,
    Told,
}

impl Lived {
    pub fn new(life: &Life) -> Self {
        Self {
            id: life.id.clone(),
            restarts: life.restarts,
            cursor: Cursor::default(),
            is_from_tail: false,
            told_before: None,
            takes_others: false,
            rotation: Rotation::new(),
            was_open: false,
            broke: Broke::No,
            is_over: false,
            is_whole: false,
            end_told: false,
        }
    }

    /// What needs no telling when its log is opened now.
    pub fn known(&self) -> Known {
        match (self.cursor.has_read(), self.takes_others) {
            (false, _) => self.told_before.map_or(Known::Nothing, Known::Span),
            (true, false) => Known::UpTo(self.cursor),
            (true, true) => Known::UpToWherever(self.cursor),
        }
    }

    /// The time of what was told while it was this life's turn.
    pub fn told(&self) -> Option<Span> {
        let told = self.cursor.span().or(self.told_before)?;
        let from_ns = if self.is_from_tail { i64::MIN } else { told.from_ns };
        Some(Span { from_ns, ..told })
    }

    /// The mark that opening deserves.
    pub fn opened(&mut self) -> Option<LogMark> {
        let broke = std::mem::replace(&mut self.broke, Broke::No);
        match (std::mem::replace(&mut self.was_open, true), broke) {
            (false, _) => Some(LogMark::Opened),
            (true, Broke::No) => None,
            (true, _) => Some(LogMark::Reopened),
        }
    }

    pub fn is_current(&self, news: &News) -> bool {
        matches!(news, News::Life(life) if life.id == self.id)
    }

    pub fn ended_by(&self, news: &News) -> bool {
        matches!(news, News::Life(Life { stage: Stage::Ended { .. } | Stage::Waiting, .. }))
            || !self.is_current(news)
    }
}
