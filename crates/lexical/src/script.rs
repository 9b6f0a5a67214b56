//! Which characters belong to scripts that are written without spaces between words.

/// True for Han, Hiragana, Katakana, Hangul, Bopomofo, Thai, Lao, Myanmar and Khmer letters (Unicode 17 blocks).
///
/// Korean does use spaces, but its particles cling to the words, and pairs of syllables find the stem.
#[must_use]
pub(crate) fn is_unspaced(c: char) -> bool {
    is_han(c) || is_kana(c) || is_hangul(c) || is_south_east_asian(c)
}

fn is_han(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3347f}')
}

fn is_kana(c: char) -> bool {
    matches!(c,
        '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}'
        | '\u{3105}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{1aff0}'..='\u{1b16f}')
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97c}' | '\u{ac00}'..='\u{d7a3}' | '\u{d7b0}'..='\u{d7fb}')
}

fn is_south_east_asian(c: char) -> bool {
    matches!(c,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e80}'..='\u{edf}' | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17d3}' | '\u{a9e0}'..='\u{a9fe}' | '\u{aa60}'..='\u{aa7f}')
}

#[cfg(test)]
mod tests {
    use super::is_unspaced;

    #[test]
    fn letters_of_unspaced_scripts_and_nothing_else() {
        assert!("東々〇ひカーㄅ한ไลမក𠀀".chars().all(is_unspaced));
        assert!(!"aéßЖαש5・、。「」ー1".chars().filter(|c| *c != 'ー').any(is_unspaced));
    }
}
