//! Logs that do not grow any more: those of lives that are over, and those that are read once.

use std::time::Duration;

use futures::AsyncBufReadExt as _;
use kube::api::LogParams;
use tokio::time::{Instant, sleep, timeout};

use super::choice::{Life, Stage};
use super::cursor::{Cursor, Known};
use super::lines::Intake;
use super::lived::Lived;
use super::stream::{AFTER_EOF, BATCH_BYTES, BATCH_LINES, Closed, Follower, News, refusal, rotated};
use crate::adapters::kube::error::Cause;
use crate::adapters::kube::watches::backoff;
use crate::watch::{LogLines, LogMark};

/// Of a life that ended unseen: its last words, and what led to them.
const TAIL_BEFORE_CRASH: i64 = 1000;
const PATIENCE: Duration = Duration::from_secs(10);
/// A log that is read once is asked for again so many times when it breaks off.
const TRIES_ONCE: u32 = 5;
/// The kubelet removes a dead container a moment before it tells whose life is the one before, and
/// refuses meanwhile.
const TRIES_PREVIOUS: u32 = 5;

impl Follower {
    /// Reads what the server has, once.
    pub(super) async fn read_once(&mut self) -> Result<(), Closed> {
        let mut cursor = Cursor::default();
        let mut n_failures = 0;
        loop {
            let params = self.params(&cursor, true, self.reading.previous);
            let before = cursor;
            let known = if cursor.has_read() { Known::UpToWherever(cursor) } else { Known::Nothing };
            let mut intake = Intake::new(known, self.reading.line_limit);
            let read = self.read_to_end(&params, &mut intake).await?;
            cursor = intake.cursor;
            match read {
                Ok(_) => return Ok(()),
                Err((cause, why)) => {
                    n_failures = if cursor == before { n_failures + 1 } else { 0 };
                    let is_final = matches!(cause, Cause::Forbidden | Cause::NotFound | Cause::Rejected);
                    if is_final || n_failures == TRIES_ONCE {
                        return self.mark(LogMark::Unreadable { why }).await;
                    }
                    self.mark(LogMark::Retrying { why }).await?;
                    sleep(backoff(n_failures)).await;
                }
            }
        }
    }

    /// Turns to a life that was not followed yet, and reads what is missing of the one before.
    pub(super) async fn next_life(
        &self,
        before: Option<Lived>,
        life: &Life,
        old: bool,
    ) -> Result<Lived, Closed> {
        let mut this = Lived::new(life);
        // The server may have begun to serve this life while we still asked for the one before.
        this.told_before = before.as_ref().and_then(Lived::told);
        let is_wanted = !old || self.reading.before_us || life.stage == Stage::Waiting;
        if life.last_end.is_none() || !is_wanted {
            return Ok(this);
        }
        if life.stage == Stage::Waiting {
            // It lived and died unseen; the server still calls it by its own id.
            self.last_words(&mut this, old, false).await?;
            return Ok(this);
        }
        let n_unseen = before.as_ref().map_or(0, |before| life.restarts.saturating_sub(before.restarts + 1));
        if n_unseen > 0 {
            let why = format!("the container lived and ended {n_unseen} times between two looks");
            self.mark(LogMark::Lost { lines: 0, why }).await?;
        }
        // What was read of the life before is known only if that is the very one.
        let known = before.filter(|before| before.restarts + 1 == life.restarts);
        let mut ended = known.unwrap_or_else(|| Lived { told_before: this.told_before, ..Lived::new(life) });
        // An answer that could only repeat what was told is not waited for.
        if !(ended.is_over && ended.is_whole) {
            // By the time of its lines it was this life that was read to an end, though not for certain.
            let is_likely_whole = ended.is_over
                && ended.cursor.has_read()
                && life.last_end_s.is_some_and(|second| ended.cursor.ends_by(second));
            self.last_words(&mut ended, old, is_likely_whole).await?;
        }
        let (exit_code, reason) = life.last_end.clone().unzip();
        self.mark(LogMark::Restarted { exit_code, reason: reason.unwrap_or_default() }).await?;
        Ok(this)
    }

    /// Reads a log that does not grow any more as far as it comes, and says how many lines were new.
    async fn read_to_end(
        &self,
        params: &LogParams,
        intake: &mut Intake,
    ) -> Result<Result<usize, (Cause, String)>, Closed> {
        let silent = || (Cause::TimedOut, Cause::TimedOut.words().to_owned());
        let mut stream = match timeout(PATIENCE, self.api.log_stream(&self.key.pod, params)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Ok(Err(refusal(&error))),
            Err(_) => return Ok(Err(silent())),
        };
        let (mut lines, mut n_lines) = (LogLines::default(), 0);
        let mut patience = std::pin::pin!(sleep(PATIENCE));
        let mut heard = false;
        let done = loop {
            let chunk = tokio::select! {
                biased;
                chunk = stream.fill_buf() => chunk,
                () = &mut patience => {
                    if !std::mem::take(&mut heard) {
                        break Err(silent());
                    }
                    patience.as_mut().reset(Instant::now() + PATIENCE);
                    continue;
                }
            };
            match chunk {
                Ok([]) => {
                    intake.finish(&mut lines);
                    break Ok(());
                }
                Ok(chunk) => {
                    let n_bytes = chunk.len();
                    heard = true;
                    intake.feed(chunk, &mut lines);
                    stream.consume_unpin(n_bytes);
                }
                Err(error) => {
                    tracing::debug!("log of {} {}: {error}", self.key.pod, self.key.container);
                    break Err((Cause::Broken, Cause::Broken.words().to_owned()));
                }
            }
            if intake.take_gap() {
                self.mark(rotated()).await?;
            }
            if lines.len() >= BATCH_LINES || lines.n_bytes() >= BATCH_BYTES {
                n_lines += lines.len();
                self.send(&mut lines).await?;
                // Waiting for the reader behind us is no silence of the server.
                heard = true;
            }
        };
        n_lines += lines.len();
        self.send(&mut lines).await?;
        let words = intake.take_words();
        Ok(done.and_then(|()| words.map_or(Ok(n_lines), |words| Err((Cause::Answer, words)))))
    }

    /// Reads what a dead container said last and was not read yet: the reason of a crash stands
    /// there or nowhere. That it cannot be read is worth a word unless it was read before.
    async fn last_words(&self, ended: &mut Lived, old: bool, is_likely_whole: bool) -> Result<(), Closed> {
        let mut n_failures = 0;
        loop {
            let why = match self.try_last_words(ended, old).await? {
                Ok(None) => return Ok(()),
                Ok(Some(mark)) => return self.mark(mark).await,
                Err((_, why)) => why,
            };
            n_failures += 1;
            let is_wanted = matches!(&*self.news.borrow(), News::Life(_));
            if n_failures == TRIES_PREVIOUS && is_likely_whole {
                return Ok(());
            }
            if n_failures == TRIES_PREVIOUS || !is_wanted {
                let why = format!("the last words of the life before cannot be read: {why}");
                return self.mark(LogMark::Lost { lines: 0, why }).await;
            }
            sleep(backoff(n_failures).max(AFTER_EOF)).await;
        }
    }

    /// The mark that is due afterwards, if any.
    async fn try_last_words(
        &self,
        ended: &mut Lived,
        old: bool,
    ) -> Result<Result<Option<LogMark>, (Cause, String)>, Closed> {
        let read = ended.cursor;
        if read.has_read() {
            let mut intake = Intake::new(Known::UpTo(read), self.reading.line_limit);
            let done = self.read_to_end(&self.params(&read, old, true), &mut intake).await?;
            ended.cursor = intake.cursor;
            match done {
                Err(why) => return Ok(Err(why)),
                Ok(_) if intake.is_same() => return Ok(Ok(None)),
                // It was rotated; or what was read was the next life already.
                Ok(_) => {}
            }
        }
        let known = ended.told();
        let mut params = self.params(&Cursor::default(), old, true);
        params.tail_lines = Some(params.tail_lines.map_or(TAIL_BEFORE_CRASH, |n| n.min(TAIL_BEFORE_CRASH)));
        let mut intake = Intake::new(known.map_or(Known::Nothing, Known::Span), self.reading.line_limit);
        let done = self.read_to_end(&params, &mut intake).await?;
        if intake.cursor.has_read() {
            ended.cursor = intake.cursor;
        }
        Ok(done.map(|n_lines| {
            if read.has_read()
                && known.is_some_and(|known| intake.first_ns().is_none_or(|ns| ns > known.to_ns))
            {
                return Some(rotated());
            }
            let is_whole = old || n_lines < TAIL_BEFORE_CRASH as usize;
            let why = format!("of the life before, only its last {TAIL_BEFORE_CRASH} lines were read");
            (!is_whole).then_some(LogMark::Lost { lines: 0, why })
        }))
    }
}
