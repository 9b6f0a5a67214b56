//! Numbers with a fraction bar: `# ?/?`, `# ??/16`.

use super::code::{Section, Token};
use super::digits::{Decimal, plain, shown_zero};

/// Digits that a denominator has at most; Excel stops far below.
const MAX_DENOMINATOR_DIGITS: usize = 7;

/// The parts of a section that has a fraction bar.
struct Parts<'a> {
    /// Up to the numerator; empty when the numerator holds it all.
    whole: &'a [Token],
    numerator: &'a [Token],
    denominator: &'a [Token],
    after: &'a [Token],
}

/// Writes `magnitude` by a section with a [`Token::Slash`].
pub(super) fn write(section: &Section, magnitude: f64) -> String {
    let Some(parts) = take_apart(&section.tokens) else { return section.literally("") };
    let mixed = parts.whole.iter().any(is_digit);
    let whole = if mixed { magnitude.floor() } else { 0.0 };
    let (mut numerator, denominator) = approximate(magnitude - whole, denominator_of(parts.denominator));
    let mut whole = whole;
    if mixed && numerator == denominator {
        (whole, numerator) = (whole + 1.0, 0);
    }
    let digits = Decimal::of(whole);
    // A whole number has no fraction, unless zeros are asked for.
    let is_alone = mixed && numerator == 0 && !parts.numerator.contains(&Token::Digit('0'));
    let mut text = plain(&whole_part(parts.whole, digits.is_zero(), is_alone), &digits);
    if !is_alone {
        text.push_str(&filled(parts.numerator, numerator));
        text.push('/');
        text.push_str(&filled(parts.denominator, denominator));
    }
    text.push_str(&plain(parts.after, &Decimal::of(0.0)));
    text
}

/// The placeholders of the whole part. What separates it from the fraction is shown when both are; a zero when nothing
/// else is.
fn whole_part(tokens: &[Token], is_zero: bool, is_alone: bool) -> Vec<Token> {
    let mut tokens = shown_zero(tokens, is_zero && is_alone);
    let Some(last) = tokens.iter().rposition(is_digit) else { return tokens };
    if is_alone || (is_zero && tokens.get(last) == Some(&Token::Digit('#'))) {
        tokens.truncate(last + 1);
    }
    tokens
}

fn is_digit(token: &Token) -> bool {
    matches!(token, Token::Digit(_))
}

/// The number in its placeholders and literals; a denominator that the format fixes is all literal.
fn filled(tokens: &[Token], number: u32) -> String {
    if fixed(tokens).is_some() {
        return number.to_string();
    }
    plain(&shown_zero(tokens, number == 0), &Decimal::of(f64::from(number)))
}

fn take_apart(tokens: &[Token]) -> Option<Parts<'_>> {
    let (before, behind) = tokens.split_at_checked(tokens.iter().position(|token| *token == Token::Slash)?)?;
    let behind = behind.get(1..)?;
    let last = before.iter().rposition(is_digit)?;
    let first = before.get(..last)?.iter().rposition(|token| !is_digit(token)).map_or(0, |at| at + 1);
    let (whole, numerator) = before.split_at_checked(first)?;
    let end = match behind.iter().position(is_digit) {
        // A denominator such as `16` or `100`.
        _ if fixed(behind).is_some() => {
            1 + behind.iter().skip(1).take_while(|token| **token == Token::Digit('0')).count()
        }
        Some(from) => from + behind.iter().skip(from).take_while(|token| is_digit(token)).count(),
        None => behind.len(),
    };
    let (denominator, after) = behind.split_at_checked(end)?;
    Some(Parts { whole, numerator, denominator, after })
}

/// A denominator written out in the format.
fn fixed(tokens: &[Token]) -> Option<u32> {
    let Some(Token::Literal(text)) = tokens.first() else { return None };
    let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
    let zeros = tokens.iter().skip(1).take_while(|token| **token == Token::Digit('0')).count();
    let zeros = "0".repeat(zeros.min(MAX_DENOMINATOR_DIGITS));
    format!("{digits}{zeros}").parse().ok().filter(|number| *number > 0 && !digits.is_empty())
}

enum Denominator {
    Fixed(u32),
    AtMost(u32),
}

fn denominator_of(tokens: &[Token]) -> Denominator {
    if let Some(number) = fixed(tokens) {
        return Denominator::Fixed(number);
    }
    let digits = tokens.iter().filter(|token| is_digit(token)).count().clamp(1, MAX_DENOMINATOR_DIGITS);
    Denominator::AtMost(10u32.pow(u32::try_from(digits).unwrap_or(1)) - 1)
}

/// The fraction nearest to `value`: best rational approximation by continued fractions.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates; values are positive"
)]
fn approximate(value: f64, denominator: Denominator) -> (u32, u32) {
    let limit = match denominator {
        Denominator::Fixed(number) => return ((value * f64::from(number)).round() as u32, number),
        Denominator::AtMost(limit) => limit,
    };
    let (mut before, mut best) = ((1u64, 0u64), (value.floor() as u64, 1u64));
    let mut rest = value - value.floor();
    while rest > 1e-10 {
        let inverse = 1.0 / rest;
        let term = inverse.floor() as u64;
        let next = (
            term.saturating_mul(best.0).saturating_add(before.0),
            term.saturating_mul(best.1).saturating_add(before.1),
        );
        if next.1 > u64::from(limit) {
            break;
        }
        (before, best) = (best, next);
        rest = inverse - inverse.floor();
    }
    (u32::try_from(best.0).unwrap_or(u32::MAX), u32::try_from(best.1).unwrap_or(1))
}
