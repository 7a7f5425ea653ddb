//! From many followers to one ordered flow of lines.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep_until};

use crate::watch::logs::merge::{LaneId, Merge, Next, Window};
use crate::watch::{LogBatch, Observation};

/// Handed on in one piece at most; a loop behind us counts pieces, not lines.
const MOST_BATCHES: usize = 64;

/// What happened while nothing could be told.
enum Event {
    Opened(Receiver<LogBatch>),
    /// No stream will be opened any more.
    NoMore,
    Told(Vec<(LaneId, Option<LogBatch>)>),
    TimeIsUp,
}

/// Merges what the lanes say until all of them are closed and no more can be opened.
pub(super) async fn run(window: Window, mut opened: Receiver<Receiver<LogBatch>>, out: Sender<Observation>) {
    let start = Instant::now();
    let mut merge = Merge::new(window);
    let mut lanes: Vec<(LaneId, Receiver<LogBatch>)> = Vec::new();
    let mut may_open = true;
    loop {
        let mut told = Vec::new();
        let until = loop {
            match merge.next(start.elapsed()) {
                Next::Tell(batch) if told.len() + 1 < MOST_BATCHES => told.push(batch),
                Next::Tell(batch) => {
                    told.push(batch);
                    break Some(start.elapsed());
                }
                Next::WaitUntil(until) => break Some(until),
                Next::Empty => break None,
            }
        };
        if !told.is_empty() && out.send(Observation::Logs(told)).await.is_err() {
            return;
        }
        if lanes.is_empty() && until.is_none() && !may_open {
            return;
        }
        let event = {
            let mut timer = std::pin::pin!(until.map(|until| sleep_until(start + until)));
            poll_fn(|context| {
                if may_open && let Poll::Ready(lane) = opened.poll_recv(context) {
                    return Poll::Ready(lane.map_or(Event::NoMore, Event::Opened));
                }
                let mut told = Vec::new();
                for (id, lane) in &mut lanes {
                    if merge.wants(*id)
                        && let Poll::Ready(batch) = lane.poll_recv(context)
                    {
                        told.push((*id, batch));
                    }
                }
                if !told.is_empty() {
                    return Poll::Ready(Event::Told(told));
                }
                match timer.as_mut().as_pin_mut() {
                    Some(timer) => timer.poll(context).map(|()| Event::TimeIsUp),
                    None => Poll::Pending,
                }
            })
            .await
        };
        match event {
            Event::Opened(lane) => lanes.push((merge.open(start.elapsed()), lane)),
            Event::NoMore => may_open = false,
            Event::TimeIsUp => {}
            Event::Told(batches) => {
                for (id, batch) in batches {
                    match batch {
                        Some(batch) => merge.push(id, batch, start.elapsed()),
                        None => {
                            merge.close(id);
                            lanes.retain(|(known, _)| *known != id);
                        }
                    }
                }
            }
        }
    }
}
