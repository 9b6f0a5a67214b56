//! Cuts page texts into token-exact chunks: `document.extracted` to `chunks.created`.
//!
//! - [`DocumentText`] joins the pages and remembers where each begins.
//! - [`TokenOffsets`] is what is needed of a tokenizer; [`ModelTokens`] is the embedding model's own.
//! - [`Strategy`] decides where to cut; [`Fixed`] is the one strategy so far.
//! - [`chunk_document`] makes the chunks, [`Chunker`] is the stage around it, [`Report`] what the command line prints.
//!
//! A chunk's text, tokenized alone, never has more tokens than the strategy's limit: each one is counted, nothing is
//! truncated. Its text is exactly the slice of the document's text that its span names. The spans of a document's chunks
//! cover its text without a gap, save for stretches that hold no token at all.

mod chunk;
mod config;
mod cuts;
mod document;
mod error;
mod fixed;
mod parts;
mod report;
mod stage;
mod strategy;
mod tokens;

pub use chunk::{chunk_document, content_hash};
pub use config::{ConfigError, Settings};
pub use document::{DocumentText, PAGE_SEPARATOR};
pub use error::Error;
pub use fixed::Fixed;
pub use report::{Report, ReportChunk};
pub use stage::Chunker;
pub use strategy::{Piece, Strategy};
pub use tokens::{ModelTokens, TokenOffsets, TokenizerError};
