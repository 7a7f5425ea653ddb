//! `gonogo traffic`: sends requests elsewhere, one kind of switch per subcommand.

mod json;
mod nginx;
mod site;

use clap::Subcommand;

use super::Setup;

/// What divides the requests.
#[derive(Debug, Subcommand)]
pub(super) enum Traffic {
    /// Blue-green behind nginx: find the idle colour, check it, switch, reload, read back
    #[command(after_help = nginx::AFTER_HELP)]
    Nginx(nginx::Flags),
}

pub(super) fn traffic(traffic: Traffic, setup: &Setup) -> color_eyre::Result<u8> {
    match traffic {
        Traffic::Nginx(flags) => nginx::nginx(&flags, &setup.settings()?),
    }
}
