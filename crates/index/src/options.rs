//! Settings of the index. Each has a default.

use std::time::Duration;

/// How the index is reached, built and searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sent with every call; `None` for a server without keys.
    pub api_key: Option<String>,
    /// Of one call.
    pub timeout: Duration,
    /// Of opening a connection.
    pub connect_timeout: Duration,
    /// Connections kept open.
    pub connections: usize,
    /// Points of one upsert call.
    pub upsert_batch: usize,
    /// Whether new collections keep int8 copies of the dense vectors in memory and search those first.
    pub quantize: bool,
    /// How many times the candidates wanted are taken from the int8 copies before the originals rank them.
    pub oversampling: f64,
    /// Points of one page when points are read through.
    pub scroll_page: u32,
    /// Points of one page when only their owners are listed.
    pub listing_page: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_key: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            connections: 3,
            upsert_batch: 256,
            quantize: true,
            oversampling: 2.0,
            scroll_page: 256,
            listing_page: 2_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_what_the_documentation_says() {
        let options = Options::default();
        assert!(options.quantize && options.api_key.is_none());
        assert_eq!((options.upsert_batch, options.scroll_page, options.connections), (256, 256, 3));
        assert_eq!(options.listing_page, 2_000);
        assert_eq!((options.timeout.as_secs(), options.connect_timeout.as_secs()), (30, 5));
        assert!((options.oversampling - 2.0).abs() < f64::EPSILON);
    }
}
