//! Format codes taken apart: sections, and the tokens of each.

use std::iter::Peekable;
use std::str::Chars;

/// A part of a date or time; the count is how often its letter stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatePart {
    Year(usize),
    Month(usize),
    Day(usize),
    Weekday(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    /// Digits of a second's fraction, with their point.
    SubSecond(usize),
    ElapsedHours(usize),
    ElapsedMinutes(usize),
    ElapsedSeconds(usize),
    /// `AM/PM`, or `A/P` when it is one letter.
    HalfDay {
        letter: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Literal(String),
    /// `0`, `#` or `?`.
    Digit(char),
    Point,
    /// Groups digits by thousands.
    Group,
    /// Divides by a thousand.
    Scale,
    Percent,
    /// `E+` (a plus sign is shown) or `E-`, with the letter as it is written.
    Exponent {
        letter: char,
        plus: bool,
    },
    Slash,
    Text,
    General,
    Date(DatePart),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Condition {
    operator: Operator,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Condition {
    #[expect(clippy::float_cmp, reason = "the format asks for exactly this number")]
    pub(super) fn holds(self, value: f64) -> bool {
        match self.operator {
            Operator::Less => value < self.bound,
            Operator::LessOrEqual => value <= self.bound,
            Operator::Equal => value == self.bound,
            Operator::NotEqual => value != self.bound,
            Operator::GreaterOrEqual => value >= self.bound,
            Operator::Greater => value > self.bound,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        const SIGNS: [(&str, Operator); 6] = [
            ("<=", Operator::LessOrEqual),
            ("<>", Operator::NotEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("=", Operator::Equal),
        ];
        let (sign, operator) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign))?;
        let bound = text.strip_prefix(sign)?.trim().parse().ok()?;
        Some(Self { operator: *operator, bound })
    }
}

/// One of the up to four parts that semicolons separate.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Section {
    pub(super) condition: Option<Condition>,
    pub(super) tokens: Vec<Token>,
    /// Windows language identifier of a `[$-407]`.
    pub(super) locale: u32,
}

impl Section {
    pub(super) fn has(&self, token: &Token) -> bool {
        self.tokens.contains(token)
    }

    pub(super) fn is_date(&self) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Date(_)))
    }

    pub(super) fn only_negative(&self) -> bool {
        self.condition.is_some_and(|condition| condition.bound <= 0.0 && condition.operator == Operator::Less)
    }

    /// Decimal places that are shown.
    pub(super) fn places(&self) -> usize {
        let fraction = self.tokens.iter().skip_while(|token| **token != Token::Point);
        let mantissa = fraction.take_while(|token| !matches!(token, Token::Exponent { .. }));
        mantissa.filter(|token| matches!(token, Token::Digit(_))).count()
    }

    /// Powers of ten by which percent signs and scaling commas move the point.
    pub(super) fn shift(&self) -> i32 {
        self.tokens.iter().fold(0, |shift: i32, token| match token {
            Token::Percent => shift.saturating_add(2),
            Token::Scale => shift.saturating_sub(3),
            _ => shift,
        })
    }

    /// Whether no digit of `magnitude` is left after rounding.
    pub(super) fn rounds_to_zero(&self, magnitude: f64) -> bool {
        let places = i32::try_from(self.places()).unwrap_or(i32::MAX).saturating_add(self.shift());
        magnitude * 10f64.powi(places.min(300)) < 0.5
    }

    /// The literals, with `value` where `General` or `@` stands.
    pub(super) fn literally(&self, value: &str) -> String {
        let pieces = self.tokens.iter().map(|token| match token {
            Token::Literal(literal) => literal.as_str(),
            Token::General | Token::Text => value,
            Token::Percent => "%",
            Token::Slash => "/",
            Token::Point => ".",
            _ => "",
        });
        pieces.collect()
    }
}

/// The sections of a format code. A format beyond the fourth section is none of Excel's; it is kept out.
pub(super) fn sections(code: &str) -> Vec<Section> {
    let mut chars = code.chars().peekable();
    let mut sections = Vec::new();
    while chars.peek().is_some() && sections.len() < 4 {
        sections.push(section(&mut chars));
    }
    if code.ends_with(';') && sections.len() < 4 {
        sections.push(Section::default());
    }
    sections
}

/// Reads up to and with the next semicolon.
fn section(chars: &mut Peekable<Chars<'_>>) -> Section {
    let mut section = Section::default();
    while let Some(c) = chars.next() {
        match c {
            ';' => break,
            '[' => bracket(&chars.by_ref().take_while(|c| *c != ']').collect::<String>(), &mut section),
            _ => token(c, chars, &mut section.tokens),
        }
    }
    if section.is_date() {
        settle_date(&mut section.tokens);
    } else {
        settle_commas(&mut section.tokens);
    }
    section
}

fn token(c: char, chars: &mut Peekable<Chars<'_>>, tokens: &mut Vec<Token>) {
    match c {
        '"' => literal(tokens, &chars.by_ref().take_while(|c| *c != '"').collect::<String>()),
        '\\' | '!' => literal(tokens, &chars.next().map(String::from).unwrap_or_default()),
        // Room as wide as the next character.
        '_' => {
            chars.next();
            literal(tokens, " ");
        }
        // The next character fills the cell.
        '*' => {
            chars.next();
        }
        '0' | '#' | '?' => tokens.push(Token::Digit(c)),
        '.' => tokens.push(Token::Point),
        ',' => tokens.push(Token::Group),
        '%' => tokens.push(Token::Percent),
        '/' => tokens.push(Token::Slash),
        '@' => tokens.push(Token::Text),
        _ if c.is_alphabetic() => letter(c, chars, tokens),
        _ => literal(tokens, c.encode_utf8(&mut [0; 4])),
    }
}

fn letter(c: char, chars: &mut Peekable<Chars<'_>>, tokens: &mut Vec<Token>) {
    let sign = chars.peek().copied().filter(|sign| "+-".contains(*sign));
    if let ('E' | 'e', Some(sign)) = (c, sign) {
        chars.next();
        return tokens.push(Token::Exponent { letter: c, plus: sign == '+' });
    }
    for (word, token) in [
        ("General", Token::General),
        ("AM/PM", Token::Date(DatePart::HalfDay { letter: false })),
        ("A/P", Token::Date(DatePart::HalfDay { letter: true })),
    ] {
        if takes(word, c, chars) {
            return tokens.push(token);
        }
    }
    let lower = c.to_ascii_lowercase();
    if !"ymdhsaebg".contains(lower) {
        return literal(tokens, c.encode_utf8(&mut [0; 4]));
    }
    let mut count = 1;
    while chars.next_if(|next| next.to_ascii_lowercase() == lower).is_some() {
        count += 1;
    }
    tokens.extend(date_part(lower, count).map(Token::Date));
}

/// Whether `word` stands here, `c` being its first letter; if so the rest of it is taken.
fn takes(word: &str, c: char, chars: &mut Peekable<Chars<'_>>) -> bool {
    let mut rest = chars.clone();
    let here = word.chars().enumerate().all(|(at, wanted)| {
        let found = if at == 0 { Some(c) } else { rest.next() };
        found.is_some_and(|found| found.eq_ignore_ascii_case(&wanted))
    });
    if here {
        *chars = rest;
    }
    here
}

fn date_part(letter: char, count: usize) -> Option<DatePart> {
    Some(match letter {
        // `e` and `b` are years of other calendars; the common one says the same.
        'y' => DatePart::Year(count),
        'e' | 'b' => DatePart::Year(4),
        'm' => DatePart::Month(count),
        'd' if count > 2 => DatePart::Weekday(count),
        'd' => DatePart::Day(count),
        'a' if count > 2 => DatePart::Weekday(count),
        'h' => DatePart::Hour(count),
        's' => DatePart::Second(count),
        _ => return None,
    })
}

/// What stands in brackets: a currency and locale, a condition, elapsed time; colours and the rest show nothing.
fn bracket(inside: &str, section: &mut Section) {
    if let Some(currency) = inside.strip_prefix('$') {
        let (symbol, locale) = currency.split_once('-').unwrap_or((currency, ""));
        literal(&mut section.tokens, symbol);
        section.locale = u32::from_str_radix(locale.split(',').next().unwrap_or_default(), 16).unwrap_or_default();
        return;
    }
    if let Some(condition) = Condition::parse(inside) {
        section.condition = Some(condition);
        return;
    }
    let lower = inside.to_ascii_lowercase();
    let same = lower.chars().next().filter(|first| lower.chars().all(|c| c == *first));
    section.tokens.extend(match same {
        Some('h') => Some(Token::Date(DatePart::ElapsedHours(lower.len()))),
        Some('m') => Some(Token::Date(DatePart::ElapsedMinutes(lower.len()))),
        Some('s') => Some(Token::Date(DatePart::ElapsedSeconds(lower.len()))),
        _ => None,
    });
}

fn literal(tokens: &mut Vec<Token>, text: &str) {
    if let Some(Token::Literal(last)) = tokens.last_mut() {
        last.push_str(text);
    } else if !text.is_empty() {
        tokens.push(Token::Literal(text.to_owned()));
    }
}

/// In a date a point with zeros behind seconds is their fraction, everything else of numbers is literal, and an `m`
/// next to seconds or behind hours means minutes.
fn settle_date(tokens: &mut Vec<Token>) {
    let mut settled = Vec::with_capacity(tokens.len());
    let mut rest = std::mem::take(tokens).into_iter().peekable();
    while let Some(token) = rest.next() {
        let text = match token {
            Token::Point => {
                let mut zeros = 0;
                while rest.next_if_eq(&Token::Digit('0')).is_some() {
                    zeros += 1;
                }
                match zeros {
                    0 => ".",
                    _ => {
                        settled.push(Token::Date(DatePart::SubSecond(zeros)));
                        continue;
                    }
                }
            }
            Token::Digit('0') => "0",
            Token::Digit(_) => "",
            Token::Group => ",",
            Token::Percent => "%",
            Token::Slash => "/",
            other => {
                settled.push(other);
                continue;
            }
        };
        literal(&mut settled, text);
    }
    *tokens = settled;
    settle_minutes(tokens);
}

fn settle_minutes(tokens: &mut [Token]) {
    let parts: Vec<DatePart> = tokens
        .iter()
        .filter_map(|token| match token {
            Token::Date(part) if !matches!(part, DatePart::HalfDay { .. }) => Some(*part),
            _ => None,
        })
        .collect();
    let mut before = None;
    let mut after = parts.iter().skip(1);
    for token in tokens {
        let Token::Date(part) = token else { continue };
        if matches!(part, DatePart::HalfDay { .. }) {
            continue;
        }
        let next = after.next();
        let time = matches!(before, Some(DatePart::Hour(_) | DatePart::ElapsedHours(_) | DatePart::Second(_)))
            || matches!(next, Some(DatePart::Second(_) | DatePart::ElapsedSeconds(_)));
        if let DatePart::Month(count @ ..=2) = *part
            && time
        {
            *part = DatePart::Minute(count);
        }
        before = Some(*part);
    }
}

/// A comma between digits groups, one behind the last digit of a part divides by a thousand, and one before all digits
/// is literal.
fn settle_commas(tokens: &mut [Token]) {
    let digits = |tokens: &[Token]| tokens.iter().any(|token| matches!(token, Token::Digit(_)));
    for at in 0..tokens.len() {
        let (before, after) = tokens.split_at(at);
        let Some((Token::Group, after)) = after.split_first() else { continue };
        let part = after.split(|token| *token == Token::Point).next().unwrap_or_default();
        let settled = match (digits(before), digits(part)) {
            (false, _) => Token::Literal(",".to_owned()),
            (true, true) => Token::Group,
            (true, false) => Token::Scale,
        };
        if let Some(token) = tokens.get_mut(at) {
            *token = settled;
        }
    }
}

/// Codes of the built-in formats. Those that follow the reader's locale (14, 22 and the East Asian dates) are written
/// the ISO way.
pub(super) fn built_in(id: u32) -> &'static str {
    match id {
        1 => "0",
        2 => "0.00",
        3 => "#,##0",
        4 => "#,##0.00",
        5 => "$#,##0;($#,##0)",
        6 => "$#,##0;[Red]($#,##0)",
        7 => "$#,##0.00;($#,##0.00)",
        8 => "$#,##0.00;[Red]($#,##0.00)",
        9 => "0%",
        10 => "0.00%",
        11 => "0.00E+00",
        12 => "# ?/?",
        13 => "# ??/??",
        14 | 27..=31 | 36 | 50..=54 | 57 | 58 => "yyyy-mm-dd",
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 | 32 | 34 | 55 => "h:mm",
        21 | 33 | 35 | 56 => "h:mm:ss",
        22 => "yyyy-mm-dd hh:mm",
        37 | 38 => "#,##0;(#,##0)",
        39 | 40 => "#,##0.00;(#,##0.00)",
        41 | 42 => "#,##0;(#,##0);\"-\";@",
        43 | 44 => "#,##0.00;(#,##0.00);\"-\";@",
        45 => "mm:ss",
        46 => "[h]:mm:ss",
        47 => "mm:ss.0",
        48 => "##0.0E+0",
        49 => "@",
        _ => "General",
    }
}
