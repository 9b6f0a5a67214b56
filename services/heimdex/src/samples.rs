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
    "de/club-budget.xlsx",
    "de/fire-safety.docx",
    "de/heat-pump.pdf",
    "en/equipment-register.xlsx",
    "en/garden-rules.txt",
    "en/museum-volunteers.docx",
    "en/outage-report.html",
    "en/travel-policy.pdf",
    "es/bakery-handbook.docx",
    "es/energy-cooperative.html",
    "es/neighbours-meeting.txt",
    "es/olive-harvest.xlsx",
    "es/trail-guide.pdf",
    "fr/bike-workshop.html",
    "fr/library-rules.pdf",
    "fr/remote-work.txt",
    "fr/seed-library.xlsx",
    "fr/village-fair.docx",
    "ja/elevator-notice.txt",
    "ja/evacuation-drill.docx",
    "ja/inn-guide.pdf",
    "ja/pool-fees.xlsx",
    "ja/recycling.html",
    "zh/community-clinic.html",
    "zh/evening-courses.xlsx",
    "zh/office-moving.txt",
    "zh/school-bus.docx",
    "zh/tea-warehouse.pdf",
);

/// Questions, each with the document that answers it.
pub const QUERIES: &str = include_str!("../../../samples/queries.json");
