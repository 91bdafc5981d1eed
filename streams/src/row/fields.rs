//! The fields that a program's expressions name, found in each record once, and the shape they give it.

use super::Header;
use crate::format::scan::{self, Token};

/// How many fields the expressions of one program may name: a record's shape takes three bits for each.
pub(super) const FIELDS_MAX: usize = 42;

/// Something an expression can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A member of the record's value, by path.
    Value(Vec<String>),
    /// A header of the record, as text.
    Header(String),
    Key,
    Timestamp,
    Topic,
    Partition,
    Offset,
    /// The wall clock when the batch is evaluated.
    Now,
}

impl Field {
    pub(super) fn metadata(name: &str) -> Option<Field> {
        match name.to_ascii_lowercase().as_str() {
            "_key" => Some(Field::Key),
            "_timestamp" => Some(Field::Timestamp),
            "_topic" => Some(Field::Topic),
            "_partition" => Some(Field::Partition),
            "_offset" => Some(Field::Offset),
            _ => None,
        }
    }

    /// The column's name in plans and messages.
    pub(super) fn name(&self) -> String {
        match self {
            Field::Value(path) => path.join("."),
            Field::Header(name) => format!("_headers.{name}"),
            Field::Key => "_key".to_owned(),
            Field::Timestamp => "_timestamp".to_owned(),
            Field::Topic => "_topic".to_owned(),
            Field::Partition => "_partition".to_owned(),
            Field::Offset => "_offset".to_owned(),
            Field::Now => "now()".to_owned(),
        }
    }
}

/// Every field of a program, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) all: Vec<Field>,
}

impl Fields {
    /// Adds a field unless it is there; gives its name, or `None` where there are too many.
    pub(super) fn add(&mut self, field: Field) -> Option<String> {
        let name = field.name();
        if !self.all.contains(&field) {
            if self.all.len() == FIELDS_MAX {
                return None;
            }
            self.all.push(field);
        }
        Some(name)
    }

    pub(super) fn reads_value(&self) -> bool {
        self.all.iter().any(|field| matches!(field, Field::Value(_)))
    }

    /// Gives fields the headers of their names; members of the value, offered later, go before them.
    pub(super) fn offer_headers<'a>(&self, headers: &[Header<'a>], tokens: &mut [Token<'a>]) {
        for (field, token) in self.all.iter().zip(tokens) {
            if let Field::Value(path) = field
                && let [name] = path.as_slice()
                && let Some(raw) = header(headers, name).filter(|raw| std::str::from_utf8(raw).is_ok())
            {
                *token = Token::Text { raw, escaped: false };
            }
        }
    }

    /// Finds the value's fields among its members: `tokens[n]` is what field n stands for.
    pub(super) fn offer<'a>(&self, member: &scan::Member<'a>, tokens: &mut [Token<'a>]) {
        for (field, token) in self.all.iter().zip(tokens) {
            if let Field::Value(path) = field
                && let Some((first, rest)) = path.split_first()
                && names(member, first)
            {
                *token = descend(member.value, rest);
            }
        }
    }
}

/// The value of the last header of that name.
pub(super) fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().rev().find(|(found, _)| *found == name).and_then(|(_, value)| *value)
}

/// Whether a member has that name.
pub(super) fn names(member: &scan::Member<'_>, name: &str) -> bool {
    if !member.name_escaped {
        return member.name == name.as_bytes();
    }
    let mut plain = Vec::new();
    scan::unescape(member.name, &mut plain).is_ok() && plain == name.as_bytes()
}

fn descend<'a>(token: Token<'a>, path: &[String]) -> Token<'a> {
    let Some((first, rest)) = path.split_first() else { return token };
    let Token::Nested(text) = token else { return Token::Null };
    let mut found = Token::Null;
    let scanned = scan::members(text, |member| {
        if names(&member, first) {
            found = descend(member.value, rest);
        }
    });
    // What isn't an object has no members: the field is absent.
    if scanned.is_ok() { found } else { Token::Null }
}

/// The kind of a field's value in one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null = 0,
    Boolean = 1,
    Integer = 2,
    Float = 3,
    Text = 4,
    Nested = 5,
}

impl Kind {
    #[inline]
    pub(super) fn of(token: Token<'_>) -> Kind {
        match token {
            Token::Null => Kind::Null,
            Token::Boolean(_) => Kind::Boolean,
            Token::Text { .. } => Kind::Text,
            Token::Nested(_) => Kind::Nested,
            Token::Number(text) => {
                let plain = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
                let whole = plain
                    && (text.len() <= 18
                        || std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok()));
                if whole { Kind::Integer } else { Kind::Float }
            }
        }
    }

    pub(super) fn from_bits(bits: u128) -> Kind {
        match bits & 7 {
            1 => Kind::Boolean,
            2 => Kind::Integer,
            3 => Kind::Float,
            4 => Kind::Text,
            5 => Kind::Nested,
            _ => Kind::Null,
        }
    }
}

/// The kinds of all fields of a record, three bits each: records of one shape are evaluated together.
pub(super) fn shape(tokens: &[Token<'_>]) -> u128 {
    tokens.iter().rev().fold(0, |shape, token| (shape << 3) | Kind::of(*token) as u128)
}
