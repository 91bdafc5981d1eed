//! Parquet files: rows of tables as JSON objects, both ways. The one place that sees Arrow.
//!
//! Walk in: [`source`] (which file, wait for its footer, resume at a row) → [`footer`] (is it whole, is it sane) → [`table`]
//! (batches of rows) → [`render`] (cells to JSON).
//! Walk out: [`sink`] (files of one sink, journal) → [`columns`] (JSON to typed columns, by [`kind`]) → [`writer`] (row groups).

mod source;

mod footer;
mod pages;
mod schema;
mod table;
mod thrift;

mod render;

mod sink;

mod journal;

mod columns;
mod kind;
mod writer;

mod arrays;
mod cell;
mod column;

#[cfg(test)]
mod tests;

pub use kind::Kind;
pub use sink::ParquetFiles;
pub use source::ParquetTail;
