//! `config.json` of a sentence-transformers folder: which encoder it is, and how large.

use serde::Deserialize;

use crate::error::Unsupported;

/// The encoders that can be exported. They share the post-norm Transformer layer of BERT and differ in what a token's
/// position contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Devlin et al. 2019: word, position and type rows are added.
    Bert,
    /// Liu et al. 2019, Conneau et al. 2020 (XLM-R): as BERT, positions count from behind the padding id.
    Roberta,
    /// Song et al. 2020: no types, and relative position buckets added to the attention scores.
    Mpnet,
}

/// What of `config.json` decides the graph.
#[derive(Clone, Debug, Deserialize)]
pub struct EncoderConfig {
    /// `bert`, `roberta`, `xlm-roberta`, `camembert` or `mpnet`.
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
    /// Rows of the token type table; 0 where there is none.
    #[serde(default)]
    pub type_vocab_size: usize,
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Added to the variance before the root.
    pub layer_norm_eps: f32,
    /// `absolute`, or something not known here.
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    /// The token id that pads; RoBERTa and MPNet count positions from behind it.
    #[serde(default)]
    pub pad_token_id: Option<usize>,
    /// Buckets of relative positions (MPNet).
    #[serde(default)]
    pub relative_attention_num_buckets: Option<usize>,
}

fn absolute() -> String {
    "absolute".to_owned()
}

/// RoBERTa's padding id where `config.json` names none.
const ROBERTA_PADDING: usize = 1;

impl EncoderConfig {
    /// Says what of this configuration the export does not know.
    ///
    /// # Errors
    /// What it is.
    pub fn check(&self) -> Result<(), Unsupported> {
        self.architecture()?;
        if self.hidden_act != "gelu" {
            return Err(Unsupported::Activation(self.hidden_act.clone()));
        }
        if self.position_embedding_type != "absolute" {
            return Err(Unsupported::Positions(self.position_embedding_type.clone()));
        }
        match self.hidden_size.checked_rem(self.num_attention_heads) {
            Some(0) if self.window() > 0 => Ok(()),
            Some(0) => Err(Unsupported::Positions(format!("{} rows", self.max_position_embeddings))),
            _ => Err(Unsupported::Weights("hidden_size is not a multiple of num_attention_heads".to_owned())),
        }
    }

    /// Which encoder it is.
    ///
    /// # Errors
    /// [`Unsupported::Architecture`].
    pub fn architecture(&self) -> Result<Architecture, Unsupported> {
        match self.model_type.as_str() {
            "bert" => Ok(Architecture::Bert),
            "roberta" | "xlm-roberta" | "camembert" => Ok(Architecture::Roberta),
            "mpnet" => Ok(Architecture::Mpnet),
            other => Err(Unsupported::Architecture(other.to_owned())),
        }
    }

    /// The position of the first token.
    #[must_use]
    pub fn first_position(&self) -> usize {
        match self.architecture() {
            Ok(Architecture::Roberta | Architecture::Mpnet) => self.pad_token_id.unwrap_or(ROBERTA_PADDING) + 1,
            Ok(Architecture::Bert) | Err(_) => 0,
        }
    }

    /// Tokens that the position table has room for.
    #[must_use]
    pub fn window(&self) -> usize {
        self.max_position_embeddings.saturating_sub(self.first_position())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn config(extra: serde_json::Value) -> EncoderConfig {
        let mut all = serde_json::json!({
            "model_type": "bert", "hidden_act": "gelu", "hidden_size": 8, "intermediate_size": 16,
            "num_attention_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 514, "vocab_size": 10,
            "layer_norm_eps": 1e-5,
        });
        let extra = extra.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(extra);
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn positions_count_from_behind_the_padding_where_the_architecture_says_so() {
        assert_eq!(config(serde_json::json!({})).window(), 514);
        assert_eq!(config(serde_json::json!({"model_type": "xlm-roberta"})).window(), 512);
        assert_eq!(config(serde_json::json!({"model_type": "mpnet", "pad_token_id": 3})).first_position(), 4);
    }

    #[test]
    fn what_is_not_known_is_named() {
        let refused = |extra| config(extra).check().unwrap_err();
        let json = |key: &str, value: &str| serde_json::json!({ key: value });
        assert!(matches!(refused(json("model_type", "t5")), Unsupported::Architecture(t) if t == "t5"));
        assert!(matches!(refused(json("hidden_act", "relu")), Unsupported::Activation(a) if a == "relu"));
        let positions = json("position_embedding_type", "relative_key");
        assert!(matches!(refused(positions), Unsupported::Positions(p) if p == "relative_key"));
        let heads = serde_json::json!({"num_attention_heads": 3});
        assert!(matches!(refused(heads), Unsupported::Weights(_)));
        let no_rows = serde_json::json!({"model_type": "roberta", "max_position_embeddings": 2});
        assert!(matches!(refused(no_rows), Unsupported::Positions(_)));
        config(serde_json::json!({})).check().unwrap();
    }
}
