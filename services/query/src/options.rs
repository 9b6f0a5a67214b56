//! Settings of searches. Each has a default.

use std::time::Duration;

use crate::fusion::Method;

/// Limits, and what is used when a request does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Hits when the request names no limit.
    pub default_limit: u32,
    /// Most hits of one answer.
    pub max_limit: u32,
    /// Candidates of each leg, as a multiple of the limit…
    pub depth_factor: u32,
    /// …but at least so many, because fusion needs something to agree on.
    pub min_depth: u32,
    /// Longest query, in bytes.
    pub max_query_bytes: usize,
    /// Most values of one filter.
    pub max_filter_values: usize,
    /// Fusion when the request names none.
    pub fusion: Method,
    /// Weight of a dense result whose language the model was not trained on; 1 is full trust.
    pub foreign_weight: f64,
    /// Time for an answer when the request names none.
    pub deadline: Duration,
    /// Longest time a request may ask for.
    pub max_deadline: Duration,
    /// Searches at the same time, and how many more may wait.
    pub concurrency: usize,
    pub waiting: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            default_limit: 10,
            max_limit: 100,
            depth_factor: 5,
            min_depth: 100,
            max_query_bytes: 8 * 1024,
            max_filter_values: 1000,
            fusion: Method::Dbsf,
            foreign_weight: 0.01,
            deadline: Duration::from_secs(5),
            max_deadline: Duration::from_secs(60),
            concurrency: 32,
            waiting: 256,
        }
    }
}

impl Options {
    /// Candidates of each leg for `limit` hits.
    #[must_use]
    pub fn depth(&self, limit: u32) -> u32 {
        limit.saturating_mul(self.depth_factor).max(self.min_depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_what_the_documentation_says() {
        let options = Options::default();
        assert_eq!((options.default_limit, options.max_limit), (10, 100));
        assert_eq!((options.depth(10), options.depth(100)), (100, 500));
        assert_eq!((options.deadline.as_secs(), options.max_deadline.as_secs()), (5, 60));
        assert_eq!((options.max_query_bytes, options.max_filter_values), (8192, 1000));
        assert_eq!((options.concurrency, options.waiting), (32, 256));
        assert_eq!(options.fusion, Method::Dbsf);
        assert!(options.foreign_weight > 0.0 && options.foreign_weight < 1.0);
    }
}
