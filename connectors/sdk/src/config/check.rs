//! Holds a configuration against a table of options and reports every mistake.

use serde_json::Value;

use super::{ConfigOption, Diagnostic, Kind, Presence, Step, closest};

/// All mistakes of a configuration: unknown options, missing ones, values of the wrong kind. `null` counts as an
/// empty configuration.
pub fn check(options: &[ConfigOption], config: &Value) -> Vec<Diagnostic> {
    let empty = serde_json::Map::new();
    let given = match config {
        Value::Object(given) => given,
        Value::Null => &empty,
        other => {
            let message = format!("expected options as `name: value`, found {}", name_of(other));
            return vec![Diagnostic::new(Vec::new(), message)];
        }
    };
    let mut mistakes = Vec::new();
    for (name, value) in given {
        match options.iter().find(|option| option.name == name) {
            Some(option) => {
                let mut path = vec![Step::Key(name.clone())];
                check_value(&option.kind, value, &mut path, &mut mistakes);
            }
            None => mistakes.push(unknown(name, options)),
        }
    }
    for option in options {
        if matches!(option.presence, Presence::Required) && !given.contains_key(option.name) {
            let message = format!("missing option `{}` ({})", option.name, option.doc);
            mistakes.push(Diagnostic::new(Vec::new(), message));
        }
    }
    mistakes
}

fn unknown(name: &str, options: &[ConfigOption]) -> Diagnostic {
    let names = || options.iter().map(|option| option.name);
    let hint = match closest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are: {}", names().collect::<Vec<_>>().join(", ")),
    };
    Diagnostic::of(name, format!("unknown option `{name}`")).with_hint(hint)
}

fn check_value(kind: &Kind, value: &Value, path: &mut Vec<Step>, mistakes: &mut Vec<Diagnostic>) {
    match (kind, value) {
        (Kind::List(item), Value::Array(values)) => {
            for (index, value) in values.iter().enumerate() {
                path.push(Step::Index(index));
                check_value(item, value, path, mistakes);
                path.pop();
            }
        }
        (Kind::Map(item), Value::Object(values)) => {
            for (key, value) in values {
                path.push(Step::Key(key.clone()));
                check_value(item, value, path, mistakes);
                path.pop();
            }
        }
        (Kind::Any, _) => {}
        (Kind::AnyOf(kinds), value) => check_any(kinds, value, path, mistakes),
        (kind, value) => {
            if let Some((message, hint)) = scalar_mistake(kind, value) {
                mistakes.push(Diagnostic { path: path.clone(), message, hint });
            }
        }
    }
}

fn check_any(kinds: &[Kind], value: &Value, path: &mut Vec<Step>, mistakes: &mut Vec<Diagnostic>) {
    let mut best: Option<Vec<Diagnostic>> = None;
    for kind in kinds {
        let mut found = Vec::new();
        check_value(kind, value, path, &mut found);
        if found.is_empty() {
            return;
        }
        // The kind whose shape fits got deeper before it failed, or has a guess: its report helps most.
        let depth = |found: &[Diagnostic]| {
            found.iter().map(|mistake| mistake.path.len() * 2 + usize::from(mistake.hint.is_some())).max()
        };
        if best.as_ref().is_none_or(|best| depth(&found) > depth(best)) {
            best = Some(found);
        }
    }
    mistakes.extend(best.unwrap_or_default());
}

fn scalar_mistake(kind: &Kind, value: &Value) -> Option<(String, Option<String>)> {
    let plain = |message: String| Some((message, None));
    match (kind, value) {
        (Kind::Text, Value::String(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Number, Value::Number(_)) => None,
        (Kind::Character, Value::String(text)) => match text.chars().count() {
            1 => None,
            _ => plain(format!("expected one character, found {text:?}")),
        },
        (Kind::Integer { min, max }, Value::Number(number)) => match number.as_i64() {
            Some(integer) if (*min..=*max).contains(&integer) => None,
            Some(integer) => plain(format!("expected an integer from {min} to {max}, found {integer}")),
            None => plain(format!("expected an integer, found {number}")),
        },
        (Kind::Choice(words), Value::String(text)) if words.contains(&text.as_str()) => None,
        (Kind::Choice(words), Value::String(text)) => {
            let hint = closest(text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            Some((format!("expected one of {}, found `{text}`", words.join(", ")), hint))
        }
        (kind, value) => plain(format!("expected {}, found {}", kind.noun(), name_of(value))),
    }
}

impl Kind {
    /// What the kind is called in a message.
    pub fn noun(&self) -> String {
        match self {
            Kind::Text => "text".to_owned(),
            Kind::Character => "one character".to_owned(),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Integer { .. } => "an integer".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::List(item) => format!("a list of {}", item.noun()),
            Kind::Map(item) => format!("an object of {}", item.noun()),
            Kind::Any => "any value".to_owned(),
            Kind::AnyOf(kinds) => kinds.iter().map(Kind::noun).collect::<Vec<_>>().join(" or "),
        }
    }
}

/// What a value is called in a message.
fn name_of(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => format!("the number {value}"),
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
