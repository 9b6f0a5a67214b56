//! PDF through PDFium, which is not thread-safe: one [`Pdf`] per process, used from one thread.
//!
//! A page goes through these steps. [`native`] reads its characters with their places; [`runs`] makes stretches of them, and
//! [`columns`] with [`lines`] puts those in reading order; [`rows`] turns lines into text; [`furniture`] takes out what comes back
//! on each page; [`paragraphs`], [`table`] and [`headings`] make blocks. [`annotations`] adds what was written onto the page, and
//! [`quality`] tells text from glyph garbage.

mod annotations;
mod columns;
mod facts;
mod furniture;
mod headings;
mod lines;
mod native;
mod paragraphs;
mod quality;
mod rows;
mod runs;
mod script;
mod sheet;
mod table;
mod written;

use std::path::Path;

use heimdex_schemas::BlockKind;

use crate::compose::PageBuilder;
use crate::ocr::{Picture, Rendering};
use crate::ranges::{Paged, Range};
use crate::{Document, Failure, Format, Limits, Page, Warning};

use furniture::{Edges, furniture};
use headings::{Body, Outline};
use sheet::Sheet;

/// The loaded library.
pub struct Pdf {
    library: native::Library,
}

/// An open document, of which any range of pages can be read.
pub struct OpenPdf<'a> {
    document: native::Document<'a>,
    outline: Outline,
    truncated: bool,
}

/// Entries of an outline that are looked at.
const MAX_BOOKMARKS: usize = 20_000;

impl Pdf {
    /// Loads and initializes PDFium; works once per process.
    ///
    /// # Errors
    /// Says why the library could not be loaded.
    pub fn bind(library: &Path) -> Result<Self, String> {
        Ok(Self { library: native::Library::load(library)? })
    }

    /// Opens a document with the empty password, then with `password`.
    ///
    /// # Errors
    /// `encrypted`, `corrupt`, `too_large` (pages).
    pub fn open<'a>(
        &'a self,
        bytes: &'a [u8],
        password: Option<&str>,
        limits: &Limits,
    ) -> Result<OpenPdf<'a>, Failure> {
        let document = self.library.open(bytes, password)?;
        match document.page_count() {
            0 => return Err(Failure::corrupt("it has no pages")),
            count if u64::from(count) > limits.max_pages => {
                return Err(Failure::too_large("pages", limits.max_pages));
            }
            _ => {}
        }
        let outline = Outline::of(document.outline(MAX_BOOKMARKS));
        Ok(OpenPdf { document, outline, truncated: is_truncated(bytes) })
    }
}

impl Paged for OpenPdf<'_> {
    fn page_count(&self) -> u32 {
        self.document.page_count()
    }

    fn facts(&self) -> Document {
        let mut facts = Document::of_pages(Format::Pdf, Vec::new());
        facts.title = facts::title(&self.document);
        facts.metadata = facts::metadata(&self.document);
        facts.attachments = facts::attachments(&self.document);
        facts.warnings.extend(self.truncated.then_some(Warning::Truncated));
        facts
    }

    fn pages(&self, first: u32, last: u32, limits: &Limits) -> Result<Range, Failure> {
        let mut sheets = Vec::new();
        let mut warnings = Vec::new();
        for number in first.max(1)..=last.min(self.page_count()) {
            let mut sheet = self.document.page(number - 1).and_then(|page| Sheet::read(&page));
            match &mut sheet {
                Some(sheet) => self.outline.mark(number - 1, sheet),
                None => warnings.push(Warning::PageUnreadable { number }),
            }
            sheets.push((number, sheet));
        }
        let pages = self.compose(sheets);
        let bytes: u64 = pages.iter().map(|page| page.text.len() as u64).sum();
        if bytes > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
        Ok(Range { pages, warnings })
    }

    fn render(&self, number: u32, rendering: Rendering) -> Option<Picture> {
        let page = self.document.page(number.checked_sub(1)?)?;
        let (width, height) = pixels(page.size(), rendering)?;
        Some(Picture { width, height, pixels: page.grey(width, height)? })
    }
}

/// Pixels of a page of the given size in points.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
fn pixels((width, height): (f32, f32), rendering: Rendering) -> Option<(u32, u32)> {
    const POINTS_PER_INCH: f64 = 72.0;
    let (width, height) = (f64::from(width), f64::from(height));
    if !(width > 0.0 && height > 0.0) {
        return None;
    }
    let scale = f64::from(rendering.dpi) / POINTS_PER_INCH;
    #[expect(clippy::cast_precision_loss, reason = "a limit")]
    let fitting = (rendering.max_pixels as f64 / (width * height)).sqrt();
    let scale = scale.min(fitting);
    let side = |points: f64| ((points * scale).floor() as u32).max(1);
    Some((side(width), side(height)))
}

impl OpenPdf<'_> {
    fn compose(&self, sheets: Vec<(u32, Option<Sheet>)>) -> Vec<Page> {
        let body = Body::of(sheets.iter().filter_map(|(_, sheet)| sheet.as_ref()));
        let labels: Vec<Option<String>> =
            sheets.iter().map(|(number, _)| self.document.page_label(number - 1)).collect();
        let edges: Vec<Edges<'_>> = sheets
            .iter()
            .zip(&labels)
            .map(|((number, sheet), label)| edges(*number, sheet.as_ref(), label.as_deref()))
            .collect();
        let furniture = furniture(&edges, body.size);
        let pages = sheets.into_iter().zip(labels).zip(furniture);
        pages
            .map(|(((number, sheet), label), ids)| {
                let page = sheet.map_or_else(|| Page::plain(number, ""), |sheet| self.page(number, sheet, &ids, &body));
                Page { label, ..page }
            })
            .collect()
    }

    /// Puts a page together without its `furniture`, which are indices of its rows.
    fn page(&self, number: u32, sheet: Sheet, furniture: &[usize], body: &Body) -> Page {
        let mut running = Vec::new();
        let mut builder = PageBuilder::new();
        let mut id = 0;
        for flow in sheet.flows {
            let mut kept = Vec::new();
            for row in flow {
                if furniture.contains(&id) {
                    running.push(row.written.text);
                } else {
                    kept.push(row);
                }
                id += 1;
            }
            for piece in paragraphs::pieces(&kept, !body.fixed_pitch) {
                let kind = headings::kind(&piece, number - 1, &self.outline, body);
                builder.push_from(kind, &piece.written.text, &piece.written.origins);
            }
        }
        sheet.notes.iter().for_each(|note| builder.push(BlockKind::Note, note));
        Page { needs_ocr: sheet.needs_ocr, furniture: running, ..builder.finish(number) }
    }
}

fn edges<'s>(number: u32, sheet: Option<&'s Sheet>, label: Option<&'s str>) -> Edges<'s> {
    let (top, bottom) = sheet.map_or((0.0, 0.0), |sheet| sheet.extent);
    let rows = sheet.into_iter().flat_map(|sheet| {
        sheet.flows.iter().flatten().enumerate().filter(|(_, row)| row.turns == sheet.turns && row.outlined.is_none())
    });
    Edges { number, label, top, bottom, rows: rows.collect() }
}

/// How far from its end a file's `%%EOF` may lie; readers look at the last 1024 bytes (PDF 1.7 reference, appendix H,
/// note 18), some files carry more behind it.
const TAIL: usize = 4096;

fn is_truncated(bytes: &[u8]) -> bool {
    let tail = bytes.trim_ascii_end();
    let tail = tail.get(tail.len().saturating_sub(TAIL)..).unwrap_or_default();
    !tail.windows(5).any(|window| window == b"%%EOF")
}
