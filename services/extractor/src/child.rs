//! The inside of a child process: locked in, it parses one document after the other until its input ends.
//!
//! The program that hosts the pool calls [`main`] when it is started with [`SUBCOMMAND`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::frame::{self, Kind, Outcome, Ready, Settings};
use crate::{Failure, Parser, Parsers, sandbox};

/// The hidden subcommand of the program.
pub const SUBCOMMAND: &str = "extract-child";

/// The variable of a planned crash, for drills: a document that contains its value makes its parser abort.
pub const ABORT_ON_VARIABLE: &str = "HEIMDEX_EXTRACT_ABORT_ON";

/// How to start a child: a program whose `main` calls [`main`] or [`run`] when given `args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

impl ChildCommand {
    /// The running program with [`SUBCOMMAND`].
    ///
    /// # Errors
    /// When the path of the running program cannot be found.
    pub fn current_exe() -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, args: vec![SUBCOMMAND.into()] })
    }
}

/// Serves the parsers of the product on standard input and output.
#[must_use]
pub fn main() -> ExitCode {
    run(|settings| Parsers::new(&settings.pdfium))
}

/// Serves the parser that `make` builds from the parent's settings. Exit code 0 when the input ends, 1 otherwise; what
/// went wrong stands on standard error.
pub fn run<P: Parser>(make: impl FnOnce(&Settings) -> Result<P, String>) -> ExitCode {
    match serve(make) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("extract child: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Settings are small; the limit keeps a confused parent from filling the memory.
const SETTINGS_BYTES: u64 = 1 << 20;

fn serve<P: Parser>(make: impl FnOnce(&Settings) -> Result<P, String>) -> io::Result<()> {
    let mut answers = answers()?;
    let mut requests = io::stdin().lock();
    let settings = settings(&mut requests)?;
    let parser = sandbox::die_with(settings.parent).and_then(|()| make(&settings));
    let ready: Ready = match &parser {
        Ok(_) => sandbox::report_deaths().map_err(|error| error.to_string()).map(|()| sandbox::enter(&settings.limits)),
        Err(error) => Err(error.clone()),
    };
    frame::write(&mut answers, Kind::Ready, &serde_json::to_vec(&ready)?)?;
    match parser {
        Ok(parser) if ready.is_ok() => parse_all(&mut requests, &mut answers, &parser, &settings),
        _ => Ok(()),
    }
}

/// Moves the pipe of answers away from standard output, where a library might print, and points that at standard error.
fn answers() -> io::Result<File> {
    let answers = sandbox::keep_only_standard_descriptors()?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(File::from(answers))
}

fn settings(requests: &mut impl Read) -> io::Result<Settings> {
    match frame::read(requests, SETTINGS_BYTES)? {
        Some((Kind::Settings, payload)) => Ok(serde_json::from_slice(&payload)?),
        other => Err(io::Error::other(format!("settings expected, got {:?}", other.map(|(kind, _)| kind)))),
    }
}

fn parse_all<P: Parser>(
    requests: &mut impl Read,
    answers: &mut File,
    parser: &P,
    settings: &Settings,
) -> io::Result<()> {
    let limit = settings.limits.max_bytes.saturating_add(1);
    while let Some((Kind::Document, payload)) = frame::read(requests, limit)? {
        sandbox::grant_cpu(settings.limits.cpu_seconds)?;
        let (format, bytes) = frame::document(&payload)?;
        sandbox::clear_errno();
        crash_as_planned(settings, bytes);
        let outcome = catch(|| parser.parse(format, bytes, &settings.limits));
        frame::write(answers, Kind::Outcome, &serde_json::to_vec(&outcome)?)?;
    }
    Ok(())
}

fn crash_as_planned(settings: &Settings, bytes: &[u8]) {
    let Some(marker) = settings.abort_on.as_deref().map(str::as_bytes) else { return };
    if bytes.windows(marker.len()).any(|part| part == marker) {
        eprintln!("planned crash");
        std::process::abort();
    }
}

/// A panic is a crash of the parser that leaves the process whole; the parent replaces it all the same.
fn catch(parse: impl FnOnce() -> Outcome) -> Outcome {
    std::panic::catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Err(Failure::Crashed { detail: format!("panic: {}", text.unwrap_or_default()) })
    })
}
