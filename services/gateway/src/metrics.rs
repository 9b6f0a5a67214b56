//! What the gateway counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Labels of one route; never what a caller wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    pub method: &'static str,
    pub route: String,
    pub status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Route {
    pub route: String,
}

#[derive(Clone)]
pub(crate) struct GatewayMetrics {
    pub requests: Family<Answered, Counter>,
    pub seconds: Family<Route, Histogram, fn() -> Histogram>,
}

/// 1 ms to 30 s.
fn durations() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0])
}

impl GatewayMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self { requests: Family::default(), seconds: Family::new_with_constructor(durations) };
        registry.register("heimdex_http_requests", "Answers, by route and status", metrics.requests.clone());
        registry.register("heimdex_http_request_seconds", "Time to the answer's head", metrics.seconds.clone());
        metrics
    }
}
