//! A command that has a terminal of its own: a pseudo-terminal, a screen of ours that reads what it
//! prints, and a way in for keys.
//!
//! What it prints ends in this screen: nothing of it, no title, no clipboard, no colour that stays,
//! reaches the terminal that the cockpit is drawn on. What is typed goes in and is kept nowhere; the
//! few questions that programs ask a terminal are answered by this screen, from what it knows itself.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::watch::{TerminalInk, TerminalLook, TerminalRun, TerminalScreen};
use crate::workflow::Secrets;

/// What programs in it are told that it is; the screen below understands that much.
pub(super) const TERM: &str = "xterm-256color";

/// Before the pane was drawn for the first time. Columns, rows.
pub(super) const FIRST_SIZE: (u16, u16) = (80, 24);

/// Beyond this a pane is no pane, and a screen no small thing to send.
const LARGEST: u16 = 500;

/// Reads that wait for the loop; then the command waits, as on any terminal.
const CHUNKS: usize = 16;
const CHUNK: usize = 16 * 1024;

/// Keys that wait for a command that reads none.
const KEYS: usize = 64;

/// Types into one command's terminal and tells it how large it is; may be kept after its end.
#[derive(Clone)]
pub struct Terminal {
    keys: std::sync::mpsc::SyncSender<Vec<u8>>,
    master: Arc<Mutex<Box<dyn MasterPty + Send>>>,
    /// The size that the screen has to follow. Columns, rows.
    size: tokio::sync::watch::Sender<(u16, u16)>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl Terminal {
    /// Types `bytes`; whether they were taken. A command that reads nothing takes no more after a while.
    pub fn type_in(&self, bytes: Vec<u8>) -> bool {
        self.keys.try_send(bytes).is_ok()
    }

    /// Columns and rows; programs in it are told by `SIGWINCH`.
    pub fn resize(&self, columns: u16, rows: u16) {
        let to = (columns.clamp(1, LARGEST), rows.clamp(1, LARGEST));
        let is_new = self.size.send_if_modified(|size| std::mem::replace(size, to) != to);
        if !is_new {
            return;
        }
        let master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = master.resize(size_of(to)) {
            tracing::warn!(%error, "the command's terminal keeps its size");
        }
    }
}

/// A child in a terminal, on its way into a pump.
pub(super) struct Spawned {
    pub(super) pid: u32,
    /// How it ended, once.
    pub(super) ended: oneshot::Receiver<ExitStatus>,
    pub(super) output: FromThread,
    pub(super) view: View,
    pub(super) terminal: Terminal,
}

/// Starts a command in a new terminal, as the leader of a session that the terminal belongs to.
pub(super) fn spawn(command: CommandBuilder, size: (u16, u16)) -> std::io::Result<Spawned> {
    let other = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    let pair = native_pty_system().openpty(size_of(size)).map_err(|error| other(&error))?;
    let child = pair.slave.spawn_command(command).map_err(|error| other(&error))?;
    // With our own end of it open, the terminal would never be told to be at its end.
    drop(pair.slave);
    let pid = child.process_id().ok_or_else(|| std::io::Error::other("it has no process id"))?;
    let child: Box<dyn portable_pty::Child> = child;
    let mut child = child
        .downcast::<std::process::Child>()
        .map_err(|_| std::io::Error::other("the end of this child cannot be told"))?;
    let mut reader = pair.master.try_clone_reader().map_err(|error| other(&error))?;
    let mut writer = pair.master.take_writer().map_err(|error| other(&error))?;

    let (tell_end, ended) = oneshot::channel();
    let (bytes, chunks) = mpsc::channel::<Vec<u8>>(CHUNKS);
    let (keys, typed) = std::sync::mpsc::sync_channel::<Vec<u8>>(KEYS);
    // Threads of their own: each waits in the kernel, for longer than the runtime's would like.
    std::thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            if bytes.blocking_send(buffer.get(..n).unwrap_or_default().to_vec()).is_err() {
                break;
            }
        }
    });
    let (over, is_over) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let status = child.wait();
        if let Ok(status) = status {
            let _ = tell_end.send(status);
        }
        drop(over);
    });
    std::thread::spawn(move || {
        while let Ok(bytes) = typed.recv() {
            if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() {
                break;
            }
        }
        // Letting go of the writer types a line end: nobody may read it who did not ask for it.
        let _ = is_over.recv();
    });
    let (watch_size, sized) = tokio::sync::watch::channel(size);
    let view = View::new(size, sized, keys.clone());
    let terminal = Terminal { keys, master: Arc::new(Mutex::new(pair.master)), size: watch_size };
    let output = FromThread { chunks, rest: Vec::new(), taken: 0 };
    Ok(Spawned { pid, ended, output, view, terminal })
}

fn size_of((columns, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

/// What a thread reads, for those who wait without one.
pub(super) struct FromThread {
    chunks: mpsc::Receiver<Vec<u8>>,
    rest: Vec<u8>,
    taken: usize,
}

impl AsyncRead for FromThread {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.taken == self.rest.len() {
            match self.chunks.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(chunk)) => (self.rest, self.taken) = (chunk, 0),
            }
        }
        let n = into.remaining().min(self.rest.len() - self.taken);
        let from = self.taken;
        into.put_slice(self.rest.get(from..from + n).unwrap_or_default());
        self.taken += n;
        Poll::Ready(Ok(()))
    }
}

/// The screen that reads what the command prints.
pub(super) struct View {
    parser: vt100::Parser<Answers>,
    /// The way in, for answers of the screen itself.
    keys: std::sync::mpsc::SyncSender<Vec<u8>>,
    size: tokio::sync::watch::Receiver<(u16, u16)>,
    shown: TerminalScreen,
}

impl View {
    fn new(
        size: (u16, u16),
        sized: tokio::sync::watch::Receiver<(u16, u16)>,
        keys: std::sync::mpsc::SyncSender<Vec<u8>>,
    ) -> Self {
        let (rows, columns) = (at_least_one(size.1), at_least_one(size.0));
        // What scrolls away is in the record of the command, so the screen keeps none of it.
        let parser = vt100::Parser::new_with_callbacks(rows, columns, 0, Answers::default());
        Self { parser, keys, size: sized, shown: TerminalScreen::default() }
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.follow_size();
        self.parser.process(bytes);
        let answers = std::mem::take(&mut self.parser.callbacks_mut().0);
        // Whoever asks and does not read gets no more after a while, like one who is typed to.
        if !answers.is_empty() && self.keys.try_send(answers).is_err() {
            tracing::debug!("the command asks its terminal and reads no answers");
        }
    }

    /// Ends when the screen has another size than before.
    pub(super) async fn resized(&mut self) {
        if self.size.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The screen as it is, if it is not as it was told before.
    pub(super) fn news(&mut self, secrets: &Secrets) -> Option<TerminalScreen> {
        self.follow_size();
        let screen = screen_of(self.parser.screen(), secrets);
        if screen == self.shown {
            return None;
        }
        self.shown = screen.clone();
        Some(screen)
    }

    fn follow_size(&mut self) {
        let (columns, rows) = *self.size.borrow_and_update();
        let (rows, columns) = (at_least_one(rows), at_least_one(columns));
        if self.parser.screen().size() != (rows, columns) {
            self.parser.set_size(rows, columns);
        }
    }
}

/// What the screen says when it is asked, in the order of the questions. Without an answer, programs
/// wait for one, or print what comes of waiting.
///
/// - Source: the control sequences DSR, DECXCPR, DA1 and DA2 of xterm.
#[derive(Default)]
struct Answers(Vec<u8>);

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        second: Option<u8>,
        params: &[&[u16]],
        end: char,
    ) {
        let param = match params {
            [] | [[]] => 0,
            [[only]] => *only,
            _ => return,
        };
        let position = || {
            let ((row, column), (_, columns)) = (screen.cursor_position(), screen.size());
            // Behind a full line the cursor stands on its last character still.
            format!("{};{}", row + 1, column.min(columns.get() - 1) + 1)
        };
        let answer = match (first, second, param, end) {
            (None, None, 5, 'n') => "\x1b[0n".to_owned(),
            (None, None, 6, 'n') => format!("\x1b[{}R", position()),
            (Some(b'?'), None, 6, 'n') => format!("\x1b[?{}R", position()),
            // A VT220 with colours: no more than this screen can do.
            (None, None, 0, 'c') => "\x1b[?62;22c".to_owned(),
            (Some(b'>'), None, 0, 'c') => "\x1b[>1;0;0c".to_owned(),
            _ => return,
        };
        self.0.extend_from_slice(answer.as_bytes());
    }
}

fn at_least_one(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN)
}

/// The cells, by row and column, that show a part of a secret.
fn hidden(screen: &vt100::Screen, secrets: &Secrets) -> BTreeSet<(u16, u16)> {
    if secrets.names().next().is_none() {
        return BTreeSet::new();
    }
    let (n_rows, n_columns) = screen.size();
    let mut text = String::new();
    let mut places = Vec::new();
    for row in 0..n_rows.get() {
        for column in 0..n_columns.get() {
            let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
                continue;
            };
            let shown = if cell.has_contents() { cell.contents() } else { " " };
            text.push_str(shown);
            places.resize(text.len(), (row, column));
        }
        // A line that is longer than the screen goes on in the next row.
        if !screen.row_wrapped(row) {
            text.push('\n');
            places.push((row, n_columns.get()));
        }
    }
    let found = secrets.places_in(&text);
    found.into_iter().flat_map(|range| places.get(range).unwrap_or_default().to_vec()).collect()
}

fn screen_of(screen: &vt100::Screen, secrets: &Secrets) -> TerminalScreen {
    let hidden = hidden(screen, secrets);
    let (n_rows, n_columns) = screen.size();
    let rows = (0..n_rows.get()).map(|row| row_of(screen, row, n_columns.get(), &hidden)).collect();
    let (row, column) = screen.cursor_position();
    TerminalScreen {
        columns: n_columns.get(),
        rows,
        cursor: (!screen.hide_cursor()).then_some((column.min(n_columns.get() - 1), row)),
        application_cursor: screen.application_cursor(),
        bracketed_paste: screen.bracketed_paste(),
    }
}

fn row_of(screen: &vt100::Screen, row: u16, columns: u16, hidden: &BTreeSet<(u16, u16)>) -> Vec<TerminalRun> {
    let mut runs: Vec<TerminalRun> = Vec::new();
    // Where the last run ends, while more text may be put to it: behind a character whose width
    // terminals disagree on, a new run begins in its own column.
    let mut open_at = None;
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let look = look_of(cell);
        let text = match cell.has_contents() {
            true if hidden.contains(&(row, column)) => "*".to_owned(),
            true => harmless(cell.contents()),
            false => " ".to_owned(),
        };
        if text == " " && look == TerminalLook::default() && open_at.is_none() {
            continue;
        }
        let is_plain = text.len() == 1;
        match runs.last_mut() {
            Some(run) if open_at == Some(column) && run.look == look => run.text.push_str(&text),
            _ => runs.push(TerminalRun { at: column, text, look }),
        }
        open_at = is_plain.then_some(column + 1);
    }
    // Blanks at the end show nothing.
    while let Some(run) = runs.last_mut().filter(|run| run.look == TerminalLook::default()) {
        run.text.truncate(run.text.trim_end_matches(' ').len());
        if !run.text.is_empty() {
            break;
        }
        runs.pop();
    }
    runs
}

/// Text without what a terminal would obey: controls, and marks that turn the direction of writing.
fn harmless(text: &str) -> String {
    let obeys = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let kept: String = text.chars().filter(|c| !obeys(c)).collect();
    if kept.is_empty() { " ".to_owned() } else { kept }
}

fn look_of(cell: &vt100::Cell) -> TerminalLook {
    let ink = |color: vt100::Color| match color {
        vt100::Color::Default => TerminalInk::Default,
        vt100::Color::Idx(index) => TerminalInk::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => TerminalInk::Rgb(red, green, blue),
    };
    TerminalLook {
        foreground: ink(cell.fgcolor()),
        background: ink(cell.bgcolor()),
        bold: cell.bold(),
        dim: cell.dim(),
        italic: cell.italic(),
        underline: cell.underline(),
        inverse: cell.inverse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Size = tokio::sync::watch::Sender<(u16, u16)>;

    /// A screen of three short rows, what changes its size, and what it answers.
    fn view() -> (View, Size, std::sync::mpsc::Receiver<Vec<u8>>) {
        let (size, sized) = tokio::sync::watch::channel((20, 3));
        let (keys, answers) = std::sync::mpsc::sync_channel(2);
        (View::new((20, 3), sized, keys), size, answers)
    }

    fn shown(bytes: &[u8]) -> TerminalScreen {
        let (mut view, _size, _answers) = view();
        view.read(bytes);
        view.news(&Secrets::default()).expect("something was printed")
    }

    fn plain(at: u16, text: &str) -> TerminalRun {
        TerminalRun { at, text: text.to_owned(), look: TerminalLook::default() }
    }

    #[test]
    fn text_colours_wide_characters_and_the_cursor_come_as_the_command_meant_them() {
        let screen = shown("ab\x1b[1;31mred\x1b[0m c\r\n日本x\x1b[?25l".as_bytes());
        let red = TerminalLook { foreground: TerminalInk::Indexed(1), bold: true, ..TerminalLook::default() };
        let bold = TerminalRun { at: 2, text: "red".to_owned(), look: red };
        assert_eq!(screen.rows[0], [plain(0, "ab"), bold, plain(5, " c")]);
        assert_eq!(screen.rows[1], [plain(0, "日"), plain(2, "本"), plain(4, "x")]);
        assert_eq!((screen.rows.len(), screen.cursor), (3, None));
        assert_eq!(shown(b"abc").cursor, Some((3, 0)));
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left_in_a_cell() {
        let bytes =
            "\x1b]0;title\x07\x1b]52;c;c2VjcmV0\x07\x1bP1$q\x1b\\a\u{202e}b\u{9b}31mc\x08\x08".as_bytes();
        let screen = shown(bytes);
        let all: String = screen.rows.iter().flatten().map(|run| run.text.as_str()).collect();
        assert!(!all.contains("title") && !all.contains("c2VjcmV0"), "{all}");
        assert!(all.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{all:?}");
    }

    #[test]
    fn a_secret_is_hidden_cell_by_cell_also_where_its_line_goes_on() {
        let mut secrets = Secrets::default();
        secrets.insert("TOKEN", "hunter2-and-more");
        let (mut view, _size, _answers) = view();
        view.read(b"token: hunter2-and-more ok");
        let screen = view.news(&secrets).expect("something was printed");
        assert_eq!(screen.rows[0], [plain(0, "token: *************")]);
        assert_eq!(screen.rows[1], [plain(0, "*** ok")]);
    }

    #[test]
    fn what_a_program_asks_its_terminal_is_answered_and_nothing_else_is() {
        let answer = |asked: &[u8]| {
            let (mut view, _size, answers) = view();
            view.read(asked);
            answers.try_recv().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        };
        assert_eq!(answer(b"\x1b[5n"), "\x1b[0n");
        assert_eq!(answer(b"ab\r\n\x1b[6n"), "\x1b[2;1R");
        assert_eq!(answer(b"\x1b[2;5H\x1b[?6n"), "\x1b[?2;5R");
        assert_eq!(answer(b"12345678901234567890\x1b[6n"), "\x1b[1;20R", "a full line is not left yet");
        assert_eq!(answer(b"\x1b[c"), answer(b"\x1b[0c"));
        assert_eq!(answer(b"\x1b[c\x1b[>c"), "\x1b[?62;22c\x1b[>1;0;0c", "in their order");
        for silent in
            [&b"\x1b[1;2n"[..], b"\x1b[1c", b"\x1b[=c", b"\x1b]11;?\x07", b"\x1b[21t", b"\x1bP+q544e\x1b\\"]
        {
            assert_eq!(answer(silent), "", "{silent:?}");
        }
    }

    #[test]
    fn one_who_asks_and_never_reads_is_no_reason_to_wait() {
        let (mut view, _size, answers) = view();
        for _ in 0..10 {
            view.read(b"\x1b[5n");
        }
        assert_eq!(answers.try_iter().count(), 2);
    }

    #[test]
    fn a_screen_that_is_as_it_was_is_not_told_again() {
        let (mut view, size, _answers) = view();
        view.read(b"x");
        assert!(view.news(&Secrets::default()).is_some());
        view.read(b"\x1b[0m");
        assert_eq!(view.news(&Secrets::default()), None);
        size.send_replace((10, 2));
        let smaller = view.news(&Secrets::default()).expect("another size is news");
        assert_eq!((smaller.columns, smaller.rows.len()), (10, 2));
    }
}
