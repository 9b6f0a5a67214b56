//! The `heimdex` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    heimdex_cli::main()
}
