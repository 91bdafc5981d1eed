//! Opening the change stream: which tables, the publication and the slot, and whether a stored position still fits them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::source::{Position, Source, SourceReader, Split};
use tokio_postgres::Client;

use super::address::Address;
use super::catalog::{self, text};
use super::options::{Options, SlotLoss, Snapshot};
use super::position::{Lsn, Progress, TableProgress};
use super::reader::{Opened, Reader};
use super::replication::Replication;
use super::session::{self, classed, quoted_name, quoted_text};

/// Logical messages outside transactions reach the plug-in from this version on.
const OLDEST_SERVER: u32 = 140_000;

/// PostgreSQL cuts longer names.
const NAME_BYTES_MAX: usize = 63;

/// Everything that a reader needs to know of where it is.
pub(super) struct Setup {
    pub options: Options,
    pub address: Address,
    pub pipeline: String,
    pub slot: String,
    pub publication: String,
}

pub(super) struct Changes {
    setup: Arc<Setup>,
}

impl Changes {
    pub fn new(options: Options, at: &Surroundings) -> Result<Changes, ConnectorError> {
        let address = Address::parse(&options.url)
            .map_err(|reason| ConnectorError::config(format!("reading `url`: {reason}")))?;
        let slot = options.slot.clone().unwrap_or_else(|| default_name(&at.pipeline, &at.node));
        let publication = options.publication.clone().unwrap_or_else(|| slot.clone());
        let pipeline = at.pipeline.clone();
        Ok(Changes { setup: Arc::new(Setup { options, address, pipeline, slot, publication }) })
    }
}

/// A name that PostgreSQL takes for a slot: small letters, digits and underscores.
pub(super) fn default_name(pipeline: &str, node: &str) -> String {
    let name = format!("millstream_{pipeline}_{node}").to_lowercase();
    let legal = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    name.chars().map(legal).take(NAME_BYTES_MAX).collect()
}

#[async_trait]
impl Source for Changes {
    fn is_bounded(&self) -> bool {
        self.setup.options.snapshot == Snapshot::Only
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Split::new("changes").labelled(self.setup.address.database())])
    }

    async fn open(
        &self,
        _split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let stored = position.as_ref().map(Progress::read).transpose()?;
        let setup = &self.setup;
        let sql = session::connect(&setup.address, &setup.slot).await?;
        check_server(&sql).await?;
        let tables = setup.tables(&sql).await?;
        setup.publish(&sql, &tables).await?;
        let mut stream = Replication::connect(&setup.address, &setup.slot).await?;
        let server = Server::ask(&mut stream).await?;
        let slot = setup.slot(&sql).await?;
        let is_fresh = stored.is_none();
        let mut progress = setup.resume(&sql, stored, slot, &server, &tables).await?;
        let added = note_tables(&mut progress, &tables, setup.options.snapshot);
        stream.start(&setup.slot, &setup.publication, progress.lsn).await?;
        let types = catalog::Types::load(&sql).await?;
        let opened =
            Opened { setup: Arc::clone(setup), sql, stream, types, progress, is_new: is_fresh || added };
        Ok(Box::new(Reader::new(opened)))
    }
}

/// Adds tables that are captured for the first time; says whether there were any. What is captured no longer goes.
fn note_tables(progress: &mut Progress, tables: &[(String, String)], snapshot: Snapshot) -> bool {
    let names: Vec<String> = tables.iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
    progress.tables.retain(|name, _| names.contains(name));
    let known = progress.tables.len();
    for name in names {
        let fresh = match snapshot {
            Snapshot::Never => TableProgress::Done,
            Snapshot::Initial | Snapshot::Only => TableProgress::After(None),
        };
        progress.tables.entry(name).or_insert(fresh);
    }
    progress.tables.len() > known
}

/// Whom the replication session talks to.
struct Server {
    system: String,
    timeline: u32,
}

impl Server {
    async fn ask(stream: &mut Replication) -> Result<Server, ConnectorError> {
        let rows = stream.ask("IDENTIFY_SYSTEM").await?;
        let field = |at: usize| rows.first().and_then(|row| row.get(at)).cloned().flatten();
        let timeline = field(1).and_then(|text| text.parse().ok());
        match (field(0), timeline) {
            (Some(system), Some(timeline)) => Ok(Server { system, timeline }),
            _ => Err(ConnectorError::fatal("asking PostgreSQL who it is: the answer makes no sense")),
        }
    }
}

/// A slot as the server has it.
struct SlotState {
    confirmed: Lsn,
}

async fn check_server(sql: &Client) -> Result<(), ConnectorError> {
    let setting = async |name: &str| {
        let query = format!("SHOW {name}");
        catalog::value(sql, &query, "reading the server's settings").await.map(Option::unwrap_or_default)
    };
    let version: u32 = setting("server_version_num").await?.parse().unwrap_or(0);
    if version < OLDEST_SERVER {
        return Err(ConnectorError::config(format!(
            "the server is of version {}, change capture needs PostgreSQL 14 or newer",
            version / 10_000
        )));
    }
    let level = setting("wal_level").await?;
    if level != "logical" {
        return Err(ConnectorError::config(format!(
            "the server writes its log with wal_level = {level}, which has no changes in it; set wal_level = logical and restart it"
        )));
    }
    Ok(())
}

impl Setup {
    /// The tables that the patterns mean, as schema and name.
    async fn tables(&self, sql: &Client) -> Result<Vec<(String, String)>, ConnectorError> {
        let known = catalog::table_names(sql).await?;
        let mut chosen: Vec<(String, String)> = Vec::new();
        for pattern in &self.options.tables {
            let full = if pattern.contains('.') { pattern.clone() } else { format!("public.{pattern}") };
            let matched = known.iter().filter(|(schema, name)| matches(&full, &format!("{schema}.{name}")));
            let before = chosen.len();
            let mut found = 0;
            for table in matched {
                found += 1;
                if !chosen.contains(table) {
                    chosen.push(table.clone());
                }
            }
            if found == 0 && chosen.len() == before && !full.contains('*') {
                let names: Vec<String> =
                    known.iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
                let guess = millstream_sdk::config::closest(&full, names.iter().map(String::as_str))
                    .map(|guess| format!("; did you mean `{guess}`?"))
                    .unwrap_or_default();
                return Err(ConnectorError::config(format!("there is no table `{full}` to capture{guess}")));
            }
        }
        if chosen.is_empty() {
            let patterns = self.options.tables.join(", ");
            return Err(ConnectorError::config(format!("no table matches `tables`: {patterns}")));
        }
        Ok(chosen)
    }

    /// Makes the publication, or adds to it what is missing.
    async fn publish(&self, sql: &Client, tables: &[(String, String)]) -> Result<(), ConnectorError> {
        let name = quoted_text(&self.publication);
        let query = format!("SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = {name}");
        let listed = |tables: &[&(String, String)]| {
            let quoted =
                tables.iter().map(|(schema, name)| format!("{}.{}", quoted_name(schema), quoted_name(name)));
            quoted.collect::<Vec<_>>().join(", ")
        };
        let publication = quoted_name(&self.publication);
        let (command, attempt) = match catalog::value(sql, &query, "looking for the publication").await? {
            None => {
                let all: Vec<_> = tables.iter().collect();
                let command = format!(
                    "CREATE PUBLICATION {publication} FOR TABLE {} WITH (publish_via_partition_root = true)",
                    listed(&all)
                );
                (command, "creating")
            }
            Some(all) if all == "t" => return Ok(()),
            Some(_) => {
                let query = format!(
                    "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = {name}"
                );
                let rows = catalog::rows(sql, &query, "reading the publication").await?;
                let has = |table: &(String, String)| {
                    rows.iter().any(|row| (text(row, 0), text(row, 1)) == (&table.0, &table.1))
                };
                let missing: Vec<_> = tables.iter().filter(|table| !has(table)).collect();
                if missing.is_empty() {
                    return Ok(());
                }
                (
                    format!("ALTER PUBLICATION {publication} ADD TABLE {}", listed(&missing)),
                    "adding tables to",
                )
            }
        };
        let attempt = format!(
            "{attempt} publication {}; or make it yourself and give its name as `publication`",
            self.publication
        );
        sql.batch_execute(&command).await.map_err(classed(&attempt))
    }

    async fn slot(&self, sql: &Client) -> Result<Option<SlotState>, ConnectorError> {
        let query = format!(
            "SELECT confirmed_flush_lsn, coalesce(wal_status, ''), coalesce(plugin, ''), coalesce(database, '') \
             FROM pg_catalog.pg_replication_slots WHERE slot_name = {}",
            quoted_text(&self.slot)
        );
        let rows = catalog::rows(sql, &query, "looking for the replication slot").await?;
        let Some(row) = rows.first() else { return Ok(None) };
        if text(row, 2) != "pgoutput" || text(row, 3) != self.address.database() {
            return Err(ConnectorError::config(format!(
                "replication slot `{}` is for plug-in `{}` in database `{}`; give another name as `slot`",
                self.slot,
                text(row, 2),
                text(row, 3)
            )));
        }
        if text(row, 1) == "lost" {
            self.drop_slot(sql).await?;
            return Ok(None);
        }
        let confirmed = text(row, 0).parse().unwrap_or_default();
        Ok(Some(SlotState { confirmed }))
    }

    async fn drop_slot(&self, sql: &Client) -> Result<(), ConnectorError> {
        let query = format!("SELECT pg_catalog.pg_drop_replication_slot({})", quoted_text(&self.slot));
        catalog::value(sql, &query, &format!("dropping replication slot {}", self.slot)).await.map(drop)
    }

    /// Where to go on: from what is stored if the slot still has what follows, from a new slot at the very start.
    async fn resume(
        &self,
        sql: &Client,
        stored: Option<Progress>,
        slot: Option<SlotState>,
        server: &Server,
        tables: &[(String, String)],
    ) -> Result<Progress, ConnectorError> {
        let Some(stored) = stored else {
            // A slot without a stored position comes from a start that was cut off: nothing was given out yet.
            return self.begin(sql, slot, server).await;
        };
        match self.misfit(&stored, slot.as_ref(), server) {
            None => Ok(Progress { timeline: server.timeline, ..stored }),
            Some(reason) if self.options.on_slot_loss == SlotLoss::Resnapshot => {
                tracing::warn!(slot = self.slot, reason, tables = tables.len(), "reading all rows again");
                if slot.is_some() {
                    self.drop_slot(sql).await?;
                }
                self.begin(sql, None, server).await
            }
            Some(reason) => Err(ConnectorError::config(format!(
                "{reason}, so changes may be missing; restore it, or set `on_slot_loss: resnapshot` to read all rows again"
            ))),
        }
    }

    fn misfit(&self, stored: &Progress, slot: Option<&SlotState>, server: &Server) -> Option<String> {
        if stored.system != server.system {
            return Some(format!(
                "the stored position is of server {}, this is server {}",
                stored.system, server.system
            ));
        }
        let Some(slot) = slot else {
            return Some(format!("replication slot `{}` is gone", self.slot));
        };
        if stored.slot != self.slot {
            return Some(format!("the stored position is of slot `{}`, not `{}`", stored.slot, self.slot));
        }
        (slot.confirmed > stored.lsn).then(|| {
            format!(
                "replication slot `{}` is at {}, ahead of the stored position {}",
                self.slot, slot.confirmed, stored.lsn
            )
        })
    }

    async fn begin(
        &self,
        sql: &Client,
        slot: Option<SlotState>,
        server: &Server,
    ) -> Result<Progress, ConnectorError> {
        let lsn = match slot {
            Some(slot) => slot.confirmed,
            None => {
                let query = format!(
                    "SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput')",
                    quoted_text(&self.slot)
                );
                let attempt = format!("creating replication slot {}", self.slot);
                let lsn = catalog::value(sql, &query, &attempt).await?;
                lsn.and_then(|lsn| lsn.parse().ok())
                    .ok_or_else(|| ConnectorError::fatal(format!("{attempt}: it has no place in the log")))?
            }
        };
        let (system, timeline, slot) = (server.system.clone(), server.timeline, self.slot.clone());
        Ok(Progress { system, timeline, slot, lsn, within: None, tables: BTreeMap::new() })
    }
}

/// Whether a name fits a pattern in which `*` stands for any letters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_tables() {
        for (pattern, name, expected) in [
            ("public.orders", "public.orders", true),
            ("public.orders", "public.orders_old", false),
            ("public.*", "public.orders", true),
            ("*.orders", "sales.orders", true),
            ("public.o*s", "public.orders", true),
            ("public.o*x", "public.orders", false),
            ("*", "a.b", true),
            ("a*b*c", "abc", true),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn names_of_slots_are_legal() {
        assert_eq!(default_name("My-Shop", "pg.1"), "millstream_my_shop_pg_1");
        assert_eq!(default_name(&"x".repeat(90), "n").len(), NAME_BYTES_MAX);
    }
}
