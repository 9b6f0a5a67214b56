//! From lines to blocks: paragraphs, list items, code and tables.

use heimdex_schemas::BlockKind;

use super::rows::{Row, is_solid};
use super::script::is_hyphen;
use super::table;
use super::written::Written;

/// A block in the making.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub kind: BlockKind,
    pub written: Written,
    /// Mean font size.
    pub size: f32,
    pub bold: bool,
    pub lines: usize,
}

/// The blocks of a flow. `code` says whether lines of fixed pitch are code, which they are not in a typescript.
pub(super) fn pieces(rows: &[Row], code: bool) -> Vec<Piece> {
    let flow = Flow { edge: edge(rows), pitch: pitch(rows) };
    let mut pieces = Vec::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let (piece, taken) = match table::table(rest) {
            Some(table) => table,
            None if code && first.fixed_pitch => flow.code(rest),
            None => flow.paragraph(rest, code),
        };
        pieces.push(piece);
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
    pieces
}

struct Flow {
    /// Where full lines end.
    edge: f32,
    /// From base line to base line.
    pitch: f32,
}

/// A few lines may stick out.
fn edge(rows: &[Row]) -> f32 {
    let mut ends: Vec<f32> = rows.iter().map(|row| row.area.u1).collect();
    ends.sort_by(|a, b| b.total_cmp(a));
    ends.get(ends.len() / 10).copied().unwrap_or(0.0)
}

fn pitch(rows: &[Row]) -> f32 {
    let pairs = rows.windows(2).filter_map(|pair| match pair {
        [above, below] => Some((below.base - above.base) / above.size.max(below.size).max(0.1)),
        _ => None,
    });
    let mut pitches: Vec<f32> = pairs.filter(|pitch| (MIN_PITCH..MAX_PITCH).contains(pitch)).collect();
    if pitches.len() < FEW_LINES {
        return USUAL_PITCH;
    }
    pitches.sort_by(f32::total_cmp);
    pitches.get(pitches.len() / 2).copied().unwrap_or(USUAL_PITCH)
}

/// Line pitches, in font sizes.
const MIN_PITCH: f32 = 0.8;
const USUAL_PITCH: f32 = 1.3;
const MAX_PITCH: f32 = 2.4;
const FEW_LINES: usize = 3;
/// A gap that ends a paragraph, in pitches.
const PARAGRAPH_GAP: f32 = 1.22;
/// An indentation that begins one, in font sizes.
const INDENT: f32 = 0.8;
/// Between words, in font sizes.
const BLANK: f32 = 0.25;

impl Flow {
    fn code(&self, rows: &[Row]) -> (Piece, usize) {
        let mut taken: Vec<&Row> = Vec::new();
        for row in rows {
            let goes_on = taken.last().is_none_or(|above| {
                let pitch = row.base - above.base;
                row.fixed_pitch && (0.0..PARAGRAPH_GAP * 2.0 * self.pitch * row.size).contains(&pitch)
            });
            if !goes_on {
                break;
            }
            taken.push(row);
        }
        let left = taken.iter().map(|row| row.area.u0).fold(f32::MAX, f32::min);
        let mut written = Written::default();
        for (at, row) in taken.iter().enumerate() {
            if at > 0 {
                written.gap("\n");
            }
            written.gap(&" ".repeat(columns(row.area.u0 - left, row.size)));
            written.extend(&row.written, 0, row.written.chars);
        }
        (piece(BlockKind::Code, written, &taken), taken.len())
    }

    fn paragraph(&self, rows: &[Row], code: bool) -> (Piece, usize) {
        let kind = rows.first().map_or(BlockKind::Paragraph, |row| match marker(&row.written.text) {
            Some(_) => BlockKind::ListItem,
            None => BlockKind::Paragraph,
        });
        let mut taken: Vec<&Row> = rows.iter().take(1).collect();
        let mut written = rows.first().map(|row| row.written.clone()).unwrap_or_default();
        for (at, pair) in rows.windows(2).enumerate() {
            let [above, below] = pair else { break };
            let ends = (code && below.fixed_pitch)
                || above.outlined != below.outlined
                || self.ends_between(above, below, rows.get(at + 2), taken.len() == 1)
                || table::table(rows.get(at + 1..).unwrap_or_default()).is_some();
            if ends {
                break;
            }
            self.join(&mut written, above, below);
            taken.push(below);
        }
        (piece(kind, written, &taken), taken.len())
    }

    /// Whether a paragraph ends between two lines; `next` is the line behind them, `above_is_first` says that `above` begins
    /// the paragraph.
    fn ends_between(&self, above: &Row, below: &Row, next: Option<&Row>, above_is_first: bool) -> bool {
        let size = above.size.max(below.size);
        let pitch = below.base - above.base;
        if pitch <= 0.0 || pitch > PARAGRAPH_GAP * self.pitch * size || above.turns != below.turns {
            return true;
        }
        if !(0.87..1.15).contains(&(below.size / above.size)) || above.bold != below.bold {
            return true;
        }
        let fits = self.fits(above, below);
        let item = match marker(&below.written.text) {
            Some(Marker::Bullet) => true,
            Some(Marker::Number) => fits || (below.area.u0 - above.area.u0).abs() > 0.5 * size,
            None => false,
        };
        let ended = above.written.text.ends_with(is_end);
        let indented = below.area.u0 - above.area.u0 > INDENT * size
            && !above_is_first
            && next.is_none_or(|next| below.area.u0 - next.area.u0 > INDENT * size * 0.5);
        item || (fits && ended) || (indented && (ended || fits))
    }

    /// Whether the first word of `below` had room on the line `above`: then the line ends where its writer wanted.
    fn fits(&self, above: &Row, below: &Row) -> bool {
        above.area.u1 + BLANK * above.size + below.first_word + 0.1 * above.size <= self.edge
    }

    /// A hyphen between letters, the second in lower case, was put there by the line break; any other belongs to the word.
    fn join(&self, written: &mut Written, above: &Row, below: &Row) {
        let mut end = written.text.chars().rev();
        let (last, before) = (end.next().unwrap_or(' '), end.next().unwrap_or(' '));
        let first = below.written.text.chars().next().unwrap_or(' ');
        if is_hyphen(last) && before.is_alphabetic() {
            if first.is_lowercase() {
                written.drop_hyphen();
            } else if !first.is_alphanumeric() {
                written.gap(" ");
            }
        } else if self.fits(above, below) || table::has_leaders(above) {
            written.gap("\n");
        } else if !is_solid(last, first) {
            written.gap(" ");
        }
        written.extend(&below.written, 0, below.written.chars);
    }
}

fn piece(kind: BlockKind, written: Written, rows: &[&Row]) -> Piece {
    let letters: u32 = rows.iter().map(|row| row.letters).sum();
    let sizes: f64 = rows.iter().map(|row| f64::from(row.size) * f64::from(row.letters)).sum();
    let first = rows.first().map_or(0.0, |row| row.size);
    #[expect(clippy::cast_possible_truncation, reason = "a font size")]
    let size = if letters == 0 { first } else { (sizes / f64::from(letters)) as f32 };
    Piece { kind, written, size, bold: rows.iter().all(|row| row.bold), lines: rows.len() }
}

/// Blanks that an indentation of code stands for; a character is six tenths of the font size wide in the usual fonts of
/// fixed pitch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and not negative")]
fn columns(indent: f32, size: f32) -> usize {
    const MAX_INDENT: f32 = 80.0;
    (indent / (size * 0.6).max(0.1)).round().clamp(0.0, MAX_INDENT) as usize
}

/// Ends of sentences, with what may close behind them.
fn is_end(c: char) -> bool {
    matches!(
        c,
        '.' | '!' | '?' | ':' | ';' | '。' | '！' | '？' | '：' | '；' | '…' | '"' | '”' | '»' | ')' | '）' | '」'
    )
}

enum Marker {
    Bullet,
    Number,
}

/// What marks a line as an item of a list.
fn marker(text: &str) -> Option<Marker> {
    let (first, rest) = text.split_once(' ')?;
    let bullet =
        matches!(first, "•" | "‣" | "▪" | "●" | "○" | "◦" | "■" | "□" | "–" | "—" | "-" | "*" | "·" | "∙" | "➢" | "✓");
    if bullet && !rest.is_empty() {
        return Some(Marker::Bullet);
    }
    let inner = first.strip_prefix('(').unwrap_or(first);
    let inner = inner.strip_suffix([')', '.'])?;
    let digits = inner.len() <= 3 && inner.bytes().all(|byte| byte.is_ascii_digit());
    let letter = inner.len() == 1 && inner.bytes().all(|byte| byte.is_ascii_alphabetic());
    (!inner.is_empty() && (digits || letter)).then_some(Marker::Number)
}
