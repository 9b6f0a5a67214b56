//! What parent and child say to each other over pipes: frames of a kind byte, a length and a payload.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::ocr::{Picture, Rendering};
use crate::{Document, Failure, Format, Limits, Request};

/// Bytes before a payload: the kind, then the length of the payload (u32, little endian).
const HEADER: usize = 5;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To the child, once: [`Settings`] as JSON.
    Settings,
    /// To the child: a document, see [`document`].
    Document,
    /// From the child, once: [`Ready`] as JSON.
    Ready,
    /// From the child: the document comes in ranges; its number of pages as JSON.
    Opened,
    /// To the child, in reply to [`Kind::Opened`]: [`crate::ranges::Start`] as JSON.
    Start,
    /// From the child: a [`crate::Range`] as JSON; more will follow.
    Range,
    /// From the child: a page as it looks, see [`picture`]. The page itself follows in a range or in the outcome.
    Picture,
    /// From the child: [`Outcome`] as JSON, with the pages that no range held.
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
            Self::Opened => b'N',
            Self::Start => b'B',
            Self::Range => b'P',
            Self::Picture => b'I',
            Self::Outcome => b'O',
            Self::Fatal => b'F',
        }
    }

    fn of(byte: u8) -> io::Result<Self> {
        let to_child = [Self::Settings, Self::Document, Self::Start];
        let answers = [Self::Ready, Self::Opened, Self::Range, Self::Picture, Self::Outcome, Self::Fatal];
        let mut kinds = to_child.into_iter().chain(answers);
        kinds.find(|kind| kind.byte() == byte).ok_or_else(|| invalid(format!("frame kind {byte:#04x}")))
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
    /// How pages that need OCR are to be rendered; `None` when nobody would read them.
    #[serde(default)]
    pub rendering: Option<Rendering>,
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

/// What goes before the bytes of a document.
#[derive(Serialize, Deserialize)]
struct About<'a> {
    format: Format,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    password: Option<std::borrow::Cow<'a, str>>,
}

/// The start of a [`Kind::Document`] payload: the length of what follows (u32, little endian), then what is known of
/// the document as JSON. The bytes of the document come behind it.
///
/// # Errors
/// None that a format and a password can cause.
pub fn about(request: Request<'_>) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(&About { format: request.format, password: request.password.map(Into::into) })?;
    let length = u32::try_from(json.len()).map_err(|_| invalid("a password without end"))?;
    Ok([&length.to_le_bytes(), json.as_slice()].concat())
}

/// A document that arrived.
pub struct Received<'a> {
    pub format: Format,
    pub password: Option<String>,
    pub bytes: &'a [u8],
}

/// Splits the payload of a [`Kind::Document`] frame.
///
/// # Errors
/// `InvalidData` when it does not begin as [`about`] says.
pub fn document(payload: &[u8]) -> io::Result<Received<'_>> {
    let cut = || invalid("a document frame that ends too early");
    let (length, rest) = payload.split_first_chunk().ok_or_else(cut)?;
    let (json, bytes) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
    let About { format, password } = serde_json::from_slice(json)?;
    Ok(Received { format, password: password.map(Into::into), bytes })
}

/// Bytes before a picture's pixels: page number, width and height (u32 each, little endian).
const PICTURE_HEADER: usize = 12;

/// The start of a [`Kind::Picture`] payload; the pixels come behind it.
#[must_use]
pub fn picture_header(number: u32, picture: &Picture) -> [u8; PICTURE_HEADER] {
    let [a, b, c, d] = number.to_le_bytes();
    let [e, f, g, h] = picture.width.to_le_bytes();
    let [i, j, k, l] = picture.height.to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// Reads the payload of a [`Kind::Picture`] frame: the page's number, and its picture.
///
/// # Errors
/// `InvalidData` when there are not as many pixels as width and height say.
pub fn picture(mut payload: Vec<u8>) -> io::Result<(u32, Picture)> {
    let pixels = payload.split_off(PICTURE_HEADER.min(payload.len()));
    let mut numbers = payload.chunks_exact(4).map(|four| <[u8; 4]>::try_from(four).map_or(0, u32::from_le_bytes));
    let (Some(number), Some(width), Some(height)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return Err(invalid("a picture frame that ends too early"));
    };
    if u64::from(width) * u64::from(height) != pixels.len() as u64 {
        return Err(invalid(format!("a picture of {width} × {height} in {} bytes", pixels.len())));
    }
    Ok((number, Picture { width, height, pixels }))
}

/// Reads a payload of JSON.
///
/// # Errors
/// `InvalidData`.
pub fn json<T: serde::de::DeserializeOwned>(payload: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(payload)?)
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
    write_parts(to, kind, [payload, &[]])
}

/// As [`write`], with the payload in two parts so that a picture needs no copy.
///
/// # Errors
/// Those of the writer.
pub fn write_parts(to: &mut impl Write, kind: Kind, parts: [&[u8]; 2]) -> io::Result<()> {
    let start = header(kind, parts.iter().map(|part| part.len()).sum())?;
    match whole(start, parts) {
        Some(frame) => to.write_all(&frame)?,
        None => [&start[..]].into_iter().chain(parts).try_for_each(|part| to.write_all(part))?,
    }
    to.flush()
}

/// Up to this size a copy costs less than waking the reader once more for each part.
const ONE_WRITE: usize = 256 << 10;

fn whole(start: [u8; HEADER], [first, second]: [&[u8]; 2]) -> Option<Vec<u8>> {
    let is_small = first.len().saturating_add(second.len()) <= ONE_WRITE;
    is_small.then(|| [&start, first, second].concat())
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

/// As [`write_parts`].
///
/// # Errors
/// Those of the writer.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), kind: Kind, parts: [&[u8]; 2]) -> io::Result<()> {
    let start = header(kind, parts.iter().map(|part| part.len()).sum())?;
    match whole(start, parts) {
        Some(frame) => to.write_all(&frame).await?,
        None => {
            for part in [&start[..]].into_iter().chain(parts) {
                to.write_all(part).await?;
            }
        }
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
        fn documents_and_pictures_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..60), secret in ".{0,9}") {
            let request = Request { format: Format::Ods, bytes: &bytes, password: Some(&secret) };
            let payload = [about(request).unwrap(), bytes.clone()].concat();
            let received = document(&payload).unwrap();
            prop_assert_eq!(received.format, Format::Ods);
            prop_assert_eq!((received.password.as_deref(), received.bytes), (Some(secret.as_str()), bytes.as_slice()));
            let sent = Picture { width: bytes.len() as u32, height: 1, pixels: bytes.clone() };
            let payload = [&picture_header(7, &sent)[..], &bytes].concat();
            prop_assert!(picture(payload.iter().chain(&[0]).copied().collect()).is_err());
            prop_assert_eq!(picture(payload).unwrap(), (7, sent));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(Some((_, payload))) = read(&mut &bytes[..], 100) {
                let _ = document(&payload);
                let _ = picture(payload);
            }
        }
    }
}
