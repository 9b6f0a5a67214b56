//! The command line: one module a command, and what they share. The program itself is a call of [`main`], so that all of
//! this compiles while the engine still does.

mod cli;
mod commands;
mod connect;
mod eval;
mod exit;
mod models;
mod output;
mod receipt;
mod samples;
mod stack;
mod upload;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command};
use exit::{Failure, Outcome};
use heimdex_runtime::{Config, Telemetry};

/// Reads the command line, runs one command, ends with its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Children of the extractor lock themselves in and must have no threads before that.
    if let Command::ExtractChild { .. } = command {
        return heimdex_extractor::child::main();
    }
    match block_on(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, error }) => {
            eprintln!("error: {error:#}");
            ExitCode::from(code as u8)
        }
    }
}

fn block_on(command: Command) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let telemetry = telemetry(&command)?;
        let outcome = run(command).await;
        telemetry.finish();
        outcome
    })
}

/// Services log what they do; commands for people only what is wrong, unless `HEIMDEX_LOG` says more.
fn telemetry(command: &Command) -> Result<Telemetry, Failure> {
    let config = Config::from_env().map_err(Failure::input)?;
    let is_service = matches!(command, Command::Up(_) | Command::Store { .. });
    let is_asked = std::env::var_os("HEIMDEX_LOG").is_some();
    let filter = if is_service || is_asked { config.log_filter.as_str() } else { "warn" };
    let (service, filter) = match command {
        Command::Store { .. } => ("heimdex-store", format!("{filter},{}", heimdex_store::LOG_FILTER)),
        _ => ("heimdex", filter.to_owned()),
    };
    Telemetry::start(service, config.log_format, &filter, config.otlp_endpoint.as_deref()).map_err(Failure::input)
}

async fn run(command: Command) -> Outcome {
    match command {
        Command::Demo(command) => commands::demo::run(command).await,
        Command::Up(command) => commands::up::run(command).await,
        Command::Ingest(command) => commands::ingest::run(command).await,
        Command::Reconcile(command) => commands::reconcile::run(command).await,
        Command::Delete(command) => commands::delete::delete(command).await,
        Command::Purge(command) => commands::delete::purge(command).await,
        Command::Search(command) => commands::search::run(command).await,
        Command::Jobs(command) => commands::jobs::run(command).await,
        Command::Dlq(command) => commands::dlq::run(command).await,
        Command::Extract(command) => commands::extract::run(command).await,
        Command::Chunk(command) => commands::chunk::run(command).await,
        Command::Eval(command) => commands::eval::run(command).await,
        Command::Models(command) => commands::models::run(command).await,
        Command::Bench(command) => commands::bench::run(command).await,
        Command::Token(command) => commands::token::run(command),
        Command::Doctor(command) => commands::doctor::run(command).await,
        Command::Provision(command) => commands::provision::run(command).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "heimdex", &mut std::io::stdout());
            Ok(())
        }
        Command::Store { data_dir, listen } => commands::store::run(data_dir, listen).await,
        Command::ExtractChild { .. } => Ok(()),
    }
}
