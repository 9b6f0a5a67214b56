//! The commands that talk to a running Heimdex: exit codes, and what stands on standard output.

use std::path::Path;
use std::process::Output;

use heimdex_e2e::documents;
use serde_json::Value;

use crate::Scene;

const ORG: &str = "shell";

pub fn commands_work_against_the_cluster(scene: &Scene) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "orchard.txt", b"The orchard is pruned in February, before the sap rises.");
    write(folder.path(), "cellar.pdf", &documents::pdf(&["Cider rests in the cellar until May."]));
    let path = folder.path().to_str().unwrap();
    ingest_reports_each_asset(scene, path);
    search_prints_one_answer(scene);
    doctor_finds_all_well(scene);
    write(folder.path(), "locked.pdf", &documents::encrypted_pdf());
    ingest_says_that_some_failed(scene, path);
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).unwrap();
}

fn run(scene: &Scene, arguments: &[&str], code: i32) -> Output {
    let output = scene.cluster.run(arguments);
    let shown = || format!("{arguments:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{}", shown());
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn ingest_reports_each_asset(scene: &Scene, path: &str) {
    let output = run(scene, &["ingest", path, "--org", ORG, "--json"], 0);
    let mut lines = lines(&output);
    lines.sort_by_key(|line| line["path"].to_string());
    assert_eq!(lines.len(), 2);
    for (line, name) in lines.iter().zip(["cellar.pdf", "orchard.txt"]) {
        assert!(line["path"].as_str().unwrap().ends_with(name) && line["asset_id"] == line["path"], "{line}");
        assert!(line["state"] == "indexed" && line["error"].is_null() && line["chunks"].as_u64() > Some(0), "{line}");
        assert!(line["sequence"].as_u64() > Some(0) && line["pages"] == 1 && line["reused"] == 0, "{line}");
        assert!(!line["stages"].as_array().unwrap().is_empty(), "{line}");
        uuid_like(&line["job_id"]);
    }
    let newest = lines.iter().filter_map(|line| line["sequence"].as_u64()).max().unwrap().to_string();
    let answer = run(scene, &["search", "cider", "--min-seq", &newest, "--org", ORG], 0);
    assert!(text(&answer.stdout).contains("cellar.pdf"), "{}", text(&answer.stdout));
}

fn uuid_like(value: &Value) {
    assert_eq!(value.as_str().unwrap().split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{value}");
}

fn search_prints_one_answer(scene: &Scene) {
    let output = run(scene, &["search", "when is the orchard pruned", "--org", ORG, "--json", "--explain"], 0);
    let [answer] = lines(&output).try_into().unwrap();
    let hit = &answer["hits"][0];
    assert!(hit["asset_id"].as_str().unwrap().ends_with("orchard.txt"), "{answer}");
    assert!(
        answer["took_ms"].is_u64() && answer["total"].is_u64() && answer["degraded"] == Value::Array(vec![]),
        "{answer}"
    );
    assert!(hit["score"].is_f64() && hit["explain"].is_object() && hit["highlights"].is_array(), "{answer}");
    uuid_like(&hit["point_id"]);
    let for_people = run(scene, &["search", "cider", "--org", ORG], 0);
    assert!(text(&for_people.stdout).contains("Cider rests in the cellar"), "{}", text(&for_people.stdout));
    let refused = run(scene, &["search", "cider", "--org", ORG, "--limit", "0", "--json"], 2);
    assert!(refused.stdout.is_empty() && text(&refused.stderr).contains("limit"), "{}", text(&refused.stderr));
}

fn doctor_finds_all_well(scene: &Scene) {
    let output = run(scene, &["doctor", "--json", "--qdrant", scene.cluster.qdrant_url()], 0);
    let [checks] = lines(&output).try_into().unwrap();
    let names: Vec<&str> = checks.as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in ["broker", "qdrant", "models", "queue of extractor", "queue of writer"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

fn ingest_says_that_some_failed(scene: &Scene, path: &str) {
    let output = run(scene, &["ingest", path, "--org", ORG, "--json"], 3);
    let lines = lines(&output);
    let failed: Vec<&Value> = lines.iter().filter(|line| line["state"] == "failed").collect();
    assert_eq!((lines.len(), failed.len()), (3, 1), "{lines:?}");
    assert!(failed[0]["path"].as_str().unwrap().ends_with("locked.pdf"), "{failed:?}");
    assert_eq!(failed[0]["error"]["code"], "encrypted");
    assert!(failed[0]["error"]["hint"].as_str().unwrap().contains("password"), "{failed:?}");
}
