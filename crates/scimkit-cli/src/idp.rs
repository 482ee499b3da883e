//! `scimkit idp`: an identity provider, simulated against a server.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::{Args, ValueEnum, value_parser};
use scimkit_testkit::idp::{IdentityProvider, Simulation, SimulationReport};

use crate::{
    chain,
    client::{Access, Client, ParallelClient},
    exit, output, progress,
};

/// The identity provider, the company, and the server.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Groups of the company
    #[arg(long, default_value = "20", value_name = "COUNT", value_parser = value_parser!(u32).range(0..=i64::from(Simulation::MOST_GROUPS)))]
    groups: u32,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Keep the users and groups instead of deleting them in the end
    #[arg(long)]
    keep: bool,

    /// Share of requests or answers to lose on purpose, so that they are repeated
    #[arg(long, default_value = "2", value_name = "PERCENT", value_parser = value_parser!(u8).range(0..=50))]
    lost: u8,

    /// Requests at a time
    #[arg(long, default_value = "8", value_name = "COUNT", value_parser = value_parser!(u16).range(1..=i64::from(Simulation::MOST_PARALLEL)))]
    parallel: u16,

    /// Cycles, each after some changes in the company and followed by a comparison
    #[arg(long, default_value = "5", value_name = "COUNT", value_parser = value_parser!(u32).range(1..=i64::from(Simulation::MOST_ROUNDS)))]
    rounds: u32,

    /// Number that determines the company and what happens in it
    #[arg(long, default_value = "7", value_name = "NUMBER")]
    seed: u64,

    /// Users of the company in the first round
    #[arg(long, default_value = "200", value_name = "COUNT", value_parser = value_parser!(u32).range(1..=i64::from(Simulation::MOST_USERS)))]
    users: u32,

    #[command(flatten)]
    access: Access,

    /// Identity provider
    #[arg(value_enum)]
    provider: Provider,

    /// Base URL of the server, such as `https://app.example/scim/v2`
    url: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Provider {
    /// Microsoft Entra ID
    Entra,
    /// Microsoft Entra ID with the flag `aadOptscim062020`
    #[value(name = "entra-aad-opt-scim-062020")]
    EntraAadOptScim062020,
    /// JumpCloud
    #[value(name = "jumpcloud")]
    JumpCloud,
    /// Okta, with an application of the integration wizard
    Okta,
    /// Okta, with an application of the integration network
    OktaOin,
    /// OneLogin
    #[value(name = "onelogin")]
    OneLogin,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    match simulate(options) {
        Ok(report) if report.stopped => {
            output::error("the simulation was stopped");
            ExitCode::from(exit::UNUSABLE)
        }
        Ok(report) => exit::code(report.holds(), exit::FAILED),
        Err(problem) => {
            output::fail(options.json, &problem);
            ExitCode::from(exit::UNUSABLE)
        }
    }
}

fn simulate(options: &Options) -> Result<SimulationReport, String> {
    let bar = progress::request_spinner("provisioning");
    let client = Client::new(&options.url, &options.access, bar.clone())?;
    let target = ParallelClient(Arc::new(client));
    let stop = Arc::new(AtomicBool::new(false));
    let sleep =
        |time| -> scimkit::store::BoxFuture<'static, ()> { Box::pin(tokio::time::sleep(time)) };
    let mut simulation = Simulation::new(options.provider.simulated(), &target, sleep)
        .with_groups(options.groups)
        .with_lost_percent(options.lost)
        .with_parallel(options.parallel)
        .with_rounds(options.rounds)
        .with_seed(options.seed)
        .with_stop(Arc::clone(&stop))
        .with_users(options.users);
    if options.keep {
        simulation = simulation.keep();
    }
    if let Some(token) = &options.access.token {
        simulation = simulation.with_token(token);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let report = runtime.block_on(async {
        tokio::spawn(wait_for_interrupt(stop, options.keep));
        let show = |round: &_| {
            if !options.json {
                bar.suspend(|| output::say_lines(&format!("{round}")));
            }
        };
        simulation.run_watched(show).await
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| chain(&error))?;
    if options.json {
        output::say_json(&report.to_json());
    } else {
        output::say_lines(&report.summary());
    }
    Ok(report)
}

/// Asks the simulation to stop at the first interrupt, and ends the process at the second.
async fn wait_for_interrupt(stop: Arc<AtomicBool>, keeps: bool) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    stop.store(true, Ordering::Relaxed);
    if !keeps {
        hintln!("stopping: deleting the users and groups; interrupt again to leave them");
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(exit::UNUSABLE.into());
    }
}

impl Provider {
    fn simulated(self) -> IdentityProvider {
        match self {
            Provider::Entra => IdentityProvider::Entra,
            Provider::EntraAadOptScim062020 => IdentityProvider::EntraAadOptScim062020,
            Provider::JumpCloud => IdentityProvider::JumpCloud,
            Provider::Okta => IdentityProvider::Okta,
            Provider::OktaOin => IdentityProvider::OktaOin,
            Provider::OneLogin => IdentityProvider::OneLogin,
        }
    }
}
