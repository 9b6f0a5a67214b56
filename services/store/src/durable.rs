//! Files that survive a crash whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Creates a folder and its parents, and makes its entry in the parent durable.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io(format!("create {}", path.display()), e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes the creations, renames and removals in a folder durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| Error::io(format!("sync {}", path.display()), e))
}

/// Replaces a file with the JSON of `value`: after a crash it holds the old or the new value.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes =
        serde_json::to_vec_pretty(value).map_err(|source| Error::Metadata { path: path.to_path_buf(), source })?;
    let staged = path.with_extension("tmp");
    write_synced(&staged, &bytes).map_err(|e| Error::io(format!("write {}", staged.display()), e))?;
    fs::rename(&staged, path).map_err(|e| Error::io(format!("replace {}", path.display()), e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Reads a JSON file; `None` when there is none.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(format!("read {}", path.display()), e)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Metadata { path: path.to_path_buf(), source })
}

/// Removes a folder with all it holds; absent is fine.
pub fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(format!("remove {}", path.display()), e)),
        _ => Ok(()),
    }
}

/// Bytes an unprivileged process may still write on the disk that holds `path`.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat =
        rustix::fs::statvfs(path).map_err(|e| Error::io(format!("stat the disk of {}", path.display()), e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Gives a file's blocks back to the disk while its length and any memory map of it stay valid (they read as zeros).
pub fn punch_out(path: &Path) -> std::io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let length = file.metadata()?.len();
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(&file, flags, 0, length)?)
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn json_replaces_what_was_there_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        assert_eq!(read_json::<u32>(&path).unwrap(), None);
        write_json(&path, &1u32).unwrap();
        write_json(&path, &2u32).unwrap();
        assert_eq!(read_json::<u32>(&path).unwrap(), Some(2));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn unreadable_json_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(&path, b"{").unwrap();
        let message = read_json::<u32>(&path).unwrap_err().to_string();
        assert!(message.contains("a.json"), "{message}");
    }
}
