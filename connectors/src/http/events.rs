//! The text of an event stream (WHATWG HTML, "Server-sent events") as events. Nothing here touches the network.

use std::time::Duration;

/// What a blank line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The last id that the stream has named so far; empty when it took it back or never named one.
    pub id: String,
    /// Empty for a plain message.
    pub name: String,
    /// `None` for what only moves the id.
    pub data: Option<Vec<u8>>,
}

/// An event or line became larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {limit} bytes")]
pub struct TooLarge {
    limit: usize,
}

/// Takes a stream in pieces as they come.
#[derive(Debug)]
pub struct EventParser {
    limit: usize,
    line: Vec<u8>,
    is_first_line: bool,
    /// The last byte was a carriage return: a line feed behind it belongs to it.
    after_return: bool,
    name: String,
    data: Vec<u8>,
    has_data: bool,
    id: String,
    id_moved: bool,
    /// What the stream wants to be waited before it is opened anew.
    pub retry: Option<Duration>,
}

impl EventParser {
    /// `id` is what the stream before this one ended with.
    pub fn new(limit: usize, id: String) -> EventParser {
        EventParser {
            limit,
            line: Vec::new(),
            is_first_line: true,
            after_return: false,
            name: String::new(),
            data: Vec::new(),
            has_data: false,
            id,
            id_moved: false,
            retry: None,
        }
    }

    /// The last id named so far.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The stream is opened anew: what was incomplete is dropped, the id stays.
    pub fn restart(&mut self) {
        *self =
            EventParser { retry: self.retry, ..EventParser::new(self.limit, std::mem::take(&mut self.id)) };
    }

    /// Takes a piece and adds the events that it ends.
    pub fn feed(&mut self, piece: &[u8], events: &mut Vec<Event>) -> Result<(), TooLarge> {
        let mut rest = piece;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.line.extend_from_slice(rest);
                break;
            };
            let (line, behind) = rest.split_at(end);
            self.line.extend_from_slice(line);
            self.after_return = behind.first() == Some(&b'\r');
            rest = behind.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.line);
            self.take_line(&line, events);
            self.check()?;
        }
        self.check()
    }

    fn check(&self) -> Result<(), TooLarge> {
        match self.line.len() + self.data.len() > self.limit {
            true => Err(TooLarge { limit: self.limit }),
            false => Ok(()),
        }
    }

    fn take_line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let line = match std::mem::take(&mut self.is_first_line) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            return self.dispatch(events);
        }
        let (field, value) = match memchr::memchr(b':', line) {
            // A comment.
            Some(0) => return,
            Some(colon) => {
                let (field, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match field {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => {
                self.id = String::from_utf8_lossy(value).into_owned();
                self.id_moved = true;
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.retry = milliseconds.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        let (has_data, id_moved) = (std::mem::take(&mut self.has_data), std::mem::take(&mut self.id_moved));
        // An event whose data is an empty text is none, says the standard.
        let data = (has_data && !data.is_empty()).then_some(data);
        if data.is_some() || id_moved {
            events.push(Event { id: self.id.clone(), name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Event, EventParser};

    fn event(id: &str, name: &str, data: Option<&str>) -> Event {
        Event { id: id.into(), name: name.into(), data: data.map(|data| data.as_bytes().to_vec()) }
    }

    const STREAM: &str = "\u{feff}data: first\n: a comment\ndata:  second\n\nid: 7\nevent: add\ndata:x\n\n\
                          data\n\ndata\ndata\n\nid\n\nid: a\0b\ndata: {\"a\":1}\nunknown: x\nretry: 1500\nretry: soon\n\n\
                          event: lost\n\ndata: incomplete\n";

    fn expected() -> Vec<Event> {
        vec![
            event("", "", Some("first\n second")),
            event("7", "add", Some("x")),
            event("7", "", Some("\n")),
            event("", "", None),
            event("", "", Some("{\"a\":1}")),
        ]
    }

    #[test]
    fn streams_are_read_as_the_standard_says_whatever_ends_a_line_and_wherever_they_are_cut() {
        for ending in ["\n", "\r\n", "\r"] {
            let text = STREAM.replace('\n', ending);
            for size in [1, 2, 3, 7, text.len()] {
                let mut parser = EventParser::new(1000, String::new());
                let mut events = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    parser.feed(piece, &mut events).unwrap();
                }
                assert_eq!(events, expected(), "{ending:?} in pieces of {size}");
                assert_eq!(parser.retry, Some(Duration::from_millis(1500)));
            }
        }
    }

    #[test]
    fn an_id_goes_on_from_the_stream_before_and_sizes_have_a_limit() {
        let mut parser = EventParser::new(20, "9".to_owned());
        let mut events = Vec::new();
        parser.feed(b"data: a\n\n", &mut events).unwrap();
        assert_eq!(events, [event("9", "", Some("a"))]);
        assert!(parser.feed(&[b'x'; 21], &mut events).is_err());
        let mut parser = EventParser::new(20, String::new());
        let lines = b"data: 12345678901\n".repeat(2);
        assert_eq!(
            parser.feed(&lines, &mut events).unwrap_err().to_string(),
            "an event has more than 20 bytes"
        );
    }
}
