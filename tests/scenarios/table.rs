//! The table that a person reads: each scenario, what was expected, what each world told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::play::Told;
use crate::scenario::Scenario;
use crate::world::Which;

/// A column of another run is kept when a world was not played in this one.
#[derive(Debug, Default)]
pub struct Table {
    /// Scenario and expectation, in order.
    rows: Vec<(String, String)>,
    cells: BTreeMap<(String, &'static str), String>,
}

impl Table {
    pub fn of(scenarios: &[Scenario]) -> Self {
        let expected = |scenario: &Scenario| {
            let expected = &scenario.expected;
            cell(&expected.states.replace(' ', " → ").replace('|', " or "), expected.field, expected.reason)
        };
        let rows = scenarios.iter().map(|scenario| (scenario.name.to_owned(), expected(scenario)));
        Self { rows: rows.collect(), cells: BTreeMap::new() }
    }

    pub fn note(&mut self, scenario: &Scenario, which: Which, told: &Told) {
        let text = match told {
            Told::Story(story) => {
                let sign = if story.differs(&scenario.expected).is_none() { "✔" } else { "✘" };
                format!("{sign} {}", cell(&story.states(), story.field, &story.reason))
            }
            Told::Broken(why) => format!("✘ {why}"),
            Told::NotHere(why) => format!("not here: {why}"),
        };
        self.cells.insert((scenario.name.to_owned(), which.name()), text.replace(['|', '\n'], " "));
    }

    /// Takes over what an earlier run wrote about other worlds.
    pub fn join(&mut self, earlier: &str) {
        let mut lines = earlier.lines().filter_map(split);
        let Some(head) = lines.next() else { return };
        for line in lines {
            let Some(name) = line.first() else { continue };
            for (column, text) in head.iter().zip(&line).skip(2) {
                let Some(which) = Which::ALL.into_iter().find(|which| which.name() == *column) else {
                    continue;
                };
                let known = self.rows.iter().any(|(row, _)| row == name);
                if known && !text.is_empty() {
                    self.cells.entry(((*name).to_owned(), which.name())).or_insert((*text).to_owned());
                }
            }
        }
    }

    /// Writes the table, joined with what stands there already.
    pub fn write(&mut self, path: &Path) {
        if let Ok(earlier) = std::fs::read_to_string(path) {
            self.join(&earlier);
        }
        std::fs::write(path, self.markdown()).expect("GONOGO_TEST_TABLE can be written");
    }

    pub fn markdown(&self) -> String {
        let played: Vec<&str> = Which::ALL
            .into_iter()
            .map(Which::name)
            .filter(|name| self.cells.keys().any(|(_, which)| which == name))
            .collect();
        let mut text = String::from("| scenario | expected |");
        for name in &played {
            let _ = write!(text, " {name} |");
        }
        text += "\n| --- | --- |";
        text += &" --- |".repeat(played.len());
        for (name, expected) in &self.rows {
            let _ = write!(text, "\n| {name} | {expected} |");
            for which in &played {
                let cell = self.cells.get(&(name.clone(), *which)).map_or("", String::as_str);
                let _ = write!(text, " {cell} |");
            }
        }
        text + "\n"
    }
}

fn cell(states: &str, field: &str, reason: &str) -> String {
    let reason = if reason.is_empty() { "no reason" } else { reason };
    format!("{states} · {field} · {reason}")
}

/// The cells of a table's line, the ruler left out.
fn split(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    (!cells.iter().all(|cell| *cell == "---")).then_some(cells)
}
