//! A plugin for tests that reaches outside: it gives each record what it fetched, read, wrote or was told in secret.

use std::io::Read;

use millstream_guest::{
    Batch, BatchBuilder, Description, Error, Nothing, Place, Plugin, Transform, Transformed, export, host,
};
use serde_json::{Value, json};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

struct Reaching {
    config: Value,
}

impl Plugin for Reaching {
    type Source = Nothing;
    type Sink = Nothing;
    type Transform = Reaching;

    fn describe() -> Description {
        Description::new("reaching", "0.1.0").transform(
            "Reaches outside.",
            r#"{ "type": "object", "properties": {
                 "fetch": { "type": "string" }, "read": { "type": "string" },
                 "write": { "type": "string" }, "secret": { "type": "string" } } }"#,
        )
    }
}

impl Transform for Reaching {
    fn configure(config: &str, _at: &Place) -> Result<Reaching, Error> {
        Ok(Reaching { config: serde_json::from_str(config)? })
    }

    fn apply(&mut self, records: &Batch) -> Result<Transformed, Error> {
        let text = |name: &str| self.config[name].as_str();
        let mut found = json!({});
        if let Some(url) = text("fetch") {
            found["fetched"] = fetch(url).map_err(Error::fatal)?.into();
        }
        if let Some(path) = text("read") {
            let mut content = String::new();
            std::fs::File::open(path)?.read_to_string(&mut content)?;
            found["read"] = content.into();
        }
        if let Some(path) = text("write") {
            found["written"] = match std::fs::write(path, "from inside") {
                Ok(()) => "yes".into(),
                Err(error) => error.to_string().into(),
            };
        }
        if let Some(name) = text("secret") {
            found["secret"] = host::secret(name).unwrap_or_else(|refusal| refusal).into();
        }
        Ok(Transformed::edit(records, |record, out: &mut BatchBuilder| {
            out.push_with(record.key, record.timestamp_ms, |to| serde_json::to_writer(to, &found))
                .map_err(|error| error.to_string())
        }))
    }
}

fn fetch(url: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(Fields::new());
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| "the scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "the host")?;
    request.set_path_with_query(Some(&format!("/{path}"))).map_err(|()| "the path")?;
    let future = outgoing_handler::handle(request, None).map_err(|code| code.to_string())?;
    future.subscribe().block();
    let answer = future.get().ok_or("no answer")?.map_err(|()| "taken")?.map_err(|code| code.to_string())?;
    let body = answer.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut text = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    Ok(format!("{} {}", answer.status(), String::from_utf8_lossy(&text)))
}

export!(Reaching);
