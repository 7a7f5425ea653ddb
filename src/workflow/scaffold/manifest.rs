//! Deployments in Kubernetes manifests, read line by line: a template of Helm or Kustomize is no YAML.

/// What a manifest says of one Deployment. Values that a template fills in are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Deployment {
    pub name: String,
    pub namespace: Option<String>,
    pub container: Option<String>,
    pub image: Option<String>,
    /// The label `app` of its selector.
    pub label: Option<String>,
}

/// All Deployments of a file.
pub(super) fn deployments(text: &str) -> Vec<Deployment> {
    let mut documents: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        match (line.trim_end() == "---", documents.last_mut()) {
            (false, Some(document)) => document.push(line),
            _ => documents.push(Vec::new()),
        }
    }
    documents.iter().filter_map(|lines| deployment(lines)).collect()
}

fn deployment(lines: &[&str]) -> Option<Deployment> {
    if !lines.iter().any(|line| line.trim_end() == "kind: Deployment") {
        return None;
    }
    let (mut found, mut n_containers) = (Deployment::default(), 0_usize);
    // The keys above a line, with how far each is indented.
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in lines {
        let bare = line.trim_start();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let is_element = bare.starts_with("- ");
        let entry = bare.trim_start_matches("- ");
        let indent = line.len() - entry.len();
        let Some((key, value)) = entry.split_once(':') else { continue };
        above.retain(|(deep, _)| *deep < if is_element { line.len() - bare.len() + 1 } else { indent });
        let path: Vec<&str> = above.iter().map(|(_, key)| *key).collect();
        const CONTAINERS: &[&str] = &["spec", "template", "spec", "containers"];
        let value = plain(value);
        n_containers += usize::from(is_element && path == CONTAINERS);
        match (path.as_slice(), key.trim()) {
            (["metadata"], "name") => found.name = value.clone().unwrap_or_default(),
            (["metadata"], "namespace") => found.namespace = value.clone(),
            (["spec", "selector", "matchLabels"], "app") => found.label = value.clone(),
            // Those behind the first one are beside it, and keep their images in a release.
            (CONTAINERS, "name") if n_containers == 1 => found.container = value.clone(),
            (CONTAINERS, "image") if n_containers == 1 => found.image = value.clone(),
            _ => {}
        }
        above.push((indent, key.trim()));
    }
    (!found.name.is_empty()).then_some(found)
}

/// A value that stands there as it is.
fn plain(value: &str) -> Option<String> {
    let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '\'']);
    let is_plain = !value.is_empty() && !value.contains(['{', '}', '$', '*', '&', ' ']);
    is_plain.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web-svc\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n  labels:\n    name: other\nspec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app: web-app\n  template:\n    metadata:\n      name: not-this\n      labels:\n        app: web-app\n    spec:\n      containers:\n      - name: server # the one\n        image: \"ghcr.io/acme/web:v1.4.2\"\n        env:\n        - name: A\n          value: b\n      - name: sidecar\n        image: envoy:1\n";

    #[test]
    fn the_deployment_of_a_file_is_read_and_nothing_beside_it() {
        let found = deployments(FILE);
        let expected = Deployment {
            name: "web".into(),
            namespace: Some("shop".into()),
            container: Some("server".into()),
            image: Some("ghcr.io/acme/web:v1.4.2".into()),
            label: Some("web-app".into()),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_a_template_fills_in_is_not_known() {
        let text = FILE.replace("name: web\n", "name: {{ .Release.Name }}\n");
        assert_eq!(deployments(&text), []);
        let text = FILE.replace("\"ghcr.io/acme/web:v1.4.2\"", "{{ .Values.image }}");
        assert_eq!(deployments(&text)[0].image, None);
        assert_eq!(deployments("kind: Deployment"), []);
        assert_eq!(deployments("- \n: :\n\u{0}---\n---\n"), []);
    }
}
