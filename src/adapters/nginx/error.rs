//! What can go wrong with a switch: what happened, what is true now, what can be done.

use std::path::PathBuf;
use std::time::Duration;

use super::Standing;
use crate::adapters::HttpError;
use crate::workflow::nginx::Colour;

/// Why there was no switch, or none that could be read back.
#[derive(Debug, thiserror::Error)]
pub enum NginxError {
    #[error("{}", .problems.join("; "))]
    Site { problems: Vec<String> },
    #[error("`{name}` is no colour here; they are {} and {}", .known[0], .known[1])]
    UnknownColour { name: String, known: [Colour; 2] },
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{} says {}; write the colour that serves now into it, {} or {}",
        .path.display(), quoted(.said), .known[0], .known[1]
    )]
    NotAColour { path: PathBuf, said: String, known: [Colour; 2] },
    #[error("{}{}: {why}", .path.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Upstream { path: PathBuf, line: Option<usize>, why: String },
    #[error(
        "{} says {} and {} says {}: a switch to {} was cut off, or one of them was changed by hand; a switch to \
         {} finishes it, one to {} takes it back",
        .current.display(), .standing.current, .upstream.display(), .standing.upstream,
        .standing.upstream, .standing.upstream, .standing.current
    )]
    Disagree { standing: Box<Standing>, current: PathBuf, upstream: PathBuf },
    #[error(
        "{} says {} and {} says {}, where {} was expected: somebody switched meanwhile, nothing was changed",
        .current.display(), .standing.current, .upstream.display(), .standing.upstream, .expected.words()
    )]
    NotAsExpected { standing: Box<Standing>, expected: Box<Standing>, current: PathBuf, upstream: PathBuf },
    #[error("another switch is under way in {}; wait for its end, nothing was changed", .folder.display())]
    Busy { folder: PathBuf },
    #[error("{source}")]
    Address {
        #[from]
        source: HttpError,
    },
    #[error(
        "{colour} is not healthy, no requests are sent there: {url} {found}{beside}; nothing was changed"
    )]
    Unhealthy {
        colour: Colour,
        url: String,
        found: String,
        /// How the other side is, in words.
        beside: String,
    },
    #[error("{} is read-only (no write bit is set), so it was left alone; `chmod u+w` allows it", .path.display())]
    ReadOnly { path: PathBuf },
    #[error("cannot write {}, which is as it was: {source}", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{} was changed by somebody else meanwhile; nothing was changed here, start again", .path.display())]
    Changed { path: PathBuf },
    #[error("`{command}` could not be started: {source}; name the program by its path if it is not on PATH")]
    NotStarted { command: String, source: std::io::Error },
    #[error("`{command}` did not end within {}s", .after.as_secs())]
    TimedOut { command: String, after: Duration },
    #[error("`{command}` refused: {words}")]
    Refused { command: String, words: String },
    #[error("{cause}; {left}")]
    NotReloaded {
        cause: Box<NginxError>,
        /// What was done about it and how things are now.
        left: String,
    },
    #[error(
        "{cause}, and {} could not be put back ({why}): it names {colour}, while nginx goes on as before; \
         a switch to either colour sets it right",
        .path.display()
    )]
    NotPutBack { cause: Box<NginxError>, path: PathBuf, colour: Colour, why: Box<NginxError> },
    #[error(
        "{cause}: whether nginx took the new configuration is not known, {} names {colour}; the same switch \
         again finishes it",
        .path.display()
    )]
    InDoubt { cause: Box<NginxError>, path: PathBuf, colour: Colour },
    #[error(
        "nginx was told to send requests to {colour}, and {url} did not say {colour} {n_wanted} times in a row \
         within {}s: {heard}; {} still says what was there before: the same switch again finishes it, one to \
         the other colour goes back",
        .after.as_secs(), .current.display()
    )]
    NotReadBack {
        colour: Colour,
        url: String,
        n_wanted: u32,
        after: Duration,
        /// What was heard instead, counted.
        heard: String,
        current: PathBuf,
    },
    #[error("{colour} serves, and that could not be recorded: {cause}; the same switch again finishes it")]
    NotRecorded { colour: Colour, cause: Box<NginxError> },
}

impl NginxError {
    /// Whether requests may go elsewhere than before, or the files are not as they were.
    pub fn has_changed(&self) -> bool {
        matches!(
            self,
            Self::NotPutBack { .. }
                | Self::InDoubt { .. }
                | Self::NotReadBack { .. }
                | Self::NotRecorded { .. }
        )
    }

    /// Whether what was given or lies on disk cannot be used, whatever the state of the service.
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Site { .. }
                | Self::UnknownColour { .. }
                | Self::Read { .. }
                | Self::NotAColour { .. }
                | Self::Upstream { .. }
                | Self::Address { .. }
        )
    }
}

fn quoted(said: &str) -> String {
    let line: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(40).collect();
    if line.trim().is_empty() { "nothing".to_owned() } else { format!("“{}”", line.trim()) }
}
