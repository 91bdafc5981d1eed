//! Every message as a plain struct, named and versioned as in `definitions/`.
//!
//! A field that a version lacks keeps its default when decoded. Encoding refuses a field that was set but
//! does not exist in the version, unless its definition calls it ignorable. Nullable fields are `Option`s
//! and default to `None`.

pub use crate::generated::*;
