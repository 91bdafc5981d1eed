//! A table of options as Markdown, for the pages that people read.

use super::{ConfigOption, Presence};

/// One row an option: name, kind, default, meaning. Nothing when there are no options.
pub fn markdown_table(options: &[ConfigOption]) -> String {
    if options.is_empty() {
        return "No options.\n".to_owned();
    }
    let mut text = "| option | takes | default | meaning |\n|---|---|---|---|\n".to_owned();
    for option in options {
        let default = match option.presence {
            Presence::Required => "required".to_owned(),
            Presence::Optional => "".to_owned(),
            Presence::Default(json) => format!("`{}`", cell(json)),
        };
        let (kind, doc) = (cell(&option.kind.noun()), cell(option.doc));
        text.push_str(&format!("| `{}` | {kind} | {default} | {doc} |\n", option.name));
    }
    text
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
