//! Jobs as they move: reports of the stages and receipts in one stream.

use std::pin::Pin;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures::{Stream, StreamExt};
use heimdex_schemas::{Org, Progress, UploadId};

use super::{Jobs, history};
use crate::error::BusError;
use crate::receipts::{From as ReceiptsFrom, ReceiptUpdate, Scope};
use crate::topology::PROGRESS_STREAM;

/// One step of a job.
#[derive(Debug, Clone)]
pub enum JobUpdate {
    Progress(Progress),
    Receipt(Box<ReceiptUpdate>),
}

/// Steps as they come. Ends only when dropped.
pub type JobUpdates = Pin<Box<dyn Stream<Item = Result<JobUpdate, BusError>> + Send>>;

fn unavailable(error: &impl std::fmt::Display) -> BusError {
    BusError::Unavailable { what: format!("stream {PROGRESS_STREAM}"), reason: error.to_string() }
}

impl Jobs {
    /// The steps of one job, those so far included; or those of all jobs of `org` from now on.
    ///
    /// # Errors
    /// [`BusError::Unavailable`]. An item is an error when the broker is away; the stream goes on after it.
    pub async fn watch(&self, org: &Org, job: Option<UploadId>) -> Result<JobUpdates, BusError> {
        let (scope, from) = match job {
            Some(job) => (Scope::Job(org.clone(), job), ReceiptsFrom::Current),
            None => (Scope::Org(org.clone()), ReceiptsFrom::Now),
        };
        let receipts = self.receipts.watch(&scope, from).await?;
        let receipts = receipts.map(|update| update.map(|update| JobUpdate::Receipt(Box::new(update))));
        let progress = self.progress(org, job).await?;
        Ok(Box::pin(futures::stream::select(progress, receipts)))
    }

    async fn progress(&self, org: &Org, job: Option<UploadId>) -> Result<JobUpdates, BusError> {
        let (filter, deliver_policy) = match job {
            Some(job) => (format!("heimdex.progress.{org}.{job}.*.*"), DeliverPolicy::LastPerSubject),
            None => (format!("heimdex.progress.{org}.*.*.*"), DeliverPolicy::New),
        };
        let config = pull::OrderedConfig { filter_subject: filter, deliver_policy, ..pull::OrderedConfig::default() };
        let stream = self.link.jetstream.get_stream_no_info(PROGRESS_STREAM).await.map_err(|e| unavailable(&e))?;
        let consumer = stream.create_consumer(config).await.map_err(|e| unavailable(&e))?;
        let messages = consumer.messages().await.map_err(|e| unavailable(&e))?;
        let updates = messages.filter_map(|message| {
            std::future::ready(match message {
                Ok(message) => history::progress(&message).map(|report| Ok(JobUpdate::Progress(report))),
                Err(error) => Some(Err(unavailable(&error))),
            })
        });
        Ok(Box::pin(updates))
    }
}
