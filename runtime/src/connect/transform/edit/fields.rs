//! Steps that change fields of a JSON object: rename, drop, keep, cast, mask, hoist, flatten.

use std::collections::BTreeMap;

use millstream_connectors::json;
use millstream_sdk::config::{self, ConfigOption, Kind, Presence};
use millstream_sdk::record::{BatchBuilder, Row};
use serde::Deserialize;

use super::object::{Object, plain, quoted};
use super::{Edit, EditKind, push_value};

/// Deepest object that `flatten` goes into; what is deeper stays an object.
const FLATTEN_DEPTH_MAX: usize = 64;

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> ConfigOption {
    ConfigOption { name, kind, presence: Presence::Required, doc }
}

const fn with_default(name: &'static str, kind: Kind, json: &'static str, doc: &'static str) -> ConfigOption {
    ConfigOption { name, kind, presence: Presence::Default(json), doc }
}

/// Applies an edit of an object to a record; a record without a value stays as it is.
fn edit_object(
    row: Row<'_>,
    to: &mut BatchBuilder,
    edit: impl FnOnce(&mut Object<'_>) -> Result<(), String>,
) -> Result<bool, String> {
    let Some(value) = row.value else {
        to.push_row(row);
        return Ok(true);
    };
    let mut object = Object::parse(value)?;
    edit(&mut object)?;
    push_value(row, Some(&object.to_json()), to);
    Ok(true)
}

pub const RENAME: EditKind = EditKind {
    name: "rename",
    doc: "Gives fields other names, in their places: `rename: { old: new }`.",
    options: &[required("fields", Kind::Map(&Kind::Text), "old path to new name")],
    main: Some("fields"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Rename>(RENAME.options, settings)?)),
};

#[derive(Deserialize)]
struct Rename {
    fields: BTreeMap<String, String>,
}

impl Edit for Rename {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        edit_object(row, to, |object| {
            self.fields.iter().try_for_each(|(old, new)| {
                object.edit(old, &mut |_, raw| Ok(Some((new.clone(), raw.to_vec()))))
            })
        })
    }
}

pub const DROP: EditKind = EditKind {
    name: "drop",
    doc: "Takes fields out: `drop: [password, card.number]`.",
    options: &[required("fields", Kind::List(&Kind::Text), "paths of the fields")],
    main: Some("fields"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Drop>(DROP.options, settings)?)),
};

#[derive(Deserialize)]
struct Drop {
    fields: Vec<String>,
}

impl Edit for Drop {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        edit_object(row, to, |object| {
            self.fields.iter().try_for_each(|path| object.edit(path, &mut |_, _| Ok(None)))
        })
    }
}

pub const KEEP: EditKind = EditKind {
    name: "keep",
    doc: "Keeps these fields alone, in this order: `keep: [id, amount]`. A path keeps its last part as the name.",
    options: &[required("fields", Kind::List(&Kind::Text), "paths of the fields")],
    main: Some("fields"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Keep>(KEEP.options, settings)?)),
};

#[derive(Deserialize)]
struct Keep {
    fields: Vec<String>,
}

impl Edit for Keep {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        edit_object(row, to, |object| {
            let mut kept = Object::default();
            for path in &self.fields {
                if let Some(raw) = object.get(path) {
                    let whole = object.iter().any(|(name, _)| name == path);
                    let name = if whole { path } else { path.rsplit('.').next().unwrap_or(path) };
                    kept.set(name, raw.to_vec());
                }
            }
            *object = kept;
            Ok(())
        })
    }
}

pub const CAST: EditKind = EditKind {
    name: "cast",
    doc: "Gives fields another type: `cast: { amount: number }`. A value that does not fit fails the record; null stays null.",
    options: &[required(
        "fields",
        Kind::Map(&Kind::Choice(&["text", "integer", "number", "boolean", "json"])),
        "path to type",
    )],
    main: Some("fields"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Cast>(CAST.options, settings)?)),
};

#[derive(Deserialize)]
struct Cast {
    fields: BTreeMap<String, Type>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Text,
    Integer,
    Number,
    Boolean,
    Json,
}

impl Edit for Cast {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        edit_object(row, to, |object| {
            self.fields.iter().try_for_each(|(path, kind)| {
                object.edit(path, &mut |name, raw| {
                    let cast = cast(raw, *kind).map_err(|what| format!("cast: `{path}` is {what}"))?;
                    Ok(Some((name.to_owned(), cast)))
                })
            })
        })
    }
}

/// The error says what the value is, and what it is not.
fn cast(raw: &[u8], kind: Type) -> Result<Vec<u8>, String> {
    let Some(text) = plain(raw) else { return Ok(raw.to_vec()) };
    let is_text = raw.first() == Some(&b'"');
    let wrong = |what: &str| format!("`{text}`, which is {what}");
    let trimmed = text.trim();
    match kind {
        Type::Text if is_text => Ok(raw.to_vec()),
        Type::Text => Ok(quoted(&text)),
        Type::Boolean => match trimmed {
            "true" | "1" | "t" | "yes" | "TRUE" | "True" => Ok(b"true".to_vec()),
            "false" | "0" | "f" | "no" | "FALSE" | "False" => Ok(b"false".to_vec()),
            _ => Err(wrong("neither true nor false")),
        },
        Type::Integer => match (trimmed, trimmed.parse::<i64>()) {
            ("true", _) => Ok(b"1".to_vec()),
            ("false", _) => Ok(b"0".to_vec()),
            (_, Ok(integer)) => Ok(integer.to_string().into_bytes()),
            (_, Err(_)) => {
                // Towards zero, as long as a 64-bit integer holds it: 2^63 does not.
                let number =
                    trimmed.parse::<f64>().ok().filter(|number| number.abs() < 9_223_372_036_854_775_808.0);
                let number = number.ok_or_else(|| wrong("no 64-bit integer"))?;
                Ok((number as i64).to_string().into_bytes())
            }
        },
        Type::Number => match trimmed {
            "true" => Ok(b"1".to_vec()),
            "false" => Ok(b"0".to_vec()),
            // A number that JSON can carry stays as it is written: 1.10 keeps its digits.
            number if !number.starts_with('"') && is_json_number(number) => Ok(number.as_bytes().to_vec()),
            other => {
                let number = other.parse::<f64>().ok().and_then(serde_json::Number::from_f64);
                Ok(number.ok_or_else(|| wrong("no number"))?.to_string().into_bytes())
            }
        },
        Type::Json if is_text => match json::validate(text.as_bytes()) {
            Ok(()) => Ok(text.as_bytes().to_vec()),
            Err(_) => Err(wrong("no JSON")),
        },
        Type::Json => Ok(raw.to_vec()),
    }
}

fn is_json_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && json::validate(text.as_bytes()).is_ok()
}

pub const MASK: EditKind = EditKind {
    name: "mask",
    doc: "Hides fields: `mask: [email]`. Letters and digits become asterisks, or the whole value `with` a text.",
    options: &[
        required("fields", Kind::List(&Kind::Text), "paths of the fields"),
        with_default(
            "keep",
            Kind::Integer { min: 0, max: 1000 },
            "0",
            "how many letters and digits at the end stay",
        ),
        ConfigOption {
            name: "with",
            kind: Kind::Text,
            presence: Presence::Optional,
            doc: "what stands in place of the whole value",
        },
    ],
    main: Some("fields"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Mask>(MASK.options, settings)?)),
};

#[derive(Deserialize)]
struct Mask {
    fields: Vec<String>,
    keep: usize,
    with: Option<String>,
}

impl Edit for Mask {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        edit_object(row, to, |object| {
            self.fields.iter().try_for_each(|path| {
                object.edit(path, &mut |name, raw| {
                    let Some(text) = plain(raw) else { return Ok(Some((name.to_owned(), raw.to_vec()))) };
                    let hidden = match &self.with {
                        Some(with) => with.clone(),
                        None => super::super::script::mask(&text, self.keep),
                    };
                    Ok(Some((name.to_owned(), quoted(&hidden))))
                })
            })
        })
    }
}

pub const HOIST: EditKind = EditKind {
    name: "hoist",
    doc: "Puts the whole value into a field of a new object: `hoist: line`. What is not JSON becomes a string.",
    options: &[required("field", Kind::Text, "the field's name")],
    main: Some("field"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Hoist>(HOIST.options, settings)?)),
};

#[derive(Deserialize)]
struct Hoist {
    field: String,
}

impl Edit for Hoist {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        let Some(value) = row.value else {
            to.push_row(row);
            return Ok(true);
        };
        let raw = match json::validate(value) {
            Ok(()) => value.to_vec(),
            Err(_) => quoted(std::str::from_utf8(value).map_err(|_| "hoist: the value is not UTF-8")?),
        };
        let mut object = Object::default();
        object.set(&self.field, raw);
        push_value(row, Some(&object.to_json()), to);
        Ok(true)
    }
}

pub const FLATTEN: EditKind = EditKind {
    name: "flatten",
    doc: "Brings fields of inner objects up, under joined names: `flatten: \"_\"`. Lists stay lists.",
    options: &[with_default("separator", Kind::Text, "\".\"", "what stands between the names")],
    main: Some("separator"),
    routes: false,
    make: |settings| Ok(Box::new(config::parse::<Flatten>(FLATTEN.options, settings)?)),
};

#[derive(Deserialize)]
struct Flatten {
    separator: String,
}

impl Edit for Flatten {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        edit_object(row, to, |object| {
            let mut flat = Object::default();
            self.flatten("", object, &mut flat, 0);
            *object = flat;
            Ok(())
        })
    }
}

impl Flatten {
    fn flatten(&self, prefix: &str, from: &Object<'_>, to: &mut Object<'_>, depth: usize) {
        for (name, raw) in from.iter() {
            let name =
                if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{}{name}", self.separator) };
            let inner =
                (raw.first() == Some(&b'{') && depth < FLATTEN_DEPTH_MAX).then(|| Object::parse(raw).ok());
            match inner.flatten().filter(|inner| !inner.is_empty()) {
                Some(inner) => self.flatten(&name, &inner, to, depth + 1),
                None => to.push(name, raw.to_vec()),
            }
        }
    }
}

/// Whether a JSON text is null or missing.
pub fn is_absent(raw: Option<&[u8]>) -> bool {
    raw.is_none_or(|raw| raw == b"null")
}
