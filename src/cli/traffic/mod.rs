//! `gonogo traffic`: sends requests elsewhere, one kind of switch per subcommand.

mod json;
mod nginx;
mod site;
mod steer;

use clap::Subcommand;

use super::Setup;
use super::cluster::ClusterFlags;

/// As `gonogo rollback` has them: fired and not verified, and not sent.
const NOT_VERIFIED: u8 = 12;
const NOT_SENT: u8 = 13;

/// What divides the requests.
#[derive(Debug, Subcommand)]
pub(super) enum Traffic {
    /// Blue-green behind nginx: find the idle colour, check it, switch, reload, read back
    #[command(after_help = nginx::AFTER_HELP)]
    Nginx(nginx::Flags),
    /// Blue-green by a Service: look for ready pods, change its selector, read back
    #[command(after_help = steer::AFTER_HELP)]
    Service(steer::Selector),
    /// A canary by the weights of a mesh: look for subsets and ready pods, change the weights, read back
    #[command(name = "virtualservice", after_help = steer::AFTER_HELP)]
    VirtualService(steer::Weights),
}

impl Traffic {
    /// The flags that say which cluster is meant, where one is.
    pub fn cluster(&mut self) -> Option<&mut ClusterFlags> {
        match self {
            Traffic::Nginx(_) => None,
            Traffic::Service(flags) => Some(flags.cluster()),
            Traffic::VirtualService(flags) => Some(flags.cluster()),
        }
    }
}

pub(super) fn traffic(traffic: Traffic, setup: &Setup) -> color_eyre::Result<u8> {
    match traffic {
        Traffic::Nginx(flags) => nginx::nginx(&flags, &setup.settings()?),
        Traffic::Service(flags) => steer::service(flags, &setup.settings()?),
        Traffic::VirtualService(flags) => steer::virtual_service(flags, &setup.settings()?),
    }
}
