//! Which part of a release each heading opens, and what stands under it.

use super::checks::is_task_table;
use crate::workflow::markdown::{Block, Heading, Inline, List, ListItem};
use crate::workflow::vocabulary::{self, Section};

/// What a chapter is to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What stands under the title, or before any heading.
    Front,
    Goal,
    Prerequisites,
    /// The heading whose sub-headings are the steps.
    Steps,
    Step,
    Outputs,
    Rollback,
    Criteria,
    Errors,
    Escalation,
    /// A heading whose words say nothing to us.
    Other,
}

/// A heading with everything under it, deeper headings included.
#[derive(Debug)]
pub(super) struct Chapter<'d> {
    pub(super) part: Part,
    pub(super) heading: Option<&'d Heading>,
    pub(super) bodies: Vec<Body<'d>>,
    /// Its number is one of a row that holds work: also without work of its own it is a step.
    pub(super) in_a_row: bool,
}

/// Blocks between two headings; `heading` is a deeper one of the same chapter.
#[derive(Debug)]
pub(super) struct Body<'d> {
    pub(super) heading: Option<&'d Heading>,
    pub(super) blocks: &'d [Block],
}

impl<'d> Chapter<'d> {
    pub(super) fn blocks(&self) -> impl Iterator<Item = &'d Block> {
        self.bodies.iter().flat_map(|body| body.blocks)
    }
}

#[derive(Debug)]
pub(super) struct Outline<'d> {
    pub(super) title: Option<&'d Inline>,
    pub(super) chapters: Vec<Chapter<'d>>,
}

impl<'d> Outline<'d> {
    pub(super) fn of(blocks: &'d [Block]) -> Self {
        let cuts: Vec<usize> =
            (0..blocks.len()).filter(|&i| matches!(blocks[i], Block::Heading(_))).collect();
        let heading_at = |i: usize| match &blocks[i] {
            Block::Heading(heading) => heading,
            _ => unreachable!("cuts are the indices of headings"),
        };
        let title = cuts.first().map(|&first| heading_at(first)).filter(|first| {
            // Several top headings are sections of their own; then the file has no title line.
            let n_top = cuts.iter().filter(|&&cut| heading_at(cut).level == first.level).count();
            let others_are_sections = || cuts.iter().skip(1).any(|&cut| section(heading_at(cut)).is_some());
            // A rollback document may be titled so; a lone `# Steps` is a section.
            n_top == 1 && (section(first).is_none() || others_are_sections())
        });

        let preamble = &blocks[..cuts.first().copied().unwrap_or(blocks.len())];
        let front = Chapter {
            part: Part::Front,
            heading: None,
            bodies: vec![Body { heading: None, blocks: preamble }],
            in_a_row: false,
        };
        let mut outline = Self { title: title.map(|heading| &heading.inline), chapters: vec![front] };
        // The open headings, outermost first: level, part, chapter.
        let mut open: Vec<(u8, Part, usize)> = Vec::new();
        for (n, &cut) in cuts.iter().enumerate() {
            let heading = heading_at(cut);
            let end = cuts.get(n + 1).copied().unwrap_or(blocks.len());
            let under = &blocks[cut + 1..end];
            if n == 0 && title.is_some() {
                outline.chapters[0].bodies.push(Body { heading: None, blocks: under });
                continue;
            }
            while open.last().is_some_and(|&(level, ..)| level >= heading.level) {
                open.pop();
            }
            let parent = open.last().copied();
            let is_method = vocabulary::names_a_method(&heading.inline.text);
            match part(section(heading), parent.map(|(_, part, _)| part))
                .filter(|_| !(is_method && parent.is_some()))
            {
                Some(part) => {
                    open.push((heading.level, part, outline.chapters.len()));
                    let bodies = vec![Body { heading: None, blocks: under }];
                    outline.chapters.push(Chapter { part, heading: Some(heading), bodies, in_a_row: false });
                }
                None => {
                    // A part without a chapter of its own belongs to the one around it.
                    let (_, part, chapter) = parent.expect("only a heading inside another has no part");
                    open.push((heading.level, part, chapter));
                    let body = Body { heading: Some(heading), blocks: under };
                    outline.chapters[chapter].bodies.push(body);
                }
            }
        }
        outline.chapters = outline.chapters.into_iter().flat_map(divided).collect();
        outline.chapters = with_methods_together(outline.chapters);
        mark_rows(&mut outline.chapters);
        outline
    }
}

/// A chapter of unknown words that has no work of its own but several sub-headings that do is only
/// the container of these: `## Release` above `### Tag` and `### Publish`.
fn divided(chapter: Chapter<'_>) -> Vec<Chapter<'_>> {
    let level = chapter.bodies.iter().filter_map(|body| body.heading).map(|heading| heading.level).min();
    let (Part::Other, Some(level)) = (chapter.part, level) else { return vec![chapter] };
    let opens = |body: &Body<'_>| body.heading.is_some_and(|heading| heading.level == level);
    let is_method =
        |body: &Body<'_>| body.heading.is_some_and(|h| vocabulary::names_a_method(&h.inline.text));
    let works = |body: &&Body<'_>| body.blocks.iter().any(holds_work);
    let own = chapter.bodies.iter().take_while(|body| !opens(body));
    let n_with_work = chapter.bodies.iter().filter(|body| opens(body)).filter(works).count();
    if own.clone().any(|body| works(&body)) || n_with_work < 2 || chapter.bodies.iter().any(is_method) {
        return vec![chapter];
    }
    let mut parts =
        vec![Chapter { part: Part::Other, heading: chapter.heading, bodies: Vec::new(), in_a_row: false }];
    for body in chapter.bodies {
        if opens(&body) {
            let bodies = vec![Body { heading: None, blocks: body.blocks }];
            parts.push(Chapter { part: Part::Other, heading: body.heading, bodies, in_a_row: false });
        } else if let Some(last) = parts.last_mut() {
            last.bodies.push(body);
        }
    }
    parts
}

/// `### 6. Create the release commit` with words alone stands between steps that hold commands: left
/// out, the release would go on as if it were done.
fn mark_rows(chapters: &mut [Chapter<'_>]) {
    let is_numbered = |chapter: &Chapter<'_>| {
        let heading = chapter.heading.filter(|_| chapter.part == Part::Other);
        heading.is_some_and(|heading| numbered(&heading.inline.text).0.is_some())
    };
    // Numbered chapters of a handbook hold code as well, and nobody runs it.
    let works = |chapter: &&Chapter<'_>| {
        chapter.blocks().any(|block| holds_boxes(block) || super::holds_commands(block))
    };
    let with_work = chapters.iter().filter(|chapter| is_numbered(chapter)).filter(works).count();
    for chapter in chapters.iter_mut().filter(|_| with_work > 1) {
        chapter.in_a_row = is_numbered(chapter);
    }
}

/// `## Method 1` beside `## Method 2` are ways to do one thing, not two steps.
fn with_methods_together<'d>(chapters: Vec<Chapter<'d>>) -> Vec<Chapter<'d>> {
    let mut together: Vec<Chapter<'d>> = Vec::new();
    let mut in_methods = false;
    for mut chapter in chapters {
        let method = chapter.heading.filter(|heading| {
            matches!(chapter.part, Part::Other | Part::Step)
                && vocabulary::names_a_method(&heading.inline.text)
        });
        if let (Some(_), Some(first)) = (method, chapter.bodies.first_mut()) {
            first.heading = method;
        }
        match together.last_mut() {
            Some(last) if in_methods && method.is_some() => last.bodies.extend(chapter.bodies),
            _ => together.push(chapter),
        }
        in_methods = method.is_some();
    }
    together
}

fn section(heading: &Heading) -> Option<Section> {
    vocabulary::section(&numbered(&heading.inline.text).1)
}

/// The part that a heading opens, given its words and what it stands in; `None` when it only
/// divides the chapter around it. Never `None` at the top.
fn part(words: Option<Section>, parent: Option<Part>) -> Option<Part> {
    let opened = words.map(|section| match section {
        Section::Goal => Part::Goal,
        Section::Prerequisites => Part::Prerequisites,
        Section::Steps => Part::Steps,
        Section::Outputs => Part::Outputs,
        Section::Rollback => Part::Rollback,
        Section::Criteria => Part::Criteria,
        Section::Errors => Part::Errors,
        Section::Escalation => Part::Escalation,
    });
    // Rollback and failure sections are no steps, wherever an author put them.
    let apart = matches!(opened, Some(Part::Rollback | Part::Criteria | Part::Errors | Part::Escalation));
    match parent {
        None | Some(Part::Front) => Some(opened.unwrap_or(Part::Other)),
        Some(Part::Other) => opened,
        Some(Part::Steps) if apart => opened,
        Some(Part::Steps) => Some(Part::Step),
        Some(Part::Step) => opened.filter(|_| apart),
        Some(Part::Rollback) => opened.filter(|part| *part == Part::Criteria),
        Some(_) => None,
    }
}

/// A numbered item with what stands behind its list: an unindented fence splits one list in two, and
/// the numbers go on after it.
#[derive(Debug)]
pub(super) struct Numbered<'d> {
    pub(super) number: u64,
    pub(super) item: &'d ListItem,
    pub(super) after: &'d [Block],
}

/// The blocks before the first numbered item of a body, and the items.
pub(super) fn numbered_items<'d>(blocks: &'d [Block]) -> (&'d [Block], Vec<Numbered<'d>>) {
    let mut items: Vec<Numbered<'d>> = Vec::new();
    let mut intro = blocks.len();
    for (at, block) in blocks.iter().enumerate() {
        let Block::List(list) = block else { continue };
        let Some(first) = list.start.filter(|_| list.items.iter().all(|item| item.task.is_none())) else {
            continue;
        };
        // A list that begins again at one belongs to the item around it, not to the sequence.
        let goes_on = items.last().is_none_or(|last| first > last.number);
        if !goes_on {
            continue;
        }
        if items.is_empty() {
            intro = at;
        }
        items.extend((first..).zip(&list.items).map(|(number, item)| Numbered { number, item, after: &[] }));
        let rest = &blocks[at + 1..];
        let next = rest.iter().position(|block| {
            matches!(block, Block::List(List { start: Some(next), .. }) if items.last().is_some_and(|last| *next > last.number))
        });
        if let Some(last) = items.last_mut() {
            last.after = &rest[..next.unwrap_or(rest.len())];
        }
    }
    (&blocks[..intro], items)
}

/// Whether numbered items stand for headings: several of them, and some with code or boxes.
pub(super) fn has_numbered_steps(bodies: &[Body<'_>]) -> bool {
    let mut items = bodies.iter().flat_map(|body| numbered_items(body.blocks).1).peekable();
    let mut n = 0;
    let works = items.any(|numbered| {
        n += 1;
        numbered.item.blocks.iter().chain(numbered.after).any(holds_work)
    });
    works && n + items.count() > 1
}

/// Whether a block holds code or boxes, at any depth.
pub(super) fn holds_work(block: &Block) -> bool {
    match block {
        Block::Code(_) => true,
        Block::List(list) => {
            list.items.iter().any(|item| item.task.is_some() || item.blocks.iter().any(holds_work))
        }
        Block::Quote(blocks) => blocks.iter().any(holds_work),
        Block::Table(table) => is_task_table(table),
        Block::Paragraph(_) => super::calls::is_call(block),
        Block::Heading(_) => false,
    }
}

pub(super) fn holds_boxes(block: &Block) -> bool {
    match block {
        Block::List(list) => {
            list.items.iter().any(|item| item.task.is_some() || item.blocks.iter().any(holds_boxes))
        }
        Block::Quote(blocks) => blocks.iter().any(holds_boxes),
        Block::Table(table) => is_task_table(table),
        _ => false,
    }
}

/// A heading's number and its words without it: `3. Créer`, `Étape 3 : Créer`, `Step 3 - Create`.
pub(super) fn numbered(heading: &str) -> (Option<u32>, String) {
    let whole = heading.trim();
    let start = whole.trim_start_matches(|c: char| !c.is_alphanumeric());
    let word_end = start.find(|c: char| !c.is_alphabetic()).unwrap_or(start.len());
    let named = vocabulary::is_step_word(&start[..word_end]);
    let rest = if named { start[word_end..].trim_start() } else { start };
    let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest[n_digits..].trim_start();
    let mark = after.chars().next();
    let Ok(number) = rest[..n_digits].parse() else { return (None, whole.to_owned()) };
    let separated = matches!(mark, Some('.' | ')' | ':' | '-' | '–' | '—'));
    let title = after.trim_start_matches(['.', ')', ':', '-', '–', '—']).trim_start();
    // `5.1 Deploy` is a number with a dot inside, and `3 pods` no number of a step.
    let is_number =
        (separated || named) && !(mark == Some('.') && after[1..].starts_with(|c: char| c.is_ascii_digit()));
    match (is_number, title.is_empty()) {
        (false, _) => (None, whole.to_owned()),
        (true, true) => (Some(number), whole.to_owned()),
        (true, false) => (Some(number), title.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::markdown;

    fn parts(text: &str) -> Vec<(Part, usize)> {
        let blocks = markdown::parse(text, 0);
        Outline::of(&blocks).chapters.iter().map(|chapter| (chapter.part, chapter.bodies.len())).collect()
    }

    #[test]
    fn numbers_of_headings_are_read_in_their_usual_forms() {
        for (heading, number, title) in [
            ("1. Préparation", Some(1), "Préparation"),
            ("2) Tag", Some(2), "Tag"),
            ("Étape 3 : Créer", Some(3), "Créer"),
            ("🚀 Step 4 - Ship", Some(4), "Ship"),
            ("Step 5", Some(5), "Step 5"),
            ("5.1 Deploy", None, "5.1 Deploy"),
            ("3 pods ready", None, "3 pods ready"),
            ("Monitoring", None, "Monitoring"),
        ] {
            assert_eq!(numbered(heading), (number, title.to_owned()), "{heading}");
        }
    }

    #[test]
    fn a_rollback_among_the_steps_is_no_step() {
        let text = "# T\n## Steps\n### 1. A\n### 2. Rollback\n#### Step 1\n### 3. C\n";
        use Part::*;
        assert_eq!(parts(text), [(Front, 2), (Steps, 1), (Step, 1), (Rollback, 2), (Step, 1)]);
    }

    #[test]
    fn several_top_headings_are_sections_not_titles() {
        let text = "# Prepare\n# Ship\n## Detail\n# Tell\n";
        use Part::*;
        assert_eq!(parts(text), [(Front, 1), (Other, 1), (Other, 2), (Other, 1)]);
    }
}
