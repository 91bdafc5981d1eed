//! Ordinary sessions, and what their errors mean.

use millstream_sdk::error::{ConnectorError, ErrorClass};
use tokio_postgres::{Client, NoTls};

use super::address::Address;

/// Opens an ordinary session; `name` shows in `pg_stat_activity`.
pub(crate) async fn connect(address: &Address, name: &str) -> Result<Client, ConnectorError> {
    let socket = address.dial().await?;
    let mut config = address.driver_config();
    config.application_name(name);
    let opened = config.connect_raw(socket, NoTls).await;
    let (client, connection) = opened.map_err(classed("signing in to PostgreSQL"))?;
    tokio::spawn(async move {
        // What ends the session is what the next query on it says.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "PostgreSQL session ended");
        }
    });
    Ok(client)
}

/// Classes an error by what helps; `attempt` says what was tried.
pub(crate) fn classed(attempt: &str) -> impl Fn(tokio_postgres::Error) -> ConnectorError {
    move |error| match error.as_db_error() {
        // The driver's own text for a server's error is just "db error".
        Some(server) => {
            let detail = server.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            let class = class_of(server.code().code());
            ConnectorError::new(class, format!("{attempt}: {}{detail}", server.message()))
        }
        None => ConnectorError::retryable(attempt).caused_by(error),
    }
}

/// By SQLSTATE (PostgreSQL's documentation, appendix A).
pub(super) fn class_of(code: &str) -> ErrorClass {
    match code.get(..2).unwrap_or_default() {
        "28" => ErrorClass::Auth,
        _ if code == "42501" => ErrorClass::Auth,
        // Data that does not fit its column, and broken constraints.
        "22" | "23" => ErrorClass::Record,
        "3D" | "3F" | "42" => ErrorClass::Config,
        // Connections, resources, operators at work, deadlocks and failed serialisation pass by themselves.
        "08" | "40" | "53" | "55" | "57" | "58" => ErrorClass::Retryable,
        _ => ErrorClass::Fatal,
    }
}

/// A name as SQL reads it back exactly.
pub(super) fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal of SQL.
pub(crate) fn quoted_text(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    match doubled.contains('\\') {
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}
