//! Times the same files in this process and through a warm child, in one run:
//! `cargo run --release -p heimdex-extractor --example isolation_cost -- LIBPDFIUM ROUNDS PATH…`.
#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use heimdex_extractor::ocr::OcrConfig;
use heimdex_extractor::{ChildCommand, Limits, PoolConfig, bench, child};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == child::SUBCOMMAND) {
        return child::main();
    }
    match measure(&args) {
        Ok(figures) => {
            print!("{}", figures.table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &[String]) -> Result<bench::Figures, Box<dyn Error>> {
    let [pdfium, rounds, paths @ ..] = args else { return Err("arguments: LIBPDFIUM ROUNDS PATH…".into()) };
    let (command, limits) = (ChildCommand::current_exe()?, Limits::from_env()?);
    let config = PoolConfig { command, pdfium: pdfium.into(), limits, parallelism: 1, ocr: OcrConfig::off() };
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    // As in a stage: the task that waits for a child is on the thread that hears of its answer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(bench::run(config, &paths, rounds.parse()?))?)
}
