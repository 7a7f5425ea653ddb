//! How fast machines are: lifelike in a rehearsal, hurried where a test plays on simulated nodes.

use super::dice::Dice;
use crate::rehearsal::scenario::Scenario;

impl Scenario {
    fn is_hurried(self) -> bool {
        self == Self::ByTag
    }

    /// Whether a container without a probe is ready when it is warm, and not when it starts.
    pub(super) fn waits_for_warmth(self) -> bool {
        self.is_hurried()
    }

    /// A controller's reaction time to a changed object.
    pub(super) fn observation_s(self) -> f64 {
        if self.is_hurried() { 0.02 } else { 1.0 }
    }

    /// The scheduler's reaction time to a new pod.
    pub(super) fn scheduling_s(self, dice: &mut Dice) -> f64 {
        if self.is_hurried() { dice.between(0.005, 0.02) } else { dice.between(0.2, 0.9) }
    }

    /// The kubelet's time from a bound pod to its first container.
    pub(super) fn creating_s(self) -> f64 {
        if self.is_hurried() { 0.1 } else { 0.8 }
    }

    /// A pull of an image that the registry has; `chance` is from 0 to 1.
    pub(super) fn pulling_s(self, chance: f64) -> f64 {
        if self.is_hurried() { 0.1 } else { 6.0 + 6.0 * chance }
    }

    /// From the request to go until the last container has ended.
    pub(super) fn draining_s(self, is_running: bool, chance: f64) -> f64 {
        match (self.is_hurried(), is_running) {
            (true, _) => 0.05,
            (false, true) => 4.0 + 5.0 * chance,
            (false, false) => 0.5,
        }
    }
}
