//! Blocks that may be commands or not, and what people said of them.
//!
//! Nothing in the document tells, so nothing is guessed: such a block is shown and never run until a
//! person says what it is. What was said holds for the content of the block, wherever it stands and in
//! whatever document, and for no other content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::markdown::Code;
use super::model::{Command, Workflow};
use super::{Source, placed, read_settled, sha256};

/// The content of a block: lower-case hexadecimal SHA-256 of its label, a line end, and its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockPrint(pub String);

impl BlockPrint {
    pub(super) fn of(code: &Code) -> Self {
        Self(sha256(format!("{}\n{}", code.language, code.text).as_bytes()))
    }
}

/// What a block is, in the words of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// Commands: they run when somebody says so, as any others.
    Commands,
    /// Something to read.
    Text,
}

impl Meaning {
    pub fn words(self) -> &'static str {
        match self {
            Meaning::Commands => "commands",
            Meaning::Text => "text",
        }
    }
}

/// What was said of a block, by whom and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    #[serde(rename = "is")]
    pub meaning: Meaning,
    pub by: String,
    /// The day, as `2026-11-23`.
    pub on: String,
}

impl std::fmt::Display for Ruling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, said {} on {}", self.meaning.words(), self.by, self.on)
    }
}

/// What people said of blocks, by their content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settled(BTreeMap<BlockPrint, Ruling>);

impl Settled {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, block: &BlockPrint) -> Option<&Ruling> {
        self.0.get(block)
    }

    /// Takes a ruling in place of the one before; without one the block is a question again.
    pub fn set(&mut self, block: BlockPrint, ruling: Option<Ruling>) {
        match ruling {
            Some(ruling) => self.0.insert(block, ruling),
            None => self.0.remove(&block),
        };
    }
}

/// That a command is one of the blocks that a person settles, and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settling {
    pub block: BlockPrint,
    /// What runs once it is said to be commands: without prompts, and without what programs printed.
    pub commands: String,
    pub ruling: Option<Ruling>,
}

impl Workflow {
    /// The blocks that a person settles, settled or not, each content once.
    pub fn settlings(&self) -> Vec<&Command> {
        let mut found: Vec<&Command> = Vec::new();
        for command in self.commands() {
            let print = |command: &Command| command.settling.as_ref().map(|it| it.block.clone());
            if print(command).is_some() && !found.iter().any(|known| print(known) == print(command)) {
                found.push(command);
            }
        }
        found
    }

    /// What was said of blocks that stand in this document, or in what it calls.
    pub fn rulings(&self) -> Settled {
        let said = self.settlings().into_iter().filter_map(|command| command.settling.clone());
        Settled(said.filter_map(|it| Some((it.block, it.ruling?))).collect())
    }

    /// The command of this content, wherever it stands.
    pub fn settling(&self, block: &BlockPrint) -> Option<&Command> {
        let is_meant = |settling: &Settling| settling.block == *block;
        self.commands().find(|command| command.settling.as_ref().is_some_and(is_meant))
    }

    /// The same document with this said of its blocks.
    ///
    /// - Shape: ids stay, and so do the targets: a block that may deploy is watched, whoever runs it.
    pub fn settled_as(&self, settled: &Settled) -> Workflow {
        let source = Source { file: &self.file, bytes: self.text.as_bytes(), siblings: &|_| false };
        let plain = read_settled(source, settled);
        let whole = match &self.called {
            Some(files) => placed(plain, files),
            None => plain,
        };
        // Its bytes may have been no UTF-8, and the text is what could be read of them.
        Workflow { sha256: self.sha256.clone(), ..whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{BlockClass, CommandKind, read};

    fn document(block: &str) -> Workflow {
        let text = format!("# Release\n\n## Steps\n\n### 1. Tag\n\n{block}\n- [ ] Done\n");
        read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false })
    }

    /// What would run, were the one unclear block of a document commands.
    fn meant(block: &str) -> Option<String> {
        let found = document(block);
        let settlings = found.settlings();
        assert!(settlings.len() < 2);
        settlings.first().and_then(|command| Some(command.settling.as_ref()?.commands.clone()))
    }

    #[test]
    fn prompts_and_answers_are_no_commands() {
        for (block, commands) in [
            ("```\ngit push origin main\n```\n", "git push origin main\n"),
            ("```\n$ git push\nTo github.com:shop\n$ git tag v1\n```\n", "git push\ngit tag v1\n"),
            ("```bash\ngit push\nerror: failed to push\ngit tag v1\n```\n", "git push\ngit tag v1\n"),
            ("```console\n# apt install nginx\nReading lists\n# or\n```\n", "apt install nginx\n"),
            (
                "```console\n# Put it live\nkubectl apply -f app.yaml\n```\n",
                "# Put it live\nkubectl apply -f app.yaml\n",
            ),
            ("    git push origin main\n", "git push origin main\n"),
        ] {
            assert_eq!(meant(block).as_deref(), Some(commands), "{block}");
        }
    }

    #[test]
    fn what_no_shell_could_run_as_a_step_is_no_question() {
        for block in [
            "```bash\ngit push\n```\n",
            "```yaml\ngit: push\n```\n",
            "```\nBUILD SUCCESS\n```\n",
            "```\n#!/bin/sh\ngit push origin \"$1\"\n```\n",
        ] {
            assert_eq!(meant(block), None, "{block}");
        }
        assert_eq!(
            document("```\ngit push origin main\n").settlings(),
            Vec::<&Command>::new(),
            "it never ends"
        );
    }

    #[test]
    fn a_ruling_is_for_the_content_and_nothing_else() {
        let found = document("```\ngit push origin main\n```\n");
        let block = found.settlings()[0].settling.as_ref().unwrap().block.clone();
        let mut settled = Settled::default();
        settled.set(
            block,
            Some(Ruling { meaning: Meaning::Commands, by: "ana".into(), on: "2026-11-23".into() }),
        );
        let moved = document("Words before it.\n\n```\ngit push origin main\n```\n").settled_as(&settled);
        let command = &moved.steps[0].commands[0];
        assert_eq!((command.kind, command.class), (CommandKind::Run, BlockClass::Runnable));
        assert_eq!(moved.steps[0].checks().count(), 1, "nobody is asked whether it was done");
        for other in ["```\ngit push origin main --force\n```\n", "```text\ngit push origin main\n```\n"] {
            let other = document(other).settled_as(&settled);
            assert_eq!(other.steps[0].commands[0].class, BlockClass::Unsure);
            assert!(other.rulings().is_empty());
        }
    }

    #[test]
    fn no_id_moves_by_what_is_said() {
        let text = "```\ngit push origin main\n```\n\n```bash\nmake\n```\n\n```yaml\na: b\n```\n";
        let ids = |workflow: &Workflow| -> Vec<String> {
            let commands = workflow.commands().map(|command| command.id.to_string());
            commands
                .chain(workflow.checks().filter(|it| it.text == "Done").map(|it| it.id.to_string()))
                .collect()
        };
        let question = document(text);
        let block = &question.settlings()[0].settling.as_ref().unwrap().block;
        for meaning in [Meaning::Commands, Meaning::Text] {
            let mut settled = Settled::default();
            settled.set(block.clone(), Some(Ruling { meaning, by: "ana".into(), on: "2026-11-23".into() }));
            assert_eq!(ids(&question.settled_as(&settled)), ids(&question), "{meaning:?}");
        }
    }
}
