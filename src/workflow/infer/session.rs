//! Terminal sessions: which lines of a block were typed, and which are answers.

use super::classify;
use crate::workflow::markdown::{Code, SourceMap};
use crate::workflow::{shell, vocabulary};

const SESSIONS: &[&str] = &["console", "shell-session", "shellsession", "sh-session", "terminal"];

/// Bytes up to which an open quote is followed; nobody types more at a prompt.
const MAX_PROMPTED: usize = 4_096;

/// How often the text of a block may be read again, on average, to see whether a command goes on.
/// Hostile sessions would otherwise take quadratic time.
const MAX_READINGS: usize = 8;

/// What a block turned out to be.
#[derive(Debug)]
pub(super) enum Session {
    /// What was typed, without prompts and answers, as a bash block.
    Typed(Code),
    /// Lines that begin with `# `: a prompt of root, or comments.
    Unclear,
}

pub(super) fn is_session(code: &Code) -> bool {
    SESSIONS.contains(&code.language.as_str())
}

/// What a person typed into a block; `None` when nothing in it looks like a prompt.
pub(super) fn read(code: &Code, is_shell: bool) -> Option<Session> {
    let labelled = is_session(code);
    let is_blank = |line: &&str| line.trim().is_empty();
    let mut lines = code.text.lines().filter(|line| !is_blank(line));
    let prompted = if labelled {
        code.text.lines().any(|line| typed(line).is_some())
    } else {
        // In a script `$ ` is no prompt but a mistake; only a first line of that kind tells.
        is_shell && lines.find(|line| !line.starts_with('#')).is_some_and(|line| typed(line).is_some())
    };
    if prompted {
        return Some(Session::Typed(unprompted(code, typed)));
    }
    let by_root = |line: &str| typed_by_root(line).is_some();
    (labelled && code.text.lines().any(by_root)).then_some(Session::Unclear)
}

/// What was typed into a block of which a person says that it holds commands; `None` when it has no
/// prompts.
pub(super) fn said_to_be_typed(code: &Code) -> Option<Code> {
    if code.text.lines().any(|line| typed(line).is_some()) {
        return Some(unprompted(code, typed));
    }
    // Behind prompts stand commands, behind the marks of comments stand words.
    let behind: String =
        code.text.lines().filter_map(typed_by_root).map(|line| format!("{line}\n")).collect();
    (is_session(code) && classify::looks_like_commands(&behind)).then(|| unprompted(code, typed_by_root))
}

/// What follows `# `, which may be the prompt of root; never a line that says “or”.
fn typed_by_root(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ").filter(|rest| !rest.trim().is_empty())?;
    vocabulary::alternative_label(line).is_none().then_some(rest)
}

/// What follows a prompt: `$ `, `❯ `, `ana@host:~/app$ `, `[ana@host app]$ `.
pub(super) fn typed(line: &str) -> Option<&str> {
    let start = line.trim_start();
    if let Some(rest) = start.strip_prefix("$ ").or_else(|| start.strip_prefix("❯ ")) {
        return Some(rest);
    }
    let (prompt, rest) = start.split_once("$ ")?;
    let who = prompt.strip_prefix('[').unwrap_or(prompt);
    let (user, place) = who.split_once('@')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_place = |c: char| is_name(c) || matches!(c, ':' | '~' | '/' | ' ' | ']');
    let fits =
        prompt.len() < 80 && !user.is_empty() && user.chars().all(is_name) && place.chars().all(is_place);
    fits.then_some(rest)
}

fn unprompted(code: &Code, typed: fn(&str) -> Option<&str>) -> Code {
    let mut commands =
        Code { language: "bash".into(), text: String::new(), map: SourceMap::default(), ..code.clone() };
    let mut budget = code.text.len() * MAX_READINGS + MAX_PROMPTED;
    let mut at = 0;
    let mut command_start = 0;
    let mut goes_on = false;
    for line in code.text.split_inclusive('\n') {
        let more = || {
            line.strip_prefix("> ").or_else(|| line.strip_prefix('>').filter(|rest| rest.trim().is_empty()))
        };
        let command = typed(line).or_else(|| more().filter(|_| goes_on));
        // After a backslash or inside a quote the next line belongs to the command, prompt or not.
        if let Some(command) = command.or(goes_on.then_some(line)) {
            if !goes_on {
                command_start = commands.text.len();
            }
            commands.map.push(commands.text.len(), code.map.source(at + (line.len() - command.len())));
            commands.text.push_str(command);
            let so_far = &commands.text[command_start..];
            let may_read = so_far.len() < MAX_PROMPTED && so_far.len() <= budget;
            goes_on = command.trim_end_matches('\n').ends_with('\\');
            if !goes_on && may_read {
                budget -= so_far.len();
                goes_on = shell::scan(so_far).unclosed.is_some();
            }
        }
        at += line.len();
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed_in(text: &str) -> String {
        let code = Code { language: "console".into(), text: text.into(), closed: true, ..Code::default() };
        match read(&code, false) {
            Some(Session::Typed(code)) => code.text,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn only_what_was_typed_is_kept() {
        assert_eq!(typed_in("$ git tag v1\nok\n$ git push\nTo github.com\n"), "git tag v1\ngit push\n");
        assert_eq!(typed_in("$ a \\\n>   b\nout\n"), "a \\\n  b\n");
        assert_eq!(typed_in("$ git tag -m \"a\n>\n> b\"\nout\n"), "git tag -m \"a\n\nb\"\n");
        assert_eq!(typed_in("$ files=(\n  a\n)\nout\n"), "files=(\n  a\n)\n");
        assert_eq!(typed_in("$ cat <<EOF\n## no heading\nEOF\nout\n"), "cat <<EOF\n## no heading\nEOF\n");
        assert_eq!(typed_in("ana@host:~/app$ make\nout costs 3$ each\n"), "make\n");
        assert_eq!(typed_in("Last login: today\n[ana@host app]$ make\n"), "make\n");
    }

    #[test]
    fn a_hash_may_be_a_prompt_and_is_not_believed() {
        let code = |text: &str| Code { language: "console".into(), text: text.into(), ..Code::default() };
        assert!(matches!(read(&code("# apt install x\n"), false), Some(Session::Unclear)));
        assert!(read(&code("# ou\nplain output\n"), false).is_none());
        assert!(read(&code("plain output\n"), false).is_none());
    }
}
