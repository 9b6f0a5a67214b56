//! The record stream ([MS-XLS] 2.1.4): type, length, data, and what continues it.

use crate::sheet::fields::Fields;

/// Continues the record before it.
const CONTINUE: u16 = 0x003C;

/// One record with its continuations.
#[derive(Debug, Clone)]
pub(super) struct Record<'a> {
    pub(super) kind: u16,
    pub(super) data: Fields<'a>,
    pub(super) continued: Vec<&'a [u8]>,
}

/// The records of a stream up to its end, or to where it is broken.
pub(super) fn records(stream: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (kind, data) = take(&mut rest)?;
        let mut continued = Vec::new();
        let mut ahead = rest;
        while let Some((CONTINUE, data)) = take(&mut ahead) {
            continued.push(data);
            rest = ahead;
        }
        Some(Record { kind, data: Fields::new(data), continued })
    })
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let (head, after) = rest.split_first_chunk::<4>()?;
    let [kind_low, kind_high, length_low, length_high] = *head;
    let length = usize::from(u16::from_le_bytes([length_low, length_high]));
    let (data, after) = after.split_at_checked(length)?;
    *rest = after;
    Some((u16::from_le_bytes([kind_low, kind_high]), data))
}
