//! `heimdex up`: the services, until a signal.

use crate::cli::Up;
use crate::exit::Outcome;
use crate::stack::{Stack, StackConfig};

pub async fn run(command: Up) -> Outcome {
    let stack = Stack::start(StackConfig::from(command)).await?;
    stack.announce()?;
    stack.run().await
}
