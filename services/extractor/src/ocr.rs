//! OCR: pages without readable text, read from their picture by the `tesseract` program.
//!
//! The parse child draws the page, this process hands the picture to a second child, which locks itself in and becomes
//! the program ([`main`]): it reads its own libraries and data, has no network, and ends with its time. A page that cannot be
//! recognized stays as it is.

mod config;
mod tsv;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;

pub use config::{ConfigError, Mode, OcrConfig};
pub use tsv::{Recognized, read};

use crate::{ChildCommand, sandbox};

/// The argument behind the subcommand of a child that is to become a recognizer.
pub(crate) const WORD: &str = "recognize";

/// How a page is to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendering {
    /// Pixels per inch, unless the page is too large.
    pub dpi: u32,
    /// Width times height; a larger page is drawn smaller.
    pub max_pixels: u64,
}

/// A page in grey, one byte a pixel, row by row from the top, 0 being black.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} × {})", self.width, self.height)
    }
}

/// Why a picture was not recognized; the page stays without text.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    #[error("the recognizer cannot be started: {0}")]
    Start(String),
    #[error("the recognizer took longer than {0} s")]
    Timeout(u64),
    #[error("the recognizer ended with {status}: {said}")]
    Died { status: String, said: String },
    /// What it answered is no table of words.
    #[error("the recognizer's answer cannot be read: {0}")]
    Answer(String),
}

/// The program, found and asked for its languages.
#[derive(Debug, Clone)]
pub struct Recognizer {
    config: OcrConfig,
    program: PathBuf,
    languages: Vec<String>,
    memory_bytes: u64,
}

/// A recognizer's answer may not be longer: a page of words is a hundredth of it.
const ANSWER_BYTES: u64 = 16 << 20;

/// The answer to `--list-langs` is small; a program that does not give it in this time is no recognizer.
const PROBE_SECONDS: u64 = 10;

impl Recognizer {
    /// Looks for the program and what it can read. `spawn` starts a child with the given arguments.
    ///
    /// `Ok(None)` when OCR is off, or is left to what the machine has and the machine has none.
    ///
    /// # Errors
    /// When OCR is demanded and cannot be had.
    pub(crate) async fn find<S: Spawn>(
        config: OcrConfig,
        memory_bytes: u64,
        spawn: &S,
    ) -> Result<Option<Self>, OcrError> {
        if config.mode == Mode::Off {
            return Ok(None);
        }
        let demanded = config.mode == Mode::On;
        match Self::probe(config, memory_bytes, spawn).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if demanded => Err(error),
            Err(error) => {
                tracing::info!(%error, "no OCR: pages without readable text stay without");
                Ok(None)
            }
        }
    }

    async fn probe<S: Spawn>(config: OcrConfig, memory_bytes: u64, spawn: &S) -> Result<Self, OcrError> {
        let program = config.find_program().ok_or_else(|| {
            OcrError::Start(format!("there is no program {:?}", config.program.display().to_string()))
        })?;
        let mut found = Self { config, program, languages: Vec::new(), memory_bytes };
        let child = spawn.spawn(found.arguments(PROBE_SECONDS, vec!["--list-langs".into()])).await;
        let answer = converse(child.map_err(OcrError::Start)?, &[], PROBE_SECONDS).await?;
        found.languages = found.config.choose(&answer).map_err(OcrError::Start)?;
        Ok(found)
    }

    /// How pages are to be drawn for it.
    #[must_use]
    pub fn rendering(&self) -> Rendering {
        Rendering { dpi: self.config.dpi, max_pixels: self.config.max_pixels }
    }

    /// What it reads, as its program calls them.
    #[must_use]
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// Percent from which on a page counts as read.
    #[must_use]
    pub fn usable_from(&self) -> u8 {
        self.config.min_confidence
    }

    /// Reads one picture.
    ///
    /// # Errors
    /// [`OcrError`]; none of them has to do with other pages.
    pub(crate) async fn recognize<S: Spawn>(&self, picture: &Picture, spawn: &S) -> Result<Recognized, OcrError> {
        let seconds = self.config.page_seconds;
        let child = spawn.spawn(self.arguments(seconds, self.page_arguments())).await.map_err(OcrError::Start)?;
        // Netpbm's PGM, the plainest picture that has a header.
        let header = format!("P5\n{} {}\n255\n", picture.width, picture.height);
        let answer = converse(child, &[header.as_bytes(), &picture.pixels], seconds).await?;
        tsv::read(&answer).map_err(OcrError::Answer)
    }

    fn page_arguments(&self) -> Vec<OsString> {
        let (languages, dpi) = (self.languages.join("+"), self.config.dpi.to_string());
        ["stdin", "stdout", "-l", &languages, "--dpi", &dpi, "tsv"].into_iter().map(Into::into).collect()
    }

    /// What [`main`] reads: memory, time, parent, program, and the program's own arguments.
    fn arguments(&self, seconds: u64, own: Vec<OsString>) -> Vec<OsString> {
        let numbers =
            [self.memory_bytes, seconds, u64::from(std::process::id())].map(|number| number.to_string().into());
        let data = self.config.data.iter().flat_map(|folder| ["--tessdata-dir".into(), folder.into()]);
        let start = [OsString::from(WORD)].into_iter().chain(numbers).chain([self.program.clone().into()]);
        start.chain(data).chain(own).collect()
    }
}

/// Starts the pool's own program with other arguments.
pub(crate) trait Spawn: Sync {
    fn spawn(&self, arguments: Vec<OsString>) -> impl Future<Output = Result<Child, String>> + Send;
}

/// Writes `input` and reads the answer, both at once: a program may answer before it has read everything.
async fn converse(mut child: Child, input: &[&[u8]], seconds: u64) -> Result<String, OcrError> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(OcrError::Start("the child has no pipes".to_owned()));
    };
    let talk = async {
        let write = async {
            for part in input {
                // A program that does not want to read any more says in its status why.
                if stdin.write_all(part).await.is_err() {
                    break;
                }
            }
            drop(stdin);
        };
        let (mut answer, mut said) = (Vec::new(), Vec::new());
        let (mut out, mut err) = (stdout.take(ANSWER_BYTES), stderr.take(ANSWER_BYTES));
        let ((), read, _) = tokio::join!(write, out.read_to_end(&mut answer), err.read_to_end(&mut said));
        read.map_err(|error| OcrError::Answer(error.to_string()))?;
        // Whoever has more to say waits for ever.
        drop((out, err));
        let status = child.wait().await.map_err(|error| OcrError::Answer(error.to_string()))?;
        Ok((status, answer, said))
    };
    let outcome = timeout(Duration::from_secs(seconds), talk).await;
    // Dropping the child kills it.
    let (status, answer, said) = outcome.map_err(|_| OcrError::Timeout(seconds))??;
    let said = String::from_utf8_lossy(&said);
    if !status.success() {
        let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        return Err(OcrError::Died { status: status.to_string(), said });
    }
    if let Some(refused) = said.lines().find_map(|line| line.strip_prefix(REFUSED)) {
        tracing::warn!(step = refused, "the kernel refused a part of the recognizer's sandbox; the other limits hold");
    }
    String::from_utf8(answer).map_err(|error| OcrError::Answer(error.to_string()))
}

/// Begins a line on standard error that names what the kernel refused.
const REFUSED: &str = "refused: ";

/// Where a program's loader and libraries lie.
const LIBRARIES: [&str; 5] = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/nix/store"];

/// Locks this process in and becomes the program that `arguments` name.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let error = match parse(arguments) {
        Ok(program) => become_program(program),
        Err(missing) => io::Error::other(missing),
    };
    eprintln!("recognizer: {error}");
    ExitCode::FAILURE
}

struct Program {
    memory_bytes: u64,
    seconds: u64,
    parent: u32,
    path: PathBuf,
    arguments: Vec<OsString>,
}

fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Program, &'static str> {
    let mut number = || arguments.next().and_then(|word| word.to_str()?.parse::<u64>().ok());
    let numbers = (number(), number(), number().and_then(|parent| u32::try_from(parent).ok()));
    let (Some(memory_bytes), Some(seconds), Some(parent)) = numbers else {
        return Err("memory, seconds and parent must be numbers");
    };
    let path = arguments.next().ok_or("the program is missing")?.into();
    Ok(Program { memory_bytes, seconds, parent, path, arguments: arguments.collect() })
}

/// Returns only when the program cannot be started.
fn become_program(program: Program) -> io::Error {
    if let Err(error) = sandbox::die_with(program.parent) {
        return io::Error::other(error);
    }
    for step in sandbox::enter_for_program(program.memory_bytes, program.seconds, &readable(&program)) {
        eprintln!("{REFUSED}{step}");
    }
    // One thread: the pool is what makes the parallelism.
    Command::new(&program.path)
        .args(&program.arguments)
        .env_clear()
        .env("OMP_THREAD_LIMIT", "1")
        .stdin(Stdio::inherit())
        .exec()
}

/// Libraries, the folder of the program, and its data where that was given.
fn readable(program: &Program) -> Vec<PathBuf> {
    let data = program.arguments.iter().skip_while(|word| *word != "--tessdata-dir").nth(1).map(PathBuf::from);
    let own = std::fs::canonicalize(&program.path).unwrap_or_else(|_| program.path.clone());
    let folder = own.parent().map(Path::to_path_buf);
    LIBRARIES.into_iter().map(PathBuf::from).chain(folder).chain(data).filter(|path| path.exists()).collect()
}

/// A command that becomes the recognizer when started with further arguments.
pub(crate) fn command(of: &ChildCommand, arguments: Vec<OsString>) -> ChildCommand {
    let args = of.args.iter().cloned().chain(arguments).collect();
    ChildCommand { program: of.program.clone(), args }
}
