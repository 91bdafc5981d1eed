//! `listeners` and `advertised.listeners`: where the node listens and what it tells clients.

use std::fmt;

/// One entry `NAME://host:port`. An empty or wildcard host listens on every interface; a port of 0 takes a
/// free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    pub host: String,
    pub port: u16,
}

/// Why a list of listeners was refused.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    #[error("expected NAME://host:port, got {0:?}")]
    Malformed(String),
    #[error("port {0:?} is not between 0 and 65535")]
    Port(String),
    #[error("listener name {0:?} appears twice")]
    Duplicate(String),
}

impl Listener {
    /// Parses a comma-separated list.
    ///
    /// # Errors
    /// The first entry that is malformed, or a repeated name.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ListenerError> {
        let mut listeners: Vec<Self> = Vec::new();
        for entry in super::value::list(text) {
            let listener = Self::parse(&entry)?;
            if listeners.iter().any(|known| known.name == listener.name) {
                return Err(ListenerError::Duplicate(listener.name));
            }
            listeners.push(listener);
        }
        Ok(listeners)
    }

    /// Whether the host stands for every interface.
    pub fn is_wildcard(&self) -> bool {
        matches!(self.host.as_str(), "" | "0.0.0.0" | "::")
    }

    fn parse(entry: &str) -> Result<Self, ListenerError> {
        let malformed = || ListenerError::Malformed(entry.to_owned());
        let (name, address) = entry.split_once("://").ok_or_else(malformed)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
        if name.is_empty() {
            return Err(malformed());
        }
        let port = port.parse().map_err(|_| ListenerError::Port(port.to_owned()))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}:{}", self.name, self.host, self.port)
    }
}
