//! How fast files are extracted, by format, and what the isolation costs.
//!
//! Each round sends the same bytes through the parsers of this process and through a warm child, one after the other,
//! file by file in alternating order, so that a machine that gets slower meanwhile slows both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{Document, ExtractError, Format, Parser, Parsers, Pool, PoolConfig, Request, format};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// In the order of [`Format::ALL`], those of which there were files.
    pub formats: Vec<FormatFigures>,
    pub all: Speed,
    /// Wall-clock time in children over that in this process, less one; negative when the children were faster.
    pub isolation_cost_percent: f64,
    /// Files that are no document, or one that failed: they are in no figure.
    pub left_out: u64,
    pub peak_memory: PeakMemory,
}

/// Figures of one format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FormatFigures {
    pub format: Format,
    #[serde(flatten)]
    pub speed: Speed,
    pub isolation_cost_percent: f64,
}

/// Files and pages in a second of wall-clock time on one core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Speed {
    pub files: u64,
    pub pages: u64,
    pub bytes: u64,
    pub isolated_files_per_s: f64,
    pub isolated_pages_per_s: f64,
    pub in_process_files_per_s: f64,
    pub in_process_pages_per_s: f64,
}

/// Resident memory at its highest, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PeakMemory {
    /// Of this process.
    pub service: u64,
    /// Of the largest idle child.
    pub children: u64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("{path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Pool(#[from] ExtractError),
    #[error("PDFium: {0}")]
    Parsers(String),
    #[error("none of the {0} files is a document that can be extracted")]
    NoDocuments(u64),
}

#[derive(Default)]
struct Tally {
    files: u64,
    pages: u64,
    bytes: u64,
    isolated: Duration,
    in_process: Duration,
}

/// Measures every file at and below `paths`, `rounds` times. PDFium is loaded into this process.
///
/// # Errors
/// See [`BenchError`].
pub async fn run(config: PoolConfig, paths: &[PathBuf], rounds: u32) -> Result<Figures, BenchError> {
    let parsers = Parsers::new(&config.pdfium).map_err(BenchError::Parsers)?;
    let pool = Pool::start(PoolConfig { parallelism: 1, ..config }).await?;
    let mut files = Vec::new();
    paths.iter().try_for_each(|path| list(path, &mut files))?;
    let (mut tallies, mut left_out) = (BTreeMap::<usize, Tally>::new(), 0);
    for path in &files {
        let bytes = std::fs::read(path).map_err(|error| BenchError::Read { path: path.clone(), error })?;
        match measure(&parsers, &pool, &bytes, rounds).await? {
            Some((format, tally)) => tallies.entry(place(format)).or_default().add(&tally),
            None => left_out += 1,
        }
    }
    if tallies.is_empty() {
        return Err(BenchError::NoDocuments(left_out));
    }
    Ok(figures(tallies, left_out, peak_memory(&pool)))
}

/// `None` for what cannot be extracted.
async fn measure(
    parsers: &Parsers,
    pool: &Pool,
    bytes: &[u8],
    rounds: u32,
) -> Result<Option<(Format, Tally)>, BenchError> {
    let Ok(format) = format::sniff(bytes) else { return Ok(None) };
    let request = Request { format, bytes, password: None };
    let mut tally = Tally { files: 1, bytes: bytes.len() as u64, ..Tally::default() };
    // Not counted: caches are warm for both.
    let Some(document) = isolated(pool, request).await? else { return Ok(None) };
    tally.pages = document.pages.len() as u64;
    for round in 0..rounds.max(1) {
        for in_process in [round % 2 == 0, round % 2 != 0] {
            let begun = Instant::now();
            let is_read = if in_process {
                parsers.parse(request, pool.limits()).is_ok()
            } else {
                isolated(pool, request).await?.is_some()
            };
            let took = if in_process { &mut tally.in_process } else { &mut tally.isolated };
            *took += begun.elapsed();
            if !is_read {
                return Ok(None);
            }
        }
    }
    tally.in_process /= rounds.max(1);
    tally.isolated /= rounds.max(1);
    Ok(Some((format, tally)))
}

async fn isolated(pool: &Pool, request: Request<'_>) -> Result<Option<Document>, BenchError> {
    match pool.extract_as(request).await {
        Ok(document) => Ok(Some(document)),
        Err(ExtractError::Document(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.pages += other.pages;
        self.bytes += other.bytes;
        self.isolated += other.isolated;
        self.in_process += other.in_process;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of files and pages are far below 2^52")]
    fn speed(&self) -> Speed {
        let per_second = |count: u64, time: Duration| count as f64 / time.as_secs_f64().max(f64::EPSILON);
        Speed {
            files: self.files,
            pages: self.pages,
            bytes: self.bytes,
            isolated_files_per_s: per_second(self.files, self.isolated),
            isolated_pages_per_s: per_second(self.pages, self.isolated),
            in_process_files_per_s: per_second(self.files, self.in_process),
            in_process_pages_per_s: per_second(self.pages, self.in_process),
        }
    }

    fn cost_percent(&self) -> f64 {
        (self.isolated.as_secs_f64() / self.in_process.as_secs_f64().max(f64::EPSILON) - 1.0) * 100.0
    }
}

fn place(format: Format) -> usize {
    Format::ALL.iter().position(|known| *known == format).unwrap_or(usize::MAX)
}

fn figures(tallies: BTreeMap<usize, Tally>, left_out: u64, peak_memory: PeakMemory) -> Figures {
    let mut all = Tally::default();
    tallies.values().for_each(|tally| all.add(tally));
    let of_format = |(place, tally): (&usize, &Tally)| {
        let isolation_cost_percent = tally.cost_percent();
        Format::ALL.get(*place).map(|format| FormatFigures {
            format: *format,
            speed: tally.speed(),
            isolation_cost_percent,
        })
    };
    let formats = tallies.iter().filter_map(of_format).collect();
    Figures { formats, all: all.speed(), isolation_cost_percent: all.cost_percent(), left_out, peak_memory }
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), BenchError> {
    let unreadable = |error| BenchError::Read { path: path.to_owned(), error };
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let entries = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut entries = entries.map_err(unreadable)?;
    entries.sort();
    entries.iter().try_for_each(|entry| list(entry, files))
}

/// The highest memory of this process and of the pool's idle children so far; 0 where the system does not say.
#[must_use]
pub fn peak_memory(pool: &Pool) -> PeakMemory {
    let children = pool.idle_children().into_iter().map(|child| high_water(&child.to_string()));
    PeakMemory { service: high_water("self"), children: children.max().unwrap_or(0) }
}

/// `VmHWM` of proc(5), in bytes.
fn high_water(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    kib.saturating_mul(1024)
}

impl Figures {
    /// For people: a line for each format, then all of them.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<6} {:>6} {:>7} {:>12} {:>12} {:>14} {:>14} {:>9}\n",
            "format", "files", "pages", "files/s", "pages/s", "no child: f/s", "no child: p/s", "cost"
        );
        for figures in &self.formats {
            table += &line(figures.format.name(), &figures.speed, figures.isolation_cost_percent);
        }
        table += &line("all", &self.all, self.isolation_cost_percent);
        let PeakMemory { service, children } = self.peak_memory;
        let (service, children) = (service >> 20, children >> 20);
        table
            + &format!(
                "{} files left out; peak memory {service} MiB here, {children} MiB in the child\n",
                self.left_out
            )
    }
}

fn line(name: &str, speed: &Speed, cost: f64) -> String {
    let Speed { files, pages, .. } = speed;
    let (isolated_files, isolated_pages) = (speed.isolated_files_per_s, speed.isolated_pages_per_s);
    let (own_files, own_pages) = (speed.in_process_files_per_s, speed.in_process_pages_per_s);
    format!(
        "{name:<6} {files:>6} {pages:>7} {isolated_files:>12.1} {isolated_pages:>12.1} {own_files:>14.1} {own_pages:>14.1} {cost:>8.1}%\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_tallies() {
        let tally = |pages, isolated, in_process| Tally {
            files: 1,
            pages,
            bytes: 10,
            isolated: Duration::from_millis(isolated),
            in_process: Duration::from_millis(in_process),
        };
        let tallies =
            BTreeMap::from([(place(Format::Pdf), tally(5, 110, 100)), (place(Format::Txt), tally(1, 10, 20))]);
        let figures = figures(tallies, 2, PeakMemory::default());
        let costs: Vec<i64> = figures.formats.iter().map(|one| one.isolation_cost_percent.round() as i64).collect();
        assert_eq!(costs, [10, -50]);
        assert_eq!((figures.all.files, figures.all.pages, figures.isolation_cost_percent.round() as i64), (2, 6, 0));
        assert_eq!(figures.table().lines().count(), 5);
    }

    #[test]
    fn memory_is_that_of_a_process() {
        assert!(high_water("self") > 1 << 20);
        assert_eq!(high_water("no-such-process"), 0);
    }
}
