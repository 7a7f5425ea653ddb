//! Who answers: a colour by its own address, and whichever serves by the way through nginx.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use super::error::NginxError;
use crate::adapters::clock::Clock;
use crate::adapters::health::Health;
use crate::adapters::http::{Answer, Asker};
use crate::watch::HealthReading;
use crate::workflow::nginx::{Colour, NginxSite, Side, Through};

/// Bytes of an answer in which the colour is looked for.
const LARGEST_ANSWER: usize = 64 * 1024;

/// One good answer of a service that fails now and then proves nothing.
const HEALTHY_IN_A_ROW: u32 = 3;

/// What a side said of itself.
pub(super) struct SideHealth {
    pub(super) is_healthy: bool,
    /// `answers 200, 3 times in a row`; `answers 503: db error`.
    pub(super) words: String,
}

/// Asks a side by its own address; `None` where none was given.
pub(super) async fn health(side: &Side, limit: Duration) -> Result<Option<SideHealth>, NginxError> {
    let Some(url) = &side.health else { return Ok(None) };
    let health = Health::new(url, limit, limit)?;
    let clock = Clock::real();
    for nth in 1..=HEALTHY_IN_A_ROW {
        let why = match health.read(|| clock.now()).await {
            Ok(reading) if reading.healthy => continue,
            Ok(reading) => format!("answers {}{}", reading.http_status, ill(&reading)),
            Err(error) => error.to_string(),
        };
        let then = if nth == 1 { String::new() } else { format!(", after {} good answers", nth - 1) };
        return Ok(Some(SideHealth { is_healthy: false, words: why + &then }));
    }
    let words = format!("is healthy, {HEALTHY_IN_A_ROW} answers in a row");
    Ok(Some(SideHealth { is_healthy: true, words }))
}

fn ill(reading: &HealthReading) -> String {
    let parts = reading.parts.iter().filter(|part| !part.ok);
    let parts: Vec<String> =
        parts.map(|part| format!("{} {}", part.name, part.detail.as_deref().unwrap_or("is ill"))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// The way through nginx.
pub(super) struct Proxy<'s> {
    site: &'s NginxSite,
    through: &'s Through,
    asker: Asker,
    limits: Limits,
}

/// What one answer through nginx tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Colour(Colour),
    /// No colour, and why, in words that can be counted.
    Else(String),
}

/// Answers in a row, or what came instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReadBack {
    Steady {
        n_answers: u32,
        /// Of those that came before.
        n_others: u32,
    },
    /// Counted, in words.
    Not(String),
}

impl<'s> Proxy<'s> {
    pub(super) fn of(site: &'s NginxSite, limits: Limits) -> Result<Option<Self>, NginxError> {
        let Some(through) = &site.through else { return Ok(None) };
        // An old worker of nginx serves its connections to their end: each question needs a new one.
        let asker = Asker::anew(&through.url, limits.answer, LARGEST_ANSWER)?;
        Ok(Some(Self { site, through, asker, limits }))
    }

    pub(super) fn url(&self) -> String {
        self.asker.shown()
    }

    pub(super) async fn ask(&self) -> Heard {
        match self.asker.get("", &[]).await {
            Ok(answer) => self.heard(&answer),
            Err(error) => Heard::Else(error.to_string()),
        }
    }

    /// Asks until so many answers in a row came from `colour`, or time is over.
    pub(super) async fn wait_for(&self, colour: &Colour, n_wanted: u32) -> ReadBack {
        let mut others: BTreeMap<String, u32> = BTreeMap::new();
        let mut n_in_a_row = 0;
        let asking = async {
            while n_in_a_row < n_wanted {
                if n_in_a_row > 0 || !others.is_empty() {
                    tokio::time::sleep(self.limits.pause).await;
                }
                match self.ask().await {
                    Heard::Colour(heard) if heard == *colour => n_in_a_row += 1,
                    heard => {
                        n_in_a_row = 0;
                        *others.entry(heard.words()).or_default() += 1;
                    }
                }
            }
        };
        let until = Instant::now() + self.limits.read_back;
        let is_steady = tokio::time::timeout_at(until, asking).await.is_ok();
        let n_others = others.values().sum();
        if is_steady {
            return ReadBack::Steady { n_answers: n_in_a_row, n_others };
        }
        let heard: Vec<String> = others.iter().map(|(what, n)| format!("{n} × {what}")).collect();
        ReadBack::Not(if heard.is_empty() { "no answer came".to_owned() } else { heard.join(", ") })
    }

    fn heard(&self, answer: &Answer) -> Heard {
        if !answer.status.is_success() {
            return Heard::Else(format!("status {}", answer.status.as_u16()));
        }
        let says = |side: &&Side| is_said(answer, &self.through.said_by(&side.colour));
        let said: Vec<&Side> = self.site.sides.iter().filter(says).collect();
        match said.as_slice() {
            [one] => Heard::Colour(one.colour.clone()),
            [] => Heard::Else("an answer without a colour".to_owned()),
            _ => Heard::Else("an answer with both colours".to_owned()),
        }
    }
}

impl Heard {
    pub(super) fn words(&self) -> String {
        match self {
            Heard::Colour(colour) => colour.to_string(),
            Heard::Else(words) => words.clone(),
        }
    }
}

/// `Name: value` is a header, by its whole value; all else is a part of the body.
fn is_said(answer: &Answer, says: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if let Some((name, value)) = says.split_once(": ")
        && !name.is_empty()
        && name.chars().all(is_token)
    {
        let values = answer.headers.get_all(name.to_ascii_lowercase());
        return values.iter().any(|given| given.to_str().is_ok_and(|given| given.trim() == value.trim()));
    }
    !says.is_empty() && String::from_utf8_lossy(&answer.body).contains(says)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn heard(status: u16, colour: &'static str, body: &str, says: &str) -> Heard {
        let mut site = NginxSite::new("u", "c");
        site.through = Some(Through { url: "http://127.0.0.1:9/".into(), says: says.into() });
        let mut headers = HeaderMap::new();
        if !colour.is_empty() {
            headers.insert("x-colour", HeaderValue::from_static(colour));
        }
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: String::new(),
            location: None,
            headers,
            body: body.as_bytes().to_vec(),
            cut: false,
        };
        Proxy::of(&site, Limits::default()).unwrap().unwrap().heard(&answer)
    }

    fn green() -> Heard {
        Heard::Colour(Colour("green".into()))
    }

    #[test]
    fn a_colour_is_told_by_a_header_or_by_the_body() {
        assert_eq!(heard(200, "green", "blue", "X-Colour: {colour}"), green());
        assert_eq!(heard(200, "", "{\"env\":\"green\"}", "\"env\":\"{colour}\""), green());
        assert_eq!(heard(200, "greenish", "", "X-Colour: {colour}").words(), "an answer without a colour");
    }

    #[test]
    fn an_error_page_or_an_answer_with_both_tells_none() {
        assert_eq!(heard(502, "green", "", "X-Colour: {colour}").words(), "status 502");
        assert_eq!(heard(200, "", "not blue but green", "{colour}").words(), "an answer with both colours");
    }
}
