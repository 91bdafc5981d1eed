//! A replication session: sign in, ask, start, and then a stream of events one way and confirmations the other.
//!
//! The driver for ordinary sessions has no replication mode; this shares its library of message formats. Dropping any
//! future here loses nothing: what has arrived is in the buffer, what is to be sent in another.

use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use millstream_sdk::error::{ConnectorError, ErrorClass};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::address::{Address, Socket};
use super::position::Lsn;
use super::session::class_of;

/// The server hears of us at least this often (its `wal_sender_timeout` is a minute).
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// Largest message taken: PostgreSQL's own bound of a value.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// Room for one read from the socket.
const READ_BYTES: usize = 256 << 10;

/// Microseconds from 1970 to 2000, where PostgreSQL's clock starts.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// `commit` is where the commit record starts; `time_ms` is since 1970.
    Begin {
        commit: Lsn,
        xid: u32,
        time_ms: i64,
    },
    Commit {
        end: Lsn,
    },
    /// A change, for [`super::pgoutput::decode`].
    Change(Bytes),
    /// A message that somebody put into the log, outside any transaction.
    Message {
        prefix: String,
        content: Bytes,
    },
    /// Nothing before this place is missing.
    Idle {
        reached: Lsn,
    },
}

/// A row of an answer to a command, in text.
pub(super) type Answer = Vec<Option<String>>;

pub(super) struct Replication {
    socket: Box<dyn Socket>,
    incoming: BytesMut,
    outgoing: BytesMut,
    confirmed: Lsn,
    /// The newest place in the log that the server has spoken of.
    server_end: Lsn,
    status_sent: Instant,
}

impl Replication {
    pub async fn connect(address: &Address, name: &str) -> Result<Replication, ConnectorError> {
        let mut session = Replication {
            socket: address.dial().await?,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            confirmed: Lsn::default(),
            server_end: Lsn::default(),
            status_sent: Instant::now(),
        };
        let parameters = [
            ("user", address.user()),
            ("database", address.database()),
            ("replication", "database"),
            ("client_encoding", "UTF8"),
            ("application_name", name),
            ("options", address.options()),
        ];
        frontend::startup_message(parameters, &mut session.outgoing).map_err(unsayable)?;
        session.sign_in(address).await?;
        Ok(session)
    }

    async fn sign_in(&mut self, address: &Address) -> Result<(), ConnectorError> {
        let mut scram: Option<ScramSha256> = None;
        loop {
            let (tag, mut body) = self.message().await?;
            match tag {
                b'R' => {}
                b'Z' => return Ok(()),
                _ => continue,
            }
            let wrong = |error: std::io::Error| {
                ConnectorError::new(ErrorClass::Auth, "signing in to PostgreSQL").caused_by(error)
            };
            match (integer(&mut body)?, &mut scram) {
                (0, _) => {}
                (3, _) => {
                    frontend::password_message(address.password(), &mut self.outgoing).map_err(unsayable)?
                }
                (5, _) => {
                    let salt = body.get(..4).and_then(|salt| salt.try_into().ok()).unwrap_or_default();
                    let hash = md5_hash(address.user().as_bytes(), address.password(), salt);
                    frontend::password_message(hash.as_bytes(), &mut self.outgoing).map_err(unsayable)?;
                }
                (10, _) => {
                    let asked = ScramSha256::new(address.password(), ChannelBinding::unsupported());
                    frontend::sasl_initial_response(SCRAM_SHA_256, asked.message(), &mut self.outgoing)
                        .map_err(unsayable)?;
                    scram = Some(asked);
                }
                (11, Some(scram)) => {
                    scram.update(&body).map_err(wrong)?;
                    frontend::sasl_response(scram.message(), &mut self.outgoing).map_err(unsayable)?;
                }
                (12, Some(scram)) => scram.finish(&body).map_err(wrong)?,
                (method, _) => {
                    let message = format!(
                        "signing in to PostgreSQL: it asks for method {method}, which is not supported; use scram-sha-256"
                    );
                    return Err(ConnectorError::new(ErrorClass::Auth, message));
                }
            }
        }
    }

    /// Runs a command and gives its rows.
    pub async fn ask(&mut self, command: &str) -> Result<Vec<Answer>, ConnectorError> {
        frontend::query(command, &mut self.outgoing).map_err(unsayable)?;
        let mut rows = Vec::new();
        loop {
            match self.message().await? {
                (b'D', body) => rows.push(row(body)?),
                (b'Z', _) => return Ok(rows),
                _ => {}
            }
        }
    }

    /// Starts the stream at the first transaction whose commit lies at or behind `from`.
    pub async fn start(&mut self, slot: &str, publication: &str, from: Lsn) -> Result<(), ConnectorError> {
        let publication = publication.replace('\'', "''").replace('"', "\"\"");
        let command = format!(
            "START_REPLICATION SLOT \"{slot}\" LOGICAL {from} (proto_version '1', publication_names '\"{publication}\"', messages 'true')"
        );
        self.confirmed = from;
        frontend::query(&command, &mut self.outgoing).map_err(unsayable)?;
        while self.message().await?.0 != b'W' {}
        Ok(())
    }

    /// The next event; waits for it. Sends what is due meanwhile.
    pub async fn next(&mut self) -> Result<Event, ConnectorError> {
        loop {
            if let Some(event) = self.buffered()? {
                return Ok(event);
            }
            self.fill().await?;
        }
    }

    /// The next event if it has arrived whole.
    pub fn buffered(&mut self) -> Result<Option<Event>, ConnectorError> {
        while let Some((tag, body)) = self.buffered_message()? {
            if tag == b'd'
                && let Some(event) = self.event(body)?
            {
                return Ok(Some(event));
            }
            if tag == b'c' {
                return Err(ConnectorError::retryable("reading the replication stream: the server ended it"));
            }
        }
        Ok(None)
    }

    /// Everything before this place is safe here: the server need not keep it.
    pub fn confirm(&mut self, lsn: Lsn) {
        if lsn > self.confirmed {
            self.confirmed = lsn;
            self.queue_status();
        }
    }

    /// Sends what is queued, without reading.
    pub async fn flush(&mut self) -> Result<(), ConnectorError> {
        while !self.outgoing.is_empty() {
            self.socket.write_buf(&mut self.outgoing).await.map_err(broken)?;
        }
        self.socket.flush().await.map_err(broken)
    }

    /// How much log the server has that is not confirmed, in bytes.
    pub fn lag_bytes(&self) -> u64 {
        self.server_end.0.saturating_sub(self.confirmed.0)
    }

    fn event(&mut self, mut body: Bytes) -> Result<Option<Event>, ConnectorError> {
        match octet(&mut body)? {
            b'w' => {
                let (_start, end, _time) = (long(&mut body)?, long(&mut body)?, long(&mut body)?);
                self.server_end = self.server_end.max(Lsn(end as u64));
                logged(body).map(Some)
            }
            b'k' => {
                let (end, _time) = (long(&mut body)?, long(&mut body)?);
                self.server_end = self.server_end.max(Lsn(end as u64));
                if octet(&mut body)? == 1 {
                    self.queue_status();
                }
                Ok(Some(Event::Idle { reached: Lsn(end as u64) }))
            }
            _ => Ok(None),
        }
    }

    fn queue_status(&mut self) {
        self.status_sent = Instant::now();
        let mut status = BytesMut::with_capacity(34);
        status.put_u8(b'r');
        for _ in 0..3 {
            // Written, flushed and applied are one to us: safe in the topic.
            status.put_u64(self.confirmed.0);
        }
        let now_us = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        status.put_i64(now_us - POSTGRES_EPOCH_US);
        status.put_u8(0);
        self.outgoing.put_u8(b'd');
        self.outgoing.put_u32(4 + status.len() as u32);
        self.outgoing.extend_from_slice(&status);
    }

    async fn message(&mut self) -> Result<(u8, Bytes), ConnectorError> {
        loop {
            if let Some(message) = self.buffered_message()? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    /// Cuts a whole message from the buffer; a server's error becomes ours.
    fn buffered_message(&mut self) -> Result<Option<(u8, Bytes)>, ConnectorError> {
        let Some([tag, length @ ..]) = self.incoming.get(..5) else { return Ok(None) };
        let (tag, length) = (*tag, u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize);
        if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
            return Err(ConnectorError::fatal(format!(
                "reading from PostgreSQL: a message of {length} bytes"
            )));
        }
        if self.incoming.len() < 1 + length {
            self.incoming.reserve(1 + length - self.incoming.len());
            return Ok(None);
        }
        let mut body = self.incoming.split_to(1 + length).freeze();
        body.advance(5);
        match tag {
            b'E' => Err(server_error(&body)),
            _ => Ok(Some((tag, body))),
        }
    }

    /// Sends what is queued and reads once; a status goes out when one is due.
    async fn fill(&mut self) -> Result<(), ConnectorError> {
        if self.status_sent.elapsed() >= STATUS_EVERY && self.confirmed > Lsn::default() {
            self.queue_status();
        }
        if !self.outgoing.is_empty() {
            self.flush().await?;
        }
        self.incoming.reserve(READ_BYTES);
        match tokio::time::timeout(STATUS_EVERY, self.socket.read_buf(&mut self.incoming)).await {
            // Time for a status.
            Err(_) => Ok(()),
            Ok(Ok(0)) => {
                Err(ConnectorError::retryable("reading from PostgreSQL: the server closed the connection"))
            }
            Ok(read) => read.map(drop).map_err(broken),
        }
    }
}

/// The part of the log that one message carries.
fn logged(mut body: Bytes) -> Result<Event, ConnectorError> {
    match body.first() {
        Some(b'B') => {
            body.advance(1);
            let commit = Lsn(long(&mut body)? as u64);
            let time_ms = (long(&mut body)? + POSTGRES_EPOCH_US).div_euclid(1000);
            Ok(Event::Begin { commit, xid: integer(&mut body)? as u32, time_ms })
        }
        Some(b'C') => {
            body.advance(2);
            let _commit = long(&mut body)?;
            Ok(Event::Commit { end: Lsn(long(&mut body)? as u64) })
        }
        Some(b'M') => {
            body.advance(2);
            let _lsn = long(&mut body)?;
            let end = body.iter().position(|byte| *byte == 0).ok_or_else(short)?;
            let prefix = String::from_utf8_lossy(&body.split_to(end)).into_owned();
            body.advance(1);
            let length = integer(&mut body)? as usize;
            if length > body.len() {
                return Err(short());
            }
            Ok(Event::Message { prefix, content: body.split_to(length) })
        }
        _ => Ok(Event::Change(body)),
    }
}

fn row(mut body: Bytes) -> Result<Answer, ConnectorError> {
    if body.len() < 2 {
        return Err(short());
    }
    let count = body.get_u16();
    let mut fields = Vec::new();
    for _ in 0..count {
        let length = integer(&mut body)?;
        let Ok(length) = usize::try_from(length) else {
            fields.push(None);
            continue;
        };
        if length > body.len() {
            return Err(short());
        }
        fields.push(Some(String::from_utf8_lossy(&body.split_to(length)).into_owned()));
    }
    Ok(fields)
}

/// An ErrorResponse: fields of a letter and a text each.
fn server_error(body: &[u8]) -> ConnectorError {
    let field = |letter: u8| {
        let found = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&letter));
        found.map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
    };
    let code = field(b'C').unwrap_or_default();
    let message = field(b'M').unwrap_or_default();
    let detail = field(b'D').map(|detail| format!(" ({detail})")).unwrap_or_default();
    ConnectorError::new(class_of(&code), format!("replication session: {message}{detail}"))
}

fn octet(body: &mut Bytes) -> Result<u8, ConnectorError> {
    if body.is_empty() { Err(short()) } else { Ok(body.get_u8()) }
}

fn integer(body: &mut Bytes) -> Result<i32, ConnectorError> {
    if body.len() < 4 { Err(short()) } else { Ok(body.get_i32()) }
}

fn long(body: &mut Bytes) -> Result<i64, ConnectorError> {
    if body.len() < 8 { Err(short()) } else { Ok(body.get_i64()) }
}

fn short() -> ConnectorError {
    ConnectorError::fatal("reading from PostgreSQL: a message ends early")
}

fn broken(error: std::io::Error) -> ConnectorError {
    ConnectorError::retryable("talking to PostgreSQL").caused_by(error)
}

/// A text with a zero byte cannot be sent.
fn unsayable(error: std::io::Error) -> ConnectorError {
    ConnectorError::config("talking to PostgreSQL").caused_by(error)
}
