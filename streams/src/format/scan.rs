//! Reads a JSON object's members as they stand in its text: a needed value is pointed at, an unneeded one is stepped
//! over. Structure is checked (quotes, brackets, separators), numbers and escapes only where a value is used.
//! Leaves out building a document: nothing is allocated here.

use memchr::memchr2;

/// How deep objects and arrays may nest in one record.
pub const DEPTH_MAX: u32 = 128;

/// A JSON value as it stands in its text (RFC 8259).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    Null,
    Boolean(bool),
    /// The number's characters.
    Number(&'a [u8]),
    /// What stands between the quotes; `escaped` when it holds a backslash.
    Text {
        raw: &'a [u8],
        escaped: bool,
    },
    /// An object or array, brackets included.
    Nested(&'a [u8]),
}

/// A member of an object: its name between the quotes, its value, and where the value stands in the text.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    pub name: &'a [u8],
    pub name_escaped: bool,
    pub value: Token<'a>,
    pub start: usize,
    pub end: usize,
}

/// Where a text stops being JSON, and why. `at` counts bytes from the start of the record's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {at}")]
pub struct ScanError {
    pub reason: &'static str,
    pub at: usize,
}

/// Calls `visit` for every member of the object that `text` is, in order. Returns where its closing brace stands and
/// whether it has members.
pub fn members<'a>(text: &'a [u8], mut visit: impl FnMut(Member<'a>)) -> Result<ObjectEnd, ScanError> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    cursor.expect(b'{', "expected a JSON object")?;
    cursor.skip_space();
    if cursor.peek() == Some(b'}') {
        let brace = cursor.at;
        cursor.at += 1;
        cursor.expect_end()?;
        return Ok(ObjectEnd { brace, is_empty: true });
    }
    loop {
        cursor.skip_space();
        cursor.expect(b'"', "expected a member's name in quotes")?;
        let (name, name_escaped) = cursor.text_rest()?;
        cursor.skip_space();
        cursor.expect(b':', "expected a colon after a member's name")?;
        cursor.skip_space();
        let start = cursor.at;
        let value = cursor.value()?;
        visit(Member { name, name_escaped, value, start, end: cursor.at });
        cursor.skip_space();
        match cursor.peek() {
            Some(b',') => cursor.at += 1,
            Some(b'}') => {
                let brace = cursor.at;
                cursor.at += 1;
                cursor.expect_end()?;
                return Ok(ObjectEnd { brace, is_empty: false });
            }
            _ => return Err(cursor.error("expected a comma or a closing brace")),
        }
    }
}

/// Where an object ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectEnd {
    pub brace: usize,
    pub is_empty: bool,
}

/// The one value that `text` is, white space around it allowed.
pub fn value(text: &[u8]) -> Result<Token<'_>, ScanError> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    let token = cursor.value()?;
    cursor.expect_end()?;
    Ok(token)
}

/// Calls `visit` for every element of the array that `text` is.
pub fn elements<'a>(text: &'a [u8], mut visit: impl FnMut(Token<'a>)) -> Result<(), ScanError> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    cursor.expect(b'[', "expected a JSON array")?;
    cursor.skip_space();
    if cursor.peek() == Some(b']') {
        cursor.at += 1;
        return cursor.expect_end();
    }
    loop {
        cursor.skip_space();
        visit(cursor.value()?);
        cursor.skip_space();
        match cursor.peek() {
            Some(b',') => cursor.at += 1,
            Some(b']') => {
                cursor.at += 1;
                return cursor.expect_end();
            }
            _ => return Err(cursor.error("expected a comma or a closing bracket")),
        }
    }
}

/// Appends a text's meaning to `out`: escapes resolved, bytes otherwise as they are.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), ScanError> {
    let mut at = 0;
    while let Some(step) = memchr::memchr(b'\\', raw.get(at..).unwrap_or_default()) {
        out.extend_from_slice(&raw[at..at + step]);
        at += step;
        let error = |reason| ScanError { reason, at };
        let letter = *raw.get(at + 1).ok_or(error("a backslash with nothing behind it"))?;
        let plain = match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, used) = unicode_escape(raw, at)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += used;
                continue;
            }
            _ => return Err(error("an unknown escape")),
        };
        out.push(plain);
        at += 2;
    }
    out.extend_from_slice(raw.get(at..).unwrap_or_default());
    Ok(())
}

/// The character of `\uXXXX` (or a surrogate pair of them) at `at`, and how many bytes it took.
fn unicode_escape(raw: &[u8], at: usize) -> Result<(char, usize), ScanError> {
    let error = ScanError { reason: "a broken unicode escape", at };
    let unit = |from: usize| -> Result<u32, ScanError> {
        let digits = raw.get(from..from + 4).ok_or(error)?;
        let text = std::str::from_utf8(digits).map_err(|_| error)?;
        u32::from_str_radix(text, 16).map_err(|_| error)
    };
    let first = unit(at + 2)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first).map(|character| (character, 6)).ok_or(error);
    }
    if raw.get(at + 6..at + 8) != Some(b"\\u") {
        return Err(error);
    }
    let second = unit(at + 8)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(error);
    }
    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|character| (character, 12)).ok_or(error)
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn error(&self, reason: &'static str) -> ScanError {
        ScanError { reason, at: self.at.min(self.text.len()) }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), ScanError> {
        if self.peek() != Some(byte) {
            return Err(self.error(reason));
        }
        self.at += 1;
        Ok(())
    }

    fn expect_end(&mut self) -> Result<(), ScanError> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.error("something follows the JSON value")) }
    }

    /// The rest of a text whose opening quote has been read, its closing quote included in what is consumed.
    #[inline]
    fn text_rest(&mut self) -> Result<(&'a [u8], bool), ScanError> {
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(step) = memchr2(b'"', b'\\', rest) else {
                return Err(self.error("a text without its closing quote"));
            };
            self.at += step;
            if self.peek() == Some(b'"') {
                let raw = &self.text[start..self.at];
                self.at += 1;
                return Ok((raw, escaped));
            }
            escaped = true;
            self.at += 2;
        }
    }

    #[inline]
    fn value(&mut self) -> Result<Token<'a>, ScanError> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                let (raw, escaped) = self.text_rest()?;
                Ok(Token::Text { raw, escaped })
            }
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number(self.number())),
            Some(b'{' | b'[') => self.nested(),
            Some(b't') => self.word(b"true", Token::Boolean(true)),
            Some(b'f') => self.word(b"false", Token::Boolean(false)),
            Some(b'n') => self.word(b"null", Token::Null),
            Some(_) => Err(self.error("expected a JSON value")),
            None => Err(self.error("the JSON text ends too soon")),
        }
    }

    fn number(&mut self) -> &'a [u8] {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn word(&mut self, word: &[u8], token: Token<'a>) -> Result<Token<'a>, ScanError> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.error("expected a JSON value"));
        }
        self.at += word.len();
        Ok(token)
    }

    /// Steps over an object or array: brackets must pair, what stands between them is checked where it is used.
    fn nested(&mut self) -> Result<Token<'a>, ScanError> {
        let start = self.at;
        let mut objects: u128 = 0; // one bit a level: set for an object
        let mut depth: u32 = 0;
        loop {
            match self.peek() {
                None => return Err(self.error("the JSON text ends too soon")),
                Some(b'"') => {
                    self.at += 1;
                    self.text_rest()?;
                    continue;
                }
                Some(open @ (b'{' | b'[')) => {
                    if depth == DEPTH_MAX {
                        return Err(self.error("objects and arrays nest too deep"));
                    }
                    objects = (objects << 1) | u128::from(open == b'{');
                    depth += 1;
                }
                Some(close @ (b'}' | b']')) => {
                    if (objects & 1 == 1) != (close == b'}') {
                        return Err(self.error("a bracket that closes nothing"));
                    }
                    objects >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(Token::Nested(&self.text[start..self.at]));
                    }
                }
                Some(_) => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<(String, String)>, ScanError> {
        let mut found = Vec::new();
        members(text.as_bytes(), |member| {
            let name = String::from_utf8_lossy(member.name).into_owned();
            found.push((name, text[member.start..member.end].to_owned()));
        })?;
        Ok(found)
    }

    #[test]
    fn points_at_each_member() {
        let found =
            names(r#" { "a": 1, "b" : "x\"y", "c":[1,{"d":"]"}], "e":null,"f":true , "g":{} } "#).unwrap();
        let flat: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(flat, ["a=1", r#"b="x\"y""#, r#"c=[1,{"d":"]"}]"#, "e=null", "f=true", "g={}"]);
        assert!(names("{}").unwrap().is_empty());
    }

    #[test]
    fn says_where_a_text_stops_being_json() {
        for (text, at) in [
            ("", 0),
            ("[1]", 0),
            ("{", 1),
            (r#"{"a"}"#, 4),
            (r#"{"a":}"#, 5),
            (r#"{"a":1"#, 6),
            (r#"{"a":1,}"#, 7),
            (r#"{"a":1} x"#, 8),
            (r#"{"a":[1}"#, 7),
            (r#"{"a":"x"#, 6),
            (r#"{"a":"x\"#, 8),
            (r#"{"a":tru}"#, 5),
        ] {
            assert_eq!(names(text).unwrap_err().at, at, "{text}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(129), "]".repeat(129));
        assert_eq!(names(&deep).unwrap_err().reason, "objects and arrays nest too deep");
    }

    #[test]
    fn resolves_escapes() {
        let mut out = Vec::new();
        unescape(br#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z"#, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\"\\/\u{8}\u{c}\n\r\té😀z");
        for broken in [r"\x", r"\u12", r"\ud83d", r"\ud83dx", r"\ud83d\u0041", "\\"] {
            assert!(unescape(broken.as_bytes(), &mut Vec::new()).is_err(), "{broken}");
        }
    }
}
