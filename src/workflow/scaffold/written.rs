//! The text of a library document with the names of a repository in place of its own.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Names;
use crate::workflow::Language;

/// Writes a document of the library with the names that were found.
///
/// - Shape: what was not found stands as a placeholder such as `<deployment>`, which is asked for before
///   anything runs; calls of other workflows are left out, their blocks stay.
pub fn written(text: &str, language: Language, names: &Names) -> String {
    let text = without_calls(text);
    let text = branch(&text, names);
    let text = workload(&text, names);
    let text = tests(&text, names);
    let text = text.replace("https://shop.example.com/", "https://<host>/");
    let text = text.replace("https://unleash.example.com/", "https://<unleash-host>/");
    let text = pipeline(&text, names);
    cluster(&text, language, names)
}

fn without_calls(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    let kept: String = lines.filter(|line| !line.starts_with("calls:") && !line.starts_with("→ ")).collect();
    kept.replace("\n\n\n", "\n\n")
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant and the tests use it")
}

/// `main` where it means the branch; in French `main` is a hand too.
fn branch(text: &str, names: &Names) -> String {
    static MAIN: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"\b(checkout |origin |origin/|refs/heads/|on |sur |from |depuis |what |que )main\b")
    });
    match names.branch.as_deref().filter(|branch| *branch != "main") {
        Some(branch) => {
            MAIN.replace_all(text, |found: &Captures| format!("{}{branch}", &found[1])).into_owned()
        }
        None => text.to_owned(),
    }
}

fn workload(text: &str, names: &Names) -> String {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        let of = r"\b(deployment/|deployment |deployments |service |virtualservice |destinationrule )app";
        pattern(&format!(r"{of}(-blue|-green|-canary|-\$IDLE|-\$GOOD)?( app-canary)?\b"))
    });
    static PART: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\bapp(-blue|-green|-canary|-\$IDLE|-\$GOOD)\b"));
    static SENSED: LazyLock<Regex> = LazyLock::new(|| pattern(r" <!-- gonogo: rollout=[^>]*-->"));
    static SET: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"(?m)^kubectl set image deployment/\S+ "\S+:(\$\{VERSION:\?\}|\$VERSION)"$"#)
    });
    static SET_BACK: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"(?m)^kubectl set image deployment/\S+ "app=\$\(.*$"#));
    let mut text = text.to_owned();
    if let Some((chart, folder)) = names.chart.as_ref().filter(|_| names.deployment.is_none()) {
        let upgrade = |found: &Captures| {
            format!("helm upgrade {chart} {folder} --reuse-values --set image.tag=\"{}\" --wait", &found[1])
        };
        text = SET.replace_all(&text, upgrade).into_owned();
        text = SET_BACK.replace_all(&text, format!("helm rollback {chart}")).into_owned();
    }
    let open = names.deployment.is_none();
    let deployment = names.deployment.as_deref().unwrap_or("<deployment>");
    let container = names.container.as_deref().unwrap_or("<container>");
    if open {
        // A target cannot be asked for: without its name there is none to watch.
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("targets:"));
        text = lines.collect();
        text = SENSED.replace_all(&text, "").into_owned();
    }
    let image = names.image.as_deref().unwrap_or("registry.example.com/<image>");
    text = text.replace("registry.example.com/myapp:", "myapp:").replace("=myapp:", &format!("={image}:"));
    text = text.replace("\"myapp:", &format!("\"{image}:"));
    let label = names.label.as_deref().unwrap_or(deployment);
    text = text.replace("-l app=app", &format!("-l app={label}"));
    text = text.replace("-l \"app=app,", &format!("-l \"app={label},"));
    text = text.replace("\"app=", &format!("\"{container}="));
    // The label again, which looked like a container for a moment.
    text = text.replace(&format!("-l \"{container}={label},"), &format!("-l \"app={label},"));
    text = NAMED
        .replace_all(&text, |found: &Captures| {
            let part = found.get(2).map_or("", |part| part.as_str());
            let other = found.get(3).map_or(String::new(), |_| format!(" {deployment}-canary"));
            format!("{}{deployment}{part}{other}", &found[1])
        })
        .into_owned();
    text = PART.replace_all(&text, |found: &Captures| format!("{deployment}{}", &found[1])).into_owned();
    text = text.replace("`app`", &format!("`{deployment}`"));
    match names.namespace.as_ref().filter(|_| !is_by_colour(&text)) {
        Some(namespace) => {
            let text = text.replace("\nkubectl ", &format!("\nkubectl -n {namespace} "));
            text.replace("$(kubectl ", &format!("$(kubectl -n {namespace} "))
        }
        None => text,
    }
}

/// Its commands name the workload by a variable, so that no namespace can be read from them: then it has
/// to be the current one, for the commands and for what is watched.
fn is_by_colour(text: &str) -> bool {
    text.contains("-$IDLE")
}

/// The project's own command, or else a check that a person answers.
fn tests(text: &str, names: &Names) -> String {
    static BLOCK: LazyLock<Regex> =
        LazyLock::new(|| pattern("<!-- gonogo: id=test-suite -->\n```bash\n(?:npm [^\n]*\n)+```\n\n"));
    let text = text.replace("npm run test:smoke:prod\n", "");
    let Some(command) = &names.tests else {
        return BLOCK.replace_all(&text, "").replace(" <!-- gonogo: cmd=test-suite -->", "");
    };
    let block = format!("<!-- gonogo: id=test-suite -->\n```bash\n{command}\n```\n\n");
    if BLOCK.is_match(&text) {
        return BLOCK.replace_all(&text, regex::NoExpand(&block)).into_owned();
    }
    // A release that has none of its own runs them where it looks at what ships.
    let first = text.find("\n### 1.").and_then(|step| Some(step + text.get(step..)?.find("\n- [ ] ")? + 1));
    match first.filter(|_| text.contains("git log --oneline")) {
        Some(at) => format!("{}{block}{}", &text[..at], &text[at..]),
        None => text,
    }
}

fn pipeline(text: &str, names: &Names) -> String {
    const RUNS: &str = "gh run list --workflow build.yml --limit 3";
    match &names.pipeline {
        Some(file) => text.replace(RUNS, &format!("gh run list --workflow {file} --limit 3")),
        None => text.replace(RUNS, "git ls-remote --tags origin \"${VERSION:?}\""),
    }
}

fn cluster(text: &str, language: Language, names: &Names) -> String {
    let own = names.namespace.as_ref().filter(|_| is_by_colour(text));
    let (context, namespace) = match (&names.cluster, own) {
        (Some((context, current)), own) => (Some(context), own.unwrap_or(current)),
        (None, Some(own)) => (None, own),
        (None, None) => return text.to_owned(),
    };
    let is_plain = |name: &String| !name.contains(['`', '\n', '<']);
    if !context.is_none_or(is_plain) || !is_plain(namespace) {
        return text.to_owned();
    }
    let check = match (language, context) {
        (Language::French, Some(context)) => {
            format!("- [ ] kubectl parle au contexte `{context}`, namespace `{namespace}`\n")
        }
        (Language::French, None) => format!("- [ ] kubectl parle au namespace `{namespace}`\n"),
        (_, Some(context)) => {
            format!("- [ ] kubectl speaks to the context `{context}`, namespace `{namespace}`\n")
        }
        (_, None) => format!("- [ ] kubectl speaks to the namespace `{namespace}`\n"),
    };
    let heading = ["\n## Prerequisites\n\n", "\n## Pré-requis\n\n"].into_iter().find(|it| text.contains(it));
    match heading.and_then(|heading| Some(text.find(heading)? + heading.len())) {
        Some(at) => format!("{}{check}{}", &text[..at], &text[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Repository, look};
    use super::*;
    use crate::workflow::{LIBRARY, Severity, Source, lint_text, read};

    fn repository(files: &[(&str, &str)]) -> Repository {
        let files: BTreeMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Repository {
            name: "shop".into(),
            remote: Some("git@github.com:acme/shop.git".into()),
            branch: Some("trunk".into()),
            tags: ["v1.4.2".to_owned()].into(),
            cluster: Some(("prod-eu".into(), "shop".into())),
            files,
        }
    }

    const MANIFEST: &str = "kind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  selector:\n    matchLabels:\n      app: web\n  template:\n    spec:\n      containers:\n        - name: server\n          image: ghcr.io/acme/web:v1\n";
    const PIPELINE: &str = "on:\n  push:\n    tags: ['v*']\njobs:\n  build:\n    steps:\n      - run: docker push ghcr.io/acme/shop:$TAG\n";

    fn of(name: &str, repository: &Repository) -> String {
        let it = LIBRARY.iter().find(|it| it.name == name && it.language == Language::English).unwrap();
        written(it.text, it.language, &look(repository).0)
    }

    #[test]
    fn a_release_has_the_names_of_its_repository() {
        let files =
            [("k8s/web.yaml", MANIFEST), (".github/workflows/ship.yml", PIPELINE), ("go.mod", "module a\n")];
        let text = of("release", &repository(&files));
        for expected in [
            "targets: [deployment/web]",
            "kubectl -n shop set image deployment/web \"server=ghcr.io/acme/web:${VERSION:?}\"",
            "git checkout trunk\ngit pull origin trunk",
            "gh run list --workflow ship.yml",
            "go test ./...",
            "- [ ] kubectl speaks to the context `prod-eu`, namespace `shop`",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        assert!(!text.contains("calls:") && !text.contains("myapp"), "{text}");
    }

    #[test]
    fn what_is_not_found_is_asked_for_and_named() {
        let (names, findings) = look(&repository(&[("Dockerfile", "FROM scratch\n")]));
        assert_eq!(names.image.as_deref(), Some("registry.example.com/shop"));
        let missing: Vec<&str> = findings.iter().filter(|it| it.value.is_none()).map(|it| it.what).collect();
        assert_eq!(missing, ["deployment", "container", "pipeline", "tests"]);
        let text = of("release", &repository(&[("Dockerfile", "FROM scratch\n")]));
        let workflow = read(Source { file: "release.md", bytes: text.as_bytes(), siblings: &|_| false });
        let asked: Vec<&str> = workflow.params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(asked, ["VERSION", "DEPLOYMENT", "CONTAINER"], "{text}");
    }

    #[test]
    fn colours_that_a_variable_names_are_looked_for_in_the_current_namespace() {
        let text = of("blue-green", &repository(&[("k8s/web.yaml", MANIFEST)]));
        assert!(!text.contains("kubectl -n"), "what is watched would be somewhere else\n{text}");
        assert!(
            text.contains("namespace `shop`") && text.contains("targets: [deployment/web-blue"),
            "{text}"
        );
        assert!(text.contains("kubectl get pods -l \"app=web,version=$IDLE\""), "{text}");
    }

    #[test]
    fn a_chart_is_upgraded_and_not_worked_around() {
        let files = [("deploy/shop/Chart.yaml", "apiVersion: v2\nname: shop\n")];
        let text = of("rolling-update", &repository(&files));
        assert!(
            text.contains("helm upgrade shop deploy/shop --reuse-values --set image.tag=\"${VERSION:?}\""),
            "{text}"
        );
        assert!(text.contains("\nhelm rollback shop\n"), "{text}");
    }

    #[test]
    fn every_document_of_the_library_is_written_without_a_warning() {
        let with_manifest = [("k8s/web.yaml", MANIFEST), ("Makefile", "test:\n\ttrue\n")];
        for files in [&with_manifest[..], &[("Dockerfile", "")], &[("Chart.yaml", "name: shop\n")], &[]] {
            let names = look(&repository(files)).0;
            for it in LIBRARY {
                let text = written(it.text, it.language, &names);
                let workflow = read(Source { file: it.file, bytes: text.as_bytes(), siblings: &|_| false });
                let is_clean = workflow.diagnostics.iter().all(|it| it.severity == Severity::Info);
                assert!(is_clean, "{} for {files:?}\n{}\n{text}", it.file, lint_text(&workflow, false));
                assert_eq!(workflow.language, it.language, "{}", it.file);
            }
        }
    }
}
