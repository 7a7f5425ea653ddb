//! The output of a command as the value of a variable, as `$(…)` would have it.

use crate::release::event::Captured;
use crate::workflow::Secrets;

/// A value is a name, an address, a number. What is larger is a file, and stands in every record of a
/// command that has it in its environment. Units: bytes.
const LARGEST: usize = 4 * 1024;

/// Standard output as it came, up to a little more than a value may have.
#[derive(Debug, Default)]
pub(super) struct Capturing {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Capturing {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        // Newlines at its end are left out later, so they may go beyond it.
        let room = (2 * LARGEST).saturating_sub(self.bytes.len());
        self.is_cut |= bytes.len() > room;
        self.bytes.extend(bytes.iter().take(room));
    }

    /// What it is worth once the command has succeeded.
    pub(super) fn end(self, secrets: &Secrets) -> Captured {
        let unfit = |why: &str| Captured::NotKept(why.to_owned());
        let too_large = || Captured::NotKept(format!("it printed more than {LARGEST} bytes"));
        if self.is_cut {
            return too_large();
        }
        let Ok(text) = String::from_utf8(self.bytes) else { return unfit("what it printed is no text") };
        let value = text.trim_end_matches(['\n', '\r']);
        if let Some(name) = secrets.found_in(value) {
            return Captured::NotKept(format!("what it printed holds the value of {name}"));
        }
        match value {
            // An empty variable is the way from `rm -r "$DIR/x"` to `rm -r "/x"`.
            "" => unfit("it printed nothing"),
            _ if value.len() > LARGEST => too_large(),
            _ if value.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) => {
                unfit("it printed control characters")
            }
            _ => Captured::Value(value.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(parts: &[&[u8]]) -> Captured {
        let mut secrets = Secrets::default();
        secrets.insert("TOKEN", "hunter2-and-more");
        let mut capturing = Capturing::default();
        parts.iter().for_each(|part| capturing.take(part));
        capturing.end(&secrets)
    }

    fn why(parts: &[&[u8]]) -> String {
        match captured(parts) {
            Captured::NotKept(why) => why,
            Captured::Value(value) => panic!("kept {value}"),
        }
    }

    #[test]
    fn newlines_at_the_end_are_left_out_and_those_inside_stay() {
        assert_eq!(captured(&[b"a b\n", b"c\n\n\n"]), Captured::Value("a b\nc".to_owned()));
        let most = [b'x'; LARGEST];
        assert_eq!(captured(&[&most, b"\n\n"]), Captured::Value("x".repeat(LARGEST)));
    }

    #[test]
    fn what_is_no_value_is_not_kept_and_says_why() {
        assert_eq!(why(&[b"\n"]), "it printed nothing");
        assert_eq!(why(&[b"\x1b[31mred"]), "it printed control characters");
        assert_eq!(why(&[b"\xff"]), "what it printed is no text");
        assert_eq!(why(&[b"a hunter2-", b"and-more b"]), "what it printed holds the value of TOKEN");
        let chunk = [b'x'; 1024];
        assert_eq!(why(&[&chunk[..]; 5]), "it printed more than 4096 bytes");
        assert_eq!(why(&[&chunk[..]; 500]), "it printed more than 4096 bytes");
    }
}
