//! A table of options as JSON Schema (draft 2020-12), for editors and for `millstream schema`.

use serde_json::{Map, Value, json};

use super::{ConfigOption, Kind, Presence, default_value};

/// The schema of an object with these options and no others.
pub fn json_schema(options: &[ConfigOption]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for option in options {
        let mut schema = kind_schema(&option.kind);
        schema.insert("description".to_owned(), Value::from(option.doc));
        match option.presence {
            Presence::Required => required.push(Value::from(option.name)),
            Presence::Default(json) => {
                schema.insert("default".to_owned(), default_value(option.name, json));
            }
            Presence::Optional => {}
        }
        properties.insert(option.name.to_owned(), Value::Object(schema));
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), Value::from("object"));
    schema.insert("additionalProperties".to_owned(), Value::from(false));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    Value::Object(schema)
}

fn kind_schema(kind: &Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Character => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::List(item) => json!({ "type": "array", "items": kind_schema(item) }),
        Kind::Map(item) => json!({ "type": "object", "additionalProperties": kind_schema(item) }),
        Kind::Any => json!({}),
        Kind::AnyOf(kinds) => {
            json!({ "anyOf": kinds.iter().map(kind_schema).collect::<Vec<_>>() })
        }
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
