//! Boxes and bullets to checks.

use super::Reader;
use crate::workflow::markdown::{Block, Code, Inline, List, ListItem};
use crate::workflow::model::{Check, CheckId, Code as Rule, Probe};
use crate::workflow::shell::Script;
use crate::workflow::vocabulary;

/// What a list holds: checks in reading order, and code that stands inside its items.
#[derive(Debug, Default)]
pub(super) struct Checks<'d> {
    pub(super) checks: Vec<Check>,
    pub(super) codes: Vec<(&'d Code, Option<&'d Inline>)>,
}

/// Which items of a list are checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those with a box.
    Boxes,
    /// All of them: prerequisites and outputs are often plain bullets.
    Bullets,
}

impl<'d> Reader<'_> {
    /// Collects the checks of a list; `path` is the slug of the step or gate around it.
    pub(super) fn checks(&mut self, list: &'d List, path: &str, which: Which) -> Checks<'d> {
        let mut found = Checks::default();
        self.checks_of_list(list, path, which, "", &mut found);
        found
    }

    fn checks_of_list(
        &mut self,
        list: &'d List,
        path: &str,
        which: Which,
        condition: &str,
        found: &mut Checks<'d>,
    ) {
        for item in &list.items {
            let inline = first_line(item);
            let counts = item.task.is_some() || which == Which::Bullets;
            // A plain bullet above boxes carries their condition: "for minor releases:".
            let mut inner = condition.to_owned();
            if let Some(inline) = inline {
                if counts {
                    found.checks.push(self.check(inline, path, condition));
                    if item.task == Some(true) {
                        self.findings.note(Rule::TickedInFile, inline.span.clone(), String::new());
                    }
                } else {
                    inner = joined(condition, inline.text.trim().trim_end_matches(':').trim_end());
                }
            }
            for block in &item.blocks {
                match block {
                    Block::List(list) => self.checks_of_list(list, path, Which::Boxes, &inner, found),
                    Block::Code(code) => found.codes.push((code, inline)),
                    Block::Quote(blocks) => {
                        for block in blocks {
                            if let Block::List(list) = block {
                                self.checks_of_list(list, path, Which::Boxes, &inner, found);
                            }
                        }
                    }
                    Block::Paragraph(_) | Block::Heading(_) | Block::Table(_) => {}
                }
            }
        }
    }

    fn check(&mut self, inline: &Inline, path: &str, condition: &str) -> Check {
        let own = inline.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = joined(condition, &own);
        self.note_literals(&inline.text, &inline.map, &Script::default());
        let id = format!("{path}/{}", vocabulary::slug(&text, "check"));
        Check {
            id: CheckId(self.check_ids.unique(id)),
            place: self.places.at(inline.span.start),
            optional: vocabulary::is_optional(&text),
            probe: None,
            evidence: vocabulary::evidence(&text),
            annotated: Default::default(),
            text,
        }
    }

    /// The bullets of an outputs section, as checks that may answer themselves.
    pub(super) fn outputs(&mut self, list: &'d List) -> Vec<Check> {
        let checks = self.checks(list, "outputs", Which::Bullets).checks;
        let can_tag = |probe: &Probe| *probe != Probe::RolloutComplete || !self.workloads.is_empty();
        checks
            .into_iter()
            .map(|check| Check { probe: vocabulary::probe(&check.text).filter(can_tag), ..check })
            .collect()
    }
}

pub(super) fn first_line(item: &ListItem) -> Option<&Inline> {
    item.blocks.iter().find_map(|block| match block {
        Block::Paragraph(inline) => Some(inline),
        Block::Heading(heading) => Some(&heading.inline),
        _ => None,
    })
}

fn joined(condition: &str, text: &str) -> String {
    match condition {
        "" => text.to_owned(),
        condition => format!("{condition}: {text}"),
    }
}
