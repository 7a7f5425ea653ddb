//! Byte offsets to lines and columns, in constant time however long a line is.

use super::model::Place;

/// Characters are counted once and remembered at every such step, so that a place in the middle of
/// a megabyte-long line costs no more than one in a short line.
const STRIDE: usize = 256;

/// Where the lines of a text start.
#[derive(Debug)]
pub(super) struct Places<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    /// The number of characters before byte `i * STRIDE` (counted by their first byte).
    chars_before: Vec<usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut line_starts = vec![0];
        let mut chars_before = Vec::with_capacity(text.len() / STRIDE + 1);
        let mut n_chars = 0;
        for (offset, byte) in text.bytes().enumerate() {
            if offset % STRIDE == 0 {
                chars_before.push(n_chars);
            }
            n_chars += usize::from(is_char_start(byte));
            if byte == b'\n' {
                line_starts.push(offset + 1);
            }
        }
        chars_before.push(n_chars);
        Self { text, line_starts, chars_before }
    }

    /// The place of a byte offset; one past the end is the place after the last character.
    pub(super) fn at(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts[line - 1];
        Place { line, column: self.n_chars_to(offset) - self.n_chars_to(start) + 1 }
    }

    /// The column where a range ends, exclusive, cut at the end of the line on which it begins.
    pub(super) fn end_column(&self, range: &std::ops::Range<usize>) -> usize {
        let from = range.start.min(self.text.len());
        let to = range.end.clamp(from, self.text.len());
        let line = self.line_starts.partition_point(|&start| start <= from);
        let line_end = self.line_starts.get(line).map_or(self.text.len(), |next| next - 1);
        let to = to.min(line_end.max(from));
        let start = self.line_starts[line - 1];
        // A caret under nothing cannot be seen, so an empty range still points at one column.
        let column = self.n_chars_to(from) - self.n_chars_to(start) + 1;
        (self.n_chars_to(to) - self.n_chars_to(start) + 1).max(column + 1)
    }

    fn n_chars_to(&self, offset: usize) -> usize {
        let known = offset / STRIDE;
        let counted = &self.text.as_bytes()[known * STRIDE..offset];
        self.chars_before[known] + counted.iter().filter(|&&byte| is_char_start(byte)).count()
    }
}

fn is_char_start(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let places = Places::new("é\n→ là");
        assert_eq!(places.at("é\n→ ".len()), Place { line: 2, column: 3 });
        assert_eq!(places.at(usize::MAX), Place { line: 2, column: 5 });
    }

    #[test]
    fn a_range_over_several_lines_ends_with_its_first_line() {
        let places = Places::new("ab\ncd");
        assert_eq!(places.end_column(&(1..5)), 3);
        assert_eq!(places.end_column(&(2..2)), 4, "an empty range still points at one column");
    }

    proptest! {
        #[test]
        fn a_place_is_what_counting_by_hand_gives(text in "[aé→\n]{0,700}", cut in 0usize..2_000) {
            let offset = (0..=cut.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            let before = &text[..offset];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            prop_assert_eq!(Places::new(&text).at(offset), Place { line, column });
        }
    }
}
