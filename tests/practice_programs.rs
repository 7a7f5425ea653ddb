//! What the practice world plays for the workflow library: routes, a flag service, a chart.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use gonogo::rehearsal::{Options, Practice, Scenario, Stage, shim};
use gonogo::workflow::{Language, Source, read, shipped};
use tempfile::TempDir;

struct World {
    practice: Practice,
    dir: TempDir,
}

impl World {
    /// The world that a document of the library finds.
    async fn of(name: &str) -> Self {
        let it = shipped(name, Language::English).unwrap();
        let workflow = read(Source { file: it.file, bytes: it.text.as_bytes(), siblings: &|_| true });
        let dir = tempfile::tempdir().unwrap();
        let exe = PathBuf::from("/bin/true");
        let options = Options { dir: dir.path().join("world"), scenario: Scenario::Good, speed: 600.0, exe };
        let practice = Practice::start_on(options, Stage::of(&workflow)).await.unwrap();
        Self { practice, dir }
    }

    async fn run(&self, program: &str, args: &[&str]) -> (i32, String, String) {
        shim::caught(program, args, &self.practice.kubeconfig).await
    }

    async fn kubectl(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run("kubectl", args).await;
        assert_eq!(code, 0, "{args:?}: {err}");
        out
    }

    async fn asks(&self, address: &str, more: &[&str]) -> (i32, String) {
        let header = format!("@{}", self.dir.path().join("world/home/.config/unleash/header").display());
        let args = [&["-fsS", "--header", &header, address], more].concat();
        let (code, out, _) = self.run("curl", &args).await;
        (code, out)
    }
}

const WEIGHTS: &str = "jsonpath={.spec.http[0].route[*].weight}";

#[tokio::test]
async fn weights_change_in_one_patch_and_only_for_the_routes_that_were_meant() {
    let world = World::of("canary-istio").await;
    let patch = |subset: &str| {
        format!(
            r#"[{{"op":"test","path":"/spec/http/0/route/1/destination/subset","value":"{subset}"}},
                {{"op":"replace","path":"/spec/http/0/route/0/weight","value":95}},
                {{"op":"replace","path":"/spec/http/0/route/1/weight","value":5}}]"#
        )
    };
    let refused =
        world.run("kubectl", &["patch", "virtualservice", "app", "--type=json", "-p", &patch("other")]).await;
    assert_eq!(refused.0, 1, "{}", refused.2);
    assert_eq!(world.kubectl(&["get", "vs", "app", "-o", WEIGHTS]).await, "100 0");
    let said =
        world.kubectl(&["patch", "virtualservice", "app", "--type=json", "-p", &patch("canary")]).await;
    assert_eq!(said, "virtualservice.networking.istio.io/app patched\n");
    assert_eq!(world.kubectl(&["get", "vs", "app", "-o", WEIGHTS]).await, "95 5");
    // No schema of a custom resource, no strategic merge.
    let refused = world.run("kubectl", &["patch", "virtualservice", "app", "-p", "{}"]).await;
    assert!(refused.2.contains("UnsupportedMediaType"), "{}", refused.2);
}

#[tokio::test]
async fn a_selector_that_is_patched_is_read_back_and_named_objects_stand_in_one_table() {
    let world = World::of("blue-green").await;
    let selector = ["get", "service", "app", "-o", "jsonpath={.spec.selector.version}"];
    assert_eq!(world.kubectl(&selector).await, "blue");
    let green = r#"{"spec":{"selector":{"version":"green"}}}"#;
    assert_eq!(
        world.kubectl(&["patch", "service", "app", "--type=merge", "-p", green]).await,
        "service/app patched\n"
    );
    assert_eq!(world.kubectl(&selector).await, "green");
    let again = world.kubectl(&["patch", "service", "app", "--type=merge", "-p", green]).await;
    assert_eq!(again, "service/app patched (no change)\n");
    let table = world.kubectl(&["get", "deployments", "app-blue", "app-green"]).await;
    assert_eq!(table.matches("READY").count(), 1, "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[tokio::test]
async fn a_flag_is_asked_for_by_its_token_and_the_shop_answers_under_any_name() {
    let world = World::of("feature-flag").await;
    let flag = "https://unleash.example.com/api/admin/projects/default/features/new-checkout/environments/production";
    let (code, told) = world.asks(flag, &[]).await;
    assert!(code == 0 && told.contains("\"enabled\":false"), "{code} {told}");
    assert_eq!(world.asks(&format!("{flag}/on"), &["-X", "POST"]).await.0, 0);
    assert!(world.asks(flag, &[]).await.1.contains("\"enabled\":true"));
    assert_eq!(world.run("curl", &["-f", flag]).await.0, 22, "without a token");
    assert_eq!(world.asks(&flag.replace("new-checkout", "other"), &[]).await.0, 22);
    let (code, health) = world.asks("https://shop.example.com/health", &[]).await;
    assert!(code == 0 && health.contains("\"version\":\"v1.2.0\""), "{code} {health}");
}

#[tokio::test]
async fn a_chart_is_upgraded_by_its_tag_and_waits_for_its_pods() {
    let world = World::of("release").await;
    let upgrade = ["upgrade", "shop", "chart", "--reuse-values", "--set", "image.tag=v1.3.0", "--wait"];
    let (code, out, err) = world.run("helm", &upgrade).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("STATUS: deployed"), "{out}");
    let image = ["get", "deployment", "app", "-o", "jsonpath={.spec.template.spec.containers[0].image}"];
    assert_eq!(world.kubectl(&image).await, "myapp:v1.3.0");
    let ready = ["get", "deployment", "app", "-o", "jsonpath={.status.readyReplicas}"];
    assert_eq!(world.kubectl(&ready).await, "4");
    let refused = world.run("helm", &["uninstall", "shop"]).await;
    assert!(refused.0 == 1 && refused.2.contains("does not know \"uninstall shop\""), "{}", refused.2);
}
