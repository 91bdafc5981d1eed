//! Instants and dates as text: RFC 3339 in and out, in UTC. Leaves out time zones by name.

/// Seconds since the epoch and nanoseconds within the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// Reads `2018-01-31T02:18:21.235Z`: a `T`, `t` or space between date and time, any number of fraction digits (nine
/// count), an offset, or none for UTC; seconds may be left out, and so may the whole time.
pub fn parse_instant(text: &[u8]) -> Option<Instant> {
    let days = i64::from(parse_date(text.get(..10)?)?);
    let Some(separator) = text.get(10) else {
        return Some(Instant { seconds: days * 86_400, nanoseconds: 0 });
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (second_of_day, nanoseconds, rest) = parse_clock(text.get(11..)?)?;
    let offset_seconds = parse_offset(rest)?;
    Some(Instant { seconds: days * 86_400 + second_of_day - offset_seconds, nanoseconds })
}

/// Reads `2018-01-31` as days since the epoch.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// Reads `02:18[:21[.235]]`: seconds of the day, nanoseconds, and what follows.
pub fn parse_clock(text: &[u8]) -> Option<(i64, u32, &[u8])> {
    if text.len() < 5 || text[2] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&text[..2])?, digits(&text[3..5])?);
    let mut rest = &text[5..];
    let mut second = 0;
    let mut nanoseconds = 0;
    if rest.first() == Some(&b':') {
        second = digits(rest.get(1..3)?)?;
        rest = &rest[3..];
        if rest.first() == Some(&b'.') {
            let count = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count == 0 {
                return None;
            }
            let kept = count.min(9);
            let value = u32::try_from(digits(&rest[1..1 + kept])?).ok()?;
            nanoseconds = value * 10u32.pow(u32::try_from(9 - kept).ok()?);
            rest = &rest[1 + count..];
        }
    }
    // A leap second (RFC 3339, 5.7) counts as the first instant of the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((hour * 3_600 + minute * 60 + second, nanoseconds, rest))
}

/// `Z`, nothing, `+02:00`, `+0200` or `+02` as seconds east of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (digits(rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Appends `2018-01-31T02:18:21Z`, with three, six or nine fraction digits where they say something.
pub fn write_instant(instant: Instant, out: &mut Vec<u8>) {
    write_date(instant.seconds.div_euclid(86_400), out);
    out.push(b'T');
    write_clock(instant.seconds.rem_euclid(86_400), instant.nanoseconds, out);
    out.push(b'Z');
}

/// Appends `2018-01-31`; years beyond 9999 carry a sign, as ISO 8601 has it.
pub fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        out.push(if year < 0 { b'-' } else { b'+' });
    }
    let year = year.unsigned_abs();
    if year > 9999 {
        out.extend_from_slice(year.to_string().as_bytes());
    } else {
        write_digits(year, 4, out);
    }
    out.push(b'-');
    write_digits(month.unsigned_abs(), 2, out);
    out.push(b'-');
    write_digits(day.unsigned_abs(), 2, out);
}

/// Appends `02:18:21` and the fraction.
pub fn write_clock(second_of_day: i64, nanoseconds: u32, out: &mut Vec<u8>) {
    let seconds = second_of_day.unsigned_abs();
    write_digits(seconds / 3_600, 2, out);
    out.push(b':');
    write_digits(seconds / 60 % 60, 2, out);
    out.push(b':');
    write_digits(seconds % 60, 2, out);
    let nanoseconds = u64::from(nanoseconds);
    if nanoseconds == 0 {
        return;
    }
    out.push(b'.');
    match nanoseconds {
        whole if whole % 1_000_000 == 0 => write_digits(whole / 1_000_000, 3, out),
        whole if whole % 1_000 == 0 => write_digits(whole / 1_000, 6, out),
        whole => write_digits(whole, 9, out),
    }
}

fn write_digits(value: u64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = value / 10u64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, by eras of 400 years that begin in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let mut out = Vec::new();
        write_instant(parse_instant(text.as_bytes()).unwrap_or_else(|| panic!("parse {text}")), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn reads_and_writes_instants() {
        for (text, written) in [
            ("2018-01-31T02:18:21.235Z", "2018-01-31T02:18:21.235Z"),
            ("2018-01-31 02:18:21", "2018-01-31T02:18:21Z"),
            ("2018-01-31T02:18", "2018-01-31T02:18:00Z"),
            ("2018-01-31", "2018-01-31T00:00:00Z"),
            ("2018-01-31T02:18:21.5+02:00", "2018-01-31T00:18:21.500Z"),
            ("2018-01-31T02:18:21.000001-0730", "2018-01-31T09:48:21.000001Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
            ("2000-02-29T00:00:00z", "2000-02-29T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(round_trip(text), written);
        }
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "2018",
            "2018-13-01",
            "2018-02-29",
            "2018-01-31X02:18:21Z",
            "2018-01-31T24:00:00Z",
            "2018-01-31T02:18:21.Z",
            "2018-01-31T02:18:21Q",
            "2018-01-31T02:18:21+2",
            "2018-1-31T02:18:21Z",
        ] {
            assert_eq!(parse_instant(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn agrees_with_chrono_over_four_centuries() {
        for days in (-80_000..80_000).step_by(17) {
            let date = chrono::DateTime::from_timestamp(days * 86_400, 0).unwrap().date_naive();
            let mut out = Vec::new();
            write_date(days, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, date.to_string());
            assert_eq!(parse_date(text.as_bytes()).map(i64::from), Some(days));
        }
    }
}
