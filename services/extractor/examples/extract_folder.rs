//! Extracts every file below a folder in limited children and prints one JSON line per file, then counts on standard
//! error: `cargo run --release -p heimdex-extractor --example extract_folder -- LIBPDFIUM FOLDER [--in-process]`.
//!
//! `--in-process` runs the same parsers without children, to measure what the isolation costs.
#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use heimdex_extractor::{
    ChildCommand, Document, ExtractError, Limits, Parser, Parsers, Pool, PoolConfig, child, format,
};

type Outcome = Result<Document, ExtractError>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [child::SUBCOMMAND] => return child::main(),
        [pdfium, folder] => in_children(pdfium.into(), Path::new(folder)),
        [pdfium, folder, "--in-process"] => in_process(pdfium.as_ref(), Path::new(folder)),
        _ => Err("arguments: LIBPDFIUM FOLDER [--in-process]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn in_children(pdfium: PathBuf, folder: &Path) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let limits = Limits::from_env()?;
    let config = PoolConfig { command: ChildCommand::current_exe()?, pdfium, limits, parallelism: 1 };
    let begun = Instant::now();
    let pool = runtime.block_on(Pool::start(config))?;
    eprintln!("first child ready after {:?}", begun.elapsed());
    each_file(folder, |bytes| runtime.block_on(pool.extract(bytes)))
}

fn in_process(pdfium: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (parsers, limits) = (Parsers::new(pdfium)?, Limits::from_env()?);
    each_file(folder, |bytes| {
        let format = format::sniff(bytes)?;
        Ok(parsers.parse(format, bytes, &limits)?)
    })
}

fn each_file(folder: &Path, mut extract: impl FnMut(&[u8]) -> Outcome) -> Result<(), Box<dyn Error>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut total, mut slowest, mut files) = (Duration::ZERO, Duration::ZERO, Vec::new());
    list(folder, &mut files)?;
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

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            list(&entry, files)?;
        } else {
            files.push(entry);
        }
    }
    Ok(())
}

fn label(outcome: &Outcome) -> String {
    match outcome {
        Ok(document) => format!("{} {:?}", document.format.name(), document.status()).to_lowercase(),
        Err(ExtractError::Document(failure)) => format!("failed {}", failure.code()),
        Err(other) => format!("not the document's fault: {other}"),
    }
}

fn line(file: &Path, outcome: &Outcome, took: Duration) -> serde_json::Value {
    let (document, error) = match outcome {
        Ok(document) => (Some(document), None),
        Err(error) => (None, Some(error.to_string())),
    };
    serde_json::json!({
        "file": file,
        "outcome": label(outcome),
        "error": error,
        "document": document,
        "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    })
}
