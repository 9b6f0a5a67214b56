//! The comparison itself: a manifest, what is searchable, and the receipts, without any I/O.

use std::collections::BTreeMap;

use heimdex_schemas::{AssetId, Org, Receipt, ReceiptState, UploadId};
use serde::Serialize;

use super::manifest::{Entry, Manifest};

/// How an asset differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// The source has it, the index does not.
    Missing,
    /// The index has it, the source does not.
    Extra,
    /// The index has an older version than the source.
    OlderVersion,
    /// Not all of its searchable points are there, or more than one version is.
    Incomplete,
}

impl Drift {
    pub const ALL: [Self; 4] = [Self::Missing, Self::Extra, Self::OlderVersion, Self::Incomplete];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::OlderVersion => "older_version",
            Self::Incomplete => "incomplete",
        }
    }
}

/// One asset that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub asset_id: AssetId,
    pub drift: Drift,
    /// For people.
    pub detail: String,
    /// The upload it is about: what is searchable, or would be.
    pub upload: Option<UploadId>,
}

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub missing: usize,
    pub extra: usize,
    pub older_version: usize,
    pub incomplete: usize,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub org: Org,
    /// Assets of the source.
    pub listed: usize,
    /// Assets of the index.
    pub indexed: usize,
    /// Assets whose version the source gives and nobody can check, because their upload said none.
    pub unverified: usize,
    pub drift: Tally,
    pub findings: Vec<Finding>,
}

/// One searchable upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) upload: UploadId,
    pub(super) sequence: Option<u64>,
    pub(super) points: u64,
    /// Of the bytes uploaded, when that was asked for and is known.
    pub(super) sha256: Option<String>,
}

/// What is known of an org.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) live: BTreeMap<AssetId, Vec<Live>>,
    /// Of every upload with a receipt, by asset.
    pub(super) receipts: BTreeMap<AssetId, Vec<Receipt>>,
}

impl Known {
    /// The newest upload of an asset that was not deleted.
    pub(super) fn newest(&self, asset: &AssetId) -> Option<&Receipt> {
        let receipts = self.receipts.get(asset)?.iter().filter(|receipt| receipt.state != ReceiptState::Deleted);
        receipts.max_by_key(|receipt| (receipt.order, receipt.upload))
    }

    fn receipt(&self, asset: &AssetId, upload: UploadId) -> Option<&Receipt> {
        self.receipts.get(asset)?.iter().find(|receipt| receipt.upload == upload)
    }
}

/// Compares; findings come in the order of assets.
pub(super) fn compare(org: &Org, manifest: &Manifest, known: &Known) -> Report {
    let mut findings: Vec<Finding> = manifest.entries.values().filter_map(|entry| listed(entry, known)).collect();
    let extra = known.live.keys().filter(|asset| !manifest.entries.contains_key(asset));
    findings.extend(extra.map(|asset| finding(asset, Drift::Extra, "the source does not list it", live(known, asset))));
    findings.sort_by(|a, b| a.asset_id.cmp(&b.asset_id));
    let unverified = manifest.entries.values().filter(|entry| is_unverified(entry, known)).count();
    Report {
        org: org.clone(),
        listed: manifest.entries.len(),
        indexed: known.live.len(),
        unverified,
        drift: tally(&findings),
        findings,
    }
}

fn tally(findings: &[Finding]) -> Tally {
    let mut tally = Tally::default();
    for finding in findings {
        *match finding.drift {
            Drift::Missing => &mut tally.missing,
            Drift::Extra => &mut tally.extra,
            Drift::OlderVersion => &mut tally.older_version,
            Drift::Incomplete => &mut tally.incomplete,
        } += 1;
    }
    tally
}

fn finding(asset: &AssetId, drift: Drift, detail: impl Into<String>, upload: Option<UploadId>) -> Finding {
    Finding { asset_id: asset.clone(), drift, detail: detail.into(), upload }
}

fn live(known: &Known, asset: &AssetId) -> Option<UploadId> {
    known.live.get(asset)?.first().map(|live| live.upload)
}

/// What is wrong with an asset that the source lists.
fn listed(entry: &Entry, known: &Known) -> Option<Finding> {
    let asset = &entry.asset_id;
    let Some(live) = known.live.get(asset) else { return missing(asset, known) };
    let [only] = live.as_slice() else {
        let detail = format!("{} of its uploads are searchable at once", live.len());
        return Some(finding(asset, Drift::Incomplete, detail, known.newest(asset).map(|receipt| receipt.upload)));
    };
    older(entry, only).or_else(|| incomplete(asset, only, known))
}

/// An asset in which there was nothing to index is there.
fn missing(asset: &AssetId, known: &Known) -> Option<Finding> {
    let newest = known.newest(asset);
    let detail = match newest {
        None if known.receipts.contains_key(asset) => "it was deleted".to_owned(),
        None => "no upload of it has a receipt".to_owned(),
        Some(receipt) => match receipt.state {
            ReceiptState::Indexed | ReceiptState::Degraded if receipt.chunks == 0 => return None,
            ReceiptState::Indexed | ReceiptState::Degraded => format!("none of its {} points is there", receipt.chunks),
            ReceiptState::Failed => failure(receipt),
            ReceiptState::Superseded | ReceiptState::Deleted => "its newest upload was replaced".to_owned(),
        },
    };
    Some(finding(asset, Drift::Missing, detail, newest.map(|receipt| receipt.upload)))
}

fn failure(receipt: &Receipt) -> String {
    let code = receipt.failures.first().map_or("unknown", |failure| failure.code.as_str());
    format!("its newest upload failed: {code}")
}

fn older(entry: &Entry, live: &Live) -> Option<Finding> {
    let asset = &entry.asset_id;
    if let (Some(wanted), Some(found)) = (entry.sequence, live.sequence)
        && found < wanted
    {
        let detail = format!("version {found} is searchable, the source has {wanted}");
        return Some(finding(asset, Drift::OlderVersion, detail, Some(live.upload)));
    }
    if let (Some(wanted), Some(found)) = (&entry.sha256, &live.sha256)
        && found != wanted
    {
        let detail = format!("content {found} is searchable, the source has {wanted}");
        return Some(finding(asset, Drift::OlderVersion, detail, Some(live.upload)));
    }
    None
}

fn incomplete(asset: &AssetId, live: &Live, known: &Known) -> Option<Finding> {
    let Live { upload, points, .. } = live;
    let detail = match known.receipt(asset, *upload) {
        None => format!("{points} points are searchable, and its upload has no receipt"),
        Some(receipt) if u64::from(receipt.chunks) == *points => return None,
        Some(receipt) => format!("{points} points are searchable, its receipt says {}", receipt.chunks),
    };
    Some(finding(asset, Drift::Incomplete, detail, Some(*upload)))
}

fn is_unverified(entry: &Entry, known: &Known) -> bool {
    let Some([live]) = known.live.get(&entry.asset_id).map(Vec::as_slice) else { return false };
    (entry.sequence.is_some() && live.sequence.is_none()) || (entry.sha256.is_some() && live.sha256.is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use super::*;
    use chrono::DateTime;
    use heimdex_schemas::Order;

    fn org() -> Org {
        "acme".parse().unwrap()
    }

    fn upload(asset: &str, sequence: u64) -> UploadId {
        UploadId::new(&org(), "/cms", &format!("{asset}-{sequence}"))
    }

    fn receipt(asset: &str, sequence: u64, state: ReceiptState, chunks: u32) -> Receipt {
        Receipt {
            org: org(),
            asset_id: Some(asset.parse().unwrap()),
            upload: upload(asset, sequence),
            state,
            version: 0,
            order: Order::by_uploader(sequence),
            model: None,
            chunks,
            pages: 1,
            format: None,
            language: None,
            warnings: Vec::new(),
            missing: Vec::new(),
            failures: Vec::new(),
            reused: 0,
            truncated_tokens: 0,
            removed: 0,
            stages: Vec::new(),
            superseded_by: None,
            accepted_at: DateTime::UNIX_EPOCH,
            completed_at: DateTime::UNIX_EPOCH,
        }
    }

    fn with_receipt(known: &mut Known, receipt: Receipt) {
        let asset = receipt.asset_id.clone().unwrap();
        known.receipts.entry(asset).or_default().push(receipt);
    }

    fn with_points(known: &mut Known, asset: &str, sequence: u64, points: u64) {
        let live = Live { upload: upload(asset, sequence), sequence: Some(sequence), points, sha256: None };
        known.live.entry(asset.parse().unwrap()).or_default().push(live);
    }

    fn indexed(known: &mut Known, asset: &str, sequence: u64, points: u32) {
        with_receipt(known, receipt(asset, sequence, ReceiptState::Indexed, points));
        with_points(known, asset, sequence, u64::from(points));
    }

    #[test]
    fn each_kind_of_drift_is_found_and_nothing_else() {
        let mut known = Known::default();
        indexed(&mut known, "good", 3, 5);
        indexed(&mut known, "newer than the list", 9, 1);
        indexed(&mut known, "extra", 1, 2);
        indexed(&mut known, "old", 1, 2);
        with_receipt(&mut known, receipt("empty", 1, ReceiptState::Indexed, 0));
        with_receipt(&mut known, receipt("failed", 1, ReceiptState::Failed, 0));
        with_receipt(&mut known, receipt("deleted", 1, ReceiptState::Deleted, 0));
        with_receipt(&mut known, receipt("torn", 1, ReceiptState::Degraded, 4));
        with_points(&mut known, "torn", 1, 3);
        indexed(&mut known, "twice", 1, 1);
        indexed(&mut known, "twice", 2, 1);
        let lines = "asset_id,version\ngood,3\nnewer than the list,8\nold,2\nempty,1\nfailed,1\ndeleted,1\ntorn,1\ntwice,2\nnever,1\n";
        let report = compare(&org(), &Manifest::parse(lines).unwrap(), &known);
        let found: Vec<_> = report.findings.iter().map(|f| (f.asset_id.as_str(), f.drift)).collect();
        assert_eq!(
            found,
            [
                ("deleted", Drift::Missing),
                ("extra", Drift::Extra),
                ("failed", Drift::Missing),
                ("never", Drift::Missing),
                ("old", Drift::OlderVersion),
                ("torn", Drift::Incomplete),
                ("twice", Drift::Incomplete),
            ]
        );
        assert_eq!((report.listed, report.indexed, report.unverified), (9, 6, 0));
        assert_eq!(report.drift, Tally { missing: 3, extra: 1, older_version: 1, incomplete: 2 });
        assert_eq!(report.findings[6].upload, Some(upload("twice", 2)), "the newest one is what should stay");
    }

    #[test]
    fn what_cannot_be_checked_is_no_drift() {
        let mut known = Known::default();
        indexed(&mut known, "a", 1, 1);
        known.live.values_mut().flatten().for_each(|live| live.sequence = None);
        let report = compare(&org(), &Manifest::parse("asset_id,version\na,7\n").unwrap(), &known);
        assert_eq!((report.findings.len(), report.unverified), (0, 1));
    }

    #[test]
    fn other_content_is_an_older_version() {
        let mut known = Known::default();
        indexed(&mut known, "a", 1, 1);
        known.live.values_mut().flatten().for_each(|live| live.sha256 = Some("00".repeat(32)));
        let manifest = format!("asset_id,sha256\na,{}\n", "11".repeat(32));
        let report = compare(&org(), &Manifest::parse(&manifest).unwrap(), &known);
        assert_eq!(report.findings[0].drift, Drift::OlderVersion);
    }
}
