//! What a bad document may and may not do: real children, real limits, one harness that is parent and child at once.
//!
//! The children of most tests run [`Misbehaving`], whose "documents" are commands; such a parser exists only here. The
//! others run the parsers of the product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "isolation/documents.rs"]
mod documents;
#[path = "isolation/files.rs"]
mod files;
#[path = "isolation/limits.rs"]
mod limits;
#[path = "isolation/misbehaving.rs"]
mod misbehaving;
#[path = "isolation/pdfs.rs"]
mod pdfs;
#[path = "isolation/ranges.rs"]
mod ranges;
#[path = "isolation/recognizing.rs"]
mod recognizing;
#[path = "isolation/scanned.rs"]
mod scanned;
#[path = "isolation/upload.rs"]
mod upload;

use std::path::PathBuf;
use std::process::ExitCode;

use heimdex_extractor::ocr::OcrConfig;
use heimdex_extractor::{ChildCommand, Limits, Pool, PoolConfig, child};
use libtest_mimic::{Arguments, Failed, Trial};

const MISBEHAVING: &str = "misbehaving-child";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(MISBEHAVING) => child::run(|_| Ok(misbehaving::Misbehaving)),
        // What stands in for a recognizer, started by the path of this harness.
        Some("--list-langs") => recognizing::list_languages(),
        Some("stdin") => recognizing::stand_in(),
        Some(child::SUBCOMMAND) => child::main(),
        _ => {
            let trials = [
                limits::trials(),
                documents::trials(),
                pdfs::trials(),
                ranges::trials(),
                recognizing::trials(),
                scanned::trials(),
            ];
            let trials = trials.into_iter().flatten().collect();
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}

/// A trial with a runtime of its own; a panic in `body` fails it.
fn trial<F: Future<Output = ()> + 'static>(name: &'static str, body: fn() -> F) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map(|runtime| runtime.block_on(body())).map_err(|error| Failed::from(error.to_string()))
    })
}

/// A pool whose children obey the commands of [`misbehaving`].
async fn misbehaving(parallelism: usize, limits: Limits) -> Pool {
    let command = ChildCommand { program: std::env::current_exe().unwrap(), args: vec![MISBEHAVING.into()] };
    Pool::start(PoolConfig { command, pdfium: PathBuf::new(), limits, parallelism, ocr: OcrConfig::off() })
        .await
        .unwrap()
}

/// A pool of the product's parsers.
async fn real(limits: Limits) -> Pool {
    let command = ChildCommand::current_exe().unwrap();
    Pool::start(PoolConfig { command, pdfium: pdfium().await, limits, parallelism: 1, ocr: OcrConfig::off() })
        .await
        .unwrap()
}

/// The PDFium library, fetched on the first run.
async fn pdfium() -> PathBuf {
    let ensure = || heimdex_provision::ensure(heimdex_provision::File::Pdfium, &heimdex_provision::Quiet);
    tokio::task::spawn_blocking(ensure).await.unwrap().expect("PDFium")
}
