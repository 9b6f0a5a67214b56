//! The committed schemas and examples are what the types say. `HEIMDEX_WRITE_CONTRACTS=1` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use heimdex_schemas::contract;

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn committed() -> BTreeSet<String> {
    let json = |folder: &Path, prefix: &str| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        entries.filter(|name| name.ends_with(".json")).map(|name| format!("{prefix}{name}")).collect::<Vec<_>>()
    };
    json(&package(), "").into_iter().chain(json(&package().join("examples"), "examples/")).collect()
}

#[test]
fn files_match_the_types() {
    let files = contract::files().unwrap();
    if std::env::var_os("HEIMDEX_WRITE_CONTRACTS").is_some() {
        for (name, content) in &files {
            fs::write(package().join(name), content).unwrap();
        }
    }
    for (name, content) in &files {
        let found = fs::read_to_string(package().join(name)).unwrap_or_default();
        assert!(found == *content, "{name} drifted from the types; write it with HEIMDEX_WRITE_CONTRACTS=1");
    }
    assert_eq!(committed(), files.keys().cloned().collect(), "a contract file without a type, or the reverse");
}

#[test]
fn examples_are_valid_against_their_schemas() {
    let files = contract::files().unwrap();
    let mut checked = 0;
    for (name, content) in files.iter().filter(|(name, _)| name.starts_with("examples/")) {
        // `<type>.v<major>`, then the name of a variant where there are several.
        let file = name.trim_start_matches("examples/").trim_end_matches(".json");
        let shape = file.trim_end_matches(".failed").trim_end_matches(".deleted");
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        let schema = serde_json::from_str(&files[&format!("{shape}.schema.json")]).unwrap();
        compiler.add_resource("schema.json", schema).unwrap();
        let index = compiler.compile("schema.json", &mut schemas).unwrap_or_else(|e| panic!("{shape}: {e}"));
        let example = serde_json::from_str(content).unwrap();
        schemas.validate(&example, index).unwrap_or_else(|e| panic!("{name}: {e}"));
        checked += 1;
    }
    assert!(checked >= 6, "only {checked} examples were checked");
}
