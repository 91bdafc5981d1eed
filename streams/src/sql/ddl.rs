//! What `CREATE STREAM|TABLE name (columns…) WITH (…)` declares, and the options a relation can have.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast;

use super::catalog::{
    ChangeMode, KeyFormat, METADATA_COLUMNS, OnError, Relation, RelationWatermark, TopicSettings,
    ValueColumns, ValueFormat,
};
use super::parse::{Declare, Name, RelationKind, WithOption};
use crate::diagnostic::{Finding, did_you_mean};

/// Most partitions a topic may be asked to have.
const MAX_PARTITIONS: i32 = 10_000;

/// Longest topic name (Kafka's own limit).
const MAX_TOPIC_LENGTH: usize = 249;

/// The options of a `WITH` clause, checked one by one.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub topic: Option<String>,
    pub format: Option<ValueFormat>,
    pub key: Option<(Vec<String>, crate::diagnostic::Position)>,
    pub key_format: Option<KeyFormat>,
    pub value_columns: Option<ValueColumns>,
    pub partitions: Option<i32>,
    pub settings: TopicSettings,
    pub beside: Beside,
}

/// Where what does not become a result goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    /// The topic of rows that are late.
    pub late_topic: Option<String>,
    pub on_error: Option<OnError>,
}

const OPTIONS: [&str; 13] = [
    "topic",
    "format",
    "value_format",
    "delimiter",
    "key",
    "key_format",
    "value_columns",
    "partitions",
    "replicas",
    "retention",
    "late.topic",
    "on_error",
    "error.topic",
];

const CSV: ValueFormat = ValueFormat::Csv { delimiter: b',' };

impl Options {
    pub fn read(written: &[WithOption]) -> Result<Options, Finding> {
        let mut options = Options::default();
        let mut delimiter = None;
        options.beside = beside(written)?;
        for option in written {
            let value = option.value.as_str();
            match option.key.text.as_str() {
                "topic" | "kafka_topic" => options.topic = Some(checked_topic(option)?),
                "format" | "value_format" => {
                    options.format = Some(choice(
                        option,
                        &[
                            ("json", ValueFormat::Json),
                            ("csv", CSV),
                            ("raw", ValueFormat::Raw),
                            // ksqlDB's word for it.
                            ("delimited", CSV),
                        ],
                    )?);
                }
                "key" => {
                    let columns = value.split(',').map(|name| name.trim().to_owned()).collect();
                    options.key = Some((columns, option.value_at));
                }
                "key_format" => {
                    options.key_format = Some(choice(
                        option,
                        &[
                            ("text", KeyFormat::Text),
                            ("json", KeyFormat::Json),
                            // ksqlDB's word for it.
                            ("kafka", KeyFormat::Text),
                        ],
                    )?);
                }
                "value_columns" => {
                    options.value_columns =
                        Some(choice(option, &[("all", ValueColumns::All), ("no-key", ValueColumns::NoKey)])?);
                }
                "partitions" => {
                    let partitions = value.parse().ok().filter(|count| (1..=MAX_PARTITIONS).contains(count));
                    options.partitions = Some(partitions.ok_or_else(|| {
                        Finding::new(option.value_at, format!("`{value}` is not a number of partitions"))
                            .hint(format!("a whole number from 1 to {MAX_PARTITIONS}"))
                    })?);
                }
                "replicas" => options.settings.replicas = Some(replicas(option)?),
                "retention" | "retention_ms" => options.settings.retention_ms = Some(retention_ms(option)?),
                name if BESIDE.contains(&name) => {}
                "delimiter" | "value_delimiter" => delimiter = Some((delimiter_byte(option)?, option.key.at)),
                other => {
                    return Err(Finding::new(option.key.at, format!("no option `{other}`"))
                        .hint(did_you_mean(other, OPTIONS).unwrap_or_else(|| OPTIONS.join(", "))));
                }
            }
        }
        match (delimiter, &mut options.format) {
            (None, _) => {}
            (Some((delimiter, _)), Some(format @ ValueFormat::Csv { .. })) => {
                *format = ValueFormat::Csv { delimiter };
            }
            (Some((_, at)), _) => {
                return Err(Finding::new(at, "`delimiter` is for format 'csv'").hint("add format = 'csv'"));
            }
        }
        Ok(options)
    }
}

/// Options of a query that say where what does not become a result goes.
const BESIDE: [&str; 4] = ["late.topic", "late_topic", "on_error", "error.topic"];

fn beside(written: &[WithOption]) -> Result<Beside, Finding> {
    #[derive(Clone, Copy, PartialEq)]
    enum Then {
        Fail,
        Skip,
        DeadLetter,
    }
    let find = |names: &[&str]| written.iter().find(|option| names.contains(&option.key.text.as_str()));
    let late_topic = find(&["late.topic", "late_topic"]).map(checked_topic).transpose()?;
    let error_topic = find(&["error.topic"]);
    let then = find(&["on_error"]);
    let chosen = then
        .map(|option| {
            let choices = [("fail", Then::Fail), ("skip", Then::Skip), ("dead-letter", Then::DeadLetter)];
            choice(option, &choices)
        })
        .transpose()?;
    let on_error = match (chosen, error_topic) {
        (None, None) => None,
        (None | Some(Then::DeadLetter), Some(topic)) => Some(OnError::DeadLetter(checked_topic(topic)?)),
        (Some(Then::Fail), None) => Some(OnError::Fail),
        (Some(Then::Skip), None) => Some(OnError::Skip),
        (Some(Then::DeadLetter), None) => {
            let at = then.map(|option| option.value_at).unwrap_or_default();
            return Err(Finding::new(at, "dead letters need a topic").hint("add error.topic = '…'"));
        }
        (Some(_), Some(topic)) => {
            return Err(Finding::new(topic.key.at, "`error.topic` is for dead letters")
                .hint("write on_error = 'dead-letter', or leave one of both out"));
        }
    };
    Ok(Beside { late_topic, on_error })
}

fn replicas(option: &WithOption) -> Result<i16, Finding> {
    let count = option.value.parse::<i16>().ok().filter(|count| *count >= 1);
    count.ok_or_else(|| {
        Finding::new(option.value_at, format!("`{}` is not a number of replicas", option.value))
            .hint("a whole number from 1 to the number of nodes")
    })
}

/// Milliseconds, or a number and a unit; `forever`.
fn retention_ms(option: &WithOption) -> Result<i64, Finding> {
    let written = option.value.trim().to_lowercase();
    let digits = written.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit_ms = match written.strip_prefix(digits).unwrap_or_default().trim() {
        "" | "ms" | "millisecond" | "milliseconds" => Some(1),
        "second" | "seconds" => Some(1_000),
        "minute" | "minutes" => Some(60_000),
        "hour" | "hours" => Some(3_600_000),
        "day" | "days" => Some(86_400_000),
        _ => None,
    };
    let found = match written.as_str() {
        "forever" | "-1" => Some(-1),
        _ => {
            digits.parse::<i64>().ok().zip(unit_ms).and_then(|(number, unit_ms)| number.checked_mul(unit_ms))
        }
    };
    found.filter(|length| *length != 0).ok_or_else(|| {
        Finding::new(option.value_at, format!("`{}` is not a length of time", option.value))
            .hint("milliseconds, or for example '7 days', '12 hours', 'forever'")
    })
}

fn delimiter_byte(option: &WithOption) -> Result<u8, Finding> {
    match option.value.as_bytes() {
        _ if option.value.eq_ignore_ascii_case("tab") => Ok(b'\t'),
        _ if option.value.eq_ignore_ascii_case("space") => Ok(b' '),
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err(Finding::new(option.value_at, format!("`{}` cannot stand between fields", option.value))
            .hint("one ASCII character, TAB or SPACE")),
    }
}

/// What `INSERT INTO … WITH (name = '…')` says of its query.
pub(crate) fn query_options(written: &[WithOption]) -> Result<(Option<Name>, Beside), Finding> {
    let mut name = None;
    for option in written {
        match option.key.text.as_str() {
            "name" | "query_id" if is_topic_name(&option.value) => {
                name = Some(Name { text: option.value.clone(), at: option.value_at });
            }
            "name" | "query_id" => {
                return Err(Finding::new(
                    option.value_at,
                    format!("`{}` cannot be a query's name", option.value),
                )
                .hint("letters, digits, `.`, `_` and `-`"));
            }
            other if BESIDE.contains(&other) => {}
            other => {
                return Err(Finding::new(option.key.at, format!("no option `{other}`")).hint(
                    "INSERT INTO takes `name` (the query's name), `late.topic`, `on_error`, `error.topic`",
                ));
            }
        }
    }
    Ok((name, beside(written)?))
}

fn choice<T: Copy>(option: &WithOption, choices: &[(&str, T)]) -> Result<T, Finding> {
    let written = option.value.to_lowercase();
    if let Some((_, found)) = choices.iter().find(|(name, _)| *name == written) {
        return Ok(*found);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let message = format!("`{}` is not a value of option `{}`", option.value, option.key.text);
    let hint = did_you_mean(&written, names.iter().copied()).unwrap_or_else(|| names.join(", "));
    Err(Finding::new(option.value_at, message).hint(hint))
}

fn checked_topic(option: &WithOption) -> Result<String, Finding> {
    if is_topic_name(&option.value) {
        return Ok(option.value.clone());
    }
    Err(Finding::new(option.value_at, format!("`{}` cannot be a topic's name", option.value))
        .hint("letters, digits, `.`, `_` and `-`, at most 249 of them"))
}

pub(crate) fn is_topic_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_TOPIC_LENGTH
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Turns the declaration into a relation; `types` plans the column types.
pub(crate) fn declare(
    written: &Declare,
    types: impl Fn(&ast::ColumnDef) -> Result<Arc<Field>, String>,
) -> Result<Relation, Finding> {
    let options = Options::read(&written.options)?;
    if let Some(option) = written.options.iter().find(|option| option.key.text.starts_with("late")) {
        return Err(Finding::new(option.key.at, "a row is late for a query, not for what it reads")
            .hint("write it with the query: CREATE TABLE … WITH (late.topic = '…') AS SELECT …"));
    }
    let mut fields: Vec<Arc<Field>> = Vec::new();
    for column in &written.columns {
        let name = &column.name;
        if METADATA_COLUMNS.contains(&name.text.as_str()) {
            return Err(Finding::new(
                name.at,
                format!("`{}` is a metadata column of every relation", name.text),
            )
            .hint("leave it out: queries can name it as it is"));
        }
        if fields.iter().any(|field| field.name() == &name.text) {
            return Err(Finding::new(name.at, format!("column `{}` is declared twice", name.text)));
        }
        let planned = types(&column.definition).map_err(|reason| Finding::new(name.at, reason))?;
        let field = planned.as_ref().clone().with_name(&name.text);
        fields.push(Arc::new(field));
    }
    if fields.is_empty() {
        return Err(Finding::new(written.name.at, "a relation has at least one column"));
    }
    let schema = Arc::new(Schema::new(fields));
    let relation = Relation {
        name: written.name.text.clone(),
        kind: written.kind,
        topic: topic(&options, &written.name)?,
        watermark: declared_watermark(written, &schema)?,
        key: declared_key(written, &options, &schema)?,
        schema,
        format: options.format.unwrap_or(ValueFormat::Json),
        key_format: options.key_format.unwrap_or(KeyFormat::Text),
        value_columns: options.value_columns.unwrap_or(ValueColumns::All),
        mode: match written.kind {
            RelationKind::Stream => ChangeMode::Append,
            RelationKind::Table => ChangeMode::Upsert,
        },
        partitions: options.partitions,
        settings: options.settings,
        on_error: options.beside.on_error,
    };
    check_format(written, &relation)?;
    Ok(relation)
}

/// The `topic` option, or the relation's own name.
pub(crate) fn topic(options: &Options, name: &Name) -> Result<String, Finding> {
    if let Some(topic) = &options.topic {
        return Ok(topic.clone());
    }
    if is_topic_name(&name.text) {
        return Ok(name.text.clone());
    }
    Err(Finding::new(name.at, format!("`{}` cannot be a topic's name", name.text))
        .hint("name one: WITH (topic = '…')"))
}

fn declared_watermark(written: &Declare, schema: &Schema) -> Result<Option<RelationWatermark>, Finding> {
    let Some(watermark) = &written.watermark else { return Ok(None) };
    let column = &watermark.column;
    let field = schema.field_with_name(&column.text).map_err(|_| no_column(column, schema))?;
    if !matches!(field.data_type(), DataType::Timestamp(..)) {
        return Err(Finding::new(column.at, format!("`{}` is not a TIMESTAMP", column.text))
            .hint("declare it as TIMESTAMP: RFC 3339 text and milliseconds since 1970 are both read"));
    }
    Ok(Some(RelationWatermark { column: column.text.clone(), expression: watermark.expression.clone() }))
}

fn declared_key(written: &Declare, options: &Options, schema: &Schema) -> Result<Vec<String>, Finding> {
    let mut key: Vec<Name> = written.primary_key.clone();
    if let Some((columns, at)) = &options.key {
        let named: Vec<Name> = columns.iter().map(|text| Name { text: text.clone(), at: *at }).collect();
        if !key.is_empty() && key.iter().map(|name| &name.text).ne(named.iter().map(|name| &name.text)) {
            return Err(Finding::new(*at, "the option `key` and PRIMARY KEY name different columns"));
        }
        key = named;
    }
    if let Some(unknown) = key.iter().find(|name| schema.field_with_name(&name.text).is_err()) {
        return Err(no_column(unknown, schema));
    }
    if key.is_empty() && written.kind == RelationKind::Table {
        return Err(Finding::new(written.name.at, format!("table `{}` has no key", written.name.text))
            .hint("declare PRIMARY KEY (column): a table's rows replace each other by key"));
    }
    Ok(key.into_iter().map(|name| name.text).collect())
}

fn check_format(written: &Declare, relation: &Relation) -> Result<(), Finding> {
    check_key_columns(relation).map_err(|reason| Finding::new(written.name.at, reason))?;
    let carried: Vec<_> =
        relation.schema.fields().iter().filter(|field| relation.key_place(field.name()).is_none()).collect();
    let is_raw = |field: &Field| matches!(field.data_type(), DataType::Utf8 | DataType::Binary);
    if relation.format == ValueFormat::Raw && !matches!(carried.as_slice(), [field] if is_raw(field)) {
        return Err(Finding::new(written.name.at, "format `raw` reads the whole value as one column")
            .hint("declare one column of type TEXT or BYTEA"));
    }
    Ok(())
}

/// Whether columns that only the key carries can be read from it.
pub(crate) fn check_key_columns(relation: &Relation) -> Result<(), String> {
    if relation.value_columns == ValueColumns::All {
        return Ok(());
    }
    if relation.key.is_empty() {
        return Err("`value_columns` is 'no-key', but no column is the key".to_owned());
    }
    if relation.key_format == KeyFormat::Json && relation.key.len() == 1 {
        return Err(
            "a single key column in JSON cannot be read back: leave `key_format` or `value_columns` out"
                .to_owned(),
        );
    }
    Ok(())
}

fn no_column(name: &Name, schema: &Schema) -> Finding {
    let known = schema.fields().iter().map(|field| field.name().as_str());
    Finding::new(name.at, format!("no column `{}`", name.text)).maybe_hint(did_you_mean(&name.text, known))
}
