//! Which server a kubeconfig means: a list of files, merged as kubectl merges them.

use serde::Deserialize;

use super::ShimError;

/// The part of a kubeconfig that a practice world has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    current_context: Option<String>,
    clusters: Option<Vec<NamedCluster>>,
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cluster {
    server: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: Option<String>,
    namespace: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub context: String,
    pub server: String,
    pub namespace: String,
}

/// Reads the files of a `KUBECONFIG` list. The first file that says something wins; files that do not
/// exist are passed over.
pub fn resolve(files: &str, context: Option<&str>) -> Result<Place, ShimError> {
    let mut merged = Vec::new();
    for path in std::env::split_paths(files).filter(|path| !path.as_os_str().is_empty()) {
        match std::fs::read_to_string(&path) {
            Ok(text) => merged.push(parse(&text, &path.display().to_string())?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(ShimError::Usage(format!(
                    "error loading config file {}: {error}",
                    path.display()
                )));
            }
        }
    }
    place(&merged, context)
}

/// The name of the current context.
pub fn current_context(files: &str) -> Result<String, ShimError> {
    resolve(files, None).map(|place| place.context)
}

fn parse(text: &str, path: &str) -> Result<File, ShimError> {
    serde_yaml::from_str(text)
        .map_err(|error| ShimError::Usage(format!("error loading config file {path:?}: {error}")))
}

fn place(files: &[File], context: Option<&str>) -> Result<Place, ShimError> {
    let usage = |text: String| ShimError::Usage(text);
    let current =
        files.iter().filter_map(|file| file.current_context.as_deref()).find(|name| !name.is_empty());
    let name = context.or(current).ok_or_else(|| usage("current-context is not set".into()))?;
    let context = files
        .iter()
        .flat_map(|file| file.contexts.iter().flatten())
        .find(|context| context.name == name)
        .ok_or_else(|| ShimError::Context(name.to_owned()))?;
    let cluster = context.context.cluster.as_deref().unwrap_or_default();
    let server = files
        .iter()
        .flat_map(|file| file.clusters.iter().flatten())
        .find(|known| known.name == cluster)
        .and_then(|known| known.cluster.server.clone())
        .ok_or_else(|| usage(format!("cluster {cluster:?} of context {name:?} has no server")))?;
    let namespace = context.context.namespace.clone().filter(|namespace| !namespace.is_empty());
    Ok(Place {
        context: name.to_owned(),
        server: server.trim_end_matches('/').to_owned(),
        namespace: namespace.unwrap_or_else(|| "default".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "current-context: pinned\ncontexts:\n- name: pinned\n  context: {cluster: practice, user: practice, namespace: other}\n";
    const FULL: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: practice\n  cluster:\n    server: http://127.0.0.1:1/\nusers:\n- name: practice\n  user: {}\ncontexts:\n- name: practice\n  context: {cluster: practice, namespace: shop}\ncurrent-context: practice\n";

    fn files(texts: &[&str]) -> Vec<File> {
        texts.iter().map(|text| parse(text, "test").unwrap()).collect()
    }

    #[test]
    fn the_first_file_that_says_something_wins() {
        let found = place(&files(&[PIN, FULL]), None).unwrap();
        let expected = Place {
            context: "pinned".into(),
            server: "http://127.0.0.1:1".into(),
            namespace: "other".into(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_named_context_is_taken_from_whichever_file_has_it() {
        assert_eq!(place(&files(&[PIN, FULL]), Some("practice")).unwrap().namespace, "shop");
        let missing = place(&files(&[FULL]), Some("prod")).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "Error in configuration: context was not found for specified context: prod"
        );
    }

    #[test]
    fn without_any_file_there_is_no_context() {
        let missing = resolve("/nowhere/a:/nowhere/b", None).unwrap_err();
        assert_eq!(missing.to_string(), "error: current-context is not set");
    }
}
