//! What people said of unclear blocks, kept for later releases: one line each, the last one counts.
//!
//! ```text
//! $XDG_STATE_HOME/gonogo/settled.jsonl   0600
//!   {"block":"<sha256>","said":{"is":"commands","by":"ana","on":"2026-11-23"}}
//!   {"block":"<sha256>","said":null}     a question again
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{StoreError, folder};
use crate::workflow::{BlockPrint, Ruling, Settled};

const FILE: &str = "settled.jsonl";

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    block: BlockPrint,
    said: Option<Ruling>,
}

/// All that was said on this machine.
///
/// - Errors: a file that cannot be read. A line that is none is passed over: its block is a question
///   again.
pub fn remembered(state_dir: &Path) -> Result<Settled, StoreError> {
    let path = state_dir.join(FILE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settled::default()),
        read => read.map_err(StoreError::io("read", &path))?,
    };
    let mut settled = Settled::default();
    for line in text.split(|byte| *byte == b'\n') {
        if let Ok(Line { block, said }) = serde_json::from_slice(line) {
            settled.set(block, said);
        }
    }
    Ok(settled)
}

/// Keeps what was said of a block, or that it is a question again.
pub fn remember(state_dir: &Path, block: &BlockPrint, said: Option<&Ruling>) -> Result<(), StoreError> {
    let path = state_dir.join(FILE);
    let line = Line { block: block.clone(), said: said.cloned() };
    // Begun with a line end as well: half a line of an earlier power cut takes no other one with it.
    let bytes = serde_json::to_vec(&line).map(|json| [b"\n", json.as_slice(), b"\n"].concat());
    let write = || folder::private().append(true).create(true).open(&path)?.write_all(&bytes?);
    write().map_err(StoreError::io("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Meaning;

    fn ruling(meaning: Meaning) -> Ruling {
        Ruling { meaning, by: "ana".into(), on: "2026-11-23".into() }
    }

    #[test]
    fn the_last_word_on_a_block_counts_and_a_torn_line_takes_no_other_with_it() {
        let home = tempfile::tempdir().unwrap();
        let (a, b, c) = (BlockPrint("a".into()), BlockPrint("b".into()), BlockPrint("c".into()));
        assert!(remembered(home.path()).unwrap().is_empty(), "nothing was said yet");
        remember(home.path(), &a, Some(&ruling(Meaning::Text))).unwrap();
        remember(home.path(), &b, Some(&ruling(Meaning::Commands))).unwrap();
        remember(home.path(), &a, Some(&ruling(Meaning::Commands))).unwrap();
        let path = home.path().join(FILE);
        let torn = [fs::read(&path).unwrap(), b"{\"block\":\"c".to_vec()].concat();
        fs::write(&path, torn).unwrap();
        remember(home.path(), &b, None).unwrap();
        let known = remembered(home.path()).unwrap();
        assert_eq!(known.get(&a), Some(&ruling(Meaning::Commands)));
        assert_eq!((known.get(&b), known.get(&c)), (None, None));
    }

    #[test]
    fn nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        remember(home.path(), &BlockPrint("a".into()), Some(&ruling(Meaning::Text))).unwrap();
        let mode = fs::metadata(home.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
