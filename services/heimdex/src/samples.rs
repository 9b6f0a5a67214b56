//! The demo's documents, inside the binary.

macro_rules! samples {
    ($($path:literal),+ $(,)?) => {
        /// Path below `samples/`, which is also the asset id, and content.
        pub const DOCUMENTS: &[(&str, &[u8])] = &[$(($path, include_bytes!(concat!("../../../samples/", $path)))),+];
    };
}

samples!(
    "de/cargo-bikes.html",
    "de/choir-statutes.txt",
    "de/heat-pump.pdf",
    "en/garden-rules.txt",
    "en/outage-report.html",
    "en/travel-policy.pdf",
    "es/energy-cooperative.html",
    "es/neighbours-meeting.txt",
    "es/trail-guide.pdf",
    "fr/bike-workshop.html",
    "fr/library-rules.pdf",
    "fr/remote-work.txt",
    "ja/elevator-notice.txt",
    "ja/inn-guide.pdf",
    "ja/recycling.html",
    "zh/community-clinic.html",
    "zh/office-moving.txt",
    "zh/tea-warehouse.pdf",
);

/// Questions, each with the document that answers it.
pub const QUERIES: &str = include_str!("../../../samples/queries.json");
