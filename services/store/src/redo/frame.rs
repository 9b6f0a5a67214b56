//! The byte format of a redo frame.
//!
//! ```text
//! frame  := magic "HRDO" | sequence u64 | length u32 | crc32(body) u32 | crc32(the 20 bytes before) u32 | body
//! body   := record*
//! record := kind u8 | length u32 | bytes
//! ```
//! Integers are little-endian. A frame is appended only after the one before it was synced, so a damaged frame with a
//! valid later frame behind it was once durable (corruption), and one with none behind it never was (a torn tail).

/// Bytes before a frame's body.
pub const HEADER: usize = 24;
/// Bytes before a record's content.
pub const RECORD_HEADER: usize = 5;
const MAGIC: [u8; 4] = *b"HRDO";

/// One change: a kind the collection defines, and its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which change this is.
    pub kind: u8,
    /// The change, encoded.
    pub bytes: Vec<u8>,
}

/// The changes made durable by one sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Position in the log; each frame's is one more than the one before it.
    pub sequence: u64,
    /// The changes, in the order they are applied.
    pub records: Vec<Record>,
}

/// How reading a segment's bytes ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Tail {
    /// Every byte belongs to a frame.
    Clean,
    /// The bytes from `offset` on are an append that was never durable.
    Torn {
        /// Where the torn bytes begin.
        offset: usize,
    },
    /// A durable frame is damaged.
    Corrupt {
        /// Where the damaged frame begins.
        offset: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Appends a frame's encoding to `out`; `None` when its body exceeds 32 bits of length.
pub fn encode(sequence: u64, records: &[Record], out: &mut Vec<u8>) -> Option<()> {
    let body_length: usize = records.iter().map(|record| RECORD_HEADER + record.bytes.len()).sum();
    let length = u32::try_from(body_length).ok()?;
    let mut body = Vec::with_capacity(body_length);
    for record in records {
        body.push(record.kind);
        body.extend_from_slice(&u32::try_from(record.bytes.len()).ok()?.to_le_bytes());
        body.extend_from_slice(&record.bytes);
    }
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    let header_crc = crc32fast::hash(out.get(start..)?);
    out.extend_from_slice(&header_crc.to_le_bytes());
    out.extend_from_slice(&body);
    Some(())
}

/// Reads frames from `bytes`, the first of which must have the sequence `first`.
pub fn decode(bytes: &[u8], first: u64) -> (Vec<Frame>, Tail) {
    let mut frames = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let expected = first + frames.len() as u64;
        match frame_at(bytes, offset) {
            Ok((frame, next)) if frame.sequence == expected => {
                frames.push(frame);
                offset = next;
            }
            Ok(_) => return (frames, Tail::Corrupt { offset, reason: "a frame is out of sequence" }),
            Err(reason) => {
                let tail = judge_damage(bytes, offset, expected, reason);
                return (frames, tail);
            }
        }
    }
    (frames, Tail::Clean)
}

/// A later valid frame proves that the damaged one had been synced.
fn judge_damage(bytes: &[u8], offset: usize, expected: u64, reason: &'static str) -> Tail {
    let later = (offset + 1..bytes.len().saturating_sub(HEADER - 1))
        .filter(|at| bytes.get(*at..*at + MAGIC.len()) == Some(&MAGIC))
        .filter_map(|at| frame_at(bytes, at).ok())
        .any(|(frame, _)| frame.sequence > expected);
    if later { Tail::Corrupt { offset, reason } } else { Tail::Torn { offset } }
}

fn frame_at(bytes: &[u8], offset: usize) -> Result<(Frame, usize), &'static str> {
    let header = bytes.get(offset..offset + HEADER).ok_or("its header is cut short")?;
    if header.get(..4) != Some(&MAGIC) {
        return Err("it does not begin with the magic");
    }
    if read_u32(header, 20) != Some(crc32fast::hash(header.get(..20).unwrap_or_default())) {
        return Err("its header's checksum does not match");
    }
    let (Some(sequence), Some(length), Some(crc)) = (read_u64(header, 4), read_u32(header, 12), read_u32(header, 16))
    else {
        return Err("its header is cut short");
    };
    let start = offset + HEADER;
    let end = start + length as usize;
    let body = bytes.get(start..end).ok_or("its body is cut short")?;
    if crc32fast::hash(body) != crc {
        return Err("its body's checksum does not match");
    }
    let records = records(body).ok_or("its records do not fill its body")?;
    Ok((Frame { sequence, records }, end))
}

fn records(mut body: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !body.is_empty() {
        let kind = *body.first()?;
        let length = read_u32(body, 1)? as usize;
        let bytes = body.get(RECORD_HEADER..RECORD_HEADER + length)?.to_vec();
        body = body.get(RECORD_HEADER + length..)?;
        records.push(Record { kind, bytes });
    }
    Some(records)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use proptest::prelude::*;

    fn log(max_frames: usize) -> impl Strategy<Value = Vec<Vec<Record>>> {
        let record =
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(kind, bytes)| Record { kind, bytes });
        prop::collection::vec(prop::collection::vec(record, 0..4), 1..max_frames)
    }

    /// The bytes of a log that starts at sequence 7, and where each frame begins.
    fn written(groups: &[Vec<Record>]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (n, records) in groups.iter().enumerate() {
            starts.push(bytes.len());
            encode(7 + n as u64, records, &mut bytes).unwrap();
        }
        (bytes, starts)
    }

    fn read_back(frames: Vec<Frame>) -> Vec<Vec<Record>> {
        frames.into_iter().map(|frame| frame.records).collect()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(groups in log(6)) {
            let (bytes, _) = written(&groups);
            let (frames, tail) = decode(&bytes, 7);
            prop_assert_eq!(tail, Tail::Clean);
            prop_assert_eq!(read_back(frames), groups);
        }

        #[test]
        fn a_cut_loses_only_the_frame_it_hits(groups in log(6), cut in any::<prop::sample::Index>()) {
            let (mut bytes, mut starts) = written(&groups);
            starts.push(bytes.len());
            bytes.truncate(cut.index(bytes.len()));
            let whole = starts.iter().filter(|start| **start > 0 && **start <= bytes.len()).count();
            let (frames, tail) = decode(&bytes, 7);
            prop_assert_eq!(read_back(frames), groups[..whole].to_vec());
            let boundary = starts[whole];
            prop_assert_eq!(tail, if boundary == bytes.len() { Tail::Clean } else { Tail::Torn { offset: boundary } });
        }

        #[test]
        fn garbage_after_the_last_frame_is_a_torn_tail(groups in log(6), garbage in prop::collection::vec(any::<u8>(), 1..80)) {
            let (mut bytes, _) = written(&groups);
            let end = bytes.len();
            bytes.extend(garbage);
            let (frames, tail) = decode(&bytes, 7);
            prop_assert_eq!(read_back(frames), groups);
            prop_assert_eq!(tail, Tail::Torn { offset: end });
        }

        #[test]
        fn a_flipped_bit_is_never_believed(groups in log(6), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let (mut bytes, starts) = written(&groups);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let hit = starts.iter().rposition(|start| *start <= at).unwrap();
            let (frames, tail) = decode(&bytes, 7);
            prop_assert_eq!(read_back(frames), groups[..hit].to_vec());
            if hit + 1 == groups.len() {
                prop_assert_eq!(tail, Tail::Torn { offset: starts[hit] });
            } else {
                let corrupt = matches!(tail, Tail::Corrupt { offset, .. } if offset == starts[hit]);
                prop_assert!(corrupt, "{:?}", tail);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&bytes, 0);
        }
    }

    #[test]
    fn a_missing_frame_is_corruption() {
        let mut bytes = Vec::new();
        encode(7, &[], &mut bytes).unwrap();
        let end = bytes.len();
        encode(9, &[], &mut bytes).unwrap();
        let (frames, tail) = decode(&bytes, 7);
        assert_eq!(frames.len(), 1);
        assert_eq!(tail, Tail::Corrupt { offset: end, reason: "a frame is out of sequence" });
    }
}
