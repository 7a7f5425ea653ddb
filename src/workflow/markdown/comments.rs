//! Comments of a document and what stands around them. Beside its parent, the only file that names
//! the Markdown crate: the tree that inference reads has no comments in it.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::trimmed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::workflow) enum NodeKind {
    Heading,
    Paragraph,
    Item,
    Code,
    List,
    Other,
}

/// Something that a comment can stand at.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::workflow) struct Node {
    pub(in crate::workflow) kind: NodeKind,
    /// For an item, from its marker to the end of the item.
    pub(in crate::workflow) span: Range<usize>,
    /// Where its own text begins: what a model knows it by.
    pub(in crate::workflow) text: usize,
    /// The heading under which it stands, by index.
    pub(in crate::workflow) heading: Option<usize>,
    /// The items of a list: how many, and the first by index.
    pub(in crate::workflow) n_items: usize,
    pub(in crate::workflow) first_item: Option<usize>,
    /// The items around it, outermost first.
    pub(in crate::workflow) items: Vec<usize>,
    /// The words after the fence, and where they begin.
    pub(in crate::workflow) info: Option<(String, usize)>,
}

/// One HTML comment.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::workflow) struct Comment {
    /// From `<!--` to `-->`, without the marks of a quote around it.
    pub(in crate::workflow) text: String,
    pub(in crate::workflow) span: Range<usize>,
    /// In a line of text; else alone on its lines.
    pub(in crate::workflow) inline: bool,
    /// Nodes that it may be about, by index, the likeliest first.
    pub(in crate::workflow) candidates: Vec<usize>,
    /// It stands between two items, or touches both neighbours: which one it means is not clear.
    pub(in crate::workflow) unclear: bool,
    /// As far from the item above as from what stands below: a formatter may have moved it.
    pub(in crate::workflow) tied: bool,
    pub(in crate::workflow) heading: Option<usize>,
}

#[derive(Debug, Default)]
pub(in crate::workflow) struct Marks {
    pub(in crate::workflow) nodes: Vec<Node>,
    pub(in crate::workflow) comments: Vec<Comment>,
}

/// Lists deeper than this are read as if they stood at this depth, as in the tree.
const MAX_ITEMS: usize = 64;

/// Finds comments that hold `word`, and every node around them.
///
/// - Cost: linear; nothing is parsed when `text` has neither `word` nor a fence with attributes.
pub(in crate::workflow) fn comments(text: &str, from: usize, word: &str) -> Marks {
    let body = &text[from..];
    let has_word = body.len() >= word.len()
        && memchr::memchr2_iter(
            word.as_bytes().first().copied().unwrap_or_default().to_ascii_lowercase(),
            word.as_bytes().first().copied().unwrap_or_default().to_ascii_uppercase(),
            body.as_bytes(),
        )
        .any(|at| {
            body.as_bytes()[at..]
                .get(..word.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
        });
    let has_attributes = body.lines().any(|line| line.contains("```") && line.contains('{'));
    if !has_word && !has_attributes {
        return Marks::default();
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    let mut finder = Finder { text, word, ..Finder::default() };
    finder.level.push(Level::default());
    for (event, range) in Parser::new_ext(body, options).into_offset_iter() {
        finder.take(event, range.start + from..range.end + from);
    }
    finder.close_level();
    finder.marks
}

/// The blocks of one container while they are being read.
#[derive(Debug, Default)]
struct Level {
    item: Option<usize>,
    last: Option<usize>,
    /// The last item of the list that was read last.
    last_item: Option<usize>,
    /// Comments that wait for the block after them, each with the end of its own block.
    waiting: Vec<(usize, usize)>,
}

#[derive(Debug, Default)]
struct Finder<'t> {
    text: &'t str,
    word: &'t str,
    marks: Marks,
    level: Vec<Level>,
    items: Vec<usize>,
    /// The open headings, outermost first: level and node.
    headings: Vec<(u8, usize)>,
    /// The heading or paragraph whose words are being read.
    inline: Option<usize>,
    html: Option<(String, Range<usize>)>,
    in_code: bool,
}

impl Finder<'_> {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.open(tag, range),
            Event::End(tag) => self.close(tag),
            Event::Html(piece) => {
                if let Some((html, span)) = &mut self.html {
                    html.push_str(&piece);
                    span.end = range.end;
                }
            }
            Event::InlineHtml(piece) => {
                self.item_text(range.start);
                let node = self.inline.or_else(|| self.level.last().and_then(|level| level.item));
                self.add(piece.into_string(), range, true, node.into_iter().collect());
            }
            Event::Text(_) if self.in_code => {}
            Event::Text(_) => {
                self.item_text(range.start);
                self.unclosed(&range);
            }
            Event::Code(_) | Event::FootnoteReference(_) => self.item_text(range.start),
            _ => {}
        }
    }

    /// A comment that its line never closes is text to Markdown; its author meant something else.
    fn unclosed(&mut self, range: &Range<usize>) {
        // The parser may hand its first characters out one by one.
        let signs = memchr::memchr_iter(b'<', self.text[range.clone()].as_bytes()).map(|at| range.start + at);
        let mut open =
            signs.filter(|at| self.text[*at..].starts_with("<!--") && !self.text[..*at].ends_with('\\'));
        let Some(at) = open.next() else { return };
        let rest = &self.text[at..];
        let line = rest.lines().next().unwrap_or_default();
        let node = self.inline.or_else(|| self.level.last().and_then(|level| level.item));
        self.add(line.to_owned(), at..at + line.len(), true, node.into_iter().collect());
    }

    /// The first words of an item are what it is known by.
    fn item_text(&mut self, at: usize) {
        if let Some(&item) = self.items.last()
            && let Some(node) = self.marks.nodes.get_mut(item)
            && node.text == usize::MAX
        {
            node.text = at;
        }
    }

    fn open(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Heading { level, .. } => {
                let level = level as u8;
                while self.headings.last().is_some_and(|(open, _)| *open >= level) {
                    self.headings.pop();
                }
                let node = self.node(NodeKind::Heading, range);
                self.headings.push((level, node));
                self.inline = Some(node);
            }
            Tag::Paragraph => {
                let first = self.level.last().and_then(|level| level.item.filter(|_| level.last.is_none()));
                // The first words of an item are the item.
                self.item_text(range.start);
                let node = self.node(NodeKind::Paragraph, range);
                self.inline = Some(first.unwrap_or(node));
            }
            Tag::CodeBlock(kind) => {
                self.in_code = true;
                let node = self.node(NodeKind::Code, range.clone());
                if let CodeBlockKind::Fenced(info) = kind
                    && let Some(at) = self.text[range.clone()].find(&*info)
                {
                    self.marks.nodes[node].info = Some((info.into_string(), range.start + at));
                }
            }
            Tag::List(_) => {
                self.node(NodeKind::List, range);
            }
            Tag::Item => {
                let item = self.marks.nodes.len();
                if let Some(list) = self.level.last().and_then(|level| level.last)
                    && let Some(list) = self.marks.nodes.get_mut(list)
                {
                    list.n_items += 1;
                    list.first_item.get_or_insert(item);
                }
                let node = Node { text: usize::MAX, ..self.plain(NodeKind::Item, range) };
                self.marks.nodes.push(node);
                self.items.push(item);
                self.level.push(Level { item: Some(item), ..Level::default() });
            }
            Tag::BlockQuote(_) => {
                self.node(NodeKind::Other, range);
                self.level.push(Level::default());
            }
            Tag::Table(_) => {
                self.node(NodeKind::Other, range);
            }
            Tag::HtmlBlock => self.html = Some((String::new(), range)),
            Tag::Strong | Tag::Emphasis | Tag::Link { .. } | Tag::Strikethrough => {
                self.item_text(range.start);
            }
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) | TagEnd::Paragraph => self.inline = None,
            TagEnd::Item => {
                self.close_level();
                let item = self.items.pop();
                if let Some(level) = self.level.last_mut() {
                    level.last_item = item;
                }
            }
            TagEnd::CodeBlock => self.in_code = false,
            TagEnd::BlockQuote(_) => self.close_level(),
            TagEnd::HtmlBlock => {
                if let Some((html, span)) = self.html.take() {
                    self.html_block(&html, span);
                }
            }
            _ => {}
        }
    }

    fn plain(&self, kind: NodeKind, span: Range<usize>) -> Node {
        let n = self.items.len();
        let items = self.items[..n.min(MAX_ITEMS)].to_vec();
        let heading = self.headings.last().map(|(_, node)| *node);
        Node { kind, text: span.start, span, heading, n_items: 0, first_item: None, items, info: None }
    }

    /// A block begins: it is what the comments before it may be about.
    fn node(&mut self, kind: NodeKind, span: Range<usize>) -> usize {
        let index = self.marks.nodes.len();
        let node = self.plain(kind, trimmed(self.text, span));
        let start = node.span.start;
        self.marks.nodes.push(node);
        let Some(level) = self.level.last_mut() else { return index };
        let in_item = level.item;
        for (comment, end) in std::mem::take(&mut level.waiting) {
            let Some(comment) = self.marks.comments.get_mut(comment) else { continue };
            let glued_below = !is_blank_between(self.text, end, start);
            let above = comment.candidates.clone();
            let glued_above = comment.unclear;
            let above_is_item = above
                .first()
                .and_then(|above| self.marks.nodes.get(*above))
                .is_some_and(|above| above.kind == NodeKind::Item);
            comment.unclear = false;
            let even = glued_above == glued_below;
            comment.candidates = match (in_item, glued_above, glued_below) {
                // Inside an item it is about the item, unless only the block below can mean it.
                (Some(item), ..) => vec![item, index],
                (None, true, false) => above.into_iter().chain([index]).collect(),
                (None, ..) => {
                    // Formatters take the indentation from a comment below an item, and then set it
                    // apart: nothing tells it from one that was written above the next list.
                    comment.unclear = even && above_is_item && kind == NodeKind::List;
                    comment.tied = even && above_is_item && kind == NodeKind::Heading;
                    [index].into_iter().chain(above).collect()
                }
            };
        }
        level.last = Some(index);
        index
    }

    fn close_level(&mut self) {
        if let Some(level) = self.level.pop() {
            for (comment, _) in level.waiting {
                if let Some(comment) = self.marks.comments.get_mut(comment) {
                    comment.unclear = false;
                    comment.candidates.splice(0..0, level.item);
                }
            }
        }
        if self.level.is_empty() {
            self.level.push(Level::default());
        }
    }

    /// What stands alone on its lines: one comment, or several.
    fn html_block(&mut self, html: &str, span: Range<usize>) {
        let above = self.level.last().and_then(|level| self.last_of(level));
        let glued = above.and_then(|above| self.marks.nodes.get(above)).is_some_and(|above| {
            let end = trimmed(self.text, above.span.clone()).end;
            end <= span.start && !is_blank_between(self.text, end, span.start)
        });
        // What goes on from a comment that touches the words above touches them, too.
        let before = self.level.last().and_then(|level| level.waiting.last().copied());
        let goes_on = before.is_some_and(|(comment, end)| {
            let touches = self.marks.comments.get(comment).is_some_and(|comment| comment.unclear);
            touches && end <= span.start && !is_blank_between(self.text, end, span.start)
        });
        let glued = glued || goes_on;
        let block_end = trimmed(self.text, span.clone()).end;
        let mut at = 0;
        while let Some(start) = html[at..].find("<!--").map(|found| at + found) {
            let end = html[start + 4..].find("-->").map_or(html.len(), |end| start + 4 + end + 3);
            // Marks of a quote between its lines move what follows: then the block is the place.
            let exact = self.text.get(span.start + start..span.start + end) == html.get(start..end);
            let here = if exact { span.start + start..span.start + end } else { span.start..block_end };
            at = end;
            let n = self.marks.comments.len();
            self.add(html[start..end].to_owned(), here, false, above.into_iter().collect());
            if let Some(comment) = self.marks.comments.get_mut(n) {
                comment.unclear = glued;
                if let Some(level) = self.level.last_mut() {
                    level.waiting.push((n, block_end));
                }
            }
        }
    }

    /// The last item of a list stands for it, seen from below.
    fn last_of(&self, level: &Level) -> Option<usize> {
        let last = level.last?;
        let is_list = self.marks.nodes.get(last).is_some_and(|node| node.kind == NodeKind::List);
        Some(level.last_item.filter(|_| is_list).unwrap_or(last))
    }

    fn add(&mut self, text: String, span: Range<usize>, inline: bool, candidates: Vec<usize>) {
        if !text
            .as_bytes()
            .windows(self.word.len())
            .any(|part| part.eq_ignore_ascii_case(self.word.as_bytes()))
        {
            return;
        }
        let heading = self.headings.last().map(|(_, node)| *node);
        self.marks.comments.push(Comment {
            text,
            span,
            inline,
            candidates,
            unclear: false,
            tied: false,
            heading,
        });
    }
}

/// Whether a blank line stands between two places; the marks of a quote count as blank.
fn is_blank_between(text: &str, from: usize, to: usize) -> bool {
    let between = text.get(from..to).unwrap_or_default();
    memchr::memchr_iter(b'\n', between.as_bytes()).nth(1).is_some()
}
