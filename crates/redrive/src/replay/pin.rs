//! Which upload of an asset is newer is decided where the broker stored the upload first. A message that died before
//! anybody had written that down would count as new when it is replayed; so it is written down here, before it is sent.

use std::sync::Arc;

use heimdex_bus::{Incoming, Letter, RawMessage, topology};
use heimdex_schemas::{AssetDeleted, AssetUploaded, Org, OrgPurged, StageName};
use heimdex_stage::{AcceptError, Class, Context, Position, accept};
use tokio_util::sync::CancellationToken;

use crate::{Redrive, RedriveError};

impl Redrive {
    /// Accepts the event of an uploader at the place where it was first stored, unless it was accepted before. What
    /// cannot be read is not accepted: the stage will say so.
    pub(super) async fn pin(&self, subject: &str, letter: &Letter, message: &RawMessage) -> Result<(), RedriveError> {
        let stage = topology::stage_of(subject);
        let Some(stage @ (StageName::Extractor | StageName::Eraser | StageName::Purger)) = stage else { return Ok(()) };
        let incoming = match message.decode(&letter.origin.subject, self.bus.blobs().as_ref(), u64::MAX).await {
            Ok(incoming) => incoming,
            Err(error) if error.class() == Class::Unavailable => return Err(RedriveError::Data(error)),
            Err(_) => return Ok(()),
        };
        let context = self.context(letter, &incoming);
        match self.accept(stage, &context, &incoming).await {
            Err(AcceptError::Unavailable(error)) => Err(error.into()),
            Ok(()) | Err(AcceptError::Sequence(_) | AcceptError::Reused { .. } | AcceptError::Ledger(_)) => Ok(()),
        }
    }

    async fn accept(&self, stage: StageName, context: &Context, incoming: &Incoming) -> Result<(), AcceptError> {
        let envelope = &incoming.envelope;
        // An event that says it is another org's is refused by every stage.
        let is_own = |said: Option<&Org>| said.is_none_or(|said| *said == context.org);
        if stage == StageName::Eraser {
            if let Some(event) = envelope.data_as::<AssetDeleted>().ok().filter(|event| is_own(event.org.as_ref())) {
                accept::accept_deletion(context, Some(&event.asset_id)).await?;
            }
        } else if stage == StageName::Purger {
            if envelope.data_as::<OrgPurged>().is_ok_and(|event| is_own(event.org.as_ref())) {
                accept::accept_deletion(context, None).await?;
            }
        } else if let Some(event) = envelope.data_as::<AssetUploaded>().ok().filter(|event| is_own(event.org.as_ref()))
        {
            let model = event.model.as_ref().unwrap_or(&self.default_model);
            accept::accept(context, &event.asset_id, model).await?;
        }
        Ok(())
    }

    /// The context that the message had when it was delivered first.
    fn context(&self, letter: &Letter, incoming: &Incoming) -> Context {
        let (epoch, sequence) = letter.first_position();
        Context {
            envelope: incoming.envelope.clone().with_data(bytes::Bytes::new()),
            org: incoming.address.org.clone(),
            lane: incoming.address.lane,
            position: Position { epoch, sequence, stored_at: letter.first_failed_at },
            blobs: self.bus.blobs(),
            ledger: Arc::clone(&self.ledger) as Arc<dyn heimdex_stage::Ledger>,
            cancelled: CancellationToken::new(),
        }
    }
}
