//! Jobs over NATS request-reply: `{"job_id":"…"}` on `heimdex.v1.jobs.get.<org>`, answered with the job as JSON.

use bytes::Bytes;
use heimdex_bus::{BusError, Jobs, ServiceError, ServiceRequest};
use heimdex_schemas::UploadId;
use serde::Deserialize;
use serde_json::json;

use crate::error::Invalid;
use crate::service::org;

/// Where jobs are asked for; the last token is the organization.
pub const SUBJECT: &str = "heimdex.v1.jobs.get.*";

/// Why a job cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("there is no job {0}: it is older than receipts are kept, it was never published, or it is not this org's")]
    Unknown(UploadId),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("the answer cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl From<JobError> for ServiceError {
    fn from(error: JobError) -> Self {
        let (status, code) = match &error {
            JobError::Invalid(_) => (400, "invalid"),
            JobError::Unknown(_) => (404, "unknown_job"),
            JobError::Bus(BusError::Malformed { .. }) | JobError::Unwritable(_) => (500, "internal"),
            JobError::Bus(_) => (503, "broker_unavailable"),
        };
        if status >= 500 {
            tracing::warn!(%error, status, "a job could not be looked up");
        }
        Self::new(status, error.to_string()).with_details(json!({"code": code}))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobRequest {
    job_id: UploadId,
}

pub(crate) async fn handle(jobs: &Jobs, request: ServiceRequest) -> Result<Bytes, JobError> {
    let org = org(&request.subject)?;
    let JobRequest { job_id } = parse(&request.payload)?;
    let job = jobs.get(&org, job_id).await?.ok_or(JobError::Unknown(job_id))?;
    Ok(Bytes::from(serde_json::to_vec(&job)?))
}

fn parse(json: &[u8]) -> Result<JobRequest, Invalid> {
    serde_json::from_slice(json).map_err(|error| Invalid::new("job_id", error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn a_job_is_asked_for_by_its_id_alone() {
        assert!(parse(br#"{"job_id":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#).is_ok());
        for json in
            [&b"{}"[..], b"", br#"{"job_id":"1"}"#, br#"{"job_id":"67e55044-10b1-426f-9247-bb680e5fe0c8","org":"a"}"#]
        {
            assert_eq!(parse(json).err().unwrap().field, "job_id");
        }
    }
}
