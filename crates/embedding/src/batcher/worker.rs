//! The worker: runs batches, and finds out which text a failure belongs to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Encoder, RunError, Vector,
    queue::{Job, Queue},
};
use crate::error::Error;

/// Runs batches until the queue is closed or the session is gone.
pub(super) fn run(mut encoder: impl Encoder, queue: &Queue) {
    while let Some(batch) = queue.next_batch() {
        if let Err(reason) = run_batch(&mut encoder, queue, batch) {
            tracing::error!(reason, "the embedding session is gone");
            queue.lose(reason);
            return;
        }
    }
}

/// Answers every job of `batch`; `Err` when the session is gone.
fn run_batch(encoder: &mut impl Encoder, queue: &Queue, batch: Vec<Job>) -> Result<(), String> {
    let mut todo = vec![batch];
    while let Some(mut batch) = todo.pop() {
        // In the second half of a split, some callers may have left meanwhile.
        batch.retain(|job| !job.reply.is_closed());
        if batch.is_empty() {
            continue;
        }
        match encode(encoder, &batch) {
            Ok(vectors) => answer(batch, vectors),
            Err(RunError::Lost(reason)) => {
                fail(batch, &Error::ProviderLost(reason.clone()));
                fail(todo.into_iter().flatten().collect(), &Error::ProviderLost(reason.clone()));
                return Err(reason);
            }
            Err(error) => {
                if matches!(error, RunError::OutOfMemory(_)) && batch.len() > 1 {
                    queue.shrink(padded_tokens(&batch));
                }
                split_or_fail(batch, error, &mut todo);
            }
        }
    }
    Ok(())
}

/// A panic of the encoder leaves it in an unknown state, so the session counts as gone.
fn encode(encoder: &mut impl Encoder, batch: &[Job]) -> Result<Vec<Vector>, RunError> {
    let rows: Vec<&[u32]> = batch.iter().map(|job| job.row.as_slice()).collect();
    let run = catch_unwind(AssertUnwindSafe(|| encoder.encode(&rows)));
    let vectors = run.unwrap_or_else(|_| Err(RunError::Lost("the encoder panicked".to_owned())))?;
    if vectors.len() == rows.len() {
        return Ok(vectors);
    }
    let (got, wanted) = (vectors.len(), rows.len());
    Err(RunError::Failed(format!("{got} vectors for {wanted} texts")))
}

/// Halves a failed batch; a job that failed alone gets the error.
fn split_or_fail(mut batch: Vec<Job>, error: RunError, todo: &mut Vec<Vec<Job>>) {
    if batch.len() > 1 {
        let second = batch.split_off(batch.len() / 2);
        todo.push(second);
        todo.push(batch);
        return;
    }
    let tokens = padded_tokens(&batch);
    let error = match error {
        RunError::OutOfMemory(message) => Error::OutOfMemory { tokens, message },
        RunError::Failed(message) | RunError::Lost(message) => Error::Inference(message),
    };
    fail(batch, &error);
}

fn answer(batch: Vec<Job>, vectors: Vec<Vector>) {
    for (job, vector) in batch.into_iter().zip(vectors) {
        let finite = vector.iter().all(|value| value.is_finite());
        // Nobody listens to a caller that left during the run.
        let _ = job.reply.send(match finite {
            true => Ok(vector),
            false => Err(Error::NotFinite),
        });
    }
}

fn fail(batch: Vec<Job>, error: &Error) {
    for job in batch {
        let _ = job.reply.send(Err(error.clone()));
    }
}

fn padded_tokens(batch: &[Job]) -> usize {
    let longest = batch.iter().map(|job| job.row.len()).max().unwrap_or(0);
    longest * batch.len()
}
