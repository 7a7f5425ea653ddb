//! What steers the traffic, in a cluster or before it: each to whom it belongs.

use crate::adapters::kube::KubeWorld;
use crate::adapters::nginx::way_back;
use crate::release::{Held, Outcome, RoutePin, StepResult};

use super::effects::{NEVER_REACHED, failure_of, never_reached, taken};

/// What its test found, and the lines that would change.
pub(super) async fn test(kube: Option<&KubeWorld>, pin: &RoutePin) -> Result<(Outcome, Vec<String>), String> {
    match (&pin.held, kube) {
        (Held::Colour { colour, site }, _) => Ok(way_back::arm(site, colour).await),
        (_, Some(kube)) => {
            let tested = kube.arm_route(pin).await.map_err(|error| error.to_string())?;
            Ok((tested.outcome, tested.diff))
        }
        (_, None) => Err(NEVER_REACHED.to_owned()),
    }
}

pub(super) async fn put_back(kube: Option<&KubeWorld>, pin: &RoutePin) -> StepResult {
    match (&pin.held, kube) {
        (Held::Colour { colour, site }, _) => {
            way_back::put_back(site, colour).await.map_or_else(StepResult::Failed, taken)
        }
        (_, Some(kube)) => match kube.put_back(pin).await {
            Ok(took_ms) => taken(took_ms),
            Err(error) => StepResult::Failed(failure_of(&error)),
        },
        (_, None) => never_reached(),
    }
}

/// Whether all are as they were pinned.
pub(super) async fn read_back(kube: Option<&KubeWorld>, pins: &[RoutePin]) -> StepResult {
    for pin in pins {
        if let Held::Colour { colour, site } = &pin.held
            && let Err(failure) = way_back::read_back(site, colour).await
        {
            return StepResult::Failed(failure);
        }
    }
    let inside: Vec<RoutePin> = pins.iter().filter(|pin| pin.route.is_in_cluster()).cloned().collect();
    match kube {
        _ if inside.is_empty() => StepResult::AlreadyThere,
        Some(kube) => match kube.read_back(&inside).await {
            Ok(()) => StepResult::AlreadyThere,
            Err(error) => StepResult::Failed(failure_of(&error)),
        },
        None => never_reached(),
    }
}
