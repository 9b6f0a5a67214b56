//! Decodes every file below a folder as the text parser would and writes the text beside a report of the encodings:
//! `cargo run --release -p heimdex-extractor --example decode_folder -- FOLDER OUTPUT`.
#![allow(clippy::print_stdout, reason = "the output is the purpose")]

use std::error::Error;
use std::path::{Path, PathBuf};

use heimdex_extractor::charset;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(output)) = (args.next(), args.next()) else {
        return Err("arguments: FOLDER OUTPUT".into());
    };
    each(&folder, &folder, &output)
}

fn each(root: &Path, folder: &Path, output: &Path) -> Result<(), Box<dyn Error>> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            each(root, &entry, output)?;
            continue;
        }
        let bytes = std::fs::read(&entry)?;
        let decoded = charset::decode(&bytes, None);
        let name = entry.strip_prefix(root)?;
        let target = output.join(name);
        std::fs::create_dir_all(target.parent().unwrap_or(output))?;
        std::fs::write(target, &decoded.text)?;
        println!("{}\t{}\t{}", name.display(), decoded.encoding, decoded.invalid);
    }
    Ok(())
}
