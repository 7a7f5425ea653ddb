//! Names of variables: which ones a document may set, and which a text reads.

use super::secrets::is_secret_name;

/// Names that would change what a command's own text means, or lead it to another cluster.
const STEERS: &[&str] =
    &["PATH", "IFS", "ENV", "HOME", "SHELLOPTS", "BASHOPTS", "KUBECONFIG", "PROMPT_COMMAND"];

/// Beginnings of such names.
const STEER: &[&str] = &["LD_", "DYLD_", "BASH_", "GIT_"];

/// What programs take for a command of their own, or for what they are and where.
const NOT_CAPTURED: &[&str] = &[
    "PAGER",
    "EDITOR",
    "VISUAL",
    "SHELL",
    "TERM",
    "USER",
    "LOGNAME",
    "PWD",
    "OLDPWD",
    "NODE_OPTIONS",
    "PERL5OPT",
    "RUBYOPT",
    "PYTHONSTARTUP",
];

/// - Errors: why no annotation sets a variable of this name, as a sentence fragment.
pub(super) fn may_be_set(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(fits);
    if !is_name {
        return Err(format!("`{}` is no name of a variable", name.escape_debug()));
    }
    if STEER.iter().any(|prefix| name.starts_with(prefix)) || STEERS.contains(&name) {
        return Err(format!("`{name}` changes what a command's own text means: set it where it can be seen"));
    }
    Ok(())
}

/// - Errors: why no output becomes the value of a variable of this name, as a sentence fragment.
pub(super) fn may_be_captured(name: &str) -> Result<(), String> {
    may_be_set(name)?;
    if name.ends_with("PATH") || name.starts_with("GONOGO_") || NOT_CAPTURED.contains(&name) {
        return Err(format!("`{name}` steers programs: what a command prints is not taken for it"));
    }
    if is_secret_name(name) {
        return Err(format!("`{name}` is named like a secret, and what is captured is written down"));
    }
    Ok(())
}

/// Whether a text reads this variable: `$NAME` or `${NAME…}`.
pub fn reads_variable(text: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices('$').any(|(at, _)| {
        let rest = &text[at + 1..];
        let braced = rest.strip_prefix('{').map(|rest| rest.trim_start_matches(['#', '!']));
        braced.unwrap_or(rest).strip_prefix(name).is_some_and(ends)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_a_whole_name_only() {
        for text in ["curl $URL", "${URL}", "${URL:-x}", "\"${#URL}\"", "a$URL/b"] {
            assert!(reads_variable(text, "URL"), "{text}");
        }
        for text in ["$URLS", "URL", "${URL_2}", "$", "$É"] {
            assert!(!reads_variable(text, "URL"), "{text}");
        }
    }

    #[test]
    fn output_is_not_taken_for_what_steers_programs_or_is_secret() {
        assert_eq!(may_be_captured("URL"), Ok(()));
        for name in [
            "PATH",
            "PYTHONPATH",
            "LD_PRELOAD",
            "GIT_DIR",
            "KUBECONFIG",
            "PAGER",
            "API_TOKEN",
            "a-b",
            "",
            "1A",
            "A\n",
        ] {
            assert!(may_be_captured(name).is_err(), "{name:?}");
        }
        assert_eq!(may_be_set("API_TOKEN"), Ok(()), "by hand it stands in the document for all to see");
    }
}
