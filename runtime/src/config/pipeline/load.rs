//! From files to a [`Pipeline`]: read, parse, resolve, merge by top-level key.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Pipeline;
use super::parts::{Case, Cluster, SinkPart, SourcePart, SqlPart, TopicPart};
use crate::config::diagnostic::{Location, Report};
use crate::config::reader::{Fields, Text};
use crate::config::resolve::{self, Surroundings};
use crate::config::yaml::{self, Data, Entry, Node};
use crate::pipelines::Override;

/// Largest pipeline file.
pub const FILE_BYTES_MAX: u64 = resolve::INCLUDED_FILE_BYTES_MAX;

/// What findings call the place of a connector that was made over HTTP, before its name.
pub const CONNECTOR_FILE: &str = "connector ";

/// Longest pipeline name; it is part of group names and transactional ids.
const NAME_BYTES_MAX: usize = 64;

/// Reads all files into one pipeline. `None` when any file could not be read or parsed at all; every
/// finding is in `report`, and a pipeline that comes back beside errors is only good for further checks.
pub fn load(paths: &[PathBuf], surroundings: &Surroundings, report: &mut Report) -> Option<Pipeline> {
    let first = paths.first()?;
    let trees: Vec<Option<Node>> = paths.iter().map(|path| read_tree(path, surroundings, report)).collect();
    let trees: Vec<Node> = trees.into_iter().collect::<Option<_>>()?;
    let mut gathered = Gathered::default();
    for (tree, path) in trees.iter().zip(paths) {
        gathered.add(tree, directory_of(path), surroundings, report);
    }
    for (name, put) in surroundings.overrides.iter() {
        gathered.put(name, put.as_ref(), surroundings, report);
    }
    let mut pipeline = gathered.into_pipeline(first, report);
    for grants in pipeline.grants_mut() {
        grants.look_up_secrets(surroundings, report);
    }
    Some(pipeline)
}

fn read_tree(path: &Path, surroundings: &Surroundings, report: &mut Report) -> Option<Node> {
    let file: Arc<str> = Arc::from(path.display().to_string());
    let text = match surroundings.read(path) {
        Ok(text) => text,
        Err(reason) => {
            report.error_without_place(format!("{file}: reading the pipeline file: {reason}"));
            return None;
        }
    };
    report.add_text(&file, &text);
    let mut tree = yaml::parse(&file, &text, report)?;
    resolve::resolve(&mut tree, surroundings, directory_of(path), report);
    Some(tree)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The top-level sections of all files so far.
#[derive(Default)]
struct Gathered {
    name: Option<Text>,
    cluster: Option<(Cluster, Location)>,
    topics: Vec<TopicPart>,
    sources: Vec<SourcePart>,
    streams: Vec<SqlPart>,
    sinks: Vec<SinkPart>,
    cases: Vec<Case>,
    /// Section and name → where it was declared first.
    declared: HashMap<(&'static str, String), Location>,
}

impl Gathered {
    fn add(&mut self, tree: &Node, directory: &Path, surroundings: &Surroundings, report: &mut Report) {
        let Some(mut fields) = Fields::open(tree, "the file", report) else { return };
        if let Some(name) = fields.text("name", report) {
            match &self.name {
                Some(first) => {
                    report.error(&name.location, format!("\"name\" is already given at {}", first.location))
                }
                None => self.name = Some(name),
            }
        }
        if let Some(entry) = fields.entry("cluster") {
            match &self.cluster {
                Some((_, first)) => {
                    report.error(&entry.key_location, format!("\"cluster\" is already given at {first}"));
                }
                None => {
                    let cluster = Cluster::read(&entry.value, report);
                    self.cluster = cluster.map(|cluster| (cluster, entry.key_location.clone()));
                }
            }
        }
        for entry in self.named("topics", fields.node("topics"), report) {
            self.topics.extend(TopicPart::read(entry, report));
        }
        for entry in self.named("sources", fields.node("sources"), report) {
            self.sources.extend(SourcePart::read(entry, report));
        }
        for item in list("streams", fields.node("streams"), report) {
            self.streams.extend(read_sql(item, directory, surroundings, report));
        }
        for entry in self.named("sinks", fields.node("sinks"), report) {
            self.sinks.extend(SinkPart::read(entry, report));
        }
        for item in list("tests", fields.node("tests"), report) {
            self.cases.extend(Case::read(item, report));
        }
        fields.finish(report);
    }

    /// Puts a source or sink in the place of the one of that name, or takes it out.
    fn put(&mut self, name: &str, put: Option<&Override>, surroundings: &Surroundings, report: &mut Report) {
        self.sources.retain(|part| part.name != name);
        self.sinks.retain(|part| part.name != name);
        let Some(put) = put else { return };
        let file: Arc<str> = Arc::from(format!("{CONNECTOR_FILE}{name}"));
        let text = put.part.to_string();
        report.add_text(&file, &text);
        let Some(mut tree) = yaml::parse(&file, &text, report) else { return };
        resolve::resolve(&mut tree, surroundings, Path::new("."), report);
        let entry = Entry { key: name.to_owned(), key_location: tree.location.clone(), value: tree };
        match put.section.as_str() {
            "sources" => self.sources.extend(SourcePart::read(&entry, report)),
            _ => self.sinks.extend(SinkPart::read(&entry, report)),
        }
    }

    /// The entries of a section whose names no earlier file took.
    fn named<'a>(
        &mut self,
        section: &'static str,
        node: Option<&'a Node>,
        report: &mut Report,
    ) -> Vec<&'a Entry> {
        let Some(node) = node.filter(|node| !node.is_null()) else { return Vec::new() };
        let Some(entries) = node.entries() else {
            let message = format!("\"{section}\" must be a mapping of names, not {}", node.kind());
            report.error(&node.location, message);
            return Vec::new();
        };
        let mut fresh = Vec::new();
        for entry in entries {
            let id = (section, entry.key.clone());
            if let Some(first) = self.declared.get(&id) {
                let message = format!("\"{}\" under {section} is already declared at {first}", entry.key);
                report.error(&entry.key_location, message);
                continue;
            }
            self.declared.insert(id, entry.key_location.clone());
            fresh.push(entry);
        }
        fresh
    }

    fn into_pipeline(self, first: &Path, report: &mut Report) -> Pipeline {
        let name = match self.name {
            Some(text) => {
                check_name(&text.value, &text.location, report);
                text.value
            }
            None => default_name(first),
        };
        Pipeline {
            name,
            cluster: self.cluster.map_or(Cluster::Embedded, |(cluster, _)| cluster),
            topics: self.topics,
            sources: self.sources,
            streams: self.streams,
            sinks: self.sinks,
            cases: self.cases,
            directory: directory_of(first).to_path_buf(),
        }
    }
}

fn list<'a>(section: &str, node: Option<&'a Node>, report: &mut Report) -> &'a [Node] {
    match node {
        Some(Node { data: Data::Sequence(items), .. }) => items,
        Some(node) if !node.is_null() => {
            report.error(&node.location, format!("\"{section}\" must be a list, not {}", node.kind()));
            &[]
        }
        _ => &[],
    }
}

/// `- sql: …` or `- file: …`.
fn read_sql(
    node: &Node,
    directory: &Path,
    surroundings: &Surroundings,
    report: &mut Report,
) -> Option<SqlPart> {
    let mut fields = Fields::open(node, "a stream", report)?;
    let sql = fields.text("sql", report);
    let file = fields.text("file", report);
    fields.finish(report);
    match (sql, file) {
        (Some(text), None) => Some(SqlPart { text }),
        (None, Some(file)) => {
            let path = directory.join(&file.value);
            match surroundings.read(&path) {
                Ok(text) => {
                    let name: Arc<str> = Arc::from(path.display().to_string());
                    report.add_text(&name, &text);
                    let location = Location::start_of(&name);
                    let origin = yaml::TextOrigin::File(name);
                    Some(SqlPart { text: Text { value: text, location, origin } })
                }
                Err(reason) => {
                    report.error(&file.location, format!("reading {}: {reason}", path.display()));
                    None
                }
            }
        }
        (Some(_), Some(file)) => {
            report.error(&file.location, "a stream is either \"sql\" or \"file\"; write two list items");
            None
        }
        (None, None) => {
            if node.get("sql").is_none() && node.get("file").is_none() {
                report.error(&node.location, "a stream needs \"sql\" or \"file\"");
            }
            None
        }
    }
}

/// The file's stem; `pipeline.yaml` says nothing, so there the folder's name.
fn default_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = || {
        let whole = std::path::absolute(path).ok()?;
        Some(whole.parent()?.file_name()?.to_string_lossy().into_owned())
    };
    let chosen = if stem == "pipeline" { folder().unwrap_or(stem) } else { stem };
    let legal: String =
        chosen.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '-' }).collect();
    let legal: String = legal.chars().take(NAME_BYTES_MAX).collect();
    if legal.is_empty() { "pipeline".to_owned() } else { legal }
}

fn check_name(name: &str, location: &Location, report: &mut Report) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(legal) {
        report.error(location, format!("name \"{name}\" must be 1 to 64 letters, digits, '_' or '-'"));
    }
}
