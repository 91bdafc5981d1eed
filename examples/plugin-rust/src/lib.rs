//! A plugin in Rust with all three roles: a source that counts, a transform that keeps multiples, a sink that adds up.

use millstream_guest::host::{self, Level};
use millstream_guest::{
    BatchBuilder, Delivery, Description, Error, Place, Plugin, PollLimits, Polled, Position, Reader, Sink, SinkBatch,
    Source, Split, Transform, Transformed, Written, export,
};
use serde_json::Value;

struct Numbers;

impl Plugin for Numbers {
    type Source = Counter;
    type Sink = Sum;
    type Transform = Multiples;

    fn describe() -> Description {
        Description::new("numbers", "0.1.0")
            .doc("Counts, keeps multiples, adds up.")
            .source(
                "Counts from 0. Goes on exactly where it stopped.",
                r#"{ "type": "object", "properties": {
                    "count": { "type": "integer", "minimum": 1, "default": 1000, "description": "How many numbers." } } }"#,
            )
            .transform(
                "Keeps the multiples of a number and says whose they are.",
                r#"{ "type": "object", "required": ["of"], "properties": {
                    "of": { "type": "integer", "minimum": 1, "description": "Whose multiples are kept." } } }"#,
                )
            .sink("Adds up n and shows the sum as a metric and in the log.", r#"{ "type": "object" }"#, Delivery::AtLeastOnce)
    }
}

struct Counter {
    count: u64,
}

impl Source for Counter {
    type Reader = Counting;

    fn configure(config: &str, _at: &Place) -> Result<Counter, Error> {
        let config: Value = serde_json::from_str(config)?;
        Ok(Counter { count: config["count"].as_u64().unwrap_or(1000) })
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>, Error> {
        Ok(vec![Split { id: "numbers".to_owned(), label: "numbers".to_owned() }])
    }

    fn open(&self, _split: Split, position: Option<Vec<u8>>) -> Result<Counting, Error> {
        let next = match position {
            Some(position) => String::from_utf8(position)?.parse()?,
            None => 0,
        };
        Ok(Counting { next, count: self.count })
    }
}

struct Counting {
    next: u64,
    count: u64,
}

impl Reader for Counting {
    fn poll(&mut self, limits: PollLimits) -> Result<Polled, Error> {
        let mut records = BatchBuilder::new();
        while self.next < self.count && records.len() < limits.max_records as usize {
            let (key, value) = (self.next.to_string(), format!("{{\"n\":{}}}", self.next));
            records.push(Some(key.as_bytes()), Some(value.as_bytes()), None);
            self.next += 1;
        }
        Ok(Polled {
            records: records.finish(),
            position: Some(self.next.to_string().into_bytes()),
            end_of_split: self.next == self.count,
            lag_bytes: None,
        })
    }
}

struct Multiples {
    of: u64,
}

impl Transform for Multiples {
    fn configure(config: &str, _at: &Place) -> Result<Multiples, Error> {
        let config: Value = serde_json::from_str(config)?;
        let of = config["of"].as_u64().filter(|of| *of > 0);
        Ok(Multiples { of: of.ok_or_else(|| Error::config("`of` must be a positive number"))? })
    }

    fn apply(&mut self, records: &millstream_guest::Batch) -> Result<Transformed, Error> {
        Ok(Transformed::edit(records, |record, out| {
            let mut value: Value = serde_json::from_slice(record.value.unwrap_or_default()).map_err(|error| error.to_string())?;
            let n = value["n"].as_u64().ok_or("it has no number n")?;
            if n % self.of == 0 {
                value["multiple_of"] = self.of.into();
                out.push(record.key, Some(value.to_string().as_bytes()), record.timestamp_ms);
            }
            Ok(())
        }))
    }
}

struct Sum {
    sum: u64,
}

impl Sink for Sum {
    fn configure(_config: &str, _at: &Place) -> Result<Sum, Error> {
        Ok(Sum { sum: 0 })
    }

    fn write(&mut self, batch: &SinkBatch) -> Result<Written, Error> {
        let mut written = Written::all(false);
        for (row, record) in batch.records.iter().enumerate() {
            let value: Option<Value> = record.value.and_then(|value| serde_json::from_slice(value).ok());
            match value.and_then(|value| value["n"].as_u64()) {
                Some(n) => self.sum += n,
                None => written.reject(row, "it has no number n"),
            }
        }
        Ok(written)
    }

    fn commit(&mut self, _positions: Vec<Position>) -> Result<(), Error> {
        host::gauge("sum", self.sum as f64);
        host::log(Level::Info, &format!("the sum is {}", self.sum));
        Ok(())
    }
}

export!(Numbers);
