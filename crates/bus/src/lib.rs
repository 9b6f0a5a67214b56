//! NATS JetStream: topology, publish-and-confirm, deliveries, dead letters, blobs, ledger, request-reply.
