//! ZIP packages read under guard: entries and inflated bytes are counted, and what only an attack contains is refused.
//!
//! The reader never yields more of an entry than its directory declares, so the declared sizes bound what any other
//! reader of the same library can inflate; [`guard`] relies on that.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{Failure, Limits};

/// Below this many inflated bytes an entry's ratio is not looked at: short repetitive XML shrinks to nearly nothing.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// How a ZIP file with entries starts, and an empty one.
const SIGNATURES: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Whether `bytes` begin like a ZIP file.
#[must_use]
pub fn is_zip(bytes: &[u8]) -> bool {
    SIGNATURES.iter().any(|signature| bytes.starts_with(signature))
}

/// An open package. Names are compared as OPC compares part names: without a leading slash, without ASCII case.
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    places: HashMap<String, usize>,
    limits: &'a Limits,
    inflated: u64,
}

impl<'a> Archive<'a> {
    /// Reads the directory of `bytes`; inflates nothing.
    ///
    /// # Errors
    /// `corrupt` for what is no ZIP file or names an entry twice, `archive_bomb` for too many or overlapping entries,
    /// `encrypted` when an entry is.
    pub fn open(bytes: &'a [u8], limits: &'a Limits) -> Result<Self, Failure> {
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        check_directory(&mut zip, limits)?;
        let mut places = HashMap::with_capacity(zip.len());
        for place in 0..zip.len() {
            let entry = zip.by_index_data(place).map_err(broken)?;
            if entry.encrypted() {
                return Err(Failure::Encrypted);
            }
            places.entry(part_name(&entry.name().map_err(broken)?)).or_insert(place);
        }
        Ok(Self { zip, places, limits, inflated: 0 })
    }

    /// Whether there is an entry of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.places.contains_key(&part_name(name))
    }

    /// The names of all entries as [`Archive::read`] takes them, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The content of the entry `name`; `None` when there is none.
    ///
    /// # Errors
    /// `archive_bomb` when this entry inflates by more than the ratio, or all that was read so far to more than the
    /// total; `corrupt` when it cannot be inflated.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let Some(place) = self.places.get(&part_name(name)) else { return Ok(None) };
        let entry = self.zip.by_index(*place).map_err(broken)?;
        let allowed = allowance(entry.compressed_size(), self.limits)
            .min(self.limits.max_inflated_bytes.saturating_sub(self.inflated));
        let declared = entry.size();
        let mut content = Vec::with_capacity(usize::try_from(declared.min(allowed)).unwrap_or_default());
        // One byte more than allowed shows that there is more.
        let result = entry.take(allowed.saturating_add(1)).read_to_end(&mut content);
        let read = content.len() as u64;
        if read > allowed {
            return Err(bomb(name, read, self.limits));
        }
        self.inflated += read;
        result.map_err(|error| Failure::corrupt(format!("{name}: {error}")))?;
        Ok(Some(content))
    }
}

/// Checks a whole package for a library that inflates it by itself: everything that [`Archive::open`] checks, and for
/// each entry and for all of them that the declared sizes are within the limits on ratio and total.
///
/// # Errors
/// As [`Archive::open`]; `archive_bomb` over the limits.
pub fn guard(bytes: &[u8], limits: &Limits) -> Result<(), Failure> {
    let archive = Archive::open(bytes, limits)?;
    let mut total: u64 = 0;
    for place in 0..archive.zip.len() {
        let entry = archive.zip.by_index_data(place).map_err(broken)?;
        total = total.saturating_add(entry.size());
        if entry.size() > allowance(entry.compressed_size(), limits) || total > limits.max_inflated_bytes {
            return Err(bomb(&entry.name().unwrap_or(Cow::Borrowed("?")), entry.size(), limits));
        }
    }
    Ok(())
}

fn check_directory(zip: &mut ZipArchive<Cursor<&[u8]>>, limits: &Limits) -> Result<(), Failure> {
    if zip.len() as u64 > limits.max_archive_entries {
        let detail = format!("{} entries, {} are allowed", zip.len(), limits.max_archive_entries);
        return Err(Failure::ArchiveBomb { detail });
    }
    if zip.has_duplicate_names() {
        return Err(Failure::corrupt("two entries of the archive have the same name"));
    }
    if zip.has_overlapping_entries().map_err(broken)? {
        return Err(Failure::ArchiveBomb { detail: "entries of the archive overlap".to_owned() });
    }
    Ok(())
}

/// Bytes that an entry of `compressed` bytes may inflate to.
fn allowance(compressed: u64, limits: &Limits) -> u64 {
    compressed.saturating_mul(limits.max_inflate_ratio).max(RATIO_FREE_BYTES).min(limits.max_inflated_bytes)
}

fn bomb(name: &str, bytes: u64, limits: &Limits) -> Failure {
    let (ratio, total) = (limits.max_inflate_ratio, limits.max_inflated_bytes);
    let detail =
        format!("{name} inflates to {bytes} bytes or more; {total} in all and {ratio} for each packed one are allowed");
    Failure::ArchiveBomb { detail }
}

fn broken(error: ZipError) -> Failure {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Failure::Encrypted,
        ZipError::CompressionMethodNotSupported(method) => {
            Failure::unsupported(format!("ZIP entries compressed with method {method}"))
        }
        other => Failure::corrupt(format!("ZIP archive: {other}")),
    }
}

/// A part's name as the key of [`Archive::places`] (OPC, ECMA-376 part 2, section 7.3.5: names are equivalent when they
/// match without ASCII case; some writers use backslashes).
fn part_name(name: &str) -> String {
    name.trim_start_matches(['/', '\\']).replace('\\', "/").to_ascii_lowercase()
}

#[cfg(test)]
pub(crate) mod tests;
