//! The outside of one child process: start it, hand it a document, read its answer or tell why it died.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::child::ABORT_ON_VARIABLE;
use crate::failure::Clock;
use crate::frame::{self, Fatal, Kind, Outcome, Ready, Settings};
use crate::ocr::{Picture, Rendering};
use crate::ranges::{Range, Start};
use crate::{ChildCommand, ExtractError, Failure, Limits, PoolConfig, Request};

/// How long a child may take to load its parsers.
const START: Duration = Duration::from_secs(20);

/// Bytes of standard error kept to explain a crash.
const STDERR_BYTES: usize = 4096;

/// Room in an answer beside the text: JSON escapes, page numbers, the title.
const ANSWER_SLACK: u64 = 4 << 20;

/// Bytes that a pipe to or from a child holds, where the system lets it: most documents and answers pass without
/// either side waiting for the other.
const PIPE_BYTES: usize = 1 << 20;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// A child that is ready for a document. Dropping it kills the process.
pub(crate) struct Worker {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    stderr: Arc<Mutex<Vec<u8>>>,
    documents: u64,
    /// What the kernel refused of the sandbox.
    refused: Vec<String>,
    /// What is left of the document's wall-clock time. Only waiting for the child counts.
    time_left: Duration,
    /// Bytes that the document's answers may still have.
    bytes_left: u64,
}

/// What a child says while it reads a document.
pub(crate) enum Answer {
    /// It has so many pages and comes in ranges; the child waits for [`Worker::begin`].
    Opened(u32),
    Range(Range),
    Picture(u32, Picture),
    /// The end, good or bad.
    Outcome(Outcome),
}

/// Starts the process. Must run on the thread whose end is to end the child, inside the runtime's context.
pub(crate) fn spawn(command: &ChildCommand) -> io::Result<Child> {
    Command::new(&command.program)
        .args(&command.args)
        // Nothing a parser may read should hold a secret.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

fn widen(pipe: &impl std::os::fd::AsFd) {
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES) {
        tracing::debug!(%error, "a pipe to an extraction child keeps its size");
    }
}

impl Worker {
    /// Waits until `child` says that it is ready.
    pub(crate) async fn greet(
        mut child: Child,
        config: &PoolConfig,
        rendering: Option<Rendering>,
    ) -> Result<Self, ExtractError> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(requests), Some(answers), Some(stderr)) = pipes else {
            return Err(ExtractError::Start("the child has no pipes".to_owned()));
        };
        widen(&requests);
        widen(&answers);
        let (answers, stderr) = (BufReader::with_capacity(READ_BYTES, answers), keep_tail(stderr));
        let (refused, time_left) = (Vec::new(), Duration::ZERO);
        let mut worker = Self { child, requests, answers, stderr, documents: 0, refused, time_left, bytes_left: 0 };
        match timeout(START, worker.settle(config, rendering)).await {
            Ok(result) => result.map(|()| worker),
            Err(_) => Err(ExtractError::Start(format!("the child was not ready after {} s", START.as_secs()))),
        }
    }

    async fn settle(&mut self, config: &PoolConfig, rendering: Option<Rendering>) -> Result<(), ExtractError> {
        let parent = std::process::id();
        let abort_on = std::env::var(ABORT_ON_VARIABLE).ok().filter(|marker| !marker.is_empty());
        let (limits, pdfium) = (config.limits.clone(), config.pdfium.clone());
        let ready = self.exchange_settings(&Settings { limits, pdfium, parent, abort_on, rendering }).await;
        match ready {
            Ok(Ok(refused)) => {
                self.refused = refused;
                Ok(())
            }
            Ok(Err(reason)) => Err(ExtractError::Start(reason)),
            Err(error) => Err(ExtractError::Start(format!("{error}; it said: {}", self.last_line()))),
        }
    }

    async fn exchange_settings(&mut self, settings: &Settings) -> io::Result<Ready> {
        let payload = serde_json::to_vec(settings)?;
        frame::send(&mut self.requests, Kind::Settings, [&payload, &[]]).await?;
        match frame::receive(&mut self.answers, ANSWER_SLACK).await? {
            (Kind::Ready, payload) => frame::json(&payload),
            (kind, _) => Err(io::Error::other(format!("{kind:?} instead of Ready"))),
        }
    }

    /// What the kernel refused of the child's sandbox.
    pub(crate) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// `None` once it has ended.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Hands over one document; [`Worker::answer`] follows. The worker is of no use afterwards if [`Worker::is_spent`]
    /// says so.
    pub(crate) async fn ask(&mut self, request: Request<'_>, limits: &Limits) -> Result<(), ExtractError> {
        self.documents = self.documents.saturating_add(1);
        self.time_left = Duration::from_secs(limits.wall_seconds);
        self.bytes_left = limits.max_text_bytes.saturating_mul(2).saturating_add(ANSWER_SLACK);
        let about = frame::about(request).map_err(|error| ExtractError::Child(error.to_string()))?;
        let begun = Instant::now();
        let sent =
            timeout(self.time_left, frame::send(&mut self.requests, Kind::Document, [&about, request.bytes])).await;
        self.time_left = self.time_left.saturating_sub(begun.elapsed());
        // Whoever does not read to the end says more in its answer, or in its death.
        drop(sent);
        Ok(())
    }

    /// Tells the child where to begin, after [`Answer::Opened`].
    pub(crate) async fn begin(&mut self, start: Start) -> Result<(), ExtractError> {
        let lost = |error: io::Error| ExtractError::Child(error.to_string());
        let payload = serde_json::to_vec(&start).map_err(|error| lost(error.into()))?;
        frame::send(&mut self.requests, Kind::Start, [&payload, &[]]).await.map_err(lost)
    }

    /// The next thing the child says. [`Answer::Outcome`] is the last one, and tells of its death, too.
    pub(crate) async fn answer(&mut self, limits: &Limits) -> Result<Answer, ExtractError> {
        let begun = Instant::now();
        let heard = timeout(self.time_left, self.hear()).await;
        self.time_left = self.time_left.saturating_sub(begun.elapsed());
        let end = match heard {
            Ok(Ok(Heard::Answer(answer))) => return Ok(answer),
            Ok(Ok(Heard::Fatal(fatal))) => self.death(Some(fatal), limits).await?,
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.end(Failure::too_large("text bytes", limits.max_text_bytes))
            }
            Ok(Err(_)) => self.death(None, limits).await?,
            Err(_) => self.end(Failure::Timeout { clock: Clock::Wall, seconds: limits.wall_seconds }),
        };
        Ok(Answer::Outcome(end))
    }

    async fn hear(&mut self) -> io::Result<Heard> {
        let (kind, payload) = frame::receive(&mut self.answers, self.bytes_left).await?;
        if kind != Kind::Picture {
            self.bytes_left = self.bytes_left.saturating_sub(payload.len() as u64);
        }
        Ok(Heard::Answer(match kind {
            Kind::Opened => Answer::Opened(frame::json(&payload)?),
            Kind::Range => Answer::Range(frame::json(&payload)?),
            Kind::Outcome => Answer::Outcome(frame::json(&payload)?),
            Kind::Picture => {
                let (number, picture) = frame::picture(payload)?;
                Answer::Picture(number, picture)
            }
            Kind::Fatal => return Ok(Heard::Fatal(Fatal::parse(&payload)?)),
            other => return Err(io::Error::other(format!("{other:?} instead of an answer"))),
        }))
    }

    /// Kills the child: whatever it does next is of no interest.
    pub(crate) fn end(&mut self, failure: Failure) -> Outcome {
        self.documents = u64::MAX;
        if let Err(error) = self.child.start_kill() {
            tracing::warn!(%error, "a child that is over its limits could not be killed");
        }
        Err(failure)
    }

    /// Tells from its last words, its exit status and its standard error why the child ended.
    async fn death(&mut self, fatal: Option<Fatal>, limits: &Limits) -> Result<Outcome, ExtractError> {
        self.documents = u64::MAX;
        let status = match timeout(Duration::from_secs(1), self.child.wait()).await {
            Ok(status) => status.map_err(|error| ExtractError::Child(error.to_string()))?,
            Err(_) => {
                return Ok(self.end(Failure::Crashed { detail: "it closed its pipes and went on".to_owned() }));
            }
        };
        let last_line = self.last_line();
        let allocation = last_line.contains("memory allocation of") || last_line.contains("bad_alloc");
        if allocation || fatal.is_some_and(|fatal| fatal.out_of_memory) {
            return Ok(Err(Failure::OutOfMemory { limit_bytes: limits.memory_bytes }));
        }
        judge(status, &last_line, limits)
    }

    /// Whether a fresh child must take this one's place.
    pub(crate) fn is_spent(&self, limits: &Limits) -> bool {
        self.documents >= limits.documents_per_child
    }

    fn last_line(&self) -> String {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&stderr);
        text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
    }
}

enum Heard {
    Answer(Answer),
    Fatal(Fatal),
}

fn judge(status: ExitStatus, last_line: &str, limits: &Limits) -> Result<Outcome, ExtractError> {
    match status.signal() {
        Some(libc::SIGXCPU) => Ok(Err(Failure::Timeout { clock: Clock::Cpu, seconds: limits.cpu_seconds })),
        // Nothing in a child sends these: the document is not to blame, it deserves another child.
        Some(libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP) => {
            Err(ExtractError::Child(format!("killed from outside: {status}")))
        }
        _ if last_line.is_empty() => Ok(Err(Failure::Crashed { detail: status.to_string() })),
        _ => Ok(Err(Failure::Crashed { detail: format!("{status}: {last_line}") })),
    }
}

/// Reads standard error to its end, keeping the last bytes: a child never blocks on a full pipe.
fn keep_tail(mut stderr: ChildStderr) -> Arc<Mutex<Vec<u8>>> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let tail = Arc::clone(&kept);
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend_from_slice(buffer.get(..read).unwrap_or_default());
            let surplus = tail.len().saturating_sub(STDERR_BYTES);
            tail.drain(..surplus);
        }
    });
    kept
}
