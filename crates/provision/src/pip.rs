//! Asks pip for one pinned wheel, watches it grow, and says in our words why it failed.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    cache::{create_dir, remove_tree},
    error::{Error, io_error},
    hash::sha256_file,
    pins::{PIP_TARGET, Pin},
    progress::Progress,
};

/// How often the growing download is measured.
const POLL: Duration = Duration::from_millis(100);

/// How pip is started.
#[derive(Clone, Debug)]
pub(crate) struct Pip {
    /// The interpreter that has pip.
    pub python: OsString,
    /// Variables set for pip beside the inherited ones, such as `PIP_INDEX_URL`.
    pub environment: Vec<(OsString, OsString)>,
}

impl Pip {
    /// The verified wheel of `pin` inside `folder`: one that arrived earlier, or a fresh download.
    pub fn wheel(&self, pin: &Pin, folder: &Path, progress: &dyn Progress) -> Result<PathBuf, Error> {
        if let Some(wheel) = kept_wheel(pin, folder)? {
            return Ok(wheel);
        }
        remove_tree(folder)?;
        let scratch = folder.join("tmp");
        create_dir(&scratch)?;
        progress.started(pin.title, pin.wheel_bytes);
        self.download(pin, folder, progress)?;
        remove_tree(&scratch)?;
        verified_wheel(pin, folder)
    }

    fn download(&self, pin: &Pin, folder: &Path, progress: &dyn Progress) -> Result<(), Error> {
        let mut child = self.command(pin, folder)?.spawn().map_err(|error| self.no_python(pin, &error.to_string()))?;
        // Read beside the polling: a pip that fills the pipe would otherwise never end.
        let messages = drain(&mut child);
        let status = loop {
            let status = child.try_wait().map_err(io_error("wait for pip in", folder))?;
            progress.advanced(pin.title, tree_bytes(folder), pin.wheel_bytes);
            match status {
                Some(status) => break status,
                None => thread::sleep(POLL),
            }
        };
        let message = messages.join().unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        Err(self.failure(pin, folder, &message))
    }

    fn command(&self, pin: &Pin, folder: &Path) -> Result<Command, Error> {
        let requirements = folder.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", pin.requirement(), pin.sha256);
        fs::write(&requirements, line).map_err(io_error("write", &requirements))?;
        let mut command = Command::new(&self.python);
        command
            .args(["-m", "pip", "download", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes"])
            .args(PIP_TARGET)
            .arg("-d")
            .arg(folder)
            .arg("-r")
            .arg(&requirements)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            // pip streams into its temporary folder first: put it where the growth can be seen.
            .env("TMPDIR", folder.join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Ok(command)
    }

    fn failure(&self, pin: &Pin, folder: &Path, stderr: &str) -> Error {
        if let Some(got) = mismatched_hash(stderr) {
            return Error::HashMismatch { package: pin.requirement(), expected: pin.sha256.to_owned(), got };
        }
        if stderr.contains("No module named pip") {
            return self.no_python(pin, "it has no pip module");
        }
        if stderr.contains("No space left on device") {
            return Error::DiskFull { path: folder.to_path_buf() };
        }
        Error::Refused { package: pin.requirement(), message: error_lines(stderr), variable: pin.variable }
    }

    fn no_python(&self, pin: &Pin, message: &str) -> Error {
        Error::NoPython {
            package: pin.requirement(),
            python: self.python.to_string_lossy().into_owned(),
            message: message.to_owned(),
            variable: pin.variable,
        }
    }
}

fn drain(child: &mut Child) -> thread::JoinHandle<String> {
    let stderr = child.stderr.take();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = stderr {
            // What was read before a failure still explains more than nothing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A wheel left by an earlier run that was interrupted after the download; one with another hash is not kept.
fn kept_wheel(pin: &Pin, folder: &Path) -> Result<Option<PathBuf>, Error> {
    let Some(wheel) = find_wheel(folder).map_err(io_error("list", folder))? else {
        return Ok(None);
    };
    let got = sha256_file(&wheel).map_err(io_error("read", &wheel))?;
    Ok((got == pin.sha256).then_some(wheel))
}

/// The wheel pip reports as downloaded, hashed by us as well: pip's word alone is not relied on.
fn verified_wheel(pin: &Pin, folder: &Path) -> Result<PathBuf, Error> {
    let found = find_wheel(folder).map_err(io_error("list", folder))?;
    let wheel = found.ok_or_else(|| Error::Refused {
        package: pin.requirement(),
        message: "pip ended well but left no wheel".to_owned(),
        variable: pin.variable,
    })?;
    let got = sha256_file(&wheel).map_err(io_error("read", &wheel))?;
    if got == pin.sha256 {
        return Ok(wheel);
    }
    remove_tree(folder)?;
    Err(Error::HashMismatch { package: pin.requirement(), expected: pin.sha256.to_owned(), got })
}

fn find_wheel(folder: &Path) -> io::Result<Option<PathBuf>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Bytes of all files under `folder`; files that vanish meanwhile count nothing.
fn tree_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => tree_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The hash pip printed as `Got        <64 hex digits>`, if that is why it failed.
fn mismatched_hash(stderr: &str) -> Option<String> {
    stderr.lines().find_map(|line| {
        let hash = line.trim().strip_prefix("Got")?.trim();
        (hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())).then(|| hash.to_owned())
    })
}

/// pip's `ERROR:` lines, or its last line when there is none.
fn error_lines(stderr: &str) -> String {
    let errors: Vec<&str> =
        stderr.lines().filter_map(|line| line.trim().strip_prefix("ERROR:")).map(str::trim).collect();
    if errors.is_empty() {
        return stderr.lines().last().unwrap_or("no message").trim().to_owned();
    }
    errors.join("; ")
}
