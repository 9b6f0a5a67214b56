//! Operation numbers that only ever grow, across crashes.
//!
//! The engine numbers updates by their position in its own log and silently skips an update whose number is not above
//! the point's. That log is never shortened by anyone and may lose its tail with the power. So each start replaces it
//! with an empty one that begins at a number no earlier run can have reached: the ceiling, durable before it is passed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{Error, Result};

/// How far the ceiling is raised at a time.
const STRIDE: u64 = 1 << 20;
/// Header of an empty segment of the engine's log: magic, version 0, checksum seed.
const EMPTY_SEGMENT: [u8; 8] = *b"wal\0hmdx";

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    ceiling: u64,
}

/// Counts the updates sent to the engine.
#[derive(Debug)]
pub struct Numbers {
    path: PathBuf,
    next: u64,
    ceiling: u64,
}

impl Numbers {
    /// Replaces the engine log in `wal` with an empty one that begins at the ceiling kept in `path`.
    pub fn open(path: PathBuf, wal: &Path) -> Result<Self> {
        let next = durable::read_json::<Stored>(&path)?.map_or(1, |stored| stored.ceiling);
        let mut numbers = Self { path, next, ceiling: next };
        numbers.raise()?;
        durable::remove_dir(wal)?;
        durable::create_dir(wal)?;
        let start = wal.join(format!("closed-{next}"));
        fs::write(&start, EMPTY_SEGMENT).map_err(|e| Error::io(format!("write {}", start.display()), e))?;
        durable::sync_dir(wal)?;
        Ok(numbers)
    }

    /// Reserves the number of the next update.
    pub fn take(&mut self) -> Result<()> {
        if self.next + 1 >= self.ceiling {
            self.raise()?;
        }
        self.next += 1;
        Ok(())
    }

    fn raise(&mut self) -> Result<()> {
        let ceiling = self.ceiling + STRIDE;
        durable::write_json(&self.path, &Stored { ceiling })?;
        self.ceiling = ceiling;
        Ok(())
    }
}

/// Gives the blocks of the engine log's closed segments back to the disk: nobody reads them, and the engine keeps them.
pub fn release_closed(wal: &Path) {
    let Ok(entries) = fs::read_dir(wal) else { return };
    let mut closed: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((path.file_name()?.to_str()?.strip_prefix("closed-")?.parse().ok()?, path)))
        .collect();
    closed.sort();
    closed.pop();
    for (_, path) in closed {
        let held = fs::metadata(&path).is_ok_and(|metadata| metadata.blocks() > 0);
        if held && let Err(error) = durable::punch_out(&path) {
            tracing::debug!(path = %path.display(), %error, "cannot release a closed engine log segment");
        }
    }
}
