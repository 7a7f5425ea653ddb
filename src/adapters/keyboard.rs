//! The keyboard, read apart from the loop: a loop that is late must not take the repeats of a key held
//! down for presses of their own.
#![expect(clippy::disallowed_methods, reason = "the terminal is read in a task")]

use std::io;

use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::clock::Clock;

/// What is read ahead of the loop; more waits in the terminal.
const AHEAD: usize = 1024;

/// What the terminal sent, and when.
#[derive(Debug)]
pub struct Typed {
    pub came: Timestamp,
    /// `None`: the terminal is gone.
    pub event: Option<io::Result<Event>>,
}

/// Dropping it stops reading.
#[derive(Debug)]
pub struct Keyboard(mpsc::Receiver<Typed>);

impl Keyboard {
    /// Starts reading, on another thread when the runtime has one.
    pub fn read(clock: Clock) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let mut events = EventStream::new();
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = sender.closed() => return,
                };
                let is_over = !matches!(event, Some(Ok(_)));
                if sender.send(Typed { came: clock.now().wall, event }).await.is_err() || is_over {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// What is typed next; never comes once the end of the terminal was told.
    pub async fn next(&mut self) -> Typed {
        match self.0.recv().await {
            Some(typed) => typed,
            None => std::future::pending().await,
        }
    }

    /// What was typed already.
    pub fn at_once(&mut self) -> Option<Typed> {
        self.0.try_recv().ok()
    }
}
