//! Which cluster is meant, by whom, and what in it: the flags that every command outside a release shares.

use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::bail;

use crate::adapters::kube::{ConnectOptions, Pinned};
use crate::config::Config;
use crate::watch::TargetRef;
use crate::workflow::{Kind, Target};

/// As kubectl has them, so that a line written for it works here too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct ClusterFlags {
    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig context [default: the workflow's or the settings', else the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of targets that name none [default: the settings', else the context's]
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Whom gonogo's own requests are made for; commands of a document are not affected
    #[arg(long = "as", value_name = "USER")]
    pub as_user: Option<String>,
    /// A group that this user is taken to be in; may be repeated
    #[arg(long = "as-group", value_name = "GROUP")]
    pub as_groups: Vec<String>,
}

impl ClusterFlags {
    /// What clap calls them.
    pub const IDS: [&str; 5] = ["kubeconfig", "context", "namespace", "as_user", "as_groups"];

    /// Takes over what was given before the command, as kubectl's own flags may be.
    pub fn or(self, before: ClusterFlags) -> Self {
        Self {
            kubeconfig: self.kubeconfig.or(before.kubeconfig),
            context: self.context.or(before.context),
            namespace: self.namespace.or(before.namespace),
            as_user: self.as_user.or(before.as_user),
            as_groups: if self.as_groups.is_empty() { before.as_groups } else { self.as_groups },
        }
    }

    /// Flags first, then the settings, then the environment.
    pub fn options(&self, config: &Config) -> ConnectOptions {
        let from_env = ConnectOptions::from_env();
        let kubeconfig = self.kubeconfig.clone().map(PathBuf::into_os_string);
        ConnectOptions {
            kubeconfig: kubeconfig.or_else(|| from_env.kubeconfig.clone()),
            context: self.context.clone().or_else(|| config.context.clone()),
            namespace: self.namespace.clone().or_else(|| config.namespace.clone()),
            as_user: self.as_user.clone(),
            as_groups: self.as_groups.clone(),
            ..from_env
        }
    }
}

/// Reads `deployment/app`, as kubectl writes it.
///
/// - Errors: what is wrong with it, and what to write instead.
pub(super) fn target_of(text: &str) -> color_eyre::Result<Target> {
    let Some((kind, name)) = text.split_once('/').filter(|(_, name)| !name.is_empty()) else {
        bail!("`{text}` is not a target; write KIND/NAME, such as deployment/app");
    };
    let kind = match kind {
        "deployment" | "deployments" | "deploy" | "deployment.apps" | "deployments.apps" => Kind::Deployment,
        "statefulset" | "statefulsets" | "sts" | "statefulset.apps" | "statefulsets.apps" => {
            Kind::StatefulSet
        }
        "daemonset" | "daemonsets" | "ds" | "daemonset.apps" | "daemonsets.apps" => Kind::DaemonSet,
        "rollout" | "rollouts" | "ro" | "rollout.argoproj.io" | "rollouts.argoproj.io" => Kind::Rollout,
        _ => bail!("`{kind}` is not a kind of workload; write deployment, statefulset, daemonset or rollout"),
    };
    // Else a comma or a slash would make another question of it on the way to the API server.
    let is_name = name.len() <= 253
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !is_name {
        bail!("`{name}` cannot be the name of a {}: lower-case letters, digits, - and . only", kind.as_str());
    }
    Ok(Target { kind, name: name.to_owned(), namespace: None, context: None, container: None })
}

/// All targets of a command line, each once, in the order given.
pub(super) fn targets_of(texts: &[String], pinned: &Pinned) -> color_eyre::Result<Vec<TargetRef>> {
    let mut targets: Vec<TargetRef> = Vec::with_capacity(texts.len());
    for text in texts {
        let Target { kind, name, .. } = target_of(text)?;
        let target = TargetRef { kind, namespace: pinned.namespace.clone(), name, container: None };
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Kind, String), String> {
        target_of(text).map(|target| (target.kind, target.name)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_target_is_read_by_each_name_that_kubectl_knows() {
        for (text, kind) in [
            ("deploy/app", Kind::Deployment),
            ("deployments.apps/app", Kind::Deployment),
            ("sts/app", Kind::StatefulSet),
            ("daemonset/app", Kind::DaemonSet),
            ("rollout.argoproj.io/app", Kind::Rollout),
        ] {
            assert_eq!(read(text), Ok((kind, "app".to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_to_write() {
        assert_eq!(
            read("app").unwrap_err(),
            "`app` is not a target; write KIND/NAME, such as deployment/app"
        );
        assert_eq!(
            read("deployment/").unwrap_err(),
            "`deployment/` is not a target; write KIND/NAME, such as deployment/app"
        );
        assert!(read("job/app").unwrap_err().starts_with("`job` is not a kind of workload"));
        for name in ["app,x=y", "a/b", "App", "-app", "app.", "ap p", &"a".repeat(254)] {
            let error = read(&format!("deployment/{name}")).unwrap_err();
            assert!(error.contains("cannot be the name of a deployment"), "{error}");
        }
    }

    #[test]
    fn a_target_named_twice_is_one() {
        let pinned = Pinned {
            context: "prod".to_owned(),
            cluster: "prod".to_owned(),
            user: None,
            namespace: "shop".to_owned(),
            host: String::new(),
            files: Vec::new(),
        };
        let texts = ["deploy/app", "sts/db", "deployment/app"].map(str::to_owned);
        let targets = targets_of(&texts, &pinned).unwrap();
        let told: Vec<String> = targets.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["deployment/app", "statefulset/db"]);
        assert_eq!(targets[0].namespace, "shop");
    }
}
