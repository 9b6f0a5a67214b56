//! What a sentence-transformers folder says about the way from token states to a vector.

use std::path::Path;

use serde::Deserialize;

use super::{CONFIG, read_json};
use crate::{
    error::{Error, Unsupported},
    export::EncoderConfig,
    model::Pooling,
};

/// What the modules of a folder do after the encoder, and what stands before a text.
#[derive(Debug)]
pub(super) struct Layout {
    pub pooling: Pooling,
    pub normalize: bool,
    max_seq_length: Option<usize>,
    prompts: Prompts,
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `1_Pooling/config.json`. Newer releases write `pooling_mode`, older ones a flag for each mode.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolingConfig {
    pooling_mode: Option<String>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
    include_prompt: Option<bool>,
}

/// `sentence_bert_config.json`.
#[derive(Default, Deserialize)]
struct WindowConfig {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// `config_sentence_transformers.json`.
#[derive(Default, Deserialize)]
struct PromptConfig {
    #[serde(default)]
    prompts: Prompts,
}

/// The prompts that have a meaning here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Prompts {
    query: Option<String>,
    document: Option<String>,
    passage: Option<String>,
}

impl Layout {
    /// Reads the folder `source`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for modules and modes not known here; [`Error::Io`], [`Error::Model`].
    pub fn read(source: &Path) -> Result<Self, Error> {
        let path = source.join("modules.json");
        let modules: Vec<Module> = read_json(&path)?;
        let window = source.join("sentence_bert_config.json");
        let window: WindowConfig = optional(&window)?;
        if window.do_lower_case {
            return Err(Unsupported::Tokenizer("do_lower_case is set".to_owned()).at(source));
        }
        let prompts: PromptConfig = optional(&source.join("config_sentence_transformers.json"))?;
        let mut layout = Self {
            pooling: Pooling::Mean,
            normalize: false,
            max_seq_length: window.max_seq_length,
            prompts: prompts.prompts,
        };
        for module in modules {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => layout.pooling = pooling(&source.join(&module.path).join(CONFIG))?,
                "Normalize" => layout.normalize = true,
                other => return Err(Unsupported::Module(other.to_owned()).at(&path)),
            }
        }
        Ok(layout)
    }

    /// The window: what the folder says, within what the position table holds.
    pub fn window(&self, config: &EncoderConfig) -> usize {
        let limit = config.window();
        self.max_seq_length.unwrap_or(limit).min(limit)
    }

    /// What the folder puts before each query.
    pub fn query_prefix(&self) -> &str {
        self.prompts.query.as_deref().unwrap_or_default()
    }

    /// What the folder puts before each document.
    pub fn document_prefix(&self) -> &str {
        self.prompts.document.as_deref().or(self.prompts.passage.as_deref()).unwrap_or_default()
    }
}

fn optional<T: Default + serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    if path.is_file() { read_json(path) } else { Ok(T::default()) }
}

fn pooling(path: &Path) -> Result<Pooling, Error> {
    let config: PoolingConfig = read_json(path)?;
    if config.include_prompt == Some(false) {
        return Err(Unsupported::Pooling("all tokens but the prompt's".to_owned()).at(path));
    }
    match config.modes().as_slice() {
        ["mean"] => Ok(Pooling::Mean),
        ["cls"] => Ok(Pooling::Cls),
        modes => Err(Unsupported::Pooling(modes.join(" and ")).at(path)),
    }
}

impl PoolingConfig {
    /// The modes whose vectors are put side by side.
    fn modes(&self) -> Vec<&str> {
        let flags = [
            ("cls", self.pooling_mode_cls_token),
            ("mean", self.pooling_mode_mean_tokens),
            ("max", self.pooling_mode_max_tokens),
            ("mean_sqrt_len", self.pooling_mode_mean_sqrt_len_tokens),
            ("weightedmean", self.pooling_mode_weightedmean_tokens),
            ("lasttoken", self.pooling_mode_lasttoken),
        ];
        let flagged = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name);
        match &self.pooling_mode {
            Some(mode) => vec![mode.as_str()],
            None => flagged.collect(),
        }
    }
}
