//! The practice curl: every host is the practice shop, and what is asked of an Unleash its flag service.
//! Nothing leaves the machine.

use std::io::Write;

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::arguments::Flags;
use super::{Session, ShimError, Surroundings};

const KNOWN: &str =
    "-f -s -S -L -i -o FILE -X METHOD -H HEADER|@FILE -d DATA --json DATA -m SECONDS --retry N URL";
const WEB: &str = "/practice/web";

/// What a command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    url: String,
    method: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    output: Option<String>,
    fails: bool,
    is_quiet: bool,
    shows_errors: bool,
    shows_head: bool,
}

/// How it ends: curl has exit codes of its own.
pub async fn run(args: &[String], around: &Surroundings, out: &mut dyn Write) -> Result<i32, ShimError> {
    let wish = read(args)?;
    let session = Session::open("curl", around, &Flags::default()).await?;
    let headers: Map<String, Value> =
        wish.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone().into())).collect();
    let method =
        wish.method.clone().unwrap_or_else(|| if wish.body.is_some() { "POST" } else { "GET" }.into());
    let request = json!({"method": method, "url": wish.url, "headers": headers, "body": wish.body});
    let answer = session.api.send(Method::POST, WEB, "application/json", Some(&request)).await?;
    let status = answer["status"].as_u64().unwrap_or(0);
    if wish.fails && status >= 400 {
        if !wish.is_quiet || wish.shows_errors {
            writeln!(std::io::stderr(), "curl: (22) The requested URL returned error: {status}")?;
        }
        return Ok(22);
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let head = if wish.shows_head { format!("HTTP/1.1 {status}\r\n\r\n") } else { String::new() };
    match wish.output.as_deref() {
        Some("/dev/null") => {}
        Some(file) => std::fs::write(file, format!("{head}{body}"))?,
        None => write!(out, "{head}{body}")?,
    }
    Ok(0)
}

fn read(args: &[String]) -> Result<Wish, ShimError> {
    let mut wish = Wish::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = |name: &str| {
            args.next().cloned().ok_or_else(|| ShimError::Usage(format!("option {name}: requires parameter")))
        };
        match arg.as_str() {
            "-X" | "--request" => wish.method = Some(value(arg)?),
            "-H" | "--header" => wish.headers.extend(header(&value(arg)?)?),
            "-d" | "--data" | "--data-raw" | "--data-binary" => wish.body = Some(value(arg)?),
            "--json" => {
                wish.body = Some(value(arg)?);
                wish.headers.push(("Content-Type".into(), "application/json".into()));
            }
            "-o" | "--output" => wish.output = Some(value(arg)?),
            "-m" | "--max-time" | "--connect-timeout" | "--retry" | "--retry-delay" => {
                value(arg)?;
            }
            "--fail" => wish.fails = true,
            "--silent" => wish.is_quiet = true,
            "--show-error" => wish.shows_errors = true,
            "--include" => wish.shows_head = true,
            "--location" | "--retry-connrefused" | "--retry-all-errors" | "--fail-with-body" => {}
            letters if letters.starts_with('-') && !letters.starts_with("--") && letters.len() > 1 => {
                for letter in letters.chars().skip(1) {
                    match letter {
                        'f' => wish.fails = true,
                        's' => wish.is_quiet = true,
                        'S' => wish.shows_errors = true,
                        'i' => wish.shows_head = true,
                        'L' => {}
                        _ => return Err(unknown(arg)),
                    }
                }
            }
            other if other.starts_with('-') => return Err(unknown(other)),
            url if wish.url.is_empty() => wish.url = url.to_owned(),
            _ => return Err(ShimError::Usage("the practice curl asks for one address at a time".into())),
        }
    }
    if wish.url.is_empty() {
        return Err(ShimError::Usage(format!("no URL specified; the practice curl knows: {KNOWN}")));
    }
    Ok(wish)
}

/// `Name: value`, or the lines of a file behind `@`.
fn header(text: &str) -> Result<Vec<(String, String)>, ShimError> {
    let lines = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| ShimError::Usage(format!("failed to open {file}: {error}")))?,
        None => text.to_owned(),
    };
    let pairs = lines.lines().filter_map(|line| line.split_once(':'));
    Ok(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}

fn unknown(what: &str) -> ShimError {
    ShimError::Usage(format!("the practice curl does not know {what:?}; it knows: {KNOWN}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(args: &[&str]) -> Result<Wish, ShimError> {
        read(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn letters_stand_together_and_values_behind_their_name() {
        let read = wish(&["-fsS", "-X", "PUT", "-H", "A: b", "--data", "{}", "http://h/p"]).unwrap();
        assert!(read.fails && read.is_quiet && read.shows_errors);
        assert_eq!(read.method.as_deref(), Some("PUT"));
        assert_eq!(read.headers, [("A".to_owned(), "b".to_owned())]);
        assert_eq!((read.body.as_deref(), read.url.as_str()), (Some("{}"), "http://h/p"));
    }

    #[test]
    fn what_it_cannot_play_it_refuses_by_name() {
        for line in [&["--upload-file", "x", "http://h"][..], &["-k", "http://h"], &[]] {
            let refused = wish(line).unwrap_err().to_string();
            assert!(refused.contains("it knows") || refused.contains("knows:"), "{refused}");
        }
    }
}
