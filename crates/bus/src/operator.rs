//! What an operator does to queues, and what strangers' clients can do behind our back: for mending, drills and tests.

use async_nats::HeaderMap;
use bytes::Bytes;
use heimdex_schemas::{Lane, StageName};

use crate::connection::Bus;
use crate::error::BusError;
use crate::topology;

impl Bus {
    /// Publishes any bytes on any subject of a stream, unchecked, as a stranger's client would. Returns the sequence.
    ///
    /// # Errors
    /// [`BusError::Refused`] when no stream stored it.
    pub async fn publish_raw(&self, subject: &str, headers: &[(&str, &str)], payload: Bytes) -> Result<u64, BusError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, *value);
        }
        let refused = |reason: String| BusError::Refused { what: subject.to_owned(), reason };
        let sent = self.link().jetstream.publish_with_headers(subject.to_owned(), map, payload).await;
        let ack = sent.map_err(|e| refused(e.to_string()))?.await.map_err(|e| refused(e.to_string()))?;
        Ok(ack.sequence)
    }

    /// Deletes a stage's consumer, which a running stage reports as unhealthy and [`Bus::ensure`] makes anew.
    ///
    /// # Errors
    /// [`BusError::Missing`] when there is none.
    pub async fn delete_consumer(&self, stage: StageName, lane: Lane) -> Result<(), BusError> {
        topology::delete_consumer(self.link(), stage, lane).await
    }

    /// Makes a stage's consumer anew with our settings, so that it delivers all that is stored once more; a running stage
    /// notices and goes on with it. The way out of [`Bus::stranded`] messages.
    ///
    /// # Errors
    /// [`BusError::Missing`] or [`BusError::Unavailable`]: then [`Bus::ensure`] makes the consumer.
    pub async fn renew_consumer(&self, stage: StageName, lane: Lane) -> Result<(), BusError> {
        topology::renew_consumer(self.link(), stage, lane).await
    }

    /// Empties a stream, as an operator may by mistake. Returns how many messages are lost.
    ///
    /// # Errors
    /// [`BusError::Missing`] when there is no such stream.
    pub async fn purge_stream(&self, stream: &str) -> Result<u64, BusError> {
        self.link().purge(stream, ">", None).await.map_err(|e| e.into_bus(format!("stream {stream}")))
    }
}
