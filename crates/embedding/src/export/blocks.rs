//! A matrix in blocks of 32 values of 4 bits with one 16-bit scale, as ggml calls it Q4_0.
//!
//! In safetensors it is two tensors: `NAME.q4`, bytes `[rows, columns / 2]`, and `NAME.q4_scale`, 16-bit floats
//! `[rows, columns / 32]`. Byte j of a block holds value j in its low half and value j + 16 in its high half; a half
//! stands for (half − 8) · scale.

use half::f16;

/// Values in one block.
pub(crate) const BLOCK: usize = 32;
/// Ends the name of the tensor that holds the halves.
pub(crate) const BLOCKS_SUFFIX: &str = ".q4";
/// Ends the name of the tensor that holds the scales.
pub(crate) const SCALES_SUFFIX: &str = ".q4_scale";
/// What a half byte of 0 stands for is −8 scales.
pub(crate) const MIDDLE: f32 = 8.0;

/// A matrix of 4-bit blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// Values in a row, a multiple of [`BLOCK`].
    pub columns: usize,
    /// Two values a byte, row by row.
    pub nibbles: Vec<u8>,
    /// One little-endian 16-bit float for each block.
    pub scales: Vec<u8>,
}

impl Blocks {
    /// The values, row by row. Exact: a product of 11 and 4 bits fits 24.
    pub fn floats(&self) -> Vec<f32> {
        let (scales, _) = self.scales.as_chunks::<2>();
        let (blocks, _) = self.nibbles.as_chunks::<{ BLOCK / 2 }>();
        let block = |(bytes, scale): (&[u8; BLOCK / 2], &[u8; 2])| {
            let scale = f16::from_le_bytes(*scale).to_f32();
            let low = bytes.map(|byte| (f32::from(byte & 15) - MIDDLE) * scale);
            let high = bytes.map(|byte| (f32::from(byte >> 4) - MIDDLE) * scale);
            low.into_iter().chain(high)
        };
        blocks.iter().zip(scales).flat_map(block).collect()
    }

    /// Takes apart rows of 18-byte blocks, each its scale and then its halves.
    pub fn interleaved(bytes: &[u8], columns: usize) -> Self {
        let (blocks, _) = bytes.as_chunks::<{ BLOCK / 2 + 2 }>();
        let scales = blocks.iter().flat_map(|block| block.iter().take(2)).copied().collect();
        let nibbles = blocks.iter().flat_map(|block| block.iter().skip(2)).copied().collect();
        Self { columns, nibbles, scales }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_come_out_in_their_places() {
        let mut bytes = vec![0; 18];
        bytes[..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
        bytes[2..].fill(0x88);
        bytes[2] = 0xF0;
        let blocks = Blocks::interleaved(&bytes, BLOCK);
        assert_eq!((blocks.nibbles.len(), blocks.scales.len()), (16, 2));
        let values = blocks.floats();
        assert_eq!(values.len(), BLOCK);
        assert_eq!((values[0], values[16], values[1]), (-4.0, 3.5, 0.0));
    }
}
