//! Which dead letters.

use chrono::{DateTime, Utc};
use heimdex_bus::Letter;
use heimdex_bus::dead_letter::Address;
use heimdex_schemas::{AssetId, FailureClass, Org, StageName};
use serde::{Deserialize, Serialize};

/// Letters that fit every field that is given; of a list, any of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Sequences in the dead-letter stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<FailureClass>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageName>,
    /// Fingerprints, or their beginnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<Org>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// Stored at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Stored before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The version of the program that gave the message up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}

fn any<T>(wanted: &[T], fits: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

fn given<T>(wanted: Option<&T>, fits: impl FnOnce(&T) -> bool) -> bool {
    wanted.is_none_or(fits)
}

impl Filter {
    #[must_use]
    pub fn matches(&self, letter: &Letter) -> bool {
        any(&self.ids, |id| *id == letter.sequence)
            && any(&self.classes, |class| Some(*class) == letter.class)
            && any(&self.stages, |stage| Some(*stage) == letter.stage)
            && any(&self.fingerprints, |start| letter.fingerprint.starts_with(start.as_str()))
            && any(&self.codes, |code| *code == letter.code)
            && given(self.org.as_ref(), |org| Some(org) == letter.org.as_ref())
            && given(self.asset.as_ref(), |asset| Some(asset) == letter.asset.as_ref())
            && given(self.model.as_ref(), |model| Some(model) == letter.model.as_ref())
            && given(self.build.as_ref(), |build| *build == letter.build)
            && self.since.is_none_or(|since| letter.stored_at >= since)
            && self.until.is_none_or(|until| letter.stored_at < until)
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As much of it as the broker can do for us.
    pub(crate) fn address(&self) -> Address {
        let stage = match self.stages.as_slice() {
            [stage] => Some(*stage),
            _ => None,
        };
        let (org, asset_hash) = (self.org.as_ref().map(ToString::to_string), self.asset.as_ref().map(AssetId::hash));
        Address { stage, org, asset_hash }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test panics")]

    use heimdex_bus::dead_letter::Origin;

    use super::*;

    /// A rejected letter of the extractor, one second after the epoch for each sequence.
    pub(crate) fn letter(sequence: u64) -> Letter {
        let at = DateTime::from_timestamp(i64::try_from(sequence).unwrap(), 0).unwrap();
        Letter {
            sequence,
            epoch: 7,
            stored_at: at,
            subject: "heimdex.dlq.extractor.acme._".to_owned(),
            origin: Origin {
                stream: "HEIMDEX_ASSETS".to_owned(),
                subject: "heimdex.asset.uploaded.bulk.acme".to_owned(),
                epoch: 3,
                sequence: 100 + sequence,
                ..Origin::default()
            },
            stage: Some(StageName::Extractor),
            class: Some(FailureClass::Rejected),
            code: "corrupt".to_owned(),
            message: "bad xref".to_owned(),
            story: None,
            fingerprint: "00112233445566ff".to_owned(),
            build: "0.1.0".to_owned(),
            model: Some("m".to_owned()),
            space: None,
            org: Some("acme".parse().unwrap()),
            asset: Some("a".parse().unwrap()),
            upload: None,
            trace: None,
            attempts: 1,
            deliveries: 1,
            replay: 0,
            first_failed_at: at,
            replayed_from: None,
            size: 1,
            headers: Vec::new(),
            payload: None,
        }
    }

    #[test]
    fn each_field_lets_through_what_fits_and_nothing_else() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let fits = [
            Filter::default(),
            Filter { ids: vec![4, 5], ..Filter::default() },
            Filter { classes: vec![FailureClass::Poison, FailureClass::Rejected], ..Filter::default() },
            Filter { stages: vec![StageName::Extractor], ..Filter::default() },
            Filter { fingerprints: vec!["0011".to_owned()], ..Filter::default() },
            Filter { codes: vec!["corrupt".to_owned()], ..Filter::default() },
            Filter { org: "acme".parse().ok(), asset: "a".parse().ok(), ..Filter::default() },
            Filter { since: at(5), until: at(6), ..Filter::default() },
            Filter { model: Some("m".to_owned()), build: Some("0.1.0".to_owned()), ..Filter::default() },
        ];
        let differ = [
            Filter { ids: vec![4], ..Filter::default() },
            Filter { classes: vec![FailureClass::Poison], ..Filter::default() },
            Filter { stages: vec![StageName::Writer], ..Filter::default() },
            Filter { fingerprints: vec!["1".to_owned()], ..Filter::default() },
            Filter { codes: vec!["encrypted".to_owned()], ..Filter::default() },
            Filter { org: "other".parse().ok(), ..Filter::default() },
            Filter { asset: "b".parse().ok(), ..Filter::default() },
            Filter { since: at(6), ..Filter::default() },
            Filter { until: at(5), ..Filter::default() },
            Filter { model: Some("n".to_owned()), ..Filter::default() },
            Filter { build: Some("0.2.0".to_owned()), ..Filter::default() },
        ];
        let letter = letter(5);
        assert!(fits.iter().all(|filter| filter.matches(&letter)));
        assert!(differ.iter().all(|filter| !filter.matches(&letter)));
    }

    #[test]
    fn what_a_letter_does_not_say_fits_no_wish() {
        let silent = Letter { class: None, stage: None, org: None, asset: None, model: None, ..letter(1) };
        assert!(Filter::default().matches(&silent));
        assert!(!Filter { classes: vec![FailureClass::Rejected], ..Filter::default() }.matches(&silent));
        assert!(!Filter { org: "acme".parse().ok(), ..Filter::default() }.matches(&silent));
    }

    #[test]
    fn a_filter_survives_the_ledger() {
        let filter = Filter { ids: vec![1], org: "acme".parse().ok(), ..Filter::default() };
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(json, r#"{"ids":[1],"org":"acme"}"#);
        assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
    }
}
