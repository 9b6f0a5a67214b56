//! The Qdrant collection: schema, upsert, state flips, search.
