//! A JSON object taken apart into its fields, each as the text it was, and put together again.

use std::borrow::Cow;

use millstream_connectors::json;

/// Deepest path that is followed.
const DEPTH_MAX: usize = 32;

/// A field's new name and text, nothing when it goes, or why the record fails.
pub type Edited = Result<Option<(String, Vec<u8>)>, String>;

/// Fields in order. Values are JSON texts.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    fields: Vec<(Cow<'a, str>, Cow<'a, [u8]>)>,
}

impl<'a> Object<'a> {
    pub fn parse(text: &'a [u8]) -> Result<Object<'a>, String> {
        json::validate(text).map_err(|error| error.to_string())?;
        Object::parse_valid(text).ok_or_else(|| "the value is no JSON object".to_owned())
    }

    fn parse_valid(text: &'a [u8]) -> Option<Object<'a>> {
        let fields: Result<Vec<_>, _> = json::fields(text)?.collect();
        let fields = fields.ok()?.into_iter().map(|(name, raw)| (name, Cow::Borrowed(raw)));
        Some(Object { fields: fields.collect() })
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, raw)| (name.as_ref(), raw.as_ref()))
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The JSON text at a path.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        if let Some((_, raw)) = self.fields.iter().find(|(name, _)| name == path) {
            return Some(raw);
        }
        let (head, rest) = path.split_once('.')?;
        let (_, raw) = self.fields.iter().find(|(name, _)| name == head)?;
        json::path(raw, rest)
    }

    /// Replaces the field in its place, or adds it at the end.
    pub fn set(&mut self, name: &str, raw: Vec<u8>) {
        match self.fields.iter_mut().find(|(found, _)| found == name) {
            Some((_, old)) => *old = Cow::Owned(raw),
            None => self.fields.push((Cow::Owned(name.to_owned()), Cow::Owned(raw))),
        }
    }

    pub fn push(&mut self, name: String, raw: Vec<u8>) {
        self.fields.push((Cow::Owned(name), Cow::Owned(raw)));
    }

    /// Gives the field at a path to `edit`, which gives back its new name and text, or nothing to take it out. What is
    /// not there is left alone.
    pub fn edit(&mut self, path: &str, edit: &mut dyn FnMut(&str, &[u8]) -> Edited) -> Result<(), String> {
        self.edit_within(path, edit, 0)
    }

    fn edit_within(
        &mut self,
        path: &str,
        edit: &mut dyn FnMut(&str, &[u8]) -> Edited,
        depth: usize,
    ) -> Result<(), String> {
        if let Some(index) = self.fields.iter().position(|(name, _)| name == path) {
            let (name, raw) = &self.fields[index];
            match edit(name, raw)? {
                Some((name, raw)) => self.fields[index] = (Cow::Owned(name), Cow::Owned(raw)),
                None => drop(self.fields.remove(index)),
            }
            return Ok(());
        }
        let Some((head, rest)) = path.split_once('.').filter(|_| depth < DEPTH_MAX) else { return Ok(()) };
        let Some((_, raw)) = self.fields.iter_mut().find(|(name, _)| name == head) else { return Ok(()) };
        let written = match Object::parse_valid(raw) {
            Some(mut inner) => {
                inner.edit_within(rest, edit, depth + 1)?;
                inner.to_json()
            }
            None => return Ok(()),
        };
        *raw = Cow::Owned(written);
        Ok(())
    }

    pub fn to_json(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(64 * self.fields.len() + 2);
        text.push(b'{');
        for (index, (name, raw)) in self.fields.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            json::push_escaped(name.as_bytes(), &mut text);
            text.push(b':');
            text.extend_from_slice(raw);
        }
        text.push(b'}');
        text
    }
}

/// A JSON text as plain text: strings without their quotes, everything else as it is; nothing for null.
pub fn plain(raw: &[u8]) -> Option<Cow<'_, str>> {
    match raw {
        b"null" => None,
        [b'"', text @ .., b'"'] => json::unescape(text),
        other => Some(String::from_utf8_lossy(other)),
    }
}

pub fn quoted(text: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(text.len() + 2);
    json::push_escaped(text.as_bytes(), &mut raw);
    raw
}
