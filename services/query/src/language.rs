//! What a model can read. A model that was not trained on a language still gives vectors for it, and their neighbours are
//! close to random; the lexical leg must not pay for that.

use heimdex_index::Candidate;
use heimdex_lexical::language::iso_639_1;
use whatlang::Lang;

/// How many of the lexical leg's best say what language a short query is in.
const VOTERS: usize = 10;

/// The languages of a model, and how much its word counts beyond them.
#[derive(Debug, Clone, PartialEq)]
pub struct Fluency {
    /// ISO 639-1; empty when the model does not say, which means every language.
    languages: Vec<String>,
    foreign_weight: f64,
}

impl Fluency {
    #[must_use]
    pub fn new(languages: &[String], foreign_weight: f64) -> Self {
        Self { languages: languages.to_vec(), foreign_weight }
    }

    /// The weight of a dense result for `query`: full when the model reads both the query and the chunk.
    #[must_use]
    pub fn weight(&self, query_is_foreign: bool, candidate: &Candidate) -> f64 {
        let chunk_is_foreign = candidate.language.as_deref().is_some_and(|language| !self.reads(language));
        if query_is_foreign || chunk_is_foreign { self.foreign_weight } else { 1.0 }
    }

    /// Whether `query` is not in a language of the model: by its script (none of the model's languages uses it), by its
    /// words when there are enough of them to tell, else by the language that its words were found in: the majority of
    /// the first of the `lexical` leg.
    #[must_use]
    pub fn is_foreign(&self, query: &str, lexical: &[Candidate]) -> bool {
        let Some(info) = whatlang::detect(query) else { return self.is_found_abroad(lexical) };
        let by_script = !info.script().langs().iter().any(|lang| self.reads_lang(*lang));
        match (by_script, info.is_reliable()) {
            (true, _) => true,
            (false, true) => !self.reads_lang(info.lang()),
            (false, false) => self.is_found_abroad(lexical),
        }
    }

    fn is_found_abroad(&self, lexical: &[Candidate]) -> bool {
        let known = lexical.iter().filter_map(|candidate| candidate.language.as_deref());
        let (own, foreign): (Vec<_>, Vec<_>) = known.take(VOTERS).partition(|language| self.reads(language));
        foreign.len() > own.len()
    }

    fn reads(&self, language: &str) -> bool {
        self.languages.is_empty() || self.languages.iter().any(|known| known == language)
    }

    fn reads_lang(&self, lang: Lang) -> bool {
        self.languages.is_empty() || iso_639_1(lang).is_some_and(|code| self.reads(code))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn english() -> Fluency {
        Fluency::new(&["en".to_owned()], 0.05)
    }

    #[test]
    fn a_script_the_model_cannot_read_is_foreign_even_in_one_word() {
        assert!(
            english().is_foreign("東大寺はどこですか", &[])
                && english().is_foreign("检索", &[])
                && english().is_foreign("поиск", &[])
        );
    }

    #[test]
    fn short_queries_in_a_script_it_reads_are_given_the_benefit_of_the_doubt() {
        for query in ["travel policy", "GPU", "3.14", "what is the capital of France"] {
            assert!(!english().is_foreign(query, &[]), "{query}");
        }
        let german = "Welche Unterlagen müssen die Beschäftigten für die Abrechnung ihrer Reisekosten einreichen?";
        assert!(english().is_foreign(german, &[]));
    }

    #[test]
    fn a_model_that_names_no_languages_reads_all() {
        assert!(!Fluency::new(&[], 0.05).is_foreign("東大寺はどこですか", &[]));
    }

    #[test]
    fn a_short_query_is_in_the_language_its_words_were_found_in() {
        let found_in = |language: &str| Candidate { language: Some(language.to_owned()), ..candidate() };
        let (german, english_text) = (found_in("de"), found_in("en"));
        assert!(english().is_foreign("Kaution Lastenrad", &[german.clone(), german.clone(), english_text.clone()]));
        assert!(!english().is_foreign("Kaution Lastenrad", &[german, english_text.clone(), english_text]));
    }

    fn candidate() -> Candidate {
        let upload = heimdex_schemas::UploadId::new(&"acme".parse().unwrap(), "/s", "1");
        Candidate {
            id: heimdex_schemas::PointId::new(upload, "space", 0),
            score: 1.0,
            asset_id: "asset".parse().unwrap(),
            version: heimdex_index::Version { upload, order: heimdex_schemas::Order::by_uploader(0) },
            language: None,
        }
    }
}
