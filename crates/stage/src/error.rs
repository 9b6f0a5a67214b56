//! Errors decide what happens to a message.

/// What the consume loop does with a failed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Might work later: try again with backoff; this attempt is charged.
    Transient,
    /// A dependency is away or full: pause the stage, try again; nothing is charged.
    Unavailable,
    /// Can never work: dead-letter it as `rejected`.
    Permanent,
    /// Harmed its worker: dead-letter it as `poison`.
    Poison,
    /// Nobody wants it any more: its upload is told so, and it is ended without a dead letter.
    Cancelled,
}

/// The code of every failure that means that a disk or a storage limit is reached, whoever's it is.
pub const STORAGE_FULL: &str = "storage_full";

/// Every stage error says its class and a stable code. Implement it with an exhaustive `match`, no `_` arm, so that a
/// new variant forces a decision.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    fn class(&self) -> Class;
    /// Stable, snake_case; part of the dead letter's fingerprint.
    fn code(&self) -> &str;
}
