//! Builders, registries and databases: what a release document calls besides the cluster. Nothing is
//! built here; each says so, and plays the good end of what it was asked for.

use std::io::Write;
use std::path::{Path, PathBuf};

use axum::http::Method;
use serde_json::json;

use super::arguments::Flags;
use super::{Session, ShimError, Surroundings, kubectl};

/// Programs that build and test, with the words that each knows; an empty list takes any.
const BUILDERS: [(&str, &[&str]); 11] = [
    ("npm", &["ci", "install", "run", "test", "version"]),
    ("yarn", &[]),
    ("pnpm", &[]),
    ("cargo", &["build", "check", "clippy", "fmt", "nextest", "test"]),
    ("go", &["build", "test", "vet"]),
    ("make", &[]),
    ("pytest", &[]),
    ("mvn", &[]),
    ("gradle", &[]),
    ("bundle", &["exec", "install"]),
    ("composer", &["install", "run-script", "test"]),
];

/// Plays a program that builds or tests; `None` for a program that is none of them.
pub fn builder(program: &str, args: &[String], out: &mut dyn Write) -> Option<Result<(), ShimError>> {
    let (_, known) = BUILDERS.iter().find(|(name, _)| *name == program)?;
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let first = words.first().copied().unwrap_or_default();
    if !known.is_empty() && !known.contains(&first) {
        return Some(Err(unknown(program, &args.join(" "), &known.join(", "))));
    }
    let line = format!("{program} {}", args.join(" "));
    let said =
        writeln!(out, "practice {program}: nothing is built here; `{}` is played as passed", line.trim());
    Some(said.map_err(ShimError::Output))
}

/// The names of all programs of this file.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILDERS.iter().map(|(name, _)| *name).chain(["docker", "helm", "nginx", "pg_dump", "pg_restore"])
}

fn unknown(program: &str, what: &str, known: &str) -> ShimError {
    ShimError::Usage(format!("the practice {program} does not know {what:?}; it knows: {known}"))
}

/// `docker build`, `docker push` and `docker compose up` of a colour behind nginx.
pub fn docker(args: &[String], practice: Option<&Path>, out: &mut dyn Write) -> Result<(), ShimError> {
    const KNOWN: &str =
        "build --tag IMAGE DIR, compose --project-name NAME-COLOUR up, login, push IMAGE, tag";
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let value = |names: &[&str]| {
        let at = words.iter().position(|word| names.contains(word))?;
        words.get(at + 1).copied()
    };
    let glued = |prefix: &str| words.iter().find_map(|word| word.strip_prefix(prefix));
    match words.as_slice() {
        ["build", ..] | ["buildx", "build", ..] => {
            let tag = value(&["-t", "--tag"]).or_else(|| glued("--tag="));
            let tag =
                tag.ok_or_else(|| ShimError::Usage("the practice docker builds with --tag IMAGE".into()))?;
            writeln!(out, "practice docker: nothing is built here; {tag} is played as built")?;
            Ok(())
        }
        ["push", image, ..] => {
            writeln!(out, "The push refers to repository [{image}]\npractice docker: played as pushed")?;
            Ok(())
        }
        ["login" | "tag", ..] => Ok(()),
        ["compose", rest @ ..] if rest.contains(&"up") => {
            let project = value(&["-p", "--project-name"]).or_else(|| glued("--project-name="));
            let project = project.unwrap_or_default();
            let site = practice.map(|dir| dir.join("nginx")).filter(|site| site.is_dir());
            let site = site.ok_or_else(|| {
                ShimError::Usage(
                    "the practice docker composes only what stands behind the practice nginx".into(),
                )
            })?;
            let colour = ["blue", "green"].into_iter().find(|colour| project.ends_with(colour));
            let colour = colour.ok_or_else(|| {
                ShimError::Usage(format!("the project {project:?} names neither blue nor green"))
            })?;
            let version = std::env::var("IMAGE_TAG").unwrap_or_else(|_| "latest".into());
            std::fs::write(site.join(format!("{colour}.version")), &version)?;
            writeln!(
                out,
                " Container {project}-app-1  Started ({version})\n Container {project}-app-1  Healthy"
            )?;
            Ok(())
        }
        _ => Err(unknown("docker", &words.join(" "), KNOWN)),
    }
}

/// `nginx -t` and `nginx -s reload` over the practice site: what was reloaded is what serves.
pub fn nginx(args: &[String], practice: Option<&Path>, out: &mut dyn Write) -> Result<(), ShimError> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let given = words.iter().position(|word| *word == "-p").and_then(|at| words.get(at + 1));
    let site = given.map(PathBuf::from).or_else(|| Some(practice?.join("nginx")));
    let site =
        site.ok_or_else(|| ShimError::Usage("the practice nginx serves in a practice world only".into()))?;
    let upstream = std::fs::read_to_string(site.join("upstream.conf"))?;
    let is_whole =
        upstream.contains("server ") && upstream.matches('{').count() == upstream.matches('}').count();
    if !is_whole {
        return Err(ShimError::Usage(
            "[emerg] the upstream file has no server, or a brace too few\nconfiguration file test failed"
                .into(),
        ));
    }
    if words.contains(&"-t") {
        writeln!(
            out,
            "nginx: configuration file {} test is successful",
            site.join("upstream.conf").display()
        )?;
        return Ok(());
    }
    if words.windows(2).any(|pair| pair == ["-s", "reload"]) {
        std::fs::write(site.join("loaded.conf"), upstream)?;
        return Ok(());
    }
    Err(unknown("nginx", &words.join(" "), "-t, -s reload"))
}

/// `pg_dump` writes a file in which only its beginning is that of a dump; `pg_restore --list` reads it.
pub fn postgres(program: &str, args: &[String], out: &mut dyn Write) -> Result<(), ShimError> {
    const MAGIC: &str = "PGDMP";
    const TABLES: [&str; 3] = ["customers", "items", "orders"];
    if program == "pg_dump" {
        let mut text = format!("{MAGIC} of the practice shop: no data, played\n");
        for table in TABLES {
            text.push_str(&format!("TABLE DATA public {table}\n"));
        }
        let file = args.iter().find_map(|arg| arg.strip_prefix("--file=")).or_else(|| {
            let at = args.iter().position(|arg| arg == "-f" || arg == "--file")?;
            args.get(at + 1).map(String::as_str)
        });
        return match file {
            Some(file) => std::fs::write(file, text).map_err(ShimError::Output),
            None => write!(out, "{text}").map_err(ShimError::Output),
        };
    }
    let is_list = args.iter().any(|arg| arg == "--list" || arg == "-l");
    let file = args.iter().find(|arg| !arg.starts_with('-'));
    let (true, Some(file)) = (is_list, file) else {
        return Err(unknown(program, &args.join(" "), "--list FILE"));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| ShimError::Usage(format!("could not open input file {file:?}: {error}")))?;
    if !text.starts_with(MAGIC) {
        return Err(ShimError::Usage("input file does not appear to be a valid archive".into()));
    }
    writeln!(out, ";\n; Archive of the practice shop\n;")?;
    for (number, line) in text.lines().skip(1).enumerate() {
        writeln!(out, "{}; 0 {} {line} shop", 3300 + number, 16400 + number)?;
    }
    Ok(())
}

/// `helm upgrade … --set image.tag=VERSION [--wait]`: the first Deployment takes the version.
pub async fn helm(args: &[String], around: &Surroundings, out: &mut dyn Write) -> Result<(), ShimError> {
    const KNOWN: &str = "upgrade [--install] NAME CHART --set image.tag=VERSION [--wait]";
    let tag =
        args.iter().find_map(|arg| arg.strip_prefix("--set=").unwrap_or(arg).strip_prefix("image.tag="));
    let (Some("upgrade"), Some(tag)) = (args.first().map(String::as_str), tag) else {
        return Err(unknown("helm", &args.join(" "), KNOWN));
    };
    let session = Session::open("helm", around, &Flags::default()).await?;
    let deployed = session
        .api
        .send(Method::POST, "/practice/deploy", "application/json", Some(&json!({"version": tag})))
        .await?;
    let name = deployed["name"].as_str().unwrap_or_default().to_owned();
    let namespace = deployed["namespace"].as_str().unwrap_or_default().to_owned();
    if args.iter().any(|arg| arg == "--wait" || arg == "--atomic") {
        let wait = ["rollout", "status", "-n", &namespace, &format!("deployment/{name}")].map(str::to_owned);
        let mut unsaid = Vec::new();
        kubectl::run(&wait, around, &mut unsaid).await?;
    }
    writeln!(out, "Release has been upgraded. Happy Helming!\nNAMESPACE: {namespace}\nSTATUS: deployed")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_builder_says_that_it_plays_and_refuses_what_it_cannot_play() {
        let mut out = Vec::new();
        builder("npm", &words("run lint"), &mut out).unwrap().unwrap();
        assert!(String::from_utf8(out).unwrap().contains("`npm run lint` is played as passed"));
        let refused = builder("npm", &words("publish"), &mut Vec::new()).unwrap().unwrap_err();
        assert!(refused.to_string().contains("does not know \"publish\""), "{refused}");
        assert!(builder("rm", &words("-rf /"), &mut Vec::new()).is_none());
    }

    #[test]
    fn a_dump_is_read_back_and_another_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shop.dump").display().to_string();
        postgres("pg_dump", &[format!("--file={file}")], &mut Vec::new()).unwrap();
        let mut out = Vec::new();
        postgres("pg_restore", &["--list".into(), file.clone()], &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("TABLE DATA public orders"));
        std::fs::write(&file, "nothing").unwrap();
        assert!(postgres("pg_restore", &["--list".into(), file], &mut Vec::new()).is_err());
    }

    #[test]
    fn nginx_serves_what_it_loaded_and_loads_nothing_that_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let site = dir.path().join("nginx");
        std::fs::create_dir(&site).unwrap();
        std::fs::write(site.join("upstream.conf"), "upstream app { server blue-app:8080; }").unwrap();
        nginx(&words("-s reload"), Some(dir.path()), &mut Vec::new()).unwrap();
        std::fs::write(site.join("upstream.conf"), "upstream app { server green-app:8080;").unwrap();
        assert!(nginx(&words("-t"), Some(dir.path()), &mut Vec::new()).is_err());
        assert!(nginx(&words("-s reload"), Some(dir.path()), &mut Vec::new()).is_err());
        assert!(std::fs::read_to_string(site.join("loaded.conf")).unwrap().contains("blue"));
    }

    #[test]
    fn a_composed_colour_has_the_version_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let up = words("compose --project-name shop-green up --detach --wait");
        assert!(docker(&up, Some(dir.path()), &mut Vec::new()).is_err(), "there is no nginx here");
        std::fs::create_dir(dir.path().join("nginx")).unwrap();
        docker(&up, Some(dir.path()), &mut Vec::new()).unwrap();
        assert!(dir.path().join("nginx/green.version").is_file());
    }
}
