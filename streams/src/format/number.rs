//! Numbers from their JSON text.

/// A whole number of 64 bits; `3.0` and `3e2` count as whole.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for byte in digits {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return whole_float(text);
        }
        let shifted = value.checked_mul(10)?;
        value = if negative { shifted.checked_sub(digit)? } else { shifted.checked_add(digit)? };
    }
    Some(value)
}

/// The greatest float below which every whole number is exact.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

fn whole_float(text: &[u8]) -> Option<i64> {
    let value = float(text).filter(|value| value.fract() == 0.0 && value.abs() <= EXACT_MAX)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53, checked above")]
    Some(value as i64)
}

pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let plain = std::str::from_utf8(text).ok()?;
    plain.parse().ok().or_else(|| whole_float(text).and_then(|value| u64::try_from(value).ok()))
}

/// A finite float, exactly rounded.
#[inline]
pub(super) fn float(text: &[u8]) -> Option<f64> {
    if let Some(value) = short_decimal(text) {
        return Some(value);
    }
    // The standard library also reads "inf", "nan" and "+1"; JSON has none of them.
    if !matches!(text.first(), Some(b'-' | b'0'..=b'9')) || text.last() == Some(&b'.') {
        return None;
    }
    let plain = std::str::from_utf8(text).ok()?;
    plain.parse::<f64>().ok().filter(|value| value.is_finite())
}

const POWERS_OF_TEN: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Up to fifteen digits without exponent: mantissa and power of ten are both exact, so one division rounds correctly
/// (Clinger's fast path).
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty()
        || digits.len() > 16
        || !digits[0].is_ascii_digit()
        || !digits[digits.len() - 1].is_ascii_digit()
    {
        return None;
    }
    let mut mantissa: u64 = 0;
    let mut fraction_digits = 0;
    let mut in_fraction = false;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                fraction_digits += usize::from(in_fraction);
            }
            b'.' if !in_fraction => in_fraction = true,
            _ => return None,
        }
    }
    if mantissa >= 1 << 53 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53, checked above")]
    let value = mantissa as f64 / POWERS_OF_TEN.get(fraction_digits)?;
    Some(if negative { -value } else { value })
}

/// A decimal of the given precision and scale, as its unscaled integer; digits beyond the scale must be zeros.
pub(super) fn decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&rest[..at], std::str::from_utf8(rest.get(at + 1..)?).ok()?.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (mut value, mut digits, mut fraction_digits, mut in_fraction) = (0i128, 0, 0i32, false);
    for byte in mantissa {
        match byte {
            b'0'..=b'9' => {
                value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                digits += 1;
                fraction_digits += i32::from(in_fraction);
            }
            b'.' if !in_fraction => in_fraction = true,
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    let shift = i32::from(scale) - fraction_digits + exponent;
    let power = 10i128.checked_pow(shift.unsigned_abs())?;
    let scaled = if shift >= 0 {
        value.checked_mul(power)?
    } else if value % power == 0 {
        value / power
    } else {
        return None;
    };
    let limit = 10i128.checked_pow(u32::from(precision))?;
    (scaled < limit).then_some(if negative { -scaled } else { scaled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_integers() {
        for (text, value) in [
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("3.0", Some(3)),
            ("1e3", Some(1000)),
            ("3.5", None),
            ("-", None),
            ("x", None),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn floats_agree_with_the_standard_library() {
        for text in [
            "0",
            "-0",
            "1.5",
            "-123.456",
            "0.1",
            "2.3",
            "59.8411",
            "1e300",
            "-1E-7",
            "123456789012345678",
            "0.30000000000000004",
        ] {
            assert_eq!(
                float(text.as_bytes()).map(f64::to_bits),
                text.parse::<f64>().ok().map(f64::to_bits),
                "{text}"
            );
        }
        for text in ["", "-", "nan", "inf", "+1", ".5", "1.", "1e999", "1.2.3"] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn decimals_keep_every_digit() {
        assert_eq!(decimal(b"12.34", 10, 2), Some(1234));
        assert_eq!(decimal(b"-12.3", 10, 2), Some(-1230));
        assert_eq!(decimal(b"12.340", 10, 2), Some(1234));
        assert_eq!(decimal(b"12.345", 10, 2), None);
        assert_eq!(decimal(b"1.5e2", 10, 2), Some(15000));
        assert_eq!(decimal(b"123456789", 4, 0), None);
    }
}
