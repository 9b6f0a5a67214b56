//! SIGTERM: what is in hand is finished or given back, and the next start goes on with it.

use std::time::Duration;

use heimdex_e2e::Upload;
use heimdex_schemas::{ReceiptState, StageName};
use heimdex_testkit::eventually;

use crate::Scene;

const ORG: &str = "harvest";
const SETTLED: Duration = Duration::from_secs(30);

pub async fn a_stop_drains_and_loses_nothing(scene: &mut Scene) {
    let uploads: Vec<Upload> = (0..8)
        .map(|n| Upload::new(ORG, &format!("field-{n}.txt"), format!("Field {n} gives {n} tons of barley.")))
        .collect();
    for upload in &uploads {
        scene.client.upload(upload).await;
    }
    for (name, status) in scene.cluster.terminate() {
        assert!(status.success(), "{name} ended with {status} after SIGTERM");
    }
    scene.cluster.restart();
    for upload in &uploads {
        let receipt = scene.client.receipt(&upload.org, upload.job()).await;
        assert_eq!(receipt.state, ReceiptState::Indexed, "{receipt:?}");
    }
    assert_eq!(scene.client.found(ORG, "sparse", "barley").await.len(), uploads.len());
    assert_eq!(scene.client.dead_letters(ORG).await, []);
    nothing_is_left_over(scene).await;
}

async fn nothing_is_left_over(scene: &Scene) {
    for stage in StageName::ALL {
        eventually!(SETTLED, scene.client.bus().queue_state(*stage).await.is_ok_and(|queue| queue.messages == 0));
    }
}
