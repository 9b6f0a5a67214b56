//! The batcher: one worker thread for each session, all fed from the same three lanes.
//!
//! A batch is formed only when a session is free, so late arrivals still get in. It holds texts of similar length of
//! one lane, within a budget of padded tokens. Texts wait in a bounded queue per lane; whoever asks for more waits
//! outside it. A text whose caller left costs nothing. A batch that fails is split until the text that makes it fail
//! stands alone; one that runs out of memory also halves the budget.

mod queue;
mod worker;

#[cfg(test)]
mod tests;

use std::{sync::Arc, thread::JoinHandle};

use tokio::sync::{Semaphore, oneshot};

use crate::error::Error;
use queue::{Job, Queue};

/// One text's vector.
pub type Vector = Vec<f32>;

/// Who waits for the answer. Earlier lanes go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Somebody looks at a search box.
    Query,
    /// Somebody just uploaded a document.
    Interactive,
    /// Backfills.
    Bulk,
}

impl Lane {
    /// In order of precedence.
    pub const ALL: [Self; 3] = [Self::Query, Self::Interactive, Self::Bulk];

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// Why a run failed, as far as the batcher has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// It may work with fewer tokens.
    OutOfMemory(String),
    /// The session will not work again.
    Lost(String),
    /// It may be the fault of one text.
    Failed(String),
}

/// What the batcher drives: token ids with special tokens in, one vector per row out.
pub trait Encoder: Send + 'static {
    /// Encodes all `rows` in one run.
    ///
    /// # Errors
    /// [`RunError`] for the batch as a whole.
    fn encode(&mut self, rows: &[&[u32]]) -> Result<Vec<Vector>, RunError>;
}

/// The limits of a batcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Padded tokens in one batch (rows × longest row); one text longer than that still runs, alone.
    pub batch_tokens: usize,
    /// Tokens that may wait in each lane before callers have to.
    pub queue_tokens: usize,
    /// Batches in a row that may pass over a lane that has work.
    pub starvation_batches: u32,
    /// Share of a batch's padded tokens that may be padding, in percent.
    pub padding_percent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_tokens: 2048, queue_tokens: 65_536, starvation_batches: 16, padding_percent: 12 }
    }
}

/// A handle to the workers; cheap to clone. They end, each after its current batch, with the last handle.
#[derive(Clone)]
pub struct Batcher {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    room: [Arc<Semaphore>; 3],
    queue_tokens: usize,
    workers: Vec<JoinHandle<()>>,
}

impl Batcher {
    /// Starts a worker for each of `encoders`, which must give the same vectors. One that is lost ends them all: what it
    /// met will meet the others.
    ///
    /// # Errors
    /// [`Error::ProviderLost`] when the system gives no thread.
    pub fn start<E: Encoder>(encoders: impl IntoIterator<Item = E>, limits: Limits) -> Result<Self, Error> {
        let queue = Arc::new(Queue::new(limits));
        let start = |encoder: E| {
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new().name("heimdex-embed".to_owned());
            thread.spawn(move || worker::run(encoder, &queue))
        };
        let workers = encoders.into_iter().map(start).collect::<Result<Vec<_>, _>>();
        let workers = workers.map_err(|error| {
            queue.close();
            Error::ProviderLost(error.to_string())
        })?;
        // tokio's semaphores count permits in u32 for one acquisition.
        let queue_tokens = limits.queue_tokens.clamp(1, u32::MAX as usize >> 3);
        let room = Lane::ALL.map(|_| Arc::new(Semaphore::new(queue_tokens)));
        Ok(Self { inner: Arc::new(Inner { queue, room, queue_tokens, workers }) })
    }

    /// The vectors of tokenized texts, in their order. Waits for room in the lane's queue; dropping the future takes
    /// back all that was not yet in a batch.
    pub async fn embed(&self, rows: Vec<Vec<u32>>, lane: Lane) -> Vec<Result<Vector, Error>> {
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            answers.push(self.submit(row, lane).await);
        }
        let mut vectors = Vec::with_capacity(answers.len());
        for answer in answers {
            vectors.push(match answer {
                Ok(answer) => answer.await.unwrap_or_else(|_| Err(self.inner.queue.lost())),
                Err(error) => Err(error),
            });
        }
        vectors
    }

    async fn submit(&self, row: Vec<u32>, lane: Lane) -> Result<Answer, Error> {
        let Some(room) = self.inner.room.get(lane.index()) else {
            return Err(self.inner.queue.lost());
        };
        let tokens = row.len().clamp(1, self.inner.queue_tokens);
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let room = Arc::clone(room).acquire_many_owned(tokens).await.map_err(|_| self.inner.queue.lost())?;
        let (reply, answer) = oneshot::channel();
        self.inner.queue.push(Job { row, reply, room }, lane)?;
        Ok(answer)
    }
}

type Answer = oneshot::Receiver<Result<Vector, Error>>;

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        for worker in self.workers.drain(..) {
            // A worker that panicked has already said so through its callers.
            let _ = worker.join();
        }
    }
}
