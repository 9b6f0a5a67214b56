//! The layout of the cache folder, its locks, and the marker that tells a finished folder from an interrupted one.
//!
//! ```text
//! <cache>/<package>-<version>-<hash8>/          complete, with its marker; appears by one rename
//! <cache>/.partial/<same>/                      being extracted; removed and redone if found
//! <cache>/.downloads/<same>/<wheel>.whl         a wheel that has arrived, kept until extracted
//! <cache>/.locks/<same>                         held while one process works on it
//! ```

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, io_error},
    pins::Pin,
};

/// Present in a folder whose every file was written and synced.
const MARKER: &str = ".complete";

/// The paths of one pin in one cache.
pub(crate) struct Place {
    /// Where the files are when complete.
    pub home: PathBuf,
    /// Where they are while being extracted.
    pub partial: PathBuf,
    /// Where the wheel arrives.
    pub downloads: PathBuf,
    lock: PathBuf,
}

impl Place {
    pub fn new(cache: &Path, pin: &Pin) -> Self {
        let folder = pin.folder();
        Self {
            home: cache.join(&folder),
            partial: cache.join(".partial").join(&folder),
            downloads: cache.join(".downloads").join(&folder),
            lock: cache.join(".locks").join(&folder),
        }
    }

    pub fn is_complete(&self) -> bool {
        self.home.join(MARKER).is_file()
    }

    /// Waits until no other process works on this pin. Released on drop, or by the system when the process dies.
    pub fn lock(&self) -> Result<File, Error> {
        create_parent(&self.lock)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock)
            .map_err(io_error("open", &self.lock))?;
        file.lock().map_err(io_error("lock", &self.lock))?;
        Ok(file)
    }

    /// Marks the extracted folder complete and moves it into place in one step.
    pub fn publish(&self) -> Result<(), Error> {
        let marker = self.partial.join(MARKER);
        File::create(&marker).and_then(|file| file.sync_all()).map_err(io_error("write", &marker))?;
        remove_tree(&self.home)?;
        fs::rename(&self.partial, &self.home).map_err(io_error("rename to", &self.home))?;
        remove_tree(&self.downloads)
    }
}

/// Removes a folder and what is in it; fine if it is not there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Creates a folder and its parents.
pub(crate) fn create_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(io_error("create", path))
}

/// Creates the folder that `path` lies in.
pub(crate) fn create_parent(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), create_dir)
}
