//! Made-up records, the same for the same seed: for trials, tests and load.
//!
//! Record `n` depends on the seed and `n` alone, so the position is a number and a restart goes on exactly.

use std::io::Write;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use millstream_sdk::config::{self, ConfigOption, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::record::{Batch, ColumnBuilder, Headers};
use millstream_sdk::source::{PollLimits, Polled, Position, Source, SourceReader, Split};
use serde::Deserialize;
use serde_json::Value;

pub struct Generator;

const OPTIONS: &[ConfigOption] = &[
    ConfigOption {
        name: "kind",
        kind: Kind::Choice(&["counter", "orders", "nexmark"]),
        presence: Presence::Default("\"counter\""),
        doc: "counter: {\"n\": 0} and so on; orders: id, customer, country, amount, ordered_at; nexmark: of 50 records 1 person, \
              3 auctions and 46 bids, told apart by `event`",
    },
    ConfigOption {
        name: "count",
        kind: Kind::Integer { min: 0, max: i64::MAX },
        presence: Presence::Optional,
        doc: "how many records in all; without it there is no end",
    },
    ConfigOption {
        name: "rate",
        kind: Kind::Integer { min: 1, max: 1_000_000_000 },
        presence: Presence::Optional,
        doc: "records per second; without it as fast as possible",
    },
    ConfigOption {
        name: "seed",
        kind: Kind::Integer { min: 0, max: i64::MAX },
        presence: Presence::Default("1"),
        doc: "the same seed makes the same records",
    },
    ConfigOption {
        name: "bytes",
        kind: Kind::Integer { min: 0, max: 1 << 20 },
        presence: Presence::Default("0"),
        doc: "pad every record to this many bytes",
    },
];

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Counter,
    Orders,
    Nexmark,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    kind: Shape,
    count: Option<u64>,
    rate: Option<u64>,
    seed: u64,
    bytes: usize,
}

impl Plugin for Generator {
    fn describe(&self) -> Description {
        Description {
            name: "generator",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Makes up records, the same for the same seed.",
            roles: vec![RoleDescription {
                role: Role::Source,
                doc: "Exactly-once: the number of the next record is committed with the records.",
                options: OPTIONS,
                delivery: None,
            }],
        }
    }

    fn source(&self, config: &Value, _at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        let options: Options = config::parse(OPTIONS, config)?;
        Ok(Box::new(GeneratorSource { options }))
    }
}

struct GeneratorSource {
    options: Options,
}

#[async_trait]
impl Source for GeneratorSource {
    fn is_bounded(&self) -> bool {
        self.options.count.is_some()
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Split::new("0")])
    }

    async fn open(
        &self,
        _split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let next = match position {
            None => 0,
            Some(Position(text)) => std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| ConnectorError::fatal("reading a stored generator position"))?,
        };
        Ok(Box::new(Records { options: self.options.clone(), first: next, next, started: Instant::now() }))
    }
}

struct Records {
    options: Options,
    /// Where this reader began, at `started`: the rate counts from there.
    first: u64,
    next: u64,
    started: Instant,
}

#[async_trait]
impl SourceReader for Records {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let end = self.options.count.unwrap_or(u64::MAX);
        if self.due() <= self.next && self.next < end {
            tokio::time::sleep(limits.wait.min(Duration::from_millis(10))).await;
        }
        let until = self.due().min(end).min(self.next.saturating_add(limits.max_records as u64));
        let first = self.next;
        let mut values = ColumnBuilder::default();
        let mut keys = ColumnBuilder::default();
        let mut timestamps = Vec::new();
        while self.next < until && values.byte_len() < limits.max_bytes {
            timestamps.push(write_record(&self.options, self.next, &mut keys, values.value_buffer())?);
            values.end_value();
            self.next += 1;
        }
        let batch = Batch::new(keys.finish(), values.finish(), Headers::default(), timestamps)
            .map_err(|error| ConnectorError::fatal("making up records").caused_by(error))?;
        Ok(Polled {
            batch,
            position: (self.next > first).then(|| Position(Bytes::from(self.next.to_string()))),
            end_of_split: self.next >= end,
            ..Polled::default()
        })
    }
}

impl Records {
    /// The number of records that the rate allows by now, counted from the very first.
    fn due(&self) -> u64 {
        match self.options.rate {
            None => u64::MAX,
            Some(rate) => {
                let since = self.started.elapsed().as_secs_f64() * rate as f64;
                self.first.saturating_add(since as u64)
            }
        }
    }
}

/// 2026-01-01T00:00:00Z; made-up records are one second apart.
const FIRST_TIMESTAMP_MS: i64 = 1_767_225_600_000;

/// Writes record `number` and returns its timestamp in milliseconds.
fn write_record(
    options: &Options,
    number: u64,
    keys: &mut ColumnBuilder,
    to: &mut Vec<u8>,
) -> Result<i64, ConnectorError> {
    const COUNTRIES: [&str; 8] = ["NO", "DE", "FR", "US", "JP", "BR", "IN", "ZA"];
    let start = to.len();
    let timestamp_ms = FIRST_TIMESTAMP_MS.saturating_add_unsigned(number.saturating_mul(1000));
    let random = scramble(options.seed ^ scramble(number));
    let written = match options.kind {
        Shape::Counter => {
            keys.push_null();
            write!(to, "{{\"n\":{number}")
        }
        Shape::Orders => {
            let customer = random % 1000;
            keys.push_value(number.to_string().as_bytes());
            let country = COUNTRIES[(random >> 20) as usize % COUNTRIES.len()];
            let (whole, cents) = ((random >> 32) % 1000, (random >> 52) % 100);
            write!(
                to,
                "{{\"id\":{number},\"customer\":{customer},\"country\":\"{country}\",\
                 \"amount\":{whole}.{cents:02},\"ordered_at\":{timestamp_ms}"
            )
        }
        Shape::Nexmark => nexmark(number, options.seed, timestamp_ms, keys, to),
    };
    written.map_err(|error| ConnectorError::fatal("making up a record").caused_by(error))?;
    const PAD: &[u8] = b",\"pad\":\"\"";
    let missing = options.bytes.saturating_sub(to.len() - start + PAD.len() + 1);
    if missing > 0 {
        to.extend_from_slice(&PAD[..PAD.len() - 1]);
        to.resize(to.len() + missing, b'x');
        to.push(b'"');
    }
    to.push(b'}');
    Ok(timestamp_ms)
}

/// Nexmark's auction house: of every 50 events one registers a person, three open an auction and the rest bid, most of them
/// on the newest auctions. Ids count up from 1000 and are the keys.
fn nexmark(
    number: u64,
    seed: u64,
    timestamp_ms: i64,
    keys: &mut ColumnBuilder,
    to: &mut Vec<u8>,
) -> std::io::Result<()> {
    const FIRST_ID: u64 = 1000;
    const NAMES: [&str; 8] = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie"];
    const CITIES: [(&str, &str); 6] = [
        ("Phoenix", "AZ"),
        ("Boise", "ID"),
        ("Portland", "OR"),
        ("Bend", "OR"),
        ("Redmond", "WA"),
        ("Cheyenne", "WY"),
    ];
    let (epoch, place) = (number / 50, number % 50);
    let random = |about: u64| scramble(seed ^ scramble(number ^ about.rotate_left(32)));
    // Ids of the last ones as of this event.
    let last_person = FIRST_ID + epoch;
    let last_auction = FIRST_ID + epoch * 3 + place.clamp(1, 3) - 1;
    let recent = |last: u64, about: u64, span: u64| last - random(about) % span.min(last - FIRST_ID + 1);
    let id = match place {
        0 => last_person,
        1..=3 => last_auction,
        // Half of the bids go for one of the newest auctions.
        _ => recent(last_auction, 1, if random(2) % 2 == 0 { 1 } else { 100 }),
    };
    keys.push_value(id.to_string().as_bytes());
    match place {
        0 => {
            let name = NAMES[random(1) as usize % NAMES.len()];
            let (city, state) = CITIES[random(2) as usize % CITIES.len()];
            let card = random(3) % 10_000;
            write!(
                to,
                "{{\"event\":\"person\",\"id\":{id},\"name\":\"{name}\",\"email\":\"{name}{id}@example.com\",\
                 \"card\":\"{card:04}\",\"city\":\"{city}\",\"state\":\"{state}\",\"at\":{timestamp_ms}"
            )
        }
        1..=3 => {
            let (seller, category) = (recent(last_person, 1, 1000), 10 + random(2) % 5);
            let first_bid = 1 + random(3) % 1000;
            let (reserve, expires) =
                (first_bid + random(4) % 1000, timestamp_ms + 1000 * (10 + (random(5) % 600) as i64));
            write!(
                to,
                "{{\"event\":\"auction\",\"id\":{id},\"item\":\"item {id}\",\"seller\":{seller},\"category\":{category},\
                 \"first_bid\":{first_bid},\"reserve\":{reserve},\"expires\":{expires},\"at\":{timestamp_ms}"
            )
        }
        _ => {
            let (bidder, price) = (recent(last_person, 3, 1000), 1 + random(4) % 10_000);
            write!(
                to,
                "{{\"event\":\"bid\",\"auction\":{id},\"bidder\":{bidder},\"price\":{price},\"channel\":\"channel-{}\",\
                 \"at\":{timestamp_ms}",
                random(5) % 100
            )
        }
    }
}

/// SplitMix64: a good mix of one number into another.
fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
