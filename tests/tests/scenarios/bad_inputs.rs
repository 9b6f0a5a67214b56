//! A bad document in a good batch ends with its typed code and hurts nobody else.

use heimdex_e2e::{DeadLetter, Upload, documents};
use heimdex_schemas::{Receipt, ReceiptState};
use heimdex_testkit::heimdex::{ClusterConfig, get};

use crate::Scene;

const ORG: &str = "batch";
const GOOD: usize = 8;
const ENDLESS: &str = "endless.pdf";
/// A document with these words kills its parser.
const ABORT: &str = "as if struck by lightning";

/// What a bad document must end as.
struct Expected {
    asset: &'static str,
    bytes: Vec<u8>,
    state: ReceiptState,
    code: &'static str,
    /// Of its dead letter, empty where there is none.
    class: &'static str,
}

/// Limits that a hanging parse reaches while a scenario waits, and one document that kills its parser.
pub fn with_limits(config: ClusterConfig) -> ClusterConfig {
    config
        .variable("HEIMDEX_EXTRACT_WALL_SECONDS", "15")
        .variable("HEIMDEX_EXTRACT_MEMORY_BYTES", "67108864")
        .variable("HEIMDEX_EXTRACT_PARALLELISM", "2")
        .variable("HEIMDEX_EXTRACT_ABORT_ON", ABORT)
}

fn bad() -> Vec<Expected> {
    let ended = |class, asset, bytes, code| Expected { asset, bytes, state: ReceiptState::Failed, code, class };
    let failed = |asset, bytes, code| ended("rejected", asset, bytes, code);
    let harmful = |asset, bytes, code| ended("poison", asset, bytes, code);
    vec![
        harmful(ENDLESS, documents::endless_pdf(), "timeout"),
        harmful("bloating.pdf", documents::bloating_pdf(), "out_of_memory"),
        harmful("deadly.txt", format!("It went dark, {ABORT}.").into_bytes(), "crashed"),
        failed("nothing.txt", Vec::new(), "empty"),
        failed("truncated.pdf", documents::truncated_pdf(), "corrupt"),
        failed("secret.pdf", documents::encrypted_pdf(), "encrypted"),
        failed("program.pdf", documents::executable(), "unsupported"),
        failed("deep.html", documents::nested_html(100_000), "too_large"),
        Expected {
            asset: "broken.txt",
            bytes: documents::broken_encoding("walnuts"),
            state: ReceiptState::Degraded,
            code: "invalid_encoding",
            class: "",
        },
    ]
}

pub async fn bad_documents_hurt_only_themselves(scene: &mut Scene) {
    let before = processes(scene);
    let good = (0..GOOD)
        .map(|n| Upload::new(ORG, &format!("good-{n}.txt"), format!("Recipe {n}: knead the dough, let it rest.")));
    let bad = bad();
    let mixed = bad.iter().map(|bad| Upload::new(ORG, bad.asset, bad.bytes.clone()));
    // Alternating, so that each bad one has good ones before and after it.
    let uploads: Vec<Upload> = interleave(mixed.collect(), good.collect());
    let receipts = scene.client.ingest_all(&uploads).await;
    let endless = of_asset(&receipts, ENDLESS);
    for receipt in receipts.iter().filter(|receipt| asset(receipt).starts_with("good-")) {
        assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
        assert!(receipt.completed_at < endless.completed_at, "it waited for the one that hangs: {receipt:?}");
    }
    let letters = scene.client.dead_letters(ORG).await;
    for expected in &bad {
        ended_as_expected(expected, of_asset(&receipts, expected.asset), &letters);
    }
    let failed = bad.iter().filter(|bad| bad.state == ReceiptState::Failed).count();
    assert_eq!(letters.len(), failed, "{letters:?}");
    assert_eq!(scene.client.found(ORG, "sparse", "knead dough").await.len(), GOOD);
    assert_eq!(scene.client.found(ORG, "sparse", "walnuts").await, ["broken.txt"]);
    nobody_died(scene, &before);
}

fn asset(receipt: &Receipt) -> &str {
    receipt.asset_id.as_ref().map_or("", |asset| asset.as_str())
}

fn of_asset<'a>(receipts: &'a [Receipt], name: &str) -> &'a Receipt {
    receipts.iter().find(|receipt| asset(receipt) == name).unwrap()
}

fn processes(scene: &mut Scene) -> Vec<(String, u32)> {
    scene.cluster.processes().iter().map(|process| (process.name(), process.id())).collect()
}

fn nobody_died(scene: &mut Scene, before: &[(String, u32)]) {
    assert_eq!(processes(scene), before);
    for process in scene.cluster.processes() {
        assert!(process.is_running(), "{} died", process.name());
        let http = process.wait_ready().http;
        assert_eq!(get(http, "/readyz").expect("health is served").status, 200, "{}", process.name());
    }
}

fn interleave(bad: Vec<Upload>, good: Vec<Upload>) -> Vec<Upload> {
    let mut good = good.into_iter();
    let mut mixed: Vec<Upload> = good.next().into_iter().collect();
    for upload in bad {
        mixed.push(upload);
        mixed.extend(good.next());
    }
    mixed
}

fn ended_as_expected(expected: &Expected, receipt: &Receipt, letters: &[DeadLetter]) {
    assert_eq!(receipt.state, expected.state, "{receipt:?}");
    let failures = receipt.failures.iter().map(|failure| failure.code.as_str());
    let warnings = receipt.warnings.iter().map(|warning| warning.code.as_str());
    let codes: Vec<&str> = failures.chain(warnings).collect();
    assert_eq!(codes, [expected.code], "{receipt:?}");
    if expected.state == ReceiptState::Failed {
        let hash = receipt.asset_id.as_ref().unwrap().hash();
        let letter = letters.iter().find(|letter| letter.subject.ends_with(&hash));
        let letter = letter.unwrap_or_else(|| panic!("{} has no dead letter", expected.asset));
        assert_eq!((letter.header("Heimdex-Code"), letter.header("Heimdex-Stage")), (expected.code, "extractor"));
        assert_eq!(letter.header("Heimdex-Class"), expected.class, "{letter:?}");
        assert!(!letter.header("Heimdex-Message").is_empty() && !letter.header("ce-id").is_empty(), "{letter:?}");
    }
}
