//! Turns an uploaded asset into page texts; every parse runs in a limited child process.
//!
//! Two layers. The parsers ([`format`], [`text`], [`html`], [`pdf`], [`language`]) are plain functions from bytes to a
//! [`Document`] or a typed [`Failure`]. Around them, [`pool`] keeps warm children of the same binary ([`child`], locked
//! into [`sandbox`]) and never parses anything in its own process, so a bad document hurts only itself.

pub mod charset;
pub mod child;
pub mod document;
pub mod failure;
pub mod format;
pub mod frame;
pub mod html;
pub mod language;
pub mod limits;
pub mod parser;
pub mod pdf;
pub mod pool;
pub mod report;
pub mod sandbox;
pub mod stage;
pub mod text;
mod tidy;
mod worker;

pub use child::ChildCommand;
pub use document::{Document, Page, Status, Warning};
pub use failure::Failure;
pub use format::Format;
pub use limits::Limits;
pub use parser::{Parser, Parsers};
pub use pool::{ExtractError, Pool, PoolConfig};
pub use report::Report;
pub use stage::Extractor;
