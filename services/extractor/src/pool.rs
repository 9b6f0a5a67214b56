//! Warm children, one document each at a time. A child that dies is replaced at once and delays nobody else.

use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::worker::{self, Worker};
use crate::{ChildCommand, Document, Failure, Format, Limits, format, limits};

/// The variable that sets how many children a pool has.
pub const PARALLELISM_VARIABLE: &str = "HEIMDEX_EXTRACT_PARALLELISM";

/// What a pool is made of.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    pub command: ChildCommand,
    /// Path of the PDFium library.
    pub pdfium: PathBuf,
    pub limits: Limits,
    /// Children, and so documents parsed at the same time; at least 1.
    pub parallelism: usize,
}

impl PoolConfig {
    /// The running program as child, limits from the environment, a child per core unless
    /// [`PARALLELISM_VARIABLE`] says otherwise.
    ///
    /// # Errors
    /// A limit that cannot be used, or no path of the running program.
    pub fn from_env(pdfium: PathBuf) -> Result<Self, ExtractError> {
        let limits = Limits::from_env().map_err(|error| ExtractError::Start(error.to_string()))?;
        let command = ChildCommand::current_exe().map_err(|error| ExtractError::Start(error.to_string()))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let asked = std::env::var(PARALLELISM_VARIABLE).ok().map(|value| limits::positive(PARALLELISM_VARIABLE, value));
        let asked = asked.transpose().map_err(|error| ExtractError::Start(error.to_string()))?;
        let parallelism = asked.map_or(cores, |children| usize::try_from(children).unwrap_or(cores));
        Ok(Self { command, pdfium, limits, parallelism })
    }
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// The document's own fault.
    #[error(transparent)]
    Document(#[from] Failure),
    /// No child can be started: PDFium is missing, the process limit is reached.
    #[error("no extraction child can be started: {0}")]
    Start(String),
    /// Two children in a row were lost for a reason that lies outside the document.
    #[error("the extraction child was lost: {0}")]
    Child(String),
}

/// A bounded pool of warm children. Cheap to clone; the last clone to go ends the children.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    config: PoolConfig,
    spawner: Spawner,
    idle: Mutex<Vec<Worker>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    /// Starts all children and waits until they are ready.
    ///
    /// # Errors
    /// [`ExtractError::Start`] when one of them cannot work.
    pub async fn start(config: PoolConfig) -> Result<Self, ExtractError> {
        let parallelism = config.parallelism.max(1);
        let permits = Arc::new(Semaphore::new(parallelism));
        let inner = Inner { spawner: Spawner::start(config.command.clone())?, config, idle: Mutex::default(), permits };
        for _ in 0..parallelism {
            let worker = inner.fresh().await?;
            inner.idle().push(worker);
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The limits each document is held to.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.config.limits
    }

    /// Waits for a free child and parses `bytes` in it.
    ///
    /// # Errors
    /// [`ExtractError::Document`] says what is wrong with the document; the others are worth another try.
    pub async fn extract(&self, bytes: &[u8]) -> Result<Document, ExtractError> {
        self.check_size(bytes)?;
        self.extract_as(format::sniff(bytes)?, bytes).await
    }

    /// As [`Pool::extract`], for bytes whose format is known.
    ///
    /// # Errors
    /// As [`Pool::extract`].
    pub async fn extract_as(&self, format: Format, bytes: &[u8]) -> Result<Document, ExtractError> {
        self.check_size(bytes)?;
        match self.extract_once(format, bytes).await {
            // Killed from outside, perhaps while it was idle: the document deserves another child at once.
            Err(ExtractError::Child(reason)) => {
                tracing::warn!(reason, "an extraction child was lost, its document gets another");
                self.extract_once(format, bytes).await
            }
            outcome => outcome,
        }
    }

    async fn extract_once(&self, format: Format, bytes: &[u8]) -> Result<Document, ExtractError> {
        let (permit, mut worker) = self.worker().await?;
        let outcome = worker.parse(format, bytes, self.limits()).await;
        let panicked = matches!(outcome, Ok(Err(Failure::Crashed { .. })));
        self.give_back(permit, worker, panicked || outcome.is_err());
        Ok(outcome??)
    }

    fn check_size(&self, bytes: &[u8]) -> Result<(), Failure> {
        let limit = self.limits().max_bytes;
        if bytes.len() as u64 > limit { Err(Failure::too_large("bytes", limit)) } else { Ok(()) }
    }

    async fn worker(&self) -> Result<(OwnedSemaphorePermit, Worker), ExtractError> {
        let permits = Arc::clone(&self.inner.permits);
        let closed = |_| ExtractError::Child("the pool is closed".to_owned());
        let permit = permits.acquire_owned().await.map_err(closed)?;
        let idle = self.inner.idle().pop();
        match idle {
            Some(worker) => Ok((permit, worker)),
            // A replacement could not be started earlier, or a caller left with its child.
            None => Ok((permit, self.inner.fresh().await?)),
        }
    }

    /// Returns the child to the others, or replaces it without letting the caller wait.
    fn give_back(&self, permit: OwnedSemaphorePermit, worker: Worker, damaged: bool) {
        if !damaged && !worker.is_spent(self.limits()) {
            self.inner.idle().push(worker);
            return;
        }
        drop(worker);
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            match inner.fresh().await {
                Ok(worker) => inner.idle().push(worker),
                Err(error) => tracing::error!(%error, "an extraction child could not be replaced"),
            }
            drop(permit);
        });
    }
}

impl Inner {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fresh(&self) -> Result<Worker, ExtractError> {
        Worker::greet(self.spawner.spawn().await?, &self.config).await
    }
}

type Spawned = oneshot::Sender<std::io::Result<Child>>;

/// The thread that starts every child. The kernel's parent-death signal fires when the *thread* that started a child
/// ends (prctl(2), `PR_SET_PDEATHSIG`), so that thread must live exactly as long as the pool.
struct Spawner {
    requests: mpsc::Sender<Spawned>,
}

impl Spawner {
    fn start(command: ChildCommand) -> Result<Self, ExtractError> {
        let (requests, asked) = mpsc::channel::<Spawned>();
        let runtime = Handle::current();
        let run = move || {
            let _context = runtime.enter();
            for reply in asked {
                // The asker may have left; the child is then killed by its drop.
                let _ = reply.send(worker::spawn(&command));
            }
        };
        let thread = std::thread::Builder::new().name("extract-spawner".to_owned()).spawn(run);
        thread.map(|_| Self { requests }).map_err(|error| ExtractError::Start(error.to_string()))
    }

    async fn spawn(&self) -> Result<Child, ExtractError> {
        let (reply, child) = oneshot::channel();
        let gone = || ExtractError::Start("the thread that starts children has ended".to_owned());
        self.requests.send(reply).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?.map_err(|error| ExtractError::Start(error.to_string()))
    }
}
