//! The 16-byte identifiers of topics, directories and incarnations.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A UUID as Kafka writes it: 16 bytes on the wire, 22 characters of URL-safe base64 in text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// All zeros: "no id".
    pub const ZERO: Self = Self([0; 16]);

    /// The identifier with these bytes, most significant first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A new random identifier whose text never starts with `-`, so that it can be a command-line argument.
    pub fn random() -> Self {
        loop {
            let candidate = Self(*uuid::Uuid::new_v4().as_bytes());
            if !candidate.to_string().starts_with('-') {
                return candidate;
            }
        }
    }

    /// The bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is [`Uuid::ZERO`].
    pub const fn is_zero(&self) -> bool {
        u128::from_be_bytes(self.0) == 0
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of the text form: 128 bits in groups of six.
const TEXT_LENGTH: usize = 22;

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        // 22 groups of six bits are 132 bits: the last group carries two bits of the id and four zeros.
        let bits = u128::from_be_bytes(self.0);
        for group in 0..TEXT_LENGTH {
            let six = if group < 21 { bits >> (122 - 6 * group) } else { bits << 4 } as usize & 0x3f;
            f.write_char(char::from(ALPHABET[six]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no id: 22 characters of URL-safe base64 are expected")]
pub struct InvalidUuid(String);

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let invalid = || InvalidUuid(text.to_owned());
        if text.len() != TEXT_LENGTH {
            return Err(invalid());
        }
        let mut bits = 0u128;
        for (group, character) in text.bytes().enumerate() {
            let six = ALPHABET.iter().position(|known| *known == character).ok_or_else(invalid)? as u128;
            bits = if group < 21 { bits << 6 | six } else { bits << 2 | six >> 4 };
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_url_safe_base64_without_padding() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        let counting = Uuid::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(counting.to_string(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!(Uuid::from_bytes([0xff; 16]).to_string(), "_____________________w");
    }

    #[test]
    fn text_reads_back() {
        for id in [Uuid::ZERO, Uuid::from_bytes([0xa5; 16]), Uuid::random()] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!("short".parse::<Uuid>().is_err());
        assert!("AAAAAAAAAAAAAAAAAAAAA!".parse::<Uuid>().is_err());
    }
}
