//! Words that ask: frequent in questions, rare in the texts that answer them, so their IDF misleads.
//!
//! They are weakened in queries, never dropped (a `who` may be the World Health Organization, `Quelle` is German for
//! source), and untouched in documents. Chinese and Japanese question words brought nothing measurable and are left alone.

/// What one occurrence of a question word counts in a query; 0.1 to 0.3 measured alike.
pub const QUESTION_WORD_WEIGHT: f32 = 0.2;

/// Folded, ascending: English, German, French and Spanish.
const QUESTION_WORDS: [&str; 50] = [
    "combien", "comment", "como", "cual", "cuales", "cuando", "cuanta", "cuantas", "cuanto", "cuantos", "donde", "how",
    "ou", "pourquoi", "quand", "que", "quel", "quelle", "quelles", "quels", "qui", "quien", "quienes", "quoi", "wann",
    "warum", "was", "welche", "welchem", "welchen", "welcher", "welches", "wem", "wen", "wer", "wessen", "what",
    "when", "where", "which", "who", "whom", "whose", "why", "wie", "wieso", "wieviel", "wo", "woher", "wohin",
];

pub(crate) fn is_question_word(term: &str) -> bool {
    QUESTION_WORDS.binary_search(&term).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{QUESTION_WORDS, is_question_word};
    use crate::Analyzer;

    #[test]
    fn the_list_is_sorted_and_folded() {
        assert!(QUESTION_WORDS.is_sorted());
        for word in QUESTION_WORDS {
            assert!(Analyzer.terms(word).iter().map(|term| term.text.as_str()).eq([word]), "{word}");
        }
    }

    #[test]
    fn questions_in_four_languages() {
        assert!(["which", "welche", "combien", "donde"].into_iter().all(is_question_word));
        assert!(!["the", "der", "river", ""].into_iter().any(is_question_word));
    }
}
