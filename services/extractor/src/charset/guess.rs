//! Detection: chardetng for what the web uses, and rivals for what it does not know.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Encoding, IBM866, ISO_8859_5, KOI8_U, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    X_MAC_CYRILLIC,
};

use super::codepages::{self, CodePage};
use super::stateful::Stateful;
use super::{Scheme, legible};

/// By how much a rival must look better than what chardetng found, on the scale of [`legible::score`].
const MARGIN: f32 = 0.35;
const CLOSE_MARGIN: f32 = 0.05;
/// More for those that are rare today.
const RARE_MARGIN: f32 = 0.6;

/// How the bytes, which have no mark and are not UTF-16 or UTF-32, are most likely to be read.
pub(super) fn detect(bytes: &[u8]) -> Scheme {
    if bytes.is_ascii() {
        // ISO-2022-JP is what the web knows of the encodings that switch by escapes.
        let plain = if bytes.contains(&0x1B) { web(bytes) } else { UTF_8 };
        return Stateful::announced(bytes).map_or(Scheme::Known(plain), Scheme::Stateful);
    }
    let found = web(bytes);
    if !found.is_single_byte() {
        // Accents of DOS are lead bytes of Shift_JIS, in which nobody writes without kana.
        let western = (found == SHIFT_JIS && !has_kana(bytes)).then(|| rival(bytes, WINDOWS_1252)).flatten();
        return western.unwrap_or(Scheme::Known(found));
    }
    if is_johab(bytes) {
        return Scheme::Stateful(Stateful::Johab);
    }
    rival(bytes, found).unwrap_or(Scheme::Known(found))
}

fn web(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow)
}

fn has_kana(bytes: &[u8]) -> bool {
    let (text, _) = SHIFT_JIS.decode_without_bom_handling(bytes);
    let kana = text.chars().filter(|c| matches!(c, '\u{3041}'..='\u{30FA}' | '\u{FF66}'..='\u{FF9D}')).count();
    kana * 10 > text.chars().filter(|c| !c.is_ascii()).count()
}

/// A single-byte encoding under which the words with accents read clearly better than under `found`.
fn rival(bytes: &[u8], found: &'static Encoding) -> Option<Scheme> {
    let sample = legible::telling_words(bytes);
    let look = |scheme: Scheme| legible::score(&scheme.decode(&sample).text);
    let standing = look(Scheme::Known(found));
    let usual = [WINDOWS_1252, WINDOWS_1251, KOI8_U, IBM866, ISO_8859_5, X_MAC_CYRILLIC, MACINTOSH, WINDOWS_1250];
    // These two differ in capitals only.
    let margin = |encoding| if found == WINDOWS_1251 && encoding == X_MAC_CYRILLIC { CLOSE_MARGIN } else { MARGIN };
    let usual = usual.into_iter().filter(|encoding| *encoding != found).map(|one| (Scheme::Known(one), margin(one)));
    let rare: [&CodePage; 6] = [
        &codepages::IBM855,
        &codepages::IBM850,
        &codepages::IBM437,
        &codepages::IBM852,
        &codepages::IBM737,
        &codepages::IBM862,
    ];
    let rare = rare.into_iter().map(|page| (Scheme::Page(page), RARE_MARGIN));
    let scored = usual.chain(rare).map(|(scheme, margin)| (look(scheme) - margin, scheme));
    let (best, scheme) = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best > standing).then_some(scheme).or_else(|| vietnamese(&sample))
}

/// The two encodings of Vietnamese: words of one syllable, so with one tone at most, and many letters that no other
/// language has.
fn vietnamese(sample: &[u8]) -> Option<Scheme> {
    [&codepages::VISCII, &codepages::TCVN].into_iter().map(Scheme::Page).find(|scheme| {
        let text = scheme.decode(sample).text;
        let own = |c: char| matches!(c, '\u{1EA0}'..='\u{1EF9}' | 'ư' | 'ơ' | 'đ');
        let accented = text.chars().filter(|c| !c.is_ascii()).count();
        let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_ascii());
        let syllables = words.clone().filter(|word| is_syllable(word)).count();
        accented > 12
            && text.chars().filter(|c| own(*c)).count() * 2 > accented
            && syllables * 100 >= words.count() * 95
    })
}

/// Seven letters at most, one of them with a mark below or above for its tone, and no capital but the first.
fn is_syllable(word: &str) -> bool {
    let tones = word.chars().filter(|c| matches!(c, '\u{1EA0}'..='\u{1EF9}')).count();
    tones < 2 && word.chars().count() < 8 && !word.chars().skip(1).any(char::is_uppercase)
}

/// Every pair of bytes a character, nearly all of them Hangul syllables.
fn is_johab(bytes: &[u8]) -> bool {
    let sample = legible::telling_words(bytes);
    let (text, invalid) = Stateful::Johab.decode(&sample);
    let wide = text.chars().filter(|c| !c.is_ascii()).count();
    let hangul = text.chars().filter(|c| ('가'..='힣').contains(c)).count();
    !invalid && wide > 3 && hangul * 10 >= wide * 8 && frequent_syllables(&text) * 5 >= wide
}

/// Syllables that every Korean text has: particles and endings.
fn frequent_syllables(text: &str) -> usize {
    text.chars().filter(|c| "이다는을에의가하고지로한사를은기도인그어리나자시아서대수".contains(*c)).count()
}

/// EBCDIC: blanks are 0x40 and letters above 0x80, and nearly nothing stands elsewhere.
pub(super) fn ebcdic(sample: &[u8]) -> Option<Scheme> {
    let count = |is: fn(&u8) -> bool| sample.iter().filter(|byte| is(byte)).count();
    let blanks = count(|byte| *byte == 0x40);
    let small = count(|byte| matches!(byte, 0x81..=0x89 | 0x91..=0x99 | 0xA2..=0xA9));
    let capitals = count(|byte| matches!(byte, 0xC1..=0xC9 | 0xD1..=0xD9 | 0xE2..=0xE9 | 0xF0..=0xF9));
    let accents = count(|byte| matches!(byte, 0x42..=0x49 | 0x51..=0x59 | 0x62..=0x69 | 0x71..=0x78 | 0xDB..=0xDF));
    let marks = count(
        |byte| matches!(byte, 0x4B | 0x4D | 0x4F | 0x5A..=0x5E | 0x60 | 0x61 | 0x6B | 0x6D..=0x6F | 0x7A..=0x7F | 0x15 | 0x25 | 0x0D | 0x05),
    );
    let text = blanks + small + capitals + marks + accents.min(sample.len() / 10);
    let is_text =
        text * 100 >= sample.len() * 97 && blanks * 20 >= sample.len() && small + capitals >= sample.len() / 2;
    // The two pages differ in signs only: 0x4F closes sentences in one and is a bar in the other.
    let exclaims = |sign: u8| sample.windows(2).filter(|pair| *pair == [sign, 0x40] || *pair == [sign, 0x25]).count();
    let page = if exclaims(0x4F) > exclaims(0x5A) { &codepages::IBM500 } else { &codepages::IBM037 };
    (is_text && sample.len() >= 8).then_some(Scheme::Page(page))
}

/// Whether detection found nothing better than the plain reading of ASCII.
pub(super) fn is_utf8(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::Known(encoding) if encoding == UTF_8)
}
