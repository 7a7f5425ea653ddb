//! Which program reads a command's text, and how it is told to stop at the first line that fails.

use std::fmt;

/// Names that stand for themselves; any other program is named by its path.
const NAMES: [&str; 4] = ["bash", "sh", "dash", "zsh"];

/// A program that takes a command's text behind `-c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter(String);

impl Default for Interpreter {
    /// What reads a command unless the document says otherwise.
    fn default() -> Self {
        Self("bash".to_owned())
    }
}

impl Interpreter {
    /// - Errors: why no command is read by that, as a sentence fragment.
    pub(crate) fn named(word: &str) -> Result<Self, String> {
        let is_name = NAMES.contains(&word);
        let unreadable = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '$' | '`' | '~');
        // A relative path would lead to another program as soon as the command has another directory.
        let is_path = word.starts_with('/') && !word.ends_with('/') && !word.contains(unreadable);
        match is_name || is_path {
            true => Ok(Self(word.to_owned())),
            false => Err(format!(
                "`shell={}` is none of {}, and no whole path such as /usr/bin/ksh",
                word.escape_debug(),
                NAMES.join(", ")
            )),
        }
    }

    /// A name to be looked up on the `PATH`, or a path.
    pub fn program(&self) -> &str {
        &self.0
    }

    /// Program and flags that read a command's text. Without `-e` a failed `git tag` would be followed
    /// by the push of the old tag.
    pub fn command_line(&self) -> Vec<String> {
        let flags: &[&str] = match self.name() {
            // Without `-f` it would read the start-up file of whoever sits here, even for `-c`.
            "zsh" => &["-f", "-e"],
            _ if self.stops_at_failure() => &["-e"],
            _ => &[],
        };
        std::iter::once(self.0.as_str()).chain(flags.iter().copied()).map(str::to_owned).collect()
    }

    /// Whether it knows `-e` as the end at the first failure: to another interpreter that flag may mean
    /// anything, so it is not given to one.
    pub fn stops_at_failure(&self) -> bool {
        NAMES.contains(&self.name()) || matches!(self.name(), "ksh" | "mksh" | "ash")
    }

    fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_the_flags_that_it_knows_and_another_program_none() {
        let line = |word: &str| Interpreter::named(word).unwrap().command_line().join(" ");
        assert_eq!(Interpreter::default().command_line(), ["bash", "-e"]);
        assert_eq!(line("dash"), "dash -e");
        assert_eq!(line("/opt/bin/zsh"), "/opt/bin/zsh -f -e");
        assert_eq!(line("/usr/bin/ksh"), "/usr/bin/ksh -e");
        assert_eq!(line("/usr/bin/python3"), "/usr/bin/python3");
    }

    #[test]
    fn what_is_neither_a_known_name_nor_a_whole_path_is_none() {
        for word in
            ["fish", "ksh", "bin/bash", "./sh", "/usr/bin/", "/bin/ba sh", "/bin/\u{1b}sh", "~/zsh", ""]
        {
            assert!(Interpreter::named(word).is_err(), "{word:?}");
        }
    }
}
