//! The characters of a page in bulk: what each is, where it stands, and in what style.
#![expect(unsafe_code, reason = "PDFium is a C library")]

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use pdfium_render::prelude::PdfiumLibraryBindings;

use super::{Handle, Page, Rect};

/// A character of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::pdf) struct Glyph {
    pub c: char,
    /// PDFium's character index on the page.
    pub index: u32,
    /// Index into the page's styles.
    pub style: u16,
    /// PDFium knows no Unicode character for it; `c` is a guess.
    pub unmapped: bool,
    /// Of its ink.
    pub area: Rect,
    /// Where the pen was, on the base line.
    pub origin: (f32, f32),
}

/// How characters are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::pdf) struct Style {
    /// Font size in points, as drawn.
    pub size: f32,
    /// Where the writing goes, in quarter turns from left to right, counterclockwise.
    pub turns: u8,
    pub bold: bool,
    pub fixed_pitch: bool,
}

const PLAIN: Style = Style { size: 10.0, turns: 0, bold: false, fixed_pitch: false };

/// Where the halves of UTF-16's pairs lie (The Unicode Standard, section 3.9, D91).
const HIGH_FIRST: u32 = 0xD800;
const LOW_FIRST: u32 = 0xDC00;
const LOW_LAST: u32 = 0xDFFF;

/// The character of two halves.
fn joined(high: u32, low: u32) -> Option<char> {
    let is_pair = (LOW_FIRST..=LOW_LAST).contains(&low);
    is_pair.then(|| char::from_u32(0x1_0000 + ((high - HIGH_FIRST) << 10) + (low - LOW_FIRST))).flatten()
}

struct Text<'p> {
    calls: &'p dyn PdfiumLibraryBindings,
    handle: Handle,
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open.
        unsafe { self.calls.FPDFText_ClosePage(self.handle.as_ptr().cast()) }
    }
}

impl Page<'_> {
    /// The characters in PDFium's order, which is that of the page's content, and the styles they refer to. At most
    /// `max` characters; `None` when PDFium has no text for the page.
    pub(in crate::pdf) fn glyphs(&self, max: u32) -> Option<(Vec<Glyph>, Vec<Style>)> {
        let calls = self.calls();
        // SAFETY: the page is open; the text borrows it.
        let handle = unsafe { calls.FPDFText_LoadPage(self.handle.as_ptr().cast()) };
        let text = Text { calls, handle: NonNull::new(handle.cast::<c_void>())? };
        // SAFETY: the handle is open.
        let count = unsafe { calls.FPDFText_CountChars(text.handle.as_ptr().cast()) };
        let count = u32::try_from(count).unwrap_or(0).min(max);
        let mut styles = Styles::default();
        let glyphs = (0..count).filter_map(|index| text.glyph(index, &mut styles)).collect();
        Some((glyphs, styles.styles))
    }
}

impl Text<'_> {
    /// `None` for the second half of a character: PDFium counts in UTF-16.
    fn glyph(&self, at: u32, styles: &mut Styles) -> Option<Glyph> {
        let index = c_int::try_from(at).unwrap_or(c_int::MAX);
        let (calls, handle) = (self.calls, self.handle.as_ptr());
        let (mut x, mut y, mut left, mut right, mut bottom, mut top) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        // SAFETY: the handle is open and the index below the count.
        let (code, object) = unsafe {
            calls.FPDFText_GetCharBox(
                handle.cast(),
                index,
                &raw mut left,
                &raw mut right,
                &raw mut bottom,
                &raw mut top,
            );
            calls.FPDFText_GetCharOrigin(handle.cast(), index, &raw mut x, &raw mut y);
            let object = calls.FPDFText_GetTextObject(handle.cast(), index);
            (calls.FPDFText_GetUnicode(handle.cast(), index), object.cast::<c_void>())
        };
        let c = match code {
            HIGH_FIRST..LOW_FIRST => joined(code, self.unit(index.saturating_add(1))),
            LOW_FIRST..=LOW_LAST if (HIGH_FIRST..LOW_FIRST).contains(&self.unit(index - 1)) => return None,
            _ => char::from_u32(code),
        };
        let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
        let style = styles.index(object, || self.style(index), || self.font(index));
        let unmapped = styles.doubts(style) && self.is_unmapped(index);
        if !unmapped && !c.is_whitespace() {
            styles.trust(style);
        }
        #[expect(clippy::cast_possible_truncation, reason = "points on a page; PDFium itself reckons with f32")]
        let [x, y, left, right, bottom, top] = [x, y, left, right, bottom, top].map(|points: f64| points as f32);
        Some(Glyph { c, index: at, style, unmapped, area: Rect { left, bottom, right, top }, origin: (x, y) })
    }

    /// The code unit at `index`; 0 where there is none.
    fn unit(&self, index: c_int) -> u32 {
        // SAFETY: the handle is open; PDFium answers 0 to an index that is not on the page.
        unsafe { self.calls.FPDFText_GetUnicode(self.handle.as_ptr().cast(), index) }
    }

    /// Size and direction; the font's part is filled in by [`Text::font`].
    fn style(&self, index: c_int) -> (*mut c_void, Style) {
        let (calls, handle) = (self.calls, self.handle.as_ptr());
        let (mut matrix, mut area) = (MaybeUninit::zeroed(), MaybeUninit::zeroed());
        // SAFETY: as in `glyph`; matrix and box are plain floats, and a null object has a null font.
        let (matrix, area, size, font) = unsafe {
            calls.FPDFText_GetLooseCharBox(handle.cast(), index, area.as_mut_ptr());
            calls.FPDFText_GetMatrix(handle.cast(), index, matrix.as_mut_ptr());
            let size = calls.FPDFText_GetFontSize(handle.cast(), index);
            let font = calls.FPDFTextObj_GetFont(calls.FPDFText_GetTextObject(handle.cast(), index));
            (matrix.assume_init(), area.assume_init(), size, font.cast::<c_void>())
        };
        let turns = match matrix.a.abs() >= matrix.b.abs() {
            true if matrix.a >= 0.0 => 0,
            true => 2,
            false if matrix.b > 0.0 => 1,
            false => 3,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a font size")]
        let size = size as f32 * matrix.c.hypot(matrix.d);
        let extent = if turns % 2 == 0 { area.top - area.bottom } else { area.right - area.left };
        (font, Style { size: plausible(size, extent), turns, ..PLAIN })
    }

    fn is_unmapped(&self, index: c_int) -> bool {
        // SAFETY: as in `glyph`.
        unsafe { self.calls.FPDFText_HasUnicodeMapError(self.handle.as_ptr().cast(), index) == 1 }
    }

    /// Whether the font is bold, and of fixed pitch.
    fn font(&self, index: c_int) -> (bool, bool) {
        let mut name = [0_u8; 96];
        let mut flags = 0;
        // SAFETY: as in `glyph`; the buffer is as long as said, and PDFium writes nothing when it is too short.
        let weight = unsafe {
            let size = u32::try_from(name.len()).unwrap_or(0);
            let (calls, handle) = (self.calls, self.handle.as_ptr());
            calls.FPDFText_GetFontInfo(handle.cast(), index, name.as_mut_ptr().cast(), size.into(), &raw mut flags);
            calls.FPDFText_GetFontWeight(handle.cast(), index)
        };
        let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let bold = weight >= BOLD || flags & FORCE_BOLD != 0 || says(&["bold", "black", "heavy", "cmbx"]);
        (bold, flags & FIXED_PITCH != 0 || says(&["mono", "courier", "typewriter", "consol", "cmtt"]))
    }
}

/// Font descriptor flags, PDF 1.7 reference, table 5.20.
const FIXED_PITCH: c_int = 1;
const FORCE_BOLD: c_int = 1 << 18;
/// CSS weights.
const BOLD: c_int = 700;

/// Type 3 fonts have any size; the box's height is then the better measure.
fn plausible(size: f32, extent: f32) -> f32 {
    match (size.is_finite() && size > 0.0, extent.is_finite() && extent > 0.0) {
        (true, true) if size > extent * 3.0 || size < extent * 0.3 => extent,
        (true, _) => size,
        (false, true) => extent,
        (false, false) => PLAIN.size,
    }
}

/// The styles of a page: looked up by text object, the font's part by font.
#[derive(Default)]
struct Styles {
    styles: Vec<Style>,
    fonts: Vec<(*mut c_void, (bool, bool))>,
    last: Option<(*mut c_void, u16)>,
    /// Of each style, how many characters were found in its font's map.
    mapped: Vec<u8>,
}

/// A style of which so many characters are in its font's map is not asked again.
const TRUSTED: u8 = 24;

impl Styles {
    /// Characters that PDFium made up have no text object and take the style before them.
    fn index(
        &mut self,
        object: *mut c_void,
        style: impl FnOnce() -> (*mut c_void, Style),
        font: impl FnOnce() -> (bool, bool),
    ) -> u16 {
        match self.last {
            Some((last, index)) if last == object || object.is_null() => return index,
            _ => {}
        }
        let (handle, style) = style();
        let known = self.fonts.iter().rev().find(|(known, _)| *known == handle).map(|(_, font)| *font);
        let (bold, fixed_pitch) = known.unwrap_or_else(|| {
            let made = font();
            self.fonts.push((handle, made));
            made
        });
        let index = self.insert(Style { bold, fixed_pitch, ..style });
        self.last = Some((object, index));
        index
    }

    fn doubts(&self, style: u16) -> bool {
        self.mapped.get(usize::from(style)).is_some_and(|mapped| *mapped < TRUSTED)
    }

    fn trust(&mut self, style: u16) {
        if let Some(mapped) = self.mapped.get_mut(usize::from(style)) {
            *mapped = mapped.saturating_add(1);
        }
    }

    fn insert(&mut self, style: Style) -> u16 {
        let at = self.styles.iter().rposition(|known| *known == style).unwrap_or_else(|| {
            if self.styles.len() < usize::from(u16::MAX) {
                self.styles.push(style);
                self.mapped.push(0);
            }
            self.styles.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_are_one_character() {
        assert_eq!(joined(0xD83D, 0xDE03), Some('😃'));
        assert_eq!(joined(0xD840, 0xDC0B), Some('𠀋'));
        assert_eq!(joined(0xD83D, u32::from('a')), None);
        assert_eq!(joined(0xD83D, 0), None);
    }
}
