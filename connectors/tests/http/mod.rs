//! Records over HTTP, in and out, against real sockets on free ports.

mod asking;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use millstream_sdk::plugin::Role;
use millstream_sdk::source::PollLimits;
use serde_json::json;
use tempfile::tempdir;

use crate::{LIMITS, batch, sink, source, texts};

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Posts a body and gives the status of the answer.
fn post(address: &str, path: &str, token: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_answered_once_its_records_are_committed() {
    let folder = tempdir().unwrap();
    let address = free_address();
    let config = json!({ "listen": address, "path": "/in", "token": "secret", "body_bytes": 100 });
    let source = source("http", config, folder.path());
    let mut reader = source.open(&source.splits().await.unwrap()[0], None).await.unwrap();
    let caller = {
        let address = address.clone();
        tokio::task::spawn_blocking(move || post(&address, "/in", "secret", " [ {\"a\": 1} ,2,\"x,]\" ] "))
    };
    let polled = reader.poll(PollLimits { wait: Duration::from_secs(10), ..LIMITS }).await.unwrap();
    assert_eq!(texts(&polled.batch), ["{\"a\": 1}", "2", "\"x,]\""]);
    assert!(!caller.is_finished(), "nothing is committed yet");
    reader.committed(&polled.position.unwrap()).await.unwrap();
    assert_eq!(caller.await.unwrap(), 204);
    let refused = tokio::task::spawn_blocking(move || {
        [
            post(&address, "/in", "wrong", "1"),
            post(&address, "/other", "secret", "1"),
            post(&address, "/in", "secret", "{"),
            post(&address, "/in", "secret", &"1".repeat(101)),
        ]
    });
    assert_eq!(refused.await.unwrap(), [401, 404, 400, 413]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_not_committed_are_told_to_come_again() {
    let folder = tempdir().unwrap();
    let address = free_address();
    let source = source("http", json!({ "listen": address, "format": "body" }), folder.path());
    let mut reader = source.open(&source.splits().await.unwrap()[0], None).await.unwrap();
    let caller = tokio::task::spawn_blocking(move || {
        TcpStream::connect(address).map(|mut stream| {
            write!(stream, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    });
    let polled = reader.poll(PollLimits { wait: Duration::from_secs(10), ..LIMITS }).await.unwrap();
    assert_eq!(texts(&polled.batch), ["x"]);
    // The task failed: its reader goes, and with it the connection or a 503.
    drop(reader);
    let answer = caller.await.unwrap().unwrap();
    assert!(answer.is_empty() || answer.contains(" 503 "), "{answer}");
}

/// Answers requests one after the other with these statuses and gives their bodies.
fn server(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        let mut answers = answers.into_iter();
        while answers.len() > 0 {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            // One connection serves as long as the client keeps it.
            while let Some(body) = next_body(&mut reader) {
                bodies.push(body);
                let Some(status) = answers.next() else { return bodies };
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nwhy?");
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
                if answers.len() == 0 {
                    break;
                }
            }
        }
        bodies
    });
    (address, thread)
}

fn next_body(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some(String::from_utf8(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_batch_is_sent_one_by_one_to_find_the_record() {
    let folder = tempdir().unwrap();
    let (address, server) = server(vec!["200 OK", "400 Bad Request", "200 OK", "422 Unprocessable"]);
    let config = json!({ "url": format!("http://{address}/x"), "batch": 2, "headers": { "x-token": "t" } });
    let mut sink = sink("http", config, folder.path());
    sink.open(&[]).await.unwrap();
    let written = sink.write(batch(0, 0, &["1", "2", "3", "4"])).await.unwrap();
    assert_eq!(written.rejected.len(), 1);
    assert_eq!(written.rejected[0].row, 3);
    assert!(
        written.rejected[0].reason.ends_with("answered 422 Unprocessable Entity: why?"),
        "{:?}",
        written.rejected
    );
    drop(sink);
    assert_eq!(server.join().unwrap(), ["[1,2]", "[3,4]", "[3]", "[4]"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_of_a_batch_is_not_sent_again() {
    let folder = tempdir().unwrap();
    let slow = "503 Slow\r\nRetry-After: 0";
    let (address, server) = server(vec!["200 OK", slow, slow, "200 OK", "500 Oops", "200 OK"]);
    let mut sink = sink("http", json!({ "url": format!("http://{address}") }), folder.path());
    sink.open(&[]).await.unwrap();
    let written = sink.write(batch(0, 0, &["1", "2", "3"])).await.unwrap();
    assert_eq!(written.rejected, []);
    drop(sink);
    assert_eq!(server.join().unwrap(), ["1", "2", "2", "2", "3", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_say_what_the_host_should_do() {
    let folder = tempdir().unwrap();
    for (status, class) in [
        ("500 Oops", "retryable"),
        ("429 Slow\r\nRetry-After: 7", "throttled"),
        ("401 Who", "auth"),
        ("404 Where", "config"),
    ] {
        let (address, server) = server(vec![status]);
        let mut sink = sink("http", json!({ "url": format!("http://{address}") }), folder.path());
        sink.open(&[]).await.unwrap();
        let error = sink.write(batch(0, 0, &["1"])).await.unwrap_err();
        assert_eq!(error.class().name(), class, "{error}");
        if class == "throttled" {
            assert_eq!(
                error.class(),
                millstream_sdk::error::ErrorClass::Throttled { delay: Duration::from_secs(7) }
            );
        }
        drop(sink);
        assert_eq!(server.join().unwrap(), ["1"]);
    }
    let gone = free_address();
    let mut sink = sink("http", json!({ "url": format!("http://{gone}") }), folder.path());
    sink.open(&[]).await.unwrap();
    assert_eq!(sink.write(batch(0, 0, &["1"])).await.unwrap_err().class().name(), "retryable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_speak_https_and_the_sink_wants_to_know_to_whom() {
    let folder = tempdir().unwrap();
    let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/tls");
    for name in ["certificate.pem", "key.pem"] {
        std::fs::copy(tls.join(name), folder.path().join(name)).unwrap();
    }
    let address = free_address();
    let config = json!({ "listen": address, "certificate": "certificate.pem", "key": "key.pem" });
    let source = source("http", config, folder.path());
    let mut reader = source.open(&source.splits().await.unwrap()[0], None).await.unwrap();
    let port = address.rsplit_once(':').unwrap().1.to_owned();
    let url = format!("https://localhost:{port}/");
    let mut stranger = sink("http", json!({ "url": url }), folder.path());
    stranger.open(&[]).await.unwrap();
    let error = stranger.write(batch(0, 0, &["1"])).await.unwrap_err();
    let told = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let told: Vec<String> = told.map(ToString::to_string).collect();
    assert!(told.iter().any(|part| part.contains("UnknownIssuer")), "{told:?}");
    let mut trusting = sink("http", json!({ "url": url, "ca": "certificate.pem" }), folder.path());
    trusting.open(&[]).await.unwrap();
    let written = tokio::spawn(async move { trusting.write(batch(0, 0, &["1", "{}"])).await });
    let mut read = Vec::new();
    while read.len() < 2 {
        let polled = reader.poll(PollLimits { wait: Duration::from_secs(10), ..LIMITS }).await.unwrap();
        read.extend(texts(&polled.batch));
        reader.committed(&polled.position.unwrap()).await.unwrap();
    }
    assert_eq!(read, ["1", "{}"]);
    assert!(written.await.unwrap().unwrap().rejected.is_empty());
    let plugin = millstream_connectors::find("http").unwrap();
    let mistakes = |role, config| {
        let found = plugin.validate(role, &config);
        found.iter().map(|mistake| mistake.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        mistakes(Role::Source, json!({ "listen": "127.0.0.1:1", "key": "k" })),
        ["`key` needs `certificate` beside it"]
    );
    assert_eq!(
        mistakes(Role::Sink, json!({ "url": "http://x", "ca": "c" })),
        ["`ca` has no meaning for http"]
    );
    assert_eq!(
        mistakes(Role::Sink, json!({ "url": "ftp://x" })),
        ["`ftp://x` is no URL such as https://host:port/path"]
    );
}
