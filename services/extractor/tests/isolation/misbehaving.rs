//! A parser that obeys: the text of a document says how to misbehave.

use std::net::TcpStream;

use heimdex_extractor::ocr::{Picture, Rendering};
use heimdex_extractor::ranges::{self, Paged, Sink};
use heimdex_extractor::{Document, Failure, Format, Limits, Page, Parser, Range, Request};

pub struct Misbehaving;

impl Parser for Misbehaving {
    fn parse(&self, request: Request<'_>, _: &Limits) -> Result<Document, Failure> {
        let Request { format, bytes, .. } = request;
        let command = std::str::from_utf8(bytes).unwrap();
        let answer = match command {
            "spin" => spin(),
            "wait" => wait(),
            "eat" => eat(),
            "demand" => demand(),
            "abort" => std::process::abort(),
            "exit" => std::process::exit(7),
            "panic" => panic!("the parser hit a bug"),
            "overflow" => overflow(&[0; 64]).to_string(),
            "segfault" => segfault(),
            "killed" => killed(),
            "print" => print(),
            "flood" => "x".repeat(32 << 20),
            "reach" => reach(),
            "pid" => std::process::id().to_string(),
            other => other.to_owned(),
        };
        Ok(Document::single(format, answer))
    }

    /// `book PAGES` is a document of so many pages, `book PAGES TRICK PAGE` one that misbehaves at a page.
    fn stream(&self, request: Request<'_>, limits: &Limits, sink: &mut dyn Sink) -> Result<Document, Failure> {
        let words: Vec<&str> = std::str::from_utf8(request.bytes).unwrap().split(' ').collect();
        match words.as_slice() {
            ["book", pages] => ranges::stream(&Book::of(pages, "", "0"), limits, sink),
            ["book", pages, trick, at] => ranges::stream(&Book::of(pages, trick, at), limits, sink),
            _ => self.parse(request, limits),
        }
    }
}

/// Its pages say who read them.
struct Book<'a> {
    pages: u32,
    trick: &'a str,
    at: u32,
}

impl<'a> Book<'a> {
    fn of(pages: &str, trick: &'a str, at: &str) -> Self {
        Self { pages: pages.parse().unwrap(), trick, at: at.parse().unwrap() }
    }

    fn page(&self, number: u32) -> Page {
        if self.trick == "scans" {
            return Page { needs_ocr: true, ..Page::plain(number, "") };
        }
        let text =
            format!("This page, number {number} of the whole book, was read by the process {}.", std::process::id());
        match (number == self.at).then_some(self.trick) {
            Some("wait") => Page::plain(number, wait()),
            Some("panic") => panic!("the parser hit a bug"),
            Some("flood") => Page::plain(number, "x".repeat(1 << 20)),
            Some("lie") => Page::plain(number + 1, text),
            Some("scan") => Page { needs_ocr: true, ..Page::plain(number, "") },
            _ => Page::plain(number, text),
        }
    }
}

impl Paged for Book<'_> {
    fn page_count(&self) -> u32 {
        self.pages
    }

    fn facts(&self) -> Document {
        Document { title: Some("A book".to_owned()), ..Document::of_pages(Format::Pdf, Vec::new()) }
    }

    fn pages(&self, first: u32, last: u32, _: &Limits) -> Result<Range, Failure> {
        Ok(Range { pages: (first..=last).map(|number| self.page(number)).collect(), warnings: Vec::new() })
    }

    /// One pixel that says what the stand-in for a recognizer is to do.
    fn render(&self, number: u32, _: Rendering) -> Option<Picture> {
        let number = if self.trick == "scans" { 1 } else { number };
        Some(Picture { width: 1, height: 1, pixels: vec![u8::try_from(number).unwrap()] })
    }
}

fn spin() -> String {
    loop {
        std::hint::spin_loop();
    }
}

/// Uses no CPU time: only the parent's clock can end it.
fn wait() -> String {
    loop {
        std::thread::park();
    }
}

/// Takes memory bit by bit, and uses it.
fn eat() -> String {
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&eaten);
    }
}

/// Asks for far too much at once.
fn demand() -> String {
    String::from_utf8(vec![b'x'; 1 << 40]).unwrap()
}

#[allow(unconditional_recursion, reason = "that is the misbehaviour")]
fn overflow(frame: &[u8; 64]) -> usize {
    let mut next = *frame;
    next[0] = next[0].wrapping_add(1);
    overflow(std::hint::black_box(&next)) + usize::from(next[0])
}

#[expect(unsafe_code, reason = "that is the misbehaviour")]
fn segfault() -> String {
    // SAFETY: none; the process is to die of it.
    unsafe { std::ptr::write_volatile(std::ptr::without_provenance_mut::<u8>(8), 1) };
    String::new()
}

/// What the kernel does when the machine runs out of memory.
#[expect(unsafe_code, reason = "raise has no safe form")]
fn killed() -> String {
    // SAFETY: raise has no preconditions.
    unsafe { libc::raise(libc::SIGKILL) };
    String::new()
}

/// A library that prints must not garble the answers.
fn print() -> String {
    print!("O\u{1}\0\0\0noise on standard output");
    "printed".to_owned()
}

/// Everything a child has no business with; says what worked.
fn reach() -> String {
    let attempts = [
        ("connect", TcpStream::connect("127.0.0.1:9").err().map(|error| error.kind())),
        ("read", std::fs::read("/etc/hostname").err().map(|error| error.kind())),
        ("write", std::fs::write("/tmp/heimdex-extractor-escape", "x").err().map(|error| error.kind())),
        ("run", std::process::Command::new("/bin/true").status().err().map(|error| error.kind())),
    ];
    let secrets = std::env::vars().count();
    format!("{attempts:?}, {secrets} variables")
}
