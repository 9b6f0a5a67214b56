//! Office Open XML packages (OPC, ECMA-376 part 2): what kind they are, their parts, relationships and properties.

mod properties;

pub(crate) use properties::rfc3339;

use crate::archive::Archive;
use crate::xml::{self, Node, Reader};
use crate::{Failure, Format, Limits};

/// The part that says what every other part is.
const CONTENT_TYPES: &str = "[content_types].xml";

/// What may be inflated to learn a package's kind.
const KIND_BYTES: u64 = 4 << 20;

/// Main parts by name, for packages whose content types are missing.
const MAIN_PARTS: [(&str, Format); 4] = [
    ("word/document.xml", Format::Docx),
    ("ppt/presentation.xml", Format::Pptx),
    ("xl/workbook.xml", Format::Xlsx),
    ("xl/workbook.bin", Format::Xlsb),
];

/// What ZIP files without content types are, by an entry that they have.
const OTHER_ARCHIVES: [(&str, &str); 4] = [
    ("androidmanifest.xml", "an Android package"),
    ("meta-inf/manifest.mf", "a Java archive"),
    ("fixeddocseq.fdseq", "an XPS document"),
    ("index/document.iwa", "an iWork document"),
];

/// Names the format of a ZIP file by the content type of its main part, or by its `mimetype` entry (OpenDocument part 2,
/// section 3.3). Inflates that part alone.
///
/// # Errors
/// As [`Archive::open`]; `unsupported`, saying what it is, when there is no parser for it.
pub fn kind(bytes: &[u8]) -> Result<Format, Failure> {
    let limits = Limits { max_archive_entries: u64::MAX, max_inflated_bytes: KIND_BYTES, ..Limits::default() };
    let mut archive = Archive::open(bytes, &limits)?;
    if let Some(types) = archive.read(CONTENT_TYPES)?
        && let Some(format) = main_format(&xml::decode(types), &limits)?
    {
        return Ok(format);
    }
    if let Some(media_type) = archive.read("mimetype")? {
        return open_document(&String::from_utf8_lossy(&media_type));
    }
    if let Some((_, format)) = MAIN_PARTS.iter().find(|(part, _)| archive.contains(part)) {
        return Ok(*format);
    }
    let known = OTHER_ARCHIVES.iter().find(|(entry, _)| archive.contains(entry));
    Err(Failure::unsupported(known.map_or("a ZIP archive", |(_, name)| name)))
}

fn main_format(types: &str, limits: &Limits) -> Result<Option<Format>, Failure> {
    let mut reader = Reader::new(types, limits);
    while let Some(node) = reader.next()? {
        if let Node::Open(element) = node
            && let Some(format) = element.attribute("ContentType").and_then(|content| of_content_type(&content))
        {
            return Ok(Some(format));
        }
    }
    Ok(None)
}

/// The content types of main parts end alike in all variants: documents, templates, with and without macros.
fn of_content_type(content_type: &str) -> Option<Format> {
    let lower = content_type.to_ascii_lowercase();
    if lower.starts_with("application/vnd.ms-excel.sheet.binary.") {
        return Some(Format::Xlsb);
    }
    let name = lower.strip_suffix(".main+xml")?;
    let vocabularies = [
        ("wordprocessingml.", "ms-word.", Format::Docx),
        ("presentationml.", "ms-powerpoint.", Format::Pptx),
        ("spreadsheetml.", "ms-excel.", Format::Xlsx),
    ];
    vocabularies.iter().find(|(open, own, _)| name.contains(open) || name.contains(own)).map(|(.., format)| *format)
}

fn open_document(media_type: &str) -> Result<Format, Failure> {
    let media_type = media_type.trim();
    if media_type.starts_with("application/vnd.oasis.opendocument.spreadsheet") {
        return Ok(Format::Ods);
    }
    Err(match media_type {
        "application/epub+zip" => Failure::unsupported("an EPUB book"),
        other if other.starts_with("application/vnd.oasis.opendocument.text") => {
            Failure::unsupported("an OpenDocument text")
        }
        other if other.starts_with("application/vnd.oasis.opendocument.presentation") => {
            Failure::unsupported("an OpenDocument presentation")
        }
        other => Failure::unsupported(format!("a ZIP archive of type {}", other.chars().take(80).collect::<String>())),
    })
}

/// How one part refers to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    pub id: String,
    /// The last segment of its type's URI, which the transitional and the strict vocabulary share: `styles`, `slide`, …
    pub kind: String,
    /// The part's name from the root of the package; as written when it is external.
    pub target: String,
    pub external: bool,
}

/// An open package.
pub struct Package<'a> {
    archive: Archive<'a>,
    limits: &'a Limits,
}

impl<'a> Package<'a> {
    /// Opens `bytes` without inflating anything.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn open(bytes: &'a [u8], limits: &'a Limits) -> Result<Self, Failure> {
        Ok(Self { archive: Archive::open(bytes, limits)?, limits })
    }

    /// The characters of an XML part, `None` when there is no such part.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub fn xml(&mut self, part: &str) -> Result<Option<String>, Failure> {
        Ok(self.archive.read(part)?.map(xml::decode))
    }

    /// The bytes of a part, `None` when there is no such part.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub fn bytes(&mut self, part: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.archive.read(part)
    }

    /// The names of the entries whose name starts with `folder` (in lower case), sorted.
    #[must_use]
    pub fn entries_in(&self, folder: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self.archive.names().filter(|name| name.starts_with(folder)).collect();
        names.sort_unstable();
        names
    }

    /// The relationships of `part`; of the package itself for the empty name.
    ///
    /// # Errors
    /// As [`Archive::read`], and `corrupt` for broken XML.
    pub fn relationships(&mut self, part: &str) -> Result<Vec<Relationship>, Failure> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let Some(text) = self.xml(&format!("{folder}/_rels/{name}.rels"))? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut reader = Reader::new(&text, self.limits);
        while let Some(node) = reader.next()? {
            let Node::Open(element) = node else { continue };
            if element.name() != "Relationship" {
                continue;
            }
            let value = |name| element.attribute(name).unwrap_or_default();
            let external = value("TargetMode").eq_ignore_ascii_case("external");
            let target = value("Target");
            let target = if external { target.into_owned() } else { resolve(folder, &target) };
            let kind = value("Type").rsplit('/').next().unwrap_or_default().to_owned();
            found.push(Relationship { id: value("Id").into_owned(), kind, target, external });
        }
        Ok(found)
    }

    /// The main part: what the package's `officeDocument` relationship points to, or `usual` without one.
    ///
    /// # Errors
    /// As [`Package::relationships`].
    pub fn main_part(&mut self, usual: &str) -> Result<String, Failure> {
        let relationships = self.relationships("")?;
        let main = relationships.into_iter().find(|relationship| relationship.kind == "officeDocument");
        Ok(main.map(|main| main.target).filter(|part| self.archive.contains(part)).unwrap_or_else(|| usual.to_owned()))
    }
}

/// A target as a part's name: relative to `folder`, with `..` taken away (RFC 3986, section 5.2.4).
fn resolve(folder: &str, target: &str) -> String {
    let base = if target.starts_with(['/', '\\']) { "" } else { folder };
    let path = target.split('#').next().unwrap_or_default().replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in base.split('/').chain(path.split('/')) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests;
