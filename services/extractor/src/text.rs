//! Plain text, and what is read as such (source code, logs): characters, in paragraphs.

use crate::tidy::{count, tidy_mapped};
use crate::{BlockKind, Document, Failure, Format, Limits, Page, PageBuilder, Warning, charset};

/// More than one replacement character in this many characters, and the bytes were no text in any encoding.
const CHARACTERS_PER_INVALID: usize = 10;

/// Reads `bytes` as text in the encoding they are in.
///
/// # Errors
/// `unsupported` when no encoding makes text of it, `too_large` over the text limit, `empty` when nothing is left.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let decoded = charset::decode(bytes, None);
    if mostly_invalid(&decoded.text) {
        return Err(Failure::unsupported(format!("bytes that are no text in {}", decoded.encoding)));
    }
    let mut document = Document::of_pages(Format::Txt, vec![paragraphs(&decoded.text)]);
    if decoded.invalid {
        document.warnings.push(Warning::InvalidBytes { encoding: decoded.encoding });
    }
    check_text(&document, limits)?;
    Ok(document)
}

/// What stands between blank lines is a paragraph.
fn paragraphs(text: &str) -> Page {
    let tidied = tidy_mapped(text);
    let mut page = PageBuilder::new();
    let mut start = 0;
    for paragraph in tidied.text.split("\n\n") {
        let end = start + count(paragraph);
        let first = tidied.origins.partition_point(|entry| entry[0] <= start).saturating_sub(1);
        let entries = tidied.origins.iter().skip(first).take_while(|entry| entry[0] < end);
        let origins: Vec<[u32; 2]> = entries
            .map(|&[at, source]| if at < start { [0, source + start - at] } else { [at - start, source] })
            .collect();
        page.push_from(BlockKind::Paragraph, paragraph, &origins);
        start = end + 2;
    }
    page.finish(1)
}

fn mostly_invalid(text: &str) -> bool {
    let invalid = text.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    invalid * CHARACTERS_PER_INVALID > text.chars().count()
}

/// Enforces what holds for the text of every format that is one page.
pub(crate) fn check_text(document: &Document, limits: &Limits) -> Result<(), Failure> {
    match document.text_bytes() {
        0 => Err(Failure::Empty),
        bytes if bytes > limits.max_text_bytes => Err(Failure::too_large("text bytes", limits.max_text_bytes)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::Status;

    #[test]
    fn lines_stay_as_written() {
        let document = parse(b"# Title\r\n\r\n\r\n- one\r\n\r\na,b\r\n1,2\r\n", &Limits::default()).unwrap();
        assert_eq!(document.pages.first().unwrap().text, "# Title\n\n- one\n\na,b\n1,2");
        assert_eq!(document.status(), Status::Ok);
    }

    #[test]
    fn broken_bytes_degrade_and_garbage_is_refused() {
        let mut broken = b"\xEF\xBB\xBFA long enough line of good text around one bad byte: ".to_vec();
        broken.extend(b"\xFF and more good text");
        let document = parse(&broken, &Limits::default()).unwrap();
        assert_eq!(document.status(), Status::Degraded);
        assert_eq!(document.warnings, [Warning::InvalidBytes { encoding: "UTF-8".to_owned() }]);
        let garbage = [b"\xEF\xBB\xBF".to_vec(), vec![0xFF; 50]].concat();
        assert_eq!(parse(&garbage, &Limits::default()).unwrap_err().code(), "unsupported");
    }

    #[test]
    fn paragraphs_know_where_they_stand() {
        let source = "One\u{AD}s\r\ntwo\r\n\r\n\r\n  three";
        let page = parse(source.as_bytes(), &Limits::default()).unwrap().pages.remove(0);
        assert_eq!(page.text, "Ones\ntwo\n\nthree");
        let spans: Vec<[u32; 2]> = page.blocks.iter().map(|block| block.span).collect();
        assert_eq!(spans, [[0, 8], [10, 15]]);
        assert_eq!(page.origins, [[0, 0], [3, 4], [5, 7], [10, 18]]);
    }

    #[test]
    fn limits_hold() {
        let tight = Limits { max_text_bytes: 4, ..Limits::default() };
        assert_eq!(parse(b"12345", &tight).unwrap_err().code(), "too_large");
        assert!(parse(b"1234", &tight).is_ok());
        assert_eq!(parse("\u{FEFF}\u{200B} \n".as_bytes(), &tight).unwrap_err(), Failure::Empty);
    }
}
