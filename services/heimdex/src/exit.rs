//! How the program ends: an error with its exit code.

use std::fmt;

/// Exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Internal = 1,
    Input = 2,
    SomeFailed = 3,
    Unreachable = 4,
}

/// An error that knows its exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub error: anyhow::Error,
}

/// What every command returns.
pub type Outcome = Result<(), Failure>;

impl Failure {
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self { code: Code::Input, error: error.into() }
    }

    pub fn unreachable(error: impl Into<anyhow::Error>) -> Self {
        Self { code: Code::Unreachable, error: error.into() }
    }

    pub fn some_failed(message: impl fmt::Display) -> Self {
        Self { code: Code::SomeFailed, error: anyhow::anyhow!("{message}") }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: Code::Internal, error: error.into() }
    }
}
