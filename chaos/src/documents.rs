//! What is uploaded: files of a folder, or the samples of this repository. Event ids are fixed, so that every run makes
//! the same points.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use heimdex_e2e::Upload;

/// Two, so that a point that strays into the other organization is seen.
pub const ORGS: [&str; 2] = ["drill-a", "drill-b"];
/// Larger files are left out.
const MAX_BYTES: u64 = 2 << 20;

/// The samples that lie beside this package.
#[must_use]
pub fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
}

/// `count` assets from the documents below `folder` by path, up to 2 MiB each; they are taken again under other names
/// when there are fewer. Each asset is uploaded `versions` times, each time with the document of the next one.
///
/// # Errors
/// When the folder cannot be read or has no document.
pub fn uploads(folder: &Path, count: usize, versions: usize) -> anyhow::Result<Vec<Upload>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    ensure!(!files.is_empty(), "{} has no PDF, HTML or TXT of at most {MAX_BYTES} bytes", folder.display());
    let bytes = files.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let names = files.iter().map(|file| file.strip_prefix(folder).unwrap_or(file).display().to_string());
    let names: Vec<String> = names.cycle().take(count).collect();
    let versions = (0..versions).flat_map(|version| names.iter().enumerate().map(move |(n, name)| (n, version, name)));
    let content = |n: usize, version: usize| bytes.iter().cycle().nth(n % bytes.len() + version).cloned();
    let uploads = versions.map(|(n, version, name)| upload(name, n, version, content(n, version).unwrap_or_default()));
    Ok(uploads.collect())
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn upload(name: &str, n: usize, version: usize, bytes: Vec<u8>) -> Upload {
    let org = if n.is_multiple_of(2) { ORGS[0] } else { ORGS[1] };
    Upload::new(org, &format!("{n:03} {name}"), bytes).event_id(&format!("kill-nine-{n:03}-{version}"))
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let kind = entry.metadata()?;
        if kind.is_dir() && entry.file_name() != "sources" {
            collect(&entry.path(), into)?;
        } else if is_document(&entry.path()) && kind.len() <= MAX_BYTES {
            into.push(entry.path());
        }
    }
    Ok(())
}

fn is_document(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["pdf", "html", "txt"].contains(&extension.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_samples_are_taken_as_often_as_needed_and_the_same_way_each_time() {
        let first = uploads(&bundled(), 50, 1).unwrap();
        let again = uploads(&bundled(), 50, 1).unwrap();
        let jobs = |uploads: &[Upload]| uploads.iter().map(Upload::job).collect::<BTreeSet<_>>();
        assert_eq!((first.len(), jobs(&first).len()), (50, 50));
        assert_eq!(jobs(&first), jobs(&again));
        let orgs: BTreeSet<&str> = first.iter().map(|upload| upload.org.as_str()).collect();
        assert_eq!(orgs, BTreeSet::from(ORGS));
    }

    #[test]
    fn a_new_version_of_an_asset_has_another_content() {
        let uploads = uploads(&bundled(), 4, 2).unwrap();
        let (first, second) = uploads.split_at(4);
        for (old, new) in first.iter().zip(second) {
            assert!(old.asset == new.asset && old.org == new.org);
            assert!(old.job() != new.job() && old.bytes != new.bytes);
        }
    }
}
