//! The one reader of the clock.
#![expect(clippy::disallowed_methods, reason = "this is where the time comes from")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::release::WakeTime;
use crate::watch::Moment;

/// Tells what time it is, on the wall and in the world.
///
/// - Shape: no moment is before one that was told earlier, by this clock or any clone of it. A system
///   clock that is set back is left behind: time goes on at its own pace until the system caught up.
#[derive(Debug, Clone)]
pub struct Clock {
    world: World,
    last: Arc<Mutex<Last>>,
}

#[derive(Debug, Clone, Copy)]
enum World {
    /// Both clocks agree.
    Real,
    /// World time runs `speed` times as fast, from these two origins on.
    Practice { wall_origin: Timestamp, world_origin: Timestamp, speed: f64 },
}

#[derive(Debug, Clone, Copy)]
struct Last {
    wall: Timestamp,
    /// Counts on while the system clock is set back, but not while the machine sleeps: that is why it
    /// stands in for the system clock only then.
    monotonic: Instant,
}

impl Clock {
    pub fn real() -> Self {
        Self::new(World::Real)
    }

    /// A world that stood at `world_origin` when the wall stood at `wall_origin`.
    ///
    /// - Units: `speed` is world seconds per wall second; anything that is no positive number is 1.
    pub fn practice(wall_origin: Timestamp, world_origin: Timestamp, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        Self::new(World::Practice { wall_origin, world_origin, speed })
    }

    fn new(world: World) -> Self {
        let last = Last { wall: Timestamp::now(), monotonic: Instant::now() };
        Self { world, last: Arc::new(Mutex::new(last)) }
    }

    /// Takes up where another process stopped: nothing is told that lies before its last record.
    pub fn not_before(self, earlier: Moment) -> Self {
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.wall = last.wall.max(earlier.wall);
        }
        self
    }

    pub fn now(&self) -> Moment {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.advanced(Timestamp::now(), Instant::now());
        self.world.at(last.wall)
    }

    /// How long to wait until a moment that the release asked to be woken at; zero when it has come.
    ///
    /// - Shape: rounded up, because a timer that rings too early is not asked for again. The system
    ///   clock may be set meanwhile: ask once more after waiting.
    pub fn wall_until(&self, time: WakeTime) -> Duration {
        self.world.wall_between(self.now(), time)
    }
}

impl Last {
    fn advanced(self, system: Timestamp, monotonic: Instant) -> Self {
        let wall = if system >= self.wall {
            system
        } else {
            let passed = SignedDuration::try_from(monotonic.saturating_duration_since(self.monotonic));
            self.wall.saturating_add(passed.unwrap_or(SignedDuration::MAX)).unwrap_or(self.wall)
        };
        Self { wall, monotonic }
    }
}

impl World {
    fn at(self, wall: Timestamp) -> Moment {
        let world = match self {
            World::Real => wall,
            World::Practice { wall_origin, world_origin, speed } => {
                let passed = wall.duration_since(wall_origin).max(SignedDuration::ZERO);
                world_origin.saturating_add(scaled(passed, speed)).unwrap_or(world_origin)
            }
        };
        Moment { wall, world }
    }

    fn wall_between(self, now: Moment, time: WakeTime) -> Duration {
        let (missing, speed) = match (time, self) {
            (WakeTime::World(until), World::Practice { speed, .. }) => {
                (until.duration_since(now.world), speed)
            }
            (WakeTime::World(until), World::Real) => (until.duration_since(now.world), 1.0),
            (WakeTime::Wall(until), _) => (until.duration_since(now.wall), 1.0),
        };
        let Ok(missing) = Duration::try_from(missing) else { return Duration::ZERO };
        if missing.is_zero() {
            return Duration::ZERO;
        }
        // Floats and whole nanoseconds lose less than this on the way to the world and back.
        const ROUNDING: Duration = Duration::from_millis(1);
        let wall = Duration::try_from_secs_f64(missing.as_secs_f64() / speed).unwrap_or(Duration::MAX);
        wall.saturating_add(ROUNDING)
    }
}

fn scaled(passed: SignedDuration, speed: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(passed.as_secs_f64() * speed).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_356_127 + seconds).unwrap()
    }

    #[test]
    fn a_system_clock_that_is_set_back_does_not_turn_time_back() {
        let start = Instant::now();
        let last = Last { wall: at(100), monotonic: start };
        let set_back = last.advanced(at(40), start + Duration::from_secs(3));
        assert_eq!(set_back.wall, at(103), "time goes on at its own pace");
        let further = set_back.advanced(at(45), start + Duration::from_secs(8));
        assert_eq!(further.wall, at(108));
        let caught_up = further.advanced(at(200), start + Duration::from_secs(9));
        assert_eq!(caught_up.wall, at(200));
    }

    #[test]
    fn a_machine_that_slept_wakes_up_in_the_present() {
        let start = Instant::now();
        let last = Last { wall: at(0), monotonic: start };
        assert_eq!(last.advanced(at(7_200), start + Duration::from_secs(1)).wall, at(7_200));
    }

    #[test]
    fn a_resumed_release_never_goes_back_before_its_last_record() {
        let far = Moment::real("2200-01-01T00:00:00Z".parse().unwrap());
        let clock = Clock::real().not_before(far);
        let (first, second) = (clock.now(), clock.clone().now());
        assert!(far.wall <= first.wall && first.wall <= second.wall);
    }

    #[test]
    fn in_a_real_release_both_clocks_agree() {
        let now = Clock::real().now();
        assert_eq!(now.wall, now.world);
    }

    #[test]
    fn a_practice_world_runs_at_its_speed_from_its_origin() {
        let world = World::Practice { wall_origin: at(0), world_origin: at(-1_000), speed: 60.0 };
        assert_eq!(world.at(at(10)).world, at(-400));
        assert_eq!(world.at(at(-5)).world, at(-1_000), "it does not run before its origin");
        let hour = world.wall_between(world.at(at(10)), WakeTime::World(at(3_200)));
        assert!((60.0..60.01).contains(&hour.as_secs_f64()), "{hour:?}");
        let wall = world.wall_between(world.at(at(10)), WakeTime::Wall(at(70)));
        assert!((60.0..60.01).contains(&wall.as_secs_f64()), "{wall:?}");
        assert_eq!(world.wall_between(world.at(at(10)), WakeTime::World(at(-400))), Duration::ZERO);
    }

    #[test]
    fn a_speed_that_is_none_is_one() {
        for speed in [0.0, -3.0, f64::NAN, f64::INFINITY] {
            let clock = Clock::practice(at(0), at(0), speed);
            let World::Practice { speed, .. } = clock.world else { panic!("it is a practice world") };
            assert_eq!(speed, 1.0);
        }
    }

    proptest! {
        #[test]
        fn after_the_wait_the_moment_has_come(
            speed in 0.1_f64..1_000.0, passed_ms in 0_i64..100_000_000, soak_ms in 1_i64..100_000_000,
        ) {
            let world = World::Practice { wall_origin: at(0), world_origin: at(5), speed };
            let now = world.at(at(0) + SignedDuration::from_millis(passed_ms));
            let until = now.world + SignedDuration::from_millis(soak_ms);
            let wait = world.wall_between(now, WakeTime::World(until));
            let then = world.at(now.wall + SignedDuration::try_from(wait).unwrap());
            prop_assert!(then.world >= until, "{} before", until.duration_since(then.world));
        }
    }
}
