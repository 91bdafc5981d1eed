//! A JSON value as what a column of a type holds. Nothing is rounded: what does not fit exactly is refused.

use std::borrow::Cow;

use arrow::datatypes::i256;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::kind::Unit;
use crate::json;

/// Whole numbers up to here are the same as doubles.
const EXACT_DOUBLE: u64 = 1 << 53;

/// Digits that a double always holds.
const DOUBLE_DIGITS: usize = 15;

/// The largest shift of a decimal point that is taken.
const EXPONENT_MAX: i64 = 400;

/// A number, word or text without its quotes; `None` for lists and objects.
pub fn scalar(raw: &[u8]) -> Option<Cow<'_, str>> {
    match raw {
        [b'"', text @ .., b'"'] => json::unescape(text),
        [b'{' | b'[', ..] => None,
        plain => std::str::from_utf8(plain).ok().map(Cow::Borrowed),
    }
}

pub fn boolean(raw: &[u8]) -> Option<bool> {
    match raw {
        b"true" | b"\"true\"" => Some(true),
        b"false" | b"\"false\"" => Some(false),
        _ => None,
    }
}

/// A whole number that fits a width, also written as 1.0 or 1e3.
pub fn signed(raw: &[u8], bits: u8) -> Option<i64> {
    let text = scalar(raw)?;
    let number: i64 = text.parse().ok().or_else(|| unscaled(&text, 0)?.parse().ok())?;
    let unused = 64 - u32::from(bits);
    ((number << unused) >> unused == number).then_some(number)
}

pub fn unsigned(raw: &[u8], bits: u8) -> Option<u64> {
    let text = scalar(raw)?;
    let number: u64 = text.parse().ok().or_else(|| unscaled(&text, 0)?.parse().ok())?;
    let unused = 64 - u32::from(bits);
    ((number << unused) >> unused == number).then_some(number)
}

pub fn is_exact(number: i64) -> bool {
    number.unsigned_abs() <= EXACT_DOUBLE
}

/// A number that a double gives back as it was, however many digits it was written with.
pub fn double(raw: &[u8]) -> Option<f64> {
    let text = scalar(raw)?;
    if let Some(number) = no_number(&text) {
        return Some(number);
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_same = digits <= DOUBLE_DIGITS || significant(&text) == significant(&format!("{number:e}"));
    is_same.then_some(number)
}

/// The same for single precision, but that more digits than it holds are what it is for.
pub fn float(raw: &[u8]) -> Option<f32> {
    let text = scalar(raw)?;
    match no_number(&text) {
        Some(number) => Some(number as f32),
        None => text.parse().ok().filter(|number: &f32| number.is_finite()),
    }
}

fn no_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The digits of a number without leading and trailing zeros and without its point.
fn significant(text: &str) -> String {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

/// The digits of a number times 10^scale, with its sign; `None` if that is no whole number.
pub fn unscaled(text: &str, scale: i8) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    let shift = exponent + i64::from(scale) - fraction.len() as i64;
    if shift >= 0 {
        digits.extend(std::iter::repeat_n('0', shift as usize));
    } else {
        let kept = digits.len().saturating_sub(shift.unsigned_abs() as usize);
        if digits[kept..].bytes().any(|byte| byte != b'0') {
            return None;
        }
        digits.truncate(kept);
    }
    let digits = digits.trim_start_matches('0');
    Some(match digits {
        "" => "0".to_owned(),
        digits => format!("{sign}{digits}"),
    })
}

/// An unscaled number of at most `precision` digits.
pub fn decimal(raw: &[u8], precision: u8, scale: i8) -> Option<i256> {
    let digits = unscaled(&scalar(raw)?, scale)?;
    let length = digits.trim_start_matches('-').len();
    if length > usize::from(precision) {
        return None;
    }
    i256::from_string(&digits)
}

pub fn bytes(raw: &[u8]) -> Option<Vec<u8>> {
    let text = scalar(raw)?;
    let digits = text.strip_prefix("\\x")?.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}

/// Days since 1970.
pub fn date(raw: &[u8]) -> Option<i32> {
    let text = scalar(raw)?;
    Some(NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.to_epoch_days())
}

/// Ticks since midnight.
pub fn time(raw: &[u8], unit: Unit) -> Option<i64> {
    let time = NaiveTime::parse_from_str(&scalar(raw)?, "%H:%M:%S%.f").ok()?;
    ticks(i64::from(time.num_seconds_from_midnight()), time.nanosecond(), unit)
}

/// Ticks since 1970. Text without a zone is taken as UTC; one with a zone is no time on a wall.
pub fn timestamp(raw: &[u8], unit: Unit, zoned: bool) -> Option<i64> {
    let text = scalar(raw)?;
    if let (false, Ok(millis)) = (raw.starts_with(b"\""), text.parse::<i64>()) {
        let millis_left = u32::try_from(millis.rem_euclid(1000)).ok()?;
        return ticks(millis.div_euclid(1000), millis_left * 1_000_000, unit);
    }
    if let Ok(instant) =
        DateTime::parse_from_rfc3339(&text).or_else(|_| DateTime::parse_from_str(&text, "%F %T%.f%#z"))
    {
        return zoned.then(|| ticks(instant.timestamp(), instant.timestamp_subsec_nanos(), unit)).flatten();
    }
    let plain = |format| NaiveDateTime::parse_from_str(&text, format).ok();
    let local = plain("%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|| plain("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?
        .and_utc();
    ticks(local.timestamp(), local.timestamp_subsec_nanos(), unit)
}

/// `None` where the unit is too coarse, or the time too far off for 64 bits of it.
fn ticks(seconds: i64, nanos: u32, unit: Unit) -> Option<i64> {
    let per_second = unit.per_second();
    let per_tick = 1_000_000_000 / per_second;
    let nanos = i64::from(nanos);
    if nanos >= 1_000_000_000 || nanos % per_tick != 0 {
        return None;
    }
    seconds.checked_mul(per_second)?.checked_add(nanos / per_tick)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_exactly_or_not_at_all() {
        assert_eq!(signed(b"-128", 8), Some(-128));
        assert_eq!(signed(b"128", 8), None);
        assert_eq!(signed(b"1.50e1", 32), Some(15));
        assert_eq!(signed(b"1.5", 32), None);
        assert_eq!(signed(b"\"7\"", 64), Some(7));
        assert_eq!(unsigned(b"18446744073709551615", 64), Some(u64::MAX));
        assert_eq!(unsigned(b"-1", 64), None);
        assert_eq!(double(b"0.1"), Some(0.1));
        assert_eq!(double(b"0.30000000000000004"), Some(0.300_000_000_000_000_04));
        assert_eq!(double(b"0.30000000000000001"), None);
        assert_eq!(double(b"12345678901234567890"), None);
        assert_eq!(double(b"1e400"), None);
        assert!(double(b"\"NaN\"").unwrap().is_nan());
        let shown =
            |raw: &[u8], precision, scale| decimal(raw, precision, scale).map(|value| value.to_string());
        assert_eq!(shown(b"-12.5", 5, 2).as_deref(), Some("-1250"));
        assert_eq!(shown(b"12.50", 3, 1).as_deref(), Some("125"));
        assert_eq!(shown(b"12.55", 5, 1), None);
        assert_eq!(shown(b"1e3", 3, 0), None);
        assert_eq!(shown(b"-0.00", 3, 1).as_deref(), Some("0"));
        assert_eq!(shown(b"1e999999999999", 3, 0), None);
    }

    #[test]
    fn times_and_bytes_keep_all_they_say() {
        assert_eq!(
            timestamp(b"\"2026-01-02T03:04:05.006+01:00\"", Unit::Millis, true),
            Some(1_767_319_445_006)
        );
        assert_eq!(timestamp(b"\"2026-01-02T03:04:05.0061Z\"", Unit::Millis, true), None);
        assert_eq!(timestamp(b"\"2026-01-02T03:04:05Z\"", Unit::Millis, false), None);
        assert_eq!(timestamp(b"\"2026-01-02 03:04:05\"", Unit::Millis, false), Some(1_767_323_045_000));
        assert_eq!(timestamp(b"\"2026-01-02 03:04:05.5+00\"", Unit::Millis, true), Some(1_767_323_045_500));
        assert_eq!(timestamp(b"-1", Unit::Micros, true), Some(-1000));
        assert_eq!(timestamp(b"\"9999-01-01T00:00:00Z\"", Unit::Nanos, true), None);
        assert_eq!(time(b"\"00:00:01.5\"", Unit::Millis), Some(1500));
        assert_eq!(date(b"\"1969-12-31\""), Some(-1));
        assert_eq!(bytes(br#""\\x00fF""#), Some(vec![0, 255]));
        assert_eq!(bytes(b"\"00\""), None);
    }
}
