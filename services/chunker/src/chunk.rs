//! Pieces to chunks: texts, pages, character spans and content hashes.

use std::ops::Range;

use heimdex_schemas::Chunk;
use heimdex_schemas::token::hex;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::document::DocumentText;
use crate::error::Error;
use crate::parents::Parents;
use crate::strategy::{Piece, Strategy};
use crate::tokens::TokenOffsets;

/// The chunks of a document. None when its pages hold no token. At most `parent_chunks` are the context of each.
///
/// # Errors
/// See [`Strategy::cut`]; more chunks than a `u32` can number.
pub fn chunk_document(
    document: &DocumentText,
    strategy: &dyn Strategy,
    tokens: &dyn TokenOffsets,
    parent_chunks: usize,
) -> Result<Vec<Chunk>, Error> {
    let pieces = strategy.cut(document, tokens)?;
    let too_many = |_| Error::TooManyChunks(pieces.len());
    u32::try_from(pieces.len()).map_err(too_many)?;
    let parents = Parents::new(document.outline(), &pieces, parent_chunks);
    let (mut starts, mut ends) = (CharOffsets::new(document.text()), CharOffsets::new(document.text()));
    let chunks = pieces.iter().enumerate().map(|(ordinal, piece)| {
        let span = [starts.at(piece.bytes.start), ends.at(piece.bytes.end)];
        chunk(document, piece, span, (ordinal, &parents))
    });
    Ok(chunks.collect())
}

fn chunk(document: &DocumentText, piece: &Piece, span: [u64; 2], (ordinal, parents): (usize, &Parents<'_>)) -> Chunk {
    let (pages, page_starts) = document.pages_in(&piece.bytes).into_iter().unzip();
    let outline = document.outline();
    let path = outline.path(outline.main_section(&piece.bytes));
    let chunk = Chunk {
        ordinal: number(ordinal),
        prefix: piece.prefix.clone(),
        text: document.slice(piece.bytes.clone()).to_owned(),
        tokens: number(piece.tokens),
        pages,
        page_starts,
        span,
        heading_path: path.into_iter().map(str::to_owned).collect(),
        language: document.other_language(&piece.bytes).map(str::to_owned),
        parent: parents.of(ordinal).map(|Range { start, end }| [number(start), number(end - 1)]),
        content_hash: String::new(),
    };
    Chunk { content_hash: content_hash(&chunk.input()), ..chunk }
}

/// Chunks were counted with `u32` before, and none has as many tokens.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
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
