//! Tables as kubectl prints them.

use std::io::{self, Write};

use serde_json::Value;

/// Keeps the header of the first answer, because later ones of a watch come without.
#[derive(Debug)]
pub struct Printer {
    wide: bool,
    headers: bool,
    /// `deployment.apps/`, set when several kinds are printed one after the other.
    prefix: String,
    columns: Vec<(String, bool)>,
    widths: Vec<usize>,
}

impl Printer {
    /// A printer of one kind; `prefix` is put before each name.
    pub fn new(wide: bool, headers: bool, prefix: String) -> Self {
        Self { wide, headers, prefix, columns: Vec::new(), widths: Vec::new() }
    }

    pub fn print(&mut self, table: &Value, out: &mut dyn Write) -> io::Result<()> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let first = self.columns.is_empty();
        if let Some(columns) = table["columnDefinitions"].as_array().filter(|_| first) {
            self.columns = columns
                .iter()
                .map(|column| {
                    let shown = self.wide || column["priority"] == 0;
                    (column["name"].as_str().unwrap_or_default().to_uppercase(), shown)
                })
                .collect();
            if self.headers {
                rows.push(self.shown(self.columns.iter().map(|(name, _)| name.clone()).collect()));
            }
        }
        for row in table["rows"].as_array().into_iter().flatten() {
            let cells = row["cells"].as_array().into_iter().flatten();
            let mut cells: Vec<String> = cells.map(text).collect();
            if let Some(name) = cells.first_mut().filter(|_| !self.prefix.is_empty()) {
                name.insert_str(0, &self.prefix);
            }
            rows.push(self.shown(cells));
        }
        for row in &rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &rows {
            let mut line = String::new();
            for (index, cell) in row.iter().enumerate() {
                if index + 1 == row.len() {
                    line += cell;
                } else {
                    line += &format!("{cell:<width$}", width = self.widths[index] + 3);
                }
            }
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn shown(&self, cells: Vec<String>) -> Vec<String> {
        let shown = cells.into_iter().zip(&self.columns).filter(|(_, (_, shown))| *shown);
        shown.map(|(cell, _)| cell).collect()
    }
}

fn text(cell: &Value) -> String {
    cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_three_spaces_apart() {
        let table = json!({
            "columnDefinitions": [
                {"name": "Name", "priority": 0}, {"name": "IP", "priority": 1}, {"name": "Age", "priority": 0}
            ],
            "rows": [{"cells": ["app-1", "10.0.0.1", "5m"]}, {"cells": ["a", "10.0.0.2", 7]}],
        });
        let mut printer = Printer::new(false, true, String::new());
        let mut out = Vec::new();
        printer.print(&table, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME    AGE\napp-1   5m\na       7\n");
    }
}
