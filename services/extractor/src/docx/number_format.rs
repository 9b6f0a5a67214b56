//! Numbers in the formats of lists and notes (`ST_NumberFormat`, ECMA-376 part 1, section 17.18.59).

/// How a number is written. Formats without a variant are written in decimal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NumberFormat {
    #[default]
    Decimal,
    /// At least two digits.
    DecimalZero,
    FullWidth,
    Circled,
    Ordinal,
    UpperRoman,
    LowerRoman,
    /// One of these letters, repeated when there are more numbers than letters.
    Letters(&'static str),
    /// The digits one after the other.
    Digits(&'static str),
    /// With words for ten, hundred and thousand.
    Counting(&'static str),
    Bullet,
    None,
}

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const RUSSIAN_UPPER: &str = "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ";
const RUSSIAN_LOWER: &str = "абвгдежзиклмнопрстуфхцчшщыэюя";
const AIUEO: &str = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン";
const IROHA: &str = "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセスン";
const GANADA: &str = "가나다라마바사아자차카타파하";
const STEMS: &str = "甲乙丙丁戊己庚辛壬癸";
const BRANCHES: &str = "子丑寅卯辰巳午未申酉戌亥";
const HEBREW: &str = "אבגדהוזחטיכלמנסעפצקרשת";
const ARABIC: &str = "أبتثجحخدذرزسشصضطظعغفقكلمنهوي";
const CHICAGO: &str = "*†‡§";
const HAN_DIGITS: &str = "〇一二三四五六七八九";

/// Word counts no further (ECMA-376 part 1, section 17.9.25); beyond, Roman numbers are written in decimal.
const MAX: u32 = 32_767;

/// Letters in a row, beyond which the number is written in decimal.
const REPEATS: u32 = 32;

impl NumberFormat {
    /// The format that `w:numFmt` names.
    pub fn of(name: &str) -> Self {
        match name {
            "decimalZero" => Self::DecimalZero,
            "decimalFullWidth" | "decimalFullWidth2" => Self::FullWidth,
            "decimalEnclosedCircle" | "decimalEnclosedCircleChinese" => Self::Circled,
            "ordinal" => Self::Ordinal,
            "upperRoman" => Self::UpperRoman,
            "lowerRoman" => Self::LowerRoman,
            "upperLetter" => Self::Letters(UPPER),
            "lowerLetter" => Self::Letters(LOWER),
            "russianUpper" => Self::Letters(RUSSIAN_UPPER),
            "russianLower" => Self::Letters(RUSSIAN_LOWER),
            "aiueo" | "aiueoFullWidth" => Self::Letters(AIUEO),
            "iroha" | "irohaFullWidth" => Self::Letters(IROHA),
            "ganada" => Self::Letters(GANADA),
            "ideographTraditional" => Self::Letters(STEMS),
            "ideographZodiac" => Self::Letters(BRANCHES),
            "hebrew1" | "hebrew2" => Self::Letters(HEBREW),
            "arabicAlpha" => Self::Letters(ARABIC),
            "chicago" => Self::Letters(CHICAGO),
            "ideographDigital" | "japaneseDigitalTenThousand" | "taiwaneseDigital" => Self::Digits(HAN_DIGITS),
            "chineseCounting"
            | "chineseCountingThousand"
            | "japaneseCounting"
            | "taiwaneseCounting"
            | "taiwaneseCountingThousand" => Self::Counting(HAN_DIGITS),
            "bullet" => Self::Bullet,
            "none" => Self::None,
            _ => Self::Decimal,
        }
    }

    /// `number` in this format; nothing for a bullet.
    pub fn display(self, number: u32) -> String {
        match self {
            Self::DecimalZero => format!("{number:02}"),
            Self::FullWidth => full_width(number),
            Self::Circled => circled(number),
            Self::Ordinal => format!("{number}{}", ordinal_suffix(number)),
            Self::UpperRoman => roman(number),
            Self::LowerRoman => roman(number).to_lowercase(),
            Self::Letters(letters) => repeated(number, letters),
            Self::Digits(digits) => number.to_string().chars().filter_map(|c| digit(c, digits)).collect(),
            Self::Counting(digits) => counting(number, digits),
            Self::Bullet | Self::None => String::new(),
            Self::Decimal => number.to_string(),
        }
    }
}

fn digit(decimal: char, digits: &str) -> Option<char> {
    digits.chars().nth(decimal.to_digit(10)? as usize)
}

fn full_width(number: u32) -> String {
    number.to_string().chars().filter_map(|c| char::from_u32(u32::from(c) - u32::from('0') + u32::from('０'))).collect()
}

/// ① to ⑳ are consecutive; beyond that the digits stand alone.
fn circled(number: u32) -> String {
    let sign = (1..=20).contains(&number).then(|| char::from_u32(0x245F + number)).flatten();
    sign.map_or_else(|| number.to_string(), String::from)
}

fn ordinal_suffix(number: u32) -> &'static str {
    match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

fn roman(number: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if number == 0 || number > MAX {
        return number.to_string();
    }
    let mut rest = number;
    let mut written = String::new();
    for (value, sign) in SIGNS {
        while rest >= value {
            written.push_str(sign);
            rest -= value;
        }
    }
    written
}

fn repeated(number: u32, letters: &str) -> String {
    let count = u32::try_from(letters.chars().count()).unwrap_or(1).max(1);
    let Some(from_zero) = number.checked_sub(1).filter(|from_zero| from_zero / count < REPEATS) else {
        return number.to_string();
    };
    let letter = letters.chars().nth((from_zero % count) as usize);
    letter.map_or_else(String::new, |letter| letter.to_string().repeat((from_zero / count) as usize + 1))
}

/// Below ten thousand; the one before ten is left out (十一, not 一十一).
fn counting(number: u32, digits: &'static str) -> String {
    if number == 0 || number > 9_999 {
        return NumberFormat::Digits(digits).display(number);
    }
    let mut written = String::new();
    let mut gap = false;
    for (value, unit) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
        let count = number / value % 10;
        if count == 0 {
            gap = !written.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            written.push('〇');
        }
        if !(value == 10 && count == 1 && written.is_empty()) {
            written.extend(digits.chars().nth(count as usize));
        }
        written.push_str(unit);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (format, number, expected) in [
            ("decimal", 12, "12"),
            ("decimalZero", 7, "07"),
            ("upperRoman", 1994, "MCMXCIV"),
            ("lowerRoman", 4, "iv"),
            ("upperRoman", 0, "0"),
            ("lowerLetter", 26, "z"),
            ("lowerLetter", 27, "aa"),
            ("upperLetter", 54, "BBB"),
            ("ordinal", 22, "22nd"),
            ("ordinal", 113, "113th"),
            ("decimalEnclosedCircle", 20, "⑳"),
            ("decimalEnclosedCircle", 21, "21"),
            ("decimalFullWidth", 10, "１０"),
            ("chineseCounting", 11, "十一"),
            ("japaneseCounting", 205, "二百〇五"),
            ("ideographDigital", 10, "一〇"),
            ("ideographTraditional", 2, "乙"),
            ("chicago", 5, "**"),
            ("bullet", 3, ""),
            ("none", 3, ""),
            ("made up", 3, "3"),
        ] {
            assert_eq!(NumberFormat::of(format).display(number), expected, "{format}");
        }
    }

    #[test]
    fn no_number_makes_a_long_text() {
        for format in ["upperRoman", "lowerLetter", "chicago", "chineseCounting", "aiueo"] {
            for number in [0, 32_767, 32_768, u32::MAX] {
                assert!(NumberFormat::of(format).display(number).len() <= 100, "{format} {number}");
            }
        }
    }
}
