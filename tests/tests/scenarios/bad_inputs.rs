//! A bad document in a good batch ends with its typed code and hurts nobody else.

use heimdex_e2e::{DeadLetter, Upload, documents};
use heimdex_schemas::{Receipt, ReceiptState};

use crate::Scene;

const ORG: &str = "batch";
const GOOD: usize = 4;

/// What a bad document must end as.
struct Expected {
    asset: &'static str,
    bytes: Vec<u8>,
    state: ReceiptState,
    code: &'static str,
}

fn bad() -> Vec<Expected> {
    let failed = |asset, bytes, code| Expected { asset, bytes, state: ReceiptState::Failed, code };
    vec![
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
        },
    ]
}

pub async fn bad_documents_hurt_only_themselves(scene: &Scene) {
    let good = (0..GOOD)
        .map(|n| Upload::new(ORG, &format!("good-{n}.txt"), format!("Recipe {n}: knead the dough, let it rest.")));
    let bad = bad();
    let mixed = bad.iter().map(|bad| Upload::new(ORG, bad.asset, bad.bytes.clone()));
    // Alternating, so that each bad one has good ones before and after it.
    let uploads: Vec<Upload> = interleave(mixed.collect(), good.collect());
    let receipts = scene.client.ingest_all(&uploads).await;
    for receipt in receipts.iter().filter(|receipt| receipt.asset_id.as_str().starts_with("good-")) {
        assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
    }
    let letters = scene.client.dead_letters(ORG).await;
    for expected in &bad {
        let receipt = receipts.iter().find(|receipt| receipt.asset_id.as_str() == expected.asset).unwrap();
        ended_as_expected(expected, receipt, &letters);
    }
    let failed = bad.iter().filter(|bad| bad.state == ReceiptState::Failed).count();
    assert_eq!(letters.len(), failed, "{letters:?}");
    assert_eq!(scene.client.found(ORG, "sparse", "knead dough").await.len(), GOOD);
    assert_eq!(scene.client.found(ORG, "sparse", "walnuts").await, ["broken.txt"]);
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
        let hash = receipt.asset_id.hash();
        let letter = letters.iter().find(|letter| letter.subject.ends_with(&hash));
        let letter = letter.unwrap_or_else(|| panic!("{} has no dead letter", expected.asset));
        assert_eq!((letter.header("Heimdex-Code"), letter.header("Heimdex-Stage")), (expected.code, "extractor"));
        assert_eq!(letter.header("Heimdex-Class"), "rejected", "{letter:?}");
        assert!(!letter.header("Heimdex-Message").is_empty() && !letter.header("ce-id").is_empty(), "{letter:?}");
    }
}
