//! The `heimdex` program.
fn main() {}
