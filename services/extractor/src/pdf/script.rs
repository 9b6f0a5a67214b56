//! Which script a character belongs to, as far as layout depends on it.

/// Han, kana and their punctuation; hangul is written with spaces and wraps like Latin.
pub(super) fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE4F}' | '\u{FF01}'..='\u{FF60}' | '\u{20000}'..='\u{3134F}')
}

/// Hebrew, Arabic and the other scripts of those blocks, presentation forms included.
pub(super) fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}' | '\u{10800}'..='\u{10FFF}')
}

/// PDFium's marks for a hyphen that broke a word at a line end (U+0002 in `FPDFText_GetText`, U+FFFE elsewhere), the soft
/// hyphen and the hyphens.
pub(super) fn is_hyphen(c: char) -> bool {
    matches!(c, '\u{2}' | '\u{FFFE}' | '\u{AD}' | '-' | '\u{2010}')
}
