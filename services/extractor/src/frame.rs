//! What parent and child say to each other over pipes: frames of a kind byte, a length and a payload.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Document, Failure, Format, Limits};

/// Bytes before a payload: the kind, then the length of the payload (u32, little endian).
const HEADER: usize = 5;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To the child, once: [`Settings`] as JSON.
    Settings,
    /// To the child: a [`Format`] byte and the bytes of a document.
    Document,
    /// From the child, once: [`Ready`] as JSON.
    Ready,
    /// From the child: [`Outcome`] as JSON.
    Outcome,
    /// From the child's signal handler: [`Fatal`] in two bytes.
    Fatal,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Settings => b'S',
            Self::Document => b'D',
            Self::Ready => b'R',
            Self::Outcome => b'O',
            Self::Fatal => b'F',
        }
    }

    fn of(byte: u8) -> io::Result<Self> {
        let kinds = [Self::Settings, Self::Document, Self::Ready, Self::Outcome, Self::Fatal];
        kinds.into_iter().find(|kind| kind.byte() == byte).ok_or_else(|| invalid(format!("frame kind {byte:#04x}")))
    }
}

/// How a child is to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub limits: Limits,
    /// Path of the PDFium library.
    pub pdfium: std::path::PathBuf,
    /// Process id of the parent; a child whose parent is another one was orphaned and ends.
    pub parent: u32,
    /// A planned crash, see [`crate::child::ABORT_ON_VARIABLE`].
    #[serde(default)]
    pub abort_on: Option<String>,
}

/// A child's answer to its settings: what of the sandbox the kernel refused, or why it cannot work at all.
pub type Ready = Result<Vec<String>, String>;

/// A child's answer to a document.
pub type Outcome = Result<Document, Failure>;

/// The last words of a child that dies of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fatal {
    pub signal: u8,
    /// The last failed system or library call failed for want of memory.
    pub out_of_memory: bool,
}

impl Fatal {
    /// The whole frame, in a form that a signal handler can write.
    #[must_use]
    pub fn frame(self) -> [u8; HEADER + 2] {
        [Kind::Fatal.byte(), 2, 0, 0, 0, self.signal, u8::from(self.out_of_memory)]
    }

    /// Reads the payload of a [`Kind::Fatal`] frame.
    ///
    /// # Errors
    /// `InvalidData` for any other payload.
    pub fn parse(payload: &[u8]) -> io::Result<Self> {
        match payload {
            [signal, memory] => Ok(Self { signal: *signal, out_of_memory: *memory != 0 }),
            _ => Err(invalid(format!("{} bytes of last words", payload.len()))),
        }
    }
}

/// A format as the first byte of a document frame.
#[must_use]
pub fn format_byte(format: Format) -> u8 {
    match format {
        Format::Pdf => b'p',
        Format::Html => b'h',
        Format::Txt => b't',
    }
}

/// Splits the payload of a [`Kind::Document`] frame.
///
/// # Errors
/// `InvalidData` when it does not begin with a format.
pub fn document(payload: &[u8]) -> io::Result<(Format, &[u8])> {
    let (byte, bytes) = payload.split_first().ok_or_else(|| invalid("a document frame without a format"))?;
    let formats = [Format::Pdf, Format::Html, Format::Txt];
    let format = formats.into_iter().find(|format| format_byte(*format) == *byte);
    format.map(|format| (format, bytes)).ok_or_else(|| invalid(format!("format {byte:#04x}")))
}

fn header(kind: Kind, length: usize) -> io::Result<[u8; HEADER]> {
    let length = u32::try_from(length).map_err(|_| invalid(format!("a frame of {length} bytes")))?;
    let [a, b, c, d] = length.to_le_bytes();
    Ok([kind.byte(), a, b, c, d])
}

fn parse_header(header: [u8; HEADER], limit: u64) -> io::Result<(Kind, usize)> {
    let [kind, a, b, c, d] = header;
    let length = u32::from_le_bytes([a, b, c, d]);
    if u64::from(length) > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("a frame of {length} bytes, over {limit}")));
    }
    Ok((Kind::of(kind)?, length as usize))
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Writes one frame.
///
/// # Errors
/// Those of the writer.
pub fn write(to: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    to.write_all(&header(kind, payload.len())?)?;
    to.write_all(payload)?;
    to.flush()
}

/// Reads one frame of at most `limit` bytes; `None` at the end of the stream.
///
/// # Errors
/// Those of the reader, `InvalidData`, and `FileTooLarge` for a longer frame.
pub fn read(from: &mut impl Read, limit: u64) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let mut start = [0; HEADER];
    match from.read_exact(&mut start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let (kind, length) = parse_header(start, limit)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok(Some((kind, payload)))
}

/// As [`write`], with the payload in two parts so that a document needs no copy.
///
/// # Errors
/// Those of the writer.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), kind: Kind, parts: [&[u8]; 2]) -> io::Result<()> {
    let length = parts.iter().map(|part| part.len()).sum();
    to.write_all(&header(kind, length)?).await?;
    for part in parts {
        to.write_all(part).await?;
    }
    to.flush().await
}

/// As [`read`]; the end of the stream is an error.
///
/// # Errors
/// Those of the reader, `InvalidData`, and `FileTooLarge` for a longer frame.
pub async fn receive(from: &mut (impl AsyncRead + Unpin), limit: u64) -> io::Result<(Kind, Vec<u8>)> {
    let mut start = [0; HEADER];
    from.read_exact(&mut start).await?;
    let (kind, length) = parse_header(start, limit)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await?;
    Ok((kind, payload))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn last_words() {
        let fatal = Fatal { signal: 6, out_of_memory: true };
        let (kind, payload) = read(&mut &fatal.frame()[..], 10).unwrap().unwrap();
        assert_eq!((kind, Fatal::parse(&payload).unwrap()), (Kind::Fatal, fatal));
    }

    #[test]
    fn a_length_is_believed_only_up_to_the_limit() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Outcome, b"12345").unwrap();
        assert_eq!(read(&mut &bytes[..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(read(&mut &bytes[..], 5).unwrap().is_some());
        assert!(read(&mut &b""[..], 5).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn frames_round_trip(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = Vec::new();
            write(&mut bytes, Kind::Document, &payload).unwrap();
            prop_assert_eq!(read(&mut &bytes[..], 300).unwrap(), Some((Kind::Document, payload)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(Some((Kind::Document, payload))) = read(&mut &bytes[..], 100) {
                let _ = document(&payload);
            }
        }
    }
}
