//! Numbers without a format.

use super::digits::Decimal;

/// Whole numbers are exact up to this many digits.
const WHOLE_DIGITS: i32 = 15;
const WHOLE_BELOW: f64 = 1e15;
/// Characters that `General` gives a number, its point included.
const WIDTH: i32 = 11;

/// `value` as `General` shows it: at most 11 characters, beyond that with an exponent; whole numbers of up to 15 digits
/// are shown in full, because identifiers are searched for.
#[must_use]
pub fn general(value: f64) -> String {
    if !value.is_finite() {
        return "#NUM!".to_owned();
    }
    if value.fract() == 0.0 && value.abs() < WHOLE_BELOW {
        // Adding zero takes the sign off a negative zero.
        return format!("{}", value + 0.0);
    }
    let decimal = Decimal::of(value);
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", magnitude(&decimal))
}

fn magnitude(decimal: &Decimal) -> String {
    let whole_digits = decimal.point();
    if decimal.is_whole() && whole_digits <= WHOLE_DIGITS {
        return decimal.integer();
    }
    if whole_digits > WIDTH || whole_digits < -8 && !fits(decimal) {
        return scientific(decimal);
    }
    // One character is the point, and before it stands at least one digit.
    let places = (WIDTH - 1 - whole_digits.max(1)).max(0);
    let rounded = decimal.rounded(places);
    let integer = rounded.integer();
    let integer = if integer.is_empty() { "0" } else { integer.as_str() };
    match rounded.fraction(usize::try_from(places).unwrap_or_default()).trim_end_matches('0') {
        "" => integer.to_owned(),
        fraction => format!("{integer}.{fraction}"),
    }
}

/// Whether all digits of a small number have room behind the point.
fn fits(decimal: &Decimal) -> bool {
    decimal.last_place() <= WIDTH - 2
}

fn scientific(decimal: &Decimal) -> String {
    let mut exponent = decimal.point() - 1;
    let mut mantissa = decimal.shifted(-exponent).rounded(5);
    if mantissa.point() > 1 {
        exponent += 1;
        mantissa = mantissa.shifted(-1);
    }
    let fraction = mantissa.fraction(5);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}{point}{fraction}E{sign}{:02}", mantissa.integer(), exponent.abs())
}
