//! `heimdex-chaos --scenario all --seeds N --minutes M`: runs drills and says what was owed and is not there.
//! `heimdex-chaos --measure idle`: measures times on a cluster that nobody strikes.
//!
//! Exit codes: 0 every promise held, 1 one was broken or a run could not be run to its end, 2 wrong usage.
#![allow(clippy::print_stdout, reason = "the report is the purpose")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;
use heimdex_chaos::cluster::Placement;
use heimdex_chaos::measure::Measure;
use heimdex_chaos::{Report, Scenario, Suite};
use serde_json::json;

/// Strikes a running Heimdex in every way a scenario names while documents are uploaded, re-uploaded and deleted, and
/// checks that nothing is lost and nothing is there twice.
#[derive(Debug, Parser)]
struct Arguments {
    /// A scenario's name; several are separated by commas; `all`.
    #[arg(long, value_delimiter = ',', default_value = "all")]
    scenario: Vec<String>,
    /// How many seeds for each scenario, one after the other.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed; a random one when absent. It is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// No run begins after this many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// Wait so many times as long as the scenarios say before something counts as stuck: for a machine that is busy.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    patience: u32,
    /// A folder of PDF, HTML and TXT files that are uploaded, too, instead of the samples' PDFs.
    #[arg(long)]
    documents: Option<PathBuf>,
    /// A variable of the program, for example HEIMDEX_ACK_WAIT=5s.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
    /// Where the processes' output is kept when a promise was broken.
    #[arg(long, default_value_os_t = std::env::temp_dir().join("heimdex-chaos"))]
    logs: PathBuf,
    /// Break the program's rules on purpose, one at a time, and see whether the oracle names each.
    #[arg(long, conflicts_with = "measure")]
    bites: bool,
    /// Measure this instead.
    #[arg(long, value_enum)]
    measure: Option<Measure>,
    /// How many of what is measured: uploads, documents, dead letters, points.
    #[arg(long, requires = "measure")]
    count: Option<usize>,
    /// Measure with a process for each part instead of one for all.
    #[arg(long, requires = "measure")]
    apart: bool,
    /// Say which scenarios there are.
    #[arg(long)]
    list: bool,
    /// One JSON value on standard output, with every run and a summary.
    #[arg(long)]
    json: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scenarios = match scenarios(&arguments) {
        Ok(scenarios) => scenarios,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    if arguments.list {
        for scenario in scenarios {
            println!("{:20} {}", scenario.name, scenario.summary);
        }
        return ExitCode::SUCCESS;
    }
    let done = match arguments.measure {
        Some(measure) => measured(&arguments, measure),
        None => drills(arguments, scenarios),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn scenarios(arguments: &Arguments) -> anyhow::Result<Vec<Scenario>> {
    let all = if arguments.bites { Scenario::bites()? } else { Scenario::all()? };
    let names = &arguments.scenario;
    if names.iter().any(|name| name == "all") {
        return Ok(all);
    }
    let known: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
    for name in names {
        ensure!(known.contains(&name.as_str()), "no scenario {name:?}; there are {}", known.join(", "));
    }
    Ok(all.iter().filter(|scenario| names.contains(&scenario.name)).cloned().collect())
}

/// Processes are started from the thread that blocks on it, which lives as long as they may.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()
}

fn measured(arguments: &Arguments, measure: Measure) -> anyhow::Result<bool> {
    let placement = if arguments.apart { Placement::Apart } else { Placement::Together };
    let count = arguments.count.unwrap_or(measure.count());
    let value = runtime()?.block_on(measure.run(count, placement))?;
    if arguments.json {
        println!("{value}")
    } else {
        println!("{value:#}")
    }
    Ok(true)
}

fn drills(arguments: Arguments, scenarios: Vec<Scenario>) -> anyhow::Result<bool> {
    let first_seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let json = arguments.json;
    eprintln!("{} scenarios, seeds from {first_seed}", scenarios.len());
    let suite = Suite {
        scenarios,
        first_seed,
        seeds: arguments.seeds,
        time: arguments.minutes.map(|minutes| Duration::from_secs(minutes * 60)),
        patience: arguments.patience,
        variables: arguments.variables,
        documents: arguments.documents,
        logs: Some(arguments.logs),
    };
    if arguments.bites {
        return bites(&suite, json);
    }
    let (reports, summary) = runtime()?.block_on(suite.run(|report| tell(report, json)))?;
    let good = reports.iter().all(Report::is_good);
    if json {
        println!("{}", json!({"seed": first_seed, "runs": reports, "summary": summary}));
    } else {
        println!("{}", summary.text());
    }
    Ok(good)
}

fn bites(suite: &Suite, json: bool) -> anyhow::Result<bool> {
    let bites = runtime()?.block_on(suite.bite(|text| if json { eprintln!("{text}") } else { println!("{text}") }))?;
    if json {
        println!("{}", serde_json::to_string(&bites)?);
    }
    Ok(bites.iter().all(|bite| bite.found.is_some()))
}

/// As they come: on standard output for people, on standard error when that is for JSON.
fn tell(report: &Report, json: bool) {
    if json { eprintln!("{}", report.text()) } else { println!("{}", report.text()) }
}
