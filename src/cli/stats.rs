//! `gonogo stats`: what the past releases on this machine come to, workload by workload.

use std::fmt::Write as _;

use clap::Args;
use jiff::SignedDuration;
use serde::Serialize;

use super::cluster::target_of;
use super::{DONE, Format, print};
use crate::adapters::store;
use crate::release::Fact;
use crate::report::stats::{self, Spread, Subject};
use crate::ui::format;

pub(super) const AFTER_HELP: &str = "Time to safe counts from Y, and from the first bad signal before it. The way back has a gap \
while it is NOT PROVEN (no check came back) or DISARMED (it cannot work) and the release runs. Practice releases stand \
apart, on their own clock. JSON: one object, schema gonogo.stats/1; lengths in milliseconds, null where nothing is known.";

/// Raised when a field changes its meaning or goes away; new fields may come at any time.
const SCHEMA: &str = "gonogo.stats/1";

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Only this workload: deployment/app
    #[arg(value_name = "KIND/NAME")]
    target: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn stats(flags: &Flags) -> color_eyre::Result<u8> {
    let wanted = flags.target.as_deref().map(target_of).transpose()?;
    let is_wanted = |known: &crate::watch::TargetRef| {
        wanted.as_ref().is_none_or(|wanted| (wanted.kind, &wanted.name) == (known.kind, &known.name))
    };
    let of_target = |opened: &Fact| match opened {
        Fact::Opened { targets, .. } => wanted.is_none() || targets.iter().any(is_wanted),
        _ => false,
    };
    let pasts = store::pasts(&store::state_dir()?, of_target)?;
    let mut all = stats::of(&pasts.known);
    all.retain(|subject, _| is_wanted(&subject.target));
    let told = Told {
        schema: SCHEMA,
        releases: pasts.known.iter().filter(|past| !past.practice).count(),
        practice_releases: pasts.known.iter().filter(|past| past.practice).count(),
        unread: pasts.unread.iter().map(|(id, why)| Unread { id: id.0.clone(), why: why.clone() }).collect(),
        workloads: all.iter().map(|(subject, stats)| Workload::of(subject, stats)).collect(),
    };
    match flags.format {
        Format::Json => {
            let line = serde_json::to_string(&told)?;
            print(&format!("{line}\n"))?;
        }
        Format::Text => match (&flags.target, told.workloads.is_empty() && told.unread.is_empty()) {
            (Some(target), true) => print(&format!("no release of {target} on this machine\n"))?,
            _ => print(&text(&told))?,
        },
    }
    Ok(DONE)
}

#[derive(Debug, Serialize)]
struct Told {
    schema: &'static str,
    releases: usize,
    practice_releases: usize,
    /// Journals that cannot be read: what follows is without them.
    unread: Vec<Unread>,
    workloads: Vec<Workload>,
}

#[derive(Debug, Serialize)]
struct Unread {
    id: String,
    why: String,
}

#[derive(Debug, Serialize)]
struct Workload {
    target: String,
    namespace: String,
    context: Option<String>,
    practice: bool,
    releases: usize,
    completed: usize,
    rolled_back: usize,
    rollback_failed: usize,
    aborted: usize,
    open: usize,
    rollbacks: usize,
    time_to_safe_ms: Option<Lengths>,
    since_first_bad_ms: Option<Lengths>,
    ran_ms: Option<i64>,
    not_proven_ms: Option<i64>,
    disarmed_ms: Option<i64>,
    releases_with_gap: usize,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Lengths {
    n: usize,
    median: i64,
    worst: i64,
}

impl Workload {
    fn of(subject: &Subject, stats: &stats::Stats) -> Self {
        let lengths = |spread: Option<Spread>| {
            spread.map(|Spread { n, median, worst }| Lengths {
                n,
                median: millis(median),
                worst: millis(worst),
            })
        };
        Self {
            target: subject.target.to_string(),
            namespace: subject.target.namespace.clone(),
            context: subject.context.clone(),
            practice: subject.practice,
            releases: stats.releases,
            completed: stats.completed,
            rolled_back: stats.rolled_back,
            rollback_failed: stats.rollback_failed,
            aborted: stats.aborted,
            open: stats.open,
            rollbacks: stats.rollbacks,
            time_to_safe_ms: lengths(stats.to_safe),
            since_first_bad_ms: lengths(stats.since_bad),
            ran_ms: stats.proof.map(|proof| millis(proof.ran)),
            not_proven_ms: stats.proof.map(|proof| millis(proof.not_proven)),
            disarmed_ms: stats.proof.map(|proof| millis(proof.disarmed)),
            releases_with_gap: stats.with_gap,
        }
    }
}

fn millis(length: SignedDuration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

fn span(millis: i64) -> String {
    format::span(SignedDuration::from_millis(millis))
}

fn text(told: &Told) -> String {
    if told.workloads.is_empty() && told.unread.is_empty() {
        return "no release of a workload yet; `gonogo demo` plays one\n".to_owned();
    }
    let mut text = String::new();
    let mut was_practice = false;
    for workload in &told.workloads {
        if workload.practice && !was_practice {
            text.push_str("── practice releases, on their own clock\n");
        }
        was_practice = workload.practice;
        let context = workload.context.as_ref().filter(|_| !workload.practice);
        let place = context.map(|context| format!(", {context}")).unwrap_or_default();
        let _ = writeln!(text, "{} in {}{place}", workload.target, workload.namespace);
        for (label, words) in lines(workload) {
            let _ = writeln!(text, "  {label:<14}{words}");
        }
    }
    for unread in &told.unread {
        let _ = writeln!(text, "not counted: {}: {}", unread.id, unread.why);
    }
    text
}

fn lines(workload: &Workload) -> Vec<(&'static str, String)> {
    let counted = [
        (workload.completed, "completed"),
        (workload.rolled_back, "rolled back"),
        (workload.rollback_failed, "ROLLBACK FAILED"),
        (workload.aborted, "aborted"),
        (workload.open, "open"),
    ];
    let counted = counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}"));
    let counted: Vec<String> = counted.collect();
    let mut lines = vec![("releases", format!("{}: {}", workload.releases, counted.join(", ")))];
    let n_safe = workload.time_to_safe_ms.map_or(0, |lengths| lengths.n);
    lines.push((
        "rollbacks",
        match workload.rollbacks {
            0 => "none".to_owned(),
            n if n == n_safe => format!("{n}, verified"),
            n => format!("{n}, {n_safe} of them verified"),
        },
    ));
    let spread = |lengths: Lengths| format!("median {}, worst {}", span(lengths.median), span(lengths.worst));
    if let Some(lengths) = workload.time_to_safe_ms {
        lines.push(("time to safe", format!("from Y: {}", spread(lengths))));
    }
    if let Some(lengths) = workload.since_first_bad_ms {
        lines.push(("", format!("from the first bad signal: {}", spread(lengths))));
    }
    if let (Some(ran), Some(not_proven), Some(disarmed)) =
        (workload.ran_ms, workload.not_proven_ms, workload.disarmed_ms)
    {
        let words = match not_proven + disarmed {
            0 => format!("proven all of {}", span(ran)),
            _ => format!(
                "NOT PROVEN for {}, DISARMED for {} of {}, in {} of {} releases",
                span(not_proven),
                span(disarmed),
                span(ran),
                workload.releases_with_gap,
                workload.releases
            ),
        };
        lines.push(("way back", words));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Workload {
        Workload {
            target: "deployment/app".into(),
            namespace: "shop".into(),
            context: Some("prod-eu".into()),
            practice: false,
            releases: 12,
            completed: 9,
            rolled_back: 2,
            rollback_failed: 0,
            aborted: 1,
            open: 0,
            rollbacks: 3,
            time_to_safe_ms: Some(Lengths { n: 2, median: 41_000, worst: 62_000 }),
            since_first_bad_ms: None,
            ran_ms: Some(50_520_000),
            not_proven_ms: Some(70_000),
            disarmed_ms: Some(0),
            releases_with_gap: 2,
        }
    }

    fn told(workloads: Vec<Workload>) -> Told {
        Told { schema: SCHEMA, releases: 12, practice_releases: 1, unread: Vec::new(), workloads }
    }

    #[test]
    fn a_workload_is_told_in_a_few_lines_and_what_is_not_known_is_left_out() {
        let rehearsed =
            Workload { practice: true, rollbacks: 0, time_to_safe_ms: None, ran_ms: None, ..workload() };
        assert_eq!(
            text(&told(vec![workload(), rehearsed])),
            "deployment/app in shop, prod-eu\n\
             \u{20} releases      12: 9 completed, 2 rolled back, 1 aborted\n\
             \u{20} rollbacks     3, 2 of them verified\n\
             \u{20} time to safe  from Y: median 41s, worst 1m 02s\n\
             \u{20} way back      NOT PROVEN for 1m 10s, DISARMED for 0s of 14h 02m, in 2 of 12 releases\n\
             ── practice releases, on their own clock\n\
             deployment/app in shop\n\
             \u{20} releases      12: 9 completed, 2 rolled back, 1 aborted\n\
             \u{20} rollbacks     none\n"
        );
        assert_eq!(text(&told(Vec::new())), "no release of a workload yet; `gonogo demo` plays one\n");
    }

    #[test]
    fn what_is_not_known_is_null() {
        let json = serde_json::to_value(told(vec![workload()])).unwrap();
        assert_eq!(json["schema"], "gonogo.stats/1");
        assert_eq!(json["workloads"][0]["time_to_safe_ms"]["worst"], 62_000);
        assert!(json["workloads"][0]["since_first_bad_ms"].is_null());
    }
}
