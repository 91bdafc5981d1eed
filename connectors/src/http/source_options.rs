//! Options of the source: it listens (`listen`), or it asks (`url`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use millstream_sdk::config::{self, ConfigOption, Diagnostic, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::client;
use super::page::Format;
use super::source;

pub const SOURCE: &[ConfigOption] = &[
    option("listen", Kind::Text, "take requests of others: the address to listen on, such as 127.0.0.1:8090"),
    option("url", Kind::Text, "ask a server: where, such as https://example.com/items"),
    ConfigOption {
        name: "format",
        kind: Kind::Choice(&["json", "lines", "body"]),
        presence: Presence::Default("\"json\""),
        doc: "json: one value a body, or each item of a list; lines: a record per line; body: the body as it is. Of a stream \
              of events each one's data is a record: with json it must be some",
    },
    option(
        "token",
        Kind::Text,
        "the bearer token: with `listen` what callers must send, and without it anybody who reaches the address may write; \
         with `url` what is sent",
    ),
    ConfigOption {
        name: "body_bytes",
        kind: Kind::Integer { min: 1, max: 64 << 20 },
        presence: Presence::Default("1048576"),
        doc: "largest body, or event, that is taken",
    },
    option(
        "path",
        Kind::Text,
        "with `listen`: the path that takes POST and PUT (default \"/\"); others are not found",
    ),
    option(
        "certificate",
        Kind::Text,
        "with `listen`, https: a file with the server's certificate and those behind it (PEM); relative to the pipeline file",
    ),
    option("key", Kind::Text, "with `listen`, https: a file with the certificate's private key (PEM)"),
    option(
        "mode",
        Kind::Choice(&["poll", "sse"]),
        "with `url`. poll (the default): ask again and again; sse: one stream of server-sent events, opened anew behind the \
         last event (`Last-Event-ID`)",
    ),
    option(
        "interval_ms",
        Kind::Integer { min: 1, max: 86_400_000 },
        "poll: the pause before asking anew, once all pages are read (default 60000)",
    ),
    option(
        "follow",
        Kind::Boolean,
        "with `url`: go on for ever (the default); false ends at the last page, or with the stream",
    ),
    option("method", Kind::Choice(&["GET", "POST"]), "with `url`: how to ask (default GET)"),
    option("body", Kind::Text, "with `method: POST`: what to send"),
    option(
        "headers",
        Kind::Map(&Kind::Text),
        "with `url`: headers of every request; they go to its server alone",
    ),
    option("user", Kind::Text, "with `url`: the user's name, of basic authentication"),
    option("password", Kind::Text, "with `user`: the password"),
    option("records", Kind::Text, "poll, json: where the records are, as a JSON pointer such as /data/items"),
    option(
        "next",
        Kind::Text,
        "poll: where an answer names the next page: `link` for the header of that name, or a JSON pointer (`-` is a list's last \
         item) to a URL, or to a cursor if `cursor_parameter` is set. Without a next page, or with a cursor and no records, all \
         is read",
    ),
    option(
        "cursor_parameter",
        Kind::Text,
        "poll: the query parameter in which the cursor is sent. The last cursor stays: the next round goes on behind it",
    ),
    option(
        "timeout_ms",
        Kind::Integer { min: 1, max: 600_000 },
        "with `url`: how long an answer may take to begin (and a page to end; default 10000)",
    ),
    option(
        "silence_ms",
        Kind::Integer { min: 1, max: 86_400_000 },
        "sse: a stream that sends nothing for so long, not even a comment, is opened anew; without it silence is waited out",
    ),
    option(
        "ca",
        Kind::Text,
        "with `url`, https: a file of certificates (PEM) that vouch for the server, in place of the usual authorities; relative \
         to the pipeline file",
    ),
];

/// Options that only have a meaning beside another one.
const OF_LISTEN: &[&str] = &["path", "certificate", "key"];
const OF_URL: &[&str] = &[
    "mode",
    "interval_ms",
    "follow",
    "method",
    "body",
    "headers",
    "user",
    "password",
    "records",
    "next",
    "cursor_parameter",
    "timeout_ms",
    "silence_ms",
    "ca",
];
const OF_POLL: &[&str] = &["interval_ms", "records", "next", "cursor_parameter"];

const fn option(name: &'static str, kind: Kind, doc: &'static str) -> ConfigOption {
    ConfigOption { name, kind, presence: Presence::Optional, doc }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    listen: Option<SocketAddr>,
    url: Option<String>,
    format: Format,
    token: Option<String>,
    body_bytes: usize,
    path: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    mode: Option<Mode>,
    interval_ms: Option<u64>,
    follow: Option<bool>,
    method: Option<String>,
    body: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    user: Option<String>,
    password: Option<String>,
    records: Option<String>,
    next: Option<String>,
    cursor_parameter: Option<String>,
    timeout_ms: Option<u64>,
    silence_ms: Option<u64>,
    ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Poll,
    Sse,
}

/// How to ask a server.
#[derive(Debug, Clone)]
pub struct AskOptions {
    pub url: Url,
    pub mode: Mode,
    pub format: Format,
    pub follow: bool,
    pub interval: Duration,
    pub method: Method,
    pub body: Bytes,
    pub headers: HeaderMap,
    pub records: Option<String>,
    pub next: Option<String>,
    pub cursor_parameter: Option<String>,
    pub timeout: Duration,
    pub silence: Option<Duration>,
    pub body_bytes: usize,
    pub ca: Option<PathBuf>,
}

pub enum Options {
    Listen(source::Options),
    Ask(Box<AskOptions>),
}

impl Options {
    pub fn parse(config: &Value, base: &Path) -> Result<Options, ConnectorError> {
        let given: Given = config::parse(SOURCE, config)?;
        if let Some(listen) = given.listen {
            return Ok(Options::Listen(source::Options {
                listen,
                path: given.path.unwrap_or_else(|| "/".to_owned()),
                format: given.format,
                token: given.token,
                body_bytes: given.body_bytes,
                certificate: given.certificate,
                key: given.key,
            }));
        }
        let Some(url) = given.url else { return Err(ConnectorError::config(NEITHER)) };
        let wrong = |error| ConnectorError::config(format!("`{url}` is no URL")).caused_by(error);
        let url = Url::parse(&url).map_err(wrong)?;
        let bearer = given.token.map(|token| format!("Bearer {token}"));
        let basic = given.user.map(|user| {
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", given.password.unwrap_or_default())))
        });
        let headers = client::headers(&given.headers.unwrap_or_default(), bearer.or(basic));
        Ok(Options::Ask(Box::new(AskOptions {
            url,
            mode: given.mode.unwrap_or_default(),
            format: given.format,
            follow: given.follow.unwrap_or(true),
            interval: Duration::from_millis(given.interval_ms.unwrap_or(60_000)),
            method: if given.method.as_deref() == Some("POST") { Method::POST } else { Method::GET },
            body: Bytes::from(given.body.unwrap_or_default()),
            headers: headers.map_err(ConnectorError::config)?,
            records: given.records,
            next: given.next,
            cursor_parameter: given.cursor_parameter,
            timeout: Duration::from_millis(given.timeout_ms.unwrap_or(10_000)),
            silence: given.silence_ms.map(Duration::from_millis),
            body_bytes: given.body_bytes,
            ca: given.ca.map(|path| base.join(path)),
        })))
    }
}

const NEITHER: &str = "either `listen` (take requests) or `url` (ask a server) must be set";

/// What the table of options cannot say.
pub fn conflicts(config: &Value) -> Vec<Diagnostic> {
    let has = |name: &str| config.get(name).is_some();
    let mut mistakes = Vec::new();
    let mut mistake = |name: &str, reason: String| mistakes.push(Diagnostic::of(name, reason));
    match (has("listen"), has("url")) {
        (true, true) => mistake("url", "a source has `listen` or `url`, not both".to_owned()),
        (false, false) => mistake("listen", NEITHER.to_owned()),
        _ => {}
    }
    let (foreign, of) = if has("listen") { (OF_URL, "url") } else { (OF_LISTEN, "listen") };
    for name in foreign.iter().filter(|name| has(name)) {
        mistake(name, format!("`{name}` goes with `{of}`"));
    }
    if let Some(listen) = config["listen"].as_str().filter(|text| text.parse::<SocketAddr>().is_err()) {
        mistake("listen", format!("`{listen}` is no address such as 127.0.0.1:8090"));
    }
    for (one, other) in
        [("certificate", "key"), ("key", "certificate"), ("password", "user"), ("cursor_parameter", "next")]
    {
        if has(one) && !has(other) {
            mistake(one, format!("`{one}` needs `{other}` beside it"));
        }
    }
    if let Some(url) = config["url"].as_str() {
        match Url::parse(url) {
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() => {
                mistake("url", format!("`{url}` is no URL such as https://host:port/path"));
            }
            Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
                mistake("url", "a name and password go into `user` and `password`".to_owned());
            }
            Ok(parsed) if parsed.scheme() == "http" && has("ca") => {
                mistake("ca", "`ca` has no meaning for http".to_owned());
            }
            Ok(_) => {}
            Err(error) => mistake("url", format!("`{url}` is no URL: {error}")),
        }
    }
    let foreign = if config["mode"] == "sse" { OF_POLL } else { &["silence_ms"][..] };
    for name in foreign.iter().filter(|name| has(name)) {
        mistake(
            name,
            format!("`{name}` has no meaning for mode {}", config["mode"].as_str().unwrap_or("poll")),
        );
    }
    if has("body") && config["method"] != "POST" {
        mistake("body", "`body` needs `method: POST`".to_owned());
    }
    if has("token") && has("user") {
        mistake("user", "`token` and `user` are two ways to say who we are: one is enough".to_owned());
    }
    for name in ["records", "next"] {
        let Some(text) = config[name].as_str() else { continue };
        let is_place = text.is_empty() || text.starts_with('/') || (name == "next" && text == "link");
        if !is_place {
            mistake(name, format!("`{text}` is no JSON pointer such as /data/items"));
        }
        if text != "link" && config.get("format").is_some_and(|format| format != "json") {
            mistake(name, format!("`{name}` looks into JSON: it needs `format: json`"));
        }
    }
    if has("cursor_parameter") && config["next"] == "link" {
        mistake("cursor_parameter", "a link is a URL: it needs no `cursor_parameter`".to_owned());
    }
    mistakes
}
