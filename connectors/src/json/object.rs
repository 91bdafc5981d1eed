//! Fields of a JSON object, found by walking over it.

use std::borrow::Cow;

use super::scan::{JsonError, skip_blanks, skip_string, skip_value};
use super::text::unescape;

/// The raw text of a top-level field; `None` when the text is no object or has no such field. The first of that
/// name counts. Stops where it is found: what follows is not checked.
pub fn field<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut fields = fields(object)?;
    while let Some(found) = fields.next_raw() {
        let (raw_name, value) = found.ok()?;
        if names_equal(raw_name, name) {
            return Some(value);
        }
    }
    None
}

/// The raw text of a nested field, `a.b.c`; a field whose own name is the whole path comes first.
pub fn path<'a>(object: &'a [u8], path: &str) -> Option<&'a [u8]> {
    if let Some(value) = field(object, path) {
        return Some(value);
    }
    let mut value = object;
    for name in path.split('.') {
        value = field(value, name)?;
    }
    path.contains('.').then_some(value)
}

/// The fields of an object in order; `None` when the text does not start one.
pub fn fields(object: &[u8]) -> Option<Fields<'_>> {
    let start = skip_blanks(object, 0);
    (object.get(start) == Some(&b'{')).then_some(Fields { text: object, at: start + 1, first: true })
}

/// A field's name as it is written between its quotes, and its raw value.
pub type RawField<'a> = (&'a [u8], &'a [u8]);

/// Iterates over an object's fields as (name, raw value). Ends after the first error.
#[derive(Debug)]
pub struct Fields<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
}

impl<'a> Fields<'a> {
    /// The next field with the name as it is written between its quotes.
    pub fn next_raw(&mut self) -> Option<Result<RawField<'a>, JsonError>> {
        match self.advance() {
            Ok(found) => found.map(Ok),
            Err(error) => {
                self.at = usize::MAX;
                Some(Err(error))
            }
        }
    }

    fn advance(&mut self) -> Result<Option<RawField<'a>>, JsonError> {
        if self.at == usize::MAX {
            return Ok(None);
        }
        let mut at = skip_blanks(self.text, self.at);
        match self.text.get(at) {
            Some(b'}') => {
                self.at = usize::MAX;
                return Ok(None);
            }
            Some(b',') if !self.first => at = skip_blanks(self.text, at + 1),
            _ if !self.first => return Err(JsonError { at, expected: "`,` or `}`" }),
            _ => {}
        }
        self.first = false;
        if self.text.get(at) != Some(&b'"') {
            return Err(JsonError { at, expected: "a field name in quotes" });
        }
        let name_end = skip_string(self.text, at)?;
        let name = &self.text[at + 1..name_end - 1];
        let colon = skip_blanks(self.text, name_end);
        if self.text.get(colon) != Some(&b':') {
            return Err(JsonError { at: colon, expected: "`:`" });
        }
        let value_start = skip_blanks(self.text, colon + 1);
        self.at = skip_value(self.text, value_start)?;
        Ok(Some((name, &self.text[value_start..self.at])))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(Cow<'a, str>, &'a [u8]), JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.next_raw()?;
        Some(found.and_then(|(name, value)| match unescape(name) {
            Some(name) => Ok((name, value)),
            None => Err(JsonError { at: 0, expected: "UTF-8 in a field name" }),
        }))
    }
}

/// The raw values of a list in order; `None` when the text does not start one.
pub fn items(list: &[u8]) -> Option<Items<'_>> {
    let start = skip_blanks(list, 0);
    (list.get(start) == Some(&b'[')).then_some(Items { text: list, at: start + 1, first: true })
}

/// Iterates over the values of a list. Ends after the first error.
#[derive(Debug)]
pub struct Items<'a> {
    text: &'a [u8],
    at: usize,
    first: bool,
}

impl<'a> Items<'a> {
    fn advance(&mut self) -> Result<Option<&'a [u8]>, JsonError> {
        let mut at = skip_blanks(self.text, self.at);
        match self.text.get(at) {
            Some(b']') => return Ok(None),
            Some(b',') if !self.first => at = skip_blanks(self.text, at + 1),
            _ if !self.first => return Err(JsonError { at, expected: "`,` or `]`" }),
            _ => {}
        }
        self.first = false;
        self.at = skip_value(self.text, at)?;
        Ok(Some(&self.text[at..self.at]))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a [u8], JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == usize::MAX {
            return None;
        }
        let found = self.advance().transpose();
        if !matches!(found, Some(Ok(_))) {
            self.at = usize::MAX;
        }
        found
    }
}

fn names_equal(raw: &[u8], name: &str) -> bool {
    raw == name.as_bytes() || (raw.contains(&b'\\') && unescape(raw).is_some_and(|raw| raw == name))
}
