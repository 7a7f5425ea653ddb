//! One container's log, followed through breaks and restarts.

use std::time::Duration;

use futures::AsyncBufReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, LogParams};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::choice::{Key, Life, Stage};
use super::lines::{Cursor, Resumed, Splitter};
use crate::adapters::kube::error::explain;
use crate::adapters::kube::watches::{backoff, woken};
use crate::watch::{LogBatch, LogLine, LogMark, LogSource, Observation};

/// Enough to see what a long-lived pod is doing when we come.
const TAIL_AT_START: i64 = 200;
/// The last words before a crash.
const TAIL_BEFORE_CRASH: i64 = 50;
const BATCH_LINES: usize = 512;
const BATCH_EVERY: Duration = Duration::from_millis(16);
/// A rotated log can fall silent without an end; asking again from the cursor costs nothing.
const QUIET: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(10);
const NO_REFUSAL: Duration = Duration::from_secs(1);
const AFTER_EOF: Duration = Duration::from_millis(500);

/// What the watches say of the container meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    Life(Life),
    /// The pod is gone.
    Gone,
    /// Others matter more.
    Unfollowed,
}

pub(super) struct Follower {
    api: Api<Pod>,
    pod: String,
    source: LogSource,
    out: Sender<Observation>,
    news: watch::Receiver<News>,
    recoveries: watch::Receiver<u64>,
}

/// The loop is gone, and with it the reason to go on.
struct Closed;

/// How reading a stream ended.
enum End {
    Eof,
    Quiet,
    Woken,
    /// The container has a new life, or is no longer ours to follow.
    News,
    Broken(String),
}

impl Follower {
    pub fn new(
        client: Client,
        key: &Key,
        source: LogSource,
        out: Sender<Observation>,
        news: watch::Receiver<News>,
        recoveries: watch::Receiver<u64>,
    ) -> Self {
        let api = Api::namespaced(client, &key.namespace);
        Self { api, pod: key.pod.clone(), source, out, news, recoveries }
    }

    /// Follows until the pod is gone or others matter more; `tail` shortens what came before us.
    pub async fn run(mut self, tail: bool) {
        // An error means that nobody listens any more.
        let _ = self.follow(tail).await;
    }

    async fn follow(&mut self, tail: bool) -> Result<(), Closed> {
        let mut lived: Option<Lived> = None;
        let mut is_first = true;
        loop {
            let news = self.news.borrow_and_update().clone();
            let life = match news {
                News::Life(life) => life,
                News::Gone => return self.mark(LogMark::Ended { why: "pod is gone".into() }).await,
                News::Unfollowed => {
                    let why = "no longer followed: other pods matter more".to_owned();
                    return self.mark(LogMark::Ended { why }).await;
                }
            };
            let is_same = lived.as_ref().is_some_and(|lived| lived.id == life.id);
            let mut this = match lived.take() {
                Some(this) if is_same => this,
                before => self.next_life(before, &life).await?,
            };
            if life.stage != Stage::Waiting && !this.is_over {
                let tail = (is_first && tail).then_some(TAIL_AT_START);
                self.one_life(&mut this, tail).await?;
            }
            is_first = false;
            if this.is_over || life.stage == Stage::Waiting {
                this.is_over = true;
                self.tell_end(&mut this).await?;
                self.changed().await?;
            }
            lived = Some(this);
        }
    }

    /// Says once how a life ended, if the watches know it by now.
    async fn tell_end(&self, this: &mut Lived) -> Result<(), Closed> {
        let end = match &*self.news.borrow() {
            News::Life(life) if life.id == this.id => match &life.stage {
                Stage::Ended { exit_code, reason } => Some((*exit_code, reason.clone())),
                Stage::Waiting => life.last_end.clone(),
                Stage::Running => None,
            },
            _ => None,
        };
        match end {
            Some((exit_code, reason)) if !std::mem::replace(&mut this.end_told, true) => {
                let why = format!("container ended, {reason} exit {exit_code}");
                self.mark(LogMark::Ended { why }).await
            }
            _ => Ok(()),
        }
    }

    /// Turns to a life that was not followed yet, and reads what is missing of the one before.
    async fn next_life(&self, before: Option<Lived>, life: &Life) -> Result<Lived, Closed> {
        let mut this = Lived::new(life);
        if life.last_end.is_none() {
            return Ok(this);
        }
        if life.stage == Stage::Waiting {
            // It lived and died unseen; the server still calls it by its own id.
            this.cursor = self.last_words(Cursor::default(), None).await?;
            return Ok(this);
        }
        // What was read of the life before is known only if that is the very one.
        let known = before.filter(|before| before.restarts + 1 == life.restarts);
        let cursor = known.map(|before| before.cursor).unwrap_or_default();
        let (exit_code, reason) = life.last_end.clone().unzip();
        let mark = LogMark::Restarted { exit_code, reason: reason.unwrap_or_default() };
        self.last_words(cursor, Some(mark)).await?;
        Ok(this)
    }

    /// Waits until the watches say something new.
    async fn changed(&mut self) -> Result<(), Closed> {
        self.news.changed().await.map_err(|_| Closed)
    }

    /// Reads one life of the container to its end, through every break of the connection.
    async fn one_life(&mut self, this: &mut Lived, tail: Option<i64>) -> Result<(), Closed> {
        let mut n_failures = 0;
        let mut tail = tail;
        loop {
            let params = LogParams {
                container: Some(self.source.container.clone()),
                follow: true,
                timestamps: true,
                since_time: this.cursor.since(),
                tail_lines: tail.filter(|_| this.cursor.since().is_none()),
                ..LogParams::default()
            };
            let (api, pod) = (self.api.clone(), self.pod.clone());
            let opening = api.log_stream(&pod, &params);
            let end = match self.open(this, opening).await? {
                Err(end) => end,
                Ok(stream) => {
                    tail = None;
                    let before = this.cursor;
                    let end = self.read(this, stream).await?;
                    if this.cursor != before {
                        n_failures = 0;
                    }
                    end
                }
            };
            match end {
                End::News => return Ok(()),
                End::Quiet | End::Woken => continue,
                End::Eof if this.ended_by(&self.news.borrow()) => {
                    this.is_over = true;
                    return Ok(());
                }
                End::Eof => this.broke = Broke::Silently,
                End::Broken(why) => {
                    if this.ended_by(&self.news.borrow()) && n_failures > 0 {
                        // A container that is gone from its node cannot be read any more.
                        this.is_over = true;
                        return Ok(());
                    }
                    if this.broke != Broke::Told {
                        this.broke = Broke::Told;
                        self.mark(LogMark::Retrying { why }).await?;
                    }
                }
            }
            n_failures += 1;
            // The end of a stream often runs ahead of the watch that tells why.
            let pause = backoff(n_failures).max(AFTER_EOF);
            tokio::select! {
                () = sleep(pause) => {}
                () = woken(&mut self.recoveries) => {}
                changed = self.news.changed() => changed.map_err(|_| Closed)?,
            }
            if !this.is_current(&self.news.borrow()) {
                return Ok(());
            }
        }
    }

    /// Waits for the answer to a request for a log.
    ///
    /// The server sends not even a header before the first line: after a moment without a refusal
    /// the stream counts as open, and as silent.
    async fn open<S>(
        &mut self,
        this: &mut Lived,
        opening: impl Future<Output = Result<S, kube::Error>>,
    ) -> Result<Result<S, End>, Closed> {
        let mut opening = std::pin::pin!(opening);
        let mut moment = std::pin::pin!(sleep(NO_REFUSAL));
        let mut is_silent = false;
        let quiet_at = Instant::now() + QUIET;
        loop {
            tokio::select! {
                biased;
                opened = &mut opening => return match opened {
                    Ok(stream) => {
                        if let Some(mark) = this.opened() {
                            self.mark(mark).await?;
                        }
                        Ok(Ok(stream))
                    }
                    Err(error) => Ok(Err(End::Broken(explain(&error).0.words().to_owned()))),
                },
                () = &mut moment, if !is_silent => {
                    is_silent = true;
                    if let Some(mark) = this.opened() {
                        self.mark(mark).await?;
                    }
                }
                () = sleep_until(quiet_at) => return Ok(Err(End::Quiet)),
                () = woken(&mut self.recoveries) => return Ok(Err(End::Woken)),
                changed = self.news.changed() => {
                    changed.map_err(|_| Closed)?;
                    if !this.is_current(&self.news.borrow()) {
                        return Ok(Err(End::News));
                    }
                }
            }
        }
    }

    async fn read(
        &mut self,
        this: &mut Lived,
        mut stream: impl futures::AsyncBufRead + Unpin,
    ) -> Result<End, Closed> {
        let mut splitter = Splitter::default();
        let mut resume = this.cursor.resume();
        let mut lines: Vec<LogLine> = Vec::new();
        let mut flush_at = Instant::now();
        let mut quiet_at = Instant::now() + QUIET;
        let end = loop {
            let is_waiting = !lines.is_empty();
            let chunk = tokio::select! {
                biased;
                chunk = stream.fill_buf() => chunk,
                () = sleep_until(flush_at), if is_waiting => {
                    self.send(&mut lines, None).await?;
                    continue;
                }
                () = sleep_until(quiet_at) => break End::Quiet,
                () = woken(&mut self.recoveries) => break End::Woken,
                changed = self.news.changed() => {
                    changed.map_err(|_| Closed)?;
                    if this.is_current(&self.news.borrow()) {
                        continue;
                    }
                    break End::News;
                }
            };
            let chunk = match chunk {
                Ok([]) => break End::Eof,
                Ok(chunk) => chunk,
                Err(error) => break End::Broken(error.to_string()),
            };
            let n_bytes = chunk.len();
            let mut gap = false;
            splitter.feed(chunk, |line| match resume.judge(&line) {
                Resumed::Known => {}
                judged => {
                    gap |= judged == Resumed::NewAfterGap;
                    this.cursor.advance(&line);
                    lines.push(line);
                }
            });
            stream.consume_unpin(n_bytes);
            quiet_at = Instant::now() + QUIET;
            if gap {
                let why = "the log was rotated while the stream was closed".to_owned();
                self.mark(LogMark::Lost { lines: 0, why }).await?;
            }
            if !is_waiting {
                flush_at = Instant::now() + BATCH_EVERY;
            }
            if lines.len() >= BATCH_LINES || Instant::now() >= flush_at {
                self.send(&mut lines, None).await?;
                // A flood never lets the news be looked at above.
                if !this.is_current(&self.news.borrow()) {
                    break End::News;
                }
            }
        };
        // A line that broke off in the middle comes whole when the stream is opened again; after the
        // container's end nothing more comes.
        if matches!(end, End::Eof) && this.ended_by(&self.news.borrow()) {
            splitter.finish(|line| {
                if resume.judge(&line) != Resumed::Known {
                    this.cursor.advance(&line);
                    lines.push(line);
                }
            });
        }
        self.send(&mut lines, None).await?;
        Ok(end)
    }

    /// Reads what a dead container said last, from the cursor on: the reason of a crash stands
    /// there or nowhere.
    async fn last_words(&self, mut cursor: Cursor, mark: Option<LogMark>) -> Result<Cursor, Closed> {
        let params = LogParams {
            container: Some(self.source.container.clone()),
            previous: true,
            timestamps: true,
            since_time: cursor.since(),
            tail_lines: cursor.since().is_none().then_some(TAIL_BEFORE_CRASH),
            ..LogParams::default()
        };
        let mut lines = Vec::new();
        // What cannot be read any more is no reason to keep the operator from the rest.
        if let Ok(Ok(text)) = timeout(PATIENCE, self.api.logs(&self.pod, &params)).await {
            let mut resume = cursor.resume();
            let mut splitter = Splitter::default();
            let mut each = |line: LogLine| {
                if resume.judge(&line) != Resumed::Known {
                    cursor.advance(&line);
                    lines.push(line);
                }
            };
            splitter.feed(text.as_bytes(), &mut each);
            splitter.finish(&mut each);
        }
        self.send(&mut lines, mark).await?;
        Ok(cursor)
    }

    async fn mark(&self, mark: LogMark) -> Result<(), Closed> {
        self.send(&mut Vec::new(), Some(mark)).await
    }

    /// Hands lines on; a full channel holds the reader back, and nothing is dropped.
    async fn send(&self, lines: &mut Vec<LogLine>, mark: Option<LogMark>) -> Result<(), Closed> {
        if lines.is_empty() && mark.is_none() {
            return Ok(());
        }
        let batch = LogBatch { source: self.source.clone(), lines: std::mem::take(lines), mark };
        self.out.send(Observation::Logs(vec![batch])).await.map_err(|_| Closed)
    }
}

/// What is known of one life while it is read.
struct Lived {
    id: String,
    restarts: u32,
    cursor: Cursor,
    was_open: bool,
    broke: Broke,
    /// Read to its end.
    is_over: bool,
    end_told: bool,
}

#[derive(PartialEq, Eq)]
enum Broke {
    No,
    /// An end of the stream that is worth a word only once it is open again.
    Silently,
    Told,
}

impl Lived {
    fn new(life: &Life) -> Self {
        Self {
            id: life.id.clone(),
            restarts: life.restarts,
            cursor: Cursor::default(),
            was_open: false,
            broke: Broke::No,
            is_over: false,
            end_told: false,
        }
    }

    /// The mark that opening deserves.
    fn opened(&mut self) -> Option<LogMark> {
        let broke = std::mem::replace(&mut self.broke, Broke::No);
        match (std::mem::replace(&mut self.was_open, true), broke) {
            (false, _) => Some(LogMark::Opened),
            (true, Broke::No) => None,
            (true, _) => Some(LogMark::Reopened),
        }
    }

    fn is_current(&self, news: &News) -> bool {
        matches!(news, News::Life(life) if life.id == self.id)
    }

    fn ended_by(&self, news: &News) -> bool {
        matches!(news, News::Life(Life { stage: Stage::Ended { .. } | Stage::Waiting, .. }))
            || !self.is_current(news)
    }
}
