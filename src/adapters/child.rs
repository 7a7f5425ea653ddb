//! A child that is only asked something: it has no input and no terminal, speaks plain English, and
//! goes with whatever it started.

use std::process::Stdio;

use tokio::process::Command;

/// Prepares a child whose words are read, in a process group of its own.
pub(super) fn quiet(command: &mut Command) -> &mut Command {
    command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
}

/// Ends a child and all that it started. `group`: its process id, while it had one.
pub(super) fn end_group(group: Option<u32>) {
    let pid = group.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // Gone already is as good as ended.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}
