//! Cuts page texts into token-exact chunks: `document.extracted` to `chunks.created`.
//!
//! - [`DocumentText`] joins the pages and remembers where each begins.
//! - [`TokenOffsets`] is what is needed of a tokenizer; [`ModelTokens`] is the embedding model's own.
//! - [`Strategy`] decides where to cut: [`Semantic`] along sections, paragraphs and sentences, [`Fixed`] by number.
//! - [`chunk_document`] makes the chunks, [`Chunker`] is the stage around it, [`Report`] what the command line prints.
//!
//! A chunk's prefix and text, tokenized together, never have more tokens than the strategy's limit: each one is counted,
//! nothing is truncated. Its text is exactly the slice of the document's text that its span names. The spans of a document's chunks
//! cover its text without a gap, save for stretches that hold no token at all.

mod chunk;
mod config;
mod cuts;
mod cutter;
mod document;
mod error;
mod fixed;
mod outline;
mod parents;
mod parts;
mod plan;
mod prefix;
mod report;
mod semantic;
mod sentence;
mod stage;
mod strategy;
mod tokens;
mod units;

pub use chunk::{chunk_document, content_hash};
pub use config::{ConfigError, Settings, StrategyName};
pub use document::{DocumentText, PAGE_SEPARATOR};
pub use error::Error;
pub use fixed::Fixed;
pub use report::{Report, ReportChunk};
pub use semantic::Semantic;
pub use stage::Chunker;
pub use strategy::{Piece, Strategy};
pub use tokens::{ModelTokens, TokenOffsets, TokenizerError};
