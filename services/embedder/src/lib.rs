//! Adds dense and sparse vectors to chunks.
