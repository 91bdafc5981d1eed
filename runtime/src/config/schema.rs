//! The JSON Schema of the pipeline file, with every built-in connector's options composed in, so that
//! editors complete and check as people type.
//!
//! Left out: what a schema cannot say (references between parts, SQL); `validate` says that.

use millstream_sdk::config::{ConfigOption, Presence, json_schema};
use millstream_sdk::plugin::Role;
use serde_json::{Value, json};

use crate::connect::{EditKind, edits};

/// JSON Schema, draft 2020-12.
pub fn pipeline_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Millstream pipeline",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "name": {
                "type": "string",
                "pattern": "^[A-Za-z0-9_-]{1,64}$",
                "description": "Names groups, transactions and stored positions: keep it the same between runs."
            },
            "cluster": cluster(),
            "topics": { "type": "object", "additionalProperties": topic() },
            "sources": { "type": "object", "additionalProperties": part(Role::Source) },
            "streams": { "type": "array", "items": stream() },
            "sinks": { "type": "object", "additionalProperties": part(Role::Sink) },
            "tests": { "type": "array", "items": case() }
        }
    })
}

fn cluster() -> Value {
    json!({
        "description": "embedded (a node in this process) or any Kafka cluster.",
        "default": "embedded",
        "oneOf": [
            { "const": "embedded" },
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["bootstrap"],
                "properties": {
                    "bootstrap": {
                        "description": "host:port, several by commas or as a list.",
                        "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
                    }
                }
            }
        ]
    })
}

fn topic() -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "partitions": { "type": "integer", "minimum": 1, "maximum": 100_000 },
            "replicas": { "type": "integer", "minimum": 1 },
            "format": { "enum": ["json", "csv", "raw"] },
            "config": {
                "type": "object",
                "description": "Kafka's topic settings by their own names, such as retention.ms.",
                "additionalProperties": { "type": ["string", "number", "boolean"] }
            }
        }
    })
}

/// A source or a sink: the shared keys, and the options of the connector that `use` names.
fn part(role: Role) -> Value {
    let described: Vec<_> = millstream_connectors::plugins()
        .iter()
        .map(|plugin| plugin.describe())
        .filter(|description| description.role(role).is_some())
        .collect();
    let names: Vec<Value> = described
        .iter()
        .map(|description| json!({ "const": description.name, "description": description.doc }))
        .collect();
    let options: Vec<Value> = described
        .iter()
        .filter_map(|description| {
            let schema = json_schema(description.role(role)?.options);
            Some(json!({
                "if": { "properties": { "use": { "const": description.name } } },
                "then": { "properties": { "with": schema } }
            }))
        })
        .collect();
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "use": { "oneOf": names },
            "with": { "type": ["object", "null"] },
            "transforms": { "type": "array", "items": step() },
            "on_error": errors(),
            "allow": grants()
        },
        "allOf": options
    });
    let own = match role {
        Role::Source => json!({
            "to": { "type": "string", "description": "A topic, or a template per record: {schema}.{table}" },
            "key": { "type": "string", "description": "A field, or a SQL expression." },
            "timestamp": { "type": "string", "description": "A field, or a SQL expression." }
        }),
        _ => json!({
            "from": {
                "description": "Topics, or streams and tables of the SQL.",
                "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
            }
        }),
    };
    schema["required"] = if role == Role::Source { json!(["use", "to"]) } else { json!(["use", "from"]) };
    if let (Some(properties), Value::Object(own)) = (schema["properties"].as_object_mut(), own) {
        properties.extend(own);
    }
    schema
}

fn step() -> Value {
    let one = |name: &str, schema: Value| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": [name],
            "properties": { name: schema, "allow": grants() }
        })
    };
    let mut kinds = vec![
        one(
            "filter",
            json!({ "type": "string", "description": "A SQL condition; other records are dropped." }),
        ),
        one(
            "map",
            json!({ "type": "object", "additionalProperties": { "type": "string" },
                               "description": "Fields to compute: name and SQL expression." }),
        ),
        one("rhai", json!({ "type": "string", "description": "A script that edits one record." })),
        component(),
    ];
    kinds.extend(edits().iter().map(|edit| one(edit.name, edit_schema(edit))));
    json!({ "oneOf": kinds })
}

/// The options of a built-in step, or its short form.
fn edit_schema(edit: &EditKind) -> Value {
    let mut forms = vec![json_schema(edit.options)];
    if let Some(main) = edit.options.iter().find(|option| Some(option.name) == edit.main) {
        let short = json_schema(&[ConfigOption { presence: Presence::Optional, ..*main }]);
        forms.push(short["properties"][main.name].clone());
    }
    json!({ "description": edit.doc, "anyOf": forms })
}

fn component() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["wasm"],
        "properties": {
            "wasm": { "type": "string", "description": "A component: a path." },
            "with": { "type": ["object", "null"], "description": "Its settings." },
            "allow": grants()
        }
    })
}

fn errors() -> Value {
    let words = json!({ "enum": ["fail", "skip", "dead-letter"] });
    json!({
        "oneOf": [
            words,
            {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "retries": { "type": "integer", "minimum": 0 },
                    "then": words,
                    "topic": { "type": "string", "description": "Where dead letters go." }
                }
            }
        ]
    })
}

fn grants() -> Value {
    let list = json!({ "type": "array", "items": { "type": "string" } });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "net": list, "http": list, "fs": list, "secrets": list,
            "memory": { "type": "string" }, "cpu": { "type": "string" }
        }
    })
}

fn stream() -> Value {
    let one = |name: &str, description: &str| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": [name],
            "properties": { name: { "type": "string", "description": description } }
        })
    };
    json!({ "oneOf": [one("sql", "Statements, one or more."), one("file", "A file of statements.")] })
}

fn case() -> Value {
    let records = json!({
        "type": "object",
        "additionalProperties": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["value"],
                "properties": {
                    "key": {},
                    "value": {},
                    "timestamp": { "type": "string" },
                    "headers": { "type": "object", "additionalProperties": { "type": "string" } }
                }
            }
        }
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "expect"],
        "properties": {
            "name": { "type": "string" },
            "at": { "type": "string", "format": "date-time", "description": "Where the clock stands." },
            "exact": { "type": "boolean", "description": "Expected objects name all fields.", "default": false },
            "ordered": { "type": "boolean", "description": "Records come in this order.", "default": false },
            "given": records,
            "expect": records
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_section_the_reader_knows() {
        let schema = pipeline_schema();
        let properties = schema["properties"].as_object().unwrap();
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(names, ["name", "cluster", "topics", "sources", "streams", "sinks", "tests"]);
        assert_eq!(schema["properties"]["sources"]["additionalProperties"]["required"], json!(["use", "to"]));
    }
}
