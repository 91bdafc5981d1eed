//! The pipeline file: topics, sources, SQL and sinks as one declaration.
//!
//! [`load`] reads one or more files into a [`Pipeline`]; [`check`] then holds it against the connectors'
//! own options and the SQL planner. Both report into one `Report`.

mod check;
mod grants;
mod load;
mod parts;
mod sql;
mod uses;

pub use check::{Checked, check, load_and_check};
pub use grants::Grants;
pub use load::{FILE_BYTES_MAX, load};
pub use parts::{
    Case, CaseRecord, Cluster, Errors, ErrorsThen, Format, SinkPart, SourcePart, SqlPart, Step, StepKind,
    TopicPart,
};
pub use uses::settings_json;

use std::path::PathBuf;

/// Everything the given files declare.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Names consumer groups, transactions and stored positions, so it must stay the same between runs.
    pub name: String,
    pub cluster: Cluster,
    pub topics: Vec<TopicPart>,
    pub sources: Vec<SourcePart>,
    pub streams: Vec<SqlPart>,
    pub sinks: Vec<SinkPart>,
    pub cases: Vec<Case>,
    /// Where the first file lies; relative paths in the file start here.
    pub directory: PathBuf,
}

impl Pipeline {
    pub fn topic(&self, name: &str) -> Option<&TopicPart> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// The grants of every source, sink and step.
    fn grants_mut(&mut self) -> impl Iterator<Item = &mut Grants> {
        let sources = self.sources.iter_mut().map(|part| (&mut part.grants, &mut part.steps));
        let sinks = self.sinks.iter_mut().map(|part| (&mut part.grants, &mut part.steps));
        sources.chain(sinks).flat_map(|(own, steps)| {
            std::iter::once(own).chain(steps.iter_mut().map(|step| &mut step.grants))
        })
    }
}

#[cfg(test)]
mod tests;
