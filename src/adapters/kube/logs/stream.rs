//! One container's log, followed through breaks and restarts.

use std::sync::Arc;
use std::time::Duration;

use futures::AsyncBufReadExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, LogParams};
use tokio::sync::mpsc::{Sender, UnboundedSender};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::Reading;
use super::choice::{Key, Life, Stage};
use super::cursor::Cursor;
use super::lines::Intake;
use super::lived::{Broke, Lived};
use super::rotation::Head;
use crate::adapters::kube::error::{Cause, explain};
use crate::adapters::kube::watches::{backoff, woken};
use crate::watch::{LogBatch, LogLines, LogMark, LogSource};

/// A batch is sent on when it holds this much, or after this long.
pub(super) const BATCH_LINES: usize = 512;
pub(super) const BATCH_BYTES: usize = 128 << 10;
const BATCH_EVERY: Duration = Duration::from_millis(16);
/// A rotated log can fall silent without an end; asking again from the cursor costs one request.
/// One that stays quiet is asked less and less often.
const QUIET_FIRST: Duration = Duration::from_secs(60);
const QUIET_LAST: Duration = Duration::from_secs(300);
const NO_REFUSAL: Duration = Duration::from_secs(1);
pub(super) const AFTER_EOF: Duration = Duration::from_millis(500);
/// The server has begun to serve the container's next life: the watch says so this much later at most.
const STRAY_PATIENCE: Duration = Duration::from_secs(3);

/// What the watches say of the container meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    Life(Life),
    /// The pod is gone.
    Gone,
    /// Others matter more.
    Unfollowed,
}

/// Whether a follower waits without a connection, because its container's life was read to the end.
#[derive(Debug)]
pub(super) struct Resting {
    pub key: Key,
    pub rests: bool,
}

pub(super) struct Follower {
    pub(super) api: Api<Pod>,
    pub(super) key: Key,
    source: Arc<LogSource>,
    pub(super) reading: Reading,
    out: Sender<LogBatch>,
    pub(super) news: watch::Receiver<News>,
    recoveries: watch::Receiver<u64>,
    resting: UnboundedSender<Resting>,
    quiet: Duration,
}

/// The loop is gone, and with it the reason to go on.
#[derive(Debug)]
pub(super) struct Closed;

/// How reading a stream ended.
enum End {
    Eof,
    Quiet,
    Woken,
    /// This is not the log that was to be read on.
    Stray,
    /// The container has a new life, or is no longer ours to follow.
    News,
    Broken(String),
}

/// What a follower is given beside its container.
pub(super) struct Hands {
    pub client: Client,
    pub reading: Reading,
    pub out: Sender<LogBatch>,
    pub recoveries: watch::Receiver<u64>,
    pub resting: UnboundedSender<Resting>,
}

impl Follower {
    pub fn new(key: Key, source: LogSource, news: watch::Receiver<News>, hands: Hands) -> Self {
        let api = Api::namespaced(hands.client, &key.namespace);
        Self {
            api,
            key,
            source: Arc::new(source),
            reading: hands.reading,
            out: hands.out,
            news,
            recoveries: hands.recoveries,
            resting: hands.resting,
            quiet: QUIET_FIRST,
        }
    }

    /// Follows until the pod is gone or others matter more, or reads once what is there;
    /// `was_there`: the pod is older than our interest in it.
    pub async fn run(mut self, was_there: bool) {
        // An error means that nobody listens any more.
        let _ = if self.reading.follow { self.follow(was_there).await } else { self.read_once().await };
    }

    async fn follow(&mut self, was_there: bool) -> Result<(), Closed> {
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
                before => self.next_life(before, &life, is_first && was_there).await?,
            };
            if life.stage != Stage::Waiting && !this.is_over {
                self.one_life(&mut this, is_first && was_there).await?;
            }
            is_first = false;
            if this.is_over || life.stage == Stage::Waiting {
                this.is_over = true;
                self.tell_end(&mut this).await?;
                self.rest(true);
                self.changed().await?;
                self.rest(false);
            }
            lived = Some(this);
        }
    }

    fn rest(&self, rests: bool) {
        // Whoever chooses has gone only when we go too.
        let _ = self.resting.send(Resting { key: self.key.clone(), rests });
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

    /// Waits until the watches say something new.
    async fn changed(&mut self) -> Result<(), Closed> {
        self.news.changed().await.map_err(|_| Closed)
    }

    /// Asks from the cursor; without one, for as much as was wanted of what is `old`.
    pub(super) fn params(&self, cursor: &Cursor, old: bool, previous: bool) -> LogParams {
        let since_time = cursor.since();
        let is_fresh = since_time.is_none() && old;
        LogParams {
            container: Some(self.key.container.clone()),
            follow: self.reading.follow && !previous,
            previous,
            timestamps: true,
            since_time,
            tail_lines: self.reading.tail.filter(|_| is_fresh),
            since_seconds: self.reading.since_s.filter(|_| is_fresh),
            ..LogParams::default()
        }
    }

    /// Reads one life of the container to its end, through every break of the connection.
    async fn one_life(&mut self, this: &mut Lived, mut old: bool) -> Result<(), Closed> {
        let mut n_failures = 0;
        loop {
            let params = self.params(&this.cursor, old, false);
            let (api, pod) = (self.api.clone(), self.key.pod.clone());
            let opening = api.log_stream(&pod, &params);
            // Once it has ended the server may serve the next life in its place.
            let was_alive = !this.ended_by(&self.news.borrow());
            let end = match self.open(this, opening).await? {
                Err(end) => end,
                Ok(stream) => {
                    this.is_from_tail |= params.tail_lines.is_some() || params.since_seconds.is_some();
                    old = false;
                    let before = this.cursor;
                    let end = self.read(this, stream).await?;
                    this.is_whole |= was_alive && !before.has_read();
                    if this.cursor != before {
                        n_failures = 0;
                        this.takes_others = false;
                    }
                    end
                }
            };
            match end {
                End::News => return Ok(()),
                End::Quiet | End::Woken => continue,
                End::Stray => {
                    this.takes_others = true;
                    if self.has_moved_on(this).await? {
                        return Ok(());
                    }
                    continue;
                }
                End::Eof if this.ended_by(&self.news.borrow()) => {
                    this.is_over = true;
                    return Ok(());
                }
                End::Eof => this.broke = Broke::Silently,
                End::Broken(why) => {
                    if this.ended_by(&self.news.borrow()) && n_failures > 0 {
                        // A container that is gone from its node cannot be read any more.
                        (this.is_over, this.is_whole) = (true, false);
                        return self.mark(LogMark::Unreadable { why }).await;
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

    /// Waits for the watches to tell of the container's next life. Without one, the log was rotated.
    async fn has_moved_on(&mut self, this: &Lived) -> Result<bool, Closed> {
        let mut patience = std::pin::pin!(sleep(STRAY_PATIENCE));
        while this.is_current(&self.news.borrow_and_update()) {
            tokio::select! {
                () = &mut patience => return Ok(false),
                changed = self.news.changed() => changed.map_err(|_| Closed)?,
            }
        }
        Ok(true)
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
        let quiet_at = Instant::now() + self.quiet;
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
                    Err(error) => {
                        Ok(Err(End::Broken(refusal(&error).1)))
                    }
                },
                () = &mut moment, if !is_silent => {
                    is_silent = true;
                    if let Some(mark) = this.opened() {
                        self.mark(mark).await?;
                    }
                }
                () = sleep_until(quiet_at) => return Ok(Err(self.fell_quiet())),
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

    fn fell_quiet(&mut self) -> End {
        self.quiet = (self.quiet * 2).min(QUIET_LAST);
        End::Quiet
    }

    async fn read(
        &mut self,
        this: &mut Lived,
        mut stream: impl futures::AsyncBufRead + Unpin,
    ) -> Result<End, Closed> {
        let mut intake = Intake::new(this.known(), self.reading.line_limit);
        this.is_whole = false;
        let mut lines = LogLines::default();
        let mut flush = std::pin::pin!(sleep(Duration::ZERO));
        let mut quiet = std::pin::pin!(sleep(self.quiet));
        let mut heard = false;
        // Clones, so that waiting for them lasts over many chunks: to begin the wait anew for each
        // costs more than the chunk.
        let (mut news, mut recoveries) = (self.news.clone(), self.recoveries.clone());
        let is_from_start = !this.cursor.has_read() && !this.is_from_tail;
        let mut look = std::pin::pin!(sleep_until(this.rotation.came(0)));
        let mut looking: Option<BoxFuture<'static, Head>> = None;
        let end = 'stream: loop {
            let mut changed = std::pin::pin!(news.changed());
            let mut recovered = std::pin::pin!(woken(&mut recoveries));
            loop {
                let is_waiting = !lines.is_empty();
                let chunk = tokio::select! {
                    biased;
                    chunk = stream.fill_buf() => chunk,
                    () = &mut flush, if is_waiting => {
                        self.send(&mut lines).await?;
                        continue;
                    }
                    () = &mut quiet => {
                        if std::mem::take(&mut heard) {
                            self.quiet = QUIET_FIRST;
                            quiet.as_mut().reset(Instant::now() + self.quiet);
                            continue;
                        }
                        break 'stream self.fell_quiet();
                    }
                    () = &mut look, if looking.is_none() && this.rotation.is_due() => {
                        let Key { pod, container, .. } = self.key.clone();
                        let newest_ns = intake.cursor.span().map(|span| span.to_ns);
                        looking = Some(this.rotation.look(self.api.clone(), pod, container, newest_ns));
                        look.as_mut().reset(this.rotation.came(0));
                        continue;
                    }
                    head = async { looking.as_mut().expect("asked for above").await }, if looking.is_some() => {
                        looking = None;
                        if let Some(mark) = this.rotation.found(head) {
                            self.send(&mut lines).await?;
                            self.mark(mark).await?;
                        }
                        continue;
                    }
                    () = &mut recovered => break 'stream End::Woken,
                    changed = &mut changed => {
                        changed.map_err(|_| Closed)?;
                        if this.is_current(&self.news.borrow()) {
                            break;
                        }
                        break 'stream End::News;
                    }
                };
                let chunk = match chunk {
                    Ok([]) => break 'stream End::Eof,
                    Ok(chunk) => chunk,
                    Err(error) => {
                        tracing::debug!("log of {} {}: {error}", self.key.pod, self.key.container);
                        break 'stream End::Broken(Cause::Broken.words().to_owned());
                    }
                };
                let n_bytes = chunk.len();
                heard = true;
                intake.feed(chunk, &mut lines);
                stream.consume_unpin(n_bytes);
                if intake.is_stray() {
                    break 'stream End::Stray;
                }
                if intake.take_gap() {
                    this.rotation.forget();
                    self.mark(rotated()).await?;
                }
                if let Some(first_ns) = intake.first_ns().filter(|_| is_from_start) {
                    this.rotation.begins(first_ns);
                }
                let due = this.rotation.came(n_bytes);
                if due != look.deadline() {
                    look.as_mut().reset(due);
                }
                if lines.len() >= BATCH_LINES || lines.n_bytes() >= BATCH_BYTES {
                    self.send(&mut lines).await?;
                    // A flood never lets the news be looked at above.
                    if !this.is_current(&self.news.borrow()) {
                        break 'stream End::News;
                    }
                } else if !is_waiting {
                    flush.as_mut().reset(Instant::now() + BATCH_EVERY);
                }
            }
        };
        // A line that broke off in the middle comes whole when the stream is opened again; after the
        // container's end nothing more comes.
        if matches!(end, End::Eof) && this.ended_by(&self.news.borrow()) {
            intake.finish(&mut lines);
        }
        this.cursor = intake.cursor;
        this.is_whole = intake.is_same();
        self.send(&mut lines).await?;
        Ok(intake.take_words().map_or(end, End::Broken))
    }

    pub(super) async fn mark(&self, mark: LogMark) -> Result<(), Closed> {
        let (source, lines) = (Arc::clone(&self.source), LogLines::default());
        self.out.send(LogBatch { source, lines, mark: Some(mark) }).await.map_err(|_| Closed)
    }

    /// Hands lines on; a full channel holds the reader back, and nothing is dropped.
    pub(super) async fn send(&self, lines: &mut LogLines) -> Result<(), Closed> {
        if lines.is_empty() {
            return Ok(());
        }
        let next = LogLines::with_capacity(lines.len(), lines.n_bytes());
        let lines = std::mem::replace(lines, next);
        let batch = LogBatch { source: Arc::clone(&self.source), lines, mark: None };
        self.out.send(batch).await.map_err(|_| Closed)
    }
}

pub(super) fn rotated() -> LogMark {
    LogMark::Lost { lines: 0, why: "the log was rotated while the stream was closed".to_owned() }
}

/// Why a log cannot be had, with the server's own sentence where it helps.
pub(super) fn refusal(error: &kube::Error) -> (Cause, String) {
    let (cause, detail) = explain(error);
    let why = match cause {
        Cause::Rejected | Cause::Server | Cause::Forbidden | Cause::Other if !detail.is_empty() => {
            format!("{}: {detail}", cause.words())
        }
        _ => cause.words().to_owned(),
    };
    (cause, why)
}
