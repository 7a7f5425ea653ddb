//! The log file, and the log that `L` shows. Nothing prints while the screen is ours.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// The Kubernetes client logs whole response bodies when it cannot decode one, Secrets included:
/// below errors it has nothing to say here.
const DEFAULT_FILTER: &str = "info,kube_client=error,kube_runtime=error,hyper=warn,rustls=warn";

/// Lines kept for the pane.
const PANE_LINES: usize = 2_000;

/// Starts logging to `file` (0600) and to the pane. `GONOGO_LOG` filters, as `RUST_LOG` would.
pub fn start(file: &Path) -> io::Result<()> {
    let file = private(file)?;
    tui_logger::set_hot_buffer_depth(PANE_LINES);
    tui_logger::set_buffer_depth(PANE_LINES);
    tui_logger::set_default_level(tui_logger::LevelFilter::Trace);
    let filter = || EnvFilter::try_from_env("GONOGO_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let to_file = tracing_subscriber::fmt::layer().with_writer(Mutex::new(file)).with_ansi(false);
    let to_pane = tui_logger::TuiTracingSubscriberLayer;
    // A second start in one process, as tests do, keeps the first.
    let _ = tracing_subscriber::registry()
        .with(to_file.with_filter(filter()))
        .with(to_pane.with_filter(filter()))
        .try_init();
    Ok(())
}

fn private(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
