//! An answer's body as records, and where the next page is. Nothing here touches the network.

use bytes::Bytes;
use hyper::header::{HeaderMap, LINK};
use serde::Deserialize;

use crate::json;

/// What makes a record of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One value, or each item of a list.
    Json,
    /// A record per line.
    Lines,
    /// The body as it is.
    Body,
}

/// The records of a body, each as it is written there. `pointer` says where they are in JSON.
pub fn records(format: Format, pointer: Option<&str>, body: &Bytes) -> Result<Vec<Bytes>, String> {
    match format {
        Format::Body => Ok(vec![body.clone()]),
        Format::Lines => {
            let lines =
                body.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            Ok(lines.filter(|line| !line.is_empty()).map(|line| body.slice_ref(line)).collect())
        }
        Format::Json => {
            json::validate(body).map_err(|error| error.to_string())?;
            let text = match pointer {
                None => body.trim_ascii(),
                Some(pointer) => {
                    find(body, pointer).ok_or_else(|| format!("there is nothing at {pointer}"))?
                }
            };
            match text.first() {
                Some(b'[') => Ok(items(text).into_iter().map(|item| body.slice_ref(item)).collect()),
                // Where a list would be, null is none.
                _ if pointer.is_some() && text == b"null" => Ok(Vec::new()),
                _ => Ok(vec![body.slice_ref(text)]),
            }
        }
    }
}

/// The value at a JSON pointer (RFC 6901) in valid JSON. As a list's index, `-` is its last item.
pub fn find<'a>(value: &'a [u8], pointer: &str) -> Option<&'a [u8]> {
    let mut value = value.trim_ascii();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        value = match value.first()? {
            b'{' => json::field(value, &token)?,
            b'[' if token == "-" => items(value).pop()?,
            b'[' => items(value).into_iter().nth(token.parse().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// The text or number at a pointer, where it says something.
pub fn cursor(body: &[u8], pointer: &str) -> Option<String> {
    match find(body, pointer)? {
        b"null" | b"false" | b"\"\"" => None,
        [b'"', text @ .., b'"'] => json::unescape(text).map(|text| text.into_owned()),
        [b'{' | b'[' | b't', ..] => None,
        number => Some(String::from_utf8_lossy(number).into_owned()),
    }
}

/// The target of the link that is named `next` (RFC 8288).
pub fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_of)
}

fn next_of(mut text: &str) -> Option<String> {
    while let Some((target, behind)) = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        // A comma ends a link, unless it stands in quotes.
        let mut is_quoted = false;
        let end = behind.find(|letter| {
            is_quoted ^= letter == '"';
            letter == ',' && !is_quoted
        });
        let (parameters, rest) = behind.split_at(end.unwrap_or(behind.len()));
        let is_next = parameters.split(';').filter_map(|one| one.split_once('=')).any(|(name, value)| {
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.any(|one| one.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.trim().to_owned());
        }
        text = rest;
    }
    None
}

/// The items of a list in valid JSON, each as it is written; of anything else none.
pub fn items(list: &[u8]) -> Vec<&[u8]> {
    let blank = |at: usize| {
        let rest = list.get(at..)?;
        rest.iter().position(|byte| !byte.is_ascii_whitespace()).map(|blanks| at + blanks)
    };
    let mut items = Vec::new();
    let mut at = 1;
    while let Some(start) = blank(at).filter(|start| list.get(*start) != Some(&b']')) {
        let Ok(end) = json::skip_value(list, start) else { break };
        items.extend(list.get(start..end));
        at = match blank(end) {
            Some(comma) if list.get(comma) == Some(&b',') => comma + 1,
            _ => break,
        };
    }
    items
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::{HeaderMap, LINK};

    use super::{Format, cursor, find, next_link, records};

    fn texts(format: Format, pointer: Option<&str>, body: &'static str) -> Result<Vec<String>, String> {
        let found = records(format, pointer, &Bytes::from_static(body.as_bytes()))?;
        Ok(found.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect())
    }

    #[test]
    fn records_are_where_the_pointer_says_and_as_they_are_written() {
        let body = r#" {"data": {"a/b": [ {"id": 1.50} , 2,"x,]" ], "none": null}, "one": {"n":1}} "#;
        assert_eq!(
            texts(Format::Json, Some("/data/a~1b"), body).unwrap(),
            ["{\"id\": 1.50}", "2", "\"x,]\""]
        );
        assert_eq!(texts(Format::Json, Some("/one"), body).unwrap(), ["{\"n\":1}"]);
        assert_eq!(texts(Format::Json, Some("/data/none"), body).unwrap(), [""; 0]);
        assert_eq!(texts(Format::Json, None, body).unwrap(), [body.trim()]);
        assert_eq!(texts(Format::Json, None, " [1, [2]] ").unwrap(), ["1", "[2]"]);
        assert_eq!(texts(Format::Json, Some("/x"), body), Err("there is nothing at /x".to_owned()));
        assert!(texts(Format::Json, None, "{").is_err());
        assert_eq!(texts(Format::Lines, None, "a\r\n\nb").unwrap(), ["a", "b"]);
        assert_eq!(texts(Format::Body, None, "a\nb").unwrap(), ["a\nb"]);
    }

    #[test]
    fn cursors_are_texts_and_numbers_that_say_something() {
        let body = br#"{"next": "a\"b", "n": 17, "end": null, "no": "", "l": [{"id": 3}, {"id": 4}]}"#;
        assert_eq!(cursor(body, "/next").as_deref(), Some("a\"b"));
        assert_eq!(cursor(body, "/n").as_deref(), Some("17"));
        assert_eq!(cursor(body, "/l/0/id").as_deref(), Some("3"));
        assert_eq!(cursor(body, "/l/-/id").as_deref(), Some("4"));
        for nothing in ["/end", "/no", "/l", "/x", "/n/0", "/l/9/id"] {
            assert_eq!(cursor(body, nothing), None, "{nothing}");
        }
        assert_eq!(find(b" 5 ", ""), Some(&b"5"[..]));
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let link = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(LINK, "</first>; rel=\"first\"".parse().unwrap());
            headers.append(LINK, text.parse().unwrap());
            next_link(&headers)
        };
        assert_eq!(
            link("<https://h/?page=1>; rel=\"prev\", <https://h/?page=3&a=<>; rel=\"next\"").as_deref(),
            Some("https://h/?page=3&a=<")
        );
        assert_eq!(link("</a>; title=\"a, b\"; rel=x, </b>; REL=\"last Next\"").as_deref(), Some("/b"));
        assert_eq!(link("</a>; rel=\"nextish\""), None);
        assert_eq!(link("no link; rel=next"), None);
    }
}
