//! The millstream binary: parse, call, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream::cli::main()
}
