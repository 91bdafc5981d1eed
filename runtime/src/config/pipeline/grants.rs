//! `allow:`: what a component may touch, read into typed grants.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::diagnostic::{Location, Report};
use crate::config::reader::{self, Text};
use crate::config::resolve::Surroundings;
use crate::config::suggest::did_you_mean;
use crate::config::yaml::{Entry, Node};
use crate::plugin::{self, CPU_MAX, Folder, MEMORY_BYTES_MAX};

/// What a plugin may touch. Connectors that are built in need none.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Which were named, and where.
    pub named: Vec<(String, Location)>,
    pub given: plugin::Grants,
    /// Secrets whose values are still to be looked up.
    secrets: Vec<Text>,
}

const KNOWN: [&str; 6] = ["net", "http", "fs", "secrets", "memory", "cpu"];

/// Smallest memory that can be granted.
const MEMORY_BYTES_MIN: u64 = 1 << 20;

impl Grants {
    pub fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let Some(entries) = node.entries() else {
            report.error(&node.location, format!("\"allow\" must be a mapping, not {}", node.kind()));
            return None;
        };
        let mut grants = Self::default();
        for entry in entries {
            grants.named.push((entry.key.clone(), entry.key_location.clone()));
            grants.read_entry(entry, report);
        }
        Some(grants)
    }

    fn read_entry(&mut self, entry: &Entry, report: &mut Report) {
        let texts = |report: &mut Report| reader::texts(&entry.value, &entry.key, report);
        match entry.key.as_str() {
            "net" => self.given.net = checked(texts(report), check_address, report),
            "http" => self.given.http = checked(texts(report), check_origin, report),
            "fs" => self.given.folders = texts(report).iter().map(folder).collect(),
            "secrets" => self.secrets = texts(report),
            "memory" => {
                let bytes =
                    reader::text(&entry.value, "memory", report).and_then(|text| memory(&text, report));
                self.given.memory_bytes = bytes.unwrap_or(self.given.memory_bytes);
            }
            "cpu" => {
                let time = reader::text(&entry.value, "cpu", report).and_then(|text| cpu(&text, report));
                self.given.cpu = time.unwrap_or(self.given.cpu);
            }
            unknown => {
                let hint = did_you_mean(unknown, KNOWN);
                let known = KNOWN.join(", ");
                let message = format!("unknown grant \"{unknown}\", known are {known}{hint}");
                report.error(&entry.key_location, message);
            }
        }
    }

    /// Looks up the values of granted secrets.
    pub fn look_up_secrets(&mut self, surroundings: &Surroundings, report: &mut Report) {
        for name in &self.secrets {
            match surroundings.secret(&name.value) {
                Some(value) => {
                    self.given.secrets.insert(name.value.clone(), value);
                }
                None => report.error(&name.location, surroundings.missing_secret(&name.value)),
            }
        }
    }
}

fn checked(texts: Vec<Text>, check: fn(&str) -> Result<(), String>, report: &mut Report) -> Vec<String> {
    let mut good = Vec::new();
    for text in texts {
        match check(&text.value) {
            Ok(()) => good.push(text.value),
            Err(reason) => report.error(&text.location, reason),
        }
    }
    good
}

fn check_address(text: &str) -> Result<(), String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && (port == "*" || port.parse::<u16>().is_ok()) => Ok(()),
        _ => Err(format!("\"{text}\" is not host:port (port * is any)")),
    }
}

fn check_origin(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(format!("\"{text}\" is not an origin such as https://host or https://host:port/path")),
    }
}

/// `data` or `data:rw`.
fn folder(text: &Text) -> Folder {
    let (path, writable) = match text.value.strip_suffix(":rw") {
        Some(path) => (path, true),
        None => (text.value.strip_suffix(":ro").unwrap_or(&text.value), false),
    };
    Folder { path: PathBuf::from(path), seen_as: path.to_owned(), writable }
}

fn memory(text: &Text, report: &mut Report) -> Option<usize> {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find_map(|(unit, bytes)| Some((text.value.strip_suffix(unit)?, *bytes)));
    let bytes = unit.and_then(|(count, unit)| count.trim().parse::<u64>().ok()?.checked_mul(unit));
    match bytes {
        Some(bytes) if (MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX as u64).contains(&bytes) => Some(bytes as usize),
        Some(_) => {
            report.error(&text.location, format!("\"memory\" is between 1MiB and 1GiB, not {}", text.value));
            None
        }
        None => {
            report.error(&text.location, format!("\"memory\" is a size such as 128MiB, not {}", text.value));
            None
        }
    }
}

fn cpu(text: &Text, report: &mut Report) -> Option<Duration> {
    let (count, unit_ms) = match text.value.strip_suffix("ms") {
        Some(count) => (count, 1),
        None => (text.value.strip_suffix('s').unwrap_or(""), 1000),
    };
    let time = count.trim().parse::<u64>().ok().and_then(|count| count.checked_mul(unit_ms));
    match time.map(Duration::from_millis) {
        Some(time) if !time.is_zero() && time <= CPU_MAX => Some(time),
        Some(_) => {
            report.error(&text.location, format!("\"cpu\" is between 1ms and 60s, not {}", text.value));
            None
        }
        None => {
            report.error(&text.location, format!("\"cpu\" is a time such as 200ms, not {}", text.value));
            None
        }
    }
}
