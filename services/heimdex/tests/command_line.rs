//! The commands that need no running service: exit codes, and JSON shapes that scripts rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples");

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heimdex"));
    for name in ["HEIMDEX_NATS_URL", "HEIMDEX_ORG", "HEIMDEX_MODEL", "HEIMDEX_PROVIDER", "QDRANT_URL"] {
        command.env_remove(name);
    }
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn ends_with(code: i32, arguments: &[&str]) -> Output {
    let output = run(arguments);
    let shown = format!("{arguments:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{shown}");
    output
}

/// Standard output as the one JSON value it must be.
#[track_caller]
fn json(code: i32, arguments: &[&str]) -> Value {
    let output = ends_with(code, arguments);
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

fn sample(path: &str) -> String {
    Path::new(SAMPLES).join(path).display().to_string()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// An address where nobody listens.
fn closed() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("nats://{}", listener.local_addr().unwrap())
}

#[test]
fn extract_shows_pages() {
    for (path, format, language) in [
        ("en/travel-policy.pdf", "pdf", "en"),
        ("de/cargo-bikes.html", "html", "de"),
        ("ja/elevator-notice.txt", "txt", "ja"),
    ] {
        let report = json(0, &["extract", &sample(path), "--json"]);
        assert_eq!((report["format"].as_str(), report["status"].as_str()), (Some(format), Some("ok")), "{path}");
        assert_eq!(report["language"], language, "{path}");
        assert!(report["error"].is_null() && report["elapsed_ms"].is_u64(), "{path}");
        let page = &report["pages"][0];
        assert!(
            page["number"] == 1 && page["needs_ocr"] == false && !page["text"].as_str().unwrap().is_empty(),
            "{path}"
        );
    }
}

#[test]
fn extract_tells_why_a_file_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, code) in [
        ("empty.pdf", &b""[..], "empty"),
        ("program.pdf", b"\x7fELF\x02\x01\x01\0\0\0", "unsupported"),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj", "corrupt"),
    ] {
        let report = json(2, &["extract", &file(folder.path(), name, bytes), "--json"]);
        assert_eq!(
            (report["status"].as_str(), report["error"]["code"].as_str()),
            (Some("failed"), Some(code)),
            "{report}"
        );
        assert!(!report["error"]["message"].as_str().unwrap().is_empty());
    }
    let absent = ends_with(2, &["extract", "no-such-file.pdf", "--json"]);
    assert!(absent.stdout.is_empty() && text(&absent.stderr).contains("no-such-file.pdf"));
}

#[test]
fn chunk_shows_spans_that_lead_into_the_text() {
    let path = sample("en/garden-rules.txt");
    let report = json(0, &["chunk", &path, "--json"]);
    assert_eq!(
        (report["strategy"].as_str(), report["tokenizer"].as_str()),
        (Some("semantic"), Some("multilingual-e5-small"))
    );
    let limit = report["max_tokens"].as_u64().unwrap();
    let document = json(0, &["extract", &path, "--json"])["pages"][0]["text"].as_str().unwrap().to_owned();
    let document: Vec<char> = document.chars().collect();
    let chunks = report["chunks"].as_array().unwrap();
    for (n, chunk) in chunks.iter().enumerate() {
        let span = |i: usize| usize::try_from(chunk["span"][i].as_u64().unwrap()).unwrap();
        let shown: String = document[span(0)..span(1)].iter().collect();
        assert_eq!(chunk["text"], shown.as_str());
        assert!(chunk["ordinal"] == n && chunk["total"] == chunks.len() && chunk["tokens"].as_u64().unwrap() <= limit);
        assert!(chunk["pages"].is_array() && chunk["heading_path"].is_array());
    }
    assert!(!chunks.is_empty());
}

#[test]
fn chunk_refuses_what_it_does_not_know() {
    let output = ends_with(2, &["chunk", &sample("en/garden-rules.txt"), "--strategy", "by-weight"]);
    assert!(text(&output.stderr).contains("by-weight"), "{}", text(&output.stderr));
    let output = ends_with(2, &["chunk", &sample("en/garden-rules.txt"), "--model", "no-such-model"]);
    assert!(text(&output.stderr).contains("no-such-model"), "{}", text(&output.stderr));
}

#[test]
fn models_and_runtime_files_are_listed() {
    ends_with(0, &["provision"]);
    let files = json(0, &["provision", "--check", "--json"]);
    for file in files.as_array().unwrap() {
        assert!(file["name"].is_string() && file["variable"].as_str().unwrap().starts_with("HEIMDEX_"), "{file}");
        assert!(Path::new(file["path"].as_str().unwrap()).exists(), "{file}");
    }
    let models = json(0, &["models", "ls", "--json"]);
    let model = models.as_array().unwrap().iter().find(|model| model["name"] == "multilingual-e5-small").unwrap();
    assert_eq!((model["dimension"].as_u64(), model["max_tokens"].as_u64()), (Some(384), Some(512)), "{model}");
    assert!(!model["space"].as_str().unwrap().is_empty() && model["license"] == "MIT", "{model}");
}

#[test]
fn without_a_broker_commands_say_what_to_do() {
    let closed = closed();
    let sample = sample("en/garden-rules.txt");
    for arguments in [vec!["ingest", sample.as_str(), "--json"], vec!["search", "bees", "--json"]] {
        let output = ends_with(4, &[arguments, vec!["--nats", &closed]].concat());
        assert!(output.stdout.is_empty() && text(&output.stderr).contains("heimdex up"), "{}", text(&output.stderr));
    }
    let checks = json(4, &["doctor", "--json", "--nats", &closed]);
    let broker = checks.as_array().unwrap().iter().find(|check| check["name"] == "broker").unwrap();
    assert!(broker["ok"] == false && !broker["detail"].as_str().unwrap().is_empty(), "{broker}");
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["ingest"][..],
        &["ingest", "no-such-file.txt"],
        &["search"],
        &["search", "bees", "--org", "not an org"],
        &["up", "--only", "cellar"],
        &["models", "import", "no-such-folder"],
        &["no-such-command"],
    ] {
        let output = ends_with(2, arguments);
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_planned_crash_that_does_not_exist_stops_the_start() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heimdex"));
    command.args(["up", "--only", "writer", "--nats", &closed()]).env("HEIMDEX_FAILPOINTS", "writer.after_upset");
    let output = command.output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("\"writer.after_upset\"") && stderr.contains("writer.after_upsert"), "{stderr}");
}

#[test]
fn completions_are_printed() {
    let output = ends_with(0, &["completions", "bash"]);
    assert!(text(&output.stdout).contains("heimdex"));
}
