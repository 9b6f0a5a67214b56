//! What a user does in one case, always the same, in an organization of the case's own.

use std::fmt;

use bytes::Bytes;
use heimdex_bus::topology;
use heimdex_e2e::client::SOURCE;
use heimdex_e2e::{Client, documents};
use heimdex_schemas::{
    AssetDeleted, AssetUploaded, Content, Envelope, Event, Lane, ModelName, Org, OrgPurged, StageName, UploadId,
};
use heimdex_stage::{Blobs as _, Bucket};
use heimdex_testkit::lineage;
use serde_json::json;

const LANE: Lane = Lane::Interactive;

/// One thing that a user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// An upload with its text in the event.
    Text,
    /// A PDF of two pages in the originals bucket.
    Pdf,
    /// Two uploads of one asset, the newer one right behind.
    Again,
    /// A second upload of an asset that is searchable.
    Replace,
    /// The deletion of an asset that is searchable.
    Delete,
    /// An upload, and its deletion right behind: which of them is quicker is left to chance.
    DeleteAtOnce,
    /// The purge of an org with two assets that are searchable.
    Purge,
    /// A document that nobody can read.
    Rejected,
    /// An upload for a model that nobody serves.
    OtherModel,
    /// A message in a stage's queue that says whose it is and not much more.
    Broken(StageName),
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Pdf => "pdf",
            Self::Again => "again",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::DeleteAtOnce => "delete_at_once",
            Self::Purge => "purge",
            Self::Rejected => "rejected",
            Self::OtherModel => "other_model",
            Self::Broken(_) => "broken",
        })
    }
}

/// Jobs that must end in a receipt, by the event ids that they were published with.
pub type Jobs = Vec<(&'static str, UploadId)>;

impl Trigger {
    /// Does it.
    pub async fn pull(self, client: &Client, org: &Org) -> Jobs {
        let user = User { client, org };
        match self {
            Self::Text => vec![user.text("note", "note-1", "The ferry leaves at nine.").await],
            Self::Pdf => vec![user.pdf().await],
            Self::Again => vec![
                user.text("menu", "menu-1", "Today there is pumpkin soup.").await,
                user.text("menu", "menu-2", "Today there is lentil stew.").await,
            ],
            Self::Replace => vec![
                user.searchable("door", "door-1", "The door is red.").await,
                user.text("door", "door-2", "The door is green.").await,
            ],
            Self::Delete => {
                let rota = user.searchable("rota", "rota-1", "Zelda waters the plants.").await;
                vec![rota, user.deletion("gone", "rota").await]
            }
            Self::DeleteAtOnce => {
                let rota = user.text("rota", "rota-1", "Zelda waters the plants.").await;
                vec![rota, user.deletion("gone", "rota").await]
            }
            Self::Purge => vec![
                user.searchable("one", "one-1", "The first of two.").await,
                user.searchable("two", "two-1", "The second of two.").await,
                user.wish("all-gone", &OrgPurged { org: None, reason: None }).await,
            ],
            Self::Rejected => {
                vec![user.upload("locked", "locked-1", Content::Bytes(documents::encrypted_pdf()), None).await]
            }
            Self::OtherModel => {
                let content = Content::Text("For another model.".to_owned());
                vec![user.upload("other", "other-1", content, Some("other-model".parse().unwrap())).await]
            }
            Self::Broken(stage) => user.broken(stage).await,
        }
    }
}

struct User<'a> {
    client: &'a Client,
    org: &'a Org,
}

impl User<'_> {
    fn job(&self, event: &'static str) -> (&'static str, UploadId) {
        (event, UploadId::new(self.org, SOURCE, event))
    }

    async fn text(&self, asset: &str, event: &'static str, text: &str) -> (&'static str, UploadId) {
        self.upload(asset, event, Content::Text(text.to_owned()), None).await
    }

    async fn searchable(&self, asset: &str, event: &'static str, text: &str) -> (&'static str, UploadId) {
        let job = self.text(asset, event, text).await;
        self.client.receipt(self.org, job.1).await;
        job
    }

    async fn deletion(&self, event: &'static str, asset: &str) -> (&'static str, UploadId) {
        self.wish(event, &AssetDeleted { asset_id: asset.parse().unwrap(), org: None, reason: None }).await
    }

    async fn pdf(&self) -> (&'static str, UploadId) {
        let bytes = documents::pdf(&["The first page is about tides.", "The second page is about moons."]);
        let prefix = format!("{}/tables/upload", self.org);
        let blob = self.client.bus().blobs().put(Bucket::Originals, &prefix, Bytes::from(bytes)).await.unwrap();
        let content = Content::Blob { name: blob.name, sha256: blob.sha256, size: blob.size };
        self.upload("tables", "tables-1", content, None).await
    }

    async fn upload(
        &self,
        asset: &str,
        event: &'static str,
        content: Content,
        model: Option<ModelName>,
    ) -> (&'static str, UploadId) {
        let asset_id = asset.parse().unwrap();
        let uploaded = AssetUploaded { asset_id, content, org: None, title: None, source: None, model, password: None };
        let envelope = Envelope::wrap(SOURCE, event, &uploaded).unwrap();
        self.client.bus().publisher().publish_asset(self.org, LANE, envelope).await.unwrap();
        self.job(event)
    }

    async fn wish<E: Event>(&self, event: &'static str, wish: &E) -> (&'static str, UploadId) {
        let envelope = Envelope::wrap(SOURCE, event, wish).unwrap();
        self.client.bus().publisher().publish_wish::<E>(self.org, LANE, envelope).await.unwrap();
        self.job(event)
    }

    /// Behind the back of the stage before.
    async fn broken(&self, stage: StageName) -> Jobs {
        let subject = topology::input_subject(stage, LANE, self.org);
        let name = subject.split('.').take(3).collect::<Vec<_>>().join(".");
        let kind = format!("{name}.v1");
        let headers =
            [("ce-specversion", "1.0"), ("ce-id", "broken"), ("ce-source", SOURCE), ("ce-type", kind.as_str())];
        let (label, upload) = self.job("broken");
        let mut lineage = lineage("broken", 1);
        (lineage.org, lineage.upload) = (self.org.clone(), upload);
        let body = json!({"lineage": lineage, "part": 0, "parts": 1, "org": 7}).to_string();
        self.client.bus().publish_raw(&subject, &headers, Bytes::from(body)).await.unwrap();
        match stage {
            StageName::Extractor | StageName::Eraser | StageName::Purger => Vec::new(),
            StageName::Chunker | StageName::Embedder | StageName::Writer => vec![(label, upload)],
        }
    }
}
