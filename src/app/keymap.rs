//! The key table: input, footer, help and palette all read it.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Action;

/// Where a key is looked up. The first context that knows the key wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    StartPanel,
    RunPanel,
    UnclearPanel,
    DoubtPanel,
    OutputPanel,
    /// The terminal of a command: no key but those of its own is looked up.
    Terminal,
    RollbackPanel,
    OrderPanel,
    ReloadPanel,
    PollPanel,
    ListPanel,
    LockPanel,
    FinishPanel,
    QuitPanel,
    /// Any other panel: text to read.
    TextPanel,
    Checklist,
    /// The rollout pane with its logs.
    Logs,
    Signals,
    /// Works everywhere but in a text field.
    Global,
}

impl Context {
    /// Whether one gets there only while something is released.
    pub fn needs_release(self) -> bool {
        match self {
            Context::ListPanel | Context::TextPanel | Context::Logs | Context::Signals | Context::Global => {
                false
            }
            Context::StartPanel
            | Context::RunPanel
            | Context::UnclearPanel
            | Context::DoubtPanel
            | Context::OutputPanel
            | Context::Terminal
            | Context::RollbackPanel
            | Context::OrderPanel
            | Context::ReloadPanel
            | Context::PollPanel
            | Context::LockPanel
            | Context::FinishPanel
            | Context::QuitPanel
            | Context::Checklist => true,
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Context::StartPanel => "Start",
            Context::RunPanel => "Run panel",
            Context::UnclearPanel => "Unclear block",
            Context::DoubtPanel => "Command in doubt",
            Context::OutputPanel => "Command output",
            Context::Terminal => "Terminal of a command",
            Context::RollbackPanel => "Rollback panel",
            Context::ReloadPanel => "Reloading the document",
            Context::OrderPanel => "Order to an Argo Rollout",
            Context::PollPanel => "Go / no-go",
            Context::ListPanel => "Lists",
            Context::LockPanel => "Lock",
            Context::FinishPanel => "Completing",
            Context::QuitPanel => "Leaving",
            Context::TextPanel => "Text",
            Context::Checklist => "Checklist",
            Context::Logs => "Rollout and logs",
            Context::Signals => "Signals",
            Context::Global => "Everywhere",
        }
    }
}

/// A key with its modifiers, as people write it: `space`, `ctrl-r`, `R`, `enter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub code: KeyCode,
    pub ctrl: bool,
}

impl Key {
    pub fn of(event: &KeyEvent) -> Key {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let code = match event.code {
            // One byte on the line: without a newer protocol ctrl-] is read as ctrl-5.
            KeyCode::Char('4') if ctrl => KeyCode::Char('\\'),
            KeyCode::Char('5') if ctrl => KeyCode::Char(']'),
            code => code,
        };
        Key { code, ctrl }
    }

    /// Reads `space`, `enter`, `esc`, `tab`, `shift-tab`, `up`, `ctrl-x` or a single character.
    pub fn parse(text: &str) -> Option<Key> {
        let (ctrl, rest) = match text.strip_prefix("ctrl-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let code = match rest {
            "space" => KeyCode::Char(' '),
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "shift-tab" => KeyCode::BackTab,
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pageup" => KeyCode::PageUp,
            "pagedown" => KeyCode::PageDown,
            "backspace" => KeyCode::Backspace,
            _ => {
                let mut chars = rest.chars();
                match (chars.next(), chars.next()) {
                    (Some(only), None) if !only.is_control() => KeyCode::Char(only),
                    _ => return None,
                }
            }
        };
        Some(Key { code, ctrl })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Enter => f.write_str("⏎"),
            KeyCode::Esc => f.write_str("Esc"),
            KeyCode::Tab => f.write_str("tab"),
            KeyCode::BackTab => f.write_str("shift-tab"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::Home => f.write_str("Home"),
            KeyCode::End => f.write_str("End"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            _ => f.write_str("?"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub context: Context,
    pub keys: Vec<Key>,
    pub action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

impl Default for Keymap {
    fn default() -> Self {
        let binding = |(context, keys, action): &(Context, &str, Action)| Binding {
            context: *context,
            keys: keys.split(' ').map(|key| Key::parse(key).expect("the built-in table is tested")).collect(),
            action: *action,
        };
        Self { bindings: TABLE.iter().map(binding).collect() }
    }
}

impl Keymap {
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The action of a key in the first of `contexts` that knows it.
    pub fn action(&self, contexts: &[Context], key: Key) -> Option<Action> {
        contexts.iter().find_map(|context| {
            let mut here = self.bindings.iter().filter(|binding| binding.context == *context);
            here.find(|binding| binding.keys.contains(&key)).map(|binding| binding.action)
        })
    }

    /// The first key that does `action` in one of `contexts`, for the footer.
    pub fn key(&self, contexts: &[Context], action: Action) -> Option<Key> {
        contexts.iter().find_map(|context| {
            let mut here = self.bindings.iter().filter(|binding| binding.context == *context);
            here.find(|binding| binding.action == action)?.keys.first().copied()
        })
    }

    /// Gives an action other keys, wherever it stands in the table.
    ///
    /// - Errors: what is wrong, in words: an unknown key or action, a key that is taken in the same
    ///   context, or one on which the rollback may not lie.
    pub fn rebind(&mut self, action: &str, keys: &str) -> Result<(), String> {
        let Some(action) = Action::named(action) else {
            let near =
                Action::ALL.iter().min_by_key(|known| strsim::damerau_levenshtein(known.name(), action));
            let near = near.map_or("", |near| near.name());
            return Err(format!("there is no action `{action}`; did you mean `{near}`?"));
        };
        let mut parsed = Vec::new();
        for key in keys.split_whitespace() {
            let known = Key::parse(key);
            parsed.push(known.ok_or_else(|| {
                format!("`{key}` is not a key; write a character, or space, enter, tab, up, ctrl-x")
            })?);
        }
        if parsed.is_empty() {
            return Err(format!("`{}` needs at least one key", action.name()));
        }
        if parsed.iter().any(|key| !is_deliberate(*key)) {
            match action {
                Action::Fire => {
                    return Err("the key that fires the rollback must be a capital letter".to_owned());
                }
                Action::DeleteBlocker => {
                    return Err("the key that deletes a pod must be a capital letter".to_owned());
                }
                Action::TrafficFirst => {
                    return Err("the key that moves the traffic must be a capital letter".to_owned());
                }
                _ => {}
            }
        }
        // On a key that a command needs it could not be told from it, and Esc is half of others.
        if action == Action::LeaveTerminal && parsed.iter().any(|key| !key.ctrl) {
            return Err("the key that leaves a terminal must be one with ctrl: ctrl-] or ctrl-o".to_owned());
        }
        let contexts: Vec<Context> = self
            .bindings
            .iter()
            .filter(|binding| binding.action == action)
            .map(|binding| binding.context)
            .collect();
        for context in &contexts {
            let other = self.bindings.iter().find(|binding| {
                binding.context == *context
                    && binding.action != action
                    && binding.keys.iter().any(|key| parsed.contains(key))
            });
            if let Some(other) = other {
                return Err(format!("that key already means `{}` there", other.action.name()));
            }
        }
        for binding in self.bindings.iter_mut().filter(|binding| binding.action == action) {
            binding.keys.clone_from(&parsed);
        }
        Ok(())
    }
}

/// A key that no held-down repeat and no stray line end produces.
fn is_deliberate(key: Key) -> bool {
    matches!(key.code, KeyCode::Char(c) if c.is_ascii_uppercase()) && !key.ctrl
}

const TABLE: &[(Context, &str, Action)] = {
    use Action as A;
    use Context as C;
    &[
        (C::StartPanel, "r", A::Run),
        (C::StartPanel, "enter e", A::Edit),
        (C::StartPanel, "space", A::Accept),
        (C::StartPanel, "down j tab", A::Down),
        (C::StartPanel, "up k shift-tab", A::Up),
        (C::StartPanel, "q", A::Quit),
        (C::RunPanel, "r", A::Run),
        (C::RunPanel, "e", A::Edit),
        (C::RunPanel, "t", A::Terminal),
        (C::RunPanel, "down j", A::Down),
        (C::RunPanel, "up k", A::Up),
        (C::RunPanel, "s", A::Skip),
        (C::RunPanel, "-", A::NotApplicable),
        (C::RunPanel, "q esc", A::Close),
        (C::UnclearPanel, "space", A::Accept),
        (C::UnclearPanel, "down j", A::Down),
        (C::UnclearPanel, "up k", A::Up),
        (C::UnclearPanel, "q esc", A::Close),
        (C::DoubtPanel, "y", A::SettledGood),
        (C::DoubtPanel, "f", A::SettledBad),
        (C::DoubtPanel, "q esc", A::Close),
        (C::OutputPanel, "K", A::StopCommand),
        (C::OutputPanel, "down j", A::Down),
        (C::OutputPanel, "up k", A::Up),
        (C::OutputPanel, "pagedown ctrl-f", A::PageDown),
        (C::OutputPanel, "pageup ctrl-b", A::PageUp),
        (C::OutputPanel, "home", A::Top),
        (C::OutputPanel, "end G", A::Bottom),
        (C::OutputPanel, "t", A::Terminal),
        (C::Terminal, "ctrl-]", A::LeaveTerminal),
        (C::OutputPanel, "r", A::Run),
        (C::OutputPanel, "q esc enter", A::Close),
        (C::RollbackPanel, "Y", A::Fire),
        (C::RollbackPanel, "D", A::DeleteBlocker),
        (C::RollbackPanel, "T", A::TrafficFirst),
        (C::RollbackPanel, "d", A::Diff),
        (C::RollbackPanel, "t", A::Reason),
        (C::RollbackPanel, "p", A::Policy),
        (C::RollbackPanel, "x", A::CancelRollback),
        (C::RollbackPanel, "down j", A::Down),
        (C::RollbackPanel, "up k", A::Up),
        (C::RollbackPanel, "R q esc", A::Close),
        (C::OrderPanel, "r", A::Run),
        (C::OrderPanel, "down j", A::Down),
        (C::OrderPanel, "up k", A::Up),
        (C::OrderPanel, "q esc", A::Close),
        (C::ReloadPanel, "r", A::Run),
        (C::ReloadPanel, "down j", A::Down),
        (C::ReloadPanel, "up k", A::Up),
        (C::ReloadPanel, "q esc", A::Close),
        (C::PollPanel, "g", A::Go),
        (C::PollPanel, "x", A::NoGo),
        (C::PollPanel, "a", A::Abstain),
        (C::PollPanel, "o", A::People),
        (C::PollPanel, "-", A::NotApplicable),
        (C::PollPanel, "h", A::Hold),
        (C::PollPanel, "q esc", A::Close),
        (C::ListPanel, "down j", A::Down),
        (C::ListPanel, "up k", A::Up),
        (C::ListPanel, "enter", A::Choose),
        (C::ListPanel, "space", A::Mark),
        (C::ListPanel, "a", A::MarkAll),
        (C::ListPanel, "q esc", A::Close),
        (C::LockPanel, "t", A::TakeLock),
        (C::LockPanel, "g", A::GiveLock),
        (C::LockPanel, "w", A::WatchHolder),
        (C::LockPanel, "down j", A::Down),
        (C::LockPanel, "up k", A::Up),
        (C::LockPanel, "q esc", A::Close),
        (C::FinishPanel, "r", A::Run),
        (C::FinishPanel, "q esc", A::Close),
        (C::QuitPanel, "l", A::LeaveOpen),
        (C::QuitPanel, "a", A::Abort),
        (C::QuitPanel, "q esc", A::Close),
        (C::TextPanel, "down j", A::Down),
        (C::TextPanel, "up k", A::Up),
        (C::TextPanel, "pagedown ctrl-f", A::PageDown),
        (C::TextPanel, "pageup ctrl-b", A::PageUp),
        (C::TextPanel, "home", A::Top),
        (C::TextPanel, "end G", A::Bottom),
        (C::TextPanel, "q esc ?", A::Close),
        (C::Checklist, "space", A::Confirm),
        (C::Checklist, "enter", A::Open),
        (C::Checklist, "x", A::NoGo),
        (C::Checklist, "g", A::Go),
        (C::Checklist, "s", A::Skip),
        (C::Checklist, "-", A::NotApplicable),
        (C::Checklist, "u", A::Reopen),
        (C::Checklist, "c", A::Choose),
        (C::Checklist, "e", A::Edit),
        (C::Checklist, "down j", A::Down),
        (C::Checklist, "up k", A::Up),
        (C::Checklist, "pagedown ctrl-f", A::PageDown),
        (C::Checklist, "pageup ctrl-b", A::PageUp),
        (C::Checklist, "home", A::Top),
        (C::Checklist, "end G", A::Bottom),
        (C::Checklist, ".", A::Home),
        (C::Logs, "/", A::Search),
        (C::Logs, "n", A::SearchNext),
        (C::Logs, "N", A::SearchPrevious),
        (C::Logs, "&", A::Filter),
        (C::Logs, "F", A::Follow),
        (C::Logs, "w", A::Wrap),
        (C::Logs, "t", A::Timestamps),
        (C::Logs, "p", A::PreviousContainer),
        (C::Logs, "v", A::Select),
        (C::Logs, "y", A::Copy),
        (C::Logs, "S", A::Save),
        (C::Logs, "J", A::RawJson),
        (C::Logs, "down j", A::Down),
        (C::Logs, "up k", A::Up),
        (C::Logs, "pagedown ctrl-f", A::PageDown),
        (C::Logs, "pageup ctrl-b", A::PageUp),
        (C::Logs, "home", A::Top),
        (C::Logs, "end G", A::Bottom),
        (C::Logs, "]", A::NextTarget),
        (C::Logs, "[", A::PreviousTarget),
        (C::Logs, "P", A::Promote),
        (C::Logs, "U", A::PromoteFull),
        (C::Logs, "A", A::AbortRollout),
        (C::Logs, "E", A::RetryRollout),
        (C::Logs, "left", A::Left),
        (C::Logs, "right", A::Right),
        (C::Global, "R", A::RollbackPanel),
        (C::Global, "tab", A::NextPane),
        (C::Global, "shift-tab", A::PreviousPane),
        (C::Global, "1", A::FocusChecklist),
        (C::Global, "2", A::FocusRollout),
        (C::Global, "3", A::FocusSignals),
        (C::Global, "z", A::Zoom),
        (C::Global, "h", A::Hold),
        (C::Global, "b", A::Declare),
        (C::Global, "n", A::Note),
        (C::Global, "o", A::People),
        (C::Global, "m", A::KnownErrors),
        (C::Global, "!", A::Escalate),
        (C::Global, "T", A::Workloads),
        (C::Global, "L", A::OwnLog),
        (C::Global, ":", A::Palette),
        (C::Global, "?", A::Help),
        (C::Global, "ctrl-l", A::Redraw),
        (C::Global, "q ctrl-c", A::Quit),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_context() {
        let keymap = Keymap::default();
        for (index, binding) in keymap.bindings.iter().enumerate() {
            for other in &keymap.bindings[index + 1..] {
                let clash = binding.keys.iter().find(|key| other.keys.contains(key));
                assert!(binding.context != other.context || clash.is_none(), "{binding:?} and {other:?}");
            }
        }
    }

    #[test]
    fn every_action_has_a_name_of_its_own() {
        for action in Action::ALL {
            assert_eq!(Action::named(action.name()), Some(*action));
        }
    }

    #[test]
    fn the_rollback_fires_on_a_capital_only() {
        let mut keymap = Keymap::default();
        let fires: Vec<_> = keymap.bindings.iter().filter(|binding| binding.action == Action::Fire).collect();
        assert!(fires.iter().all(|binding| binding.keys.iter().all(|key| is_deliberate(*key))));
        assert!(keymap.rebind("fire", "enter").is_err());
        assert!(keymap.rebind("fire", "Z").is_ok());
        assert_eq!(keymap.action(&[Context::RollbackPanel], Key::parse("Z").unwrap()), Some(Action::Fire));
        assert_eq!(keymap.action(&[Context::RollbackPanel], Key::parse("Y").unwrap()), None);
    }

    #[test]
    fn a_pod_is_deleted_on_a_capital_only() {
        let mut keymap = Keymap::default();
        let key = keymap.key(&[Context::RollbackPanel], Action::DeleteBlocker);
        assert!(key.is_some_and(is_deliberate));
        assert!(keymap.rebind("delete-blocker", "space").unwrap_err().contains("capital letter"));
    }

    #[test]
    fn a_key_that_is_taken_is_refused_with_the_action_that_has_it() {
        let mut keymap = Keymap::default();
        assert_eq!(keymap.rebind("skip", "x"), Err("that key already means `no-go` there".to_owned()));
        assert_eq!(
            keymap.rebind("skp", "x"),
            Err("there is no action `skp`; did you mean `skip`?".to_owned())
        );
        assert!(keymap.rebind("skip", "hyper-x").unwrap_err().contains("`hyper-x` is not a key"));
    }
}
