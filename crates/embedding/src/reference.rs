//! Stored reference vectors: what a model's vectors must come out as, whatever computes them.

use serde::{Deserialize, Serialize};

/// Reference texts with their token ids and vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Where the model comes from.
    pub model: String,
    /// The weights that gave these vectors, SHA-256 in lower-case hex.
    pub weights_sha256: String,
    /// One entry per text.
    pub vectors: Vec<ReferenceVector>,
}

/// One reference text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceVector {
    /// The text.
    pub text: String,
    /// Its tokens, special tokens included.
    pub token_ids: Vec<u32>,
    /// Its vector in 32-bit arithmetic.
    pub embedding: Vec<f32>,
}

/// all-MiniLM-L6-v2, 16 texts in several languages, computed in 32-bit floats by the model's published code.
const ALL_MINILM_L6_V2: &str = include_str!("../reference/all-minilm-l6-v2.json");

/// multilingual-e5-small, 18 texts: the weights of the 4-bit blocks in 64-bit arithmetic (`reference/encoders.py`), the
/// token ids from the library `sentencepiece`.
const MULTILINGUAL_E5_SMALL: &str = include_str!("../reference/multilingual-e5-small.json");

impl Reference {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The JSON text of the built-in reference for these weights, if there is one.
    #[must_use]
    pub fn built_in(weights_sha256: &str) -> Option<&'static str> {
        let is_of = |text: &&str| Self::parse(text).is_ok_and(|known| known.weights_sha256 == weights_sha256);
        [ALL_MINILM_L6_V2, MULTILINGUAL_E5_SMALL].into_iter().find(is_of)
    }

    /// The texts of the built-in reference, which suit any model.
    #[must_use]
    pub fn texts() -> Vec<String> {
        let built_in = Self::parse(ALL_MINILM_L6_V2).ok();
        let vectors = built_in.map(|reference| reference.vectors);
        vectors.into_iter().flatten().map(|v| v.text).collect()
    }

    /// The lowest cosine between the stored vectors and `vectors`, which come in the same order; −1 if any is missing
    /// or not finite.
    #[must_use]
    pub fn lowest_cosine(&self, vectors: &[Vec<f32>]) -> f32 {
        if vectors.len() != self.vectors.len() {
            return -1.0;
        }
        self.vectors.iter().zip(vectors).map(|(stored, got)| cosine(&stored.embedding, got)).fold(1.0, f32::min)
    }
}

/// Cosine similarity in 64-bit arithmetic; −1 for vectors that cannot be compared.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    if a.len() != b.len() || !cosine.is_finite() {
        return -1.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a cosine needs no more")]
    let cosine = cosine as f32;
    cosine
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn cosine_is_strict_about_what_it_compares() {
        assert!((cosine(&[1.0, 0.0], &[2.0, 0.0]) - 1.0).abs() < 1e-6);
        assert!(cosine(&[1.0, 0.0], &[0.0, 3.0]).abs() < 1e-6);
        assert!(cosine(&[1.0], &[1.0, 0.0]) < 0.0);
        assert!(cosine(&[0.0], &[0.0]) < 0.0);
        assert!(cosine(&[f32::NAN], &[1.0]) < 0.0);
    }

    #[test]
    fn the_built_in_references_are_well_formed() {
        for (text, vectors) in [(ALL_MINILM_L6_V2, 16), (MULTILINGUAL_E5_SMALL, 18)] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.vectors.len(), vectors);
            assert!(reference.vectors.iter().all(|v| v.embedding.len() == 384));
            assert_eq!(Reference::built_in(&reference.weights_sha256), Some(text));
            assert!(reference.lowest_cosine(&[]) < 0.0);
        }
        assert!(Reference::built_in("00").is_none());
    }
}
