//! Filters. Each begins with the organization: there is no function here that makes one without.

use heimdex_schemas::{AssetId, Org, PointId, UploadId};
use qdrant_client::qdrant::{Condition, Filter, PointId as QdrantId};

use crate::point::{State, field};

/// What a search is narrowed to. Empty lists narrow nothing; within a list any value will do, and all lists must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrow {
    pub asset_ids: Vec<AssetId>,
    /// ISO 639-1.
    pub languages: Vec<String>,
    /// From 1.
    pub pages: Vec<u32>,
}

/// Points of one organization that meet `conditions`.
pub(crate) fn of_org(org: &Org, conditions: impl IntoIterator<Item = Condition>) -> Filter {
    let org = Condition::matches(field::ORG, org.as_str().to_owned());
    Filter::must(std::iter::once(org).chain(conditions))
}

/// What every search of the organization sees.
pub(crate) fn searchable(org: &Org, narrow: &Narrow) -> Filter {
    let assets = any(field::ASSET, narrow.asset_ids.iter().map(|asset| asset.as_str().to_owned()).collect());
    let languages = any(field::LANGUAGE, narrow.languages.clone());
    of_org(
        org,
        std::iter::once(in_states(&[State::Live])).chain(assets).chain(languages).chain(on_pages(&narrow.pages)),
    )
}

fn any(field: &str, values: Vec<String>) -> Option<Condition> {
    (!values.is_empty()).then(|| Condition::matches(field, values))
}

fn on_pages(pages: &[u32]) -> Option<Condition> {
    let pages: Vec<i64> = pages.iter().copied().map(i64::from).collect();
    (!pages.is_empty()).then(|| Condition::matches(field::PAGES, pages))
}

pub(crate) fn of_upload(upload: UploadId) -> Condition {
    Condition::matches(field::UPLOAD, upload.to_string())
}

pub(crate) fn of_asset(asset: &AssetId) -> Condition {
    Condition::matches(field::ASSET, asset.as_str().to_owned())
}

pub(crate) fn in_states(states: &[State]) -> Condition {
    Condition::matches(field::STATE, states.iter().map(|state| state.as_str().to_owned()).collect::<Vec<_>>())
}

pub(crate) fn with_ids(ids: &[PointId]) -> Condition {
    Condition::has_id(ids.iter().map(|id| QdrantId::from(id.0.to_string())))
}
