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
use crate::ocr::{self, Picture, Rendering};
use crate::ranges::{Range, Sink, Start};
use crate::{Failure, Parser, Parsers, Request, sandbox};

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
///
/// Started with further arguments, it becomes the recognizer that they name instead (see [`ocr`]).
pub fn run<P: Parser>(make: impl FnOnce(&Settings) -> Result<P, String>) -> ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    if arguments.next().is_some_and(|word| word == ocr::WORD) {
        return ocr::main(arguments);
    }
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
    // Beside the document itself: its format and its password.
    let limit = settings.limits.max_bytes.saturating_add(SETTINGS_BYTES);
    while let Some((Kind::Document, payload)) = frame::read(requests, limit)? {
        sandbox::grant_cpu(settings.limits.cpu_seconds)?;
        let frame::Received { format, password, bytes } = frame::document(&payload)?;
        let request = Request { format, bytes, password: password.as_deref() };
        sandbox::clear_errno();
        crash_as_planned(settings, bytes);
        let mut pipes = Pipes { requests, answers, rendering: settings.rendering, broken: None };
        let outcome = catch(|| parser.stream(request, &settings.limits, &mut pipes));
        pipes.broken.map_or(Ok(()), Err)?;
        frame::write(answers, Kind::Outcome, &serde_json::to_vec(&outcome)?)?;
    }
    Ok(())
}

/// Ranges and pictures go to the parent as they come.
struct Pipes<'a, R> {
    requests: &'a mut R,
    answers: &'a mut File,
    rendering: Option<Rendering>,
    /// Why the parent cannot be talked to any more.
    broken: Option<io::Error>,
}

impl<R: Read> Pipes<'_, R> {
    fn keep<T>(&mut self, result: io::Result<T>) -> Result<T, Failure> {
        result.map_err(|error| {
            let detail = format!("the parent is gone: {error}");
            self.broken = Some(error);
            Failure::Crashed { detail }
        })
    }

    fn agree(&mut self, pages: u32) -> io::Result<Start> {
        frame::write(self.answers, Kind::Opened, &serde_json::to_vec(&pages)?)?;
        match frame::read(self.requests, SETTINGS_BYTES)? {
            Some((Kind::Start, payload)) => frame::json(&payload),
            other => Err(io::Error::other(format!("a start expected, got {:?}", other.map(|(kind, _)| kind)))),
        }
    }

    fn send(&mut self, range: &Range) -> io::Result<()> {
        frame::write(self.answers, Kind::Range, &serde_json::to_vec(range)?)
    }
}

impl<R: Read> Sink for Pipes<'_, R> {
    fn begin(&mut self, pages: u32) -> Result<Start, Failure> {
        let start = self.agree(pages);
        self.keep(start)
    }

    fn range(&mut self, range: Range) -> Result<(), Failure> {
        let sent = self.send(&range);
        self.keep(sent)
    }

    fn rendering(&self) -> Option<Rendering> {
        self.rendering
    }

    fn picture(&mut self, number: u32, picture: &Picture) -> Result<(), Failure> {
        let header = frame::picture_header(number, picture);
        let sent = frame::write_parts(self.answers, Kind::Picture, [&header, &picture.pixels]);
        self.keep(sent)
    }
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
