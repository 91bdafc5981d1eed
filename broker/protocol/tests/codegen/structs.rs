//! Writes one definition as Rust: its structures with their defaults, and how they encode and decode.

use std::fmt::Write as _;

use super::definition::{Definition, Field, Kind, Message, Role, Struct, Versions};

pub fn emit(definition: &Definition, messages: &[Message]) -> String {
    let mut body = String::new();
    for message in messages {
        for (index, structure) in message.structs.iter().enumerate() {
            let writer = Writer { message, structure, is_message: index == 0 };
            body.push_str(&writer.declaration());
            body.push_str(&writer.default_impl());
            body.push_str(&writer.message_impl());
        }
        if let Some(api) = &definition.api {
            body.push_str(&role_impl(message, &api.name));
        }
    }
    let mut text = String::new();
    for line in &definition.comment {
        writeln!(text, "//! {line}").unwrap();
    }
    text.push('\n');
    if body.contains("Bytes") {
        text.push_str("use bytes::Bytes;\n\n");
    }
    text.push_str(&imports(&body));
    text.push_str(&body);
    text
}

fn imports(body: &str) -> String {
    let mut used = vec!["Message"];
    used.extend(["ApiKey", "Uuid"].into_iter().filter(|name| uses_name(body, name)));
    // Not by name alone: `Response` is also the name of an associated type.
    used.extend(
        ["Request", "Response"].into_iter().filter(|role| body.contains(&format!("impl {role} for "))),
    );
    let primitives = ["TagWriter", "decodable", "encodable"];
    let primitives: Vec<&str> = primitives.into_iter().filter(|name| uses_name(body, name)).collect();
    format!(
        "use crate::primitives::{{{}}};\nuse crate::{{DecodeError, Decoder, EncodeError, Encoder, {}}};\n\n",
        primitives.join(", "),
        used.join(", ")
    )
}

fn uses_name(body: &str, name: &str) -> bool {
    body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

fn role_impl(message: &Message, api: &str) -> String {
    let name = message.name();
    let (low, high) = message.versions;
    match message.role {
        Role::Request => format!(
            "impl Request for {name} {{ const KEY: ApiKey = ApiKey::{api}; const MIN_VERSION: i16 = {low}; \
             const MAX_VERSION: i16 = {high}; type Response = crate::messages::{api}Response; }}\n\n"
        ),
        Role::Response => format!("impl Response for {name} {{ const KEY: ApiKey = ApiKey::{api}; }}\n\n"),
        Role::Data => String::new(),
    }
}

struct Writer<'a> {
    message: &'a Message,
    structure: &'a Struct,
    is_message: bool,
}

impl Writer<'_> {
    fn declaration(&self) -> String {
        let derive_default = if self.has_plain_default() { ", Default" } else { "" };
        let name = &self.structure.name;
        let mut text = String::new();
        if self.is_message {
            let (low, high) = self.message.versions;
            writeln!(text, "/// Versions {low} to {high}.").unwrap();
        }
        writeln!(text, "#[derive(Debug, Clone, PartialEq{derive_default})]\npub struct {name} {{").unwrap();
        for field in &self.structure.fields {
            if let Some(note) = self.versions_note(field) {
                writeln!(text, "/// {note}").unwrap();
            }
            writeln!(text, "pub {}: {},", field.name, rust_type(field)).unwrap();
        }
        text.push_str("}\n\n");
        if self.is_message && self.message.role == Role::Data {
            let (low, high) = self.message.versions;
            write!(
                text,
                "impl {name} {{ /// Lowest version that can be encoded and decoded.\n\
                 pub const MIN_VERSION: i16 = {low}; /// Highest version that can be encoded and decoded.\n\
                 pub const MAX_VERSION: i16 = {high}; }}\n\n"
            )
            .unwrap();
        }
        text
    }

    fn versions_note(&self, field: &Field) -> Option<String> {
        let (low, high) = field.versions;
        let all = self.message.versions;
        if field.versions == all {
            None
        } else if high == all.1 {
            Some(format!("From version {low}."))
        } else if low == high {
            Some(format!("Only in version {low}."))
        } else {
            Some(format!("Versions {low} to {high}."))
        }
    }

    fn has_plain_default(&self) -> bool {
        self.structure.fields.iter().all(|field| field.default.is_none())
    }

    fn default_impl(&self) -> String {
        if self.has_plain_default() {
            return String::new();
        }
        let fields = self.structure.fields.iter();
        let values: Vec<String> =
            fields.map(|field| format!("{}: {}", field.name, default_value(field))).collect();
        format!(
            "impl Default for {} {{ fn default() -> Self {{ Self {{ {} }} }} }}\n\n",
            self.structure.name,
            values.join(", ")
        )
    }

    fn message_impl(&self) -> String {
        let (encode, decode) = (self.encode_body(), self.decode_body());
        let version = |body: &str| if uses_name(body, "version") { "version" } else { "_version" };
        let (encoder, decoder) = (if uses_name(&encode, "to") { "to" } else { "_to" }, "from");
        format!(
            "impl Message for {} {{ fn encode(&self, {encoder}: &mut Encoder, {}: i16) -> Result<(), EncodeError> {{\n\
             {encode}Ok(()) }}\n\n\
             fn decode({decoder}: &mut Decoder, {}: i16) -> Result<Self, DecodeError> {{\n{decode} }} }}\n\n",
            self.structure.name,
            version(&encode),
            version(&decode),
        )
    }

    /// `flexible`, or the constant that it always is in this message.
    fn compact(&self) -> &'static str {
        match self.message.flexible {
            None => "false",
            Some(flexible) if flexible <= self.message.versions.0 => "true",
            Some(_) => "flexible",
        }
    }

    fn with_flexible_binding(&self, body: String) -> String {
        match self.message.flexible {
            Some(flexible) if uses_name(&body, "flexible") => {
                format!("let flexible = version >= {flexible};\n{body}")
            }
            _ => body,
        }
    }

    fn condition(&self, (low, high): Versions) -> Option<String> {
        let all = self.message.versions;
        match (low > all.0, high < all.1) {
            (false, false) => None,
            (true, false) => Some(format!("version >= {low}")),
            (false, true) => Some(format!("version <= {high}")),
            (true, true) if low == high => Some(format!("version == {low}")),
            (true, true) => Some(format!("({low}..={high}).contains(&version)")),
        }
    }

    fn path(&self, field: &Field) -> String {
        format!("\"{}.{}\"", self.structure.name, field.name)
    }

    /// Versions in which the field stands in the body and not among the tags.
    fn body_versions(&self, field: &Field) -> Option<Versions> {
        match field.tag {
            Some((_, tagged)) if tagged.0 <= field.versions.0 => None,
            Some((_, tagged)) => Some((field.versions.0, tagged.0 - 1)),
            None => Some(field.versions),
        }
    }

    fn nullable_in(&self, field: &Field) -> Option<String> {
        let null = field.nullable?;
        if null == field.versions {
            return Some("true".to_owned());
        }
        Some(self.condition(null).unwrap_or_else(|| "true".to_owned()))
    }

    fn tagged_fields(&self) -> Vec<(&Field, u32, Versions)> {
        let fields = self.structure.fields.iter();
        let mut tagged: Vec<_> =
            fields.filter_map(|field| field.tag.map(|(tag, versions)| (field, tag, versions))).collect();
        tagged.sort_by_key(|(_, tag, _)| *tag);
        tagged
    }
}

/// Encoding.
impl Writer<'_> {
    fn encode_body(&self) -> String {
        let mut body = String::new();
        if self.is_message {
            let (low, high) = self.message.versions;
            writeln!(body, "encodable(\"{}\", version, {low}, {high})?;", self.structure.name).unwrap();
        }
        for field in &self.structure.fields {
            let Some(versions) = self.body_versions(field) else { continue };
            let write = self.write_statement(field, &format!("self.{}", field.name));
            match self.condition(versions) {
                None => body.push_str(&write),
                Some(condition) if field.ignorable => {
                    writeln!(body, "if {condition} {{ {write} }}").unwrap();
                }
                Some(condition) => writeln!(
                    body,
                    "if {condition} {{ {write} }} else if {} {{ \
                     return Err(EncodeError::not_in_version({}, version)); }}",
                    is_set(field),
                    self.path(field)
                )
                .unwrap(),
            }
        }
        body.push_str(&self.encode_tags());
        self.with_flexible_binding(body)
    }

    fn encode_tags(&self) -> String {
        let compact = self.compact();
        let guard = |statement: &str| match compact {
            "false" => String::new(),
            "true" => format!("{statement}\n"),
            _ => format!("if flexible {{ {statement} }}\n"),
        };
        let tagged = self.tagged_fields();
        if tagged.is_empty() {
            return guard("to.no_tags();");
        }
        let mut text = String::from("let mut tags = TagWriter::new();\n");
        for (field, tag, versions) in tagged {
            let write = self.write_statement(field, &format!("self.{}", field.name));
            let add = format!("tags.field({tag}, |to| {{ {write} Ok(()) }})?;");
            let set = is_set(field);
            match self.condition(versions) {
                None => writeln!(text, "if {set} {{ {add} }}").unwrap(),
                Some(condition) if field.ignorable => {
                    writeln!(text, "if {condition} && {set} {{ {add} }}").unwrap();
                }
                Some(condition) => writeln!(
                    text,
                    "if {set} {{ if {condition} {{ {add} }} else {{ \
                     return Err(EncodeError::not_in_version({}, version)); }} }}",
                    self.path(field)
                )
                .unwrap(),
            }
        }
        text.push_str(&guard("tags.finish(to);"));
        text
    }

    fn write_statement(&self, field: &Field, value: &str) -> String {
        let compact = self.compact();
        let at = format!("to.at({});\n", self.path(field));
        let null = self.nullable_in(field);
        if field.is_array {
            let item = match &field.kind {
                Kind::Struct(_) => "item.encode(to, version)".to_owned(),
                Kind::Str => format!("to.string(item, {compact})"),
                kind => format!("{{ to.{}(*item); Ok(()) }}", scalar_method(kind)),
            };
            return match null {
                Some(null) => format!(
                    "{at}to.nullable_array({value}.as_deref(), {null}, {compact}, |to, item| {item})?;\n"
                ),
                None => format!("{at}to.array(&{value}, {compact}, |to, item| {item})?;\n"),
            };
        }
        match (&field.kind, null) {
            (Kind::Struct(_), None) => format!("{value}.encode(to, version)?;\n"),
            (Kind::Struct(_), Some(_)) => format!("to.nullable_struct({value}.as_ref(), version)?;\n"),
            (Kind::Str, None) => format!("{at}to.string(&{value}, {compact})?;\n"),
            (Kind::Str, Some(null)) => {
                format!("{at}to.nullable_string({value}.as_deref(), {null}, {compact})?;\n")
            }
            (Kind::Bytes, None) => format!("{at}to.bytes(&{value}, {compact})?;\n"),
            (Kind::Bytes, Some(null)) => {
                format!("{at}to.nullable_bytes({value}.as_ref(), {null}, {compact})?;\n")
            }
            (kind, _) => format!("to.{}({value});\n", scalar_method(kind)),
        }
    }
}

/// Decoding.
impl Writer<'_> {
    fn decode_body(&self) -> String {
        let mut body = String::new();
        if self.is_message {
            let (low, high) = self.message.versions;
            writeln!(body, "decodable(from, \"{}\", version, {low}, {high})?;", self.structure.name).unwrap();
        }
        for field in &self.structure.fields {
            let name = &field.name;
            let mutable = if field.tag.is_some() { "mut " } else { "" };
            let at = format!("from.at({});", self.path(field));
            let read = self.read_expression(field);
            let versions = self.body_versions(field);
            let statement = match versions.map(|versions| self.condition(versions)) {
                None => format!("let {mutable}{name} = {};\n", default_value(field)),
                Some(None) => format!("{at}\nlet {mutable}{name} = {read}?;\n"),
                Some(Some(condition)) => format!(
                    "let {mutable}{name} = if {condition} {{ {at} {read}? }} else {{ {} }};\n",
                    default_value(field)
                ),
            };
            body.push_str(&statement);
        }
        body.push_str(&self.decode_tags());
        let names: Vec<&str> = self.structure.fields.iter().map(|field| field.name.as_str()).collect();
        writeln!(body, "Ok(Self {{ {} }})", names.join(", ")).unwrap();
        self.with_flexible_binding(body)
    }

    fn decode_tags(&self) -> String {
        let tagged = self.tagged_fields();
        let statement = if tagged.is_empty() {
            "from.skip_tags()?;".to_owned()
        } else {
            let mut arms = String::new();
            for (field, tag, versions) in tagged {
                let condition = match self.condition(versions) {
                    // Tags exist in flexible versions only, so that much is known.
                    Some(_) if Some(versions.0) == self.message.flexible => String::new(),
                    Some(condition) => format!(" if {condition}"),
                    None => String::new(),
                };
                writeln!(
                    arms,
                    "{tag}{condition} => {{ from.at({}); {} = {}?; }}",
                    self.path(field),
                    field.name,
                    self.read_expression(field)
                )
                .unwrap();
            }
            format!("from.tags(|tag, from| {{ match tag {{ {arms} _ => return Ok(false), }} Ok(true) }})?;")
        };
        match self.compact() {
            "false" => String::new(),
            "true" => format!("{statement}\n"),
            _ => format!("if flexible {{ {statement} }}\n"),
        }
    }

    fn read_expression(&self, field: &Field) -> String {
        let compact = self.compact();
        let null = self.nullable_in(field);
        if field.is_array {
            let item = match &field.kind {
                Kind::Struct(name) => format!("|from| {name}::decode(from, version)"),
                Kind::Str => format!("|from| from.string({compact})"),
                kind => format!("Decoder::{}", scalar_method(kind)),
            };
            let min = self.item_bytes_min(field);
            return match null {
                Some(null) => format!("from.nullable_array({null}, {compact}, {min}, {item})"),
                None => format!("from.array({compact}, {min}, {item})"),
            };
        }
        match (&field.kind, null) {
            (Kind::Struct(name), None) => format!("{name}::decode(from, version)"),
            (Kind::Struct(_), Some(_)) => "from.nullable_struct(version)".to_owned(),
            (Kind::Str, None) => format!("from.string({compact})"),
            (Kind::Str, Some(null)) => format!("from.nullable_string({null}, {compact})"),
            (Kind::Bytes, None) => format!("from.bytes({compact})"),
            (Kind::Bytes, Some(null)) => format!("from.nullable_bytes({null}, {compact})"),
            (kind, _) => format!("from.{}()", scalar_method(kind)),
        }
    }

    /// Fewest bytes that an item of the array takes in any version.
    fn item_bytes_min(&self, field: &Field) -> usize {
        let (low, high) = field.versions;
        (low..=high).map(|version| kind_bytes_min(self.message, &field.kind, version)).min().unwrap_or(1)
    }
}

fn struct_bytes_min(message: &Message, structure: &Struct, version: i16) -> usize {
    let present = structure.fields.iter().filter(|field| {
        let tagged = field.tag.is_some_and(|(_, versions)| version >= versions.0);
        (field.versions.0..=field.versions.1).contains(&version) && !tagged
    });
    let bytes: usize = present
        .map(|field| match (field.is_array, &field.kind, field.nullable) {
            (true, ..) if message.is_flexible(version) => 1,
            (true, ..) => 4,
            (false, Kind::Struct(_), Some(_)) => 1,
            (false, kind, _) => kind_bytes_min(message, kind, version),
        })
        .sum();
    bytes + usize::from(message.is_flexible(version))
}

fn kind_bytes_min(message: &Message, kind: &Kind, version: i16) -> usize {
    match kind {
        Kind::Int8 | Kind::Bool => 1,
        Kind::Int16 | Kind::Uint16 => 2,
        Kind::Int32 => 4,
        Kind::Int64 | Kind::Float64 => 8,
        Kind::Uuid => 16,
        Kind::Str | Kind::Bytes if message.is_flexible(version) => 1,
        Kind::Str => 2,
        Kind::Bytes => 4,
        Kind::Struct(name) => struct_bytes_min(message, message.structure(name), version),
    }
}

fn scalar_method(kind: &Kind) -> &'static str {
    match kind {
        Kind::Int8 => "i8",
        Kind::Int16 => "i16",
        Kind::Uint16 => "u16",
        Kind::Int32 => "i32",
        Kind::Int64 => "i64",
        Kind::Float64 => "f64",
        Kind::Bool => "bool",
        Kind::Uuid => "uuid",
        Kind::Str | Kind::Bytes | Kind::Struct(_) => unreachable!("has a length or fields"),
    }
}

fn rust_type(field: &Field) -> String {
    let item = match &field.kind {
        Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Int64 | Kind::Float64 | Kind::Bool => {
            scalar_method(&field.kind).to_owned()
        }
        Kind::Str => "String".to_owned(),
        Kind::Uuid => "Uuid".to_owned(),
        Kind::Bytes => "Bytes".to_owned(),
        Kind::Struct(name) => name.clone(),
    };
    let whole = if field.is_array { format!("Vec<{item}>") } else { item };
    if field.nullable.is_some() { format!("Option<{whole}>") } else { whole }
}

fn default_value(field: &Field) -> String {
    if field.nullable.is_some() {
        assert!(field.default.is_none(), "{}: nullable fields default to null", field.name);
        return "None".to_owned();
    }
    if field.is_array {
        return "Vec::new()".to_owned();
    }
    match &field.kind {
        Kind::Bool => field.default.clone().unwrap_or_else(|| "false".to_owned()),
        Kind::Float64 => field.default.clone().unwrap_or_else(|| "0.0".to_owned()),
        Kind::Str => "String::new()".to_owned(),
        Kind::Uuid => "Uuid::ZERO".to_owned(),
        Kind::Bytes => "Bytes::new()".to_owned(),
        Kind::Struct(name) => format!("{name}::default()"),
        _ => match field.default.as_deref() {
            None => "0".to_owned(),
            Some("2147483647") => "i32::MAX".to_owned(),
            Some("-2147483648") => "i32::MIN".to_owned(),
            Some("9223372036854775807") => "i64::MAX".to_owned(),
            Some(number) => number.to_owned(),
        },
    }
}

/// Whether the field differs from its default, as an expression.
fn is_set(field: &Field) -> String {
    let value = format!("self.{}", field.name);
    match (field.nullable.is_some(), field.is_array, &field.kind) {
        (true, true, _) => format!("{value}.as_ref().is_some_and(|items| !items.is_empty())"),
        (true, false, _) => format!("{value}.is_some()"),
        (false, true, _) | (false, false, Kind::Str | Kind::Bytes) => format!("!{value}.is_empty()"),
        (false, false, Kind::Bool) if default_value(field) == "true" => format!("!{value}"),
        (false, false, Kind::Bool) => value,
        (false, false, Kind::Uuid) => format!("!{value}.is_zero()"),
        _ => format!("{value} != {}", default_value(field)),
    }
}
