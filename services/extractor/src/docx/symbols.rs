//! Characters of symbol fonts. They are stored in the private use area at U+F000 plus their place in the font.

/// Greek letters and signs of the font Symbol (Adobe's `symbol.txt` mapping to Unicode) from place 0x41 on.
const SYMBOL_UPPER: &str = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ";
const SYMBOL_LOWER: &str = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ";
const SYMBOL_UPPER_HALF: &str = "ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑";
const SYMBOL_UPPER_HALF_START: u32 = 0xA1;

/// Signs of Wingdings that stand in texts: boxes, ticks, arrows, bullets.
const WINGDINGS: [(u32, char); 36] = [
    (0x22, '✂'),
    (0x28, '☎'),
    (0x29, '✆'),
    (0x2A, '✉'),
    (0x4A, '☺'),
    (0x4C, '☹'),
    (0x6C, '●'),
    (0x6D, '○'),
    (0x6E, '■'),
    (0x6F, '□'),
    (0x71, '❑'),
    (0x72, '❒'),
    (0x75, '◆'),
    (0x76, '❖'),
    (0x77, '◆'),
    (0x78, '☒'),
    (0xA7, '▪'),
    (0xA8, '☐'),
    (0xAB, '★'),
    (0xD8, '➢'),
    (0xDF, '←'),
    (0xE0, '→'),
    (0xE1, '↑'),
    (0xE2, '↓'),
    (0xE7, '←'),
    (0xE8, '→'),
    (0xE9, '↑'),
    (0xEA, '↓'),
    (0xEF, '⇦'),
    (0xF0, '⇨'),
    (0xF3, '⬄'),
    (0xFB, '✗'),
    (0xFC, '✓'),
    (0xFD, '☒'),
    (0xFE, '☑'),
    (0xA4, '◉'),
];

/// The private use area that symbol fonts are mapped to.
const PRIVATE: std::ops::RangeInclusive<u32> = 0xF000..=0xF0FF;

/// What the character `code` of `font` shows; `None` when nobody knows.
pub(crate) fn shown(code: u32, font: &str) -> Option<char> {
    let place = if PRIVATE.contains(&code) { code - PRIVATE.start() } else { code };
    let lower = font.to_ascii_lowercase();
    if lower.starts_with("wingdings") {
        return WINGDINGS.iter().find(|(own, _)| *own == place).map(|(_, shown)| *shown);
    }
    if lower == "symbol" {
        return symbol(place);
    }
    if PRIVATE.contains(&code) {
        return (0x20..0x7F).contains(&place).then(|| char::from_u32(place)).flatten();
    }
    char::from_u32(code)
}

fn symbol(place: u32) -> Option<char> {
    let at = |letters: &str, start: u32| letters.chars().nth((place - start) as usize);
    match place {
        0x41..=0x5A => at(SYMBOL_UPPER, 0x41),
        0x61..=0x7A => at(SYMBOL_LOWER, 0x61),
        0x22 => Some('∀'),
        0x24 => Some('∃'),
        0x27 => Some('∋'),
        0x2D => Some('−'),
        0x40 => Some('≅'),
        0x5C => Some('∴'),
        0x5E => Some('⊥'),
        0x7E => Some('∼'),
        0x20..=0x7F => char::from_u32(place),
        SYMBOL_UPPER_HALF_START.. => at(SYMBOL_UPPER_HALF, SYMBOL_UPPER_HALF_START),
        _ => None,
    }
}

/// `text` with the private characters of a symbol font replaced by what they show; those nobody knows are left out.
pub(crate) fn replace(text: &str, font: Option<&str>) -> Option<String> {
    let private = |c: char| PRIVATE.contains(&u32::from(c));
    text.contains(private).then(|| {
        let show = |c: char| if private(c) { shown(u32::from(c), font.unwrap_or("Wingdings")) } else { Some(c) };
        text.chars().filter_map(show).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_symbol_fonts() {
        for (code, font, expected) in [
            (0xF061, "Symbol", Some('α')),
            (0xF057, "Symbol", Some('Ω')),
            (0xF0A3, "Symbol", Some('≤')),
            (0xB7, "Symbol", Some('•')),
            (0xF0B3, "Symbol", Some('≥')),
            (0xF0FE, "Wingdings", Some('☑')),
            (0xF001, "Wingdings", None),
            (0x2192, "Arial", Some('→')),
            (0xF041, "Arial", Some('A')),
        ] {
            assert_eq!(shown(code, font), expected, "{code:#x} {font}");
        }
        assert_eq!(replace("a\u{F0FC}b\u{F001}", None).as_deref(), Some("a✓b"));
        assert_eq!(replace("\u{F062}", Some("Symbol")).as_deref(), Some("β"));
        assert_eq!(replace("plain", None), None);
    }
}
