//! The record stream ([MS-XLS] 2.1.4): type, length, data, and what continues it.

/// Continues the record before it.
const CONTINUE: u16 = 0x003C;

/// One record with its continuations.
#[derive(Debug, Clone)]
pub(super) struct Record<'a> {
    pub(super) kind: u16,
    data: &'a [u8],
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
        Some(Record { kind, data, continued })
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

impl<'a> Record<'a> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.data.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn from(&self, at: usize) -> Option<&'a [u8]> {
        self.data.get(at..)
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn f64(&self, at: usize) -> Option<f64> {
        self.array(at).map(f64::from_le_bytes)
    }
}
