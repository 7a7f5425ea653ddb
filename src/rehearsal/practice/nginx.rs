//! A site behind nginx in the practice world: its files, and a document's addresses led to it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::{NoExpand, Regex};

use super::RehearsalError;
use super::disk::{make_dir, write};

const UPSTREAM_FILE: &str = "upstream shop {\n    server blue-app:8080;\n}\n";

/// Where the site is kept.
pub(super) fn site(dir: &Path) -> PathBuf {
    dir.join("nginx")
}

/// Makes the site: blue serves the version from before, green has one that is older still.
pub(super) fn lay_out(dir: &Path) -> Result<(), RehearsalError> {
    let site = site(dir);
    make_dir(&site.join("log"))?;
    for (file, text) in [
        ("upstream.conf", UPSTREAM_FILE),
        ("loaded.conf", UPSTREAM_FILE),
        ("current-env", "blue\n"),
        ("blue.version", "v1.2.0"),
        ("green.version", "v1.1.0"),
        ("log/error.log", ""),
    ] {
        write(&site.join(file), text)?;
    }
    Ok(())
}

/// A document whose site is the practice one: files, addresses and the nginx to call are replaced, and
/// nothing else.
///
/// - `through`: the address at which the document asks through nginx.
pub(super) fn led_to(text: &str, through: Option<&str>, dir: &Path, port: u16) -> String {
    static SIDE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"https?://[^\s'"/]*\{colour\}[^\s'"/]*"#).expect("the pattern is a constant")
    });
    let site = site(dir);
    let at = |file: &str| site.join(file).display().to_string();
    let address = format!("http://127.0.0.1:{port}");
    let text = SIDE.replace_all(text, NoExpand(&format!("{address}/{{colour}}"))).into_owned();
    let text = match through {
        Some(through) => text.replace(through, &format!("{address}/")),
        None => text,
    };
    let (upstream, current) = (at("upstream.conf"), at("current-env"));
    let nginx = format!("{} -p {}", dir.join("bin/nginx").display(), site.display());
    let flags =
        format!("gonogo traffic nginx --upstream '{upstream}' --current '{current}' --nginx '{nginx}'");
    let text =
        text.replace("gonogo traffic nginx", &flags).replace("/var/log/nginx/", &format!("{}/", at("log")));
    let keys = format!("nginx:\n  upstream: '{upstream}'\n  current: '{current}'\n  command: '{nginx}'\n");
    text.replacen("nginx:\n", &keys, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Source, read, shipped};

    #[test]
    fn a_document_behind_nginx_is_led_to_the_practice_site() {
        for language in [crate::workflow::Language::English, crate::workflow::Language::French] {
            let text = shipped("blue-green-nginx", language).unwrap().text;
            let led = led_to(text, Some("http://localhost/"), Path::new("/p"), 4711);
            assert!(
                !led.contains("localhost") && !led.contains("-app:8080") && !led.contains("/var/log"),
                "{led}"
            );
            let workflow = read(Source { file: "a.md", bytes: led.as_bytes(), siblings: &|_| true });
            let site = workflow.nginx.unwrap();
            assert_eq!(site.upstream, Path::new("/p/nginx/upstream.conf"));
            assert_eq!(site.nginx, ["/p/bin/nginx", "-p", "/p/nginx"]);
            let health = site.sides.iter().filter_map(|side| side.health.as_deref()).collect::<Vec<_>>();
            assert_eq!(health, ["http://127.0.0.1:4711/blue/health", "http://127.0.0.1:4711/green/health"]);
            assert_eq!(site.through.unwrap().url, "http://127.0.0.1:4711/");
        }
    }
}
