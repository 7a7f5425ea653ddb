//! When the state of a connection is worth telling.

use std::time::Duration;

use jiff::SignedDuration;

use crate::watch::{Link, Moment};

/// The state of one connection as it was told last.
#[derive(Debug, Default)]
pub(super) struct LinkNews {
    was_live: bool,
    down_since: Option<Moment>,
}

impl LinkNews {
    /// An answer came: news only after an outage, and the first time.
    pub(super) fn answered(&mut self) -> Option<Link> {
        self.down_since = None;
        let was_live = std::mem::replace(&mut self.was_live, true);
        (!was_live).then_some(Link::Live)
    }

    pub(super) fn is_live(&self) -> bool {
        self.was_live
    }

    /// No answer came; each try is news, because the next one is at another moment.
    ///
    /// `pause`: wall time until the next try.
    pub(super) fn failed(&mut self, cause: String, now: Moment, pause: Duration) -> Link {
        self.was_live = false;
        let since = *self.down_since.get_or_insert(now);
        let pause = SignedDuration::try_from(pause).ok();
        let retry_at = pause.and_then(|pause| now.wall.checked_add(pause).ok());
        Link::Down { since, cause, retry_at }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Moment {
        Moment::real(Timestamp::from_second(second).expect("in range"))
    }

    #[test]
    fn an_outage_has_one_beginning_and_one_end() {
        let mut news = LinkNews::default();
        assert_eq!(news.answered(), Some(Link::Live));
        assert_eq!(news.answered(), None);
        for second in [10, 15] {
            let Link::Down { since, retry_at, .. } =
                news.failed("connection refused".to_owned(), at(second), Duration::from_secs(5))
            else {
                panic!("it is down")
            };
            assert_eq!((since, retry_at), (at(10), Some(at(second + 5).wall)));
        }
        assert_eq!(news.answered(), Some(Link::Live));
    }
}
