//! Qdrant's engine behind Qdrant's own gRPC API, with its own redo log.
