//! `consume TOPIC…`: records to standard output, as values, JSON or by a template.

use std::collections::HashMap;
use std::time::Duration;

use millstream_client::{
    Client, Consumer, ConsumerConfig, Fetched, GroupConfig, GroupConsumer, GroupPoll, Isolation, OffsetReset,
    Start, StartAt, TopicPartition,
};

use super::Failure;
use super::cluster::{ClusterArguments, block_on};
use super::group::parse_time_ms;
use super::output::Output;
use super::record_format::{Format, RecordView};
use super::stop::StopRequest;

/// How long one poll waits before interrupts and ends are looked at again.
const POLL_WAIT: Duration = Duration::from_millis(500);

/// Output is handed to the system in pieces of about this size while records keep coming.
const OUTPUT_BYTES: usize = 64 * 1024;

#[derive(clap::Args)]
pub struct Arguments {
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    place: Place,
    /// Only these partitions.
    #[arg(long = "partition", short = 'p', conflicts_with = "group")]
    partitions: Vec<i32>,
    /// Read as a member of this group and commit what was printed.
    #[arg(long, short = 'g')]
    group: Option<String>,
    /// Stop after this many records.
    #[arg(long, short = 'n', value_name = "N")]
    max_records: Option<u64>,
    /// Stop at the end as it is when the command starts.
    #[arg(long, short = 'e')]
    until_end: bool,
    /// Each record as one JSON object a line.
    #[arg(long)]
    json: bool,
    /// A template per record: %t topic, %p partition, %o offset, %T timestamp, %k key, %s value, %h headers, \n, \t.
    #[arg(long, short = 'f', conflicts_with = "json", value_name = "TEMPLATE")]
    format: Option<String>,
    /// Also records of open and aborted transactions.
    #[arg(long)]
    read_uncommitted: bool,
}

#[derive(clap::Args)]
#[group(multiple = false)]
struct Place {
    /// From the first record there is; without any place only new records are shown.
    #[arg(long)]
    from_beginning: bool,
    /// From this offset.
    #[arg(long, value_name = "N")]
    from_offset: Option<i64>,
    /// From the first record at or after this time (RFC 3339 or milliseconds since 1970).
    #[arg(long, value_name = "TIME")]
    from_time: Option<String>,
}

impl Place {
    fn start(&self) -> Result<Start, Failure> {
        Ok(match (self.from_beginning, self.from_offset, &self.from_time) {
            (true, _, _) => Start::Earliest,
            (_, Some(offset), _) => Start::Offset(offset),
            (_, _, Some(time)) => Start::Timestamp(parse_time_ms(time)?),
            _ => Start::Latest,
        })
    }
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let format = match (&arguments.format, arguments.json) {
        (Some(template), _) => Format::template(template).map_err(Failure::bad_input)?,
        (None, true) => Format::Json,
        (None, false) => Format::Value,
    };
    let printer = Printer::new(format, arguments.max_records);
    block_on(async move {
        let stop = StopRequest::listen()?;
        let client = arguments.cluster.connect().await?;
        consume(&client, &arguments, printer, stop).await
    })
}

async fn consume(
    client: &Client,
    arguments: &Arguments,
    printer: Printer,
    stop: StopRequest,
) -> Result<(), Failure> {
    let isolation =
        if arguments.read_uncommitted { Isolation::ReadUncommitted } else { Isolation::ReadCommitted };
    let config = ConsumerConfig { isolation, ..ConsumerConfig::default() };
    match &arguments.group {
        Some(group) => consume_as_member(client, arguments, group, config, printer, stop).await,
        None => consume_partitions(client, arguments, config, printer, stop).await,
    }
}

async fn consume_partitions(
    client: &Client,
    arguments: &Arguments,
    config: ConsumerConfig,
    mut printer: Printer,
    stop: StopRequest,
) -> Result<(), Failure> {
    let start = arguments.place.start()?;
    let places = places(client, arguments).await?;
    let mut consumer = client.consumer(config);
    let ends = match arguments.until_end {
        true => Some(Ends::read(&consumer, &places).await?),
        false => None,
    };
    let starts = places.iter().map(|place| StartAt { place: place.clone(), start });
    consumer.assign(starts.collect()).await.map_err(Failure::failed)?;
    let stopped = stop.requested();
    tokio::pin!(stopped);
    while !printer.is_full() && !ends.as_ref().is_some_and(|ends| ends.reached(&consumer)) {
        let polled = tokio::select! {
            polled = consumer.poll(POLL_WAIT) => polled.map_err(Failure::failed)?,
            () = &mut stopped => break,
        };
        if let Some(fetched) = polled {
            printer.print(&fetched)?;
        }
    }
    Ok(())
}

async fn places(client: &Client, arguments: &Arguments) -> Result<Vec<TopicPartition>, Failure> {
    let mut places = Vec::new();
    for topic in &arguments.topics {
        let layout = client.topic(topic).await.map_err(Failure::failed)?;
        let count = i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX);
        for partition in &arguments.partitions {
            if !(0..count).contains(partition) {
                return Err(Failure::failed(format!(
                    "{topic} has {count} partitions, there is no {partition}"
                )));
            }
        }
        let wanted =
            |partition: &i32| arguments.partitions.is_empty() || arguments.partitions.contains(partition);
        let chosen = (0..count).filter(wanted);
        places.extend(chosen.map(|partition| TopicPartition::new(layout.name.clone(), partition)));
    }
    Ok(places)
}

/// Where each partition ended when the command started.
struct Ends(Vec<(TopicPartition, i64)>);

impl Ends {
    async fn read(consumer: &Consumer, places: &[TopicPartition]) -> Result<Self, Failure> {
        let ends = consumer.end_offsets(places).await.map_err(Failure::failed)?;
        let first = consumer.beginning_offsets(places).await.map_err(Failure::failed)?;
        let with_records =
            places.iter().cloned().zip(ends).zip(first).filter(|((_, end), first)| end > first);
        Ok(Self(with_records.map(|(part, _)| part).collect()))
    }

    fn reached(&self, consumer: &Consumer) -> bool {
        self.0.iter().all(|(place, end)| consumer.position(place).is_some_and(|position| position >= *end))
    }
}

async fn consume_as_member(
    client: &Client,
    arguments: &Arguments,
    group: &str,
    config: ConsumerConfig,
    mut printer: Printer,
    stop: StopRequest,
) -> Result<(), Failure> {
    let start = arguments.place.start()?;
    let offset_reset = match start {
        Start::Earliest => OffsetReset::Earliest,
        Start::Latest => OffsetReset::Latest,
        _ => {
            return Err(Failure::bad_input(
                "with --group only --from-beginning says where to start: offsets are the group's",
            ));
        }
    };
    let mut config =
        GroupConfig { consumer: ConsumerConfig { offset_reset, ..config }, ..GroupConfig::new(group) };
    config.auto_commit = Some(Duration::from_secs(1));
    let mut member = client.group_consumer(config);
    let topics: Vec<&str> = arguments.topics.iter().map(String::as_str).collect();
    member.subscribe(&topics);
    let result = print_as_member(&mut member, arguments.until_end, &mut printer, stop).await;
    member.close().await.map_err(Failure::failed)?;
    result
}

async fn print_as_member(
    member: &mut GroupConsumer,
    until_end: bool,
    printer: &mut Printer,
    stop: StopRequest,
) -> Result<(), Failure> {
    let stopped = stop.requested();
    tokio::pin!(stopped);
    let mut ends: HashMap<TopicPartition, i64> = HashMap::new();
    let mut joined = false;
    while !printer.is_full() {
        let polled = tokio::select! {
            polled = member.poll(POLL_WAIT) => polled.map_err(Failure::failed)?,
            () = &mut stopped => break,
        };
        match polled {
            GroupPoll::Records(fetched) => {
                if let Some(rest) = printer.print(&fetched)? {
                    // What was fetched and not printed is the group's next.
                    member.consumer().seek(&fetched.place, rest).map_err(Failure::failed)?;
                }
            }
            GroupPoll::Assigned(places) => {
                joined = true;
                let found = member.consumer().end_offsets(&places).await.map_err(Failure::failed)?;
                ends.extend(places.into_iter().zip(found));
            }
            GroupPoll::Revoked(places) => {
                member.commit().await.map_err(Failure::failed)?;
                ends.retain(|place, _| !places.contains(place));
            }
            GroupPoll::Lost(places) => ends.retain(|place, _| !places.contains(place)),
            GroupPoll::Idle => {}
        }
        let at_end = |(place, end): (&TopicPartition, &i64), consumer: &Consumer| {
            *end <= 0 || consumer.position(place).is_some_and(|position| position >= *end)
        };
        if until_end && joined && ends.iter().all(|part| at_end(part, member.consumer())) {
            break;
        }
    }
    member.commit().await.map_err(Failure::failed)
}

/// Formats records and writes them out in pieces.
struct Printer {
    output: Output,
    format: Format,
    left: Option<u64>,
    pending: Vec<u8>,
}

impl Printer {
    fn new(format: Format, max_records: Option<u64>) -> Self {
        Self { output: Output::for_people(), format, left: max_records, pending: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// Gives the offset of the first record that is one too many.
    fn print(&mut self, fetched: &Fetched) -> Result<Option<i64>, Failure> {
        let (mut failure, mut rest) = (None, None);
        let visited = fetched.for_each(|record| {
            if failure.is_some() || self.left == Some(0) {
                rest.get_or_insert(record.offset);
                return;
            }
            self.left = self.left.map(|left| left - 1);
            let view = RecordView {
                topic: &fetched.place.topic,
                partition: fetched.place.partition,
                record: &record,
            };
            self.format.write(&view, &mut self.pending);
            if self.pending.len() >= OUTPUT_BYTES {
                failure = self.hand_over().err();
            }
        });
        visited.map_err(Failure::failed)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        // Whoever watches sees records as they come, and what was printed may be committed.
        self.hand_over()?;
        self.output.flush()?;
        Ok(rest)
    }

    fn hand_over(&mut self) -> Result<(), Failure> {
        let written = self.output.raw(&self.pending, false);
        self.pending.clear();
        written
    }
}
