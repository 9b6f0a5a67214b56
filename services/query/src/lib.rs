//! Answers searches over NATS request-reply.
