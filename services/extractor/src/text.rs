//! Plain text: Markdown, CSV and source code are read as what they are, characters.

use crate::tidy::tidy;
use crate::{Document, Failure, Format, Limits, Warning, charset};

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
    let mut document = Document::single(Format::Txt, tidy(&decoded.text));
    if decoded.invalid {
        document.warnings.push(Warning::InvalidBytes { encoding: decoded.encoding });
    }
    check_text(&document, limits)?;
    Ok(document)
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
    fn markdown_and_csv_stay_as_written() {
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
    fn limits_hold() {
        let tight = Limits { max_text_bytes: 4, ..Limits::default() };
        assert_eq!(parse(b"12345", &tight).unwrap_err().code(), "too_large");
        assert!(parse(b"1234", &tight).is_ok());
        assert_eq!(parse("\u{FEFF}\u{200B} \n".as_bytes(), &tight).unwrap_err(), Failure::Empty);
    }
}
