//! What the files of a repository tell about its releases.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finding, Names, Repository, image, manifest};

/// Looks for every name that a document needs, and says of each where it was found.
pub fn look(repository: &Repository) -> (Names, Vec<Finding>) {
    let mut look = Look { repository, names: Names::default(), findings: Vec::new() };
    look.origin();
    look.workload();
    look.image();
    look.pipeline();
    look.tests();
    look.cluster();
    (look.names, look.findings)
}

struct Look<'r> {
    repository: &'r Repository,
    names: Names,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn found(&mut self, what: &'static str, value: &str, place: impl Into<String>) {
        self.findings.push(Finding { what, value: Some(value.to_owned()), place: place.into() });
    }

    fn missing(&mut self, what: &'static str, instead: &str) {
        self.findings.push(Finding { what, value: None, place: instead.to_owned() });
    }

    fn origin(&mut self) {
        let repository = self.repository;
        match &repository.remote {
            Some(remote) => self.found("remote", remote, "git"),
            None => self.missing("remote", "commands say origin"),
        }
        self.names.branch.clone_from(&repository.branch);
        match &repository.branch {
            Some(branch) => self.found("branch", branch, "git"),
            None => self.missing("branch", "commands say main"),
        }
        let version = |tag: &&String| semver::Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok();
        let newest = repository.tags.iter().filter_map(|tag| Some((version(&tag)?, tag))).max();
        match newest {
            Some((_, tag)) => {
                self.found("newest version", tag, "git tags; the start panel offers the next one")
            }
            None => self.missing("newest version", "the start panel asks for the first one"),
        }
    }

    fn workload(&mut self) {
        let files = self.repository.files.iter();
        let yaml = files.filter(|(path, _)| path.ends_with(".yaml") || path.ends_with(".yml"));
        let all: Vec<_> = yaml
            .flat_map(|(path, text)| manifest::deployments(text).into_iter().map(move |it| (path, it)))
            .collect();
        if let Some((path, it)) = all.first() {
            self.found("deployment", &it.name, path.as_str());
            self.names.deployment = Some(it.name.clone());
            self.names.label.clone_from(&it.label);
            match &it.container {
                Some(container) => self.found("container", container, path.as_str()),
                None => self.missing("container", "stands as <container>"),
            }
            self.names.container.clone_from(&it.container);
            if let Some(namespace) = &it.namespace {
                self.found("namespace", namespace, path.as_str());
                self.names.namespace = Some(namespace.clone());
            }
            if let Some(name) = &it.image {
                self.names.image = Some(image::untagged(name).to_owned());
                self.found("image", image::untagged(name), path.as_str());
            }
            for (path, other) in all.iter().skip(1) {
                self.missing("another deployment", &format!("{} in {path} is not part of it", other.name));
            }
            return;
        }
        let charts =
            self.repository.files.iter().filter(|(path, _)| path.rsplit('/').next() == Some("Chart.yaml"));
        let named = |text: &str| {
            let name = text.lines().find_map(|line| line.strip_prefix("name:"))?;
            Some(name.trim().trim_matches(['"', '\'']).to_owned())
        };
        if let Some((path, name)) = charts.filter_map(|(path, text)| Some((path, named(text)?))).next() {
            let folder = path.strip_suffix("/Chart.yaml").unwrap_or(".");
            self.found("chart", &name, path.as_str());
            self.names.chart = Some((name, folder.to_owned()));
        }
        self.by_command();
    }

    /// `kubectl set image deployment/web server=…` in a pipeline or a script.
    fn by_command(&mut self) {
        static SET: LazyLock<Regex> = LazyLock::new(|| {
            let pattern =
                r#"set image (?:deployment|deploy)[/ ]([a-z0-9][a-z0-9-]*)\s+["']?([a-z0-9][a-z0-9-]*)="#;
            Regex::new(pattern).expect("the pattern is a constant and the tests use it")
        });
        let found = self.repository.files.iter().find_map(|(path, text)| {
            let found = SET.captures(text)?;
            Some((path, found.get(1)?.as_str().to_owned(), found.get(2)?.as_str().to_owned()))
        });
        match found {
            Some((path, deployment, container)) => {
                self.found("deployment", &deployment, path.as_str());
                self.found("container", &container, path.as_str());
                (self.names.deployment, self.names.container) = (Some(deployment), Some(container));
            }
            None => {
                self.missing("deployment", "stands as <deployment>; the start panel asks for it");
                self.missing("container", "stands as <container>; the start panel asks for it");
            }
        }
    }

    fn pipelines(&self) -> impl Iterator<Item = (&String, &String)> {
        self.repository.files.iter().filter(|(path, _)| {
            path.starts_with(".github/workflows/")
                || path.as_str() == ".gitlab-ci.yml"
                || path.contains("Jenkinsfile")
        })
    }

    fn image(&mut self) {
        if self.names.image.is_some() {
            return;
        }
        let slug = self.repository.remote.as_deref().and_then(image::slug);
        let found = self
            .pipelines()
            .find_map(|(path, text)| Some((path.clone(), image::of_pipeline(text, slug.as_deref())?)));
        if let Some((path, name)) = found {
            self.found("image", &name, path);
            self.names.image = Some(name);
            return;
        }
        let dockerfile = self.repository.files.keys().find(|path| {
            let file = path.rsplit('/').next().unwrap_or(path);
            file == "Dockerfile" || file == "Containerfile"
        });
        let name = slug.as_deref().and_then(|slug| slug.rsplit('/').next()).unwrap_or(&self.repository.name);
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        match dockerfile.filter(|_| is_name) {
            Some(path) => {
                let name = format!("registry.example.com/{}", name.to_lowercase());
                let words = format!(
                    "{path} and the name of the repository; the registry is not told, put yours there"
                );
                self.found("image", &name, words);
                self.names.image = Some(name);
            }
            None => self.missing("image", "stands as registry.example.com/<image>; put your registry there"),
        }
    }

    fn pipeline(&mut self) {
        let starts_by_tag = |text: &str| {
            let before_jobs = text.split("\njobs:").next().unwrap_or(text);
            before_jobs.contains("push") && before_jobs.contains("tags") || before_jobs.contains("release:")
        };
        let file = self.pipelines().find_map(|(path, text)| {
            let file = path.strip_prefix(".github/workflows/")?;
            starts_by_tag(text).then(|| (path.clone(), file.to_owned()))
        });
        match file {
            Some((path, file)) => {
                self.found("pipeline", &file, path);
                self.names.pipeline = Some(file);
            }
            None => {
                let forge = self.repository.remote.as_deref().and_then(image::host);
                let words = match (forge, self.pipelines().next()) {
                    (_, Some((path, _))) => format!("{path} starts nothing by a tag that we can tell"),
                    (Some(host), None) => format!("there is none for {host}"),
                    (None, None) => "there is none".to_owned(),
                };
                self.missing("pipeline", &format!("{words}; the tag is read back from the remote instead"));
            }
        }
    }

    fn tests(&mut self) {
        let text = |path: &str| self.repository.files.get(path).map(String::as_str);
        let has = |path: &str| self.repository.files.contains_key(path);
        let has_target =
            |file: &str| text(file).is_some_and(|text| text.lines().any(|line| line.starts_with("test:")));
        let script = text("package.json").is_some_and(|text| text.contains("\"test\""));
        let found = if has_target("Makefile") {
            Some(("make test", "Makefile"))
        } else if has("Cargo.toml") {
            Some(("cargo test", "Cargo.toml"))
        } else if has("go.mod") {
            Some(("go test ./...", "go.mod"))
        } else if script && has("pnpm-lock.yaml") {
            Some(("pnpm test", "package.json"))
        } else if script && has("yarn.lock") {
            Some(("yarn test", "package.json"))
        } else if script {
            Some(("npm test", "package.json"))
        } else if has("pom.xml") {
            Some(("mvn test", "pom.xml"))
        } else if has("build.gradle") || has("build.gradle.kts") {
            Some(("gradle test", "build.gradle"))
        } else if has("pytest.ini") || text("pyproject.toml").is_some_and(|text| text.contains("pytest")) {
            Some(("pytest", "pyproject.toml"))
        } else if has("composer.json") {
            Some(("composer test", "composer.json"))
        } else {
            None
        };
        match found {
            Some((command, place)) => {
                self.found("tests", command, place);
                self.names.tests = Some(command.to_owned());
            }
            None => self.missing("tests", "a person confirms that they pass"),
        }
    }

    fn cluster(&mut self) {
        self.names.cluster.clone_from(&self.repository.cluster);
        match &self.repository.cluster {
            Some((context, namespace)) => {
                let words = format!(
                    "the current one of your kubeconfig, namespace {namespace}; it is a prerequisite"
                );
                self.found("context", context, words);
            }
            None => self.missing("context", "the release takes the current one of the kubeconfig"),
        }
    }
}
