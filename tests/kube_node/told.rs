//! What the log streams told, in the order in which they told it.

use std::collections::BTreeSet;

use gonogo::adapters::clock::Clock;
use gonogo::adapters::kube::LogRequest;
use gonogo::watch::{Link, LogBatch, LogMark, Observation, TargetRef};
use gonogo::workflow::Kind;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::node::{Node, PATIENCE};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Line { at_ns: i64, bytes: Vec<u8> },
    Mark(LogMark),
}

/// A line, or what happened to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub pod: String,
    pub container: String,
    pub what: What,
}

impl Told {
    pub fn text(&self) -> Option<String> {
        match &self.what {
            What::Line { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            What::Mark(_) => None,
        }
    }

    pub fn mark(&self) -> Option<&LogMark> {
        match &self.what {
            What::Line { .. } => None,
            What::Mark(mark) => Some(mark),
        }
    }

    pub fn is_line(&self, text: &str) -> bool {
        matches!(&self.what, What::Line { bytes, .. } if bytes == text.as_bytes())
    }

    /// The number of a line of a burst.
    pub fn number(&self) -> Option<u32> {
        let What::Line { bytes, .. } = &self.what else { return None };
        let is_numbered = bytes.get(9) == Some(&b' ') && bytes[..9].iter().all(u8::is_ascii_digit);
        is_numbered.then(|| std::str::from_utf8(&bytes[..9]).unwrap().parse().unwrap())
    }
}

/// Somebody who listens to log streams.
pub struct Listener {
    facts: Receiver<Observation>,
    cancel: CancellationToken,
    reading: Option<JoinHandle<()>>,
    pub told: Vec<Told>,
    /// The API server was silent so many times.
    pub n_silences: usize,
}

impl Listener {
    /// Listens as the cockpit does; the Deployment may come later.
    pub async fn of_pane(node: &Node, deployment: &str) -> Self {
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: "default".into(),
            name: deployment.into(),
            container: None,
        };
        let (out, facts) = channel(64);
        let cancel = CancellationToken::new();
        let clock = Clock::real();
        node.world().await.spawn_watches(vec![target], out, cancel.clone(), move || clock.now());
        Self { facts, cancel, reading: None, told: Vec::new(), n_silences: 0 }
    }

    /// Listens as `gonogo logs TARGET` does; the target has to be there.
    pub async fn of_target(node: &Node, target: &str, follow: bool) -> Self {
        let request = LogRequest {
            target: target.parse().unwrap(),
            namespace: "default".to_owned(),
            containers: Vec::new(),
            follow,
            tail: None,
            since_s: None,
            previous: false,
            line_limit: 64 << 10,
        };
        let tail = node.world().await.logs(request).await.unwrap();
        let (out, facts) = channel(4);
        let clock = Clock::real();
        let reading = Some(tokio::spawn(tail.run(out, move || clock.now())));
        Self { facts, cancel: CancellationToken::new(), reading, told: Vec::new(), n_silences: 0 }
    }

    /// Listens until `is_enough`, and says what was waited for when that never comes.
    pub async fn until(&mut self, wish: &str, is_enough: impl Fn(&Self) -> bool) {
        let listening = async {
            while !is_enough(self) {
                match self.facts.recv().await {
                    Some(Observation::Logs(batches)) => batches.iter().for_each(|batch| self.take(batch)),
                    Some(Observation::Link { link: Link::Down { .. }, .. }) => self.n_silences += 1,
                    Some(_) => {}
                    None => panic!("the streams ended before {wish}; {}", self.summary()),
                }
            }
        };
        if timeout(PATIENCE, listening).await.is_err() {
            panic!("never {wish}; {}", self.summary());
        }
    }

    /// Listens until nothing more comes.
    pub async fn until_the_end(&mut self) {
        let listening = async {
            while let Some(observation) = self.facts.recv().await {
                if let Observation::Logs(batches) = observation {
                    batches.iter().for_each(|batch| self.take(batch));
                }
            }
        };
        if timeout(PATIENCE, listening).await.is_err() {
            panic!("the streams never end; {}", self.summary());
        }
    }

    /// Listens until this line was told.
    pub async fn until_line(&mut self, text: &str) {
        self.until(text, |here| here.told.iter().any(|told| told.is_line(text))).await;
    }

    /// Listens until a mark for which `is_meant` holds was told so many times.
    pub async fn until_mark(&mut self, wish: &str, times: usize, is_meant: impl Fn(&LogMark) -> bool) {
        let enough = |here: &Self| here.marks().filter(|mark| is_meant(mark)).count() >= times;
        self.until(wish, enough).await;
    }

    fn take(&mut self, batch: &LogBatch) {
        let (pod, container) = (&batch.source.pod, &batch.source.container);
        let told = |what| Told { pod: pod.clone(), container: container.clone(), what };
        self.told.extend(batch.lines.iter().map(|line| {
            let at_ns =
                line.at_ns().unwrap_or_else(|| panic!("a container's line has a time: {}", line.text()));
            told(What::Line { at_ns, bytes: line.bytes.to_vec() })
        }));
        self.told.extend(batch.mark.clone().map(|mark| told(What::Mark(mark))));
    }

    pub fn marks(&self) -> impl Iterator<Item = &LogMark> {
        self.told.iter().filter_map(Told::mark)
    }

    /// How many lines have exactly this text.
    pub fn n_lines(&self, text: &str) -> usize {
        self.told.iter().filter(|told| told.is_line(text)).count()
    }

    /// The highest number that a pod's container said.
    pub fn highest(&self, pod: &str) -> u32 {
        self.numbers(pod).into_iter().max().unwrap_or_default()
    }

    /// The numbers that a pod's containers said, in the order in which they were told.
    pub fn numbers(&self, pod: &str) -> Vec<u32> {
        self.told.iter().filter(|told| told.pod == pod).filter_map(Told::number).collect()
    }

    /// Every numbered line from 1 to `last` was told once, and in order.
    pub fn assert_complete(&self, pod: &str, last: u32) {
        assert_numbered(&self.numbers(pod), last, &self.summary());
    }

    /// Nothing was lost, as far as the log was not rotated.
    pub fn assert_nothing_lost(&self) {
        let is_loss = |mark: &LogMark| matches!(mark, LogMark::Lost { .. } | LogMark::Unreadable { .. });
        let lost: Vec<&LogMark> = self.marks().filter(|mark| is_loss(mark) && !is_rotation(mark)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    /// What was told, without the numbered lines.
    pub fn summary(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut n_numbered = 0;
        for told in &self.told {
            if told.number().is_some() {
                n_numbered += 1;
                continue;
            }
            let text = match &told.what {
                What::Line { bytes, .. } => {
                    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned()
                }
                What::Mark(mark) => format!("-- {mark:?}"),
            };
            lines.push(format!("{:>8} {} {}: {text}", n_numbered, told.pod, told.container));
        }
        let skipped = lines.len().saturating_sub(60);
        format!("told {n_numbered} numbered lines and\n{}", lines[skipped..].join("\n"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

/// The log was rotated while it was followed.
pub fn is_rotation(mark: &LogMark) -> bool {
    matches!(mark, LogMark::Lost { why, .. } if why.starts_with("the node rotated the log"))
}

/// Says which numbers are missing and which came twice, rather than printing thousands.
pub fn assert_numbered(numbers: &[u32], last: u32, summary: &str) {
    let known: BTreeSet<u32> = numbers.iter().copied().collect();
    let missing: Vec<u32> = (1..=last).filter(|n| !known.contains(n)).collect();
    let (first, n_missing) = (missing.first().zip(missing.last()), missing.len());
    let n_doubled = numbers.len() - known.len();
    assert!(
        missing.is_empty() && n_doubled == 0,
        "of {last} numbers {n_missing} are missing ({first:?}), {n_doubled} came again; {summary}"
    );
    assert!(numbers.is_sorted(), "numbers out of order; {summary}");
    assert_eq!(numbers.len(), last as usize, "{summary}");
}
