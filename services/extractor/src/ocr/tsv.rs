//! The recognizer's table of words, and the paragraphs they make.

use crate::compose::PageBuilder;
use crate::{BlockKind, Page};

/// What was read from a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognized {
    /// Its number is 1; only text and blocks count.
    pub page: Page,
    /// Mean over all characters, in percent.
    pub confidence: u8,
}

/// A row of level 5 is a word.
const WORD_LEVEL: &str = "5";

/// Reads what `tesseract … tsv` prints: a line of names, then tab-separated level, page, block, paragraph, line, word,
/// left, top, width, height, confidence (0 to 100, −1 for what is no word) and text.
///
/// # Errors
/// Says what is wrong with the table.
pub fn read(table: &str) -> Result<Recognized, String> {
    let mut rows = table.lines();
    if !rows.next().is_some_and(|names| names.starts_with("level\tpage_num\t")) {
        return Err("it does not begin with the names of its columns".to_owned());
    }
    let mut builder = PageBuilder::new();
    let (mut paragraph, mut place) = (Paragraph::default(), ("", ""));
    let (mut weight, mut sum) = (0.0, 0.0);
    for row in rows {
        let Some(word) = word(row)? else { continue };
        if word.place != place {
            builder.push(BlockKind::Paragraph, &std::mem::take(&mut paragraph).text);
            place = word.place;
        }
        let letters = word.text.chars().count() as f32;
        weight += letters;
        sum += letters * word.confidence;
        paragraph.add(&word);
    }
    builder.push(BlockKind::Paragraph, &paragraph.text);
    let confidence = if weight > 0.0 { (sum / weight).round().clamp(0.0, 100.0) as u8 } else { 0 };
    Ok(Recognized { page: builder.finish(1), confidence })
}

struct Word<'a> {
    /// Block and paragraph.
    place: (&'a str, &'a str),
    line: &'a str,
    confidence: f32,
    text: &'a str,
}

/// `None` for rows that are no words.
fn word(row: &str) -> Result<Option<Word<'_>>, String> {
    let columns: Vec<&str> = row.splitn(12, '\t').collect();
    let [level, _, block, paragraph, line, _, _, _, _, _, confidence, text] = columns.as_slice() else {
        return Err(format!("a row of {} columns", columns.len()));
    };
    let text = text.trim();
    if *level != WORD_LEVEL || text.is_empty() {
        return Ok(None);
    }
    let confidence: f32 = confidence.parse().map_err(|_| format!("confidence {confidence:?}"))?;
    let confidence = if confidence.is_finite() { confidence.clamp(0.0, 100.0) } else { 0.0 };
    Ok(Some(Word { place: (block, paragraph), line, confidence, text }))
}

#[derive(Default)]
struct Paragraph<'a> {
    text: String,
    line: &'a str,
}

impl<'a> Paragraph<'a> {
    /// A hyphen at the end of a line is taken for one that divides a word when a small letter follows.
    fn add(&mut self, word: &Word<'a>) {
        let next = word.text.chars().next();
        let last = self.text.chars().last();
        let same_line = std::mem::replace(&mut self.line, word.line) == word.line;
        let divided = !same_line && last == Some('-') && next.is_some_and(char::is_lowercase);
        if divided {
            self.text.pop();
        } else if let (Some(last), Some(next)) = (last, next) {
            self.text.extend((!(is_east_asian(last) && is_east_asian(next))).then_some(if same_line {
                ' '
            } else {
                '\n'
            }));
        }
        self.text.push_str(word.text);
    }
}

/// Written without spaces between words: kana, Han, and their punctuation.
fn is_east_asian(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF00}'..='\u{FF9F}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const NAMES: &str =
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";

    fn rows(words: &[(u8, u8, u8, &str, &str)]) -> String {
        let row = |(block, paragraph, line, confidence, text): &(u8, u8, u8, &str, &str)| {
            format!("5\t1\t{block}\t{paragraph}\t{line}\t1\t0\t0\t9\t9\t{confidence}\t{text}\n")
        };
        format!("{NAMES}1\t1\t0\t0\t0\t0\t0\t0\t9\t9\t-1\t\n{}", words.iter().map(row).collect::<String>())
    }

    #[test]
    fn words_become_paragraphs() {
        let table = rows(&[
            (1, 1, 1, "90.0", "The"),
            (1, 1, 1, "90.0", "depen-"),
            (1, 1, 2, "90.0", "dencies"),
            (1, 1, 3, "90.0", "first"),
            (1, 2, 1, "40.0", "日本"),
            (1, 2, 2, "40.0", "語"),
            (2, 1, 1, "96.5", "well-"),
            (2, 1, 2, "96.5", "Known"),
        ]);
        let read = read(&table).unwrap();
        assert_eq!(read.page.text, "The dependencies\nfirst\n\n日本語\n\nwell-\nKnown");
        assert_eq!(read.page.blocks.len(), 3);
    }

    #[test]
    fn confidence_is_the_mean_over_characters() {
        let read_of = |words: &[_]| read(&rows(words)).unwrap().confidence;
        assert_eq!(read_of(&[(1, 1, 1, "100", "a"), (1, 1, 1, "20", "bcd")]), 40);
        assert_eq!(read_of(&[]), 0);
        assert_eq!(read_of(&[(1, 1, 1, "nan", "a")]), 0);
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        for garbage in ["", "hello", &format!("{NAMES}5\t1\t2"), &rows(&[(1, 1, 1, "sure", "word")])] {
            assert!(read(garbage).is_err(), "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(table in ".{0,80}", cell in "[^\t\n]{0,8}") {
            let _ = read(&table);
            let _ = read(&format!("{NAMES}{table}"));
            prop_assert!(read(&rows(&[(1, 1, 1, "50", &cell)])).is_ok());
        }
    }
}
