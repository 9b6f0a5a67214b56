//! `heimdex-chaos --scenario kill-nine --seeds N`: runs drills and says what was owed and is not there.
//!
//! Exit codes: 0 every promise held, 1 one was broken or a drill could not be run, 2 wrong usage.
#![allow(clippy::print_stdout, reason = "the report is the purpose")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use heimdex_chaos::{Observation, Report, Settings, disturbed, documents, oracle, undisturbed};
use heimdex_e2e::Upload;

/// Kills processes of a running Heimdex at random while documents are uploaded, and checks that nothing is lost.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, value_enum, default_value = "kill-nine")]
    scenario: Scenario,
    /// How many drills, with consecutive seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder of PDF, HTML and TXT files, or `bundled` for the samples of this repository.
    #[arg(long, default_value = "bundled")]
    documents: String,
    /// How many of them are uploaded; taken again when there are fewer.
    #[arg(long, default_value_t = Settings::default().documents)]
    count: usize,
    /// How often each asset is uploaded, with other content each time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    versions: u8,
    /// Strikes of a drill.
    #[arg(long, default_value_t = Settings::default().strikes)]
    strikes: usize,
    /// Milliseconds between two strikes.
    #[arg(long, default_value_t = 2000)]
    every_ms: u64,
    /// How long uploading, and afterwards settling, may take.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// A variable of the program, for example HEIMDEX_ACK_WAIT=5s.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// Keep here what the processes wrote.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// One JSON line for each seed.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scenario {
    /// SIGKILL to one process after the other, nats-server and the store included.
    KillNine,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Arguments {
    fn settings(&self) -> Settings {
        Settings {
            documents: self.count * usize::from(self.versions),
            strikes: self.strikes,
            every: Duration::from_millis(self.every_ms),
            patience: Duration::from_secs(self.minutes * 60),
            variables: self.variables.clone(),
            logs: self.logs.clone(),
        }
    }

    fn uploads(&self) -> anyhow::Result<Vec<Upload>> {
        let folder = if self.documents == "bundled" { documents::bundled() } else { PathBuf::from(&self.documents) };
        documents::uploads(&folder, self.count, usize::from(self.versions))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match drills(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The processes are started from this thread, which lives as long as they may.
fn drills(arguments: &Arguments) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let Scenario::KillNine = arguments.scenario;
    let (settings, uploads) = (arguments.settings(), arguments.uploads()?);
    let before = calm(&settings, &uploads).await?;
    let mut all_held = true;
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        eprintln!("seed {seed}: begins");
        let run = disturbed(&settings, &uploads, seed).await?;
        let report = Report::new(seed, &run, oracle::judge(&run, &before));
        all_held &= report.held;
        tell(&report, arguments.json)?;
    }
    Ok(all_held)
}

async fn calm(settings: &Settings, uploads: &[Upload]) -> anyhow::Result<Observation> {
    let run = undisturbed(settings, uploads).await?;
    ensure!(run.waiting.is_empty() && run.queued == 0, "the undisturbed run did not settle: {:?}", run.waiting);
    let (points, dead) = (run.observation.live_count, run.observation.dead.len());
    eprintln!(
        "undisturbed: {} accepted, {points} live points, {dead} dead letters, settled in {:.0} s",
        run.produced.accepted.len(),
        run.settled_in.as_secs_f64(),
    );
    Ok(run.observation)
}

fn tell(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    println!("{}", report.text());
    if !report.held {
        println!("{}", serde_json::to_string_pretty(&report.verdict)?);
    }
    Ok(())
}
