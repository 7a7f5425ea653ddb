//! Processes by number: who is still there, and how to reach all of them.

use rustix::process::{
    Pid, Signal, kill_process, kill_process_group, test_kill_process, test_kill_process_group,
};

/// Whether a process of the record still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alive {
    Yes,
    /// It ended, or its number belongs to another process by now.
    No,
    /// A process has this number, and nothing tells whether it is the same one.
    Unknown,
}

/// Looks for a process that an earlier gonogo started, by number and kernel start time.
pub async fn is_still_running(pid: u32, recorded: Option<u64>) -> Alive {
    let Some(target) = pid_of(pid) else { return Alive::No };
    // EPERM means that it exists and belongs to somebody else.
    if test_kill_process(target) == Err(rustix::io::Errno::SRCH) || is_zombie(pid) {
        return Alive::No;
    }
    match (recorded, start_time(pid).await) {
        (Some(recorded), Some(now)) if recorded == now => Alive::Yes,
        (Some(_), Some(_)) => Alive::No,
        _ => Alive::Unknown,
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

/// Everything that one command started: its session where it has one, else its process group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    leader: u32,
}

impl Family {
    pub(super) fn new(leader: u32) -> Self {
        Self { leader }
    }

    /// Signals every member.
    ///
    /// A number can only be another family's once this one has no member left, and we look right
    /// before: what remains is the chance of a reuse within microseconds.
    pub(super) fn signal(self, signal: Signal) {
        let Some(leader) = pid_of(self.leader) else { return };
        if kill_process_group(leader, signal).is_err() {
            // Between its start and its `setsid` the leader has no group of its own yet.
            let _ = kill_process(leader, signal);
        }
        // Job control (`set -m`) gives background jobs groups of their own inside the session.
        for member in linux::members(self.leader) {
            if let Some(member) = pid_of(member) {
                let _ = kill_process(member, signal);
            }
        }
    }

    /// Who is left, the leader not counted; without `/proc` its number stands for the whole group.
    pub(super) fn left(self) -> Vec<u32> {
        if linux::AVAILABLE {
            return linux::members(self.leader).into_iter().filter(|pid| *pid != self.leader).collect();
        }
        let group_exists = pid_of(self.leader).is_some_and(|leader| test_kill_process_group(leader).is_ok());
        if group_exists { vec![self.leader] } else { Vec::new() }
    }
}

/// The moment the kernel started a process, in clock ticks since boot or, without `/proc`, in
/// seconds since 1970. `None` when the process is gone.
pub(super) async fn start_time(pid: u32) -> Option<u64> {
    if linux::AVAILABLE { linux::stat(pid).map(|stat| stat.start_time) } else { start_time_by_ps(pid).await }
}

/// Asks `ps`, in one time zone and one language, so that two answers compare.
async fn start_time_by_ps(pid: u32) -> Option<u64> {
    let answer = tokio::process::Command::new("ps")
        .args(["-o", "lstart=", "-p", &pid.to_string()])
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .output()
        .await
        .ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    // The day is padded with a blank: `Sun Nov  1 09:05:03 2026`.
    let words: Vec<&str> = text.split_whitespace().collect();
    let civil = jiff::civil::DateTime::strptime("%a %b %d %H:%M:%S %Y", words.join(" ")).ok()?;
    let at = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u64::try_from(at.as_second()).ok()
}

fn is_zombie(pid: u32) -> bool {
    linux::stat(pid).is_some_and(|stat| stat.zombie)
}

/// `/proc`, where there is one.
mod linux {
    pub(super) const AVAILABLE: bool = cfg!(target_os = "linux");

    pub(super) struct Stat {
        pub(super) zombie: bool,
        pub(super) group: u32,
        pub(super) session: u32,
        pub(super) start_time: u64,
    }

    /// Source: proc(5). The name in parentheses may hold blanks and parentheses itself.
    pub(super) fn stat(pid: u32) -> Option<Stat> {
        if !AVAILABLE {
            return None;
        }
        parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    pub(super) fn parse(text: &str) -> Option<Stat> {
        let (_, rest) = text.rsplit_once(')')?;
        // The state is field 3, the start time field 22.
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Stat {
            zombie: matches!(*fields.first()?, "Z" | "X"),
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }

    /// Living processes of the session or group of `leader`.
    ///
    /// Zombies do not count: in a container without an init nobody ever collects them.
    pub(super) fn members(leader: u32) -> Vec<u32> {
        if !AVAILABLE {
            return Vec::new();
        }
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| {
                stat(*pid)
                    .is_some_and(|stat| !stat.zombie && (stat.group == leader || stat.session == leader))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b (c)) S 1 42 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1 1";
        let stat = linux::parse(text).expect("the line is complete");
        assert_eq!((stat.group, stat.session, stat.start_time, stat.zombie), (42, 40, 987_654, false));
    }

    #[tokio::test]
    async fn a_process_is_recognised_by_number_and_start_time() {
        let me = std::process::id();
        let mine = start_time(me).await;
        assert!(mine.is_some());
        assert_eq!(is_still_running(me, mine).await, Alive::Yes);
        assert_eq!(is_still_running(me, mine.map(|time| time + 1)).await, Alive::No);
        assert_eq!(is_still_running(me, None).await, Alive::Unknown);
        // Beyond the largest number that Linux or macOS gives out.
        assert_eq!(is_still_running(4_194_305, mine).await, Alive::No);
        assert_eq!(is_still_running(0, mine).await, Alive::No);
    }

    #[tokio::test]
    async fn ps_tells_a_start_time_that_stays_the_same() {
        let me = std::process::id();
        let first = start_time_by_ps(me).await;
        if first.is_none() {
            eprintln!("skipped: this machine has no ps that knows lstart");
            return;
        }
        assert_eq!(start_time_by_ps(me).await, first);
        assert!(first > Some(1_600_000_000), "seconds since 1970");
    }
}
