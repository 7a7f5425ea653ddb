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
    /// The new version answers rightly, and after some minutes more than twice as slowly.
    Latency,
    /// The new version was never pushed to the registry.
    BadImage,
    /// Each new pod needs minutes until it is ready. Nothing is wrong with it.
    Slow,
    /// The API server goes away in the middle of the rollout, and comes back without its history.
    Outage,
    /// Nothing is scripted: the tag of each image decides, as it does on a cluster of simulated nodes.
    /// Not for a rehearsal: it has no old version that served well.
    ByTag,
}

/// Every scenario that a demo offers: its name, and how the new version behaves.
const LESSONS: [(Scenario, &str, Behaviour); 7] = [
    (Scenario::Good, "good", GOOD),
    (Scenario::ErrorSpike, "error-spike", ERROR_SPIKE),
    (Scenario::CrashLoop, "crash-loop", CRASH_LOOP),
    (Scenario::Latency, "latency", LATENCY),
    (Scenario::BadImage, "bad-image", MISSING_IMAGE),
    (Scenario::Slow, "slow", SLOW),
    (Scenario::Outage, "outage", GOOD),
];

impl Scenario {
    /// The lessons that a demo offers.
    pub fn all() -> impl Iterator<Item = Self> {
        LESSONS.into_iter().map(|(scenario, _, _)| scenario)
    }

    fn lesson(self) -> Option<(&'static str, Behaviour)> {
        LESSONS.into_iter().find(|(one, _, _)| *one == self).map(|(_, name, behaviour)| (name, behaviour))
    }

    pub fn as_str(self) -> &'static str {
        self.lesson().map_or("by-tag", |(name, _)| name)
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scenario that nobody wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no scenario is called `{0}`; there are {known}", known = names())]
pub struct UnknownScenario(pub String);

fn names() -> String {
    let names: Vec<&str> = Scenario::all().map(Scenario::as_str).collect();
    let (last, others) = names.split_last().expect("there are several lessons");
    format!("{} and {last}", others.join(", "))
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all().find(|scenario| scenario.as_str() == text).ok_or_else(|| UnknownScenario(text.to_owned()))
    }
}

/// How containers of one image behave. Units: seconds of world time, ratios from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behaviour {
    /// From the container's start to its first successful answer; the pod's own figure lies between.
    pub warm_up_s: (f64, f64),
    /// What a request takes, compared with the old version.
    pub latency_factor: f64,
    /// The same, once it changes while the container runs.
    pub slowing: Option<Course>,
    /// The share of requests that fail.
    pub errors: Option<Course>,
    pub crash: Option<Crash>,
    /// The registry has no such image.
    pub missing_image: bool,
}

/// How requests fare at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fare {
    /// The share that fails, beside what always fails.
    pub error_ratio: f64,
    /// What they take, compared with the old version.
    pub latency_factor: f64,
}

impl Fare {
    /// The worse of two that requests meet on their way.
    pub fn and(self, other: Self) -> Self {
        Self {
            error_ratio: self.error_ratio.max(other.error_ratio),
            latency_factor: self.latency_factor.max(other.latency_factor),
        }
    }
}

/// A figure that sets in `after_s` behind readiness with `first` and moves to `last` over `ramp_s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Course {
    pub after_s: f64,
    pub first: f64,
    pub last: f64,
    pub ramp_s: f64,
}

impl Course {
    /// The figure so many seconds behind readiness; `None` before it sets in.
    pub fn at(&self, ready_for_s: f64) -> Option<f64> {
        let since = ready_for_s - self.after_s;
        (since >= 0.0).then(|| self.first + (self.last - self.first) * (since / self.ramp_s).min(1.0))
    }
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
    slowing: None,
    errors: None,
    crash: None,
    missing_image: false,
};

const ERROR_SPIKE: Behaviour = Behaviour {
    // One pod of four at 5 % already lifts the whole over 1 %; the one-minute rate and the scrape
    // interval add a minute and a half before a reading shows it.
    errors: Some(Course { after_s: 300.0, first: 0.03, last: 0.08, ramp_s: 240.0 }),
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

const LATENCY: Behaviour = Behaviour {
    // A cache that fills, a plan that turns: it comes with time, when the rollout is long complete.
    slowing: Some(Course { after_s: 360.0, first: 1.4, last: 2.8, ramp_s: 180.0 }),
    latency_factor: 1.05,
    ..GOOD
};

const SLOW: Behaviour = Behaviour { warm_up_s: (150.0, 190.0), ..GOOD };

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
    scenario.lesson().map_or_else(|| by_tag(tag), |(_, behaviour)| behaviour)
}

/// How requests fare that are shown what sleeps behind the feature flag: as with the new version once
/// its fault has set in fully, because that code was deployed long before the rehearsal.
pub fn behind_flag(scenario: Scenario) -> Fare {
    let behaviour = scenario.lesson().map_or(GOOD, |(_, behaviour)| behaviour);
    Fare {
        error_ratio: behaviour.errors.map_or(0.0, |course| course.last),
        latency_factor: behaviour.slowing.map_or(behaviour.latency_factor, |course| course.last),
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
        for scenario in Scenario::all() {
            assert_eq!(behaviour(scenario, "myapp:v1.2.0"), GOOD);
            assert_eq!(behaviour(scenario, "registry:5000/shop/myapp:v1.1.0"), GOOD);
        }
    }

    #[test]
    fn a_new_version_meets_the_fate_of_its_scenario() {
        assert_eq!(behaviour(Scenario::Good, "myapp:v1.3.0"), GOOD);
        assert!(behaviour(Scenario::ErrorSpike, "myapp:v1.3.0").errors.is_some());
        assert!(behaviour(Scenario::CrashLoop, "myapp:v1.3.0").crash.is_some());
        assert!(behaviour(Scenario::Latency, "myapp:v1.3.0").slowing.is_some());
        assert!(behaviour(Scenario::BadImage, "myapp:v1.3.0").missing_image);
    }

    #[test]
    fn a_course_sets_in_late_moves_and_stays() {
        let course = Course { after_s: 100.0, first: 0.2, last: 0.4, ramp_s: 10.0 };
        let figures = [99.0, 100.0, 105.0, 900.0].map(|seconds| course.at(seconds));
        assert_eq!(figures[0], None);
        assert_eq!(figures[1], Some(0.2));
        assert!((figures[2].unwrap() - 0.3).abs() < 1e-9);
        assert!((figures[3].unwrap() - 0.4).abs() < 1e-9);
    }

    #[test]
    fn a_tag_that_is_no_version_is_in_no_registry() {
        assert!(behaviour(Scenario::Good, "myapp:v1.3").missing_image);
        assert!(behaviour(Scenario::Good, "myapp").missing_image);
        assert!(behaviour(Scenario::Good, "myapp:v1.3.0-badimage").missing_image);
    }

    #[test]
    fn scenarios_are_read_by_the_names_they_print() {
        for scenario in Scenario::all() {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        let unknown = "chaos".parse::<Scenario>().unwrap_err();
        assert!(unknown.to_string().ends_with("bad-image, slow and outage"), "{unknown}");
    }
}
