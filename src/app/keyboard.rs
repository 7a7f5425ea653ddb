//! The keyboard, read apart from the loop: a loop that is late must not take the repeats of a key held
//! down for presses of their own.

use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::msg::What;
use crate::adapters::clock::Clock;

/// What the loop has not taken yet; more waits in the terminal.
const WAITING: usize = 1024;

/// Dropping it stops reading.
#[derive(Debug)]
pub struct Keyboard(mpsc::Receiver<What>);

impl Keyboard {
    /// Starts reading, on another thread when the runtime has one.
    pub fn read(clock: Clock) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut events = EventStream::new();
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = sender.closed() => return,
                };
                let is_over = !matches!(event, Some(Ok(_)));
                if sender.send(of_terminal(event, clock.now().wall)).await.is_err() || is_over {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// What is typed next; waits for ever once the terminal is gone and that was told.
    pub async fn next(&mut self) -> What {
        match self.0.recv().await {
            Some(what) => what,
            None => std::future::pending().await,
        }
    }

    /// What was typed already.
    pub fn at_once(&mut self) -> Option<What> {
        self.0.try_recv().ok()
    }
}

fn of_terminal(event: Option<std::io::Result<Event>>, came: Timestamp) -> What {
    match event {
        Some(Ok(Event::Key(event))) => What::Key { event, came },
        Some(Ok(Event::Paste(text))) => What::Paste(text),
        Some(Ok(Event::Resize(columns, rows))) => What::Resize(columns, rows),
        // Focus and mouse are not asked for; what comes all the same changes nothing.
        Some(Ok(_)) => What::Judge,
        Some(Err(error)) => What::Leave { why: format!("the terminal cannot be read: {error}") },
        None => What::Leave { why: "the terminal is gone".to_owned() },
    }
}
