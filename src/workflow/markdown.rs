//! Text to a tree of blocks with source spans. The only file that names the Markdown crate.
//!
//! CommonMark decides what is a heading, a box or a fence; never a line-by-line guess, because tag
//! messages and quoted documents hold lines that look like headings.

pub(super) mod comments;

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Lists and quotes nested deeper than this are read as if they stood at this depth. A tree without
/// a bound would overflow the stack when it is walked or dropped, and no release document nests so.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Heading(Heading),
    Paragraph(Inline),
    Code(Code),
    List(List),
    Quote(Vec<Block>),
    Table(Table),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heading {
    pub(super) level: u8,
    pub(super) inline: Inline,
}

/// A run of text as a person reads it: markup gone, line breaks as spaces.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Inline {
    pub(super) span: Range<usize>,
    pub(super) text: String,
    /// The contents of its code spans.
    pub(super) codes: Vec<String>,
    /// Where its links point.
    pub(super) links: Vec<String>,
    /// Bold from end to end, a final colon aside: how authors write a heading without one.
    pub(super) strong: bool,
    pub(super) map: SourceMap,
}

/// A code block; `text` is what stands between the fences, indentation of its container removed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Code {
    pub(super) span: Range<usize>,
    /// The first word after the fence, lower case; empty for an indented block.
    pub(super) language: String,
    pub(super) text: String,
    pub(super) map: SourceMap,
    /// Whether a closing fence stands at its end; an indented block needs none.
    pub(super) closed: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct List {
    /// The first number of an ordered list.
    pub(super) start: Option<u64>,
    pub(super) items: Vec<ListItem>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ListItem {
    pub(super) span: Range<usize>,
    /// `Some(ticked)` when the item carries a box.
    pub(super) task: Option<bool>,
    pub(super) blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table {
    pub(super) header: Vec<Inline>,
    pub(super) rows: Vec<Vec<Inline>>,
}

/// Where each piece of a text stands in the document.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct SourceMap {
    /// Offset in the text, offset in the document; ascending in both.
    pieces: Vec<(usize, usize)>,
}

impl SourceMap {
    pub(super) fn push(&mut self, text_offset: usize, source_offset: usize) {
        match self.pieces.last_mut() {
            Some(last) if last.0 == text_offset => last.1 = source_offset,
            Some(last) if source_offset.checked_sub(last.1) == Some(text_offset - last.0) => {}
            _ => self.pieces.push((text_offset, source_offset)),
        }
    }

    /// The place in the document of an offset in the text.
    pub(super) fn source(&self, text_offset: usize) -> usize {
        let piece = self.pieces.partition_point(|&(text, _)| text <= text_offset);
        match piece.checked_sub(1).map(|piece| self.pieces[piece]) {
            Some((text, source)) => source + (text_offset - text),
            None => self.pieces.first().map_or(0, |&(_, source)| source),
        }
    }

    /// A range of the text as a range of the document.
    pub(super) fn range(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.source(range.start);
        let end = if range.end > range.start { self.source(range.end - 1) + 1 } else { start };
        start..end.max(start)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Reads `text[from..]`; every span counts from the start of `text`.
pub(super) fn parse(text: &str, from: usize) -> Vec<Block> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    let mut builder = Builder::new(text);
    for (event, range) in Parser::new_ext(&text[from..], options).into_offset_iter() {
        builder.take(event, range.start + from..range.end + from);
    }
    builder.finish()
}

#[derive(Debug)]
enum Frame {
    Root,
    Quote,
    List(List),
    Item(ListItem),
}

/// What the text events belong to right now.
#[derive(Debug, Default)]
struct OpenInline {
    inline: Inline,
    strong_depth: usize,
    n_strong: usize,
    n_plain: usize,
}

struct Builder<'t> {
    text: &'t str,
    /// Each open container with the blocks read into it so far.
    stack: Vec<(Frame, Vec<Block>)>,
    /// Containers below [`MAX_DEPTH`] that are open but not kept.
    n_flattened: usize,
    inline: Option<OpenInline>,
    code: Option<Code>,
    table: Option<Table>,
    row: Vec<Inline>,
    in_html: bool,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            stack: vec![(Frame::Root, Vec::new())],
            n_flattened: 0,
            inline: None,
            code: None,
            table: None,
            row: Vec::new(),
            in_html: false,
        }
    }

    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.open(tag, range),
            Event::End(tag) => self.close(tag, range),
            Event::Text(piece) => match &mut self.code {
                Some(code) => add_piece(self.text, &mut code.text, &mut code.map, &piece, &range),
                None if self.in_html => {}
                None => self.add_text(&piece, &range),
            },
            Event::Code(piece) => {
                let inner = inside_of_code_span(self.text, &range);
                self.add_text(&piece, &inner);
                if let Some(open) = &mut self.inline {
                    open.inline.codes.push(piece.into_string());
                }
            }
            Event::SoftBreak | Event::HardBreak => self.add_text(" ", &range),
            Event::TaskListMarker(ticked) => {
                if let (0, Some((Frame::Item(item), _))) = (self.n_flattened, self.stack.last_mut()) {
                    item.task = Some(ticked);
                }
            }
            Event::Rule => self.end_paragraph(),
            // Comments carry no words for the operator; `comments` reads them from the text itself.
            Event::Html(piece) => self.summary(&piece, &range),
            Event::InlineHtml(_) => {}
            Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Paragraph | Tag::Heading { .. } => {
                self.end_paragraph();
                self.open_inline(&range);
            }
            Tag::TableCell => self.open_inline(&range),
            Tag::List(start) => self.push(Frame::List(List { start, items: Vec::new() })),
            Tag::Item => self.push(Frame::Item(ListItem { span: range, ..ListItem::default() })),
            Tag::BlockQuote(_) => self.push(Frame::Quote),
            Tag::CodeBlock(kind) => {
                self.end_paragraph();
                let (language, closed) = match kind {
                    CodeBlockKind::Indented => (String::new(), true),
                    CodeBlockKind::Fenced(info) => {
                        let word = info.split([' ', '\t', ',', '{']).next().unwrap_or_default();
                        (word.to_lowercase(), has_closing_fence(&self.text[range.clone()]))
                    }
                };
                self.code = Some(Code { span: range, language, closed, ..Code::default() });
            }
            Tag::HtmlBlock => {
                self.end_paragraph();
                self.in_html = true;
            }
            Tag::Table(_) => {
                self.end_paragraph();
                self.table = Some(Table::default());
            }
            Tag::Strong => {
                if let Some(open) = self.ensure_inline(&range) {
                    open.strong_depth += 1;
                }
            }
            Tag::Link { dest_url, .. } => {
                if let Some(open) = self.ensure_inline(&range) {
                    open.inline.links.push(dest_url.into_string());
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Paragraph => self.end_paragraph(),
            TagEnd::Heading(level) => {
                if let Some(inline) = self.close_inline() {
                    let inline = Inline { span: trimmed(self.text, range), ..inline };
                    self.add(Block::Heading(Heading { level: level as u8, inline }));
                }
            }
            TagEnd::TableCell => {
                let cell = self.close_inline().unwrap_or_default();
                self.row.push(Inline { span: trimmed(self.text, range), ..cell });
            }
            TagEnd::TableHead => {
                if let Some(table) = &mut self.table {
                    table.header = std::mem::take(&mut self.row);
                }
            }
            TagEnd::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(std::mem::take(&mut self.row));
                }
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.add(Block::Table(table));
                }
            }
            TagEnd::CodeBlock => {
                if let Some(code) = self.code.take() {
                    self.add(Block::Code(code));
                }
            }
            TagEnd::HtmlBlock => self.in_html = false,
            TagEnd::List(_) | TagEnd::Item | TagEnd::BlockQuote(_) => self.pop(),
            TagEnd::Strong => {
                if let Some(open) = &mut self.inline {
                    open.strong_depth = open.strong_depth.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// `<summary>Words</summary>` on one line names what is folded away, as a bold line would.
    fn summary(&mut self, piece: &str, range: &Range<usize>) {
        const OPEN: &str = "<summary>";
        let Some(from) = piece.find(OPEN).map(|at| at + OPEN.len()) else { return };
        let words = piece[from..].split('<').next().unwrap_or_default().trim();
        let verbatim = self.text.get(range.clone()).is_some_and(|text| text == piece);
        if words.is_empty() || !verbatim {
            return;
        }
        let start = range.start + from + (piece[from..].len() - piece[from..].trim_start().len());
        let mut map = SourceMap::default();
        map.push(0, start);
        let span = start..start + words.len();
        self.add(Block::Paragraph(Inline {
            span,
            text: words.to_owned(),
            strong: true,
            map,
            ..Inline::default()
        }));
    }

    fn push(&mut self, frame: Frame) {
        self.end_paragraph();
        // A list without room for its items would lose their text.
        let room = if matches!(frame, Frame::List(_)) { MAX_DEPTH - 1 } else { MAX_DEPTH };
        if self.n_flattened > 0 || self.stack.len() >= room {
            self.n_flattened += 1;
        } else {
            self.stack.push((frame, Vec::new()));
        }
    }

    fn pop(&mut self) {
        self.end_paragraph();
        if self.n_flattened > 0 {
            self.n_flattened -= 1;
            return;
        }
        if self.stack.len() < 2 {
            return;
        }
        let Some((frame, blocks)) = self.stack.pop() else { return };
        match frame {
            Frame::Root => {}
            Frame::Quote => self.add(Block::Quote(blocks)),
            Frame::List(list) => self.add(Block::List(list)),
            Frame::Item(item) => {
                let item = ListItem { blocks, ..item };
                if let Some((Frame::List(list), _)) = self.stack.last_mut() {
                    list.items.push(item);
                }
            }
        }
    }

    fn add(&mut self, block: Block) {
        if let Some((_, blocks)) = self.stack.last_mut() {
            blocks.push(block);
        }
    }

    fn open_inline(&mut self, range: &Range<usize>) {
        let inline = Inline { span: trimmed(self.text, range.clone()), ..Inline::default() };
        self.inline = Some(OpenInline { inline, ..OpenInline::default() });
    }

    /// The items of a tight list hold their text without a paragraph around it.
    fn ensure_inline(&mut self, range: &Range<usize>) -> Option<&mut OpenInline> {
        if self.inline.is_none() {
            self.open_inline(range);
        }
        if let Some(open) = &mut self.inline {
            open.inline.span.end = open.inline.span.end.max(range.end);
        }
        self.inline.as_mut()
    }

    fn add_text(&mut self, piece: &str, range: &Range<usize>) {
        let text = self.text;
        if let Some(open) = self.ensure_inline(range) {
            let n_letters = piece.chars().filter(|c| !c.is_whitespace() && *c != ':').count();
            if open.strong_depth > 0 {
                open.n_strong += n_letters;
            } else {
                open.n_plain += n_letters;
            }
            add_piece(text, &mut open.inline.text, &mut open.inline.map, piece, range);
        }
    }

    fn close_inline(&mut self) -> Option<Inline> {
        self.inline
            .take()
            .map(|open| Inline { strong: open.n_strong > 0 && open.n_plain == 0, ..open.inline })
    }

    fn end_paragraph(&mut self) {
        if let Some(inline) = self.close_inline()
            && !inline.text.trim().is_empty()
        {
            self.add(Block::Paragraph(inline));
        }
    }

    fn finish(mut self) -> Vec<Block> {
        self.end_paragraph();
        while self.stack.len() > 1 {
            self.pop();
        }
        self.stack.pop().map(|(_, blocks)| blocks).unwrap_or_default()
    }
}

/// Appends a piece and remembers where it stands; what the parser rewrote (entities, line ends)
/// maps to the place where it begins.
fn add_piece(source: &str, text: &mut String, map: &mut SourceMap, piece: &str, range: &Range<usize>) {
    debug_assert!(range.end <= source.len());
    map.push(text.len(), range.start);
    text.push_str(piece);
}

/// The span without the line end that the parser counts in.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let end = range.start + text[range.clone()].trim_end().len();
    range.start..end
}

fn inside_of_code_span(text: &str, range: &Range<usize>) -> Range<usize> {
    let slice = &text[range.clone()];
    let n_ticks = slice.len() - slice.trim_start_matches('`').len();
    if slice.len() < 2 * n_ticks {
        return range.clone();
    }
    // One space next to the backticks belongs to the markup.
    let inner = &slice[n_ticks..slice.len() - n_ticks];
    let padded = inner.starts_with(' ') && inner.ends_with(' ') && !inner.trim().is_empty();
    let pad = usize::from(padded);
    range.start + n_ticks + pad..range.end - n_ticks - pad
}

/// Whether a fenced block, as it stands in the source, ends in a fence at least as long as the one
/// that opens it.
fn has_closing_fence(block: &str) -> bool {
    let Some(fence) = block.trim_start().chars().next() else { return false };
    let fence_length = |line: &str| line.chars().take_while(|c| *c == fence).count();
    let opening = fence_length(block.trim_start());
    let mut lines = block.trim_end().lines();
    if lines.next().is_none() {
        return false;
    }
    // A fence inside a quote carries the quote's marks.
    let Some(last) = lines.next_back().map(|line| line.trim_start_matches([' ', '\t', '>'])) else {
        return false;
    };
    let closing = fence_length(last);
    closing >= opening && last.chars().skip(closing).all(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only_code(text: &str) -> Code {
        match parse(text, 0).remove(0) {
            Block::Code(code) => code,
            Block::Quote(mut blocks) => match blocks.remove(0) {
                Block::Code(code) => code,
                other => panic!("no code block: {other:?}"),
            },
            other => panic!("no code block: {other:?}"),
        }
    }

    #[test]
    fn a_heading_inside_a_fence_is_text() {
        let blocks = parse("# A\n\n```\n## B\n```\n", 0);
        assert_eq!(blocks.iter().filter(|block| matches!(block, Block::Heading(_))).count(), 1);
    }

    #[test]
    fn windows_line_ends_do_not_reach_the_code() {
        let code = only_code("```bash\r\ngit tag v1\r\ngit push\r\n```\r\n");
        assert_eq!(code.text, "git tag v1\ngit push\n");
        assert_eq!(code.map.source(code.text.find("git push").unwrap()), "```bash\r\ngit tag v1\r\n".len());
        assert!(code.closed);
    }

    #[test]
    fn code_inside_an_item_loses_the_items_indentation_and_keeps_its_place() {
        let text = "1. go\n\n   ```sh\n   echo a\n     echo b\n   ```\n";
        let Block::List(list) = &parse(text, 0)[0] else { panic!("no list") };
        let Some(Block::Code(code)) = list.items[0].blocks.last() else { panic!("no code") };
        assert_eq!(code.text, "echo a\n  echo b\n");
        assert_eq!(code.map.source(code.text.find("echo b").unwrap()), text.find("echo b").unwrap());
    }

    #[test]
    fn a_bold_line_with_a_colon_outside_is_strong_and_half_a_line_is_not() {
        let blocks = parse("**Critical (5 min)** :\n\n**Only** this\n", 0);
        let strong: Vec<bool> = blocks
            .iter()
            .map(|block| matches!(block, Block::Paragraph(Inline { strong: true, .. })))
            .collect();
        assert_eq!(strong, [true, false]);
    }

    #[test]
    fn boxes_belong_to_items_and_comments_hide_theirs() {
        let blocks = parse("- [ ] a\n- [x] b <!-- gonogo: id=b -->\n- c\n\n<!--\n- [ ] d\n-->\n", 0);
        let Block::List(list) = &blocks[0] else { panic!("no list") };
        let tasks: Vec<_> = list.items.iter().map(|item| item.task).collect();
        assert_eq!(tasks, [Some(false), Some(true), None]);
        assert_eq!(blocks.len(), 1);
        let Block::Paragraph(inline) = &list.items[1].blocks[0] else { panic!("no text") };
        assert_eq!(inline.text.trim(), "b");
    }

    #[test]
    fn a_fence_that_never_closes_is_known() {
        assert!(!only_code("```bash\necho a\n").closed);
        assert!(!only_code("````bash\necho a\n```\n").closed);
        assert!(only_code("> ```bash\n> echo a\n> ```\n").closed);
    }

    #[test]
    fn ten_thousand_nested_lists_are_read_on_a_small_stack() {
        for marker in ["- ", "> ", "1. "] {
            let text = marker.repeat(10_000) + "deep";
            let blocks = parse(&text, 0);
            let shown = format!("{blocks:?}");
            assert!(shown.contains("deep"), "{marker:?}: {}", &shown[shown.len().saturating_sub(500)..]);
        }
    }

    proptest! {
        #[test]
        fn every_span_lies_inside_the_text(text in "([-*>#`| \n0-9a.é\\[\\]x:~\t\r]|```|- \\[ \\] ){0,120}") {
            fn walk(blocks: &[Block], text: &str) {
                for block in blocks {
                    match block {
                        Block::Heading(Heading { inline, .. }) | Block::Paragraph(inline) => {
                            assert!(text.get(inline.span.clone()).is_some());
                        }
                        Block::Code(code) => {
                            assert!(text.get(code.span.clone()).is_some());
                            for (offset, _) in code.text.char_indices() {
                                assert!(code.map.source(offset) <= text.len());
                            }
                        }
                        Block::List(list) => list.items.iter().for_each(|item| walk(&item.blocks, text)),
                        Block::Quote(blocks) => walk(blocks, text),
                        Block::Table(table) => assert!(table.rows.iter().all(|row| row.len() < 1_000)),
                    }
                }
            }
            walk(&parse(&text, 0), &text);
        }
    }
}
