//! JSON text looked at without building values: is it JSON, where does a field lie, how does text become a string.
//!
//! A record that only passes through is read once, byte by byte, and never allocated for. Left out: numbers as
//! numbers and anything that changes a document; those who need that use `serde_json` on the slices found here.

mod object;
mod scan;
mod text;

pub use object::{Fields, Items, RawField, field, fields, items, path};
pub use scan::{JsonError, MAX_DEPTH, compact, skip_value, validate};
pub use text::{push_escaped, unescape};

#[cfg(test)]
mod tests;
