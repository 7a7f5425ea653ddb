//! What the git, kubectl and log commands of a block mean for a release.

use std::ops::Range;

use crate::workflow::model::{Kind, Target};
use crate::workflow::shell::{Simple, Word};

/// A `git tag` that makes a tag.
#[derive(Debug)]
pub(super) struct Tagging {
    /// Message lines that git would take for comments and drop; ranges in the block's text.
    pub(super) lost: Vec<Range<usize>>,
}

pub(super) fn tagging(simple: &Simple, text: &str) -> Option<Tagging> {
    let words = git(simple, "tag")?;
    let mut messages: Vec<&Word> = Vec::new();
    let mut keeps_comments = false;
    let mut names_a_tag = false;
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "-l" | "--list" | "-d" | "--delete" | "-v" | "--verify" | "--contains" | "--merged" => {
                return None;
            }
            "-u" | "--local-user" | "-F" | "--file" => {
                rest.next();
            }
            "--message" => messages.extend(rest.next()),
            option if option.starts_with("--message=") => messages.push(word),
            "--cleanup" => keeps_comments = rest.next().is_some_and(|mode| mode.text != "strip"),
            option if option.starts_with("--cleanup=") => keeps_comments = option != "--cleanup=strip",
            option if option.starts_with("--") => {}
            // `-am "…"`: short options stand together, the message is the next word.
            option if option.starts_with('-') && option.ends_with('m') => messages.extend(rest.next()),
            option if option.starts_with("-m") => messages.push(word),
            option if option.starts_with('-') => {}
            _ => names_a_tag = true,
        }
    }
    let lost = if keeps_comments {
        Vec::new()
    } else {
        messages.iter().flat_map(|message| comment_lines(message, text)).collect()
    };
    names_a_tag.then_some(Tagging { lost })
}

fn comment_lines(message: &Word, text: &str) -> Vec<Range<usize>> {
    let mut at = message.range.start;
    let mut found = Vec::new();
    for (i, line) in text[message.range.clone()].split_inclusive('\n').enumerate() {
        // The first line begins behind the option and the quote.
        let skipped = if i == 0 {
            let value = line.strip_prefix("--message=").or_else(|| line.strip_prefix("-m")).unwrap_or(line);
            line.len() - value.trim_start_matches(['"', '\'', '$']).len()
        } else {
            0
        };
        let shown = line[skipped..].trim_end_matches(['\n', '"', '\'']).trim_end();
        if shown.starts_with('#') {
            found.push(at + skipped..at + skipped + shown.len());
        }
        at += line.len();
    }
    found
}

pub(super) fn is_push(simple: &Simple) -> bool {
    git(simple, "push").is_some()
}

pub(super) fn is_revert(simple: &Simple) -> bool {
    git(simple, "revert").is_some()
}

/// The words after a git subcommand.
fn git<'s>(simple: &'s Simple, subcommand: &str) -> Option<&'s [Word]> {
    let words = simple.program();
    let (program, mut rest) = words.split_first()?;
    if program.text != "git" {
        return None;
    }
    while let Some((first, after)) = rest.split_first() {
        match first.text.as_str() {
            "-C" | "-c" => rest = after.get(1..)?,
            option if option.starts_with('-') => rest = after,
            name => return (name == subcommand).then_some(after),
        }
    }
    None
}

/// Whether a command follows something without end.
pub(super) fn is_stream(simple: &Simple) -> bool {
    let words = simple.program();
    let Some(program) = words.first() else { return false };
    let has = |flags: &[&str]| words[1..].iter().any(|word| flags.contains(&word.text.as_str()));
    let subcommand = |name: &str| words[1..].iter().any(|word| word.text == name);
    match program.text.as_str() {
        "kubectl" | "oc" | "docker" | "podman" | "compose" | "docker-compose" if subcommand("logs") => {
            has(&["-f", "--follow", "--follow=true"])
        }
        "kubectl" | "oc" if subcommand("get") => has(&["-w", "--watch", "--watch=true", "--watch-only"]),
        "kubectl" | "oc" => subcommand("port-forward") || subcommand("proxy"),
        "tail" => {
            words[1..].iter().any(|word| matches!(word.text.as_str(), "-f" | "-F" | "--follow" | "-fn"))
        }
        "journalctl" => has(&["-f", "--follow"]),
        "stern" | "watch" | "kubetail" => true,
        _ => false,
    }
}

/// Whether a command goes back to an earlier version by kubectl's or helm's own memory.
pub(super) fn is_undo(simple: &Simple) -> bool {
    let words: Vec<&str> = simple.program().iter().map(|word| word.text.as_str()).collect();
    match words.first() {
        Some(&("kubectl" | "oc")) => {
            words.windows(2).any(|pair| pair == ["rollout", "undo"]) || words.contains(&"undo")
        }
        Some(&"helm") => words.contains(&"rollback"),
        _ => false,
    }
}

/// No block starts more of them by name.
const MOST_PROGRAMS: usize = 64;

/// The programs that a text starts, by name, each once: what the shell itself does, or the text defines,
/// is none, and neither is what only the run can name.
pub(in crate::workflow) fn started(text: &str) -> Vec<String> {
    const OF_THE_SHELL: &str = ". : [ [[ alias bg break builtin case cd command continue declare do done echo elif else esac \
        eval exec exit export false fg fi for function getopts hash help if in jobs kill let local \
        mapfile popd printf pushd pwd read readarray readonly return select set shift shopt source test \
        then time times trap true type typeset ulimit umask unalias unset until wait while { } !";
    let script = crate::workflow::shell::scan(text);
    let mut found: Vec<String> = Vec::new();
    for word in script.commands().filter_map(|simple| simple.program().first()) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        let name = word.text.as_str();
        let is_name = !name.is_empty() && !name.starts_with('-') && name.chars().all(fits);
        let is_known = OF_THE_SHELL.split(' ').chain(found.iter().map(String::as_str)).any(|it| it == name);
        if is_name && !is_known {
            found.push(name.to_owned());
        }
        if found.len() == MOST_PROGRAMS {
            break;
        }
    }
    found.retain(|name| !text.contains(&format!("{name}()")) && !text.contains(&format!("{name} ()")));
    found
}

/// Whether a command changes something that others see: it pushes, deploys, publishes, or runs
/// something elsewhere. A program is only known by its words, so one too many counts rather than one
/// too few.
pub(in crate::workflow) fn reaches_others(simple: &Simple) -> bool {
    /// First words behind kubectl, helm or a cloud's own client that only look.
    const LOOKS: &str = "get describe logs wait version config cluster-info explain api-resources auth top diff kustomize \
        port-forward events list ls status history show search template lint repo pull env dependency";
    const CHANGES: &[&str] = &[
        "push", "tag", "deploy", "publish", "release", "apply", "destroy", "upgrade", "promote", "rollback",
        "migrate", "sync", "up", "down",
    ];
    let words: Vec<&str> = simple.program().iter().map(|word| word.text.as_str()).collect();
    let Some((program, rest)) = words.split_first() else { return false };
    let name = program.rsplit('/').next().unwrap_or(program);
    let has = |of: &[&str]| rest.iter().any(|word| of.contains(word));
    let mut arguments = rest.iter().filter(|word| !word.starts_with('-'));
    let looks = |verb: &str| LOOKS.split(' ').any(|known| known == verb);
    match name {
        "echo" | "printf" | "grep" | "test" | "[" => false,
        "git" => {
            let lists = ["-l", "--list", "-v", "--verify", "--contains", "--merged", "--points-at"];
            let tags = |words: &[Word]| {
                let mut words = words.iter().map(|word| word.text.as_str());
                words.clone().any(|word| !word.starts_with('-')) && !words.any(|word| lists.contains(&word))
            };
            is_push(simple) || git(simple, "tag").is_some_and(tags)
        }
        "kubectl" | "oc" => {
            let options = KubectlOptions::read(simple.program().get(1..).unwrap_or_default());
            match options.arguments.first().map(|word| word.text.as_str()) {
                Some("rollout") => !has(&["status", "history"]),
                Some(verb) => !looks(verb),
                None => false,
            }
        }
        "helm" | "argocd" | "flux" => arguments.next().is_some_and(|verb| !looks(verb)),
        "aws" | "gcloud" | "az" => {
            !rest.iter().any(|word| looks(word) || word.starts_with("describe-") || word.starts_with("list-"))
        }
        "gh" | "glab" => {
            const LOOKS: &[&str] =
                &["view", "list", "watch", "status", "download", "diff", "checks", "clone"];
            arguments.nth(1).is_some_and(|verb| !LOOKS.contains(verb))
        }
        "curl" | "wget" => rest.iter().any(|word| {
            let long = ["--request", "--data", "--json", "--form", "--upload-file", "--post", "--method"];
            let is_short = word.starts_with('-') && !word.starts_with("--");
            long.iter().any(|flag| word.starts_with(flag))
                || (is_short && word.contains(['X', 'd', 'F', 'T']))
        }),
        "docker" | "podman" | "docker-compose" => has(&["push", "deploy", "up", "down", "update", "restart"]),
        "ssh" | "scp" | "rsync" | "sftp" | "ansible-playbook" | "twine" | "skopeo" | "crane" => true,
        _ => {
            let is_script = program.contains('/');
            has(CHANGES) || (is_script && name.split(['-', '_', '.']).any(|part| CHANGES.contains(&part)))
        }
    }
}

/// A workload that a kubectl command names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) target: Target,
    /// Whether the command changes it, rather than look at it.
    pub(super) changes: bool,
}

pub(super) fn workloads(simple: &Simple) -> Vec<Named> {
    let words = simple.program();
    let Some(("kubectl" | "oc", rest)) =
        words.split_first().map(|(program, rest)| (program.text.as_str(), rest))
    else {
        return Vec::new();
    };
    let options = KubectlOptions::read(rest);
    let args: Vec<&str> = options.arguments.iter().map(|word| word.text.as_str()).collect();
    let (changes, mut operands, mut kind) = match args.as_slice() {
        ["argo", "rollouts", "set", "image", operands @ ..] => (true, operands, Some(Kind::Rollout)),
        ["argo", "rollouts", "get", "rollout", operands @ ..] => (false, operands, Some(Kind::Rollout)),
        ["argo", "rollouts", verb, operands @ ..] => (*verb != "status", operands, Some(Kind::Rollout)),
        ["set", "image" | "env" | "resources", operands @ ..] => (true, operands, None),
        ["rollout", verb, operands @ ..] => (!matches!(*verb, "status" | "history"), operands, None),
        ["scale" | "patch" | "edit" | "autoscale", operands @ ..] => (true, operands, None),
        ["logs" | "get" | "describe" | "wait", operands @ ..] => (false, operands, None),
        _ => return Vec::new(),
    };
    // `set image deployment app c=img`: the kind as a word of its own.
    if kind.is_none()
        && let [first, more @ ..] = operands
        && let Some(named) = workload_kind(first)
    {
        (kind, operands) = (Some(named), more);
    }
    let container = operands
        .iter()
        .find_map(|operand| operand.split_once('=').map(|(container, _)| container))
        .filter(|container| is_name(container) && args.contains(&"image"))
        .map(str::to_owned)
        .or(options.container);
    let mut found = Vec::new();
    for operand in operands.iter().filter(|operand| !operand.contains('=')) {
        let named = match operand.split_once('/') {
            Some((kind, name)) => workload_kind(kind).map(|kind| (kind, name)),
            None => kind.map(|kind| (kind, *operand)),
        };
        if let Some((kind, name)) = named.filter(|(_, name)| is_name(name)) {
            let target = Target {
                kind,
                name: name.to_owned(),
                namespace: options.namespace.clone(),
                context: options.context.clone(),
                container: container.clone(),
            };
            found.push(Named { target, changes });
        }
    }
    found
}

/// `kind/name`, as the frontmatter lists targets.
pub(in crate::workflow) fn target(text: &str) -> Option<Target> {
    let (kind, name) = text.split_once('/')?;
    let kind = workload_kind(kind)?;
    let target = Target { kind, name: name.to_owned(), namespace: None, context: None, container: None };
    is_name(name).then_some(target)
}

fn workload_kind(word: &str) -> Option<Kind> {
    if word.contains('/') {
        return None;
    }
    let word = word.to_ascii_lowercase();
    // `deployment.apps`, `deployments.v1.apps` name the same resource.
    match word.split('.').next()? {
        "deployment" | "deployments" | "deploy" => Some(Kind::Deployment),
        "statefulset" | "statefulsets" | "sts" => Some(Kind::StatefulSet),
        "daemonset" | "daemonsets" | "ds" => Some(Kind::DaemonSet),
        "rollout" | "rollouts" | "ro" => Some(Kind::Rollout),
        _ => None,
    }
}

/// What a Kubernetes name may be; a shell variable is none.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

#[derive(Debug, Default)]
struct KubectlOptions<'s> {
    namespace: Option<String>,
    context: Option<String>,
    container: Option<String>,
    arguments: Vec<&'s Word>,
}

impl<'s> KubectlOptions<'s> {
    fn read(words: &'s [Word]) -> Self {
        // Options with a value that we do not need, but whose value is no argument.
        const WITH_VALUE: &[&str] = &[
            "-l",
            "--selector",
            "-o",
            "--output",
            "--kubeconfig",
            "--cluster",
            "--user",
            "--as",
            "--tail",
            "--since",
            "--replicas",
            "-p",
            "--timeout",
            "--to-revision",
            "--for",
            "--type",
            "--revision",
            "-f",
            "--filename",
        ];
        let mut options = Self::default();
        // `logs -f deployment/app` follows; everywhere else `-f` takes a file.
        let follows = words.iter().any(|word| word.text == "logs");
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let text = word.text.as_str();
            let (flag, inline) = match text.split_once('=') {
                Some((flag, value)) if text.starts_with("--") => (flag, Some(value)),
                _ => (text, None),
            };
            let mut value = || {
                let next = inline.map(str::to_owned).or_else(|| rest.next().map(|word| word.text.clone()));
                // A variable is known only when the block runs.
                next.filter(|value| !value.is_empty() && !value.contains(['$', '`']))
            };
            match flag {
                "--" => break,
                "-n" | "--namespace" => options.namespace = value(),
                "--context" => options.context = value(),
                "-c" | "--container" => options.container = value(),
                "-f" | "-p" if follows => {}
                _ if WITH_VALUE.contains(&flag) => {
                    value();
                }
                _ if text.starts_with("-n") && !text.starts_with("--") => {
                    options.namespace = Some(text[2..].trim_start_matches('=').to_owned())
                        .filter(|value| !value.contains(['$', '`']));
                }
                _ if text.starts_with('-') => {}
                _ => options.arguments.push(word),
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::shell::scan;

    fn named(text: &str) -> Vec<Named> {
        scan(text).commands().flat_map(workloads).collect()
    }

    fn only(text: &str) -> Named {
        let mut found = named(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.remove(0)
    }

    #[test]
    fn a_target_carries_namespace_context_and_container() {
        let expected = Target {
            kind: Kind::Deployment,
            name: "app".into(),
            namespace: Some("shop".into()),
            context: Some("prod".into()),
            container: Some("web".into()),
        };
        for text in [
            "kubectl -n shop --context prod set image deployment/app web=img:v1",
            "kubectl set image deploy app web=img:v1 --namespace=shop --context=prod",
            "kubectl --context prod set image -nshop deployments.apps/app web=img:v1 --record",
        ] {
            let found = only(text);
            assert_eq!((&found.target, found.changes), (&expected, true), "{text}");
        }
    }

    #[test]
    fn looking_is_not_changing() {
        assert!(!only("kubectl logs -f deployment/app").changes);
        assert!(!only("kubectl rollout status sts/db --timeout 5m").changes);
        assert!(only("kubectl rollout undo ds/agent").changes);
        let argo = only("kubectl argo rollouts set image shop shop=img:v1");
        assert_eq!((argo.target.kind, argo.target.name.as_str()), (Kind::Rollout, "shop"));
    }

    #[test]
    fn what_only_the_shell_knows_is_left_out() {
        assert_eq!(named("kubectl set image deployment/$APP app=x"), []);
        assert_eq!(only("kubectl -n \"$NS\" set image deployment/app app=x").target.namespace, None);
        assert_eq!(named("kubectl apply -f deployment/app.yaml"), []);
        assert_eq!(named("echo kubectl set image deployment/app"), []);
    }

    fn lost(text: &str) -> Vec<String> {
        let script = scan(text);
        let taggings: Vec<_> = script.commands().filter_map(|simple| tagging(simple, text)).collect();
        taggings
            .iter()
            .flat_map(|tagging| &tagging.lost)
            .map(|range| text[range.clone()].to_owned())
            .collect()
    }

    #[test]
    fn tag_messages_lose_lines_that_look_like_comments() {
        assert_eq!(lost("git tag -a v1 -m \"A\n\n## B\n- c\n## D\""), ["## B", "## D"]);
        assert_eq!(lost("git tag -am '# A' v1"), ["# A"]);
        assert_eq!(lost("git tag v1 --message='x\n# B'"), ["# B"]);
        assert!(lost("git tag -a v1 --cleanup=verbatim -m \"A\n## B\"").is_empty());
        assert!(lost("git commit -m \"A\n## B\"").is_empty());
    }

    #[test]
    fn listing_tags_makes_none() {
        let makes = |text: &str| scan(text).commands().any(|simple| tagging(simple, text).is_some());
        assert!(makes("git tag v1") && makes("git -C repo tag -a v1 -m x"));
        assert!(!makes("git tag -l 'v*'") && !makes("git tag") && !makes("git tag -d v1"));
    }

    #[test]
    fn the_programs_of_a_text_are_those_that_it_starts() {
        let text = "cd chart && helm lint . | tee out\nif helm version; then sudo kubectl get pods; fi\n\
                    export A=$(date)\n./own.sh\n$TOOL run\nhello() { cowsay hi; }\nhello\nA=1 make\n";
        let found = started(text);
        for name in ["helm", "tee", "kubectl", "make"] {
            assert!(found.iter().any(|it| it == name), "{name}: {found:?}");
        }
        for name in ["cd", "export", "if", "hello", "./own.sh", "$TOOL", "sudo", "run"] {
            assert!(!found.iter().any(|it| it == name), "{name}: {found:?}");
        }
    }

    #[test]
    fn streams_are_what_follows_without_end() {
        let streams = |text: &str| scan(text).commands().any(is_stream);
        for text in ["kubectl logs -f deployment/app", "tail -f x.log", "kubectl get pods -w", "stern app"] {
            assert!(streams(text), "{text}");
        }
        for text in ["kubectl logs deployment/app", "kubectl apply -f x.yaml", "echo tail -f"] {
            assert!(!streams(text), "{text}");
        }
    }
}
