//! The volume that holds the data: how much of it is free, and what is said when it is full.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::error::{Error, Result};

/// The volume of a data folder, with the space on it that the store does not use.
#[derive(Debug, Clone)]
pub struct Volume {
    dir: PathBuf,
    reserve: u64,
}

impl Volume {
    /// The volume of `dir`, on which `reserve` bytes are to stay free.
    pub fn new(dir: &Path, reserve: u64) -> Self {
        Self { dir: dir.to_path_buf(), reserve }
    }

    /// Refuses when `bytes` more would leave less than the reserve. The engine writes through memory maps, where a full
    /// disk is a fatal signal, so the store stops before it is full.
    pub fn require(&self, bytes: u64) -> Result<()> {
        self.at_least(self.reserve.saturating_add(bytes))
    }

    /// Refuses when half of the reserve is gone. What frees space or loads the data may use the other half.
    pub fn require_reserve(&self, bytes: u64) -> Result<()> {
        self.at_least((self.reserve / 2).saturating_add(bytes))
    }

    fn at_least(&self, needed: u64) -> Result<()> {
        let free = durable::free_bytes(&self.dir)?;
        if free < needed { Err(self.full(&format!("{free} bytes are free, {needed} are needed"))) } else { Ok(()) }
    }

    /// The error as it is, or when a full disk is its cause, naming the volume and what to do.
    pub fn explain(&self, error: Error) -> Error {
        match error {
            Error::StorageFull(text) if text.contains("volume") => Error::StorageFull(text),
            error if error.is_storage_full() => self.full(&error.to_string()),
            error => error,
        }
    }

    fn full(&self, cause: &str) -> Error {
        let (volume, reserve) = (mount_point(&self.dir), self.reserve);
        Error::StorageFull(format!(
            "{cause} on the volume {} that holds {}. Writes are refused and reads go on. Free space on this volume or \
             make it larger: the store then goes on by itself. HEIMDEX_STORE_MIN_FREE_BYTES ({reserve}) stays free",
            volume.display(),
            self.dir.display(),
        ))
    }
}

/// The topmost folder of the file system that holds `path`.
fn mount_point(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let own = device(&path);
    let inside = path.ancestors().take_while(|ancestor| device(ancestor) == own);
    inside.last().unwrap_or(&path).to_path_buf()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_full_volume_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Volume::new(dir.path(), u64::MAX).require(1).unwrap_err();
        assert_eq!(error.code(), tonic::Code::ResourceExhausted);
        let text = error.to_string();
        for part in ["storage full", "volume /", dir.path().to_str().unwrap(), "Free space", "MIN_FREE_BYTES"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_reserve_is_halved_for_what_must_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let free = durable::free_bytes(dir.path()).unwrap();
        let volume = Volume::new(dir.path(), free + free / 2);
        assert!(volume.require(0).is_err());
        volume.require_reserve(0).unwrap();
        assert!(volume.require_reserve(free).is_err());
    }

    #[test]
    fn other_errors_stay_what_they_are() {
        let volume = Volume::new(Path::new("/"), 0);
        assert!(matches!(volume.explain(Error::Stopping), Error::Stopping));
        let full = Error::io("write x", std::io::ErrorKind::StorageFull.into());
        assert!(volume.explain(full).to_string().contains("write x"));
    }
}
