//! The messages of PostgreSQL's logical replication plug-in `pgoutput`, protocol version 1, as borrowed parts.
//!
//! Source: PostgreSQL's documentation, "Logical Replication Message Formats". Begin and Commit come apart from these.

use bytes::Bytes;

/// Most columns a table can have.
const COLUMNS_MAX: usize = 1_664;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read a change of the replication stream: {0}")]
pub(super) struct DecodeError(String);

/// A table as the changes behind this message see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub id: u32,
    pub schema: String,
    pub name: String,
    /// `d` default, `n` nothing, `f` full, `i` index.
    pub replica_identity: u8,
    pub columns: Vec<RelationColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RelationColumn {
    pub name: String,
    pub type_oid: u32,
    pub is_identity: bool,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    /// Stored out of line and not changed: the value did not travel.
    Unchanged,
    Text(Bytes),
}

pub(super) type Tuple = Vec<Cell>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Relation(Relation),
    Insert {
        relation: u32,
        new: Tuple,
    },
    /// `old` has all columns or, where `old_is_key`, those of the identity.
    Update {
        relation: u32,
        old: Option<Tuple>,
        old_is_key: bool,
        new: Tuple,
    },
    Delete {
        relation: u32,
        old: Tuple,
        old_is_key: bool,
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// A message that changes nothing here: a type, an origin.
    Other,
}

/// Reads one message.
pub(super) fn decode(message: Bytes) -> Result<Change, DecodeError> {
    let mut from = Reader { rest: message };
    let change = match from.u8()? {
        b'R' => Change::Relation(relation(&mut from)?),
        b'I' => {
            let relation = from.u32()?;
            from.expect(b'N')?;
            Change::Insert { relation, new: tuple(&mut from)? }
        }
        b'U' => {
            let relation = from.u32()?;
            let (old, old_is_key) = match from.u8()? {
                b'N' => (None, false),
                kind @ (b'K' | b'O') => {
                    let old = tuple(&mut from)?;
                    from.expect(b'N')?;
                    (Some(old), kind == b'K')
                }
                other => return Err(unexpected(other)),
            };
            Change::Update { relation, old, old_is_key, new: tuple(&mut from)? }
        }
        b'D' => {
            let relation = from.u32()?;
            let old_is_key = match from.u8()? {
                b'K' => true,
                b'O' => false,
                other => return Err(unexpected(other)),
            };
            Change::Delete { relation, old: tuple(&mut from)?, old_is_key }
        }
        b'T' => {
            let count = from.u32()? as usize;
            from.u8()?;
            let relations = (0..count).map(|_| from.u32()).collect::<Result<_, _>>()?;
            Change::Truncate { relations }
        }
        b'Y' | b'O' | b'B' | b'C' | b'M' => Change::Other,
        other => return Err(unexpected(other)),
    };
    Ok(change)
}

fn relation(from: &mut Reader) -> Result<Relation, DecodeError> {
    let id = from.u32()?;
    let schema = from.text()?;
    let name = from.text()?;
    let replica_identity = from.u8()?;
    let columns = (0..from.count()?).map(|_| {
        let is_identity = from.u8()? & 1 != 0;
        let name = from.text()?;
        let type_oid = from.u32()?;
        from.u32()?;
        Ok(RelationColumn { name, type_oid, is_identity })
    });
    let columns = columns.collect::<Result<_, DecodeError>>()?;
    // The namespace of system tables is sent empty.
    let schema = if schema.is_empty() { "pg_catalog".to_owned() } else { schema };
    Ok(Relation { id, schema, name, replica_identity, columns })
}

fn tuple(from: &mut Reader) -> Result<Tuple, DecodeError> {
    let count = from.count()?;
    let mut cells = Vec::with_capacity(count);
    for _ in 0..count {
        cells.push(match from.u8()? {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            b't' => {
                let length = from.u32()? as usize;
                Cell::Text(from.take(length)?)
            }
            other => return Err(unexpected(other)),
        });
    }
    Ok(cells)
}

fn unexpected(byte: u8) -> DecodeError {
    DecodeError(format!("unexpected byte {byte:#04x}"))
}

struct Reader {
    rest: Bytes,
}

impl Reader {
    fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.rest.len() {
            let missing = length - self.rest.len();
            return Err(DecodeError(format!("it ends {missing} bytes early")));
        }
        Ok(self.rest.split_to(length))
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn count(&mut self) -> Result<usize, DecodeError> {
        let bytes = self.take(2)?;
        let count = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        match count <= COLUMNS_MAX {
            true => Ok(count),
            false => Err(DecodeError(format!("{count} columns are more than a table can have"))),
        }
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let end = self.rest.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| DecodeError("a name does not end".to_owned()))?;
        let text = self.take(end)?;
        self.take(1)?;
        String::from_utf8(text.to_vec()).map_err(|_| DecodeError("a name is not UTF-8".to_owned()))
    }

    fn expect(&mut self, wanted: u8) -> Result<(), DecodeError> {
        match self.u8()? {
            found if found == wanted => Ok(()),
            other => Err(unexpected(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(parts: &[&[u8]]) -> Bytes {
        Bytes::from(parts.concat())
    }

    const ROW: &[u8] = b"\0\x03t\0\0\0\x0242nu";

    fn row() -> Tuple {
        vec![Cell::Text(Bytes::from_static(b"42")), Cell::Null, Cell::Unchanged]
    }

    #[test]
    fn every_change_is_read() {
        let relation = message(&[
            b"R",
            &7_u32.to_be_bytes(),
            b"public\0orders\0d\0\x01\x01id\0",
            &[0, 0, 0, 23],
            &[255; 4],
        ]);
        let expected = Relation {
            id: 7,
            schema: "public".into(),
            name: "orders".into(),
            replica_identity: b'd',
            columns: vec![RelationColumn { name: "id".into(), type_oid: 23, is_identity: true }],
        };
        assert_eq!(decode(relation), Ok(Change::Relation(expected)));
        let id = 7_u32.to_be_bytes();
        assert_eq!(decode(message(&[b"I", &id, b"N", ROW])), Ok(Change::Insert { relation: 7, new: row() }));
        let update = Change::Update { relation: 7, old: None, old_is_key: false, new: row() };
        assert_eq!(decode(message(&[b"U", &id, b"N", ROW])), Ok(update));
        let update = Change::Update { relation: 7, old: Some(row()), old_is_key: true, new: row() };
        assert_eq!(decode(message(&[b"U", &id, b"K", ROW, b"N", ROW])), Ok(update));
        let delete = Change::Delete { relation: 7, old: row(), old_is_key: false };
        assert_eq!(decode(message(&[b"D", &id, b"O", ROW])), Ok(delete));
        let truncate = decode(message(&[b"T", &1_u32.to_be_bytes(), &[0], &id]));
        assert_eq!(truncate, Ok(Change::Truncate { relations: vec![7] }));
        assert_eq!(decode(message(&[b"Y", &id])), Ok(Change::Other));
    }

    #[test]
    fn damage_is_an_error_wherever_it_is() {
        let whole = message(&[b"U", &7_u32.to_be_bytes(), b"K", ROW, b"N", ROW]);
        for length in 0..whole.len() {
            assert!(decode(whole.slice(..length)).is_err(), "cut at {length}");
        }
        assert!(decode(Bytes::from_static(b"I\0\0\0\x07N\xff\xff")).is_err());
        assert!(decode(Bytes::from_static(b"?")).is_err());
    }
}
