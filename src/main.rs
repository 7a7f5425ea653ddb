//! gonogo from start to finish: error hooks, the command, the exit code.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use gonogo::{app::screen, cli, rehearsal};

fn main() -> ExitCode {
    // Settles which cryptography every TLS client of this process uses; the only error is that
    // somebody settled it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default();
    let program = Path::new(&program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    // Inside the practice world the same program answers under these names.
    if rehearsal::shim::names().any(|name| name == program) {
        let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
        let code = rehearsal::shim::answer(program, &args).and_then(|code| u8::try_from(code).ok());
        return code.map_or(ExitCode::FAILURE, ExitCode::from);
    }
    let called = match program {
        "kubectl-gonogo" => cli::Called::KubectlPlugin,
        _ => cli::Called::Gonogo,
    };
    if let Err(error) = install_hooks() {
        drop(error);
        return ExitCode::FAILURE;
    }
    ExitCode::from(cli::run(called))
}

/// A panic gives the terminal back before it says what happened.
fn install_hooks() -> color_eyre::Result<()> {
    use std::io::IsTerminal as _;
    let mut hooks = color_eyre::config::HookBuilder::default();
    if !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()) {
        hooks = hooks.theme(color_eyre::config::Theme::new());
    }
    let (panic_hook, error_hook) = hooks.into_hooks();
    error_hook.install()?;
    let panic_hook = panic_hook.into_panic_hook();
    std::panic::set_hook(Box::new(move |info| {
        screen::give_back();
        panic_hook(info);
    }));
    Ok(())
}
