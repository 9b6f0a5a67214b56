//! Operations that have to look at the points: turned into absolute changes, a piece at a time.

use std::collections::HashSet;

use qdrant_edge::{PointId, PointStructPersisted, WithPayloadInterface, WithVector};

use super::{Error, Result, Writer};
use crate::collection::operation::{Change, Operation, PayloadEdit, Target};
use crate::collection::reads;
use crate::convert::points;

/// Points read, logged and stored at a time when an operation is turned into absolute changes.
pub(super) const IMAGE_CHUNK: usize = 1024;

impl Writer {
    /// Does an operation when its turn has come.
    pub(super) fn operate(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::Change(change) => self.change(change),
            Operation::Insert(points) => self.insert(points),
            Operation::DeleteMatching(filter) => {
                self.refuse_damaged()?;
                let ids = reads::matching(self.engine.shard()?, Some(filter))?;
                if ids.is_empty() { Ok(()) } else { self.change(Change::delete(ids)) }
            }
            Operation::Edit(target, edit) => self.edit(target, &edit),
        }
    }

    /// What a damaged engine shows may be a point that was deleted; written again it would stay.
    fn refuse_damaged(&self) -> Result<()> {
        match self.damage {
            None => Ok(()),
            Some(_) => Err(Error::Reloading(self.mending.trouble().unwrap_or_else(|| "it was damaged".into()))),
        }
    }

    fn insert(&mut self, mut points: Vec<PointStructPersisted>) -> Result<()> {
        self.refuse_damaged()?;
        let found = self.found(&points.iter().map(|point| point.id).collect::<Vec<_>>())?;
        points.retain(|point| !found.contains(&point.id));
        if points.is_empty() { Ok(()) } else { self.change(Change::images(points)) }
    }

    fn edit(&mut self, target: Target, edit: &PayloadEdit) -> Result<()> {
        self.refuse_damaged()?;
        let ids = match target {
            Target::Matching(filter) => reads::matching(self.engine.shard()?, Some(filter))?,
            Target::Ids(ids) => self.existing(ids)?,
        };
        ids.chunks(IMAGE_CHUNK).try_for_each(|chunk| {
            self.state.go_on()?;
            let mut images = self.images(chunk)?;
            images.iter_mut().filter_map(|image| image.payload.as_mut()).for_each(|payload| edit.edit(payload));
            self.change(Change::images(images))
        })
    }

    /// All of these ids, or an error that names one that does not exist.
    fn existing(&self, mut ids: Vec<PointId>) -> Result<Vec<PointId>> {
        ids.sort_unstable();
        ids.dedup();
        let found = self.found(&ids)?;
        match ids.iter().find(|id| !found.contains(id)) {
            Some(missing) => Err(Error::NotFound(format!("no point with id {missing} found"))),
            None => Ok(ids),
        }
    }

    /// Those of these ids that exist.
    fn found(&self, ids: &[PointId]) -> Result<HashSet<PointId>> {
        let (payload, vectors) = (WithPayloadInterface::Bool(false), WithVector::Bool(false));
        let records = reads::get(self.engine.shard()?, ids, payload, vectors)?;
        Ok(records.into_iter().map(|record| record.id).collect())
    }

    /// These points as they are now.
    pub(super) fn images(&self, ids: &[PointId]) -> Result<Vec<PointStructPersisted>> {
        let (payload, vectors) = (WithPayloadInterface::Bool(true), WithVector::Bool(true));
        let records = reads::get(self.engine.shard()?, ids, payload, vectors)?;
        Ok(records.into_iter().map(points::image).collect())
    }

    fn change(&mut self, change: Change) -> Result<()> {
        self.log(std::slice::from_ref(&change.record))?;
        self.apply(change.effect)
    }
}
