//! Where an unfinished job waits, and how long that may take. Both are estimates and say so by being absent when
//! nothing is known.

use heimdex_schemas::{Lane, StageName};
use serde::{Deserialize, Serialize};

use super::StageStatus;
use super::history;
use crate::error::BusError;
use crate::link::{ApiError, Link};
use crate::topology;

/// A place in a stage's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePosition {
    pub stage: StageName,
    pub lane: Lane,
    /// About how many messages of the lane are delivered before the job's last one.
    pub ahead: u64,
}

/// The unfinished steps of a job, from the stage that has it now on.
pub(super) struct Remaining<'a> {
    pub lane: Lane,
    pub stages: &'a [StageStatus],
    /// Sequence of the job's newest message in the queue of the first of them.
    pub sequence: Option<u64>,
}

#[derive(Deserialize)]
struct ConsumerInfo {
    num_pending: u64,
    delivered: Delivered,
}

#[derive(Deserialize)]
struct Delivered {
    stream_seq: u64,
}

async fn lane_of(link: &Link, stage: StageName, lane: Lane) -> Result<ConsumerInfo, BusError> {
    let name = topology::consumer_name(stage, lane);
    let call = format!("CONSUMER.INFO.{}.{name}", topology::input_stream(stage));
    let info: Result<ConsumerInfo, ApiError> = link.api(&call, &()).await;
    info.map_err(|e| e.into_bus(format!("consumer {name}")))
}

/// The place in the queue of the stage that has the job; `None` once its message was delivered.
pub(super) async fn position(link: &Link, remaining: &Remaining<'_>) -> Result<Option<QueuePosition>, BusError> {
    let (Some(first), Some(sequence)) = (remaining.stages.first(), remaining.sequence) else { return Ok(None) };
    let (stage, lane) = (first.stage, remaining.lane);
    let info = lane_of(link, stage, lane).await?;
    let place = ahead(sequence, info.delivered.stream_seq, info.num_pending);
    Ok(place.map(|ahead| QueuePosition { stage, lane, ahead }))
}

/// Sequences between the last delivered message and this one, of which other lanes have some; so at most what is pending.
fn ahead(sequence: u64, delivered: u64, pending: u64) -> Option<u64> {
    let between = sequence.checked_sub(delivered)?.checked_sub(1)?;
    Some(between.min(pending.saturating_sub(1)))
}

/// Seconds until the last stage is through, if each stage goes on at the rate of its last minute. `None` when there is
/// work before a stage that did nothing in that time.
pub(super) async fn estimate(
    link: &Link,
    remaining: &Remaining<'_>,
    position: Option<&QueuePosition>,
) -> Result<Option<f64>, BusError> {
    let mut seconds = 0.0;
    for (n, status) in remaining.stages.iter().enumerate() {
        let own = u64::from(status.total.unwrap_or(1).saturating_sub(status.done));
        let before = match (n, position) {
            (0, Some(position)) => position.ahead + 1,
            (0, None) => own,
            _ => lane_of(link, status.stage, remaining.lane).await?.num_pending + own,
        };
        let Some(rate) = history::rate(link, status.stage).await? else { return Ok(None) };
        seconds += before as f64 / rate;
    }
    Ok(Some(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_delivered_has_no_place_in_the_queue() {
        assert_eq!(ahead(10, 10, 5), None);
        assert_eq!(ahead(9, 10, 5), None);
        assert_eq!(ahead(11, 10, 5), Some(0));
        assert_eq!(ahead(15, 10, 100), Some(4));
        assert_eq!(ahead(100, 10, 5), Some(4));
        assert_eq!(ahead(11, 10, 0), Some(0));
    }
}
