//! What is found out before a release begins: tools, cluster, metrics. Each line is told as soon as
//! it is known, and none of them keeps the operator from looking at the screen.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::World;
use super::prometheus::Prometheus;
use super::world::{Acting, News, WorldSettings, tell};
use crate::watch::Preflight;
use crate::workflow::{Metric, Workflow};

pub(super) async fn run(settings: Arc<WorldSettings>, acting: Arc<Acting>, news: mpsc::Sender<News>) {
    let mut lines: Vec<Preflight> = acting.tools.iter().map(|tool| tool_line(&acting, tool)).collect();
    lines.extend(cluster_line(&settings, &acting));
    lines.extend(acting.left_out.iter().map(|why| Preflight::limited("cluster", why)));
    for line in lines {
        tell(&news, News::Preflight(line)).await;
    }
    let line = metrics_line(&settings).await;
    tell(&news, News::Preflight(line)).await;
}

fn cluster_line(settings: &WorldSettings, acting: &Acting) -> Option<Preflight> {
    let Some(options) = &settings.cluster else {
        let why = "the workflow names no workload: nothing is watched; start with --target deployment/NAME, or with --param where it leaves the name open";
        return acting.left_out.is_empty().then(|| Preflight::limited("cluster", why));
    };
    Some(match options.settle() {
        Ok(pinned) => {
            let detail = format!("{} · namespace {} · {}", pinned.context, pinned.namespace, pinned.host);
            Preflight::fine("context", detail)
        }
        Err(error) => Preflight::limited("context", error.to_string()),
    })
}

async fn metrics_line(settings: &WorldSettings) -> Preflight {
    let (Some(prometheus), Some(target)) = (&settings.prometheus, settings.targets.first()) else {
        let detail = "not configured: measured criteria read “no data” (--prometheus URL)";
        return Preflight::limited("prometheus", detail);
    };
    let asked = match Prometheus::new(prometheus, &target.namespace, &target.name) {
        Ok(asker) => asker.read(Metric::RequestRate, settings.clock.now().world).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(sample) if sample.value.is_some() => Preflight::fine("prometheus", prometheus.url.clone()),
        Ok(_) => {
            let detail = format!("{} answers, but has no requests of {target}", prometheus.url);
            Preflight::limited("prometheus", detail)
        }
        Err(error) => Preflight::limited("prometheus", error.to_string()),
    }
}

fn tool_line(acting: &Acting, tool: &str) -> Preflight {
    match acting.shell.find(tool) {
        Some(file) => Preflight::fine(tool, file.display().to_string()),
        None => Preflight::limited(tool, "not on the PATH: its commands will fail"),
    }
}

impl World {
    /// The programs that commands call, by the first word of their lines, and the shells that they name.
    pub fn tools(workflow: &Workflow) -> Vec<String> {
        let known =
            ["git", "gh", "kubectl", "helm", "docker", "curl", "jq", "make", "npm", "argocd", "istioctl"];
        let calls = |tool: &str| {
            let mut lines = workflow.commands().flat_map(|command| command.text.lines());
            lines.any(|line| line.split_whitespace().next() == Some(tool))
        };
        let mut tools: Vec<String> =
            known.into_iter().filter(|tool| calls(tool)).map(str::to_owned).collect();
        for shell in workflow.commands().filter_map(|command| command.annotated.shell.as_ref()) {
            if !tools.iter().any(|known| known == shell.program()) {
                tools.push(shell.program().to_owned());
            }
        }
        tools
    }
}
