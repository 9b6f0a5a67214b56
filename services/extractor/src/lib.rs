//! Turns an uploaded asset into page texts; every parse runs in a limited child process.
//!
//! Two layers. The parsers ([`format`], [`text`], [`html`], [`pdf`], [`language`]) are plain functions from bytes to a
//! [`Document`] or a typed [`Failure`]. Around them, [`pool`] keeps warm children of the same binary ([`child`], locked
//! into [`sandbox`]) and never parses anything in its own process, so a bad document hurts only itself.

pub mod archive;
pub mod bench;
pub mod charset;
pub mod child;
pub mod compose;
pub mod csv;
pub mod document;
pub mod docx;
mod drawing;
pub mod eml;
pub mod failure;
pub mod format;
pub mod frame;
pub mod html;
mod kept;
pub mod language;
pub mod limits;
pub mod markdown;
pub mod ocr;
pub mod ole;
pub mod package;
pub mod parser;
pub mod pdf;
pub mod pool;
pub mod pptx;
pub mod ranges;
mod reading;
pub mod report;
pub mod rtf;
pub mod sandbox;
pub mod sheet;
pub mod stage;
pub mod text;
mod tidy;
mod worker;
pub mod xml;

pub use child::ChildCommand;
pub use compose::PageBuilder;
pub use document::{Attachment, Block, BlockKind, Document, Page, Status, Warning};
pub use failure::Failure;
pub use format::Format;
pub use limits::Limits;
pub use parser::{Parser, Parsers, Request};
pub use pool::{ExtractError, Pool, PoolConfig};
pub use ranges::{Range, Ranges};
pub use report::Report;
pub use stage::Extractor;
