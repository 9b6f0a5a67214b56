//! How much a decoded text looks like words, to choose among single-byte encodings: frequent letters, capitals only where
//! words begin, one script per word, symbols where symbols stand.
//!
//! Only the words with a character above ASCII are looked at: the rest is the same in all candidates.

/// Bytes of such words that are enough to judge.
const SAMPLE: usize = 16 << 10;

/// The words of `bytes` that have a byte above ASCII, separated by blanks.
pub(super) fn telling_words(bytes: &[u8]) -> Vec<u8> {
    let mut sample = Vec::new();
    let words = bytes.split(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b'<' | b'>'));
    for word in words.filter(|word| !word.is_ascii()) {
        if sample.len() > SAMPLE {
            break;
        }
        sample.extend(word.iter().take(SAMPLE));
        sample.push(b' ');
    }
    sample
}

/// The mean over the characters of `text` above ASCII, from about -3 (garbage) to 3 (prose).
pub(super) fn score(text: &str) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    let mut before = ' ';
    let mut run = 0;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let after = characters.peek().copied().unwrap_or(' ');
        run = if c == before { run + 1 } else { 0 };
        if !c.is_ascii() {
            count += 1.0;
            sum += worth(c, run) + setting(before, c, after);
        } else if c.is_alphabetic() && !before.is_ascii() {
            sum += join(before, c);
        }
        before = c;
    }
    if count == 0.0 { 0.0 } else { sum / count }
}

/// Letters by falling frequency in the languages that use them; see <https://en.wikipedia.org/wiki/Letter_frequency>.
const CYRILLIC: &str = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё";
const GREEK: &str = "αοιετνσηρπκμλυδςγωχθφβξζψάίόέήύώ";
const HEBREW: &str = "יוהלאמרתבשנכחדפקםעסזטגצןףםךץ";
/// Those beyond ASCII, in the West and North of Europe, then in its Centre and in Turkey.
const WESTERN: &str = "éèàäöüßñóíáúçêâôîûëïœæøåãõ";
const CENTRAL: &str = "áéíóąćęłńśźżčšžřýěůťďňőűöüșțăâîğışçāēīūķļņģėįų";

/// What a character is worth by itself, `run` being how often it stood right before.
fn worth(c: char, run: u32) -> f32 {
    if is_drawing(c) {
        return 1.0;
    }
    let small = c.to_lowercase().next().unwrap_or(c);
    let repeated = if run > 1 { -3.0 } else { 0.0 };
    let ranked = |letters: &str, top: f32, step: f32| {
        (0_u8..).zip(letters.chars()).find(|(_, letter)| *letter == small).map(|(rank, _)| top - f32::from(rank) * step)
    };
    let letter = match u32::from(small) {
        0x80..=0x9F => return -5.0,
        0xC0..=0x24F => ranked(WESTERN, 2.0, 0.03).or_else(|| ranked(CENTRAL, 1.2, 0.01)).or(Some(-1.0)),
        0x370..=0x3FF => ranked(GREEK, 2.5, 0.06).or(Some(-1.0)),
        0x400..=0x4FF => ranked(CYRILLIC, 3.0, 0.08).or_else(|| ranked("іїєў", 0.6, 0.1)).or(Some(-1.5)),
        0x5D0..=0x5EA => ranked(HEBREW, 2.0, 0.05),
        // No rival has these two: a text that chardetng reads as Arabic or Thai stays.
        0x600..=0x6FF | 0xE00..=0xE7F => Some(2.0),
        _ => None,
    };
    letter.unwrap_or_else(|| symbol(c)) + repeated
}

fn symbol(c: char) -> f32 {
    match c {
        '\u{A0}' | '’' | '“' | '”' | '„' | '‘' | '–' | '—' | '«' | '»' | '…' | '€' | '£' | '°' | '№' => {
            0.8
        }
        '©' | '®' | '§' | '·' | '•' | '²' | '³' | '½' | '±' | '×' | '™' | '´' | 'µ' | '¿' | '¡' | 'º' | 'ª' => {
            0.3
        }
        _ => -1.0,
    }
}

fn is_drawing(c: char) -> bool {
    ('\u{2500}'..='\u{259F}').contains(&c)
}

/// What the neighbours make of it.
fn setting(before: char, c: char, after: char) -> f32 {
    if c.is_alphabetic() {
        let digits = f32::from(u8::from(before.is_ascii_digit()) + u8::from(after.is_ascii_digit()));
        return join(before, c) - digits;
    }
    if is_drawing(c) {
        let fits = |c: char| is_drawing(c) || !c.is_alphanumeric();
        return f32::from(u8::from(fits(before)) + u8::from(fits(after))) - 1.5;
    }
    let within = before.is_alphabetic() && after.is_alphabetic();
    match c {
        '’' | '·' | '\u{A0}' if within => 0.5,
        '–' | '—' | '…' if within => 0.0,
        '“' | '„' | '«' | '‘' | '¿' | '¡' if before.is_alphabetic() => -1.5,
        '”' | '»' | '’' if after.is_alphabetic() && !before.is_alphanumeric() => -1.5,
        '£' | '€' | '±' if after.is_ascii_digit() => 1.0,
        '€' | '°' | '²' | '³' | 'º' if before.is_ascii_digit() => 1.0,
        _ if within => -3.0,
        _ => 0.0,
    }
}

/// Two characters, the second a letter: a capital does not follow a small letter, scripts do not mix.
fn join(before: char, letter: char) -> f32 {
    if !before.is_alphabetic() {
        return 0.0;
    }
    let mixed = script(before) != script(letter);
    let hump = before.is_lowercase() && letter.is_uppercase();
    if mixed {
        -3.0
    } else if hump {
        -2.0
    } else if before.is_uppercase() && letter.is_uppercase() {
        -0.3
    } else {
        0.2
    }
}

fn script(c: char) -> u8 {
    match u32::from(c) {
        0x370..=0x3FF => 1,
        0x400..=0x52F => 2,
        0x590..=0x5FF => 3,
        0x600..=0x6FF => 5,
        0..=0x24F | 0x1E00..=0x1EFF => 0,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_better_than_what_a_wrong_table_makes_of_it() {
        for (right, wrong) in [
            ("Привет, мир", "ПрЎвет, мЎр"),
            ("für Äpfel", "fБr Дpfel"),
            ("können Grüße", "k”nnen GrÅ·e"),
            ("cost £5", "cost Ł5"),
            ("─── box", "ÄÄÄ box"),
            ("it’s", "itÕs"),
            ("Сегодня", "‘егодн€"),
        ] {
            assert!(score(right) > score(wrong), "{right} {} {wrong} {}", score(right), score(wrong));
        }
    }

    #[test]
    fn only_telling_words_are_sampled() {
        assert_eq!(telling_words(b"plain <b>caf\xE9</b> words d\xE9j\xE0\n"), b"caf\xE9 d\xE9j\xE0 ");
        assert!(telling_words(&b"\xE9 ".repeat(SAMPLE)).len() <= SAMPLE + 2);
    }
}
