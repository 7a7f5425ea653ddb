//! `--format text`: one calm line per change of state, fit for the log of a pipeline.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::picture::{Picture, Standing};
use crate::ui::format;
use crate::watch::logs::clean;
use crate::watch::{Moment, Preflight};

/// A rollout that only moves on is told now and then: pipelines end what is silent for minutes.
const REMINDER: SignedDuration = SignedDuration::from_secs(30);

/// Remembers what was said of each target, so that nothing is said twice.
#[derive(Debug)]
pub(super) struct Teller {
    zone: TimeZone,
    told: Vec<Option<Told>>,
    told_limits: Vec<Preflight>,
}

#[derive(Debug)]
struct Told {
    /// State, trouble, silence: a change of these is news at once.
    what: String,
    field: String,
    at: Timestamp,
}

impl Teller {
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, told: Vec::new(), told_limits: Vec::new() }
    }

    /// What changed since the last time, one line each. That the first answer is still on its way is
    /// no news before the end.
    pub fn news(&mut self, picture: &Picture, is_end: bool, now: Moment) -> String {
        let mut text = String::new();
        for limit in picture.limits.iter().filter(|limit| !self.told_limits.contains(limit)) {
            let words = format!("{}: {}", limit.what, limit.detail).replace(['\n', '\r'], " ");
            text.push_str(&self.note(&clean(&words), now));
        }
        self.told_limits.clone_from(&picture.limits);
        self.told.resize_with(picture.standings.len(), || None);
        for (standing, told) in picture.standings.iter().zip(&mut self.told) {
            if standing.is_awaited() && !is_end {
                continue;
            }
            let what = what(picture, standing);
            let field = &standing.verdict.field;
            let is_news = told.as_ref().is_none_or(|told| {
                let waited = now.wall.duration_since(told.at) >= REMINDER;
                told.what != what || (waited && told.field != *field)
            });
            if is_news {
                text.push_str(&line(picture, standing, &self.zone, now));
                *told = Some(Told { what, field: field.clone(), at: now.wall });
            }
        }
        text
    }

    /// The last words of what failed, indented below their container's name.
    pub fn last_lines(&self, picture: &Picture) -> String {
        let mut text = String::new();
        for standing in &picture.standings {
            let (lines, Some(trouble)) = (picture.last_lines(standing), &standing.verdict.trouble) else {
                continue;
            };
            if lines.is_empty() {
                continue;
            }
            let of: Vec<&str> = trouble.pod.iter().chain(&trouble.container).map(String::as_str).collect();
            text.push_str(&format!("          last lines of {}\n", of.join(" ")));
            for line in lines {
                text.push_str(&format!("          | {line}\n"));
            }
        }
        text
    }

    /// A line of our own, such as that time ran out.
    pub fn note(&self, words: &str, now: Moment) -> String {
        format!("{}  {words}\n", format::wall(now.wall, &self.zone))
    }
}

fn what(picture: &Picture, standing: &Standing) -> String {
    let verdict = &standing.verdict;
    // Which of many pods with the same trouble is named may change with every look.
    let trouble = verdict.trouble.as_ref().map(|trouble| (&trouble.container, &trouble.reason));
    // Without facts the cause is all that there is to say.
    let cause = standing.facts.is_none().then_some(&verdict.field);
    format!("{:?} {:?} {trouble:?} {cause:?}", verdict.state, picture.is_stale(standing))
}

fn line(picture: &Picture, standing: &Standing, zone: &TimeZone, now: Moment) -> String {
    let verdict = &standing.verdict;
    let mut words = vec![format::wall(now.wall, zone), standing.target.to_string()];
    match picture.silence().filter(|_| standing.facts.is_some()) {
        Some((since, cause)) => {
            let since = format::wall(since.wall, zone);
            words.push(format!("stale, was {}", verdict.state.name()));
            words.push(format!("no answer since {since} ({cause})"));
        }
        None => {
            words.push(format!("{:<11}", verdict.state.name()));
            words.push(verdict.field.clone());
        }
    }
    if let Some(trouble) = &verdict.trouble {
        words.push(trouble.line());
    }
    words.extend(verdict.warning.clone());
    let line = words.join("  ").replace(['\n', '\r'], " ");
    format!("{}\n", clean(&line).trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::{at, crashing, facts, live, log, one, silent, up};
    use super::*;
    use crate::watch::Observation;

    fn teller() -> Teller {
        Teller::new(TimeZone::UTC)
    }

    #[test]
    fn a_change_of_state_is_one_line_with_its_deciding_fact() {
        let (mut picture, mut teller) = (one(), teller());
        picture.take(up(facts()), at(0));
        assert_eq!(
            teller.news(&picture, false, at(0)),
            "12:00:00  deployment/app  settling     ready for 0 of 10 s\n"
        );
        picture.judge(at(4));
        assert_eq!(teller.news(&picture, false, at(4)), "", "its seconds are no change of state");
        picture.judge(at(10));
        assert_eq!(
            teller.news(&picture, false, at(10)),
            "12:00:10  deployment/app  complete     1 of 1 available\n"
        );
    }

    #[test]
    fn a_rollout_that_only_moves_on_is_told_now_and_then() {
        let (mut picture, mut teller) = (one(), teller());
        let progressing = |available| {
            let mut facts = facts();
            (facts.spec_replicas, facts.replicas, facts.updated, facts.available) = (9, 9, 9, available);
            Observation::Workload(Box::new(facts))
        };
        picture.take(progressing(1), at(0));
        assert!(teller.news(&picture, false, at(0)).contains("available 1 < 9"));
        picture.take(progressing(2), at(9));
        assert_eq!(teller.news(&picture, false, at(9)), "");
        picture.take(progressing(3), at(31));
        assert!(teller.news(&picture, false, at(31)).contains("available 3 < 9"));
    }

    #[test]
    fn a_crash_names_pod_container_reason_and_its_last_lines() {
        let (mut picture, mut teller) = (one(), teller());
        picture.take(crashing(), at(0));
        picture.take(log(&["starting", "FATAL no \u{1b}[31mdatabase"]), at(0));
        let told = teller.news(&picture, false, at(0));
        assert!(told.contains("failed"), "{told}");
        assert!(told.contains("app-1 app CrashLoopBackOff exit 1 ×3"), "{told}");
        assert_eq!(
            teller.last_lines(&picture),
            "          last lines of app-1 app\n          | starting\n          | FATAL no database\n"
        );
    }

    #[test]
    fn a_silence_and_its_end_are_told_once_each() {
        let (mut picture, mut teller) = (one(), teller());
        picture.take(up(facts()), at(0));
        teller.news(&picture, false, at(0));
        picture.take(silent(0), at(4));
        assert_eq!(
            teller.news(&picture, false, at(4)),
            "12:00:04  deployment/app  stale, was settling  no answer since 12:00:00 (connection refused)\n"
        );
        picture.take(silent(0), at(6));
        assert_eq!(teller.news(&picture, false, at(6)), "");
        picture.take(live(), at(8));
        assert!(teller.news(&picture, false, at(8)).starts_with("12:00:08  deployment/app  settling"));
    }

    #[test]
    fn before_anything_is_read_the_cause_is_told() {
        let (mut picture, mut teller) = (one(), teller());
        assert_eq!(teller.news(&picture, false, at(0)), "");
        assert_eq!(
            Teller::new(TimeZone::UTC).news(&picture, true, at(0)),
            "12:00:00  deployment/app  unknown      not read yet\n"
        );
        picture.take(silent(0), at(2));
        assert_eq!(
            teller.news(&picture, false, at(2)),
            "12:00:02  deployment/app  unknown      no answer from http://api (prod): connection refused\n"
        );
    }

    #[test]
    fn what_is_out_of_reach_is_told_once() {
        let (mut picture, mut teller) = (one(), teller());
        let limit = Preflight::limited("pods", "may not list pods in shop: their trouble is not seen");
        picture.take(Observation::Limit(limit.clone()), at(0));
        picture.take(up(facts()), at(0));
        let told = teller.news(&picture, false, at(0));
        assert!(told.starts_with("12:00:00  pods: may not list pods in shop"), "{told}");
        picture.take(Observation::Limit(limit), at(1));
        assert_eq!(teller.news(&picture, false, at(1)), "");
    }

    #[test]
    fn what_the_cluster_says_stays_on_one_line_and_cannot_act_on_the_terminal() {
        let (mut picture, mut teller) = (one(), teller());
        let mut facts = facts();
        facts.pods[0].ready = false;
        facts.pods[0].unschedulable = Some("0/1 nodes\nare \u{1b}]52;c;aGk=\u{7}fine".to_owned());
        facts.available = 0;
        picture.take(Observation::Workload(Box::new(facts)), at(0));
        let told = teller.news(&picture, false, at(0));
        assert_eq!(told.matches('\n').count(), 1, "{told}");
        assert!(told.ends_with("0/1 nodes are fine\n") && !told.contains('\u{1b}'), "{told:?}");
    }
}
