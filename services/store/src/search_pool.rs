//! The threads that read. Engine calls block and take milliseconds of CPU, so they never run where sockets are served.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use crate::error::{Error, Result};

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads behind a bounded queue.
#[derive(Debug)]
pub struct SearchPool {
    jobs: Sender<Job>,
    places: Arc<Semaphore>,
}

impl SearchPool {
    /// Starts `threads` threads; `queue` jobs may wait or run. The threads end when the pool is dropped.
    pub fn start(threads: usize, queue: usize) -> Result<Self> {
        let (jobs, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for n in 0..threads {
            let receiver = receiver.clone();
            std::thread::Builder::new()
                .name(format!("search-{n}"))
                .spawn(move || work(&receiver))
                .map_err(|e| Error::io("start a search thread", e))?;
        }
        Ok(Self { jobs, places: Arc::new(Semaphore::new(queue)) })
    }

    /// Runs a read on a pool thread. A full queue is [`Error::Exhausted`], a panic [`Error::Panicked`].
    pub async fn run<T: Send + 'static>(&self, read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::Exhausted("too many reads are waiting".into()))?;
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move || {
            if reply.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(read));
            let result = result.unwrap_or_else(|payload| Err(Error::panicked("a read", payload.as_ref())));
            // Before the answer, so that whoever gets it finds the place free.
            drop(place);
            let _gone = reply.send(result);
        });
        self.jobs.send(job).map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_lives_on() {
        let pool = SearchPool::start(1, 4).unwrap();
        let panicked = pool.run(|| -> Result<()> { panic!("planned") }).await;
        assert!(matches!(panicked, Err(Error::Panicked { .. })));
        assert_eq!(pool.run(|| Ok(1)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let pool = Arc::new(SearchPool::start(1, 1).unwrap());
        let (go, wait) = channel::<()>();
        let (started, running) = oneshot::channel();
        let busy = tokio::spawn({
            let pool = pool.clone();
            async move {
                let job = move || {
                    let _seen = started.send(());
                    wait.recv().map_err(|_| Error::Stopping)
                };
                pool.run(job).await
            }
        });
        running.await.unwrap();
        assert!(matches!(pool.run(|| Ok(())).await, Err(Error::Exhausted(_))));
        go.send(()).unwrap();
        busy.await.unwrap().unwrap();
        pool.run(|| Ok(())).await.unwrap();
    }
}
