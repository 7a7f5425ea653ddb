//! What the commands of a document call the things that send requests.
//!
//! The practice world only has to have what the commands will ask it for, so they are read by their
//! looks: a name that is missed here is refused by kubectl, in kubectl's words.

use std::sync::LazyLock;

use regex::Regex;

use crate::workflow::Workflow;

/// Names that the commands of one document use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The Service, the VirtualService and the DestinationRule.
    pub(super) service: Option<String>,
    pub(super) mesh: Option<String>,
    pub(super) rule: Option<String>,
    /// Where any of them is looked for; without one it is the namespace of the context.
    pub(super) namespace: Option<String>,
    /// The value of the label `app`.
    pub(super) app: Option<String>,
    /// The label by which a selector tells two versions apart.
    pub(super) version_label: Option<String>,
    /// The subsets between which weights are moved, in the order of their routes.
    pub(super) subsets: Option<[String; 2]>,
    /// The container of a workload that a variable completes.
    pub(super) container: Option<String>,
    /// The feature flag that is asked of an Unleash.
    pub(super) flag: Option<String>,
    /// What stands before a colour that a variable holds: `app` of `deployment/app-$IDLE`.
    pub(super) coloured: Option<String>,
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant and the tests use it")
}

/// What one pattern finds first, in the group that took part.
fn first(pattern: &Regex, text: &str) -> Option<String> {
    let found = pattern.captures(text)?;
    found.iter().skip(1).flatten().next().map(|group| group.as_str().to_owned())
}

pub(super) fn named(workflow: &Workflow) -> Named {
    static OBJECT: LazyLock<Regex> = LazyLock::new(|| {
        let option = r"(?:(?:-n|--namespace)[ =]?\S+\s+)?";
        let kind = r"(services?|svc|virtualservices?|vs|destinationrules?|dr)(?:\.[a-z0-9.]+)?";
        let verb = r"\bkubectl\b[^|;&]*?\b(?:get|patch|describe|edit)\s+";
        pattern(&format!(r#"{verb}{option}["']?{kind}[/ ]["']?([a-z0-9][a-z0-9-]*)"#))
    });
    static NAMESPACE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"\s(?:-n[ =]?|--namespace[ =])["']?([a-z0-9][a-z0-9-]*)"#));
    static APP: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"\s(?:-l|--selector)[ =]?["']?app=([A-Za-z0-9][\w.-]*)"#));
    static SUBSET: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r#"/destination/subset"\s*,\s*"value"\s*:\s*"([^"]+)"|"subset"\s*:\s*"([^"]+)""#)
    });
    static CONTAINER: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"\bset image\s[^\n]*?-\$\S*\s+["']?([a-z0-9][a-z0-9-]*)=\S"#));
    static COLOURED: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"\bdeployments?[/ ]["']?([a-z0-9][a-z0-9-]*)-\$"#));
    static FLAG: LazyLock<Regex> = LazyLock::new(|| pattern(r"/features/([A-Za-z0-9][\w.-]*)/environments/"));
    let mut named = Named::default();
    let mut subsets: Vec<String> = Vec::new();
    for command in workflow.commands() {
        let text = command.text.replace("\\\n", " ");
        for line in text.lines() {
            let Some(found) = OBJECT.captures(line) else { continue };
            let place = match &found[1] {
                "service" | "services" | "svc" => &mut named.service,
                "virtualservice" | "virtualservices" | "vs" => &mut named.mesh,
                _ => &mut named.rule,
            };
            place.get_or_insert_with(|| found[2].to_owned());
            named.namespace = named.namespace.or_else(|| first(&NAMESPACE, line));
        }
        named.app = named.app.or_else(|| first(&APP, &text));
        named.version_label = named.version_label.or_else(|| version_label(&text));
        named.container = named.container.or_else(|| first(&CONTAINER, &text));
        named.flag = named.flag.or_else(|| first(&FLAG, &text));
        named.coloured = named.coloured.or_else(|| first(&COLOURED, &text));
        for found in SUBSET.captures_iter(&text) {
            let name = found.iter().skip(1).flatten().next().map(|group| group.as_str().to_owned());
            subsets.extend(name.filter(|name| !subsets.contains(name)));
        }
    }
    subsets.truncate(2);
    named.subsets = subsets.try_into().ok();
    named
}

/// The key of a selector beside `app`, which both versions have in common.
fn version_label(text: &str) -> Option<String> {
    static READ: LazyLock<Regex> = LazyLock::new(|| pattern(r"\.spec\.selector\.([A-Za-z]\w*)"));
    static WRITTEN: LazyLock<Regex> =
        LazyLock::new(|| pattern(r#"\\?"selector\\?"\s*:\s*\{([^{}]*)\}|/spec/selector/([A-Za-z]\w*)"#));
    static KEY: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\\?"([A-Za-z][\w./-]*)\\?"\s*:"#));
    let read = READ.captures_iter(text).map(|found| found[1].to_owned());
    let written = WRITTEN.captures_iter(text).flat_map(|found| {
        let pointed = found.get(2).map(|key| key.as_str().to_owned());
        let listed = found.get(1).map_or("", |keys| keys.as_str());
        let keys: Vec<String> = KEY.captures_iter(listed).map(|key| key[1].to_owned()).collect();
        keys.into_iter().chain(pointed)
    });
    read.chain(written).find(|key| key != "app")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, read};

    fn of(command: &str) -> Named {
        let text = format!("# A\n\n## Steps\n\n### 1. B\n\n```bash\n{command}\n```\n");
        named(&read(Source { file: "a.md", bytes: text.as_bytes(), siblings: &|_| false }))
    }

    #[test]
    fn a_service_is_found_however_it_is_written() {
        for command in [
            "kubectl -n acme patch service web --type=merge -p '{}'",
            "kubectl patch svc/web -n acme",
            "kubectl get --namespace acme \"services/web\" -o yaml",
            "GOOD=$(kubectl -n=acme get svc web \\\n  -o jsonpath='{.spec.selector}')",
        ] {
            let found = of(command);
            let place = (found.service.as_deref(), found.namespace.as_deref());
            assert_eq!(place, (Some("web"), Some("acme")), "{command}");
        }
        for command in ["kubectl get services", "echo service web", "kubectl -n svc get pods", "ls; svc web"]
        {
            assert_eq!(of(command), Named::default(), "{command}");
        }
    }

    #[test]
    fn the_label_of_a_colour_is_the_one_that_differs() {
        for command in [
            r#"kubectl patch svc web -p "{\"spec\":{\"selector\":{\"colour\":\"$IDLE\"}}}""#,
            r#"kubectl patch svc web -p '{"spec":{"selector":{"app":"web","colour":"green"}}}'"#,
            "kubectl get svc web -o jsonpath='{.spec.selector.colour}'",
            r#"kubectl patch svc web --type=json -p '[{"op":"replace","path":"/spec/selector/colour","value":"green"}]'"#,
        ] {
            assert_eq!(of(command).version_label.as_deref(), Some("colour"), "{command}");
        }
    }

    #[test]
    fn a_mesh_has_its_names_and_its_subsets() {
        let found = of(r#"kubectl get dr rules
kubectl patch virtualservice.networking.istio.io edge --type=json -p '[
  {"op":"test","path":"/spec/http/0/route/0/destination/subset","value":"v1"},
  {"op":"test","path":"/spec/http/0/route/1/destination/subset","value":"v2"}
]'"#);
        assert_eq!((found.rule.as_deref(), found.mesh.as_deref()), (Some("rules"), Some("edge")));
        assert_eq!(found.subsets, Some(["v1".to_owned(), "v2".to_owned()]));
    }

    #[test]
    fn a_flag_is_the_one_that_is_asked_for() {
        let at =
            "https://flags.acme.io/api/admin/projects/default/features/dark-mode/environments/production";
        assert_eq!(of(&format!("curl -fsS {at}")).flag.as_deref(), Some("dark-mode"));
        assert_eq!(of(&format!("curl -fsS {}", at.replace("dark-mode", "$FLAG"))).flag, None);
    }

    #[test]
    fn what_a_variable_completes_is_known_by_its_beginning() {
        let found = of(
            "kubectl set image \"deployment/web-$IDLE\" \"server=w:v1\"\nkubectl get pods -l \"app=shop-web,version=$IDLE\"",
        );
        assert_eq!(found.coloured.as_deref(), Some("web"));
        assert_eq!((found.container.as_deref(), found.app.as_deref()), (Some("server"), Some("shop-web")));
        assert_eq!(of("kubectl set image deployment/worker w=x:v1").container, None, "its target says it");
    }
}
