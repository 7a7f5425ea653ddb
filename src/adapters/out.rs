//! Standard output for a flood: written on a thread of its own, so that a reader who pauses, such as
//! a pager, holds up the lines and nothing else.
#![expect(clippy::disallowed_methods, reason = "a blocking write needs a thread")]

use std::io::Write;
use std::thread::JoinHandle;

use tokio::sync::mpsc::{Sender, channel};

/// Pieces that wait to be written.
const WAITING: usize = 2;

/// Nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderGone;

/// Writes pieces in order. See the module.
#[derive(Debug)]
pub struct Out {
    pieces: Sender<Vec<u8>>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Out {
    /// Begins to write to `to`, such as standard output.
    pub fn new(mut to: impl Write + Send + 'static) -> Self {
        let (pieces, mut waiting) = channel::<Vec<u8>>(WAITING);
        let thread = std::thread::spawn(move || {
            while let Some(piece) = waiting.blocking_recv() {
                to.write_all(&piece)?;
                if waiting.is_empty() {
                    to.flush()?;
                }
            }
            to.flush()
        });
        Self { pieces, thread }
    }

    /// Hands on a piece; waits while the reader is slow.
    pub async fn write(&self, piece: Vec<u8>) -> Result<(), ReaderGone> {
        self.pieces.send(piece).await.map_err(|_| ReaderGone)
    }

    /// Waits until all is written.
    ///
    /// - Errors: what the system said; a reader who left, such as `head`, is none.
    pub fn finish(self) -> std::io::Result<()> {
        drop(self.pieces);
        match self.thread.join() {
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            // A panic there was told by its hook.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};

    use super::*;

    fn piped() -> (PipeReader, Out) {
        let (reader, writer) = pipe().unwrap();
        (reader, Out::new(writer))
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_whole() {
        let (mut reader, out) = piped();
        out.write(b"one\n".to_vec()).await.unwrap();
        out.write(b"two\n".to_vec()).await.unwrap();
        out.finish().unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "one\ntwo\n");
    }

    #[tokio::test]
    async fn a_reader_who_left_is_noticed_and_no_error() {
        let (reader, out) = piped();
        drop(reader);
        while out.write(b"x\n".to_vec()).await.is_ok() {
            tokio::task::yield_now().await;
        }
        out.finish().unwrap();
    }
}
