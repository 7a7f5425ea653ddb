//! The screen of a command that has a terminal of its own, as plain data.

/// What the command's terminal shows at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TerminalScreen {
    pub columns: u16,
    /// Each row from the top, as runs of one look; what no run covers is blank.
    pub rows: Vec<Vec<TerminalRun>>,
    /// Column and row; `None` while the command hides it.
    pub cursor: Option<(u16, u16)>,
    /// Arrow keys are sent in their other form, as full-screen programs ask for.
    pub application_cursor: bool,
    /// Pasted text is to be marked as such.
    pub bracketed_paste: bool,
}

/// Text of one look.
///
/// - Shape: no control characters, nothing that changes the direction of what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalRun {
    /// The column that it begins in.
    pub at: u16,
    pub text: String,
    pub look: TerminalLook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TerminalLook {
    pub foreground: TerminalInk,
    pub background: TerminalInk,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub inverse: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TerminalInk {
    #[default]
    Default,
    /// One of 256, as every terminal numbers them.
    Indexed(u8),
    Rgb(u8, u8, u8),
}
