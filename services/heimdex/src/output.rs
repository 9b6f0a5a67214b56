//! What goes to standard output, and how runtime files are fetched with people watching.

use std::io::{self, Write as _};

use heimdex_provision::Progress;
use serde::Serialize;

use crate::exit::{Failure, Outcome};

/// One JSON value on one line.
pub fn json(value: &impl Serialize) -> Outcome {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    bytes(&line)
}

/// Text for people, with a final newline.
pub fn text(text: impl std::fmt::Display) -> Outcome {
    bytes(format!("{text}\n").as_bytes())
}

/// A reader that has left (`| head`) is no error.
fn bytes(bytes: &[u8]) -> Outcome {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Runs blocking work that may download, off the async threads, with progress on standard error.
pub async fn with_progress<T: Send + 'static, E: Into<Failure> + Send + 'static>(
    work: impl FnOnce(&dyn Progress) -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(move || work(heimdex_provision::for_stderr().as_ref()));
    done.await?.map_err(Into::into)
}
