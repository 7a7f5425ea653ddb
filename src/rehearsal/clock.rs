//! World time: a straight line over the wall clock.
#![expect(
    clippy::disallowed_methods,
    reason = "the practice world is driven by the real clock, read here only"
)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How world time follows from the wall clock: `world_origin + speed × (wall − wall_origin)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PracticeClock {
    pub wall_origin: Timestamp,
    pub world_origin: Timestamp,
    /// World seconds per real second; above zero.
    pub speed: f64,
}

impl PracticeClock {
    /// A clock that shows `world_origin` now.
    pub fn starting_at(world_origin: Timestamp, speed: f64) -> Self {
        Self { wall_origin: Timestamp::now(), world_origin, speed }
    }

    /// A clock that shows the wall's time now and runs ahead from there.
    pub fn starting_now(speed: f64) -> Self {
        let now = Timestamp::now();
        Self { wall_origin: now, world_origin: now, speed }
    }

    pub fn now(&self) -> Timestamp {
        self.world_at(Timestamp::now())
    }

    pub fn world_at(&self, wall: Timestamp) -> Timestamp {
        let elapsed = wall.duration_since(self.wall_origin).as_secs_f64() * self.speed;
        self.world_origin.checked_add(SignedDuration::from_secs_f64(elapsed)).unwrap_or(self.world_origin)
    }

    /// Real time until the world reaches `at`; zero when it already has.
    pub fn until(&self, at: Timestamp) -> Duration {
        let world = at.duration_since(self.now()).as_secs_f64();
        Duration::from_secs_f64((world / self.speed).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_runs_as_many_times_faster_as_its_speed_says() {
        let origin: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let clock = PracticeClock { wall_origin: origin, world_origin: origin, speed: 30.0 };
        let world = clock.world_at(origin + SignedDuration::from_secs(10));
        assert_eq!(world, origin + SignedDuration::from_secs(300));
    }
}
