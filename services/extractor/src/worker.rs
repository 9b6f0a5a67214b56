//! The outside of one child process: start it, hand it a document, read its answer or tell why it died.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::child::ABORT_ON_VARIABLE;
use crate::failure::Clock;
use crate::frame::{self, Fatal, Kind, Outcome, Ready, Settings};
use crate::{ChildCommand, ExtractError, Failure, Format, Limits, PoolConfig};

/// How long a child may take to load its parsers.
const START: Duration = Duration::from_secs(20);

/// Bytes of standard error kept to explain a crash.
const STDERR_BYTES: usize = 4096;

/// Room in an answer beside the text: JSON escapes, page numbers, the title.
const ANSWER_SLACK: u64 = 4 << 20;

/// A child that is ready for a document. Dropping it kills the process.
pub(crate) struct Worker {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    stderr: Arc<Mutex<Vec<u8>>>,
    documents: u64,
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

impl Worker {
    /// Waits until `child` says that it is ready.
    pub(crate) async fn greet(mut child: Child, config: &PoolConfig) -> Result<Self, ExtractError> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(requests), Some(answers), Some(stderr)) = pipes else {
            return Err(ExtractError::Start("the child has no pipes".to_owned()));
        };
        let answers = BufReader::new(answers);
        let mut worker = Self { child, requests, answers, stderr: keep_tail(stderr), documents: 0 };
        match timeout(START, worker.settle(config)).await {
            Ok(result) => result.map(|()| worker),
            Err(_) => Err(ExtractError::Start(format!("the child was not ready after {} s", START.as_secs()))),
        }
    }

    async fn settle(&mut self, config: &PoolConfig) -> Result<(), ExtractError> {
        let parent = std::process::id();
        let abort_on = std::env::var(ABORT_ON_VARIABLE).ok().filter(|marker| !marker.is_empty());
        let settings = Settings { limits: config.limits.clone(), pdfium: config.pdfium.clone(), parent, abort_on };
        let ready = self.exchange_settings(&settings).await;
        match ready {
            Ok(Ok(refused)) => {
                warn_of(&refused);
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
            (Kind::Ready, payload) => Ok(serde_json::from_slice(&payload)?),
            (kind, _) => Err(io::Error::other(format!("{kind:?} instead of Ready"))),
        }
    }

    /// Parses one document. The worker is of no use afterwards if [`Worker::is_spent`] says so.
    pub(crate) async fn parse(
        &mut self,
        format: Format,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Outcome, ExtractError> {
        self.documents += 1;
        let wall = Duration::from_secs(limits.wall_seconds);
        match timeout(wall, self.exchange(format, bytes, limits)).await {
            Ok(Ok(Answer::Outcome(outcome))) => Ok(outcome),
            Ok(Ok(Answer::Fatal(fatal))) => self.death(Some(fatal), limits).await,
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.end(Failure::too_large("text bytes", limits.max_text_bytes))
            }
            Ok(Err(_)) => self.death(None, limits).await,
            Err(_) => self.end(Failure::Timeout { clock: Clock::Wall, seconds: limits.wall_seconds }),
        }
    }

    async fn exchange(&mut self, format: Format, bytes: &[u8], limits: &Limits) -> io::Result<Answer> {
        let start = [frame::format_byte(format)];
        frame::send(&mut self.requests, Kind::Document, [&start, bytes]).await?;
        let limit = limits.max_text_bytes.saturating_mul(2).saturating_add(ANSWER_SLACK);
        match frame::receive(&mut self.answers, limit).await? {
            (Kind::Outcome, payload) => Ok(Answer::Outcome(serde_json::from_slice(&payload)?)),
            (Kind::Fatal, payload) => Ok(Answer::Fatal(Fatal::parse(&payload)?)),
            (kind, _) => Err(io::Error::other(format!("{kind:?} instead of an outcome"))),
        }
    }

    /// Kills the child: whatever it does next is of no interest.
    fn end(&mut self, failure: Failure) -> Result<Outcome, ExtractError> {
        self.documents = u64::MAX;
        if let Err(error) = self.child.start_kill() {
            tracing::warn!(%error, "a child that is over its limits could not be killed");
        }
        Ok(Err(failure))
    }

    /// Tells from its last words, its exit status and its standard error why the child ended.
    async fn death(&mut self, fatal: Option<Fatal>, limits: &Limits) -> Result<Outcome, ExtractError> {
        self.documents = u64::MAX;
        let status = match timeout(Duration::from_secs(1), self.child.wait()).await {
            Ok(status) => status.map_err(|error| ExtractError::Child(error.to_string()))?,
            Err(_) => return self.end(Failure::Crashed { detail: "it closed its pipes and went on".to_owned() }),
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

enum Answer {
    Outcome(Outcome),
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

fn warn_of(refused: &[String]) {
    for step in refused {
        tracing::warn!(step, "the kernel refused a part of the extraction sandbox; the other limits hold");
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
