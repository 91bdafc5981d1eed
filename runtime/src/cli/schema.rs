//! `schema`: the JSON Schema of the pipeline file, for editors.

use super::Failure;
use super::output::Output;
use crate::config::schema::pipeline_schema;

#[derive(clap::Args)]
pub struct Arguments {
    /// On one line.
    #[arg(long)]
    compact: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let schema = pipeline_schema();
    let text = match arguments.compact {
        true => schema.to_string(),
        false => serde_json::to_string_pretty(&schema).map_err(Failure::failed)?,
    };
    Output::for_people().line(&text)
}
