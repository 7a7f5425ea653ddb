//! A question every two seconds, because a silent watch looks just like a quiet cluster.

use std::time::Duration;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::answer::{Answer, Failure};
use super::error::Cause;
use crate::watch::{Link, Moment, Observation, Preflight, System};

/// How often is asked, and how long is waited for the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub every: Duration,
    pub patience: Duration,
}

impl Pace {
    pub const USUAL: Self = Self { every: Duration::from_secs(2), patience: Duration::from_secs(2) };
}

// A server that falls silent right after an answer is asked once more, and waited for.
const _: () = assert!(
    Pace::USUAL.every.as_millis() + Pace::USUAL.patience.as_millis() < 5_000,
    "a loss is on screen within five seconds"
);

/// The answer is "ok"; a proxy may have more to say.
const BODY: usize = 64 << 10;
/// A busy server may keep us away this long; longer, and nobody would know that it is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The `Date` of an answer has whole seconds, and the way there takes its time: less is no skew.
const SURELY_SKEWED: SignedDuration = SignedDuration::from_secs(2);
/// From here on a person should know.
const WORTH_TELLING: SignedDuration = SignedDuration::from_secs(5);

/// What is known of the cluster's voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Unheard,
    Heard,
    Silent,
    /// It answered once since the silence.
    Returning,
}

/// Asks `GET /livez` for ever; says when the cluster falls silent and when it is back, and wakes
/// the watches then.
///
/// It is said to be back one beat after the watches were woken: until they have told what they
/// missed, all that is shown is as old as the silence, and nobody should take it for new.
///
/// - `skew`: how far the cluster's clock is ahead of ours, zero while the two agree.
pub(super) async fn run<C>(
    client: Client,
    pace: Pace,
    out: Sender<Observation>,
    recovered: watch::Sender<u64>,
    skew: watch::Sender<SignedDuration>,
    clock: C,
) where
    C: Fn() -> Moment,
{
    let mut beats = interval(pace.every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_ok: Option<Moment> = None;
    let mut silent_since: Option<Moment> = None;
    let mut voice = Voice::Unheard;
    loop {
        beats.tick().await;
        let asked = clock();
        let link = match beat(&client, pace.patience).await {
            Ok(date) => {
                let answered = clock();
                if let Some(date) = date
                    && let Some(line) = note_skew(&skew, measured(date, asked.wall, answered.wall))
                    && out.send(Observation::Limit(line)).await.is_err()
                {
                    return;
                }
                if voice == Voice::Silent {
                    voice = Voice::Returning;
                    recovered.send_modify(|times| *times += 1);
                    continue;
                }
                last_ok = Some(answered);
                silent_since = None;
                if std::mem::replace(&mut voice, Voice::Heard) == Voice::Heard {
                    continue;
                }
                Link::Live
            }
            Err(failure) => {
                voice = Voice::Silent;
                let since = *silent_since.get_or_insert(last_ok.unwrap_or(asked));
                let wait = failure.retry_after.unwrap_or_default().clamp(pace.every, LONGEST_PAUSE);
                let next = asked.wall.saturating_add(SignedDuration::try_from(wait).unwrap_or_default());
                let cause = words(&failure);
                let link = Link::Down { since, cause, retry_at: next.ok() };
                if out.send(Observation::Link { system: System::Cluster, link }).await.is_err() {
                    return;
                }
                if let Some(longer) = wait.checked_sub(pace.every) {
                    sleep(longer).await;
                }
                continue;
            }
        };
        if out.send(Observation::Link { system: System::Cluster, link }).await.is_err() {
            return;
        }
    }
}

fn words(failure: &Failure) -> String {
    match failure.cause {
        Cause::Server | Cause::Busy if !failure.detail.is_empty() => {
            format!("{}: {}", failure.cause.words(), failure.detail)
        }
        cause => cause.words().to_owned(),
    }
}

/// The server's own time, if it gave one.
async fn beat(client: &Client, patience: Duration) -> Result<Option<Timestamp>, Failure> {
    let request = Request::new("/livez").list(&ListParams::default());
    let asked = async {
        let mut answer = Answer::to(client, request).await?;
        // An answer that is not read to its end costs its connection, and the next beat a new one.
        answer.whole(BODY, patience).await?;
        Ok::<_, Failure>(answer.date())
    };
    match timeout(patience, asked).await {
        Ok(Ok(date)) => Ok(date),
        // Alive, only not talking to us about its health.
        Ok(Err(failure)) if matches!(failure.cause, Cause::Forbidden | Cause::NotFound) => Ok(None),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::of(Cause::TimedOut, "")),
    }
}

/// Reads the `Date` of an answer.
pub(super) fn date(header: &str) -> Option<Timestamp> {
    // HTTP names the zone "GMT", which the grammar of mail calls obsolete and still allows.
    rfc2822::DateTimeParser::new().parse_timestamp(header).ok()
}

/// How far the server's clock is ahead: at least as far from zero as it looks from both ends.
fn measured(date: Timestamp, asked: Timestamp, answered: Timestamp) -> SignedDuration {
    // The server wrote its date between the two, and cut off up to a second.
    let (least, most) =
        (date.duration_since(answered), date.duration_since(asked) + SignedDuration::from_secs(1));
    match (least > SignedDuration::ZERO, most < SignedDuration::ZERO) {
        (true, _) => least,
        (_, true) => most,
        _ => SignedDuration::ZERO,
    }
}

/// Keeps what was measured, if it is new, and tells it where it matters.
fn note_skew(known: &watch::Sender<SignedDuration>, measured: SignedDuration) -> Option<Preflight> {
    let is_skewed = |skew: SignedDuration| skew.abs() > WORTH_TELLING;
    let before = *known.borrow();
    let now = if measured.abs() < SURELY_SKEWED { SignedDuration::ZERO } else { measured };
    // Each measurement differs a little from the last.
    if (now - before).abs() < SURELY_SKEWED && (now.is_zero() == before.is_zero()) {
        return None;
    }
    known.send_replace(now);
    match (is_skewed(before), is_skewed(now)) {
        (_, true) => {
            let way = if now.is_positive() { "behind" } else { "ahead of" };
            let seconds = now.abs().as_secs();
            let why =
                format!("this machine is {seconds} s {way} the cluster: its times are shown by our clock");
            Some(Preflight::limited("clock", why))
        }
        (true, false) => Some(Preflight::fine("clock", "agrees with the cluster again")),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kube::testing::{Reply, Server, soon};
    use crate::watch::PreflightOutcome;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T{text}Z").parse().unwrap()
    }

    #[tokio::test]
    async fn a_busy_server_is_down_until_the_moment_that_it_names() {
        let server = Server::start(|n, _| match n {
            0 => Reply::ok("ok").header("Date", "Sun, 22 Nov 2026 13:59:00 GMT"),
            _ => Reply::status("429 Too Many Requests", "too many requests").header("Retry-After", "17"),
        })
        .await;
        let (out, mut told) = tokio::sync::mpsc::channel(8);
        let (recovered, _recoveries) = watch::channel(0);
        let (skewed, skew) = watch::channel(SignedDuration::ZERO);
        let now = Moment::real(at("14:00:00"));
        // Generous: only a hang takes this long.
        let pace = Pace { patience: Duration::from_secs(300), ..Pace::USUAL };
        let beating = tokio::spawn(run(server.client(), pace, out, recovered, skewed, move || now));
        let clock = soon(told.recv()).await.unwrap();
        assert!(matches!(&clock, Observation::Limit(line) if line.what == "clock"), "{clock:?}");
        assert_eq!(skew.borrow().as_secs(), -59);
        let live = soon(told.recv()).await.unwrap();
        assert_eq!(live, Observation::Link { system: System::Cluster, link: Link::Live });
        let down = Link::Down {
            since: now,
            cause: "server too busy: too many requests".into(),
            retry_at: Some(at("14:00:17")),
        };
        let told = soon(told.recv()).await.unwrap();
        assert_eq!(told, Observation::Link { system: System::Cluster, link: down });
        beating.abort();
        assert_eq!(server.asked().len(), 2);
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        assert_eq!(date("Sun, 22 Nov 2026 14:00:07 GMT"), Some(at("14:00:07")));
        assert_eq!(date("yesterday"), None);
    }

    #[test]
    fn what_the_way_and_the_cut_second_explain_is_no_skew() {
        let skew = |date, asked, answered| measured(at(date), at(asked), at(answered)).as_millis();
        assert_eq!(skew("14:00:07", "14:00:07.200", "14:00:09.100"), 0);
        assert_eq!(skew("14:00:07", "14:00:07.900", "14:00:08.100"), 0);
        assert_eq!(skew("14:01:00", "14:00:07.900", "14:00:08.000"), 52_000);
        assert_eq!(skew("14:00:00", "14:00:07.500", "14:00:08.000"), -6_500);
    }

    #[test]
    fn a_skew_is_told_once_and_its_end_too() {
        let (known, seen) = watch::channel(SignedDuration::ZERO);
        let note = |millis| note_skew(&known, SignedDuration::from_millis(millis));
        assert_eq!(note(1_500), None);
        assert_eq!(note(4_000), None, "taken into account, and not worth a word");
        assert_eq!(seen.borrow().as_secs(), 4);
        let line = note(34_000).unwrap();
        assert_eq!(line.outcome, PreflightOutcome::Limited);
        assert!(line.detail.contains("34 s behind the cluster"), "{}", line.detail);
        assert_eq!(note(35_100), None, "a little more is the same");
        assert!(note(-60_000).unwrap().detail.contains("60 s ahead of the cluster"));
        assert_eq!(note(900).unwrap().outcome, PreflightOutcome::Fine);
        assert_eq!(*seen.borrow(), SignedDuration::ZERO);
    }
}
