//! The values in a binary record, by their offsets; numbers are little-endian ([MS-XLS] 2.1.3, [MS-XLSB] 2.1.3).

use std::ops::Range;

/// The data of one record. What lies behind its end is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn from(&self, at: usize) -> Option<&'a [u8]> {
        self.0.get(at..)
    }

    pub(super) fn range(&self, bytes: Range<usize>) -> Option<&'a [u8]> {
        self.0.get(bytes)
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
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

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.range(at..at.checked_add(N)?)?.try_into().ok()
    }
}
