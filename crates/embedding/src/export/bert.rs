//! The BERT encoder (Devlin et al. 2019) as an ONNX graph.

use serde::Deserialize;

use super::{
    ATTENTION_MASK, INPUT_IDS, LAST_HIDDEN_STATE,
    graph::{Axis, FLOAT_TYPE, Graph, float, integer, integer_list},
    weights::Weights,
};
use crate::error::Error;

/// Added to the attention scores of padding. The lowest float would overflow to infinity in bf16 and turn the softmax
/// into garbage without any error; this is low enough that `exp` gives 0 in every precision.
const MASKED: f32 = -10_000.0;

/// What of `config.json` decides the graph.
#[derive(Clone, Debug, Deserialize)]
pub struct BertConfig {
    /// The architecture; `bert` is the one known here.
    pub model_type: String,
    /// The activation between the two halves of the feed-forward layer.
    pub hidden_act: String,
    /// Width of a token state.
    pub hidden_size: usize,
    /// Width inside the feed-forward layer.
    pub intermediate_size: usize,
    /// Attention heads; they share `hidden_size`.
    pub num_attention_heads: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Rows of the position table.
    pub max_position_embeddings: usize,
    /// Rows of the token type table.
    pub type_vocab_size: usize,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Added to the variance before the root.
    pub layer_norm_eps: f32,
    /// `absolute`, or something not known here.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl BertConfig {
    /// Says what of this configuration the export does not know.
    ///
    /// # Errors
    /// A sentence for the person who imports the model.
    pub fn check(&self) -> Result<(), String> {
        if self.model_type != "bert" {
            return Err(format!("model_type {} is not bert", self.model_type));
        }
        if self.hidden_act != "gelu" {
            return Err(format!("activation {} is not gelu", self.hidden_act));
        }
        if self.position_embedding_type != "absolute" {
            let kind = &self.position_embedding_type;
            return Err(format!("position embeddings {kind} are not absolute"));
        }
        match self.hidden_size.checked_rem(self.num_attention_heads) {
            Some(0) => Ok(()),
            _ => Err("hidden_size is not a multiple of num_attention_heads".to_owned()),
        }
    }
}

/// The serialized ONNX model of the encoder that `config` describes and `weights` fills.
///
/// # Errors
/// [`Error::Model`] for a missing or ill-shaped tensor.
pub fn export_bert(config: &BertConfig, weights: &Weights<'_>) -> Result<Vec<u8>, Error> {
    let mut builder = Builder { graph: Graph::default(), config, weights };
    let shape = [Axis::Named("batch"), Axis::Named("sequence")];
    let ids = builder.graph.input(INPUT_IDS, &shape);
    let mask = builder.graph.input(ATTENTION_MASK, &shape);
    let mask = builder.additive_mask(&mask);
    let shapes = builder.shapes();
    let mut state = builder.embeddings(&ids)?;
    for layer in 0..config.num_hidden_layers {
        let name = format!("encoder.layer.{layer}");
        state = builder.attention(&name, &state, &mask, &shapes)?;
        state = builder.feed_forward(&name, &state)?;
    }
    let [batch, sequence] = shape;
    let shape = [batch, sequence, Axis::Fixed(config.hidden_size)];
    builder.graph.output(LAST_HIDDEN_STATE, &state, &shape);
    builder.graph.finish("bert")
}

/// Constants that every layer uses.
struct Shapes {
    heads: String,
    merged: String,
    scale: String,
}

struct Builder<'a> {
    graph: Graph,
    config: &'a BertConfig,
    weights: &'a Weights<'a>,
}

impl Builder<'_> {
    /// 0 where `mask` is 1 and [`MASKED`] where it is 0, `[batch, 1, 1, sequence]`.
    fn additive_mask(&mut self, mask: &str) -> String {
        let axes = self.graph.integers("mask_axes", &[1, 2]);
        let one = self.graph.scalar("one", 1.0);
        let masked = self.graph.scalar("masked", MASKED);
        let wide = self.graph.op("Unsqueeze", &[mask, &axes]);
        let real = self.graph.op_with("Cast", &[&wide], vec![integer("to", FLOAT_TYPE)]);
        let padding = self.graph.op("Sub", &[&one, &real]);
        self.graph.op("Mul", &[&padding, &masked])
    }

    fn shapes(&mut self) -> Shapes {
        let heads = self.config.num_attention_heads;
        let width = self.config.hidden_size / heads;
        #[expect(clippy::cast_precision_loss, reason = "a head is far narrower than 2^24")]
        let root = (width as f32).sqrt();
        Shapes {
            heads: self.graph.integers("heads", &[0, 0, heads as i64, width as i64]),
            merged: self.graph.integers("merged", &[0, 0, self.config.hidden_size as i64]),
            scale: self.graph.scalar("scale", root),
        }
    }

    /// Word, position and type rows, added and normalized, `[batch, sequence, hidden]`.
    fn embeddings(&mut self, ids: &str) -> Result<String, Error> {
        let hidden = self.config.hidden_size;
        let words = self.table("embeddings.word_embeddings.weight", self.config.vocab_size)?;
        let words = self.graph.op("Gather", &[&words, ids]);
        let positions = self.positions(ids)?;
        let types = "embeddings.token_type_embeddings.weight";
        let mut first_type = self.weights.floats(types, &[self.config.type_vocab_size, hidden])?;
        first_type.truncate(hidden);
        let first_type = self.graph.floats(types, &[hidden], &first_type);
        let sum = self.graph.op("Add", &[&words, &first_type]);
        let sum = self.graph.op("Add", &[&sum, &positions]);
        self.layer_norm("embeddings.LayerNorm", &sum)
    }

    /// The first `sequence` rows of the position table, `[sequence, hidden]`. A slice, because an index made by `Range`
    /// trips the runtime's own embedding fusion.
    fn positions(&mut self, ids: &str) -> Result<String, Error> {
        let rows = self.config.max_position_embeddings;
        let table = self.table("embeddings.position_embeddings.weight", rows)?;
        let start = self.graph.integers("first_position", &[0]);
        let axis = self.graph.integers("position_axis", &[0]);
        let sequence = vec![integer("start", 1), integer("end", 2)];
        let end = self.graph.op_with("Shape", &[ids], sequence);
        Ok(self.graph.op("Slice", &[&table, &start, &end, &axis]))
    }

    /// Multi-head self-attention with its residual and normalization.
    fn attention(&mut self, layer: &str, state: &str, mask: &str, shapes: &Shapes) -> Result<String, Error> {
        let name = format!("{layer}.attention.self");
        let query = self.heads(&format!("{name}.query"), state, shapes, &[0, 2, 1, 3])?;
        let key = self.heads(&format!("{name}.key"), state, shapes, &[0, 2, 3, 1])?;
        let value = self.heads(&format!("{name}.value"), state, shapes, &[0, 2, 1, 3])?;
        let scores = self.graph.op("MatMul", &[&query, &key]);
        let scores = self.graph.op("Div", &[&scores, &shapes.scale]);
        let scores = self.graph.op("Add", &[&scores, mask]);
        let shares = self.graph.op_with("Softmax", &[&scores], vec![integer("axis", -1)]);
        let mixed = self.graph.op("MatMul", &[&shares, &value]);
        let order = vec![integer_list("perm", &[0, 2, 1, 3])];
        let mixed = self.graph.op_with("Transpose", &[&mixed], order);
        let mixed = self.graph.op("Reshape", &[&mixed, &shapes.merged]);
        let hidden = self.config.hidden_size;
        let out = format!("{layer}.attention.output");
        let mixed = self.linear(&format!("{out}.dense"), &mixed, hidden, hidden)?;
        let sum = self.graph.op("Add", &[&mixed, state]);
        self.layer_norm(&format!("{out}.LayerNorm"), &sum)
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
