//! How long a long journal takes to become a release again. Run: `cargo bench --bench replay`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures and prints")]

#[path = "../tests/replay/fixture.rs"]
mod fixture;

use std::time::{Duration, Instant};

use gonogo::adapters::store::{Store, list};
use gonogo::journal::{Record, encode, read, replay};
use gonogo::release::{Event, Fact, ReleaseId, Verdict};

const N_EVENTS: usize = 10_000;
const N_RELEASES: usize = 300;
const TARGET: Duration = Duration::from_millis(100);

fn main() {
    let records = long_history();
    let bytes = records.iter().map(encode).collect::<String>().into_bytes();
    let document = fixture::workflow();

    let reading = best_of(|| read(&bytes).expect("it was just written").records.len());
    let replaying = best_of(|| {
        let records = read(&bytes).expect("it was just written").records;
        replay(document.clone(), &records).expect("a live release took each of them").state().notes.len()
    });
    println!("journal of {N_EVENTS} events, {} KiB", bytes.len() / 1024);
    println!("  read            {reading:>10.1?}");
    println!("  read and replay {replaying:>10.1?}   target {TARGET:?}");

    let state = tempfile::TempDir::new().expect("a benchmark has somewhere to write");
    for n in 0..N_RELEASES {
        keep(state.path(), n, &records[..200]);
    }
    let listing = best_of(|| list(state.path()).expect("they were just written").len());
    println!("list of {N_RELEASES} releases of 200 events");
    println!("  list            {listing:>10.1?}");
}

/// Mostly what a long release tells: readings that change, rollouts, notes, answers taken back.
fn long_history() -> Vec<Record> {
    let mut live = fixture::Live::begun();
    let mut chance = 0x2545_f491_u32;
    while live.records.len() < N_EVENTS {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = chance.to_be_bytes();
        let pick = u16::from_be_bytes([b, c]);
        // What ends a release would end its history: it is left to the property tests.
        let kind = [0, 9, 10, 12, 13, 14, 15, 20, 21, 22, 23][usize::from(a) % 11];
        let fact = match live.stray_fact(kind, pick) {
            Fact::CriterionRead { criterion, why, since, .. } => {
                let verdict = if a.is_multiple_of(2) { Verdict::Pass } else { Verdict::NoData };
                Fact::CriterionRead { criterion, verdict, why, since }
            }
            fact => fact,
        };
        let forward = a.is_multiple_of(5).then(|| live.next_fact()).flatten();
        let fact = forward.filter(|fact| *fact != Fact::Completed).unwrap_or(fact);
        live.tell(1, Some(fixture::ana()), fact);
    }
    live.records
}

fn keep(state: &std::path::Path, n: usize, records: &[Record]) {
    let id = ReleaseId(format!("20261122-{n:04}"));
    let store = Store::create(state, &id, fixture::DOCUMENT.as_bytes()).expect("there is room");
    let writer = store.start(|_| {}).expect("there is a thread left");
    let seq = records.len() as u64 + 1;
    let at = records.last().expect("a history is not empty").event.at;
    let end = Record::new(seq, Event { at, by: None, fact: Fact::Aborted { reason: "the end".into() } });
    writer.append(records.iter().cloned().chain([end]).collect(), false);
    writer.close();
}

fn best_of(mut work: impl FnMut() -> usize) -> Duration {
    let once = |work: &mut dyn FnMut() -> usize| {
        let start = Instant::now();
        std::hint::black_box(work());
        start.elapsed()
    };
    (0..7).map(|_| once(&mut work)).min().expect("seven is not none")
}
