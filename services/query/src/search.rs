//! One search from request to answer.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use heimdex_bus::ReceiptClock;
use heimdex_embedding::{Embedder, Error as EmbeddingError, Model};
use heimdex_index::{Document, Index, Legs, LegsQuery, Narrow, OrgScoped, Point, Space};
use heimdex_lexical::Bm25;
use heimdex_schemas::{ModelName, Org, PointId, Sparse};

use crate::error::{Invalid, SearchError};
use crate::highlight::Highlights;
use crate::language::Fluency;
use crate::options::Options;
use crate::rank::{Ranked, rank};
use crate::request::{Mode, SearchRequest};
use crate::response::{Explain, Hit, SearchResponse};

/// The dense leg could not run.
const DENSE_UNAVAILABLE: &str = "dense_unavailable";
/// The query is longer than the model's window; nothing is truncated silently.
const QUERY_TOO_LONG: &str = "query_too_long";

/// A model that searches may name.
pub struct ServedModel {
    space: Space,
    fluency_languages: Vec<String>,
    embedder: Option<Embedder>,
}

impl ServedModel {
    /// A model with its embedder; `None` where none could be opened: its documents are then found by their words.
    ///
    /// # Errors
    /// [`Invalid`] when the model's name or dimension cannot name a collection.
    pub fn new(model: &Model, embedder: Option<Embedder>) -> Result<Self, Invalid> {
        let name: ModelName = model.name().parse().map_err(|error| Invalid::new("model", error))?;
        let dimension = u32::try_from(model.dimension()).map_err(|error| Invalid::new("model", error))?;
        let space = Space { model: name, id: model.space().id().to_owned(), dimension };
        Ok(Self { space, fluency_languages: model.manifest().languages.clone(), embedder })
    }

    /// Its collection.
    #[must_use]
    pub const fn space(&self) -> &Space {
        &self.space
    }
}

/// Answers searches.
pub struct Search {
    index: Index,
    models: BTreeMap<ModelName, ServedModel>,
    default_model: ModelName,
    bm25: Bm25,
    options: Options,
    receipts: Option<ReceiptClock>,
}

/// What a search runs with after its request was checked.
struct Plan<'a> {
    request: &'a SearchRequest,
    model: &'a ServedModel,
    points: OrgScoped,
    limit: u32,
    degraded: Vec<String>,
}

impl Search {
    /// `default_model` serves requests that name none; `others` may be named.
    #[must_use]
    pub fn new(index: Index, default_model: ServedModel, others: Vec<ServedModel>, options: Options) -> Self {
        let name = default_model.space.model.clone();
        let models = others.into_iter().chain([default_model]);
        let models = models.map(|model| (model.space.model.clone(), model)).collect();
        Self { index, models, default_model: name, bm25: Bm25::default(), options, receipts: None }
    }

    /// Lets requests say `min_seq`, read on this clock.
    #[must_use]
    pub fn following(self, receipts: ReceiptClock) -> Self {
        Self { receipts: Some(receipts), ..self }
    }

    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Answers within the deadline, of which waiting for `min_seq` takes its part.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub async fn search(&self, org: &Org, request: &SearchRequest) -> Result<SearchResponse, SearchError> {
        request.validate(&self.options)?;
        let deadline = request.deadline_ms.map_or(self.options.deadline, Duration::from_millis);
        let until = tokio::time::Instant::now() + deadline;
        if let Some(min_seq) = request.min_seq {
            let receipts = self.receipts.as_ref();
            let receipts = receipts.ok_or_else(|| Invalid::new("min_seq", "this service does not follow receipts"))?;
            let waited_ms = deadline.as_millis();
            let reached = tokio::time::timeout_at(until, receipts.reached(min_seq)).await;
            reached.map_err(|_| SearchError::NotYet { min_seq, sequence: receipts.now(), waited_ms })?;
        }
        let answer = tokio::time::timeout_at(until, self.answer(org, request)).await;
        answer.unwrap_or(Err(SearchError::Deadline(deadline.as_millis())))
    }

    async fn answer(&self, org: &Org, request: &SearchRequest) -> Result<SearchResponse, SearchError> {
        let started = Instant::now();
        let mut plan = self.plan(org, request).await?;
        let query = self.vectors(&mut plan).await?;
        let (ranked, mut points) = self.ranked(&plan, query).await?;
        let total = ranked.len() as u64;
        let highlights = Highlights::of_query(&request.query);
        let hits = ranked.iter().take(plan.limit as usize);
        let hits = hits.filter_map(|hit| Some(self.hit(&plan, hit, points.remove(&hit.id)?, &highlights)));
        Ok(SearchResponse {
            hits: hits.collect(),
            total,
            degraded: plan.degraded,
            cursor: None,
            took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn plan<'a>(&'a self, org: &Org, request: &'a SearchRequest) -> Result<Plan<'a>, SearchError> {
        let name = request.model.as_ref().unwrap_or(&self.default_model);
        let served = || self.models.keys().map(ModelName::as_str).collect::<Vec<_>>().join(", ");
        let unknown = || Invalid::new("model", format!("{name} is not served here; served are {}", served()));
        let model = self.models.get(name).ok_or_else(unknown)?;
        let points = self.index.collection(&model.space).await?.scoped(org);
        let limit = request.limit.unwrap_or(self.options.default_limit);
        Ok(Plan { request, model, points, limit, degraded: Vec::new() })
    }

    async fn vectors(&self, plan: &mut Plan<'_>) -> Result<LegsQuery, SearchError> {
        let request = plan.request;
        let sparse = (request.mode != Mode::Dense).then(|| self.sparse(&request.query));
        let dense = if request.mode == Mode::Sparse { None } else { self.dense(plan).await? };
        let narrow = Narrow {
            asset_ids: request.asset_ids.clone(),
            languages: request.filters.language.clone(),
            pages: request.filters.page.clone(),
        };
        Ok(LegsQuery { dense, sparse, narrow, depth: self.options.depth(plan.limit) })
    }

    fn sparse(&self, query: &str) -> Sparse {
        let vector = self.bm25.query(query);
        Sparse { indices: vector.indices, values: vector.values }
    }

    /// The query's vector; without one the search goes on by words and says so, unless only this leg was asked for.
    async fn dense(&self, plan: &mut Plan<'_>) -> Result<Option<Vec<f32>>, SearchError> {
        let (flag, reason) = match &plan.model.embedder {
            None => (DENSE_UNAVAILABLE, "it could not be opened".to_owned()),
            Some(embedder) => match embedder.embed_query(&plan.request.query).await {
                Ok(vector) => return Ok(Some(vector)),
                Err(error @ EmbeddingError::TooLong { .. }) => (QUERY_TOO_LONG, error.to_string()),
                Err(error) => (DENSE_UNAVAILABLE, error.to_string()),
            },
        };
        let model = &plan.model.space.model;
        match (plan.request.mode, flag) {
            (Mode::Dense, QUERY_TOO_LONG) => Err(Invalid::new("query", reason).into()),
            (Mode::Dense, _) => Err(SearchError::ModelAway { model: model.to_string(), reason }),
            _ => {
                tracing::warn!(%model, reason, flag, "the dense leg is left out");
                plan.degraded.push(flag.to_owned());
                Ok(None)
            }
        }
    }

    /// The ranked candidates and the payloads of the first `limit`. Between legs and payloads a newer upload may have
    /// taken an asset over: then all is asked once more, and what is still gone is left out.
    async fn ranked(
        &self,
        plan: &Plan<'_>,
        query: LegsQuery,
    ) -> Result<(Vec<Ranked>, HashMap<PointId, Document>), SearchError> {
        let first = self.attempt(plan, query.clone()).await?;
        if first.0.len().min(plan.limit as usize) == first.1.len() {
            return Ok(first);
        }
        tracing::debug!("a hit vanished between ranking and reading: asking again");
        self.attempt(plan, query).await
    }

    async fn attempt(
        &self,
        plan: &Plan<'_>,
        query: LegsQuery,
    ) -> Result<(Vec<Ranked>, HashMap<PointId, Document>), SearchError> {
        let ranked = self.fuse(plan, plan.points.legs(query).await?);
        let ids: Vec<PointId> = ranked.iter().take(plan.limit as usize).map(|hit| hit.id).collect();
        let points = plan.points.live(&ids).await?;
        let documents = points.into_iter().map(|Point { id, document }| (id, document)).collect();
        Ok((ranked, documents))
    }

    fn fuse(&self, plan: &Plan<'_>, legs: Legs) -> Vec<Ranked> {
        let fluency = Fluency::new(&plan.model.fluency_languages, self.options.foreign_weight);
        let lexical = legs.sparse.as_deref().unwrap_or_default();
        let foreign = fluency.is_foreign(&plan.request.query, lexical);
        let method = plan.request.fusion.unwrap_or(self.options.fusion);
        rank(legs, method, plan.request.weights, |candidate| fluency.weight(foreign, candidate))
    }

    fn hit(&self, plan: &Plan<'_>, hit: &Ranked, document: Document, highlights: &Highlights) -> Hit {
        let (matched_terms, spans) = highlights.find(&document.text);
        let page = page_of(&document, &spans);
        let explain = Explain { dense: hit.dense, sparse: hit.sparse, matched_terms };
        Hit {
            point_id: hit.id,
            score: score(plan.request.mode, hit),
            asset_id: document.asset_id,
            title: document.title,
            source: document.source,
            page,
            pages: document.pages,
            ordinal: document.ordinal,
            text: document.text,
            highlights: spans,
            explain: plan.request.explain.then_some(explain),
        }
    }
}

/// The page that holds most of what is highlighted, the first of the chunk's when nothing is.
fn page_of(document: &Document, highlights: &[[usize; 2]]) -> Option<u32> {
    let page_at =
        |character: usize| document.page_starts.partition_point(|start| *start as usize <= character).saturating_sub(1);
    let mut highlighted = vec![0; document.pages.len()];
    for [start, end] in highlights {
        if let Some(count) = highlighted.get_mut(page_at(*start)) {
            *count += end - start;
        }
    }
    let most = highlighted.iter().max().copied().unwrap_or_default();
    let best = highlighted.iter().position(|count| *count == most)?;
    document.pages.get(best).copied()
}

fn score(mode: Mode, hit: &Ranked) -> f64 {
    let leg = match mode {
        Mode::Hybrid => None,
        Mode::Dense => hit.dense,
        Mode::Sparse => hit.sparse,
    };
    leg.map_or(hit.fused, |share| f64::from(share.score))
}
