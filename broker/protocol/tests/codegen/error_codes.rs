//! Writes the error codes from `definitions/error_codes.txt`: number, name, and whether to try again.

use std::fmt::Write as _;

pub struct ErrorLine {
    pub code: i16,
    pub name: String,
    pub retriable: bool,
}

pub fn read_all() -> Vec<ErrorLine> {
    let path = super::crate_folder().join("definitions/error_codes.txt");
    let text = std::fs::read_to_string(path).expect("error codes");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let retriable = match words.get(2..) {
                Some([]) => false,
                Some(["retriable"]) => true,
                _ => panic!("cannot read `{line}`"),
            };
            ErrorLine { code: words[0].parse().expect("code"), name: words[1].to_owned(), retriable }
        })
        .collect()
}

pub fn emit() -> String {
    let lines = read_all();
    let mut variants = String::new();
    let mut codes = String::new();
    let mut names = String::new();
    let mut all = String::new();
    for line in &lines {
        let variant = variant(&line.name);
        writeln!(variants, "{variant} = {},", line.code).unwrap();
        writeln!(codes, "{} => Self::{variant},", line.code).unwrap();
        writeln!(names, "Self::{variant} => \"{}\",", line.name).unwrap();
        write!(all, "Self::{variant}, ").unwrap();
    }
    let retriable = lines.iter().filter(|line| line.retriable);
    let retriable: Vec<String> = retriable.map(|line| format!("Self::{}", variant(&line.name))).collect();
    format!(
        "//! Kafka's error codes.\n\n\
         /// What a response says went wrong.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]\n#[repr(i16)]\n\
         pub enum ErrorCode {{ #[default]\n{variants} }}\n\n\
         impl ErrorCode {{ /// Every code, by ascending number but for the unknown error, which comes last.\n\
         pub const ALL: &'static [Self] = &[{all}];\n\n\
         /// The number on the wire.\npub const fn code(self) -> i16 {{ self as i16 }}\n\n\
         /// The code with this number; one that is not known reads as `UnknownServerError`.\n\
         pub const fn from_code(code: i16) -> Self {{ match code {{ {codes} _ => Self::UnknownServerError, }} }}\n\n\
         /// Kafka's name, such as `OFFSET_OUT_OF_RANGE`.\n\
         pub const fn name(self) -> &'static str {{ match self {{ {names} }} }}\n\n\
         /// Whether the same request may succeed later.\n\
         pub const fn is_retriable(self) -> bool {{ matches!(self, {}) }} }}\n",
        retriable.join(" | ")
    )
}

fn variant(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_lowercase()
    });
    words.collect()
}
