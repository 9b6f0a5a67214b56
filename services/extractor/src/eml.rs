//! E-mail messages (RFC 5322, MIME): headers, the best body, and what is attached.

use mail_parser::{Address, Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::{Attachment, BlockKind, Document, Failure, Format, Limits, PageBuilder, charset, html, text};

/// Header lines looked at to tell a message from other text.
const HEADER_LINES: usize = 60;
/// Headers that mail has and other text does not begin with.
const KNOWN: &[&str] = &[
    "from",
    "to",
    "date",
    "subject",
    "received",
    "message-id",
    "mime-version",
    "return-path",
    "delivered-to",
    "content-type",
    "reply-to",
    "cc",
    "sender",
    "x-mailer",
    "dkim-signature",
    "content-transfer-encoding",
    "authentication-results",
];

/// Whether `head`, the begin of a file, is the begin of a message: nothing but header fields up to an empty line, among
/// them who it is from and at least two more that mail has.
#[must_use]
pub fn is_message(head: &str) -> bool {
    let (mut from, mut known) = (false, 0);
    for (at, line) in head.lines().take(HEADER_LINES).enumerate() {
        if line.is_empty() {
            break;
        }
        let continued = line.starts_with([' ', '\t']) || (at == 0 && line.starts_with("From "));
        if continued {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        let name = name.to_ascii_lowercase();
        from |= matches!(name.as_str(), "from" | "received" | "return-path" | "message-id");
        known += usize::from(KNOWN.contains(&name.as_str()));
    }
    from && known > 2
}

/// Reads the headers and the body of `bytes` as one page; attachments are listed.
///
/// # Errors
/// `corrupt` when there are no headers, `too_large` over the limit on text, `empty` when there is no text.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Document, Failure> {
    let message = MessageParser::default().parse(bytes).ok_or_else(|| Failure::corrupt("no header fields"))?;
    let mut page = PageBuilder::new();
    let mut document = Document::of_pages(Format::Eml, Vec::new());
    describe(&message, &mut document);
    if let Some(subject) = &document.title {
        page.push(BlockKind::Heading { level: 1 }, subject);
    }
    page.push(BlockKind::Paragraph, &shown_headers(&message));
    body(&message, &mut page, limits)?;
    document.pages.push(page.finish(1));
    document.attachments = message.attachments().map(|part| attachment(&message, part)).collect();
    text::check_text(&document, limits)?;
    Ok(document)
}

fn describe(message: &Message<'_>, document: &mut Document) {
    document.title = message.subject().map(one_line).filter(|subject| !subject.is_empty());
    let values = [
        ("author", message.from().map(addresses)),
        ("to", message.to().map(addresses)),
        ("cc", message.cc().map(addresses)),
        ("created", message.date().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_rfc3339)),
        ("message_id", message.message_id().map(str::to_owned)),
        ("keywords", message.keywords().as_text().map(one_line)),
    ];
    let filled = values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    document.metadata.extend(filled.filter(|(_, value)| !value.is_empty()));
}

/// The header as mail programs show it; the subject is the heading above.
fn shown_headers(message: &Message<'_>) -> String {
    let date = message.header_raw("Date").map(one_line);
    let lines = [
        ("From", message.from().map(addresses)),
        ("To", message.to().map(addresses)),
        ("Cc", message.cc().map(addresses)),
        ("Date", date),
    ];
    let filled = lines
        .into_iter()
        .filter_map(|(name, value)| value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    filled.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

fn addresses(address: &Address<'_>) -> String {
    let one = |addr: &mail_parser::Addr<'_>| match (addr.name(), addr.address()) {
        (Some(name), Some(address)) => format!("{} <{address}>", one_line(name)),
        (name, address) => one_line(name.or(address).unwrap_or_default()),
    };
    address.iter().map(one).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parts that make up the text, each as plain text where the sender gave that, as HTML otherwise.
fn body(message: &Message<'_>, page: &mut PageBuilder, limits: &Limits) -> Result<(), Failure> {
    for part in message.text_bodies() {
        if page.bytes() > limits.max_text_bytes {
            return Err(Failure::too_large("text bytes", limits.max_text_bytes));
        }
        match &part.body {
            PartType::Text(decoded) => plain(&repaired(message, part, decoded), page),
            PartType::Html(decoded) => match html::parse_text(&repaired(message, part, decoded), limits) {
                Ok(document) => document.pages.iter().for_each(|inner| page.append(inner)),
                Err(Failure::Empty) => {}
                Err(failure) => return Err(failure),
            },
            _ => {}
        }
    }
    Ok(())
}

/// Text that was sent as bytes without a name of their encoding is detected like that of any file.
fn repaired(message: &Message<'_>, part: &MessagePart<'_>, decoded: &str) -> String {
    let raw = message.raw_message().get(part.offset_body as usize..part.offset_end as usize);
    match raw.filter(|_| part.encoding == Encoding::None && decoded.contains(char::REPLACEMENT_CHARACTER)) {
        Some(raw) => charset::decode(raw, None).text,
        None => decoded.to_owned(),
    }
}

/// Paragraphs between blank lines; lines after `>` are quoted.
fn plain(body: &str, page: &mut PageBuilder) {
    let mut block = String::new();
    let mut quoted = false;
    for line in body.lines().chain([""]) {
        let quotes = line.starts_with('>');
        let content = if quotes { line.trim_start_matches(['>', ' ']) } else { line };
        if content.trim().is_empty() || quotes != quoted {
            page.push(if quoted { BlockKind::Quote } else { BlockKind::Paragraph }, &block);
            block.clear();
        }
        quoted = quotes;
        block.push_str(content);
        block.push('\n');
    }
}

fn attachment(message: &Message<'_>, part: &MessagePart<'_>) -> Attachment {
    let subject = || match &part.body {
        PartType::Message(inner) => inner.subject().map(one_line),
        _ => None,
    };
    let kind = || part.content_type().map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("*")));
    let name = part.attachment_name().map(one_line).or_else(subject).or_else(kind).unwrap_or_default();
    let bytes = match &part.body {
        PartType::Message(_) => {
            message.raw_message().get(part.offset_body as usize..part.offset_end as usize).map(<[u8]>::len)
        }
        _ => Some(part.contents().len()),
    };
    Attachment { name, bytes: bytes.and_then(|bytes| u64::try_from(bytes).ok()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const MULTIPART: &str = "From: =?iso-8859-1?Q?J=F6rg?= <joerg@example.org>\r\nTo: a@example.org, \"B C\" <b@example.org>\r\n\
        Subject: =?UTF-8?B?5pel5pys6Kqe?=\r\n =?UTF-8?Q?_test?=\r\nDate: Tue, 1 Jul 2003 10:52:37 +0200\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n\
        --y\r\nContent-Type: text/plain; charset=windows-1251\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        =CF=F0=E8=E2=E5=F2\r\nsecond line\r\n\r\n> quoted\r\n> more\r\nanswer\r\n\
        --y\r\nContent-Type: text/html\r\n\r\n<p>not this one</p>\r\n--y--\r\n\
        --x\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=\"a b.pdf\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x--\r\n";

    #[test]
    fn headers_body_and_attachments() {
        assert!(is_message(MULTIPART));
        let document = parse(MULTIPART.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(document.title.as_deref(), Some("日本語 test"));
        assert_eq!(document.metadata.get("created").map(String::as_str), Some("2003-07-01T10:52:37+02:00"));
        assert_eq!(document.metadata.get("author").map(String::as_str), Some("Jörg <joerg@example.org>"));
        assert_eq!(document.attachments, [Attachment { name: "a b.pdf".to_owned(), bytes: Some(3) }]);
        let page = document.pages.first().unwrap();
        assert_eq!(
            page.text,
            "日本語 test\n\nFrom: Jörg <joerg@example.org>\nTo: a@example.org, B C <b@example.org>\n\
             Date: Tue, 1 Jul 2003 10:52:37 +0200\n\nПривет\nsecond line\n\nquoted\nmore\n\nanswer"
        );
        assert_eq!(page.blocks.iter().filter(|block| block.kind == BlockKind::Quote).count(), 1);
    }

    #[test]
    fn a_message_of_html_and_one_without_a_charset() {
        let only_html = "From: a@b\r\nSubject: s\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
            <h2>Title</h2><table><tr><th>k<th>v<tr><td>1<td>2</table>";
        let page = parse(only_html.as_bytes(), &Limits::default()).unwrap().pages.remove(0);
        assert!(page.text.ends_with("Title\n\nk | v\n1 | 2"), "{}", page.text);
        assert_eq!(page.blocks.last().map(|block| block.kind), Some(BlockKind::Table { header_rows: 1 }));
        let mut raw = b"From: a@b\r\nSubject: s\r\n\r\n".to_vec();
        raw.extend(encoding_rs::SHIFT_JIS.encode("これは文字コードの書かれていない日本語のメールです。").0.as_ref());
        let page = parse(&raw, &Limits::default()).unwrap().pages.remove(0);
        assert!(page.text.ends_with("日本語のメールです。"), "{}", page.text);
    }

    #[test]
    fn other_text_with_colons_is_no_message() {
        for text in [
            "To: do\nFrom: scratch\n\n",
            "name: x\nfrom: y\nsubject: z\n",
            "Dear all:\nnote\n",
            "From here on\nit is prose\n",
        ] {
            assert!(!is_message(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_message_parses(headers in "(From|Subject|Content-Type|Date): [ -~]{0,40}\n", body in "[-=\\n a-z<>]{0,80}") {
            let message = format!("{headers}Content-Type: multipart/mixed; boundary=x\n\n--x\n{body}\n--x--\n");
            if let Err(failure) = parse(message.as_bytes(), &Limits::default()) {
                prop_assert!(matches!(failure.code(), "empty" | "corrupt"));
            }
        }
    }
}
