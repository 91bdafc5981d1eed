//! Writes arbitrary valid bytes of any message in any version, straight from the definitions.
//!
//! It shares nothing with the generated code but the definitions, so that each checks the other: what it
//! writes must decode, and encode to the same bytes again. It writes as Kafka does: a tagged field only when
//! it differs from its default.

use super::random::Random;
use crate::codegen::definition::{Field, Kind, Message, Struct};

/// Longest array.
const ITEMS_MAX: usize = 3;

/// Length of a byte string that is long enough to be shared instead of copied.
const LONG_BYTES: usize = 1_500;

/// The wire form of a random value of `message`.
pub fn arbitrary(message: &Message, version: i16, random: &mut Random) -> Vec<u8> {
    let mut writer = Writer { message, version, random, out: Vec::new() };
    writer.structure(&message.structs[0], false);
    writer.out
}

struct Writer<'a> {
    message: &'a Message,
    version: i16,
    random: &'a mut Random,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn has(&self, (low, high): (i16, i16)) -> bool {
        (low..=high).contains(&self.version)
    }

    fn flexible(&self) -> bool {
        self.message.is_flexible(self.version)
    }

    /// `distinct` makes every field differ from its default.
    fn structure(&mut self, structure: &Struct, distinct: bool) {
        let is_tagged = |field: &Field| field.tag.is_some_and(|(_, versions)| self.has(versions));
        let (tagged, plain): (Vec<&Field>, Vec<&Field>) = structure
            .fields
            .iter()
            .filter(|field| self.has(field.versions))
            .partition(|field| is_tagged(field));
        for field in plain {
            self.field(field, distinct);
        }
        if self.flexible() {
            self.tags(tagged, distinct);
        }
    }

    fn tags(&mut self, mut tagged: Vec<&Field>, distinct: bool) {
        tagged.retain(|_| distinct || self.random.chance());
        tagged.sort_by_key(|field| field.tag);
        self.unsigned_varint(tagged.len());
        for field in tagged {
            let before = std::mem::take(&mut self.out);
            self.field(field, true);
            let value = std::mem::replace(&mut self.out, before);
            self.unsigned_varint(field.tag.map_or(0, |(tag, _)| tag as usize));
            self.unsigned_varint(value.len());
            self.out.extend(value);
        }
    }

    fn field(&mut self, field: &Field, distinct: bool) {
        let nullable = field.nullable.is_some_and(|versions| self.has(versions));
        let null = nullable && !distinct && self.random.below(4) == 0;
        if field.is_array {
            self.array(field, null, distinct);
        } else if let Kind::Struct(name) = &field.kind {
            if nullable {
                self.out.push(if null { 0xff } else { 1 });
            }
            if !null {
                self.structure(self.message.structure(name), distinct);
            }
        } else {
            self.scalar(field, null, distinct);
        }
    }

    fn array(&mut self, field: &Field, null: bool, distinct: bool) {
        if null {
            return self.null(4);
        }
        let count = self.random.below(ITEMS_MAX + 1).max(usize::from(distinct));
        self.length(count, 4);
        for _ in 0..count {
            match &field.kind {
                Kind::Struct(name) => self.structure(self.message.structure(name), false),
                _ => self.scalar(field, false, false),
            }
        }
    }

    fn scalar(&mut self, field: &Field, null: bool, distinct: bool) {
        let default: i64 = field.default.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default();
        let number = self.number(if distinct { Some(default) } else { None });
        match &field.kind {
            Kind::Int8 => self.out.push(number as u8),
            Kind::Int16 | Kind::Uint16 => self.out.extend((number as i16).to_be_bytes()),
            Kind::Int32 => self.out.extend((number as i32).to_be_bytes()),
            Kind::Int64 => self.out.extend(number.to_be_bytes()),
            Kind::Float64 => self.out.extend((number as f64).to_be_bytes()),
            Kind::Bool => {
                let is_true = if distinct { field.default.is_none() } else { number & 1 == 1 };
                self.out.push(u8::from(is_true));
            }
            Kind::Uuid => {
                let id = self.random.bytes(16);
                self.out.extend(id);
            }
            Kind::Str if null => self.null(2),
            Kind::Str => {
                let text = if distinct { "set".to_owned() } else { self.random.text() };
                self.length(text.len(), 2);
                self.out.extend(text.as_bytes());
            }
            Kind::Bytes if null => self.null(4),
            Kind::Bytes => {
                let length = [0, 5, LONG_BYTES][self.random.below(3)];
                self.length(length, 4);
                let bytes = self.random.bytes(length);
                self.out.extend(bytes);
            }
            Kind::Struct(_) => unreachable!("structures are no scalars"),
        }
    }

    /// A number whose low bytes too differ from `other`.
    fn number(&mut self, other: Option<i64>) -> i64 {
        loop {
            let number = match self.random.below(4) {
                0 => 0,
                1 => -1,
                _ => self.random.next() as i64,
            };
            if other.is_none_or(|other| number as i8 != other as i8) {
                return number;
            }
        }
    }

    fn null(&mut self, old_width: usize) {
        if self.flexible() {
            self.out.push(0);
        } else {
            self.out.extend(std::iter::repeat_n(0xff, old_width));
        }
    }

    fn length(&mut self, length: usize, old_width: usize) {
        if self.flexible() {
            self.unsigned_varint(length + 1);
        } else {
            self.out.extend(&(length as u32).to_be_bytes()[4 - old_width..]);
        }
    }

    fn unsigned_varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
