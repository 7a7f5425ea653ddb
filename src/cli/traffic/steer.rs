//! `gonogo traffic service` and `gonogo traffic virtualservice`: names before weights, capacity before
//! traffic, and read back.

use clap::Args;
use color_eyre::eyre::{bail, eyre};
use jiff::tz::TimeZone;

use super::json::{Action, Told};
use super::{NOT_SENT, NOT_VERIFIED};
use crate::adapters::clock::Clock;
use crate::adapters::kube::{KubeError, KubeWorld, Wish};
use crate::cli::cluster::ClusterFlags;
use crate::cli::release::runtime;
use crate::cli::{DONE, Format, complain, name_value, print};
use crate::config::Config;
use crate::release::{RouteKind, RouteRef};
use crate::ui::format;
use crate::watch::logs::clean;

pub(super) const AFTER_HELP: &str = "Exit codes: 0 read back, or there already · 12 sent and not read back · 13 not \
sent: what is missing is told · 1 the cluster cannot be asked · 2 usage.

A subset has to be defined before it gets a weight, and its ready pods have to be as many as its share needs; \
--ready says how many are enough. The change names what was read, so that nobody else's is overwritten.

--format json prints one object at the end: schema (\"gonogo.traffic/1\"), by, current, to, \
actions[{what, words, at_ms}], dry_run, was_there, verified, limits[], error.";

#[derive(Debug, Args)]
pub(in crate::cli) struct Selector {
    /// The Service
    name: String,
    /// What its selector shall say, such as `colour=green`; its other labels stay
    #[arg(value_name = "LABEL=VALUE", required = true, value_parser = name_value)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Weights {
    /// The VirtualService
    name: String,
    /// All shares, which make 100: `stable=95 canary=5`; hosts where its routes have no subsets
    #[arg(value_name = "SUBSET=WEIGHT", required = true, value_parser = weight)]
    weights: Vec<(String, u32)>,
    /// The route that is meant, where several send requests there
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// So many ready pods are enough [default: as its share needs, by what serves now]
    #[arg(long, value_name = "N")]
    ready: Option<usize>,
    /// Say what would be done, and whether it would work
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    cluster: ClusterFlags,
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let (name, weight) = name_value(text).map_err(|_| "write SUBSET=WEIGHT".to_owned())?;
    let weight = weight.parse().ok().filter(|weight| *weight <= 100);
    Ok((name, weight.ok_or("a weight is a number from 0 to 100")?))
}

impl Selector {
    pub fn cluster(&mut self) -> &mut ClusterFlags {
        &mut self.common.cluster
    }
}

impl Weights {
    pub fn cluster(&mut self) -> &mut ClusterFlags {
        &mut self.common.cluster
    }
}

pub(super) fn service(flags: Selector, config: &Config) -> color_eyre::Result<u8> {
    let wish = Wish::Selector(flags.labels.into_iter().collect());
    steer(RouteKind::Service, flags.name, &wish, &flags.common, config)
}

pub(super) fn virtual_service(flags: Weights, config: &Config) -> color_eyre::Result<u8> {
    let wish = Wish::Weights { weights: flags.weights, route: flags.route };
    steer(RouteKind::VirtualService, flags.name, &wish, &flags.common, config)
}

fn steer(
    kind: RouteKind,
    name: String,
    wish: &Wish,
    common: &Common,
    config: &Config,
) -> color_eyre::Result<u8> {
    if config.read_only && !common.dry_run {
        bail!("read-only: no traffic is moved; --dry-run says what would be done");
    }
    let by = if kind == RouteKind::Service { "service" } else { "virtualservice" };
    let mut told = Told { by, dry_run: common.dry_run, ..Told::default() };
    let done = runtime()?.block_on(async {
        let kube = KubeWorld::connect(&common.cluster.options(config)).await?;
        let route = RouteRef { kind, namespace: kube.pinned().namespace.clone(), name };
        carry_out(&kube, &route, wish, common, &mut told).await
    });
    let (code, why) = match done {
        Ok(()) => (DONE, None),
        Err(Stop::Kube(error)) => (exit_code(&error, !told.actions.is_empty()), Some(error.to_string())),
        Err(Stop::Report(report)) => return Err(report),
    };
    told.error.clone_from(&why);
    if common.format == Format::Json {
        print(&told.line())?;
    }
    if let Some(why) = why {
        complain(&eyre!("{}", clean(&why)));
    }
    Ok(code)
}

/// Why it goes no further.
enum Stop {
    Kube(KubeError),
    /// Standard output cannot be written.
    Report(color_eyre::Report),
}

impl From<KubeError> for Stop {
    fn from(error: KubeError) -> Self {
        Stop::Kube(error)
    }
}

async fn carry_out(
    kube: &KubeWorld,
    route: &RouteRef,
    wish: &Wish,
    common: &Common,
    told: &mut Told,
) -> Result<(), Stop> {
    let (clock, zone) = (Clock::real(), TimeZone::system());
    let began = clock.now();
    let say = |text: &str| match common.format {
        Format::Text => print(text).map_err(Stop::Report),
        Format::Json => Ok(()),
    };
    let steering = kube.prove_steering(route, wish, common.ready).await?;
    let to = steering.wanted.held.to_string();
    (told.current, told.to) = (Some(steering.from.clone()), Some(to.clone()));
    let dry = if common.dry_run { "   dry run, nothing is changed" } else { "" };
    let mut text = format!("{route}   {} → {to}{dry}\n", steering.from);
    for words in &steering.fine {
        text += &format!("  tested  {}\n", clean(words));
    }
    say(&text)?;
    if common.dry_run {
        return Ok(());
    }
    let took = kube.put_back(&steering.wanted).await?;
    told.was_there = took.is_none();
    let mut step = |what: &'static str, words: String| {
        let now = clock.now();
        let line = format!("{}  {what:9}  {}\n", format::wall_millis(now.wall, &zone), clean(&words));
        let at_ms = u64::try_from(now.wall.duration_since(began.wall).as_millis()).unwrap_or(0);
        told.actions.push(Action { what, words, at_ms });
        say(&line)
    };
    step("patch", took.map_or("is so already".to_owned(), |took| format!("accepted after {took} ms")))?;
    kube.read_back(std::slice::from_ref(&steering.wanted)).await?;
    step("read-back", to)?;
    told.verified = true;
    Ok(())
}

fn exit_code(error: &KubeError, was_sent: bool) -> u8 {
    match error {
        _ if was_sent => NOT_VERIFIED,
        KubeError::Call { .. }
        | KubeError::NotNow { .. }
        | KubeError::NotYet { .. }
        | KubeError::Changed { .. } => NOT_SENT,
        _ => crate::cli::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_share_of_a_hundred() {
        assert_eq!(weight("canary=5"), Ok(("canary".to_owned(), 5)));
        assert_eq!(weight("canary"), Err("write SUBSET=WEIGHT".to_owned()));
        for odd in ["canary=-1", "canary=101", "canary=5%", "canary="] {
            assert_eq!(weight(odd), Err("a weight is a number from 0 to 100".to_owned()), "{odd}");
        }
    }
}
