//! Reads tensors out of a safetensors file as 32-bit floats.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use crate::error::Error;

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
    /// [`Error::Model`].
    pub fn parse(bytes: &'a [u8], path: &Path) -> Result<Self, Error> {
        let tensors = SafeTensors::deserialize(bytes).map_err(Error::model(path))?;
        let probe = "embeddings.word_embeddings.weight";
        let prefix = ["", "bert."]
            .into_iter()
            .find(|prefix| tensors.tensor(&format!("{prefix}{probe}")).is_ok())
            .ok_or_else(|| Error::model(path)(format!("there is no tensor {probe}")))?;
        Ok(Self { tensors, path: path.to_path_buf(), prefix })
    }

    /// The tensor `name`, which must have the shape `dims`.
    ///
    /// # Errors
    /// [`Error::Model`] when it is absent, of another shape, or of a type that is no float.
    pub fn floats(&self, name: &str, dims: &[usize]) -> Result<Vec<f32>, Error> {
        let full = format!("{}{name}", self.prefix);
        let tensor = self.tensors.tensor(&full).map_err(|error| self.error(format!("{full}: {error}")))?;
        if tensor.shape() != dims {
            let found = tensor.shape();
            return Err(self.error(format!("{full} has shape {found:?}, expected {dims:?}")));
        }
        decode(tensor.dtype(), tensor.data()).ok_or_else(|| self.error(format!("{full} has type {:?}", tensor.dtype())))
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
