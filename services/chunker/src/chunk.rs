//! Pieces to chunks: texts, pages, character spans and content hashes.

use heimdex_schemas::token::hex;
use heimdex_schemas::{Chunk, Page};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::document::DocumentText;
use crate::error::Error;
use crate::strategy::{Piece, Strategy};
use crate::tokens::TokenOffsets;

/// The chunks of a document. None when its pages hold no token.
///
/// # Errors
/// See [`Strategy::cut`]; more chunks than a `u32` can number.
pub fn chunk_document(pages: &[Page], strategy: &dyn Strategy, tokens: &dyn TokenOffsets) -> Result<Vec<Chunk>, Error> {
    let document = DocumentText::new(pages);
    let pieces = strategy.cut(document.text(), tokens)?;
    let too_many = |_| Error::TooManyChunks(pieces.len());
    u32::try_from(pieces.len()).map_err(too_many)?;
    let (mut starts, mut ends) = (CharOffsets::new(document.text()), CharOffsets::new(document.text()));
    let chunks = (0..).zip(&pieces).map(|(ordinal, piece)| {
        let span = [starts.at(piece.bytes.start), ends.at(piece.bytes.end)];
        chunk(&document, piece, ordinal, span)
    });
    Ok(chunks.collect())
}

fn chunk(document: &DocumentText, piece: &Piece, ordinal: u32, span: [u64; 2]) -> Chunk {
    let text = document.text().get(piece.bytes.clone()).unwrap_or_default();
    let (pages, page_starts) = document.pages_in(&piece.bytes).into_iter().unzip();
    Chunk {
        ordinal,
        text: text.to_owned(),
        tokens: u32::try_from(piece.tokens).unwrap_or(u32::MAX),
        pages,
        page_starts,
        span,
        heading_path: Vec::new(),
        content_hash: content_hash(text),
    }
}

/// Lower-case hexadecimal SHA-256 of `text` in NFC with each run of white space as one space and none at its ends: equal
/// for texts that a model cannot tell apart, so that an unchanged chunk of a changed document is recognized.
#[must_use]
pub fn content_hash(text: &str) -> String {
    let mut hash = Sha256::new();
    let mut normal = String::new();
    for (at, word) in text.split_whitespace().enumerate() {
        normal.clear();
        normal.extend((at > 0).then_some(' '));
        normal.extend(word.nfc());
        hash.update(normal.as_bytes());
    }
    hex(&hash.finalize())
}

/// Turns ascending byte offsets of a text into character offsets, counting each character once.
struct CharOffsets<'a> {
    text: &'a str,
    bytes: usize,
    chars: u64,
}

impl<'a> CharOffsets<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, bytes: 0, chars: 0 }
    }

    fn at(&mut self, bytes: usize) -> u64 {
        self.chars += self.text.get(self.bytes..bytes).map_or(0, |passed| passed.chars().count() as u64);
        self.bytes = bytes.max(self.bytes);
        self.chars
    }
}

#[cfg(test)]
mod tests {
    use super::content_hash;

    #[test]
    fn the_hash_ignores_how_white_space_and_accents_are_written() {
        assert_eq!(content_hash(" cafe\u{301}\n\n noir "), content_hash("café noir"));
        assert_ne!(content_hash("café noir"), content_hash("cafénoir"));
        assert_ne!(content_hash("café noir"), content_hash("Café noir"));
        assert_eq!(content_hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
