//! The stages that delete: `asset.deleted` and `org.purged` in, the deletion's receipt and those of what it deleted out.

mod deletion;
mod points;
mod records;

use std::sync::Arc;

use chrono::Utc;
use heimdex_index::Index;
use heimdex_schemas::{AssetDeleted, AssetId, Event, Org, OrgPurged, Receipt, StageName};
use heimdex_stage::{Context, DeadLetterBin, Stage, Tombstone, accept, origin};

use crate::error::WriterError;
use crate::points::Points;
use crate::stage::newest;
use deletion::{Deletion, Tools};

/// Deletes one asset in all collections.
pub struct Eraser<P = Index> {
    points: P,
    dead_letters: Arc<dyn DeadLetterBin>,
}

/// Deletes all that an org has.
pub struct Purger<P = Index> {
    points: P,
    dead_letters: Arc<dyn DeadLetterBin>,
}

impl<P: Points> Eraser<P> {
    pub fn new(points: P, dead_letters: Arc<dyn DeadLetterBin>) -> Self {
        Self { points, dead_letters }
    }
}

impl<P: Points> Purger<P> {
    pub fn new(points: P, dead_letters: Arc<dyn DeadLetterBin>) -> Self {
        Self { points, dead_letters }
    }
}

impl<P: Points> Stage for Eraser<P> {
    type In = AssetDeleted;
    type Out = Receipt;
    type Error = WriterError;
    const NAME: StageName = StageName::Eraser;

    async fn handle(&self, ctx: &Context, input: AssetDeleted) -> Result<Vec<Receipt>, WriterError> {
        check(ctx, input.org.as_ref())?;
        let asset = Some(input.asset_id.clone());
        let deletion = accepted(ctx, Self::NAME, asset, &input).await?;
        let tools = Tools { ctx, points: &self.points, dead_letters: self.dead_letters.as_ref() };
        tools.carry_out(&deletion).await.map(newest)
    }
}

impl<P: Points> Stage for Purger<P> {
    type In = OrgPurged;
    type Out = Receipt;
    type Error = WriterError;
    const NAME: StageName = StageName::Purger;

    async fn handle(&self, ctx: &Context, input: OrgPurged) -> Result<Vec<Receipt>, WriterError> {
        check(ctx, input.org.as_ref())?;
        let deletion = accepted(ctx, Self::NAME, None, &input).await?;
        let tools = Tools { ctx, points: &self.points, dead_letters: self.dead_letters.as_ref() };
        tools.carry_out(&deletion).await.map(newest)
    }
}

/// The subject's org is the one the publisher may use.
fn check(ctx: &Context, said: Option<&Org>) -> Result<(), WriterError> {
    match said.filter(|said| **said != ctx.org) {
        Some(said) => Err(WriterError::ForeignOrg { subject: ctx.org.clone(), said: said.clone() }),
        None => Ok(()),
    }
}

/// Fixes the deletion's identity and order, as an upload's, and keeps its event until it is done.
async fn accepted<E: Event>(
    ctx: &Context,
    stage: StageName,
    asset: Option<AssetId>,
    event: &E,
) -> Result<Deletion, WriterError> {
    let started_at = Utc::now();
    let (job, accepted) = accept::accept_deletion(ctx, asset.as_ref()).await?;
    origin::keep(ctx, asset.as_ref(), job, event).await?;
    let (order, position, at) = (accepted.order, accepted.position, accepted.accepted_at);
    let mark = match &asset {
        Some(_) => Tombstone::of_asset(order, position, job, at),
        None => Tombstone::of_org(position, job, at),
    };
    Ok(Deletion { stage, asset, job, order, mark, started_at })
}
