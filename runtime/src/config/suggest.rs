//! "Did you mean": the nearest known word to a misspelt one, as the end of a message.

use millstream_sdk::config::closest;

/// `; did you mean "x"?`, or nothing when no known word is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match closest(word, known) {
        Some(hit) => format!("; did you mean \"{hit}\"?"),
        None => String::new(),
    }
}
