//! Command lines in kubectl's and gh's manner: flags anywhere, values after a space or `=`.

use super::ShimError;

/// Flags that take a value for every command, with the long name each stands for.
const VALUED: &[(&str, &str)] = &[
    ("context", "context"),
    ("n", "namespace"),
    ("namespace", "namespace"),
    ("kubeconfig", "kubeconfig"),
    ("o", "output"),
    ("output", "output"),
    ("l", "selector"),
    ("selector", "selector"),
    ("field-selector", "field-selector"),
    ("sort-by", "sort-by"),
    ("tail", "tail"),
    ("since", "since"),
    ("since-time", "since-time"),
    ("c", "container"),
    ("container", "container"),
    ("to-revision", "to-revision"),
    ("revision", "revision"),
    ("timeout", "timeout"),
    ("replicas", "replicas"),
    ("filename", "filename"),
    ("patch", "patch"),
    ("type", "type"),
    ("ref", "ref"),
    ("r", "ref"),
    ("workflow", "workflow"),
    ("w", "workflow"),
    ("limit", "limit"),
    ("L", "limit"),
    ("R", "repo"),
    ("repo", "repo"),
    ("request-timeout", "request-timeout"),
    ("grace-period", "grace-period"),
];

/// Short flags without a value.
const SWITCHES: &[(&str, &str)] =
    &[("f", "follow"), ("p", "previous"), ("w", "watch"), ("A", "all-namespaces"), ("h", "help")];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub words: Vec<String>,
    flags: Vec<(String, String)>,
}

impl Flags {
    /// Reads a command line. `gh` and `apply` have other meanings for some letters.
    pub fn read(program: &str, args: &[String]) -> Result<Self, ShimError> {
        let mut read = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let Some(flag) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                read.words.push(arg.clone());
                continue;
            };
            if flag == "-" {
                read.words.extend(args.cloned());
                break;
            }
            let long = flag.strip_prefix('-');
            let (name, value) = match long.unwrap_or(flag).split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long.unwrap_or(flag), None),
            };
            let applying = read.words.first().is_some_and(|word| word == "apply" || word == "delete");
            if applying && name == "f" {
                let value = value.or_else(|| args.next().cloned());
                read.flags.push(("filename".into(), value.unwrap_or_default()));
                continue;
            }
            let patching = program == "kubectl" && read.words.first().is_some_and(|word| word == "patch");
            if patching && name == "p" {
                let value = value.or_else(|| args.next().cloned());
                read.flags.push(("patch".into(), value.unwrap_or_default()));
                continue;
            }
            // In kubectl -w watches, in gh it names a workflow.
            let switch = long.is_none() && program == "kubectl" && name == "w";
            let valued = VALUED.iter().find(|(known, _)| *known == name).filter(|_| !switch);
            if let Some((_, meaning)) = valued {
                let value = value
                    .or_else(|| args.next().cloned())
                    .ok_or_else(|| ShimError::Usage(format!("flag needs an argument: {arg}")))?;
                read.flags.push(((*meaning).to_owned(), value));
                continue;
            }
            // A letter may carry its value right behind it: -nshop.
            let glued = VALUED.iter().find(|(known, _)| {
                long.is_none() && known.len() == 1 && name.len() > 1 && name.starts_with(known)
            });
            if let Some((letter, meaning)) = glued {
                read.flags
                    .push(((*meaning).to_owned(), flag[letter.len()..].trim_start_matches('=').to_owned()));
                continue;
            }
            let meaning =
                SWITCHES.iter().find(|(known, _)| *known == name).map_or(name, |(_, meaning)| meaning);
            read.flags.push((meaning.to_owned(), value.unwrap_or_else(|| "true".into())));
        }
        Ok(read)
    }

    /// The last value given for a flag.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "false")
    }

    pub fn number(&self, name: &str) -> Result<Option<i64>, ShimError> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                ShimError::Usage(format!("invalid argument {text:?} for \"--{name}\": it is not a number"))
            })
        };
        self.value(name).map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(program: &str, line: &str) -> Flags {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Flags::read(program, &args).unwrap()
    }

    #[test]
    fn flags_stand_anywhere_and_values_in_every_spelling() {
        let flags = read("kubectl", "--context=practice get pods -n shop -o wide -lapp=app --watch");
        assert_eq!(flags.words, ["get", "pods"]);
        let values = ["context", "namespace", "output", "selector"].map(|name| flags.value(name).unwrap());
        assert_eq!(values, ["practice", "shop", "wide", "app=app"]);
        assert!(flags.is_set("watch"));
        assert!(!flags.is_set("follow"));
    }

    #[test]
    fn a_letter_means_what_its_command_says() {
        assert!(read("kubectl", "logs -f deployment/app").is_set("follow"));
        assert_eq!(read("kubectl", "apply -f app.yaml").value("filename"), Some("app.yaml"));
        assert_eq!(read("gh", "run list -w deploy.yml").value("workflow"), Some("deploy.yml"));
        assert!(read("kubectl", "get pods -w").is_set("watch"));
    }

    #[test]
    fn a_flag_without_its_value_is_an_error() {
        assert!(Flags::read("kubectl", &["get".into(), "-n".into()]).is_err());
    }
}
