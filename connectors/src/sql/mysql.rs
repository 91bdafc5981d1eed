//! MySQL and MariaDB: sessions, what their errors mean, and how SQL is written there.
//!
//! Walk in: [`rows`] (pages of rows as JSON) → [`value`]. Walk out: [`sink`] (transactions and positions) → [`target`] (one
//! table's statements) → [`bind`] (fields as values of the columns' types).

mod address;
mod bind;
mod rows;
mod sink;
mod target;
mod value;

pub(super) use address::Address;
pub(super) use rows::Session;
pub(super) use sink::Tables;

use std::time::Duration;

use millstream_sdk::error::{ConnectorError, ErrorClass};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, IoError, Opts};

/// How long a server may take to let us in.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// Makes values the same in every session, and lets no value be cut to fit.
const SETTINGS: &str = "SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION autocommit = 1, \
     SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,ERROR_FOR_DIVISION_BY_ZERO'";

async fn connect(address: &Address) -> Result<Conn, ConnectorError> {
    let mut last = None;
    for options in address.attempts() {
        match dial(options).await {
            Ok(session) => return Ok(session),
            // Without encryption only where the server offers none.
            Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if last.is_none() => {
                last = Some(Error::Driver(DriverError::NoClientSslFlagFromServer));
            }
            Err(error) => return Err(classed("connecting to MySQL")(error)),
        }
    }
    match last {
        Some(_) => Err(ConnectorError::config(
            "connecting to MySQL: the server offers no TLS, which `ssl-mode` asks for",
        )),
        None => Err(ConnectorError::fatal("connecting to MySQL: nothing was tried")),
    }
}

async fn dial(options: Opts) -> Result<Conn, Error> {
    let opened = tokio::time::timeout(CONNECT_PATIENCE, async {
        let mut session = Conn::new(options).await?;
        session.query_drop(SETTINGS).await?;
        Ok(session)
    });
    let late = || Error::Io(IoError::Io(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    opened.await.unwrap_or_else(|_| Err(late()))
}

/// Classes an error by what helps; `attempt` says what was tried.
fn classed(attempt: &str) -> impl Fn(Error) -> ConnectorError {
    move |error| match error {
        Error::Server(server) => {
            let class = class_of(server.code, &server.state);
            ConnectorError::new(class, format!("{attempt}: {} (error {})", server.message, server.code))
        }
        // A certificate that is not trusted stays so.
        Error::Io(error) => {
            let class = match error.to_string().contains("certificate") {
                true => ErrorClass::Config,
                false => ErrorClass::Retryable,
            };
            ConnectorError::new(class, attempt).caused_by(error)
        }
        Error::Url(error) => ConnectorError::config(attempt).caused_by(error),
        Error::Driver(error @ DriverError::UnknownAuthPlugin { .. }) => {
            ConnectorError::auth(attempt).caused_by(error)
        }
        other => ConnectorError::retryable(attempt).caused_by(other),
    }
}

/// By error code (both servers' references), then by SQLSTATE.
fn class_of(code: u16, state: &str) -> ErrorClass {
    match code {
        // Rights, passwords, accounts.
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1410 | 1698 | 1820 | 3118 | 4151 => ErrorClass::Auth,
        // Values that do not fit: truncated, no default, wrong for the column, checks, too many bytes.
        1265
        | 1364
        | 1366
        | 1292
        | 1411
        | 1525
        | 1526
        | 3140
        | 3819
        | 3140..=3158
        | 4025
        | 4161
        | 1118
        | 1153
        | 1301
        | 1367
        | 1441
        | 1416 => ErrorClass::Record,
        // Names that are not there, syntax, generated columns.
        1049 | 1054 | 1064 | 1109 | 1115 | 1146 | 1273 | 1305 | 1906 | 3105 => ErrorClass::Config,
        // Full disks and tables, locks, limits, stopping, read-only for now, a statement that was killed.
        1021
        | 1030
        | 1037
        | 1038
        | 1040
        | 1041
        | 1053
        | 1114
        | 1129
        | 1203
        | 1205
        | 1213
        | 1226
        | 1290
        | 1317
        | 1412
        | 1615
        | 1792
        | 1836
        | 1927
        | 3024
        | 3100..=3104
        | 3572 => ErrorClass::Retryable,
        _ => match state.get(..2).unwrap_or_default() {
            "28" => ErrorClass::Auth,
            "22" | "23" => ErrorClass::Record,
            "42" | "3D" => ErrorClass::Config,
            "08" | "40" | "70" => ErrorClass::Retryable,
            _ => ErrorClass::Fatal,
        },
    }
}

/// A name as SQL reads it back exactly.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as SQL whatever the server makes of backslashes: its bytes.
pub(super) fn text_literal(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    match digits.is_empty() {
        true => "''".to_owned(),
        false => format!("_utf8mb4 X'{digits}'"),
    }
}
