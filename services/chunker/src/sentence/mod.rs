//! Where sentences begin.
//!
//! One pass: each run of terminal punctuation is a candidate, with the closing quotes, brackets and reference marks behind
//! it; what stands before and behind it decides. The classes of characters are those of UAX #29 (Sentence_Terminal, Close);
//! its rules alone end a sentence at every abbreviation, ordinal and line end, so the words decide here ([`words`]).
//! Nothing looks further than a word back and a word ahead: the time is linear in the text.

mod words;

use words::{Abbreviation, Words};

/// Bytes of the longest word that is looked at. No abbreviation or ordinal has more.
const WORD_BYTES: usize = 32;
/// Bytes of the longest number or letter that introduces an item of a list.
const LABEL_BYTES: usize = 6;
/// Bytes of it with what may stand before it.
const LABEL_REACH: usize = 32;

/// The bytes at which the sentences of `text` begin, ascending, without the first. `language` is an ISO 639-1 code; without
/// one the abbreviations of all languages count.
pub(crate) fn sentence_starts(text: &str, language: Option<&str>) -> Vec<usize> {
    let words = Words::of(language);
    let mut starts: Vec<usize> = Vec::new();
    let mut from = 0;
    while let Some(stop) = Stop::find(text, from) {
        from = stop.end;
        let begin = starts.last().copied().unwrap_or(0);
        if stop.next < text.len() && stop.ends_sentence(text, begin, &words) {
            starts.push(stop.next);
            from = stop.next;
        }
    }
    starts
}

/// Terminal punctuation in a text.
struct Stop {
    /// Its first byte.
    start: usize,
    /// Behind the punctuation itself.
    mark_end: usize,
    /// Behind closing quotes, brackets and reference marks.
    end: usize,
    /// Behind white space.
    next: usize,
}

impl Stop {
    fn find(text: &str, from: usize) -> Option<Self> {
        let rest = text.get(from..)?;
        let start = from + rest.find(is_terminal)?;
        let mark_end = start + len_while(text.get(start..)?, is_terminal);
        let mut end = mark_end + closers(text.get(mark_end..)?);
        let mut next = end + len_while(text.get(end..)?, char::is_whitespace);
        // French sets its closing quote off by a space; an opening one has a letter behind it.
        if next > end && closes_behind_space(text.get(next..)?) {
            end = next + '»'.len_utf8();
            next = end + len_while(text.get(end..)?, char::is_whitespace);
        }
        Some(Self { start, mark_end, end, next })
    }

    fn ends_sentence(&self, text: &str, begin: usize, words: &Words) -> bool {
        let slice = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
        let (before, mark) = (slice(begin..self.start), slice(self.start..self.mark_end));
        let (closed, after) = (self.end > self.mark_end, slice(self.next..text.len()));
        if mark.ends_with(is_ideographic_stop) {
            return !continues_ideographic(after, closed);
        }
        if self.next == self.end {
            return mark.ends_with(['!', '?']) && before.ends_with(is_ideograph) && after.starts_with(is_ideograph);
        }
        match after.chars().next() {
            Some('¿' | '¡') => true,
            Some(c) if is_terminal(c) || continues(c) => false,
            _ => is_detached(before, mark) || ends_before(before, mark, after, words),
        }
    }
}

/// What is left to decide: white space on the right side, and words on both.
fn ends_before(before: &str, mark: &str, after: &str, words: &Words) -> bool {
    let next = after.trim_start_matches(is_opener);
    if next.starts_with(char::is_lowercase) {
        return false;
    }
    mark != "." || ends_behind_word(before, next, words)
}

/// Whether a single full stop ends a sentence: not behind an abbreviation, an initial, an ordinal or the label of a list's
/// item.
fn ends_behind_word(before: &str, next: &str, words: &Words) -> bool {
    let word = last_word(before);
    if before.len() <= LABEL_REACH && begins(before, word) && is_label(word) {
        return false;
    }
    let starter = || words.begins_sentence(first_word(next));
    match words.abbreviation(word) {
        Some(Abbreviation::Inside) => return false,
        Some(Abbreviation::BeforeNumber) if begins_with_number(next) => return false,
        Some(Abbreviation::AtEnd) => {
            return starter() || !words.nouns_have_capitals && next.starts_with(|c: char| !c.is_numeric());
        }
        Some(Abbreviation::InName) => return starter(),
        Some(Abbreviation::BeforeNumber) | None => {}
    }
    if is_initial(word) {
        return starter() && !(words.nouns_have_capitals && follows_initial(before, word));
    }
    if is_dotted(word) || words.has_ordinals && is_ordinal(word) {
        return starter();
    }
    true
}

/// Text in which punctuation stands alone, as tokenized corpora have it: ` . `. Not an ellipsis written so.
fn is_detached(before: &str, mark: &str) -> bool {
    let alone = before.ends_with(char::is_whitespace) && mark == ".";
    alone && before.trim_end().ends_with(|c: char| !is_terminal(c) && !continues(c))
}

fn last_word(before: &str) -> &str {
    let reach = before.get(before.ceil_char_boundary(before.len().saturating_sub(WORD_BYTES))..).unwrap_or_default();
    let separates = |c: char| c.is_whitespace() || is_opener(c) || matches!(c, '/' | ',' | '’');
    reach.rfind(separates).map_or(reach, |at| reach.get(at..).unwrap_or_default().trim_start_matches(separates))
}

fn first_word(next: &str) -> &str {
    next.get(..len_while(next, char::is_alphabetic)).unwrap_or_default()
}

fn begins(before: &str, word: &str) -> bool {
    before.trim_start_matches(|c: char| c.is_whitespace() || is_opener(c)).len() == word.len()
}

/// `1`, `12`, `2.3`, `a`, `IV`: what stands before an item of a list.
fn is_label(word: &str) -> bool {
    let number = word.starts_with(|c: char| c.is_numeric()) && word.chars().all(|c| c.is_numeric() || c == '.');
    word.len() <= LABEL_BYTES && !word.is_empty() && (number || is_initial(word) || is_roman(word))
}

fn is_initial(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next().is_some_and(|c| c.is_alphabetic() && !is_ideograph(c)) && characters.next().is_none()
}

/// True for the `B` of `z. B`.
fn follows_initial(before: &str, word: &str) -> bool {
    let earlier = before.strip_suffix(word).map(str::trim_end).and_then(|earlier| earlier.strip_suffix('.'));
    earlier.is_some_and(|earlier| is_initial(last_word(earlier)))
}

/// `U.S`, `Ph.D`, `z.B`, `J.-P`: letters with full stops inside.
fn is_dotted(word: &str) -> bool {
    let letters = |part: &str| part.chars().count() <= 2 && part.chars().all(char::is_alphabetic) && !part.is_empty();
    word.contains('.') && word.split('.').all(|part| letters(part.trim_start_matches('-')))
}

/// A day or another small number, or a Roman one.
fn is_ordinal(word: &str) -> bool {
    let day = word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit());
    !word.is_empty() && (day || is_roman(word))
}

fn is_roman(word: &str) -> bool {
    !word.is_empty() && word.len() <= LABEL_BYTES && word.bytes().all(|byte| b"IVXLC".contains(&byte))
}

fn begins_with_number(next: &str) -> bool {
    let numeral = next.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    next.starts_with(char::is_numeric) || is_roman(numeral)
}

/// Bytes of the closing punctuation and the reference marks (`[12]`, `²`) at the start of `text`.
fn closers(text: &str) -> usize {
    let mut end = 0;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        // What closes a quotation in German opens the next one elsewhere.
        let quote = if end == 0 { len_while(rest, |c| matches!(c, '“' | '«')) } else { 0 };
        let closing = quote.max(len_while(rest, |c| is_closer(c) || is_superscript(c)));
        let reference = if closing == 0 { reference_mark(rest) } else { closing };
        if reference == 0 {
            return end;
        }
        end += reference;
    }
}

/// Bytes of `[12]` at the start of `text`.
fn reference_mark(text: &str) -> usize {
    let inside = text.strip_prefix('[').map_or(0, |rest| len_while(rest, |c| c.is_ascii_alphanumeric()));
    let closed = text.get(inside + 1..).is_some_and(|rest| rest.starts_with(']'));
    if (1..=4).contains(&inside) && closed { inside + 2 } else { 0 }
}

fn closes_behind_space(text: &str) -> bool {
    text.strip_prefix('»').is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || is_opener(c)))
}

/// Behind `。」`: the sentence goes on with a particle or a comma. Without a closing quote only punctuation goes on.
fn continues_ideographic(after: &str, closed: bool) -> bool {
    let particle = |c| matches!(c, 'と' | 'っ' | 'は' | 'が' | 'の' | 'を' | 'に' | 'で' | 'も' | 'や' | 'へ' | '的');
    after.starts_with(|c| continues(c) || is_terminal(c) || is_closer(c) || closed && particle(c))
}

/// Punctuation that no sentence begins with.
const fn continues(c: char) -> bool {
    matches!(c, ',' | ';' | ':' | ')' | ']' | '}' | '、' | '，' | '；' | '：' | '）' | '」' | '』')
}

/// Sentence_Terminal of the scripts that have their own, `.`, and the ellipsis, which Unicode leaves out.
const fn is_terminal(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '‼'..='‽' | '⁇'..='⁉' | '؟' | '۔' | '։' | '।' | '॥' | '။' | '።' | '፧' | '។' | '៕')
        || is_ideographic_stop(c)
}

/// Needs no white space behind it.
const fn is_ideographic_stop(c: char) -> bool {
    matches!(c, '。' | '．' | '！' | '？' | '｡')
}

const fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | '»' | '›' | ')' | ']' | '}')
        || matches!(c, '」' | '』' | '）' | '】' | '〉' | '》' | '〕' | '］' | '｣' | '〟')
}

const fn is_opener(c: char) -> bool {
    matches!(c, '"' | '\'' | '“' | '„' | '‚' | '‘' | '«' | '»' | '‹' | '›' | '(' | '[' | '{' | '*' | '_' | '–' | '—')
        || matches!(c, '「' | '『' | '（' | '【' | '〈' | '《' | '〔' | '［')
}

const fn is_superscript(c: char) -> bool {
    matches!(c, '¹' | '²' | '³' | '⁰' | '⁴'..='⁹')
}

/// Han, Hiragana, Katakana and their marks: scripts that write without spaces.
const fn is_ideograph(c: char) -> bool {
    matches!(c, '々'..='〇' | 'ぁ'..='ヿ' | '㐀'..='鿿' | '豈'..='\u{faff}' | 'ｦ'..='ﾟ' | '\u{20000}'..='\u{3ffff}')
}

fn len_while(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|c| !holds(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
