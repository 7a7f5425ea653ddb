//! What the practice cluster holds at the beginning, so that a document finds what it speaks of.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::workflow::{Kind, Workflow};

use super::sim::{APPLICATION, NAMESPACE};

/// A label of the practice world's own, by which it knows pods of a Deployment with another name.
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// Its value.
pub const PRACTICE_SHOP: &str = "practice-shop";

/// The workloads of a practice world, and what sends requests to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The first one is what the practice CI deploys.
    pub deployments: Vec<Staged>,
    pub route: Route,
    /// The branch that the practice repository has.
    pub branch: String,
}

/// One Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    pub namespace: String,
    pub name: String,
    pub container: String,
    /// Labels of its pods, by which it selects them.
    pub labels: BTreeMap<String, String>,
    /// Labels of its pods beside them.
    pub marks: BTreeMap<String, String>,
    pub replicas: u32,
    /// It still has the version before the one that serves.
    pub is_behind: bool,
}

/// What a practice repository is on when the document names no branch.
const BRANCH: &str = "main";

/// The branch that the commands of a document go to first.
fn branch(workflow: &Workflow) -> Option<String> {
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        let pattern =
            r#"(?m)\bgit (?:checkout|switch|pull origin) ([A-Za-z][\w.-]*)\s*$|\borigin/([A-Za-z][\w.-]*)"#;
        Regex::new(pattern).expect("the pattern is a constant and the tests use it")
    });
    let named = workflow.commands().find_map(|command| {
        let found = NAMED.captures(&command.text)?;
        Some(found.get(1).or(found.get(2))?.as_str().to_owned())
    });
    named.filter(|name| name != "HEAD")
}

/// What sends requests to the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Whatever is ready gets them, as if a Service selected every pod.
    Any,
    /// A Service `app` that selects the colour `blue`.
    Colour,
    /// A VirtualService `app` with weights for the subsets `stable` and `canary`.
    Mesh,
}

impl Default for Stage {
    fn default() -> Self {
        let app = Staged::new(NAMESPACE, APPLICATION, &[("app", APPLICATION)]);
        Self { deployments: vec![app], route: Route::Any, branch: BRANCH.to_owned() }
    }
}

impl Staged {
    fn new(namespace: &str, name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            container: APPLICATION.to_owned(),
            labels,
            marks: BTreeMap::new(),
            replicas: 4,
            is_behind: false,
        }
    }
}

impl Stage {
    /// The stage for a document, from the Deployments that it names as its targets.
    ///
    /// - Shape: two colours when one of them is called `app-blue` or `app-green`, a mesh for
    ///   `app-canary`, the usual application when it names nothing else, else each by its name.
    pub fn of(workflow: &Workflow) -> Stage {
        let branch = branch(workflow).unwrap_or_else(|| BRANCH.to_owned());
        let deployments = workflow.targets.iter().filter(|target| target.kind == Kind::Deployment);
        let named: Vec<_> = deployments.collect();
        let has = |name: &str| named.iter().any(|target| target.name == name);
        let version = |value: &'static str| [("app", APPLICATION), ("version", value)];
        if has("app-blue") || has("app-green") {
            let blue = Staged::new(NAMESPACE, "app-blue", &version("blue"));
            let green = Staged::new(NAMESPACE, "app-green", &version("green"));
            let green = Staged { is_behind: true, ..green };
            return Stage { deployments: vec![blue, green], route: Route::Colour, branch };
        }
        if has("app-canary") {
            let stable = Staged::new(NAMESPACE, APPLICATION, &version("stable"));
            let canary = Staged::new(NAMESPACE, "app-canary", &version("canary"));
            let canary = Staged { replicas: 0, ..canary };
            return Stage { deployments: vec![stable, canary], route: Route::Mesh, branch };
        }
        let mut staged: Vec<Staged> = Vec::new();
        for target in named {
            let namespace = target.namespace.as_deref().unwrap_or(NAMESPACE);
            if staged.iter().any(|it| it.name == target.name && it.namespace == namespace) {
                continue;
            }
            let is_usual = target.name == APPLICATION && namespace == NAMESPACE;
            let marks = if is_usual { None } else { Some((PART_OF.to_owned(), PRACTICE_SHOP.to_owned())) };
            staged.push(Staged {
                container: target.container.clone().unwrap_or_else(|| APPLICATION.to_owned()),
                marks: marks.into_iter().collect(),
                ..Staged::new(namespace, &target.name, &[("app", &target.name)])
            });
        }
        match staged.is_empty() {
            true => Stage { branch, ..Stage::default() },
            false => Stage { deployments: staged, route: Route::Any, branch },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, read};

    fn stage(targets: &str) -> Stage {
        let text = format!("---\ntargets: {targets}\n---\n# A\n\n## Steps\n\n### 1. B\n\n- [ ] c\n");
        Stage::of(&read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false }))
    }

    #[test]
    fn a_document_finds_the_deployments_that_it_names() {
        assert_eq!(stage("[deployment/app]"), Stage::default());
        assert_eq!(stage("[]"), Stage::default());
        let text = "# A\n\n## Steps\n\n### 1. B\n\n```bash\nkubectl -n prod set image deployment/web web=w:v1\n```\n";
        let web = Stage::of(&read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false }));
        let [web] = web.deployments.as_slice() else { panic!("{web:?}") };
        assert_eq!((web.namespace.as_str(), web.name.as_str()), ("prod", "web"));
        assert_eq!(web.marks.get(PART_OF).map(String::as_str), Some(PRACTICE_SHOP));
    }

    #[test]
    fn the_repository_has_the_branch_that_the_document_goes_to() {
        let of = |command: &str| {
            let text = format!("# A\n\n## Steps\n\n### 1. B\n\n```bash\n{command}\n```\n");
            Stage::of(&read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false })).branch
        };
        for (command, branch) in [
            ("git checkout trunk\ngit pull origin trunk", "trunk"),
            ("git checkout -b fix \"$(git describe origin/develop)\"", "develop"),
            ("git checkout v1.2.0-x y", "main"),
            ("git log", "main"),
        ] {
            assert_eq!(of(command), branch, "{command}");
        }
    }

    #[test]
    fn colours_and_canaries_bring_what_sends_requests_to_them() {
        let colours = stage("[deployment/app-blue, deployment/app-green]");
        assert_eq!((colours.route, colours.deployments.len()), (Route::Colour, 2));
        assert!(colours.deployments[1].is_behind);
        let canary = stage("[deployment/app, deployment/app-canary]");
        assert_eq!((canary.route, canary.deployments[1].replicas), (Route::Mesh, 0));
    }
}
