//! The one consume loop, and what every service process needs: configuration, telemetry, health, signals, drain.
