//! The one-stop: a model folder opened on the best provider this machine has.

use std::{path::PathBuf, sync::Arc};

use crate::{
    batcher::{Batcher, Lane, Limits, Vector},
    error::Error,
    model::{Model, Numerics, Space},
    opening,
    provider::{Libraries, Precision, Provider},
    reference::{Reference, ReferenceVector},
    tokenizer::Tokenizer,
};

/// What a text is, which decides the model's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something to be found.
    Document,
    /// What somebody looks for.
    Query,
}

/// How to open a model.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model folder.
    pub model_dir: PathBuf,
    /// What computes.
    pub provider: Provider,
    /// In which arithmetic.
    pub precision: Precision,
    /// Threads of all sessions together; default: all of the machine.
    pub threads: usize,
    /// Sessions that share the threads; default: what is fastest on the provider.
    pub sessions: Option<usize>,
    /// The batcher's limits.
    pub limits: Limits,
    /// Runtime libraries to choose from.
    pub libraries: Libraries,
}

impl Options {
    /// `auto` on all threads, with the libraries found on this machine.
    #[must_use]
    pub fn new(model_dir: impl Into<PathBuf>) -> Self {
        Self {
            model_dir: model_dir.into(),
            provider: Provider::Auto,
            precision: Precision::Auto,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            sessions: None,
            limits: Limits::default(),
            libraries: Libraries::located(),
        }
    }
}

/// A model that is loaded, warm and checked against its reference vectors. Cheap to clone.
#[derive(Clone)]
pub struct Embedder {
    inner: Arc<Inner>,
}

struct Inner {
    model: Model,
    tokenizer: Tokenizer,
    batcher: Batcher,
    numerics: Numerics,
    cosine: Option<f32>,
    threads: usize,
    sessions: usize,
    limits: Limits,
}

impl Embedder {
    /// Opens a model. Blocks while it is loaded, warmed up and checked.
    ///
    /// # Errors
    /// [`Error::ProviderUnavailable`], [`Error::OtherLibraryLoaded`], [`Error::ReferenceMismatch`], or what is wrong
    /// with the model folder. `auto` fails only when none of its choices works; the reason of each is logged.
    pub fn open(options: Options) -> Result<Self, Error> {
        let model = Model::open(&options.model_dir)?;
        let tokenizer = model.tokenizer()?;
        let reference = model.reference()?;
        let opened = opening::open(&model, reference.as_ref(), &options)?;
        let numerics = opened.plan.numerics();
        tracing::info!(
            model = model.name(), space = %model.space(), numerics = %numerics, cosine = opened.cosine,
            threads = options.threads, sessions = opened.encoders.len(), batch_tokens = options.limits.batch_tokens, "embedder is ready"
        );
        Ok(Self {
            inner: Arc::new(Inner {
                sessions: opened.encoders.len(),
                batcher: Batcher::start(opened.encoders, options.limits)?,
                model,
                tokenizer,
                numerics,
                cosine: opened.cosine,
                threads: options.threads,
                limits: options.limits,
            }),
        })
    }

    /// The vectors of `texts`, in their order; one that fails does not fail the others.
    pub async fn embed<T: AsRef<str>>(&self, texts: &[T], lane: Lane, kind: Kind) -> Vec<Result<Vector, Error>> {
        let mut rows = Vec::with_capacity(texts.len());
        let mut results = Vec::with_capacity(texts.len());
        for text in texts {
            match self.encode(text.as_ref(), kind) {
                Ok(row) => {
                    rows.push(row);
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
            // Tokenizing a long list must not keep other tasks of this thread waiting.
            tokio::task::yield_now().await;
        }
        let mut vectors = self.inner.batcher.embed(rows, lane).await.into_iter();
        results
            .into_iter()
            .map(|result| result.or_else(|| vectors.next()))
            .map(|result| result.unwrap_or_else(|| Err(Error::Inference("no answer".to_owned()))))
            .collect()
    }

    /// [`Embedder::embed`] for one query.
    ///
    /// # Errors
    /// That of the text.
    pub async fn embed_query(&self, text: &str) -> Result<Vector, Error> {
        let mut vectors = self.embed(&[text], Lane::Query, Kind::Query).await;
        vectors.pop().unwrap_or_else(|| Err(Error::Inference("no answer".to_owned())))
    }

    /// Model input for `text`: prefix and special tokens included.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Tokenizer`].
    pub fn encode(&self, text: &str, kind: Kind) -> Result<Vec<u32>, Error> {
        let manifest = self.inner.model.manifest();
        let prefix = match kind {
            Kind::Document => &manifest.document_prefix,
            Kind::Query => &manifest.query_prefix,
        };
        match prefix.as_str() {
            "" => self.inner.tokenizer.encode(text),
            prefix => self.inner.tokenizer.encode(&format!("{prefix}{text}")),
        }
    }

    /// Records reference vectors for a model that has none, so that faster arithmetic can be held against them later.
    ///
    /// # Errors
    /// [`Error::Model`] unless the arithmetic is 32-bit and there is no reference yet; [`Error::Io`].
    pub async fn record_reference(&self) -> Result<(), Error> {
        let model = &self.inner.model;
        if self.inner.numerics.precision != Precision::Fp32.name() || self.inner.cosine.is_some() {
            let reason = "reference vectors are recorded once, in 32-bit arithmetic";
            return Err(Error::model(model.dir())(reason));
        }
        let (mut texts, mut rows) = (Vec::new(), Vec::new());
        for text in Reference::texts() {
            if let Ok(row) = self.encode(&text, Kind::Document) {
                texts.push(text);
                rows.push(row);
            }
        }
        let vectors = self.inner.batcher.embed(rows.clone(), Lane::Interactive).await;
        let mut recorded = Vec::with_capacity(texts.len());
        for ((text, token_ids), vector) in texts.into_iter().zip(rows).zip(vectors) {
            recorded.push(ReferenceVector { text, token_ids, embedding: vector? });
        }
        model.write_reference(&Reference {
            model: model.name().to_owned(),
            weights_sha256: model.manifest().revision.clone(),
            vectors: recorded,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.inner.model
    }

    /// The space its vectors live in.
    #[must_use]
    pub fn space(&self) -> &Space {
        self.inner.model.space()
    }

    /// How its vectors are computed.
    #[must_use]
    pub fn numerics(&self) -> &Numerics {
        &self.inner.numerics
    }

    /// Its tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// Its batcher, for callers that have token ids.
    #[must_use]
    pub fn batcher(&self) -> &Batcher {
        &self.inner.batcher
    }

    /// The lowest cosine to the reference vectors, measured when it was opened; `None` when there are none.
    #[must_use]
    pub fn cosine(&self) -> Option<f32> {
        self.inner.cosine
    }

    /// Threads of all sessions together.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.inner.threads
    }

    /// Sessions, each with its share of the threads.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.inner.sessions
    }

    /// The batcher's limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.inner.limits
    }
}
