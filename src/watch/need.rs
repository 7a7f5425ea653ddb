//! What a command needs on this machine before it can start.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A program on the commands' `PATH`, or at its path.
    Program(String),
    /// A file that can be read.
    File(String),
}

impl fmt::Display for Need {
    /// How it is told when it is not there: `zsh is not on the PATH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Program(program) if program.contains('/') => {
                write!(f, "{program} is not there, or no program")
            }
            Need::Program(program) => write!(f, "{program} is not on the PATH"),
            Need::File(path) => write!(f, "the file {path} is not there, or cannot be read"),
        }
    }
}
