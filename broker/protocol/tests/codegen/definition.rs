//! Reads the definitions: what messages there are, their fields, and in which versions.
//!
//! A file starts with a comment for the reader. Then `api KEY NAME, versions RANGE, flexible RANGE` opens an
//! API with its `request` and `response`, or `data NAME, versions ..` a structure that travels inside others.
//! Fields are `name type words`, indented; deeper fields belong to the structure named just above, and
//! `struct NAME` opens one that several fields share. Types: int8 to int64, uint16, float64, bool, string,
//! uuid, bytes, records, a structure, or `[]` of one; `?` marks null allowed, `?7+` only from version 7.
//! Words: the versions a field is in (all, if none are given), `tag=N` or `tag=N@VERSIONS`, `default=VALUE`,
//! and `ignorable`: dropped without error in versions that lack the field.

use std::path::Path;

/// An inclusive range of versions.
pub type Versions = (i16, i16);

/// One file.
pub struct Definition {
    pub module: String,
    pub comment: Vec<String>,
    pub api: Option<Api>,
    pub messages: Vec<Message>,
}

pub struct Api {
    pub key: i16,
    pub name: String,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    Request,
    Response,
    Data,
}

pub struct Message {
    pub role: Role,
    pub versions: Versions,
    /// Lowest version with compact types and tagged fields.
    pub flexible: Option<i16>,
    /// The message itself, then the structures inside it.
    pub structs: Vec<Struct>,
}

impl Message {
    pub fn name(&self) -> &str {
        &self.structs[0].name
    }

    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible.is_some_and(|flexible| version >= flexible)
    }

    pub fn structure(&self, name: &str) -> &Struct {
        self.structs.iter().find(|known| known.name == name).unwrap_or_else(|| panic!("no struct {name}"))
    }
}

pub struct Struct {
    pub name: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, PartialEq)]
pub enum Kind {
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Bool,
    Str,
    Uuid,
    Bytes,
    Struct(String),
}

pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub is_array: bool,
    pub versions: Versions,
    /// Versions in which null is allowed.
    pub nullable: Option<Versions>,
    /// Number of the tag, and versions in which the field is tagged.
    pub tag: Option<(u32, Versions)>,
    pub default: Option<String>,
    pub ignorable: bool,
}

/// All definitions, in the order of their file names.
pub fn read_all() -> Vec<Definition> {
    let folder = super::crate_folder().join("definitions");
    let entries = std::fs::read_dir(&folder).expect("definitions").flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name != "error_codes.txt"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Definition {
    let text = std::fs::read_to_string(path).expect("definition");
    let stem = path.file_stem().expect("file name").to_string_lossy();
    let module = stem.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').to_owned();
    let mut definition = Definition { module, comment: Vec::new(), api: None, messages: Vec::new() };
    let mut versions = ((0, 0), None);
    // Names of the structures that are open, one per level of indentation.
    let mut open: Vec<String> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => {}
            ["#", ..] => definition.comment.push(line.trim_start_matches('#').trim().to_owned()),
            ["api", key, name, rest @ ..] => {
                definition.api = Some(Api { key: key.parse().expect("key"), name: (*name).to_owned() });
                versions = read_versions(rest);
            }
            ["data", name, rest @ ..] => {
                versions = read_versions(rest);
                open = open_message(&mut definition, Role::Data, name, versions);
            }
            ["request", name] => open = open_message(&mut definition, Role::Request, name, versions),
            ["response", name] => open = open_message(&mut definition, Role::Response, name, versions),
            ["struct", name] => open = vec![open_struct(&mut definition, name)],
            [name, kind, rest @ ..] => {
                let depth = (line.len() - line.trim_start().len()) / 2;
                open.truncate(depth);
                let field = read_field(name, kind, rest, versions.0);
                let nested = match &field.kind {
                    Kind::Struct(name) => Some(name.clone()),
                    _ => None,
                };
                let message = definition.messages.last_mut().expect("a message is open");
                let owner = open.last().expect("indentation");
                let owner = match message.structs.iter_mut().find(|known| known.name == *owner) {
                    Some(known) => known,
                    None => {
                        message.structs.push(Struct { name: owner.clone(), fields: Vec::new() });
                        message.structs.last_mut().expect("just pushed")
                    }
                };
                owner.fields.push(field);
                open.extend(nested);
            }
            _ => panic!("{}: cannot read `{line}`", path.display()),
        }
    }
    definition
}

fn open_message(
    definition: &mut Definition,
    role: Role,
    name: &str,
    (versions, flexible): (Versions, Option<i16>),
) -> Vec<String> {
    definition.messages.push(Message { role, versions, flexible, structs: Vec::new() });
    vec![open_struct(definition, name)]
}

fn open_struct(definition: &mut Definition, name: &str) -> String {
    let message = definition.messages.last_mut().expect("a message is open");
    message.structs.push(Struct { name: name.to_owned(), fields: Vec::new() });
    name.to_owned()
}

fn read_versions(words: &[&str]) -> (Versions, Option<i16>) {
    let ["versions", versions, "flexible", flexible] = words else { panic!("cannot read {words:?}") };
    let versions = range(versions, i16::MAX);
    let flexible = (*flexible != "never").then(|| range(flexible, versions.1).0);
    (versions, flexible)
}

fn read_field(name: &str, kind: &str, words: &[&str], message: Versions) -> Field {
    let (kind, null) = match kind.split_once('?') {
        Some((kind, null)) => (kind, Some(null)),
        None => (kind, None),
    };
    let item = kind.trim_start_matches("[]");
    let mut field = Field {
        name: name.to_owned(),
        kind: read_kind(item),
        is_array: item.len() < kind.len(),
        versions: message,
        nullable: None,
        tag: None,
        default: None,
        ignorable: false,
    };
    for word in words {
        if *word == "ignorable" {
            field.ignorable = true;
        } else if let Some(value) = word.strip_prefix("default=") {
            field.default = Some(value.to_owned());
        } else if let Some(tag) = word.strip_prefix("tag=") {
            let (number, versions) = match tag.split_once('@') {
                Some((number, versions)) => (number, range(versions, message.1)),
                None => (tag, field.versions),
            };
            field.tag = Some((number.parse().expect("tag"), versions));
        } else {
            field.versions = range(word, message.1);
        }
    }
    field.nullable = null.map(|null| if null.is_empty() { field.versions } else { range(null, message.1) });
    field
}

fn read_kind(text: &str) -> Kind {
    match text {
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "uint16" => Kind::Uint16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float64" => Kind::Float64,
        "bool" => Kind::Bool,
        "string" => Kind::Str,
        "uuid" => Kind::Uuid,
        "bytes" | "records" => Kind::Bytes,
        name => {
            assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "unknown type {name}");
            Kind::Struct(name.to_owned())
        }
    }
}

fn range(text: &str, top: i16) -> Versions {
    let number = |text: &str| text.parse::<i16>().unwrap_or_else(|_| panic!("`{text}` is no version"));
    if let Some(low) = text.strip_suffix('+') {
        (number(low), top)
    } else if let Some((low, high)) = text.split_once('-') {
        (number(low), number(high))
    } else {
        (number(text), number(text))
    }
}
