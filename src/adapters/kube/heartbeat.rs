//! A question every two seconds, because a silent watch looks just like a quiet cluster.

use std::time::Duration;

use jiff::SignedDuration;
use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::error::{Cause, explain};
use crate::watch::{Link, Moment, Observation, System};

/// Two missed in the worst case, and the loss is still on screen within five seconds.
const EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks `GET /livez` for ever; says when the cluster falls silent and when it is back, and wakes
/// the watches then.
pub(super) async fn run<C>(client: Client, out: Sender<Observation>, recovered: watch::Sender<u64>, clock: C)
where
    C: Fn() -> Moment,
{
    let mut beats = interval(EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_ok: Option<Moment> = None;
    let mut live: Option<bool> = None;
    loop {
        beats.tick().await;
        let asked = clock();
        let link = match beat(&client).await {
            Ok(()) => {
                last_ok = Some(clock());
                if live == Some(true) {
                    continue;
                }
                if live == Some(false) {
                    recovered.send_modify(|times| *times += 1);
                }
                live = Some(true);
                Link::Live
            }
            Err(cause) => {
                live = Some(false);
                let next = asked.wall.saturating_add(SignedDuration::try_from(EVERY).unwrap_or_default());
                Link::Down { since: last_ok.unwrap_or(asked), cause, retry_at: next.ok() }
            }
        };
        if out.send(Observation::Link { system: System::Cluster, link }).await.is_err() {
            return;
        }
    }
}

async fn beat(client: &Client) -> Result<(), String> {
    let request = Request::new("/livez").list(&ListParams::default()).map_err(|error| error.to_string())?;
    match timeout(PATIENCE, client.request_text(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            let (cause, detail) = explain(&error);
            match cause {
                // Alive, only not talking to us about its health.
                Cause::Forbidden | Cause::NotFound => Ok(()),
                Cause::Server if !detail.is_empty() => Err(format!("{}: {detail}", cause.words())),
                cause => Err(cause.words().to_owned()),
            }
        }
        Err(_) => Err(Cause::TimedOut.words().to_owned()),
    }
}
