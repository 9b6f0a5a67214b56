//! What killed processes wrote, for whoever looks for the cause afterwards.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use heimdex_testkit::heimdex::HeimdexProcess;

/// Appends what `process` has written since its last start to `<folder>/<seed>-<name>.log`.
pub fn keep(folder: Option<&Path>, run: &str, process: &HeimdexProcess) {
    let Some(folder) = folder else { return };
    let path = folder.join(format!("{run}-{}.log", process.name()));
    let kept = std::fs::create_dir_all(folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .and_then(|mut file| writeln!(file, "--- pid {}\n{}", process.id(), process.output()));
    if let Err(error) = kept {
        eprintln!("{}: {error}", path.display());
    }
}
