//! The names of the headers that a dead letter adds to the message it keeps.

/// The stream, subject, sequence and epoch (the stream's creation, Unix seconds) of the message that died.
pub const STREAM: &str = "Heimdex-Stream";
pub const SUBJECT: &str = "Heimdex-Subject";
pub const SEQUENCE: &str = "Heimdex-Sequence";
pub const EPOCH: &str = "Heimdex-Epoch";
/// The consumer that delivered it, and the Msg-Id it was published with.
pub const CONSUMER: &str = "Heimdex-Consumer";
pub const MSG_ID: &str = "Heimdex-Msg-Id";
/// How often the broker delivered it, and how often it was really tried.
pub const DELIVERIES: &str = "Heimdex-Deliveries";
pub const ATTEMPTS: &str = "Heimdex-Attempts";
/// Who gave it up, and why.
pub const STAGE: &str = "Heimdex-Stage";
pub const CLASS: &str = "Heimdex-Class";
pub const CODE: &str = "Heimdex-Code";
pub const MESSAGE: &str = "Heimdex-Message";
/// The ledger key of the whole message, where the header has only its beginning.
pub const STORY: &str = "Heimdex-Story";
/// Equal for dead letters of one cause.
pub const FINGERPRINT: &str = "Heimdex-Fingerprint";
/// Version of the program that gave it up.
pub const BUILD: &str = "Heimdex-Build";
/// Whose it is, as far as the message says. The asset id is percent-encoded.
pub const ORG: &str = "Heimdex-Org";
pub const ASSET: &str = "Heimdex-Asset";
pub const UPLOAD: &str = "Heimdex-Upload";
pub const MODEL: &str = "Heimdex-Model";
pub const SPACE: &str = "Heimdex-Space";
/// W3C trace context in which it failed.
pub const TRACE: &str = "Heimdex-Trace";
/// How often it was replayed before this death.
pub const REPLAY: &str = heimdex_schemas::envelope::REPLAY_HEADER;
/// When it failed for the first time, RFC 3339; kept over replays.
pub const FIRST_FAILED_AT: &str = "Heimdex-First-Failed-At";
/// Where the broker stored the message before it was ever replayed, `<epoch>-<sequence>`.
pub const FIRST_POSITION: &str = "Heimdex-First-Position";
/// The dead letter that the message was replayed from, `<epoch>-<sequence>` in the dead-letter stream.
pub const REPLAYED_FROM: &str = "Heimdex-Replayed-From";
/// Where the message is when it is too large to take these headers along: a blob of the work bucket.
pub const RAW_BLOB: &str = "Heimdex-Raw-Blob";
pub const RAW_SHA256: &str = "Heimdex-Raw-Sha256";
pub const RAW_SIZE: &str = "Heimdex-Raw-Size";
/// Prefix under which a header is kept that the broker would act on (`Nats-*`), or that has a name of ours.
pub const ORIGINAL_PREFIX: &str = "Heimdex-Original-";

/// Whether a header of a message must be kept under [`ORIGINAL_PREFIX`].
pub(super) fn is_reserved(name: &str) -> bool {
    has_prefix(name, "nats-") || has_prefix(name, "heimdex-")
}

pub(super) fn is_brokers(name: &str) -> bool {
    has_prefix(name, "nats-")
}

/// `prefix` in lower case.
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The name that stands behind [`ORIGINAL_PREFIX`].
pub(super) fn original_name(name: &str) -> Option<&str> {
    let start = name.get(..ORIGINAL_PREFIX.len())?;
    start.eq_ignore_ascii_case(ORIGINAL_PREFIX).then(|| name.get(ORIGINAL_PREFIX.len()..)).flatten()
}
