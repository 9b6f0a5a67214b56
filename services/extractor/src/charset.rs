//! From bytes to characters: byte order marks, declared encodings, detection, and the test for "this is no text".

mod codepages;
mod guess;
mod legible;
mod stateful;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use codepages::CodePage;
use stateful::Stateful;

/// A byte order mark. UTF-32 is not in the Encoding Standard, but files in it exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bom {
    Utf8,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

impl Bom {
    /// The mark that `bytes` begin with.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // UTF-32LE first: its mark begins with that of UTF-16LE.
        [Self::Utf32Le, Self::Utf32Be, Self::Utf8, Self::Utf16Le, Self::Utf16Be]
            .into_iter()
            .find(|bom| bytes.starts_with(bom.mark()))
    }

    fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8 => b"\xEF\xBB\xBF",
            Self::Utf16Le => b"\xFF\xFE",
            Self::Utf16Be => b"\xFE\xFF",
            Self::Utf32Le => b"\xFF\xFE\0\0",
            Self::Utf32Be => b"\0\0\xFE\xFF",
        }
    }

    /// Length of the mark in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.mark().len()
    }

    /// A mark is never empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        false
    }

    fn scheme(self) -> Scheme {
        match self {
            Self::Utf8 => Scheme::Known(UTF_8),
            Self::Utf16Le => Scheme::Known(UTF_16LE),
            Self::Utf16Be => Scheme::Known(UTF_16BE),
            Self::Utf32Le => Scheme::Utf32(u32::from_le_bytes),
            Self::Utf32Be => Scheme::Utf32(u32::from_be_bytes),
        }
    }
}

/// How to turn bytes into characters.
#[derive(Clone, Copy)]
enum Scheme {
    Known(&'static Encoding),
    Utf32(fn([u8; 4]) -> u32),
    Page(&'static CodePage),
    Stateful(Stateful),
}

impl Scheme {
    fn decode(self, bytes: &[u8]) -> Decoded {
        match self {
            Self::Known(encoding) => decode_known(bytes, encoding),
            Self::Utf32(unit) => decode_utf32(bytes, unit),
            Self::Page(page) => named(page.name, page.decode(bytes)),
            Self::Stateful(set) => named(set.name(), set.decode(bytes)),
        }
    }

    /// The encoding that a declaration names: a label of the Encoding Standard or of the encodings it leaves out. A page
    /// that declares UTF-16 in ASCII bytes is not UTF-16 (HTML standard, "prescan", step for `charset`).
    fn of_label(label: &str) -> Option<Self> {
        let label = label.trim();
        if let Some(set) = Stateful::of_label(label) {
            return Some(Self::Stateful(set));
        }
        let web = Encoding::for_label_no_replacement(label.as_bytes());
        let web = web.filter(|encoding| *encoding != UTF_16LE && *encoding != UTF_16BE);
        web.map(Self::Known).or_else(|| CodePage::of_label(label).map(Self::Page))
    }
}

/// Text with the encoding it was read in.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    pub text: String,
    pub encoding: String,
    /// Some bytes mean nothing in that encoding and became U+FFFD.
    pub invalid: bool,
}

/// Decodes by, in this order: byte order mark, UTF-16 or UTF-32 told from its zero bytes, EBCDIC told from its blanks,
/// UTF-8 if all of it is valid, `declared` (a label) unless some bytes mean nothing in it and all do in what is detected,
/// detection.
#[must_use]
pub fn decode(bytes: &[u8], declared: Option<&str>) -> Decoded {
    if let Some(bom) = Bom::of(bytes) {
        return bom.scheme().decode(bytes.get(bom.len()..).unwrap_or_default());
    }
    if let Some(scheme) = unmistakable(bytes) {
        return scheme.decode(bytes);
    }
    let believed = declared.and_then(Scheme::of_label).map(|scheme| scheme.decode(bytes));
    match believed {
        Some(decoded) if !decoded.invalid => decoded,
        Some(broken) => Some(guess::detect(bytes).decode(bytes)).filter(|found| !found.invalid).unwrap_or(broken),
        None => guess::detect(bytes).decode(bytes),
    }
}

/// Text in the encoding with `label` (of the Encoding Standard, or of one of the code pages known beside it), if there is
/// one.
#[must_use]
pub fn decode_as(bytes: &[u8], label: &str) -> Option<Decoded> {
    Scheme::of_label(label).map(|scheme| scheme.decode(bytes))
}

/// What no declaration can argue with.
fn unmistakable(bytes: &[u8]) -> Option<Scheme> {
    let sample = bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default();
    if let Some(wide) = wide_without_mark(bytes) {
        return Some(wide.scheme());
    }
    if let Some(scheme) = guess::ebcdic(sample) {
        return Some(scheme);
    }
    // Encodings that switch by escapes or braces are all ASCII, so they are valid UTF-8, too.
    let switches = bytes.is_ascii() && !guess::is_utf8(guess::detect(bytes));
    (!switches && std::str::from_utf8(bytes).is_ok()).then_some(Scheme::Known(UTF_8))
}

fn named(name: &str, (text, invalid): (String, bool)) -> Decoded {
    Decoded { text, encoding: name.to_owned(), invalid }
}

fn decode_known(bytes: &[u8], encoding: &'static Encoding) -> Decoded {
    let (text, invalid) = encoding.decode_without_bom_handling(bytes);
    Decoded { text: text.into_owned(), encoding: encoding.name().to_owned(), invalid }
}

fn decode_utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Decoded {
    let mut invalid = !bytes.len().is_multiple_of(4);
    let text = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|chunk| {
            char::from_u32(unit(*chunk)).unwrap_or_else(|| {
                invalid = true;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    Decoded { text, encoding: "UTF-32".to_owned(), invalid }
}

/// Bytes looked at to judge a file.
const SAMPLE: usize = 64 << 10;

/// UTF-16 or UTF-32 without a mark, told from where its zero bytes lie; white space, digits and markup give every real
/// text in it some.
fn wide_without_mark(bytes: &[u8]) -> Option<Bom> {
    let sample = bytes.get(..SAMPLE.min(bytes.len() & !3)).unwrap_or_default();
    let zeros = zeros_by_lane(sample);
    let quarter = sample.len() / 4;
    if quarter == 0 || zeros.iter().sum::<usize>() == 0 {
        return wide_east_asian(sample);
    }
    let [a, b, c, d] = zeros;
    // An eighth of the units: Western text has nearly all, CJK text its line ends and digits. The other half may have
    // a few, from characters such as U+3000.
    let half = |high: usize, low: usize| high * 8 >= quarter * 2 && high > low * 4;
    let guess = match () {
        () if d == quarter && a < quarter && c > 0 => Some(Bom::Utf32Le),
        () if a == quarter && d < quarter && b > 0 => Some(Bom::Utf32Be),
        () if half(b + d, a + c) => Some(Bom::Utf16Le),
        () if half(a + c, b + d) => Some(Bom::Utf16Be),
        () => None,
    };
    guess.filter(|wide| reads_as_text(sample, wide.scheme())).or_else(|| wide_east_asian(sample))
}

/// UTF-16 without one Western character: nothing but East Asian blocks, with the kana or the full stops and commas that no
/// other encoding makes by chance.
fn wide_east_asian(sample: &[u8]) -> Option<Bom> {
    let reads = |units: fn([u8; 2]) -> u16| {
        let (mut expected, mut telling, mut count) = (0, 0, 0);
        for unit in sample.as_chunks::<2>().0.iter().map(|unit| units(*unit)) {
            count += 1;
            telling += usize::from(matches!(unit, 0x3001 | 0x3002 | 0x3041..=0x30FC | 0xFF0C));
            expected += usize::from(
                matches!(unit, 0x0A | 0x0D | 0x20..=0x7E | 0x3000..=0x30FF | 0x4E00..=0x9FFF | 0xFF00..=0xFFEF),
            );
        }
        count > 3 && expected * 100 >= count * 95 && telling * 100 >= count * 2
    };
    if sample.is_ascii() || std::str::from_utf8(sample).is_ok() {
        return None;
    }
    if reads(u16::from_le_bytes) {
        return Some(Bom::Utf16Le);
    }
    reads(u16::from_be_bytes).then_some(Bom::Utf16Be)
}

/// Machine code has zero bytes in regular places, too, but makes no characters, or controls.
fn reads_as_text(sample: &[u8], scheme: Scheme) -> bool {
    let decoded = scheme.decode(sample);
    let controls = decoded.text.chars().filter(|c| u8::try_from(*c).is_ok_and(is_control)).count();
    // A pair of surrogates may be cut at the end of the sample, and UTF-16 in the wild has a lone one now and then.
    let invalid = decoded.text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    (controls + invalid.saturating_sub(1)) * 100 <= decoded.text.len()
}

fn zeros_by_lane(sample: &[u8]) -> [usize; 4] {
    let mut zeros = [0; 4];
    for chunk in sample.as_chunks::<4>().0 {
        for (count, byte) in zeros.iter_mut().zip(chunk) {
            *count += usize::from(*byte == 0);
        }
    }
    zeros
}

/// Whether `bytes` cannot be text in any encoding: zero bytes where no wide encoding has them, or more than one control
/// character in a hundred bytes.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    let sample = bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default();
    if Bom::of(sample).is_some() || wide_without_mark(sample).is_some() || guess::ebcdic(sample).is_some() {
        return false;
    }
    let controls = sample.iter().filter(|byte| is_control(**byte)).count();
    sample.contains(&0) || controls * 100 > sample.len()
}

/// C0 controls that no text uses; escape starts the sequences of ISO-2022 and of terminals.
fn is_control(byte: u8) -> bool {
    byte == 0x7F || (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x08 | 0x0B | 0x0C | 0x1A | 0x1B))
}

/// The ASCII characters among the first `limit` characters, whatever the width of the encoding: enough to read markup
/// before the encoding is known.
#[must_use]
pub fn ascii_head(bytes: &[u8], limit: usize) -> String {
    let wide = Bom::of(bytes).or_else(|| wide_without_mark(bytes));
    let unit = match wide {
        Some(Bom::Utf16Le | Bom::Utf16Be) => 2,
        Some(Bom::Utf32Le | Bom::Utf32Be) => 4,
        Some(Bom::Utf8) | None => 1,
    };
    let head = bytes.get(..bytes.len().min(limit * unit)).unwrap_or_default();
    head.iter().filter(|byte| byte.is_ascii() && **byte != 0).map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn marks_win_over_everything() {
        let marked = [b"\xFF\xFE".to_vec(), utf16le("häß")].concat();
        assert_eq!(decode(&marked, Some("windows-1252")).text, "häß");
        let wide: Vec<u8> = "\u{FEFF}Ж漢".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        assert_eq!(decode(&wide, None).text, "Ж漢");
    }

    #[test]
    fn wide_text_without_a_mark() {
        for text in ["Plain words, 12 numbers, and a line end.\n", "全角　空白と 1234 の数字。\r\n\r\n"] {
            assert_eq!(decode(&utf16le(text), None).text, text);
            assert!(!is_binary(&utf16le(text)));
        }
    }

    #[test]
    fn legacy_encodings_are_detected_or_believed() {
        let text = "日本語の文章です。これは文字コードの試験です。漢字とかなが混ざっています。";
        for encoding in [encoding_rs::SHIFT_JIS, encoding_rs::EUC_JP, encoding_rs::ISO_2022_JP] {
            let (bytes, _, _) = encoding.encode(text);
            assert_eq!(decode(&bytes, None).text, text, "{}", encoding.name());
        }
        assert_eq!(decode(b"caf\xE9", Some("iso-8859-1")).text, "café");
        assert_eq!(decode("café".as_bytes(), Some("iso-8859-1")).text, "café");
    }

    #[test]
    fn what_cannot_be_decoded_is_said() {
        let decoded = decode(b"\xEF\xBB\xBFok \xFF\xFE\xFA bad", None);
        assert!(decoded.invalid && decoded.text.contains('\u{FFFD}'));
        let cut = [b"\xFF\xFE\0\0".to_vec(), b"A\0\0\0B\0".to_vec()].concat();
        assert!(decode(&cut, None).invalid);
    }

    proptest! {
        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for declared in [None, Some("shift_jis"), Some("no such label")] {
                let decoded = decode(&bytes, declared);
                prop_assert!(!decoded.invalid || decoded.text.contains(char::REPLACEMENT_CHARACTER) || bytes.len() % 4 != 0);
            }
            prop_assert!(ascii_head(&bytes, 64).is_ascii());
            prop_assert!(is_binary(&bytes) || !bytes.contains(&0) || Bom::of(&bytes).or(wide_without_mark(&bytes)).is_some());
        }

        #[test]
        fn valid_utf8_comes_back_unchanged(text in "[^\u{0}-\u{1F}\u{FEFF}]{0,200}") {
            let decoded = decode(text.as_bytes(), Some("windows-1252"));
            prop_assert_eq!(decoded.text, text);
            prop_assert!(!decoded.invalid);
        }
    }
}
