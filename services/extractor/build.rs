//! Names the parsers by their sources, so that pages read by other ones are told apart.

use std::hash::Hasher;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=src");
    let mut files = Vec::new();
    list(Path::new("src"), &mut files)?;
    files.sort();
    // SipHash with fixed keys (std's `DefaultHasher::new`): the same sources have the same name in every build.
    let mut hash = std::hash::DefaultHasher::new();
    for file in files {
        hash.write(file.as_os_str().as_encoded_bytes());
        hash.write(&std::fs::read(&file)?);
    }
    println!("cargo:rustc-env=HEIMDEX_PARSERS={}-{:016x}", std::env!("CARGO_PKG_VERSION"), hash.finish());
    Ok(())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
