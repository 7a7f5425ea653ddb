//! An nginx as part of the rollback plan: pinned, tested, put back and read back like any other route.

use tokio::time::Instant;

use super::{Limits, Nginx, NginxError, Standing};
use crate::release::{Failure, FailureKind, Held, Outcome, RouteKind, RoutePin, RouteRef};
use crate::workflow::nginx::{Colour, NginxSite};

/// Reads which colour serves, as the state that a rollback returns to.
///
/// - Errors: whatever keeps one colour from being the known good one, such as two files that disagree.
pub fn pin(site: NginxSite) -> Result<RoutePin, NginxError> {
    let colour = of(&site)?.read()?;
    let name = site.upstream.display().to_string();
    Ok(RoutePin {
        route: RouteRef { kind: RouteKind::Nginx, namespace: String::new(), name },
        uid: String::new(),
        api_version: String::new(),
        held: Held::Colour { colour, site: Box::new(site) },
        to: Vec::new(),
        kept_by: None,
        limit: None,
    })
}

/// What the test of the way back found, and the lines that it would change.
///
/// - Source: both files, the health of the colour, `nginx -t`, and an answer through nginx.
pub async fn arm(site: &NginxSite, to: &Colour) -> (Outcome, Vec<String>) {
    let proof = match of(site) {
        Ok(nginx) => nginx.prove(to, None).await,
        Err(error) => Err(error),
    };
    match proof {
        Ok(proof) if proof.limits.is_empty() => (Outcome::Fine, proof.difference),
        Ok(proof) => (Outcome::Limited(proof.limits.join("; ")), proof.difference),
        Err(error) => {
            let why = error.to_string();
            let outcome = match failure_kind(&error) {
                // A switch that is under way ends, and nginx may answer the next time.
                _ if matches!(error, NginxError::Busy { .. }) => Outcome::Unknown(why),
                FailureKind::TimedOut | FailureKind::Changed => Outcome::Unknown(why),
                _ => Outcome::Broken(why),
            };
            (outcome, Vec::new())
        }
    }
}

/// Sends everybody back.
///
/// - Shape: how long it took in milliseconds; `None` when it was so already.
/// - Errors: as [`Failure`] has them; a colour that is not healthy yet is asked again.
pub async fn put_back(site: &NginxSite, to: &Colour) -> Result<Option<u64>, Failure> {
    let began = Instant::now();
    let nginx = of(site).map_err(|error| failure(&error))?;
    let switched = nginx.switch(to, None, |_| ()).await.map_err(|error| failure(&error))?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((!switched.was_there).then_some(took_ms))
}

/// Looks whether both files, and nginx itself where it can be asked, say `to`.
pub async fn read_back(site: &NginxSite, to: &Colour) -> Result<(), Failure> {
    let nginx = of(site).map_err(|error| failure(&error))?;
    let standing = nginx.look().map_err(|error| failure(&error))?;
    if standing != Standing::agreed_on(to) {
        let summary = format!(
            "{} says {}, {to} was put back: Y does it again",
            site.upstream.display(),
            standing.words()
        );
        return Err(Failure { kind: FailureKind::Changed, summary });
    }
    let kind = FailureKind::NotYet;
    match nginx.serving().await.map_err(|error| failure(&error))? {
        None => Ok(()),
        Some(Ok(colour)) if colour == *to => Ok(()),
        Some(Ok(colour)) => {
            Err(Failure { kind, summary: format!("{colour} answers through nginx, both files say {to}") })
        }
        Some(Err(words)) => {
            Err(Failure { kind, summary: format!("no colour is told through nginx: {words}") })
        }
    }
}

fn of(site: &NginxSite) -> Result<Nginx, NginxError> {
    Nginx::new(site.clone(), Limits::default())
}

fn failure(error: &NginxError) -> Failure {
    Failure { kind: failure_kind(error), summary: error.to_string() }
}

fn failure_kind(error: &NginxError) -> FailureKind {
    match error {
        NginxError::Unhealthy { .. } | NginxError::Busy { .. } => FailureKind::NotYet,
        NginxError::Changed { .. } | NginxError::NotAsExpected { .. } => FailureKind::Changed,
        // The same switch again finishes it.
        NginxError::TimedOut { .. }
        | NginxError::InDoubt { .. }
        | NginxError::NotReadBack { .. }
        | NginxError::NotRecorded { .. } => FailureKind::TimedOut,
        NginxError::NotReloaded { cause, .. } | NginxError::NotPutBack { cause, .. } => failure_kind(cause),
        _ => FailureKind::Rejected,
    }
}
