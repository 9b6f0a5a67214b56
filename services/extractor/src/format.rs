//! What a document is, told from its bytes; its name is never asked.

use serde::{Deserialize, Serialize};

use crate::{Failure, archive, charset, csv, eml, markdown, ole, package};

/// A kind of document that there is a parser for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Pdf,
    Html,
    /// Plain text, and what is read as such: source code, logs, JSON.
    Txt,
    Md,
    Csv,
    Rtf,
    Eml,
    Docx,
    Pptx,
    /// Also XLSM and the templates.
    Xlsx,
    Xlsb,
    Xls,
    Ods,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 13] = [
        Self::Pdf,
        Self::Html,
        Self::Txt,
        Self::Md,
        Self::Csv,
        Self::Rtf,
        Self::Eml,
        Self::Docx,
        Self::Pptx,
        Self::Xlsx,
        Self::Xlsb,
        Self::Xls,
        Self::Ods,
    ];

    /// As in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Html => "html",
            Self::Txt => "txt",
            Self::Md => "md",
            Self::Csv => "csv",
            Self::Rtf => "rtf",
            Self::Eml => "eml",
            Self::Docx => "docx",
            Self::Pptx => "pptx",
            Self::Xlsx => "xlsx",
            Self::Xlsb => "xlsb",
            Self::Xls => "xls",
            Self::Ods => "ods",
        }
    }
}

/// How much of a file is looked at for a PDF header and for the start of HTML. Readers accept a PDF header that starts
/// within the first 1024 bytes (PDF 1.7 reference, appendix H, note 13).
const HEAD: usize = 1024;

/// How much of a text is looked at for the signs of Markdown and the fields of a message.
const TEXT_HEAD: usize = 16 << 10;

/// Signatures of what is recognised but not read, with the name a person knows it by.
const UNSUPPORTED: &[(&[u8], &str)] = &[
    (b"\x7FELF", "an ELF executable"),
    (b"MZ", "a Windows executable"),
    (b"\xCA\xFE\xBA\xBE", "a Mach-O or Java class file"),
    (b"\xCF\xFA\xED\xFE", "a Mach-O executable"),
    (b"\x89PNG\r\n\x1A\n", "a PNG image"),
    (b"\xFF\xD8\xFF", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"RIFF", "a RIFF file (WebP, WAV, AVI)"),
    (b"\x1F\x8B", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xFD7zXZ\0", "an xz archive"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!\x1A\x07", "a RAR archive"),
    (b"\x28\xB5\x2F\xFD", "a Zstandard archive"),
    (b"%!PS", "a PostScript document"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
];

/// Element names that, right after `<` at the start of a file, make it HTML. Longer than the list of the WHATWG MIME
/// sniffing standard (section 7.1) because fragments are uploaded, too.
const HTML_STARTS: &[&str] = &[
    "!doctype html",
    "!--",
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "base",
    "blockquote",
    "body",
    "br",
    "center",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figure",
    "font",
    "footer",
    "form",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "ins",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "script",
    "section",
    "small",
    "span",
    "strong",
    "style",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "title",
    "tr",
    "tt",
    "u",
    "ul",
];

/// Names the format of `bytes`.
///
/// # Errors
/// [`Failure::Empty`] for nothing but white space; [`Failure::Encrypted`] for an Office document under a password;
/// `corrupt` or `archive_bomb` for a ZIP file whose directory cannot be read; [`Failure::Unsupported`], saying what was
/// seen, for the rest.
pub fn sniff(bytes: &[u8]) -> Result<Format, Failure> {
    if is_blank(bytes) {
        return Err(Failure::Empty);
    }
    if archive::is_zip(bytes) {
        return package::kind(bytes);
    }
    if bytes.starts_with(ole::SIGNATURE) {
        return ole::kind(bytes);
    }
    if is_pdf(bytes) {
        return Ok(Format::Pdf);
    }
    if bytes.starts_with(b"{\\rtf") {
        return Ok(Format::Rtf);
    }
    if let Some((_, name)) = UNSUPPORTED.iter().find(|(magic, name)| matches_magic(bytes, magic, name)) {
        return Err(Failure::unsupported(*name));
    }
    if charset::is_binary(bytes) {
        return Err(Failure::unsupported("binary data of an unknown kind"));
    }
    if is_html(bytes) {
        return Ok(Format::Html);
    }
    let head = charset::ascii_head(bytes, TEXT_HEAD);
    Ok(match () {
        () if eml::is_message(&head) => Format::Eml,
        () if csv::is_csv(bytes) => Format::Csv,
        () if markdown::is_markdown(&head) => Format::Md,
        () => Format::Txt,
    })
}

/// Short letter signatures also begin ordinary words, so they count only for files that are binary otherwise.
fn matches_magic(bytes: &[u8], magic: &[u8], name: &str) -> bool {
    let sure = magic.len() > 4 || magic.iter().any(|byte| !byte.is_ascii_graphic()) || name.contains("PostScript");
    bytes.starts_with(magic) && (sure || charset::is_binary(bytes))
}

fn is_blank(bytes: &[u8]) -> bool {
    let content = charset::Bom::of(bytes).map_or(bytes, |bom| bytes.get(bom.len()..).unwrap_or_default());
    content.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

fn is_pdf(bytes: &[u8]) -> bool {
    let head = bytes.get(..HEAD.min(bytes.len())).unwrap_or_default();
    match head.windows(5).position(|window| window == b"%PDF-") {
        None => false,
        Some(at) if head.iter().take(at).all(|byte| byte.is_ascii_whitespace() || !byte.is_ascii()) => true,
        // Prose about PDF also says "%PDF-"; only a PDF has objects.
        Some(_) => bytes.windows(5).any(|window| window == b" obj\n" || window == b" obj\r" || window == b" obj<"),
    }
}

fn is_html(bytes: &[u8]) -> bool {
    let head = charset::ascii_head(bytes, HEAD).to_ascii_lowercase();
    let mut rest = head.trim_start();
    // An XML declaration or processing instruction says nothing about what follows it.
    while let Some(after) = rest.strip_prefix("<?").and_then(|inner| inner.split_once('>')) {
        rest = after.1.trim_start();
    }
    let Some(name) = rest.strip_prefix('<') else { return false };
    HTML_STARTS.iter().any(|start| name.strip_prefix(start).is_some_and(|after| ends_name(start, after)))
}

fn ends_name(start: &str, after: &str) -> bool {
    start.starts_with('!') || after.starts_with(|next: char| next.is_ascii_whitespace() || next == '>' || next == '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> String {
        match sniff(bytes) {
            Ok(format) => format.name().to_owned(),
            Err(failure) => format!("{}: {failure}", failure.code()),
        }
    }

    #[test]
    fn the_bytes_decide() {
        for (bytes, expected) in [
            (&b"%PDF-1.7\n1 0 obj"[..], "pdf"),
            (b"\xEF\xBB\xBF  %PDF-1.4\n", "pdf"),
            (b"junk line\n%PDF-1.4\n1 0 obj\n<<>>", "pdf"),
            (b"The header %PDF-1.4 starts every file.", "txt"),
            (b"<!DOCTYPE html><p>x", "html"),
            (b"\n <?xml version='1.0'?>\n<HTML lang=en>", "html"),
            (b"\xFF\xFE<\0h\0t\0m\0l\0>\0x\0", "html"),
            (b"<p>fragment", "html"),
            (b"<project><name>x</name></project>", "txt"),
            (b"a,b\n1,2\n", "txt"),
            (b"# Title\n\ntext", "txt"),
            (b"# Title\n\nSee [this](x.md).\n", "md"),
            (b"{\\rtf1\\ansi text}", "rtf"),
            (b"From: a@b\nDate: Tue, 1 Jul 2003 10:52:37 +0200\nSubject: x\n\ntext", "eml"),
            (b"MZ is how it begins", "txt"),
        ] {
            assert_eq!(seen(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn other_kinds_are_named() {
        for (bytes, name) in [
            (&b"\x7FELF\x02\x01\x01\0\0\0"[..], "ELF"),
            (b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xFF\xFF\0\0", "Windows executable"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "OLE"),
            (b"\x89PNG\r\n\x1A\n", "PNG"),
            (b"\x01\x02\x03\x04\x05\x06\x07\x08binary", "binary data"),
        ] {
            assert!(seen(bytes).starts_with("unsupported") && seen(bytes).contains(name), "{}", seen(bytes));
        }
    }

    #[test]
    fn nothing_is_empty() {
        for blank in [&b""[..], b" \r\n\t\x0C", b"\xEF\xBB\xBF\n", b"\0\0\0", b"\xFF\xFE \0\n\0"] {
            assert_eq!(sniff(blank), Err(Failure::Empty));
        }
    }
}
