//! Encodings of more than one byte per character that the Encoding Standard leaves out: HZ, ISO-2022-CN, ISO-2022-KR and
//! Johab. Their character sets are those of GBK and EUC-KR in another dress.

use encoding_rs::{EUC_KR, Encoding, GBK};

/// How the bytes say which character set they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stateful {
    /// RFC 1843: GB 2312 between `~{` and `~}`.
    Hz,
    /// RFC 1557: KS X 1001 between shift-out and shift-in.
    Iso2022Kr,
    /// RFC 1922, as far as GB 2312 goes.
    Iso2022Cn,
    /// KS X 1001:1992, annex 3: Hangul syllables put together from five bits for each letter.
    Johab,
}

const ESCAPE: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;

impl Stateful {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hz => "HZ-GB-2312",
            Self::Iso2022Kr => "ISO-2022-KR",
            Self::Iso2022Cn => "ISO-2022-CN",
            Self::Johab => "Johab",
        }
    }

    pub(super) fn of_label(label: &str) -> Option<Self> {
        match label.to_ascii_lowercase().as_str() {
            "hz" | "hz-gb-2312" => Some(Self::Hz),
            "iso-2022-kr" | "csiso2022kr" => Some(Self::Iso2022Kr),
            "iso-2022-cn" | "iso-2022-cn-ext" => Some(Self::Iso2022Cn),
            "johab" | "cp1361" | "ms1361" => Some(Self::Johab),
            _ => None,
        }
    }

    /// The encoding whose designations or shifts stand in `bytes`, all of which are ASCII.
    pub(super) fn announced(bytes: &[u8]) -> Option<Self> {
        let designates = |set: &[u8]| bytes.windows(4).any(|four| four.first() == Some(&ESCAPE) && four.ends_with(set));
        if designates(b"$)C") {
            return Some(Self::Iso2022Kr);
        }
        if designates(b"$)A") {
            return Some(Self::Iso2022Cn);
        }
        (!bytes.contains(&ESCAPE) && is_hz(bytes)).then_some(Self::Hz)
    }

    /// The text, and whether some bytes meant nothing.
    pub(super) fn decode(self, bytes: &[u8]) -> (String, bool) {
        match self {
            Self::Hz => decode_hz(bytes),
            Self::Iso2022Kr => decode_shifted(bytes, EUC_KR),
            Self::Iso2022Cn => decode_shifted(bytes, GBK),
            Self::Johab => decode_johab(bytes),
        }
    }
}

/// At least one pair of braces, and nothing but characters of GB 2312 between them. Code may have such braces, but not
/// with pairs of bytes that are frequent characters.
fn is_hz(bytes: &[u8]) -> bool {
    let mut pairs = 0;
    let mut hanzi = 0;
    let mut rest = bytes;
    while let Some(open) = find(rest, b"~{") {
        let inside = rest.get(open + 2..).unwrap_or_default();
        let Some(close) = find(inside, b"~}") else { return false };
        let content = inside.get(..close).unwrap_or_default();
        if !content.len().is_multiple_of(2) || !content.iter().all(|byte| (0x21..=0x7E).contains(byte)) {
            return false;
        }
        pairs += content.len() / 2;
        // Rows 16 to 55 are the characters of the first level, ordered by sound; rows 1 and 3 punctuation and letters.
        let common = |first: u8| matches!(first, 0x21 | 0x23 | 0x30..=0x57);
        hanzi += content.chunks(2).filter(|pair| pair.first().is_some_and(|first| common(*first))).count();
        rest = inside.get(close + 2..).unwrap_or_default();
    }
    pairs > 1 && hanzi * 10 >= pairs * 9
}

fn find(bytes: &[u8], pair: &[u8; 2]) -> Option<usize> {
    bytes.windows(2).position(|window| window == pair)
}

fn decode_hz(bytes: &[u8]) -> (String, bool) {
    let mut runs = Runs::new(GBK);
    let mut rest = bytes;
    let mut wide = false;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after.first()) {
            (b'~', Some(b'{')) if !wide => wide = true,
            (b'~', Some(b'}')) if wide => wide = false,
            (b'~', Some(b'~')) if !wide => runs.push(b'~', false),
            (b'~', Some(b'\n')) if !wide => {}
            _ => {
                // A line ends the wide characters even where the brace is missing.
                wide &= byte != b'\n';
                runs.push(byte, wide);
                rest = after;
                continue;
            }
        }
        rest = after.get(1..).unwrap_or_default();
    }
    runs.finish()
}

fn decode_shifted(bytes: &[u8], wide_set: &'static Encoding) -> (String, bool) {
    let mut runs = Runs::new(wide_set);
    let mut wide = false;
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            SHIFT_OUT => wide = true,
            SHIFT_IN => wide = false,
            // ESC $ ) F, a designation.
            ESCAPE if after.first() == Some(&b'$') => rest = after.get(3..).unwrap_or_default(),
            _ => {
                wide &= byte != b'\n';
                runs.push(byte, wide && byte > b' ');
            }
        }
    }
    runs.finish()
}

/// Gathers bytes of one set and decodes them together.
struct Runs {
    set: &'static Encoding,
    bytes: Vec<u8>,
}

impl Runs {
    fn new(set: &'static Encoding) -> Self {
        Self { set, bytes: Vec::new() }
    }

    /// Both sets have ASCII below and their two-byte characters above 0x80.
    fn push(&mut self, byte: u8, wide: bool) {
        self.bytes.push(if wide { byte | 0x80 } else { byte });
    }

    fn finish(self) -> (String, bool) {
        let (text, invalid) = self.set.decode_without_bom_handling(&self.bytes);
        (text.into_owned(), invalid)
    }
}

fn decode_johab(bytes: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(bytes.len() * 3 / 2);
    let mut invalid = false;
    let mut rest = bytes;
    while let Some((&lead, after)) = rest.split_first() {
        rest = after;
        if lead.is_ascii() {
            text.push(char::from(lead));
            continue;
        }
        let decoded = after.first().and_then(|trail| johab_character(lead, *trail));
        if decoded.is_some() {
            rest = after.get(1..).unwrap_or_default();
        }
        invalid |= decoded.is_none();
        text.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    (text, invalid)
}

/// The letters that stand alone, in the order of the initial consonants.
const INITIALS: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";

fn johab_character(lead: u8, trail: u8) -> Option<char> {
    if matches!(lead, 0xD9..=0xDE | 0xE0..=0xF9) {
        return johab_symbol(lead, trail);
    }
    let code = u32::from(u16::from_be_bytes([lead, trail]));
    let (initial, medial, last) = ((code >> 10) & 31, (code >> 5) & 31, code & 31);
    let vowel = match medial {
        3..=7 => Some(medial - 3),
        10..=15 => Some(medial - 5),
        18..=23 => Some(medial - 7),
        26..=29 => Some(medial - 9),
        2 => None,
        _ => return None,
    };
    let tail = match last {
        1..=17 => last - 1,
        19..=29 => last - 2,
        _ => return None,
    };
    match (initial, vowel) {
        (2..=20, Some(vowel)) => char::from_u32(0xAC00 + ((initial - 2) * 21 + vowel) * 28 + tail),
        (2..=20, None) if tail == 0 => INITIALS.chars().nth(usize::try_from(initial).ok()?.checked_sub(2)?),
        (1, Some(vowel)) if tail == 0 => char::from_u32(0x314F + vowel),
        _ => None,
    }
}

/// Symbols and Hanja: two rows of KS X 1001 for each lead byte.
fn johab_symbol(lead: u8, trail: u8) -> Option<char> {
    let place = match trail {
        0x31..=0x7E => trail - 0x31,
        0x91..=0xFE => trail - 0x43,
        _ => return None,
    };
    let row = if lead < 0xE0 { 2 * (lead - 0xD9) } else { 2 * (lead - 0xE0) + 0x29 } + place / 94;
    let euc = [row + 0xA1, place % 94 + 0xA1];
    let (text, invalid) = EUC_KR.decode_without_bom_handling(&euc);
    text.chars().next().filter(|_| !invalid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_standards_show() {
        let hz = b"This sentence is in ASCII.\nThe next is in GB.~{<:Ky2;S{#,NpJ)l6HK!#~}Bye. ~~";
        assert_eq!(Stateful::announced(hz), Some(Stateful::Hz));
        let text = "This sentence is in ASCII.\nThe next is in GB.己所不欲，勿施於人。Bye. ~";
        assert_eq!(Stateful::Hz.decode(hz), (text.to_owned(), false));
        let korean = b"\x1B$)Ca \x0EGQ1[\x0F b\n";
        assert_eq!(Stateful::announced(korean), Some(Stateful::Iso2022Kr));
        assert_eq!(Stateful::Iso2022Kr.decode(korean), ("a 한글 b\n".to_owned(), false));
        let chinese = b"\x1B$)A\x0E=;;;\x0F.";
        assert_eq!(Stateful::announced(chinese).map(|found| found.decode(chinese)), Some(("交换.".to_owned(), false)));
    }

    #[test]
    fn johab_syllables_letters_and_symbols() {
        let (text, invalid) = Stateful::Johab.decode(b"\xD0\x65\x8B\x69 \x88\x41\xD9\x31\x80");
        assert_eq!((text.as_str(), invalid), ("한글 ㄱ\u{3000}\u{FFFD}", true));
    }

    #[test]
    fn braces_of_code_are_no_chinese() {
        for code in ["x = ~{a}; y = ~{bcd~}", "awk '{~}~{~}'", "~{zz~}", "plain"] {
            assert_eq!(Stateful::announced(code.as_bytes()), None, "{code}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for set in [Stateful::Hz, Stateful::Iso2022Kr, Stateful::Iso2022Cn, Stateful::Johab] {
                let (text, _) = set.decode(&bytes);
                prop_assert!(text.len() <= bytes.len() * 4);
            }
        }
    }
}
