//! `produce TOPIC [FILE…]`: one record per line, from files or standard input.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use millstream_client::{Acks, NewRecord, ProducerConfig, TopicWriter};
use millstream_protocol::compression::Compression;
use serde_json::json;

use super::Failure;
use super::cluster::{ClusterArguments, block_on};
use super::group::parse_time_ms;
use super::output::{Output, person_watches};

/// Longest line that becomes a record.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(clap::Args)]
pub struct Arguments {
    topic: String,
    /// Files to read; standard input without any, or as -.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// What stands between key and value on a line; without it lines have no key.
    #[arg(long, short = 'K', value_name = "TEXT")]
    key_separator: Option<String>,
    /// The same key for every record.
    #[arg(long, short = 'k', conflicts_with = "key_separator")]
    key: Option<String>,
    /// A header of every record.
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// Send everything to this partition; by key otherwise, as Java clients do.
    #[arg(long, short = 'p')]
    partition: Option<i32>,
    /// A value that stands for no value at all (a tombstone).
    #[arg(long, value_name = "TEXT")]
    null_value: Option<String>,
    /// The records' timestamp: RFC 3339 or milliseconds since 1970; now without it.
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
    #[command(flatten)]
    sending: Sending,
    /// The summary as JSON, on standard output.
    #[arg(long)]
    json: bool,
}

/// How records are sent; the load tool takes the same.
#[derive(clap::Args, Clone, Debug)]
pub struct Sending {
    #[arg(long, short = 'z', value_parser = parse_compression, default_value = "none",
          value_name = "none|gzip|snappy|lz4|zstd")]
    pub compression: Compression,
    #[arg(long, default_value = "all")]
    pub acks: AcksWord,
    /// How long a record may wait for others to share its batch.
    #[arg(long, default_value_t = 5, value_name = "MS")]
    pub linger_ms: u64,
    /// A batch is sent once it has this many bytes.
    #[arg(long, default_value_t = 256 * 1024)]
    pub batch_bytes: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AcksWord {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    All,
}

impl Sending {
    pub fn producer_config(&self) -> ProducerConfig {
        let acks = match self.acks {
            AcksWord::None => Acks::None,
            AcksWord::Leader => Acks::Leader,
            AcksWord::All => Acks::All,
        };
        ProducerConfig {
            acks,
            idempotence: matches!(self.acks, AcksWord::All),
            compression: self.compression,
            linger: Duration::from_millis(self.linger_ms),
            batch_bytes: self.batch_bytes,
            ..ProducerConfig::default()
        }
    }
}

fn parse_compression(word: &str) -> Result<Compression, String> {
    word.parse().map_err(|error: millstream_protocol::compression::UnknownCompression| error.to_string())
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    block_on(async move {
        let output = Output::new(arguments.json);
        let lines = Lines::of(&arguments)?;
        let client = arguments.cluster.connect().await?;
        let producer = client.producer(arguments.sending.producer_config());
        let writer = producer.writer(&arguments.topic).await.map_err(Failure::failed)?;
        let started = Instant::now();
        let mut sent = Sent::default();
        let progress = progress_bar(&arguments.files);
        for input in inputs(&arguments.files) {
            send_lines(input?, &lines, &writer, &mut sent, &progress).await?;
        }
        producer.flush().await.map_err(Failure::failed)?;
        progress.finish_and_clear();
        producer.close().await.map_err(Failure::failed)?;
        let seconds = started.elapsed().as_secs_f64();
        if output.json {
            return output.value(&json!({
                "topic": arguments.topic, "records": sent.records, "bytes": sent.bytes, "seconds": seconds,
            }));
        }
        let text = format!(
            "produced {} records ({} bytes) to {} in {seconds:.2} s",
            sent.records, sent.bytes, arguments.topic
        );
        output.note(&text);
        Ok(())
    })
}

#[derive(Default)]
struct Sent {
    records: u64,
    bytes: u64,
}

/// Either may be missing, which is not the same as empty.
type KeyAndValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// How a line becomes a record.
struct Lines {
    key_separator: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    partition: Option<i32>,
    null_value: Option<Vec<u8>>,
    timestamp_ms: Option<i64>,
}

impl Lines {
    fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let header = |given: &String| match given.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.as_bytes().to_vec())),
            _ => Err(Failure::bad_input(format!("--header {given}: expected NAME=VALUE"))),
        };
        if arguments.key_separator.as_deref() == Some("") {
            return Err(Failure::bad_input("--key-separator must not be empty"));
        }
        let bytes = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
        Ok(Self {
            key_separator: bytes(&arguments.key_separator),
            key: bytes(&arguments.key),
            headers: arguments.headers.iter().map(header).collect::<Result<_, _>>()?,
            partition: arguments.partition,
            null_value: bytes(&arguments.null_value),
            timestamp_ms: arguments.timestamp.as_deref().map(parse_time_ms).transpose()?,
        })
    }

    /// A line as key and value. A line without the separator is a mistake, not a record without a key.
    fn split<'a>(&'a self, line: &'a [u8]) -> Option<KeyAndValue<'a>> {
        let (key, value) = match &self.key_separator {
            Some(separator) => {
                let at = line.windows(separator.len()).position(|window| window == separator.as_slice())?;
                (line.get(..at), line.get(at + separator.len()..)?)
            }
            None => (self.key.as_deref(), line),
        };
        let value = (self.null_value.as_deref() != Some(value)).then_some(value);
        Some((key, value))
    }
}

struct Input {
    name: String,
    reader: Box<dyn BufRead + Send>,
}

fn inputs(files: &[PathBuf]) -> Vec<Result<Input, Failure>> {
    let standard =
        || Input { name: "standard input".to_owned(), reader: Box::new(BufReader::new(std::io::stdin())) };
    if files.is_empty() {
        return vec![Ok(standard())];
    }
    let open = |path: &PathBuf| {
        if path.as_os_str() == "-" {
            return Ok(standard());
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Failure::failed(format!("opening {name}: {error}")))?;
        Ok(Input {
            name,
            reader: Box::new(BufReader::with_capacity(1 << 20, file)) as Box<dyn BufRead + Send>,
        })
    };
    files.iter().map(open).collect()
}

async fn send_lines(
    mut input: Input,
    lines: &Lines,
    writer: &TopicWriter,
    sent: &mut Sent,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let headers: Vec<(&str, Option<&[u8]>)> =
        lines.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        let count = read_line(&mut *input.reader, &mut line).map_err(|error| {
            Failure::failed(format!("reading {} after line {number}: {error}", input.name))
        })?;
        if count == 0 {
            return Ok(());
        }
        number += 1;
        progress.inc(count as u64);
        let Some((key, value)) = lines.split(&line) else {
            let reason = format!("{}:{number}: no key separator on this line", input.name);
            return Err(Failure::failed(reason));
        };
        let record = NewRecord { key, value, headers: &headers, timestamp_ms: lines.timestamp_ms };
        writer.append(lines.partition, record).await.map_err(Failure::failed)?;
        sent.records += 1;
        sent.bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
    }
}

/// Reads one line without its end; the count includes it.
fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    use std::io::Read;
    let limit = LINE_BYTES_MAX as u64;
    let count = reader.take(limit).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if count as u64 == limit {
        return Err(std::io::Error::other(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
    }
    Ok(count)
}

fn progress_bar(files: &[PathBuf]) -> ProgressBar {
    if !person_watches() || files.is_empty() {
        return ProgressBar::hidden();
    }
    let total =
        files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.len()).sum();
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(key_separator: Option<&str>, null_value: Option<&str>) -> Lines {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Lines {
            key_separator: key_separator.map(bytes),
            key: None,
            headers: Vec::new(),
            partition: None,
            null_value: null_value.map(bytes),
            timestamp_ms: None,
        }
    }

    #[test]
    fn lines_split_into_key_and_value() {
        let keyed = lines(Some("::"), Some("NULL"));
        assert_eq!(keyed.split(b"a::b::c"), Some((Some(&b"a"[..]), Some(&b"b::c"[..]))));
        assert_eq!(keyed.split(b"a::NULL"), Some((Some(&b"a"[..]), None)));
        assert_eq!(keyed.split(b"nothing"), None);
        assert_eq!(lines(None, None).split(b"x"), Some((None, Some(&b"x"[..]))));
    }

    #[test]
    fn line_ends_are_cut() {
        let mut reader: &[u8] = b"a\r\n\nlast";
        let mut found = Vec::new();
        loop {
            let mut line = Vec::new();
            if read_line(&mut reader, &mut line).unwrap() == 0 {
                break;
            }
            found.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(found, ["a", "", "last"]);
    }
}
