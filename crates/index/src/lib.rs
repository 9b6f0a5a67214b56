//! The Qdrant collection: its schema, what a point holds, state flips, deletion, counts and search legs.
//!
//! This crate and `store` are the only ones that name `qdrant_client`. Points of an organization can be read or changed
//! only through [`OrgScoped`], which puts the organization into every filter and every point; there is no other way in.
//! Fusion, ranking and the decision which upload is current live elsewhere.

mod audit;
mod client;
mod collection;
mod erase;
mod error;
mod filter;
mod options;
mod point;
mod reuse;
mod schema;
mod scoped;
mod search;
mod upkeep;

pub use audit::StoredPoint;
pub use client::Index;
pub use collection::{Collection, Space};
pub use erase::StoredUpload;
pub use error::{IndexError, Result};
pub use filter::Narrow;
pub use options::Options;
pub use point::{Document, Point, State, Version};
pub use reuse::KnownChunk;
pub use scoped::OrgScoped;
pub use search::{Candidate, Leg, Legs, LegsQuery};
pub use upkeep::StagedUpload;
