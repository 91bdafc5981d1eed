//! Types of columns as people write them (`decimal(12,2)`, `list<text>`, `struct<lat: double, lon: double>`), and what JSON
//! values they take.

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// Deepest nesting of a written type.
const DEPTH_MAX: usize = 16;

/// Most digits of a decimal that fits 128 bits, and of any.
const DIGITS_128: u8 = 38;
const DIGITS_MAX: u8 = 76;

const NAMES: &str = "boolean, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float, double, decimal(p,s), text, \
                     json, binary, date, time, timestamp, timestamptz, list<…>, map<…>, struct<name: …, …>";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Signed(u8),
    Unsigned(u8),
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Text,
    /// Any value, as its JSON text.
    Json,
    Binary,
    Date,
    Time(Unit),
    /// With a zone it is an instant, without one what a clock on some wall shows.
    Timestamp {
        unit: Unit,
        zoned: bool,
    },
    List(Box<Kind>),
    /// Of texts to values.
    Map(Box<Kind>),
    Struct(Vec<(String, Kind)>),
}

/// What times are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    pub fn per_second(self) -> i64 {
        match self {
            Unit::Millis => 1000,
            Unit::Micros => 1_000_000,
            Unit::Nanos => 1_000_000_000,
        }
    }

    fn arrow(self) -> TimeUnit {
        match self {
            Unit::Millis => TimeUnit::Millisecond,
            Unit::Micros => TimeUnit::Microsecond,
            Unit::Nanos => TimeUnit::Nanosecond,
        }
    }
}

impl Kind {
    pub fn parse(text: &str) -> Result<Kind, String> {
        let mut rest = text;
        let kind = take_kind(&mut rest, 0)?;
        match rest.trim() {
            "" => Ok(kind),
            more => Err(format!("`{more}` is behind the end of the type")),
        }
    }

    pub fn arrow(&self) -> DataType {
        let nullable = |name: &str, kind: &Kind| Field::new(name, kind.arrow(), true);
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Signed(8) => DataType::Int8,
            Kind::Signed(16) => DataType::Int16,
            Kind::Signed(32) => DataType::Int32,
            Kind::Signed(_) => DataType::Int64,
            Kind::Unsigned(8) => DataType::UInt8,
            Kind::Unsigned(16) => DataType::UInt16,
            Kind::Unsigned(32) => DataType::UInt32,
            Kind::Unsigned(_) => DataType::UInt64,
            Kind::Float => DataType::Float32,
            Kind::Double => DataType::Float64,
            Kind::Decimal { precision, scale } if *precision <= DIGITS_128 => {
                DataType::Decimal128(*precision, *scale)
            }
            Kind::Decimal { precision, scale } => DataType::Decimal256(*precision, *scale),
            Kind::Text | Kind::Json => DataType::Utf8,
            Kind::Binary => DataType::Binary,
            Kind::Date => DataType::Date32,
            Kind::Time(Unit::Millis) => DataType::Time32(TimeUnit::Millisecond),
            Kind::Time(unit) => DataType::Time64(unit.arrow()),
            Kind::Timestamp { unit, zoned } => DataType::Timestamp(unit.arrow(), zoned.then(|| "UTC".into())),
            Kind::List(item) => list_of(item.arrow()),
            Kind::Map(value) => map_of(nullable("value", value)),
            Kind::Struct(fields) => {
                DataType::Struct(fields.iter().map(|(name, kind)| nullable(name, kind)).collect())
            }
        }
    }

    /// What a value is expected to be, in words.
    pub fn expected(&self) -> String {
        match self {
            Kind::Boolean => "true or false".to_owned(),
            Kind::Signed(bits) => format!("a whole number of {bits} bits"),
            Kind::Unsigned(bits) => format!("a whole number of {bits} bits that is not negative"),
            Kind::Float | Kind::Double => "a number that a double holds exactly as it is written".to_owned(),
            Kind::Decimal { precision, scale } => {
                format!("a number of {precision} digits, {scale} of them behind the point")
            }
            Kind::Text | Kind::Json => "a text".to_owned(),
            Kind::Binary => "bytes as \\x and hexadecimal digits".to_owned(),
            Kind::Date => "a date such as 2026-01-31".to_owned(),
            Kind::Time(unit) => format!("a time such as 12:30:59 in 1/{} seconds", unit.per_second()),
            Kind::Timestamp { unit, zoned } => {
                let zone = if *zoned { "Z" } else { "" };
                let per_second = unit.per_second();
                format!(
                    "a time such as 2026-01-31T12:30:59{zone} in 1/{per_second} seconds, or milliseconds since 1970"
                )
            }
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) | Kind::Struct(_) => "an object".to_owned(),
        }
    }
}

/// Arrow's type of a list, with the name that Parquet gives its elements.
pub fn list_of(item: DataType) -> DataType {
    DataType::List(Field::new("element", item, true).into())
}

/// Arrow's type of a map from texts to values.
pub fn map_of(value: Field) -> DataType {
    let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), value]);
    DataType::Map(Field::new("key_value", DataType::Struct(entries), false).into(), false)
}

fn take_kind(rest: &mut &str, depth: usize) -> Result<Kind, String> {
    if depth == DEPTH_MAX {
        return Err(format!("types are nested at most {DEPTH_MAX} deep"));
    }
    let name = take_word(rest).to_ascii_lowercase();
    match name.as_str() {
        "list" => {
            expect(rest, "<")?;
            let item = take_kind(rest, depth + 1)?;
            expect(rest, ">")?;
            return Ok(Kind::List(Box::new(item)));
        }
        "map" => {
            expect(rest, "<")?;
            let value = take_kind(rest, depth + 1)?;
            expect(rest, ">")?;
            return Ok(Kind::Map(Box::new(value)));
        }
        "struct" => return take_struct(rest, depth),
        _ => {}
    }
    let numbers = take_numbers(rest)?;
    let unit = || match numbers.as_slice() {
        [] | [6] => Ok(Unit::Micros),
        [3] => Ok(Unit::Millis),
        [9] => Ok(Unit::Nanos),
        _ => Err(format!("{name} has 3, 6 or 9 digits of a second")),
    };
    let kind = match name.as_str() {
        "decimal" | "numeric" => return decimal(&numbers),
        "time" => return Ok(Kind::Time(unit()?)),
        "timestamp" => return Ok(Kind::Timestamp { unit: unit()?, zoned: false }),
        "timestamptz" => return Ok(Kind::Timestamp { unit: unit()?, zoned: true }),
        "boolean" | "bool" => Kind::Boolean,
        "int8" => Kind::Signed(8),
        "int16" => Kind::Signed(16),
        "int32" | "int" => Kind::Signed(32),
        "int64" | "integer" | "bigint" => Kind::Signed(64),
        "uint8" => Kind::Unsigned(8),
        "uint16" => Kind::Unsigned(16),
        "uint32" => Kind::Unsigned(32),
        "uint64" => Kind::Unsigned(64),
        "float" => Kind::Float,
        "double" | "number" => Kind::Double,
        "text" | "string" => Kind::Text,
        "json" => Kind::Json,
        "binary" | "bytes" => Kind::Binary,
        "date" => Kind::Date,
        other => return Err(format!("no type `{other}`; there are {NAMES}")),
    };
    match numbers.is_empty() {
        true => Ok(kind),
        false => Err(format!("{name} takes no numbers")),
    }
}

fn decimal(numbers: &[u8]) -> Result<Kind, String> {
    let (precision, scale) = match numbers {
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return Err("write decimal(digits, digits behind the point)".to_owned()),
    };
    if !(1..=DIGITS_MAX).contains(&precision) || scale > precision {
        return Err(format!("a decimal has 1 to {DIGITS_MAX} digits, of which no more are behind the point"));
    }
    Ok(Kind::Decimal { precision, scale: scale as i8 })
}

fn take_struct(rest: &mut &str, depth: usize) -> Result<Kind, String> {
    let mut fields: Vec<(String, Kind)> = Vec::new();
    expect(rest, "<")?;
    loop {
        let name = take_word(rest).to_owned();
        if name.is_empty() || fields.iter().any(|(other, _)| *other == name) {
            return Err(format!("a struct names each of its fields, once, at `{rest}`"));
        }
        expect(rest, ":")?;
        fields.push((name, take_kind(rest, depth + 1)?));
        if !take(rest, ",") {
            break;
        }
    }
    expect(rest, ">")?;
    Ok(Kind::Struct(fields))
}

/// `(12, 2)`, or nothing.
fn take_numbers(rest: &mut &str) -> Result<Vec<u8>, String> {
    let mut numbers = Vec::new();
    if !take(rest, "(") {
        return Ok(numbers);
    }
    loop {
        let word = take_word(rest);
        numbers.push(word.parse().map_err(|_| format!("`{word}` is no number of digits"))?);
        if !take(rest, ",") {
            break;
        }
    }
    expect(rest, ")")?;
    Ok(numbers)
}

fn take_word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let end = text.find(|letter: char| "<>(),: ".contains(letter)).unwrap_or(text.len());
    let (word, behind) = text.split_at(end);
    *rest = behind;
    word
}

fn take(rest: &mut &str, sign: &str) -> bool {
    match rest.trim_start().strip_prefix(sign) {
        Some(behind) => {
            *rest = behind;
            true
        }
        None => false,
    }
}

fn expect(rest: &mut &str, sign: &str) -> Result<(), String> {
    match take(rest, sign) {
        true => Ok(()),
        false => Err(format!("expected `{sign}` at `{rest}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_people_write_them() {
        for (text, shown) in [
            ("int32", "Int32"),
            ("decimal(12, 2)", "Decimal128(12, 2)"),
            ("decimal(50,10)", "Decimal256(50, 10)"),
            ("timestamptz(3)", "Timestamp(ms, \"UTC\")"),
            ("TIMESTAMP", "Timestamp(µs)"),
            ("list<text>", "List(Utf8, field: 'element')"),
        ] {
            assert_eq!(Kind::parse(text).unwrap().arrow().to_string(), shown, "{text}");
        }
        assert_eq!(
            Kind::parse("struct<lat: double, tags: map<int8>>").unwrap(),
            Kind::Struct(vec![
                ("lat".into(), Kind::Double),
                ("tags".into(), Kind::Map(Box::new(Kind::Signed(8))))
            ])
        );
        for (text, reason) in [
            ("varchar", "no type `varchar`; there are boolean"),
            ("decimal", "write decimal(digits"),
            ("decimal(80,2)", "1 to 76 digits"),
            ("decimal(4,5)", "no more are behind the point"),
            ("time(4)", "3, 6 or 9 digits"),
            ("int8(3)", "takes no numbers"),
            ("list<int8", "expected `>`"),
            ("struct<a: int8, a: int8>", "names each of its fields, once"),
            ("int8 x", "behind the end"),
        ] {
            let error = Kind::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(Kind::parse(&"list<".repeat(10_000)).unwrap_err().contains("nested at most"));
    }
}
