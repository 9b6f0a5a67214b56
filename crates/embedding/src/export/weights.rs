//! Reads tensors out of a safetensors file as 32-bit floats, or as the 4-bit blocks they are stored in.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::blocks::{BLOCK, BLOCKS_SUFFIX, Blocks, SCALES_SUFFIX};
use crate::error::{Error, Unsupported};

/// The name that every known architecture gives its word table.
pub(crate) const WORD_TABLE: &str = "embeddings.word_embeddings.weight";

/// What may stand before the names of tensors: a model inside a model with a head.
const PREFIXES: [&str; 4] = ["", "bert.", "roberta.", "mpnet."];

/// The tensors of one file.
pub struct Weights<'a> {
    tensors: SafeTensors<'a>,
    path: PathBuf,
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    /// Reads the header of `bytes`, the content of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Model`]; [`Error::Unsupported`] when there is no word table of a known name.
    pub fn parse(bytes: &'a [u8], path: &Path) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes).map_err(Error::model(path))?;
        let has = |prefix: &str, suffix: &str| tensors.tensor(&format!("{prefix}{WORD_TABLE}{suffix}")).is_ok();
        let prefix = PREFIXES
            .into_iter()
            .find(|prefix| has(prefix, "") || has(prefix, BLOCKS_SUFFIX))
            .ok_or_else(|| Unsupported::Weights(format!("there is no tensor {WORD_TABLE}")).at(path))?;
        Ok(Self { tensors, path: path.to_path_buf(), prefix })
    }

    /// The tensor `name`, which must have the shape `dims`.
    ///
    /// # Errors
    /// [`Error::Model`] when it is absent, of another shape, or of a type that is no float.
    pub fn floats(&self, name: &str, dims: &[usize]) -> Result<Vec<f32>, Error> {
        if let [rows, columns] = *dims
            && let Some(blocks) = self.blocks(name, rows, columns)?
        {
            return Ok(blocks.floats());
        }
        let tensor = self.tensor(name, "", dims)?;
        decode(tensor.dtype(), tensor.data())
            .ok_or_else(|| self.error(format!("{}{name} has type {:?}", self.prefix, tensor.dtype())))
    }

    /// The weight of a linear layer, `[output, input]` in the file, transposed to `[input, output]` as MatMul takes it.
    ///
    /// # Errors
    /// As [`Weights::floats`].
    pub fn transposed(&self, name: &str, input: usize, output: usize) -> Result<Vec<f32>, Error> {
        let rows = self.floats(name, &[output, input])?;
        let column = |i: usize| rows.iter().skip(i).step_by(input).copied();
        Ok((0..input).flat_map(column).collect())
    }

    /// The matrix `name` of the shape `[rows, columns]`, if the file stores it in 4-bit blocks.
    ///
    /// # Errors
    /// [`Error::Model`] when its parts do not fit each other or the shape.
    pub(crate) fn blocks(&self, name: &str, rows: usize, columns: usize) -> Result<Option<Blocks>, Error> {
        if self.tensors.tensor(&format!("{}{name}{BLOCKS_SUFFIX}", self.prefix)).is_err() {
            return Ok(None);
        }
        let nibbles = self.tensor(name, BLOCKS_SUFFIX, &[rows, columns / 2])?.data().to_vec();
        let scales = self.tensor(name, SCALES_SUFFIX, &[rows, columns / BLOCK])?;
        match (scales.dtype(), columns % BLOCK) {
            (Dtype::F16, 0) => Ok(Some(Blocks { columns, nibbles, scales: scales.data().to_vec() })),
            _ => Err(self.error(format!("{}{name}: its blocks are not of {BLOCK} values", self.prefix))),
        }
    }

    fn tensor(&self, name: &str, suffix: &str, dims: &[usize]) -> Result<TensorView<'_>, Error> {
        let full = format!("{}{name}{suffix}", self.prefix);
        let tensor = self.tensors.tensor(&full).map_err(|error| self.error(format!("{full}: {error}")))?;
        if tensor.shape() != dims {
            let found = tensor.shape();
            return Err(self.error(format!("{full} has shape {found:?}, expected {dims:?}")));
        }
        Ok(tensor)
    }

    fn error(&self, reason: String) -> Error {
        Error::model(&self.path)(reason)
    }
}

fn decode(kind: Dtype, data: &[u8]) -> Option<Vec<f32>> {
    let (fours, _) = data.as_chunks::<4>();
    let (twos, _) = data.as_chunks::<2>();
    Some(match kind {
        Dtype::F32 => fours.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => twos.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => twos.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}
