//! Parsing of single values, with Kafka's types and their wire numbers.

use std::fmt::Display;
use std::str::FromStr;

/// Type of a setting as DescribeConfigs reports it (KIP-569).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A whole number of at least `low`.
pub(super) fn at_least<N: FromStr + PartialOrd + Display>(text: &str, low: N) -> Result<N, String> {
    match text.parse::<N>() {
        Ok(number) if number >= low => Ok(number),
        Ok(_) => Err(format!("expected a value of at least {low}")),
        Err(_) => Err("expected a whole number that fits".to_owned()),
    }
}

/// A whole number of a range.
pub(super) fn between(text: &str, low: i32, high: i32) -> Result<i32, String> {
    match text.parse::<i32>() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from {low} to {high}")),
    }
}

/// A fraction from 0 to 1.
pub(super) fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("expected a number between 0 and 1".to_owned()),
    }
}

/// A number above zero.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

/// A comma-separated list without empty entries.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// One of a few words.
pub(super) fn one_of(text: &str, words: &[&str]) -> Result<String, String> {
    if words.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected one of {}", words.join(", ")))
    }
}
