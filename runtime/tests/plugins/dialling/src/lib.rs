//! A plugin for tests that dials the address in its configuration for each batch.

use std::io::Write;
use std::net::TcpStream;

use millstream_guest::{Batch, Description, Error, Nothing, Place, Plugin, Transform, Transformed, export};
use serde_json::Value;

struct Dialling {
    address: String,
}

impl Plugin for Dialling {
    type Source = Nothing;
    type Sink = Nothing;
    type Transform = Dialling;

    fn describe() -> Description {
        Description::new("dialling", "0.1.0").transform(
            "Says hello to an address.",
            r#"{ "type": "object", "required": ["address"], "properties": { "address": { "type": "string" } } }"#,
        )
    }
}

impl Transform for Dialling {
    fn configure(config: &str, _at: &Place) -> Result<Dialling, Error> {
        let config: Value = serde_json::from_str(config)?;
        Ok(Dialling { address: config["address"].as_str().unwrap_or_default().to_owned() })
    }

    fn apply(&mut self, records: &Batch) -> Result<Transformed, Error> {
        let mut stream = TcpStream::connect(&self.address).map_err(Error::retryable)?;
        stream.write_all(b"hello").map_err(Error::retryable)?;
        Ok(Transformed::keep(records, |_| true))
    }
}

export!(Dialling);
