//! The stage: an uploaded asset in, its page texts out.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use heimdex_schemas::{
    AssetUploaded, Content, DocumentExtracted, Lineage, ModelName, Org, StageName, UploadId, events,
};
use heimdex_stage::{
    AcceptError, BlobError, BlobRef, Bucket, Class, Classify, Context, LedgerError, OriginError, STORAGE_FULL, Stage,
    accept, origin,
};

use crate::kept::{self, Kept};
use crate::{Document, ExtractError, Failure, Format, Pool, Request, Warning, format};

/// `asset.uploaded` → `document.extracted`.
pub struct Extractor {
    pool: Pool,
    default_model: ModelName,
    /// Uploads whose page ranges are kept until their document is published.
    with_ranges: Mutex<BTreeSet<UploadId>>,
}

/// Why an upload was not extracted.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    Accept(#[from] AcceptError),
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The subject's org is the one the publisher may use.
    #[error("the event says org {said}, it was published for org {published}")]
    ForeignOrg { said: Org, published: Org },
    #[error("blob {name:?} does not belong to org {org}")]
    ForeignBlob { name: String, org: Org },
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The record of the page ranges that are kept.
    #[error(transparent)]
    Ranges(#[from] LedgerError),
}

impl From<Failure> for StageError {
    fn from(failure: Failure) -> Self {
        Self::Extract(failure.into())
    }
}

impl Classify for StageError {
    fn class(&self) -> Class {
        match self {
            Self::Accept(error) => error.class(),
            Self::Origin(error) => error.class(),
            Self::ForeignOrg { .. } | Self::ForeignBlob { .. } => Class::Permanent,
            Self::Blob(error) => error.class(),
            Self::Extract(ExtractError::Document(failure)) if failure.harmed_its_worker() => Class::Poison,
            Self::Extract(ExtractError::Document(_)) => Class::Permanent,
            Self::Extract(ExtractError::Start(_)) => Class::Unavailable,
            Self::Extract(ExtractError::Child(_)) => Class::Transient,
            Self::Ranges(error) => error.class(),
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Accept(error) => error.code(),
            Self::Origin(error) => error.code(),
            Self::ForeignOrg { .. } => "org_mismatch",
            Self::ForeignBlob { .. } => "blob_of_another_org",
            Self::Blob(BlobError::Missing(_)) => "blob_missing",
            Self::Blob(BlobError::Corrupt { .. }) => "blob_corrupt",
            Self::Blob(BlobError::TooLarge { .. }) => "too_large",
            Self::Blob(BlobError::Unavailable(_)) => "blobs_unavailable",
            Self::Blob(BlobError::Full(_)) => STORAGE_FULL,
            Self::Extract(ExtractError::Document(failure)) => failure.code(),
            Self::Extract(ExtractError::Start(_)) => "extractor_unavailable",
            Self::Extract(ExtractError::Child(_)) => "extractor_child_lost",
            Self::Ranges(error) => error.code(),
        }
    }
}

impl Extractor {
    /// `default_model` is the embedding model of uploads that name none.
    #[must_use]
    pub fn new(pool: Pool, default_model: ModelName) -> Self {
        Self { pool, default_model, with_ranges: Mutex::default() }
    }

    async fn lineage(&self, ctx: &Context, input: &AssetUploaded) -> Result<Lineage, StageError> {
        let model = input.model.as_ref().unwrap_or(&self.default_model);
        let lineage = accept::accept(ctx, &input.asset_id, model).await?;
        Ok(Lineage { title: input.title.clone(), source: input.source.clone(), ..lineage })
    }

    async fn document(&self, ctx: &Context, input: &AssetUploaded, upload: UploadId) -> Result<Document, StageError> {
        let bytes;
        let (format, bytes) = match &input.content {
            Content::Text(text) => (Some(Format::Txt), text.as_bytes()),
            Content::Bytes(bytes) => (None, bytes.as_slice()),
            Content::Blob { name, sha256, size } => {
                let (name, sha256) = (name.clone(), sha256.clone());
                bytes = self.fetch(ctx, &BlobRef { bucket: Bucket::Originals, name, sha256, size: *size }).await?;
                (None, bytes.as_ref())
            }
        };
        let format = format.map_or_else(|| format::sniff(bytes), Ok)?;
        let password = input.password.as_ref().map(heimdex_schemas::Password::reveal);
        self.read(ctx, input, upload, Request { format, bytes, password }).await
    }

    /// Page ranges are kept as they come. What is kept of a document that cannot be extracted goes at once.
    async fn read(
        &self,
        ctx: &Context,
        input: &AssetUploaded,
        upload: UploadId,
        request: Request<'_>,
    ) -> Result<Document, StageError> {
        let mut kept = Kept::new(ctx, &input.asset_id, upload, &self.pool);
        let read = match self.pool.read(request, &mut kept).await? {
            Ok(last) => kept.finish(last, self.pool.limits()).map_err(ExtractError::from),
            Err(error) => Err(error),
        };
        if kept.is_any() {
            self.with_ranges().insert(upload);
        }
        if matches!(read, Err(ExtractError::Document(_))) {
            self.published(ctx).await;
        }
        Ok(read?)
    }

    fn with_ranges(&self) -> std::sync::MutexGuard<'_, BTreeSet<UploadId>> {
        self.with_ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An org's publisher may only name blobs of its own org.
    async fn fetch(&self, ctx: &Context, blob: &BlobRef) -> Result<Bytes, StageError> {
        let own = blob.name.strip_prefix(ctx.org.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if !own {
            return Err(StageError::ForeignBlob { name: blob.name.clone(), org: ctx.org.clone() });
        }
        Ok(ctx.blobs.get(blob, self.pool.limits().max_bytes).await?)
    }
}

impl Stage for Extractor {
    type In = AssetUploaded;
    type Out = DocumentExtracted;
    type Error = StageError;
    const NAME: StageName = StageName::Extractor;

    async fn handle(&self, ctx: &Context, input: AssetUploaded) -> Result<Vec<DocumentExtracted>, StageError> {
        if let Some(said) = input.org.as_ref().filter(|said| **said != ctx.org) {
            return Err(StageError::ForeignOrg { said: said.clone(), published: ctx.org.clone() });
        }
        let lineage = self.lineage(ctx, &input).await?;
        // Side by side: keeping the event costs one write of the ledger, and no time.
        let kept = origin::keep(ctx, Some(&input.asset_id), lineage.upload, &input);
        let (kept, document) = tokio::join!(kept, self.document(ctx, &input, lineage.upload));
        let document = document?;
        kept?;
        Ok(vec![extracted(lineage, document)])
    }

    async fn published(&self, ctx: &Context) {
        let upload = UploadId::new(&ctx.org, ctx.envelope.source(), ctx.envelope.id());
        let has_ranges = self.with_ranges().remove(&upload);
        if !has_ranges {
            return;
        }
        if let Err(error) = kept::remove(ctx, upload).await {
            tracing::warn!(%error, %upload, "page ranges stay until the keeper removes them");
        }
    }
}

fn extracted(lineage: Lineage, document: Document) -> DocumentExtracted {
    let warnings = warnings(&document);
    let title = lineage.title.clone().or(document.title);
    DocumentExtracted {
        lineage: Lineage { title, ..lineage },
        format: document.format.name().to_owned(),
        language: document.language,
        pages: document.pages,
        metadata: document.metadata,
        attachments: document.attachments,
        warnings,
    }
}

/// The document's warnings, and one for all pages that need OCR.
fn warnings(document: &Document) -> Vec<events::Warning> {
    let unread: Vec<u32> = document.pages.iter().filter(|page| page.needs_ocr).map(|page| page.number).collect();
    let ocr = (!unread.is_empty()).then(|| events::Warning {
        code: "needs_ocr".to_owned(),
        message: "these pages have no text layer, or one whose characters mean nothing".to_owned(),
        pages: unread,
    });
    ocr.into_iter().chain(document.warnings.iter().map(warning)).collect()
}

fn warning(warning: &Warning) -> events::Warning {
    let (code, message, pages) = match warning {
        Warning::InvalidBytes { encoding } => {
            ("invalid_encoding", format!("some bytes mean nothing in {encoding}; they stand as U+FFFD"), vec![])
        }
        Warning::PageUnreadable { number } => {
            ("page_unreadable", "this page cannot be loaded".to_owned(), vec![*number])
        }
        Warning::OcrFailed { number } => {
            ("ocr_failed", "this page could not be recognized from its picture".to_owned(), vec![*number])
        }
        Warning::Truncated => ("truncated", "the end of the file is missing".to_owned(), vec![]),
    };
    events::Warning { code: code.to_owned(), message, pages }
}
