//! Extracts files, and every file below a folder, one after the other in one limited child, and prints one JSON line
//! per file (outcome, text, microseconds), then counts on standard error:
//! `cargo run --release -p heimdex-extractor --example extract_folder -- LIBPDFIUM [--in-process] PATH…`.
//!
//! `--in-process` runs the same parsers without children, to measure what the isolation costs.
#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use heimdex_extractor::{Document, ExtractError, Limits, Parser, Parsers, Pool, PoolConfig, Request, child, format};

type Outcome = Result<Document, ExtractError>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [child::SUBCOMMAND, ..] => return child::main(),
        [pdfium, "--in-process", paths @ ..] => in_process(pdfium.as_ref(), paths),
        [pdfium, paths @ ..] => in_children(pdfium.into(), paths),
        [] => Err("arguments: LIBPDFIUM [--in-process] PATH…".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn in_children(pdfium: PathBuf, paths: &[&str]) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let config = PoolConfig { parallelism: 1, ..PoolConfig::from_env(pdfium)? };
    let begun = Instant::now();
    let pool = runtime.block_on(Pool::start(config))?;
    eprintln!("first child ready after {:?}", begun.elapsed());
    each_file(paths, |bytes| runtime.block_on(pool.extract(bytes)))
}

fn in_process(pdfium: &Path, paths: &[&str]) -> Result<(), Box<dyn Error>> {
    let (parsers, limits) = (Parsers::new(pdfium)?, Limits::from_env()?);
    each_file(paths, |bytes| {
        let format = format::sniff(bytes)?;
        Ok(parsers.parse(Request { format, bytes, password: None }, &limits)?)
    })
}

fn each_file(paths: &[&str], mut extract: impl FnMut(&[u8]) -> Outcome) -> Result<(), Box<dyn Error>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut total, mut slowest, mut files) = (Duration::ZERO, Duration::ZERO, Vec::new());
    for path in paths {
        list(Path::new(path), &mut files)?;
    }
    for file in files {
        let bytes = std::fs::read(&file)?;
        let begun = Instant::now();
        let outcome = extract(&bytes);
        let took = begun.elapsed();
        total += took;
        slowest = slowest.max(took);
        *counts.entry(label(&outcome)).or_default() += 1;
        println!("{}", line(&file, &outcome, took));
    }
    eprintln!("{counts:#?}\nparsing took {total:?}, the slowest file {slowest:?}");
    Ok(())
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| list(entry, files))
}

fn label(outcome: &Outcome) -> String {
    match outcome {
        Ok(document) => format!("{} {:?}", document.format.name(), document.status()).to_lowercase(),
        Err(ExtractError::Document(failure)) => format!("failed {}", failure.code()),
        Err(other) => format!("not the document's fault: {other}"),
    }
}

fn line(file: &Path, outcome: &Outcome, took: Duration) -> serde_json::Value {
    let (document, error) = (outcome.as_ref().ok(), outcome.as_ref().err().map(ToString::to_string));
    serde_json::json!({
        "file": file,
        "outcome": label(outcome),
        "error": error,
        "document": document,
        "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    })
}
