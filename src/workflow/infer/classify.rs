//! What a code block is, whatever its label says: something to run, an answer of a program, a message
//! to people, data, or something only a person can tell.

use super::session;
use crate::workflow::markdown::{Code, SourceMap};
use crate::workflow::model::BlockClass;
use crate::workflow::shell::{self, Script, Statement};
use crate::workflow::vocabulary;

const SHELLS: &[&str] = &["bash", "sh", "shell", "zsh"];

/// Labels of what programs print and people write.
const TEXTS: &[&str] = &["", "text", "txt", "plain", "plaintext", "output", "log", "md", "markdown"];

/// Programs whose name at the start of a line makes it a command, even without a label.
const PROGRAMS: &[&str] = &[
    "ansible",
    "ansible-playbook",
    "apt",
    "apt-get",
    "argocd",
    "aws",
    "az",
    "bash",
    "brew",
    "bump2version",
    "bumpversion",
    "bundle",
    "cargo",
    "cd",
    "chmod",
    "composer",
    "cp",
    "curl",
    "docker",
    "docker-compose",
    "dotnet",
    "dnf",
    "export",
    "fastlane",
    "gcloud",
    "gem",
    "gh",
    "git",
    "glab",
    "go",
    "goreleaser",
    "gpg",
    "gradle",
    "hatch",
    "helm",
    "istioctl",
    "jj",
    "kubectl",
    "kustomize",
    "lerna",
    "make",
    "mix",
    "mkdir",
    "mv",
    "mvn",
    "npm",
    "npx",
    "nx",
    "oc",
    "php",
    "pip",
    "pip3",
    "pipx",
    "pnpm",
    "podman",
    "poetry",
    "psql",
    "python",
    "python3",
    "rake",
    "rm",
    "rsync",
    "sbt",
    "scp",
    "sed",
    "semantic-release",
    "sh",
    "skopeo",
    "source",
    "ssh",
    "sudo",
    "svn",
    "systemctl",
    "tar",
    "terraform",
    "tox",
    "twine",
    "unzip",
    "uv",
    "vim",
    "wget",
    "yarn",
    "pg_dump",
    "mysql",
    "mysqldump",
    "journalctl",
    "nginx",
    "consul",
    "vault",
    "redis-cli",
    "flyctl",
    "heroku",
    "cf",
    "firebase",
    "vercel",
    "netlify",
    "serverless",
    "pulumi",
    "packer",
    "crane",
    "cosign",
    "trivy",
    "nomad",
    "deno",
    "bun",
    "node",
    "ruby",
    "perl",
    "java",
    "echo",
    "cat",
    "touch",
    "yum",
];

pub(super) fn is_shell(code: &Code) -> bool {
    SHELLS.contains(&code.language.as_str())
}

/// What a block is; `script` is empty unless it is labelled as shell, `message` says whether the
/// words around it are about telling people.
pub(super) fn class(code: &Code, script: &Script, message: bool) -> BlockClass {
    if is_shell(code) {
        let n = script.statements().count();
        return match script.statements().filter(|statement| is_printed(statement, &code.text)).count() {
            0 => BlockClass::Runnable,
            printed if printed == n => BlockClass::Output,
            _ => BlockClass::Unsure,
        };
    }
    if session::is_session(code) {
        return if looks_like_commands(&code.text) { BlockClass::Unsure } else { BlockClass::Output };
    }
    if !TEXTS.contains(&code.language.as_str()) {
        return BlockClass::Data;
    }
    let may_run = matches!(code.language.as_str(), "" | "text" | "txt" | "plain");
    if may_run && looks_like_commands(&code.text) {
        BlockClass::Unsure
    } else if message || matches!(code.language.as_str(), "md" | "markdown") {
        BlockClass::Message
    } else {
        BlockClass::Output
    }
}

/// A block as commands, without the lines that a program printed.
pub(super) fn without_answers(code: &Code) -> Code {
    let script = shell::scan(&code.text);
    let printed = script.statements().filter(|statement| is_printed(statement, &code.text));
    let mut printed = printed.map(|statement| statement.range.clone()).peekable();
    let mut kept =
        Code { language: "bash".into(), text: String::new(), map: SourceMap::default(), ..code.clone() };
    let mut at = 0;
    for line in code.text.split_inclusive('\n') {
        let first = at + (line.len() - line.trim_start().len());
        while printed.next_if(|range| range.end <= at).is_some() {}
        if !printed.peek().is_some_and(|range| range.contains(&first)) {
            kept.map.push(kept.text.len(), code.map.source(at));
            kept.text.push_str(line);
        }
        at += line.len();
    }
    kept
}

/// Whether a statement is no command but something that a program prints: `error: no such tag`,
/// `NAME READY STATUS`, `Everything went fine`.
fn is_printed(statement: &Statement, text: &str) -> bool {
    let Some(simple) = statement.commands.first() else { return false };
    let words: Vec<&str> = simple.words.iter().map(|word| &text[word.range.clone()]).collect();
    let Some((first, rest)) = words.split_first() else { return false };
    let labelled = first.len() > 1 && first.ends_with(':') && first.starts_with(char::is_alphabetic);
    let is_shout = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase() || c == '-');
    let header = rest.len() > 1 && words.iter().all(|word| is_shout(word));
    let mut letters = first.chars();
    let capital =
        letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase);
    let is_prose =
        |word: &str| word.trim_end_matches(['.', ',', '!', ':', ';']).chars().all(char::is_alphabetic);
    let sentence =
        capital && rest.len() > 1 && is_prose(first) && rest.iter().take(2).all(|word| is_prose(word));
    labelled || header || sentence
}

/// Whether a text without a label holds something that a person would type into a shell.
pub(super) fn looks_like_commands(text: &str) -> bool {
    if text.lines().any(|line| session::typed(line).is_some()) {
        return true;
    }
    let script = shell::scan(text);
    script
        .statements()
        .any(|statement| statement.commands.first().is_some_and(|simple| starts_a_program(simple, text)))
}

fn starts_a_program(simple: &shell::Simple, text: &str) -> bool {
    // `make sure that …` is a sentence: prose has no word of the kind that a command line has.
    let program = simple.program();
    let Some(first) = program.first().map(|word| word.text.as_str()) else { return false };
    let is_path = first.starts_with("./") && first.len() > 2;
    let known = PROGRAMS.contains(&first);
    let line = program.first().zip(program.last()).map_or("", |(a, b)| &text[a.range.start..b.range.end]);
    let is_sentence = line.ends_with(['.', '!', '?', ':']) && line.split(' ').count() > 3
        || line.starts_with("make sure")
        || line.starts_with("go to ")
        || line.starts_with("export the ");
    (is_path || known) && program.len() > usize::from(first != "make") && !is_sentence
}

/// Whether the words inside backticks are a command to offer: `kubectl get pods`, not `main`.
pub(super) fn is_inline_command(code: &str) -> bool {
    if code.contains('\n') || code.len() > 400 {
        return false;
    }
    let script = shell::scan(code);
    let mut commands = script.commands();
    let first =
        commands.next().is_some_and(|simple| simple.program().len() > 1 && starts_a_program(simple, code));
    first && script.unclosed.is_none() && script.arguments.is_none()
}

/// Whether the words around a block say that it is for people: `Post this in #releases:`.
pub(super) fn is_for_people(caption: Option<&str>) -> bool {
    caption.is_some_and(vocabulary::is_communication)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(language: &str, text: &str, message: bool) -> BlockClass {
        let code = Code { language: language.into(), text: text.into(), closed: true, ..Code::default() };
        let script = if is_shell(&code) { shell::scan(text) } else { Script::default() };
        class(&code, &script, message)
    }

    #[test]
    fn the_label_does_not_decide_alone() {
        use BlockClass::*;
        for (language, text, class) in [
            ("bash", "git push\n", Runnable),
            ("bash", "VERSION=1 ./release.sh\n[ -f x ] && Rscript a.R\n", Runnable),
            ("bash", "error: failed to push some refs\n", Output),
            ("sh", "NAME READY STATUS\n", Output),
            ("bash", "Deployment finished without errors\n", Output),
            ("bash", "git push\nerror: failed to push\n", Unsure),
            ("", "git push origin main\n", Unsure),
            ("", "./gradlew publish\n", Unsure),
            ("", "$ anything\n", Unsure),
            ("", "BUILD SUCCESS\n", Output),
            ("", "make sure that nobody deploys\n", Output),
            ("markdown", "# Notes\n", Message),
            ("yaml", "git: push\n", Data),
            ("console", "uploaded 3 files\n", Output),
        ] {
            assert_eq!(of(language, text, false), class, "{language}: {text}");
        }
        assert_eq!(of("", "Hello all, v1 is out!\n", true), Message);
    }

    #[test]
    fn words_in_backticks_are_commands_only_with_arguments() {
        for code in ["kubectl get pods", "npm publish --access public", "make release"] {
            assert!(is_inline_command(code), "{code}");
        }
        for code in ["main", "git", "CHANGELOG.md", "v1.2.0", "echo \"x", "release/1.2"] {
            assert!(!is_inline_command(code), "{code}");
        }
    }
}
