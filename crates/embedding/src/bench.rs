//! Measures what an opened model reaches on given texts, through the same batcher that the pipeline uses.
//!
//! A process holds one runtime library, so comparing providers takes one process for each.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{
    batcher::Lane,
    embedder::{Embedder, Kind},
    error::Error,
};

/// The outcome, as `heimdex bench embed --json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// Execution provider.
    pub provider: String,
    /// Arithmetic.
    pub precision: String,
    /// Threads of all sessions together.
    pub threads: usize,
    /// Sessions that share the threads.
    pub sessions: usize,
    /// Budget of one batch in padded tokens.
    pub batch_tokens: usize,
    /// Tokens per second: real ones with special tokens, no padding.
    pub tokens_per_s: f64,
    /// Texts per second.
    pub sequences_per_s: f64,
    /// The lowest cosine to the reference vectors; absent when the model has none.
    pub cosine_min: Option<f32>,
}

/// Embeds `texts` as documents once to warm up on a part of them, then all of them against the clock.
///
/// Tokenizing is not timed: it runs beside the model in the pipeline.
///
/// # Errors
/// The first error of any text, e.g. [`Error::TooLong`].
pub async fn run<T: AsRef<str>>(embedder: &Embedder, texts: &[T]) -> Result<Report, Error> {
    let rows =
        texts.iter().map(|text| embedder.encode(text.as_ref(), Kind::Document)).collect::<Result<Vec<_>, _>>()?;
    let warm_up = rows.iter().step_by(16).cloned().collect();
    finish(embedder.batcher().embed(warm_up, Lane::Bulk).await)?;
    let tokens: usize = rows.iter().map(Vec::len).sum();
    let sequences = rows.len();
    let start = Instant::now();
    finish(embedder.batcher().embed(rows, Lane::Bulk).await)?;
    Ok(report(embedder, tokens, sequences, start.elapsed().as_secs_f64()))
}

fn finish(vectors: Vec<Result<Vec<f32>, Error>>) -> Result<(), Error> {
    vectors.into_iter().try_for_each(|vector| vector.map(drop))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn report(embedder: &Embedder, tokens: usize, sequences: usize, seconds: f64) -> Report {
    let numerics = embedder.numerics();
    Report {
        model: embedder.model().name().to_owned(),
        provider: numerics.provider.clone(),
        precision: numerics.precision.clone(),
        threads: embedder.threads(),
        sessions: embedder.sessions(),
        batch_tokens: embedder.limits().batch_tokens,
        tokens_per_s: tokens as f64 / seconds,
        sequences_per_s: sequences as f64 / seconds,
        cosine_min: embedder.cosine(),
    }
}
