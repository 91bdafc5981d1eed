//! A component's JSON Schema as a table of options, so that checks, guesses and documentation are those of built-in
//! plugins.
//!
//! What a table cannot say (patterns, conditions) is left to the component's own `validate`.

use millstream_sdk::config::{ConfigOption, Kind, Presence};
use serde_json::Value;

use super::description::kept;

/// Deepest nesting of a schema that is looked at.
const DEPTH_MAX: usize = 8;

/// The options of an object schema.
pub fn options(schema: &Value) -> Result<Vec<ConfigOption>, String> {
    let Some(schema) = schema.as_object() else { return Err("it is not an object".to_owned()) };
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err("its type must be object".to_owned());
    }
    let Some(properties) = schema.get("properties") else { return Ok(Vec::new()) };
    let Some(properties) = properties.as_object() else {
        return Err("its properties are not an object".to_owned());
    };
    let required: Vec<&str> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) => return Err("what it requires is not a list".to_owned()),
        None => Vec::new(),
    };
    if let Some(unknown) = required.iter().find(|name| !properties.contains_key(**name)) {
        return Err(format!("it requires {unknown}, which it does not describe"));
    }
    let option = |(name, property): (&String, &Value)| ConfigOption {
        name: kept(name.clone()),
        kind: kind(property, 0),
        presence: match property.get("default") {
            Some(default) => Presence::Default(kept(default.to_string())),
            None if required.contains(&name.as_str()) => Presence::Required,
            None => Presence::Optional,
        },
        doc: kept(property.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()),
    };
    Ok(properties.iter().map(option).collect())
}

fn kind(schema: &Value, depth: usize) -> Kind {
    if depth >= DEPTH_MAX {
        return Kind::Any;
    }
    let below = |schema: Option<&Value>| -> &'static Kind {
        Box::leak(Box::new(schema.map_or(Kind::Any, |schema| kind(schema, depth + 1))))
    };
    if let Some(Value::Array(choices)) = schema.get("enum") {
        let words: Option<Vec<&'static str>> =
            choices.iter().map(|choice| Some(kept(choice.as_str()?.to_owned()))).collect();
        return words.map_or(Kind::Any, |words| Kind::Choice(Box::leak(words.into())));
    }
    for alternatives in ["oneOf", "anyOf"] {
        if let Some(Value::Array(schemas)) = schema.get(alternatives) {
            let kinds: Vec<Kind> = schemas.iter().map(|schema| kind(schema, depth + 1)).collect();
            return Kind::AnyOf(Box::leak(kinds.into()));
        }
    }
    match schema.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            "string" => Kind::Text,
            "boolean" => Kind::Boolean,
            "integer" => Kind::Integer {
                min: schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN),
                max: schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX),
            },
            "number" => Kind::Number,
            "array" => Kind::List(below(schema.get("items"))),
            "object" if schema.get("properties").is_none() => {
                Kind::Map(below(schema.get("additionalProperties").filter(|given| given.is_object())))
            }
            _ => Kind::Any,
        },
        Some(Value::Array(names)) => {
            let one = |name: &Value| {
                let mut schema = schema.clone();
                schema["type"] = name.clone();
                kind(&schema, depth + 1)
            };
            let kinds: Vec<Kind> = names.iter().filter(|name| *name != "null").map(one).collect();
            Kind::AnyOf(Box::leak(kinds.into()))
        }
        _ => Kind::Any,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_becomes_the_same_table_that_built_in_plugins_have() {
        let schema = json!({
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": { "type": "string", "description": "Where." },
                "size": { "type": "integer", "minimum": 1, "maximum": 9, "default": 3 },
                "mode": { "enum": ["a", "b"] },
                "tags": { "type": "array", "items": { "type": "string" } },
                "any": {}
            }
        });
        let options = options(&schema).unwrap();
        let mistakes = |config: Value| -> Vec<String> {
            millstream_sdk::config::check(&options, &config).iter().map(ToString::to_string).collect()
        };
        assert_eq!(mistakes(json!({ "url": "x", "size": 2, "tags": ["t"], "any": { "x": [1] } })), [""; 0]);
        let found = mistakes(json!({ "size": 10, "mode": "c", "tags": [1], "urll": "x" }));
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn what_is_no_object_schema_is_refused() {
        for schema in [json!([]), json!({ "type": "string" }), json!({ "required": ["x"], "properties": {} })]
        {
            assert!(options(&schema).is_err(), "{schema}");
        }
    }
}
