//! What goes wrong in the practice world: a table from scenario and image to the behaviour of its pods.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The lesson that a rehearsal plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// The new version is as good as the old one.
    Good,
    /// The new version becomes ready, serves well for some minutes, then fails 3–8 % of its requests.
    ErrorSpike,
    /// The new version exits some seconds after its start.
    CrashLoop,
    /// Nothing is scripted: the tag of each image decides, as it does on a cluster of simulated nodes.
    /// Not for a rehearsal: it has no old version that served well.
    ByTag,
}

impl Scenario {
    /// The lessons that a demo offers.
    pub const ALL: [Self; 3] = [Self::Good, Self::ErrorSpike, Self::CrashLoop];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::ErrorSpike => "error-spike",
            Self::CrashLoop => "crash-loop",
            Self::ByTag => "by-tag",
        }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scenario that nobody wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no scenario is called `{0}`; there are good, error-spike and crash-loop")]
pub struct UnknownScenario(pub String);

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.as_str() == text)
            .ok_or_else(|| UnknownScenario(text.to_owned()))
    }
}

/// How containers of one image behave. Units: seconds of world time, ratios from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behaviour {
    /// From the container's start to its first successful answer; the pod's own figure lies between.
    pub warm_up_s: (f64, f64),
    /// What a request takes, compared with the old version.
    pub latency_factor: f64,
    pub errors: Option<Errors>,
    pub crash: Option<Crash>,
    /// The registry has no such image.
    pub missing_image: bool,
}

/// Failing requests: none until `after_s` behind readiness, then `first`, growing to `last` over `ramp_s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    pub after_s: f64,
    pub first: f64,
    pub last: f64,
    pub ramp_s: f64,
}

/// An exit by itself, and the last words in the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crash {
    pub after_s: f64,
    pub exit_code: i32,
    pub last_lines: &'static [&'static str],
}

const GOOD: Behaviour = Behaviour {
    warm_up_s: (68.0, 88.0),
    latency_factor: 1.0,
    errors: None,
    crash: None,
    missing_image: false,
};

const ERROR_SPIKE: Behaviour = Behaviour {
    // One pod of four at 5 % already lifts the whole over 1 %; the one-minute rate and the scrape
    // interval add a minute and a half before a reading shows it.
    errors: Some(Errors { after_s: 300.0, first: 0.03, last: 0.08, ramp_s: 240.0 }),
    latency_factor: 1.15,
    ..GOOD
};

const CRASH_LOOP: Behaviour = Behaviour {
    crash: Some(Crash {
        after_s: 8.0,
        exit_code: 1,
        last_lines: &[
            "ERROR config: required setting PAYMENT_API_URL is not set",
            "ERROR config: it is new in this version, see the release notes",
            "FATAL cannot start without a payment gateway, exiting with code 1",
        ],
    }),
    ..GOOD
};

/// Never, as far as a rehearsal goes.
const NEVER_S: f64 = 1e9;

/// As the simulated nodes have it: ready a second after the start.
const QUICK: Behaviour = Behaviour { warm_up_s: (0.4, 0.8), ..GOOD };

const MISSING_IMAGE: Behaviour = Behaviour { missing_image: true, ..GOOD };

/// Versions that served well before the rehearsal began.
const PROVEN: [&str; 3] = ["v1.0.0", "v1.1.0", "v1.2.0"];

/// Looks up how containers of `image` behave under `scenario`.
///
/// Versions from before the rehearsal are always good; a tag that is no version is in no registry; a
/// tag may name its own fate (`v1.3.0-crash`), so that one world can show several.
pub fn behaviour(scenario: Scenario, image: &str) -> Behaviour {
    let tag = tag_of(image);
    if scenario == Scenario::ByTag {
        return by_tag(tag);
    }
    if PROVEN.contains(&tag) {
        return GOOD;
    }
    if tag.contains("badimage") || semver::Version::parse(tag.trim_start_matches('v')).is_err() {
        return MISSING_IMAGE;
    }
    if tag.contains("crash") {
        return CRASH_LOOP;
    }
    match scenario {
        Scenario::Good => GOOD,
        Scenario::ErrorSpike => ERROR_SPIKE,
        Scenario::CrashLoop => CRASH_LOOP,
        Scenario::ByTag => by_tag(tag),
    }
}

/// The conventions of the simulated nodes of `tests/cluster`, so that one table of tests fits both.
fn by_tag(tag: &str) -> Behaviour {
    if tag.contains("badimage") {
        Behaviour { missing_image: true, ..QUICK }
    } else if tag.contains("crash") {
        let crash = CRASH_LOOP.crash.map(|crash| Crash { after_s: 0.5, ..crash });
        Behaviour { crash, warm_up_s: (NEVER_S, NEVER_S), ..QUICK }
    } else if tag.contains("notready") {
        Behaviour { warm_up_s: (NEVER_S, NEVER_S), ..QUICK }
    } else if tag.contains("slow") {
        Behaviour { warm_up_s: (20.0, 20.0), ..QUICK }
    } else {
        QUICK
    }
}

/// The tag of an image reference; `latest` when it has none, as registries read it.
pub fn tag_of(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split('@').next().unwrap_or(name).split_once(':').map_or("latest", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_before_the_rehearsal_are_good_in_every_scenario() {
        for scenario in Scenario::ALL {
            assert_eq!(behaviour(scenario, "myapp:v1.2.0"), GOOD);
            assert_eq!(behaviour(scenario, "registry:5000/shop/myapp:v1.1.0"), GOOD);
        }
    }

    #[test]
    fn a_new_version_meets_the_fate_of_its_scenario() {
        assert_eq!(behaviour(Scenario::Good, "myapp:v1.3.0"), GOOD);
        assert!(behaviour(Scenario::ErrorSpike, "myapp:v1.3.0").errors.is_some());
        assert!(behaviour(Scenario::CrashLoop, "myapp:v1.3.0").crash.is_some());
    }

    #[test]
    fn a_tag_that_is_no_version_is_in_no_registry() {
        assert!(behaviour(Scenario::Good, "myapp:v1.3").missing_image);
        assert!(behaviour(Scenario::Good, "myapp").missing_image);
        assert!(behaviour(Scenario::Good, "myapp:v1.3.0-badimage").missing_image);
    }

    #[test]
    fn scenarios_are_read_by_the_names_they_print() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        assert_eq!("chaos".parse::<Scenario>(), Err(UnknownScenario("chaos".into())));
    }
}
