//! What goes to standard output, and how runtime files are fetched with people watching.

use std::io::{self, Write as _};
use std::path::PathBuf;

use heimdex_provision::{self as provision, File, Progress};
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
    let done = tokio::task::spawn_blocking(move || work(provision::for_stderr().as_ref()));
    done.await?.map_err(Into::into)
}

/// A runtime file, fetched when it is missing; exit code 4 when it cannot be.
pub async fn provisioned(file: File) -> Result<PathBuf, Failure> {
    with_progress(move |progress| provision::ensure(file, progress).map_err(Failure::unreachable)).await
}
