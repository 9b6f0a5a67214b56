//! The invariants of ARCHITECTURE.md, each kept true by a test that reads the manifests and sources of the workspace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "an unreadable workspace must fail here")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

const STAGES: [&str; 4] = ["heimdex-extractor", "heimdex-chunker", "heimdex-embedder", "heimdex-writer"];
const BROKER: [&str; 3] = ["async-nats", "heimdex-bus", "heimdex-runtime"];
const MAX_LINES: usize = 500;
/// Sources that may be longer than [`MAX_LINES`], each with its reason. None is.
const LONG_SOURCES: [&str; 0] = [];
/// Test sources whose stand-in for real work is slow on purpose; what the tests wait for is still an event.
const SLOW_ON_PURPOSE: [&str; 1] = ["crates/runtime/tests/support/mod.rs"];
const MEANINGLESS: [&str; 8] = ["common", "util", "utils", "helper", "helpers", "manager", "managers", "misc"];
/// Written in two pieces so that this file does not find itself.
const SLEEP: &str = concat!("sleep", "(");
const IGNORE: &str = concat!("#[", "ignore");

/// One package: its manifest, and the names of what it depends on.
struct Package {
    folder: PathBuf,
    manifest: Table,
    /// What it is built from: normal and build dependencies.
    normal: BTreeSet<String>,
    /// Those and the dev-dependencies.
    all: BTreeSet<String>,
}

type Packages = BTreeMap<String, Package>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

fn parse(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    found.map(|entry| entry.unwrap().path()).collect()
}

fn member_folders(workspace: &Table) -> Vec<PathBuf> {
    let members = workspace["members"].as_array().expect("members is a list");
    let expand = |member: &Value| {
        let member = member.as_str().expect("a member is a path");
        member.strip_suffix("/*").map_or_else(|| vec![root().join(member)], |parent| entries(&root().join(parent)))
    };
    members.iter().flat_map(expand).filter(|folder| folder.join("Cargo.toml").is_file()).collect()
}

fn packages() -> Packages {
    let manifest = parse(&root().join("Cargo.toml"));
    let workspace = manifest["workspace"].as_table().expect("a workspace");
    member_folders(workspace).into_iter().map(|folder| package(folder, workspace)).collect()
}

fn package(folder: PathBuf, workspace: &Table) -> (String, Package) {
    let manifest = parse(&folder.join("Cargo.toml"));
    let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
    let normal = dependencies(&manifest, workspace, &["dependencies", "build-dependencies"]);
    let dev = dependencies(&manifest, workspace, &["dev-dependencies"]);
    let all = normal.union(&dev).cloned().collect();
    (name, Package { folder, manifest, normal, all })
}

/// Package names of the given kinds of dependencies, those for single targets included.
fn dependencies(manifest: &Table, workspace: &Table, kinds: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let places = targets.into_iter().flat_map(|t| t.values()).filter_map(Value::as_table).chain([manifest]);
    let tables = places.flat_map(|place| kinds.iter().filter_map(|kind| place.get(*kind)?.as_table()));
    tables.flat_map(|table| table.iter().map(|(key, spec)| package_name(key, spec, workspace))).collect()
}

/// The name behind a key, also when it was renamed here or in the workspace.
fn package_name(key: &str, spec: &Value, workspace: &Table) -> String {
    let shared = workspace["dependencies"].get(key);
    let renamed = [Some(spec), shared].into_iter().flatten().find_map(|spec| spec.get("package")?.as_str());
    renamed.unwrap_or(key).to_owned()
}

/// Everything `name` is built from, through packages of the workspace.
fn reachable(packages: &Packages, name: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        let found = packages.get(&next).map(|p| p.normal.clone()).unwrap_or_default();
        open.extend(found.into_iter().filter(|dependency| seen.insert(dependency.clone())));
    }
    seen
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        if path.is_dir() && !path.ends_with("target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every source file below `folder`: its path below the root, and its text.
fn sources_in(folder: &Path) -> Vec<(String, String)> {
    rust_files(folder).iter().map(|path| (shown(path), fs::read_to_string(path).unwrap())).collect()
}

fn sources() -> Vec<(String, String)> {
    packages().values().flat_map(|package| sources_in(&package.folder)).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The lines of a source without its line comments, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(n, line)| (n + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The code lines that only tests run: whole test files, and what follows `#[cfg(test)]` elsewhere.
fn test_lines<'a>(path: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let whole = path.split('/').skip(1).any(|part| part == "tests" || part == "tests.rs");
    let first = if whole { Some(0) } else { text.lines().position(|line| line.trim() == "#[cfg(test)]") };
    code_lines(text).filter(move |(n, _)| first.is_some_and(|first| *n > first))
}

/// Whether a line uses a path that begins with the crate `name`, also as the end of a longer path.
fn uses_crate(line: &str, name: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| !line[..at].ends_with(part_of_word))
}

fn nothing(rule: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{rule}, but:\n  {}", found.join("\n  "));
}

/// Only `owners` depend on the package `name`, and only their sources use it.
fn only(owners: &[&str], name: &str) {
    let packages = packages();
    let others = || packages.iter().filter(|(package, _)| !owners.contains(&package.as_str()));
    let depending =
        others().filter(|(_, p)| p.all.contains(name)).map(|(package, _)| format!("{package} depends on it"));
    let crate_name = name.replace('-', "_");
    let sources = others().flat_map(|(_, p)| sources_in(&p.folder));
    let using = sources.filter(|(_, text)| code_lines(text).any(|(_, line)| uses_crate(line, &crate_name)));
    let found = depending.chain(using.map(|(path, _)| format!("{path} names it")));
    nothing(&format!("only {} may name {name}", owners.join(" and ")), found);
}

#[test]
fn services_never_depend_on_each_other() {
    let packages = packages();
    let service = |name: &str| packages.get(name).is_some_and(|p| p.folder.starts_with(root().join("services")));
    let services = packages.iter().filter(|(name, _)| service(name) && *name != "heimdex");
    let found = services.flat_map(|(name, p)| {
        let database_of_tests = |dependency: &str| dependency == "heimdex-store" && !p.normal.contains(dependency);
        let others = p.all.iter().filter(move |dependency| service(dependency) && !database_of_tests(dependency));
        others.map(move |other| format!("{name} depends on {other}"))
    });
    nothing(
        "services never depend on each other (tests may start store, their database); heimdex depends on all",
        found,
    );
}

#[test]
fn no_library_is_built_on_a_service() {
    let packages = packages();
    let services = root().join("services");
    let service = |name: &str| packages.get(name).is_some_and(|p| p.folder.starts_with(&services));
    let libraries = packages.iter().filter(|(_, p)| p.folder.starts_with(root().join("crates")));
    let found = libraries.flat_map(|(name, p)| {
        let above = p.normal.iter().filter(|dependency| service(dependency));
        above.map(move |dependency| format!("{name} depends on {dependency}"))
    });
    nothing("no library is built on a service", found);
}

#[test]
fn stage_libraries_know_no_broker() {
    know_no_broker("stage libraries are built with neither bus nor runtime", &STAGES);
}

#[test]
fn of_the_services_only_query_keeper_and_gateway_speak_to_the_broker() {
    let packages = packages();
    let exceptions = ["heimdex", "heimdex-query", "heimdex-keeper", "heimdex-gateway"];
    let services = packages.iter().filter(|(_, p)| p.folder.starts_with(root().join("services")));
    let others = services.filter(|(name, _)| !exceptions.contains(&name.as_str()));
    let found = others.filter(|(_, p)| p.normal.contains("heimdex-bus"));
    nothing(
        "of the services, only query, keeper and gateway use bus",
        found.map(|(name, _)| format!("{name} is built on it")),
    );
}

#[test]
fn what_stages_are_built_on_knows_no_broker() {
    let crates = ["heimdex-schemas", "heimdex-stage", "heimdex-embedding", "heimdex-lexical", "heimdex-index"];
    know_no_broker("schemas, stage, embedding, lexical and index know no broker", &crates);
}

fn know_no_broker(rule: &str, names: &[&str]) {
    let packages = packages();
    let reached = names.iter().flat_map(|name| {
        assert!(packages.contains_key(*name), "{name} is a package of the workspace");
        reachable(&packages, name).into_iter().map(move |dependency| (name, dependency))
    });
    let found = reached.filter(|(_, dependency)| BROKER.contains(&dependency.as_str()));
    nothing(rule, found.map(|(name, dependency)| format!("{name} reaches {dependency}")));
}

#[test]
fn only_bus_names_async_nats() {
    only(&["heimdex-bus"], "async-nats");
}

#[test]
fn only_index_and_store_name_qdrant_client() {
    only(&["heimdex-index", "heimdex-store"], "qdrant-client");
}

#[test]
fn only_store_names_the_engine() {
    only(&["heimdex-store"], "qdrant-edge");
}

#[test]
fn only_embedding_names_onnx_runtime() {
    only(&["heimdex-embedding"], "ort");
}

#[test]
fn only_extractor_names_pdfium() {
    only(&["heimdex-extractor"], "pdfium-render");
}

#[test]
fn libraries_depend_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("heimdex-schemas", &[][..]),
        ("heimdex-lexical", &[][..]),
        ("heimdex-provision", &[][..]),
        ("heimdex-embedding", &["heimdex-schemas", "heimdex-provision"][..]),
        ("heimdex-auth", &["heimdex-schemas"][..]),
        ("heimdex-stage", &["heimdex-schemas"][..]),
        ("heimdex-index", &["heimdex-schemas"][..]),
        ("heimdex-bus", &["heimdex-schemas", "heimdex-stage"][..]),
        ("heimdex-runtime", &["heimdex-schemas", "heimdex-stage", "heimdex-bus"][..]),
        ("heimdex-redrive", &["heimdex-schemas", "heimdex-stage", "heimdex-bus"][..]),
    ]);
    let packages = packages();
    let found = allowed.iter().flat_map(|(name, below)| {
        let ours = packages[*name].normal.iter().filter(|dependency| packages.contains_key(*dependency));
        let wrong = ours.filter(|dependency| !below.contains(&dependency.as_str()));
        wrong.map(move |dependency| format!("{name} depends on {dependency}"))
    });
    nothing("libraries depend one way: schemas, then stage, then bus, then runtime", found);
}

#[test]
fn testkit_is_for_tests() {
    let packages = packages();
    let products = packages.iter().filter(|(name, _)| !["heimdex-e2e", "heimdex-chaos"].contains(&name.as_str()));
    let found = products.filter(|(_, p)| p.normal.contains("heimdex-testkit"));
    nothing("no product is built on testkit", found.map(|(name, _)| format!("{name} is built on it")));
}

#[test]
fn schemas_do_no_io() {
    let pure = ["base64", "bytes", "chrono", "cloudevents-sdk", "percent-encoding", "schemars", "serde", "serde_json"];
    let pure = BTreeSet::from_iter(pure.into_iter().chain(["sha2", "thiserror", "uuid"]).map(str::to_owned));
    let schemas = &packages()["heimdex-schemas"];
    nothing("schemas depends on pure crates only", schemas.normal.difference(&pure).cloned());
    let io = ["std::fs", "std::net", "std::process", "std::env", "std::thread"];
    let does_io = |text: &str| code_lines(text).any(|(_, line)| io.iter().any(|path| line.contains(path)));
    let found = sources_in(&schemas.folder.join("src")).into_iter().filter(|(_, text)| does_io(text));
    nothing("schemas does no I/O", found.map(|(path, _)| path));
}

#[test]
fn packages_inherit_what_the_workspace_says() {
    let inherits = |table: &Value, key: &str| table.get(key)?.get("workspace")?.as_bool();
    let wrong = packages().into_iter().flat_map(|(name, p)| {
        let keys = ["version", "edition", "rust-version", "license", "publish"];
        let mut own = keys.map(|key| (inherits(&p.manifest["package"], key) != Some(true)).then_some(key)).to_vec();
        let lints = p.manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        own.push((lints != Some(true)).then_some("lints"));
        own.into_iter().flatten().map(move |key| format!("{name} sets its own {key}"))
    });
    nothing("every package inherits lints, licence and edition from the workspace", wrong);
}

#[test]
fn modules_have_meaningful_names() {
    let names = sources().into_iter().flat_map(|(path, text)| {
        let parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        let declared: Vec<String> = text.lines().filter_map(module_name).map(str::to_owned).collect();
        parts.into_iter().chain(declared).map(move |name| (path.clone(), name))
    });
    let found: BTreeSet<(String, String)> = names.filter(|(_, name)| MEANINGLESS.contains(&name.as_str())).collect();
    nothing("a module's name says what it does", found.into_iter().map(|(path, name)| format!("{path}: `{name}`")));
}

/// The name of the module that a line declares.
fn module_name(line: &str) -> Option<&str> {
    let (visibility, name) = line.trim().split_once("mod ")?;
    (visibility.is_empty() || visibility.starts_with("pub")).then(|| name.trim_end_matches([';', '{', ' ']))
}

#[test]
fn sources_are_short() {
    let long = sources().into_iter().map(|(path, text)| (path, text.lines().count()));
    let found = long.filter(|(path, lines)| *lines > MAX_LINES && !LONG_SOURCES.contains(&path.as_str()));
    nothing("no source is longer than 500 lines", found.map(|(path, lines)| format!("{path}: {lines} lines")));
}

fn in_tests(needle: &str) -> Vec<String> {
    let found = sources().into_iter().flat_map(|(path, text)| {
        let hits = test_lines(&path, &text).filter(|(_, line)| line.contains(needle));
        hits.map(|(n, line)| format!("{path}:{n}: {}", line.trim())).collect::<Vec<_>>()
    });
    found.collect()
}

#[test]
fn tests_never_wait_for_time() {
    let (slow, found): (Vec<_>, Vec<_>) =
        in_tests(SLEEP).into_iter().partition(|hit| SLOW_ON_PURPOSE.iter().any(|path| hit.starts_with(path)));
    nothing("a test waits for what it needs, never for time to pass", found);
    assert_eq!(slow.len(), SLOW_ON_PURPOSE.len(), "one place each, no stale exception: {slow:?}");
}

#[test]
fn tests_are_never_ignored() {
    nothing("a test that does not run proves nothing", in_tests(IGNORE));
}

#[test]
fn the_checks_see_what_they_check() {
    let packages = packages();
    for name in STAGES.iter().chain(&["heimdex", "heimdex-bus", "heimdex-keeper", "heimdex-e2e", "heimdex-chaos"]) {
        assert!(packages.contains_key(*name), "{name} was not found");
    }
    assert!(reachable(&packages, "heimdex").contains("async-nats"), "transitive dependencies are followed");
    let inside: Vec<_> = test_lines("crates/x/src/a.rs", "fn a() {}\n#[cfg(test)]\n// why\nmod tests {}").collect();
    assert_eq!(inside, [(2, "#[cfg(test)]"), (4, "mod tests {}")]);
    assert_eq!(test_lines("crates/x/tests/a.rs", "fn a() {}").count(), 1);
    assert_eq!(test_lines("crates/x/src/a.rs", "fn a() {}").count(), 0);
    assert!(uses_crate("let x = a::art::init();", "art") && !uses_crate("use crate::start::Graph;", "art"));
    assert_eq!(module_name("    pub(crate) mod utils {"), Some("utils"));
}
