//! Durations as flags write them.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads `90s`, `10m` or `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let read: Option<SignedDuration> = text.parse().ok();
    read.and_then(|read| Duration::try_from(read).ok()).ok_or_else(|| wrong(text))
}

/// The same as whole seconds, rounded up, at least one: the server knows no shorter time.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let whole = duration(text)?.as_millis().div_ceil(1000);
    u32::try_from(whole).ok().filter(|seconds| *seconds > 0).ok_or_else(|| wrong(text))
}

fn wrong(text: &str) -> String {
    format!("`{text}` is not a duration; write 90s, 10m or 1h30m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubectl_writes_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "5", "5x", "-5m", "10m ago"] {
            let told = duration(wrong).unwrap_err();
            assert_eq!(told, format!("`{wrong}` is not a duration; write 90s, 10m or 1h30m"));
        }
    }

    #[test]
    fn a_time_is_rounded_up_to_whole_seconds() {
        assert_eq!(seconds("5m"), Ok(300));
        assert_eq!(seconds("1500ms"), Ok(2));
        for wrong in ["", "5", "0s", "-5s", "soon"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
