//! The file that holds head and tail of a command's output, for the record and after a crash.
//!
//! One line each: `out| text` or `err| text`, with `+` in place of `|` when it goes on the line
//! before it, and `cut| 14 lines, 28 bytes` where the middle is missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::output::Kept;

/// The end of a command does not wait longer than this for a slow disk.
const DISK_PATIENCE: Duration = Duration::from_secs(2);

/// What the output file should hold; the writer takes the newest and skips what it missed.
#[derive(Default)]
struct Contents {
    /// Grows at its end only.
    head: String,
    tail: String,
}

/// The file's writer has a thread of the blocking pool, so that a slow disk slows nothing down.
pub(super) struct OutputFile {
    path: PathBuf,
    contents: watch::Sender<Contents>,
    head_lines: usize,
    writer: JoinHandle<std::io::Result<()>>,
}

impl OutputFile {
    pub(super) fn open(path: PathBuf) -> Self {
        let (contents, news) = watch::channel(Contents::default());
        let writer = tokio::spawn(keep_written(path.clone(), news));
        Self { path, contents, head_lines: 0, writer }
    }

    /// Lets the writer know what is kept by now; never waits.
    pub(super) fn offer(&mut self, kept: &Kept) {
        let more = kept.head_text(self.head_lines);
        self.head_lines = kept.head.len();
        let tail = kept.tail_text();
        self.contents.send_modify(|contents| {
            contents.head.push_str(&more);
            contents.tail = tail;
        });
    }

    /// Answers why the file is missing or short, if it is.
    pub(super) async fn close(self) -> Option<String> {
        drop(self.contents);
        let path = self.path.display();
        match tokio::time::timeout(DISK_PATIENCE, self.writer).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(format!("output file {path}: {error}")),
            Ok(Err(error)) => Some(format!("output file {path}: {error}")),
            Err(_) => Some(format!("output file {path}: the disk did not answer in time")),
        }
    }
}

/// The head is appended; the tail behind it is written anew, because its beginning moves.
async fn keep_written(path: PathBuf, mut news: watch::Receiver<Contents>) -> std::io::Result<()> {
    let mut file = Some(open_private(&path)?);
    let mut head_written = 0;
    loop {
        let over = news.changed().await.is_err();
        let (head, tail) = {
            let contents = news.borrow_and_update();
            (contents.head[head_written..].to_owned(), contents.tail.clone())
        };
        let at = head_written as u64;
        head_written += head.len();
        let mut open = file.take().expect("the writer gives the file back");
        let written = tokio::task::spawn_blocking(move || -> std::io::Result<std::fs::File> {
            use std::io::{Seek, SeekFrom, Write};
            open.set_len(at)?;
            open.seek(SeekFrom::Start(at))?;
            open.write_all(head.as_bytes())?;
            open.write_all(tail.as_bytes())?;
            Ok(open)
        });
        file = Some(written.await.map_err(std::io::Error::other)??);
        if over {
            return Ok(());
        }
    }
}

fn open_private(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // The mode above only counts for a file that is new.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}
