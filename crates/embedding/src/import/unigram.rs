//! A SentencePiece vocabulary of XLM-R (Conneau et al. 2020) as a `tokenizer.json`.

use serde_json::{Value, json};

/// What stands for a space in a piece.
const META: &str = "▁";
/// The last piece, which no text gives.
const MASK: &str = "<mask>";

/// Not a character (Unicode 16, section 23.7), so it stands for [`WAVE`] while NFKC runs, which would make `~` of it.
const STAND_IN: &str = "\u{FDD0}";
/// SentencePiece's `nmt_nfkc` keeps this one, as Japanese writes ranges with it.
const WAVE: &str = "\u{FF5E}";

/// Pieces with their log probabilities, in the order of their ids, and the ids of special ones.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    pub pieces: Vec<(String, f32)>,
    pub bos: usize,
    pub eos: usize,
    pub pad: usize,
    pub unk: usize,
}

impl Vocabulary {
    /// The tokenizer as the published one behaves: SentencePiece's `nmt_nfkc` normalization, which is `Nmt` and NFKC but
    /// for [`WAVE`] (compared on every code point: U+1F23B alone differs, which newer Unicode decomposes), runs of
    /// spaces made one, words marked at their start, the most probable pieces.
    pub fn tokenizer(&self) -> Value {
        let replace =
            |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
        let metaspace =
            |kind: &str| json!({"type": kind, "replacement": META, "prepend_scheme": "always", "split": true});
        let special = |id: usize| json!({"SpecialToken": {"id": self.text(id), "type_id": 0}});
        let named = |id: usize| json!({"id": self.text(id), "ids": [id], "tokens": [self.text(id)]});
        let sequence = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": self.added(),
            "normalizer": {"type": "Sequence", "normalizers": [
                replace(json!({"String": WAVE}), STAND_IN), {"type": "Nmt"}, {"type": "NFKC"},
                replace(json!({"String": STAND_IN}), WAVE), replace(json!({"Regex": " {2,}"}), " "),
            ]},
            "pre_tokenizer": metaspace("Metaspace"),
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [special(self.bos), sequence("A"), special(self.eos)],
                "pair": [special(self.bos), sequence("A"), special(self.eos), sequence("B"), special(self.eos)],
                "special_tokens": {self.text(self.bos): named(self.bos), self.text(self.eos): named(self.eos)},
            },
            "decoder": metaspace("Metaspace"),
            "model": {"type": "Unigram", "unk_id": self.unk, "vocab": self.pieces, "byte_fallback": false},
        })
    }

    fn text(&self, id: usize) -> &str {
        self.pieces.get(id).map(|(text, _)| text.as_str()).unwrap_or_default()
    }

    fn added(&self) -> Vec<Value> {
        let mask = self.pieces.iter().rposition(|(text, _)| text == MASK);
        let mut ids: Vec<usize> = [self.bos, self.pad, self.eos, self.unk].into_iter().chain(mask).collect();
        ids.sort_unstable();
        let token = |id: usize| {
            json!({
                "id": id, "content": self.text(id), "single_word": false, "lstrip": Some(id) == mask, "rstrip": false,
                "normalized": false, "special": true,
            })
        };
        ids.into_iter().map(token).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let pieces =
            [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0), ("▁", -3.0)];
        let more = [("ア", -2.5), ("～", -2.6), ("ab", -2.1), ("<mask>", 0.0)];
        let pieces = pieces.into_iter().chain(more).map(|(text, score)| (text.to_owned(), score)).collect();
        let vocabulary = Vocabulary { pieces, bos: 0, eos: 2, pad: 1, unk: 3 };
        let tokenizer: tokenizers::Tokenizer = vocabulary.tokenizer().to_string().parse().unwrap();
        tokenizer.encode(text, true).unwrap().get_tokens().to_vec()
    }

    #[test]
    fn texts_are_normalized_marked_and_cut_into_the_most_probable_pieces() {
        assert_eq!(tokens("ab"), ["<s>", "▁a", "b", "</s>"]);
        assert_eq!(tokens("a \t\n b"), ["<s>", "▁a", "▁", "b", "</s>"]);
        assert_eq!(tokens("ｂ\u{200B}a"), ["<s>", "▁", "b", "▁a", "</s>"]);
    }

    #[test]
    fn the_wide_wave_stays_while_other_wide_characters_do_not() {
        assert_eq!(tokens("ｱ～b"), ["<s>", "▁", "ア", "～", "b", "</s>"]);
    }

    #[test]
    fn what_no_piece_holds_is_one_unknown() {
        assert_eq!(tokens("xyz"), ["<s>", "▁", "xyz", "</s>"]);
    }
}
