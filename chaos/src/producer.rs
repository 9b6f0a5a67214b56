//! Publishes uploads through whatever happens to the broker. An upload counts as accepted when the broker said so.

use std::time::Duration;

use heimdex_e2e::{Client, Upload};
use heimdex_schemas::UploadId;

/// Time between two tries of one publish.
const AGAIN: Duration = Duration::from_millis(100);

/// What became of the uploads.
#[derive(Debug, Clone, Default)]
pub struct Produced {
    pub accepted: Vec<UploadId>,
    /// Publishes that were not confirmed and sent again.
    pub retries: usize,
}

/// Publishes one upload every `pace`, each until it is accepted.
pub async fn produce(client: Client, uploads: Vec<Upload>, pace: Duration) -> Produced {
    let mut produced = Produced::default();
    let mut due = tokio::time::interval(pace.max(Duration::from_millis(1)));
    for upload in uploads {
        due.tick().await;
        produced.retries += until_accepted(&client, &upload).await;
        produced.accepted.push(upload.job());
    }
    produced
}

async fn until_accepted(client: &Client, upload: &Upload) -> usize {
    let mut again = tokio::time::interval(AGAIN);
    let mut retries = 0;
    loop {
        again.tick().await;
        match client.try_upload(upload).await {
            Ok(_) => return retries,
            Err(_) => retries += 1,
        }
    }
}
