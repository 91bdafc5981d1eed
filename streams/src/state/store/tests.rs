//! A table, its copy on disk and its changelog, with crashes at every step between them.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::cold::Row;
use super::*;
use crate::state::Persistent;
use crate::state::key::VIRTUAL_NODES;
use crate::state::random::Random;
use crate::state::table::StateTable;

const DAY_MS: i64 = 86_400_000;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A topic as the cluster keeps it: what compaction left of the committed changes, by offset.
struct Topic {
    id: u8,
    records: BTreeMap<i64, Change>,
    end: i64,
}

impl Topic {
    fn new(id: u8) -> Topic {
        Topic { id, records: BTreeMap::new(), end: 0 }
    }

    /// Appends a transaction, and gives the offset behind its last change.
    fn append(&mut self, changes: &[Change]) -> i64 {
        for change in changes {
            self.records.insert(self.end, change.clone());
            self.end += 1;
        }
        self.end += 1;
        self.end - 1
    }

    fn state(&self, up_to: i64) -> Map {
        let mut state = Map::new();
        for (key, value) in self.records.range(..up_to).map(|(_, change)| change) {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        state
    }

    /// Keeps the last record of each key, and of those that say it is gone none if they may go.
    fn compact(&mut self, drop_tombstones: bool) {
        let last: BTreeMap<Vec<u8>, i64> =
            self.records.iter().map(|(offset, (key, _))| (key.clone(), *offset)).collect();
        self.records.retain(|offset, (key, value)| {
            last.get(key) == Some(offset) && !(drop_tombstones && value.is_none())
        });
    }

    fn changelog(&self) -> Changelog {
        let tombstones_kept_ms = DAY_MS;
        Changelog { topic_id: [self.id; 16], first_offset: 0, end_offset: self.end, tombstones_kept_ms }
    }
}

/// A node that is started again and again in the same directory.
struct Node {
    store: QueryStore,
    table: StateTable,
    started_over: Option<String>,
}

const NODE: u16 = 3;

impl Node {
    fn start(directory: &Path, topic: &Topic, now_ms: i64, rows_bytes: usize) -> Node {
        let mut database =
            StateDatabase::open(directory, STATE_MEMORY_BYTES_MIN).expect("the directory is ours");
        Arc::get_mut(&mut database.inner).expect("nobody else has it").budget = MemoryBudget::new(rows_bytes);
        let mut store = database.query("p-q").expect("a copy");
        let changelog = topic.changelog();
        let (start, started_over) = match store.begin(&changelog, now_ms).expect("a verdict") {
            Verdict::Follow(offset) => (offset, None),
            Verdict::StartOver(reason) => (0, Some(reason)),
        };
        for (offset, change) in topic.records.range(start..) {
            store.take([change.clone()], offset + 1);
            if offset % 7 == 0 {
                write(&mut store, now_ms);
            }
        }
        store.take([], topic.end);
        let mut table = StateTable::default();
        let budget = store.budget().expect("there is a directory").clone();
        assert!(table.attach(store.table(NODE, 0, 0..VIRTUAL_NODES), &budget).expect("a table"));
        Node { store, table, started_over }
    }

    /// One transaction, and what follows it.
    fn commit(&mut self, topic: &mut Topic) {
        let changes = self.changes();
        let position = topic.append(&changes);
        self.store.take(changes, position);
        self.table.committed().expect("rows are let go");
    }

    fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let prefix = [&NODE.to_be_bytes()[..], &[0]].concat();
        self.table
            .drain_changes(&mut |key, value| {
                changes.push(([&prefix, key].concat(), value.map(<[u8]>::to_vec)));
            })
            .expect("changes");
        changes
    }

    fn rows(&mut self, from: Bound<&[u8]>, to: Bound<&[u8]>, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        self.table
            .scan(from, to, &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                Ok(if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
            .expect("a scan");
        rows
    }
}

fn write(store: &mut QueryStore, now_ms: i64) {
    if let Some(flush) = store.flush(now_ms) {
        flush.run().expect("a write");
    }
}

fn key(random: &mut Random) -> Vec<u8> {
    vec![random.below(4) as u8, random.below(30) as u8]
}

fn change(node: &mut Node, working: &mut Map, random: &mut Random, step: u32) {
    let key = key(random);
    match random.below(10) {
        0..5 => {
            let value = step.to_be_bytes().repeat(1 + random.below(8));
            node.table.put(&key, value.clone()).expect("a row");
            working.insert(key, value);
        }
        5..7 => {
            node.table.remove(&key).expect("a row");
            working.remove(&key);
        }
        7 => assert_eq!(node.table.get(&key).expect("a look"), working.get(&key).map(Vec::as_slice)),
        8 => {
            let limit = 1 + random.below(40);
            let found = node.rows(Bound::Included(&key), Bound::Unbounded, limit);
            let expected: Vec<_> =
                working.range(key..).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect();
            assert_eq!(found, expected);
        }
        _ => {
            let prefix = key.first().copied().unwrap_or(0);
            let mut found = Vec::new();
            node.table
                .scan_prefix(&[prefix], &mut |key, _| {
                    found.push(key.to_vec());
                    Ok(ControlFlow::Continue(()))
                })
                .expect("a scan");
            let expected: Vec<_> = working.keys().filter(|key| key.starts_with(&[prefix])).cloned().collect();
            assert_eq!(found, expected);
        }
    }
}

/// Whatever happens, a started node has exactly what was committed, and while it runs exactly what it did since.
#[test]
fn a_copy_is_its_changelog_whenever_the_process_ends() {
    for seed in 0..25 {
        let mut random = Random::new(seed);
        let directory = tempfile::tempdir().expect("a directory");
        let (mut topic, mut now_ms, mut committed) = (Topic::new(1), 1_800_000_000_000, Map::new());
        for life in 0..12 {
            // So small that most rows are let go, or so large that none is.
            let bytes = random.pick(&[0, 2_000, 1 << 20]);
            let mut node = Node::start(directory.path(), &topic, now_ms, bytes);
            let mut working = committed.clone();
            let all = node.rows(Bound::Unbounded, Bound::Unbounded, usize::MAX);
            assert_eq!(all, committed.clone().into_iter().collect::<Vec<_>>(), "seed {seed}, life {life}");
            for step in 0..random.below(200) as u32 {
                change(&mut node, &mut working, &mut random, step);
                if random.chance(10) {
                    node.commit(&mut topic);
                    committed = working.clone();
                }
                if random.chance(3) {
                    write(&mut node.store, now_ms);
                }
                now_ms += 1_000;
            }
            match random.below(6) {
                // The transaction is through, and the copy never hears of it.
                0 => {
                    let changes = node.changes();
                    topic.append(&changes);
                    committed = working.clone();
                }
                // The topic is deleted and created again, and somebody fills it.
                1 if random.chance(30) => {
                    topic = Topic::new(topic.id + 1);
                    let row = ([0, 3, 0, 9, 9].to_vec(), Some(b"other".to_vec()));
                    topic.append(&[row]);
                    committed = Map::from([(vec![9, 9], b"other".to_vec())]);
                }
                // Compaction passes the copy, with and without the time that tombstones are kept for.
                2 => topic.compact(false),
                3 => {
                    now_ms += 2 * DAY_MS;
                    topic.compact(true);
                }
                _ => {}
            }
            drop(node);
        }
    }
}

#[test]
fn each_reason_to_start_over_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut topic = Topic::new(1);
    let mut node = Node::start(directory.path(), &topic, 0, 1 << 20);
    assert_eq!(node.started_over.as_deref(), Some("there is no copy of it here"));
    node.table.put(&[1, 1], b"a".to_vec()).expect("a row");
    node.commit(&mut topic);
    write(&mut node.store, 5);
    drop(node);
    let node = Node::start(directory.path(), &topic, 0, 1 << 20);
    assert_eq!(node.started_over, None);
    drop(node);
    let mut node = Node::start(directory.path(), &Topic::new(2), 0, 1 << 20);
    assert_eq!(node.started_over.as_deref(), Some("the topic was deleted and created again"));
    assert_eq!(node.rows(Bound::Unbounded, Bound::Unbounded, 9), Vec::new(), "the old rows are gone");
}

/// Wherever the file ends or is damaged, what is left is the changelog up to the mark, or nothing at all.
#[test]
fn a_torn_write_leaves_an_earlier_copy_or_none() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let directory = tempfile::tempdir().expect("a directory");
        let mut topic = Topic::new(1);
        let mut node = Node::start(directory.path(), &topic, 0, 1 << 20);
        let mut working = Map::new();
        for step in 0..60 {
            change(&mut node, &mut working, &mut random, step);
            if random.chance(40) {
                node.commit(&mut topic);
                write(&mut node.store, i64::from(step));
            }
        }
        let torn = tempfile::tempdir().expect("a directory");
        copy(directory.path(), torn.path());
        drop(node);
        for file in files(torn.path()).iter().filter(|file| file.extension().is_some_and(|end| end == "jnl"))
        {
            let mut bytes = std::fs::read(file).expect("the journal");
            let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if random.chance(50) {
                bytes.truncate(random.below(written));
            } else if let Some(byte) = bytes.get_mut(random.below(written)) {
                *byte ^= 0x55;
            }
            std::fs::write(file, bytes).expect("the journal");
        }
        let database =
            StateDatabase::open(torn.path(), STATE_MEMORY_BYTES_MIN).expect("damage is no reason to stop");
        let store = database.query("p-q").expect("a copy");
        let rows = store
            .table(NODE, 0, 0..VIRTUAL_NODES)
            .range(Bound::Unbounded, Bound::Unbounded, usize::MAX)
            .expect("rows");
        let expected = store.mark().expect("a mark").map_or_else(Map::new, |mark| topic.state(mark.offset));
        let expected: Vec<Row> = expected
            .into_iter()
            .map(|(key, value)| (key.get(3..).unwrap_or_default().to_vec(), value))
            .collect();
        assert_eq!(rows, expected, "seed {seed}");
    }
}

#[test]
fn a_directory_in_use_is_refused_and_a_strange_one_is_built_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = StateDatabase::open(directory.path(), STATE_MEMORY_BYTES_MIN).expect("the directory is ours");
    let error =
        StateDatabase::open(directory.path(), STATE_MEMORY_BYTES_MIN).expect_err("the directory is in use");
    assert!(error.to_string().ends_with("another process uses it"), "{error}");
    drop(first);
    for file in files(directory.path()) {
        std::fs::write(file, b"nothing that a store writes").expect("a file");
    }
    let database = StateDatabase::open(directory.path(), STATE_MEMORY_BYTES_MIN).expect("it is built again");
    assert_eq!(database.query("p-q").expect("a copy").mark().expect("a mark"), None);
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("it is inside"));
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        std::fs::copy(&file, &target).expect("a copy");
    }
}
