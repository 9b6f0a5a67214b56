//! The encoders of [`Architecture`] as ONNX graphs: embeddings, then attention and feed-forward layer by layer.

use super::{
    ATTENTION_MASK, INPUT_IDS, LAST_HIDDEN_STATE,
    blocks::{BLOCK, Blocks, MIDDLE},
    config::{Architecture, EncoderConfig},
    graph::{Axis, Float, Graph, float, integer, integer_list},
    relative,
    weights::{WORD_TABLE, Weights},
};
use crate::error::Error;

/// Added to the attention scores of padding. The lowest float would overflow to infinity in bf16 and turn the softmax
/// into garbage without any error; this is low enough that `exp` gives 0 in every precision.
const MASKED: f32 = -10_000.0;

/// The serialized ONNX model of the encoder that `config` describes and `weights` fills, computing in `float`.
///
/// # Errors
/// [`Error::Model`] for a missing or ill-shaped tensor, [`Error::Unsupported`] for another architecture.
pub fn export(config: &EncoderConfig, weights: &Weights<'_>, float: Float) -> Result<Vec<u8>, Error> {
    let architecture = config.architecture().map_err(|what| what.at(&config.model_type))?;
    let mut builder = Builder { graph: Graph::new(float), config, weights, names: Names::of(architecture) };
    let shape = [Axis::Named("batch"), Axis::Named("sequence")];
    let ids = builder.graph.input(INPUT_IDS, &shape);
    let mask = builder.graph.input(ATTENTION_MASK, &shape);
    let mask = builder.additive_mask(&mask);
    let shapes = builder.shapes(&ids);
    let mut state = builder.embeddings(&ids, &shapes)?;
    let mask = builder.with_relative_positions(mask, &shapes)?;
    for layer in 0..config.num_hidden_layers {
        let name = format!("encoder.layer.{layer}");
        state = builder.attention(&name, &state, &mask, &shapes)?;
        state = builder.feed_forward(&name, &state)?;
    }
    let [batch, sequence] = shape;
    let shape = [batch, sequence, Axis::Fixed(config.hidden_size)];
    builder.graph.output(LAST_HIDDEN_STATE, &state, &shape);
    builder.graph.finish(&config.model_type)
}

/// Constants that every layer uses, and the length of the batch's rows.
struct Shapes {
    heads: String,
    merged: String,
    scale: String,
    sequence: String,
}

/// What the tensors of an architecture's attention are called, below their layer.
struct Names {
    query: &'static str,
    key: &'static str,
    value: &'static str,
    output: &'static str,
    norm: &'static str,
    has_types: bool,
    has_relative_positions: bool,
}

impl Names {
    const fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::Bert | Architecture::Roberta => Self {
                query: "attention.self.query",
                key: "attention.self.key",
                value: "attention.self.value",
                output: "attention.output.dense",
                norm: "attention.output.LayerNorm",
                has_types: true,
                has_relative_positions: false,
            },
            Architecture::Mpnet => Self {
                query: "attention.attn.q",
                key: "attention.attn.k",
                value: "attention.attn.v",
                output: "attention.attn.o",
                norm: "attention.LayerNorm",
                has_types: false,
                has_relative_positions: true,
            },
        }
    }
}

struct Builder<'a> {
    graph: Graph,
    config: &'a EncoderConfig,
    weights: &'a Weights<'a>,
    names: Names,
}

impl Builder<'_> {
    /// 0 where `mask` is 1 and [`MASKED`] where it is 0, `[batch, 1, 1, sequence]`.
    fn additive_mask(&mut self, mask: &str) -> String {
        let axes = self.graph.integers("mask_axes", &[1, 2]);
        let one = self.graph.scalar("one", 1.0);
        let masked = self.graph.scalar("masked", MASKED);
        let wide = self.graph.op("Unsqueeze", &[mask, &axes]);
        let real = self.graph.cast(&wide);
        let padding = self.graph.op("Sub", &[&one, &real]);
        self.graph.op("Mul", &[&padding, &masked])
    }

    fn shapes(&mut self, ids: &str) -> Shapes {
        let heads = self.config.num_attention_heads;
        let width = self.config.hidden_size / heads;
        #[expect(clippy::cast_precision_loss, reason = "a head is far narrower than 2^24")]
        let root = (width as f32).sqrt();
        Shapes {
            heads: self.graph.integers("heads", &[0, 0, heads as i64, width as i64]),
            merged: self.graph.integers("merged", &[0, 0, self.config.hidden_size as i64]),
            scale: self.graph.scalar("scale", root),
            sequence: self.graph.op_with("Shape", &[ids], vec![integer("start", 1), integer("end", 2)]),
        }
    }

    /// Word, position and type rows, added and normalized, `[batch, sequence, hidden]`.
    fn embeddings(&mut self, ids: &str, shapes: &Shapes) -> Result<String, Error> {
        let hidden = self.config.hidden_size;
        let mut sum = self.words(ids, shapes)?;
        let positions = self.positions(shapes)?;
        if self.names.has_types {
            let types = "embeddings.token_type_embeddings.weight";
            let mut first_type = self.weights.floats(types, &[self.config.type_vocab_size, hidden])?;
            first_type.truncate(hidden);
            let first_type = self.graph.floats(types, &[hidden], &first_type);
            sum = self.graph.op("Add", &[&sum, &first_type]);
        }
        let sum = self.graph.op("Add", &[&sum, &positions]);
        self.layer_norm("embeddings.LayerNorm", &sum)
    }

    /// The rows of `ids` in the word table.
    fn words(&mut self, ids: &str, shapes: &Shapes) -> Result<String, Error> {
        let (rows, hidden) = (self.config.vocab_size, self.config.hidden_size);
        if let Some(blocks) = self.weights.blocks(WORD_TABLE, rows, hidden)? {
            return Ok(self.packed_words(ids, blocks, shapes));
        }
        let table = self.table(WORD_TABLE, rows)?;
        Ok(self.graph.op("Gather", &[&table, ids]))
    }

    /// The rows of `ids` in a table that stays in 4-bit blocks: a seventh of the memory, and exact, because halves of
    /// bytes and their quotients by 16 are exact in every precision, bf16 included.
    fn packed_words(&mut self, ids: &str, table: Blocks, shapes: &Shapes) -> String {
        let (rows, columns) = (self.config.vocab_size, table.columns);
        let (blocks, half) = (columns / BLOCK, BLOCK / 2);
        let nibbles = self.graph.bytes("words", &[rows, columns / 2], table.nibbles);
        let scales = self.graph.halves("word_scales", &[rows, blocks], table.scales);
        let split = self.graph.integers("word_halves", &[0, 0, blocks as i64, half as i64]);
        let (sixteenth, sixteen) = (self.graph.scalar("sixteenth", 0.0625), self.graph.scalar("sixteen", 16.0));
        let middle = self.graph.scalar("word_middle", MIDDLE);
        let last = self.graph.integers("last_axis", &[-1]);
        let bytes = self.graph.op("Gather", &[&nibbles, ids]);
        let bytes = self.graph.cast(&bytes);
        let bytes = self.graph.op("Reshape", &[&bytes, &split]);
        let high = self.graph.op("Mul", &[&bytes, &sixteenth]);
        let high = self.graph.op("Floor", &[&high]);
        let above = self.graph.op("Mul", &[&high, &sixteen]);
        let low = self.graph.op("Sub", &[&bytes, &above]);
        let both = self.graph.op_with("Concat", &[&low, &high], vec![integer("axis", -1)]);
        let both = self.graph.op("Sub", &[&both, &middle]);
        let scales = self.graph.op("Gather", &[&scales, ids]);
        let scales = self.graph.cast(&scales);
        let scales = self.graph.op("Unsqueeze", &[&scales, &last]);
        let values = self.graph.op("Mul", &[&both, &scales]);
        self.graph.op("Reshape", &[&values, &shapes.merged])
    }

    /// `sequence` rows of the position table, `[sequence, hidden]`. A slice, because an index made by `Range` trips the
    /// runtime's own embedding fusion.
    fn positions(&mut self, shapes: &Shapes) -> Result<String, Error> {
        let (hidden, first) = (self.config.hidden_size, self.config.first_position());
        let name = "embeddings.position_embeddings.weight";
        let values = self.weights.floats(name, &[self.config.max_position_embeddings, hidden])?;
        // Rows before the first token's are never used.
        let values = values.get(first * hidden..).unwrap_or_default();
        let table = self.graph.floats(name, &[self.config.window(), hidden], values);
        let start = self.graph.integers("first_position", &[0]);
        let axis = self.graph.integers("position_axis", &[0]);
        Ok(self.graph.op("Slice", &[&table, &start, &shapes.sequence, &axis]))
    }

    /// The mask, `[batch, 1, 1, sequence]`, plus what MPNet adds for each distance between tokens: then
    /// `[batch, heads, sequence, sequence]`, made once for all layers.
    fn with_relative_positions(&mut self, mask: String, shapes: &Shapes) -> Result<String, Error> {
        if !self.names.has_relative_positions {
            return Ok(mask);
        }
        let (window, heads) = (self.config.window(), self.config.num_attention_heads);
        let values = relative::bias(self.config, self.weights)?;
        let table = self.graph.floats("relative_positions", &[heads, window, window], &values);
        let start = self.graph.integers("relative_start", &[0, 0]);
        let axes = self.graph.integers("relative_axes", &[1, 2]);
        let sequence = shapes.sequence.as_str();
        let end = self.graph.op_with("Concat", &[sequence, sequence], vec![integer("axis", 0)]);
        let bias = self.graph.op("Slice", &[&table, &start, &end, &axes]);
        Ok(self.graph.op("Add", &[&bias, &mask]))
    }

    /// Multi-head self-attention with its residual and normalization.
    fn attention(&mut self, layer: &str, state: &str, mask: &str, shapes: &Shapes) -> Result<String, Error> {
        let Names { query, key, value, output, norm, .. } = self.names;
        let query = self.heads(&format!("{layer}.{query}"), state, shapes, &[0, 2, 1, 3])?;
        let key = self.heads(&format!("{layer}.{key}"), state, shapes, &[0, 2, 3, 1])?;
        let value = self.heads(&format!("{layer}.{value}"), state, shapes, &[0, 2, 1, 3])?;
        let scores = self.graph.op("MatMul", &[&query, &key]);
        let scores = self.graph.op("Div", &[&scores, &shapes.scale]);
        let scores = self.graph.op("Add", &[&scores, mask]);
        let shares = self.graph.op_with("Softmax", &[&scores], vec![integer("axis", -1)]);
        let mixed = self.graph.op("MatMul", &[&shares, &value]);
        let order = vec![integer_list("perm", &[0, 2, 1, 3])];
        let mixed = self.graph.op_with("Transpose", &[&mixed], order);
        let mixed = self.graph.op("Reshape", &[&mixed, &shapes.merged]);
        let hidden = self.config.hidden_size;
        let mixed = self.linear(&format!("{layer}.{output}"), &mixed, hidden, hidden)?;
        let sum = self.graph.op("Add", &[&mixed, state]);
        self.layer_norm(&format!("{layer}.{norm}"), &sum)
    }

    /// A projection split into heads and transposed by `order`.
    fn heads(&mut self, name: &str, state: &str, shapes: &Shapes, order: &[i64]) -> Result<String, Error> {
        let hidden = self.config.hidden_size;
        let projected = self.linear(name, state, hidden, hidden)?;
        let split = self.graph.op("Reshape", &[&projected, &shapes.heads]);
        let order = vec![integer_list("perm", order)];
        Ok(self.graph.op_with("Transpose", &[&split], order))
    }

    /// The feed-forward layer with its residual and normalization.
    fn feed_forward(&mut self, layer: &str, state: &str) -> Result<String, Error> {
        let (hidden, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let wide = self.linear(&format!("{layer}.intermediate.dense"), state, hidden, inner)?;
        let wide = self.gelu(layer, &wide);
        let back = self.linear(&format!("{layer}.output.dense"), &wide, inner, hidden)?;
        let sum = self.graph.op("Add", &[&back, state]);
        self.layer_norm(&format!("{layer}.output.LayerNorm"), &sum)
    }

    /// The exact GELU, x/2 · (1 + erf(x/√2)) (Hendrycks & Gimpel 2016), in the form that runtimes fuse.
    fn gelu(&mut self, layer: &str, x: &str) -> String {
        let root = self.graph.scalar(&format!("{layer}.sqrt2"), std::f32::consts::SQRT_2);
        let one = self.graph.scalar(&format!("{layer}.one"), 1.0);
        let half = self.graph.scalar(&format!("{layer}.half"), 0.5);
        let scaled = self.graph.op("Div", &[x, &root]);
        let erf = self.graph.op("Erf", &[&scaled]);
        let share = self.graph.op("Add", &[&erf, &one]);
        let product = self.graph.op("Mul", &[x, &share]);
        self.graph.op("Mul", &[&product, &half])
    }

    fn linear(&mut self, name: &str, x: &str, input: usize, output: usize) -> Result<String, Error> {
        let weight = format!("{name}.weight");
        let bias = format!("{name}.bias");
        let values = self.weights.transposed(&weight, input, output)?;
        let weight = self.graph.floats(&weight, &[input, output], &values);
        let values = self.weights.floats(&bias, &[output])?;
        let bias = self.graph.floats(&bias, &[output], &values);
        let product = self.graph.op("MatMul", &[x, &weight]);
        Ok(self.graph.op("Add", &[&product, &bias]))
    }

    fn layer_norm(&mut self, name: &str, x: &str) -> Result<String, Error> {
        let scale = self.row(&format!("{name}.weight"))?;
        let bias = self.row(&format!("{name}.bias"))?;
        let attributes = vec![integer("axis", -1), float("epsilon", self.config.layer_norm_eps)];
        let inputs = [x, scale.as_str(), bias.as_str()];
        Ok(self.graph.op_with("LayerNormalization", &inputs, attributes))
    }

    /// A vector of the hidden width.
    fn row(&mut self, name: &str) -> Result<String, Error> {
        let dims = [self.config.hidden_size];
        let values = self.weights.floats(name, &dims)?;
        Ok(self.graph.floats(name, &dims, &values))
    }

    /// A table of rows of the hidden width.
    fn table(&mut self, name: &str, rows: usize) -> Result<String, Error> {
        let dims = [rows, self.config.hidden_size];
        let values = self.weights.floats(name, &dims)?;
        Ok(self.graph.floats(name, &dims, &values))
    }
}
