//! Boxes and bullets to checks.

use std::sync::LazyLock;

use regex::Regex;

use super::{Reader, classify, outline};
use crate::workflow::markdown::{Block, Code, Inline, List, ListItem, Table};
use crate::workflow::model::{Check, CheckId, Code as Rule, Probe};
use crate::workflow::shell::Script;
use crate::workflow::vocabulary::{self, TaskColumn};

/// What a list holds: checks in reading order, and what stands inside its items.
#[derive(Debug, Default)]
pub(super) struct Checks<'d> {
    pub(super) checks: Vec<Check>,
    pub(super) codes: Vec<(&'d Code, Option<&'d Inline>)>,
    /// Commands in backticks, with the words of their check.
    pub(super) offers: Vec<(&'d str, &'d Inline)>,
}

/// Which items of a list are checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those with a box.
    Boxes,
    /// All of them: prerequisites and outputs are often plain bullets.
    Bullets,
}

/// Where a list stands: the slug of the step or gate around it, and what its checks depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Under<'u> {
    pub(super) path: &'u str,
    pub(super) condition: &'u str,
}

impl<'d> Reader<'_> {
    /// Collects the checks of a list.
    pub(super) fn checks(&mut self, list: &'d List, under: Under<'_>, which: Which) -> Checks<'d> {
        let mut found = Checks::default();
        self.checks_of_list(list, under, which, &mut found);
        found
    }

    fn checks_of_list(&mut self, list: &'d List, under: Under<'_>, which: Which, found: &mut Checks<'d>) {
        for item in &list.items {
            let inline = first_line(item);
            let counts = item.task.is_some() || which == Which::Bullets;
            // A plain bullet above boxes carries their condition: "for minor releases:". A box above
            // boxes closes with them, so it is asked in their words and not a second time.
            let is_parent = item.blocks.iter().any(outline::holds_boxes);
            let mut inner = under.condition.to_owned();
            if let Some(inline) = inline {
                if item.task == Some(true) {
                    self.findings.note(Rule::TickedInFile, inline.span.clone(), String::new());
                }
                if counts && !is_parent {
                    found.checks.push(self.check(inline, under));
                    if !vocabulary::warns(&inline.text) {
                        let codes = inline.codes.iter().filter(|code| classify::is_inline_command(code));
                        found.offers.extend(codes.map(|code| (code.as_str(), inline)));
                    }
                } else {
                    inner = joined(under.condition, inline.text.trim().trim_end_matches(':').trim_end());
                    if is_parent {
                        self.note_literals(&inline.text, &inline.map, &Script::default());
                    }
                }
            }
            let under = Under { condition: &inner, ..under };
            for block in &item.blocks {
                match block {
                    Block::List(list) => self.checks_of_list(list, under, Which::Boxes, found),
                    Block::Code(code) => found.codes.push((code, inline)),
                    Block::Quote(blocks) => {
                        for block in blocks {
                            if let Block::List(list) = block {
                                self.checks_of_list(list, under, Which::Boxes, found);
                            }
                        }
                    }
                    Block::Paragraph(_) | Block::Heading(_) | Block::Table(_) => {}
                }
            }
        }
    }

    pub(super) fn check(&mut self, inline: &Inline, under: Under<'_>) -> Check {
        self.note_literals(&inline.text, &inline.map, &Script::default());
        let mut check = self.check_of(&inline.text, inline.span.start, under);
        // A place in the same page is no other place, and a bare address stands in the words.
        let leads_away = |link: &&String| !link.starts_with('#') && !inline.text.contains(link.as_str());
        check.annotated.links = inline.links.iter().filter(leads_away).cloned().collect();
        check
    }

    /// A check in words that stand at `offset`.
    pub(super) fn check_of(&mut self, words: &str, offset: usize, under: Under<'_>) -> Check {
        let own = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = joined(under.condition, &own);
        let id = format!("{}/{}", under.path, vocabulary::slug(&text, "check"));
        Check {
            id: CheckId(self.check_ids.unique(id)),
            place: self.places.at(offset),
            optional: vocabulary::is_optional(&text),
            owners: owners(&own),
            probe: None,
            evidence: vocabulary::evidence(&text),
            annotated: Default::default(),
            text,
        }
    }

    /// The rows of a table of steps as checks, with the commands that stand in them.
    pub(super) fn table_rows(&mut self, table: &'d Table, under: Under<'_>) -> Checks<'d> {
        let mut found = Checks::default();
        let columns: Vec<_> = table.header.iter().map(|cell| vocabulary::task_column(&cell.text)).collect();
        let Some(task) = columns.iter().position(|column| *column == Some(TaskColumn::Task)) else {
            return found;
        };
        for row in &table.rows {
            let Some(cell) = row.get(task) else { continue };
            let words = unboxed(&cell.text);
            if words.is_empty() {
                continue;
            }
            self.note_literals(&cell.text, &cell.map, &Script::default());
            let mut check = self.check_of(words, cell.span.start, under);
            for (cell, column) in row.iter().zip(&columns) {
                let text = cell.text.trim();
                if *column == Some(TaskColumn::Owner) && !text.is_empty() {
                    check.owners = vec![text.trim_start_matches('@').to_owned()];
                }
                check.optional |= vocabulary::is_optional(text);
                let codes = cell.codes.iter().filter(|code| classify::is_inline_command(code));
                found.offers.extend(codes.map(|code| (code.as_str(), cell)));
            }
            found.checks.push(check);
        }
        found
    }

    /// The bullets of an outputs section, as checks that may answer themselves.
    pub(super) fn outputs(&mut self, list: &'d List) -> Vec<Check> {
        let checks = self.checks(list, Under { path: "outputs", condition: "" }, Which::Bullets).checks;
        let can_tag = |probe: &Probe| *probe != Probe::RolloutComplete || !self.workloads.is_empty();
        checks
            .into_iter()
            .map(|check| Check { probe: vocabulary::probe(&check.text).filter(can_tag), ..check })
            .collect()
    }
}

/// Whether the rows of a table are steps: it has a column for what is to be done, and one for who
/// does it, how, or a box. `Option | Meaning` is no table of steps.
pub(super) fn is_task_table(table: &Table) -> bool {
    let columns: Vec<_> = table.header.iter().map(|cell| vocabulary::task_column(&cell.text)).collect();
    let has = |column| columns.contains(&Some(column));
    let boxed = || table.rows.iter().flatten().any(|cell| unboxed(&cell.text).len() < cell.text.trim().len());
    let numbered =
        || table.header.first().is_some_and(|cell| matches!(cell.text.trim(), "#" | "N°" | "No" | "Nr"));
    has(TaskColumn::Task) && (has(TaskColumn::Owner) || has(TaskColumn::Command) || numbered() || boxed())
}

/// A cell without the box in front of its words.
fn unboxed(text: &str) -> &str {
    let text = text.trim();
    ["[ ]", "[x]", "[X]", "☐", "☑", "✅", "⬜"]
        .iter()
        .find_map(|mark| text.strip_prefix(mark))
        .unwrap_or(text)
        .trim()
}

/// Who is named: `@ana`, and a function in brackets at the end, such as `(QA)` or `(QA/PO)`.
fn owners(text: &str) -> Vec<String> {
    static OWNER: LazyLock<Regex> = LazyLock::new(|| {
        // `@scope/package` is a package, and `ana@example.com` an address.
        Regex::new(r"(?:^|[\s(\[,])@([A-Za-z][A-Za-z0-9_-]{0,38})(?:[\s),.:;\]]|$)|\(((?:QA|PO|PM|SRE|DBA|RM|EM|TL|CTO|CISO|UX|OPS|Ops|DevOps|Dev)(?:\s?[/,&]\s?[A-Za-z]{2,6})*)\)\s*[.:]?$")
            .expect("the pattern is a constant and the tests use it")
    });
    let mut owners: Vec<String> = Vec::new();
    for found in OWNER.captures_iter(text) {
        let named = found.get(1).or(found.get(2)).map_or("", |owner| owner.as_str());
        for owner in named.split(['/', ',', '&']).map(str::trim) {
            if !owner.is_empty() && !owners.iter().any(|known| known == owner) {
                owners.push(owner.to_owned());
            }
        }
    }
    owners
}

pub(super) fn first_line(item: &ListItem) -> Option<&Inline> {
    item.blocks.iter().find_map(|block| match block {
        Block::Paragraph(inline) => Some(inline),
        Block::Heading(heading) => Some(&heading.inline),
        _ => None,
    })
}

pub(super) fn joined(condition: &str, text: &str) -> String {
    match condition {
        "" => text.to_owned(),
        condition => format!("{condition}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::owners;

    #[test]
    fn owners_are_named_with_an_at_or_in_brackets() {
        assert_eq!(owners("@ana: publish"), ["ana"]);
        assert_eq!(owners("Staging validated (QA/PO)"), ["QA", "PO"]);
        assert_eq!(owners("Ask @bo and @cy."), ["bo", "cy"]);
        for text in ["npm i @scope/pkg", "mail ana@example.com", "API answers (health check)", "npm (JS)"] {
            assert!(owners(text).is_empty(), "{text}");
        }
    }
}
