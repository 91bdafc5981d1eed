//! Writes the list of APIs: their keys, header versions, and one enum each over all requests and responses.

use std::fmt::Write as _;

use super::definition::{Api, Definition, Message, Role};

/// File names and contents.
pub fn emit(definitions: &[Definition]) -> Vec<(String, String)> {
    let apis: Vec<(&Api, &Message)> = definitions
        .iter()
        .filter_map(|definition| Some((definition.api.as_ref()?, &definition.messages[0])))
        .collect();
    let names: Vec<&str> = apis.iter().map(|(api, _)| api.name.as_str()).collect();
    vec![
        ("api_key.rs".to_owned(), api_key(&apis)),
        ("request_kind.rs".to_owned(), kind_enum(&names, Role::Request)),
        ("response_kind.rs".to_owned(), kind_enum(&names, Role::Response)),
    ]
}

fn api_key(apis: &[(&Api, &Message)]) -> String {
    let mut variants = String::new();
    let mut all = String::new();
    let mut numbers = String::new();
    let mut names = String::new();
    let mut versions = String::new();
    let mut flexible = String::new();
    for (api, message) in apis {
        let (name, key, (low, high)) = (&api.name, api.key, message.versions);
        writeln!(variants, "{name} = {key},").unwrap();
        write!(all, "Self::{name}, ").unwrap();
        writeln!(numbers, "{key} => Self::{name},").unwrap();
        writeln!(names, "Self::{name} => \"{name}\",").unwrap();
        writeln!(versions, "Self::{name} => ({low}, {high}),").unwrap();
        writeln!(flexible, "Self::{name} => {},", message.flexible.unwrap_or(i16::MAX)).unwrap();
    }
    format!(
        "//! Every API by its key.\n\nuse crate::UnknownApiKey;\n\n\
         /// The number that opens each request and says which API it is for.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[repr(i16)]\n\
         pub enum ApiKey {{ {variants} }}\n\n\
         impl ApiKey {{\n\
         /// Every API, by ascending key.\npub const ALL: &'static [Self] = &[{all}];\n\n\
         /// The number on the wire.\npub const fn code(self) -> i16 {{ self as i16 }}\n\n\
         /// The name as in Kafka's documentation, such as `ListOffsets`.\n\
         pub const fn name(self) -> &'static str {{ match self {{ {names} }} }}\n\n\
         /// Lowest and highest version that can be encoded and decoded.\n\
         pub const fn versions(self) -> (i16, i16) {{ match self {{ {versions} }} }}\n\n\
         /// Whether the version has compact types and tagged fields (KIP-482).\n\
         pub const fn is_flexible(self, version: i16) -> bool {{ version >= self.first_flexible() }}\n\n\
         /// Version of the header in front of a request of this version.\n\
         pub const fn request_header_version(self, version: i16) -> i16 {{ if self.is_flexible(version) {{ 2 }} else {{ 1 }} }}\n\n\
         /// Version of the header in front of a response of this version; always 0 for `ApiVersions`, whose\n\
         /// response must be readable before a common version is known.\n\
         pub const fn response_header_version(self, version: i16) -> i16 {{\n\
         if self.is_flexible(version) && !matches!(self, Self::ApiVersions) {{ 1 }} else {{ 0 }} }}\n\n\
         const fn first_flexible(self) -> i16 {{ match self {{ {flexible} }} }} }}\n\n\
         impl TryFrom<i16> for ApiKey {{ type Error = UnknownApiKey;\n\n\
         fn try_from(code: i16) -> Result<Self, UnknownApiKey> {{ Ok(match code {{ {numbers} _ => return Err(UnknownApiKey(code)), }}) }} }}\n\n"
    )
}

fn kind_enum(names: &[&str], role: Role) -> String {
    let (word, plural, doc) = match role {
        Role::Request => ("Request", "requests", "A request of any API."),
        _ => ("Response", "responses", "A response of any API."),
    };
    let kind = format!("{word}Kind");
    let mut variants = String::new();
    let mut keys = String::new();
    let mut encodes = String::new();
    let mut decodes = String::new();
    let mut conversions = String::new();
    for name in names {
        let message = format!("{name}{word}");
        writeln!(variants, "{name}({message}),").unwrap();
        writeln!(keys, "Self::{name}(_) => ApiKey::{name},").unwrap();
        writeln!(encodes, "Self::{name}(message) => message.encode(to, version),").unwrap();
        writeln!(decodes, "ApiKey::{name} => {message}::decode(from, version).map(Self::{name}),").unwrap();
        write!(conversions, "{name}({message}), ").unwrap();
    }
    format!(
        "//! One enum over the {plural} of all APIs.\n\nuse super::*;\n\
         use crate::api::kind_conversions;\nuse crate::{{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message}};\n\n\
         /// {doc}\n#[derive(Debug, Clone, PartialEq)]\npub enum {kind} {{ {variants} }}\n\n\
         impl {kind} {{\n/// The API that it belongs to.\n\
         pub const fn key(&self) -> ApiKey {{ match self {{ {keys} }} }}\n\n\
         /// Appends the wire form of `version`, without header.\n\
         pub fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {{ match self {{ {encodes} }} }}\n\n\
         /// Reads the wire form of `version`, without header.\n\
         pub fn decode(key: ApiKey, version: i16, from: &mut Decoder) -> Result<Self, DecodeError> {{ match key {{ {decodes} }} }} }}\n\n\
         kind_conversions!({kind}: {conversions});"
    )
}
