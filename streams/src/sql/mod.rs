//! From text to declared relations and queries: the statement parser, what `CREATE` declares, and the catalog of it all.

pub(crate) mod catalog;
pub(crate) mod ddl;
pub(crate) mod parse;
pub(crate) mod precedence;
