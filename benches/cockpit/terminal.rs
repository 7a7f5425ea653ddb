//! A pseudo-terminal that notes when each frame came.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const COLUMNS: NonZeroU16 = NonZeroU16::new(160).expect("not zero");
const ROWS: NonZeroU16 = NonZeroU16::new(48).expect("not zero");
/// Ends a synchronized update, which is how gonogo draws.
const END: &[u8] = b"\x1b[?2026l";

/// One synchronized update; what it drew is on [`Terminal::screen`].
pub struct Frame {
    /// When its last bytes were read.
    pub end: Instant,
}

pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    chunks: Receiver<(Instant, Vec<u8>)>,
    parser: vt100::Parser,
    /// Bytes of a frame that is not whole yet.
    partial: Vec<u8>,
    n_bytes: u64,
    n_frames: u64,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts gonogo with `home` for everything that it keeps; the moment is just before exec.
    pub fn start(home: &Path, arguments: &[&str]) -> (Terminal, Instant) {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("the system has pseudo-terminals");
        let mut command = CommandBuilder::new(program());
        command.args(arguments);
        command.cwd(home);
        for (name, folder) in
            [("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config"), ("KUBECONFIG", "kubeconfig")]
        {
            command.env(name, home.join(folder));
        }
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let writer = pair.master.take_writer().expect("the terminal can be written");
        let (told, chunks) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if told.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
        });
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).expect("gonogo starts");
        let terminal = Terminal {
            child,
            writer,
            chunks,
            parser: vt100::Parser::new(ROWS, COLUMNS, 0),
            partial: Vec::new(),
            n_bytes: 0,
            n_frames: 0,
            _master: pair.master,
        };
        (terminal, started)
    }

    pub fn send(&mut self, keys: &str) {
        let sent = self.writer.write_all(keys.as_bytes()).and_then(|()| self.writer.flush());
        sent.expect("gonogo reads its keys");
    }

    /// The next whole frame; `None` when there was none in time.
    pub fn next_frame(&mut self, patience: Duration) -> Option<Frame> {
        let until = Instant::now() + patience;
        let mut read_at = Instant::now();
        loop {
            if let Some(at) = memchr::memmem::find(&self.partial, END) {
                self.partial.drain(..at + END.len());
                self.n_frames += 1;
                return Some(Frame { end: read_at });
            }
            let patience = until.saturating_duration_since(Instant::now());
            match self.chunks.recv_timeout(patience) {
                Ok((at, bytes)) => {
                    read_at = at;
                    self.n_bytes += bytes.len() as u64;
                    self.parser.process(&bytes);
                    self.partial.extend(bytes);
                }
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("gonogo is gone; last seen:\n{}", self.screen())
                }
            }
        }
    }

    /// Takes in what comes until the time is over.
    pub fn settle(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while self.next_frame(until.saturating_duration_since(Instant::now())).is_some() {}
    }

    pub fn wait_for(&mut self, what: &str, patience: Duration, shown: impl Fn(&str) -> bool) {
        let until = Instant::now() + patience;
        while !shown(&self.screen()) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never saw {what}:\n{}", self.screen());
            self.next_frame(left);
        }
    }

    pub fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("it has not been waited for")
    }

    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    pub fn n_frames(&self) -> u64 {
        self.n_frames
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that is measured: `GONOGO=path` names one that was built elsewhere.
fn program() -> std::ffi::OsString {
    std::env::var_os("GONOGO").unwrap_or_else(|| env!("CARGO_BIN_EXE_gonogo").into())
}
