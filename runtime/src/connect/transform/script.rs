//! Scripts (Rhai) that edit one record: `record.value`, `.key`, `.headers`, `.timestamp`, `.topic`.
//!
//! The script is compiled once; per record only the variable is bound. Fields of a JSON object that the script leaves
//! alone stay byte for byte and in their order; new fields follow in the order of their names. `record = ()` drops the
//! record, `record.value = ()` makes it a tombstone, `throw "reason"` fails it. A script sees nothing outside its
//! record and ends after a bounded number of operations.

use millstream_connectors::json;
use millstream_sdk::record::{Batch, BatchBuilder, Row};
use rhai::{AST, Dynamic, Engine, ImmutableString, Map, Scope};

/// Most operations one record may take.
const MAX_OPERATIONS: u64 = 1_000_000;

/// Longest string, in bytes, and largest array or map, in elements.
const MAX_STRING_BYTES: usize = 16 << 20;
const MAX_ELEMENTS: usize = 1 << 20;

/// Deepest nesting of function calls.
const MAX_CALL_DEPTH: usize = 64;

/// Deepest nesting of a value that is written.
const MAX_VALUE_DEPTH: usize = json::MAX_DEPTH;

const RECORD: &str = "record";

/// Why a text is no script.
pub struct ScriptError {
    pub message: String,
    pub line: u64,
    pub column: u64,
}

pub struct Script {
    engine: Engine,
    ast: AST,
    scope: Scope<'static>,
    /// What the script may touch, judged by the names in its text: the rest is not bound at all.
    touches_key: bool,
    touches_headers: bool,
    touches_timestamp: bool,
    touches_topic: bool,
}

/// A batch after the script.
pub struct Edited {
    pub batch: Batch,
    /// The row of the input of each record.
    pub origins: Vec<u32>,
    /// Rows that failed, and why.
    pub failed: Vec<(usize, String)>,
    pub dropped: u64,
}

impl Script {
    pub fn compile(text: &str) -> Result<Script, ScriptError> {
        let engine = engine();
        let ast = engine.compile(text).map_err(|error| {
            let position = error.position();
            ScriptError {
                message: format!("not a script: {}", error.err_type()),
                line: position.line().unwrap_or(1) as u64,
                column: position.position().unwrap_or(1) as u64,
            }
        })?;
        // A bare use of the record hands all of it on.
        let hands_on = text.split(RECORD).skip(1).any(|rest| !rest.trim_start().starts_with(['.', '?']));
        let touches = |name: &str| hands_on || text.contains(name);
        Ok(Script {
            touches_key: touches("key"),
            touches_headers: touches("headers"),
            touches_timestamp: touches("timestamp"),
            touches_topic: touches("topic"),
            engine,
            ast,
            scope: Scope::new(),
        })
    }

    pub fn apply(&mut self, batch: &Batch, topic: &str) -> Edited {
        let mut builder =
            BatchBuilder::with_capacity(batch.len(), batch.values().byte_len() + 64 * batch.len());
        let mut edited =
            Edited { batch: Batch::default(), origins: Vec::new(), failed: Vec::new(), dropped: 0 };
        let topic = ImmutableString::from(topic);
        for (index, row) in batch.rows().enumerate() {
            match self.run(row, &topic, &mut builder) {
                Ok(true) => edited.origins.push(index as u32),
                Ok(false) => edited.dropped += 1,
                Err(reason) => edited.failed.push((index, reason)),
            }
        }
        edited.batch = builder.finish();
        edited
    }

    /// Runs the script over one record and appends what it left; false when it dropped the record.
    fn run(&mut self, row: Row<'_>, topic: &ImmutableString, to: &mut BatchBuilder) -> Result<bool, String> {
        let value = row.value.map_or(Ok(Dynamic::UNIT), read_value)?;
        let before = value.clone();
        self.scope.rewind(0);
        self.scope.push_dynamic(RECORD, self.bind(row, value, topic));
        let ran = self.engine.run_ast_with_scope(&mut self.scope, &self.ast);
        ran.map_err(|error| format!("script: {error}"))?;
        let record = self.scope.get_mut(RECORD).map(std::mem::take).unwrap_or_default();
        if record.is_unit() {
            return Ok(false);
        }
        let Some(mut record) = record.try_cast::<Map>() else {
            return Err("script: `record` is neither a record nor () any more".to_owned());
        };
        self.unbind(row, &before, &mut record, topic, to)?;
        Ok(true)
    }

    fn bind(&self, row: Row<'_>, value: Dynamic, topic: &ImmutableString) -> Dynamic {
        let mut record = Map::new();
        record.insert("value".into(), value);
        if self.touches_key {
            record.insert("key".into(), row.key.map_or(Dynamic::UNIT, text_or_bytes));
        }
        if self.touches_headers {
            let headers =
                row.headers.map(|(name, value)| (name.into(), value.map_or(Dynamic::UNIT, text_or_bytes)));
            record.insert("headers".into(), Dynamic::from_map(headers.collect()));
        }
        if self.touches_timestamp {
            record.insert("timestamp".into(), row.timestamp_ms.map_or(Dynamic::UNIT, Dynamic::from));
        }
        if self.touches_topic {
            record.insert("topic".into(), topic.clone().into());
        }
        Dynamic::from_map(record)
    }

    fn unbind(
        &self,
        row: Row<'_>,
        before: &Dynamic,
        record: &mut Map,
        topic: &ImmutableString,
        to: &mut BatchBuilder,
    ) -> Result<(), String> {
        let mut take = |name: &str| record.remove(name).unwrap_or_default();
        let value = take("value");
        let (key, headers, timestamp) = (take("key"), take("headers"), take("timestamp"));
        if self.touches_topic && take("topic").into_immutable_string().ok().as_ref() != Some(topic) {
            return Err("script: record.topic cannot be changed".to_owned());
        }
        if let Some(unknown) = record.keys().next() {
            return Err(format!(
                "script: a record has no `{unknown}`; fields of the value are record.value.…"
            ));
        }
        let key = match self.touches_key {
            true => plain_bytes(key, "key")?,
            false => row.key.map(<[u8]>::to_vec),
        };
        let timestamp_ms = match self.touches_timestamp {
            true if timestamp.is_unit() => None,
            true => Some(timestamp.as_int().map_err(|found| format!("script: record.timestamp is {found}"))?),
            false => row.timestamp_ms,
        };
        let mut written = Vec::new();
        let has_value = write_value(row.value, before, &value, &mut written)?;
        match self.touches_headers {
            true => push_headers(headers, to)?,
            false => row.headers.for_each(|(name, value)| to.push_header(name, value)),
        }
        to.push(key.as_deref(), has_value.then_some(&written), timestamp_ms);
        Ok(())
    }
}

fn engine() -> Engine {
    let mut engine = Engine::new();
    engine.set_max_operations(MAX_OPERATIONS);
    engine.set_max_call_levels(MAX_CALL_DEPTH);
    engine.set_max_string_size(MAX_STRING_BYTES);
    engine.set_max_array_size(MAX_ELEMENTS);
    engine.set_max_map_size(MAX_ELEMENTS);
    engine.disable_symbol("eval");
    engine.on_print(|text| tracing::debug!(script = text));
    engine.on_debug(|text, _, _| tracing::debug!(script = text));
    engine.register_fn("mask", |text: &str| mask(text, 0));
    engine.register_fn("mask", |text: &str, keep: i64| mask(text, usize::try_from(keep).unwrap_or(0)));
    // A missing field stays missing.
    engine.register_fn("mask", |_: ()| ());
    engine.register_fn("mask", |_: (), _: i64| ());
    engine
}

/// Replaces letters and digits by asterisks, except the last `keep` of them.
pub(super) fn mask(text: &str, keep: usize) -> String {
    let hidden = text.chars().filter(|letter| letter.is_alphanumeric()).count().saturating_sub(keep);
    let mut seen = 0;
    let hide = |letter: char| {
        if !letter.is_alphanumeric() {
            return letter;
        }
        seen += 1;
        if seen <= hidden { '*' } else { letter }
    };
    text.chars().map(hide).collect()
}

/// JSON as values; what is not JSON as text, or as bytes.
fn read_value(value: &[u8]) -> Result<Dynamic, String> {
    match serde_json::from_slice(value) {
        Ok(read) => Ok(read),
        Err(_) if json::validate(value).is_err() => Ok(text_or_bytes(value)),
        Err(error) => Err(format!("script: reading the record's value: {error}")),
    }
}

fn text_or_bytes(bytes: &[u8]) -> Dynamic {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Dynamic::from_blob(bytes.to_vec()),
    }
}

/// A key or header value: text as it is, numbers and booleans as text.
fn plain_bytes(value: Dynamic, what: &str) -> Result<Option<Vec<u8>>, String> {
    if value.is_unit() {
        return Ok(None);
    }
    if value.is_blob() {
        return value.into_blob().map(Some).map_err(|found| format!("script: record.{what} is {found}"));
    }
    if value.is_string() {
        return value
            .into_immutable_string()
            .map(|text| Some(text.as_bytes().to_vec()))
            .map_err(|found| format!("script: record.{what} is {found}"));
    }
    let mut text = Vec::new();
    write_json(&value, 0, &mut text).map_err(|reason| format!("script: record.{what}: {reason}"))?;
    Ok(Some(text))
}

fn push_headers(headers: Dynamic, to: &mut BatchBuilder) -> Result<(), String> {
    let Some(headers) = headers.try_cast::<Map>() else {
        return Err("script: record.headers is no object map any more".to_owned());
    };
    let read = headers.into_iter().map(|(name, value)| Ok((name, plain_bytes(value, "headers")?)));
    // All or none: a header pushed for a record that then fails would go to the next one.
    for (name, value) in read.collect::<Result<Vec<_>, String>>()? {
        to.push_header(&name, value.as_deref());
    }
    Ok(())
}

/// Writes the value; false for a tombstone.
fn write_value(
    original: Option<&[u8]>,
    before: &Dynamic,
    after: &Dynamic,
    to: &mut Vec<u8>,
) -> Result<bool, String> {
    if after.is_unit() {
        return Ok(false);
    }
    let original = original.unwrap_or_default();
    if same(before, after) {
        to.extend_from_slice(original);
        return Ok(true);
    }
    if after.is_blob() || (before.is_string() && after.is_string() && json::validate(original).is_err()) {
        // Not JSON before, so not JSON after.
        to.extend_from_slice(&plain_bytes(after.clone(), "value")?.unwrap_or_default());
        return Ok(true);
    }
    let written = match (before.read_lock::<Map>(), after.read_lock::<Map>()) {
        (Some(before), Some(after)) => write_object(original, &before, &after, to),
        _ => write_json(after, 0, to),
    };
    written.map_err(|reason| format!("script: record.value: {reason}"))?;
    Ok(true)
}

/// Writes an object in the order of the original: fields that did not change byte for byte, new ones at the end.
fn write_object(original: &[u8], before: &Map, after: &Map, to: &mut Vec<u8>) -> Result<(), String> {
    let mut lead = b'{';
    let mut old_names = Vec::new();
    for field in json::fields(original).into_iter().flatten() {
        let (name, raw) = field.map_err(|error| error.to_string())?;
        let Some(value) = after.get(name.as_ref()) else { continue };
        to.push(lead);
        lead = b',';
        json::push_escaped(name.as_bytes(), to);
        to.push(b':');
        match before.get(name.as_ref()).is_some_and(|before| same(before, value)) {
            true => to.extend_from_slice(raw),
            false => write_json(value, 1, to)?,
        }
        old_names.push(name);
    }
    for (name, value) in after {
        if old_names.iter().any(|old| old == name.as_str()) {
            continue;
        }
        to.push(lead);
        lead = b',';
        json::push_escaped(name.as_bytes(), to);
        to.push(b':');
        write_json(value, 1, to)?;
    }
    if lead == b'{' {
        to.push(b'{');
    }
    to.push(b'}');
    Ok(())
}

fn write_json(value: &Dynamic, depth: usize, to: &mut Vec<u8>) -> Result<(), String> {
    if depth > MAX_VALUE_DEPTH {
        return Err(format!("nested deeper than {MAX_VALUE_DEPTH}"));
    }
    if value.is_unit() {
        to.extend_from_slice(b"null");
    } else if let Ok(bool) = value.as_bool() {
        to.extend_from_slice(if bool { b"true" } else { b"false" });
    } else if let Ok(integer) = value.as_int() {
        to.extend_from_slice(integer.to_string().as_bytes());
    } else if let Ok(float) = value.as_float() {
        // NaN and infinity have no JSON form.
        match serde_json::Number::from_f64(float) {
            Some(number) => to.extend_from_slice(number.to_string().as_bytes()),
            None => to.extend_from_slice(b"null"),
        }
    } else if let Some(text) = value.read_lock::<ImmutableString>() {
        json::push_escaped(text.as_bytes(), to);
    } else if let Ok(letter) = value.as_char() {
        json::push_escaped(letter.encode_utf8(&mut [0; 4]).as_bytes(), to);
    } else if let Some(items) = value.read_lock::<rhai::Array>() {
        to.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                to.push(b',');
            }
            write_json(item, depth + 1, to)?;
        }
        to.push(b']');
    } else if let Some(fields) = value.read_lock::<Map>() {
        to.push(b'{');
        for (index, (name, field)) in fields.iter().enumerate() {
            if index > 0 {
                to.push(b',');
            }
            json::push_escaped(name.as_bytes(), to);
            to.push(b':');
            write_json(field, depth + 1, to)?;
        }
        to.push(b'}');
    } else {
        return Err(format!("a {} cannot be written as JSON", value.type_name()));
    }
    Ok(())
}

/// Whether two values would be written alike.
fn same(left: &Dynamic, right: &Dynamic) -> bool {
    if left.is_unit() || right.is_unit() {
        return left.is_unit() && right.is_unit();
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return left == right;
    }
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return left == right;
    }
    if let (Ok(left), Ok(right)) = (left.as_float(), right.as_float()) {
        return left.to_bits() == right.to_bits();
    }
    if let (Some(left), Some(right)) =
        (left.read_lock::<ImmutableString>(), right.read_lock::<ImmutableString>())
    {
        return *left == *right;
    }
    if let (Some(left), Some(right)) = (left.read_lock::<rhai::Array>(), right.read_lock::<rhai::Array>()) {
        return left.len() == right.len()
            && left.iter().zip(right.iter()).all(|(left, right)| same(left, right));
    }
    if let (Some(left), Some(right)) = (left.read_lock::<Map>(), right.read_lock::<Map>()) {
        let alike = |(name, left): (&_, &Dynamic)| right.get(name).is_some_and(|right| same(left, right));
        return left.len() == right.len() && left.iter().all(alike);
    }
    false
}
