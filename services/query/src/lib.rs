//! Answers searches: hybrid by default, explained, and only ever for one organization.
//!
//! The legs (dense, BM25) run as one batch in the index; fusion, the choice of the newest upload of each asset, and
//! highlights happen here, so that each hit can say why it is there. [`Search`] is the library; [`serve`] puts it on
//! NATS request-reply, and beside it the look-up of a job.

mod error;
mod fusion;
mod highlight;
mod jobs;
mod language;
mod options;
mod rank;
mod request;
mod response;
mod search;
mod service;

pub use error::{Invalid, SearchError};
pub use fusion::{Method, RRF_K, Weights, contributions};
pub use highlight::{Highlights, highlight};
pub use jobs::SUBJECT as JOBS_SUBJECT;
pub use language::Fluency;
pub use options::Options;
pub use rank::{LegShare, Ranked, rank};
pub use request::{Filters, Mode, SearchRequest};
pub use response::{Explain, Hit, SearchResponse};
pub use search::{Search, ServedModel};
pub use service::{SUBJECT, serve};
