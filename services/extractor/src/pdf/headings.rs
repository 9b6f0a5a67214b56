//! Which blocks are headings: those that the outline names, and those set larger or bolder than the body.

use std::collections::HashMap;

use heimdex_schemas::BlockKind;
use unicode_normalization::UnicodeNormalization;

use super::native::Bookmark;
use super::paragraphs::Piece;
use super::sheet::Sheet;

/// Longer blocks are no headings.
const MAX_LINES: usize = 3;
const MAX_CHARS: u32 = 200;
/// Font sizes of headings as multiples of the body's, with their levels.
const SIZES: [(f32, u8); 3] = [(1.8, 1), (1.4, 2), (1.15, 3)];
/// The level of bold lines of body size.
const BOLD: u8 = 4;
const LOWEST: u8 = 6;

/// Outline entries by page, from 0: what is left of their titles by [`key`], and their level.
#[derive(Default)]
pub(super) struct Outline {
    entries: HashMap<u32, Vec<(String, u8)>>,
}

impl Outline {
    pub(super) fn of(bookmarks: Vec<Bookmark>) -> Self {
        let mut entries: HashMap<u32, Vec<(String, u8)>> = HashMap::new();
        for bookmark in bookmarks {
            let key = key(&bookmark.title);
            if let Some(page) = bookmark.page.filter(|_| !key.is_empty()) {
                entries.entry(page).or_default().push((key, bookmark.level.min(LOWEST)));
            }
        }
        Self { entries }
    }

    fn level(&self, page: u32, text: &str, chars: u32) -> Option<u8> {
        let entries = self.entries.get(&page).filter(|_| chars <= MAX_CHARS)?;
        let key = key(text);
        entries.iter().find(|(title, _)| *title == key).map(|(_, level)| *level)
    }

    /// Notes which lines of the page at `page`, from 0, are entries by themselves.
    pub(super) fn mark(&self, page: u32, sheet: &mut Sheet) {
        if self.entries.contains_key(&page) {
            for row in sheet.flows.iter_mut().flatten() {
                row.outlined = self.level(page, &row.written.text, row.written.chars);
            }
        }
    }
}

/// Letters and digits behind the number of a chapter or section.
fn key(title: &str) -> String {
    let plain: String = if title.is_ascii() {
        title.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
    } else {
        title.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect()
    };
    let unnumbered = plain.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let text = if unnumbered.chars().any(char::is_alphanumeric) { unnumbered } else { &plain };
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The type of running text in some pages.
pub(super) struct Body {
    pub size: f32,
    /// Most of it is of fixed pitch: a typescript, in which that does not mean code.
    pub fixed_pitch: bool,
    /// Most of it is bold, which then means nothing.
    pub bold: bool,
}

impl Body {
    pub(super) fn of<'a>(sheets: impl Iterator<Item = &'a Sheet>) -> Self {
        let mut sizes: HashMap<i64, u64> = HashMap::new();
        let (mut all, mut fixed, mut bold) = (0, 0, 0);
        for row in sheets.flat_map(|sheet| sheet.flows.iter().flatten()) {
            let letters = u64::from(row.letters);
            *sizes.entry(half_points(row.size)).or_default() += letters;
            all += letters;
            fixed += if row.fixed_pitch { letters } else { 0 };
            bold += if row.bold { letters } else { 0 };
        }
        let usual = sizes.into_iter().max_by_key(|(size, letters)| (*letters, -size)).map_or(20, |(size, _)| size);
        let size = f32::from(i16::try_from(usual).unwrap_or(i16::MAX)) / 2.0;
        Self { size, fixed_pitch: fixed * 2 > all, bold: bold * 2 > all }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a font size; casts of floats saturate")]
fn half_points(size: f32) -> i64 {
    (size * 2.0).round().max(1.0) as i64
}

/// What `piece` on page `page`, from 0, is.
pub(super) fn kind(piece: &Piece, page: u32, outline: &Outline, body: &Body) -> BlockKind {
    let may_be = matches!(piece.kind, BlockKind::Paragraph | BlockKind::ListItem)
        && piece.lines <= MAX_LINES
        && piece.written.chars <= MAX_CHARS
        && piece.written.text.chars().any(char::is_alphabetic);
    let level = || outline.level(page, &piece.written.text, piece.written.chars).or_else(|| by_type(piece, body));
    match may_be.then(level).flatten() {
        Some(level) => BlockKind::Heading { level },
        None => piece.kind,
    }
}

fn by_type(piece: &Piece, body: &Body) -> Option<u8> {
    let ratio = piece.size / body.size.max(0.1);
    let by_size = SIZES.iter().find(|(least, _)| ratio >= *least).map(|(_, level)| *level);
    let bold = piece.bold
        && !body.bold
        && ratio > 0.95
        && piece.lines <= 2
        && !piece.written.text.ends_with(['.', ',', ';', ':']);
    by_size.or(bold.then_some(BOLD))
}
