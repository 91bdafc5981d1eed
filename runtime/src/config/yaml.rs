//! YAML as a tree that remembers where each key and value stands.
//!
//! The tree keeps scalars as text with their notation; their type is decided by whoever reads them
//! (YAML 1.2 core schema), so that `${NAME}` can be resolved inside them first. JSON is a subset.
//! Left out: merge keys, custom directives, several documents in one file.

use std::fmt;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::diagnostic::{Location, Report};

/// Nodes one file may expand to; stops an alias bomb long before memory does.
const NODES_MAX: usize = 200_000;

/// Deepest nesting of sequences and mappings.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct Node {
    pub location: Location,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub enum Data {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_location: Location,
    pub value: Node,
}

/// How a scalar came to be, which decides how it may be typed and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Unquoted: typed by the core schema.
    Plain,
    /// Quoted or a block: always text.
    Quoted,
    /// From the environment, a file or `--set`: takes whatever type is asked of it.
    Supplied,
    /// As supplied, and never shown.
    Secret,
}

#[derive(Clone)]
pub struct Scalar {
    pub text: String,
    pub form: Form,
    /// `!env`, `!secret` and the like, without the exclamation mark, until resolved.
    pub tag: Option<String>,
    pub origin: TextOrigin,
}

impl fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Secret => formatter.write_str("Scalar(secret)"),
            form => write!(formatter, "Scalar({:?}, {form:?})", self.text),
        }
    }
}

/// Where a text's own lines stand in the file, so that a finding inside it (SQL, a script) can be
/// placed in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOrigin {
    /// On one line, starting here.
    Inline(Location),
    /// Line `n` of the text is line `first_line + n - 1` of the file, `indent` characters in.
    Block { file: Arc<str>, first_line: u32, indent: u32 },
    /// The whole of another file.
    File(Arc<str>),
    /// Positions inside the text say nothing about the file (folded, or put together).
    Opaque(Location),
}

impl TextOrigin {
    /// The place in the file of a line and column (both from 1) of the text.
    pub fn locate(&self, line: u32, column: u32) -> Location {
        match self {
            Self::Inline(start) => match line {
                1 => start.shifted(column.saturating_sub(1)),
                _ => start.clone(),
            },
            Self::Block { file, first_line, indent } => Location {
                file: Arc::clone(file),
                line: first_line.saturating_add(line).saturating_sub(1),
                column: indent.saturating_add(column),
            },
            Self::File(file) => Location { file: Arc::clone(file), line, column },
            Self::Opaque(location) => location.clone(),
        }
    }
}

/// What a plain scalar is under YAML 1.2's core schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text,
}

impl Scalar {
    pub fn typed(&self) -> Typed {
        match self.form {
            Form::Quoted => Typed::Text,
            _ => core_schema(&self.text),
        }
    }
}

impl Node {
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// "a mapping", "a list", "text", … for messages.
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Sequence(_) => "a list",
            Data::Mapping(_) => "a mapping",
            Data::Scalar(scalar) => match scalar.typed() {
                Typed::Null => "nothing",
                Typed::Boolean(_) => "true or false",
                Typed::Integer(_) | Typed::Float(_) => "a number",
                Typed::Text => "text",
            },
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if scalar.typed() == Typed::Null)
    }
}

/// Parses one file. `None` when the text is no YAML at all (reported); duplicate keys are reported and
/// the first one is kept. An empty file is an empty mapping.
pub fn parse(file: &Arc<str>, text: &str, report: &mut Report) -> Option<Node> {
    let mut builder = Builder::new(file, text, report);
    let options = granit_parser::options! { block_nesting_limit: DEPTH_MAX, flow_nesting_limit: DEPTH_MAX };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                if !builder.accept(event, span) {
                    return None;
                }
            }
            Err(error) => {
                let marker = error.marker();
                let location = place(file, marker.line(), marker.col());
                builder.report.error(&location, format!("not valid YAML: {}", error.info()));
                return None;
            }
        }
    }
    Some(builder.finish())
}

fn place(file: &Arc<str>, line: usize, column_from_zero: usize) -> Location {
    Location {
        file: Arc::clone(file),
        line: u32::try_from(line.max(1)).unwrap_or(u32::MAX),
        column: u32::try_from(column_from_zero.saturating_add(1)).unwrap_or(u32::MAX),
    }
}

/// A collection that is still open.
enum Open {
    Sequence { location: Location, anchor: usize, items: Vec<Node> },
    Mapping { location: Location, anchor: usize, entries: Vec<Entry>, key: Option<(String, Location)> },
}

struct Builder<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    report: &'a mut Report,
    open: Vec<Open>,
    anchors: Vec<(usize, Node)>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn new(file: &'a Arc<str>, text: &'a str, report: &'a mut Report) -> Self {
        Self { file, text, report, open: Vec::new(), anchors: Vec::new(), root: None, documents: 0, nodes: 0 }
    }

    /// Takes one event; false stops the parse (already reported).
    fn accept(&mut self, event: Event<'_>, span: Span) -> bool {
        let location = place(self.file, span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.report.error(&location, "a second document in one file; use one file each");
                    return false;
                }
                true
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = self.scalar(text.into_owned(), style, tag.as_deref(), &location, span);
                self.value(Node { location, data: Data::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_collection_tag(tag.as_deref(), &location);
                self.open.push(Open::Sequence { location, anchor, items: Vec::new() });
                true
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_collection_tag(tag.as_deref(), &location);
                self.open.push(Open::Mapping { location, anchor, entries: Vec::new(), key: None });
                true
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => match self.anchors.iter().find(|(anchor, _)| *anchor == id) {
                Some((_, node)) => {
                    let copy = node.clone();
                    self.nodes += count(&copy);
                    self.value(copy, 0)
                }
                None => {
                    self.report.error(&location, "alias to an anchor that contains it");
                    false
                }
            },
            _ => true,
        }
    }

    fn refuse_collection_tag(&mut self, tag: Option<&Tag>, location: &Location) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            self.report.error(
                location,
                format!("tag !{} goes before one text value, not a collection", tag.suffix()),
            );
        }
    }

    fn close(&mut self) -> bool {
        let (node, anchor) = match self.open.pop() {
            Some(Open::Sequence { location, anchor, items }) => {
                (Node { location, data: Data::Sequence(items) }, anchor)
            }
            Some(Open::Mapping { location, anchor, entries, .. }) => {
                (Node { location, data: Data::Mapping(entries) }, anchor)
            }
            None => return true,
        };
        self.value(node, anchor)
    }

    /// Puts a finished node where it belongs.
    fn value(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            self.report.error(&node.location, format!("more than {NODES_MAX} values in one file"));
            return false;
        }
        if anchor > 0 {
            self.anchors.push((anchor, node.clone()));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key, .. }) => match key.take() {
                Some((key, key_location)) => match entries.iter().find(|entry| entry.key == key) {
                    Some(first) => {
                        let at = format!("{}:{}", first.key_location.line, first.key_location.column);
                        self.report
                            .error(&key_location, format!("duplicate key \"{key}\"; the first is at {at}"));
                    }
                    None => entries.push(Entry { key, key_location, value: node }),
                },
                None => match node.data {
                    Data::Scalar(scalar) => *key = Some((scalar.text, node.location)),
                    _ => {
                        self.report.error(&node.location, "a key must be one word or text");
                        return false;
                    }
                },
            },
        }
        true
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        tag: Option<&Tag>,
        location: &Location,
        span: Span,
    ) -> Scalar {
        let form = match style {
            ScalarStyle::Plain => Form::Plain,
            _ if tag.is_some_and(|tag| !tag.is_custom() && tag.suffix() != "str") => Form::Plain,
            _ => Form::Quoted,
        };
        let form = match tag {
            Some(tag) if tag.is_yaml_core_schema_tag("str") => Form::Quoted,
            _ => form,
        };
        let origin = match style {
            ScalarStyle::Literal => self.block_origin(&text, location, span),
            ScalarStyle::Folded => TextOrigin::Opaque(location.clone()),
            ScalarStyle::Plain => TextOrigin::Inline(location.clone()),
            _ => TextOrigin::Inline(location.shifted(1)),
        };
        let tag = tag.filter(|tag| tag.is_custom()).map(|tag| tag.suffix().to_owned());
        Scalar { text, form, tag, origin }
    }

    /// Finds the first content line of a literal block and its indentation in the source. The parser's
    /// span begins at the first line that is not blank, so leading blank lines are counted back.
    fn block_origin(&self, text: &str, location: &Location, span: Span) -> TextOrigin {
        let probe = text.lines().enumerate().find(|(_, line)| !line.trim().is_empty());
        let Some((blank_lines, line)) = probe else { return TextOrigin::Opaque(location.clone()) };
        let index = span.start.line().saturating_sub(1);
        let source = self.text.lines().nth(index).unwrap_or_default();
        match (source.strip_suffix(line), index.checked_sub(blank_lines)) {
            (Some(lead), Some(first_index)) => TextOrigin::Block {
                file: Arc::clone(self.file),
                first_line: u32::try_from(first_index + 1).unwrap_or(u32::MAX),
                indent: u32::try_from(lead.chars().count()).unwrap_or(u32::MAX),
            },
            _ => TextOrigin::Opaque(location.clone()),
        }
    }

    fn finish(self) -> Node {
        let start = Location::start_of(self.file);
        match self.root {
            Some(node) if node.is_null() => Node { location: start, data: Data::Mapping(Vec::new()) },
            Some(node) => node,
            None => Node { location: start, data: Data::Mapping(Vec::new()) },
        }
    }
}

fn count(node: &Node) -> usize {
    match &node.data {
        Data::Scalar(_) => 1,
        Data::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        Data::Mapping(entries) => 1 + entries.iter().map(|entry| count(&entry.value)).sum::<usize>(),
    }
}

fn core_schema(text: &str) -> Typed {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Typed::Null,
        "true" | "True" | "TRUE" => return Typed::Boolean(true),
        "false" | "False" | "FALSE" => return Typed::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Typed::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Typed::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Typed::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(integer) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Typed::Integer(integer);
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Typed::Integer(integer);
    }
    // Rust also parses "inf" and "nan", which YAML calls text.
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(float) if numeric => Typed::Float(float),
        _ => Typed::Text,
    }
}

#[cfg(test)]
mod tests;
