//! What the practice cluster holds at the beginning, so that a document finds what it speaks of.

mod named;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use self::named::{Named, named};
use crate::workflow::{Kind, Target, Workflow};

use super::sim::flags::FLAG;
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
    /// The feature flag that the practice Unleash has.
    pub flag: String,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Whatever is ready gets them, as if a Service selected every pod.
    Any,
    /// A Service that selects one of two versions by a label.
    Colour { service: Service, label: String, serves: String },
    /// A VirtualService with weights for two subsets of a Service; the first one gets everything.
    Mesh { service: Service, mesh: String, rule: String, subsets: [String; 2] },
}

/// What all pods behind a route have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    /// The value of the label `app`.
    pub app: String,
}

/// The colours of a blue-green release; the first one serves when a rehearsal begins.
const COLOURS: [&str; 2] = ["blue", "green"];
/// The subsets of a canary release, where the document names none.
const SUBSETS: [&str; 2] = ["stable", "canary"];
/// The label of a version, where the document names none.
pub const VERSION_LABEL: &str = "version";

impl Default for Stage {
    fn default() -> Self {
        let app = Staged::of(NAMESPACE, APPLICATION);
        Self { deployments: vec![app], route: Route::Any, flag: FLAG.to_owned(), branch: BRANCH.to_owned() }
    }
}

impl Staged {
    fn of(namespace: &str, name: &str) -> Self {
        let is_usual = name == APPLICATION && namespace == NAMESPACE;
        let marks = if is_usual { None } else { Some((PART_OF.to_owned(), PRACTICE_SHOP.to_owned())) };
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            container: APPLICATION.to_owned(),
            labels: [("app".to_owned(), name.to_owned())].into(),
            marks: marks.into_iter().collect(),
            replicas: 4,
            is_behind: false,
        }
    }

    fn target(target: &Target) -> Self {
        let namespace = target.namespace.as_deref().unwrap_or(NAMESPACE);
        let container = target.container.clone().unwrap_or_else(|| APPLICATION.to_owned());
        Self { container, ..Self::of(namespace, &target.name) }
    }
}

impl Stage {
    /// The stage for a document, from the Deployments that it names as its targets and from what its
    /// commands call the Service or the mesh before them.
    ///
    /// - Shape: two colours when one of them is called `…-blue` or `…-green`, a mesh when one is called
    ///   after the subset that weights are moved to, the usual application when it names nothing.
    /// - Values stand in the places of parameters already, as far as they are known.
    pub fn of(workflow: &Workflow) -> Stage {
        let branch = branch(workflow).unwrap_or_else(|| BRANCH.to_owned());
        let named = named(workflow);
        let mut deployments: Vec<Staged> = Vec::new();
        for target in workflow.targets.iter().filter(|target| target.kind == Kind::Deployment) {
            let staged = Staged::target(target);
            if !deployments.iter().any(|it| (&it.namespace, &it.name) == (&staged.namespace, &staged.name)) {
                deployments.push(staged);
            }
        }
        let route = colours(&mut deployments, &named).or_else(|| mesh(&mut deployments, &named));
        let flag = named.flag.unwrap_or_else(|| FLAG.to_owned());
        match deployments.is_empty() {
            true => Stage { flag, branch, ..Stage::default() },
            false => Stage { deployments, route: route.unwrap_or(Route::Any), flag, branch },
        }
    }
}

/// Two versions of one workload, side by side behind one Service.
struct Versions<'n> {
    namespace: String,
    /// The name that both have in common: `app` of `app-blue`.
    base: String,
    label: &'n str,
    named: &'n Named,
}

impl Versions<'_> {
    fn service(&self) -> Service {
        let or_base = |name: &Option<String>| name.clone().unwrap_or_else(|| self.base.clone());
        Service {
            namespace: self.namespace.clone(),
            name: or_base(&self.named.service),
            app: or_base(&self.named.app),
        }
    }

    /// Puts the Deployment of one version on the stage, as it was named or by `name`, and tells it apart
    /// from the other one by its labels.
    fn put(&self, deployments: &mut Vec<Staged>, at: usize, name: &str, version: &str) {
        let is_it = |it: &Staged| it.namespace == self.namespace && it.name == name;
        let known = deployments.iter().position(is_it).map(|known| deployments.remove(known));
        let mut staged = known.unwrap_or_else(|| Staged::of(&self.namespace, name));
        let app = self.service().app;
        // The pods of a version are told by both labels, whatever the Deployment is called.
        staged.labels = [("app".to_owned(), app), (self.label.to_owned(), version.to_owned())].into();
        if let Some(container) = self.named.container.as_ref().filter(|_| staged.container == APPLICATION) {
            staged.container.clone_from(container);
        }
        deployments.insert(at.min(deployments.len()), staged);
    }
}

/// The Deployments of both colours, and the Service that selects one of them.
fn colours(deployments: &mut Vec<Staged>, named: &Named) -> Option<Route> {
    let of = |it: &Staged| {
        let base = COLOURS.iter().find_map(|colour| it.name.strip_suffix(colour)?.strip_suffix('-'))?;
        Some((it.namespace.clone(), base.to_owned()))
    };
    let by_variable = || {
        let namespace = named.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
        named.service.as_ref().and(named.coloured.clone()).map(|base| (namespace, base))
    };
    let (namespace, base) = deployments.iter().find_map(of).or_else(by_variable)?;
    let label = named.version_label.as_deref().unwrap_or(VERSION_LABEL);
    let versions = Versions { namespace, base, label, named };
    for (at, colour) in COLOURS.into_iter().enumerate() {
        versions.put(deployments, at, &format!("{}-{colour}", versions.base), colour);
        deployments[at].is_behind = at > 0;
    }
    Some(Route::Colour {
        service: versions.service(),
        label: label.to_owned(),
        serves: COLOURS[0].to_owned(),
    })
}

/// The Deployments of both subsets, and the mesh that gives each its share.
fn mesh(deployments: &mut Vec<Staged>, named: &Named) -> Option<Route> {
    let subsets = named.subsets.clone().unwrap_or_else(|| SUBSETS.map(str::to_owned));
    let [first, second] = &subsets;
    let base_of = |name: &str, subset: &str| Some(name.strip_suffix(subset)?.strip_suffix('-')?.to_owned());
    let of = |it: &Staged| Some((it.namespace.clone(), base_of(&it.name, second)?));
    let (namespace, base) = deployments.iter().find_map(of)?;
    // The one that serves may be called after its subset too, or by what both have in common.
    let is_serving =
        |it: &&Staged| it.namespace == namespace && base_of(&it.name, first).as_ref() == Some(&base);
    let serving = deployments.iter().find(is_serving).map_or_else(|| base.clone(), |it| it.name.clone());
    let versions = Versions { namespace, base, label: VERSION_LABEL, named };
    versions.put(deployments, 0, &serving, first);
    versions.put(deployments, 1, &format!("{}-{second}", versions.base), second);
    deployments[1].replicas = 0;
    let or_base = |name: &Option<String>| name.clone().unwrap_or_else(|| versions.base.clone());
    Some(Route::Mesh {
        service: versions.service(),
        mesh: or_base(&named.mesh),
        rule: or_base(&named.rule),
        subsets: subsets.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, read};

    fn stage(targets: &str) -> Stage {
        let text = format!("---\ntargets: {targets}\n---\n# A\n\n## Steps\n\n### 1. B\n\n- [ ] c\n");
        Stage::of(&read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false }))
    }

    fn names(stage: &Stage) -> Vec<&str> {
        stage.deployments.iter().map(|it| it.name.as_str()).collect()
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
        assert_eq!(names(&colours), ["app-blue", "app-green"]);
        assert!(matches!(&colours.route, Route::Colour { serves, .. } if serves == "blue"), "{colours:?}");
        assert!(colours.deployments[1].is_behind);
        let canary = stage("[deployment/app, deployment/app-canary]");
        assert!(matches!(canary.route, Route::Mesh { .. }), "{canary:?}");
        assert_eq!((names(&canary), canary.deployments[1].replicas), (vec!["app", "app-canary"], 0));
    }

    #[test]
    fn the_names_are_those_of_the_document_and_others_stay_beside_them() {
        let commands = |targets: &str, commands: &str| {
            let text = format!(
                "---\ntargets: {targets}\n---\n# A\n\n## Steps\n\n### 1. B\n\n```bash\n{commands}\n```\n"
            );
            Stage::of(&read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false }))
        };
        let colours = commands(
            "[deployment/worker, deployment/web-green, deployment/web-blue]",
            "kubectl set image \"deployment/web-$IDLE\" server=web:v1.3.0\nkubectl get pods -l app=shop-web\nkubectl patch svc front -p '{\"spec\":{\"selector\":{\"colour\":\"green\"}}}'",
        );
        assert_eq!(names(&colours), ["web-blue", "web-green", "worker"]);
        let blue = &colours.deployments[0];
        assert_eq!((blue.container.as_str(), blue.labels["app"].as_str()), ("server", "shop-web"));
        assert_eq!((blue.labels["colour"].as_str(), blue.marks.contains_key(PART_OF)), ("blue", true));
        let service =
            |name: &str| Service { namespace: "shop".into(), name: name.into(), app: "shop-web".into() };
        let expected =
            Route::Colour { service: service("front"), label: "colour".into(), serves: "blue".into() };
        assert_eq!(colours.route, expected);

        let mesh = commands(
            "[]",
            "kubectl -n acme set image deployment/web-v2 web=w:v1.3.0\nkubectl -n acme scale deployment/web-v1 --replicas=2\nkubectl -n acme patch vs edge -p '[{\"path\":\"/spec/http/0/route/0/destination/subset\",\"value\":\"v1\"},{\"path\":\"/spec/http/0/route/1/destination/subset\",\"value\":\"v2\"}]'",
        );
        assert_eq!(names(&mesh), ["web-v1", "web-v2"]);
        let Route::Mesh { service, mesh, rule, subsets } = &mesh.route else { panic!("{mesh:?}") };
        assert_eq!((service.namespace.as_str(), service.name.as_str()), ("acme", "web"));
        assert_eq!((mesh.as_str(), rule.as_str(), subsets[1].as_str()), ("edge", "web", "v2"));
    }

    #[test]
    fn colours_that_only_a_variable_names_are_there_too() {
        let text = "# A\n\n## Steps\n\n### 1. B\n\n```bash\nkubectl set image \"deployment/web-$IDLE\" web=w:v1\nkubectl patch service web -p x\n```\n";
        let stage = Stage::of(&read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false }));
        assert_eq!(names(&stage), ["web-blue", "web-green"]);
    }
}
