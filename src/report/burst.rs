//! Checks answered faster than anybody reads.

use super::Story;
use super::text::{length, words};
use crate::journal::Record;
use crate::release::{Fact, name};
use crate::workflow::CheckId;

/// Nobody reads an item, looks, and confirms it in less. Units: seconds of wall time.
const TOO_FAST_S: i64 = 2;
/// Two in a row happen to careful people.
const AT_LEAST: usize = 3;

struct Burst<'a> {
    records: Vec<(&'a Record, &'a CheckId)>,
}

impl Story<'_> {
    /// Told, not judged: a pair may have gone through the list aloud before ticking it.
    pub(super) fn bursts(&self) -> String {
        let mut text = String::new();
        for burst in self.find_bursts() {
            let (Some((first, _)), Some((last, _))) = (burst.records.first(), burst.records.last()) else {
                continue;
            };
            let within = last.event.at.wall.duration_since(first.event.at.wall);
            let checks = burst.records.iter().map(|(_, check)| {
                let known = self.release.workflow().check(check);
                format!("“{}”", words(known.map_or(check.as_str(), |known| &known.text)))
            });
            text += &format!(
                "- **{} checks within {}** by {} from {}: {}\n",
                burst.records.len(),
                length(within),
                words(&name(first.event.by.as_ref())),
                self.time(first.event.at),
                checks.collect::<Vec<_>>().join(", ")
            );
        }
        text
    }

    fn find_bursts(&self) -> Vec<Burst<'_>> {
        let confirmed = self.records.iter().filter_map(|record| match &record.event.fact {
            Fact::Confirmed { check, .. } => Some((record, check)),
            _ => None,
        });
        let mut bursts: Vec<Burst<'_>> = Vec::new();
        for (record, check) in confirmed {
            let follows = bursts.last().and_then(|burst| burst.records.last()).is_some_and(|(before, _)| {
                let passed = record.event.at.wall.duration_since(before.event.at.wall);
                passed.as_secs() < TOO_FAST_S
                    && name(before.event.by.as_ref()) == name(record.event.by.as_ref())
            });
            match bursts.last_mut().filter(|_| follows) {
                Some(burst) => burst.records.push((record, check)),
                None => bursts.push(Burst { records: vec![(record, check)] }),
            }
        }
        bursts.retain(|burst| burst.records.len() >= AT_LEAST);
        bursts
    }
}
