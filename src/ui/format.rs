//! Durations, ages, ratios and names as short text.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A running clock: `02:11`, `1:05:00`; negative time is zero.
pub fn clock(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// The T clock in full: `T+00:12:41`.
pub fn t_clock(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    format!("T+{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// An age in one unit: `9s`, `4m`, `3h`, `6d`. What lies in the future is new: `0s`.
pub fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=99 => format!("{seconds}s"),
        100..=5_999 => format!("{}m", seconds / 60),
        6_000..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A length of time as people say it: `41s`, `1m 17s`, `1h 05m`, `6 days`.
pub fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..=172_799 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A planned length, without needless zeros: `30s`, `5m`, `1h`, `1h 30m`.
pub fn planned(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = [(hours, "h"), (minutes, "m"), (rest, "s")];
    let words: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

/// How long a command took: `80 ms`, `0.4 s`, `12.3 s`, `2m 05s`.
pub fn took(millis: u64) -> String {
    if millis < 100 {
        format!("{millis} ms")
    } else if millis < 60_000 {
        format!("{}.{} s", millis / 1000, millis % 1000 / 100)
    } else {
        span(SignedDuration::from_secs(i64::try_from(millis / 1000).unwrap_or(i64::MAX)))
    }
}

/// Wall time where the operator sits: `14:02:07`.
pub fn wall(at: Timestamp, zone: &TimeZone) -> String {
    let at = at.to_zoned(zone.clone());
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// Wall time without seconds: `14:02`.
pub fn wall_short(at: Timestamp, zone: &TimeZone) -> String {
    let at = at.to_zoned(zone.clone());
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// Wall time to the millisecond, for log lines: `14:02:06.031`.
pub fn wall_millis(at: Timestamp, zone: &TimeZone) -> String {
    format!("{}.{:03}", wall(at, zone), at.subsec_millisecond().max(0))
}

/// A count with its thousands apart: `2 431`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// The last part of an image's name with its tag: `registry.example/shop/myapp:v1.3.0` → `myapp:v1.3.0`.
pub fn image(full: &str) -> &str {
    let without_digest = full.split_once('@').map_or(full, |(name, _)| name);
    without_digest.rsplit('/').next().unwrap_or(without_digest)
}

/// An image's tag alone, for the narrowest places; the name when it has none.
pub fn tag(full: &str) -> &str {
    let short = image(full);
    short.split_once(':').map_or(short, |(_, tag)| tag)
}

/// `myapp:v1.2.0 → v1.3.0`: the name once when it stays the same.
pub fn image_change(from: &str, to: &str) -> String {
    let (from, to) = (image(from), image(to));
    let same_name = from.split(':').next() == to.split(':').next() && to.contains(':');
    if from == to {
        to.to_owned()
    } else if same_name {
        format!("{from} → {}", tag(to))
    } else {
        format!("{from} → {to}")
    }
}

/// `rev 7 → 8`, `rev 7`; empty when neither is known.
pub fn revision_change(from: Option<u64>, to: Option<u64>) -> String {
    match (from, to) {
        (Some(from), Some(to)) if from != to => format!("rev {from} → {to}"),
        (_, Some(rev)) | (Some(rev), None) => format!("rev {rev}"),
        (None, None) => String::new(),
    }
}

/// The part of a pod's name that tells it from its siblings: `app-7c9f4-x2abc` → `x2abc`.
pub fn pod(name: &str) -> &str {
    name.rsplit('-').next().filter(|part| !part.is_empty()).unwrap_or(name)
}

/// The same with the end of the ReplicaSet's hash before it: `…f4-x2abc`.
pub fn pod_with_set(name: &str) -> String {
    let mut parts = name.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(suffix), Some(hash), Some(_)) if hash.len() >= 2 && hash.is_ascii() => {
            format!("…{}-{suffix}", &hash[hash.len() - 2..])
        }
        _ => name.to_owned(),
    }
}

pub use crate::watch::logs::clean;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(clock(seconds(131)), "02:11");
        assert_eq!(clock(seconds(3_900)), "1:05:00");
        assert_eq!(clock(seconds(-5)), "00:00");
        assert_eq!(t_clock(seconds(761)), "T+00:12:41");
        assert_eq!(age(seconds(9)), "9s");
        assert_eq!(age(seconds(99)), "99s");
        assert_eq!(age(seconds(240)), "4m");
        assert_eq!(age(seconds(6 * 86_400)), "6d");
        assert_eq!(span(seconds(77)), "1m 17s");
        assert_eq!(span(seconds(3_900)), "1h 05m");
        assert_eq!(planned(3_600), "1h");
        assert_eq!(planned(5_400), "1h 30m");
        assert_eq!(planned(0), "0s");
        assert_eq!(took(80), "80 ms");
        assert_eq!(took(412), "0.4 s");
        assert_eq!(took(125_000), "2m 05s");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(count(2_431), "2 431");
        assert_eq!(count(12), "12");
        assert_eq!(count(1_234_567), "1 234 567");
    }

    #[test]
    fn images_and_revisions_shorten_without_losing_the_change() {
        assert_eq!(image("registry.example:5000/shop/myapp:v1.3.0@sha256:abc"), "myapp:v1.3.0");
        assert_eq!(tag("shop/myapp:v1.3.0"), "v1.3.0");
        assert_eq!(image_change("r/myapp:v1.2.0", "r/myapp:v1.3.0"), "myapp:v1.2.0 → v1.3.0");
        assert_eq!(image_change("a:1", "b:2"), "a:1 → b:2");
        assert_eq!(revision_change(Some(7), Some(8)), "rev 7 → 8");
        assert_eq!(revision_change(None, Some(8)), "rev 8");
        assert_eq!(revision_change(None, None), "");
    }

    #[test]
    fn pods_are_told_apart_by_their_ends() {
        assert_eq!(pod("app-7c9f4-x2abc"), "x2abc");
        assert_eq!(pod_with_set("app-7c9f4-x2abc"), "…f4-x2abc");
        assert_eq!(pod_with_set("solo"), "solo");
        assert_eq!(pod("trailing-"), "trailing-");
    }

    #[test]
    fn wall_time_is_told_in_the_zone_of_the_operator() {
        let at: Timestamp = "2026-11-22T13:02:07.031Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(wall(at, &zone), "14:02:07");
        assert_eq!(wall_short(at, &zone), "14:02");
        assert_eq!(wall_millis(at, &zone), "14:02:07.031");
    }
}
