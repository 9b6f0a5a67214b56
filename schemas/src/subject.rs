//! NATS subjects: built here, parsed here, written nowhere else.

use std::str::FromStr;

use crate::ids::UploadId;
use crate::token::{AssetId, Lane, Org, StageName, TokenError};

/// Why a subject could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    #[error("subject {0:?} is not `<event>.<lane>.<org>`")]
    Shape(String),
    #[error("subject {subject:?}: {source}")]
    Token { subject: String, source: TokenError },
}

/// The address of one message of the flow: `<event>.<lane>.<org>`, for example `heimdex.asset.uploaded.interactive.acme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The first three tokens, `heimdex.asset.uploaded`.
    pub event: String,
    pub lane: Lane,
    pub org: Org,
}

impl Address {
    #[must_use]
    pub fn new(event: &str, lane: Lane, org: &Org) -> Self {
        Self { event: event.to_owned(), lane, org: org.clone() }
    }

    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}.{}.{}", self.event, self.lane, self.org)
    }
}

impl FromStr for Address {
    type Err = SubjectError;
    fn from_str(subject: &str) -> Result<Self, SubjectError> {
        let tokens: Vec<&str> = subject.split('.').collect();
        let ["heimdex", noun, verb, lane, org] = tokens.as_slice() else {
            return Err(SubjectError::Shape(subject.to_owned()));
        };
        let token = |source| SubjectError::Token { subject: subject.to_owned(), source };
        Ok(Self {
            event: format!("heimdex.{noun}.{verb}"),
            lane: lane.parse().map_err(token)?,
            org: org.parse().map_err(token)?,
        })
    }
}

/// The filter of one stage's consumer for one lane, all orgs.
#[must_use]
pub fn lane_filter(event: &str, lane: Lane) -> String {
    format!("{event}.{lane}.*")
}

/// Where a job's receipt stands.
#[must_use]
pub fn receipt(org: &Org, job: UploadId) -> String {
    format!("heimdex.receipt.{org}.{job}")
}

/// Where a job is: one message per stage and part, the newest kept.
#[must_use]
pub fn progress(org: &Org, job: UploadId, stage: StageName, part: u32) -> String {
    format!("heimdex.progress.{org}.{job}.{stage}.{part}")
}

/// Where a stage's dead letter goes. The parts are tokens because an undecodable message may not have a valid org.
#[must_use]
pub fn dead_letter(stage: StageName, org: &str, asset: Option<&AssetId>) -> String {
    let org = org.parse::<Org>().map_or_else(|_| "_".to_owned(), String::from);
    format!("heimdex.dlq.{stage}.{org}.{}", asset.map_or_else(|| "_".to_owned(), AssetId::hash))
}
