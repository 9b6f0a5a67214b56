//! Serial numbers as dates and times.

use super::code::{DatePart, Section, Token};
use super::names;

const SECONDS_PER_DAY: i64 = 86_400;
/// 31 December 9999.
const LAST_DAY: i64 = 2_958_465;
/// Days from the start of the first epoch to that of the second.
const DAYS_TO_1904: i64 = 1_462;
/// From 1 January 1970 back to day 0 of the 1900 system, as it counts from March 1900 on.
const UNIX_DAYS: i64 = 25_569;

/// The day that is number 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epoch {
    /// Day 1 is 1 January 1900; 29 February 1900 exists, as in Lotus 1-2-3.
    #[default]
    Y1900,
    /// Day 0 is 1 January 1904.
    Y1904,
}

/// A moment taken apart.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    /// From 0, Sunday.
    weekday: i64,
    /// Of the day.
    seconds: i64,
    /// Whole seconds since day 0.
    elapsed: i64,
    /// Digits behind the seconds' point.
    fraction: String,
}

/// Writes `value` by a section with date parts; `None` when it is no date that has a name.
pub(super) fn write(section: &Section, value: f64, epoch: Epoch) -> Option<String> {
    let elapsed = section.tokens.iter().any(|token| {
        matches!(
            token,
            Token::Date(DatePart::ElapsedHours(_) | DatePart::ElapsedMinutes(_) | DatePart::ElapsedSeconds(_))
        )
    });
    if value < 0.0 && !elapsed {
        return None;
    }
    let moment = Moment::of(value.abs(), epoch, sub_second_digits(section))?;
    let half_day = section.tokens.iter().any(|token| matches!(token, Token::Date(DatePart::HalfDay { .. })));
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for token in &section.tokens {
        match token {
            Token::Literal(literal) => text.push_str(literal),
            Token::Date(part) => text.push_str(&moment.part(*part, half_day, section.locale)),
            _ => {}
        }
    }
    Some(text)
}

fn sub_second_digits(section: &Section) -> usize {
    let digits = section.tokens.iter().map(|token| match token {
        Token::Date(DatePart::SubSecond(digits)) => (*digits).min(9),
        _ => 0,
    });
    digits.max().unwrap_or_default()
}

impl Moment {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be a day before the year 10000")]
    fn of(value: f64, epoch: Epoch, digits: usize) -> Option<Self> {
        if !(0.0..=(LAST_DAY + 1) as f64).contains(&value) {
            return None;
        }
        // Rounded to what is shown, so that 11:59:59.9999 is 12:00:00.
        let unit = 10i64.pow(u32::try_from(digits).ok()?);
        let units = (value * SECONDS_PER_DAY as f64 * unit as f64).round() as i64;
        let elapsed = units / unit;
        let shift = if epoch == Epoch::Y1904 { DAYS_TO_1904 } else { 0 };
        let serial = elapsed / SECONDS_PER_DAY + shift;
        let (year, month, day) = civil(serial)?;
        let fraction = if digits > 0 { format!(".{:0digits$}", units % unit) } else { String::new() };
        let seconds = elapsed % SECONDS_PER_DAY;
        Some(Self { year, month, day, weekday: (serial + 6) % 7, seconds, elapsed, fraction })
    }

    fn part(&self, part: DatePart, half_day: bool, locale: u32) -> String {
        let (hour, minute, second) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
        match part {
            DatePart::Year(..=2) => format!("{:02}", self.year % 100),
            DatePart::Year(_) => format!("{:04}", self.year),
            DatePart::Month(count) => names::month(self.month, count, locale),
            DatePart::Day(count) => padded(self.day, count),
            DatePart::Weekday(count) => names::weekday(self.weekday, count, locale).to_owned(),
            DatePart::Hour(count) if half_day => padded((hour + 11) % 12 + 1, count),
            DatePart::Hour(count) => padded(hour, count),
            DatePart::Minute(count) => padded(minute, count),
            DatePart::Second(count) => padded(second, count),
            DatePart::SubSecond(_) => self.fraction.clone(),
            DatePart::ElapsedHours(count) => padded(self.elapsed / 3600, count),
            DatePart::ElapsedMinutes(count) => padded(self.elapsed / 60, count),
            DatePart::ElapsedSeconds(count) => padded(self.elapsed, count),
            DatePart::HalfDay { letter } => {
                let name = if hour < 12 { "AM" } else { "PM" };
                name.chars().take(if letter { 1 } else { 2 }).collect()
            }
        }
    }
}

fn padded(number: i64, width: usize) -> String {
    format!("{number:0width$}", width = width.min(10))
}

/// Year, month and day of a serial number in the 1900 system, with its 29 February 1900 and its day 0.
fn civil(serial: i64) -> Option<(i64, i64, i64)> {
    match serial {
        0 => Some((1900, 1, 0)),
        60 => Some((1900, 2, 29)),
        1..60 => Some(gregorian(serial + 1 - UNIX_DAYS)),
        61..=LAST_DAY => Some(gregorian(serial - UNIX_DAYS)),
        _ => None,
    }
}

/// The number of a moment in ISO 8601: `2024-01-31`, `2024-01-31T12:00:00.5`, `12:00`. A zone is left out of account, as
/// spreadsheets have none.
#[must_use]
pub fn serial(text: &str, epoch: Epoch) -> Option<f64> {
    let (date, time) = match text.trim().split_once('T') {
        Some((date, time)) => (Some(date), Some(time)),
        None if text.contains(':') => (None, Some(text.trim())),
        None => (Some(text.trim()), None),
    };
    let days = date.map_or(Some(0), |date| days_of(date, epoch))?;
    Some(days as f64 + time.map_or(Some(0.0), seconds_of)? / SECONDS_PER_DAY as f64)
}

fn days_of(date: &str, epoch: Epoch) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1900..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day) + UNIX_DAYS;
    let days = if days < 61 { days - 1 } else { days };
    Some(if epoch == Epoch::Y1904 { days - DAYS_TO_1904 } else { days })
}

fn seconds_of(time: &str) -> Option<f64> {
    let time = time.trim_end_matches('Z').split('+').next()?;
    let mut parts = time.splitn(3, ':').map(|part| part.parse::<f64>().ok().filter(|part| (0.0..60.5).contains(part)));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0.0))?;
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

/// The inverse of [`gregorian`] (same source, `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day from days since 1 January 1970 (H. Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`).
fn gregorian(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
