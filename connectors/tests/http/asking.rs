//! A server that is asked: pages, cursors, refusals, streams of events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_sdk::error::ErrorClass;
use millstream_sdk::plugin::Role;
use millstream_sdk::source::{PollLimits, Polled, Position, SourceReader};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{LIMITS, PATIENCE, read_to_end, source, texts};

/// Answers every request by what `answer` makes of it: (method and path, its headers in lower case).
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (told, answer) = (Arc::clone(&requests), Arc::new(answer));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (told, answer) = (Arc::clone(&told), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &told, &*answer));
            }
        });
        Server { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    told: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str, &str) -> String + Send + Sync),
) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut head) = (String::new(), String::new());
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let asked = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            head.push_str(&line.to_ascii_lowercase());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        told.lock()
            .unwrap()
            .push(format!("{asked} {}", String::from_utf8_lossy(&body)).trim_end().to_owned());
        let said = answer(&asked, &head);
        if reader.get_mut().write_all(said.as_bytes()).is_err() || !said.contains("Content-Length") {
            return;
        }
    }
}

fn said(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

async fn open(config: Value, position: Option<Position>) -> Box<dyn SourceReader> {
    let folder = tempdir().unwrap();
    let source = source("http", config, folder.path());
    source.open(&source.splits().await.unwrap()[0], position).await.unwrap()
}

/// Polls until something comes.
async fn next(reader: &mut dyn SourceReader) -> Polled {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let polled = reader.poll(PollLimits { wait: Duration::from_millis(50), ..LIMITS }).await.unwrap();
        if !polled.batch.is_empty() || !polled.bad.is_empty() || polled.end_of_split {
            return polled;
        }
        assert!(Instant::now() < deadline, "nothing came");
    }
}

async fn failure(config: Value) -> millstream_sdk::error::ConnectorError {
    let mut reader = open(config, None).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match reader.poll(PollLimits { wait: Duration::from_millis(50), ..LIMITS }).await {
            Err(error) => return error,
            Ok(polled) => assert!(polled.batch.is_empty() && Instant::now() < deadline, "{polled:?}"),
        }
    }
}

/// Ten items, four a page, behind `after`.
fn items(asked: &str) -> String {
    let after: usize = asked.split_once("after=").map_or(0, |(_, rest)| rest.parse().unwrap());
    let ids: Vec<usize> = (after + 1..=10).take(4).collect();
    let cursor = ids.last().map_or("null".to_owned(), |id| format!("\"{id}\""));
    let rows: Vec<_> = ids.iter().map(|id| format!("{{\"id\": {id}}}")).collect();
    format!("{{\"rows\": [{}], \"paging\": {{\"cursor\": {cursor}}}}}", rows.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_leads_through_the_pages_and_a_restart_goes_on_behind_it() {
    let server = Server::start(|asked, head| {
        assert_eq!(header(head, "authorization"), Some("bearer t"));
        said("200 OK", "", &items(asked))
    });
    let config = json!({
        "url": format!("{}/items?kind=a", server.url), "token": "t", "records": "/rows", "follow": false,
        "next": "/paging/cursor", "cursor_parameter": "after",
    });
    let mut reader = open(config.clone(), None).await;
    let first = next(&mut *reader).await;
    assert_eq!(texts(&first.batch), ["{\"id\": 1}", "{\"id\": 2}", "{\"id\": 3}", "{\"id\": 4}"]);
    drop(reader);
    let mut reader = open(config.clone(), first.position).await;
    let (rest, position) = read_to_end(&mut *reader).await;
    assert_eq!(rest, (5..=10).map(|id| format!("{{\"id\": {id}}}")).collect::<Vec<_>>());
    // The next round asks behind what it has, and there is nothing.
    let (nothing, _) = read_to_end(&mut *open(config, position).await).await;
    assert_eq!(nothing, [""; 0]);
    let asked: Vec<_> = ["", "&after=4", "&after=8", "&after=10", "&after=10"].into();
    let asked: Vec<_> = asked.iter().map(|after| format!("GET /items?kind=a{after}")).collect();
    assert_eq!(server.requests(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_named_by_links_or_by_urls_in_the_body_of_this_server_only() {
    let server = Server::start(|asked, _| match asked {
        "GET /a" => said("200 OK", "Link: <?page=2>; rel=\"next\", </a>; rel=first\r\n", "[1]"),
        "GET /a?page=2" => said("200 OK", "", "[2,3]"),
        "POST /b" => said("200 OK", "", "{\"v\": [1], \"next\": \"/b/2\"}"),
        "POST /b/2" => said("200 OK", "", "{\"v\": [2], \"next\": \"/b/2\"}"),
        "GET /c" => said("200 OK", "", "{\"v\": [1], \"next\": \"http://127.0.0.1:1/\"}"),
        other => panic!("{other}"),
    });
    let url = |path: &str| format!("{}{path}", server.url);
    let (links, _) =
        read_to_end(&mut *open(json!({ "url": url("/a"), "next": "link", "follow": false }), None).await)
            .await;
    assert_eq!(links, ["1", "2", "3"]);
    let config = json!({
        "url": url("/b"), "method": "POST", "body": "q", "next": "/next", "records": "/v", "follow": false,
    });
    let (urls, _) = read_to_end(&mut *open(config, None).await).await;
    assert_eq!(urls, ["1", "2"]);
    assert_eq!(server.requests()[2..], ["POST /b q", "POST /b/2 q"]);
    let error = failure(json!({ "url": url("/c"), "next": "/next", "records": "/v" })).await;
    assert!(error.to_string().contains("a next page of another server, http://127.0.0.1:1/"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_not_changed_is_not_read_again_also_after_a_restart() {
    let server = Server::start(|_, head| match header(head, "if-none-match") {
        Some("\"v1\"") => {
            assert_eq!(header(head, "if-modified-since"), Some("mon, 01 jun 2026 00:00:00 gmt"));
            said("304 Not Modified", "", "")
        }
        None => {
            said("200 OK", "ETag: \"v1\"\r\nLast-Modified: Mon, 01 Jun 2026 00:00:00 GMT\r\n", "{\"a\":1}")
        }
        other => panic!("{other:?}"),
    });
    let config = json!({ "url": format!("{}/", server.url), "interval_ms": 10 });
    let mut reader = open(config.clone(), None).await;
    let first = next(&mut *reader).await;
    assert_eq!(texts(&first.batch), ["{\"a\":1}"]);
    for reader in [&mut reader, &mut open(config, first.position).await] {
        let before = server.requests().len();
        while server.requests().len() < before + 3 {
            let polled = reader.poll(PollLimits { wait: Duration::from_millis(20), ..LIMITS }).await.unwrap();
            assert!(polled.batch.is_empty() && polled.position.is_none(), "{polled:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_is_to_be_done() {
    let other = Server::start(|_, head| {
        assert_eq!(header(head, "x-key"), None, "another server is not told");
        said("200 OK", "", "[\"moved\"]")
    });
    let elsewhere = other.url.clone();
    let server = Server::start(move |asked, head| match asked {
        "GET /slow" => said("429 Slow", "Retry-After: 7\r\n", ""),
        "GET /down" => said("500 Oops", "Retry-After: 3600\r\n", ""),
        "GET /oops" => said("500 Oops", "", "why"),
        "GET /who" => said("401 Who", "", ""),
        "GET /none" => said("404 None", "", "no such thing"),
        "GET /large" => said("200 OK", "", &"1".repeat(101)),
        "GET /bad" => said("200 OK", "", "{"),
        "GET /moved" => said("307 Moved", &format!("Location: {elsewhere}/x\r\n"), ""),
        "GET /round" => said("302 Round", "Location: /round\r\n", ""),
        "GET /here" => {
            assert_eq!(header(head, "x-key"), Some("k"));
            said("302 Here", "Location: there\r\n", "")
        }
        "GET /there" => {
            assert_eq!(header(head, "x-key"), Some("k"));
            said("200 OK", "", "[\"there\"]")
        }
        other => panic!("{other}"),
    });
    let config = |path: &str| json!({ "url": format!("{}{path}", server.url), "headers": { "X-Key": "k" }, "body_bytes": 100, "follow": false });
    for (path, class, says) in [
        ("/oops", ErrorClass::Retryable, "answered 500 Internal Server Error: why"),
        ("/slow", ErrorClass::Throttled { delay: Duration::from_secs(7) }, "answered 429 Too Many Requests"),
        ("/down", ErrorClass::Throttled { delay: Duration::from_secs(3600) }, "answered 500"),
        ("/who", ErrorClass::Auth, "answered 401 Unauthorized"),
        ("/none", ErrorClass::Config, "answered 404 Not Found: no such thing"),
        ("/large", ErrorClass::Config, "sends more than 100 bytes: raise `body_bytes`"),
        ("/round", ErrorClass::Config, "leads to more than 5 redirects"),
    ] {
        let error = failure(config(path)).await;
        assert!(
            error.class() == class && error.to_string().contains(says),
            "{path}: {:?} {error}",
            error.class()
        );
    }
    for (path, record) in [("/moved", "\"moved\""), ("/here", "\"there\"")] {
        assert_eq!(read_to_end(&mut *open(config(path), None).await).await.0, [record]);
    }
    let bad = next(&mut *open(config("/bad"), None).await).await;
    assert_eq!(bad.bad.len(), 1, "{bad:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_is_opened_anew_behind_the_last_one() {
    let kind = "Content-Type: text/event-stream; charset=utf-8\r\n";
    let server = Server::start(move |_, head| {
        assert_eq!(header(head, "accept"), Some("text/event-stream"));
        let events = match header(head, "last-event-id") {
            None => {
                "retry: 10\n\nid: 1\ndata: {\"n\":1}\n\nid: 2\nevent: odd\ndata: {\"n\":\ndata: 2}\n\ndata: cut"
            }
            Some("2") => ": hello\n\nid: 3\ndata: 3\n\ndata: no json\n\n",
            Some("3") => return said("204 No Content", "", ""),
            other => panic!("{other:?}"),
        };
        format!("HTTP/1.1 200 OK\r\n{kind}\r\n{events}")
    });
    let config = json!({ "url": format!("{}/", server.url), "mode": "sse" });
    let mut reader = open(config.clone(), None).await;
    let (mut read, mut bad, mut middle) = (Vec::new(), 0, None);
    while read.len() + bad < 4 {
        let polled = next(&mut *reader).await;
        let names = polled.batch.rows().map(|row| {
            let event = row.headers.find("event").map(|name| String::from_utf8_lossy(name).into_owned());
            let id = row.headers.find("id").map(|id| String::from_utf8_lossy(id).into_owned());
            format!("{} {}", id.unwrap_or_default(), event.unwrap_or_default())
        });
        read.extend(texts(&polled.batch).into_iter().zip(names));
        bad += polled.bad.len();
        middle = middle.or(polled.position);
    }
    let expected = [("{\"n\":1}", "1 "), ("{\"n\":\n2}", "2 odd"), ("3", "3 ")];
    assert_eq!(read, expected.map(|(value, name)| (value.to_owned(), name.to_owned())));
    assert_eq!(bad, 1);
    // From what was stored behind the first piece of it.
    let again = next(&mut *open(config, middle).await).await;
    assert_eq!(texts(&again.batch).first().map(String::as_str), Some("3"));
    let html = Server::start(|_, _| said("200 OK", "Content-Type: text/html\r\n", "<p>"));
    let error = failure(json!({ "url": html.url, "mode": "sse" })).await;
    assert!(error.to_string().ends_with("answers `text/html`, not text/event-stream"), "{error}");
}

#[test]
fn options_of_one_side_are_refused_on_the_other() {
    let plugin = millstream_connectors::find("http").unwrap();
    let mistakes = |config: Value| -> Vec<String> {
        plugin.validate(Role::Source, &config).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        mistakes(json!({})),
        ["listen: either `listen` (take requests) or `url` (ask a server) must be set"]
    );
    assert_eq!(
        mistakes(json!({ "listen": "127.0.0.1:1", "next": "link", "url": "http://x" })),
        ["url: a source has `listen` or `url`, not both", "next: `next` goes with `url`"]
    );
    assert_eq!(
        mistakes(json!({ "url": "ftp://x", "path": "/", "mode": "sse", "records": "rows", "body": "b" })),
        [
            "path: `path` goes with `listen`",
            "url: `ftp://x` is no URL such as https://host:port/path",
            "records: `records` has no meaning for mode sse",
            "body: `body` needs `method: POST`",
            "records: `rows` is no JSON pointer such as /data/items"
        ]
    );
    assert_eq!(mistakes(json!({ "url": "https://x/y", "next": "/n", "cursor_parameter": "c" })), [""; 0]);
}
