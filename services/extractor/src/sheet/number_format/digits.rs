//! Digits into the placeholders of a format.

use super::code::{Section, Token};

/// Significant decimal digits that spreadsheets compute with and show.
const SIGNIFICANT: i32 = 15;

/// A magnitude in decimal: `0.d₁d₂d₃… × 10^point`, without leading or trailing zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

impl Decimal {
    /// The magnitude of `value`, rounded to 15 significant digits: `0.1 + 0.2` is `0.3`.
    pub(super) fn of(value: f64) -> Self {
        // The shortest digits that mean this number; they are at most 17.
        let text = format!("{:e}", value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let point = exponent.parse::<i32>().unwrap_or_default().saturating_add(1);
        let all = Self { digits, point }.trimmed();
        all.rounded(SIGNIFICANT.saturating_sub(all.point))
    }

    fn trimmed(mut self) -> Self {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros);
        self.point = self.point.saturating_sub(i32::try_from(zeros).unwrap_or_default());
        if self.digits.is_empty() {
            self.point = 0;
        }
        self
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Digits before the point; negative for zeros right behind it.
    pub(super) fn point(&self) -> i32 {
        self.point
    }

    /// The place of the last digit behind the point.
    pub(super) fn last_place(&self) -> i32 {
        self.length().saturating_sub(self.point)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.length() <= self.point
    }

    fn length(&self) -> i32 {
        i32::try_from(self.digits.len()).unwrap_or(i32::MAX)
    }

    /// Multiplied by a power of ten.
    pub(super) fn shifted(&self, by: i32) -> Self {
        let point = if self.is_zero() { 0 } else { self.point.saturating_add(by) };
        Self { digits: self.digits.clone(), point }
    }

    /// Rounded half up to `places` behind the point.
    pub(super) fn rounded(&self, places: i32) -> Self {
        let keep = self.point.saturating_add(places);
        if keep >= self.length() {
            return self.clone();
        }
        let Ok(keep) = usize::try_from(keep) else { return Self { digits: Vec::new(), point: 0 } };
        let up = self.digits.get(keep).is_some_and(|digit| *digit >= 5);
        let mut digits: Vec<u8> = std::iter::once(0).chain(self.digits.iter().take(keep).copied()).collect();
        for digit in digits.iter_mut().rev().take_while(|_| up) {
            if *digit < 9 {
                *digit += 1;
                break;
            }
            *digit = 0;
        }
        Self { digits, point: self.point.saturating_add(1) }.trimmed()
    }

    /// The digits before the point; empty below one.
    pub(super) fn integer(&self) -> String {
        (0..self.point).map(|place| self.digit(place)).collect()
    }

    /// `places` digits behind the point.
    pub(super) fn fraction(&self, places: usize) -> String {
        (self.point..).take(places).map(|place| self.digit(place)).collect()
    }

    fn digit(&self, place: i32) -> char {
        let digit = usize::try_from(place).ok().and_then(|place| self.digits.get(place));
        digit.map_or('0', |digit| char::from(b'0' + digit))
    }
}

/// Writes `magnitude` by a section without date parts.
pub(super) fn write(section: &Section, magnitude: f64) -> String {
    if !section.tokens.iter().any(|token| matches!(token, Token::Digit(_))) {
        return section.literally("");
    }
    let decimal = Decimal::of(magnitude).shifted(section.shift());
    let exponent_at = section.tokens.iter().position(|token| matches!(token, Token::Exponent { .. }));
    match exponent_at.and_then(|at| section.tokens.split_at_checked(at)) {
        Some((mantissa, exponent)) => scientific(section, mantissa, exponent, &decimal),
        None => plain(&section.tokens, &decimal.rounded(places(section))),
    }
}

fn places(section: &Section) -> i32 {
    i32::try_from(section.places()).unwrap_or(i32::MAX)
}

fn scientific(section: &Section, mantissa: &[Token], exponent: &[Token], decimal: &Decimal) -> String {
    let (before, _) = parts(mantissa);
    let width = i32::try_from(before.max(1)).unwrap_or(1);
    let fit = |decimal: &Decimal| if decimal.is_zero() { 0 } else { (decimal.point() - 1).div_euclid(width) * width };
    let mut power = fit(decimal);
    let mut rounded = decimal.shifted(-power).rounded(places(section));
    if rounded.point() > width {
        power += width;
        rounded = decimal.shifted(-power).rounded(places(section));
    }
    let lone_zero = rounded.is_zero() && !mantissa.contains(&Token::Point);
    let mut text = plain(&shown_zero(mantissa, lone_zero), &rounded);
    let Some((Token::Exponent { letter, plus }, tokens)) = exponent.split_first() else { return text };
    let first = tokens.iter().position(|token| matches!(token, Token::Digit(_))).unwrap_or_default();
    let (between, digits) = tokens.split_at_checked(first).unwrap_or_default();
    text.push(*letter);
    text.push_str(&plain(between, &Decimal::of(0.0)));
    text.push_str(if power < 0 { "-" } else { "" });
    text.push_str(if *plus && power >= 0 { "+" } else { "" });
    text.push_str(&plain(&shown_zero(digits, power == 0), &Decimal::of(f64::from(power.abs()))));
    text
}

/// The placeholders, the last one changed to show a zero when nothing else would.
pub(super) fn shown_zero(tokens: &[Token], is_zero: bool) -> Vec<Token> {
    let mut tokens = tokens.to_vec();
    if let Some(Token::Digit(kind)) = tokens.iter_mut().rfind(|token| is_zero && matches!(token, Token::Digit(_))) {
        *kind = '0';
    }
    tokens
}

/// Digit placeholders before and behind the point.
fn parts(tokens: &[Token]) -> (usize, usize) {
    let count = |tokens: &[Token]| tokens.iter().filter(|token| matches!(token, Token::Digit(_))).count();
    let point = tokens.iter().position(|token| *token == Token::Point).unwrap_or(tokens.len());
    let (before, behind) = tokens.split_at(point);
    (count(before), count(behind))
}

/// Puts digits into placeholders: those before the point from the right, those behind it from the left.
pub(super) fn plain(tokens: &[Token], decimal: &Decimal) -> String {
    let (before, behind) = parts(tokens);
    let mut whole = Whole::new(&decimal.integer(), before, tokens.contains(&Token::Group));
    let fraction = decimal.fraction(behind);
    let mut fraction = fraction.chars().enumerate();
    let significant = usize::try_from(decimal.last_place()).unwrap_or_default();
    let (mut text, mut past_point) = (String::new(), false);
    for token in tokens {
        match token {
            Token::Literal(literal) => text.push_str(literal),
            Token::Percent => text.push('%'),
            Token::Point if !past_point => {
                past_point = true;
                text.push('.');
            }
            Token::Digit(kind) if !past_point => whole.put(*kind, &mut text),
            Token::Digit(kind) => match (fraction.next(), kind) {
                (Some((at, digit)), _) if at < significant => text.push(digit),
                (_, '0') => text.push('0'),
                (_, '?') => text.push(' '),
                _ => {}
            },
            _ => {}
        }
    }
    text
}

/// The digits before the point on their way into placeholders.
struct Whole {
    /// From the left; `None` where there are fewer digits than placeholders.
    digits: std::vec::IntoIter<Option<char>>,
    /// What the first placeholder takes beside its own.
    surplus: usize,
    grouped: bool,
    begun: bool,
}

impl Whole {
    fn new(digits: &str, placeholders: usize, grouped: bool) -> Self {
        let missing = placeholders.saturating_sub(digits.len());
        let all: Vec<_> = std::iter::repeat_n(None, missing).chain(digits.chars().map(Some)).collect();
        let surplus = all.len().saturating_sub(placeholders);
        Self { digits: all.into_iter(), surplus, grouped, begun: false }
    }

    fn put(&mut self, kind: char, text: &mut String) {
        for _ in 0..=std::mem::take(&mut self.surplus) {
            let Some(digit) = self.digits.next() else { return };
            let shown = digit.or(match kind {
                '0' => Some('0'),
                '?' => Some(' '),
                _ => None,
            });
            self.begun |= shown.is_some_and(|c| c != ' ');
            text.extend(shown);
            let left = self.digits.len();
            if self.grouped && self.begun && left > 0 && left.is_multiple_of(3) {
                text.push(',');
            }
        }
    }
}
