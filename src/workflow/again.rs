//! Which commands gonogo may run again by itself when they fail: those whose second run changes nothing
//! that somebody else sees.

use super::infer::programs;
use super::model::{Command, CommandKind, Step};
use super::shell;

pub(super) const IN_PRODUCTION: &str = "its step acts on production, so a person runs it again";

/// Why a command with `retries` is not run again by itself, as a sentence fragment; `None` when it may.
///
/// - `step`: the step that it stands in; the way back has none.
pub(super) fn why_not(command: &Command, step: Option<&Step>) -> Option<&'static str> {
    let Some(step) = step else { return Some("the way back is never run again by itself") };
    let texts = || {
        let choices = command.choices.iter().filter_map(|choice| choice.text.as_deref());
        std::iter::once(command.text.as_str()).chain(choices)
    };
    match command {
        _ if !matches!(command.kind, CommandKind::Run | CommandKind::Choice) => {
            Some("nothing waits for this block")
        }
        _ if step.production => Some(IN_PRODUCTION),
        _ if command.annotated.confirm.is_some() => Some("a word is typed before each run of it"),
        _ if command.annotated.tty => Some("somebody sits at its terminal, and runs it again"),
        _ if texts().any(reaches_others) => {
            Some("it pushes, deploys or publishes something, so a person runs it again")
        }
        _ => None,
    }
}

fn reaches_others(text: &str) -> bool {
    let script = shell::scan(text);
    script.commands().any(|simple| {
        // What another shell is given to read, as in `bash -c "git push"`.
        let mut quoted = simple.words.iter().map(|word| word.text.as_str());
        programs::reaches_others(simple)
            || quoted.any(|word| {
                word.contains(char::is_whitespace)
                    && shell::scan(word).commands().any(programs::reaches_others)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_see_is_not_done_twice_by_itself() {
        for text in [
            "git push origin main",
            "git tag v1",
            "sudo kubectl apply -f x.yaml",
            "kubectl -n shop rollout restart deployment/app",
            "kubectl --context prod scale deployment/app --replicas 3",
            "helm upgrade app ./chart",
            "docker push app:v1",
            "docker compose up -d",
            "npm publish",
            "gh release create v1",
            "terraform apply -auto-approve",
            "make build deploy",
            "./scripts/deploy.sh v1",
            "bash -c 'git push'",
            "ssh host reload",
            "curl -fsS -X POST https://example.org/hook",
            "curl --data-binary @x https://example.org",
            "if true; then git push; fi",
        ] {
            assert!(reaches_others(text), "{text}");
        }
    }

    #[test]
    fn looking_building_and_fetching_may_be_done_twice() {
        for text in [
            "npm ci && npm test",
            "curl -fsS https://example.org/health",
            "git fetch --tags",
            "git tag -l 'v*'",
            "kubectl -n shop rollout status deployment/app --timeout 5m",
            "kubectl -n shop get pods -l app=deploy",
            "kubectl wait --for=condition=ready pod/x",
            "helm status app",
            "docker build -t app:v1 .",
            "gh run watch 12",
            "terraform plan",
            "make test",
            "echo deploy",
        ] {
            assert!(!reaches_others(text), "{text}");
        }
    }
}
