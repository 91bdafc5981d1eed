//! `--node`: how commands reach the HTTP interface of a running node.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::Failure;

/// How long a request may take: stopping a task waits for its commit.
const PATIENCE: Duration = Duration::from_secs(120);

/// What lines of JSON are called.
const NDJSON: &str = "application/x-ndjson";

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

#[derive(clap::Args, Clone)]
pub struct NodeArguments {
    /// Where the node's HTTP server is.
    #[arg(
        long,
        global = true,
        env = "MILLSTREAM_NODE",
        default_value = "127.0.0.1:8083",
        value_name = "ADDR"
    )]
    node: String,
}

/// An answer of the node.
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The body of a request that was done; else what the node said against it.
    pub fn done(self) -> Result<Value, Failure> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let message = self.body["message"].as_str().map_or_else(|| self.status.to_string(), str::to_owned);
        Err(match self.status {
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
                Failure::bad_input(message.trim_end())
            }
            _ => Failure::failed(message.trim_end()),
        })
    }
}

impl NodeArguments {
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await?.done()
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let asking = |error: String| Failure::failed(format!("asking the node at {}: {error}", self.node));
        match tokio::time::timeout(PATIENCE, self.exchange(method, path, body)).await {
            Ok(answered) => answered.map_err(asking),
            Err(_) => Err(asking(format!("no answer within {PATIENCE:?}"))),
        }
    }

    /// Sends a request whose answer may be lines that come for as long as they are read: calls `line` with each, and gives
    /// any other answer whole.
    pub async fn lines(
        &self,
        path: &str,
        body: &Value,
        mut line: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Option<Answer>, Failure> {
        let asking = |error: String| Failure::failed(format!("asking the node at {}: {error}", self.node));
        let started = tokio::time::timeout(PATIENCE, self.send(Method::POST, path, Some(body))).await;
        let (connection, response) = match started {
            Ok(response) => response.map_err(asking)?,
            Err(_) => return Err(asking(format!("no answer within {PATIENCE:?}"))),
        };
        let is_lines = response.headers().get("content-type").is_some_and(|value| value == NDJSON);
        if !is_lines {
            let answer = tokio::time::timeout(PATIENCE, whole(response)).await;
            return match answer {
                Ok(answer) => answer.map(Some).map_err(asking),
                Err(_) => Err(asking(format!("no whole answer within {PATIENCE:?}"))),
            };
        }
        let mut body = response.into_body();
        let mut pending = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| asking(error.to_string()))?;
            let Ok(bytes) = frame.into_data() else { continue };
            pending.extend_from_slice(&bytes);
            if pending.len() > ANSWER_BYTES_MAX {
                return Err(asking(format!("a line of more than {ANSWER_BYTES_MAX} bytes")));
            }
            let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for found in pending[..whole].split_inclusive(|byte| *byte == b'\n') {
                line(found.strip_suffix(b"\n").unwrap_or(found))?;
            }
            pending.drain(..whole);
        }
        drop(connection);
        Ok(None)
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let (connection, response) = self.send(method, path, body).await?;
        let answer = whole(response).await;
        drop(connection);
        answer
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(AbortOnDropHandle<hyper::Result<()>>, Response<Incoming>), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let stream = TcpStream::connect(&self.node).await.map_err(|error| text(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| text(&error))?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.node)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .map_err(|error| text(&error))?;
        let response = sender.send_request(request).await.map_err(|error| text(&error))?;
        Ok((connection, response))
    }
}

async fn whole(response: Response<Incoming>) -> Result<Answer, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let status = response.status();
    let body =
        Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| text(&error))?;
    let bytes = body.to_bytes();
    let plain = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap_or_else(|_| plain())
    };
    // What our own resources refuse has a message; what never got there (a body that is no JSON) is plain text.
    let body = match body {
        Value::String(message) if !status.is_success() => serde_json::json!({ "message": message }),
        other => other,
    };
    Ok(Answer { status, body })
}

/// A name as part of a path.
pub fn escaped(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
