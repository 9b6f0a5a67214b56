//! Warm children, one document each at a time. A child that dies is replaced at once and delays nobody else.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::ocr::{self, OcrConfig, Recognizer};
use crate::ranges::Collected;
use crate::reading::{Ended, Reading};
use crate::worker::{self, Worker};
use crate::{ChildCommand, Document, Failure, Limits, Ranges, Request, format, limits};

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
    /// Whether and how pages without readable text are recognized.
    pub ocr: OcrConfig,
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
        let ocr = OcrConfig::from_env().map_err(|error| ExtractError::Start(error.to_string()))?;
        Ok(Self { command, pdfium, limits, parallelism, ocr })
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

pub(crate) struct Inner {
    pub(crate) config: PoolConfig,
    pub(crate) spawner: Spawner,
    pub(crate) recognizer: Option<Recognizer>,
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
        let spawner = Spawner::start(config.command.clone())?;
        let recognizer = Recognizer::find(config.ocr.clone(), config.limits.memory_bytes, &spawner).await;
        let recognizer = recognizer.map_err(|error| ExtractError::Start(error.to_string()))?;
        let inner = Inner { config, spawner, recognizer, idle: Mutex::default(), permits };
        for _ in 0..parallelism {
            let worker = inner.fresh().await?;
            inner.idle().push(worker);
        }
        let pool = Self { inner: Arc::new(inner) };
        for step in pool.refused() {
            tracing::warn!(step, "the kernel refused a part of the extraction sandbox; the other limits hold");
        }
        Ok(pool)
    }

    /// What the kernel refused of the children's sandbox, each with its reason; empty when all of it holds.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.inner.idle().first().map(|worker| worker.refused().to_vec()).unwrap_or_default()
    }

    /// The languages that pages without readable text are recognized in; `None` without OCR.
    #[must_use]
    pub fn ocr_languages(&self) -> Option<&[String]> {
        self.inner.recognizer.as_ref().map(Recognizer::languages)
    }

    /// What decides which pages a document has: those read under another version must not be mixed with ours.
    #[must_use]
    pub fn version(&self) -> String {
        let ocr = self.inner.recognizer.as_ref().map(|_| self.inner.config.ocr.fingerprint());
        [Some(env!("HEIMDEX_PARSERS").to_owned()), ocr].into_iter().flatten().collect::<Vec<_>>().join("-")
    }

    /// The process ids of the children that wait for a document.
    #[must_use]
    pub fn idle_children(&self) -> Vec<u32> {
        self.inner.idle().iter().filter_map(Worker::id).collect()
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
        self.extract_as(Request { format: format::sniff(bytes)?, bytes, password: None }).await
    }

    /// As [`Pool::extract`], for bytes whose format is known, and which may be encrypted.
    ///
    /// # Errors
    /// As [`Pool::extract`].
    pub async fn extract_as(&self, request: Request<'_>) -> Result<Document, ExtractError> {
        let mut collected = Collected::default();
        let Ok(last) = self.read(request, &mut collected).await;
        Ok(collected.finish(last?, self.limits())?)
    }

    /// Waits for a free child, and hands on ranges of pages as it reads them. Returns the facts with the pages that no range
    /// had, see [`crate::ranges`].
    ///
    /// # Errors
    /// The inner ones are those of [`Pool::extract`]; the outer ones those of `ranges`, which end the reading.
    pub async fn read<R: Ranges>(&self, request: Request<'_>, ranges: &mut R) -> Ended<R::Error> {
        if let Err(failure) = self.check_size(request.bytes) {
            return Ok(Err(failure.into()));
        }
        match self.read_once(request, ranges).await {
            // Killed from outside, perhaps while it was idle: the document deserves another child at once.
            Ok(Err(ExtractError::Child(reason))) => {
                tracing::warn!(reason, "an extraction child was lost, its document goes on in another");
                self.read_once(request, ranges).await
            }
            ended => ended,
        }
    }

    async fn read_once<R: Ranges>(&self, request: Request<'_>, ranges: &mut R) -> Ended<R::Error> {
        let (permit, mut worker) = match self.worker().await {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let ended = Reading::new(&self.inner, &mut worker, ranges).run(request).await;
        let is_whole = match &ended {
            Ok(Ok(_)) => true,
            Ok(Err(ExtractError::Document(failure))) => !matches!(failure, Failure::Crashed { .. }),
            // Given up in the middle, or lost.
            Ok(Err(_)) | Err(_) => false,
        };
        self.give_back(permit, worker, !is_whole);
        ended
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
        let rendering = self.recognizer.as_ref().map(Recognizer::rendering);
        Worker::greet(self.spawner.spawn(Vec::new()).await?, &self.config, rendering).await
    }
}

/// Further arguments, and where the child goes.
type Order = (Vec<OsString>, oneshot::Sender<std::io::Result<Child>>);

/// The thread that starts every child. The kernel's parent-death signal fires when the *thread* that started a child
/// ends (prctl(2), `PR_SET_PDEATHSIG`), so that thread must live exactly as long as the pool.
pub(crate) struct Spawner {
    requests: mpsc::Sender<Order>,
}

impl Spawner {
    fn start(command: ChildCommand) -> Result<Self, ExtractError> {
        let (requests, asked) = mpsc::channel::<Order>();
        let runtime = Handle::current();
        let run = move || {
            let _context = runtime.enter();
            for (arguments, reply) in asked {
                // The asker may have left; the child is then killed by its drop.
                let _ = reply.send(worker::spawn(&ocr::command(&command, arguments)));
            }
        };
        let thread = std::thread::Builder::new().name("extract-spawner".to_owned()).spawn(run);
        thread.map(|_| Self { requests }).map_err(|error| ExtractError::Start(error.to_string()))
    }

    async fn spawn(&self, arguments: Vec<OsString>) -> Result<Child, ExtractError> {
        let (reply, child) = oneshot::channel();
        let gone = || ExtractError::Start("the thread that starts children has ended".to_owned());
        self.requests.send((arguments, reply)).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?.map_err(|error| ExtractError::Start(error.to_string()))
    }
}

impl ocr::Spawn for Spawner {
    async fn spawn(&self, arguments: Vec<OsString>) -> Result<Child, String> {
        Self::spawn(self, arguments).await.map_err(|error| error.to_string())
    }
}
