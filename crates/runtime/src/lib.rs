//! The one consume loop, and what every service process needs: configuration, telemetry, health, signals, drain.
//!
//! A process makes one [`Process`], serves its health and metrics, and calls [`run_stage`] for each stage it hosts.
//! What a stage does lives in its own crate; how the broker is spoken to lives in `heimdex-bus`.

pub mod config;
pub mod health;
pub mod http;
pub mod metrics;
pub mod signals;
pub mod telemetry;
pub mod worker;

pub use config::{Config, ConfigError, StageConfig, Variables};
pub use health::{Health, State};
pub use heimdex_stage::failpoint;
pub use metrics::Metrics;
pub use telemetry::{LogFormat, Telemetry, TelemetryError};
pub use worker::{Isolation, Process, RunError, run_stage};
