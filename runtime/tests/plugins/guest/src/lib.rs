//! A plugin for tests: what it does well or badly is chosen by its configuration.

mod nonsense;

use millstream_guest::{
    Batch, BatchBuilder, Description, Error, Nothing, Place, Plugin, Transform, Transformed, export,
};
use serde_json::Value;

struct Misbehaving {
    act: String,
}

impl Plugin for Misbehaving {
    type Source = Nothing;
    type Sink = Nothing;
    type Transform = Misbehaving;

    fn describe() -> Description {
        Description::new("misbehaving", "0.1.0").doc("For tests.").transform(
            "Does what `act` says.",
            r#"{ "type": "object", "required": ["act"], "additionalProperties": false,
                 "properties": { "act": { "type": "string", "description": "What to do." } } }"#,
        )
    }
}

impl Transform for Misbehaving {
    fn configure(config: &str, _at: &Place) -> Result<Misbehaving, Error> {
        let config: Value = serde_json::from_str(config).map_err(Error::config)?;
        let act = config["act"].as_str().unwrap_or("keep").to_owned();
        Ok(Misbehaving { act })
    }

    fn apply(&mut self, records: &Batch) -> Result<Transformed, Error> {
        match self.act.as_str() {
            "loop" => loop {
                std::hint::black_box(records.len());
            },
            "sleep" => {
                millstream_guest::host::sleep_ms(u32::MAX);
                Ok(Transformed::keep(records, |_| true))
            }
            "panic" => panic!("as asked"),
            "eat" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1u8; 1 << 20]);
                }
            }
            "edit" => Ok(Transformed::edit(records, |record, out: &mut BatchBuilder| {
                let value = record.value.ok_or("null")?;
                let mut value: Value = serde_json::from_slice(value).map_err(|error| error.to_string())?;
                value["seen"] = Value::Bool(true);
                out.push_with(record.key, record.timestamp_ms, |to| serde_json::to_writer(to, &value))
                    .map_err(|error| error.to_string())
            })),
            "keep" => Ok(Transformed::keep(records, |record| {
                record.value.is_some_and(|value| value.contains(&b'7'))
            })),
            nonsense => nonsense::answer(nonsense, records.len()),
        }
    }
}

export!(Misbehaving);
