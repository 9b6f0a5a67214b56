//! OLE compound files ([MS-CFB]): which application's document one is, told from the names in its directory.

use crate::{Failure, Format};

/// The signature of a compound file ([MS-CFB] 2.2).
pub const SIGNATURE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// Sectors start at multiples of the sector size, 512 or 4096, and directory entries are this long ([MS-CFB] 2.6.1).
const ENTRY: usize = 128;
/// Offset of an entry's name length, in bytes with the final zero, and of its type.
const NAME_LENGTH: usize = 64;

enum Kind {
    /// Office Open XML in an encrypted package ([MS-OFFCRYPTO] 2.3.1).
    Encrypted,
    Readable(Format),
    Other(&'static str),
}

/// Names of streams and storages, and what has them.
const STREAMS: [(&str, Kind); 9] = [
    ("EncryptedPackage", Kind::Encrypted),
    ("Workbook", Kind::Readable(Format::Xls)),
    ("Book", Kind::Readable(Format::Xls)),
    ("WordDocument", Kind::Other("a Word 97 document (DOC)")),
    ("PowerPoint Document", Kind::Other("a PowerPoint 97 presentation (PPT)")),
    ("__properties_version1.0", Kind::Other("an Outlook message (MSG)")),
    ("VisioDocument", Kind::Other("a Visio drawing (VSD)")),
    ("MatOST", Kind::Other("a Works document (WPS)")),
    ("\u{5}HwpSummaryInformation", Kind::Other("a Hangul document (HWP)")),
];

/// Names the format of a compound file by the first stream of an application in its directory; streams of embedded
/// documents come later. An encrypted package is nothing else, whatever names writers put beside it.
///
/// # Errors
/// `encrypted` for an encrypted package; `unsupported`, saying what it is, when there is no parser for it.
pub fn kind(bytes: &[u8]) -> Result<Format, Failure> {
    let entries = bytes.as_chunks::<ENTRY>().0.iter();
    let mut found = entries.filter_map(|entry| STREAMS.iter().find(|(name, _)| is_named(entry, name)));
    let first = found.next().map(|(_, kind)| kind);
    if found.any(|(_, kind)| matches!(kind, Kind::Encrypted)) {
        return Err(Failure::Encrypted);
    }
    match first {
        Some(Kind::Encrypted) => Err(Failure::Encrypted),
        Some(Kind::Readable(format)) => Ok(*format),
        Some(Kind::Other(name)) => Err(Failure::unsupported(*name)),
        None => Err(Failure::unsupported("an OLE compound file")),
    }
}

fn is_named(entry: &[u8; ENTRY], name: &str) -> bool {
    let mut units = name.encode_utf16();
    let length = 2 * (name.encode_utf16().count() + 1);
    let (pairs, _) = entry.as_chunks::<2>();
    let declared = pairs.get(NAME_LENGTH / 2).map(|pair| usize::from(u16::from_le_bytes(*pair)));
    declared == Some(length) && pairs.iter().zip(&mut units).all(|(pair, unit)| u16::from_le_bytes(*pair) == unit)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A compound file as far as its directory goes: a header sector and entries of these names.
    pub(crate) fn compound(names: &[&str]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.resize(512, 0);
        for name in names {
            let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let length = u16::try_from(entry.len() + 2).unwrap_or_default();
            entry.resize(NAME_LENGTH, 0);
            entry.extend(length.to_le_bytes());
            entry.resize(ENTRY, 1);
            bytes.extend(entry);
        }
        bytes
    }

    #[test]
    fn applications_by_their_streams() {
        for (names, expected) in [
            (&["Root Entry", "EncryptionInfo", "EncryptedPackage"][..], "encrypted"),
            (&["Root Entry", "WordDocument", "EncryptionInfo", "EncryptedPackage"], "encrypted"),
            (&["Root Entry", "Workbook", "MBD001", "WordDocument"], "xls"),
            (&["Root Entry", "Book"], "xls"),
            (&["Root Entry", "1Table", "WordDocument", "ObjectPool", "Workbook"], "DOC"),
            (&["Root Entry", "PowerPoint Document"], "PPT"),
            (&["Root Entry", "__properties_version1.0"], "MSG"),
            (&["Root Entry", "Bookkeeping"], "an OLE compound file"),
        ] {
            let seen = match kind(&compound(names)) {
                Ok(format) => format.name().to_owned(),
                Err(failure) => format!("{} {failure}", failure.code()),
            };
            assert!(seen.contains(expected), "{names:?}: {seen}");
        }
    }
}
