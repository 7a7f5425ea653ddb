//! `kubectl`, `gh`, `curl` and others for practice: the same program under another name, so that a
//! rehearsal needs none of them and its commands can reach nothing but the practice world.
//!
//! The binary is linked under each name in `bin/`; `main` looks at the name it was called by and comes
//! here.

mod api;
mod arguments;
mod curl;
mod gh;
mod kubeconfig;
mod kubectl;
mod printer;
mod tools;

use std::io::Write;
use std::path::PathBuf;

use self::api::Api;

/// Why a practice command failed; worded as the real program words it where it has words for it.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    #[error("error: {0}")]
    Usage(String),
    #[error("Error from server ({reason}): {message}")]
    Server { reason: String, message: String },
    #[error(
        "The connection to the server {server} was refused - did you specify the right host or port? ({why})"
    )]
    Unreachable { server: String, why: String },
    #[error("Error in configuration: context was not found for specified context: {0}")]
    Context(String),
    #[error("error: the practice {program} speaks to a practice world only, and {server} is none")]
    NotPractice { program: &'static str, server: String },
    #[error("error: cannot write: {0}")]
    Output(#[from] std::io::Error),
    /// Said already, in the words of the program; only the exit code is left.
    #[error("")]
    Silent,
}

/// The programs that the practice world has of its own.
pub fn names() -> impl Iterator<Item = &'static str> {
    ["kubectl", "gh", "curl"].into_iter().chain(tools::names())
}

/// Answers as `program`. `args` are without its name; the result is its exit code.
///
/// - Shape: `None` for a program that is none of [`names`].
pub fn answer(program: &str, args: &[String]) -> Option<i32> {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let around = Surroundings::inherited();
    let practice = std::env::var_os("GONOGO_PRACTICE").map(PathBuf::from);
    let done = match program {
        "kubectl" => run(kubectl::run(args, &around, &mut out)),
        "gh" => run(gh::run(args, &around, &mut out)),
        "curl" => match run(curl::run(args, &around, &mut out)) {
            Ok(code) => return Some(code),
            Err(error) => Err(error),
        },
        "docker" => tools::docker(args, practice.as_deref(), &mut out),
        "nginx" => tools::nginx(args, practice.as_deref(), &mut out),
        "pg_dump" | "pg_restore" => tools::postgres(program, args, &mut out),
        "helm" => run(tools::helm(args, &around, &mut out)),
        _ => tools::builder(program, args, &mut out)?,
    };
    Some(finish(done, &mut err))
}

/// Runs `program` with its output caught, as tests want it: exit code, stdout, stderr.
pub async fn caught(program: &str, args: &[&str], kubeconfig: &std::path::Path) -> (i32, String, String) {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let around = Surroundings { kubeconfig: kubeconfig.to_string_lossy().into_owned() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let done = match program {
        "gh" => gh::run(&args, &around, &mut out).await,
        "helm" => tools::helm(&args, &around, &mut out).await,
        "curl" => match curl::run(&args, &around, &mut out).await {
            // What curl says of a refusal it has said.
            Ok(code) if code != 0 => return (code, String::new(), String::new()),
            done => done.map(|_| ()),
        },
        _ => kubectl::run(&args, &around, &mut out).await,
    };
    let code = finish(done, &mut err);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (code, text(&out), text(&err))
}

/// What a shim takes from its environment.
#[derive(Debug)]
struct Surroundings {
    /// `KUBECONFIG`: files separated by colons.
    kubeconfig: String,
}

impl Surroundings {
    fn inherited() -> Self {
        Self { kubeconfig: std::env::var("KUBECONFIG").unwrap_or_default() }
    }
}

fn run<T>(work: impl Future<Output = Result<T, ShimError>>) -> Result<T, ShimError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

fn finish(done: Result<(), ShimError>, err: &mut dyn Write) -> i32 {
    match done {
        Ok(()) => 0,
        // Somebody closed the pipe: what they wanted to read, they have.
        Err(ShimError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(ShimError::Silent) => 1,
        Err(error) => {
            writeln!(err, "{error}").ok();
            1
        }
    }
}

/// Where commands go: the server, the namespace and the context's name.
#[derive(Debug)]
struct Session {
    api: Api,
    namespace: String,
}

impl Session {
    async fn open(
        program: &'static str,
        around: &Surroundings,
        flags: &arguments::Flags,
    ) -> Result<Self, ShimError> {
        let files = flags.value("kubeconfig").unwrap_or(&around.kubeconfig);
        let place = kubeconfig::resolve(files, flags.value("context"))?;
        let api = Api::new(&place.server)?;
        if !api.is_practice().await? {
            return Err(ShimError::NotPractice { program, server: place.server });
        }
        let namespace = flags.value("namespace").map_or(place.namespace, str::to_owned);
        Ok(Self { api, namespace })
    }
}
